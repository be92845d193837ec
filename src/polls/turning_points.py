"""Opening and closing as events: nothing makes a poll open or close but the clock, and this writes down that it did.

The counting of a poll writes what is missing before its own event; for polls that run, a job follows the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from polls.journal import record_event
from polls.lifecycle import COUNTED, State
from polls.poll_lock import share_lock
from polls.sessions import ReadSession, Session
from polls.tables import poll, registry_event

OPENED: Final = "poll_opened"
CLOSED: Final = "poll_closed"


@dataclass(frozen=True)
class Due:
    """A poll whose opening or closing has passed and is not written down."""

    poll_id: int
    public_id: str


async def due_turning_points(session: ReadSession, limit: int = 100) -> list[Due]:
    """Polls with something to write down, by the database's clock, the earliest opened first."""
    rows = await session.execute(
        select(poll.c.id, poll.c.public_id)
        .where(
            or_(
                and_(_has_opened(), ~_is_written(OPENED)),
                and_(_has_closed(), ~_is_written(CLOSED)),
            )
        )
        .order_by(poll.c.opens_at, poll.c.id)
        .limit(limit)
    )
    return [Due(row.id, row.public_id) for row in rows]


async def record_turning_points(session: Session, poll_id: int, now: datetime) -> tuple[str, ...]:
    """Write down that a poll has opened or closed, once each, with the times in force; gives the kinds written.

    Holds the poll's lock with those who cast, so that no closing time is moved meanwhile; where somebody is just
    moving it, nothing is written and the next look does.
    """
    if not await share_lock(session, poll_id):
        return ()
    row = (
        await session.execute(
            select(
                poll.c.opens_at, poll.c.closes_at, and_(_has_opened(), ~_is_written(OPENED)).label("opened"),
                and_(_has_closed(), ~_is_written(CLOSED)).label("closed"),
            ).where(poll.c.id == poll_id).with_for_update(key_share=True)
        )
    ).one()  # fmt: skip
    written = []
    for kind, is_due in ((OPENED, row.opened), (CLOSED, row.closed)):
        # Asked again now that the row is held: another may have written it while this one waited for the row.
        if is_due and not await session.scalar(select(_is_written(kind)).where(poll.c.id == poll_id)):
            times = {"opens_at": row.opens_at.isoformat(), "closes_at": row.closes_at.isoformat()}
            await record_event(session, kind, poll_id, now, **times)
            written.append(kind)
    return tuple(written)


def _has_opened() -> ColumnElement[bool]:
    """A poll cancelled before its opening never opened."""
    return and_(
        poll.c.sealed_at.is_not(None),
        poll.c.opens_at <= func.clock_timestamp(),
        or_(poll.c.cancelled_at.is_(None), poll.c.cancelled_at > poll.c.opens_at),
    )


def _has_closed() -> ColumnElement[bool]:
    """A cancelled poll never closes, and the clock of a paused one stands still."""
    return and_(
        poll.c.sealed_at.is_not(None),
        poll.c.state.in_([State.SCHEDULED, *COUNTED]),
        poll.c.closes_at <= func.clock_timestamp(),
        poll.c.paused_at.is_(None),
    )


def _is_written(kind: str) -> ColumnElement[bool]:
    return exists().where(registry_event.c.poll_id == poll.c.id, registry_event.c.kind == kind)
