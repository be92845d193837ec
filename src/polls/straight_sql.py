"""SQL of the busiest paths, straight through the driver: what SQLAlchemy adds to a statement costs six of it.

A statement is text with ``$1``, ``$2``…, its values go in as they are, rows come as the driver's records, read as
``row["id"]``. It runs on the session's own connection and in its transaction, or on a connection with no session around
it. Failures come as SQLAlchemy's own exceptions, so whoever reads them need not know which way a statement went.

The ballot box goes one step further: `straight_transaction` begins and commits through the driver too, and SQLAlchemy
is left with the few statements that a batch seldom makes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from polls.sessions import ReadSession, Session

Row = Mapping[str, Any]
_FIRST = text("SELECT 1")
_BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The connection broke, before a statement or, the latter, while the driver was putting one together."""
_DRIVER = "driver"  # in the info of a session whose transaction is the driver's


@asynccontextmanager
async def straight_transaction(
    engine: AsyncEngine, *, end: Literal["COMMIT", "ROLLBACK"] = "COMMIT"
) -> AsyncIterator[Session]:
    """Open a transaction by the driver: committed when the block ends, rolled back if it raises.

    `engine` is one in AUTOCOMMIT: SQLAlchemy sends what it is given and begins nothing. A benchmark ends otherwise.
    """
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        session = AsyncSession(connection, expire_on_commit=False, info={_DRIVER: driver})
        try:
            await _asking(driver.execute("BEGIN"))
            yield Session(ReadSession(session))
            ended = await _asking(driver.execute(end))
            if ended != end:  # a failure in it was passed over: the server has rolled it back, and says so only here
                raise exc.InvalidRequestError(f"asked for {end}, the server answered {ended}")
        except BaseException as error:
            # In the middle of a statement, or with a transaction still open, nobody may be given the connection again.
            if not (isinstance(error, Exception) and await _rolled_back(driver)):
                await connection.invalidate()
            raise
        finally:
            await session.close()


async def _rolled_back(driver: Any) -> bool:
    """Whether the connection is out of its transaction, and fit for another."""
    try:
        if driver.is_in_transaction():
            await driver.execute("ROLLBACK")
    except (asyncpg.PostgresError, *_BROKEN, OSError):
        return False
    return not driver.is_closed()


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
    if not driver.is_in_transaction():  # SQLAlchemy begins with the first statement that it sends itself
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
