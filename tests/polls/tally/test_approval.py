from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.polls.tally.questions import HARD_TO_SAY, multiple, profile

from polls.definition import MultipleChoice
from polls.tally import Profile, tally


def test_every_approval_is_a_full_vote_and_shares_are_of_ballots():
    outcome = tally(multiple(winners=2), profile([([1, 2], 3), ([2, 3], 2), ([3], 1), ([HARD_TO_SAY], 4)]))
    assert [o.votes for o in outcome.options] == [3, 5, 3]
    assert [o.share for o in outcome.options] == [Fraction(3, 6), Fraction(5, 6), Fraction(3, 6)]
    assert outcome.winners == (2, 1, 3)
    assert outcome.ties[0].options == (1, 3)


@pytest.mark.parametrize("text", ["[2,1]", "[1,1]", "[1,90]", "[1, 2]", "[1,2,]", "[1,2,3,4]", "[]]"])
def test_an_answer_that_does_not_fit_is_named(text):
    with pytest.raises(ValueError, match="question 7"):
        tally(multiple(), Profile({text: 1}))


def test_the_number_of_choices_binds():
    question = MultipleChoice(**{**multiple().model_dump(), "min_choices": 2, "max_choices": 2})
    assert tally(question, profile([([1, 2], 1), ([], 1), ([HARD_TO_SAY], 1)])).valid == 1
    for wrong in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match="too few or too many"):
            tally(question, profile([(wrong, 1)]))


BALLOTS = st.lists(st.sets(st.integers(1, 5)).map(sorted), max_size=12)


@given(BALLOTS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_ballots_are_counted_one_by_one_in_any_order(ballots, random):
    question = multiple((1, 2, 3, 4, 5), winners=2)
    outcome = tally(question, profile((b, 1) for b in ballots))
    assert [o.votes for o in outcome.options] == [sum(i in b for b in ballots) for i in (1, 2, 3, 4, 5)]
    assert outcome.valid == sum(bool(b) for b in ballots)
    shuffled = random.sample(ballots, len(ballots))
    assert tally(question, profile((b, 1) for b in shuffled)) == outcome


@given(BALLOTS, st.integers(0, 11), st.integers(1, 5))
@settings(deadline=None)
def test_one_more_approval_never_makes_an_option_lose(ballots, which, option):
    question = multiple((1, 2, 3, 4, 5), winners=2)
    before = tally(question, profile((b, 1) for b in ballots))
    more = [sorted({*b, option}) if k == which else b for k, b in enumerate(ballots)]
    after = tally(question, profile((b, 1) for b in more))
    assert option not in before.winners or option in after.winners
