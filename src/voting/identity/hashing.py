"""Computes argon2id, in this process or in one of its own: `python -m voting.identity.hashing`.

A thread of the serving process that hashes holds the interpreter's lock before and after, and a processor in between:
whoever lets it stand back has the event loop wait for a thread that waits for a processor. A process of its own may
stand back as far as the system has it: what is idle otherwise, given up at once to whoever wants it. Where that is next
to nothing, because votes take all there is, hashing goes on by a second process with a tenth of a server's share.
"""

from __future__ import annotations

import json
import os
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
"""Seconds for one hash after which a process that stands back gets next to nothing."""
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
        began = time.monotonic()
        if began < getattr(self._mine, "starved_until", 0.0):
            return self._child("aside").ask(asked)
        answer = self._child("idle").ask(asked)
        if time.monotonic() - began > STARVED:
            self._mine.starved_until = time.monotonic() + STARVED_FOR
        return answer

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
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, asked: dict[str, str]) -> Any:
        """What it answers. Raises OSError if it dies twice."""
        line = json.dumps(asked).encode() + b"\n"
        try:
            return self._say(line)
        except OSError:
            self.end()
            return self._say(line)

    def _say(self, line: bytes) -> Any:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 -- numbers and a word of ours
                [sys.executable, "-m", __spec__.name, *self._words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        if not (answer := self._process.stdout.readline()):
            raise ConnectionError("the process that hashes passwords has ended")
        return json.loads(answer)

    def end(self) -> None:
        """Let it end, if it lives."""
        process, self._process = self._process, None
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
