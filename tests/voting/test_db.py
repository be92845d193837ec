"""Transactions of requests: committed before the reply, rolled back on errors, read-only where promised."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from litestar import Litestar, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.response import Redirect, Stream
from sqlalchemy import LargeBinary, text
from sqlalchemy.exc import DBAPIError

from polls.tables import metadata
from voting.db import (
    Database,
    ReadSession,
    Session,
    database_dependencies,
    database_url_for,
    opened_database,
    record_refusal,
)
from voting.settings import Settings

INSERT = text("INSERT INTO vote (id) VALUES (1)")


@post("/vote", status_code=201)
async def vote(session: NamedDependency[Session]) -> dict[str, str]:
    await session.execute(INSERT)
    return {"status": "recorded"}


@post("/vote-and-see", status_code=303)
async def vote_and_see(session: NamedDependency[Session]) -> Redirect:
    await session.execute(INSERT)
    return Redirect("/seen", status_code=303)


@post("/refuse")
async def refuse(session: NamedDependency[Session], database: NamedDependency[Database]) -> None:
    await session.execute(INSERT)
    await record_refusal(database, kind="vote", subject="someone", detail={"code": "too-late"}, now=datetime.now(UTC))
    raise HTTPException(status_code=409)


@post("/refuse-cut-off")
async def refuse_cut_off(session: NamedDependency[Session], database: NamedDependency[Database]) -> None:
    await session.execute(INSERT)
    await _cut_off(session, database)
    raise HTTPException(status_code=409)


@post("/refuse-cut-off-reading")
async def refuse_cut_off_reading(
    read_session: NamedDependency[ReadSession], database: NamedDependency[Database]
) -> None:
    await _cut_off(read_session, database)
    raise HTTPException(status_code=409)


async def _cut_off(session: ReadSession, database: Database) -> None:
    """End the server's side of a connection, as it does itself with a transaction left idle for too long."""
    pid = await session.scalar(text("SELECT pg_backend_pid()"))
    async with database.open_session_aside() as other:
        assert await other.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


@post("/write-while-reading")
async def write_while_reading(read_session: NamedDependency[ReadSession]) -> None:
    await read_session.execute(INSERT)


@get("/rows")
async def rows(database: NamedDependency[Database]) -> Stream:
    async def produce() -> AsyncIterator[bytes]:
        async with database.open_read_session() as session:
            for number in await session.scalars(text("SELECT generate_series(1, 3)")):
                yield f"{number}\n".encode()

    return Stream(produce, media_type="text/csv")


@pytest.fixture
async def votes(fresh_database: Database) -> Database:
    async with fresh_database.open_session() as session:
        await session.execute(text("CREATE TABLE vote (id integer)"))
    return fresh_database


@pytest.fixture
async def client(votes: Database) -> AsyncIterator[httpx.AsyncClient]:
    handlers = [vote, vote_and_see, refuse, refuse_cut_off, refuse_cut_off_reading, write_while_reading, rows]
    app = Litestar(handlers, dependencies=database_dependencies(votes))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def count(database: Database, table: str = "vote") -> Any:
    async with database.open_read_session() as session:
        return await session.scalar(text(f"SELECT count(*) FROM {table}"))


async def test_a_reply_means_the_row_is_there(client: httpx.AsyncClient, votes: Database) -> None:
    assert (await client.post("/vote")).status_code == 201
    assert await count(votes) == 1


async def test_a_redirect_commits(client: httpx.AsyncClient, votes: Database) -> None:
    assert (await client.post("/vote-and-see", follow_redirects=False)).status_code == 303
    assert await count(votes) == 1


async def test_a_failing_commit_is_never_a_success(client: httpx.AsyncClient, votes: Database) -> None:
    async with votes.open_session() as session:
        await session.execute(text("ALTER TABLE vote ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED"))
        await session.execute(INSERT)
    for path in ("/vote", "/vote-and-see"):
        assert (await client.post(path, follow_redirects=False)).status_code == 500
    assert await count(votes) == 1


async def test_a_refusal_rolls_back_but_is_recorded(client: httpx.AsyncClient, votes: Database) -> None:
    assert (await client.post("/refuse")).status_code == 409
    assert await count(votes) == 0
    async with votes.open_read_session() as session:
        row = (await session.execute(text("SELECT kind, subject, detail FROM refusal"))).one()
    assert tuple(row) == ("vote", "someone", {"code": "too-late"})


async def test_refusals_are_recorded_while_every_connection_is_taken(fresh_database_url: str) -> None:
    database = Database.from_url(fresh_database_url, pool_size=1, pool_overflow=0, pool_timeout=1)
    async with database.open_session() as session:
        await session.execute(text("SELECT 1"))
        await record_refusal(database, kind="vote", subject="someone", now=datetime.now(UTC))
    assert await count(database, "refusal") == 1
    await database.close()


async def test_a_reading_handler_cannot_write(client: httpx.AsyncClient, votes: Database) -> None:
    assert (await client.post("/write-while-reading")).status_code == 500
    assert await count(votes) == 0
    assert (await client.post("/vote")).status_code == 201  # the connection comes back to the pool able to write


async def test_streams_leak_no_connection(client: httpx.AsyncClient, votes: Database) -> None:
    for _ in range(20):
        assert (await client.get("/rows")).text == "1\n2\n3\n"
    assert votes.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_errors_leave_no_connection_behind(client: httpx.AsyncClient, votes: Database) -> None:
    await asyncio.gather(*(client.post("/refuse") for _ in range(20)))
    assert votes.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/refuse-cut-off", "/refuse-cut-off-reading"])
async def test_a_refusal_is_told_though_its_connection_is_lost(
    client: httpx.AsyncClient, votes: Database, path: str
) -> None:
    assert (await client.post(path)).status_code == 409
    assert await count(votes) == 0
    assert votes.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_connections_closed_by_the_server_are_replaced_unnoticed(votes: Database) -> None:
    async with votes.open_session() as one, votes.open_session() as other:
        await one.execute(text("SELECT 1"))
        await other.execute(text("SELECT 1"))
    killer = Database.from_url(votes.engine.url.render_as_string(hide_password=False))
    async with killer.open_session() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
        )
    await killer.close()
    await asyncio.sleep(1)  # until the news of the close has come, on a busy machine too
    assert await count(votes) == 0


async def test_a_read_session_may_be_a_replica_of_its_own(fresh_database_url: str) -> None:
    database = Database.from_url(fresh_database_url, read_url=fresh_database_url)
    assert database.read_engine.pool is not database.engine.pool
    async with database.open_read_session() as session:
        assert await session.scalar(text("SHOW transaction_read_only")) == "on"
    with pytest.raises(DBAPIError):
        async with database.open_read_session() as session:
            await session.execute(text("CREATE TABLE x ()"))
    await database.close()


async def test_a_statement_that_takes_too_long_is_stopped(fresh_database_url: str) -> None:
    database = Database.from_url(fresh_database_url, statement_timeout=0.05)
    with pytest.raises(DBAPIError, match="statement timeout"):
        async with database.open_session() as session:
            await session.execute(text("SELECT pg_sleep(5)"))
    await database.close()


async def test_a_command_opens_the_database_the_settings_name(fresh_database_url: str) -> None:
    async with opened_database(Settings(database_url=fresh_database_url)) as database:
        assert await count(database, "poll") == 0


@pytest.mark.parametrize(
    ("given", "driver", "expected"),
    [
        ("postgres://u:p%40@h/d", "postgresql+psycopg", "postgresql+psycopg://u:p%40@h/d"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg", "postgresql+asyncpg://h/d?ssl=require"),
        ("postgresql+asyncpg://h/d?ssl=require", "postgresql", "postgresql://h/d?sslmode=require"),
    ],
)
def test_addresses_are_translated_between_drivers(given: str, driver: str, expected: str) -> None:
    assert database_url_for(given, driver) == expected


def test_no_table_has_a_sentinel_or_an_id_that_tells_the_time() -> None:
    for table in metadata.tables.values():
        assert "sa_orm_sentinel" not in table.c
        for column in table.c:
            if "uuid" in str(column.type).lower():  # version 4, all of it random; never one made of the time
                assert column.server_default is not None, column
                assert str(column.server_default.arg) == "gen_random_uuid()", column  # type: ignore[attr-defined]
    assert isinstance(metadata.tables["ballot"].c.ballot_id.type, LargeBinary)
    assert metadata.tables["ballot"].c.ballot_id.default is None


async def test_the_session_fixture_leaves_nothing(session: Session) -> None:
    await session.execute(text("INSERT INTO refusal (at, kind) VALUES (now(), 'left-behind')"))
    await session.commit()  # only a savepoint here


async def test_the_session_fixture_left_nothing(session: Session) -> None:
    assert await session.scalar(text("SELECT count(*) FROM refusal WHERE kind = 'left-behind'")) == 0
