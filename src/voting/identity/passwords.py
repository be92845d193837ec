"""Passwords: argon2id in a bounded pool of threads, and what a password must be.

Parameters are OWASP's m=19456 KiB, t=2, p=1: about 25 ms of one core. The pool has as many threads as processors may be
spent on it, each with a process that hashes (`identity.hashing`), and a short queue; what does not fit is refused at
once with Busy, so a flood of sign-ins delays nobody's vote. A login that does not exist is verified against a dummy
hash and costs the same.

A password is 8 or more characters and at most 256 bytes of UTF-8, with no rules about kinds of characters (NIST
SP 800-63B-4 §3.1.1.2, ASVS 5.0 §6.2). It is normalised to NFKC before hashing, as NIST advises: the Russian «й» is one
code point on one keyboard and two on another, and a person must not be locked out by that. Nothing else is changed: no
trimming, no case folding, no truncation. The commonest passwords, and those that repeat the login, are refused;
a longer list is the operator's file (`voting.identity.breached`).
"""

import asyncio
import math
import os
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher

from polls.errors import Busy, FieldError
from voting.identity.hashing import PARALLELISM, Hasher, HasherApart

MEMORY_KIB = 19456
TIME_COST = 2
SHORTEST = 8
LONGEST_BYTES = 256
QUEUE_PER_THREAD = 16
SECONDS_PER_HASH = 0.03

Result = TypeVar("Result")

COMMON_FILE = Path(__file__).parents[1] / "data" / "common_passwords.txt"


@cache
def common_passwords() -> frozenset[str]:
    """The head of every list of leaked passwords, Russian keyboards included, in small letters; read once."""
    lines = COMMON_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("# "))


class PasswordPool:
    """Hashes and verifies passwords, a few at a time; `apart` in processes of their own, as a service does."""

    def __init__(
        self,
        threads: int | None = None,
        *,
        queue: int | None = None,
        memory_kib: int = MEMORY_KIB,
        time_cost: int = TIME_COST,
        apart: bool = False,
    ) -> None:
        self._threads = threads or os.cpu_count() or 1
        self._room = self._threads + (self._threads * QUEUE_PER_THREAD if queue is None else queue)
        self._pending = self._inside = 0
        self._parameters = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=PARALLELISM)
        self._hasher: Hasher | HasherApart = (HasherApart if apart else Hasher)(memory_kib, time_cost)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="argon2")
        self._dummy = self._parameters.hash(secrets.token_hex(16))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for the whole of a sign-in, from before the database is asked anything. Raises Busy when full.

        Else whoever comes over the pool's limit would still be counted and looked up: connections that votes wait for.
        """
        if seconds := self.wait():
            raise Busy(retry_after=seconds)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def wait(self) -> int:
        """Seconds after which there should be room, at least one; 0 if there is."""
        if self._inside < self._room:
            return 0
        return max(1, math.ceil(self._inside / self._threads * SECONDS_PER_HASH))

    async def hash(self, password: str) -> str:
        """Give the argon2id hash to store. Raises Busy(retry_after) when the queue is full."""
        return await self._run(lambda: self._hasher.hash(normal_password(password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Tell whether the password fits; with no stored hash spend the same time and say no. Raises Busy."""
        encoded = normal_password(password)
        fits = await self._run(lambda: self._hasher.fits(encoded, stored or self._dummy))
        return fits and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Tell whether a stored hash was made with other parameters than today's."""
        return self._parameters.check_needs_rehash(stored)

    def close(self) -> None:
        """Stop the threads once they are done, and what hashes for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._hasher.close()

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._pending >= self._room:
            raise Busy(retry_after=max(1, round(self._pending * SECONDS_PER_HASH / self._threads)))
        self._pending += 1
        future = self._pool.submit(work)
        # Counted down when the thread is done, not when the client gives up: else giving up would free a busy thread.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        return await asyncio.wrap_future(future)

    def _leave(self) -> None:
        self._pending -= 1


def normal_password(password: str) -> bytes:
    """Give the bytes that are hashed: UTF-8 of the NFKC form, nothing else changed."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def password_faults(password: str, *, logins: tuple[str, ...] = (), field: str = "password") -> list[FieldError]:
    """List what is wrong with a new password; empty if it will do."""
    encoded = normal_password(password)
    normal = encoded.decode("utf-8", "surrogatepass")
    if len(normal) < SHORTEST:
        return [
            FieldError(field, "too_short", "The password needs at least {min_length} characters.",
                       {"min_length": SHORTEST})
        ]  # fmt: skip
    if len(encoded) > LONGEST_BYTES:
        return [FieldError(field, "too_long", "The password is too long.", {"max_bytes": LONGEST_BYTES})]
    plain = normal.casefold()
    parts = {part.casefold() for login in logins for part in (login, login.partition("@")[0]) if part}
    if plain in common_passwords() or plain in parts or len(set(plain)) < 3:
        return [FieldError(field, "too_common", "This password is among the first anybody would try.")]
    return []
