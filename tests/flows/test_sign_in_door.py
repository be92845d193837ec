"""The door before signing in: while hashing is full, refusals come at once and some forms are still shown again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from tests.sites import browser, build_site, fast_passwords

from voting import sign_in_door
from voting.db import Database
from voting.identity.passwords import PasswordPool

FORM = {"content-type": "application/x-www-form-urlencoded", "origin": "http://city.test"}


@pytest.fixture
def full() -> Iterator[PasswordPool]:
    """A pool that has no room."""
    pool = fast_passwords(queue=0)
    with pool.place(), pool.place():
        yield pool
    pool.close()


@pytest.fixture
def site(fresh_database: Database, tmp_path: Path, full: PasswordPool) -> object:
    return build_site(fresh_database, tmp_path, passwords=full)


async def test_a_call_is_told_at_once_in_its_language(site, full: PasswordPool, capsys) -> None:
    async with browser(site) as client:
        told = set()
        for language in ("ru", "en"):
            reply = await client.post("/api/v1/session", headers={"accept-language": language}, content=b"{")
            assert (reply.status_code, reply.json()["code"]) == (503, "busy")
            assert int(reply.headers["retry-after"]) == full.wait() >= 1
            assert reply.headers["x-request-id"] in reply.json()["instance"]
            told.add(reply.json()["title"])
        assert len(told) == 2
        assert (await client.post("/api/v1/accounts", json={})).status_code == 503
        assert (await client.get("/api/v1/session")).status_code != 503, "only what would hash"
        assert (await client.get("/sign-in")).status_code == 200
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert {line["route"] for line in lines if line["status"] == 503} == {"/api/v1/session", "/api/v1/accounts"}


async def test_some_forms_are_shown_again_and_the_rest_is_a_plain_page(site, monkeypatch: pytest.MonkeyPatch) -> None:
    second = [1000.0]
    monkeypatch.setattr(sign_in_door, "time", SimpleNamespace(monotonic=lambda: second[0]))
    sent = {"login": "anna@city.test", "password": "correct horse", "carry.1": "2", "next": "/polls/one/vote"}
    async with browser(site) as client:
        token = (await client.get("/sign-in")).text.partition('name="csrf_token" value="')[2].partition('"')[0]

        async def send() -> httpx.Response:
            return await client.post("/sign-in", data={**sent, "csrf_token": token}, headers=FORM)

        replies = [await send() for _ in range(sign_in_door.FORMS_SHOWN + 3)]
        assert {reply.status_code for reply in replies} == {503}
        shown = [reply for reply in replies if 'name="carry.1"' in reply.text]
        assert len(shown) == sign_in_door.FORMS_SHOWN, "nothing carried is lost"
        plain = replies[-1]
        assert 'lang="en"' in plain.text and "anna@city.test" not in plain.text
        assert int(plain.headers["retry-after"]) >= 1 and plain.headers["content-security-policy"]
        assert plain.headers["cache-control"] == "no-store" and "set-cookie" not in plain.headers
        other = await client.post("/sign-up?lang=en", data=sent, headers={**FORM, "accept-language": "ru"})
        assert other.status_code == 503 and "set-cookie" not in other.headers and 'lang="ru"' in other.text
        second[0] += 1
        assert 'name="carry.1"' in (await send()).text, "in the next second forms are shown once more"


async def test_with_room_nothing_is_refused(fresh_database: Database, tmp_path: Path) -> None:
    async with browser(build_site(fresh_database, tmp_path)) as client:
        reply = await client.post("/api/v1/session", json={"login": "nobody@city.test", "password": "correct horse"})
        assert reply.status_code == 401
