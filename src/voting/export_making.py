"""The worker's part of exports: making a file, saying how far it is, stopping when it is not wanted, clearing up."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import structlog
from sqlalchemy import and_, delete, func, or_, select, update

from polls.errors import Refusal
from results.exports.dialects import Download
from results.exports.kinds import open_file
from results.exports.threads import in_thread
from voting.db import Database
from voting.export_files import (
    ExportDraft,
    StoredFile,
    clear_drafts,
    exports_in,
    forget_file,
    is_full,
    left_behind,
    remove,
)
from voting.export_jobs import JOB, LIVE, ExportJob, ExportState, defer_export, export_of, still_shown
from voting.jobs import Work, registry
from voting.settings import Settings
from voting.tables import export_job

logger = structlog.get_logger(__name__)

A_SECOND: Final = 1.0
TRIES: Final = 4
STALE: Final = timedelta(seconds=20)
"""Whoever holds a job says so every second: silent for so long, they are gone."""
FORGOTTEN: Final = timedelta(minutes=2)
"""A job that waits, or is held by nobody, for so long is put into the queue again."""
ROWS_KEPT: Final = timedelta(days=30)
LEFT: Final = 3600.0
"""Seconds after which a file nobody knows of is removed."""


class _Unwanted(Exception):
    """The job was cancelled, or another worker has it."""


@registry.job(JOB, attempts=TRIES + 2)
async def make_export(work: Work, job_id: str) -> None:
    """Make the file of a job, from the beginning. What the disk or the gate refuses is said and not tried again."""
    run = secrets.token_hex(8)
    attempt = await _claim(work.database, job_id, run)
    if attempt is None:
        return
    try:
        if attempt > TRIES:
            raise RuntimeError("the worker was killed at it again and again")
        await _Making(work.database, work.settings, job_id, run).make()
    except _Unwanted:
        logger.info("export_stopped", job=job_id)
    except asyncio.CancelledError:  # the worker is being stopped: the next one begins anew
        with suppress(Exception):
            await asyncio.shield(_release(work.database, job_id, run))
        raise
    except Exception as fault:
        why = fault.code if isinstance(fault, Refusal) else "disk_full" if is_full(fault) else "failed"
        if await _give_up(work.database, job_id, run, why):
            logger.error("export_failed", job=job_id, why=why, exc_info=fault if why == "failed" else None)
            return
        raise


async def _claim(database: Database, job_id: str, run: str) -> int | None:
    """Take a job that waits, or whose holder has fallen silent; gives the number of the attempt. None: not to do."""
    now = datetime.now(UTC)
    free = or_(
        export_job.c.state == ExportState.WAITING,
        and_(export_job.c.state == ExportState.RUNNING, export_job.c.seen_at < now - STALE),
    )
    taken = update(export_job).where(export_job.c.id == job_id, free)
    held = {"state": ExportState.RUNNING, "run": run, "attempts": export_job.c.attempts + 1, "rows_done": 0,
            "started_at": now, "seen_at": now}  # fmt: skip
    async with database.open_session() as session:
        attempt: int | None = await session.scalar(taken.values(held).returning(export_job.c.attempts))
    return attempt


async def _release(database: Database, job_id: str, run: str) -> None:
    async with database.open_session() as session:
        await session.execute(_held(job_id, run).values(state=ExportState.WAITING))


async def _give_up(database: Database, job_id: str, run: str, why: str) -> bool:
    """Note why a job failed. False where it is to be tried again: it waits."""
    async with database.open_session() as session:
        attempts = await session.scalar(select(export_job.c.attempts).where(export_job.c.id == job_id))
        final = why != "failed" or (attempts or 0) >= TRIES
        now = datetime.now(UTC)
        failed = {"state": ExportState.FAILED, "error": why, "finished_at": now}
        await session.execute(_held(job_id, run).values(failed if final else {"state": ExportState.WAITING}))
    return final


def _held(job_id: str, run: str) -> Any:
    """An update of a job that this attempt still holds."""
    return update(export_job).where(
        export_job.c.id == job_id, export_job.c.run == run, export_job.c.state == ExportState.RUNNING
    )


class _Making:
    """One attempt at one job."""

    def __init__(self, database: Database, settings: Settings, job_id: str, run: str) -> None:
        self._database, self._settings = database, settings
        self._job_id, self._run = job_id, run
        self._directory = exports_in(settings.data_dir)
        self._rows = 0

    async def make(self) -> None:
        """Write, publish, and say that it is ready. Raises `_Unwanted` when it was cancelled."""
        async with self._database.open_session() as session:
            job = await export_of(session, self._job_id)
        await in_thread(clear_drafts, self._directory, job.id)
        draft = await in_thread(ExportDraft, self._directory, job.id, self._settings.export_reserve)
        try:
            writing = asyncio.create_task(self._write(job, draft))
            try:
                await self._watch(writing)
            finally:
                if not writing.done():
                    writing.cancel()
                    await asyncio.wait([writing])
            download = await writing
            await self._ready(job, draft, download)
        finally:
            await in_thread(draft.drop)

    async def _write(self, job: ExportJob, draft: ExportDraft) -> Download:
        def told(rows: int) -> None:
            self._rows += rows

        download = await open_file(
            self._database.open_read_session, job.public_id, job.wanted, now=datetime.now(UTC),
            directory=Path(draft.folder), on_rows=told,
        )  # fmt: skip
        async with aclosing(cast("Any", download.chunks)) as chunks:
            async for chunk in chunks:
                await in_thread(draft.write, chunk)
        return download

    async def _watch(self, writing: asyncio.Task[Download]) -> None:
        """Say every second how far it is, until it is written. Raises `_Unwanted` as soon as it is not wanted."""
        while True:
            done, _ = await asyncio.wait([writing], timeout=A_SECOND)
            if done:
                return
            await self._tell()

    async def _tell(self) -> None:
        told = {"rows_done": self._rows, "seen_at": datetime.now(UTC)}
        async with self._database.open_session() as session:
            held = (await session.execute(_held(self._job_id, self._run).values(told).returning(export_job.c.id))).all()
        if not held:
            raise _Unwanted

    async def _ready(self, job: ExportJob, draft: ExportDraft, download: Download) -> None:
        now = datetime.now(UTC)
        stored: StoredFile = await in_thread(draft.publish, download.file_name)
        # As of now: a correction that came meanwhile makes this a file of the past before anybody saw it.
        async with self._database.open_session() as session:
            shown = await still_shown(session, job, now)
            made: dict[str, Any] = {
                "state": ExportState.READY, "sha256": stored.sha256, "size": stored.size, "rows_done": self._rows,
                "file_name": download.file_name, "media_type": download.media_type, "finished_at": now,
                "expires_at": now + self._settings.export_kept,
            }  # fmt: skip
            if not shown:
                made = {"state": ExportState.FAILED, "error": "export_gone", "finished_at": now}
            held = (await session.execute(_held(job.id, self._run).values(made).returning(export_job.c.id))).all()
        if not held:
            raise _Unwanted
        logger.info("export_ready" if shown else "export_outdated", job=job.id, bytes=stored.size, rows=self._rows)


@registry.periodic("sweep_exports", cron="*/2 * * * *")
async def sweep_exports(work: Work) -> None:
    """Take up again what nobody works at, and forget what has had its time. Files nobody knows of go after an hour."""
    now = datetime.now(UTC)
    directory = exports_in(work.settings.data_dir)
    async with work.database.open_session() as session:
        for job_id in await session.scalars(_forgotten(now)):
            await defer_export(session, job_id)
        over = (
            update(export_job)
            .where(export_job.c.state == ExportState.READY, export_job.c.expires_at <= now)
            .values(state=ExportState.EXPIRED)
            .returning(export_job.c.sha256)
        )
        expired = set(await session.scalars(over))
        await session.execute(
            delete(export_job).where(export_job.c.state.not_in(LIVE), export_job.c.created_at < now - ROWS_KEPT)
        )
        ready = select(export_job.c.sha256).where(export_job.c.state == ExportState.READY)
        known = frozenset(await session.scalars(ready))
        running = select(export_job.c.id).where(export_job.c.state == ExportState.RUNNING)
        working = frozenset(await session.scalars(running))
    for sha256 in expired - known:
        await in_thread(forget_file, directory, sha256)
    await in_thread(lambda: remove(left_behind(directory, known, working, LEFT)))


def _forgotten(now: datetime) -> Any:
    """Ids of jobs that wait, or are held by nobody, for too long."""
    since = func.coalesce(export_job.c.seen_at, export_job.c.created_at)
    return select(export_job.c.id).where(export_job.c.state.in_(LIVE[:2]), since < now - FORGOTTEN)
