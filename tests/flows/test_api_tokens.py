"""Tokens of the API: made once in the account, taken by the API alone, and ended for good by whatever ends them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, post
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.builders import a_city, a_key, an_open_poll
from tests.flows.api_client import UNLIMITED, V1
from tests.sites import (
    HTTP,
    Clock,
    add_account,
    add_citizen,
    browser,
    fast_passwords,
    form_token,
    sign_in,
    site_settings,
)

from polls.errors import Invalid, Refusal
from voting import api, web
from voting.app import create_app
from voting.db import Database
from voting.identity.accounts import grant_role, revoke_role
from voting.identity.api_tokens import (
    FORM,
    LIVES,
    MOST_LIVE,
    TooManyTokens,
    create_api_token,
    is_well_formed,
    new_api_token,
)
from voting.identity.guards import analyst
from voting.identity.scope import Grant
from voting.throttling import Limit

SHOWN = re.compile(r'id="made"[^>]*value="([^"]+)"')


@post("/api/v1/try-export", guards=[analyst], opt={"scope": "exports:write"}, include_in_schema=False, status_code=200,
      sync_to_thread=False)  # fmt: skip
def try_export() -> dict[str, str]:
    return {"done": "yes"}


class Office:
    """A site with an analyst, and what is asked with a token of theirs."""

    def __init__(self, database: Database, tmp_path: Path, limits: Any = UNLIMITED) -> None:
        self.database, self.clock = database, Clock()
        self.settings = site_settings(tmp_path)
        self.app: Litestar = create_app(
            self.settings, database=database, passwords=fast_passwords(), limits=limits, clock=self.clock,
            route_handlers=[*api.routers, *web.handlers, try_export],
        )  # fmt: skip
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, client=("203.0.113.9", 4)), base_url=HTTP  # type: ignore[arg-type]
        )  # fmt: skip

    async def staff(self, role: str = "analyst") -> int:
        return await add_account(self.database, f"{role}@city.test", role)

    async def token(self, account: int, scopes: Sequence[str] = ("results:read",), days: int = 30) -> str:
        async with self.database.open_session() as session:
            return await create_api_token(
                session, account, name="a notebook", scopes=scopes, days=days, now=self.clock.now
            )

    async def ask(self, token: str, path: str = "/polls", method: str = "GET", **more: Any) -> httpx.Response:
        return await self.http.request(
            method, V1 + path, headers={"authorization": f"Bearer {token}", **more.pop("headers", {})}, **more
        )

    async def run(self, statement: str) -> None:
        async with self.database.open_session() as session:
            await session.execute(text(statement))


@pytest.fixture
async def office(fresh_database: Database, tmp_path: Path) -> Office:
    return Office(fresh_database, tmp_path)


def refused(reply: httpx.Response) -> tuple[int, str, str]:
    assert reply.headers["content-type"] == "application/problem+json"
    return reply.status_code, reply.json()["code"], reply.headers.get("www-authenticate", "")


# ---- what a token is


def test_a_token_can_be_told_from_other_text_and_checks_itself() -> None:
    drawn = {new_api_token() for _ in range(500)}
    assert len(drawn) == 500
    for token in drawn:
        assert FORM.fullmatch(token) and len(token) == 55 and is_well_formed(token)
    token = drawn.pop()
    changed = [token[:i] + ("x" if token[i] != "x" else "y") + token[i + 1 :] for i in range(6, len(token))]
    assert not any(is_well_formed(one) for one in changed), "one wrong letter is noticed wherever it stands"
    assert not is_well_formed(token[:-1]) and not is_well_formed(token + "0") and not is_well_formed("")


async def test_a_token_opens_what_everybody_may_read_and_tells_how_it_stands(office: Office) -> None:
    token = await office.token(await office.staff())
    reply = await office.ask(token)
    assert reply.status_code == 200 and reply.headers["cache-control"] == "private, no-cache"
    limit, left = int(reply.headers["ratelimit-limit"]), int(reply.headers["ratelimit-remaining"])
    assert limit == 10**6 or limit == 6000
    assert 0 < left < limit and 0 < int(reply.headers["ratelimit-reset"]) <= 60
    assert reply.headers["ratelimit-policy"] == f"{limit};w=60"
    assert int((await office.ask(token)).headers["ratelimit-remaining"]) == left - 1
    assert "ratelimit-limit" not in (await office.http.get(V1 + "/polls")).headers
    assert (await office.http.get(V1 + "/polls", headers={"authorization": "Basic YTpi"})).status_code == 200


async def test_what_is_no_token_of_ours_is_refused_with_its_code(office: Office) -> None:
    account = await office.staff()
    token = await office.token(account)
    invalid = 'Bearer realm="/api/v1", error="invalid_token", error_description='
    for wrong in (new_api_token(), token[:-1], "x", "", token.swapcase()):
        assert refused(await office.ask(wrong)) == (401, "bad_token", f'{invalid}"bad_token"')
    odd = await office.http.get(V1 + "/polls", headers=[(b"authorization", f"Bearer {token}".encode() + b"\xff")])
    assert refused(odd)[1] == "bad_token"
    office.clock.go(days=30, seconds=-1)
    assert (await office.ask(token)).status_code == 200
    office.clock.go(seconds=1)
    assert refused(await office.ask(token)) == (401, "token_expired", f'{invalid}"token_expired"')
    fresh = await office.token(account)
    await office.run("UPDATE api_token SET revoked_at = now() WHERE expires_at > now()")
    await office.run("UPDATE api_token SET revoked_at = now()")
    assert refused(await office.ask(fresh)) == (401, "token_revoked", f'{invalid}"token_revoked"')
    two = [("authorization", f"Bearer {fresh}"), ("authorization", f"Bearer {token}")]
    assert (await office.http.get(V1 + "/polls", headers=two)).status_code == 400


async def test_a_scope_opens_what_names_it_and_nothing_else(office: Office) -> None:
    account = await office.staff()
    reads, exports = await office.token(account), await office.token(account, ["exports:write"])
    assert (await office.ask(exports, "/try-export", "POST")).json() == {"done": "yes"}
    status, code, challenge = refused(await office.ask(reads, "/try-export", "POST"))
    assert (status, code) == (403, "token_scope")
    assert challenge == 'Bearer realm="/api/v1", error="insufficient_scope", scope="exports:write"'
    assert refused(await office.ask(exports, "/polls"))[:2] == (403, "token_scope")
    for path, method in (("/drafts", "GET"), ("/drafts", "POST"), ("/session", "POST"), ("/accounts", "POST")):
        status, code, challenge = refused(await office.ask(reads, path, method, json={}))
        assert (status, code, "scope=" in challenge) == (403, "token_scope", False), path


async def test_an_official_with_a_token_may_do_no_more_than_its_scope(office: Office) -> None:
    token = await office.token(await office.staff("official"), ["results:read", "exports:write"])
    assert refused(await office.ask(token, "/drafts"))[1] == "token_scope"
    assert refused(await office.ask(token, "/try-export", "POST"))[1] == "not_allowed", "the role is still asked for"


async def test_nobody_votes_with_a_token(office: Office, tmp_path: Path) -> None:
    citizen = await add_citizen(office.database, tmp_path)
    account = await add_account(office.database, "both@city.test", "resident", "analyst", citizen_id=citizen)
    token = await office.token(account, ["results:read", "exports:write"])
    async with office.database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
    assert poll.definition.opens_at
    office.clock.now = poll.definition.opens_at + timedelta(hours=1)
    body, key = {"answers": {"1": 1}}, {"idempotency-key": a_key().hex()}
    fresh = await office.token(account, ["results:read", "exports:write"])
    for carried in (token, fresh):
        reply = await office.ask(carried, f"/polls/{poll.slug}/ballots", "POST", json=body, headers=key)
        assert reply.status_code in (401, 403) and reply.json()["code"] in ("token_scope", "token_expired")
    assert refused(await office.ask(fresh, f"/polls/{poll.slug}/participation"))[1] in ("token_scope", "not_allowed")
    client = browser(office.app)
    await sign_in(client, "both@city.test")
    csrf = (await client.get(V1 + "/session")).json()["csrf_token"]
    both = {**key, "x-csrf-token": csrf, "authorization": f"Bearer {fresh}"}
    reply = await client.post(f"{V1}/polls/{poll.slug}/ballots", json=body, headers=both)
    assert refused(reply)[:2] == (400, "token_with_cookie"), "also where votes go past the framework"
    async with office.database.open_read_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM participation")) == 0


async def test_no_page_takes_a_token(office: Office) -> None:
    token = await office.token(await office.staff())
    carried = {"authorization": f"Bearer {token}"}
    for path in ("/downloads", "/account", "/account/tokens"):
        reply = await office.http.get(path, headers=carried)
        assert reply.status_code == 303 and reply.headers["location"].startswith("/sign-in")
    home = await office.http.get("/", headers=carried)
    assert "/sign-in" in home.text


# ---- what ends it


@pytest.mark.parametrize("end", ["disabled", "role", "replaced"])
async def test_a_token_ends_with_its_account_and_does_not_come_back(office: Office, end: str) -> None:
    account = await office.staff()
    token = await office.token(account)
    async with office.database.open_session() as session:
        await grant_role(session, account, "official", granted_by=None, now=office.clock.now)
        await revoke_role(session, account, Grant("official"), now=office.clock.now)
    assert (await office.ask(token)).status_code == 200, "it has a role for tokens still"
    if end == "disabled":
        await office.run(f"UPDATE account SET disabled_at = now() WHERE id = {account}")
        await office.run(f"UPDATE account SET disabled_at = NULL WHERE id = {account}")
    elif end == "role":
        async with office.database.open_session() as session:
            await revoke_role(session, account, Grant("analyst"), now=office.clock.now)
            await grant_role(session, account, "analyst", granted_by=None, now=office.clock.now)
    else:
        await office.run(f"UPDATE account_role SET role = 'observer' WHERE account_id = {account}")
    assert refused(await office.ask(token))[:2] == (401, "token_revoked")


async def test_only_its_hash_is_stored_and_only_the_day_it_was_used(office: Office) -> None:
    token = await office.token(await office.staff(), days=max(LIVES))
    await office.ask(token)
    async with office.database.open_read_session() as session:
        row = (await session.execute(text("SELECT row_to_json(t)::text AS all, last_used_on FROM api_token t"))).one()
    assert token not in row.all and token[10:] not in row.all and token[:10] in row.all
    assert row.last_used_on == office.clock.now.date()
    with pytest.raises(IntegrityError):
        await office.run("UPDATE api_token SET expires_at = created_at + interval '2 years'")
    with pytest.raises(IntegrityError):
        await office.run("UPDATE api_token SET scopes = '{everything}'")


@pytest.mark.parametrize(
    "wrong",
    [{"name": " "}, {"name": "x" * 61}, {"name": "a\0b"}, {"scopes": ()}, {"scopes": ("votes:write",)}, {"days": 0},
     {"days": 366}],
)  # fmt: skip
async def test_what_will_not_do_makes_no_token(office: Office, wrong: dict[str, Any]) -> None:
    account = await office.staff()
    given: dict[str, Any] = {"name": "n", "scopes": ["results:read"], "days": 30, **wrong}
    async with office.database.open_session() as session:
        with pytest.raises(Invalid):
            await create_api_token(session, account, now=office.clock.now, **given)


async def test_an_account_has_so_many_live_tokens_whoever_asks_at_once(office: Office) -> None:
    account = await office.staff()
    made = await asyncio.gather(*(office.token(account) for _ in range(MOST_LIVE + 6)), return_exceptions=True)
    assert sum(isinstance(one, TooManyTokens) for one in made) == 6
    office.clock.go(days=31)
    assert await office.token(account)
    observer = await office.staff("observer")
    with pytest.raises(Refusal):
        await office.token(observer)


async def test_a_token_is_limited_by_itself_and_told_when(fresh_database: Database, tmp_path: Path) -> None:
    office = Office(
        fresh_database,
        tmp_path,
        {
            "token_reads": Limit(4, timedelta(minutes=1)),
        },
    )
    account = await office.staff()
    one, other = await office.token(account), await office.token(account)
    left = [(await office.ask(one)).headers["ratelimit-remaining"] for _ in range(4)]
    assert left == ["3", "2", "1", "0"]
    over = await office.ask(one)
    assert refused(over)[:2] == (429, "too_many") and int(over.headers["retry-after"]) > 0
    assert (await office.ask(other)).status_code == 200


# ---- the page


async def test_a_token_is_shown_once_and_revoked_in_the_account(
    office: Office, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    await office.staff()
    client = browser(office.app)
    await sign_in(client, "analyst@city.test")
    page = await client.get("/account/tokens")
    assert page.headers["cache-control"] == "no-store" and "/account/tokens" in (await client.get("/account")).text
    fields = {"csrf_token": form_token(page), "name": "Блокнот <b>", "days": "90", "scope:results:read": "1"}
    wrong = await client.post("/account/tokens", data={**fields, "name": "", "days": "9"})
    assert wrong.status_code == 422 and wrong.text.count("ds-validation-message") == 2 and not SHOWN.search(wrong.text)
    made = await client.post("/account/tokens", data=fields)
    shown = SHOWN.search(made.text)
    assert made.status_code == 200 and shown and "Блокнот &lt;b&gt;" in made.text
    token = shown[1]
    assert (await office.ask(token)).status_code == 200
    again = await client.get("/account/tokens")
    assert token not in again.text and token[:10] in again.text
    number = re.search(r'name="id" value="(\d+)"', again.text)
    assert number
    revoked = await client.post("/account/tokens/revoke", data={"csrf_token": form_token(again), "id": number[1]})
    assert revoked.status_code == 303 and refused(await office.ask(token))[1] == "token_revoked"
    for bad in ("", "0", "x", "9" * 17):
        reply = await client.post("/account/tokens/revoke", data={"csrf_token": form_token(again), "id": bad})
        assert reply.status_code == 404
    assert (await client.post("/account/tokens", data={"name": "n"})).status_code == 403, "a form of ours or none"
    out, err = capfd.readouterr()
    logs = out + err + caplog.text
    assert "/account/tokens" in logs and token not in logs and token[6:] not in logs


async def test_nobody_revokes_anothers_and_only_the_staff_has_the_page(office: Office) -> None:
    token = await office.token(await office.staff())
    for role, status in (("official", 200), ("admin", 200), ("observer", 403), ("reviewer", 403)):
        await office.staff(role)
        client = browser(office.app)
        await sign_in(client, f"{role}@city.test")
        page = await client.get("/account/tokens")
        assert page.status_code == status
        if status == 200:
            reply = await client.post("/account/tokens/revoke", data={"csrf_token": form_token(page), "id": "1"})
            assert reply.status_code == 404
    assert (await office.ask(token)).status_code == 200


async def test_the_description_names_tokens(office: Office) -> None:
    described = (await office.http.get(V1 + "/openapi.json")).json()
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    operations = [one for path in described["paths"].values() for one in path.values()]
    assert {"token": ["results:read"]} in described["paths"]["/api/v1/polls"]["get"]["security"]
    votes = described["paths"]["/api/v1/polls/{slug}/ballots"]["post"]["security"]
    assert not any("token" in way for way in votes)
    assert all("token_with_cookie" in str(one["responses"]["400"]) for one in operations)
