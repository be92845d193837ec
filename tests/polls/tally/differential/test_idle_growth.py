"""Growing voters' parts in one leap where nothing can change, held against growing them one unit at a time."""

import time

import pytest
from tests.polls.tally.differential.profiles import COUNT
from tests.polls.tally.differential.test_budgets import elections

from polls.tally import equal_shares as module
from polls.tally.equal_shares import equal_shares
from polls.tally.market import Electorate

pytestmark = pytest.mark.slow


def unit_by_unit(monkeypatch):
    monkeypatch.setattr(module._Count, "_idle", lambda *_: 0)


@pytest.mark.parametrize("satisfaction", ["cost", "cardinality"])
@pytest.mark.parametrize("ties", ["stated", "joint"])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_leap_ends_where_small_steps_do(monkeypatch, satisfaction, ties, grouped):
    leaps = 0
    for budget, costs, ballots in elections(f"leaps {satisfaction} {ties} {grouped}", count=COUNT // 5):
        voters = Electorate(costs, ballots)
        groups = [list(costs)[:2]] if grouped else []
        rest = {"satisfaction": satisfaction, "ties": ties, "exclusive": groups, "increment": 7}
        leapt = equal_shares(voters, budget, **rest)
        with monkeypatch.context() as context:
            unit_by_unit(context)
            walked = equal_shares(voters, budget, **rest)
        assert leapt.increments == walked.increments, (budget, costs, ballots)
        assert leapt == walked
        leaps += walked.increments > 0
    assert leaps


def test_a_dear_project_of_one_voter_does_not_keep_the_count_for_hours():
    """A budget of 1,000,000 with 100 voters: ten projects everybody wants, and one voter's project of half the money.

    One unit at a time its voter's part grows 495,000 times.
    """
    costs = dict.fromkeys(range(10), 5000000) | {99: 500_000_00}
    voters = Electorate(costs, {tuple(range(10)): 99, (*range(10), 99): 1})
    started = time.perf_counter()
    outcome = equal_shares(voters, 1_000_000_00)
    assert time.perf_counter() - started < 5
    assert (len(outcome.funded), outcome.increments) == (11, 495_000)
