"""A transaction made once more when the database asks for it.

A deadlock or a failed serialization rolls the whole transaction back and is over the moment it is reported: the same
work, begun anew, goes through. Whatever else passes by itself takes longer than a reader should wait for a page.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from polls.database_failures import REPEATABLE_STATES, sqlstate_of
from voting.db import Database, Session

TIMES = 3
PAUSE = 0.05
Done = TypeVar("Done")


async def in_transaction(database: Database, work: Callable[[Session], Awaitable[Done]]) -> Done:
    """Do the work in a transaction of its own; up to three times over a deadlock or a failed serialization.

    The work must change nothing but the database: what a failed attempt wrote there is gone, nothing else is.
    """
    for time in range(1, TIMES + 1):
        try:
            async with database.open_session() as session:
                return await work(session)
        except Exception as error:
            if time == TIMES or sqlstate_of(error) not in REPEATABLE_STATES:
                raise
        await asyncio.sleep(random.uniform(0, PAUSE * time))  # noqa: S311  so that two that met do not meet again
    raise AssertionError("the last attempt returns or raises")
