"""Totals, shares, breakdowns and turnout out of counted classes, the roll and participations. Pure.

A class count says how many ballots of a stratum gave a class of answer: `ClassCount(question, stratum, key, n)` with
key ``""`` every ballot the question was shown on, ``"[]"`` blank, ``"3"`` option 3, ``"0"`` an own answer or a text,
``"[3,5]"`` option 3 rated 5 or given 5 points, ``"^3"`` option 3 in first place of a ranking. They come from the
profile, summed by the database (:mod:`results.figures`) or by :func:`class_counts`; a ballot with three choices counts
in three classes, so classes of a question may hold more than its ballots. Ballots on which a question was not shown are
in none of its classes.

Totals are those of the tally, exactly. Breakdowns pass :mod:`results.disclosure` before they leave this module, so no
caller ever holds an unprotected table. Shares in a breakdown are of the ballots cast in the group: the number of valid
answers in a small group would give away how many left it blank, and a group's roll would count residents whose
ballots were merged away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from polls.definition import OWN, AnyQuestion, Definition, Denominator, FreeText, Points, Ranking, Rating, UnitRule
from polls.questions import takes_words
from polls.tally.outcome import Outcome
from polls.tally.profile import BLANK
from polls.territories import TerritoryTree
from results.blocks import EVERY, FIRST, Grouped, amount_name, clusters, grouped, hidden_in
from results.disclosure import CAST, ROOT, Block, hidden_cells
from results.grouping import Nest, nests
from results.shapes import By, Cell, Column, Group, Kind, Row, Table, Turnout, TurnoutRow, TurnoutTable, share_of

WHOLE = Group("all", "Все участники", "All participants")
BLANK_COLUMN = Column(Kind.BLANK, 0, "Без ответа", "Left blank")
OWN_COLUMN = Column(Kind.OWN, OWN, "Свой вариант", "Own answer")
TEXT_COLUMN = Column(Kind.OWN, OWN, "Написали текст", "Wrote a text")


class ClassCount(NamedTuple):
    """How many ballots of a stratum gave a class of answer (see the module's words for `key`)."""

    question_id: int
    stratum: int
    key: str
    n: int


def class_counts(profile: Iterable[tuple[int, int, str, int]], definition: Definition) -> list[ClassCount]:
    """Class counts from profile rows (question, stratum, canonical answer, n)."""
    rankings = {question.id for question in definition.questions if isinstance(question, Ranking)}
    sums: dict[tuple[int, int, str], int] = {}
    for question, stratum, answer, n in profile:
        for key in (EVERY, *_keys(answer, ranked=question in rankings)):
            sums[question, stratum, key] = sums.get((question, stratum, key), 0) + n
    return [ClassCount(*place, n) for place, n in sums.items()]


def _keys(answer: str, *, ranked: bool) -> list[str]:
    parts = json.loads(answer)
    if not parts:
        return [BLANK]
    if ranked and isinstance(parts[0], list):
        return [f"{FIRST}{option}" for option in parts[0]]
    return [json.dumps(part, separators=(",", ":")) for part in parts]


def columns_of(question: AnyQuestion) -> tuple[Column, ...]:
    """The classes of a question: regular options in stated order, neutral ones, own answers, blank."""
    options = [
        Column(kind, option.id, option.text.ru, option.text.in_language("en"))
        for kind, group in ((Kind.OPTION, question.regular), (Kind.NEUTRAL, question.neutral))
        for option in group
    ]
    own = [TEXT_COLUMN if isinstance(question, FreeText) else OWN_COLUMN] if takes_words(question) else []
    return (*options, *own, BLANK_COLUMN)


def votes_of(outcome: Outcome, column: Column) -> int:
    """What the tally counted for a class."""
    match column.kind:
        case Kind.OPTION:
            return outcome.option(column.option_id).votes
        case Kind.NEUTRAL:
            return outcome.neutral.get(column.option_id, 0)
        case Kind.OWN:
            return outcome.own or 0
        case Kind.BLANK:
            return outcome.blank


def total_row(question: AnyQuestion, outcome: Outcome) -> Row:
    """The whole poll by the sealed denominator; neutral, own and blank answers are shares of the ballots cast."""
    cells = []
    for column in columns_of(question):
        votes = votes_of(outcome, column)
        if column.kind is Kind.OPTION:
            result = outcome.option(column.option_id)
            cells.append(Cell(votes, result.share, result.mean, points=result.points))
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

    A ranking is broken down by its first places, points by those who gave any and by the points given. Questions that
    flats decide are not broken down: a house is small, and its owners are known. A dimension with a single group has no
    table: it would be the total again. Raises ValueError when the counts do not add up to the outcome: nothing is
    published then.
    """
    by_question: dict[int, list[ClassCount]] = {}
    for count in counts:
        by_question.setdefault(count.question_id, []).append(count)
    known = {
        outcome.question_id: outcome
        for outcome in outcomes
        if by_question.get(outcome.question_id)
        and (question := definition.question(outcome.question_id)) is not None
        and not isinstance(question.rule, UnitRule)
    }
    found: list[Table] = []
    for cluster in clusters(definition, known):
        questions = [question for question in definition.questions if question.id in cluster]
        strata = {count.stratum for question in questions for count in by_question[question.id]}
        for nest in nests(definition, strata, places):
            parts = [grouped(question, _by_leaf(by_question[question.id], nest), nest) for question in questions]
            for part in parts:
                _check(known[part.question.id], part)
            hidden = hidden_in(parts, definition, nest)
            for part in parts:
                found += _nest_tables(part, known[part.question.id], hidden[part.question.id], nest)
    return sorted(found, key=lambda table: [question.id for question in definition.questions].index(table.question_id))


def _by_leaf(counts: Iterable[ClassCount], nest: Nest) -> Iterable[tuple[str, str, int]]:
    sums: dict[tuple[str, str], int] = {}
    for count in counts:
        place = (nest.leaf_of[count.stratum], count.key)
        sums[place] = sums.get(place, 0) + count.n
    return ((leaf, key, n) for (leaf, key), n in sums.items())


def _nest_tables(found: Grouped, outcome: Outcome, hidden: frozenset[tuple[str, str]], nest: Nest) -> list[Table]:
    columns = columns_of(found.question)
    # Said only where it is the same number: every ballot holds a valid answer.
    name = "valid" if outcome.valid == outcome.cast and outcome.denominator == Denominator.VALID else "cast"

    def row(key: str, group: Group) -> Row:
        base = None if (key, CAST) in hidden else found.values[key, CAST]
        return Row(group, base, base, tuple(_cell(found, hidden, key, column, base) for column in columns))

    return [
        Table(found.question.id, by, name, columns, tuple(row(key, nest.groups[key]) for key in keys), row(ROOT, WHOLE))
        for by, keys in nest.tables.items()
        if len(keys) > 1
    ]


def _cell(found: Grouped, hidden: frozenset[tuple[str, str]], key: str, column: Column, base: int | None) -> Cell:
    name = _name(column)
    if (key, name) in hidden:
        return Cell(None, None, None, suppressed=True)
    votes = found.values[key, name]
    mean = points = None
    if column.kind is Kind.OPTION and votes and (key, amount_name(name)) not in hidden:
        if isinstance(found.question, Rating):
            mean = Fraction(found.given(key, name), votes)
        elif isinstance(found.question, Points):
            points = found.given(key, name)
    return Cell(votes, share_of(votes, base), mean, points=points)


def _check(outcome: Outcome, found: Grouped) -> None:
    columns = columns_of(found.question)
    differing = [c for c in columns if found.values[ROOT, _name(c)] != votes_of(outcome, c)]
    differing += [
        c
        for c in columns
        if c.kind is Kind.OPTION
        and (points := outcome.option(c.option_id).points) is not None
        and found.given(ROOT, _name(c)) != points
    ]
    if differing or found.values[ROOT, CAST] != outcome.cast:
        raise ValueError(f"question {outcome.question_id}: the profile does not add up to the outcome")


def _name(column: Column) -> str:
    return BLANK if column.kind is Kind.BLANK else str(column.option_id)


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
