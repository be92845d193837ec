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
from dataclasses import dataclass, replace

from polls.crossing import linked
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
from results.disclosure import CAST, LEAST, Block, Cell
from results.disclosure_tables import Form, Place, linked_block
from results.grouping import Grid

EVERY = ""
"""Class key: every ballot on which the question was shown."""
FIRST = "^"
"""Begins a class key of a ranking: ``^3`` are the ballots with option 3 in first place."""


@dataclass(frozen=True)
class Grouped:
    """One question counted by (group, column), every published group included. Cells without ballots are nought.

    `amounts` (ratings and points): option id as text → level or number of points → group → ballots. `leaves`: place →
    column → number, what was given to an option among them, counted from :func:`lowest_of`. `groups`: their names.
    """

    question: AnyQuestion
    values: Counter[tuple[str, str]]
    amounts: Mapping[str, Mapping[int, Counter[str]]]
    leaves: Mapping[Place, Counter[str]]
    groups: Sequence[str]

    def given(self, group: str, name: str, *, above: int = 0) -> int:
        """The sum of levels or points a group gave an option, each counted from `above`."""
        return sum((amount - above) * by[group] for amount, by in self.amounts.get(name, {}).items())

    def alike(self, group: str, name: str) -> bool:
        """Whether all in the group who gave an option anything gave it the same."""
        return sum(by[group] > 0 for by in self.amounts.get(name, {}).values()) <= 1


def grouped(question: AnyQuestion, counts: Iterable[tuple[Place, str, int]], form: Form) -> Grouped:
    """Sum (place, class key, ballots) up the groups of a form. Raises ValueError for a class no answer of it can be."""
    values: Counter[tuple[str, str]] = Counter()
    amounts: dict[str, dict[int, Counter[str]]] = {}
    leaves: dict[Place, Counter[str]] = {}
    lowest = lowest_of(question)
    known = {str(option.id) for option in question.options} | ({str(OWN)} if takes_words(question) else set())
    for place, key, n in counts:
        name, amount = _class_of(question, key)
        if name not in known and name not in (CAST, BLANK):
            raise ValueError(f"question {question.id}: there is no class {key[:40]!r}")
        leaf = leaves.setdefault(place, Counter())
        leaf[name] += n
        if amount is not None:
            leaf[amount_name(name)] += (amount - lowest) * n
        for group in form.groups(place):
            values[group, name] += n
            if amount is not None:
                amounts.setdefault(name, {}).setdefault(amount, Counter())[group] += n
    found = sorted({group for place in leaves for group in form.groups(place)})
    return Grouped(question, values, amounts, leaves, found)


def lowest_of(question: AnyQuestion) -> int:
    """Levels are summed from the lowest one where that is below nought, so that no sum of a block is negative."""
    return min(question.scale_min, 0) if isinstance(question, Rating) else 0


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


def block_of(questions: Sequence[Grouped], definition: Definition, grid: Grid, form: Form) -> Block:
    """The tables of questions that are linked and share a grid as one block; columns are ``3/cast``, ``3/1``, …"""
    counts: dict[Place, dict[str, int]] = {}
    open_columns: set[str] = set()
    primary: set[Cell] = set()
    whole: dict[str, str] = {}
    amounts: set[str] = set()
    sums: list[Mapping[str, int]] = []
    known = {found.question.id for found in questions}
    for found in questions:
        question = found.question
        cast = column(question.id, CAST)
        names = [*names_of(question), CAST]
        open_columns.add(cast)
        if isinstance(question, Rating | Points):
            for option in question.regular:
                name = str(option.id)
                given = column(question.id, amount_name(name))
                names.append(amount_name(name))
                amounts.add(given)
                # Everybody having given something tells nothing of what.
                open_columns |= {column(question.id, name), given}
                primary |= {
                    (group, given)
                    for group in {group for place in found.leaves for group in form.groups(place)}
                    if found.alike(group, name) or found.values[group, name] < LEAST
                }
        whole |= {column(question.id, name): cast for name in names}
        for place in grid.places.values():
            leaf = found.leaves.get(place, Counter())
            counts.setdefault(place, {}).update({column(question.id, name): leaf[name] for name in names})
        sums += [{column(question.id, name): weight for name, weight in one.items()} for one in _sums(question)]
        relation = link_of(definition, question)
        if relation is not None and question.shown_if and question.shown_if.question in known:
            sums.append(relation)
    block = linked_block(counts, form, sums)
    return replace(
        block,
        open_columns=frozenset(open_columns),
        primary=frozenset(primary),
        whole=whole,
        amounts=frozenset(amounts),
    )


def clusters(definition: Definition, ids: Iterable[int]) -> list[list[int]]:
    """Question ids in groups that have to be protected together, in stated order."""
    known = set(ids)
    above: dict[int, int] = {id_: id_ for id_ in known}

    def first(id_: int) -> int:
        while above[id_] != id_:
            id_ = above[id_]
        return id_

    for question in definition.questions:
        earlier = question.shown_if.question if question.shown_if is not None else None
        if question.id in known and earlier in known and link_of(definition, question) is not None:
            above[first(question.id)] = first(earlier)
    for pair in linked(definition.cross_tabs, known):
        above[first(pair.columns)] = first(pair.rows)
    found: dict[int, list[int]] = {}
    for question in definition.questions:
        if question.id in known:
            found.setdefault(first(question.id), []).append(question.id)
    return list(found.values())


def link_of(definition: Definition, question: AnyQuestion) -> dict[str, int] | None:
    """The sum that makes the ballots of a follow-up equal votes of the question before it; None where there is none."""
    condition = question.shown_if
    earlier = definition.question(condition.question) if condition else None
    if condition is None or earlier is None or (condition.at_least, condition.at_most) != (None, None):
        return None
    if question.styles and set(question.styles) != set(earlier.styles):
        return None
    mine, theirs = column(question.id, CAST), earlier.id
    if not condition.options:
        return {mine: 1, column(theirs, CAST): -1, column(theirs, BLANK): 1}
    neutral = {option.id for option in earlier.neutral}
    counted = [o for o in condition.options if o in neutral or not isinstance(earlier, Ranking)]
    if len(counted) != len(condition.options):
        return None
    if len(counted) == 1 or isinstance(earlier, SingleChoice) or neutral >= set(counted):
        return {mine: 1} | {column(theirs, str(option)): -1 for option in counted}
    return None


def column(question_id: int | str, name: str) -> str:
    """What a column of a question (or of a pair of questions) is called in a block."""
    return f"{question_id}/{name}"


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
