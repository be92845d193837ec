"""Ending a task that does not listen the first time."""

import asyncio
from contextlib import suppress

from voting.stopping import stop_task


async def test_a_cancellation_that_was_lost_is_said_again() -> None:
    heard = 0

    async def deaf() -> None:
        nonlocal heard
        while heard < 3:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            heard += 1

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await stop_task(task, 0.01)
    assert heard == 3 and task.done()


async def test_a_task_that_ended_by_itself_is_left_alone() -> None:
    async def failing() -> None:
        raise ValueError

    task = asyncio.create_task(failing())
    await asyncio.wait({task})
    await stop_task(task, 0.01)
