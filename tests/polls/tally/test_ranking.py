"""Rankings as polls have them: through the one door, with thresholds, winners, ties and the figures pages show."""

import json
from fractions import Fraction

import pytest
from tests.polls.tally.questions import HARD_TO_SAY, options, profile

from polls.definition import Option, Ranking, RankingRule
from polls.tally import Outcome, Profile, tally

ORDERING = ("schulze", "ranked_pairs", "borda")
EVERY = ("instant_runoff", "stv_scottish", "stv_meek", *ORDERING)


def ranking(ids=(1, 2, 3), equal_ranks=False, max_ranked=None, min_ranked=1, **rule):
    more = {"equal_ranks": equal_ranks, "max_ranked": max_ranked, "min_ranked": min_ranked}
    return Ranking(id=7, options=options(ids), rule=RankingRule(**rule), **more)


def ballots(found, entitled=None):
    """``{"12": 3}``: three ballots that rank 1 first, then 2; ``""`` is blank."""
    return profile([([[int(ch)] for ch in word], n) for word, n in found.items()], entitled)


def steps(outcome, code):
    return [step.facts for step in outcome.steps if step.code == code]


# Tennessee's capital: Memphis 1, Nashville 2, Chattanooga 3, Knoxville 4.
TENNESSEE = {"1234": 42, "2341": 26, "3421": 15, "4321": 17}


@pytest.mark.parametrize(
    ("method", "order"),
    [
        ("instant_runoff", (4, 1, 2, 3)),
        ("schulze", (2, 3, 4, 1)),
        ("ranked_pairs", (2, 3, 4, 1)),
        ("borda", (2, 3, 1, 4)),
    ],
)
def test_the_capital_of_tennessee(method, order):
    outcome = tally(ranking((1, 2, 3, 4), method=method), ballots(TENNESSEE))
    assert (outcome.method, outcome.winners, outcome.order) == (method, order[:1], order)
    assert [o.votes for o in outcome.options] == [42, 26, 15, 17]
    assert [o.share for o in outcome.options] == [Fraction(n, 100) for n in (42, 26, 15, 17)]
    assert outcome.pairwise["winner"] == 2
    assert outcome.pairwise["beats"][1] == [58, 0, 68, 68]


def test_scores_are_what_the_rule_ordered_by():
    borda = tally(ranking((1, 2, 3, 4), method="borda"), ballots(TENNESSEE))
    assert [o.score for o in borda.options] == [126, 194, 173, 107]
    runoff = tally(ranking((1, 2, 3, 4), method="instant_runoff"), ballots(TENNESSEE))
    assert [o.score for o in runoff.options] == [42, 26, 15, 17]
    assert [o.score for o in tally(ranking((1, 2)), ballots({"12": 1})).options] == [None, None]


def test_blank_and_neutral_are_apart_and_may_join_the_denominator():
    given_ = profile([([[1]], 5), ([[2], [1]], 3), ([], 2), ([HARD_TO_SAY], 4)], entitled=40)
    outcome = tally(ranking(), given_)
    assert (outcome.cast, outcome.valid, outcome.blank, outcome.neutral) == (14, 8, 2, {HARD_TO_SAY: 4})
    assert outcome.option(1).share == Fraction(5, 8)
    assert tally(ranking(also_valid=["neutral"]), given_).option(1).share == Fraction(5, 12)
    assert tally(ranking(denominator="entitled"), given_).option(1).share == Fraction(5, 40)


def test_first_places_may_be_shared():
    outcome = tally(ranking(equal_ranks=True), profile([([[1, 2], [3]], 4), ([[1]], 1)]))
    assert [o.votes for o in outcome.options] == [5, 4, 0]


# ---- thresholds


def test_a_runoff_asks_about_the_votes_of_the_last_round():
    # 2 leaves and half of its ballots are exhausted: 1 wins with 9 of the 15 that still count, and 9 of 20 in all.
    given_ = ballots({"1": 8, "21": 1, "2": 5, "3": 6})
    plain = tally(ranking(method="instant_runoff"), given_)
    assert (plain.winners, plain.threshold_met) == ((1,), None)
    half = tally(ranking(method="instant_runoff", threshold="1/2"), given_)
    assert (half.winners, half.threshold_met, half.order[0]) == ((), False, 1)
    (support,) = steps(half, "support")
    assert support == {"of": "held", "votes": [[1, "9/1"], [2, "6/1"], [3, "6/1"]]}
    assert tally(ranking(method="instant_runoff", min_votes=9), given_).winners == (1,)
    assert tally(ranking(method="instant_runoff", min_votes=10), given_).winners == ()


@pytest.mark.parametrize("method", ORDERING)
def test_an_order_asks_how_many_rank_an_option_and_the_next_may_win(method):
    # 1 beats 2 beats 3, yet only 6 of 13 ballots rank 1 at all.
    given_ = ballots({"12": 6, "2": 4, "23": 2, "3": 1})
    assert tally(ranking(method="schulze"), ballots({"1": 6, "2": 5})).winners == (1,)
    outcome = tally(ranking(method=method, threshold="1/2"), given_)
    (support,) = steps(outcome, "support")
    assert support == {"of": "ranked", "votes": [[1, "6/1"], [2, "12/1"], [3, "3/1"]]}
    assert (outcome.winners, outcome.threshold_met) == ((2,), True)
    assert tally(ranking(method=method, min_votes=13), given_).winners == ()


@pytest.mark.parametrize("method", ORDERING)
def test_an_option_nobody_ranks_never_wins(method):
    outcome = tally(ranking(method=method, winners=3), ballots({"1": 3}))
    assert (outcome.winners, outcome.ties) == ((1,), ())


@pytest.mark.parametrize("method", EVERY)
def test_a_share_of_an_unknown_roll_is_met_by_nobody(method):
    outcome = tally(ranking(method=method, denominator="entitled", threshold="1/9"), ballots({"1": 3}))
    assert (outcome.winners, outcome.threshold_met, outcome.denominator_n) == ((), None, None)


@pytest.mark.parametrize("method", EVERY)
def test_nobody_wins_without_ballots(method):
    for given_ in (profile([]), profile([([], 3), ([HARD_TO_SAY], 1)])):
        outcome = tally(ranking(method=method), given_)
        assert (outcome.winners, outcome.ties, [o.votes for o in outcome.options]) == ((), (), [0, 0, 0])


# ---- ties

EVEN = ballots({"12": 3, "21": 3})


@pytest.mark.parametrize("method", EVERY)
def test_two_that_are_equal(method):
    ids = (1, 2)
    joint = tally(ranking(ids, method=method), EVEN)
    assert set(joint.winners) == {1, 2}
    for tie in ("lot", "chair"):
        left = tally(ranking(ids, method=method, tie=tie), EVEN)
        assert (left.winners, [t.resolution for t in left.ties], left.open) == ((), [tie], True)
        asked = []

        def order(stage, tied, asked=asked):
            asked.append((stage, tied))
            return (2, 1)

        decided = tally(ranking(ids, method=method, tie=tie), EVEN, order)
        assert (decided.winners, decided.order, decided.open) == ((2,), (2, 1), False)
        # What is asked is what was open before, so that a decision kept by stage and options fits.
        assert asked == [(t.stage, tuple(sorted(t.options))) for t in left.ties]
        assert [(t.resolution, t.order) for t in decided.ties] == [("order", (2, 1))]
        assert Outcome.from_json(json.loads(json.dumps(decided.as_json()))) == decided


def test_a_runoff_is_decided_tie_by_tie():
    # 3 and 4 tie for leaving in round 1. The chair keeps 3; then 3 leaves all the same, and 1 and 2 tie in round 3.
    given_ = ballots({"1": 4, "2": 4, "31": 2, "42": 2})
    question = ranking((1, 2, 3, 4), method="instant_runoff", tie="chair")
    known = {}
    for stage, tied in ((1, (3, 4)), (3, (1, 2))):
        outcome = tally(question, given_, lambda stage, tied: known.get((stage, tied)))
        (left,) = [tie for tie in outcome.ties if tie.open]
        assert (left.stage, tuple(sorted(left.options)), outcome.winners) == (stage, tied, ())
        known[stage, tied] = tied
    outcome = tally(question, given_, lambda stage, tied: known.get((stage, tied)))
    assert (outcome.winners, [tie.resolution for tie in outcome.ties]) == ((1,), ["order", "order"])


def test_too_many_orders_of_equal_defeats_leave_the_smith_set_equal(monkeypatch):
    from polls.tally import ranked_pairs

    monkeypatch.setattr(ranked_pairs, "MOST_STATES", 1)
    circle = ballots({"1234": 1, "2314": 1, "3124": 1})
    joint = tally(ranking((1, 2, 3, 4), method="ranked_pairs"), circle)
    assert (set(joint.winners), joint.option(4).place) == ({1, 2, 3}, 4)
    chair = tally(ranking((1, 2, 3, 4), method="ranked_pairs", tie="chair"), circle, lambda stage, tied: [3, 1, 2])
    assert chair.winners == (3,)


# ---- answers


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("[[4]]", {}),
        ("[[1],[1]]", {}),
        ("[1]", {}),
        ("[[2,1]]", {"equal_ranks": True}),
        ("[[1,2]]", {}),
        ("[[1],[2]]", {"max_ranked": 1}),
        ("[[1]]", {"min_ranked": 2}),
        ("[0]", {}),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(text, more):
    right = "[[3]]" if more.get("max_ranked") else "[[1],[2],[3]]"
    assert tally(ranking(**more), Profile({right: 2, "[]": 1})).valid == 2
    with pytest.raises(ValueError, match="question 7"):
        tally(ranking(**more), Profile({right: 2, "[]": 1, text: 1}))


def test_a_ballot_style_with_fewer_options_may_rank_fewer():
    styled = (Option(id=1), Option(id=2, styles=(1,)), Option(id=3, styles=(1,)))
    question = Ranking(id=7, options=styled, min_ranked=3)
    assert tally(question, ballots({"1": 2, "231": 1})).valid == 3


def test_instant_runoff_has_one_winner():
    with pytest.raises(ValueError, match="one winner"):
        RankingRule(method="instant_runoff", winners=2)
