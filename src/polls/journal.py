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


async def record_event(session: Session, kind: str, poll_id: int | None, now: datetime, **body: Any) -> None:
    """Append one event. Kinds are stable words such as ``poll_sealed``, ``poll_extended``, ``poll_counted``."""
    await session.execute(insert(registry_event).values(kind=kind, poll_id=poll_id, at=now, body=body))


async def poll_events(session: ReadSession, poll_id: int) -> list[RowMapping]:
    """The public history of one poll, oldest first: kind, at, body."""
    rows = await session.execute(
        select(registry_event.c.kind, registry_event.c.at, registry_event.c.body)
        .where(registry_event.c.poll_id == poll_id)
        .order_by(registry_event.c.id)
    )
    return [row._mapping for row in rows]
