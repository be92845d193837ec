"""Secrets are not in the repository, in no log line and in no reply; and each can be changed."""

from __future__ import annotations

import base64
import math
import re
import secrets
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.attacks.world import World
from tests.sites import (
    BORN,
    NATIONAL_ID,
    PASSWORD,
    Clock,
    add_account,
    add_citizen,
    browser,
    build_site,
    form_token,
    sign_in,
    site_settings,
)

from voting.db import Database
from voting.identity.api_tokens import is_well_formed
from voting.identity.demo import PASSWORD as DEMO_PASSWORD

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/]{20}"),
    "a key of a cloud": re.compile(
        rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}\b|\bya29\.[0-9A-Za-z_-]{20}"
    ),
    "a token of a forge": re.compile(
        rb"\b(?:ghp|gho|ghs|github_pat|glpat|npm)_[0-9A-Za-z_]{20,}|\bxox[abpr]-[0-9A-Za-z-]{20}"
    ),
    "a database's password": re.compile(
        rb"postgres(?:ql)?://[^:@/\s\"'{}]+:(?!password@|secret@|hidden@|\.\.\.|\*|pw@)[^@/\s\"'{}<>]{6,}@"
    ),
    "a JWT": re.compile(rb"\beyJ[0-9A-Za-z_-]{20,}\.eyJ[0-9A-Za-z_-]{20,}\.[0-9A-Za-z_-]{20,}"),
}
ASSIGNED = re.compile(rb"""(?i)\b(?:password|passwd|secret|api_?key|token)\s*[:=]\s*["']([^"'\s{}<>$%]{20,})["']""")
TOKEN = re.compile(rb"veche_[0-9A-Za-z]{49}")
NAMES = re.compile(r"(^|/)(\.env(\..*)?|id_(rsa|ed25519)|.*\.(pem|p12|pfx|key|keystore))$")


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("there is no repository here to look through")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def entropy(word: bytes) -> float:
    """Bits a character."""
    return -sum(n / len(word) * math.log2(n / len(word)) for n in Counter(word).values())


def found_in(name: str, content: bytes) -> list[str]:
    """What in a file looks like a secret."""
    found = [f"{name}: {what}" for what, pattern in FORBIDDEN.items() if pattern.search(content)]
    found += [f"{name}: a token of the API" for word in TOKEN.findall(content) if is_well_formed(word.decode())]
    if not name.endswith((".lock", "package-lock.json")):
        found += [f"{name}: {word!r}" for word in ASSIGNED.findall(content) if entropy(word) > 4.2]
    return found


def test_the_repository_holds_no_secret() -> None:
    files = tracked()
    assert len(files) > 400
    names = [path.relative_to(ROOT).as_posix() for path in files]
    assert not [name for name in names if NAMES.search(name)]
    found = [one for name, path in zip(names, files, strict=True) if path.stat().st_size < 5_000_000
             for one in found_in(name, path.read_bytes())]  # fmt: skip
    assert not found, "\n".join(found)


def test_the_search_can_tell() -> None:
    made = base64.b64encode(secrets.token_bytes(30))
    for content in (b"-----BEGIN PRIVATE KEY-----\n" + made, b"AKIA" + b"ABCDEFGHIJKLMNOP", b"ghp_" + b"a1" * 15,
                    b"postgresql://veche:" + b"q8Zr4LmWx2Tk" + b"@db/x", b"PASSWORD = '" + made + b"'"):  # fmt: skip
        assert found_in("a.py", content), content


async def test_no_log_line_and_no_reply_holds_a_secret(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """Each route hears secrets in every place where a client may put one: none comes back, none is written down."""
    mark = "hush" + secrets.token_hex(12)
    resident = world.callers["official"]
    keys = [key for path in world.settings.keys_dir.iterdir() if path.is_file() and len(key := path.read_bytes()) >= 32]
    cookies = [value for _, value in resident.http.cookies.items()]
    shapes = [
        shape
        for key in keys
        for shape in (key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode())
    ]
    hidden = [mark, DEMO_PASSWORD, resident.token, *cookies, *shapes]
    assert min(len(secret) for secret in hidden) >= len(DEMO_PASSWORD), "long enough not to stand there by chance"
    capfd.readouterr()
    for login, password in (("official@demo.veche", DEMO_PASSWORD), ("nobody@demo.veche", mark)):
        async with browser(world.app) as newcomer:
            assert (await sign_in(newcomer, login, password)).status_code in (303, 401, 422)
    for route in world.routes():
        if route.path.endswith(".pdf") or route.may_end:
            continue
        address = route.filled(await world.values(route))
        headers = {"user-agent": mark, "referer": f"http://city.test/?token={mark}", "x-api-key": mark}
        body = {} if route.method == "GET" else {"content": f'{{"password": "{mark}", "}}'}
        reply = await resident.ask(route.method, f"{address}?token={mark}&password={mark}", headers=headers, **body)
        assert reply.status_code < 500, route
        text_of = (
            reply.text
            if "text" in reply.headers.get("content-type", "") or "json" in reply.headers.get("content-type", "")
            else ""
        )
        for secret in (*cookies, *shapes):
            assert secret not in text_of, route
        basic = base64.b64encode(f"admin:{mark}".encode()).decode()
        await world.callers["anonymous"].http.request(
            route.method, address, headers={"authorization": f"Basic {basic}"}
        )
    said = capfd.readouterr()
    lines = said.out + said.err
    assert lines.count('"event"') > 150, "the log was heard"
    for secret in hidden:
        assert secret not in lines


async def test_the_secret_of_forms_can_be_changed(fresh_database: Database, tmp_path: Path) -> None:
    """A new file in its place: sessions stay, pages already open have to be loaded again, new ones work."""
    await add_account(fresh_database, "anna@city.test", "resident")
    before = build_site(fresh_database, tmp_path)
    async with browser(before) as client:
        await sign_in(client, "anna@city.test")
        old = form_token(await client.get("/account"))
        (site_settings(tmp_path).keys_dir / "forms").write_bytes(secrets.token_bytes(32))
        after = build_site(fresh_database, tmp_path)
        async with browser(after) as later:
            later.cookies = client.cookies
            page = await later.get("/account")
            assert page.status_code == 200, "still signed in: sessions do not hang on this secret"
            form = {"current_password": PASSWORD, "new_password": "another long password"}
            assert (await later.post("/account/password", data={"csrf_token": old, **form})).status_code == 403
            new = form_token(page)
            assert (await later.post("/account/password", data={"csrf_token": new, **form})).status_code == 303


async def test_every_session_can_be_ended_at_once(fresh_database: Database, tmp_path: Path) -> None:
    """There is no secret of sessions to change: each is a row, and without its row a cookie is nothing."""
    await add_account(fresh_database, "anna@city.test", "resident")
    clock = Clock()
    app = build_site(fresh_database, tmp_path, clock=clock)
    async with browser(app) as client:
        await sign_in(client, "anna@city.test")
        assert (await client.get("/account")).status_code == 200
        async with fresh_database.open_session() as session:
            await session.execute(text("DELETE FROM web_session"))
        clock.go(seconds=6)  # what a process remembers of a session
        assert (await client.get("/account")).headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("after_rotation", [False, True])
async def test_the_secret_of_identities_can_be_rotated(
    fresh_database: Database, tmp_path: Path, after_rotation: bool
) -> None:
    """A second version beside the first: entries keyed by the old one are found, and nobody counts twice."""
    await add_citizen(fresh_database, tmp_path)
    keys = site_settings(tmp_path).keys_dir
    if after_rotation:
        (keys / "identity-2").write_bytes(secrets.token_bytes(32))
    async with browser(build_site(fresh_database, tmp_path)) as client:
        token = form_token(await client.get("/sign-up"))
        form = {"csrf_token": token, "national_id": NATIONAL_ID, "birth_date": BORN.isoformat(), "password": PASSWORD}
        assert (await client.post("/sign-up", data={**form, "login": "a@city.test"})).status_code == 303
    (keys / "identity-3").write_bytes(secrets.token_bytes(32))
    async with browser(build_site(fresh_database, tmp_path)) as client:
        form["csrf_token"] = form_token(await client.get("/sign-up"))
        again = await client.post("/sign-up", data={**form, "login": "b@city.test"})
        assert again.status_code == 409, "one entry, one account, whatever the secrets are"


async def test_the_secret_of_counters_can_be_changed(fresh_database: Database, tmp_path: Path) -> None:
    """Counters begin anew, and signing in goes on."""
    await add_account(fresh_database, "anna@city.test", "resident")
    for _ in range(2):
        async with browser(build_site(fresh_database, tmp_path)) as client:
            assert (await sign_in(client, "anna@city.test")).status_code == 303
        (site_settings(tmp_path).keys_dir / "throttle").write_bytes(secrets.token_bytes(32))
