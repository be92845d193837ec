"""Who exists cannot be found out: by status, by words, by what is asked of the database or by how often is hashed.

Times are not measured here: what takes time is counted, queries and hashes, which a loaded machine does not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from tests.attacks.world import Caller, World
from tests.sites import form_token

from voting.identity.passwords import PasswordPool

KNOWN, UNKNOWN = "resident@demo.example", "nobody@demo.example"


@contextmanager
def counted(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """The statements sent and the passwords hashed within the block."""
    seen: dict[str, list[str]] = {"sql": [], "hashes": []}

    def statement(_conn: object, _cursor: object, sql: str, *_: object) -> None:
        seen["sql"].append(re.sub(r"\s+", " ", sql))

    verify, hashing = PasswordPool.verify, PasswordPool.hash

    async def verifying(self: PasswordPool, password: str, hashed: str | None) -> bool:
        seen["hashes"].append("verify")
        return await verify(self, password, hashed)

    async def making(self: PasswordPool, password: str) -> str:
        seen["hashes"].append("hash")
        return await hashing(self, password)

    engine = world.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", statement)
    monkeypatch.setattr(PasswordPool, "verify", verifying)
    monkeypatch.setattr(PasswordPool, "hash", making)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", statement)
        monkeypatch.undo()


def bare(text: str, *typed: str) -> str:
    """A reply without what was typed, its tokens and numbers of requests."""
    text = re.sub(r'(<input[^>]* value=)"[^"]*"', r"\1*", text)
    for one in typed:
        text = text.replace(one, "TYPED")
    return re.sub(r"[A-Za-z0-9_-]{40,}|[0-9a-f]{16}", "*", text)


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/session"])
async def test_signing_in_tells_nothing_of_who_has_an_account(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for login in (KNOWN, UNKNOWN, "official@demo.example", "not a login", "+7 900 000-00-00"):
        caller = await Caller(world.app, "anonymous").know()
        body = {"login": login, "password": "a wrong password"}
        with counted(world, monkeypatch) as seen:
            reply = await caller.ask("POST", path, **({"json": body} if "api" in path else {"data": body}))
        tables = [re.findall(r"(?:FROM|INTO|UPDATE) (\w+)", sql) for sql in seen["sql"]]
        told.append((login, reply.status_code, bare(reply.text), sorted(reply.headers), seen["hashes"], tables))
    assert len({(status, text) for _, status, text, *_ in told}) == 1, told
    assert len({str(headers) for *_, headers, _, _ in told}) == 1
    assert all(hashes == ["verify"] for *_, hashes, _ in told), "an unknown login costs a hash as a known one does"
    known, unknown = told[0][-1], told[1][-1]
    assert known == unknown, "and the same statements"


async def test_signing_up_tells_nothing_of_who_is_in_the_register(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for number, login in (("4510 000001", "a1@city.example"), ("4510 999999", "a2@city.example"), ("1", KNOWN)):
        caller = await Caller(world.app, "anonymous").know()
        token = form_token(await caller.ask("GET", "/sign-up"))
        body = {"csrf_token": token, "national_id": number, "birth_date": "1980-01-01", "login": login,
                "password": "correct horse battery"}  # fmt: skip
        with counted(world, monkeypatch) as seen:
            reply = await caller.ask("POST", "/sign-up", data=body)
        told.append((reply.status_code, bare(reply.text), tuple(seen["hashes"]), len(seen["sql"])))
    assert len(set(told)) == 1, [one[:1] + one[2:] for one in told]


async def test_objects_of_others_answer_as_those_of_nobody(world: World) -> None:
    """Tokens, sessions, drafts and evidence by made-up names: one status and one text, whoever asks."""
    stranger = world.callers["another resident"]
    draft = await world.a_draft()
    for path in ("/polls/{}", "/polls/{}/results", "/decisions/{}", "/api/v1/polls/{}", "/api/v1/decisions/{}",
                 "/embed/polls/{}", "/polls/{}/protocol.json"):  # fmt: skip
        there = await stranger.ask("GET", path.format(draft))
        never = await stranger.ask("GET", path.format("f" * 32))
        assert there.status_code == never.status_code == 404, path
        assert bare(there.text, draft) == bare(never.text, "f" * 32), path
    for path in ("/officials/polls/{}", "/api/v1/drafts/{}"):
        there, never = [await stranger.ask("GET", path.format(one)) for one in (draft, "f" * 32)]
        assert there.status_code == never.status_code == 403, "the role is asked for before the object"
        assert bare(there.text, draft) == bare(never.text, "f" * 32)


async def test_a_wrong_token_is_a_wrong_token(world: World) -> None:
    """Of API tokens: made up, of another form, empty: one answer each for one kind, and no hash of passwords."""
    anonymous = world.callers["anonymous"]
    said = set()
    for token in ("veche_" + "a" * 49, "veche_" + "b" * 49, "x" * 55):
        reply = await anonymous.http.get("/api/v1/polls", headers={"authorization": f"Bearer {token}"})
        said.add((reply.status_code, bare(reply.text), reply.headers.get("www-authenticate")))
    assert len(said) == 1 and next(iter(said))[0] == 401, said
