"""Registry events: what happened to polls, written in the transaction of what they record.

The table takes inserts only (a trigger refuses the rest). An event holds facts about a poll, never about a person's
vote: no choice, no ballot id, no citizen.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select

from polls.sessions import ReadSession, Session
from polls.straight_sql import Source, fetch
from polls.tables import registry_event

PUBLIC_FACTS: Mapping[str, frozenset[str]] = {
    kind: frozenset(facts.split())
    for kind, facts in {
        "poll_sealed": "poll_hash revision reviewed",
        "poll_opened": "opens_at closes_at",
        "poll_closed": "opens_at closes_at",
        "poll_extended": "reason closes_at",
        "poll_closed_early": "reason closes_at",
        "poll_paused": "reason paused_at",
        "poll_resumed": "resumed_at outage_seconds closes_at",
        "poll_cancelled": "reason ballots_destroyed",
        "erratum_added": "text",
        "roll_amended": "reason added removed",
        "poll_counted": "ballots participations poll_hash",
        "lot_committed": "party commitment",
        "lot_revealed": "party secret",
        "ties_decided": "version reason questions roots",
        "board_published": "version manifest roots sizes",
        "decision_recorded": "status deadline",
        "protocol_certified": "version count protocol reason",
        "milestone_recorded": "milestone change",
        "key_added": "key_id purpose public",
        "key_retired": "key_id purpose reason",
        "protocol_version": "board registry origin software",
        "audit_sealed": "size head",
    }.items()
}
"""Public kinds and the facts of each that leave the database in the registry log. A new kind or fact is public only
when it is named here: which account did something stays inside, as do the names that a decision gives; and what
officials do with residents' words would tell of answers while results are hidden, and comes a wording at a time."""

LOOK_BACK = 100
"""Numbers below the newest event among which one that committed late is still noticed."""

HISTORY = frozenset(PUBLIC_FACTS)
"""Kinds that are history for everybody: of a poll on its page, and all of them in the registry log."""


async def record_event(session: Session, kind: str, poll_id: int | None, now: datetime, **body: Any) -> None:
    """Append one event. Kinds are stable words such as ``poll_sealed``, ``poll_extended``, ``poll_counted``."""
    await session.execute(insert(registry_event).values(kind=kind, poll_id=poll_id, at=now, body=body))


async def poll_events(session: ReadSession, poll_id: int) -> list[RowMapping]:
    """The public history of one poll, oldest first: kind, at, body. The registry itself holds more kinds."""
    rows = await session.execute(
        select(registry_event.c.kind, registry_event.c.at, registry_event.c.body)
        .where(registry_event.c.poll_id == poll_id, registry_event.c.kind.in_(HISTORY))
        .order_by(registry_event.c.id)
    )
    return [row._mapping for row in rows]


EVENTS_MARK = f"""
    SELECT coalesce(max(id), 0) AS highest, count(*) AS near FROM registry_event
     WHERE id > (SELECT max(id) FROM registry_event) - {LOOK_BACK}
"""
"""What `events_mark` asks, for statements that ask more."""


async def events_mark(source: Source) -> tuple[int, int]:
    """The highest number of an event, and how many of the `LOOK_BACK` numbers up to it are there; rises when one comes.

    Numbers are given out before the commit, so an event may come below one that is there already: the count tells it.
    """
    [row] = await fetch(source, EVENTS_MARK)
    return row["highest"], row["near"]
