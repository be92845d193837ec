"""Own answers, texts, points, wider scales and what stands on top of any rule, through the one door."""

from fractions import Fraction

import pytest
from tests.polls.tally.questions import HARD_TO_SAY, multiple, options, profile, rating, single

from polls.definition import FreeText, Option, OptionKind, Points, PointsRule, Rating, RatingRule
from polls.tally import Profile, tally


def own(question):
    return question.model_copy(update={"own_answer": True})


# ---- own answers and texts


def test_an_own_answer_is_valid_and_votes_for_no_option():
    outcome = tally(own(single(threshold="1/2")), profile([([0], 6), ([1], 4), ([], 1)]))
    assert (outcome.own, outcome.valid, outcome.option(1).share) == (6, 10, Fraction(4, 10))
    assert (outcome.winners, outcome.threshold_met) == ((), False)
    assert outcome.steps[0].facts["own"] == 6
    several = tally(own(multiple()), profile([([0, 1], 2), ([0], 1), ([1, 2], 3)]))
    assert (several.own, [o.votes for o in several.options]) == (3, [5, 3, 0])


@pytest.mark.parametrize("text", ["[0]", "[0,1]", "[1,0]", "[0,0]", "[0,90]"])
def test_an_own_answer_where_none_is_taken(text):
    with pytest.raises(ValueError, match="question 7"):
        tally(multiple(), Profile({text: 1}))
    if text != "[0]" and text != "[0,1]":
        with pytest.raises(ValueError, match="question 7"):
            tally(own(multiple()), Profile({text: 1}))


def test_without_own_answers_there_is_no_such_figure():
    assert tally(single(), profile([([1], 1)])).own is None


def test_an_own_answer_counts_among_the_most_that_may_be_chosen():
    question = own(multiple()).model_copy(update={"max_choices": 2})
    assert tally(question, profile([([0, 1], 2)])).valid == 2
    with pytest.raises(ValueError, match="too many"):
        tally(question, profile([([0, 1, 2], 2)]))


def test_texts_are_only_numbered():
    question = FreeText(id=7, options=[Option(id=HARD_TO_SAY, kind=OptionKind.NEUTRAL)])
    outcome = tally(question, profile([([0], 5), ([], 2), ([HARD_TO_SAY], 1)], entitled=20))
    assert (outcome.method, outcome.own, outcome.valid, outcome.cast) == ("text", 5, 5, 8)
    assert (outcome.options, outcome.order, outcome.winners) == ((), (), ())
    with pytest.raises(ValueError, match="question 7"):
        tally(question, profile([([1], 1)]))


# ---- points


def points(**rule):
    return Points(id=7, options=options((1, 2, 3)), rule=PointsRule(**rule))


def test_points_order_and_ballots_are_what_shares_are_of():
    given_ = profile([([[1, 10]], 2), ([[2, 5], [3, 5]], 3), ([], 1), ([HARD_TO_SAY], 1)])
    outcome = tally(points(), given_)
    assert [(o.points, o.votes, o.share, o.place) for o in outcome.options] == [
        (20, 2, Fraction(2, 5), 1),
        (15, 3, Fraction(3, 5), 2),
        (15, 3, Fraction(3, 5), 2),
    ]
    assert (outcome.winners, outcome.order) == ((1,), (1, 2, 3))
    assert tally(points(threshold="1/2"), given_).winners == (2, 3)
    tied = tally(points(threshold="1/2", tie="lot"), given_, lambda stage, tied: (3, 2))
    assert (tied.winners, tied.order, tied.option(3).place) == ((3,), (1, 3, 2), 2)
    with pytest.raises(ValueError, match="question 7"):
        tally(points(), profile([([[1, 11]], 1)]))


# ---- ratings


def test_every_measure_is_reported_and_one_decides():
    # 1: 1 1 1 9 9 9 9 (by hand: mean 39/7, median 9); 2: 6 6 6 6 6 6 6; 3: nobody.
    given_ = profile([([[1, 1], [2, 6]], 3), ([[1, 9], [2, 6]], 4)])

    def by(**rule):
        question = Rating(id=7, options=options((1, 2, 3)), scale_min=0, scale_max=10, rule=RatingRule(**rule))
        return tally(question, given_)

    means = by(trim="1/7")
    assert means.winners == (2,)
    assert (means.option(1).mean, means.option(1).median, means.option(1).grade) == (Fraction(39, 7), 9, 9)
    assert means.option(1).trimmed_mean == Fraction(1 + 1 + 9 + 9 + 9, 5)
    assert (means.option(1).grade_above, means.option(1).grade_below) == (0, 3)
    assert (means.option(3).mean, means.option(3).trimmed_mean, means.option(3).grade) == (None, None, None)
    assert by(order_by="median").winners == by(order_by="majority_judgment").winners == (1,)
    assert by(order_by="trimmed_mean", trim="1/7").winners == (2,)
    judged = by(order_by="majority_judgment")
    assert [s.facts["grade"] for s in judged.steps if s.code == "judgment"] == [9, 6, None]
    assert (judged.order, judged.option(3).place) == ((1, 2, 3), 3)


def test_majority_judgment_and_ballots_that_do_not_grade():
    given_ = profile([([[1, 5], [2, 4]], 3), ([[2, 4]], 4)])
    left = tally(rating(order_by="majority_judgment", ungraded="left"), given_)
    worst = tally(rating(order_by="majority_judgment", ungraded="worst"), given_)
    assert (left.winners, left.option(1).grade) == ((1,), 5)
    assert (worst.winners, worst.option(1).grade, worst.option(3).grade) == ((2,), 1, 1)
    assert worst.option(1).mean == 5  # what is left out is graded worst for the judgment alone


def test_majority_judgment_goes_on_grade_by_grade():
    # Both Good (3) in the middle; without it {2,4} and {1,5}: the published tie-break prefers the higher lower middle.
    given_ = profile([([[1, 3], [2, 3]], 1), ([[1, 2], [2, 1]], 1), ([[1, 4], [2, 5]], 1)])
    outcome = tally(rating((1, 2), order_by="majority_judgment"), given_)
    assert (outcome.winners, outcome.option(1).grade, outcome.option(2).grade) == ((1,), 3, 3)
    equal = profile([([[1, 3], [2, 3]], 2)])
    assert tally(rating((1, 2), order_by="majority_judgment"), equal).winners == (1, 2)
    drawn = tally(rating((1, 2), order_by="majority_judgment", tie="lot"), equal, lambda stage, tied: (2, 1))
    assert drawn.winners == (2,)


@pytest.mark.parametrize(("low", "high"), [(-100, -1), (-5, 5), (0, 100)])
def test_any_scale(low, high):
    question = Rating(id=7, options=options((1, 2)), scale_min=low, scale_max=high)
    outcome = tally(question, Profile({f"[[1,{low}],[2,{high}]]": 3}))
    assert (outcome.option(1).mean, outcome.option(2).median, outcome.winners) == (low, high, (2,))
    for wrong in (low - 1, high + 1):
        with pytest.raises(ValueError, match="question 7"):
            tally(question, Profile({f"[[1,{wrong}]]": 1}))
    for text in ("[[1,-0]]", "[[1,01]]", "[[1,+1]]"):
        with pytest.raises(ValueError, match="question 7"):
            tally(question, Profile({text: 1}))


def test_less_than_half_is_trimmed():
    with pytest.raises(ValueError, match="less than half"):
        RatingRule(trim="1/2")


# ---- on top of any rule


def test_a_least_number_of_votes():
    given_ = profile([([1], 5), ([2], 3)])
    assert tally(single(min_votes=5), given_).winners == (1,)
    outcome = tally(single(min_votes=6, winners=2), given_)
    assert (outcome.winners, outcome.threshold_met) == ((), None)
    assert [s.facts for s in outcome.steps if s.code == "min_votes"] == [{"needs": 6, "enough": []}]
    assert tally(single(min_votes=3, threshold="1/2", winners=2), given_).winners == (1,)


def test_neutral_and_blank_may_weigh_as_valid():
    given_ = profile([([1], 5), ([HARD_TO_SAY], 3), ([], 2)])
    assert tally(single(threshold="1/2"), given_).winners == (1,)
    wide = tally(single(threshold="1/2", also_valid=["neutral"]), given_)
    assert (wide.denominator_n, wide.winners) == (8, (1,))
    widest = tally(single(threshold="1/2", also_valid=["neutral", "blank"]), given_)
    assert (widest.denominator_n, widest.valid, widest.winners) == (10, 5, ())
    assert tally(single(denominator="entitled", also_valid=["neutral"]), profile([([1], 5)], 9)).denominator_n == 9


def test_a_tie_by_lot_is_open_until_it_is_drawn():
    given_ = profile([([1], 4), ([2], 4), ([3], 9)])
    left = tally(single(tie="lot", winners=2), given_)
    assert (left.winners, left.open, left.ties[0].resolution, left.ties[0].stage) == ((3,), True, "lot", 1)
    drawn = tally(single(tie="lot", winners=2), given_, lambda stage, tied: tied[::-1])
    assert (drawn.winners, drawn.order, drawn.open) == ((3, 2), (3, 2, 1), False)
    assert drawn.ties[0].order == (2, 1)
    assert tally(single(winners=2), given_, lambda stage, tied: tied[::-1]).winners == (3, 1, 2)  # joint: not asked


def test_outcomes_of_older_releases_are_read():
    from polls.tally import Outcome

    data = tally(single(tie="chair"), profile([([1], 4), ([2], 4)])).as_json()
    for key in ("own", "pairwise", "houses"):
        del data[key]
    for option in data["options"]:
        for key in ("points", "score", "trimmed_mean", "grade", "grade_above", "grade_below"):
            del option[key]
    for tie in data["ties"]:
        del tie["stage"], tie["order"]
    assert Outcome.from_json(data) == tally(single(tie="chair"), profile([([1], 4), ([2], 4)]))
