"""What a valid answer is, per question kind, and its canonical text. Pure.

An answer arrives as plain JSON values in the natural form of its kind and leaves as a canonical RFC 8785 array of
option ids, the only form that is stored, counted, published and hashed:

=================  ==============================  ======================
kind               accepted                        canonical
=================  ==============================  ======================
single_choice      ``3`` or ``[3]``                ``[3]``
multiple_choice    ``[4, 1]``                      ``[1,4]`` (sorted)
budget             ``[4, 1]``                      ``[1,4]`` (sorted)
rating             ``{"1": 5, "2": 3}`` or pairs   ``[[1,5],[2,3]]``
a neutral option   ``[9]`` (alone)                 ``[9]``
blank              ``[]``, ``{}`` or null          ``[]``
=================  ==============================  ======================
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from polls.definition import AnyQuestion, Budget, Definition, MultipleChoice, OptionKind, Rating, SingleChoice
from polls.errors import FieldError, InvalidAnswer
from polls.tally.profile import BLANK

WHOLE_STYLE = 0
"""The ballot style on which every question and option is shown; others come with territory-bound questions."""


def encode_ballot(definition: Definition, answers: Mapping[str, Any]) -> tuple[str, ...]:
    """The canonical answers, in the order of the definition's questions.

    `answers` maps question ids (as text, the way JSON keys are) to answers; a question left out is blank.
    Raises `InvalidAnswer` listing every wrong question at once; the path of each error is ``answers/{id}``.
    """
    errors: list[FieldError] = []
    known = {str(question.id) for question in definition.questions}
    errors += [
        FieldError(f"answers/{key[:40]}", "unknown_question", "There is no such question in this poll.")
        for key in answers
        if key not in known
    ]
    encoded: list[str] = []
    for question in definition.questions:
        found = encode_answer(question, answers.get(str(question.id)))
        if isinstance(found, FieldError):
            errors.append(found)
        else:
            encoded.append(found)
    if errors:
        raise InvalidAnswer(errors)
    return tuple(encoded)


def encode_answer(question: AnyQuestion, answer: Any) -> str | FieldError:
    """The canonical text of one answer, or what is wrong with it."""
    if answer is None or answer in ([], {}, ""):
        if question.required:
            return _wrong(question, "required", "This question needs an answer.")
        return BLANK
    match question:
        case Rating():
            return _encode_rating(question, answer)
        case SingleChoice():
            ids = [answer] if isinstance(answer, int) and not isinstance(answer, bool) else answer
            return _encode_choice(question, ids, 1, 1)
        case MultipleChoice():
            return _encode_choice(question, answer, question.min_choices, question.max_choices)
        case Budget():
            return _encode_budget(question, answer)


def _encode_choice(question: AnyQuestion, answer: Any, least: int, most: int | None) -> str | FieldError:
    ids = _ids(question, answer)
    if isinstance(ids, FieldError):
        return ids
    kinds = {option.id: option.kind for option in question.options}
    if any(kinds[i] is OptionKind.NEUTRAL for i in ids):
        if len(ids) > 1:
            return _wrong(question, "neutral_not_alone", "This option cannot be combined with others.")
        return _canonical(ids)
    if len(ids) < least:
        return _wrong(question, "too_few", f"Choose at least {least}.", at_least=least, chosen=len(ids))
    if most is not None and len(ids) > most:
        return _wrong(question, "too_many", f"Choose at most {most}.", at_most=most, chosen=len(ids))
    return _canonical(sorted(ids))


def _encode_budget(question: Budget, answer: Any) -> str | FieldError:
    encoded = _encode_choice(question, answer, question.min_choices, question.max_choices)
    if isinstance(encoded, FieldError) or question.ballot_limit is None:
        return encoded
    costs = {option.id: option.cost or 0 for option in question.options}
    spent = sum(costs[i] for i in json.loads(encoded))
    if spent > question.ballot_limit:
        return _wrong(
            question, "over_limit", "The projects chosen cost more than one ballot may spend.",
            limit=question.ballot_limit, spent=spent,
        )  # fmt: skip
    return encoded


def _encode_rating(question: Rating, answer: Any) -> str | FieldError:
    neutral = {option.id for option in question.neutral}
    if isinstance(answer, int) and not isinstance(answer, bool):
        answer = [answer]
    if isinstance(answer, list) and len(answer) == 1 and _whole(answer[0]) in neutral:
        return _canonical([_whole(answer[0])])
    pairs = answer.items() if isinstance(answer, Mapping) else answer
    regular = {option.id for option in question.regular}
    if not isinstance(answer, Mapping | list):
        return _wrong(question, "malformed", "A rating maps options to levels.")
    levels: dict[int, int] = {}
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            return _wrong(question, "malformed", "A rating maps options to levels.")
        option, level = _whole(pair[0]), _whole(pair[1])
        if option not in regular or option in levels:
            return _wrong(question, "unknown_option", "There is no such option, or it comes twice.")
        if level is None or not question.scale_min <= level <= question.scale_max:
            return _wrong(
                question, "off_scale", f"Rate from {question.scale_min} to {question.scale_max}.",
                scale_min=question.scale_min, scale_max=question.scale_max,
            )  # fmt: skip
        assert option is not None
        levels[option] = level
    return _canonical([[option, levels[option]] for option in sorted(levels)])


def _ids(question: AnyQuestion, answer: Any) -> list[int] | FieldError:
    if not isinstance(answer, list) or len(answer) > len(question.options):
        return _wrong(question, "malformed", "An answer is a list of option ids, each at most once.")
    known = {option.id for option in question.options}
    ids: list[int] = []
    for item in answer:
        option = _whole(item)
        if option is None or option not in known:
            return _wrong(question, "unknown_option", "There is no such option in this question.")
        if option in ids:
            return _wrong(question, "repeated_option", "An option may be chosen once.")
        ids.append(option)
    return ids


def _whole(value: Any) -> int | None:
    """A whole number from JSON or from a form field; bool is not a number here."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 6:
        return int(value)
    return None


def _canonical(value: Sequence[Any]) -> str:
    """RFC 8785 of arrays of small integers: no spaces."""
    return json.dumps(value, separators=(",", ":"))


def _wrong(question: AnyQuestion, code: str, message: str, **facts: Any) -> FieldError:
    return FieldError(f"answers/{question.id}", code, message, facts)
