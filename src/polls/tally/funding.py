"""Which projects a budget funds: the greedy rules of participatory budgeting, on plain numbers. Pure.

Projects stand by score, highest first; of equal scores the cheaper first; of equal costs too, in stated order. Then

``greedy``            each is funded if it fits into the money left; what does not fit is passed over;
``greedy_threshold``  the same over projects with at least `min_score`;
``greedy_no_skip``    funding stops at the first project that does not fit.

Source: the rules `greedy`, `greedy-threshold` and `greedy-no-skip` of Pabulib (Faliszewski et al., "Participatory
Budgeting: Data, Tools and Analysis", IJCAI 2023). As there, plain greedy asks for no votes: a project with none is
funded when it fits, and a city that does not want that declares `greedy_threshold` with a least score of 1.

Projects of equal score *and* equal cost are equal for the rule. Where only some of them fit, stated order decides and
the tie is reported, or the tie is left open. Their cost being equal, the money left for those after them is the same
whichever is chosen, so an open tie leaves nothing else open.

Projects that cannot be built together (one place, two plans) form an *exclusive group*: once one of them is funded the
others are passed over, as in Pabulib's `greedy-exclusive`. Equals of one group are a tie, reported like any other.

Money is in integer hundredths; scores are exact.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from typing import Generic, Literal, TypeVar

K = TypeVar("K", bound=Hashable)
Method = Literal["greedy", "greedy_threshold", "greedy_no_skip"]


class Why(StrEnum):
    """Why a project is funded or not."""

    FUNDED = "funded"
    OVER_BUDGET = "over_budget"
    """It costs more than the money left when its turn came."""
    BELOW_THRESHOLD = "below_threshold"
    """Fewer votes than the least score, or not above the declared share."""
    AFTER_STOP = "after_stop"
    """Without skipping: it comes after the first project that did not fit."""
    TIE_OPEN = "tie_open"
    """It is equal to others in score and cost, not all of them fit, and the chair has to decide."""
    THRESHOLD_UNKNOWN = "threshold_unknown"
    """The declared share is of a roll that is not known."""
    EXCLUDED = "excluded"
    """It cannot be built beside a project that is funded, or the city decided for another of its group."""
    NOT_BOUGHT = "not_bought"
    """Equal shares: its voters did not have its cost together when nothing else could be bought."""


@dataclass(frozen=True, slots=True)
class Candidate(Generic[K]):
    """A project as the rule sees it: its id, its score, its cost in hundredths."""

    id: K
    score: int
    cost: int


@dataclass(frozen=True, slots=True)
class Decision(Generic[K]):
    """What the rule decided about a project, and the money `remaining` after that."""

    id: K
    funded: bool
    why: Why
    remaining: int


@dataclass(frozen=True, slots=True)
class EqualScore(Generic[K]):
    """Projects of one score, in the order used. `matters`: whether another order would fund other projects."""

    ids: tuple[K, ...]
    score: int
    matters: bool


@dataclass(frozen=True, slots=True)
class LineTie(Generic[K]):
    """Projects of one score and one cost of which only `seats` fit."""

    ids: tuple[K, ...]
    seats: int


@dataclass(frozen=True)
class Allocation(Generic[K]):
    """The whole walk: decisions in the rule's order, equal scores and ties met, the money left."""

    decisions: tuple[Decision[K], ...]
    equal_scores: tuple[EqualScore[K], ...]
    ties: tuple[LineTie[K], ...]
    remaining: int

    @property
    def funded(self) -> tuple[K, ...]:
        """Ids of the funded projects in the order of funding."""
        return tuple(decision.id for decision in self.decisions if decision.funded)


def fund(
    candidates: Sequence[Candidate[K]],
    budget: int,
    method: Method,
    min_score: int | Fraction = 0,
    barred: Mapping[K, Why] | None = None,
    leave_ties_open: bool = False,
    exclusive: Sequence[Collection[K]] = (),
    first: Collection[K] = (),
) -> Allocation[K]:
    """The allocation of `budget` (hundredths) among `candidates`, given in stated order.

    `min_score` binds `greedy_threshold` only. `barred` keeps projects out for a reason of the caller's; whatever
    bars a project must bar all projects of its score. Of each group in `exclusive` at most one is funded.
    Projects of `first` go before the others of their score, as a decision of the city's. Raises ValueError for a
    negative budget, score or cost, for groups that share a project, and for groups where ties are
    left open: what is open about one project would then be open about others.
    """
    if budget < 0 or any(c.score < 0 or c.cost < 0 for c in candidates):
        raise ValueError("budget, scores and costs are not negative")
    grouped = [k for group in exclusive for k in group]
    if len(set(grouped)) != len(grouped) or (grouped and leave_ties_open):
        raise ValueError("exclusive groups share no project, and leave no tie open")
    walk = _Walk[K](budget, method == "greedy_no_skip", leave_ties_open, exclusive, first)
    ordered = sorted(candidates, key=lambda c: (-c.score, c.id not in first, c.cost))  # stable: stated order comes last
    for score, same in groupby(ordered, key=lambda c: c.score):
        group = list(same)
        out = {c.id: barred[c.id] for c in group if barred and c.id in barred}
        if method == "greedy_threshold" and score < min_score:
            out |= {c.id: Why.BELOW_THRESHOLD for c in group if c.id not in out}
        walk.meet(group, out)
    return Allocation(tuple(walk.decisions), tuple(walk.equal), tuple(walk.ties), walk.remaining)


class _Walk(Generic[K]):
    """The money left and what has been decided, while :func:`fund` goes through the projects."""

    def __init__(
        self, budget: int, stops: bool, leave_ties_open: bool, exclusive: Sequence[Collection[K]], first: Collection[K]
    ) -> None:
        self._first = first
        self._group = {k: number for number, group in enumerate(exclusive) for k in group}
        self._taken: set[int] = set()
        self.remaining = budget
        self.decisions: list[Decision[K]] = []
        self.equal: list[EqualScore[K]] = []
        self.ties: list[LineTie[K]] = []
        self._stops = stops
        self._stopped = False
        self._open = leave_ties_open

    def meet(self, group: list[Candidate[K]], out: Mapping[K, Why]) -> None:
        """Decide about all projects of one score, cheapest first."""
        out = {**{c.id: Why.EXCLUDED for c in group if self._excluded(c.id)}, **out}
        running = [c for c in group if c.id not in out]
        if len(group) > 1:
            self.equal.append(EqualScore(tuple(c.id for c in group), group[0].score, self._order_matters(running)))
        for c in group:
            if c.id in out:
                self.decisions.append(Decision(c.id, False, out[c.id], self.remaining))
        for _, same in groupby(running, key=lambda c: (c.id in self._first, c.cost)):
            self._meet_twins(list(same))

    def _order_matters(self, group: list[Candidate[K]]) -> bool:
        """Whether some other order of projects of one score would fund other projects.

        Not when all of them fit together, and not when none of those that fit alone is left out. Otherwise the
        project left out would be funded if it came first. Without skipping, one that does not fit, put first,
        stops the rest too.
        """
        if self._stopped:
            return False
        if self._rivals(group):
            return True
        fitting = [c for c in group if c.cost <= self.remaining]
        if self._stops:
            return bool(fitting) and sum(c.cost for c in group) > self.remaining
        return sum(c.cost for c in fitting) > self.remaining

    def _meet_twins(self, twins: list[Candidate[K]]) -> None:
        """Decide about projects of one score and one cost; only here may stated order, or the chair, decide."""
        twins = self._without_excluded(twins)
        if not twins:
            return
        cost = twins[0].cost
        seats = 0 if self._stopped else len(twins) if cost == 0 else min(len(twins), self.remaining // cost)
        tied = 0 < seats < len(twins)
        if tied:
            self.ties.append(LineTie(tuple(c.id for c in twins), seats))
        if tied and self._open:
            self.remaining -= seats * cost  # kept aside for whichever the chair names
            self.decisions += [Decision(c.id, False, Why.TIE_OPEN, self.remaining) for c in twins]
            self._stopped = self._stops
            return
        if seats and (rivals := self._rivals(twins)):
            self.ties.append(LineTie(rivals, 1))
        for c in twins:
            if seats and self._excluded(c.id):
                self.decisions.append(Decision(c.id, False, Why.EXCLUDED, self.remaining))
                continue
            if seats:
                seats -= 1
                self._take(c.id)
                self.remaining -= cost
                self.decisions.append(Decision(c.id, True, Why.FUNDED, self.remaining))
                continue
            why = Why.AFTER_STOP if self._stopped else Why.OVER_BUDGET
            self.decisions.append(Decision(c.id, False, why, self.remaining))
            self._stopped = self._stops

    # ---- exclusive groups

    def _excluded(self, project: K) -> bool:
        """Whether another project of its group is funded already."""
        return self._group.get(project) in self._taken if project in self._group else False

    def _take(self, project: K) -> None:
        if project in self._group:
            self._taken.add(self._group[project])

    def _rivals(self, group: list[Candidate[K]]) -> tuple[K, ...]:
        """Those of these projects that share an exclusive group with another of them."""
        numbers = [self._group[c.id] for c in group if c.id in self._group]
        return tuple(c.id for c in group if c.id in self._group and numbers.count(self._group[c.id]) > 1)

    def _without_excluded(self, twins: list[Candidate[K]]) -> list[Candidate[K]]:
        """Pass over projects whose group has been decided by one of the same score."""
        for c in twins:
            if self._excluded(c.id):
                self.decisions.append(Decision(c.id, False, Why.EXCLUDED, self.remaining))
        return [c for c in twins if not self._excluded(c.id)]
