"""Streaming a checked file into a temporary table by PostgreSQL's COPY, in bounded memory.

What a file means is the reader's matter (:mod:`polls.file_lines`); here its pieces pass through it to the session's own
connection, inside its transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any

from polls.file_lines import LineReader
from polls.sessions import Session

PIECE = 131_072
Source = AsyncIterable[bytes] | Iterable[bytes]


async def copy_file(
    session: Session,
    reader: LineReader,
    source: Source,
    table: str,
    columns: Callable[[], list[str]],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Stream the checked rows into a temporary `table`. `columns` is asked once the header is read.

    Raises BadRegister for a header that cannot be used; bad rows gather in the reader's errors.
    """
    failures: list[Exception] = []
    lines = _copy_text(reader, source, progress, failures)
    first = await anext(lines, b"")  # the header is read now: it says which columns there are
    if failures:
        raise failures[0]

    async def all_lines() -> AsyncIterator[bytes]:
        yield first
        async for line in lines:
            yield line

    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    await driver.copy_to_table(table, source=all_lines(), columns=columns(), format="text")
    if failures:
        raise failures[0]


async def _copy_text(
    reader: LineReader, source: Source, progress: Callable[[int], None] | None, failures: list[Exception]
) -> AsyncIterator[bytes]:
    """The COPY text of a file, piece by piece.

    A failure is kept for the caller rather than raised: the driver would send its words to the database's log.
    """
    try:
        async for piece in _pieces(source):
            if lines := reader.feed(piece):
                yield lines
            if progress is not None:
                progress(reader.rows)
            await asyncio.sleep(0)  # reading is pure computation: let others have their turn
        if lines := reader.finish():
            yield lines
        if progress is not None:
            progress(reader.rows)
    except Exception as failure:
        failures.append(failure)


async def _pieces(source: Source) -> AsyncIterator[bytes]:
    """The source in pieces of about 128 KiB, so that neither single lines nor whole files are worked on at once."""
    gathered: list[bytes] = []
    size = 0
    async for given in _every(source):
        gathered.append(given)
        size += len(given)
        if size < PIECE:
            continue
        whole = b"".join(gathered)
        for start in range(0, len(whole), PIECE):
            yield whole[start : start + PIECE]
        gathered.clear()
        size = 0
    if gathered:
        yield b"".join(gathered)


async def _every(source: Source) -> AsyncIterator[bytes]:
    if isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    else:
        for piece in source:
            yield piece
