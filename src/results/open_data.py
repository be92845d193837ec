"""Open data: which polls are published, newest word of each, and what changed, in an order that never moves.

Only counted polls are here, and everything about them that is here is public by the gate (`results.visibility`): a
poll that is open, closed, cancelled or not counted yet has no entry. Changes are read from the registry log, whose
positions rise by one and never change, so a cursor misses nothing and shows nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, func, select, text

from polls.definition import Text
from polls.lifecycle import COUNTED
from polls.sessions import ReadSession
from polls.tables import poll
from results.visibility import LEAST_BALLOTS

STATES = tuple(sorted(state.value for state in COUNTED))
PUBLISHED, CORRECTED, CERTIFIED, DECIDED = "published", "corrected", "certified", "decided"
CHANGES: Mapping[str, str] = {
    "poll_counted": PUBLISHED, "ties_decided": CORRECTED, "protocol_certified": CERTIFIED, "decision_recorded": DECIDED,
    "milestone_recorded": DECIDED,
}  # fmt: skip
"""Public events that change what is published of a poll, and what they are called in the feed of changes."""

_PUBLISHED = """
    SELECT p.id, p.public_id, p.slug, p.title_ru, p.title_en, p.card ->> 'summary_ru' AS summary_ru,
           p.card ->> 'summary_en' AS summary_en, p.topic, p.department, p.privacy, p.opens_at, p.closes_at,
           t.code AS place_code, t.name_ru AS place_ru, t.name_en AS place_en,
           c.version, c.ballots, c.counted_at, c.first_counted_at, d.decided_at
      FROM poll p
      LEFT JOIN territory t ON t.id = p.territory_id
      JOIN LATERAL (SELECT r.version, r.ballots, r.counted_at, min(r.counted_at) OVER () AS first_counted_at
                      FROM count_record r WHERE r.poll_id = p.id ORDER BY r.version DESC LIMIT 1) c ON true
      LEFT JOIN LATERAL (SELECT max(d.published_at) AS decided_at FROM decision d WHERE d.poll_id = p.id) d ON true
     WHERE p.state = ANY (:states)
"""


@dataclass(frozen=True)
class PublishedPoll:
    """A counted poll as an entry of the catalogue. `ballots` decides with `secret` whether answers are published."""

    id: int
    public_id: str
    slug: str
    title: Text
    summary: Text
    topic: str
    department: str
    place_code: str | None
    place: Text | None
    opens_at: datetime
    closes_at: datetime
    version: int
    ballots: int
    secret: bool
    issued_at: datetime
    modified_at: datetime

    @property
    def answers(self) -> bool:
        """Whether single answers are published, as the gate has it."""
        return not self.secret or self.ballots >= LEAST_BALLOTS


@dataclass(frozen=True)
class Change:
    """One change of what is published. `position` is that of the registry log: the cursor of the feed."""

    position: int
    kind: str
    at: datetime
    poll_public_id: str
    poll_slug: str
    poll_title: Text


async def published_polls(
    session: ReadSession, *, offset: int = 0, limit: int = 100, newest_first: bool = False
) -> list[PublishedPoll]:
    """Counted polls in the order they were counted in, so that a page of them stays what it is while others come."""
    order = "DESC" if newest_first else "ASC"
    rows = await session.execute(
        text(f"{_PUBLISHED} ORDER BY p.counted_at {order}, p.id {order} OFFSET :offset LIMIT :limit"),
        {"states": list(STATES), "offset": offset, "limit": limit},
    )
    return [_published(row) for row in rows.mappings()]


async def number_published(session: ReadSession) -> int:
    """How many polls the catalogue has."""
    return await session.scalar(select(func.count()).select_from(poll).where(poll.c.state.in_(STATES))) or 0


async def changes(session: ReadSession, *, since: int = -1, limit: int = 100) -> list[Change]:
    """What changed after a position of the registry log, oldest first."""
    return await _changes(session, "l.position > :mark ORDER BY l.position", since, limit)


async def newest_changes(session: ReadSession, *, before: int = 2**62, limit: int = 50) -> list[Change]:
    """What changed last, newest first, before a position."""
    return await _changes(session, "l.position < :mark ORDER BY l.position DESC", before, limit)


async def newest_change(session: ReadSession) -> int:
    """The position of the newest change, -1 before the first: what a copy was made at."""
    found = await newest_changes(session, limit=1)
    return found[0].position if found else -1


async def _changes(session: ReadSession, where: str, mark: int, limit: int) -> list[Change]:
    query = text(
        "SELECT l.position, e.kind, e.at, p.public_id, p.slug, p.title_ru, p.title_en"
        " FROM registry_leaf l JOIN registry_event e ON e.id = l.event_id JOIN poll p ON p.id = e.poll_id"
        f" WHERE e.kind = ANY (:kinds) AND p.state = ANY (:states) AND {where} LIMIT :limit"
    ).bindparams(bindparam("kinds", list(CHANGES)), bindparam("states", list(STATES)))
    rows = await session.execute(query, {"mark": mark, "limit": limit})
    return [
        Change(row.position, CHANGES[row.kind], row.at, row.public_id, row.slug, _text(row.title_ru, row.title_en))
        for row in rows
    ]


def _published(row: RowMapping) -> PublishedPoll:
    moments = [row["counted_at"], row["decided_at"]]
    return PublishedPoll(
        id=row["id"], public_id=row["public_id"], slug=row["slug"],
        title=_text(row["title_ru"], row["title_en"]), summary=_text(row["summary_ru"], row["summary_en"]),
        topic=row["topic"], department=row["department"], place_code=row["place_code"],
        place=None if row["place_code"] is None else _text(row["place_ru"], row["place_en"]),
        opens_at=row["opens_at"], closes_at=row["closes_at"], version=row["version"], ballots=row["ballots"],
        secret=row["privacy"] == "separated", issued_at=row["first_counted_at"],
        modified_at=max(moment for moment in moments if moment is not None),
    )  # fmt: skip


def _text(ru: Any, en: Any) -> Text:
    return Text(ru=ru or "", en=en or "")
