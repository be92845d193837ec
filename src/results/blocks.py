"""What disclosure control has to know of questions broken down: the published figures and every sum among them. Pure.

Figures of a question are counted by group and column: ``cast`` the ballots it was shown on, ``[]`` those left blank,
``3`` option 3, ``0`` the own answers. Of ratings and points also what ballots gave: levels and points are summed apart
from ballots (``points:3``), and their sum stays hidden where everybody gave the same, for it would say so.

Questions are protected together where one leads to another: the ballots of a follow-up are the votes of the answer it
follows, so a hidden cell of one question must not be readable from the other. Where several answers of a question with
several choices lead there, the numbers bound each other without being equal; such bounds are not looked into.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from polls.definition import (
    OWN,
    AnyQuestion,
    Budget,
    Definition,
    FreeText,
    MultipleChoice,
    Points,
    Ranking,
    Rating,
    SingleChoice,
)
from polls.questions import takes_words
from polls.tally.profile import BLANK
from results.disclosure import CAST, LEAST, ROOT, Block, Cell, hidden_cells
from results.grouping import Nest

EVERY = ""
"""Class key: every ballot on which the question was shown."""
FIRST = "^"
"""Begins a class key of a ranking: ``^3`` are the ballots with option 3 in first place."""


@dataclass(frozen=True)
class Grouped:
    """One question counted by (group, column), every group above included. Cells without ballots are nought.

    `amounts` (ratings and points): option id as text → level or number of points → group → ballots.
    """

    question: AnyQuestion
    values: Counter[tuple[str, str]]
    amounts: Mapping[str, Mapping[int, Counter[str]]]

    def given(self, group: str, name: str, *, above: int = 0) -> int:
        """The sum of levels or points a group gave an option, each counted from `above`."""
        return sum((amount - above) * by[group] for amount, by in self.amounts.get(name, {}).items())

    def alike(self, group: str, name: str) -> bool:
        """Whether all in the group who gave an option anything gave it the same."""
        return sum(by[group] > 0 for by in self.amounts.get(name, {}).values()) <= 1


def grouped(question: AnyQuestion, counts: Iterable[tuple[str, str, int]], nest: Nest) -> Grouped:
    """Sum (leaf, class key, ballots) up the groups of a nest. Raises ValueError for a class no answer of it can be."""
    values: Counter[tuple[str, str]] = Counter()
    amounts: dict[str, dict[int, Counter[str]]] = {}
    known = {str(option.id) for option in question.options} | ({str(OWN)} if takes_words(question) else set())
    for leaf, key, n in counts:
        name, amount = _class_of(question, key)
        if name not in known and name not in (CAST, BLANK):
            raise ValueError(f"question {question.id}: there is no class {key[:40]!r}")
        for group in nest.path(leaf):
            values[group, name] += n
            if amount is not None:
                amounts.setdefault(name, {}).setdefault(amount, Counter())[group] += n
    return Grouped(question, values, amounts)


def _class_of(question: AnyQuestion, key: str) -> tuple[str, int | None]:
    """The column of a class key, and the level or points it says."""
    if key in (EVERY, BLANK):
        return (BLANK if key else CAST), None
    if isinstance(question, Rating | Points) and key.startswith("["):
        option, amount = key[1:-1].split(",")
        return option, int(amount)
    return key.removeprefix(FIRST), None


def names_of(question: AnyQuestion) -> list[str]:
    """The published columns of a question besides the ballots cast: options, neutral ones, own answers, blank."""
    own = [str(OWN)] if takes_words(question) else []
    return [*(str(o.id) for o in question.regular), *(str(o.id) for o in question.neutral), *own, BLANK]


def amount_name(name: str) -> str:
    """The column of what was given to an option."""
    return f"points:{name}"


# ---- which cells stay hidden


def hidden_in(questions: Sequence[Grouped], definition: Definition, nest: Nest) -> dict[int, frozenset[Cell]]:
    """Hidden cells by question id, of questions that are linked and share a nest; columns as in :class:`Grouped`."""
    parts = [_part(found, nest) for found in questions]
    known = {found.question.id for found in questions}
    sums = [relation for part in parts for relation in part.sums]
    for found in questions:
        relation = link_of(definition, found.question)
        if relation is not None and found.question.shown_if and found.question.shown_if.question in known:
            sums.append(relation)
    block = Block(
        {cell: n for part in parts for cell, n in part.values.items()},
        nest.parent,
        sums,
        frozenset().union(*(part.open_columns for part in parts)),
        frozenset().union(*(part.primary for part in parts)),
        {column: whole for part in parts for column, whole in part.whole.items()},
        frozenset().union(*(part.amounts for part in parts)),
    )
    hidden = hidden_cells(block)
    return {
        found.question.id: frozenset(
            (group, column.partition("/")[2])
            for group, column in hidden
            if column.startswith(f"{found.question.id}/")
        )
        for found in questions
    }  # fmt: skip


def clusters(definition: Definition, ids: Iterable[int]) -> list[list[int]]:
    """Question ids in groups that have to be protected together, in stated order."""
    known = set(ids)
    above: dict[int, int] = {}
    for question in definition.questions:
        if question.id in known and link_of(definition, question) is not None and question.shown_if is not None:
            above[question.id] = question.shown_if.question
    found: dict[int, list[int]] = {}
    for question in definition.questions:
        if question.id in known:
            first = question.id
            while first in above and above[first] in known:
                first = above[first]
            found.setdefault(first, []).append(question.id)
    return list(found.values())


def link_of(definition: Definition, question: AnyQuestion) -> dict[str, int] | None:
    """The sum that makes the ballots of a follow-up equal votes of the question before it; None where there is none."""
    condition = question.shown_if
    earlier = definition.question(condition.question) if condition else None
    if condition is None or earlier is None or (condition.at_least, condition.at_most) != (None, None):
        return None
    if question.styles and set(question.styles) != set(earlier.styles):
        return None
    mine, theirs = _column(question.id, CAST), earlier.id
    if not condition.options:
        return {mine: 1, _column(theirs, CAST): -1, _column(theirs, BLANK): 1}
    neutral = {option.id for option in earlier.neutral}
    counted = [o for o in condition.options if o in neutral or not isinstance(earlier, Ranking)]
    if len(counted) != len(condition.options):
        return None
    if len(counted) == 1 or isinstance(earlier, SingleChoice) or neutral >= set(counted):
        return {mine: 1} | {_column(theirs, str(option)): -1 for option in counted}
    return None


def _column(question_id: int, name: str) -> str:
    return f"{question_id}/{name}"


def _part(found: Grouped, nest: Nest) -> Block:
    """One question as a block, its columns marked with its id."""
    question = found.question

    def column(name: str) -> str:
        return _column(question.id, name)

    cast, names, groups = column(CAST), names_of(question), [ROOT, *nest.groups]
    published = {(group, column(name)): found.values[group, name] for group in groups for name in (*names, CAST)}
    open_columns, primary, amounts = {cast}, set(), set()
    if isinstance(question, Rating | Points):
        # Counted from the lowest level where that is below nought, so that no sum of a block is negative.
        lowest = min(question.scale_min, 0) if isinstance(question, Rating) else 0
        for option in question.regular:
            name = str(option.id)
            given = column(amount_name(name))
            amounts.add(given)
            open_columns |= {column(name), given}  # everybody having given something tells nothing of what
            for group in groups:
                published[group, given] = found.given(group, name, above=lowest)
                if found.alike(group, name) or found.values[group, name] < LEAST:
                    primary.add((group, given))
    sums = [{column(name): weight for name, weight in relation.items()} for relation in _sums(question)]
    whole = dict.fromkeys((c for _, c in published), cast)
    return Block(published, nest.parent, sums, frozenset(open_columns), frozenset(primary), whole, frozenset(amounts))


def _sums(question: AnyQuestion) -> list[dict[str, int]]:
    """The sums among a group's classes, for questions where each ballot has as many choices (or points).

    With one choice a ballot, options, neutral and blank add up to the ballots cast. With exactly m choices, options
    add up to m times the ballots that are neither neutral nor blank. So do points that have to be spent.
    """
    others = [str(option.id) for option in question.neutral] + [BLANK]
    options = [name for name in names_of(question) if name not in others]
    choices: int | None = None
    match question:
        case SingleChoice() | FreeText():
            choices = 1
        case Ranking():
            choices = None if question.equal_ranks else 1
        case Rating():
            choices = 1 if len(options) == 1 else None
        case MultipleChoice() | Budget():
            most = min(question.max_choices or len(options), len(options))
            choices = most if most <= question.min_choices else None
        case Points():
            if question.spend_all:
                options, choices = [amount_name(name) for name in options], question.total
    if not choices:
        return []
    return [dict.fromkeys(options, 1) | dict.fromkeys(others, choices) | {CAST: -choices}]
