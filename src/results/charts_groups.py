"""Geometry of charts that compare groups: bars, bars of parts, heat maps, small multiples, districts in blocks. Pure.

As in :mod:`results.charts` marks have classes and no colours. A value of None is a figure that is not shown: it gets no
mark but the class of what is not shown, never the mark of nought. What is drawn beside a hidden part is empty space;
nothing is worked out from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from results.charts import (
    FULL,
    STEPS,
    Number,
    Step,
    Tile,
    TileMap,
    legend_of,
    quantile_breaks,
    step_of,
)


def bar_widths(
    values: Sequence[Number | None], *, full: Number | None = None, low: Number = 0
) -> tuple[float | None, ...]:
    """How wide each bar is, in hundredths of the chart. `full`: the value of a bar across, by default the largest.

    `low` is the value of a bar of no width: the least level of a scale.
    """
    known = [value for value in values if value is not None]
    whole = (max(known, default=low) if full is None else full) - low

    def width(value: Number) -> float:
        return min(FULL, max(0.0, FULL * float((value - low) / whole))) if whole > 0 else 0.0

    return tuple(None if value is None else width(value) for value in values)


@dataclass(frozen=True, slots=True)
class GroupPart:
    """One part of a group's bar: its place among the parts, where it stands, and its class."""

    place: int
    x: float
    width: float
    klass: str


def stacked_rows(rows: Sequence[Sequence[Number | None]]) -> tuple[tuple[GroupPart, ...], ...]:
    """Shares of a whole of one, laid side by side over a hundred units for each group; hidden parts leave no mark.

    Parts keep their order and their class in every row, so that one legend serves all.
    """
    laid = []
    for row in rows:
        parts, running = [], Fraction(0)
        for place, share in enumerate(row):
            if share is None or share <= 0:
                continue
            before = min(FULL, float(running) * FULL)
            running += Fraction(share)
            after = min(FULL, float(running) * FULL)
            parts.append(GroupPart(place, before, after - before, f"c{place % STEPS + 1}"))
        laid.append(tuple(parts))
    return tuple(laid)


# ---- a heat map


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell, in the row and column of the figures it draws."""

    row: int
    column: int
    x: float
    y: float
    klass: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Cells of `cell_width` × `cell_height` in a viewBox; names of rows end at `left`, heads stand above `top`."""

    width: float
    height: float
    left: float
    top: float
    cell_width: float
    cell_height: float
    cells: tuple[HeatCell, ...]
    legend: tuple[Step, ...]
    some_hidden: bool


def heat_map(
    rows: Sequence[Sequence[Number | None]], *, left: float = 210, top: float = 44, cell_width: float = 84,
    cell_height: float = 32,
) -> HeatMap:  # fmt: skip
    """Lay out a matrix of values. All rows must have the same length; the five steps hold about equally many cells."""
    breaks = quantile_breaks([value for row in rows for value in row if value is not None])
    cells = tuple(
        HeatCell(n, m, left + m * cell_width, top + n * cell_height, step_of(value, breaks))
        for n, row in enumerate(rows)
        for m, value in enumerate(row)
    )
    pairs = [(cell.klass, rows[cell.row][cell.column]) for cell in cells]
    return HeatMap(
        left + max((len(row) for row in rows), default=0) * cell_width,
        top + len(rows) * cell_height,
        left,
        top,
        cell_width,
        cell_height,
        cells,
        legend_of(pairs),
        any(value is None for _, value in pairs),
    )


# ---- districts in blocks by okrug


@dataclass(frozen=True, slots=True)
class Place:
    """A territory of a block; `value` None: not shown."""

    code: str
    label: str
    value: Number | None


@dataclass(frozen=True, slots=True)
class Block:
    """The territories of one okrug, and where that okrug stands on the grid of okrugs."""

    label: str
    column: int
    row: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The name above a block."""

    label: str
    x: float
    y: float


def block_map(blocks: Sequence[Block], *, size: float = 58, gap: float = 4, head: float = 20) -> tuple[
    TileMap, tuple[Head, ...]
]:  # fmt: skip
    """Squares of every district, okrug by okrug, each okrug as near a square as it can be, with its name above.

    Okrugs of one column of the grid of okrugs share their left edge, those of one row their top, so the map of
    districts is the map of okrugs drawn finer, and no square ever lies on another.
    """
    sides = {block: max(1, math.ceil(math.sqrt(len(block.places)))) for block in blocks}
    deep = {block: math.ceil(len(block.places) / sides[block]) for block in blocks}
    pitch, between = size + gap, size / 4
    lefts = _edges({(b.column, sides[b] * pitch + between) for b in blocks})
    tops = _edges({(b.row, deep[b] * pitch + head + between) for b in blocks})
    breaks = quantile_breaks([p.value for block in blocks for p in block.places if p.value is not None])
    tiles = tuple(
        Tile(
            place.code, place.label, place.value,
            lefts[block.column] + (number % sides[block]) * pitch,
            tops[block.row] + head + (number // sides[block]) * pitch,
            size, step_of(place.value, breaks),
        )
        for block in blocks
        for number, place in enumerate(block.places)
    )  # fmt: skip
    heads = tuple(Head(block.label, lefts[block.column], tops[block.row] + head - 6) for block in blocks)
    drawn = TileMap(
        max((tile.x + size for tile in tiles), default=size),
        max((tile.y + size for tile in tiles), default=size),
        tiles,
        legend_of([(tile.klass, tile.value) for tile in tiles]),
        some_hidden=any(tile.value is None for tile in tiles),
    )
    return drawn, heads


def _edges(sizes: set[tuple[int, float]]) -> dict[int, float]:
    """Where each column (or row) begins, each as wide as the widest block in it."""
    widest: dict[int, float] = {}
    for place, width in sizes:
        widest[place] = max(width, widest.get(place, 0.0))
    edges, edge = {}, 0.0
    for place in sorted(widest):
        edges[place] = edge
        edge += widest[place]
    return edges


# ---- time


@dataclass(frozen=True, slots=True)
class DaySoFar:
    """A day: its votes, all votes up to its end, and their share of the residents entitled, if that is known."""

    day: date
    votes: int
    so_far: int
    turnout: Fraction | None


def days_so_far(days: Sequence[tuple[date, int]], entitled: int | None) -> tuple[DaySoFar, ...]:
    """Votes of each day and the running sum, in the order of the days."""
    running, found = 0, []
    for day, votes in sorted(days):
        running += votes
        found.append(DaySoFar(day, votes, running, Fraction(running, entitled) if entitled else None))
    return tuple(found)
