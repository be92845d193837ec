"""The figures of linked tables as one system of sums, in arrays that a solver takes. Pure.

Row r of the system says that the weighted cells of one sum make a public constant. Cells are numbered in sorted order
of their names, so that neither the order of rows on a page nor that of a query changes which cells are hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

Cell = tuple[str, str]
"""(group, column)"""
Relation = Mapping[Cell, int]
"""Coefficients of cells whose weighted sum is nought, cells everybody knows left out."""
Whole = NDArray[numpy.int64]
Real = NDArray[numpy.float64]
Mask = NDArray[numpy.bool_]

NO_BOUND = 1 << 40
LAST = 8.0
"""How many other cells are hidden rather than one of those that are `dear`."""


@dataclass(frozen=True)
class Terms:
    """A sparse matrix: `weight` at (`row`, `cell`), `rows` high."""

    row: Whole
    cell: Whole
    weight: Whole
    rows: int

    def times(self, x: Whole) -> Whole:
        """The sum of every row, in whole numbers."""
        sums: Whole = numpy.zeros(self.rows, numpy.int64)
        numpy.add.at(sums, self.row, self.weight * x[self.cell])
        return sums

    def within(self, chosen: Whole, width: int) -> Terms:
        """The rows as far as they hold `chosen` cells, which are numbered anew in the order given."""
        place = numpy.full(width, -1, numpy.int64)
        place[chosen] = numpy.arange(len(chosen))
        inside = place[self.cell] >= 0
        kept, row = numpy.unique(self.row[inside], return_inverse=True)
        return Terms(row.astype(numpy.int64), place[self.cell[inside]], self.weight[inside], len(kept))


@dataclass(frozen=True)
class System:
    """All cells that are not public, and every sum among them.

    `values` true counts; `most` what everybody knows a cell cannot exceed; `silent` cells that are never published and
    need no protection of their own, such as the finest groups behind published margins; `price` what hiding a cell
    costs, and `dear` those that cost as much for every ballot moved; `still` silent ones that searches leave as they
    are, and `through` cells that are searched together besides, still ones among them; `unit` number of the unit a cell
    is of, since tables are searched a few units at a time; `parents` unit → units it is a part of, at any height.
    """

    cells: Sequence[Cell]
    values: Whole
    most: Whole
    silent: Mask
    price: Real
    dear: Mask
    still: Mask
    through: Mask
    terms: Terms
    unit: Whole
    parents: Mapping[int, frozenset[int]]

    @property
    def size(self) -> int:
        """How many cells there are."""
        return len(self.cells)


def system_of(
    values: Mapping[Cell, int],
    relations: Sequence[Relation],
    units: Mapping[str, str],
    silent: Collection[Cell] = (),
    at_most: Mapping[Cell, int] | None = None,
    dear: Collection[Cell] = (),
    still: Collection[Cell] = (),
    through: Collection[Cell] = (),
) -> System:
    """Number the cells that stand in `values`. Raises ValueError where a sum does not hold a public constant's rest."""
    cells = sorted(values)
    place = {cell: number for number, cell in enumerate(cells)}
    triples = [
        (row, place[cell], weight)
        for row, relation in enumerate(relations)
        for cell, weight in sorted(relation.items())
    ]
    row, column, weight = (
        (numpy.array(part, numpy.int64) for part in zip(*triples, strict=True))
        if triples
        else (numpy.zeros(0, numpy.int64) for _ in range(3))
    )
    counts = numpy.array([values[cell] for cell in cells], numpy.int64)
    if (counts < 0).any():  # figures that do not belong together: what they prove would be worth nothing
        raise ValueError("a figure below nought")
    names = sorted({units.get(group, group) for group, _ in cells})
    number_of = {name: number for number, name in enumerate(names)}
    unit = numpy.array([number_of[units.get(group, group)] for group, _ in cells], numpy.int64)
    quiet = set(silent)
    sums = numpy.zeros(len(cells), bool)
    sums[column[weight < 0]] = True
    limits, last, resting, together = at_most or {}, set(dear), set(still), set(through)
    lastly = numpy.array([cell in last for cell in cells], bool)
    return System(
        cells,
        counts,
        numpy.array([limits.get(cell, NO_BOUND) for cell in cells], numpy.int64),
        numpy.array([cell in quiet for cell in cells], bool),
        # Few cells should carry much: a large one takes what many small ones need, a sum holds tables together.
        numpy.maximum(1.0 - 0.08 * numpy.log(counts + 1.0), 0.3)
        * numpy.where(lastly, LAST, numpy.where(sums, 2.0, 1.0)),
        lastly,
        numpy.array([cell in resting for cell in cells], bool),
        numpy.array([cell in together for cell in cells], bool),
        Terms(row, column, weight, len(relations)),
        unit,
        _parents(unit, row, column, weight),
    )


def _parents(unit: Whole, row: Whole, column: Whole, weight: Whole) -> dict[int, frozenset[int]]:
    """Unit → units above it, at any height: those whose cells are sums over cells of it."""
    direct: dict[int, set[int]] = {}
    sum_of: dict[int, set[int]] = {}
    for r, c, w in zip(row.tolist(), column.tolist(), weight.tolist(), strict=True):
        if w < 0:
            sum_of.setdefault(r, set()).add(int(unit[c]))
    for r, c, w in zip(row.tolist(), column.tolist(), weight.tolist(), strict=True):
        if w > 0:
            own = int(unit[c])
            direct.setdefault(own, set()).update(sum_of.get(r, set()) - {own})
    found = {}
    for start in direct:
        reached: set[int] = set()
        ahead = list(direct[start])
        while ahead:
            one = ahead.pop()
            if one not in reached:
                reached.add(one)
                ahead.extend(direct.get(one, ()))
        found[start] = frozenset(reached - {start})
    return found


def reachable(system: System) -> tuple[Whole, Whole]:
    """Bounds of every cell that follow from the public totals one sum at a time, were all else hidden.

    What lies outside no table has, so no cell can need a range wider than these.
    """
    terms, low, high = system.terms, numpy.zeros(system.size, numpy.int64), system.most.copy()
    total = terms.times(system.values)
    positive = terms.weight > 0
    for _ in range(8):
        least = terms.weight * numpy.where(positive, low[terms.cell], high[terms.cell])
        most = terms.weight * numpy.where(positive, high[terms.cell], low[terms.cell])
        floor, ceiling = (_sum(terms, part) for part in (least, most))
        # What the other cells of the sum leave for this one.
        rest_high = (total - floor)[terms.row] + least
        rest_low = (total - ceiling)[terms.row] + most
        upper = numpy.where(positive, rest_high, -rest_low) // numpy.abs(terms.weight)
        lower = -(-numpy.where(positive, rest_low, -rest_high) // numpy.abs(terms.weight))
        before = (high - low).sum()
        numpy.minimum.at(high, terms.cell, upper)
        numpy.maximum.at(low, terms.cell, lower)
        if (high - low).sum() == before:
            break
    return low, high


def _sum(terms: Terms, parts: Whole) -> Whole:
    sums: Whole = numpy.zeros(terms.rows, numpy.int64)
    numpy.add.at(sums, terms.row, parts)
    return sums
