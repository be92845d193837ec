"""Reads for feeds and calendars: what happened to polls lately, and when they run. Never a figure of a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select, true

from polls.definition import Text
from polls.lifecycle import COUNTED, State
from polls.sessions import ReadSession
from polls.tables import poll, registry_event

KINDS = ("poll_opened", "poll_closed", "poll_counted", "poll_cancelled", "poll_extended")
MOVES = ("poll_extended", "poll_closed_early", "poll_resumed", "poll_cancelled")
"""Events that move a poll in a calendar, or take it out."""
MOST_IN_CALENDAR = 500


@dataclass(frozen=True)
class PollNews:
    """One thing that happened to a public poll."""

    event_id: int
    kind: str
    at: datetime
    slug: str
    title: Text
    closes_at: datetime | None


@dataclass(frozen=True)
class PollDates:
    """When a poll runs, and how often that was changed after sealing."""

    public_id: str
    slug: str
    title: Text
    state: State
    opens_at: datetime
    closes_at: datetime
    changed_at: datetime
    moves: int


async def news_of_polls(session: ReadSession, limit: int) -> Sequence[PollNews]:
    """What happened to polls lately, the newest first."""
    rows = await session.execute(
        select(registry_event.c.id, registry_event.c.kind, registry_event.c.at, poll.c.slug, poll.c.title_ru,
               poll.c.title_en, poll.c.closes_at)
        .join(poll, poll.c.id == registry_event.c.poll_id)
        .where(registry_event.c.kind.in_(KINDS), poll.c.poll_hash.is_not(None))
        .order_by(registry_event.c.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [
        PollNews(row.id, row.kind, row.at, row.slug, Text(ru=row.title_ru, en=row.title_en), row.closes_at)
        for row in rows
    ]


async def polls_in_calendar(session: ReadSession, since: datetime) -> Sequence[PollDates]:
    """Sealed polls that run or come, and those that ended after `since`, by the day they open."""
    moved = (
        select(func.count().label("n"), func.max(registry_event.c.at).label("at"))
        .where(registry_event.c.poll_id == poll.c.id, registry_event.c.kind.in_(MOVES))
        .lateral("moved")
    )
    public = or_(poll.c.state == State.SCHEDULED, poll.c.state.in_(COUNTED), poll.c.state == State.CANCELLED)
    rows = await session.execute(
        select(poll.c.public_id, poll.c.slug, poll.c.title_ru, poll.c.title_en, poll.c.state, poll.c.opens_at,
               poll.c.closes_at, poll.c.sealed_at, moved.c.n, moved.c.at)
        .select_from(poll.join(moved, true()))
        .where(and_(public, poll.c.sealed_at.is_not(None), poll.c.closes_at > since))
        .order_by(poll.c.opens_at.desc(), poll.c.id.desc())
        .limit(MOST_IN_CALENDAR)
    )  # fmt: skip
    return [
        PollDates(row.public_id, row.slug, Text(ru=row.title_ru, en=row.title_en), State(row.state), row.opens_at,
                  row.closes_at, row.at or row.sealed_at, row.n)
        for row in rows
    ]  # fmt: skip
