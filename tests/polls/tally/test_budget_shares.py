"""Equal shares as polls have them: through the one door, with ties declared, thresholds and exclusive groups."""

import pytest
from tests.polls.tally.questions import HARD_TO_SAY, budget, profile

from polls.definition import Budget, Tie
from polls.tally import tally
from polls.tally.equal_shares import Electorate, equal_shares

SHARES = {"method": "equal_shares", "completion": "none"}


def whys(outcome):
    return [o.why for o in outcome.options]


def test_the_example_of_the_rule_as_a_poll():
    # tests/polls/tally/test_equal_shares.py has it by hand: 2 is bought at 66 2/3 from six, then 3.
    given_ = profile([([1, 2], 5), ([1], 1), ([2, 3], 1), ([3], 3), ([], 4), ([HARD_TO_SAY], 2)])
    outcome = tally(budget([600, 400, 300], budget=1000, **SHARES), given_)
    assert (outcome.method, outcome.winners) == ("equal_shares", (2, 3))
    assert whys(outcome) == ["not_bought", "funded", "funded"]
    assert [o.place for o in outcome.options] == [2, 1, 3]
    assert [o.remaining for o in outcome.options] == [None, 600, 300]
    codes = [step.code for step in outcome.steps]
    assert codes == [
        "ballots", "denominator", "budget_rule", "ordered", "shares", "equal_support", "bought", "bought", "project",
        "project", "project", "budget_spent", "winners",
    ]  # fmt: skip
    # Ten valid ballots share the budget: those that abstain leave it to the others.
    assert [s.facts["share"] for s in outcome.steps if s.code == "shares"] == ["100/1"]


def test_completion_and_comparison_are_those_declared():
    given_ = profile([([1], 60), ([2], 1)])
    plain = budget([1000, 10], budget=1000, **SHARES)
    compared = budget([1000, 10], budget=1000, **SHARES, compare_with_greedy=True)
    assert tally(plain, given_).winners == (2,)
    outcome = tally(compared, given_)
    assert (outcome.winners, whys(outcome)) == ((1,), ["funded", "over_budget"])
    given_ = profile([([1, 2], 5), ([1], 1), ([2, 3], 1), ([3], 3)])
    greedy_after = budget([600, 400, 300, 250], budget=1000, method="equal_shares", completion="add1u", increment=10)
    outcome = tally(greedy_after, given_)
    assert (outcome.winners, whys(outcome)) == ((2, 3, 4), ["over_budget", "funded", "funded", "funded"])


def test_parts_grow_by_a_thousandth_of_a_voters_part_unless_declared():
    # 30 voters, 3,000,000 units: a part is 100,000 units and grows by 100 of them, ten times until 2 can be bought.
    given_ = profile([([1], 15), ([2], 15)])
    question = budget([1_400_000_00, 1_515_000_00], budget=3_000_000_00, method="equal_shares", completion="add1")
    outcome = tally(question, given_)
    facts = {step.code: step.facts for step in outcome.steps}
    assert facts["budget_rule"]["increment"] == 100_00
    assert (facts["shares"]["increments"], outcome.winners) == (10, (1, 2))
    assert "growth_ended" not in facts
    # A city's part is small, so that one unit is finer than it needs: Łódź had 51,550,000 zł for 90,494 voters.
    city = budget([500_00], budget=51_550_00, method="equal_shares", completion="add1")
    steps = {step.code: step.facts for step in tally(city, profile([([1], 90_494)])).steps}
    assert steps["budget_rule"]["increment"] == 100


def test_projects_below_the_threshold_are_out_and_their_voters_keep_their_part():
    given_ = profile([([1, 3], 6), ([2, 3], 1), ([3], 1)])
    question = budget([200, 100, 500], budget=800, min_votes=2, **SHARES)
    outcome = tally(question, given_)
    assert whys(outcome) == ["funded", "below_threshold", "funded"]


def test_one_of_an_exclusive_group_is_bought():
    question = budget([400, 300, 100], budget=1000, **SHARES)
    question = Budget(**{**question.model_dump(), "exclusive_groups": [[1, 2]]})
    outcome = tally(question, profile([([1, 2], 6), ([1], 2), ([2, 3], 2)]))
    # Equal support of eight voters each, and the cheaper is bought; its rival is off the market though affordable.
    assert whys(outcome) == ["excluded", "funded", "funded"]
    grown = {**question.model_dump(), "rule": {**question.rule.model_dump(), "completion": "add1"}}
    assert tally(Budget(**grown), profile([([1, 2], 6), ([1], 2), ([2, 3], 2)])).winners == outcome.winners


# Everybody wants both; each voter's part, 15, is enough for one of them at 10, and not for the other at 10 more.
SHORT = profile([([1, 2], 10)])
COSTS = [100, 100]


@pytest.mark.parametrize("completion", ["none", "add1", "add1u"])
def test_equals_whose_voters_cannot_pay_for_both(completion):
    rule = {"budget": 150, "method": "equal_shares", "completion": completion, "increment": 1}
    joint = tally(budget(COSTS, **rule), SHORT)
    assert (joint.winners, whys(joint)) == ((), ["tied", "tied"])
    assert {tie.resolution for tie in joint.ties} == {"joint"}
    left = tally(budget(COSTS, tie="lot", **rule), SHORT)
    assert (left.winners, whys(left)) == ((), ["tie_open", "tie_open"])
    (tie,) = left.ties
    assert (tie.options, tie.stage, tie.open) == ((1, 2), 1, True)
    drawn = tally(budget(COSTS, tie="lot", **rule), SHORT, lambda stage, tied: tied[::-1])
    assert drawn.winners == (2,)
    assert [(tie.resolution, tie.order) for tie in drawn.ties if tie.stage == 1] == [("order", (2, 1))]


def test_equals_whose_voters_can_pay_for_both_are_no_tie():
    outcome = tally(budget(COSTS, budget=200, tie="chair", **SHARES), SHORT)
    assert (outcome.winners, outcome.ties) == ((1, 2), ())
    apart = tally(budget(COSTS, budget=200, tie="chair", **SHARES), profile([([1], 5), ([2], 5)]))
    assert (apart.winners, apart.ties) == ((1, 2), ())


def test_an_open_tie_leaves_open_what_may_hang_on_it():
    # 3 is the better bargain and bought first; then 1 and 2 are equal, and their voters can pay for one.
    given_ = profile([([1, 2, 3], 10), ([3], 2)])
    rule = {"budget": 204, "method": "equal_shares", "tie": "chair"}
    bought = tally(budget([100, 100, 12], **rule, completion="none"), given_)
    assert whys(bought) == ["tie_open", "tie_open", "funded"]
    # With more money for everybody the market may end otherwise, so nothing stands yet.
    growing = tally(budget([100, 100, 12], **rule, completion="add1", increment=1), given_)
    assert whys(growing) == ["tie_open", "tie_open", "after_open_tie"]
    decided = tally(budget([100, 100, 12], **rule, completion="add1", increment=1), given_, lambda stage, tied: [2, 1])
    assert decided.winners == (3, 2)


def test_rivals_that_are_equal_do_not_hold_up_a_third():
    question = Budget(**{**budget([100] * 3, budget=300, **SHARES).model_dump(), "exclusive_groups": [[1, 2]]})
    given_ = profile([([1, 2, 3], 10)])
    assert whys(tally(question, given_)) == ["tied", "tied", "funded"]
    growing = question.model_copy(update={"rule": question.rule.model_copy(update={"completion": "add1"})})
    assert whys(tally(growing, given_)) == ["tied", "tied", "funded"]  # and the growing ends
    chair = question.model_copy(update={"rule": question.rule.model_copy(update={"tie": Tie.CHAIR})})
    named = tally(chair, given_, lambda stage, tied: [2, 1])
    assert whys(named) == ["excluded", "funded", "funded"]


def test_one_decision_serves_a_tie_of_which_some_are_bought():
    asked = []

    def order(stage, tied):
        asked.append((stage, tied))
        return tied

    question = budget([100] * 3, budget=250, tie="lot", **SHARES)
    outcome = tally(question, profile([([1, 2, 3], 10)]), order)
    assert (outcome.winners, asked) == ((1, 2), [(1, (1, 2, 3))])


def test_outside_polls_the_stated_order_decides():
    outcome = equal_shares(Electorate({"b": 100, "a": 100}, {("a", "b"): 10}), 150, completion="none")
    assert outcome.funded == ("b",)
    assert outcome.ties[0][1].resolution == "stated_order"


def test_growing_without_end_is_cut_short_and_said(monkeypatch):
    # 1 has used up voters who also want 2, so no leap: 2 would take a part of 550 and so 45 more increments.
    given_ = profile([([1, 2], 1), ([1], 1)])
    question = budget([150, 500], budget=1000, method="equal_shares", completion="add1", increment=10)
    assert tally(question, given_).winners == (1, 2)
    question = budget([150, 900], budget=200, method="equal_shares", completion="add1", increment=1)
    assert not any(step.code == "growth_ended" for step in tally(question, given_).steps)
    monkeypatch.setattr("polls.tally.budget.MOST_TRIES", 0)
    outcome = tally(question, given_)
    assert [step.facts for step in outcome.steps if step.code == "growth_ended"] == [{"tries": 0}]
    assert outcome.winners == (1,)
