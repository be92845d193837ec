"""The job that chains the audit log: entries that are in no link yet get one, and the last hash goes into the registry.

Writers never wait for it, nor for each other: a sign-in appends its row and is done. What commits late comes into the
next batch. One batch at a time, by a lock; between two of them the newest entries are «not sealed yet».
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, func, insert, select, text

from polls.audit import write_event
from polls.audit_chain import BEGINNING, link
from polls.audit_tables import audit_counter, audit_link
from polls.journal import record_event
from polls.sessions import ReadSession, Session
from voting.auditing.entries import SEAL, entries_without
from voting.jobs import Work, registry

logger = structlog.get_logger(__name__)

AT_ONCE = 5_000
LOOK_BACK = 5_000
"""Ids before the newest linked one in which a frequent look searches for entries that were committed late."""
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('veche/audit', 0))"


@registry.periodic("seal_audit_log", cron="*/10 * * * *")
async def seal_audit_log(work: Work) -> None:
    """Seal what is new, every ten minutes; once an hour every entry is looked at, and refused sign-ins are told."""
    now = datetime.now(UTC)
    if now.minute < 10:
        async with work.database.open_session() as session:
            await tell_refusals(session, now)
    sealed = AT_ONCE
    while sealed == AT_ONCE:
        async with work.database.open_session() as session:
            sealed = await seal_entries(session, now, everything=now.minute < 10)
        if sealed:
            logger.info("audit_sealed", entries=sealed)


async def newest_link(session: ReadSession) -> tuple[int, bytes]:
    """How many entries are chained, and the last one's hash."""
    found = await session.execute(
        select(audit_link.c.position, audit_link.c.hash).order_by(audit_link.c.position.desc()).limit(1)
    )
    row = found.one_or_none()
    return (0, BEGINNING) if row is None else (row.position + 1, row.hash)


async def seal_entries(session: Session, now: datetime, *, everything: bool = True) -> int:
    """Chain up to `AT_ONCE` entries and write the new head into the journal; gives how many there were."""
    await session.execute(text(LOCK))
    size, head = await newest_link(session)
    newest = select(audit_link.c.source, func.max(audit_link.c.source_id)).group_by(audit_link.c.source)
    beyond = {} if everything else {source: top - LOOK_BACK for source, top in (await session.execute(newest)).all()}
    entries = await entries_without(
        session, select(audit_link.c.source, audit_link.c.source_id), beyond=beyond, limit=AT_ONCE
    )
    rows = []
    for position, entry in enumerate(entries, start=size):
        head = link(head, entry.as_json())
        rows.append({"position": position, "source": entry.source, "source_id": entry.id, "hash": head})
    if rows:
        await session.execute(insert(audit_link), rows)
        await record_event(session, SEAL, None, now, size=size + len(rows), head=head.hex())
    return len(rows)


async def tell_refusals(session: Session, now: datetime) -> int:
    """Make one event of each hour's refused sign-ins, once the hour is over; gives how many events."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    gone = delete(audit_counter).where(audit_counter.c.hour < hour)
    rows = (await session.execute(gone.returning(audit_counter))).all()
    for row in sorted(rows):
        facts = {"count": row.n, "since": row.hour.astimezone(UTC).isoformat()}
        await write_event(session, "sign_ins_refused", actor=None, subject=row.subject, facts=facts, now=now)
    return len(rows)


def is_waiting_long(at: datetime, now: datetime) -> bool:
    """Whether an entry should have been sealed by now."""
    return now - at > timedelta(hours=1)
