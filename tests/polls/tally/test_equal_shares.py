"""Equal shares: an example by hand, a plain count voter by voter, properties."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polls.tally.equal_shares import Electorate, buy, compare, equal_shares


def electorate(costs, **ballots):
    """``a=3, ab=2``: three voters of a, two of a and b; costs in hundredths."""
    return Electorate(costs, {tuple(word.strip("_")): n for word, n in ballots.items()})


def test_an_example_by_hand():
    # 10 voters, 1,000: 100 each. a (600) has 6 voters, b (400) has 5 of them and one more, c (300) has 4 others.
    voters = electorate({"a": 600, "b": 400, "c": 300}, ab=5, a=1, bc=1, c=3)
    bought = buy(voters, Fraction(100))
    # b: 400 among 6 is 66 2/3 each, effective votes 6; a: 100 each, 6 as well; c: 75 each, 4. Equal: the cheaper, b.
    assert [(p.id, p.payers, p.effective_votes) for p in bought[:1]] == [("b", 6, 6)]
    assert bought[0].equals == ("b", "a")
    # Then a's voters hold 5 x 33 1/3 + 100 < 600; c's: 33 1/3 + 300 = 333 1/3, 300 of it: 88 8/9 from three of them.
    whole = equal_shares(voters, 1000, completion="none")
    assert whole.funded == ("b", "c")
    assert whole.purchases[1].price == Fraction(300 * 3 - 100, 9)
    assert whole.remaining == 300


def test_a_completion_never_overspends_and_says_how_far_it_went():
    voters = electorate({"a": 600, "b": 400, "c": 300}, ab=5, a=1, bc=1, c=3)
    outcome = equal_shares(voters, 1000, increment=10)
    assert (outcome.funded, outcome.remaining) == (("b", "c"), 300)
    codes = [step.code for step in outcome.steps]
    assert codes == ["shares", "equal_support", "bought", "bought", "budget_spent"]


def test_the_greedy_rule_spends_what_is_left():
    voters = electorate({"a": 600, "b": 400, "c": 300, "d": 250}, ab=5, a=1, bc=1, c=3)
    outcome = equal_shares(voters, 1000, completion="add1u", increment=10)
    assert (outcome.funded, outcome.completed) == (("b", "c", "d"), ("d",))


def test_the_comparison_takes_what_more_voters_prefer():
    # One voter of a cheap project would keep 60 voters of a dear one from theirs.
    voters = electorate({"a": 1000, "b": 10}, a=60, b=1)
    outcome = equal_shares(voters, 1000, completion="none", comparison=True)
    assert outcome.purchases[0].id == "b"
    assert (outcome.preferred, outcome.greedy_taken, outcome.funded) == ((1, 60), True, ("a",))


@pytest.mark.parametrize("wrong", [{"a": -1}, {}])
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(ValueError, match=r"project|negative"):
        electorate(wrong, a=1)
    with pytest.raises(ValueError, match="budget"):
        equal_shares(electorate({"a": 1}, a=1), -1)


@st.composite
def elections(draw):
    size = draw(st.integers(1, 5))
    costs = {p: draw(st.integers(0, 12)) * 10 for p in range(size)}
    ballots = Counter()
    for _ in range(draw(st.integers(1, 6))):
        ballots[tuple(sorted(draw(st.sets(st.integers(0, size - 1)))))] += draw(st.integers(1, 4))
    return costs, dict(ballots), draw(st.integers(0, 400))


def voter_by_voter(costs, ballots, share, cardinality=False):
    """The rule as it is written, with a Fraction of money for every voter."""
    voters = [set(projects) for projects, n in ballots.items() for _ in range(n)]
    money = [Fraction(share)] * len(voters)
    left = [p for p in costs if any(p in v for v in voters)]
    bought = []
    while True:
        offers = []
        for p in left:
            fans = [i for i, v in enumerate(voters) if p in v]
            if sum(money[i] for i in fans) < costs[p]:
                continue
            due, paying = Fraction(costs[p]), sorted(fans, key=lambda i: money[i])
            while paying and money[paying[0]] * len(paying) < due:
                due -= money[paying.pop(0)]
            price = due / len(paying)
            per = price if cardinality else price / costs[p] if costs[p] else Fraction(0)
            offers.append((per, costs[p], -len(fans), p, price, fans))
        if not offers:
            return bought
        _, _, _, p, price, fans = min(offers)
        for i in fans:
            money[i] = max(money[i] - price, Fraction(0))
        left.remove(p)
        bought.append(p)


@given(elections())
@settings(max_examples=150, deadline=None)
def test_the_market_voter_by_voter(found):
    costs, ballots, budget = found
    voters = Electorate(costs, ballots)
    share = Fraction(budget, voters.voters)
    assert [p.id for p in buy(voters, share)] == voter_by_voter(costs, ballots, share)
    assert {p.id for p in buy(voters, share, "cardinality")} == set(voter_by_voter(costs, ballots, share, True))


@given(elections(), st.sampled_from(["none", "add1", "add1u"]), st.sampled_from(["cost", "cardinality"]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_money_is_never_overspent_and_prices_add_up(found, completion, satisfaction, full):
    costs, ballots, budget = found
    voters = Electorate(costs, ballots)
    outcome = equal_shares(
        voters, budget, completion=completion, satisfaction=satisfaction, increment=5, stop_when_full=full
    )
    assert outcome.remaining == budget - sum(costs[p] for p in outcome.funded) >= 0
    assert len(set(outcome.funded)) == len(outcome.funded)
    # Scaling voters and money together changes nothing, if a voter's part grows as it did.
    larger = Electorate(costs, {projects: n * 3 for projects, n in ballots.items()})
    for purchase in outcome.purchases:
        assert purchase.price * voters.votes[purchase.id] >= costs[purchase.id]
    assert [p.id for p in buy(larger, outcome.share / 3, satisfaction)] == [p.id for p in outcome.purchases]


@given(elections())
@settings(max_examples=60, deadline=None)
def test_comparison_counts_voters(found):
    costs, ballots, _ = found
    voters = Electorate(costs, ballots)
    some, other = list(costs)[::2], list(costs)[1:]
    expected = [0, 0]
    for projects, n in ballots.items():
        a, b = len(set(projects) & set(some)), len(set(projects) & set(other))
        expected[0] += n * (a > b)
        expected[1] += n * (b > a)
    assert compare(voters, some, other) == tuple(expected)
