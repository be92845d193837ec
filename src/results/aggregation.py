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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from polls.crossing import linked
from polls.definition import OWN, AnyQuestion, Definition, Denominator, FreeText, Points, Ranking, Rating, UnitRule
from polls.questions import takes_words
from polls.tally.outcome import Outcome
from polls.tally.profile import BLANK
from polls.territories import TerritoryTree
from results.blocks import EVERY, FIRST, Grouped, amount_name, clusters, grouped, names_of
from results.blocks import column as column_name
from results.disclosure import CAST, ROOT, Cell
from results.disclosure_tables import Form, Place
from results.grouping import Dimensions, Grid, beside_cross_tabs, grid_of, pairs_of
from results.shapes import By, Column, Group, Kind, Row, Table, is_by, share_of
from results.shapes import Cell as ShownCell

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
        case Kind.LEVEL:
            raise ValueError("levels are no class of their question")


def total_row(question: AnyQuestion, outcome: Outcome) -> Row:
    """The whole poll by the sealed denominator; neutral, own and blank answers are shares of the ballots cast."""
    cells = []
    for column in columns_of(question):
        votes = votes_of(outcome, column)
        if column.kind is Kind.OPTION:
            result = outcome.option(column.option_id)
            cells.append(ShownCell(votes, result.share, result.mean, points=result.points))
        else:
            cells.append(ShownCell(votes, share_of(votes, outcome.cast)))
    return Row(WHOLE, outcome.cast, outcome.denominator_n, tuple(cells))


@dataclass(frozen=True)
class Cluster:
    """Questions that are protected together, counted by group."""

    parts: Sequence[Grouped]
    outcomes: Mapping[int, Outcome]
    grid: Grid
    form: Form

    @property
    def dimensions(self) -> list[Dimensions]:
        """The dimensions of the tables that are published."""
        return [one for one in self.grid.dimensions if self.form.has(one)]

    def tables(self, hidden: frozenset[Cell]) -> list[Table]:
        """The tables with what is hidden left out."""
        return [
            table for part in self.parts for table in _tables_of(part, self.outcomes[part.question.id], hidden, self)
        ]


def clusters_of(
    definition: Definition,
    outcomes: Iterable[Outcome],
    counts: Iterable[ClassCount],
    places: TerritoryTree,
    kept: Mapping[int, frozenset[Dimensions]] | None = None,
    *,
    together: bool = False,
    coarser: Mapping[int, int] | None = None,
) -> list[Cluster]:
    """The questions of a count that are broken down, by okrug, district, age band and sex and every two of these.

    A ranking is broken down by its first places, points by those who gave any and by the points given. Questions that
    flats decide are not broken down: a house is small, and its owners are known. A dimension with a single group has no
    table: it would be the total again. `kept`: question → tables published before, which stay. `together`: as one
    cluster with the finest groups in it. `coarser`: question → how much coarser than usual its tables are to be; see
    :func:`results.grouping.pairs_of`. Raises ValueError when the counts do not add up to the outcome: nothing is
    published then. Questions that are crossed are a cluster even where no group is told, with the finest groups in it;
    they are broken down as :func:`results.grouping.beside_cross_tabs` says.
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
    found = []
    for ids in [list(known)] if together and known else clusters(definition, known):
        questions = [question for question in definition.questions if question.id in ids]
        grid = grid_of(definition, {count.stratum for id_ in ids for count in by_question[id_]}, places)
        crossed = any(linked(definition.cross_tabs, ids))
        if not grid.axes and not crossed:
            continue
        form = grid.form()
        parts = [grouped(question, _by_place(by_question[question.id], grid), form) for question in questions]
        for part in parts:
            _check(known[part.question.id], part)
        before = frozenset().union(*((kept or {}).get(id_, frozenset()) for id_ in ids))
        steps, figures = max((coarser or {}).get(id_, 0) for id_ in ids), _figures(parts)
        tables = beside_cross_tabs(grid, figures, before) if crossed else pairs_of(grid, figures, before, steps)
        form = grid.form(tables, finest=together or crossed, only=crossed)
        found.append(Cluster(parts, {id_: known[id_] for id_ in ids}, grid, form))
    return found


def _figures(parts: Iterable[Grouped]) -> Iterator[tuple[str, int]]:
    """Group and ballots of every figure, columns nobody in the poll is in left out."""
    for part in parts:
        for name in (*names_of(part.question), CAST):
            if part.values[ROOT, name]:
                yield from ((group, part.values[group, name]) for group in part.groups)


def _by_place(counts: Iterable[ClassCount], grid: Grid) -> Iterable[tuple[Place, str, int]]:
    sums: dict[tuple[Place, str], int] = {}
    for count in counts:
        place = (grid.places[count.stratum], count.key)
        sums[place] = sums.get(place, 0) + count.n
    return ((place, key, n) for (place, key), n in sums.items())


def _tables_of(found: Grouped, outcome: Outcome, hidden: frozenset[Cell], cluster: Cluster) -> list[Table]:
    columns = columns_of(found.question)
    # Said only where it is the same number: every ballot holds a valid answer.
    name = "valid" if outcome.valid == outcome.cast and outcome.denominator == Denominator.VALID else "cast"
    there = {group for place in found.leaves for group in cluster.form.groups(place)}

    def row(key: str, group: Group) -> Row:
        base = None if (key, column_name(found.question.id, CAST)) in hidden else found.values[key, CAST]
        return Row(group, base, base, tuple(_cell(found, hidden, key, column, base) for column in columns))

    grid, total = cluster.grid, row(ROOT, WHOLE)
    return [
        Table(found.question.id, dimensions, name, columns, tuple(row(*line) for line in lines), total)
        for dimensions in cluster.dimensions
        if (lines := list(grid.lines_of(dimensions, there.__contains__)))
    ]


def _cell(found: Grouped, hidden: frozenset[Cell], key: str, column: Column, base: int | None) -> ShownCell:
    name = _name(column)
    if (key, column_name(found.question.id, name)) in hidden:
        return ShownCell(None, None, None, suppressed=True)
    votes = found.values[key, name]
    mean = points = None
    if column.kind is Kind.OPTION and votes and (key, column_name(found.question.id, amount_name(name))) not in hidden:
        if isinstance(found.question, Rating):
            mean = Fraction(found.given(key, name), votes)
        elif isinstance(found.question, Points):
            points = found.given(key, name)
    return ShownCell(votes, share_of(votes, base), mean, points=points)


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


def table_of(tables: Iterable[Table], question_id: int, first: By, second: By | None = None) -> Table | None:
    """The table of one question by one dimension or by two, or None."""
    return next((t for t in tables if t.question_id == question_id and is_by(t.dimensions, first, second)), None)
