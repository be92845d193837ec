"""answers.csv and answers.jsonl: the published records, one question of one ballot a line, in the order of leaf hashes.

A line holds the poll hash, question, style, answer and nonce, exactly what :func:`polls.board.entry` is made of, and
never a stratum, a ballot id, or anything that joins two questions: patterns of answers identify people. The nonce
comes from the ballot id by SHA-256, so the id cannot be had back.

A style names a district, so a style of few voters would show their answers one question beside another and where they
live. :mod:`polls.published` says which records stay back for that.

Hashing, ordering and formatting are the database's work (COPY), so millions of lines take no memory here. Polls with
names publish the same records: an entry has no name in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Any

from sqlalchemy import text

from polls.board_trees import signed_trees
from polls.catalogue import SealedPoll, sealed_poll
from polls.errors import NotFound
from polls.published import counted_ballots, published_styles
from polls.sessions import ReadSession
from polls.tally.profile import NOT_SHOWN
from results.exports.columns import ANSWERS
from results.exports.dialects import Dialect, Download, OnRows, OpenSession, file_name, untold
from results.exports.headers import Language, header_of
from results.figures import counted_version, see
from results.visibility import Need, require

AS_LINES = "'{hash}' AS poll_hash, question_id, style, answer, nonce"
AS_JSON = (
    """'{"poll_hash":"{hash}","question_id":' || question_id || ',"style":' || style || ',"answer":' || answer"""
    """ || ',"nonce":"' || nonce || '"}'"""
)
"""One record as a line of JSON, its answer an array."""
NUMBERED = "question_id, style, answer, nonce"
"""A record without the poll's hash, which is the same in all."""
AHEAD = 8
"""Chunks the database may be ahead of a slow reader; beyond that it waits."""


async def answers_csv(
    open_session: OpenSession,
    slug_or_id: str,
    *,
    now: datetime,
    question_id: int | None = None,
    dialect: Dialect = Dialect.PLAIN,
    language: Language | None = None,
    on_rows: OnRows = untold,
) -> Download:
    """All published records of a counted poll, or those of one question; refusals as for :func:`answers_of`."""
    found, name = await answers_of(open_session, slug_or_id, "csv", now=now, question_id=question_id)
    return Download(name, "text/csv", _csv(open_session, found, question_id, dialect, language, on_rows))


async def answers_jsonl(
    open_session: OpenSession,
    slug_or_id: str,
    *,
    now: datetime,
    question_id: int | None = None,
    on_rows: OnRows = untold,
) -> Download:
    """The same records as JSON, one a line, each answer an array; refusals as for :func:`answers_of`."""
    found, name = await answers_of(open_session, slug_or_id, "jsonl", now=now, question_id=question_id)
    return Download(name, "application/x-ndjson", _jsonl(open_session, found, question_id, on_rows))


async def answers_of(
    open_session: OpenSession, slug_or_id: str, extension: str, *, now: datetime, question_id: int | None
) -> tuple[SealedPoll, str]:
    """The poll whose records may be taken now, and the name of their file.

    Refuses before the first byte: what :func:`results.visibility.require` refuses (`TooFewToPublish` with under ten
    ballots of a separated poll), `NotFound` for an unknown question. A question held by too few (`polls.published`) has
    a header and no line. The stream opens a session of its own.
    """
    async with open_session() as session:
        found = await sealed_poll(session, slug_or_id)
        require(see(found, await counted_version(session, found.id), now), Need.ANSWERS)
    if question_id is not None and found.definition.question(question_id) is None:
        raise NotFound(question=question_id)
    what = "answers" if question_id is None else f"answers_q{question_id}"
    return found, file_name(found.closes_at, found.definition.time_zone, found.slug, what, extension)


async def number_of_records(session: ReadSession, found: SealedPoll, question_id: int | None) -> int:
    """How many records a file of a counted poll will have: by the signed trees; before they are there, at most."""
    trees = await signed_trees(session, found.id)
    sizes = {question: tree.size for question, tree in trees.items()}
    if not sizes:
        counted = await counted_version(session, found.id)
        sizes = {outcome.question_id: outcome.cast for outcome in counted.outcomes} if counted else {}
    return sum(n for question, n in sizes.items() if question_id in (None, question))


def entries_sql(found: SealedPoll, styles: Mapping[int, Sequence[int]], select: str = AS_LINES) -> str:
    """SELECT of the records of these styles (question id → styles, not all empty) in leaf order.

    Everything in it is a number or hex of ours: nothing to bind. `select` as for :func:`copied_records`.
    """
    hashed = found.poll_hash.hex()
    parts = [
        f"SELECT {question}::int AS question_id, style, answers[{position}] AS answer,"
        f" encode(substr(sha256('veche/entry/v1'::bytea || ballot_id || int4send({question})), 1, 16), 'hex') AS nonce"
        f" FROM {counted_ballots(found)} WHERE poll_id = {int(found.id)} AND answers[{position}] <> '{NOT_SHOWN}'"
        f" AND style IN ({', '.join(str(int(style)) for style in styles[question])})"
        for position, question in enumerate(found.question_ids, start=1)
        if styles.get(question)
    ]
    entry = f"'[\"{hashed}\",' || question_id || ',' || style || ',' || answer || ',\"' || nonce || '\"]'"
    return (
        f"SELECT {select.replace('{hash}', hashed)} FROM ({' UNION ALL '.join(parts)}) AS e"
        f" ORDER BY sha256('\\x00'::bytea || convert_to({entry}, 'UTF8'))"
    )


async def _csv(
    open_session: OpenSession,
    found: SealedPoll,
    question_id: int | None,
    dialect: Dialect,
    language: Language | None,
    on_rows: OnRows,
) -> AsyncGenerator[bytes, None]:
    excel = dialect is Dialect.EXCEL
    header = (";" if excel else ",").join(header_of(ANSWERS, language))
    yield f"\ufeff{header}\r\n".encode() if excel else f"{header}\n".encode()
    how = {"format": "csv", "delimiter": ";" if excel else ","}
    async with aclosing(copied_records(open_session, found, question_id, AS_LINES, how)) as chunks:
        async for chunk in chunks:
            on_rows(chunk.count(b"\n"))
            # No cell holds a line break, so every one of them ends a line.
            yield chunk.replace(b"\n", b"\r\n") if excel else chunk


async def _jsonl(
    open_session: OpenSession, found: SealedPoll, question_id: int | None, on_rows: OnRows
) -> AsyncGenerator[bytes, None]:
    # Nothing in a record needs the escapes of COPY's text format: digits, brackets, commas, hex and our own quotes.
    async with aclosing(copied_records(open_session, found, question_id, AS_JSON, {"format": "text"})) as chunks:
        async for chunk in chunks:
            on_rows(chunk.count(b"\n"))
            yield chunk


async def copied_records(
    open_session: OpenSession, found: SealedPoll, question_id: int | None, select: str, how: Mapping[str, str]
) -> AsyncGenerator[bytes, None]:
    """The published records as COPY writes them (`how`: its options), in a session of their own; none: no chunk.

    `select` is what stands between SELECT and FROM; ``{hash}`` in it is the poll's hash.
    """
    async with open_session() as session:
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        styles = await published_styles(session, found)
        wanted = {question: of for question, of in styles.items() if of and question_id in (None, question)}
        if not wanted:
            return
        connection = await session.connection()
        driver = (await connection.get_raw_connection()).driver_connection
        whole = False
        try:
            async with aclosing(_copied(driver, entries_sql(found, wanted, select), how)) as chunks:
                async for chunk in chunks:
                    yield chunk
            whole = True
        finally:
            if not whole:
                # A reader who went away leaves the server in the middle of COPY: this connection is of no more use.
                await connection.invalidate()


async def _copied(connection: Any, query: str, how: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
    """COPY as chunks. The database waits for a slow reader; a failure is raised after the chunks before it."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(AHEAD)

    async def copy() -> None:
        try:
            # Bytes of our own: what the driver hands out is its buffer.
            await connection.copy_from_query(query, output=lambda piece: queue.put(bytes(piece)), **how)
        finally:
            # None says that no more comes; whether all went well, the task says.
            await queue.put(None)

    task = asyncio.create_task(copy())
    try:
        while (chunk := await queue.get()) is not None:
            yield chunk
        await task
    finally:
        if not task.done():
            task.cancel()
            while not queue.empty():
                queue.get_nowait()
            with suppress(asyncio.CancelledError):
                await task
