"""The trees of a counted poll: made from the database, in its order, and signed.

A tree holds the published records of one question in the order of their leaf hashes (BALLOTS §16–17). Hashing leaves
and ordering is the database's work, streamed by COPY: millions of records take no memory here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, text

from polls.board_tables import board_tree
from polls.catalogue import SealedPoll
from polls.checkpoint import BoardSealer
from polls.published import counted_ballots, entry_sql, hash_sql, records_of
from polls.sessions import ReadSession, Session
from polls.tally.profile import NOT_SHOWN
from polls.tlog import HASH, TILE_WIDTH, TileWriter

Consume = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Tree:
    """One question's tree as it was signed: published records, their root and the checkpoint note."""

    question_id: int
    size: int
    root: bytes
    checkpoint: str
    key_id: str

    @property
    def origin(self) -> str:
        """The name the checkpoint was signed under."""
        return self.checkpoint.partition("\n")[0]


async def seal_trees(session: Session, found: SealedPoll, sealer: BoardSealer) -> None:
    """Make and sign the tree of every question of a poll whose ballots are in their place. Once a poll."""
    for question, records in (await records_of(session, found)).items():
        size, root = await make_tree(session, found, question, records.published)
        await session.execute(
            insert(board_tree).values(
                poll_id=found.id, question_id=question, size=size, root=root,
                checkpoint=sealer.checkpoint(found.public_id, question, size, root), key_id=sealer.signer.key_id,
            )
        )  # fmt: skip


async def signed_trees(session: ReadSession, poll_id: int) -> dict[int, Tree]:
    """Question id → its tree as signed, in the order of the questions' ids; none before the count."""
    rows = await session.execute(
        select(board_tree).where(board_tree.c.poll_id == poll_id).order_by(board_tree.c.question_id)
    )
    return {
        row.question_id: Tree(row.question_id, row.size, bytes(row.root), row.checkpoint, row.key_id) for row in rows
    }


async def question_root(session: ReadSession, found: SealedPoll, question_id: int) -> bytes:
    """The root of a counted question's published records: what a lot is drawn with, and what ``answers.csv`` gives.

    As it was signed; of a poll that an earlier release counted and nobody has signed for yet, made from the records.
    """
    signed: bytes | None = await session.scalar(
        select(board_tree.c.root).where(board_tree.c.poll_id == found.id, board_tree.c.question_id == question_id)
    )
    if signed is not None:
        return bytes(signed)
    records = (await records_of(session, found))[question_id]
    return (await make_tree(session, found, question_id, records.published))[1]


async def make_tree(
    session: ReadSession, found: SealedPoll, question_id: int, styles: Sequence[int]
) -> tuple[int, bytes]:
    """(records, root) of one question's tree, from the ballots of these styles."""
    tree = TileWriter(lambda tile, data: None)
    rest = bytearray()

    def add(chunk: bytes, last: bool = False) -> None:
        rest.extend(bytes.fromhex(chunk.decode("ascii")))
        whole = len(rest) - len(rest) % (HASH * TILE_WIDTH)
        leaves = [bytes(rest[i : i + HASH]) for i in range(0, len(rest) if last else whole, HASH)]
        tree.add_all(leaves)
        del rest[:whole]

    if styles:
        leaves = _leaves(found, question_id, styles)
        await _copy(session, f"SELECT encode(leaf, 'hex') FROM ({leaves}) s ORDER BY leaf", by_lines(add))
    add(b"", last=True)
    return tree.size, tree.finish()


def _leaves(found: SealedPoll, question_id: int, styles: Sequence[int]) -> str:
    """SELECT of the leaf hashes of one question's records of these styles."""
    entries = _entries(found, question_id, styles)
    return f"SELECT {hash_sql(found, question_id, 'entry')} AS leaf FROM ({entries}) e OFFSET 0"


def _entries(found: SealedPoll, question_id: int, styles: Sequence[int]) -> str:
    """SELECT of the entries of one question's records of these styles, without their constant beginning.

    OFFSET 0 keeps the database from making each entry once for its hash and once more.
    """
    position = found.question_ids.index(question_id) + 1
    return (
        f"SELECT {entry_sql(found, question_id, 'b')} AS entry FROM {counted_ballots(found)} b"
        f" WHERE b.poll_id = {int(found.id)} AND b.answers[{position}] <> '{NOT_SHOWN}'"
        f" AND b.style IN ({', '.join(str(int(style)) for style in styles)}) OFFSET 0"
    )


async def copy_entries(
    session: ReadSession, found: SealedPoll, question_id: int, styles: Sequence[int], consume: Consume
) -> None:
    """Hand over the entries of one question's records of these styles, a line each, in the order of their leaves.

    They come in chunks and without what all begin with (:func:`polls.published.entry_prefix`). The database waits for
    `consume`; what it raises ends the copying.
    """
    if styles:
        entries = _entries(found, question_id, styles)
        await _copy(
            session, f"SELECT entry FROM ({entries}) e ORDER BY {hash_sql(found, question_id, 'entry')}", consume
        )


async def leaves_of(session: ReadSession, found: SealedPoll, question_id: int, styles: Sequence[int]) -> list[bytes]:
    """The leaf hashes of one question's records of these styles, rising; all at once, so for few."""
    if not styles:
        return []
    rows = await session.scalars(text(f"SELECT leaf FROM ({_leaves(found, question_id, styles)}) s ORDER BY leaf"))
    return [bytes(leaf) for leaf in rows]


def by_lines(add: Callable[[bytes], None]) -> Consume:
    """Hand whole lines to `add`, in a thread: hashing a million of them must not hold up what else the process does."""
    rest = b""

    async def consume(chunk: bytes) -> None:
        nonlocal rest
        lines, end, behind = (rest + chunk).rpartition(b"\n")
        rest = behind
        if end:
            await asyncio.to_thread(add, lines + end)

    return consume


async def _copy(session: ReadSession, query: str, consume: Consume) -> None:
    """COPY a query's one column as lines, inside the session's transaction. No line holds what COPY would escape."""
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    await session.execute(text("SET LOCAL work_mem = '64MB'"))
    await session.execute(text("SET LOCAL jit = off"))
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    # Bytes of our own: what the driver hands out is its buffer.
    await driver.copy_from_query(query, output=lambda piece: consume(bytes(piece)), format="text")
