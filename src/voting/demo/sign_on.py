"""A sign-on of the city to try: a real OpenID Connect provider beside the demo, whose people are the demo's residents.

The provider is the development one of the front end's folder, a process of its own. Its people say only their number in
the register: the site finds the rest. Anybody may be anybody there, so it runs beside the demo alone.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from voting.demo.residents import RESIDENTS
from voting.identity.city_sign_on.configuration import ProviderSettings
from voting.identity.demo import DEMO_ACCOUNTS
from voting.settings import Settings

NAME = "practice"
CLIENT = "veche-demo"
CONFIRMED, SIMPLE = "urn:practice:confirmed", "urn:practice:simple"
FRONTEND = Path(__file__).resolve().parents[3] / "frontend"
START_WITHIN = 60.0
STRANGERS = (
    ("stranger", "Приезжий: в регистре города его номера нет", "77-99999999", CONFIRMED),
    ("unconfirmed", "Анна Смирнова, но личность не подтверждена", RESIDENTS[0].national_id, SIMPLE),
)
"""Those who are not let in, and read why."""


class NoSignOn(Exception):
    """The provider cannot run here; the words are for whoever typed the command."""


def people() -> list[dict[str, Any]]:
    """The demo's residents and two who are not let in, as the provider's configuration lists them."""
    names = {one.key: one.display_name for one in DEMO_ACCOUNTS}
    unknown = "Новый житель: учётной записи ещё нет"
    listed = [(one.key, names.get(one.key, unknown), one.national_id, CONFIRMED) for one in RESIDENTS]
    return [
        {"id": key, "title": title, "acr": level, "claims": {"national_id": number}}
        for key, title, number, level in (*listed, *STRANGERS)
    ]


def provider_at(port: int) -> ProviderSettings:
    """What the site is told of the provider at a port of this machine."""
    return ProviderSettings(
        name=NAME, title_ru="учебный сервис города", title_en="the city's practice service",
        issuer=f"http://127.0.0.1:{port}", client_id=CLIENT, scope="openid person", birth_date_claim="",
        levels={CONFIRMED: 2, SIMPLE: 1},
    )  # fmt: skip


@contextmanager
def running_provider(settings: Settings, port: int) -> Iterator[ProviderSettings]:
    """Run the provider at a port for the site of these settings; its new client secret lies among the site's keys.

    Raises NoSignOn outside the demo, without the front end's packages, and where the port is taken.
    """
    if not settings.demo:
        raise NoSignOn("anybody may be anybody at this provider: it runs beside the demo only.")
    node, script = _node(), FRONTEND / "dev" / "sign-on.mjs"
    if node is None or not (FRONTEND / "node_modules" / "oidc-provider").is_dir():
        raise NoSignOn("the front end's packages are not installed. `make sign-on` installs them.")
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        raise NoSignOn(f"port {port} is taken by another program. Choose another one: --port {port + 1}") from None
    provider, secret = provider_at(port), secrets.token_urlsafe(32)
    _write(settings.keys_dir / provider.secret_name, secret)
    told = {"port": port, "client_id": CLIENT, "client_secret": secret, "people": people(),
            "redirect_uris": [f"{settings.base_url}/sign-in/city/{NAME}/callback"]}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="veche-sign-on-") as directory:
        config = Path(directory) / "sign-on.json"
        _write(config, json.dumps(told))
        with (Path(directory) / "log").open("w+") as log:
            command = [node, str(script), str(config)]
            # A group of its own: what is installed as `node` may be a program that starts the real one.
            process = subprocess.Popen(  # noqa: S603  -- our own file
                command, cwd=FRONTEND, stdout=log, stderr=log, start_new_session=True
            )
            try:
                _await(process, Path(log.name))
                yield provider
            finally:
                with suppress(ProcessLookupError):  # it did not start at all
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)


def _node() -> str | None:
    beside = Path(sys.executable).parent / "node"
    return str(beside) if beside.exists() else shutil.which("node")


def _write(path: Path, words: str) -> None:
    """Write a file that nobody else may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(words)


def _await(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while "ready" not in (said := log.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoSignOn(f"the provider did not start: {said.strip()[-500:]}")
        time.sleep(0.05)
