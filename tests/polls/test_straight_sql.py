"""Statements straight through the driver: in the session's transaction, failing like any other."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from polls.database_failures import is_passing, sqlstate_of
from polls.straight_sql import KeptConnections, fetch, fetch_from, straight_transaction
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


async def test_a_connection_that_breaks_while_a_statement_is_put_together_passes_by_itself() -> None:
    """As the driver says it when the server is killed: neither its errors of PostgreSQL nor of its interface."""

    class Breaking:
        async def fetch(self, *_: object) -> None:
            raise asyncpg.InternalClientError("cannot switch to state 1; another operation (10) is in progress")

    with pytest.raises(exc.InterfaceError) as broken:
        await fetch_from(Breaking(), "SELECT 1")
    assert is_passing(broken.value)


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


# ---- transactions of the ballot box, begun and ended by the driver


async def test_a_straight_transaction_stays_or_goes_whole(fresh_database) -> None:
    """Statements of SQLAlchemy and savepoints within it are in it."""

    async def add(key: str, *, stays: bool) -> None:
        async with fresh_database.open_box_session() as session:
            await fetch(session, ADD, key)
            await session.execute(text(ADD.replace("$1", ":key")), {"key": f"{key} by SQLAlchemy"})
            with pytest.raises(exc.IntegrityError):
                async with session.begin_nested():
                    await session.execute(text(ADD.replace("$1", ":key")), {"key": key})
            async with session.begin_nested():
                await fetch(session, ADD, f"{key} within")
            assert await keys(fresh_database) == kept
            if not stays:
                raise NotToStay

    kept: list[str] = []
    with pytest.raises(NotToStay):
        await add("gone", stays=False)
    await add("kept", stays=True)
    kept = ["kept", "kept by SQLAlchemy", "kept within"]
    assert await keys(fresh_database) == kept
    async with fresh_database.open_box_session():
        pass  # a batch of which nothing is written
    async with straight_transaction(fresh_database.box, end="ROLLBACK") as session:
        await fetch(session, ADD, "measured")
    assert await keys(fresh_database) == kept


async def test_a_commit_that_was_a_rollback_is_a_failure(fresh_database) -> None:
    async def pass_over() -> None:
        async with fresh_database.open_box_session() as session:
            await fetch(session, ADD, "a")
            with pytest.raises(exc.IntegrityError):
                await fetch(session, ADD, "a")

    with pytest.raises(exc.InvalidRequestError, match="ROLLBACK"):
        await pass_over()
    async with fresh_database.open_box_session() as session:
        await fetch(session, ADD, "b")
    assert await keys(fresh_database) == ["b"]


@pytest.mark.parametrize("how", ["cancelled", "cancelled in SQLAlchemy", "killed", "ended by its server while idle"])
async def test_a_box_whose_connection_broke_gets_another(fresh_database, how) -> None:
    started = asyncio.Event()
    server: list[int] = []

    async def work() -> None:
        async with fresh_database.open_box_session() as session:
            server.append((await fetch(session, "SELECT pg_backend_pid() AS pid"))[0]["pid"])
            await fetch(session, ADD, "gone")
            started.set()
            if how == "killed":
                await fetch(session, "SELECT pg_terminate_backend(pg_backend_pid())")
            elif how == "cancelled":
                await fetch(session, "SELECT pg_sleep(30)")
            elif how == "cancelled in SQLAlchemy":
                await session.execute(text("SELECT pg_sleep(30)"))
            else:
                async with fresh_database.open_session() as other:
                    await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": server[0]})
                await asyncio.sleep(0.2)

    task = asyncio.create_task(work())
    await started.wait()
    if how.startswith("cancelled"):
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with pytest.raises(exc.DBAPIError) as broken:
            await task
        assert is_passing(broken.value)
    async with fresh_database.open_box_session() as session:
        assert (await fetch(session, "SELECT pg_backend_pid() AS pid"))[0]["pid"] not in server
        await fetch(session, ADD, "kept")
    assert await keys(fresh_database) == ["kept"]


# ---- connections that are kept


@pytest.fixture
async def connections(fresh_database):
    made: list[KeptConnections] = []

    def make(most: int = 2, *, recycle: float = 60) -> KeptConnections:
        url = fresh_database.engine.url
        engine = create_async_engine(url, pool_size=most, max_overflow=0, pool_timeout=1, isolation_level="AUTOCOMMIT")
        made.append(KeptConnections(engine, most, patience=0.2, recycle=recycle))
        return made[-1]

    yield make
    for kept in made:
        await kept.close()
        assert kept.engine.pool.checkedout() == 0
        await kept.engine.dispose()


async def backend(connections: KeptConnections) -> int:
    async with connections.take() as kept:
        pid: int = (await fetch_from(kept.driver, "SELECT pg_backend_pid() AS pid"))[0]["pid"]
        return pid


async def end(database, pid: int) -> None:
    async with database.open_session() as session:
        assert await session.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


async def test_a_connection_is_kept_between_uses(connections) -> None:
    kept = connections()
    assert len({await backend(kept) for _ in range(5)}) == 1


async def test_no_more_are_opened_than_may_be_and_who_waits_too_long_hears_so(connections) -> None:
    kept = connections(2)
    async with kept.take() as one, kept.take() as other:
        assert one.driver is not other.driver
        with pytest.raises(exc.TimeoutError) as late:
            await backend(kept)
        assert is_passing(late.value)
        waiting = asyncio.create_task(backend(kept))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        ours = (await fetch_from(other.driver, "SELECT pg_backend_pid() AS pid"))[0]["pid"]
    assert await waiting in {ours, await backend(kept)}


async def test_connections_too_old_or_closed_are_replaced_unnoticed(connections, fresh_database) -> None:
    young, old = connections(1), connections(1, recycle=0)
    assert await backend(old) != await backend(old)
    before = await backend(young)
    await end(fresh_database, before)
    await asyncio.sleep(0.2)  # until the news has come
    assert await backend(young) != before


@pytest.mark.parametrize(
    "how", ["raised", "cancelled", "transaction left open", "closed", "killed in SQLAlchemy's transaction"]
)
async def test_whatever_happens_to_a_connection_another_takes_its_place(connections, fresh_database, how) -> None:
    kept = connections(1)

    async def use() -> None:
        async with kept.take() as taken:
            match how:
                case "raised":
                    raise NotToStay
                case "cancelled":
                    await fetch_from(taken.driver, "SELECT pg_sleep(30)")
                case "transaction left open":
                    await taken.driver.execute("BEGIN")
                case "closed":
                    taken.driver.terminate()
                case _:
                    pid = await taken.session.scalar(text("SELECT pg_backend_pid()"))
                    await end(fresh_database, pid)
                    await taken.session.execute(text("SELECT 1"))

    for _ in range(3):
        task = asyncio.create_task(use())
        await asyncio.sleep(0.1)
        if how == "cancelled":
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await backend(kept) > 0
        async with kept.take() as taken:
            assert not taken.driver.is_in_transaction() and not taken.session.in_transaction()
