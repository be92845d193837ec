"""What was signed at a count, held against the database as it is now: trees, checkpoints and manifests."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import select, text

from polls.board_manifest import check_manifest
from polls.board_tables import board_manifest
from polls.board_trees import Tree, make_tree, signed_trees
from polls.catalogue import SealedPoll
from polls.checkpoint import BadNote, Checkpoint, open_checkpoint
from polls.public_keys import listed_keys
from polls.published import counted_ballots, records_of
from polls.sessions import ReadSession
from polls.tables import count_record


async def differences(session: ReadSession, found: SealedPoll) -> list[str]:
    """What in the database is not what was signed at the count, a sentence each; empty where all agrees.

    Every tree is made again from the ballots and held against its signed checkpoint, and the newest manifest against
    both. One changed ballot makes a difference.
    """
    return [difference async for difference in _differences(session, found)]


async def _differences(session: ReadSession, found: SealedPoll) -> AsyncIterator[str]:
    signed = await signed_trees(session, found.id)
    public = {key.key_id: key.public for key in await listed_keys(session, "board")}
    records = await records_of(session, found)
    if not signed:
        yield "nothing was signed for this poll"
    for question in found.question_ids if signed else ():
        tree = signed.get(question)
        if tree is None:
            yield f"question {question}: no tree was signed"
            continue
        checkpoint = _opened(tree, public.get(tree.key_id))
        if isinstance(checkpoint, str):
            yield f"question {question}: {checkpoint}"
            continue
        if (checkpoint.size, checkpoint.root) != (tree.size, tree.root):
            yield f"question {question}: the stored root {tree.root.hex()} is not the signed {checkpoint.root.hex()}"
        size, root = await make_tree(session, found, question, records[question].published)
        if size != checkpoint.size:
            yield f"question {question}: {size:,} records are there, {checkpoint.size:,} were signed"
        if root != checkpoint.root:
            yield f"question {question}: the records' root is {root.hex()}, signed was {checkpoint.root.hex()}"
    async for difference in _manifest_differences(session, found, signed, public):
        yield difference


def _opened(tree: Tree, public: bytes | None) -> Checkpoint | str:
    """What a tree's checkpoint says, or why it does not count."""
    try:
        if public is None:
            return f"the key {tree.key_id} that signed its checkpoint is not listed"
        return open_checkpoint(tree.checkpoint, tree.origin, public)
    except BadNote as bad:
        return str(bad)


async def _manifest_differences(
    session: ReadSession, found: SealedPoll, signed: dict[int, Tree], public: dict[str, bytes]
) -> AsyncIterator[str]:
    query = select(board_manifest).where(board_manifest.c.poll_id == found.id).order_by(board_manifest.c.version)
    for row in await session.execute(query):
        key = public.get(row.key_id)
        if key is None:
            yield f"manifest {row.version}: the key {row.key_id} that signed it is not listed"
            continue
        for fault in check_manifest(bytes(row.bytes), row.note, row.version, key, signed):
            yield f"manifest {row.version}: {fault}"
    count = await session.scalar(
        select(count_record.c.ballots).where(count_record.c.poll_id == found.id, count_record.c.version == 1)
    )
    held = await session.scalar(
        text(f"SELECT count(*) FROM {counted_ballots(found)} WHERE poll_id = :poll"), {"poll": found.id}
    )
    if count != held:
        yield f"{held:,} ballots are there, {count:,} were counted"
