"""The job that publishes boards: manifests of counted polls, then their files. Also what `veche board` does by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import text

from polls.board_check import differences
from polls.board_manifest import Board, board_of, boards_due, publish_manifest
from polls.board_trees import by_lines, copy_entries
from polls.catalogue import SealedPoll, sealed_poll
from polls.published import entry_prefix, published_styles
from polls.sealed import sealed_bytes
from polls.sessions import ReadSession, Session
from voting.board_files import (
    BoardDraft,
    BoardFault,
    BoardTexts,
    Comparison,
    TreeFiles,
    add_manifests,
    boards_in,
    check_room,
    check_tree,
    is_published,
)
from voting.board_tries import Tries, forget_others, is_due, note_failure, tries_of
from voting.db import Database
from voting.jobs import Work, registry
from voting.keys import BadKey, board_sealer
from voting.settings import Settings

logger = structlog.get_logger(__name__)

Progress = Callable[[int, int], None]
"""(records written, records of the whole board)."""
EVERY = 500_000
"""Records between two lines of the log."""


@registry.periodic("publish_boards", cron="* * * * * */10")
async def publish_boards(work: Work) -> None:
    """Make the manifests that are missing and write the boards that are not on disk, the newest polls first.

    Each poll stands alone. What fails is tried again after ten seconds, then after twice as long each time, ten minutes
    at most; each try is a line of the log, and the officials' page of the poll tells. Votes are not concerned.
    """
    data_dir = work.settings.data_dir
    async with work.database.open_read_session() as reading:
        counted = await boards_due(reading)
    waiting = await asyncio.to_thread(_unpublished, boards_in(data_dir), counted)
    await asyncio.to_thread(forget_others, data_dir, set(waiting))
    for public_id in waiting:
        if not is_due(data_dir, public_id, datetime.now(UTC)):
            continue
        try:
            if await publish_board(work.database, work.settings, public_id, log_progress(public_id)):
                logger.info("board_published", poll=public_id)
        except Exception as fault:
            expected = isinstance(fault, BoardFault | BadKey | OSError)
            why = str(fault) if expected else type(fault).__name__  # words of ours alone go to a page
            tries = await asyncio.to_thread(note_failure, data_dir, public_id, why, datetime.now(UTC))
            told = {"why": why, "failed": tries.failed, "again_in": tries.pause}
            logger.error("board_failed", poll=public_id, **told, exc_info=None if expected else fault)


@dataclass(frozen=True)
class Standing:
    """Whether the board of a counted poll is there, and if not, what became of the tries."""

    published: bool
    tries: Tries | None


async def standing_of_board(session: ReadSession, data_dir: Path, public_id: str) -> Standing | None:
    """How the board of a poll stands, for its officials; None before the count."""
    counted = [row for row in await boards_due(session) if row[0] == public_id]
    if not counted:
        return None
    published = not await asyncio.to_thread(_unpublished, boards_in(data_dir), counted)
    return Standing(published, None if published else await asyncio.to_thread(tries_of, data_dir, public_id))


def _unpublished(boards: Path, counted: list[tuple[str, int, int | None]]) -> list[str]:
    """The polls whose newest manifest, or whose files, are lacking."""
    return [
        public_id
        for public_id, version, made in counted
        if made != version or not is_published(boards, public_id, version)
    ]


def log_progress(public_id: str) -> Progress:
    """A line of the log every half a million records."""
    told = 0

    def tell(written: int, whole: int) -> None:
        nonlocal told
        if written - told >= EVERY:
            told = written
            logger.info("board_building", poll=public_id, records=written, of=whole)

    return tell


async def publish_board(database: Database, settings: Settings, public_id: str, progress: Progress) -> bool:
    """Make what is missing of a poll's manifests, then of its files. False: another process is at it.

    Raises BoardFault when the ballots are not what was signed or the disk has no room, and refuses `WrongState` for a
    poll that is not counted.
    """
    now = datetime.now(UTC)
    async with database.open_session() as session:
        await publish_manifest(session, public_id, board_sealer(settings), now)
    async with database.open_session() as session:
        found = await sealed_poll(session, public_id)
        if not await session.scalar(
            text("SELECT pg_try_advisory_xact_lock(hashtextextended('veche board files', :poll))"), {"poll": found.id}
        ):
            return False
        board, texts = await _texts(session, found)
        boards = boards_in(settings.data_dir)
        if (boards / public_id).is_dir():
            await asyncio.to_thread(add_manifests, boards, texts)
        else:
            await _build(session, found, board, texts, boards, progress)
    return True


async def _texts(session: Session, found: SealedPoll) -> tuple[Board, BoardTexts]:
    board = await board_of(session, found.id)
    sealed = await sealed_bytes(session, found.public_id)
    return board, BoardTexts(found.public_id, sealed.data, board.trees, board.manifests)


async def _build(
    session: Session, found: SealedPoll, board: Board, texts: BoardTexts, boards: Path, progress: Progress
) -> None:
    whole = sum(tree.size for tree in board.trees.values())
    await asyncio.to_thread(check_room, boards, whole)
    draft = await asyncio.to_thread(BoardDraft(boards, found.public_id).__enter__)
    try:
        before = 0
        for question, tree in board.trees.items():
            counted = _from(before, whole, progress)
            made = await _write_tree(session, found, question, draft.tree(question), counted)
            check_tree(tree, made)
            before += tree.size
        await asyncio.to_thread(draft.publish, texts)
    finally:
        await asyncio.to_thread(draft.__exit__)


def _from(before: int, whole: int, progress: Progress) -> Callable[[int], None]:
    """Progress of one tree as progress of the board."""
    return lambda written: progress(before + written, whole)


async def _write_tree(
    session: Session, found: SealedPoll, question: int, files: TreeFiles, progress: Callable[[int], None]
) -> tuple[int, bytes]:
    """Stream a question's records from the database into files; gives the size and the root of what was written."""
    styles = (await published_styles(session, found))[question]
    prefix = entry_prefix(found, question).encode()
    written = 0

    def add(lines: bytes) -> None:
        nonlocal written
        entries = [prefix + line for line in lines[:-1].split(b"\n")]
        files.add(entries)
        written += len(entries)
        progress(written)

    await copy_entries(session, found, question, styles, by_lines(add))
    return await asyncio.to_thread(files.finish)


async def board_differences(
    database: Database, settings: Settings, public_id: str, progress: Progress = lambda _, __: None
) -> list[str]:
    """What differs between the ballots, what was signed, and the files on disk, a sentence each."""
    async with database.open_session() as session:
        found = await sealed_poll(session, public_id)
        told = await differences(session, found)
        directory = boards_in(settings.data_dir) / public_id
        if not directory.is_dir():
            return [*told, f"{directory} is not there"]
        board, texts = await _texts(session, found)
        if not board.manifests:
            return told
        comparison = Comparison(directory)
        before, whole = 0, sum(tree.size for tree in board.trees.values())
        for question, tree in board.trees.items():
            try:
                counted = _from(before, whole, progress)
                await _write_tree(session, found, question, comparison.tree(question), counted)
            except BoardFault as fault:
                told.append(f"question {question}: {fault}")
            before += tree.size
        for path, data in texts.files().items():
            comparison.put(path, data)
        return [*told, *await asyncio.to_thread(comparison.finish)]
