"""The one gate: may these figures be shown now? Pure.

Page, API, CSV, JSON, answers, feed and mail all ask here and nowhere else. What is shown follows from the sealed
definition and from the clock, never from who asks: in this release officials, analysts and administrators get no
earlier look than any resident. `viewer_roles` is taken so that a later release cannot open a second door.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from polls.definition import Definition, Privacy, Visibility
from polls.errors import NotCounted, PollNotFound, ResultsHidden, TooFewToPublish, WrongState
from polls.lifecycle import COUNTED, PUBLIC, State, state_at
from polls.strata import LEAST

LEAST_BALLOTS = LEAST
"""A separated poll with fewer ballots publishes its turnout and its outcome only."""

"""States in which the count is finished."""


def enough(definition: Definition, cast: int) -> bool:
    """Whether a question shown on `cast` ballots may have more than its outcome published: what holds for a poll of few
    holds for a question few were asked, such as a follow-up."""
    return definition.privacy is not Privacy.SEPARATED or cast >= LEAST_BALLOTS


class Need(StrEnum):
    """What a consumer is about to show."""

    TURNOUT = "turnout"
    LIVE = "live"
    OUTCOME = "outcome"
    BREAKDOWNS = "breakdowns"
    ANSWERS = "answers"


class Why(StrEnum):
    """Why not everything is shown."""

    NOT_PUBLIC = "not_public"
    CANCELLED = "cancelled"
    HIDDEN = "hidden"
    NOT_COUNTED = "not_counted"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class Decision:
    """What may be shown. `why` is None when everything may; `until` is the closing time while results are hidden.

    `turnout`: how many have voted, as one number. `live`: the last live step, totals only. `outcome`: exact totals and
    the counting steps. `breakdowns`: tables that passed disclosure control. `answers`: the file of published records.
    """

    state: State
    turnout: bool = False
    live: bool = False
    outcome: bool = False
    breakdowns: bool = False
    answers: bool = False
    why: Why | None = None
    until: datetime | None = None

    def allows(self, need: Need) -> bool:
        """Whether `need` may be shown."""
        return bool(getattr(self, need.value))


def may_see(
    definition: Definition,
    state: State,
    now: datetime,
    viewer_roles: Collection[str] = (),
    *,
    ballots: int | None = None,
    closes_at: datetime | None = None,
) -> Decision:
    """Decide what may be shown of a poll at `now`.

    `state` is the stored or the current state; `closes_at` the closing time in force (default: as sealed);
    `ballots` the number of counted ballots, needed once the poll is counted: unknown counts as too few.
    """
    closes_at = closes_at or definition.closes_at
    state = state_at(state, definition.opens_at, closes_at, now)
    if state not in PUBLIC:
        return Decision(state, why=Why.NOT_PUBLIC)
    if state is State.CANCELLED:
        return Decision(state, why=Why.CANCELLED)
    if state in COUNTED:
        if definition.privacy is Privacy.SEPARATED and (ballots or 0) < LEAST_BALLOTS:
            return Decision(state, turnout=True, outcome=True, why=Why.TOO_FEW)
        return Decision(state, turnout=True, outcome=True, breakdowns=True, answers=True)
    live = definition.visibility is Visibility.LIVE and state in (State.OPEN, State.CLOSED)
    if state is State.CLOSED:
        return Decision(state, turnout=True, live=live, why=Why.NOT_COUNTED)
    return Decision(state, turnout=state is State.OPEN, live=live, why=Why.HIDDEN, until=closes_at)


def require_results(
    definition: Definition,
    state: State,
    now: datetime,
    viewer_roles: Collection[str] = (),
    *,
    ballots: int | None = None,
    closes_at: datetime | None = None,
    need: Need = Need.OUTCOME,
) -> Decision:
    """Give the decision, or refuse when `need` may not be shown; arguments as for :func:`may_see`.

    Raises `PollNotFound` for drafts, `WrongState` for a cancelled poll, `ResultsHidden` (facts: `until`),
    `NotCounted`, or `TooFewToPublish`.
    """
    decision = may_see(definition, state, now, viewer_roles, ballots=ballots, closes_at=closes_at)
    require(decision, need)
    return decision


def require(decision: Decision, need: Need) -> None:
    """Refuse when `need` is not allowed by a decision already made; refusals as for :func:`require_results`."""
    if decision.allows(need):
        return
    match decision.why:
        case Why.NOT_PUBLIC:
            raise PollNotFound
        case Why.CANCELLED:
            raise WrongState(state=decision.state.value, move="results")
        case Why.NOT_COUNTED:
            raise NotCounted
        case Why.TOO_FEW:
            raise TooFewToPublish(least=LEAST_BALLOTS)
        case _:
            raise ResultsHidden(until=decision.until.isoformat() if decision.until else None)
