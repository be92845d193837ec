"""What a valid answer is, per kind, and its canonical text (BALLOTS 10, 17)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import a_budget, a_definition, a_multiple_choice, a_rating, a_single_choice, an_option

from polls.answer import Answer, read_answer
from polls.ballot import encode_answer, encode_ballot
from polls.definition import Definition
from polls.errors import FieldError, InvalidAnswer
from polls.tally import tally
from polls.tally.profile import Profile

NEUTRAL = an_option(90, "Затрудняюсь ответить", kind="neutral")
KINDS: dict[str, dict[str, Any]] = {
    "single_choice": a_single_choice(1),
    "multiple_choice": {**a_multiple_choice(1, min_choices=2, max_choices=3),
                        "options": [*(an_option(i) for i in range(1, 6)), NEUTRAL]},
    "rating": {**a_rating(1), "options": [an_option(1), an_option(2), NEUTRAL]},
    "budget": {**a_budget(1, ballot_limit=5_000_000_00),
               "options": [*(an_option(i, cost=i * 1_000_000_00) for i in range(1, 5)), NEUTRAL]},
    "own_single": a_single_choice(1, own_answer=True),
    "own_multiple": {**a_multiple_choice(1, min_choices=2, max_choices=3, own_answer=True),
                     "options": [*(an_option(i) for i in range(1, 6)), NEUTRAL]},
    "scale": {**a_rating(1, scale_min=-2, scale_max=2), "options": [an_option(1), an_option(2), NEUTRAL]},
    "ranking": {"kind": "ranking", "id": 1, "min_ranked": 2, "max_ranked": 3,
                "options": [*(an_option(i) for i in range(1, 6)), NEUTRAL]},
    "equal_ranking": {"kind": "ranking", "id": 1, "equal_ranks": True,
                      "options": [*(an_option(i) for i in range(1, 6)), NEUTRAL]},
    "points": {"kind": "points", "id": 1, "total": 10, "most_per_option": 6,
               "options": [*(an_option(i) for i in range(1, 5)), NEUTRAL]},
    "all_points": {"kind": "points", "id": 1, "total": 10, "spend_all": True, "options": [an_option(1), an_option(2)]},
    "exclusive": {**a_budget(1, exclusive_groups=[[1, 2], [3, 4]], exclusive_on_ballot=True)},
    "text": {"kind": "text", "id": 1, "max_length": 20, "options": [NEUTRAL]},
}  # fmt: skip


def question(kind: str, **more: Any) -> Any:
    return a_definition(questions=[{**KINDS[kind], **more}]).questions[0]


@pytest.mark.parametrize(
    ("kind", "answer", "canonical"),
    [
        ("single_choice", 2, "[2]"),
        ("single_choice", [2], "[2]"),
        ("single_choice", ["2"], "[2]"),
        ("single_choice", 90, "[90]"),
        ("multiple_choice", [3, 1], "[1,3]"),
        ("multiple_choice", [5, 3, 1], "[1,3,5]"),
        ("multiple_choice", [90], "[90]"),
        ("rating", {"2": 4, "1": 5}, "[[1,5],[2,4]]"),
        ("rating", [[2, 4]], "[[2,4]]"),
        ("rating", [90], "[90]"),
        ("budget", [4, 1], "[1,4]"),
        ("budget", [90], "[90]"),
        ("own_single", {"own": " Пруд "}, "[0]"),
        ("own_single", [{"own": "Пруд"}], "[0]"),
        ("own_single", [2, {"own": "  "}], "[2]"),
        ("own_multiple", [4, {"own": "Пруд"}, 1], "[0,1,4]"),
        ("scale", {"2": -2, "1": 0}, "[[1,0],[2,-2]]"),
        ("scale", {"2": "-1"}, "[[2,-1]]"),
        ("ranking", [3, 1], "[[3],[1]]"),
        ("ranking", [[3], [1]], "[[3],[1]]"),
        ("ranking", {"1": 7, "3": 2}, "[[3],[1]]"),
        ("ranking", [90], "[90]"),
        ("equal_ranking", [[3], [2, 1]], "[[3],[1,2]]"),
        ("equal_ranking", {"3": 1, "2": 2, "1": 2}, "[[3],[1,2]]"),
        ("points", {"4": 3, "1": "6", "2": 0}, "[[1,6],[4,3]]"),
        ("points", [[4, 3]], "[[4,3]]"),
        ("all_points", {"1": 10}, "[[1,10]]"),
        ("exclusive", [4, 1], "[1,4]"),
        ("text", "Скамейки", "[0]"),
        ("text", {"own": "Скамейки"}, "[0]"),
        ("text", [90], "[90]"),
    ],
)
def test_valid_answers_have_one_canonical_text(kind: str, answer: Any, canonical: str) -> None:
    assert encode_answer(question(kind), answer) == canonical
    assert rfc8785.dumps(json.loads(canonical)).decode() == canonical


@pytest.mark.parametrize(
    ("kind", "answer", "code"),
    [
        ("single_choice", None, "required"),
        ("single_choice", [1, 2], "too_many"),
        ("single_choice", 7, "unknown_option"),
        ("single_choice", True, "malformed"),
        ("single_choice", {"1": 1}, "malformed"),
        ("single_choice", 1.0, "malformed"),
        ("multiple_choice", [1], "too_few"),
        ("multiple_choice", [1, 2, 3, 4], "too_many"),
        ("multiple_choice", [1, 1], "repeated_option"),
        ("multiple_choice", [1, 90], "neutral_not_alone"),
        ("multiple_choice", "1,2", "malformed"),
        ("rating", {"1": 6}, "off_scale"),
        ("rating", {"1": 0}, "off_scale"),
        ("rating", {"1": "x"}, "not_a_number"),
        ("rating", {"9": 3}, "unknown_option"),
        ("rating", [[1, 3], [1, 4]], "unknown_option"),
        ("rating", {"90": 3}, "unknown_option"),
        ("rating", "5", "malformed"),
        ("budget", [2, 4], "over_limit"),
        ("budget", [], "required"),
        ("single_choice", {"own": "Пруд"}, "no_own_answer"),
        ("own_single", [1, {"own": "Пруд"}], "too_many"),
        ("own_single", {"own": "Пруд " * 100}, "too_long"),
        ("own_single", {"own": 7}, "malformed"),
        ("own_single", {"own": "\u202e\x07 "}, "required"),
        ("own_single", [90, {"own": "Пруд"}], "neutral_not_alone"),
        ("own_single", 0, "unknown_option"),
        ("own_multiple", [{"own": "Пруд"}], "too_few"),
        ("own_multiple", [1, 2, 3, {"own": "Пруд"}], "too_many"),
        ("own_multiple", [{"own": "Пруд"}, {"own": "Каток"}], "repeated_option"),
        ("scale", {"1": 3}, "off_scale"),
        ("scale", {"1": -3}, "off_scale"),
        ("ranking", [1], "too_few"),
        ("ranking", [1, 2, 3, 4], "too_many"),
        ("ranking", [1, 1], "repeated_option"),
        ("ranking", [[1, 2]], "equal_ranks"),
        ("ranking", {"1": 1, "2": 1}, "equal_ranks"),
        ("ranking", [1, 90], "unknown_option"),
        ("ranking", [[], [1]], "malformed"),
        ("ranking", {"1": 0, "2": 1}, "bad_place"),
        ("ranking", [[1] * 1_000], "malformed"),
        ("equal_ranking", [[1, 2], [2]], "repeated_option"),
        ("points", {"1": 7}, "too_many_points"),
        ("points", {"1": 6, "2": 5}, "points_over"),
        ("points", {"1": -1}, "negative_points"),
        ("points", {"1": 0}, "required"),
        ("points", {"1": 1.5}, "not_a_number"),
        ("points", {"90": 3}, "unknown_option"),
        ("all_points", {"1": 9}, "points_left"),
        ("exclusive", [1, 2], "exclusive_projects"),
        ("text", "x" * 21, "too_long"),
        ("text", 7, "malformed"),
        ("text", [1], "malformed"),
    ],
)
def test_what_does_not_fit_is_named(kind: str, answer: Any, code: str) -> None:
    found = encode_answer(question(kind), answer)
    assert isinstance(found, FieldError)
    assert (found.path, found.code) == ("answers/1", code)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nothing", [None, [], {}, ""])
def test_blank_is_an_answer_where_the_question_may_be_left(kind: str, nothing: Any) -> None:
    assert encode_answer(question(kind, required=False), nothing) == "[]"


def test_the_citys_budget_never_binds_a_voter() -> None:
    free = question("budget", ballot_limit=None)
    assert encode_answer(free, [2, 3, 4]) == "[2,3,4]"


def test_every_wrong_question_is_listed_at_once() -> None:
    definition = a_definition(questions=[a_single_choice(1), a_multiple_choice(2), a_rating(3)])
    with pytest.raises(InvalidAnswer) as refused:
        encode_ballot(definition, {"1": 77, "2": [1, 1], "3": {"1": 3}, "8": 1})
    assert {(error.path, error.code) for error in refused.value.errors} == {
        ("answers/8", "unknown_question"),
        ("answers/1", "unknown_option"),
        ("answers/2", "repeated_option"),
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 95) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["1", "2", "3", "90", "own", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_words_are_kept_as_they_can_be_read_and_apart_from_the_canonical_text() -> None:
    found = read_answer(question("own_single"), {"own": "  Пру\u0434\r\nи\u202e лес\x00ок "})
    assert found == Answer("[0]", "Пруд\nи лесок")
    assert read_answer(question("own_single"), {"own": "e\u0301"}) == Answer("[0]", "é"), "NFC"


@given(st.sampled_from(sorted(KINDS)), json_values)
def test_any_json_is_either_refused_or_counted(kind: str, answer: Any) -> None:
    """What the encoder lets through is canonical, and the tally of the kind takes it."""
    asked = question(kind)
    encoded = encode_answer(asked, answer)
    if isinstance(encoded, FieldError):
        return
    assert rfc8785.dumps(json.loads(encoded)).decode() == encoded
    if "own" not in kind and kind != "text":
        assert encode_answer(asked, json.loads(encoded)) == encoded
    assert tally(asked, Profile({encoded: 3})).cast == 3


def test_the_order_of_answers_is_the_definitions() -> None:
    definition: Definition = a_definition(questions=[a_single_choice(7), a_single_choice(2)])
    assert encode_ballot(definition, {"2": 1, "7": 3}).answers == ("[3]", "[1]")
