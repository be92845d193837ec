"""Tables of two questions counted together, as the results page and the report on paper draw them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from polls.definition import AnyQuestion
from results.charts_groups import GroupPart, HeatMap, heat_map, stacked_rows
from results.figures import PollFigures
from results.shapes import CrossTab


@dataclass(frozen=True)
class CrossShown:
    """A table with its picture: bars of parts, one a row, or a heat map where one ballot may be in several columns."""

    tab: CrossTab
    rows: AnyQuestion
    columns: AnyQuestion
    bars: tuple[tuple[GroupPart, ...], ...]
    heat: HeatMap | None


def shown_cross_tabs(figures: PollFigures) -> list[CrossShown]:
    """The tables of a counted poll, in the order its document names them."""
    return list(_shown(figures))


def _shown(figures: PollFigures) -> Iterator[CrossShown]:
    for tab in figures.cross_tabs:
        rows, columns = (figures.definition.question(id_) for id_ in (tab.rows_question, tab.question_id))
        assert rows is not None
        assert columns is not None
        shares = [[cell.share for cell in row.cells] for row in tab.rows]
        if tab.columns_overlap:
            yield CrossShown(tab, rows, columns, (), heat_map(shares))
        else:
            yield CrossShown(tab, rows, columns, stacked_rows(shares), None)
