"""The ballot in its form's fields: what comes in comes out again, nothing else, and the order stays."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.voting.web.every_kind import all_kinds

from polls.ballot import encode_ballot
from polls.definition import (
    Budget,
    BudgetRule,
    Definition,
    MultipleChoice,
    Option,
    OptionKind,
    Rating,
    SingleChoice,
    Text,
)
from voting.web.ballot_form import Filled, new_ballot, problem_with, read_fields, shown_order
from voting.web.ballot_steps import Place, Sheet, move


def options(n: int, *, neutral: int | None = None, cost: int | None = None) -> tuple[Option, ...]:
    made = [Option(id=i, text=Text(ru=f"Вариант {i}"), cost=cost) for i in range(1, n + 1)]
    if neutral:
        made.append(Option(id=neutral, text=Text(ru="Затрудняюсь ответить"), kind=OptionKind.NEUTRAL))
    return tuple(made)


DEFINITION = Definition(
    poll_id="0" * 32,
    questions=(
        SingleChoice(id=1, options=options(3, neutral=9)),
        MultipleChoice(id=2, options=options(4, neutral=9), min_choices=2, max_choices=3, required=False),
        Rating(id=3, options=options(3, neutral=9), required=False),
        Budget(id=4, options=options(4, cost=10), ballot_limit=20, rule=BudgetRule(budget=30), required=False),
    ),
)
KEY = ("key", "ab" * 16)


def filled(*fields: tuple[str, str]) -> Filled:
    found = read_fields(DEFINITION, [KEY, *fields])
    assert found is not None
    return found


def test_fields_survive_a_round_trip() -> None:
    sent = (("q-1", "2"), ("q-2", "1"), ("q-2", "4"), ("q-3-1", "5"), ("q-3-3", "1"), ("q-4", "3"))
    first = filled(*sent)
    assert sorted(first.fields()) == sorted(sent)
    assert filled(*first.fields()) == first
    answers = Sheet(DEFINITION).answers(first)
    assert encode_ballot(DEFINITION, answers).answers == (
        "[2]",
        "[1,4]",
        "[[1,5],[3,1]]",
        "[3]",
    )


def test_the_question_shown_is_not_hidden() -> None:
    assert filled(("q-1", "2"), ("q-2", "1")).fields(without=[2]) == (("q-1", "2"),)
    assert filled(("q-1", "2"), ("q-3-1", "4")).fields(without=[3]) == (("q-1", "2"),)


def test_foreign_fields_and_empty_values_are_dropped() -> None:
    found = filled(("q-7", "1"), ("csrf_token", "x"), ("q-1-2", "5"), ("q-3-9", "5"), ("q-3-1", ""), ("step", "1"))
    assert found.fields() == ()
    assert found.blank(3)


@pytest.mark.parametrize("key", ["", "ab", "zz" * 16, "AB" * 16, "ab" * 17, "ab" * 16 + "\n"])
def test_without_a_key_there_is_no_ballot(key: str) -> None:
    assert read_fields(DEFINITION, [("key", key), ("q-1", "1")]) is None


def test_new_ballots_have_keys_of_their_own() -> None:
    keys = {new_ballot().key for _ in range(50)}
    assert len(keys) == 50
    assert all(len(key) == 16 for key in keys)


@pytest.mark.parametrize(
    ("question", "fields", "code"),
    [
        (1, [], "required"),
        (1, [("q-1", "1"), ("q-1", "2")], "too_many"),
        (1, [("q-1", "77")], "unknown_option"),
        (1, [("q-1", "'; DROP TABLE ballot")], "unknown_option"),
        (2, [("q-2", "1")], "too_few"),
        (2, [("q-2", str(i)) for i in (1, 2, 3, 4)], "too_many"),
        (2, [("q-2", "1"), ("q-2", "9")], "neutral_not_alone"),
        (2, [], None),
        (3, [("q-3-1", "6")], "off_scale"),
        (3, [("q-3-1", "5"), ("q-3", "9")], "neutral_not_alone"),
        (3, [("q-3", "9")], None),
        (3, [("q-3", "1")], "malformed"),
        (4, [("q-4", "1"), ("q-4", "2"), ("q-4", "3")], "over_limit"),
        (4, [("q-4", "1"), ("q-4", "2")], None),
    ],
)
def test_what_is_wrong_with_an_answer(question: int, fields: list[tuple[str, str]], code: str | None) -> None:
    asked = DEFINITION.question(question)
    assert asked is not None
    found = problem_with(asked, filled(*fields))
    assert (found.code if found else None) == code


def test_every_problem_is_told_by_its_question() -> None:
    sheet = Sheet(DEFINITION)
    found = sheet.problems(filled(("q-3-1", "9")))
    assert {question: error.code for question, error in found.items()} == {1: "required", 3: "off_scale"}
    assert sheet.problems(filled(("q-1", "1"))) == {}


def test_a_question_can_be_left_blank_again() -> None:
    ballot = filled(("q-1", "2"), ("q-3-1", "4"), ("q-2", "1"))
    assert ballot.without(3, 2).fields() == (("q-1", "2"),)


def test_the_order_follows_from_the_key() -> None:
    question = SingleChoice(id=1, options=options(12, neutral=99), shuffle=True)
    orders: set[Any] = set()
    for number in range(30):
        key = number.to_bytes(16, "big")
        order = tuple(option.id for option in shown_order(question, key))
        assert order == tuple(option.id for option in shown_order(question, key))
        assert sorted(order) == list(range(1, 13)), "neutral options are shown apart"
        orders.add(order)
    assert len(orders) == 30


def test_an_order_that_is_not_shuffled_is_the_stated_one() -> None:
    question = SingleChoice(id=1, options=options(5))
    assert [option.id for option in shown_order(question, b"k" * 16)] == [1, 2, 3, 4, 5]


def test_every_place_is_as_likely() -> None:
    """The first place goes to each of four options about as often: a fixed sample, so the test cannot flicker."""
    question = SingleChoice(id=1, options=options(4), shuffle=True)
    firsts = [shown_order(question, n.to_bytes(16, "big"))[0].id for n in range(4_000)]
    assert all(900 < firsts.count(option) < 1_100 for option in (1, 2, 3, 4))


# ---- the way through: pages, follow-ups, styles

ASKED = Definition.model_validate(
    {
        "poll_id": "0" * 32,
        "styles": [{"id": 1, "territories": ["msk-sao"]}],
        "questions": [*all_kinds(), {"kind": "text", "id": 20, "styles": [1], "required": False}],
    }
)


def ballot(*fields: tuple[str, str]) -> Filled:
    found = read_fields(ASKED, [KEY, *fields])
    assert found is not None
    return found


def test_a_page_holds_a_question_and_the_follow_ups_behind_it() -> None:
    assert [[question.id for question in page] for page in Sheet(ASKED).pages][:2] == [[1, 2], [3]]
    assert [page[0].id for page in Sheet(ASKED).pages][-1] == 12
    assert [page[0].id for page in Sheet(ASKED, 1).pages][-2:] == [12, 20]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ([], {12: False, 2: False}),
        ([("q-1", "1")], {12: False, 2: False}),
        ([("q-1", "2")], {12: False, 2: True}),
        ([("q-1", "3")], {12: True, 2: False}),
        ([("q-1-own", "Тишина")], {12: False, 2: True}),
        ([("q-1", "3"), ("q-1", "2")], {12: False, 2: False}),
    ],
)
def test_what_earlier_answers_show(fields: list[tuple[str, str]], shown: dict[int, bool]) -> None:
    """A wrong answer shows nothing, as when casting."""
    found = {question.id for question in Sheet(ASKED).shown(ballot(*fields))}
    assert {question: question in found for question in shown} == shown


def test_what_is_hidden_is_dropped_and_what_is_shown_is_kept() -> None:
    filled = ballot(("q-1", "3"), ("q-2-own", "Бег"), ("q-12", "1"), ("q-20-own", "Ещё"))
    assert Sheet(ASKED).pruned(filled).fields() == (("q-1", "3"), ("q-12", "1"))
    assert Sheet(ASKED, 1).pruned(filled).fields() == (("q-1", "3"), ("q-12", "1"), ("q-20-own", "Ещё"))
    assert set(Sheet(ASKED).answers(filled)) == {str(n) for n in (1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)}


NAMES = [f"q-{q}{rest}" for q in (1, 3, 4, 7, 9, 10, 11, 12) for rest in ("", "-1", "-2", "-own")]
VALUES = st.sampled_from(["0", "1", "2", "3", "90", "7", "-1", "x", " ", "слова", "9" * 9, "²", "\u202e"])


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=12), st.integers(-1, 13),
    st.sampled_from(["next", "skip", "back", "stay", "change-2", "change-99", "change-12", ""]), st.booleans(),
    st.sampled_from([0, 1]),
)  # fmt: skip
def test_any_form_leads_somewhere_and_nothing_wrong_reaches_the_check(
    fields: list[tuple[str, str]], at: int, operation: str, reviewing: bool, style: int
) -> None:
    sheet = Sheet(ASKED, style)
    place = move(sheet, Place(ballot(*fields), None if at < 0 else at, reviewing), operation)
    if place.at is None:
        assert not sheet.problems(place.filled)
        encoded = encode_ballot(ASKED, sheet.answers(place.filled), style)
        assert dict(zip([q.id for q in ASKED.questions], encoded.answers, strict=True)) == sheet.given(place.filled)
    else:
        assert place.at in [page[0].id for page in sheet.steps(place.filled)]
    kept = place.filled.fields()
    assert read_fields(ASKED, [KEY, *kept]) == place.filled, "what a page carries is what the next one reads"


def test_words_and_choices_that_do_not_go_together_are_told_apart() -> None:
    single, several, free = (ASKED.question(n) for n in (1, 3, 11))
    assert single and several and free
    for question, fields, code in (
        (single, [("q-1", "0")], "own_empty"),
        (single, [("q-1", "2"), ("q-1-own", "Тишина")], "too_many"),
        (single, [("q-1", "0"), ("q-1-own", "Тишина")], None),
        (several, [("q-3-own", "Лавку")], None),
        (several, [("q-3", "0"), ("q-3", "2")], "own_empty"),
        (several, [("q-3", "90"), ("q-3-own", "Лавку")], "neutral_not_alone"),
        (free, [("q-11", "90"), ("q-11-own", "Да")], "neutral_not_alone"),
        (free, [("q-11", "0")], "own_empty"),
        (free, [], None),
    ):
        found = problem_with(question, ballot(*fields))
        assert (found.code if found else None) == code, fields
