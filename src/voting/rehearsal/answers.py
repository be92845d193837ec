"""Ballots at random, valid for the ballot style they are for. Pure but for the random numbers given.

Options are not equally liked: the first ones of a question more than the last, so that results look like results; one
answer in twelve is neutral or blank, where the question lets it be.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, assert_never

from polls.answer import encode_answer
from polls.ballot import is_shown
from polls.definition import (
    AnyQuestion,
    Budget,
    Definition,
    FreeText,
    MultipleChoice,
    Option,
    OptionKind,
    Points,
    Ranking,
    Rating,
    SingleChoice,
)
from polls.errors import FieldError
from polls.questions import shown_in

ASIDE = 1 / 12
OWN_WORDS = ("Больше деревьев", "Посадить деревья", "Ничего из этого", "Сначала отремонтировать дороги")


def random_answers(definition: Definition, style: int, rng: random.Random) -> dict[str, Any]:
    """Answers to every question this ballot shows, follow-ups by the answers before them."""
    answers: dict[str, Any] = {}
    given: dict[int, str] = {}
    for question in definition.questions:
        if not is_shown(definition, question, style, given):
            continue
        answer = _answer(question, style, rng)
        encoded = encode_answer(question, answer, style)
        if isinstance(encoded, FieldError):  # bounds that chance has missed: try harder, then leave it to casting
            answer = next(
                (a for a in (_answer(question, style, rng) for _ in range(50)) if _fits(question, a, style)), answer
            )
            encoded = encode_answer(question, answer, style)
        answers[str(question.id)] = answer
        given[question.id] = "[]" if isinstance(encoded, FieldError) else encoded
    return answers


def _fits(question: AnyQuestion, answer: Any, style: int) -> bool:
    return not isinstance(encode_answer(question, answer, style), FieldError)


def _answer(question: AnyQuestion, style: int, rng: random.Random) -> Any:
    shown = [option for option in question.options if shown_in(option, style)]
    neutral = [option.id for option in shown if option.kind is OptionKind.NEUTRAL]
    regular = [option for option in shown if option.kind is OptionKind.REGULAR]
    if rng.random() < ASIDE:
        if neutral:
            return [rng.choice(neutral)]
        if not question.required:
            return []
    match question:
        case SingleChoice():
            return _own(rng) if question.own_answer and rng.random() < ASIDE else _liked(regular, 1, rng)
        case MultipleChoice():
            most = min(question.max_choices or len(regular), len(regular))
            chosen: list[Any] = list(
                _liked(regular, rng.randint(question.min_choices, max(question.min_choices, most)), rng)
            )
            return [*chosen[:-1], _own(rng)] if question.own_answer and rng.random() < ASIDE else chosen
        case Budget():
            return _projects(question, regular, rng)
        case Rating():
            return {str(o.id): _level(question, o.id, rng) for o in regular if rng.random() < 0.9} or _first(
                question, regular
            )
        case Points():
            return _points(question, regular, rng)
        case Ranking():
            least = min(question.min_ranked, len(regular))
            most = min(question.max_ranked or len(regular), len(regular))
            return _liked(regular, rng.randint(least, max(least, most)), rng)
        case FreeText():
            return rng.choice(OWN_WORDS)[: question.max_length]
        case _ as unreachable:
            assert_never(unreachable)


def _own(rng: random.Random) -> dict[str, str]:
    return {"own": rng.choice(OWN_WORDS)}


def _liked(options: Sequence[Option], n: int, rng: random.Random) -> list[int]:
    """`n` different options in the order they were thought of, earlier ones of the list oftener."""
    keys = {option.id: rng.expovariate(1) * (1 + place / 2) for place, option in enumerate(options)}
    return sorted(keys, key=keys.__getitem__)[:n]


def _projects(question: Budget, regular: Sequence[Option], rng: random.Random) -> list[int]:
    most = min(question.max_choices or len(regular), len(regular))
    wanted = rng.randint(question.min_choices, max(question.min_choices, most))
    costs = {option.id: option.cost or 0 for option in regular}
    chosen: list[int] = []
    for option in _liked(regular, len(regular), rng):
        apart = question.exclusive_on_ballot and any(
            option in group and set(group) & set(chosen) for group in question.exclusive_groups
        )
        spent = sum(costs[o] for o in chosen) + costs[option]
        if len(chosen) < wanted and not apart and (question.ballot_limit is None or spent <= question.ballot_limit):
            chosen.append(option)
    return chosen


def _level(question: Rating, option_id: int, rng: random.Random) -> int:
    span = question.scale_max - question.scale_min
    middle = 0.75 - 0.4 * (option_id % 5) / 5
    return question.scale_min + min(span, max(0, round(rng.gauss(middle, 0.25) * span)))


def _first(question: Rating, regular: Sequence[Option]) -> dict[str, int]:
    return {str(regular[0].id): question.scale_max} if regular else {}


def _points(question: Points, regular: Sequence[Option], rng: random.Random) -> dict[str, int]:
    cap = min(question.total, question.most_per_option or question.total)
    left = question.total if question.spend_all else rng.randint(1, question.total)
    points: dict[str, int] = {}
    for option in _liked(regular, len(regular), rng):
        share = min(cap, left, max(1, round(left * rng.uniform(0.4, 1))))
        if share:
            points[str(option)] = share
            left -= share
    for chosen in points:  # what is left over goes where there is room
        more = min(cap - points[chosen], left) if question.spend_all else 0
        points[chosen] += more
        left -= more
    return points
