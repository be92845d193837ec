"""Linked tables out of the finest counts: which cells there are, and every sum among them. Pure.

The caller says which tables a poll publishes (by district, by okrug and age band, …); the margins of each are
published with it. What comes out is one :class:`~results.disclosure.Block`, in which a figure that stands in several
tables is one cell. Group names are those of :mod:`results.grouping` put together: ``okrug:cao|age_band:age_18_24``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from results.disclosure import Block, Cell

Levels = tuple[int, ...]
"""For each axis how fine: 0 not broken down, 1 the coarsest level, and so on."""


@dataclass(frozen=True)
class Axis:
    """A way to break down: `levels` from coarse to fine (``okrug``, ``district``).

    `paths`: finest value → its values by level, itself the last.
    """

    levels: tuple[str, ...]
    paths: Mapping[str, tuple[str, ...]]

    def at(self, value: str, depth: int) -> str:
        """The name of the part of a group at a depth; empty where not broken down."""
        return f"{self.levels[depth - 1]}:{self.paths[value][depth - 1]}" if depth else ""


Place = tuple[str, ...]
"""The finest value of each axis, in order."""


class Form:
    """Which groups the tables of a poll have: `tables` are sets of level names; their margins are published too."""

    def __init__(self, axes: Sequence[Axis], tables: Sequence[Collection[str]], *, finest: bool = False) -> None:
        """`finest`: the finest groups are wanted in any case, since something else is said of them."""
        self.axes = axes
        self._groups: dict[Place, list[str]] = {}
        self.finest: Levels = tuple(len(axis.levels) for axis in axes)
        self.asked = {tuple(_depth(axis, table) for axis in axes) for table in tables}
        published = {levels for table in self.asked for levels in product(*(range(depth + 1) for depth in table))}
        self.published = sorted(published | {tuple(0 for _ in axes)})
        acyclic = _acyclic([{n for n, d in enumerate(t) if d} for t in self.asked])
        self.silent = self.finest not in self.published and (finest or not acyclic)

    def name(self, place: Place, levels: Levels) -> str:
        """The group of a place at some height; empty for the whole poll."""
        parts = (axis.at(value, depth) for axis, value, depth in zip(self.axes, place, levels, strict=True))
        return "|".join(part for part in parts if part)

    def has(self, levels: Collection[str]) -> bool:
        """Whether a table by these levels is published."""
        depths = {
            number: axis.levels.index(level) + 1
            for number, axis in enumerate(self.axes)
            for level in levels
            if level in axis.levels
        }
        return tuple(depths.get(n, 0) for n in range(len(self.axes))) in self.published

    def groups(self, place: Place) -> list[str]:
        """The published groups a place is in, the whole poll first."""
        if place not in self._groups:
            self._groups[place] = [self.name(place, levels) for levels in self.published]
        return self._groups[place]


def linked_block(counts: Mapping[Place, Mapping[str, int]], form: Form, sums: Sequence[Mapping[str, int]]) -> Block:
    """The block of the tables of a form out of counts by finest group and column.

    `counts`: place → column → number. A place that is not there is known to be empty; a column it lacks is nought.
    `sums`: as in the block. Where the tables bound each other only through the groups behind them (three pairs of three
    axes), those stand in the block as silent ones, since everybody knows that they exist and are not negative.
    """
    axes = form.axes
    columns = sorted({column for row in counts.values() for column in row})
    values: Counter[Cell] = Counter()
    units: dict[str, str] = {}
    splits: dict[tuple[str, Levels], set[str]] = {}
    longest = max(range(len(axes)), key=lambda n: len(axes[n].paths), default=0)
    asked = form.asked
    highest = [t for t in asked if not any(t != o and all(a <= b for a, b in zip(t, o, strict=True)) for o in asked)]
    for place in sorted(counts):
        row = counts[place]
        for levels in (*form.published, form.finest) if form.silent else form.published:
            group = form.name(place, levels)
            units[group] = (axes[longest].at(place[longest], levels[longest]) if axes else "") or "*"
            for column in columns:
                values[group, column] += row.get(column, 0)
            for coarser in highest if levels == form.finest and form.silent else _one_coarser(levels):
                splits.setdefault((form.name(place, coarser), levels), set()).add(group)
    quiet = {form.name(place, form.finest) for place in counts} if form.silent else set()
    return Block(
        dict(values),
        {},
        sums,
        splits=[(above, sorted(parts)) for (above, _), parts in sorted(splits.items())],
        silent=frozenset(quiet),
        units=units,
    )


def _depth(axis: Axis, table: Collection[str]) -> int:
    return max((number + 1 for number, level in enumerate(axis.levels) if level in table), default=0)


def _one_coarser(levels: Levels) -> list[Levels]:
    return [(*levels[:n], depth - 1, *levels[n + 1 :]) for n, depth in enumerate(levels) if depth]


def _acyclic(tables: Sequence[set[int]]) -> bool:
    """Whether any margins that agree with each other come from some finest table: Graham's reduction to nothing.

    Beeri, Fagin, Maier and Yannakakis, "On the desirability of acyclic database schemes", J. ACM 30 (1983).
    """
    left = [set(table) for table in tables]
    while True:
        seen = Counter(axis for table in left for axis in table)
        less = [{axis for axis in table if seen[axis] > 1} for table in left]
        kept = [
            t
            for n, t in enumerate(less)
            if t and not any(t <= o and (t != o or n > m) for m, o in enumerate(less) if m != n)
        ]
        if kept == left:
            return not left
        left = kept
