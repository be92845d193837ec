"""Use cases of officials: interrupt voting, with a public reason, and go on.

While a poll is paused its clock stands still: it stays open, nothing is cast, and it does not close however late it
gets. Going on moves the closing time by the outage, in whole seconds and never less, so residents lose no time. Both
are taken under the poll's exclusive lock: whoever was admitted before is in, nobody is admitted after.

A pause ends by going on, by closing early or by cancelling. An extension given meanwhile is a new closing time on the
poll's own clock: the outage comes on top of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update

from polls.authoring import checked_reason, end_pause, lock_for_amendment
from polls.errors import PollPaused, WrongState
from polls.journal import record_event
from polls.lifecycle import Move
from polls.sessions import ReadSession, Session
from polls.tables import poll, poll_pause

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Pause:
    """One interruption; `resumed_at` is None while it lasts. Accounts stay inside: the page shows times and reason."""

    paused_at: datetime
    resumed_at: datetime | None
    reason: str
    paused_by: int
    resumed_by: int | None


async def pause_poll(session: Session, public_id: str, official_id: int, reason: str, now: datetime) -> datetime:
    """Interrupt an open poll from this moment of the database's clock, which is returned.

    Refuses `Invalid` without a reason, `PollPaused` when it is paused already, `WrongState` unless it is open.
    """
    row = await lock_for_amendment(session, public_id, Move.PAUSE, checked_reason(reason))
    if row.paused_at is not None:
        standing = await standing_pause(session, row.id)
        raise PollPaused(since=row.paused_at.isoformat(), reason=standing.reason if standing else "")
    await session.execute(
        insert(poll_pause).values(poll_id=row.id, paused_at=row.clock, reason=reason.strip(), paused_by=official_id)
    )
    await session.execute(update(poll).where(poll.c.id == row.id).values(paused_at=row.clock, updated_at=now))
    await record_event(session, "poll_paused", row.id, now, by=official_id, reason=reason.strip(),
                       paused_at=row.clock.isoformat())  # fmt: skip
    return row.clock


async def resume_poll(session: Session, public_id: str, official_id: int, now: datetime) -> datetime:
    """Go on with a paused poll; returns the closing time, moved by the outage. Refuses `WrongState` if not paused."""
    row = await lock_for_amendment(session, public_id, Move.RESUME)
    if row.paused_at is None:
        raise WrongState(state=row.state, move=Move.RESUME)
    assert row.closes_at is not None
    outage = whole_seconds(row.clock - row.paused_at)
    closes_at = row.closes_at + outage
    await end_pause(session, row, official_id)
    await session.execute(update(poll).where(poll.c.id == row.id).values(closes_at=closes_at, updated_at=now))
    await record_event(session, "poll_resumed", row.id, now, by=official_id, resumed_at=row.clock.isoformat(),
                       outage_seconds=int(outage.total_seconds()), closes_at=closes_at.isoformat())  # fmt: skip
    return closes_at


def whole_seconds(outage: timedelta) -> timedelta:
    """The outage in whole seconds, a part of one being a whole one: closing times stay on the second."""
    return -(-outage // SECOND) * SECOND


async def pauses_of(session: ReadSession, poll_id: int) -> tuple[Pause, ...]:
    """Every interruption of a poll, the first one first."""
    rows = await session.execute(
        select(poll_pause).where(poll_pause.c.poll_id == poll_id).order_by(poll_pause.c.paused_at, poll_pause.c.id)
    )
    return tuple(Pause(row.paused_at, row.resumed_at, row.reason, row.paused_by, row.resumed_by) for row in rows)


async def standing_pause(session: ReadSession, poll_id: int) -> Pause | None:
    """The interruption that lasts, if one does."""
    return next((pause for pause in await pauses_of(session, poll_id) if pause.resumed_at is None), None)
