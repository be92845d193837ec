"""City sign-ons for tests: a real provider (oidc-provider, a process of its own), and people to sign in with."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

FRONTEND = Path(__file__).parents[1] / "frontend"
SCRIPT = FRONTEND / "dev" / "sign-on.mjs"
SECRET = "a client's secret of tests"
START_WITHIN = 60.0


@dataclass(frozen=True)
class RealProvider:
    """A running provider: its issuer, and how a site is told of it."""

    issuer: str
    userinfo: bool

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "name": "city", "title_ru": "Единый вход", "title_en": "City ID", "issuer": self.issuer,
            "client_id": "veche", "scope": "openid person", "userinfo": self.userinfo,
            "levels": {"urn:city:confirmed": 2, "urn:city:in-person": 3, "urn:city:simple": 1}, **more,
        }  # fmt: skip


def a_person(key: str, number: str | None, *, acr: str = "urn:city:confirmed", **claims: Any) -> dict[str, Any]:
    given = {"national_id": number, **claims} if number else claims
    return {"id": key, "title": key, "acr": acr, "claims": given}


def keep_secret(data_dir: Path, name: str = "city", secret: str = SECRET) -> None:
    """Put the client secret where the site looks for it."""
    (data_dir / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    (data_dir / "keys" / f"sign-on-{name}").write_text(secret)


@contextmanager
def running_provider(
    directory: Path, people: Sequence[dict[str, Any]], base_urls: Sequence[str], *, userinfo: bool = False
) -> Iterator[RealProvider]:
    """Run the provider for sites at these addresses. Skips without node and its packages."""
    node = Path(sys.executable).parent / "node"
    if not node.exists() or not (FRONTEND / "node_modules" / "oidc-provider").exists():
        pytest.skip("node and the packages of the front end are not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = directory / "sign-on.json"
    returns = [f"{url}/sign-in/city/city/callback" for url in base_urls]
    config.write_text(
        json.dumps({"port": port, "client_id": "veche", "client_secret": SECRET, "redirect_uris": returns,
                    "userinfo": userinfo, "people": list(people)})
    )  # fmt: skip
    log = (directory / "sign-on.log").open("w+")
    command = [str(node), str(SCRIPT), str(config)]
    # A group of its own: the virtual environment's `node` is a program that starts the real one.
    process = subprocess.Popen(command, cwd=FRONTEND, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + START_WITHIN
        while "ready" not in (directory / "sign-on.log").read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the provider did not start: {(directory / 'sign-on.log').read_text()}")
            time.sleep(0.05)
        yield RealProvider(f"http://127.0.0.1:{port}", userinfo)
    finally:
        with suppress(ProcessLookupError):  # it did not start at all
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
        log.close()


async def pass_provider(address: str, person: str) -> str:
    """Go through the provider's pages as this person does ("" says no); gives where it sends the browser back."""
    home = urlsplit(address).netloc
    async with httpx.AsyncClient(follow_redirects=False, timeout=20, trust_env=False) as browser:
        reply = await browser.get(address)
        for _ in range(10):
            if reply.is_redirect:
                address = urljoin(address, reply.headers["location"])
                if urlsplit(address).netloc != home:
                    return address
                reply = await browser.get(address)
                continue
            assert reply.status_code == 200, reply.text
            found = re.search(r'action="([^"]+)"', reply.text)
            assert found, reply.text
            address = urljoin(address, found[1])
            reply = await browser.post(address, data={"person": person})
    raise AssertionError("the provider goes round in circles")


async def sign_on(client: httpx.AsyncClient, person: str, *, target: str = "/account") -> httpx.Response:
    """Sign in through the real provider; gives the site's answer to the return."""
    here = {"sec-fetch-site": "same-origin"}
    left = await client.get("/sign-in/city/city", params={"next": target}, headers=here)
    assert left.status_code == 303, left.text
    back = urlsplit(await pass_provider(left.headers["location"], person))
    return await client.get(f"{back.path}?{back.query}")
