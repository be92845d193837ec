"""Statements straight through the driver: in the session's transaction, failing like any other."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import exc, text

from polls.database_failures import is_passing, sqlstate_of
from polls.straight_sql import fetch, fetch_from
from voting.telemetry import describe_exception

ADD = "INSERT INTO throttle (key, window_start, n) VALUES ($1, now(), 1) RETURNING key"


class NotToStay(Exception):
    pass


async def keys(database) -> list[str]:
    async with database.open_session() as session:
        return list(await session.scalars(text("SELECT key FROM throttle ORDER BY key")))


@pytest.mark.parametrize("first", [True, False], ids=["alone", "after a statement of SQLAlchemy's"])
async def test_a_statement_stays_or_goes_with_the_session(fresh_database, first) -> None:
    async def add(key: str, *, stays: bool) -> None:
        async with fresh_database.open_session() as session:
            if not first:
                await session.execute(text("SELECT 1"))
            assert [row["key"] for row in await fetch(session, ADD, key)] == [key]
            if not stays:
                raise NotToStay

    await add("kept", stays=True)
    with pytest.raises(NotToStay):
        await add("gone", stays=False)
    assert await keys(fresh_database) == ["kept"]


async def run(database, *statements: tuple[str, ...], before: str = "SELECT 1") -> None:
    async with database.open_session() as session:
        await session.execute(text(before))
        for sql, *values in statements:
            await fetch(session, sql, *values)


async def test_in_no_transaction_each_statement_is_one(fresh_database) -> None:
    async def add_and_fail() -> None:
        async with fresh_database.open_driver() as driver:
            await fetch_from(driver, ADD, "kept")
            raise NotToStay

    with pytest.raises(NotToStay):
        await add_and_fail()
    assert await keys(fresh_database) == ["kept"]


async def test_failures_are_those_of_sqlalchemy(fresh_database) -> None:
    with pytest.raises(exc.IntegrityError) as twice:
        await run(fresh_database, (ADD, "a"), (ADD, "a"))
    assert sqlstate_of(twice.value) == "23505"
    assert not is_passing(twice.value)
    assert describe_exception(twice.value)["chain"][0]["constraint"] == "pk_throttle"
    assert isinstance(twice.value.__cause__, asyncpg.UniqueViolationError)
    with pytest.raises(exc.DBAPIError) as late:
        await run(fresh_database, ("SELECT pg_sleep(5)",), before="SET LOCAL statement_timeout = 20")
    assert (sqlstate_of(late.value), is_passing(late.value)) == ("57014", True)
    assert await keys(fresh_database) == []


async def test_a_connection_that_breaks_passes_by_itself(fresh_database) -> None:
    """Killed while a statement runs, and found dead before one: the pool gives a new connection to the next."""

    async def break_off() -> None:
        async with fresh_database.open_session() as session:
            await fetch(session, ADD, "gone")
            connection = await session.connection()
            (await connection.get_raw_connection()).driver_connection.terminate()
            await fetch(session, "SELECT 1")

    with pytest.raises(exc.DBAPIError) as killed:
        await run(fresh_database, (ADD, "gone"), ("SELECT pg_terminate_backend(pg_backend_pid())",))
    assert is_passing(killed.value)
    with pytest.raises(exc.DBAPIError) as dead:
        await break_off()
    assert is_passing(dead.value)
    assert await keys(fresh_database) == []


@pytest.mark.parametrize("way", ["session", "driver"])
async def test_a_connection_left_in_the_middle_is_given_to_nobody(fresh_database, way) -> None:
    async def sleep() -> None:
        if way == "session":
            await run(fresh_database, ("SELECT pg_sleep(30)",))
        else:
            async with fresh_database.open_driver() as driver:
                await fetch_from(driver, "SELECT pg_sleep(30)")

    for _ in range(3):
        task = asyncio.create_task(sleep())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await run(fresh_database, ("SELECT 1",))
        assert await keys(fresh_database) == []
