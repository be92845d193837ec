"""Voters with money buy projects together: the electorate and the market of the Method of Equal Shares. Pure.

The rule is in :mod:`polls.tally.equal_shares`; here is one run of it with a given part of the budget for every voter.

Everything is exact. Voters with the same money left form a class; money is in integers over one common denominator.
Time goes with classes of voters, not with voters.

**Ties.** Projects equal in all that decides (what their voters pay for what they get, cost, votes) are bought in any
order where that changes nothing: every voter of several of them can pay for all, and none excludes another. Otherwise

``joint``       they are taken as one: none of them is bought in this run, and their voters keep their money;
``lot, chair``  the order that was drawn or given; while there is none the market stops, and `open_tie` says at what;
``stated``      the order of the list, for counts outside polls.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from polls.tally.funding import Decide, LineTie, Ties, settle_tie

K = TypeVar("K", bound=Hashable)
Satisfaction = Literal["cost", "cardinality"]


@dataclass(frozen=True, slots=True)
class Purchase(Generic[K]):
    """A project funded: its voters who still had money, the most any of them paid (hundredths), its effective votes."""

    id: K
    payers: int
    price: Fraction
    effective_votes: Fraction
    equals: tuple[K, ...] = ()
    """Projects that were equal in what decides, this one among them; empty where it was alone."""


class Electorate(Generic[K]):
    """Projects with their costs, and the voters of each, ready to be counted with any budget.

    `candidates` stand in stated order with their costs in hundredths; `ballots` maps sets of projects to voters.
    Voters of nothing hold their part of the budget too. Raises ValueError for an unknown project or a negative cost.
    """

    def __init__(self, costs: Mapping[K, int], ballots: Mapping[tuple[K, ...], int]) -> None:
        if any(cost < 0 for cost in costs.values()) or any(n < 0 for n in ballots.values()):
            raise ValueError("costs and numbers of voters are not negative")
        self.ids = tuple(costs)
        self.places = {project: place for place, project in enumerate(costs)}
        self.costs = dict(costs)
        self.voters = sum(ballots.values())
        self.weights: NDArray[np.int64] = np.array(list(ballots.values()), dtype=np.int64)
        rows: dict[K, list[int]] = {project: [] for project in costs}
        for row, projects in enumerate(ballots):
            for project in set(projects):
                if project not in rows:
                    raise ValueError(f"there is no project {str(project)[:40]!r}")
                rows[project].append(row)
        self.rows = {project: np.array(found, dtype=np.int64) for project, found in rows.items()}
        self.votes = {project: int(self.weights[found].sum()) for project, found in self.rows.items()}

    def satisfied(self, funded: Sequence[K]) -> NDArray[np.int64]:
        """How many of the projects of each distinct ballot are funded."""
        found = np.zeros(len(self.weights), dtype=np.int64)
        for project in funded:
            found[self.rows[project]] += 1
        return found

    def voters_of_both(self, one: K, other: K) -> int:
        """How many voters voted for both of two projects."""
        both = np.intersect1d(self.rows[one], self.rows[other], assume_unique=True)
        return int(self.weights[both].sum())


@dataclass
class Terms(Generic[K]):
    """What binds a market besides money: projects kept out, exclusive groups, and what happens to ties.

    `known` remembers orders that were given, so that those of a tie are still in order once some of them are bought.
    """

    barred: Collection[K] = ()
    exclusive: Sequence[Collection[K]] = ()
    ties: Ties = "stated"
    decide: Decide[K] | None = None
    known: list[LineTie[K]] = field(default_factory=list)

    def settle(self, tied: tuple[K, ...]) -> LineTie[K]:
        """The tie as the rule leaves it."""
        for tie in self.known:
            if tie.order is not None and set(tied) <= set(tie.ids):
                return LineTie(tied, 1, tie.resolution, tuple(k for k in tie.order if k in tied))
        tie = settle_tie(tied, 1, self.ties, self.decide)
        if tie.order is not None:
            self.known.append(tie)
        return tie

    def rivals(self, project: K) -> frozenset[K]:
        """The projects that cannot be built beside this one."""
        return frozenset(k for group in self.exclusive if project in group for k in group if k != project)


_FINE = 2**60
"""Bounds are kept as whole numbers of 1 ÷ this, rounded down."""


class Market(Generic[K]):
    """Voters' money while projects are bought.

    Distinct ballots are in classes of equal money: `_class` per distinct ballot, `_money` per class, in units of
    1 ÷ `_unit` hundredths. `_bounds` is, per project, the least it can still cost a voter: money only falls, so a price
    found in an earlier round is a lower bound for now, and most projects need not be looked at. Rounded down, it only
    says which projects cannot be the best; prices themselves are compared exactly.
    """

    def __init__(
        self, electorate: Electorate[K], share: Fraction, satisfaction: Satisfaction, terms: Terms[K] | None = None
    ) -> None:
        self._electorate = electorate
        self._terms = terms or Terms()
        self.joint_ties: list[LineTie[K]] = []
        self.open_tie: LineTie[K] | None = None
        self.settled: set[K] = set(self._terms.barred)
        """Projects that more money would not bring back: bought, kept out, excluded, or equal and excluding others."""
        self._by_cost = satisfaction == "cost"
        self._unit = share.denominator
        self._money = [share.numerator]
        self._class = np.zeros(len(electorate.weights), dtype=np.int64)
        wanted = [k for k in electorate.ids if electorate.votes[k] and k not in self.settled]
        self._free = [k for k in wanted if not electorate.costs[k]]
        self._bounds: dict[K, int] = {
            k: _floor(self._measure(k, Fraction(electorate.costs[k], electorate.votes[k])))
            for k in wanted
            if electorate.costs[k]
        }

    def next(self) -> Purchase[K] | None:
        """Buy the project that is the best bargain now; None when nothing is affordable, or a tie is open."""
        while self.open_tie is None and (best := self._best()):
            costs, votes, place = self._electorate.costs, self._electorate.votes, self._electorate.places
            best.sort(key=lambda one: (costs[one[0]], -votes[one[0]], place[one[0]]))
            first = best[0][0]
            equal = tuple(k for k, _, _ in best if (costs[k], votes[k]) == (costs[first], votes[first]))
            chosen = self._chosen(equal, best[0][1])
            if chosen is not None:
                return self._pay(chosen, best)
        return None

    def _best(self) -> list[tuple[K, Fraction, int]]:
        """Of the best bargains each with what one voter pays and how many do; empty where nothing is affordable."""
        if self._free:  # a project that costs nothing takes nothing from anybody
            return [(project, Fraction(0), 0) for project in self._free]
        best: list[tuple[K, Fraction, int]] = []
        least: Fraction | None = None
        for project in sorted(self._bounds, key=self._bounds.__getitem__):
            if least is not None and self._bounds[project] > _floor(least):
                break
            found = self._price(project)
            if found is None:
                del self._bounds[project]  # its voters' money only falls, so it is never affordable again
                continue
            price, payers = found
            measure = self._measure(project, price)
            self._bounds[project] = _floor(measure)
            if least is None or measure < least:
                best, least = [], measure
            if measure == least:
                best.append((project, price, payers))
        return best

    def _chosen(self, equal: tuple[K, ...], price: Fraction) -> K | None:
        """Which of equals is bought first; None where none of them is."""
        competing = [k for k in equal if self._terms.rivals(k).intersection(equal)] if len(equal) > 1 else []
        enough = len(equal) == 1 or self._enough_for_all(equal, price)
        if not competing and enough:
            return equal[0]  # all of them are bought, whatever the order
        if enough:  # only those that exclude each other are a tie: first those of one group
            equal = tuple(k for k in competing if k == competing[0] or k in self._terms.rivals(competing[0]))
        tie = self._terms.settle(equal)
        if tie.order is not None:
            return tie.order[0]
        if tie.open:
            self.open_tie = tie
            return None
        self.joint_ties.append(tie)
        if enough:
            self.settled.update(equal)
        self._remove(equal)
        return None

    def _enough_for_all(self, equal: tuple[K, ...], price: Fraction) -> bool:
        """Whether every voter of several of these projects can pay the price of all of them, or has nothing left."""
        held: NDArray[np.int64] = np.zeros(len(self._electorate.weights), dtype=np.int64)
        for project in equal:
            held[self._electorate.rows[project]] += 1
        rows = np.flatnonzero((held > 1) & (self._electorate.weights > 0))
        most: NDArray[np.int64] = np.zeros(len(self._money), dtype=np.int64)
        np.maximum.at(most, self._class[rows], held[rows])
        due = price * self._unit
        return all(not money or money >= due * n for money, n in zip(self._money, most.tolist(), strict=True) if n)

    def _remove(self, projects: Collection[K]) -> None:
        """Offer these projects no more."""
        self._free = [k for k in self._free if k not in projects]
        for project in projects:
            self._bounds.pop(project, None)

    def _measure(self, project: K, price: Fraction) -> Fraction:
        """What a voter who can pays for one unit of satisfaction."""
        return price / self._electorate.costs[project] if self._by_cost else price

    def _price(self, project: K) -> tuple[Fraction, int] | None:
        """The most one voter pays for the project, in hundredths, and how many pay that; None: not affordable."""
        rows = self._electorate.rows[project]
        held: NDArray[np.int64] = np.zeros(len(self._money), dtype=np.int64)
        np.add.at(held, self._class[rows], self._electorate.weights[rows])
        classes = np.flatnonzero(held).tolist()
        due = self._electorate.costs[project] * self._unit
        payers = self._electorate.votes[project]
        holders, money = held.tolist(), self._money
        if sum([holders[c] * money[c] for c in classes]) < due:
            return None
        for c in sorted(classes, key=money.__getitem__):
            if due <= money[c] * payers:
                return Fraction(due, payers * self._unit), payers
            due -= money[c] * holders[c]
            payers -= holders[c]
        raise AssertionError("affordable and not paid for")

    def _pay(self, project: K, best: list[tuple[K, Fraction, int]]) -> Purchase[K]:
        """Buy a project and take its price from its voters."""
        electorate = self._electorate
        price, payers = next((price, payers) for k, price, payers in best if k == project)
        gone = {project, *self._terms.rivals(project)}
        self._remove(gone)
        self.settled.update(gone)
        if not price:
            return Purchase(project, 0, price, Fraction(electorate.votes[project]))
        factor = price.denominator // gcd(price.denominator, self._unit)
        self._unit *= factor
        self._money = [m * factor for m in self._money]
        self._charge(electorate.rows[project], price.numerator * (self._unit // price.denominator))
        equals = tuple(k for k, _, _ in best) if len(best) > 1 else ()
        return Purchase(project, payers, price, Fraction(electorate.costs[project]) / price, equals)

    def _charge(self, rows: NDArray[np.int64], charge: int) -> None:
        """Take `charge` from the voters of these ballots, or all they have. Classes nobody is in are forgotten."""
        paying = np.flatnonzero(np.bincount(self._class[rows], minlength=len(self._money))).tolist()
        known = {m: c for c, m in enumerate(self._money)}
        target = np.arange(len(self._money), dtype=np.int64)
        for c in paying:
            rest = max(self._money[c] - charge, 0)
            target[c] = known.setdefault(rest, len(known))
        self._class[rows] = target[self._class[rows]]
        money = list(known)
        used = np.flatnonzero(np.bincount(self._class, minlength=len(money)))
        number = np.zeros(len(money), dtype=np.int64)
        number[used] = np.arange(len(used))
        self._class = number[self._class]
        self._money = [money[c] for c in used.tolist()]


def _floor(measure: Fraction) -> int:
    """The bound that goes with a measure."""
    return measure.numerator * _FINE // measure.denominator
