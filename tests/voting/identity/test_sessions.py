import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, select, update
from tests.sites import Clock, add_account

from voting.identity import sessions
from voting.identity.recognition import WebSessions
from voting.identity.sessions import new_token, open_web_session, token_hash
from voting.tables import account, web_session

IDLE = timedelta(minutes=30)
LIFETIME = timedelta(hours=12)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))


async def _open(database, clock, account_id: int) -> str:
    token = new_token()
    async with database.open_session() as session:
        await open_web_session(session, account_id, token=token, user_agent="x" * 999, lifetime=LIFETIME, now=clock())
    return token


def _process(database, clock) -> WebSessions:
    return WebSessions(database, idle=IDLE, clock=clock)


def count_queries(database) -> list[str]:
    """The statements as the driver sends them, whichever way they came to it."""
    seen: list[str] = []

    def note(query) -> None:
        seen.append(query.query.strip())

    for engine in (database.engine, database.straight.engine):
        event.listen(engine.sync_engine, "checkout", lambda raw, *_: raw.driver_connection.add_query_logger(note))
    return seen


async def test_the_token_is_not_in_the_database(fresh_database, clock):
    token = await _open(fresh_database, clock, await add_account(fresh_database, "a@city.test"))
    async with fresh_database.open_read_session() as session:
        row = (await session.execute(select(web_session))).one()
    assert row.token_hash == token_hash(token)
    assert token.encode() not in row.token_hash
    assert len(row.user_agent) == 200
    assert len(token) >= 43


async def test_a_session_says_who_it_is(fresh_database, clock):
    account_id = await add_account(fresh_database, "a@city.test", "official", "reviewer")
    token = await _open(fresh_database, clock, account_id)
    record = await _process(fresh_database, clock).recognise(token)
    assert record is not None
    assert (record.account_id, record.roles) == (account_id, {"official", "reviewer"})


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 5000, "\u0000"])
async def test_other_tokens_are_nobody(fresh_database, clock, token):
    await _open(fresh_database, clock, await add_account(fresh_database, "a@city.test"))
    assert await _process(fresh_database, clock).recognise(token) is None


async def test_an_unused_session_ends(fresh_database, clock):
    token = await _open(fresh_database, clock, await add_account(fresh_database, "a@city.test"))
    process = _process(fresh_database, clock)
    clock.go(minutes=29)
    assert await process.recognise(token)
    clock.go(minutes=29)
    assert await process.recognise(token)
    clock.go(minutes=30)
    assert await process.recognise(token) is None


async def test_a_used_session_ends_too(fresh_database, clock):
    token = await _open(fresh_database, clock, await add_account(fresh_database, "a@city.test"))
    process = _process(fresh_database, clock)
    for _ in range(12 * 3 - 1):
        clock.go(minutes=20)
        assert await process.recognise(token)
    clock.go(minutes=19, seconds=59)
    assert await process.recognise(token)
    clock.go(seconds=1)
    assert await process.recognise(token) is None, "remembered past its end"


async def test_the_use_of_a_session_is_written_once_a_minute(fresh_database, clock):
    token = await _open(fresh_database, clock, await add_account(fresh_database, "a@city.test"))
    process = _process(fresh_database, clock)
    seen = count_queries(fresh_database)
    for _ in range(180):
        clock.go(seconds=1)
        await process.recognise(token)
    writes = [statement for statement in seen if statement.startswith("UPDATE")]
    assert 2 <= len(writes) <= 3


async def test_the_hot_path_asks_the_database_nothing(fresh_database, clock):
    token = await _open(fresh_database, clock, await add_account(fresh_database, "a@city.test"))
    process = _process(fresh_database, clock)
    seen = count_queries(fresh_database)
    await process.recognise(token)
    assert "FROM web_session" in seen.pop()
    seen.clear()  # what the driver asks a new connection for itself
    for _ in range(5):
        clock.go(seconds=1)
        assert await process.recognise(token)
    assert seen == []


async def test_a_session_ended_elsewhere_ends_here_within_five_seconds(fresh_database, clock):
    account_id = await add_account(fresh_database, "a@city.test")
    token = await _open(fresh_database, clock, account_id)
    here, there = _process(fresh_database, clock), _process(fresh_database, clock)
    await here.recognise(token)
    await there.recognise(token)
    async with fresh_database.open_session() as session:
        assert await sessions.end_web_session(session, account_id, token_hash(token))
    there.forget([token_hash(token)])
    assert await there.recognise(token) is None, "at once where it was ended"
    clock.go(seconds=5, milliseconds=1)
    assert await here.recognise(token) is None


async def test_a_read_under_way_does_not_bring_an_ended_session_back(fresh_database, clock, monkeypatch):
    account_id = await add_account(fresh_database, "a@city.test")
    token = await _open(fresh_database, clock, account_id)
    process = _process(fresh_database, clock)
    read = sessions.recognise_many

    async def read_then_end(session, hashes, **options):
        found = await read(session, hashes, **options)
        async with fresh_database.open_session_aside() as other:
            await sessions.end_web_session(other, account_id, hashes[0])
        process.forget(hashes)
        return found

    monkeypatch.setattr("voting.identity.recognition.recognise_many", read_then_end)
    await process.recognise(token)
    monkeypatch.undo()
    assert await process.recognise(token) is None


async def test_many_sessions_are_read_in_one_query_and_noted_once(fresh_database, clock):
    accounts = [await add_account(fresh_database, f"a{n}@city.test", "resident") for n in range(12)]
    tokens = [await _open(fresh_database, clock, account) for account in accounts]
    clock.go(minutes=2)
    process = _process(fresh_database, clock)
    found = await asyncio.gather(*(process.recognise(token) for token in [*tokens, "never-was", *tokens]))
    assert [one and one.account_id for one in found] == [*accounts, None, *accounts]
    assert {one.last_seen_at for one in found if one} == {clock.now}
    other = _process(fresh_database, clock)
    assert all(one.last_seen_at == clock.now for one in await asyncio.gather(*map(other.recognise, tokens)))


async def test_a_clock_set_back_does_not_keep_memories(fresh_database, clock):
    account_id = await add_account(fresh_database, "a@city.test")
    token = await _open(fresh_database, clock, account_id)
    process = _process(fresh_database, clock)
    await process.recognise(token)
    async with fresh_database.open_session() as session:
        await sessions.end_web_session(session, account_id, token_hash(token))
    clock.go(minutes=-10)
    assert await process.recognise(token) is None


async def test_a_disabled_account_has_no_sessions(fresh_database, clock):
    account_id = await add_account(fresh_database, "a@city.test")
    token = await _open(fresh_database, clock, account_id)
    async with fresh_database.open_session() as session:
        await session.execute(update(account).where(account.c.id == account_id).values(disabled_at=func.now()))
    assert await _process(fresh_database, clock).recognise(token) is None


async def test_nobody_ends_another_accounts_session(fresh_database, clock):
    mine, yours = [await add_account(fresh_database, f"{name}@city.test") for name in "ab"]
    token = await _open(fresh_database, clock, yours)
    async with fresh_database.open_session() as session:
        assert not await sessions.end_web_session(session, mine, token_hash(token))
    assert await _process(fresh_database, clock).recognise(token)


async def test_sessions_are_listed_and_swept(fresh_database, clock):
    account_id = await add_account(fresh_database, "a@city.test")
    old = await _open(fresh_database, clock, account_id)
    clock.go(minutes=10)
    current = await _open(fresh_database, clock, account_id)

    async def listed():
        async with fresh_database.open_read_session() as session:
            return await sessions.list_web_sessions(
                session, account_id, current=token_hash(current), idle=IDLE, now=clock()
            )

    assert [(one.key, one.current) for one in await listed()] == [
        (token_hash(current).hex(), True), (token_hash(old).hex(), False),
    ]  # fmt: skip
    clock.go(minutes=25)
    assert [one.current for one in await listed()] == [True]
    async with fresh_database.open_session() as session:
        assert await sessions.sweep_web_sessions(session, idle=IDLE, now=clock()) == 1
        assert await sessions.sweep_web_sessions(session, idle=IDLE, now=clock()) == 0
