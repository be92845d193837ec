"""Work that computes, done in a thread and always waited for: nothing it uses is let go while it still runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """The result of `work`. Whoever is cancelled meanwhile is so only once the thread has come back."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def from_thread(make: Callable[[], Iterator[bytes]]) -> AsyncGenerator[bytes, None]:
    """The pieces of an iterator, each made in a thread; the iterator is closed in one too, however this ends."""
    pieces = make()
    try:
        while (piece := await in_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        if isinstance(pieces, Generator):
            await in_thread(pieces.close)
