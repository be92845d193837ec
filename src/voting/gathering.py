"""Many readers, one query: whoever asks while a query runs is answered by the next one.

What is personal must never come out of a cache: a resident's own vote has to show on the very next page, whichever
process took it. Reading it costs one statement, and most of that is the round trip, so the readers of a moment share
it. Nobody waits for a timer: a reader who comes alone is answered at once, and a query never began before its reader
asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")
MOST_AT_ONCE = 500


class Gatherer(Generic[Key, Found]):
    """Answers keys by `fetch`, one call at a time, each for all keys that came while the last one ran.

    `fetch` takes the keys, without repeats, and gives what it found by key; what it raises is raised to its readers.
    """

    def __init__(self, fetch: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Found]]]) -> None:
        self._fetch = fetch
        self._waiting: list[tuple[Key, asyncio.Future[Found | None]]] = []
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Found | None:
        """What the next query finds under the key, or None."""
        answer: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._work(), name="gathered reads")
        return await answer

    async def _work(self) -> None:
        await asyncio.sleep(0)  # whoever is ready in this turn of the loop joins
        # From here on nothing is waited for: the next query runs while those answered by the last are served.
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                found = await self._fetch(list(dict.fromkeys(key for key, _ in batch)))
            except BaseException as error:
                kept = error if isinstance(error, Exception) else ConnectionError("the process is stopping")
                for _, answer in batch:
                    if not answer.done():  # its reader has gone
                        answer.set_exception(kept)
                if not isinstance(error, Exception):
                    raise
                continue
            for key, answer in batch:
                if not answer.done():
                    answer.set_result(found.get(key))
