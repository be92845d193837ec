"""results_wide.csv: one line a group, one column an option. The numbers of results.csv, laid out for a spreadsheet.

Columns are named by ids, which never change: ``q1_cast`` the ballots of question 1 in the group, ``q1_o3`` those with
option 3 (neutral ones too), ``q1_own``, ``q1_blank``, each with its ``…_share``; ratings add ``q1_o3_mean``, points and
the like ``q1_o3_points``. An empty cell is hidden where `hidden` names its column, and otherwise does not apply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from polls.definition import AnyQuestion, Points, Rating
from results.aggregation import columns_of
from results.exports.columns import WIDE, ColumnDoc
from results.exports.csv import download_of, figures_of
from results.exports.dialects import Dialect, Download, OpenSession, Value, csv_chunks
from results.exports.headers import Language, header_of
from results.figures import PollFigures, QuestionFigures
from results.shapes import By, Cell, Column, Group, Kind, Row, dimension_code

_PARTS = ("", "_share", "_mean", "_points")
_EMPTY = "hidden (see hidden), or no such group"


async def wide_csv(
    open_session: OpenSession,
    slug_or_id: str,
    *,
    now: datetime,
    dialect: Dialect = Dialect.PLAIN,
    language: Language | None = None,
) -> Download:
    """The results with a column for each option; refusals as for :func:`results.exports.csv.results_csv`."""
    figures = await figures_of(open_session, slug_or_id, now)
    questions = [found.question for found in figures.questions]
    header = header_of(WIDE, language) + [option.title(language) for option in option_columns(questions)]
    return download_of(figures, "results_wide", csv_chunks(header, wide_rows(figures), dialect))


@dataclass(frozen=True)
class OptionColumn:
    """One of the columns that a poll's own questions make: `name` by ids, and what it holds."""

    name: str
    question: AnyQuestion
    column: Column | None
    part: str

    @property
    def doc(self) -> ColumnDoc:
        """Its description for the codebook."""
        ru, en = self.title("ru"), self.title("en")
        integer = self.part in ("", "_points")
        return ColumnDoc(self.name, "integer" if integer else "decimal", ru, en, _EMPTY)

    def title(self, language: Language | None) -> str:
        """The first line's text: ids stand in it, so that no two are the same."""
        if language is None:
            return self.name
        english = language == "en"
        said = {"": ("голосов", "votes"), "_share": ("доля", "share"), "_mean": ("средняя оценка", "mean rating"),
                "_points": ("баллы", "points")}[self.part][english]  # fmt: skip
        if self.column is None:
            return f"Question {self.question.id}: ballots cast" if english else f"Вопрос {self.question.id}: бюллетеней"
        number = f".{self.column.option_id}" if self.column.option_id else ""
        word = "Question" if english else "Вопрос"
        return f"{word} {self.question.id}{number} «{self.column.label(language)}»: {said}"


def option_columns(questions: list[AnyQuestion]) -> list[OptionColumn]:
    """The columns of these questions, in their order and that of their options."""
    found = []
    for question in questions:
        found.append(OptionColumn(f"q{question.id}_cast", question, None, ""))
        for column in columns_of(question):
            found += [
                OptionColumn(f"{name_of(question, column)}{part}", question, column, part)
                for part in _parts(question, column)
            ]
    return found


def name_of(question: AnyQuestion, column: Column) -> str:
    """The machine name of a class of answers: ``q1_o3``, ``q1_own``, ``q1_blank``."""
    return f"q{question.id}_" + (f"o{column.option_id}" if column.option_id else column.kind.value)


def _parts(question: AnyQuestion, column: Column) -> tuple[str, ...]:
    option = column.kind is Kind.OPTION
    mean, points = option and isinstance(question, Rating), option and isinstance(question, Points)
    return _PARTS[:2] + (_PARTS[2:3] if mean else ()) + (_PARTS[3:] if points else ())


def wide_rows(figures: PollFigures) -> Iterator[tuple[Value, ...]]:
    """The lines: the whole poll, then every group of every dimension, in the order of the tidy file."""
    groups: dict[tuple[str, str], Group] = {}
    lines: dict[tuple[str, str, int], Row] = {}
    for found in figures.questions:
        tables = [(dimension_code(table.dimensions), table.rows) for table in found.tables]
        for dimension, rows in [(By.ALL.value, (found.total,)), *tables]:
            for row in rows:
                groups.setdefault((dimension, row.group.code), row.group)
                lines[dimension, row.group.code, found.question.id] = row
    order = list(dict.fromkeys(dimension for dimension, _ in groups))
    for (dimension, code), group in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        cells: list[Value] = []
        hidden: list[str] = []
        for found in figures.questions:
            cells += _cells(found, lines.get((dimension, code, found.question.id)), hidden)
        yield (figures.public_id, figures.slug, dimension, code, group.ru, group.en, " ".join(hidden), *cells)


def _cells(found: QuestionFigures, row: Row | None, hidden: list[str]) -> list[Value]:
    """The cells of one question in one line; names of the hidden ones are added to `hidden`."""
    cells: list[Value] = [None if row is None else row.cast]
    for place, column in enumerate(columns_of(found.question)):
        cell = None if row is None else row.cells[place]
        if cell is not None and cell.suppressed:
            hidden.append(name_of(found.question, column))
        cells += [_part(cell, part) for part in _parts(found.question, column)]
    return cells


def _part(cell: Cell | None, part: str) -> Value:
    if cell is None:
        return None
    values: dict[str, Value] = {"": cell.votes, "_share": cell.share, "_mean": cell.mean, "_points": cell.points}
    return values[part]
