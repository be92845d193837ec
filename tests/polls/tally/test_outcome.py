import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.polls.tally.questions import HARD_TO_SAY, budget, multiple, profile, rating, single

from polls.tally import Outcome, tally

CASES = {
    "plurality": (single(threshold="1/3", tie="chair"), profile([([1], 4), ([2], 4), ([], 1), ([HARD_TO_SAY], 2)])),
    "approval": (multiple(denominator="entitled"), profile([([1, 2], 4)], entitled=9)),
    "rating": (rating(), profile([([[1, 5], [2, 4]], 4), ([[2, 5]], 1)])),
    "budget": (budget([5, 5, 9], budget=8), profile([([1, 2], 4), ([3], 1)])),
}


@pytest.mark.parametrize("name", CASES)
def test_an_outcome_survives_storage(name):
    outcome = tally(*CASES[name])
    assert Outcome.from_json(json.loads(json.dumps(outcome.as_json()))) == outcome


def test_the_names_in_storage_stay():
    data = tally(*CASES["rating"]).as_json()
    assert list(data) == [
        "method",
        "question_id",
        "denominator",
        "denominator_n",
        "cast",
        "valid",
        "blank",
        "neutral",
        "neutral_total",
        "options",
        "order",
        "winners",
        "ties",
        "threshold_met",
        "steps",
        "own",
        "pairwise",
        "houses",
    ]
    assert data["options"][1] == {
        "id": 2,
        "votes": 5,
        "share": "1/1",
        "place": 2,
        "rated": 5,
        "mean": "21/5",
        "median": "4/1",
        "distribution": {"1": 0, "2": 0, "3": 0, "4": 4, "5": 1},
        "cost": None,
        "funded": None,
        "why": None,
        "remaining": None,
        "trimmed_mean": "21/5",
        "grade": 4,
        "grade_above": 1,
        "grade_below": 0,
        "points": None,
        "score": None,
    }
    assert [step["code"] for step in data["steps"]] == ["ballots", "denominator", "ordered", "winners"]


def test_asking_for_an_option_that_is_not_there():
    with pytest.raises(KeyError):
        tally(*CASES["plurality"]).option(HARD_TO_SAY)


@given(st.lists(st.integers(0, 10**12), min_size=3, max_size=3), st.sampled_from(["valid", "cast", "entitled"]))
@settings(deadline=None)
def test_any_plurality_outcome_survives_storage(counts, denominator):
    given_ = profile((([i], n) for i, n in zip((1, 2, 3), counts, strict=True)), entitled=None)
    outcome = tally(single(denominator=denominator, threshold="1/2"), given_)
    assert Outcome.from_json(json.loads(json.dumps(outcome.as_json()))) == outcome
