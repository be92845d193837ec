"""Majority judgment, trimmed means and points: facts of the literature and plain counts beside them."""

import statistics
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polls.tally.majority_judgment import compare_judgment, count_majority_judgment, majority_grade
from polls.tally.points import canonical_points, count_points
from polls.tally.ties import TieRule
from polls.tally.trimmed_mean import trimmed_mean

GRADES = st.dictionaries(st.integers(1, 5), st.integers(0, 6), min_size=1).filter(lambda d: any(d.values()))

# ---- majority judgment


def test_orsay_2007():
    # Balinski & Laraki, "Election by Majority Judgment: Experimental Evidence" (2007): three precincts of Orsay, in
    # tenths of a percent; Excellent 6 … Reject 1. Bayrou is Good with 44.3 above, Royal Good with 39.4 above and 41.5
    # below, Sarkozy Good with 38.9 above and 46.8 below.
    levels = {
        1: {6: 136, 5: 307, 4: 251, 3: 148, 2: 84, 1: 74},  # Bayrou
        2: {6: 167, 5: 227, 4: 191, 3: 168, 2: 122, 1: 125},  # Royal
        3: {6: 191, 5: 198, 4: 143, 3: 115, 2: 71, 1: 282},  # Sarkozy
    }
    outcome = count_majority_judgment(levels, ballots=1000)
    assert outcome.order == ((1,), (2,), (3,))
    assert set(outcome.grades.values()) == {4}
    assert (outcome.above, outcome.below) == ({1: 443, 2: 394, 3: 389}, {1: 306, 2: 415, 3: 468})


def test_the_middle_is_the_lower_one_and_ties_go_grade_by_grade():
    assert majority_grade({1: 1, 5: 1}) == 1
    assert majority_grade({1: 1, 3: 1, 5: 1}) == 3
    assert majority_grade({}) is None
    # Middle 3 both; without it {2,4} and {1,5}: 2 is better than 1.
    assert compare_judgment({2: 1, 3: 1, 4: 1}, {1: 1, 3: 1, 5: 1}) == 1
    assert compare_judgment({2: 2, 4: 2}, {2: 1, 4: 1}) == 0


def test_ballots_that_do_not_grade():
    levels = {1: {5: 3}, 2: {4: 6}, 3: {}}
    assert count_majority_judgment(levels, ballots=10).order == ((2,), (1,), (3,))
    left = count_majority_judgment(levels, ballots=10, ungraded="left")
    assert (left.order, left.winners) == (((1,), (2,), (3,)), (1,))
    with pytest.raises(ValueError, match="grades"):
        count_majority_judgment({1: {5: 11}}, ballots=10)


def test_equal_options_are_a_reported_tie():
    levels = {1: {5: 3}, 2: {5: 3}}
    assert count_majority_judgment(levels, ballots=3).winners == (1, 2)
    assert count_majority_judgment(levels, ballots=3, ties=TieRule("chair")).winners == ()
    drawn = count_majority_judgment(levels, ballots=3, ties=TieRule("lot", lambda stage, tied: [2, 1]))
    assert (drawn.winners, drawn.ties[0].resolution) == ((2,), "order")


def value(distribution, times):
    """The majority value as it is defined: take the lower middle away, again and again."""
    grades = sorted(Counter({k: n * times for k, n in distribution.items()}).elements())
    found = []
    while grades:
        found.append(grades.pop((len(grades) - 1) // 2))
    return found


@given(GRADES, GRADES)
@settings(deadline=None)
def test_majority_values_grade_by_grade(a, b):
    n, m = sum(a.values()), sum(b.values())
    first, second = value(a, m), value(b, n)
    assert compare_judgment(a, b) == (first > second) - (first < second)
    assert compare_judgment(a, {k: 10**12 * v for k, v in a.items()}) == 0


@given(GRADES, GRADES)
@settings(deadline=None)
def test_a_better_grade_never_hurts(a, b):
    raised = Counter(a)
    low = min(k for k, n in a.items() if n)
    raised[low] -= 1
    raised[low + 1] += 1
    assert compare_judgment({k: n for k, n in raised.items() if n}, b) >= compare_judgment(a, b)


# ---- trimmed mean


def test_a_trimmed_mean_by_hand():
    # Ten ratings: 1 1 3 3 4 4 4 5 5 5; without a tenth at each end the sum of eight is 29.
    ratings = {1: 2, 3: 2, 4: 3, 5: 3}
    assert trimmed_mean(ratings, Fraction(1, 10)) == Fraction(29, 8)
    assert trimmed_mean(ratings, Fraction(0)) == Fraction(35, 10)
    assert trimmed_mean({}, Fraction(0)) is None
    for wrong in (Fraction(1, 2), Fraction(-1, 9)):
        with pytest.raises(ValueError, match="share"):
            trimmed_mean(ratings, wrong)


@given(GRADES, st.fractions(0, Fraction(49, 100), max_denominator=100))
def test_trimmed_means_by_listing(distribution, share):
    ratings = sorted(Counter(distribution).elements())
    cut = int(share * len(ratings))
    kept = [Fraction(r) for r in ratings[cut : len(ratings) - cut]]
    assert trimmed_mean(distribution, share) == statistics.mean(kept)


# ---- points


def test_points_by_hand():
    found = count_points([1, 2, 3], {"[[1,7],[3,3]]": 2, "[[2,10]]": 1, "[]": 4, "[9]": 5}, most=10, neutral=[9])
    assert found.points == {1: 14, 2: 10, 3: 6}
    assert (found.supporters, found.given, found.unused) == ({1: 2, 2: 1, 3: 2}, 30, 0)
    assert (found.ballots, found.blank, found.neutral) == (3, 4, {9: 5})
    assert found.as_json()["points"] == {"1": 14, "2": 10, "3": 6}
    assert canonical_points({4: 3, 1: 7, 2: 0}) == "[[1,7],[4,3]]"


@pytest.mark.parametrize(
    ("answer", "kwargs"),
    [
        ("[[1,11]]", {"most": 10}),
        ("[[1,9]]", {"most": 10, "exact": True}),
        ("[[1,6]]", {"most_per_option": 5}),
        ("[[3,1],[1,1]]", {}),
        ("[[1,1],[1,1]]", {}),
        ("[[4,1]]", {}),
        ("[[1,0]]", {}),
        ("[1,1]", {}),
        ("[[1, 1]]", {}),
    ],
)
def test_points_that_do_not_fit_are_refused(answer, kwargs):
    with pytest.raises(ValueError, match="answer"):
        count_points([1, 2, 3], {answer: 1}, **kwargs)
