"""Published tables of a counted poll in one shape: questions and turnout alike, with one or two breakdowns. Pure.

A grid only picks cells out of the protected tables of :mod:`results.figures`. It adds nothing up: whatever is hidden
in a table is hidden here, and no line or column stands for several cells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from polls.definition import Rating
from results.aggregation import WHOLE, columns_of
from results.figures import PollFigures, QuestionFigures
from results.shapes import By, Cell, Column, Group, Kind, Row, Table, TurnoutRow, TurnoutTable

VOTED = Column(Kind.OPTION, 0, "Проголосовали", "Voted")
"""The one column of turnout."""
ENTITLED = "entitled"


@dataclass(frozen=True)
class Line:
    """A line: one group of every breakdown (none: the whole poll), what shares are of, and a cell for every column."""

    groups: tuple[Group, ...]
    base: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Grid:
    """A published table. `denominator`: what shares are of (``cast``, ``valid``, ``entitled``, …)."""

    dimensions: tuple[By, ...]
    denominator: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def suppressed(self) -> int:
        """How many cells are hidden."""
        return sum(cell.suppressed for line in self.lines for cell in line.cells)

    def along(self, *dimensions: By) -> Grid:
        """The same table with its breakdowns in another order."""
        places = [self.dimensions.index(dimension) for dimension in dimensions]
        lines = tuple(Line(tuple(line.groups[n] for n in places), line.base, line.cells) for line in self.lines)
        return Grid(dimensions, self.denominator, self.columns, lines)

    def groups(self, dimension: By) -> dict[str, Group]:
        """The groups of one breakdown by code, in the order of the table."""
        place = self.dimensions.index(dimension)
        return {line.groups[place].code: line.groups[place] for line in self.lines}

    def only(self, keep: Callable[[Line], bool]) -> Grid:
        """The lines that pass."""
        return Grid(self.dimensions, self.denominator, self.columns, tuple(line for line in self.lines if keep(line)))

    def one_column(self, place: int) -> Grid:
        """One column alone."""
        lines = tuple(Line(line.groups, line.base, (line.cells[place],)) for line in self.lines)
        return Grid(self.dimensions, self.denominator, (self.columns[place],), lines)


Grids = Mapping[frozenset[By], Grid]
"""Every published table of one subject by what it is broken down by; the empty set is the whole poll."""


def question_grids(found: QuestionFigures) -> Grids:
    """The tables of one question."""
    denominator = found.outcome.denominator
    whole = Grid((), denominator, columns_of(found.question), (Line((), found.total.base, found.total.cells),))
    grids = [_of_table(table) for table in found.tables]
    return {frozenset(): whole} | {frozenset(grid.dimensions): grid for grid in grids}


def turnout_grids(figures: PollFigures) -> Grids:
    """The tables of turnout: one column, shares of the residents entitled."""
    votes = figures.turnout
    whole = Line((), votes.entitled, (Cell(votes.votes, votes.share),))
    grids = [_of_turnout(table) for table in votes.tables]
    return {frozenset(): Grid((), ENTITLED, (VOTED,), (whole,))} | {frozenset(g.dimensions): g for g in grids}


def has_means(found: QuestionFigures) -> bool:
    """Whether the cells of a question carry means."""
    return isinstance(found.question, Rating)


def _of_table(table: Table) -> Grid:
    lines = tuple(Line(_groups(row), row.base, row.cells) for row in table.rows)
    return Grid(table.dimensions, table.denominator, table.columns, lines)


def _groups(row: Row | TurnoutRow) -> tuple[Group, ...]:
    return row.group.parts or (row.group,)


def _of_turnout(table: TurnoutTable) -> Grid:
    lines = tuple(
        Line(_groups(row), row.entitled, (Cell(row.votes, row.share, suppressed=row.suppressed),)) for row in table.rows
    )
    return Grid(table.dimensions, ENTITLED, (VOTED,), lines)


def name_of(groups: tuple[Group, ...], language: str) -> str:
    """The names of the groups of a line; the whole poll where there are none."""
    return " · ".join(group.label(language) for group in groups or (WHOLE,))
