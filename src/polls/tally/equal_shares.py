"""Method of Equal Shares: the budget is split among voters, and a project is funded by those who voted for it. Pure.

Source: D. Peters, G. Pierczyński & P. Skowron, "Proportional Participatory Budgeting with Additive Utilities", NeurIPS
2021; completions as at equalshares.net and in Pabulib (`equalshares/add1`, `equalshares/add1-comparison`); of projects
that exclude each other, those left are taken off once one is bought, as equalshares.net has it.

Every voter gets an equal part of the budget. In each round a project is affordable if its voters together still hold
its cost; they share it as equally as possible, whoever has less giving all. The project whose voters pay the least for
what they get is funded: with ``cost`` satisfaction what they get is the project's cost (so the rule is the largest
*effective vote count* = cost ÷ what one pays), with ``cardinality`` it is one project. Projects equal in that: the
cheaper, then the one with more votes, and the step ``equal_support`` says so. What is equal in all of this is a tie
where the order matters; :mod:`polls.tally.market` says what happens to it.

The rule leaves money over, so a *completion* is declared:

``none``   nothing more;
``add1``   every voter's part grows by one unit of money as long as what is funded stays within the real budget (or,
           with `stop_when_full`, only until no other project would fit);
``add1u``  the same, and then the greedy rule spends what is left (votes, then the cheaper; ties as in
           :mod:`polls.tally.funding`).

What is funded need not grow with the money, so when the growing stops can matter: Wieliczka's result follows only
without `stop_when_full`, Świecie's either way.

With `comparison`, as Wieliczka did: the plain greedy result is taken instead if more voters have more of their projects
funded by it than by equal shares, than the other way round.

**An open tie** (lot or chair, nobody has decided) stops the count. More money for everybody can lead to other projects,
and a comparison to a wholly other result, so where either may follow nothing is funded yet; without them, what was
bought before the tie is.

The steps: ``shares`` budget, share, increments · ``growth_ended`` tries · ``equal_support`` options · ``bought``
option, payers, price, effective_votes · ``completed`` options · ``compared`` equal_shares, greedy, greedy_taken ·
``budget_spent``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, Literal

from polls.tally.funding import Allocation, Candidate, Decide, LineTie, Ties, Why, fund
from polls.tally.market import Electorate, K, Market, Purchase, Satisfaction, Terms
from polls.tally.outcome import Step, fraction_text

__all__ = ["Completion", "Electorate", "Purchase", "Satisfaction", "SharesOutcome", "buy", "compare", "equal_shares"]

Completion = Literal["none", "add1", "add1u"]
Orders = Callable[[int, tuple[K, ...]], Sequence[K] | None]
"""Stage and tied projects → the same, best first, or None. Stages: 1 buying, 2 greedy completion, 3 the comparison's
greedy. A tie of the same projects is one tie however often it is met while voters' parts grow."""


@dataclass(frozen=True)
class SharesOutcome(Generic[K]):
    """What is funded, in order of funding, and how: `purchases` by equal shares, then `completed` by the greedy rule.

    `share` is each voter's part in hundredths after the completion, `increments` how often it grew. `preferred` is
    (voters better off by equal shares, voters better off by greedy) where they were compared; `greedy_taken` whether
    the greedy result stands instead, and then it is `funded` and the purchases are what it replaced. `why` says of
    every project what became of it, `ties` at which stage there were ties. With a tie open, purchases that are not
    `funded` are only how far the count came.
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
    why: Mapping[K, Why] = field(default_factory=dict)
    ties: tuple[tuple[int, LineTie[K]], ...] = ()


def equal_shares(
    electorate: Electorate[K],
    budget: int,
    *,
    satisfaction: Satisfaction = "cost",
    completion: Completion = "add1",
    increment: int = 100,
    stop_when_full: bool = False,
    comparison: bool = False,
    barred: Mapping[K, Why] | None = None,
    exclusive: Sequence[Collection[K]] = (),
    ties: Ties = "stated",
    orders: Orders[K] | None = None,
    most_tries: int | None = None,
) -> SharesOutcome[K]:
    """What `budget` (hundredths) funds. `increment` is by how much a voter's part grows (hundredths, default one unit).

    `barred` keeps projects out for a reason of the caller's; of each group in `exclusive` at most one is funded; `ties`
    is the rule for ties (outside polls the stated order) and `orders` decides those left to the lot or the chair. After
    `most_tries` larger parts (None: no limit) the growing ends, and the step ``growth_ended`` says so.
    Raises ValueError for a negative budget or an increment that is not positive.
    """
    if budget < 0 or increment < 1:
        raise ValueError("the budget is not negative and the increment is positive")
    count = _Count(electorate, budget, barred or {}, exclusive, ties, orders)
    count.buy(satisfaction, completion, increment, stop_when_full, most_tries)
    if count.open_at is None and completion == "add1u":
        count.complete()
    if count.open_at is None and comparison:
        count.compare()
    if count.open_at is not None and (comparison or (completion != "none" and count.open_at == 1)):
        count.leave_open()
    return count.outcome()


def buy(
    electorate: Electorate[K], share: Fraction, satisfaction: Satisfaction = "cost", most: int | None = None
) -> tuple[Purchase[K], ...] | None:
    """The projects voters buy when each holds `share` hundredths, in order; None once they cost more than `most`."""
    return _spend(Market(electorate, share, satisfaction), electorate, most)


def compare(electorate: Electorate[K], one: Sequence[K], other: Sequence[K]) -> tuple[int, int]:
    """How many voters have more of their projects in `one` than in `other`, and how many in `other` than in `one`."""
    first, second = electorate.satisfied(one), electorate.satisfied(other)
    return int(electorate.weights[first > second].sum()), int(electorate.weights[second > first].sum())


def _spend(market: Market[K], electorate: Electorate[K], most: int | None) -> tuple[Purchase[K], ...] | None:
    """Buy until nothing is affordable or a tie is open; None once it costs more than `most`."""
    spent = 0
    bought: list[Purchase[K]] = []
    while (purchase := market.next()) is not None:
        spent += electorate.costs[purchase.id]
        if most is not None and spent > most:
            return None
        bought.append(purchase)
    return tuple(bought)


class _Count(Generic[K]):
    """One count: what is funded so far, and the ties met."""

    def __init__(
        self, electorate: Electorate[K], budget: int, barred: Mapping[K, Why], exclusive: Sequence[Collection[K]],
        ties: Ties, orders: Orders[K] | None,
    ) -> None:  # fmt: skip
        self._electorate = electorate
        self._budget = budget
        self._barred = barred
        self._rule = ties
        self._orders = orders
        self._terms = Terms(tuple(barred), exclusive, ties, self._decide(1))
        self._share = Fraction(budget, electorate.voters) if electorate.voters else Fraction(0)
        self._increments = 0
        self._purchases: tuple[Purchase[K], ...] = ()
        self._completed: tuple[K, ...] = ()
        self._preferred: tuple[int, int] | None = None
        self._greedy_taken = False
        self._ties: list[tuple[int, LineTie[K]]] = []
        self._why: dict[K, Why] = {}
        self._undecided = False
        self._ended_after: int | None = None
        self.funded: tuple[K, ...] = ()
        self.open_at: int | None = None
        """The stage whose tie is open."""

    def buy(
        self, satisfaction: Satisfaction, completion: Completion, increment: int, stop_when_full: bool,
        most_tries: int | None,
    ) -> None:  # fmt: skip
        """Buy with the budget split equally, and with more for everybody as the completion says."""
        market = Market(self._electorate, self._share, satisfaction, self._terms)
        self._purchases = _spend(market, self._electorate, None) or ()
        tries = 0
        while completion != "none" and market.open_tie is None and self._may_grow(market, stop_when_full):
            if tries == most_tries:
                self._ended_after = tries
                break
            tries += 1
            larger = Market(self._electorate, self._share + increment, satisfaction, self._terms)
            further = _spend(larger, self._electorate, self._budget)
            if further is None:
                break
            market, self._purchases = larger, further
            self._share, self._increments = self._share + increment, self._increments + 1
            grows = self._may_grow(market, stop_when_full)
            if grows and (idle := self._idle(market, satisfaction, increment)):
                self._share, self._increments = self._share + idle * increment, self._increments + idle
                market = Market(self._electorate, self._share, satisfaction, self._terms)
                self._purchases = _spend(market, self._electorate, None) or ()
        self.funded = tuple(p.id for p in self._purchases)
        self._why = {k: Why.EXCLUDED for k in self.funded for k in self._terms.rivals(k)}
        found = [*self._terms.known, *market.joint_ties]
        if market.open_tie is not None:
            self.open_at = 1
            found.append(market.open_tie)
        self._ties += [(1, tie) for tie in found]
        self._why |= {k: Why.TIED for tie in market.joint_ties for k in tie.ids}

    def complete(self) -> None:
        """Let the greedy rule spend what is left."""
        rest = [k for k in self._electorate.ids if k not in self.funded]
        excluded = {k: Why.EXCLUDED for bought in self.funded for k in self._terms.rivals(bought)}
        left = self._budget - self._cost(self.funded)
        found = self._greedy(rest, left, {**excluded, **self._barred}, stage=2)
        self._completed = found.funded
        self.funded += self._completed

    def compare(self) -> None:
        """Take the plain greedy result where more voters are better off by it."""
        before = dict(self._why)
        greedy = self._greedy(self._electorate.ids, self._budget, self._barred, stage=3)
        if self.open_at is not None:
            return
        self._preferred = compare(self._electorate, self.funded, greedy.funded)
        self._greedy_taken = self._preferred[1] > self._preferred[0]
        if self._greedy_taken:
            self.funded = greedy.funded
        else:
            self._why = before
        # Ties of the result that does not stand decide nothing; those that somebody has decided stay on record.
        self._ties = [(n, tie) for n, tie in self._ties if tie.order or (n == 3) == self._greedy_taken]

    def leave_open(self) -> None:
        """Nothing is decided: what follows from the open tie may fund other projects."""
        self.funded, self._undecided = (), True

    def outcome(self) -> SharesOutcome[K]:
        """All of it as a value."""
        remaining = self._budget - self._cost(self.funded)
        # Equals set aside by joint ties may all have been funded by the greedy completion after all.
        ties = [(n, tie) for n, tie in self._ties if tie.resolution != "joint" or not set(tie.ids) <= set(self.funded)]
        return SharesOutcome(
            self.funded, self._purchases, self._completed, self._share, self._increments, remaining, self._preferred,
            self._greedy_taken, self._steps(remaining), self._reasons(), tuple(ties),
        )  # fmt: skip

    # ---- parts

    def _decide(self, stage: int) -> Decide[K] | None:
        orders = self._orders
        return None if orders is None else lambda tied: orders(stage, tied)

    def _cost(self, projects: Collection[K]) -> int:
        return sum(self._electorate.costs[k] for k in projects)

    def _may_grow(self, market: Market[K], stop_when_full: bool) -> bool:
        """Whether somebody voted for a project that more money may yet buy (and, if asked, some project still fits)."""
        left = self._budget - self._cost([p.id for p in self._purchases])
        others = [k for k in self._electorate.ids if k not in market.settled]
        fits = not stop_when_full or any(self._electorate.costs[k] <= left for k in others)
        return fits and any(self._electorate.votes[k] for k in others)

    def _idle(self, market: Market[K], satisfaction: Satisfaction, increment: int) -> int:
        """How many increments from here certainly change nothing, so that nobody has to try them.

        While every voter of what is bought pays the least possible (cost ÷ votes), more money for all changes neither
        those prices nor the order of buying. A project left out then stays out as long as its voters do not hold its
        cost together when its turn would come, after all that is a better bargain: as long as
        votes × share < cost + what they have spent till then. Without this a dear project of a few voters, the only
        one left, takes millions of increments of one unit.
        """
        votes, costs = self._electorate.votes, self._electorate.costs
        if market.joint_ties or any(p.price * votes[p.id] != costs[p.id] for p in self._purchases):
            return 0

        def bargain(k: K) -> Fraction:
            return Fraction(1 if satisfaction == "cost" else costs[k], votes[k])

        bought = {p.id for p in self._purchases}
        least: Fraction | None = None
        for k in self._electorate.ids:
            if k in bought or k in self._barred or not votes[k]:
                continue
            before = [p for p in self._purchases if bargain(p.id) < bargain(k)]
            if any(p.id in self._terms.rivals(k) for p in before):
                continue  # excluded by then, whatever its voters hold
            spent = sum(p.price * self._electorate.voters_of_both(k, p.id) for p in before)
            turn = (costs[k] + spent) / Fraction(votes[k])
            least = turn if least is None else min(least, turn)
        return 0 if least is None else max(-int((self._share - least) // increment) - 1, 0)

    def _greedy(self, projects: Sequence[K], money: int, barred: Mapping[K, Why], stage: int) -> Allocation[K]:
        """The greedy rule over some of the projects; what it says of each is kept."""
        candidates = [Candidate(k, self._electorate.votes[k], self._electorate.costs[k]) for k in projects]
        exclusive, decide = self._terms.exclusive, self._decide(stage)
        found = fund(candidates, money, "greedy", 0, barred, exclusive, ties=self._rule, decide=decide)
        self._why |= {decision.id: decision.why for decision in found.decisions}
        self._ties += [(stage, tie) for tie in found.ties]
        if any(tie.open for tie in found.ties):
            self.open_at = stage
        return found

    def _reasons(self) -> dict[K, Why]:
        """Why each project is funded or not."""
        open_ = {k for _, tie in self._ties if tie.open for k in tie.ids}
        reasons: dict[K, Why] = {}
        for project in self._electorate.ids:
            why = self._why.get(project, Why.NOT_BOUGHT)
            if project in self._barred:
                why = self._barred[project]
            elif project in self.funded:
                why = Why.FUNDED
            elif project in open_:
                why = Why.TIE_OPEN
            elif self._undecided or (self.open_at == 1 and why is not Why.EXCLUDED):
                why = Why.AFTER_OPEN_TIE
            reasons[project] = why
        return reasons

    def _steps(self, remaining: int) -> tuple[Step, ...]:
        share = fraction_text(self._share)
        steps = [Step("shares", {"budget": self._budget, "share": share, "increments": self._increments})]
        if self._ended_after is not None:
            steps.append(Step("growth_ended", {"tries": self._ended_after}))
        for purchase in self._purchases:
            if purchase.equals:
                steps.append(Step("equal_support", {"options": list(purchase.equals)}))
            facts = {"option": purchase.id, "payers": purchase.payers, "price": fraction_text(purchase.price)}
            steps.append(Step("bought", {**facts, "effective_votes": fraction_text(purchase.effective_votes)}))
        if self._completed:
            steps.append(Step("completed", {"options": list(self._completed)}))
        if self._preferred is not None:
            ours, theirs = self._preferred
            facts = {"equal_shares": ours, "greedy": theirs, "greedy_taken": self._greedy_taken}
            steps.append(Step("compared", facts))
        steps.append(Step("budget_spent", {"spent": self._budget - remaining, "remaining": remaining}))
        return tuple(steps)
