"""Which projects a budget funds: the greedy rules of participatory budgeting, on plain numbers. Pure.

Projects stand by score, highest first; of equal scores the cheaper first. Then

``greedy``            each is funded if it fits into the money left; what does not fit is passed over;
``greedy_threshold``  the same over projects with at least `min_score`;
``greedy_no_skip``    funding stops at the first project that does not fit.

Source: the rules `greedy`, `greedy-threshold` and `greedy-no-skip` of Pabulib (Faliszewski et al., "Participatory
Budgeting: Data, Tools and Analysis", IJCAI 2023). As there, plain greedy asks for no votes: a project with none is
funded when it fits, and a city that does not want that declares `greedy_threshold` with a least score of 1.

Projects that cannot be built together (one place, two plans) form an *exclusive group*: once one of them is funded the
others are passed over, as in Pabulib's `greedy-exclusive`.

Projects of equal score *and* equal cost are equal for the rule. Where not all of them fit, or they exclude each other,
that is a tie, and one of these decides:

``joint``       they are taken as one: together they do not fit, so none is funded, as any project that does not fit,
                and the money passes on (without skipping, funding stops). Whatever else is funded follows the declared
                rule, no project has a better fate than its equal, and one more vote never takes a project's money away.
                Of several equals for which there is money, only those that exclude each other are left out.
``lot, chair``  the order of the tied that was drawn or given. While there is none the tie is open: none of them is
                funded, and the money of those that will be is kept aside. Their cost being equal, nothing else hangs on
                who that is, unless some of them exclude projects that come later: then the count stops there.
``stated``      the order of the list, for counts outside polls: cities whose files name it.

Money is in integer hundredths; scores are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from typing import Generic, Literal, TypeVar

K = TypeVar("K", bound=Hashable)
Method = Literal["greedy", "greedy_threshold", "greedy_no_skip"]
Ties = Literal["stated", "joint", "lot", "chair"]
Decide = Callable[[tuple[K, ...]], Sequence[K] | None]
"""Tied projects → the same, best first, or None where nobody has decided yet."""


class Why(StrEnum):
    """Why a project is funded or not."""

    FUNDED = "funded"
    OVER_BUDGET = "over_budget"
    """It costs more than the money left when its turn came."""
    BELOW_THRESHOLD = "below_threshold"
    """Fewer votes than the least score, or not above the declared share."""
    AFTER_STOP = "after_stop"
    """Without skipping: it comes after the first project that did not fit."""
    TIED = "tied"
    """It is equal to others, not all of them can be funded, and by the rule none is."""
    TIE_OPEN = "tie_open"
    """It is equal to others, not all of them can be funded, and the lot or the chair has to decide."""
    AFTER_OPEN_TIE = "after_open_tie"
    """Whether it is funded hangs on a tie that nobody has decided yet."""
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
    """Projects equal for the rule of which only `seats` can be funded.

    `resolution`: ``joint``, ``lot`` or ``chair`` (open), ``order`` (decided, in `order` best first), ``stated_order``.
    """

    ids: tuple[K, ...]
    seats: int
    resolution: str = "stated_order"
    order: tuple[K, ...] | None = None

    @property
    def open(self) -> bool:
        """Whether somebody still has to decide."""
        return self.resolution in ("lot", "chair")


def settle_tie(tied: tuple[K, ...], seats: int, ties: Ties, decide: Decide[K] | None) -> LineTie[K]:
    """The tie as the declared rule leaves it. Raises ValueError for an order that is not one of the tied."""
    if ties == "stated":
        return LineTie(tied, seats, "stated_order", tied)
    given = decide(tied) if decide is not None and ties != "joint" else None
    if given is None:
        return LineTie(tied, seats, ties)
    if len(given) != len(tied) or set(given) != set(tied):
        raise ValueError(f"the order {given} of the tied projects {tied} is not one of them")
    return LineTie(tied, seats, "order", tuple(given))


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
    exclusive: Sequence[Collection[K]] = (),
    first: Collection[K] = (),
    ties: Ties = "stated",
    decide: Decide[K] | None = None,
) -> Allocation[K]:
    """The allocation of `budget` (hundredths) among `candidates`, given in stated order.

    `min_score` binds `greedy_threshold` only. `barred` keeps projects out for a reason of the caller's. Of each group
    in `exclusive` at most one is funded. Projects of `first` go before the others of their score, as a decision of the
    city's. `decide` orders ties left to the lot or the chair. Raises ValueError for a negative budget, score or cost,
    and for groups that share a project.
    """
    if budget < 0 or any(c.score < 0 or c.cost < 0 for c in candidates):
        raise ValueError("budget, scores and costs are not negative")
    grouped = [k for group in exclusive for k in group]
    if len(set(grouped)) != len(grouped):
        raise ValueError("exclusive groups share no project")
    known = {c.id for c in candidates}
    groups = [known.intersection(group) for group in exclusive]
    walk = _Walk[K](budget, method == "greedy_no_skip", groups, first, ties, decide)
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
        self, budget: int, stops: bool, exclusive: Sequence[Collection[K]], first: Collection[K], ties: Ties,
        decide: Decide[K] | None,
    ) -> None:  # fmt: skip
        self._first = first
        self._group = {k: number for number, group in enumerate(exclusive) for k in group}
        self._groups = exclusive
        self._taken: set[int] = set()
        self.remaining = budget
        self.decisions: list[Decision[K]] = []
        self.equal: list[EqualScore[K]] = []
        self.ties: list[LineTie[K]] = []
        self._stops = stops
        self._stopped = False
        self._hangs = False
        self._rule = ties
        self._decide = decide

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
        if self._stopped or self._hangs:
            return False
        if self._rival_groups(group):
            return True
        fitting = [c for c in group if c.cost <= self.remaining]
        if self._stops:
            return bool(fitting) and sum(c.cost for c in group) > self.remaining
        return sum(c.cost for c in fitting) > self.remaining

    def _meet_twins(self, twins: list[Candidate[K]]) -> None:
        """Decide about projects of one score and one cost."""
        twins = self._without_excluded(twins)
        if not twins:
            return
        cost = twins[0].cost
        rivals = [[c for c in twins if c.id in group] for group in self._rival_groups(twins)]
        slots = len(twins) - sum(len(group) - 1 for group in rivals)  # so many can be built, were there money for all
        room = len(twins) if cost == 0 else self.remaining // cost
        if self._stopped or self._hangs or room >= len(twins) == slots:
            for c in twins:
                self._one(c)
        elif room == 0:
            self.decisions += [Decision(c.id, False, Why.OVER_BUDGET, self.remaining) for c in twins]
            self._stopped = self._stops
        elif room < slots:
            self._tie(twins, room, short=True)
        else:
            competing = {c.id for group in rivals for c in group}
            for c in twins:
                if c.id not in competing:
                    self._one(c)
            for group in rivals:
                self._tie(group, 1, short=False)

    def _one(self, c: Candidate[K]) -> None:
        """Decide about a project whose turn it is."""
        why = Why.FUNDED
        if self._hangs:
            why = Why.AFTER_OPEN_TIE
        elif self._excluded(c.id):
            why = Why.EXCLUDED
        elif self._stopped:
            why = Why.AFTER_STOP
        elif c.cost > self.remaining:
            why, self._stopped = Why.OVER_BUDGET, self._stops
        else:
            self._take(c.id)
            self.remaining -= c.cost
        self.decisions.append(Decision(c.id, why is Why.FUNDED, why, self.remaining))

    def _tie(self, tied: list[Candidate[K]], seats: int, short: bool) -> None:
        """Decide about equals of which only `seats` can be funded: money is `short`, or they exclude each other."""
        ids, cost = tuple(c.id for c in tied), tied[0].cost
        tie = settle_tie(ids, seats, self._rule, self._decide)
        self.ties.append(tie)
        if tie.order is not None:
            for c in sorted(tied, key=lambda c: tie.order.index(c.id) if tie.order else 0):
                self._one(c)
            return
        if tie.open:
            self.remaining -= seats * cost  # kept aside for those that will be named
            settled = {d.id for d in self.decisions}.union(ids)
            for number in {self._group[k] for k in ids if k in self._group}:
                # Among rivals alone one is funded for certain. Short of money it is open which groups are taken, and
                # so is whatever comes later where a group has more projects.
                if not short:
                    self._taken.add(number)
                elif not settled.issuperset(self._groups[number]):
                    self._hangs = True
        why = Why.TIE_OPEN if tie.open else Why.TIED
        self.decisions += [Decision(k, False, why, self.remaining) for k in ids]
        self._stopped = self._stopped or (self._stops and short)

    # ---- exclusive groups

    def _excluded(self, project: K) -> bool:
        """Whether another project of its group is funded already."""
        return self._group.get(project) in self._taken if project in self._group else False

    def _take(self, project: K) -> None:
        if project in self._group:
            self._taken.add(self._group[project])

    def _rival_groups(self, group: list[Candidate[K]]) -> list[set[K]]:
        """Those of these projects that share an exclusive group with another of them, by group."""
        found: dict[int, set[K]] = {}
        for c in group:
            if c.id in self._group:
                found.setdefault(self._group[c.id], set()).add(c.id)
        return [ids for ids in found.values() if len(ids) > 1]

    def _without_excluded(self, twins: list[Candidate[K]]) -> list[Candidate[K]]:
        """Pass over projects whose group has been decided by one of the same score."""
        for c in twins:
            if self._excluded(c.id):
                self.decisions.append(Decision(c.id, False, Why.EXCLUDED, self.remaining))
        return [c for c in twins if not self._excluded(c.id)]
