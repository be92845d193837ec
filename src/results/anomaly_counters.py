"""The published counters: votes by time and okrug with small ones merged until each counts ten votes. Pure.

Two tables. *Steps* are of the whole city, ten minutes each where ten votes fell into them; none crosses midnight unless
a whole day has fewer, so that with the public votes by day they tell nothing more. *Hours* are by okrug: hours are
merged for all okrugs alike and small okrugs into one column, so that no cell is under ten and none is hidden: there is
nothing left to work out by subtraction. Okrugs whose turnout is hidden elsewhere are merged first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import add
from zoneinfo import ZoneInfo

from results.anomaly_shapes import LEAST, HourRow, Hours, Place, Step

SLOT = timedelta(minutes=10)
HOUR = timedelta(hours=1)

Counts = Mapping[tuple[datetime, str], int]
"""(start of ten minutes, code of the okrug or "") → votes."""


def steps_of(counts: Counts, zone: ZoneInfo) -> tuple[Step, ...]:
    """Votes of the city in ten minutes each, or in as many more as make ten votes; () under ten votes in all."""
    by_slot: dict[datetime, int] = {}
    for (at, _), n in counts.items():
        by_slot[at] = by_slot.get(at, 0) + n
    if sum(by_slot.values()) < LEAST:
        return ()
    found: list[Step] = []
    begun: datetime | None = None
    waiting = 0
    for at in _every(by_slot, SLOT):
        begun = begun or at
        waiting += by_slot.get(at, 0)
        after = at + SLOT
        if waiting >= LEAST:
            found.append(Step(begun, after, waiting))
            begun, waiting = None, 0
        elif _day(at, zone) != _day(after, zone) and found and _day(found[-1].ends - SLOT, zone) == _day(at, zone):
            found[-1] = Step(found[-1].begins, after, found[-1].votes + waiting)
            begun, waiting = None, 0
    if begun is not None:
        found[-1] = Step(found[-1].begins, max(by_slot) + SLOT, found[-1].votes + waiting)
    return tuple(found)


def hours_of(counts: Counts, places: Mapping[str, Place], hidden: Collection[str] = ()) -> Hours:
    """Votes by hour and okrug, merged so that every cell is ten at least; an empty table under ten votes in all.

    `places`: code → the okrug with its names. `hidden`: codes whose turnout may not be known. Of all ways to merge the
    smallest okrugs into one column, that is taken which leaves the most cells.
    """
    totals: dict[str, int] = {}
    by_moment: dict[datetime, dict[str, int]] = {}
    for (at, code), n in counts.items():
        totals[code] = totals.get(code, 0) + n
        row = by_moment.setdefault(at, {})
        row[code] = row.get(code, 0) + n
    if sum(totals.values()) < LEAST:
        return Hours((), ())
    order = sorted(totals, key=lambda code: (code not in hidden, totals[code], code))
    by_hour: dict[datetime, list[int]] = {}
    for at, row in by_moment.items():
        cells = by_hour.setdefault(at.replace(minute=0, second=0, microsecond=0), [0] * len(order))
        for column, code in enumerate(order):
            cells[column] += row.get(code, 0)
    least = sum(code in hidden for code in order)
    best: tuple[int, int, list[HourRow]] | None = None
    for merged in [*(n for n in range(len(order)) if n != 1 and n >= least), len(order)]:
        rows = _rows(by_hour, merged)
        cells_left = len(rows) * (len(order) - merged + (merged > 0))
        if rows and (best is None or cells_left > best[0]):
            best = (cells_left, merged, rows)
    assert best is not None  # everything in one cell is ten votes at least
    parts = [[code] for code in order[best[1] :]] + ([sorted(order[: best[1]])] if best[1] else [])
    return Hours(tuple(_place(part, places) for part in parts), tuple(best[2]))


def _rows(by_hour: Mapping[datetime, Sequence[int]], merged: int) -> list[HourRow]:
    """Hours merged until every column has ten votes; what is left at the end goes to the last row.

    The first `merged` columns are one, and stand last.
    """
    found: list[HourRow] = []
    begun: datetime | None = None
    columns = len(next(iter(by_hour.values()))) - merged + (merged > 0)
    waiting = [0] * columns
    for at in _every(by_hour, HOUR):
        begun = begun or at
        row = by_hour.get(at)
        if row is not None:
            parts = [*row[merged:], sum(row[:merged])] if merged else row
            waiting = list(map(add, waiting, parts))
        if min(waiting) >= LEAST:
            found.append(HourRow(begun, at + HOUR, tuple(waiting)))
            begun, waiting = None, [0] * columns
    if found and begun is not None:
        last = found.pop()
        found.append(HourRow(last.begins, max(by_hour) + HOUR, tuple(map(add, last.votes, waiting))))
    return found


def _place(codes: Sequence[str], places: Mapping[str, Place]) -> Place:
    if len(codes) == 1 and codes[0] in places:
        return places[codes[0]]
    if list(codes) == [""]:
        return Place(("",), "Без округа", "No okrug")
    return Place(tuple(codes), "Остальные вместе", "The others together")


def _every(moments: Iterable[datetime], width: timedelta) -> list[datetime]:
    """All stretches from the first to the last of some."""
    known = sorted(moments)
    return [known[0] + width * n for n in range((known[-1] - known[0]) // width + 1)]


def _day(moment: datetime, zone: ZoneInfo) -> object:
    return moment.astimezone(zone).date()
