"""A ballot being filled in, as it travels in the fields of its own form. Pure.

Until it is cast, a ballot exists only in the page the resident looks at: every POST brings all answers along, and the
answer re-renders them as hidden fields. The server keeps nothing between two steps, so there is nothing to leak, to
expire or to clean up.

Fields: `key` (the ballot's K, 32 hex digits), `q-3` for the options chosen in question 3 (repeated), `q-3-5` for the
level given to option 5 of the rating question 3.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from polls.ballot import encode_answer
from polls.board import KEY_BYTES
from polls.definition import AnyQuestion, Definition, Option, Rating
from polls.errors import FieldError

ORDER_DOMAIN = b"veche/order/v1"
Fields = tuple[tuple[str, str], ...]
"""Names and values of form fields, in order; a name may repeat."""

_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")
_ID = re.compile(r"[0-9]{1,5}")
_CHANGE = re.compile(r"change-([0-9]{1,4})")


@dataclass(frozen=True)
class Filled:
    """What the resident has filled in so far, right or wrong: ids and levels as the text the form sent."""

    key: bytes
    choices: Mapping[int, tuple[str, ...]]
    levels: Mapping[int, Mapping[int, str]]

    @property
    def key_text(self) -> str:
        """The key as the hidden field holds it."""
        return self.key.hex()

    def chosen(self, question_id: int, option_id: int) -> bool:
        """Whether the option is chosen in the question."""
        return str(option_id) in self.choices.get(question_id, ())

    def level(self, question_id: int, option_id: int) -> str:
        """The level given to an option of a rating question, empty for none."""
        return self.levels.get(question_id, {}).get(option_id, "")

    def fields(self, without: int | None = None) -> Fields:
        """The hidden fields of every question but the one the page shows as inputs."""
        found = [(f"q-{question}", value) for question, values in self.choices.items() for value in values
                 if question != without]  # fmt: skip
        found += [
            (f"q-{question}-{option}", level)
            for question, levels in self.levels.items()
            for option, level in levels.items()
            if question != without
        ]
        return tuple(found)

    def blank(self, question_id: int) -> bool:
        """Whether nothing is filled in for the question."""
        return not self.choices.get(question_id) and not self.levels.get(question_id)

    @property
    def empty(self) -> bool:
        """Whether nothing is filled in at all."""
        return not self.choices and not self.levels

    def without(self, question_id: int) -> Filled:
        """The same ballot with one question left blank."""
        return Filled(
            self.key,
            {question: values for question, values in self.choices.items() if question != question_id},
            {question: levels for question, levels in self.levels.items() if question != question_id},
        )


def new_ballot() -> Filled:
    """An empty ballot with a key of its own: 128 random bits that nobody keeps but the page."""
    return Filled(secrets.token_bytes(KEY_BYTES), {}, {})


def read_fields(definition: Definition, fields: Iterable[tuple[str, str]]) -> Filled | None:
    """The ballot in a form's fields; None without a well-formed key. Fields of no question are ignored.

    Values are not judged here: whatever was sent is shown again, with what is wrong about it.
    """
    choices: dict[int, tuple[str, ...]] = {}
    levels: dict[int, dict[int, str]] = {}
    key = ""
    names = _names(definition)
    for name, value in fields:
        if name == "key":
            key = value
        if name not in names or not value:
            continue
        question, option = names[name]
        if option is None:
            choices[question] = (*choices.get(question, ()), value)
        else:
            levels.setdefault(question, {})[option] = value
    return Filled(bytes.fromhex(key), choices, levels) if _KEY.fullmatch(key) else None


def _names(definition: Definition) -> dict[str, tuple[int, int | None]]:
    """Every field a ballot of this poll can have: the question, and the option it rates if it rates one."""
    found: dict[str, tuple[int, int | None]] = {}
    for question in definition.questions:
        found[f"q-{question.id}"] = (question.id, None)
        if isinstance(question, Rating):
            found |= {f"q-{question.id}-{option.id}": (question.id, option.id) for option in question.regular}
    return found


def answer_of(question: AnyQuestion, filled: Filled) -> Any:
    """The answer to one question in the form :mod:`polls.ballot` takes: option ids, or levels by option id."""
    levels = filled.levels.get(question.id)
    if levels:
        return {str(option): level for option, level in levels.items()}
    return [int(value) if _ID.fullmatch(value) else value for value in filled.choices.get(question.id, ())]


def answers_of(definition: Definition, filled: Filled) -> dict[str, Any]:
    """All answers by question id, as the casting use case takes them."""
    return {str(question.id): answer_of(question, filled) for question in definition.questions}


def problem_with(question: AnyQuestion, filled: Filled) -> FieldError | None:
    """What is wrong with the answer to one question, or None."""
    if filled.levels.get(question.id) and filled.choices.get(question.id):
        message = "This option cannot be combined with others."
        return FieldError(f"answers/{question.id}", "neutral_not_alone", message)
    found = encode_answer(question, answer_of(question, filled))
    return found if isinstance(found, FieldError) else None


def first_problem(definition: Definition, filled: Filled) -> tuple[int, FieldError] | None:
    """The first question (counted from 1) whose answer is not right, with what is wrong; None when all are."""
    for step, question in enumerate(definition.questions, start=1):
        if (error := problem_with(question, filled)) is not None:
            return step, error
    return None


def shown_order(question: AnyQuestion, key: bytes) -> tuple[Option, ...]:
    """The regular options in the order this ballot shows them; neutral ones are not among them.

    A shuffled order follows from the key, so that every re-rendering of one ballot keeps it and nothing about it has
    to be stored. The key stays secret: the order is that of hashes.
    """
    if not question.shuffle:
        return question.regular
    seed = ORDER_DOMAIN + key + question.id.to_bytes(4, "big")
    return tuple(
        sorted(question.regular, key=lambda option: hashlib.sha256(seed + option.id.to_bytes(4, "big")).digest())
    )


@dataclass(frozen=True)
class Place:
    """Where a step leads: the question to show (counted from 1; one past the last is the check page).

    `reviewing`: the resident came from the check page to change one answer and goes back there.
    """

    filled: Filled
    step: int
    reviewing: bool = False
    error: FieldError | None = None


def move(definition: Definition, place: Place, operation: str) -> Place:
    """Follow the button pressed on a page: `next`, `skip`, `back`, `change-2`, or anything else to stay.

    Going forward asks for a right answer to the question left; nobody reaches the check page with a wrong one.
    """
    last = len(definition.questions)
    step = min(max(place.step, 1), last + 1)
    if (asked := _CHANGE.fullmatch(operation)) is not None:
        return Place(place.filled, min(max(int(asked[1]), 1), last), reviewing=True)
    if operation == "back":
        return Place(place.filled, max(step - 1, 1))
    if operation not in ("next", "skip") or step > last:
        return _checked(definition, Place(place.filled, step, place.reviewing))
    question = definition.questions[step - 1]
    filled = place.filled.without(question.id) if operation == "skip" else place.filled
    if (error := problem_with(question, filled)) is not None:
        return Place(filled, step, place.reviewing, error)
    return _checked(definition, Place(filled, last + 1 if place.reviewing else step + 1))


def _checked(definition: Definition, place: Place) -> Place:
    """The place itself; instead of the check page the first question with a wrong answer, if there is one."""
    found = first_problem(definition, place.filled) if place.step > len(definition.questions) else None
    return place if found is None else Place(place.filled, found[0], place.reviewing, found[1])
