import statistics
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.polls.tally.questions import HARD_TO_SAY, profile, rating

from polls.tally import Profile, tally


def test_mean_median_and_distribution_are_of_those_who_rated():
    given_ = profile([([[1, 5], [2, 1]], 2), ([[1, 2]], 1), ([[2, 4]], 1), ([], 3), ([HARD_TO_SAY], 2)])
    outcome = tally(rating(), given_)
    first, second, third = outcome.options
    assert (first.rated, first.mean, first.median) == (3, Fraction(4), Fraction(5))
    assert first.distribution == {1: 0, 2: 1, 3: 0, 4: 0, 5: 2}
    assert (second.rated, second.mean, second.median) == (3, Fraction(2), Fraction(1))
    assert (third.rated, third.mean, third.median, third.place) == (0, None, None, 3)
    assert outcome.valid == 4
    assert first.share == Fraction(3, 4)
    assert outcome.winners == (1,)


def test_the_rule_says_what_orders_and_there_is_no_second_criterion():
    # 1: 5 5 1 1 1 (mean 13/5, median 1); 2: 2 2 2 2 2
    given_ = profile([([[1, 5], [2, 2]], 2), ([[1, 1], [2, 2]], 3)])
    assert tally(rating(order_by="mean"), given_).order[0] == 1
    by_median = tally(rating(order_by="median"), given_)
    assert by_median.order[0] == 2
    (step,) = [s for s in by_median.steps if s.code == "ordered"]
    assert (step.facts["by"], step.facts["then"]) == ("median", None)


def test_equal_means_are_a_reported_tie():
    given_ = profile([([[1, 5], [2, 3]], 1), ([[1, 1]], 1)])
    joint = tally(rating(), given_)
    assert joint.winners == (1, 2)
    assert joint.ties[0].options == (1, 2)
    assert tally(rating(tie="chair"), given_).winners == ()


def test_an_even_number_of_ratings_has_the_exact_middle():
    outcome = tally(rating(order_by="median"), profile([([[1, 2]], 1), ([[1, 5]], 1)]))
    assert outcome.option(1).median == Fraction(7, 2)


def test_nobody_rated_anything():
    outcome = tally(rating(), profile([([], 4)]))
    assert outcome.winners == ()
    assert [o.place for o in outcome.options] == [1, 1, 1]


@pytest.mark.parametrize(
    "text",
    ["[[1,6]]", "[[1,0]]", "[[1,05]]", "[[2,3],[1,3]]", "[[1,3],[1,3]]", "[[4,3]]", "[[90,3]]", "[1]", "[[1,5],]"],
)
def test_an_answer_that_does_not_fit_is_named(text):
    with pytest.raises(ValueError, match="question 7"):
        tally(rating(), Profile({text: 1}))


@given(st.lists(st.dictionaries(st.integers(1, 3), st.integers(1, 5), min_size=1), max_size=15))
@settings(deadline=None)
def test_the_figures_are_those_of_the_ratings_one_by_one(ballots):
    outcome = tally(rating(), profile((sorted(map(list, b.items())), 1) for b in ballots))
    for option in outcome.options:
        ratings = [Fraction(b[option.id]) for b in ballots if option.id in b]
        assert option.mean == (statistics.mean(ratings) if ratings else None)
        assert option.median == (statistics.median(ratings) if ratings else None)
        assert [ratings.count(level) for level in range(1, 6)] == list((option.distribution or {}).values())
    means = [outcome.option(i).mean for i in outcome.order]
    rated = [m for m in means if m is not None]
    assert rated == sorted(rated, reverse=True)
    assert means[len(rated) :] == [None] * (3 - len(rated))
