"""What a process remembers of public pages, for how long, and what makes it forget.

Nothing personal comes in here: a key names a page and the kind of its reader, never the reader. Three things end a
memory: its age, by the site's clock and by a monotonic one; an event of the registry, which any process may have
written (noticed within a second, whoever reads; at once with a resident's own facts); and what an official has just
done in this process. A page may be made of something remembered, and is then behind the database by both ages: by two
seconds at most where the clock or a vote changes it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from litestar import Request

from polls.journal import events_mark
from voting.db import Database

Value = TypeVar("Value")
Clock = Callable[[], datetime]
Beat = tuple[int, tuple[int, int]]
"""How often a process has forgotten, and the mark of the newest events."""
BRIEFLY = 1.0
"""Seconds: what changes with votes or by the clock alone, such as an open poll that closes."""
UNTIL_EVENT = 10.0
"""Seconds: what changes with events of the registry, such as the results of a counted poll."""
MOST_BYTES = 24 * 1024 * 1024
SMALL = 2_000
"""Bytes that a remembered value counts for when nobody says how large it is."""


def remember_for(request: Request[Any, Any, Any], seconds: float) -> None:
    """Say that the reply may be given to every visitor for so long. Says nothing of replies to whoever is signed in."""
    request.scope["state"]["remember_for"] = seconds


class Pulse:
    """The newest registry events, asked about at most once a second, and how often this process has forgotten."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._forgettings = 0
        self._events = (-1, 0)
        self._read_at: tuple[datetime, float] | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def beat(self) -> Beat:
        """What a memory must have been made under to be still good, as far as is known now."""
        return (self._forgettings, self._events)

    def forget(self) -> None:
        """Make every memory of this process worthless."""
        self._forgettings += 1

    def heard(self, mark: tuple[int, int]) -> None:
        """Note the mark of the newest events (`events_mark`), as somebody has just read it."""
        self._events = max(self._events, mark)
        self._read_at = (self._clock(), time.monotonic())

    def fresh(self) -> bool:
        """Whether the newest events are known well enough."""
        return self._read_at is not None and _young(self._read_at, self._clock(), BRIEFLY)

    async def read(self) -> Beat:
        """The beat, asking the database if it has not been asked within a second. One asks for all."""
        if not self.fresh():
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._ask(), name="pulse")
            await asyncio.shield(self._reading)
        return self.beat

    async def _ask(self) -> None:
        async with self._database.open_read_session() as session:
            self.heard(await events_mark(session))


@dataclass(slots=True)
class _Memory(Generic[Value]):
    value: Value
    made: tuple[datetime, float]
    beat: Beat
    age: float
    size: int


def _young(made: tuple[datetime, float], now: datetime, age: float) -> bool:
    """By both clocks: the site's may stand still or jump, the machine's tells how long a process has slept."""
    return time.monotonic() - made[1] <= age and 0 <= (now - made[0]).total_seconds() <= age


class Shelf:
    """Memories by key, the longest unused dropped first when they are too many bytes. One maker a key at a time."""

    def __init__(self, pulse: Pulse, clock: Clock, most_bytes: int = MOST_BYTES) -> None:
        self._pulse = pulse
        self._clock = clock
        self._most = most_bytes
        self._held: OrderedDict[Hashable, _Memory[Any]] = OrderedDict()
        self._bytes = 0
        self._making: dict[Hashable, asyncio.Task[Any]] = {}

    def find(self, key: Hashable) -> Any:
        """What is remembered under a key, if it is good; None otherwise. Asks nobody."""
        held = self._held.get(key)
        if held is None:
            return None
        if held.beat != self._pulse.beat or not _young(held.made, self._clock(), held.age):
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return held.value

    async def find_or_await(self, key: Hashable) -> Any:
        """The same, or what somebody is making under the key at this moment; None if nobody is or it cannot be made."""
        if (found := self.find(key)) is not None:
            return found
        if (task := self._making.get((key, self._pulse.beat))) is None:
            return None
        await asyncio.wait([task])  # cancelling whoever waits here cancels the waiting alone
        return None if task.cancelled() or task.exception() else task.result()

    def put(
        self, key: Hashable, value: Any, *, size: int = SMALL, age: float = BRIEFLY,
        beat: Beat, made: tuple[datetime, float],
    ) -> None:  # fmt: skip
        """Remember a value. `beat` and `made` are of the moment before it was read, not after."""
        self._drop(key)
        if size > self._most:
            return
        self._held[key] = _Memory(value, made, beat, age, size)
        self._bytes += size
        while self._bytes > self._most:
            self._drop(next(iter(self._held)))

    def moment(self) -> tuple[datetime, float]:
        """Now, by both clocks."""
        return (self._clock(), time.monotonic())

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[Value]], *, age: float = BRIEFLY,
        size: Callable[[Value], int] | None = None,
    ) -> Value:  # fmt: skip
        """What is remembered under the key, or made now. Readers who come meanwhile wait for the same making."""
        beat = self._pulse.beat
        if (found := self.find(key)) is not None:
            value: Value = found
            return value
        flight = (key, beat)  # after a forgetting nobody is given what was begun before it
        task: asyncio.Task[Value] | None = self._making.get(flight)
        if task is None:
            task = asyncio.create_task(self._make(key, make, age, size, beat, self.moment()))
            self._making[flight] = task
            task.add_done_callback(lambda done: self._landed(flight, done))
        return await asyncio.shield(task)

    async def _make(
        self, key: Hashable, make: Callable[[], Awaitable[Value]], age: float, size: Callable[[Value], int] | None,
        beat: Beat, made: tuple[datetime, float],
    ) -> Value:  # fmt: skip
        value = await make()
        if beat == self._pulse.beat:
            self.put(key, value, size=SMALL if size is None else size(value), age=age, beat=beat, made=made)
        return value

    def _landed(self, flight: Hashable, done: asyncio.Task[Any]) -> None:
        self._making.pop(flight, None)
        if not done.cancelled():
            done.exception()  # read, even if every reader has gone

    def _drop(self, key: Hashable) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._bytes -= held.size
