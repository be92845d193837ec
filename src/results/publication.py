"""The publication of a count: its one pattern, made once, kept beside the count, and read by every process.

The job that counts stores it in the transaction of the count (`publish_figures`), so that no reader finds a counted
poll without it. After a correction or a change to the roll the next one is stored, held to the memory of all before.
Until then, and for polls counted by an older release, a reader works out the same pattern for itself: it follows from
what is stored alone.

Of a whole city with several questions that takes up to minutes, so neither the count nor any reader waits for it: a job
of its own works it out with no transaction open (`due_publication`, `work_out`, `store`), and readers are refused with
`TablesPending` meanwhile. Totals and outcome, which need no protection, are there at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from polls.catalogue import SealedPoll, sealed_poll
from polls.sessions import ReadSession, Session
from results.disclosure_memory import Published
from results.errors import TablesPending
from results.protection import Counted, Publication, Tables, publish
from results.reading import CountedVersion, counted_version, newest_amendment, read_counted, see
from results.shapes import By, dimension_code
from results.tables import publication

DUE = text(
    "SELECT p.public_id FROM poll p CROSS JOIN LATERAL (SELECT max(version) AS version FROM count_record c"
    " WHERE c.poll_id = p.id) AS c CROSS JOIN LATERAL (SELECT coalesce(max(id), 0) AS id FROM roll_amendment a"
    " WHERE a.poll_id = p.id) AS a WHERE p.state IN ('counted', 'certified', 'decided') AND c.version IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM publication k WHERE k.poll_id = p.id AND k.version = c.version"
    " AND k.amendment = a.id) ORDER BY p.id LIMIT :limit"
)
LARGE = 3_000
"""Counts by class of answer and stratum above which nobody waits for the pattern: seconds below, minutes above."""
CROSSED = 20
"""So much a count by both answers of a cross-tab weighs: a few districts can take as long as a city without one."""
NOTHING = Publication(Published(0, {}, frozenset()), {})


@dataclass(frozen=True)
class Due:
    """A publication that is lacking: of which count and roll, what it is made of, and the one before it."""

    poll_id: int
    version: int
    amendment: int
    made_of: Counted | None
    earlier: Publication | None

    @property
    def large(self) -> bool:
        """Whether to leave it to a job."""
        of = self.made_of
        return of is not None and len(of.counts) + CROSSED * len(of.crossed) > LARGE


async def due_publication(session: ReadSession, public_id: str, now: datetime) -> Due | None:
    """What the publication of a counted poll as it stands is to be made of; None where it is stored."""
    found = await sealed_poll(session, public_id)
    counted = await counted_version(session, found.id)
    if counted is None:
        return None
    amended = await newest_amendment(session, found.id)
    if not see(found, counted, now).breakdowns:
        return Due(found.id, counted.version, amended, None, None)
    earlier, newest = await _newest(session, found.id)
    if newest == (counted.version, amended):
        return None
    return Due(found.id, counted.version, amended, await read_counted(session, found, counted), earlier)


def work_out(due: Due) -> Publication:
    """The pattern: seconds for a city's question, minutes where all questions and the turnout are one."""
    return NOTHING if due.made_of is None else publish(due.made_of, due.version, due.earlier)


async def store(session: Session, due: Due, made: Publication, now: datetime) -> bool:
    """Keep it; False where another was first."""
    row = {
        "poll_id": due.poll_id, "version": due.version, "amendment": due.amendment, "made_at": now,
        "tables": _as_json(made.tables), "memory": made.memory.to_json(), "limited": made.limited,
    }  # fmt: skip
    stored = await session.execute(postgresql.insert(publication).values(row).on_conflict_do_nothing())
    return bool(stored.rowcount)  # type: ignore[attr-defined]


async def publish_figures(session: Session, public_id: str, now: datetime, *, at_once: bool = False) -> bool:
    """Store the publication of a counted poll as it stands; False where it is stored. The first to store one wins.

    `at_once`: refuses `TablesPending` where that takes longer than a transaction should.
    """
    due = await due_publication(session, public_id, now)
    if due is None:
        return False
    if at_once and due.large:
        raise TablesPending
    return await store(session, due, await asyncio.to_thread(work_out, due), now)


async def due_publications(session: ReadSession, limit: int = 100) -> list[str]:
    """Public ids of counted polls whose last count, or last change to the roll, has no publication yet."""
    return list(await session.scalars(DUE, {"limit": limit}))


async def publication_at(
    session: ReadSession, found: SealedPoll, counted: CountedVersion, amended: int
) -> tuple[Counted, Publication]:
    """What the tables are made of, and what of them is shown: as stored, or worked out from what was stored last.

    Refuses `TablesPending` where nothing is stored and working it out is a job's work.
    """
    made_of = await read_counted(session, found, counted)
    earlier, newest = await _newest(session, found.id)
    if earlier is not None and newest == (counted.version, amended):
        return made_of, earlier
    due = Due(found.id, counted.version, amended, made_of, earlier)
    if due.large:
        raise TablesPending
    # Seconds: other requests go on meanwhile.
    return made_of, await asyncio.to_thread(work_out, due)


async def require_tables(session: ReadSession, found: SealedPoll, counted: CountedVersion) -> None:
    """Refuse `TablesPending` where :func:`publication_at` would."""
    _, newest = await _newest(session, found.id)
    amended = await newest_amendment(session, found.id)
    if newest != (counted.version, amended) and see(found, counted, counted.counted_at).breakdowns:
        made_of = await read_counted(session, found, counted)
        if Due(found.id, counted.version, amended, made_of, None).large:
            raise TablesPending


async def _newest(session: ReadSession, poll_id: int) -> tuple[Publication | None, tuple[int, int] | None]:
    """The publication stored last, and the count and change to the roll it is of."""
    newest = (
        select(publication)
        .where(publication.c.poll_id == poll_id)
        .order_by(publication.c.version.desc(), publication.c.amendment.desc())
        .limit(1)
    )
    row = (await session.execute(newest)).one_or_none()
    return (None, None) if row is None else (_of(row), (row.version, row.amendment))


def _as_json(tables: Tables) -> dict[str, list[str]]:
    return {str(number): sorted(map(dimension_code, found)) for number, found in tables.items()}


def _of(row: Any) -> Publication:
    tables = {
        int(number): frozenset(tuple(By(level) for level in code.split("+")) for code in found)
        for number, found in row.tables.items()
    }
    return Publication(Published.from_json(row.memory), tables, row.limited)
