"""Which groups strata fall into, by territory, age and sex, with their names in both languages. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from polls.definition import Definition, Dimension
from polls.strata import AGE_BELOW, AGE_UNKNOWN, SEX_UNKNOWN, Stratum, age_label
from polls.territories import Territory, TerritoryTree
from results.disclosure import LEAST
from results.disclosure_tables import Axis, Form, Place
from results.shapes import By, Group, GroupKind

REST = "rest"
UNKNOWN = "unknown"
_REST_RU, _REST_EN = "Без разбивки", "Not broken down"
_SEXES = {1: Group("f", "Женщины", "Women"), 2: Group("m", "Мужчины", "Men")}

SMALL_SHARE = Fraction(1, 10)
"""A table by two dimensions of which more is under ten is not published: see :func:`pairs_of`."""
SMALL_BESIDE = Fraction(1, 4)
"""The same for a table by one dimension of a question that is crossed with another: see :func:`beside_cross_tabs`."""
Dimensions = tuple[By, ...]
Line = tuple[str, Group]
"""The key of a group in a block, and what it is called."""


@dataclass(frozen=True)
class Grid:
    """The axes of a poll's tables, and where its strata lie on them.

    `places`: stratum → the finest value on each axis. `groups`: key of one value (``district:arbat``) → its names.
    `lines`: dimension → keys in the order of a table; dimensions with one group alone are left out of everything.
    """

    axes: tuple[Axis, ...]
    places: Mapping[int, Place]
    groups: Mapping[str, Group]
    lines: Mapping[By, Sequence[str]]

    @property
    def dimensions(self) -> list[Dimensions]:
        """Every dimension, then every two of different axes."""
        axes = [[By(level) for level in axis.levels] for axis in self.axes]
        pairs = [(a, b) for one, other in combinations(axes, 2) for a in one for b in other]
        return [*((by,) for axis in axes for by in axis), *pairs]

    def form(self, pairs: Iterable[Dimensions] | None = None, *, finest: bool = False, only: bool = False) -> Form:
        """The groups of all single dimensions and of `pairs` (None: of every two); `finest` as in :class:`Form`.

        `only`: of `pairs` alone, which may be single dimensions then.
        """
        tables: list[Dimensions] = [] if only else [(By(axis.levels[-1]),) for axis in self.axes]
        wanted = [two for two in self.dimensions if len(two) > 1] if pairs is None else list(pairs)
        return Form(self.axes, [*tables, *wanted], finest=finest)

    def lines_of(self, dimensions: Dimensions, known: Callable[[str], bool]) -> Iterator[Line]:
        """The lines of a table by one dimension or two, in order; of two, those `known` to have anybody in them."""
        if len(dimensions) == 1:
            yield from ((key, self.groups[key]) for key in self.lines[dimensions[0]])
            return
        first, second = dimensions
        for one in self.lines[first]:
            for other in self.lines[second]:
                if known(key := f"{one}|{other}"):
                    yield key, Group.of_two(self.groups[one], self.groups[other])


def grid_of(definition: Definition, strata: Iterable[int], places: TerritoryTree) -> Grid:
    """The grid of a poll's strata, as far as the definition declares territories, ages and sexes."""
    strata = sorted(set(strata))
    axes: list[Axis] = []
    values: dict[int, list[str]] = {code: [] for code in strata}
    groups: dict[str, Group] = {}
    lines: dict[By, Sequence[str]] = {}
    for found in _axes(definition, strata, places):
        kept = [n for n, by in enumerate(found.levels) if len(found.lines[by]) > 1]
        if not kept:
            continue
        paths = {path[-1]: tuple(path[n] for n in kept) for path in found.path_of.values()}
        axes.append(Axis(tuple(found.levels[n].value for n in kept), paths))
        for code in strata:
            values[code].append(found.path_of[code][-1])
        for n in kept:
            by = found.levels[n]
            lines[by] = [f"{by}:{value}" for value in found.lines[by]]
            groups |= {f"{by}:{value}": group for value, group in found.lines[by].items()}
    return Grid(tuple(axes), {code: tuple(place) for code, place in values.items()}, groups, lines)


def pairs_of(
    grid: Grid, figures: Iterable[tuple[str, int]], kept: frozenset[Dimensions] = frozenset(), coarser: int = 0
) -> list[Dimensions]:
    """The tables by two dimensions that are published: those of whose figures (group, n) at most a tenth are under ten.

    Hiding ever more of a table of small figures would leave nothing to read: the remedy is a coarser table. What was
    published once stays (`kept`). `coarser`: 1 leaves out those with districts, 2 all.
    """
    small, cells = _small(figures)
    return [
        two
        for two in grid.dimensions
        if len(two) > 1
        and cells[two]
        and (two in kept or (_may_be(two, coarser) and small[two] <= SMALL_SHARE * cells[two]))
    ]


def beside_cross_tabs(
    grid: Grid, figures: Iterable[tuple[str, int]], kept: frozenset[Dimensions] = frozenset()
) -> list[Dimensions]:
    """The tables published of questions that are crossed: by one dimension, where at most a quarter is under ten.

    What any more tables would show, much of the cross-tab would hide, and much of themselves.
    """
    small, cells = _small(figures)
    return [
        one
        for one in grid.dimensions
        if one in kept or (len(one) == 1 and cells[one] and small[one] <= SMALL_BESIDE * cells[one])
    ]


def _small(figures: Iterable[tuple[str, int]]) -> tuple[Counter[Dimensions], Counter[Dimensions]]:
    """By dimensions: figures under ten, and all."""
    small: Counter[Dimensions] = Counter()
    cells: Counter[Dimensions] = Counter()
    for group, n in figures:
        dimensions = tuple(By(part.partition(":")[0]) for part in group.split("|")) if group else ()
        cells[dimensions] += 1
        small[dimensions] += n < LEAST
    return small, cells


def _may_be(two: Dimensions, coarser: int) -> bool:
    return not coarser or (coarser == 1 and By.DISTRICT not in two)


@dataclass(frozen=True)
class _Levels:
    """One axis before empty levels are dropped: `path_of` stratum → value by level; `lines` value → group, in order."""

    levels: tuple[By, ...]
    path_of: Mapping[int, tuple[str, ...]]
    lines: Mapping[By, Mapping[str, Group]]


def _axes(definition: Definition, strata: Sequence[int], places: TerritoryTree) -> Iterator[_Levels]:
    if Dimension.DISTRICT in definition.strata:
        yield _territories(strata, places)
    if Dimension.AGE_BAND in definition.strata:
        bands = definition.age_bands
        yield _flat(By.AGE_BAND, strata, lambda s: s.age, lambda index: _age(index, bands), _age_order)
    if Dimension.SEX in definition.strata:
        yield _flat(By.SEX, strata, lambda s: s.sex, _sex, lambda index: index)


def _territories(strata: Sequence[int], places: TerritoryTree) -> _Levels:
    """Okrugs over districts. Where there is no okrug above, the finest group stands at both heights."""
    path_of: dict[int, tuple[str, ...]] = {}
    okrugs: dict[str, Group] = {}
    leaves: dict[str, Group] = {}
    some_okrug = False
    for code in strata:
        district, okrug = _ancestor(places, Stratum.of(code).territory)
        if district is not None:
            group = Group(district.code, district.name_ru, district.name_en)
        elif okrug is not None:
            group = Group(f"{REST}:{okrug.code}", f"{okrug.name_ru}: {_REST_RU.lower()}",
                          f"{okrug.name_en}: {_REST_EN.lower()}", GroupKind.REST)  # fmt: skip
        else:
            group = Group(REST, _REST_RU, _REST_EN, GroupKind.REST)
        above = group
        if okrug is not None:
            some_okrug = True
            group = Group(group.code, group.ru, group.en, group.kind, okrug.code)
            above = Group(okrug.code, okrug.name_ru, okrug.name_en)
        path_of[code] = (above.code, group.code)
        okrugs[above.code], leaves[group.code] = above, group
    rank = {place.code: number for number, place in enumerate(sorted(places.by_id.values(), key=lambda p: p.id))}

    def ordered(found: dict[str, Group]) -> dict[str, Group]:
        def order(group: Group) -> tuple[int, int, str]:
            return (rank.get(group.above or group.code, len(rank)), list(GroupKind).index(group.kind), group.ru)

        return {group.code: group for group in sorted(found.values(), key=order)}

    lines = {By.OKRUG: ordered(okrugs) if some_okrug else {}, By.DISTRICT: ordered(leaves)}
    return _Levels((By.OKRUG, By.DISTRICT), path_of, lines)


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
) -> _Levels:
    indices = sorted({index_of(Stratum.of(code)) for code in strata}, key=order)
    named = {index: group_of(index) for index in indices}
    path_of = {code: (named[index_of(Stratum.of(code))].code,) for code in strata}
    return _Levels((dimension,), path_of, {dimension: {group.code: group for group in named.values()}})


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
