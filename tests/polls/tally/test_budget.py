from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.polls.tally.questions import HARD_TO_SAY, budget, profile

from polls.definition import Budget
from polls.tally import Profile, tally
from polls.tally.funding import Candidate, fund

METHODS = ("greedy", "greedy_threshold", "greedy_no_skip")


def by_votes(votes, **more):
    """A profile in which project k + 1 has votes[k], one project a ballot."""
    return profile([([k + 1], n) for k, n in enumerate(votes)], **more)


def test_greedy_passes_over_what_does_not_fit():
    outcome = tally(budget([60, 50, 40, 10], budget=100), by_votes([9, 8, 7, 6]))
    assert outcome.winners == (1, 3)
    assert [(o.funded, o.why, o.remaining) for o in outcome.options] == [
        (True, "funded", 40),
        (False, "over_budget", 40),
        (True, "funded", 0),
        (False, "over_budget", 0),
    ]


def test_no_skip_stops_at_the_first_that_does_not_fit():
    outcome = tally(budget([60, 50, 40, 10], budget=100, method="greedy_no_skip"), by_votes([9, 8, 7, 6]))
    assert outcome.winners == (1,)
    assert [o.why for o in outcome.options] == ["funded", "over_budget", "after_stop", "after_stop"]


def test_the_least_score_binds_greedy_threshold_only():
    given_ = by_votes([9, 5, 4])
    costs = [10, 10, 10]
    assert tally(budget(costs, budget=100, method="greedy_threshold", min_score=5), given_).winners == (1, 2)
    assert tally(budget(costs, budget=100, method="greedy", min_score=5), given_).winners == (1, 2, 3)


def test_equal_votes_the_cheaper_first():
    outcome = tally(budget([60, 50], budget=70), by_votes([5, 5]))
    assert outcome.winners == (2,)
    assert outcome.ties == ()
    (step,) = [s for s in outcome.steps if s.code == "equal_votes"]
    assert step.facts == {"options": [2, 1], "votes": 5, "matters": True}


def test_equals_that_do_not_all_fit_share_one_fate_and_the_money_passes_on():
    outcome = tally(budget([40, 40, 40, 20], budget=100), by_votes([5, 5, 5, 1]))
    assert outcome.winners == (4,)
    (tie,) = outcome.ties
    assert (tie.options, tie.seats, tie.resolution, tie.kind, tie.open) == ((1, 2, 3), 2, "joint", "budget", False)
    assert [o.why for o in outcome.options] == ["tied", "tied", "tied", "funded"]
    assert [o.place for o in outcome.options] == [1, 1, 1, 4]
    assert (outcome.order, outcome.steps[-2].facts) == ((1, 2, 3, 4), {"spent": 20, "remaining": 80})
    stopped = tally(budget([40, 40, 10], budget=60, method="greedy_no_skip"), by_votes([5, 5, 1]))
    assert (stopped.winners, stopped.option(3).why) == ((), "after_stop")


def test_a_lot_or_the_chair_decides_between_equals():
    question, given_ = budget([40, 40, 40, 20], budget=100, tie="lot"), by_votes([5, 5, 5, 1])
    asked = []

    def order(stage, tied):
        asked.append((stage, tied))
        return [3, 1, 2]

    outcome = tally(question, given_, order)
    assert asked == [(1, (1, 2, 3))]
    assert outcome.winners == (3, 1, 4)
    assert (outcome.ties[0].resolution, outcome.ties[0].order) == ("order", (3, 1, 2))
    assert outcome.order == (3, 1, 2, 4)
    assert [o.why for o in outcome.options] == ["funded", "over_budget", "funded", "funded"]
    assert tally(question, given_, lambda stage, tied: None).ties[0].open
    with pytest.raises(ValueError, match="not one of them"):
        tally(question, given_, lambda stage, tied: [3, 1])


def grouped(costs, groups, **rule):
    """A budget with exclusive groups."""
    return Budget(**{**budget(costs, **rule).model_dump(), "exclusive_groups": groups})


def test_of_an_exclusive_group_one_is_funded():
    outcome = tally(grouped([10, 20, 30], [[1, 2]], budget=100), by_votes([5, 9, 1]))
    assert outcome.winners == (2, 3)
    assert outcome.option(1).why == "excluded"
    both = Budget(**{**grouped([10, 20], [[1, 2]], budget=100).model_dump(), "exclusive_on_ballot": True})
    with pytest.raises(ValueError, match="exclude each other"):
        tally(both, profile([([1, 2], 1)]))


def test_rivals_equal_in_votes_and_cost():
    # There is money for everything: 3 is no part of the tie between 1 and 2, and 4 is their lesser rival.
    question = grouped([10, 10, 10, 10], [[1, 2, 4]], budget=100)
    joint = tally(question, by_votes([5, 5, 5, 1]))
    assert [o.why for o in joint.options] == ["tied", "tied", "funded", "funded"]
    assert joint.ties[0].options == (1, 2)
    question = grouped([10, 10, 10, 10], [[1, 2, 4]], budget=100, tie="chair")
    left = tally(question, by_votes([5, 5, 5, 1]))
    assert [o.why for o in left.options] == ["tie_open", "tie_open", "funded", "excluded"]
    assert left.option(4).remaining == 80  # the money of 1 or 2 is kept aside
    named = tally(question, by_votes([5, 5, 5, 1]), lambda stage, tied: [2, 1])
    assert [o.why for o in named.options] == ["excluded", "funded", "funded", "excluded"]


def test_an_open_tie_that_others_hang_on_stops_the_count():
    # 1 or 2 fits, and each has a rival further down: which rival is out is open, and so is all the money after.
    question = grouped([60, 60, 20, 20, 10], [[1, 3], [2, 4]], budget=100, tie="lot")
    left = tally(question, by_votes([9, 9, 5, 4, 3]))
    assert left.winners == ()
    assert [o.why for o in left.options] == ["tie_open"] * 2 + ["after_open_tie"] * 3
    drawn = tally(question, by_votes([9, 9, 5, 4, 3]), lambda stage, tied: [2, 1])
    assert drawn.winners == (2, 3, 5)
    assert drawn.option(4).why == "excluded"


def test_a_least_number_of_votes_and_a_wider_denominator():
    outcome = tally(budget([10, 10, 10], budget=100, min_votes=4), by_votes([6, 4, 3]))
    assert [o.why for o in outcome.options] == ["funded", "funded", "below_threshold"]
    given_ = profile([([1], 5), ([], 3), ([HARD_TO_SAY], 2)])
    assert tally(budget([10], budget=100, threshold="1/2"), given_).threshold_met
    wide = tally(budget([10], budget=100, threshold="1/2", also_valid=["neutral", "blank"]), given_)
    assert (wide.threshold_met, wide.denominator_n, wide.valid) == (False, 10, 5)


def test_a_tie_for_the_chair_funds_none_of_the_tied_and_keeps_their_money_aside():
    outcome = tally(budget([40, 40, 40, 20, 10], budget=100, tie="chair"), by_votes([5, 5, 5, 1, 0]))
    assert outcome.winners == (4,)
    assert outcome.ties[0].open
    assert [o.why for o in outcome.options] == ["tie_open"] * 3 + ["funded", "over_budget"]
    stopped = tally(budget([40, 40, 10], budget=60, tie="chair", method="greedy_no_skip"), by_votes([5, 5, 1]))
    assert [o.why for o in stopped.options] == ["tie_open", "tie_open", "after_stop"]


def test_equal_votes_and_cost_where_all_or_none_fit_are_no_tie():
    assert tally(budget([40, 40], budget=80), by_votes([5, 5])).ties == ()
    assert tally(budget([40, 40], budget=39), by_votes([5, 5])).ties == ()


def test_projects_without_votes_are_funded_by_plain_greedy_and_said():
    outcome = tally(budget([10, 10], budget=100), by_votes([3, 0]))
    assert outcome.winners == (1, 2)
    assert [s.facts for s in outcome.steps if s.code == "funded_without_votes"] == [{"options": [2]}]
    assert tally(budget([10, 10], budget=100, method="greedy_threshold", min_score=1), by_votes([3, 0])).winners == (1,)


def test_no_money_no_projects_and_projects_that_cost_nothing():
    assert tally(budget([10, 0], budget=0), by_votes([3, 1])).winners == (2,)
    assert tally(budget([], budget=100), profile([([], 2)])).winners == ()
    assert tally(budget([101], budget=100), by_votes([3])).option(1).why == "over_budget"


def test_ballots_may_ask_for_more_than_the_budget_but_not_more_than_a_ballot_may():
    question = budget([60, 60], budget=60)
    assert tally(question, profile([([1, 2], 3), ([HARD_TO_SAY], 1), ([], 2)])).valid == 3
    limited = Budget(**{**question.model_dump(), "ballot_limit": 100})
    with pytest.raises(ValueError, match="more than one ballot may spend"):
        tally(limited, profile([([1, 2], 3)]))


def test_a_share_threshold_and_an_unknown_roll():
    given_ = by_votes([6, 3])
    met = tally(budget([10, 10], budget=100, threshold="1/3"), given_)
    assert (met.winners, met.option(2).why, met.threshold_met) == ((1,), "below_threshold", True)
    unknown = tally(budget([10, 10], budget=100, threshold="1/3", denominator="entitled"), given_)
    assert (unknown.winners, unknown.option(1).why, unknown.threshold_met) == ((), "threshold_unknown", None)


def test_a_project_without_a_cost_is_a_programming_error():
    question = Budget(id=7, options=[{"id": 1}])
    with pytest.raises(ValueError, match="project 1 has no cost"):
        tally(question, profile([]))
    with pytest.raises(ValueError, match="not negative"):
        fund([Candidate("a", 1, -1)], 10, "greedy")


def test_an_answer_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="question 7"):
        tally(budget([10]), Profile({"[2]": 1}))


# ---- properties

PROJECTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), min_size=1, max_size=6)
SETTINGS = {"method": st.sampled_from(METHODS), "min_score": st.integers(0, 3), "money": st.integers(0, 40)}


def count(projects, money, method, min_score=0, **more):
    question = budget([c for _, c in projects], budget=money, method=method, min_score=min_score, **more)
    return tally(question, by_votes([v for v, _ in projects]))


def oracle(projects, money, method, min_score, order=None):
    """Repeatedly takes the best project not yet looked at: written with no sorting and no groups."""
    left = dict(enumerate(projects))
    rank = order or list(left)
    funded = set()
    while left:
        best = None
        for i in rank:
            if i not in left:
                continue
            if (
                best is None
                or left[i][0] > left[best][0]
                or (left[i][0] == left[best][0] and left[i][1] < left[best][1])
            ):
                best = i
        votes, cost = left.pop(best)
        if method == "greedy_threshold" and votes < min_score:
            continue
        if cost <= money:
            money -= cost
            funded.add(best + 1)
        elif method == "greedy_no_skip":
            break
    return funded


@given(projects=PROJECTS, **SETTINGS)
@settings(deadline=None)
def test_funded_is_what_the_rule_says(projects, method, min_score, money):
    question = budget([c for _, c in projects], budget=money, method=method, min_score=min_score, tie="lot")
    outcome = tally(question, by_votes([v for v, _ in projects]), lambda stage, tied: tied)
    assert set(outcome.winners) == oracle(projects, money, method, min_score)
    assert sum(projects[i - 1][1] for i in outcome.winners) <= money


@given(projects=PROJECTS.filter(lambda p: len(p) <= 4), **SETTINGS)
@settings(deadline=None)
def test_a_tie_is_reported_exactly_when_stated_order_changes_what_is_funded(projects, method, min_score, money):
    outcomes = {
        frozenset(oracle(projects, money, method, min_score, order)) for order in permutations(range(len(projects)))
    }
    outcome = count(projects, money, method, min_score)
    assert bool(outcome.ties) == (len(outcomes) > 1)
    if outcome.ties:
        left_open = count(projects, money, method, min_score, tie="chair")
        tied = {i for tie in left_open.ties for i in tie.options}
        assert left_open.ties and all(tie.open for tie in left_open.ties)
        # What the chair cannot change is funded already, and what no choice of the chair funds is not.
        assert set(left_open.winners) == frozenset.intersection(*outcomes)
        assert frozenset.union(*outcomes) == set(left_open.winners) | tied
        # Under joint ties equals share one fate, whatever they are called.
        for tie in outcome.ties:
            assert not set(tie.options).intersection(outcome.winners)
    fates = {}
    for (votes, cost), found in zip(projects, outcome.options, strict=True):
        assert fates.setdefault((votes, cost), found.why) == found.why


@given(projects=PROJECTS, **SETTINGS)
@settings(deadline=None)
def test_equal_votes_matter_exactly_when_another_order_among_them_funds_others(projects, method, min_score, money):
    candidates = [Candidate(i, votes, cost) for i, (votes, cost) in enumerate(projects)]
    allocation = fund(candidates, money, method, min_score)
    # Only the first group met: later ones start from money that earlier choices left.
    for equal in allocation.equal_scores[:1]:
        before = allocation.decisions[: [d.id for d in allocation.decisions].index(equal.ids[0])]
        if any(not d.funded for d in before) and method == "greedy_no_skip":
            assert not equal.matters
            continue
        start = before[-1].remaining if before else money
        results = set()
        for order in permutations(equal.ids):
            left, funded = start, set()
            for i in order:
                if method == "greedy_threshold" and equal.score < min_score:
                    break
                if projects[i][1] <= left:
                    left -= projects[i][1]
                    funded.add(i)
                elif method == "greedy_no_skip":
                    break
            results.add(frozenset(funded))
        assert equal.matters == (len(results) > 1)


@given(projects=PROJECTS, money=SETTINGS["money"])
@settings(deadline=None)
def test_no_skip_funds_a_prefix_of_the_order(projects, money):
    outcome = count(projects, money, "greedy_no_skip")
    assert outcome.order[: len(outcome.winners)] == outcome.winners


@given(projects=PROJECTS, which=st.integers(0, 5), **SETTINGS)
@settings(deadline=None)
def test_one_more_vote_never_takes_the_money_away(projects, which, method, min_score, money):
    which %= len(projects)
    before = count(projects, money, method, min_score)
    more = [(v + (k == which), c) for k, (v, c) in enumerate(projects)]
    after = count(more, money, method, min_score)
    assert which + 1 not in before.winners or which + 1 in after.winners


@given(projects=PROJECTS, names=st.permutations(range(1, 7)), **SETTINGS)
@settings(deadline=None)
def test_names_of_projects_do_not_matter(projects, names, method, min_score, money):
    names = names[: len(projects)]
    costs = [c for _, c in projects]
    first = count(projects, money, method, min_score)
    question = budget(costs, ids=names, budget=money, method=method, min_score=min_score)
    second = tally(question, profile([([i], v) for i, (v, _) in zip(names, projects, strict=True)]))
    assert tuple(names[i - 1] for i in first.winners) == second.winners


@given(projects=PROJECTS, factor=st.integers(2, 10**6), money=SETTINGS["money"], method=SETTINGS["method"])
@settings(deadline=None)
def test_more_ballots_of_the_same_kind_fund_the_same(projects, factor, money, method):
    first = count(projects, money, method)
    second = count([(v * factor, c) for v, c in projects], money, method)
    assert (first.order, first.winners, first.ties) == (second.order, second.winners, second.ties)
