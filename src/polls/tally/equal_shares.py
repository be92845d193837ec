"""Method of Equal Shares: the budget is split among voters, and a project is funded by those who voted for it. Pure.

Source: D. Peters, G. Pierczyński & P. Skowron, "Proportional Participatory Budgeting with Additive Utilities", NeurIPS
2021; completions as at equalshares.net and in Pabulib (`equalshares/add1`, `equalshares/add1-comparison`).

Every voter gets an equal part of the budget. In each round a project is affordable if its voters together still hold
its cost; they share it as equally as possible, whoever has less giving all. The project whose voters pay the least for
what they get is funded: with ``cost`` satisfaction what they get is the project's cost (so the rule is the largest
*effective vote count* = cost ÷ what one pays), with ``cardinality`` it is one project. Projects equal in that: the
cheaper, then the one with more votes, then stated order, and the step ``equal_support`` says so.

The rule leaves money over, so a *completion* is declared:

``none``   nothing more;
``add1``   every voter's part grows by one unit of money as long as what is funded stays within the real budget (or,
           with `stop_when_full`, only until no other project would fit);
``add1u``  the same, and then the greedy rule spends what is left (votes, then the cheaper, then stated order).

What is funded need not grow with the money, so when the growing stops can matter: Wieliczka's result follows only
without `stop_when_full`, Świecie's either way.

With `comparison`, as Wieliczka did: the plain greedy result is taken instead if more voters have more of their projects
funded by it than by equal shares, than the other way round.

Everything is exact. Voters with the same money left form a class; money is in integers over one common denominator.
Time goes with classes of voters, not with voters.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from polls.tally.funding import Candidate, fund
from polls.tally.outcome import Step, fraction_text

K = TypeVar("K", bound=Hashable)
Satisfaction = Literal["cost", "cardinality"]
Completion = Literal["none", "add1", "add1u"]


@dataclass(frozen=True, slots=True)
class Purchase(Generic[K]):
    """A project funded: its voters who still had money, the most any of them paid (hundredths), its effective votes."""

    id: K
    payers: int
    price: Fraction
    effective_votes: Fraction
    equals: tuple[K, ...] = ()
    """Projects that were equal in what decides, this one among them; empty where it was alone."""


@dataclass(frozen=True)
class SharesOutcome(Generic[K]):
    """What is funded, in order of funding, and how: `purchases` by equal shares, then `completed` by the greedy rule.

    `share` is each voter's part in hundredths after the completion, `increments` how often it grew. `preferred` is
    (voters better off by equal shares, voters better off by greedy) where they were compared; `greedy_taken` whether
    the greedy result stands instead, and then it is `funded` and the purchases are what it replaced.
    """

    funded: tuple[K, ...]
    purchases: tuple[Purchase[K], ...]
    completed: tuple[K, ...]
    share: Fraction
    increments: int
    remaining: int
    preferred: tuple[int, int] | None
    greedy_taken: bool
    steps: tuple[Step, ...]


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


def equal_shares(
    electorate: Electorate[K],
    budget: int,
    *,
    satisfaction: Satisfaction = "cost",
    completion: Completion = "add1",
    increment: int = 100,
    stop_when_full: bool = False,
    comparison: bool = False,
) -> SharesOutcome[K]:
    """What `budget` (hundredths) funds. `increment` is by how much a voter's part grows (hundredths, default one unit).

    Raises ValueError for a negative budget or an increment that is not positive.
    """
    if budget < 0 or increment < 1:
        raise ValueError("the budget is not negative and the increment is positive")
    costs, voters = electorate.costs, electorate.voters
    share = Fraction(budget, voters) if voters else Fraction(0)
    purchases = buy(electorate, share, satisfaction) or ()
    increments = 0
    while completion != "none" and _may_grow(electorate, purchases, budget, stop_when_full):
        further = buy(electorate, share + increment, satisfaction, budget)
        if further is None:
            break
        purchases, share, increments = further, share + increment, increments + 1
    funded = tuple(p.id for p in purchases)
    completed: tuple[K, ...] = ()
    if completion == "add1u":
        rest = [Candidate(k, electorate.votes[k], costs[k]) for k in electorate.ids if k not in set(funded)]
        completed = fund(rest, budget - sum(costs[k] for k in funded), "greedy").funded
        funded += completed
    preferred, greedy_taken = None, False
    if comparison:
        greedy = fund([Candidate(k, electorate.votes[k], costs[k]) for k in electorate.ids], budget, "greedy").funded
        preferred = compare(electorate, funded, greedy)
        greedy_taken = preferred[1] > preferred[0]
        funded = greedy if greedy_taken else funded
    remaining = budget - sum(costs[k] for k in funded)
    steps = _steps(budget, share, increments, purchases, completed, preferred, greedy_taken, remaining)
    return SharesOutcome(
        funded, purchases, completed, share, increments, remaining, preferred, greedy_taken, steps
    )  # fmt: skip


def compare(electorate: Electorate[K], one: Sequence[K], other: Sequence[K]) -> tuple[int, int]:
    """How many voters have more of their projects in `one` than in `other`, and how many in `other` than in `one`."""
    first, second = electorate.satisfied(one), electorate.satisfied(other)
    return int(electorate.weights[first > second].sum()), int(electorate.weights[second > first].sum())


def _may_grow(electorate: Electorate[K], purchases: tuple[Purchase[K], ...], budget: int, stop_when_full: bool) -> bool:
    """Whether somebody voted for a project that is not bought yet (and, if asked, some project still fits)."""
    bought = {p.id for p in purchases}
    left = budget - sum(electorate.costs[k] for k in bought)
    others = [k for k in electorate.ids if k not in bought]
    fits = not stop_when_full or any(electorate.costs[k] <= left for k in others)
    return fits and any(electorate.votes[k] for k in others)


def buy(
    electorate: Electorate[K], share: Fraction, satisfaction: Satisfaction = "cost", most: int | None = None
) -> tuple[Purchase[K], ...] | None:
    """The projects voters buy when each holds `share` hundredths, in order; None once they cost more than `most`."""
    market = _Market(electorate, share, satisfaction)
    spent = 0
    bought: list[Purchase[K]] = []
    while (purchase := market.next()) is not None:
        spent += electorate.costs[purchase.id]
        if most is not None and spent > most:
            return None
        bought.append(purchase)
    return tuple(bought)


_FINE = 2**60
"""Bounds are kept as whole numbers of 1 ÷ this, rounded down."""


class _Market(Generic[K]):
    """Voters' money while projects are bought.

    Distinct ballots are in classes of equal money: `_class` per distinct ballot, `_money` per class, in units of
    1 ÷ `_unit` hundredths. `_bounds` is, per project, the least it can still cost a voter: money only falls, so a price
    found in an earlier round is a lower bound for now, and most projects need not be looked at. Rounded down, it only
    says which projects cannot be the best; prices themselves are compared exactly.
    """

    def __init__(self, electorate: Electorate[K], share: Fraction, satisfaction: Satisfaction) -> None:
        self._electorate = electorate
        self._by_cost = satisfaction == "cost"
        self._unit = share.denominator
        self._money = [share.numerator]
        self._class = np.zeros(len(electorate.weights), dtype=np.int64)
        self._free = [k for k in electorate.ids if not electorate.costs[k] and electorate.votes[k]]
        self._bounds: dict[K, int] = {
            k: _floor(self._measure(k, Fraction(electorate.costs[k], electorate.votes[k])))
            for k in electorate.ids
            if electorate.costs[k] and electorate.votes[k]
        }

    def next(self) -> Purchase[K] | None:
        """Buy the project that is the best bargain now; None when nothing is affordable."""
        if self._free:  # a project that costs nothing takes nothing from anybody
            project = self._free.pop(0)
            return Purchase(project, 0, Fraction(0), Fraction(self._electorate.votes[project]))
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
        return self._pay(best) if best else None

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

    def _pay(self, best: list[tuple[K, Fraction, int]]) -> Purchase[K]:
        """Fund the cheapest, then the most voted for, then the first stated of the best, and take its price."""
        electorate = self._electorate
        place = electorate.places
        best.sort(key=lambda one: (electorate.costs[one[0]], -electorate.votes[one[0]], place[one[0]]))
        project, price, payers = best[0]
        del self._bounds[project]
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


def _steps(
    budget: int, share: Fraction, increments: int, purchases: tuple[Purchase[K], ...], completed: tuple[K, ...],
    preferred: tuple[int, int] | None, greedy_taken: bool, remaining: int,
) -> tuple[Step, ...]:  # fmt: skip
    steps = [Step("shares", {"budget": budget, "share": fraction_text(share), "increments": increments})]
    for purchase in purchases:
        if purchase.equals:
            steps.append(Step("equal_support", {"options": list(purchase.equals)}))
        facts = {"option": purchase.id, "payers": purchase.payers, "price": fraction_text(purchase.price)}
        steps.append(Step("bought", {**facts, "effective_votes": fraction_text(purchase.effective_votes)}))
    if completed:
        steps.append(Step("completed", {"options": list(completed)}))
    if preferred is not None:
        facts = {"equal_shares": preferred[0], "greedy": preferred[1], "greedy_taken": greedy_taken}
        steps.append(Step("compared", facts))
    steps.append(Step("budget_spent", {"spent": budget - remaining, "remaining": remaining}))
    return tuple(steps)
