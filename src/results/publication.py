"""The publication of a count: its one pattern, made once, kept beside the count, and read by every process.

The job that counts stores it in the transaction of the count (`publish_figures`), so that no reader finds a counted
poll without it. After a correction or a change to the roll the clock stores the next one, held to the memory of all
before. Until then, and for polls counted by an older release, a reader works out the same pattern for itself: it
follows from what is stored alone.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from polls.catalogue import SealedPoll, sealed_poll
from polls.sessions import ReadSession, Session
from results.disclosure_memory import Published
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
NOTHING = Publication(Published(0, {}, frozenset()), {})


async def publish_figures(session: Session, public_id: str, now: datetime) -> bool:
    """Store the publication of a counted poll as it stands; False where it is stored. The first to store one wins."""
    found = await sealed_poll(session, public_id)
    counted = await counted_version(session, found.id)
    if counted is None:
        return False
    amended = await newest_amendment(session, found.id)
    made = NOTHING
    if see(found, counted, now).breakdowns:
        _, made = await publication_at(session, found, counted, amended)
    row = {
        "poll_id": found.id, "version": counted.version, "amendment": amended, "made_at": now,
        "tables": _as_json(made.tables), "memory": made.memory.to_json(), "limited": made.limited,
    }  # fmt: skip
    stored = await session.execute(postgresql.insert(publication).values(row).on_conflict_do_nothing())
    return bool(stored.rowcount)  # type: ignore[attr-defined]


async def due_publications(session: ReadSession, limit: int = 100) -> list[str]:
    """Public ids of counted polls whose last count, or last change to the roll, has no publication yet."""
    return list(await session.scalars(DUE, {"limit": limit}))


async def publication_at(
    session: ReadSession, found: SealedPoll, counted: CountedVersion, amended: int
) -> tuple[Counted, Publication]:
    """What the tables are made of, and what of them is shown: as stored, or worked out from what was stored last."""
    made_of = await read_counted(session, found, counted)
    newest = (
        select(publication)
        .where(publication.c.poll_id == found.id)
        .order_by(publication.c.version.desc(), publication.c.amendment.desc())
        .limit(1)
    )
    row = (await session.execute(newest)).one_or_none()
    earlier = None if row is None else _of(row)
    if earlier is not None and (row.version, row.amendment) == (counted.version, amended):  # type: ignore[union-attr]
        return made_of, earlier
    # Seconds for a whole city: other requests go on meanwhile.
    return made_of, await asyncio.to_thread(publish, made_of, counted.version, earlier)


def _as_json(tables: Tables) -> dict[str, list[str]]:
    return {str(number): sorted(map(dimension_code, found)) for number, found in tables.items()}


def _of(row: Any) -> Publication:
    tables = {
        int(number): frozenset(tuple(By(level) for level in code.split("+")) for code in found)
        for number, found in row.tables.items()
    }
    return Publication(Published.from_json(row.memory), tables, row.limited)
