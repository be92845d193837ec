"""What was published constrains what may be published next: differences between two looks tell too. Pure.

The rules, and why:

1. *Another filter, another format.* All tables of a count are protected at once, before the first is shown. A filter
   only chooses among their cells, and :meth:`results.disclosure.Protection.total` gives no sum over a hidden one. So
   nothing follows from two filters that does not follow from all tables together, which is what was proved.
2. *More tables of the same count* (a pair of dimensions declared later): a cell shown once is known and stays shown; a
   cell hidden once stays hidden; and the new pattern is proved with every earlier table in the block. Where no pattern
   is left that keeps both, :func:`results.disclosure.protect` leaves cells under `least` in `limited`, which
   :func:`must_hold` refuses: the new tables are then not published.
3. *A corrected count.* A cell that was shown may be shown anew only if it is the same or differs by `least` or more:
   two figures that differ by three tell about three people. A cell once hidden stays hidden. What changed by less is
   primary, and its complements follow as always. The whole poll's own change is public and is said with its reason.
4. *Live steps* show totals only, never a breakdown; how far apart they are is said by :mod:`polls.live_apart`.

Source: Hundepool et al., *Statistical Disclosure Control* (Wiley 2012), 4.5 and 5.5 (differencing, linked releases).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from results.disclosure import Cell, NarrowCells, Protection


@dataclass(frozen=True)
class Published:
    """Every cell of a poll that was ever shown, with the figure shown last, and every cell that was hidden.

    `count` is the version of the count they are of.
    """

    count: int
    shown: Mapping[Cell, int]
    hidden: frozenset[Cell]

    def bearing_on(
        self, values: Mapping[Cell, int], least: int, count: int | None
    ) -> tuple[set[Cell], frozenset[Cell]]:
        """Cells of `values` that everybody knows by now, and cells that have to be hidden.

        `count` other than that of the memory means a corrected count: nothing is known for certain any more. Raises
        ValueError where `values` lack a cell that was hidden, since nobody could prove then that it stays so, or where
        a figure of the same count is another.
        """
        if lost := self.hidden - values.keys():
            raise ValueError(f"{len(lost)} cells published as hidden are in no table of the block")
        here = {cell: n for cell, n in self.shown.items() if cell in values}
        changed = {cell for cell, n in here.items() if values[cell] != n}
        if count is None or count == self.count:
            if changed:
                raise ValueError(f"{len(changed)} figures of one count differ from what was published")
            return set(here), self.hidden
        slightly = {cell for cell in changed if abs(values[cell] - here[cell]) < least}
        return set(), self.hidden | slightly

    def and_now(self, protection: Protection, count: int) -> Published:
        """The memory once `protection` is published as well."""
        fresh = {cell: n for cell, n in protection.values.items() if cell not in protection.hidden}
        return Published(count, {**self.shown, **fresh}, self.hidden | protection.hidden)

    def to_json(self) -> str:
        """As text to be kept with the count, in sorted order."""
        shown = [[*cell, n] for cell, n in sorted(self.shown.items())]
        return json.dumps({"count": self.count, "shown": shown, "hidden": sorted(map(list, self.hidden))},
                          ensure_ascii=False, separators=(",", ":"))  # fmt: skip

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The memory out of its text."""
        kept = json.loads(text)
        shown = {(group, column): n for group, column, n in kept["shown"]}
        return cls(kept["count"], shown, frozenset((group, column) for group, column in kept["hidden"]))


def first(protection: Protection, count: int) -> Published:
    """The memory of the first publication of a poll."""
    return Published(count, {}, frozenset()).and_now(protection, count)


def must_hold(before: Protection, after: Protection) -> None:
    """Refuse later tables of the same count by which a cell would be narrower than it was. Raises `NarrowCells`."""
    narrower = {
        cell: span
        for cell, span in after.ranges.items()
        if cell in after.limited and cell not in before.limited
    }  # fmt: skip
    if narrower:
        raise NarrowCells(narrower)
