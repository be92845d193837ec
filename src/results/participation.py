"""Turnout by group, and what it and the tables of ballots tell of each other. Pure.

Turnout counts who took part by the strata of the roll; ballots were counted with small strata merged into those above
(:func:`polls.strata.coarsen`), in an order that follows from the counts. So the ballots of a merged stratum are the sum
of the votes of those merged into it, and a hidden figure of turnout could be read from ballots. These sums stand in the
block of turnout as links. Where participations and ballots differ (an irregularity) the attacker is taken to know by
how many. A stratum of the roll nobody of which voted counts with what it would have been merged into.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from polls.strata import AGE_MERGED, SEX_MERGED, Stratum, coarsen
from polls.territories import TerritoryTree
from results.disclosure import ROOT, Block, Cell, Relation
from results.disclosure_tables import Form, Place, linked_block
from results.grouping import Dimensions, Grid, pairs_of
from results.shapes import Group, TurnoutRow, TurnoutTable, share_of

TURNOUT = "turnout"
"""The column that counts who voted, never what."""


@dataclass(frozen=True)
class Participation:
    """Who voted, by group of the roll's strata. `entitled` None: nobody recorded the roll.

    `pools`: strata of the roll whose sum the ballots show, by the merged stratum; under None those of which the
    ballots show that nobody voted.
    """

    grid: Grid
    form: Form
    by_stratum: Mapping[int, int]
    voted: Mapping[str, int]
    entitled: Mapping[str, int] | None
    pools: Mapping[int | None, frozenset[int]]

    @property
    def full(self) -> frozenset[str]:
        """Groups that voted to the last resident, where not all the poll did."""
        if self.entitled is None or self.voted[ROOT] == self.entitled[ROOT]:
            return frozenset()
        return frozenset(group for group, n in self.voted.items() if n and n == self.entitled[group])

    def block(self) -> Block:
        """Turnout as a block, each stratum with what the ballots tell of it."""
        counts: dict[Place, Counter[str]] = {place: Counter({TURNOUT: 0}) for place in self.grid.places.values()}
        for stratum, place in self.grid.places.items():
            counts[place][TURNOUT] += self.by_stratum.get(stratum, 0)
        block = linked_block(counts, self.form, [])
        return replace(
            block,
            primary=frozenset((group, TURNOUT) for group in self.full),
            open_columns=frozenset({TURNOUT}),
            whole={TURNOUT: TURNOUT},
        )

    def told_by(self, ballots: Iterable[tuple[Grid, Form]]) -> Block:
        """Turnout as a block where the ballots of every published group are known: so many votes of merged strata."""
        block = self.block()
        own: dict[frozenset[int], list[str]] = {}
        alone: dict[int | None, Collection[int]] = {code: {code} for code in self.grid.places}
        for group, strata in self._strata(self.grid, self.form, alone).items():
            own.setdefault(strata, []).append(group)
        links: list[Relation] = [{self.cell(stratum): 1} for stratum in self.pools.get(None, ())]
        seen: set[frozenset[int]] = set()
        for grid, form in ballots:
            for strata in self._strata(grid, form, self.pools).values():
                if strata not in seen:
                    seen.add(strata)
                    links.append({self.cell(stratum): 1 for stratum in strata})
                    links += [{(group, TURNOUT): 1} for group in own.get(strata, ())]
        return replace(block, links=links)

    @staticmethod
    def _strata(grid: Grid, form: Form, of: Mapping[int | None, Collection[int]]) -> dict[str, frozenset[int]]:
        """The strata of the roll in every published group; `of`: stratum of the grid → strata of the roll."""
        found: dict[str, set[int]] = {}
        for code, place in grid.places.items():
            for group in form.groups(place):
                found.setdefault(group, set()).update(of.get(code, ()))
        return {group: frozenset(strata) for group, strata in found.items() if group != ROOT and strata}

    def cell(self, stratum: int) -> Cell:
        """The finest cell of a stratum."""
        return self.form.name(self.grid.places[stratum], self.form.finest), TURNOUT

    def tables(self, hidden: frozenset[Cell]) -> list[TurnoutTable]:
        """The tables with what is hidden left out."""

        def row(key: str, group: Group) -> TurnoutRow:
            off = (key, TURNOUT) in hidden
            shown = None if off else self.voted[key]
            entitled = self.entitled[key] if self.entitled is not None else None
            return TurnoutRow(group, shown, entitled, share_of(shown, entitled), off)

        there = {group for place in self.grid.places.values() for group in self.form.groups(place)}
        return [
            TurnoutTable(dimensions, tuple(row(*line) for line in lines))
            for dimensions in self.dimensions
            if (lines := list(self.grid.lines_of(dimensions, there.__contains__)))
        ]

    @property
    def dimensions(self) -> list[Dimensions]:
        """The dimensions of the tables that are published."""
        return [one for one in self.grid.dimensions if self.form.has(one)]


def participation_of(
    grid: Grid,
    by_stratum: Mapping[int, int],
    roll: Mapping[int, int] | None,
    places: TerritoryTree,
    kept: frozenset[Dimensions] = frozenset(),
) -> Participation:
    """Votes by stratum against the roll. `kept`: tables published before, which stay."""
    every = grid.form()
    voted: Counter[str] = Counter()
    entitled: Counter[str] = Counter()
    for stratum, place in grid.places.items():
        for group in every.groups(place):
            voted[group] += by_stratum.get(stratum, 0)
            entitled[group] += (roll or {}).get(stratum, 0)
    merged = coarsen({Stratum.of(code): n for code, n in by_stratum.items() if n}, places.parent)
    into = {code: merged[Stratum.of(code)].code for code in grid.places if by_stratum.get(code)}
    there = set(into.values())
    pools: dict[int | None, set[int]] = {}
    for code in grid.places:
        pools.setdefault(into.get(code) or _above(code, there, places.parent), set()).add(code)
    form = grid.form(pairs_of(grid, voted.items(), kept), finest=True)
    frozen = {code: frozenset(strata) for code, strata in pools.items()}
    return Participation(grid, form, by_stratum, voted, entitled if roll is not None else None, frozen)


def _above(code: int, there: set[int], parent: Callable[[int], int | None]) -> int | None:
    """The merged stratum that votes of a stratum would have gone into; None where there is none."""
    territory, age, sex = Stratum.of(code)
    sex, merged = (SEX_MERGED if sex else 0), (AGE_MERGED if age else 0)
    if (found := Stratum(territory, age, sex).code) in there:
        return found
    while True:
        if (found := Stratum(territory, merged, sex).code) in there:
            return found
        above = parent(territory) if territory else None
        if above is None:
            return None
        territory = above
