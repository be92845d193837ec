"""A profile read against its question: blank, neutral and valid answers, and the votes or ratings in them. Pure.

Casting refuses what does not fit a question, so an unfit answer here is a programming error, or a ballot that came
in through no door of ours: it raises ValueError naming the answer and is never counted or skipped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from polls.definition import OWN, BaseQuestion, Rating
from polls.questions import takes_words
from polls.tally.profile import BLANK, Profile

_CHOICES = re.compile(r"\[(?:0|[1-9][0-9]{0,4})(?:,[1-9][0-9]{0,4})*\]")
_RATED = r"\[[1-9][0-9]{0,4},(?:0|-?[1-9][0-9]{0,2})\]"
_RATINGS = re.compile(rf"\[{_RATED}(?:,{_RATED})*\]")
_PAIR = re.compile(r"([0-9]+),(-?[0-9]+)")


@dataclass(frozen=True)
class Classes:
    """How the ballots divide: `cast` = `valid` + `blank` + the sum of `neutral` (option id → ballots).

    `own`: valid ballots that hold the resident's own words; None where the question takes none.
    """

    cast: int
    valid: int
    blank: int
    neutral: dict[int, int]
    own: int | None = None


def unfit(question: BaseQuestion, answer: object, reason: str) -> ValueError:
    """The error for an answer that does not fit its question."""
    return ValueError(f"question {question.id}: answer {repr(answer)[:200]} does not fit: {reason}")


def count_choices(
    question: BaseQuestion,
    profile: Profile,
    least: int,
    most: int | None,
    check: Callable[[tuple[int, ...]], str | None] | None = None,
) -> tuple[Classes, dict[int, int]]:
    """Votes per regular option (every one present, in stated order) of a question whose answers are lists of ids.

    `least` and `most` bound the number of choices, of which an own answer (0) is one where the question takes any;
    `check` may return a further reason why a list does not fit.
    Raises ValueError naming the first answer that does not fit.
    """
    votes = {option.id: 0 for option in question.regular}
    takes_own = bool(takes_words(question))
    own = 0
    sieve = Sieve(question, profile)
    for answer, n in sieve:
        if not _CHOICES.fullmatch(answer):
            raise unfit(question, answer, "it is not a canonical list of option ids")
        ids = tuple(map(int, answer[1:-1].split(",")))
        if any(a >= b for a, b in pairwise(ids)):
            raise unfit(question, answer, "option ids must rise")
        named = ids[1:] if takes_own and ids[0] == OWN else ids
        if any(option_id not in votes for option_id in named):
            raise unfit(question, answer, "an option is unknown, or a neutral one stands beside others")
        if len(ids) < least or (most is not None and len(ids) > most):
            raise unfit(question, answer, "too few or too many options")
        if check is not None and (reason := check(ids)):
            raise unfit(question, answer, reason)
        own += n if len(named) < len(ids) else 0
        for option_id in named:
            votes[option_id] += n
    return sieve.classes(own if takes_own else None), votes


def choices_of(question: BaseQuestion, profile: Profile) -> dict[tuple[int, ...], int]:
    """Option ids of each valid answer → ballots, of a profile that :func:`count_choices` has accepted."""
    return {tuple(map(int, answer[1:-1].split(","))): n for answer, n in Sieve(question, profile) if n}


def count_ratings(question: Rating, profile: Profile) -> tuple[Classes, dict[int, dict[int, int]]]:
    """Ballots per level for every regular option: option id → level → n, every level of the scale present.

    Raises ValueError naming the first answer that does not fit.
    """
    scale = range(question.scale_min, question.scale_max + 1)
    levels = {option.id: dict.fromkeys(scale, 0) for option in question.regular}
    sieve = Sieve(question, profile)
    for answer, n in sieve:
        if not _RATINGS.fullmatch(answer):
            raise unfit(question, answer, "it is not a canonical list of [option id, level]")
        pairs = _PAIR.findall(answer)
        before = 0
        for option_text, level_text in pairs:
            option_id, level = int(option_text), int(level_text)
            if option_id <= before:
                raise unfit(question, answer, "option ids must rise")
            if option_id not in levels:
                raise unfit(question, answer, f"option {option_id} is unknown or neutral")
            if level not in levels[option_id]:
                raise unfit(question, answer, f"level {level_text} is not on the scale")
            levels[option_id][level] += n
            before = option_id
    return sieve.classes(), levels


class Sieve:
    """Iterates over answers that are neither blank nor neutral, counting those two classes on the way."""

    def __init__(self, question: BaseQuestion, profile: Profile) -> None:
        self._question = question
        self._profile = profile
        self._neutral = {option.id: 0 for option in question.neutral}
        self._blank = 0
        self._valid = 0

    def __iter__(self) -> Iterator[tuple[str, int]]:
        neutral = {f"[{option_id}]": option_id for option_id in self._neutral}
        for answer, n in self._profile.answers.items():
            if type(n) is not int or n < 0:
                raise unfit(self._question, answer, f"{n!r} is not a number of ballots")
            if type(answer) is not str:
                raise unfit(self._question, answer, "an answer is its canonical text")
            if answer == BLANK:
                self._blank += n
            elif answer in neutral:
                self._neutral[neutral[answer]] += n
            else:
                self._valid += n
                yield answer, n

    def classes(self, own: int | None = None) -> Classes:
        """The classes counted; right only once the iteration has ended."""
        return Classes(self._profile.cast, self._valid, self._blank, self._neutral, own)
