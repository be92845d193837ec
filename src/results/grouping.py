"""Which groups strata fall into, by territory, age and sex, with their names in both languages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from polls.definition import Definition, Dimension
from polls.strata import AGE_BELOW, AGE_UNKNOWN, SEX_UNKNOWN, Stratum, age_label
from polls.territories import Territory, TerritoryTree
from results.disclosure import ROOT
from results.shapes import By, Group, GroupKind

REST = "rest"
UNKNOWN = "unknown"
_REST_RU, _REST_EN = "Без разбивки", "Not broken down"
_SEXES = {1: Group("f", "Женщины", "Women"), 2: Group("m", "Мужчины", "Men")}


@dataclass(frozen=True)
class Nest:
    """Groups that share figures: tables protected together.

    `leaf_of`: stratum → key of the finest group; `parent`: key → key of the group it is a part of (`""`: the whole
    poll); `groups`: key → group; `tables`: dimension → keys of its lines, in order. Every ballot is in one leaf.
    """

    leaf_of: Mapping[int, str]
    parent: Mapping[str, str]
    groups: Mapping[str, Group]
    tables: Mapping[By, Sequence[str]]

    def path(self, leaf: str) -> list[str]:
        """The leaf and the groups above it, up to the whole poll."""
        path = [leaf]
        while path[-1] != ROOT:
            path.append(self.parent[path[-1]])
        return path


def nests(definition: Definition, strata: Iterable[int], places: TerritoryTree) -> list[Nest]:
    """The nests of a poll: territories, ages and sexes, as far as the definition declares them."""
    strata = sorted(set(strata))
    found = []
    if Dimension.DISTRICT in definition.strata:
        found.append(_territories(strata, places))
    if Dimension.AGE_BAND in definition.strata:
        bands = definition.age_bands
        found.append(_flat(By.AGE_BAND, strata, lambda s: s.age, lambda index: _age(index, bands), _age_order))
    if Dimension.SEX in definition.strata:
        found.append(_flat(By.SEX, strata, lambda s: s.sex, _sex, lambda index: index))
    return found


def _territories(strata: Sequence[int], places: TerritoryTree) -> Nest:
    leaf_of: dict[int, str] = {}
    parent: dict[str, str] = {}
    groups: dict[str, Group] = {}
    for code in strata:
        district, okrug = _ancestor(places, Stratum.of(code).territory)
        above = ROOT
        if okrug is not None:
            above = f"okrug:{okrug.code}"
            groups[above] = Group(okrug.code, okrug.name_ru, okrug.name_en)
            parent[above] = ROOT
        if district is not None:
            leaf, group = f"district:{district.code}", Group(district.code, district.name_ru, district.name_en)
        elif okrug is not None:
            leaf = f"{REST}:{okrug.code}"
            group = Group(leaf, f"{okrug.name_ru}: {_REST_RU.lower()}", f"{okrug.name_en}: {_REST_EN.lower()}",
                          GroupKind.REST)  # fmt: skip
        else:
            leaf, group = REST, Group(REST, _REST_RU, _REST_EN, GroupKind.REST)
        if okrug is not None:
            group = Group(group.code, group.ru, group.en, group.kind, okrug.code)
        leaf_of[code], parent[leaf], groups[leaf] = leaf, above, group
    rank = {place.code: number for number, place in enumerate(sorted(places.by_id.values(), key=lambda p: p.id))}

    def order(key: str) -> tuple[int, int, str]:
        group = groups[key]
        return (rank.get(group.above or group.code, len(rank)), list(GroupKind).index(group.kind), group.ru)

    okrugs = [key for key in groups if key.startswith("okrug:") or key == REST]
    leaves = [key for key in groups if not key.startswith("okrug:")]
    tables = {By.OKRUG: sorted(okrugs, key=order), By.DISTRICT: sorted(leaves, key=order)}
    if not any(key.startswith("okrug:") for key in groups):
        del tables[By.OKRUG]
    return Nest(leaf_of, parent, groups, tables)


def _ancestor(places: TerritoryTree, territory: int) -> tuple[Territory | None, Territory | None]:
    """The district and the okrug a territory is or lies in."""
    found: dict[str, Territory] = {}
    place = places.by_id.get(territory)
    while place is not None:
        found.setdefault(place.kind, place)
        place = places.by_id.get(place.parent_id) if place.parent_id is not None else None
    return found.get("district"), found.get("okrug")


def _flat(
    dimension: By,
    strata: Sequence[int],
    index_of: Callable[[Stratum], int],
    group_of: Callable[[int], Group],
    order: Callable[[int], int],
) -> Nest:
    indices = sorted({index_of(Stratum.of(code)) for code in strata}, key=order)
    named = {index: group_of(index) for index in indices}
    keys = list(dict.fromkeys(f"{dimension}:{named[index].code}" for index in indices))
    return Nest(
        {code: f"{dimension}:{named[index_of(Stratum.of(code))].code}" for code in strata},
        dict.fromkeys(keys, ROOT),
        {f"{dimension}:{group.code}": group for group in named.values()},
        {dimension: keys},
    )


def _age_order(index: int) -> int:
    return 0 if index == AGE_BELOW else index or 100


def _age(index: int, bands: Sequence[int]) -> Group:
    if index == AGE_UNKNOWN:
        return Group(UNKNOWN, "Возраст не известен", "Age not known", GroupKind.UNKNOWN)
    label = age_label(index, bands)
    if not label:
        return Group(REST, _REST_RU, _REST_EN, GroupKind.REST)
    # A code no spreadsheet takes for a date or a sum: age_18_24, age_65.
    return Group("age_" + label.rstrip("+").replace("–", "_"), label, label)


def _sex(index: int) -> Group:
    if index == SEX_UNKNOWN:
        return Group(UNKNOWN, "Пол не известен", "Sex not known", GroupKind.UNKNOWN)
    return _SEXES.get(index) or Group(REST, _REST_RU, _REST_EN, GroupKind.REST)
