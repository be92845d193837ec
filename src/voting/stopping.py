"""Ends the queue's worker for certain.

The queue library takes a cancellation for the wish to stop in order, lets the jobs in progress finish, and forgets the
wish when it comes just as the worker is connecting, as it does after the database was lost. So it is said again.
"""

import asyncio
from typing import Any


async def stop_task(task: asyncio.Task[Any], patience: float) -> None:
    """Cancel a task, again every `patience` seconds, until it has ended. How it ended is not told.

    The first time asks it to stop in order; the next ones interrupt what it is doing.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=patience)
    if not task.cancelled():
        task.exception()  # looked at, so that it is not reported as forgotten
