"""A ballot being filled in, as it travels in the fields of its own form. Pure.

Until it is cast, a ballot exists only in the page the resident looks at: every POST brings all answers along, and the
answer re-renders them as hidden fields. The server keeps nothing between two steps, so there is nothing to leak, to
expire or to clean up.

Fields: `key` (the ballot's K, 32 hex digits), `q-3` for the options chosen in question 3 (repeated; 0 is «own
answer»), `q-3-5` for the level, the points or the place given to option 5, `q-3-own` for words: an own answer, or the
text a question asks for.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from polls.answer import read_answer
from polls.board import KEY_BYTES
from polls.definition import OWN, AnyQuestion, Definition, Option, Points, Ranking, Rating
from polls.errors import FieldError
from polls.questions import shown_in, takes_words

ORDER_DOMAIN = b"veche/order/v1"
Fields = tuple[tuple[str, str], ...]
"""Names and values of form fields, in order; a name may repeat."""

_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")
_ID = re.compile(r"[0-9]{1,5}")
_OWN = str(OWN)


@dataclass(frozen=True)
class Filled:
    """What the resident has filled in so far, right or wrong: ids and numbers as the text the form sent.

    `numbers` holds levels, points or places by question and option; `words` the resident's own words by question.
    """

    key: bytes
    choices: Mapping[int, tuple[str, ...]]
    numbers: Mapping[int, Mapping[int, str]]
    words: Mapping[int, str]

    @property
    def key_text(self) -> str:
        """The key as the hidden field holds it."""
        return self.key.hex()

    def chosen(self, question_id: int, option_id: int) -> bool:
        """Whether the option is chosen in the question (0: the own answer)."""
        return str(option_id) in self.choices.get(question_id, ())

    def number(self, question_id: int, option_id: int) -> str:
        """The level, points or place given to an option, empty for none."""
        return self.numbers.get(question_id, {}).get(option_id, "")

    def tiers(self, question_id: int) -> list[list[int]]:
        """The options given a place in a ranking, best first, gaps closed; what is no number has no place."""
        places = {option: int(place) for option, place in self.numbers.get(question_id, {}).items() if place.isdigit()}
        return [[option for option in places if places[option] == place] for place in sorted(set(places.values()))]

    def said(self, question_id: int) -> str:
        """The words written in the question, empty for none."""
        return self.words.get(question_id, "")

    def fields(self, without: Iterable[int] = ()) -> Fields:
        """The hidden fields of every question but those the page shows as inputs."""
        left = set(without)
        found = [(f"q-{question}", value) for question, values in self.choices.items() for value in values
                 if question not in left]  # fmt: skip
        found += [
            (f"q-{question}-{option}", number)
            for question, numbers in self.numbers.items()
            for option, number in numbers.items()
            if question not in left
        ]
        found += [(f"q-{question}-own", words) for question, words in self.words.items() if question not in left]
        return tuple(found)

    def blank(self, question_id: int) -> bool:
        """Whether nothing is filled in for the question."""
        return not any(question_id in part for part in (self.choices, self.numbers, self.words))

    @property
    def empty(self) -> bool:
        """Whether nothing is filled in at all."""
        return not (self.choices or self.numbers or self.words)

    def without(self, *questions: int) -> Filled:
        """The same ballot with some questions left blank."""
        return replace(
            self,
            choices={key: value for key, value in self.choices.items() if key not in questions},
            numbers={key: value for key, value in self.numbers.items() if key not in questions},
            words={key: value for key, value in self.words.items() if key not in questions},
        )


def new_ballot() -> Filled:
    """An empty ballot with a key of its own: 128 random bits that nobody keeps but the page."""
    return Filled(secrets.token_bytes(KEY_BYTES), {}, {}, {})


def read_fields(definition: Definition, fields: Iterable[tuple[str, str]]) -> Filled | None:
    """The ballot in a form's fields; None without a well-formed key. Fields of no question are ignored.

    Values are not judged here: whatever was sent is shown again, with what is wrong about it.
    """
    choices: dict[int, tuple[str, ...]] = {}
    numbers: dict[int, dict[int, str]] = {}
    words: dict[int, str] = {}
    key = ""
    names = _names(definition)
    for name, value in fields:
        if name == "key":
            key = value
        if name not in names or not value.strip():
            continue
        question, part = names[name]
        if part is None:
            choices[question] = (*choices.get(question, ()), value)
        elif part == OWN:
            words[question] = value
        else:
            numbers.setdefault(question, {})[part] = value.strip()
    return Filled(bytes.fromhex(key), choices, numbers, words) if _KEY.fullmatch(key) else None


def _names(definition: Definition) -> dict[str, tuple[int, int | None]]:
    """Every field a ballot of this poll can have: the question, and the option it gives a number to (0: words)."""
    found: dict[str, tuple[int, int | None]] = {}
    for question in definition.questions:
        found[f"q-{question.id}"] = (question.id, None)
        if isinstance(question, Rating | Ranking | Points):
            found |= {f"q-{question.id}-{option.id}": (question.id, option.id) for option in question.regular}
        if takes_words(question):
            found[f"q-{question.id}-own"] = (question.id, OWN)
    return found


def answer_of(question: AnyQuestion, filled: Filled) -> Any:
    """The answer to one question in the form :mod:`polls.answer` takes: ids, numbers by option id, own words."""
    numbers = filled.numbers.get(question.id)
    if numbers:
        return {str(option): number for option, number in numbers.items()}
    chosen = filled.choices.get(question.id, ())
    ids = [int(value) if _ID.fullmatch(value) else value for value in chosen]
    words = filled.words.get(question.id)
    if words is None:
        return ids
    return [{"own": words}, *(value for value in ids if value != OWN)]


def problem_with(question: AnyQuestion, filled: Filled, style: int = 0) -> FieldError | None:
    """What is wrong with the answer to one question, or None.

    A form can say what an answer of the API cannot: numbers or words beside a chosen option, or «own answer» chosen
    with nothing written. Codes besides those of :mod:`polls.answer`: `own_empty`.
    """
    path = f"answers/{question.id}"
    chosen = filled.choices.get(question.id, ())
    neutral = {str(option.id) for option in question.neutral}
    beside = filled.numbers.get(question.id) or (filled.words.get(question.id) and neutral.intersection(chosen))
    if beside and chosen:
        return FieldError(path, "neutral_not_alone", "This option cannot be combined with others.")
    if _OWN in chosen and takes_words(question) and not filled.said(question.id):
        return FieldError(path, "own_empty", "Write your own answer, or choose another one.")
    found = read_answer(question, answer_of(question, filled), style)
    return found if isinstance(found, FieldError) else None


def shown_order(question: AnyQuestion, key: bytes, style: int | None = 0) -> tuple[Option, ...]:
    """The regular options of a style in the order this ballot shows them; neutral ones are not among them.

    A shuffled order follows from the key, so that every re-rendering of one ballot keeps it and nothing about it has
    to be stored. The key stays secret: the order is that of hashes. No style: the options of all styles.
    """
    options = tuple(option for option in question.regular if style is None or shown_in(option, style))
    if not question.shuffle:
        return options
    seed = ORDER_DOMAIN + key + question.id.to_bytes(4, "big")
    return tuple(sorted(options, key=lambda option: hashlib.sha256(seed + option.id.to_bytes(4, "big")).digest()))
