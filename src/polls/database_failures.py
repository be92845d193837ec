"""How the database failed: once more at once, later, or never. Reads SQLSTATEs and kinds of exceptions.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from sqlalchemy import exc

UNREACHABLE = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.DisconnectionError, ConnectionError)
# Through asyncpg most errors of the server arrive as a plain DBAPIError, so the SQLSTATE decides and not the class.
PASSING_STATES = frozenset({"40P01", "40001", "55P03", "57014", "57P01", "57P02", "57P03"})
UNKNOWN_CLASSES = ("08", "57", "58", "XX")  # the connection; ended or cancelled from outside; the server's own trouble
PASSING_CLASSES = ("08", "53")  # the connection; what the server has run out of
REPEATABLE_STATES = frozenset({"40P01", "40001"})
"""A deadlock and a failed serialization: the server asks for the same transaction once more, at once."""
CLASH = "23505"
"""A unique key that is there already."""


def sqlstate_of(error: BaseException) -> str | None:
    """Give the SQLSTATE of a failure of the database, through asyncpg or psycopg, wrapped by SQLAlchemy or not."""
    original = getattr(error, "orig", None)
    for found in (error, original, getattr(original, "__cause__", None)):
        state = getattr(found, "sqlstate", None)
        if isinstance(state, str):
            return state
    return None


def is_rolled_back(error: BaseException) -> bool:
    """Tell whether a COMMIT that failed so has surely not taken place: the server itself refused it.

    One that was cut off may have taken place: the connection broke before the answer, or the wait for a replica ended.
    """
    state = sqlstate_of(error)
    return state is not None and state[:2] not in UNKNOWN_CLASSES


def is_passing(error: BaseException) -> bool:
    """Tell whether the database failed in a way that passes by itself: out of reach, overloaded, or cut short."""
    if isinstance(error, UNREACHABLE):
        return True
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    state = sqlstate_of(error) or ""
    return state in PASSING_STATES or state[:2] in PASSING_CLASSES
