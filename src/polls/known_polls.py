"""Sealed polls as one process remembers them, for the paths that everybody takes at once.

What is sealed never changes, so the document is exact. The rest of the row (state, closing time, pause) may be up to a
second old: casting never judges by it, since the statement that admits a vote asks the database's own clock and row.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from polls.catalogue import SealedPoll, sealed_poll
from polls.sessions import ReadSession

STALE_AFTER = 1.0  # seconds
REMEMBERED = 1_000


class KnownPolls:
    """Finds sealed polls by slug or public id, reading each at most once a second however many ask.

    `open_session` opens a transaction on the primary: a poll that has just been sealed is found at once.
    """

    def __init__(
        self, open_session: Callable[[], AbstractAsyncContextManager[ReadSession]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._open_session = open_session
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, SealedPoll]] = OrderedDict()
        self._reading: dict[str, asyncio.Future[SealedPoll]] = {}

    async def find(self, name: str) -> SealedPoll:
        """The poll of this slug or id, its row at most a second old. Refuses `PollNotFound`, which is not kept."""
        known = self._known.get(name)
        if known is not None and self._clock() - known[0] <= STALE_AFTER:
            return known[1]
        reading = self._reading.get(name)
        if reading is None or reading.get_loop() is not asyncio.get_running_loop():
            reading = self._reading[name] = asyncio.ensure_future(self._read(name))
            reading.add_done_callback(lambda _: self._reading.pop(name, None))
        return await asyncio.shield(reading)  # one reader that goes away takes nothing from the others

    async def _read(self, name: str) -> SealedPoll:
        asked_at = self._clock()  # before the reading: the row may change while it is on its way
        async with self._open_session() as session:
            found = await sealed_poll(session, name)
        self._known[name] = (asked_at, found)
        self._known.move_to_end(name)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found
