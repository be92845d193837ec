"""The city's tree of territories (city, okrugs, districts, buildings) as a value to keep in memory. Pure.

A city has a few hundred territories that change once in years, so a process reads the tree once and asks it instead of
the database: the names on a page, the path of a district for an audience rule, the ids below an okrug.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

KINDS = ("city", "okrug", "district", "building")


@dataclass(frozen=True)
class Territory:
    """One node of the tree, as stored. `population` is approximate unless `population_source` names a source."""

    id: int
    code: str
    kind: str
    parent_id: int | None
    name_ru: str
    name_en: str
    short_ru: str = ""
    short_en: str = ""
    tile_column: int | None = None
    tile_row: int | None = None
    population: int | None = None
    population_source: str = ""

    def name(self, language: str) -> str:
        """The full name in a language (`ru` unless `en`)."""
        return self.name_en if language == "en" else self.name_ru

    def short(self, language: str) -> str:
        """The short name («ЦАО») in a language, or the full one where there is none."""
        return (self.short_en if language == "en" else self.short_ru) or self.name(language)


@dataclass(frozen=True)
class TerritoryTree:
    """Every territory by id and by code, with what lies above and below. Build with `TerritoryTree.of`."""

    by_id: Mapping[int, Territory]
    by_code: Mapping[str, Territory]
    paths: Mapping[str, frozenset[str]]
    below: Mapping[int | None, tuple[Territory, ...]]

    @classmethod
    def of(cls, territories: Iterable[Territory]) -> Self:
        """The tree of these territories. Raises ValueError when a parent is missing or the parents form a circle."""
        by_id = {territory.id: territory for territory in territories}
        below: dict[int | None, list[Territory]] = {}
        for territory in by_id.values():
            below.setdefault(territory.parent_id, []).append(territory)
        return cls(
            by_id,
            {territory.code: territory for territory in by_id.values()},
            {territory.code: frozenset(_codes_up(territory, by_id)) for territory in by_id.values()},
            {parent: tuple(children) for parent, children in below.items()},
        )

    def __contains__(self, territory_id: object) -> bool:
        return territory_id in self.by_id

    def parent(self, territory_id: int) -> int | None:
        """The id of the territory above; None at the top and for an id the tree does not know."""
        territory = self.by_id.get(territory_id)
        return None if territory is None else territory.parent_id

    def path(self, code: str) -> frozenset[str]:
        """The codes of a territory and of everything above it; empty for an unknown code."""
        return self.paths.get(code, frozenset())

    def children(self, territory_id: int | None) -> tuple[Territory, ...]:
        """The territories directly below, in stored order; of None, the tops of the tree."""
        return self.below.get(territory_id, ())

    def descendants(self, codes: Iterable[str]) -> frozenset[int]:
        """The ids of these territories and of everything below them; unknown codes give nothing."""
        wanted = set(codes)
        return frozenset(t.id for t in self.by_id.values() if not wanted.isdisjoint(self.paths[t.code]))

    def of_kind(self, kind: str) -> tuple[Territory, ...]:
        """All territories of one kind, in stored order."""
        return tuple(territory for territory in self.by_id.values() if territory.kind == kind)


def _codes_up(territory: Territory, by_id: Mapping[int, Territory]) -> list[str]:
    codes = [territory.code]
    while territory.parent_id is not None:
        above = by_id.get(territory.parent_id)
        if above is None or above.code in codes:
            raise ValueError(f"the territories above {codes[0]} are missing or form a circle")
        territory = above
        codes.append(territory.code)
    return codes
