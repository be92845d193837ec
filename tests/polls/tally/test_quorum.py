from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polls.definition import Quorum
from polls.tally.quorum import check_quorum


def test_a_share_of_the_roll_is_met_by_at_least_that_share():
    assert check_quorum(Quorum(share="1/2"), 50, 100).met is True
    assert check_quorum(Quorum(share="1/2"), 49, 100).met is False
    assert check_quorum(Quorum(share="1/3"), 33, 100).met is False
    assert check_quorum(Quorum(share="1/3"), 33, 100).needed == 34


def test_a_number_and_a_share_bind_together():
    quorum = Quorum(share="1/10", ballots=20)
    assert check_quorum(quorum, 15, 100).met is False
    assert check_quorum(quorum, 20, 100).met is True
    assert check_quorum(quorum, 20, 1000).met is False


def test_an_unknown_roll_is_said_and_not_made_up():
    found = check_quorum(Quorum(share="1/2"), 50, None)
    assert (found.met, found.needed, found.turnout) == (None, None, None)
    assert check_quorum(Quorum(share="1/2", ballots=60), 50, None).met is False
    assert check_quorum(Quorum(ballots=40), 50, None).met is True
    assert found.step().facts["met"] is None


def test_no_quorum_is_met_and_turnout_is_exact():
    found = check_quorum(None, 1, 3)
    assert (found.met, found.turnout) == (True, Fraction(1, 3))
    assert check_quorum(None, 0, 0).turnout is None


def test_negative_participation_is_a_programming_error():
    with pytest.raises(ValueError, match="negative"):
        check_quorum(None, -1, 3)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 10), st.integers(1, 30))
def test_needed_is_the_least_number_that_meets_it(ballots, entitled, numerator, least):
    quorum = Quorum(share=f"{numerator}/10", ballots=least)
    found = check_quorum(quorum, ballots, entitled)
    assert found.met == (ballots >= least and Fraction(ballots) >= Fraction(numerator, 10) * entitled)
    assert found.met == (ballots >= found.needed)
