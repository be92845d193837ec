"""results_wide.csv: one line a group, one column an option. The numbers of results.csv, laid out for a spreadsheet.

Columns are named by ids, which never change: ``q1_cast`` the ballots of question 1 in the group, ``q1_o3`` those with
option 3 (neutral ones too), ``q1_own``, ``q1_blank``, each with its ``…_share``; ratings add ``q1_o3_mean``, points and
the like ``q1_o3_points``; a scale crossed with another question adds ``q1_level_4``. An empty cell is hidden where
`hidden` names its column, and otherwise does not apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from polls.definition import AnyQuestion, CrossTab, Points, Rating
from results.aggregation import columns_of
from results.crossing import columns_with_keys, group_of
from results.exports.columns import WIDE, ColumnDoc
from results.exports.csv import figures_csv
from results.exports.dialects import Value
from results.exports.headers import Language
from results.figures import PollFigures
from results.shapes import By, Cell, Column, Group, Kind, Row, dimension_code

_PARTS = ("", "_share", "_mean", "_points")
_EMPTY = "hidden (see hidden), or no such group"


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
        number = f".{self.column.option_id}" if self.column.option_id and self.column.kind is not Kind.LEVEL else ""
        word = "Question" if english else "Вопрос"
        return f"{word} {self.question.id}{number} «{self.column.label(language)}»: {said}"


def option_columns(questions: Iterable[AnyQuestion], cross_tabs: Iterable[CrossTab] = ()) -> list[OptionColumn]:
    """The columns of these questions, in their order and that of their options; see :func:`_columns`."""
    found = []
    levels = {pair.columns for pair in cross_tabs}
    for question in questions:
        found.append(OptionColumn(f"q{question.id}_cast", question, None, ""))
        for column in _columns(question, levels=question.id in levels):
            found += [
                OptionColumn(f"{name_of(question, column)}{part}", question, column, part)
                for part in _parts(question, column)
            ]
    return found


def _columns(question: AnyQuestion, *, levels: bool) -> list[Column]:
    """The classes of a question; of a scale that is crossed with another question its levels too, at the end."""
    crossed = [column for column, _ in columns_with_keys(question)] if levels else []
    return [*columns_of(question), *(column for column in crossed if column.kind is Kind.LEVEL)]


def name_of(question: AnyQuestion, column: Column) -> str:
    """The machine name of a class of answers: ``q1_o3``, ``q1_own``, ``q1_blank``, ``q1_level_4``."""
    return group_of(question, column).code


def _parts(question: AnyQuestion, column: Column) -> tuple[str, ...]:
    option = column.kind is Kind.OPTION
    mean, points = option and isinstance(question, Rating), option and isinstance(question, Points)
    return _PARTS[:2] + (_PARTS[2:3] if mean else ()) + (_PARTS[3:] if points else ())


def wide_rows(figures: PollFigures) -> Iterator[tuple[Value, ...]]:
    """The lines: the whole poll, then every group of every dimension, in the order of the tidy file."""
    groups: dict[tuple[str, str], Group] = {}
    lines: dict[tuple[str, str, int], Mapping[Column, Cell]] = {}
    cast: dict[tuple[str, str, int], int | None] = {}
    for question, dimension, columns, rows in _tables(figures):
        for row in rows:
            groups.setdefault((dimension, row.group.code), row.group)
            lines[dimension, row.group.code, question] = dict(zip(columns, row.cells, strict=True))
            cast[dimension, row.group.code, question] = row.cast
    order = list(dict.fromkeys(dimension for dimension, _ in groups))
    asked = option_columns([found.question for found in figures.questions], figures.definition.cross_tabs)
    for (dimension, code), group in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        cells: list[Value] = []
        hidden: list[str] = []
        for one in asked:
            place = (dimension, code, one.question.id)
            if one.column is None:
                cells.append(cast.get(place))
                continue
            cell = lines.get(place, {}).get(one.column)
            if cell is not None and cell.suppressed and not one.part:
                hidden.append(one.name)
            cells.append(_part(cell, one.part))
        yield (figures.public_id, figures.slug, dimension, code, group.ru, group.en, " ".join(hidden), *cells)


def _tables(figures: PollFigures) -> Iterator[tuple[int, str, Sequence[Column], Sequence[Row]]]:
    """Question, dimension, columns and rows of every table, the whole poll first and cross-tabs last."""
    for found in figures.questions:
        yield found.question.id, By.ALL.value, columns_of(found.question), (found.total,)
        for table in found.tables:
            yield found.question.id, dimension_code(table.dimensions), table.columns, table.rows
    for crossed in figures.cross_tabs:
        yield crossed.question_id, crossed.dimension, crossed.columns, crossed.rows


def _part(cell: Cell | None, part: str) -> Value:
    if cell is None:
        return None
    values: dict[str, Value] = {"": cell.votes, "_share": cell.share, "_mean": cell.mean, "_points": cell.points}
    return values[part]


def _titles(figures: PollFigures, language: Language | None) -> list[str]:
    questions = [found.question for found in figures.questions]
    return [option.title(language) for option in option_columns(questions, figures.definition.cross_tabs)]


wide_csv = figures_csv("results_wide", WIDE, wide_rows, _titles)
"""The results with a column for each option."""
