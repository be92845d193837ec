"""States of a poll and the moves between them. Pure.

`open` and `closed` follow from the clock: no job has to fire for voting to start or to stop on time. What is stored is
the last state somebody (or the counting job) put the poll in; `state_at` says what it is at a moment. While a poll is
paused its clock stands still: it stays open, takes no votes, and does not close however late it gets.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """draft → in_review → scheduled → open → closed → counted → certified → decided, and cancelled."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    SCHEDULED = "scheduled"
    OPEN = "open"
    CLOSED = "closed"
    COUNTED = "counted"
    CERTIFIED = "certified"
    DECIDED = "decided"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What an official, or the counting job, can do to a poll."""

    EDIT = "edit"
    SCHEDULE = "schedule"
    EXTEND = "extend"
    CLOSE_EARLY = "close_early"
    PAUSE = "pause"
    RESUME = "resume"
    ERRATUM = "erratum"
    ARCHIVE = "archive"
    CANCEL = "cancel"
    COUNT = "count"
    DELETE = "delete"


COUNTED = frozenset({State.COUNTED, State.CERTIFIED, State.DECIDED})
"""Stored states of a poll whose ballots have been counted."""

PUBLIC = COUNTED | {State.SCHEDULED, State.OPEN, State.CLOSED, State.CANCELLED}
"""States in which anybody may see the poll's page."""

ALLOWED: dict[Move, frozenset[State]] = {
    Move.EDIT: frozenset({State.DRAFT}),
    Move.DELETE: frozenset({State.DRAFT}),
    Move.SCHEDULE: frozenset({State.DRAFT, State.IN_REVIEW}),
    Move.EXTEND: frozenset({State.SCHEDULED, State.OPEN}),
    Move.CLOSE_EARLY: frozenset({State.OPEN}),
    Move.PAUSE: frozenset({State.OPEN}),
    Move.RESUME: frozenset({State.OPEN}),
    Move.ERRATUM: PUBLIC,
    Move.ARCHIVE: frozenset({State.DRAFT}),
    Move.CANCEL: frozenset({State.DRAFT, State.IN_REVIEW, State.SCHEDULED, State.OPEN}),
    Move.COUNT: frozenset({State.CLOSED}),
}


def state_at(
    stored: State,
    opens_at: datetime | None,
    closes_at: datetime | None,
    now: datetime,
    paused_at: datetime | None = None,
) -> State:
    """The state at `now`: a scheduled poll is open from `opens_at` (inclusive) to `closes_at` (exclusive).

    `paused_at`: since when its clock stands still, or None while it runs.
    """
    if paused_at is not None:
        now = min(now, paused_at)
    if stored is not State.SCHEDULED or opens_at is None or closes_at is None:
        return stored
    if now < opens_at:
        return State.SCHEDULED
    return State.OPEN if now < closes_at else State.CLOSED


def may(move: Move, state: State) -> bool:
    """Whether the move is allowed from the state."""
    return state in ALLOWED[move]
