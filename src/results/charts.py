"""Geometry of the charts: where bars, points and tiles stand. Pure; templates turn it into SVG.

Nothing here knows a colour: marks get classes (`q0`…`q4` for the five steps of a map, `c1`…`c5` for parts of a whole),
so that the same figures follow the reader's theme, print, and stay readable where the page has no scripts. Coordinates
are in the units of the chart's own viewBox and never leave it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

Number = int | float | Fraction

STEPS = 5
NO_VALUE = "qx"
FULL = 100.0
TICKS = 4
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


# ---- horizontal bars


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart: `width` and `mark` are in hundredths of the chart's width."""

    label: str
    value: Number
    width: float
    leading: bool


@dataclass(frozen=True, slots=True)
class BarChart:
    """Rows in the order given, and where a threshold stands, if one was given."""

    bars: tuple[Bar, ...]
    mark: float | None


def bar_chart(
    rows: Sequence[tuple[str, Number]], *, full: Number | None = None, mark: Number | None = None
) -> BarChart:
    """Lay out rows of (label, value), values zero or more.

    `full` is the value of a bar across the whole width: 1 for shares of a whole, by default the largest value. `mark`
    is a threshold in the values' unit. Every row with the largest value is leading, so a tie shows as one.
    """
    largest = max((value for _, value in rows), default=0)
    whole = largest if full is None else full
    bars = tuple(
        Bar(label, value, _hundredths(value, whole), leading=value == largest and value > 0) for label, value in rows
    )
    return BarChart(bars, None if mark is None else _hundredths(mark, whole))


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stacked bar."""

    label: str
    value: Number
    share: float
    x: float
    width: float
    klass: str


def stacked_bar(rows: Sequence[tuple[str, Number]]) -> tuple[Part, ...]:
    """Lay the parts of a whole side by side over a hundred units; empty if the whole is nothing."""
    total = sum(value for _, value in rows)
    if total <= 0:
        return ()
    parts, before = [], 0.0
    running: Number = 0
    for place, (label, value) in enumerate(rows):
        running += value
        after = _hundredths(running, total)  # from the running sum, so that rounding never pushes the last part out
        parts.append(Part(label, value, float(value / total), before, after - before, f"c{place % STEPS + 1}"))
        before = after
    return tuple(parts)


def _hundredths(value: Number, whole: Number) -> float:
    """Where a value stands on a width of a hundred; what is over the whole ends at its edge."""
    if whole <= 0 or value <= 0:
        return 0.0
    return min(FULL, FULL * float(value / whole))


# ---- a series of days


@dataclass(frozen=True, slots=True)
class Point:
    """One day of a series."""

    day: date
    value: Number
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of the value axis."""

    value: float
    y: float


@dataclass(frozen=True, slots=True)
class Series:
    """A series of days in a viewBox of `width` × `height`; `line` and `area` are SVG paths, empty below two points.

    `labelled` holds the places of the points whose day is written below the axis.
    """

    width: int
    height: int
    left: float
    right: float
    bottom: float
    points: tuple[Point, ...]
    ticks: tuple[Tick, ...]
    labelled: frozenset[int]
    line: str
    area: str
    peak: Point | None


def day_series(
    values: Sequence[tuple[date, Number]], *, width: int = 420, height: int = 210, most_labels: int = 5
) -> Series:
    """Lay out values of days, zero or more, in any order. A day left out leaves its width free: time is to scale.

    One day is a point in the middle; no days give the axes alone.
    """
    top, right, bottom, left = 12.0, width - 26.0, height - 28.0, 56.0
    days = sorted(values, key=lambda pair: pair[0])
    scale = nice_scale(max((value for _, value in days), default=0))
    first, span = (days[0][0], (days[-1][0] - days[0][0]).days) if days else (date.min, 0)

    def across(day: date) -> float:
        return left + (right - left) * ((day - first).days / span if span else 0.5)

    def up(value: Number) -> float:
        return bottom - (bottom - top) * min(1.0, max(0.0, float(value) / scale[-1]))

    points = tuple(Point(day, value, across(day), up(value)) for day, value in days)
    line = area = ""
    if len(points) > 1:
        line = "M" + "L".join(f"{point.x:.1f},{point.y:.1f}" for point in points)
        area = f"{line}L{points[-1].x:.1f},{bottom:.1f}L{points[0].x:.1f},{bottom:.1f}Z"
    return Series(
        width=width, height=height, left=left, right=right, bottom=bottom, points=points,
        ticks=tuple(Tick(value, up(value)) for value in scale),
        labelled=_spread(points, most_labels), line=line, area=area,
        peak=max(points, key=lambda point: point.value, default=None),
    )  # fmt: skip


def nice_scale(largest: Number, ticks: int = TICKS) -> tuple[float, ...]:
    """Give the values of an axis from nought to at least `largest`, in whole steps of 1, 2, 2.5 or 5 times ten.

    Steps are whole numbers: counts of ballots have no halves.
    """
    wanted = max(float(largest) / ticks, 1.0)
    power = 10.0 ** math.floor(math.log10(wanted))
    steps = (nice * power for nice in NICE)
    step = next(step for step in steps if step.is_integer() and step >= wanted * (1 - 1e-9))
    lines = max(1, math.ceil(float(largest) / step * (1 - 1e-12)))
    return tuple(step * place for place in range(lines + 1))


def _spread(points: tuple[Point, ...], most: int) -> frozenset[int]:
    """Choose points to label: the first, and those at least an even share of the width further on."""
    if len(points) <= 1 or most < 2:
        return frozenset(range(len(points))[:1])
    apart = (points[-1].x - points[0].x) / (most - 1) * (1 - 1e-9)
    chosen = [0]
    for place, point in enumerate(points):
        if point.x - points[chosen[-1]].x >= apart:
            chosen.append(place)
    return frozenset(chosen)


# ---- a map of tiles


@dataclass(frozen=True, slots=True)
class Cell:
    """A territory on the grid; `label` is what its square says, `value` None means that its figure is not shown."""

    code: str
    label: str
    column: int
    row: int
    value: Number | None


@dataclass(frozen=True, slots=True)
class Tile:
    """A territory's square and its step."""

    code: str
    label: str
    value: Number | None
    x: float
    y: float
    size: float
    klass: str


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the legend: the smallest and the largest value that fell into the step."""

    klass: str
    low: Number
    high: Number


@dataclass(frozen=True, slots=True)
class TileMap:
    """Squares in a viewBox of `width` × `height`, with the steps that occur in it."""

    width: float
    height: float
    tiles: tuple[Tile, ...]
    legend: tuple[Step, ...]
    some_hidden: bool


def tile_map(cells: Sequence[Cell], *, size: float = 84, gap: float = 6) -> TileMap:
    """Lay out equal squares on the grid of the cells, wherever it begins, with a frame of half a gap's room."""
    if not cells:
        return TileMap(size, size, (), (), some_hidden=False)
    breaks = quantile_breaks([cell.value for cell in cells if cell.value is not None])
    west, north = min(cell.column for cell in cells), min(cell.row for cell in cells)
    east, south = max(cell.column for cell in cells), max(cell.row for cell in cells)
    pitch = size + gap
    tiles = tuple(
        Tile(
            code=cell.code,
            label=cell.label,
            value=cell.value,
            x=gap / 2 + (cell.column - west) * pitch,
            y=gap / 2 + (cell.row - north) * pitch,
            size=size,
            klass=step_of(cell.value, breaks),
        )
        for cell in cells
    )
    return TileMap(
        width=(east - west + 1) * pitch,
        height=(south - north + 1) * pitch,
        tiles=tiles,
        legend=legend_of([(tile.klass, tile.value) for tile in tiles]),
        some_hidden=any(tile.value is None for tile in tiles),
    )


def quantile_breaks(values: Sequence[Number], steps: int = STEPS) -> tuple[Number, ...]:
    """Give the bounds that part the values into steps of about equal counts; equal values share a step."""
    ordered = sorted(values)
    if not ordered:
        return ()
    bounds = {ordered[min(len(ordered) - 1, len(ordered) * place // steps)] for place in range(1, steps)}
    return tuple(sorted(bounds - {ordered[0]}))


def step_of(value: Number | None, breaks: Sequence[Number]) -> str:
    """Give the class of a value: with fewer than five steps, they are spread from the palest to the darkest."""
    if value is None:
        return NO_VALUE
    place = bisect_right(breaks, value)
    return f"q{round(place * (STEPS - 1) / len(breaks)) if breaks else 0}"


def legend_of(marks: Sequence[tuple[str, Number | None]]) -> tuple[Step, ...]:
    """The steps that occur among marks (class, value), the palest first; values that are not shown are in none."""
    by_step: dict[str, list[Number]] = {}
    for klass, value in marks:
        if value is not None:
            by_step.setdefault(klass, []).append(value)
    return tuple(Step(klass, min(found), max(found)) for klass, found in sorted(by_step.items()))
