"""A whole ballot: which questions a resident is shown, and the canonical answers to them. Pure.

What a resident is shown follows from the ballot style (by territory, sealed) and from the answers given so far
(follow-ups). A question that was not shown is :data:`NOT_SHOWN` in the stored ballot: it enters no profile and no
record of it is published, so that nobody can be told apart from those who were asked and left it blank.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from polls.answer import encode_answer, levels_of, named_options, read_answer
from polls.definition import EVERYBODY_ELSE, Definition
from polls.errors import FieldError, InvalidAnswer
from polls.questions import AnyQuestion, Points, Rating, ShownIf, shown_in
from polls.tally.profile import BLANK, NOT_SHOWN

__all__ = ["BLANK", "NOT_SHOWN", "EncodedBallot", "encode_answer", "encode_ballot", "is_shown", "style_of"]


@dataclass(frozen=True)
class EncodedBallot:
    """Canonical answers in the order of the definition's questions, the style, and words by question id."""

    answers: tuple[str, ...]
    style: int
    words: Mapping[int, str]


def style_of(definition: Definition, territories: Collection[str]) -> int:
    """The ballot style of a resident of these territories (codes, from the building or district up to the city)."""
    for style in definition.styles:
        if any(code in territories for code in style.territories):
            return style.id
    return EVERYBODY_ELSE


def encode_ballot(definition: Definition, answers: Mapping[str, Any], style: int = EVERYBODY_ELSE) -> EncodedBallot:
    """The canonical ballot of a resident with this ballot style.

    `answers` maps question ids (as text, the way JSON keys are) to answers; a question left out is blank. Answers to
    questions that other answers hide are dropped, as a page without scripts sends them; an answer to a question of
    another style is refused. Raises `InvalidAnswer` listing every wrong question at once; paths are ``answers/{id}``.
    """
    errors: list[FieldError] = []
    known = {str(question.id) for question in definition.questions if shown_in(question, style)}
    errors += [
        FieldError(f"answers/{key[:40]}", "unknown_question", "There is no such question on your ballot.")
        for key in answers
        if key not in known
    ]
    encoded: dict[int, str] = {}
    words: dict[int, str] = {}
    for question in definition.questions:
        if not is_shown(definition, question, style, encoded):
            encoded[question.id] = NOT_SHOWN
            continue
        found = read_answer(question, answers.get(str(question.id)), style)
        if isinstance(found, FieldError):
            errors.append(found)
            encoded[question.id] = BLANK
            continue
        encoded[question.id] = found.canonical
        if found.words is not None:
            words[question.id] = found.words
    if errors:
        raise InvalidAnswer(errors)
    return EncodedBallot(tuple(encoded.values()), style, words)


def is_shown(definition: Definition, question: AnyQuestion, style: int, given: Mapping[int, str]) -> bool:
    """Whether a resident with this style who has `given` these canonical answers (by question id) sees the question."""
    if not shown_in(question, style):
        return False
    if question.shown_if is None:
        return True
    earlier = definition.question(question.shown_if.question)
    answer = given.get(question.shown_if.question, NOT_SHOWN)
    return earlier is not None and answer != NOT_SHOWN and _holds(question.shown_if, earlier, answer)


def _holds(condition: ShownIf, earlier: AnyQuestion, answer: str) -> bool:
    if isinstance(earlier, Rating | Points) and (condition.at_least, condition.at_most) != (None, None):
        levels = levels_of(answer)
        return any(
            (condition.at_least is None or level >= condition.at_least)
            and (condition.at_most is None or level <= condition.at_most)
            for option, level in levels.items()
            if not condition.options or option in condition.options
        )
    named = named_options(earlier, answer)
    return not named.isdisjoint(condition.options) if condition.options else bool(named)
