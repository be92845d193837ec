"""Totals, shares, breakdowns and turnout out of counted classes, the roll and participations. Pure.

A class count says how many ballots of a stratum gave a class of answer: `ClassCount(question, stratum, key, n)` with
key ``""`` every ballot, ``"[]"`` blank, ``"3"`` option 3, ``"[3,5]"`` option 3 rated 5. They come from the profile,
summed by the database (:mod:`results.figures`) or by :func:`class_counts`; a ballot with three choices counts in three
classes, so classes of a question may hold more than its ballots.

Totals are those of the tally, exactly. Breakdowns pass :mod:`results.disclosure` before they leave this module, so no
caller ever holds an unprotected table. Shares in a breakdown are of the ballots cast in the group: the number of valid
answers in a small group would give away how many left it blank, and a group's roll would count residents whose
ballots were merged away.

pandas is imported when first needed: processes that only take votes never load it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from typing import NamedTuple, cast

from polls.definition import AnyQuestion, Budget, Definition, Denominator, MultipleChoice, Rating, SingleChoice
from polls.tally.outcome import Outcome
from polls.tally.profile import BLANK
from polls.territories import TerritoryTree
from results.disclosure import CAST, ROOT, Block, hidden_cells
from results.grouping import Nest, nests
from results.shapes import By, Cell, Column, Group, Kind, Row, Table, Turnout, TurnoutRow, TurnoutTable, share_of

EVERY = ""
WHOLE = Group("all", "Все участники", "All participants")
BLANK_COLUMN = Column(Kind.BLANK, 0, "Без ответа", "Left blank")


class ClassCount(NamedTuple):
    """How many ballots of a stratum gave a class of answer (see the module's words for `key`)."""

    question_id: int
    stratum: int
    key: str
    n: int


def class_counts(profile: Iterable[tuple[int, int, str, int]]) -> list[ClassCount]:
    """Class counts from profile rows (question, stratum, canonical answer, n)."""
    sums: dict[tuple[int, int, str], int] = {}
    for question, stratum, answer, n in profile:
        parts = [json.dumps(part, separators=(",", ":")) for part in json.loads(answer)]
        for key in (EVERY, *(parts or [BLANK])):
            sums[question, stratum, key] = sums.get((question, stratum, key), 0) + n
    return [ClassCount(*place, n) for place, n in sums.items()]


def columns_of(question: AnyQuestion) -> tuple[Column, ...]:
    """The classes of a question: regular options in stated order, neutral ones, blank."""
    options = [
        Column(kind, option.id, option.text.ru, option.text.in_language("en"))
        for kind, group in ((Kind.OPTION, question.regular), (Kind.NEUTRAL, question.neutral))
        for option in group
    ]
    return (*options, BLANK_COLUMN)


def votes_of(outcome: Outcome, column: Column) -> int:
    """What the tally counted for a class."""
    match column.kind:
        case Kind.OPTION:
            return outcome.option(column.option_id).votes
        case Kind.NEUTRAL:
            return outcome.neutral.get(column.option_id, 0)
        case Kind.BLANK:
            return outcome.blank


def total_row(question: AnyQuestion, outcome: Outcome) -> Row:
    """The whole poll by the sealed denominator; neutral and blank answers are shares of the ballots cast."""
    cells = []
    for column in columns_of(question):
        votes = votes_of(outcome, column)
        if column.kind is Kind.OPTION:
            result = outcome.option(column.option_id)
            cells.append(Cell(votes, result.share, result.mean))
        else:
            cells.append(Cell(votes, share_of(votes, outcome.cast)))
    return Row(WHOLE, outcome.cast, outcome.denominator_n, tuple(cells))


def breakdowns(
    definition: Definition,
    outcomes: Iterable[Outcome],
    counts: Iterable[ClassCount],
    places: TerritoryTree,
) -> list[Table]:
    """Every protected table of a poll: question by question, by okrug, district, age band and sex.

    A dimension with a single group has no table: it would be the
    total again. Raises ValueError when the counts do not add up to the outcome: nothing is published then.
    """
    import pandas

    frame = pandas.DataFrame(counts, columns=list(ClassCount._fields))
    found = []
    by_question = {outcome.question_id: outcome for outcome in outcomes}
    for question in definition.questions:
        outcome = by_question.get(question.id)
        part = frame[frame["question_id"] == question.id]
        if outcome is None or part.empty:
            continue
        for nest in nests(definition, map(int, part["stratum"].unique()), places):
            found.extend(_nest_tables(question, outcome, _grouped(part, nest, question), nest))
    return found


def _grouped(part: object, nest: Nest, question: AnyQuestion) -> dict[tuple[str, str], int]:
    """Ballots by (group, column) with every group above; ratings also by level, as ``"3:5"``, zeros included."""
    import pandas

    assert isinstance(part, pandas.DataFrame)
    by_leaf = part.assign(leaf=part["stratum"].map(nest.leaf_of)).groupby(["leaf", "key"])["n"].sum()
    names = {EVERY: CAST, BLANK: BLANK} | {str(option.id): str(option.id) for option in question.options}
    if isinstance(question, Rating):
        levels = range(question.scale_min, question.scale_max + 1)
        names |= {f"[{o.id},{level}]": f"{o.id}:{level}" for o in question.regular for level in levels}
    groups = [ROOT, *nest.groups]
    values = {(group, column): 0 for group in groups for column in names.values()}
    for place, n in by_leaf.items():
        leaf, key = cast("tuple[str, str]", place)
        for group in nest.path(leaf):
            values[group, names[key]] += int(n)
    if isinstance(question, Rating):
        for group in groups:
            for option in question.regular:
                values[group, str(option.id)] = sum(values[group, f"{option.id}:{level}"] for level in levels)
    return values


def _nest_tables(
    question: AnyQuestion,
    outcome: Outcome,
    values: Mapping[tuple[str, str], int],
    nest: Nest,
) -> list[Table]:
    columns = columns_of(question)
    _check(outcome, columns, values)
    hidden = hidden_cells(_block(question, columns, values, nest))
    # Said only where it is the same number: every ballot holds a valid answer.
    name = "valid" if outcome.valid == outcome.cast and outcome.denominator == Denominator.VALID else "cast"

    def row(key: str, group: Group) -> Row:
        base = None if (key, CAST) in hidden else values[key, CAST]
        return Row(group, base, base, tuple(_cell(question, values, hidden, key, column, base) for column in columns))

    return [
        Table(question.id, by, name, columns, tuple(row(key, nest.groups[key]) for key in keys), row(ROOT, WHOLE))
        for by, keys in nest.tables.items()
        if len(keys) > 1
    ]


def _cell(
    question: AnyQuestion,
    values: Mapping[tuple[str, str], int],
    hidden: frozenset[tuple[str, str]],
    key: str,
    column: Column,
    base: int | None,
) -> Cell:
    name = _name(column)
    if (key, name) in hidden:
        return Cell(None, None, None, suppressed=True)
    votes = values[key, name]
    mean = None
    if isinstance(question, Rating) and column.kind is Kind.OPTION and votes and (key, _points(name)) not in hidden:
        mean = Fraction(_sum_of_levels(values, key, name, question), votes)
    return Cell(votes, share_of(votes, base), mean)


def _block(
    question: AnyQuestion, columns: Iterable[Column], values: Mapping[tuple[str, str], int], nest: Nest
) -> Block:
    """What disclosure control has to know: the published figures and every sum that holds among them."""
    names = [_name(column) for column in columns]
    groups = [ROOT, *nest.groups]
    published = {(group, name): values[group, name] for group in groups for name in (*names, CAST)}
    open_columns = {CAST}
    primary = set()
    if isinstance(question, Rating):
        for option in question.regular:
            name = str(option.id)
            open_columns |= {name, _points(name)}  # everybody having rated tells nothing of how
            for group in groups:
                published[group, _points(name)] = _sum_of_levels(values, group, name, question)
                if _one_level(values, group, name, question) or values[group, name] < 10:
                    primary.add((group, _points(name)))
    return Block(published, nest.parent, _sums(question), frozenset(open_columns), frozenset(primary))


def _sums(question: AnyQuestion) -> list[dict[str, int]]:
    """The sum of a group's classes that equals its ballots, for questions where each ballot has as many choices.

    With one choice a ballot, options, neutral and blank add up to the ballots cast. With exactly m choices, options
    add up to m times the ballots that are neither neutral nor blank.
    """
    options = [str(option.id) for option in question.regular]
    others = [str(option.id) for option in question.neutral] + [BLANK]
    choices: int | None = None
    match question:
        case SingleChoice():
            choices = 1
        case Rating():
            choices = 1 if len(options) == 1 else None
        case MultipleChoice() | Budget():
            most = min(question.max_choices or len(options), len(options))
            choices = most if most <= question.min_choices else None
    if not choices:
        return []
    return [dict.fromkeys(options, 1) | dict.fromkeys(others, choices) | {CAST: -choices}]


def _check(outcome: Outcome, columns: Iterable[Column], values: Mapping[tuple[str, str], int]) -> None:
    differing = [c for c in columns if values[ROOT, _name(c)] != votes_of(outcome, c)]
    if differing or values[ROOT, CAST] != outcome.cast:
        raise ValueError(f"question {outcome.question_id}: the profile does not add up to the outcome")


def _name(column: Column) -> str:
    return BLANK if column.kind is Kind.BLANK else str(column.option_id)


def _points(name: str) -> str:
    return f"points:{name}"


def _sum_of_levels(values: Mapping[tuple[str, str], int], group: str, name: str, question: Rating) -> int:
    return sum(level * values[group, f"{name}:{level}"] for level in range(question.scale_min, question.scale_max + 1))


def _one_level(values: Mapping[tuple[str, str], int], group: str, name: str, question: Rating) -> bool:
    """Whether everybody in the group who rated the option gave it the same level: its mean would say so."""
    levels = [values[group, f"{name}:{level}"] for level in range(question.scale_min, question.scale_max + 1)]
    return sum(n > 0 for n in levels) == 1


def _by_group(by_stratum: Mapping[int, int] | None, nest: Nest) -> dict[str, int] | None:
    """Sums by group, the whole included. Strata the nest does not know (nobody of them voted) count in the whole."""
    if by_stratum is None:
        return None
    sums: dict[str, int] = {}
    for stratum, n in by_stratum.items():
        leaf = nest.leaf_of.get(stratum)
        for group in nest.path(leaf) if leaf is not None else [ROOT]:
            sums[group] = sums.get(group, 0) + n
    return sums


# ---- turnout


def turnout(
    definition: Definition,
    votes: int,
    by_stratum: Mapping[int, int],
    roll: Mapping[int, int] | None,
    days: Mapping[date, int],
    places: TerritoryTree,
    *,
    broken_down: bool = True,
) -> Turnout:
    """Participation against the roll, in all and by group; `roll` None means that nobody recorded it.

    Strata here are those of the roll, never merged. Groups with under ten votes, and groups that voted to the last
    resident, are hidden like any other small cell.
    """
    tables: list[TurnoutTable] = []
    if broken_down:
        for nest in nests(definition, {*by_stratum, *(roll or {})}, places):
            tables.extend(_turnout_tables(nest, by_stratum, _by_group(roll, nest)))
    entitled = sum(roll.values()) if roll is not None else None
    return Turnout(votes, entitled, dict(sorted(days.items())), tuple(tables))


def _turnout_tables(nest: Nest, by_stratum: Mapping[int, int], roll: Mapping[str, int] | None) -> list[TurnoutTable]:
    sums = _by_group(by_stratum, nest) or {}
    values = {(group, CAST): sums.get(group, 0) for group in (ROOT, *nest.groups)}
    full = {cell for cell, n in values.items() if roll is not None and n == roll.get(cell[0], 0)}
    hidden = hidden_cells(Block(values, nest.parent, primary=frozenset(full)))

    def row(key: str) -> TurnoutRow:
        shown = None if (key, CAST) in hidden else values[key, CAST]
        entitled = roll.get(key, 0) if roll is not None else None
        return TurnoutRow(nest.groups[key], shown, entitled, share_of(shown, entitled), (key, CAST) in hidden)

    return [TurnoutTable(by, tuple(row(key) for key in keys)) for by, keys in nest.tables.items() if len(keys) > 1]


def table_of(tables: Iterable[Table], question_id: int, dimension: By) -> Table | None:
    """The table of one question by one dimension, or None."""
    return next((t for t in tables if t.question_id == question_id and t.dimension is dimension), None)
