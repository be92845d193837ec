"""Registry events: what happened to polls, written in the transaction of what they record.

The table takes inserts only (a trigger refuses the rest). An event holds facts about a poll, never about a person's
vote: no choice, no ballot id, no citizen.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select

from polls.sessions import ReadSession, Session
from polls.tables import registry_event

HISTORY = frozenset({
    "poll_sealed", "poll_extended", "poll_closed_early", "poll_paused", "poll_resumed", "poll_cancelled",
    "erratum_added", "roll_amended", "poll_counted", "lot_committed", "lot_revealed", "ties_decided",
    "decision_recorded",
})  # fmt: skip
"""Kinds that are the history of a poll for everybody. A new kind is public only when it is named here: what officials
do with residents' words, for one, would tell of answers while results are hidden, and comes a wording at a time."""


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
