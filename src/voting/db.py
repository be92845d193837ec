"""Engines, sessions and transactions: the one place, beside the ballot box, where transactions begin and commit.

A request's session comes from a dependency of our own (`session`, `read_session`), a generator that Litestar finishes
before it sends the reply. So a vote is committed before anybody is told it was, a commit that fails is a 500, and a
redirect commits like any other reply. The price: the session is closed by the time a streamed body is produced, so a
handler that streams takes the `Database` and opens a session of its own inside the stream.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import asyncpg  # type: ignore[import-untyped]
from litestar.di import NamedDependency, Provide
from sqlalchemy import event, exc, insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from polls.sessions import ReadSession, Session
from polls.straight_sql import KeptConnections, straight_transaction
from voting import embedded
from voting.settings import Settings

__all__ = [
    "Database",
    "ReadSession",
    "Session",
    "database_dependencies",
    "database_url",
    "database_url_for",
    "opened_database",
    "record_refusal",
]

PATIENCE = 5.0  # seconds a new connection waits for a server that is just (re)starting
RECYCLE_SECONDS = 1800
STARTING = (ConnectionError, FileNotFoundError, asyncpg.CannotConnectNowError)


@dataclass(frozen=True)
class Database:
    """The service's connections: a pool to the primary, and a read-only way to it or to its replica."""

    engine: AsyncEngine
    read_engine: AsyncEngine
    aside_engine: AsyncEngine
    straight: KeptConnections
    box: KeptConnections
    sessions: async_sessionmaker[AsyncSession]
    read_sessions: async_sessionmaker[AsyncSession]

    @classmethod
    def from_settings(cls, settings: Settings, *, statement_timeout: float | None = None) -> Self:
        """Build the pools; connects to nothing yet. Jobs and commands pass `statement_timeout=0`: no limit."""
        return cls.from_url(
            database_url(settings),
            read_url=settings.read_database_url,
            pool_size=settings.pool_size,
            pool_overflow=settings.pool_overflow,
            read_pool_size=settings.read_pool_size,
            pool_timeout=settings.pool_timeout,
            statement_timeout=settings.statement_timeout if statement_timeout is None else statement_timeout,
        )

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        read_url: str | None = None,
        pool_size: int = 5,
        pool_overflow: int = 10,
        read_pool_size: int = 5,
        pool_timeout: float = 10,
        statement_timeout: float = 0,
    ) -> Self:
        """Build the pools for an address, as `from_settings` does."""
        engine = _build_engine(url, pool_size, pool_overflow, pool_timeout, statement_timeout)
        reads = engine
        if read_url is not None:
            reads = _build_engine(read_url, read_pool_size, pool_overflow, pool_timeout, statement_timeout)
        read_engine = reads.execution_options(postgresql_readonly=True)
        # Written while the request's own session still holds a connection: from the same pool, requests waiting for
        # each other's second connection could stop the site.
        aside = _build_engine(url, 3, 0, pool_timeout, statement_timeout)
        # Pages that are slow to read must not keep votes waiting, nor those who ask only who they are. The ballot box
        # writes one transaction at a time; who reads straight gathers readers, and does so one statement at a time.
        straight, box = (
            KeptConnections(
                _build_engine(
                    url, most, 0, pool_timeout, statement_timeout, by_key=True, isolation_level="AUTOCOMMIT"
                ),
                most, patience=pool_timeout, recycle=RECYCLE_SECONDS,
            )
            for most in (3, 1)
        )  # fmt: skip
        return cls(
            engine,
            read_engine,
            aside,
            straight,
            box,
            async_sessionmaker(engine, expire_on_commit=False),
            async_sessionmaker(read_engine, expire_on_commit=False, autoflush=False),
        )

    @asynccontextmanager
    async def open_session(self) -> AsyncIterator[Session]:
        """Open a transaction on the primary: committed when the block ends, rolled back if it raises."""
        async with _begun(self.sessions) as session:
            yield Session(ReadSession(session))

    @asynccontextmanager
    async def open_read_session(self) -> AsyncIterator[ReadSession]:
        """Open a READ ONLY transaction, on the replica if there is one; the database refuses writes in it."""
        async with _begun(self.read_sessions) as session:
            yield ReadSession(session)

    @asynccontextmanager
    async def open_session_aside(self) -> AsyncIterator[Session]:
        """Open a transaction of its own while another is in progress, from a small pool apart."""
        async with AsyncSession(self.aside_engine, expire_on_commit=False) as session, session.begin():
            yield Session(ReadSession(session))

    @asynccontextmanager
    async def open_driver(self) -> AsyncIterator[Any]:
        """Give a connection of the driver itself, for `polls.straight_sql`: each statement is a transaction."""
        async with self.straight.take() as kept:
            yield kept.driver

    async def vacuum(self, *tables: str) -> None:
        """Remove the old versions of rows from tables, which VACUUM does in no transaction."""
        async with self.engine.connect() as connection:
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await outside.execute(text("SET statement_timeout = 0"))
            try:
                await outside.execute(text(f"VACUUM {', '.join(tables)}"))
            finally:
                await outside.execute(text("RESET statement_timeout"))

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[bool]:
        """Whether nobody else on this database does what goes by the name; nobody begins it until the block ends.

        Held by a connection of its own outside any transaction: whoever is killed lets go.
        """
        async with self.engine.connect() as connection:
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            key = {"name": f"veche {name}"}
            mine = bool(await outside.scalar(text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), key))
            try:
                yield mine
            finally:
                if mine:
                    await outside.execute(text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))"), key)

    @asynccontextmanager
    async def open_box_session(self) -> AsyncIterator[Session]:
        """Open a transaction on the ballot box's own connection. A process has one box, so nobody waits for it."""
        async with straight_transaction(self.box) as session:
            yield session

    async def close(self) -> None:
        """Close every connection."""
        for kept in (self.straight, self.box):
            await kept.close()
            await kept.engine.dispose()
        for engine in (self.engine, self.read_engine, self.aside_engine):
            await engine.dispose()


@asynccontextmanager
async def _begun(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """Open a transaction whose block is always told what it raised.

    A server that cut the connection has rolled back already: that ours fails too would hide a refusal behind a failure.
    """
    raised: BaseException | None = None
    try:
        async with sessions.begin() as session:
            try:
                yield session
            except BaseException as error:
                raised = error
                raise
    except exc.DBAPIError:
        if raised is None:
            raise
        raise raised from raised.__cause__


@asynccontextmanager
async def opened_database(settings: Settings, *, statement_timeout: float = 0) -> AsyncIterator[Database]:
    """Give a database for the length of a command, starting the embedded server, or attaching to it, if need be."""
    server = await asyncio.to_thread(embedded.start, settings) if settings.embedded else None
    try:
        database = Database.from_settings(settings, statement_timeout=statement_timeout)
        try:
            yield database
        finally:
            await database.close()
    finally:
        if server is not None:
            await asyncio.to_thread(server.stop)


def database_dependencies(database: Database) -> dict[str, Provide]:
    """Give the application's dependencies `database`, `session` and `read_session`."""

    def provide_database() -> Database:
        return database

    return {
        "database": Provide(provide_database, sync_to_thread=False),
        "session": Provide(_provide_session),
        "read_session": Provide(_provide_read_session),
    }


async def _provide_session(database: NamedDependency[Database]) -> AsyncGenerator[Session, None]:
    async with database.open_session() as session:
        yield session


async def _provide_read_session(database: NamedDependency[Database]) -> AsyncGenerator[ReadSession, None]:
    async with database.open_read_session() as session:
        yield session


async def record_refusal(
    database: Database, *, kind: str, subject: str, detail: Mapping[str, Any] | None = None, now: datetime
) -> None:
    """Write down a refusal or a throttled attempt in a transaction of its own.

    The request that is being refused rolls back; this row must stay, since limits and the audit count it. `subject` is
    what the limit counts by (a hashed login, a network), `detail` is JSON, and neither may hold a secret or an answer.
    """
    from voting import tables  # late: the tables import nothing of ours, but a process without them may still read

    async with database.open_session_aside() as session:
        await session.execute(
            insert(tables.refusal).values(at=now, kind=kind, subject=subject, detail=dict(detail or {}))
        )


def database_url(settings: Settings) -> str:
    """Give the address of the primary; with the embedded server, that of its database (started by the parent)."""
    return settings.database_url or embedded.home_of(settings).url()


def database_url_for(url: str, driver: str) -> str:
    """Give the same address for another driver: `postgresql+asyncpg`, `postgresql+psycopg`, or `postgresql` (libpq)."""
    if url.startswith("postgres://"):  # as hosting platforms hand it out; SQLAlchemy no longer reads it
        url = f"postgresql://{url.removeprefix('postgres://')}"
    parsed = make_url(url).set(drivername=driver)
    theirs, ours = ("sslmode", "ssl") if driver.endswith("asyncpg") else ("ssl", "sslmode")
    if theirs in parsed.query:
        parsed = parsed.difference_update_query([theirs]).update_query_dict({ours: parsed.query[theirs]})
    return parsed.render_as_string(hide_password=False)


def _build_engine(
    url: str, size: int, overflow: int, pool_timeout: float, statement_timeout: float, *, by_key: bool = False,
    **more: Any,
) -> AsyncEngine:  # fmt: skip
    """Build a pool. `by_key`: for statements that look up rows by their keys and nothing else. There the costs of
    memory and SSDs hold, since with the server's own (4.0) it reads a table of some hundred rows whole for each key.
    """
    settings = {
        "application_name": "veche",
        "timezone": "UTC",
        "jit": "off",  # it costs short queries more than it gives
        "statement_timeout": str(int(statement_timeout * 1000)),
        "idle_in_transaction_session_timeout": "600000",
    }
    if by_key:
        settings["random_page_cost"] = "1.1"
    engine = create_async_engine(
        database_url_for(url, "postgresql+asyncpg"),
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=pool_timeout,
        pool_recycle=RECYCLE_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,  # the text of a failure would repeat answers and who gave them
        connect_args={"server_settings": settings, "async_creator_fn": _Connecting()},
        **more,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


class _Connecting:
    """Connects, waiting for a server that is restarting: a pause for the citizen, not an error page.

    A server away for longer than `PATIENCE` is waited for no more: until it is back, whoever asks hears so at once.
    """

    def __init__(self) -> None:
        self._away_since: float | None = None

    async def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Give a connection of the driver. Raises ConnectionError once the server has been away for too long."""
        now = asyncio.get_running_loop().time
        connect: Callable[..., Any] = asyncpg.connect
        while True:
            try:
                connection = await connect(*arguments, **options)
            except STARTING as error:
                if self._away_since is None:
                    self._away_since = now()
                if now() - self._away_since > PATIENCE:
                    # One name for it all: an embedded server that cannot start has no socket to be refused by.
                    raise ConnectionRefusedError("the database does not answer") from error
                await asyncio.sleep(0.1)
            else:
                self._away_since = None
                return connection


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Replace a connection the server has closed before it is used.

    The driver learns of the close from the socket, so unlike a ping on every checkout this costs no round trip.
    """
    if connection.driver_connection.is_closed():
        raise exc.DisconnectionError("the server closed this connection")
