"""Files that take long, made in the background: ordered, shared, cancelled, kept for a while, forgotten.

Equal orders of the same count share one job, whoever ordered; it is cancelled when all of them have taken their orders
back. The job's row says how far it is. Whoever holds it (`run`) says so every second; one whose worker was killed is
taken up again, from the beginning and under another draft's name. A file is `ready` only once it is in the store,
whole, with its SHA-256, and its poll's results may still be shown and are the same: neither counted anew nor of a roll
amended meanwhile. The gate is
asked when it is ordered, when the work begins, when it ends, and for every download.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, text, update

from polls.catalogue import SealedPoll, sealed_poll
from polls.errors import NotFound, TooMany, WrongState
from polls.sessions import ReadSession, Session
from polls.tables import poll as polls_table
from results.errors import ExportGone, ExportNotReady, ExportsBusy, NotYourOrder, SheetTooLong
from results.exports.columns import FORMAT_VERSION
from results.exports.kinds import FileKind, Wanted, expected_rows
from results.exports.workbook import LINES
from results.figures import CountedVersion, counted_version, see
from results.publication import require_tables
from results.reading import newest_amendment
from results.visibility import Need, require
from voting.export_files import exports_in, path_of
from voting.jobs import defer
from voting.tables import export_job

JOB: Final = "make_export"
AT_A_TIME: Final = 3
"""Exports one visitor may have under way."""
AT_A_TIME_IN_ALL: Final = 30
WAIT: Final = 60
"""Seconds after which to try again, where there are too many."""
LIVE: Final = ("waiting", "running", "ready")


class ExportState(StrEnum):
    """What became of an order."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def under_way(self) -> bool:
        """Whether somebody still works at it, or will."""
        return self in (ExportState.WAITING, ExportState.RUNNING)


@dataclass(frozen=True)
class ExportJob:
    """A job as it stands. `key` stands for all its file is made of. `error`: a code of a refusal, ``disk_full``, or
    ``failed``.
    """

    id: str
    key: str
    poll_id: int
    public_id: str
    slug: str
    version: int
    wanted: Wanted
    state: ExportState
    rows_done: int
    rows_total: int | None
    file_name: str
    media_type: str
    sha256: str | None
    size: int | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None

    def seconds_left(self, now: datetime) -> int | None:
        """About how long it will still take, by how fast it went so far; None where that says nothing yet."""
        if self.state is not ExportState.RUNNING or not (self.rows_done and self.rows_total and self.started_at):
            return None
        taken = (now - self.started_at).total_seconds()
        return max(1, round(taken * (self.rows_total - self.rows_done) / self.rows_done))


async def order_export(session: Session, slug_or_id: str, wanted: Wanted, asker: str, now: datetime) -> ExportJob:
    """Order a file, or join those who ordered the same.

    Refuses what the file itself would (`results_hidden`, `not_counted`, `too_few_to_publish`, `tables_pending`,
    `not_found` for an unknown question), `SheetTooLong`, `TooMany` with three orders under way, and `ExportsBusy`.
    """
    found = await sealed_poll(session, slug_or_id)
    counted = await _shown(session, found, wanted, now)
    if not wanted.kind.of_records:
        await require_tables(session, found, counted)
    if wanted.question_id is not None and found.definition.question(wanted.question_id) is None:
        raise NotFound(question=wanted.question_id)
    rows = await expected_rows(session, found, wanted)
    if wanted.kind is FileKind.ANSWERS_XLSX and (rows or 0) >= LINES:
        raise SheetTooLong(rows=rows, limit=LINES - 1)
    # Orders are few: one at a time, so that equal ones meet and the limits hold.
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('veche export orders', 0))"))
    key = await _key(session, found, counted, wanted)
    same = select(export_job).where(export_job.c.key == key, export_job.c.state.in_(LIVE))
    row = (await session.execute(same)).one_or_none()
    if row is not None and row.state == ExportState.READY and row.expires_at <= now:
        await session.execute(update(export_job).where(export_job.c.id == row.id).values(state=ExportState.EXPIRED))
        row = None
    if row is not None:
        if asker not in row.askers:
            joined = func.array_append(export_job.c.askers, asker)
            await session.execute(update(export_job).where(export_job.c.id == row.id).values(askers=joined))
        return _job(row, found)
    await _check_limits(session, asker)
    values = {
        "id": secrets.token_hex(16), "poll_id": found.id, "version": counted.version, "kind": wanted.kind.value,
        "wanted": wanted.as_json(), "key": key, "askers": [asker], "state": ExportState.WAITING, "rows_total": rows,
        "created_at": now,
    }  # fmt: skip
    made = (await session.execute(insert(export_job).values(values).returning(export_job))).one()
    await defer_export(session, made.id)
    return _job(made, found)


async def defer_export(session: Session, job_id: str) -> None:
    """Put a job into the queue. One export is made at a time, so that other jobs have the rest of the worker."""
    await defer(session, JOB, {"job_id": job_id}, lock="exports", queueing_lock=f"export:{job_id}", priority=-1)


async def export_of(session: ReadSession, job_id: str) -> ExportJob:
    """A job by its id. Refuses `NotFound`."""
    if len(job_id) != 32:
        raise NotFound()
    row = (await session.execute(_JOBS.where(export_job.c.id == job_id))).one_or_none()
    if row is None:
        raise NotFound()
    return _job(row, row)


async def cancel_export(session: Session, job_id: str, asker: str) -> None:
    """Take one's order back; the work stops within seconds if nobody else waits for the file.

    Refuses `NotFound`, `NotYourOrder` for whoever did not order it, `WrongState` where it is made or has failed.
    Taking back what was taken back is no mistake.
    """
    if len(job_id) != 32:
        raise NotFound()
    row = (await session.execute(select(export_job).where(export_job.c.id == job_id).with_for_update())).one_or_none()
    if row is None:
        raise NotFound()
    state = ExportState(row.state)
    if state is ExportState.CANCELLED:
        return
    if asker not in row.askers:
        raise NotYourOrder
    if not state.under_way:
        raise WrongState(state=state.value, move="cancel")
    left = [one for one in row.askers if one != asker]
    changed = {"askers": left} if left else {"state": ExportState.CANCELLED, "finished_at": func.now()}
    await session.execute(update(export_job).where(export_job.c.id == job_id).values(changed))


async def recent_exports(session: ReadSession, poll_id: int, version: int, now: datetime) -> list[ExportJob]:
    """The newest files of a poll's count that are there or under way."""
    query = _JOBS.where(
        export_job.c.poll_id == poll_id, export_job.c.version == version, export_job.c.state.in_(LIVE),
        func.coalesce(export_job.c.expires_at, now + timedelta(days=1)) > now,
    )  # fmt: skip
    rows = await session.execute(query.order_by(export_job.c.created_at.desc()).limit(12))
    return [_job(row, row) for row in rows]


@dataclass(frozen=True)
class ReadyFile:
    """A file that may be sent: its job, its SHA-256, its size, and where it lies."""

    job: ExportJob
    sha256: str
    size: int
    path: Path


async def ready_file(session: ReadSession, data_dir: Path, job_id: str, now: datetime) -> ReadyFile:
    """The file of a job. Asks the gate anew.

    Refuses `NotFound`, what the gate refuses, `ExportNotReady` (facts: state, why), and `ExportGone` once its time is
    over, what it was made of is another (the count, or the roll its turnout is of), or it is not on disk as it was.
    """
    job = await export_of(session, job_id)
    found = await sealed_poll(session, job.public_id)
    counted = await _shown(session, found, job.wanted, now)
    again = f"/polls/{job.slug}/downloads"
    gone = ExportGone(poll=job.slug, kind=job.wanted.kind.value, again=again)
    expired = job.expires_at is not None and job.expires_at <= now
    if job.state is ExportState.EXPIRED or expired or await _key(session, found, counted, job.wanted) != job.key:
        raise gone
    if job.state is not ExportState.READY or job.sha256 is None or job.size is None:
        raise ExportNotReady(state=job.state.value, why=job.error, again=again)
    path = path_of(exports_in(data_dir), job.sha256)
    try:
        if path.stat().st_size != job.size:
            raise gone
    except FileNotFoundError:
        raise gone from None
    return ReadyFile(job, job.sha256, job.size, path)


_JOBS = select(export_job, polls_table.c.public_id, polls_table.c.slug).join(
    polls_table, polls_table.c.id == export_job.c.poll_id
)


async def _shown(session: ReadSession, found: SealedPoll, wanted: Wanted, now: datetime) -> CountedVersion:
    counted = await counted_version(session, found.id)
    require(see(found, counted, now), Need.ANSWERS if wanted.kind.of_records else Need.OUTCOME)
    assert counted is not None
    return counted


async def still_shown(session: ReadSession, job: ExportJob, now: datetime) -> bool:
    """Ask the gate about a job's file; False where the count or the roll is another than when it was ordered."""
    found = await sealed_poll(session, job.public_id)
    return await _key(session, found, await _shown(session, found, job.wanted, now), job.wanted) == job.key


async def _check_limits(session: Session, asker: str) -> None:
    under_way = export_job.c.state.in_(LIVE[:2])
    own = func.count().filter(export_job.c.askers.contains([asker]))
    all_of_them, of_asker = (await session.execute(select(func.count(), own).where(under_way))).one()
    if of_asker >= AT_A_TIME:
        raise TooMany(retry_after=WAIT)
    if all_of_them >= AT_A_TIME_IN_ALL:
        raise ExportsBusy(retry_after=WAIT)


async def _key(session: ReadSession, found: SealedPoll, counted: CountedVersion, wanted: Wanted) -> str:
    """Everything that decides the bytes of a file. Turnout is of the roll with its amendments; records know no roll."""
    amended = 0 if wanted.kind.of_records else await newest_amendment(session, found.id)
    parts = [found.public_id, counted.version, counted.counted_at.isoformat(), FORMAT_VERSION, wanted.kind.value,
             wanted.as_json(), *([amended] if amended else [])]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _job(row: Row[Any], poll: SealedPoll | Row[Any]) -> ExportJob:
    return ExportJob(
        row.id, row.key, row.poll_id, poll.public_id, poll.slug, row.version, Wanted.from_json(row.kind, row.wanted),
        ExportState(row.state), row.rows_done, row.rows_total, row.file_name, row.media_type, row.sha256, row.size,
        row.error, row.created_at, row.started_at, row.finished_at, row.expires_at,
    )  # fmt: skip
