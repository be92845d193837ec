"""Computes argon2id, in this process or in one of its own: `python -m voting.identity.hashing`.

A thread of the serving process that hashes holds the interpreter's lock before and after, and a processor in between:
whoever lets it stand back has the event loop wait for a thread that waits for a processor. A process of its own may
stand back as far as the system has it: what is idle otherwise, given up at once to whoever wants it. Where that is next
to nothing, because votes take all there is, a second process with a tenth of a server's share is asked in its place,
and answers what the first has not answered in time.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PARALLELISM = 1
NICENESS = 10
STARVED = 0.3
"""Seconds for one hash, ten times what it takes, after which a process that stands back gets next to nothing."""
STARVED_FOR = 5.0
"""Seconds after which it is tried again."""


class Hasher:
    """Computes here."""

    def __init__(self, memory_kib: int, time_cost: int) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=PARALLELISM)

    def hash(self, password: bytes) -> str:
        """The hash to store."""
        return self._hasher.hash(password)

    def fits(self, password: bytes, stored: str) -> bool:
        """Whether the stored hash is one of this password; never of what is no hash."""
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Nothing is held."""


class HasherApart:
    """Computes in processes of its own, one at a time for each thread that asks; begun when first asked.

    One that has died is begun again, and asked again.
    """

    def __init__(self, memory_kib: int, time_cost: int) -> None:
        self._parameters = (str(memory_kib), str(time_cost))
        self._mine = threading.local()
        self._all: list[_Child] = []

    def hash(self, password: bytes) -> str:
        """As `Hasher.hash`."""
        return str(self._ask({"hash": password.hex()}))

    def fits(self, password: bytes, stored: str) -> bool:
        """As `Hasher.fits`."""
        return bool(self._ask({"fits": password.hex(), "stored": stored}))

    def close(self) -> None:
        """End the processes, each after what it is at."""
        for child in self._all:
            child.end()

    def _ask(self, asked: dict[str, str]) -> Any:
        idle = self._child("idle")
        if time.monotonic() >= getattr(self._mine, "starved_until", 0.0) and idle.is_free():
            answer = idle.ask(asked, within=STARVED)
            if answer is not None:
                return answer
            self._mine.starved_until = time.monotonic() + STARVED_FOR
        return self._child("aside").ask(asked)

    def _child(self, standing: str) -> _Child:
        found: _Child | None = getattr(self._mine, standing, None)
        if found is None:
            found = _Child((*self._parameters, standing))
            setattr(self._mine, standing, found)
            self._all.append(found)
        return found


class _Child:
    """One process and what is said to it: a line of JSON each way."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words
        self._owes = False
        """Whether an answer is still to come that nobody waits for."""
        self._process: subprocess.Popen[bytes] | None = None

    def is_free(self) -> bool:
        """Whether it is at nothing. An answer that came too late is thrown away."""
        if self._owes and self._process is not None and self._has_said(0.0):
            assert self._process.stdout is not None
            if not self._process.stdout.readline():  # its end
                self.end()
            self._owes = False
        return not self._owes

    def ask(self, asked: dict[str, str], within: float | None = None) -> Any:
        """What it answers, or None if it does not answer within so many seconds. Raises OSError if it dies twice."""
        line = json.dumps(asked).encode() + b"\n"
        try:
            return self._say(line, within)
        except OSError:
            self.end()
            return self._say(line, within)

    def _say(self, line: bytes, within: float | None) -> Any:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 -- numbers and a word of ours
                [sys.executable, "-m", __spec__.name, *self._words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        if within is not None and not self._has_said(within):
            self._owes = True
            return None
        if not (answer := self._process.stdout.readline()):
            raise ConnectionError("the process that hashes passwords has ended")
        return json.loads(answer)

    def _has_said(self, within: float) -> bool:
        """Whether there is something to read: between two answers nothing of one is held here."""
        assert self._process is not None
        assert self._process.stdout is not None
        looked = select.poll()  # a number of a file may be above what `select` takes
        looked.register(self._process.stdout, select.POLLIN)
        return bool(looked.poll(1000 * within))

    def end(self) -> None:
        """Let it end, if it lives."""
        process, self._process, self._owes = self._process, None, False
        if process is not None:
            with process, suppress(OSError):
                assert process.stdin is not None
                process.stdin.close()


def main(memory_kib: str, time_cost: str, standing: str) -> None:
    """Answer lines until there are no more: then the process that asked is gone, in whatever way."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # meant for the one that asks
    _stand_back(standing)
    hasher = Hasher(int(memory_kib), int(time_cost))
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        if "hash" in asked:
            answer: object = hasher.hash(bytes.fromhex(asked["hash"]))
        else:
            answer = hasher.fits(bytes.fromhex(asked["fits"]), asked["stored"])
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _stand_back(standing: str) -> None:
    if standing == "idle" and hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):  # where a container forbids it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    os.nice(NICENESS)


if __name__ == "__main__":
    main(*sys.argv[1:])
