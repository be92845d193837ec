from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.polls.tally.questions import HARD_TO_SAY, profile, single

from polls.definition import BaseQuestion, Denominator, Tie
from polls.errors import RuleUnknown
from polls.tally import Profile, tally

# Tennessee's capital, the textbook example: Memphis 42, Nashville 26, Knoxville 17, Chattanooga 15.
TENNESSEE = profile([([1], 42), ([2], 26), ([4], 17), ([3], 15)])


def test_most_votes_wins():
    outcome = tally(single((1, 2, 3, 4)), TENNESSEE)
    assert outcome.winners == (1,)
    assert outcome.order == (1, 2, 4, 3)
    assert [(o.id, o.votes, o.share, o.place) for o in outcome.options] == [
        (1, 42, Fraction(42, 100), 1),
        (2, 26, Fraction(26, 100), 2),
        (3, 15, Fraction(15, 100), 4),
        (4, 17, Fraction(17, 100), 3),
    ]
    assert (outcome.ties, outcome.threshold_met) == ((), None)


def test_blank_and_neutral_are_classes_of_their_own():
    outcome = tally(single(), profile([([1], 6), ([2], 2), ([], 3), ([HARD_TO_SAY], 5)], entitled=40))
    assert (outcome.cast, outcome.valid, outcome.blank) == (16, 8, 3)
    assert (outcome.neutral, outcome.neutral_total) == ({HARD_TO_SAY: 5}, 5)
    assert outcome.option(1).share == Fraction(6, 8)
    assert HARD_TO_SAY not in outcome.order


@pytest.mark.parametrize(
    ("denominator", "share"),
    [(Denominator.VALID, Fraction(6, 8)), (Denominator.CAST, Fraction(6, 16)), (Denominator.ENTITLED, Fraction(6, 40))],
)
def test_a_share_is_of_the_declared_denominator(denominator, share):
    given_ = profile([([1], 6), ([2], 2), ([], 3), ([HARD_TO_SAY], 5)], entitled=40)
    outcome = tally(single(denominator=denominator), given_)
    assert outcome.option(1).share == share
    assert outcome.denominator == denominator.value
    assert outcome.denominator_n == share.denominator * (6 // share.numerator)


def test_an_unknown_roll_gives_no_figure():
    outcome = tally(single(denominator="entitled", threshold="1/2"), profile([([1], 6)]))
    assert outcome.denominator_n is None
    assert outcome.option(1).share is None
    assert outcome.threshold_met is None
    assert outcome.winners == ()
    assert "threshold_unknown" in [step.code for step in outcome.steps]


def test_a_threshold_asks_for_strictly_more():
    half = tally(single(threshold="1/2"), profile([([1], 5), ([2], 5)]))
    assert (half.threshold_met, half.winners) == (False, ())
    more = tally(single(threshold="1/2"), profile([([1], 6), ([2], 5)]))
    assert (more.threshold_met, more.winners) == (True, (1,))


def test_a_threshold_is_exact_where_floats_are_not():
    # 2/3 of 3·10^17 + 3: a double cannot tell the line from the line plus one.
    n = 10**17 + 1
    at = tally(single(threshold="2/3"), Profile({"[1]": 2 * n, "[2]": n}))
    above = tally(single(threshold="2/3"), Profile({"[1]": 2 * n + 1, "[2]": n - 1}))
    assert (at.threshold_met, above.threshold_met) == (False, True)


def test_a_joint_tie_lets_all_win_and_is_reported():
    outcome = tally(single(tie=Tie.JOINT), profile([([2], 4), ([1], 4), ([3], 1)]))
    assert outcome.winners == (1, 2)
    (tie,) = outcome.ties
    assert (tie.options, tie.place, tie.seats, tie.resolution, tie.open) == ((1, 2), 1, 1, "joint", False)
    assert [outcome.option(i).place for i in (1, 2, 3)] == [1, 1, 3]


def test_a_tie_for_the_chair_leaves_only_those_above_it():
    outcome = tally(single(tie=Tie.CHAIR, winners=2), profile([([1], 9), ([2], 4), ([3], 4)]))
    assert outcome.winners == (1,)
    (tie,) = outcome.ties
    assert (tie.options, tie.place, tie.seats, tie.open) == ((2, 3), 2, 1, True)


def test_equal_places_away_from_the_line_are_no_tie():
    assert tally(single(winners=2), profile([([1], 4), ([2], 4), ([3], 1)])).ties == ()
    assert tally(single(winners=1), profile([([1], 9), ([2], 4), ([3], 4)])).ties == ()


def test_nobody_wins_without_votes():
    for given_ in (profile([]), profile([([], 5)]), profile([([1], 0)])):
        outcome = tally(single(), given_)
        assert outcome.winners == ()
        assert outcome.ties == ()
        assert outcome.option(1).share is None
        assert "no_votes" in [step.code for step in outcome.steps]


def test_more_ballots_than_the_roll_is_said():
    outcome = tally(single(), profile([([1], 6)], entitled=5))
    (step,) = [step for step in outcome.steps if step.code == "cast_exceeds_roll"]
    assert step.facts == {"cast": 6, "entitled": 5}


@pytest.mark.parametrize(
    "text",
    [
        "[1",
        "[٣]",
        "[" * 10_000,
        "[" + "9" * 10_000 + "]",
        "[4]",
        "[1,2]",
        "[ 1]",
        "[01]",
        "[1.0]",
        "[true]",
        '["1"]',
        "[[1,5]]",
        "1",
        "",
        "null",
        "[-1]",
        "[90,1]",
        "[1]\n",
    ],
)
def test_an_answer_that_does_not_fit_is_named_and_never_counted(text):
    with pytest.raises(ValueError, match="question 7") as caught:
        tally(single(), Profile({"[1]": 3, text: 1}))
    assert repr(text)[:100] in str(caught.value)


@pytest.mark.parametrize("n", [-1, True, 1.0])
def test_a_number_of_ballots_is_a_natural_number(n):
    with pytest.raises(ValueError, match="number of ballots"):
        tally(single(), Profile({"[1]": n}))


def test_an_unknown_kind_is_refused():
    with pytest.raises(RuleUnknown):
        tally(BaseQuestion(id=1), profile([]))


# ---- properties

IDS = (1, 2, 3, 4)
COUNTS = st.lists(st.integers(0, 9), min_size=4, max_size=4)
RULES = st.fixed_dictionaries(
    {
        "winners": st.integers(1, 4),
        "tie": st.sampled_from(Tie),
        "threshold": st.sampled_from([None, "1/4", "1/2"]),
        "denominator": st.sampled_from(Denominator),
    }
)


def _oracle(counts, winners, tie, threshold, base):
    """The declared rule said the other way round: an option wins when too few options are before it."""
    won = set()
    for i, n in enumerate(counts):
        if n == 0 or (threshold and not Fraction(n) > Fraction(threshold) * base):
            continue
        at_least = sum(1 for m in counts if m >= n)
        before = sum(1 for m in counts if m > n)
        if at_least <= winners or (tie is Tie.JOINT and before < winners):
            won.add(IDS[i])
    return won


@given(COUNTS, st.integers(0, 5), RULES)
@settings(deadline=None)
def test_winners_are_those_of_the_rule(counts, blank, rule):
    given_ = profile([([i], n) for i, n in zip(IDS, counts, strict=True)] + [([], blank)], entitled=60)
    outcome = tally(single(IDS, **rule), given_)
    assert set(outcome.winners) == _oracle(
        counts, rule["winners"], rule["tie"], rule["threshold"], outcome.denominator_n
    )
    assert outcome.cast == outcome.valid + outcome.blank + outcome.neutral_total


@given(COUNTS, RULES, st.permutations(IDS))
@settings(deadline=None)
def test_names_of_options_do_not_matter(counts, rule, renamed):
    to = dict(zip(IDS, renamed, strict=True))
    first = tally(single(IDS, **rule), profile(([i], n) for i, n in zip(IDS, counts, strict=True)))
    second = tally(single(IDS, **rule), profile(([to[i]], n) for i, n in zip(IDS, counts, strict=True)))
    assert {to[i] for i in first.winners} == set(second.winners)
    assert {to[o.id]: (o.votes, o.share, o.place) for o in first.options} == {
        o.id: (o.votes, o.share, o.place) for o in second.options
    }


@given(COUNTS, RULES, st.integers(2, 10**9))
@settings(deadline=None)
def test_scaling_the_profile_scales_the_votes_and_keeps_the_order(counts, rule, factor):
    first = tally(single(IDS, **rule), profile((([i], n) for i, n in zip(IDS, counts, strict=True)), 50))
    second = tally(
        single(IDS, **rule), profile((([i], n * factor) for i, n in zip(IDS, counts, strict=True)), 50 * factor)
    )
    assert [o.votes * factor for o in first.options] == [o.votes for o in second.options]
    assert (first.order, first.winners, first.ties) == (second.order, second.winners, second.ties)
    assert [o.share for o in first.options] == [o.share for o in second.options]


@given(COUNTS, st.integers(0, 1000))
@settings(deadline=None)
def test_blank_ballots_never_change_shares_of_valid_answers(counts, blank):
    votes = [([i], n) for i, n in zip(IDS, counts, strict=True)]
    first = tally(single(IDS, threshold="1/2"), profile(votes))
    second = tally(single(IDS, threshold="1/2"), profile([*votes, ([], blank)]))
    assert first.options == second.options
    assert first.winners == second.winners
