"""Which questions may be counted together, and by which answers: the rules of cross-tabs. Pure.

A cross-tab says how many gave each answer to one question and each to another. Both stand on the same ballots, so that
the margins of the table are the totals of the questions, exactly. Answers are few: a table of many small figures would
tell of people or be hidden nearly whole. The pairs of a poll form no ring: then what any two tables say of a question
they share can be moved in both alike, which is what proves that hidden figures stay hidden (:mod:`results.crossing`).
For the same reason a question of several choices stands in one pair only, beside a question of one answer: its answers
are sets, and what is known of them in one table bounds them in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from polls.definition import OWN, AnyQuestion, CrossTab, MultipleChoice, Rating, SingleChoice, UnitRule
from polls.questions import takes_words
from polls.tally.profile import BLANK

MOST_ANSWERS = 12
"""The most answers a crossed question has: options, neutral ones, levels, own answers and blank together."""


def may_be_crossed(question: AnyQuestion) -> bool:
    """A choice of one or of several, or a rating of one thing. Flats decide in tables of their own."""
    if isinstance(question, Rating):
        return len(question.regular) == 1
    return isinstance(question, SingleChoice | MultipleChoice) and not isinstance(question.rule, UnitRule)


def answers_of(question: AnyQuestion) -> list[str]:
    """Every answer by its key in the count: ``3`` option 3, ``0`` own words, ``[3,5]`` a level, ``[]`` left blank."""
    if isinstance(question, Rating):
        levels = range(question.scale_min, question.scale_max + 1)
        chosen = [f"[{option.id},{level}]" for option in question.regular for level in levels]
    else:
        chosen = [str(option.id) for option in question.regular]
    own = [str(OWN)] if takes_words(question) else []
    return [*chosen, *(str(option.id) for option in question.neutral), *own, BLANK]


def has_several(question: AnyQuestion) -> bool:
    """Whether one ballot may be in several answers, so that the answers do not add up to the ballots."""
    return isinstance(question, MultipleChoice) and question.max_choices != 1


def on_same_ballots(one: AnyQuestion, other: AnyQuestion) -> bool:
    """Whether every ballot that shows one question shows the other."""
    return one.shown_if == other.shown_if and set(one.styles) == set(other.styles)


def linked(pairs: Sequence[CrossTab], ids: Iterable[int]) -> Iterator[CrossTab]:
    """The cross-tabs whose questions are both among `ids`."""
    known = set(ids)
    return (pair for pair in pairs if pair.rows in known and pair.columns in known)


def rings(pairs: Iterable[CrossTab]) -> list[CrossTab]:
    """The pairs, in stated order, that close a ring of questions; a pair said twice closes one too."""
    above: dict[int, int] = {}

    def top(question: int) -> int:
        while above.setdefault(question, question) != question:
            question = above[question]
        return question

    found = []
    for pair in pairs:
        one, other = top(pair.rows), top(pair.columns)
        if one == other:
            found.append(pair)
        above[one] = other
    return found
