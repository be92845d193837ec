"""Geometry of the chart of votes by hour against the expected band. Pure; the template turns it into SVG.

Long polls are drawn in points of two, three, six, … hours, so that the page stays small; files hold all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from results.anomaly_counters import SLOT
from results.anomaly_shapes import Anomalies, Step
from results.charts import Tick, nice_scale

MOST_POINTS = 170
HOURS = (1, 2, 3, 6, 12, 24, 48, 96)
LABEL_WIDTH = 100.0
"""Room for the name of a day below the axis."""


@dataclass(frozen=True, slots=True)
class HourPoint:
    """Votes in a stretch of hours, and the band; figures are sums of the published steps, spread evenly."""

    begins: datetime
    ends: datetime
    votes: float
    low: float | None
    high: float | None
    x: float
    unusual: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of time that a check points to."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class HourChart:
    """In a viewBox of `width` × `height`; `band` and `line` are SVG paths, `labels` (x, moment) below the axis."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    hours: int
    points: tuple[HourPoint, ...]
    ticks: tuple[Tick, ...]
    labels: tuple[tuple[float, datetime], ...]
    line: str
    band: str
    marks: tuple[Mark, ...]


def hour_chart(found: Anomalies, *, width: int = 640, height: int = 240) -> HourChart | None:
    """Lay out the steps of a poll; None where there are fewer than three points."""
    if not found.steps:
        return None
    zone = ZoneInfo(found.time_zone)
    begins, ends = found.steps[0].begins, found.steps[-1].ends
    hours = next(
        (n for n in HOURS if (ends - begins) / timedelta(hours=n) <= MOST_POINTS), HOURS[-1]
    )  # fmt: skip
    cells = _cells(found.steps, hours, zone)
    if len(cells) < 3:
        return None
    left, right, top, bottom = 56.0, width - 12.0, 12.0, height - 28.0
    scale = nice_scale(max(max(votes, high or 0.0) for _, _, votes, _, high in cells))

    def across(moment: datetime) -> float:
        return left + (right - left) * ((moment - begins) / (ends - begins))

    def up(value: float) -> float:
        return bottom - (bottom - top) * min(1.0, max(0.0, value / scale[-1]))

    spans = [(f.begins, f.ends) for check in found.unusual for f in check.findings if f.begins and f.ends]
    points = tuple(
        HourPoint(a, b, votes, low, high, across(a + (b - a) / 2), any(s < b and e > a for s, e in spans))
        for a, b, votes, low, high in cells
    )
    line = "M" + "L".join(f"{p.x:.1f},{up(p.votes):.1f}" for p in points)
    held = [p for p in points if p.low is not None and p.high is not None]
    band = ""
    if len(held) > 1:
        upper = "L".join(f"{p.x:.1f},{up(p.high or 0.0):.1f}" for p in held)
        lower = "L".join(f"{p.x:.1f},{up(p.low or 0.0):.1f}" for p in reversed(held))
        band = f"M{upper}L{lower}Z"
    marks = tuple(
        Mark(across(max(a, begins)), max(2.0, across(min(b, ends)) - across(max(a, begins)))) for a, b in spans
    )
    return HourChart(
        width, height, left, right, top, bottom, hours, points, tuple(Tick(v, up(v)) for v in scale),
        _labels(points, zone), line, band, marks,
    )  # fmt: skip


_Cell = tuple[datetime, datetime, float, float | None, float | None]


def _cells(steps: Sequence[Step], hours: int, zone: ZoneInfo) -> list[_Cell]:
    """Steps summed into stretches of so many hours by the city's clock, spread evenly where they cross a border."""
    sums: dict[datetime, list[float]] = {}
    banded: dict[datetime, bool] = {}
    for step in steps:
        slots = (step.ends - step.begins) // SLOT
        for n in range(slots):
            at = (step.begins + n * SLOT).astimezone(zone)
            start = at.replace(hour=at.hour - at.hour % min(hours, 24), minute=0, second=0, microsecond=0)
            if hours > 24:
                start -= timedelta(days=start.toordinal() % (hours // 24))
            row = sums.setdefault(start, [0.0, 0.0, 0.0, 0.0])
            row[0] += step.votes / slots
            row[1] += (step.low or 0.0) / slots
            row[2] += (step.high or 0.0) / slots
            row[3] += 1
            banded[start] = banded.get(start, True) and step.high is not None
    found: list[_Cell] = []
    for start in sorted(sums):
        votes, low, high, _ = sums[start]
        found.append((max(start, steps[0].begins), min(start + timedelta(hours=hours), steps[-1].ends), votes,
                      low if banded[start] else None, high if banded[start] else None))  # fmt: skip
    return found


def _labels(points: Sequence[HourPoint], zone: ZoneInfo) -> tuple[tuple[float, datetime], ...]:
    """The first point of each day, as far as there is room for its name below the axis."""
    found: list[tuple[float, datetime]] = []
    for before, point in pairwise((None, *points)):
        assert point is not None
        new = before is None or before.begins.astimezone(zone).date() != point.begins.astimezone(zone).date()
        if new and (not found or point.x - found[-1][0] >= LABEL_WIDTH):
            found.append((point.x, point.begins))
    return tuple(found)
