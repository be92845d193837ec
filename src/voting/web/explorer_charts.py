"""From a view of the explorer to the geometry of its one chart, in the reader's language. Counts nothing.

Each function takes the lines and columns of a view and gives what its template draws. A chart too large to be read is
cut at `MOST_COLUMNS` and says so; the table beside it never is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polls.definition import Rating
from polls.territories import TerritoryTree
from results.charts import Cell as TileCell
from results.charts import Series, Step, TileMap, day_series, legend_of, quantile_breaks, step_of, tile_map
from results.charts_groups import (
    Block,
    DaySoFar,
    GroupPart,
    Head,
    HeatMap,
    Place,
    bar_widths,
    block_map,
    days_so_far,
    heat_map,
    stacked_rows,
)
from results.explained import Explained, explain
from results.exploration import Chart, Show, View, is_place, value_of
from results.figures import PollFigures
from results.maps import KindMap, Shape
from results.shapes import By, Cell, Column, Group

MOST_COLUMNS = 12


@dataclass(frozen=True)
class BarRow:
    """A bar with whose it is; `width` None: its figure is not shown."""

    name: Group | Column
    cell: Cell
    base: int | None
    width: float | None


@dataclass(frozen=True)
class Panel:
    """One of the small multiples."""

    name: Group | Column
    bars: tuple[BarRow, ...]


@dataclass(frozen=True)
class StackedRow:
    """The bar of a group; `whole` is false where a part of it is hidden."""

    group: Group
    base: int | None
    parts: tuple[GroupPart, ...]
    cells: tuple[Cell, ...]
    whole: bool


@dataclass(frozen=True)
class Matrix:
    """Figures in rows and columns; None: no such group was counted."""

    rows: tuple[Group, ...]
    columns: tuple[Group | Column, ...]
    cells: tuple[tuple[Cell | None, ...], ...]


@dataclass(frozen=True)
class Drawn:
    """The chart of a view: what its kind needs, the rest empty.

    `left_out` is how many columns the picture has no room for; `areas` are the borders of the city's own map with the
    step and the cell of each.
    """

    bars: tuple[BarRow, ...] = ()
    stacked: tuple[StackedRow, ...] = ()
    matrix: Matrix | None = None
    heat: HeatMap | None = None
    panels: tuple[Panel, ...] = ()
    tiles: TileMap | None = None
    heads: tuple[Head, ...] = ()
    borders: KindMap | None = None
    areas: tuple[tuple[Group, Shape, str, Cell], ...] = ()
    legend: tuple[Step, ...] = ()
    some_hidden: bool = False
    not_drawn: tuple[Group, ...] = ()
    days: Series | None = None
    so_far: tuple[DaySoFar, ...] = ()
    explained: Explained | None = None
    left_out: int = 0


def draw(view: View, figures: PollFigures, places: TerritoryTree, kinds: Mapping[str, KindMap], language: str) -> Drawn:
    """The chart of a view. `kinds`: the city's own map by kind of territory, empty where it has none."""
    match view.chart:
        case Chart.BARS:
            return Drawn(bars=_bars(view))
        case Chart.STACKED:
            return _stacked(view)
        case Chart.HEATMAP:
            return _heat(view)
        case Chart.MULTIPLES:
            return _multiples(view)
        case Chart.MAP:
            return _map(view, places, kinds, language)
        case Chart.DAYS:
            votes = figures.turnout
            return Drawn(
                days=day_series(list(votes.days.items())),
                so_far=days_so_far(list(votes.days.items()), votes.entitled),
            )
        case Chart.RATINGS | Chart.FLOW:
            found = figures.question(view.question.id)
            return Drawn(explained=explain(found.question, found.outcome)) if found else Drawn()


def _scale(view: View) -> tuple[float, float | None]:
    """The values of a bar of no width and of one across; None: the largest there is."""
    if view.show is Show.MEANS and isinstance(view.question, Rating):
        return float(view.question.scale_min), float(view.question.scale_max)
    return 0.0, 1.0 if view.show is Show.SHARES else None


def _bars(view: View) -> tuple[BarRow, ...]:
    low, full = _scale(view)
    if view.by is None:
        if not view.grid.lines:
            return ()
        line = view.grid.lines[0]
        widths = bar_widths([value_of(cell, view.show) for cell in line.cells], low=low, full=full)
        each = zip(view.grid.columns, line.cells, widths, strict=True)
        return tuple(BarRow(column, cell, line.base, width) for column, cell, width in each)
    values = [value_of(line.cells[0], view.show) for line in view.grid.lines]
    widths = bar_widths(values, low=low, full=full)
    return tuple(
        BarRow(line.groups[0], line.cells[0], line.base, width)
        for line, width in zip(view.grid.lines, widths, strict=True)
    )


def _stacked(view: View) -> Drawn:
    laid = stacked_rows([[cell.share for cell in line.cells] for line in view.grid.lines])
    return Drawn(
        stacked=tuple(
            StackedRow(line.groups[0], line.base, parts, line.cells, all(c.share is not None for c in line.cells))
            for line, parts in zip(view.grid.lines, laid, strict=True)
        )
    )


def matrix_of(view: View) -> Matrix:
    """The figures of a view with breakdowns: groups by answers, or the groups of both breakdowns."""
    if view.cross is None:
        rows = tuple(line.groups[0] for line in view.grid.lines)
        return Matrix(rows, view.grid.columns, tuple(tuple(line.cells) for line in view.grid.lines))
    held = {(line.groups[0].code, line.groups[1].code): line.cells[0] for line in view.grid.lines}
    first = {line.groups[0].code: line.groups[0] for line in view.grid.lines}
    second = {line.groups[1].code: line.groups[1] for line in view.grid.lines}
    cells = tuple(tuple(held.get((row, column)) for column in second) for row in first)
    return Matrix(tuple(first.values()), tuple(second.values()), cells)


def _shown_columns(view: View, matrix: Matrix) -> list[int]:
    """The places of the columns a picture has room for: of answers those with most votes, in their order."""
    places = list(range(len(matrix.columns)))
    if len(places) <= MOST_COLUMNS or view.cross is not None:
        return places
    votes = [cell.votes or 0 for cell in view.total.lines[0].cells]
    return sorted(sorted(places, key=lambda place: -votes[place])[:MOST_COLUMNS])


def _picked(view: View) -> tuple[Matrix, int]:
    matrix = matrix_of(view)
    kept = _shown_columns(view, matrix)
    cells = tuple(tuple(row[place] for place in kept) for row in matrix.cells)
    picked = Matrix(matrix.rows, tuple(matrix.columns[place] for place in kept), cells)
    return picked, len(matrix.columns) - len(kept)


def _heat(view: View) -> Drawn:
    matrix, left_out = _picked(view)
    values = [[None if cell is None else value_of(cell, view.show) for cell in row] for row in matrix.cells]
    return Drawn(matrix=matrix, heat=heat_map(values), left_out=left_out)


def _multiples(view: View) -> Drawn:
    matrix, left_out = _picked(view)
    low, full = _scale(view)
    values = [[None if cell is None else value_of(cell, view.show) for cell in row] for row in matrix.cells]
    flat = iter(bar_widths([value for row in values for value in row], low=low, full=full))
    widths = [[next(flat) for _ in row] for row in values]
    nothing = Cell(None, None)
    panels = tuple(
        Panel(
            name,
            tuple(
                BarRow(group, matrix.cells[row][place] or nothing, None, widths[row][place])
                for row, group in enumerate(matrix.rows)
            ),
        )
        for place, name in enumerate(matrix.columns)
    )
    return Drawn(panels=panels, left_out=left_out)


# ---- maps


def _map(view: View, places: TerritoryTree, kinds: Mapping[str, KindMap], language: str) -> Drawn:
    """Territories on the city's own map, or else as tiles. Lines that are no territory are named beside it."""
    held = {line.groups[0].code: (line.groups[0], line.cells[0]) for line in view.grid.lines}
    apart = tuple(group for group, _ in held.values() if not is_place(group) or group.code not in places.by_code)
    for group in apart:
        del held[group.code]
    assert view.by is not None
    if (borders := kinds.get(view.by.value)) is not None:
        return _areas(view, borders, held, apart)
    if view.by is By.OKRUG:
        return _okrug_tiles(view, places, held, apart, language)
    return _district_tiles(view, places, held, apart, language)


Held = dict[str, tuple[Group, Cell]]


def _areas(view: View, borders: KindMap, held: Held, apart: tuple[Group, ...]) -> Drawn:
    values = {code: value_of(cell, view.show) for code, (_, cell) in held.items()}
    breaks = quantile_breaks([value for value in values.values() if value is not None])
    areas = tuple(
        (held[code][0], shape, step_of(values[code], breaks), held[code][1])
        for code, shape in borders.shapes.items()
        if code in held
    )
    missing = tuple(group for code, (group, _) in held.items() if code not in borders.shapes)
    legend = legend_of([(klass, value_of(cell, view.show)) for _, _, klass, cell in areas])
    return Drawn(
        borders=borders, areas=areas, legend=legend, not_drawn=missing + apart,
        some_hidden=any(klass == "qx" for _, _, klass, _ in areas),
    )  # fmt: skip


def _okrug_tiles(view: View, places: TerritoryTree, held: Held, apart: tuple[Group, ...], language: str) -> Drawn:
    cells, missing = [], []
    for code, (group, cell) in held.items():
        place = places.by_code[code]
        if place.tile_column is None or place.tile_row is None:
            missing.append(group)
            continue
        value = value_of(cell, view.show)
        cells.append(TileCell(code, place.short(language), place.tile_column, place.tile_row, value))
    tiles = tile_map(cells)
    return Drawn(tiles=tiles, legend=tiles.legend, some_hidden=tiles.some_hidden, not_drawn=(*missing, *apart))


def _district_tiles(view: View, places: TerritoryTree, held: Held, apart: tuple[Group, ...], language: str) -> Drawn:
    """Districts in blocks where their okrugs have a place on the grid."""
    by_okrug: dict[str, list[Place]] = {}
    missing = []
    for code, (group, cell) in held.items():
        okrug = places.by_code.get(group.above)
        if okrug is None or okrug.tile_column is None or okrug.tile_row is None:
            missing.append(group)
            continue
        by_okrug.setdefault(okrug.code, []).append(Place(code, group.label(language), value_of(cell, view.show)))
    blocks = [
        Block(okrug.short(language), okrug.tile_column or 0, okrug.tile_row or 0, tuple(found))
        for code, found in by_okrug.items()
        if (okrug := places.by_code[code])
    ]
    tiles, heads = block_map(blocks)
    return Drawn(
        tiles=tiles, heads=heads, legend=tiles.legend, some_hidden=tiles.some_hidden, not_drawn=(*missing, *apart)
    )
