"""Budgets, held against pabutools on random electorates: the greedy rules and the Method of Equal Shares.

pabutools is told to break ties as ours are declared (the cheaper, the more voted for, the first stated); without that
its own list order decides, and the two differ wherever something is equal. That these are ties and nothing else is a
test of its own: of all outcomes that pabutools finds when it follows every tie, ours is one.

Costs are positive: a project without cost has no satisfaction by cost and no density, and the literature defines
neither rule for it. Ours funds it (see `test_a_project_that_costs_nothing`).
"""

import random
from collections import Counter
from itertools import product

import pytest
from tests.polls.tally.differential.oracles import TieBreakingRule, pabutools_election, pabutools_rules
from tests.polls.tally.differential.profiles import COUNT

from polls.tally.equal_shares import Electorate, equal_shares
from polls.tally.funding import Candidate, fund

pytestmark = pytest.mark.slow

SHAPES = ("any", "equal costs", "equal votes", "blocs", "few", "large")


def elections(rule, count=COUNT):
    """(budget, costs, ballots): hundredths, project → cost, set of projects → voters. The rule is the seed."""
    source = random.Random(f"veche/{rule}")
    for number in range(count):
        shape = SHAPES[number % len(SHAPES)]
        projects = range(1, source.randint(2, 7) + 1)
        same = 100 * source.randint(1, 9)
        costs = {p: same if shape == "equal costs" else 100 * source.randint(1, 12) for p in projects}
        ballots = Counter()
        if shape == "equal votes":
            for p in projects:
                ballots[p, p % len(projects) + 1] += 1
        elif shape == "blocs":
            half = len(projects) // 2
            for camp in (projects[:half], projects[half:]):
                ballots[tuple(camp)] += source.randint(1, 6)
        for _ in range(source.randint(1, {"few": 3, "large": 30}.get(shape, 8))):
            liked = source.sample(projects, source.randint(0, len(projects)))
            ballots[tuple(sorted(liked))] += source.randint(1, 3)
        ballots = {tuple(sorted(set(ballot))): n for ballot, n in ballots.items()}
        yield source.randint(1, sum(costs.values()) // 100) * 100, costs, ballots


class Oracle:
    """One election in pabutools' terms."""

    def __init__(self, budget, costs, ballots):
        self.projects = {p: pabutools_election.Project(str(p), cost) for p, cost in costs.items()}
        self.instance = pabutools_election.Instance(self.projects.values(), budget_limit=budget)
        self.voters = sum(ballots.values())
        votes = Counter(p for ballot, n in ballots.items() for p in ballot for _ in range(n))
        self.profile = pabutools_election.ApprovalProfile(
            [
                pabutools_election.ApprovalBallot({self.projects[p] for p in ballot})
                for ballot, n in ballots.items()
                for _ in range(n)
            ],
            instance=self.instance,
        )
        self.by_votes = TieBreakingRule(lambda instance, profile, p: (p.cost, -votes[int(p.name)], int(p.name)))
        self.by_cost = TieBreakingRule(lambda instance, profile, p: (p.cost, int(p.name)))

    def greedy(self, start=()):
        """Most votes first: satisfaction by cost, divided by cost, is the number of votes."""
        return self._ids(
            pabutools_rules.greedy_utilitarian_welfare(
                self.instance,
                self.profile,
                sat_class=pabutools_election.Cost_Sat,
                tie_breaking=self.by_cost,
                initial_budget_allocation=[self.projects[p] for p in start],
            )
        )

    def equal_shares(self, satisfaction, **kwargs):
        found = pabutools_rules.method_of_equal_shares(
            self.instance, self.profile, sat_class=SATISFACTION[satisfaction], tie_breaking=self.by_votes, **kwargs
        )
        return [self._ids(one) for one in found] if kwargs.get("resoluteness") is False else self._ids(found)

    def add1(self, satisfaction, stop_when_full):
        return self._ids(
            pabutools_rules.exhaustion_by_budget_increase(
                self.instance,
                self.profile,
                pabutools_rules.method_of_equal_shares,
                {"sat_class": SATISFACTION[satisfaction], "tie_breaking": self.by_votes},
                budget_step=100 * self.voters,
                exhaustive_stop=stop_when_full,
                budget_bound=10_000 * self.voters + self.instance.budget_limit,
            )
        )

    @staticmethod
    def _ids(allocation):
        return {int(project.name) for project in allocation}


SATISFACTION = {"cost": pabutools_election.Cost_Sat, "cardinality": pabutools_election.Cardinality_Sat}


def candidates_of(costs, ballots):
    votes = Counter()
    for ballot, n in ballots.items():
        votes.update(dict.fromkeys(ballot, n))
    return [Candidate(p, votes[p], cost) for p, cost in costs.items()]


# ---- greedy


def test_greedy():
    for budget, costs, ballots in elections("greedy"):
        ours = fund(candidates_of(costs, ballots), budget, "greedy")
        assert set(ours.funded) == Oracle(budget, costs, ballots).greedy(), (budget, costs, ballots)


@pytest.mark.parametrize("method", ["greedy", "greedy_threshold", "greedy_no_skip"])
def test_greedy_rules_by_pabulib_s_text(method):
    """Pabulib: projects by votes; each that fits is selected. With a threshold those below it are not; without
    skipping the first that does not fit ends it."""
    for budget, costs, ballots in elections(method):
        candidates = candidates_of(costs, ballots)
        least = budget // 100 % 4
        left, selected = budget, set()
        for c in sorted(candidates, key=lambda c: (-c.score, c.cost, c.id)):
            if method == "greedy_threshold" and c.score < least:
                continue
            if c.cost <= left:
                selected.add(c.id)
                left -= c.cost
            elif method == "greedy_no_skip":
                break
        assert set(fund(candidates, budget, method, least).funded) == selected


# ---- equal shares


@pytest.mark.parametrize("satisfaction", ["cost", "cardinality"])
def test_equal_shares(satisfaction):
    for budget, costs, ballots in elections(f"equal shares {satisfaction}"):
        ours = equal_shares(Electorate(costs, ballots), budget, satisfaction=satisfaction, completion="none")
        theirs = Oracle(budget, costs, ballots).equal_shares(satisfaction)
        assert set(ours.funded) == theirs, (budget, costs, ballots)


@pytest.mark.parametrize("satisfaction", ["cost", "cardinality"])
def test_of_all_tied_outcomes_ours_is_one(satisfaction):
    several = 0
    for budget, costs, ballots in elections(f"ties {satisfaction}"):
        if len(costs) > 5:
            continue  # following every tie is exponential
        ours = equal_shares(Electorate(costs, ballots), budget, satisfaction=satisfaction, completion="none")
        every = Oracle(budget, costs, ballots).equal_shares(satisfaction, resoluteness=False)
        assert set(ours.funded) in every, (budget, costs, ballots)
        several += len(every) > 1
        if len(every) > 1:
            assert any(purchase.equals for purchase in ours.purchases)  # and it is reported
    assert several > COUNT // 50


@pytest.mark.parametrize(("satisfaction", "full"), list(product(["cost", "cardinality"], [False, True])))
def test_equal_shares_with_add1(satisfaction, full):
    for budget, costs, ballots in elections(f"add1 {satisfaction} {full}"):
        voters = Electorate(costs, ballots)
        ours = equal_shares(voters, budget, satisfaction=satisfaction, stop_when_full=full)
        assert set(ours.funded) == Oracle(budget, costs, ballots).add1(satisfaction, full), (budget, costs, ballots)


@pytest.mark.parametrize("satisfaction", ["cost", "cardinality"])
def test_equal_shares_with_add1u(satisfaction):
    for budget, costs, ballots in elections(f"add1u {satisfaction}"):
        ours = equal_shares(Electorate(costs, ballots), budget, satisfaction=satisfaction, completion="add1u")
        oracle = Oracle(budget, costs, ballots)
        assert set(ours.funded) == oracle.greedy(oracle.add1(satisfaction, False)), (budget, costs, ballots)


def test_a_project_that_costs_nothing():
    """It takes nothing from anybody: its voters always hold its cost together, and it always fits."""
    voters = Electorate({1: 0, 2: 500}, {(1,): 1, (2,): 4})
    assert equal_shares(voters, 500, completion="none").funded == (1,)
    assert fund([Candidate(1, 1, 0), Candidate(2, 4, 500)], 500, "greedy").funded == (2, 1)
