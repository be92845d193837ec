"""SQL of the busiest paths, straight through the driver: what SQLAlchemy adds to a statement costs six of it.

A statement is text with ``$1``, ``$2``…, its values go in as they are, rows come as the driver's records, read as
``row["id"]``. It runs on the session's own connection and in its transaction, or on a connection with no session around
it. Failures come as SQLAlchemy's own exceptions, so whoever reads them need not know which way a statement went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import exc, text

from polls.sessions import ReadSession

Row = Mapping[str, Any]
_FIRST = text("SELECT 1")


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
    try:
        rows: Sequence[Row] = await driver.fetch(sql, *values)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise exc.IntegrityError(None, None, error, hide_parameters=True) from error
    except asyncpg.PostgresError as error:
        raise exc.DBAPIError(None, None, error, hide_parameters=True) from error
    except asyncpg.InterfaceError as error:  # the connection broke
        raise exc.InterfaceError(None, None, error, hide_parameters=True) from error
    return rows
