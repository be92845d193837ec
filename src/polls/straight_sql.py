"""SQL of the busiest paths, straight through the driver: what SQLAlchemy adds to a statement costs six of it.

A statement is text with ``$1``, ``$2``…, its values go in as they are, rows come as the driver's records, read as
``row["id"]``. It runs on the session's own connection and in its transaction, or on a connection with no session around
it. Failures come as SQLAlchemy's own exceptions, so whoever reads them need not know which way a statement went.

The ballot box goes one step further: `straight_transaction` begins and commits through the driver too, and SQLAlchemy
is left with the few statements that a batch seldom makes. Taking a connection from SQLAlchemy's pool and giving it back
costs as much as three statements, so the busiest keep theirs: `KeptConnections`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from polls.sessions import ReadSession, Session

Row = Mapping[str, Any]
_FIRST = text("SELECT 1")
_BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The connection broke, before a statement or, the latter, while the driver was putting one together."""
_DRIVER = "driver"  # in the info of a session whose transaction is the driver's


class Kept:
    """A connection that is kept: the driver's, and SQLAlchemy's around it, with a session for what it is to send."""

    def __init__(self, connection: AsyncConnection, driver: Any, since: float) -> None:
        self.connection = connection
        self.driver = driver
        self.session = AsyncSession(connection, expire_on_commit=False, info={_DRIVER: driver})
        self.since = since

    @property
    def fit(self) -> bool:
        """Whether it may be used once more: it is open, and in no transaction."""
        return not (self.connection.invalidated or self.driver.is_closed() or _in_transaction(self.driver))


class KeptConnections:
    """The connections of an engine, `most` of them, kept between uses and each used by one at a time.

    The engine is one in AUTOCOMMIT, of whose pool nobody else takes any. A connection is given up when it is found
    closed, was left in the middle of something, or is `recycle` seconds old; whoever waits for one longer than
    `patience` seconds hears what the pool would say.
    """

    def __init__(self, engine: AsyncEngine, most: int, *, patience: float, recycle: float) -> None:
        self.engine = engine
        self._patience = patience
        self._recycle = recycle
        self._free = asyncio.Semaphore(most)
        self._idle: list[Kept] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Kept]:
        """Give a connection for the length of a block. Cancelled, whatever was being asked, it is closed."""
        await self._wait()
        try:
            kept = await self._found() or await self._opened()
            try:
                yield kept
            except BaseException as error:
                if not isinstance(error, Exception):
                    await kept.connection.invalidate()
                raise
            finally:
                await self._put_back(kept)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            await self._idle.pop().connection.close()

    async def _wait(self) -> None:
        if not self._free.locked():
            await self._free.acquire()  # at once
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise exc.TimeoutError(f"no connection was free in {self._patience} s") from error

    async def _found(self) -> Kept | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            kept = self._idle.pop()
            if kept.fit and now - kept.since < self._recycle:
                return kept
            await _given_up(kept)
        return None

    async def _put_back(self, kept: Kept) -> None:
        fit = False
        try:
            if kept.session.in_transaction():
                await kept.session.close()
            fit = kept.fit
        finally:
            if fit:
                self._idle.append(kept)
            else:
                await _given_up(kept)

    async def _opened(self) -> Kept:
        connection = await self.engine.connect()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        return Kept(connection, driver, asyncio.get_running_loop().time())


async def _given_up(kept: Kept) -> None:
    """Take a connection out of the pool and close it."""
    if not kept.connection.invalidated:
        await kept.connection.invalidate()
    await kept.connection.close()


@asynccontextmanager
async def straight_transaction(
    connections: KeptConnections, *, end: Literal["COMMIT", "ROLLBACK"] = "COMMIT"
) -> AsyncIterator[Session]:
    """Open a transaction by the driver: committed when the block ends, rolled back if it raises.

    A benchmark ends it otherwise.
    """
    async with connections.take() as kept:
        driver = kept.driver
        try:
            await _asking(driver.execute("BEGIN"))
            yield Session(ReadSession(kept.session))
            ended = await _asking(driver.execute(end))
            if ended != end:  # a failure in it was passed over: the server has rolled it back, and says so only here
                raise exc.InvalidRequestError(f"asked for {end}, the server answered {ended}")
        except Exception:
            await _roll_back(driver)
            raise


async def _roll_back(driver: Any) -> None:
    """Bring a connection out of its transaction; one that stays in it is not fit to be kept."""
    with suppress(asyncpg.PostgresError, *_BROKEN, OSError):
        if _in_transaction(driver):
            await driver.execute("ROLLBACK")


def _in_transaction(driver: Any) -> bool:
    return bool(not driver.is_closed() and driver.is_in_transaction())


@dataclass(frozen=True, slots=True)
class Straight:
    """A connection of the driver with no session around it, for reads: each statement is a transaction by itself."""

    driver: Any


Source = ReadSession | Straight
"""What a straight read may be given."""


async def fetch(source: Source, sql: str, *values: object) -> Sequence[Row]:
    """Run one statement, in the session's transaction where it is given a session; its rows."""
    if isinstance(source, Straight):
        return await fetch_from(source.driver, sql, *values)
    session = source
    if (straight := session.info.get(_DRIVER)) is not None:
        return await fetch_from(straight, sql, *values)
    connection = await session.connection()
    assert connection.sync_connection is not None
    driver: Any = connection.sync_connection.connection.driver_connection
    if not (driver.is_closed() or driver.is_in_transaction()):  # SQLAlchemy begins with what it first sends itself
        await session.execute(_FIRST)
    try:
        return await fetch_from(driver, sql, *values)
    except BaseException as error:
        if not isinstance(error, Exception):  # cancelled in the middle: nobody may be given the connection again
            await connection.invalidate()
        raise


async def fetch_from(driver: Any, sql: str, *values: object) -> Sequence[Row]:
    """Run one statement on a connection of the driver: in no transaction, it is one by itself."""
    rows: Sequence[Row] = await _asking(driver.fetch(sql, *values))
    return rows


async def _asking(asked: Awaitable[Any]) -> Any:
    """What the driver answers; what it raises, as SQLAlchemy would raise it."""
    try:
        return await asked
    except asyncpg.IntegrityConstraintViolationError as error:
        raise exc.IntegrityError(None, None, error, hide_parameters=True) from error
    except asyncpg.PostgresError as error:
        raise exc.DBAPIError(None, None, error, hide_parameters=True) from error
    except _BROKEN as error:
        raise exc.InterfaceError(None, None, error, hide_parameters=True) from error
