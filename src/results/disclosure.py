"""Disclosure control: which cells of linked tables stay hidden, so that no hidden one can be worked out. Pure.

A cell is *primary* when it would tell about people: under ten ballots, none at all, or everybody in its group. Hiding
primary cells alone does not protect them, since totals are published: a row with one hidden cell gives it away by
subtraction. So *complementary* cells are hidden too, until every hidden cell, primary or not, is proved to be wide: two
whole tables exist that agree with everything published, in whole numbers and none below nought, and differ in that cell
by ten at least. The proof is a move (:mod:`results.disclosure_moves`) checked in whole numbers, so that a set of tables
passes only with a certificate for each hidden cell; where there is none for some cell, more is hidden.

Everything published of a poll is protected as one :class:`Block`, whatever its tables: a cell that stands in several
tables is one cell. What one table gives away of another is thus seen. Totals of the whole poll are published exactly,
always: they are constants here. What they give away by themselves is not fought: an option nobody chose is zero
everywhere and shown so, and the cells of an option chosen seven times can be no wider than seven.

Cells are hidden, never rounded or blurred, so every figure that is shown can be recounted. One pattern is made for a
count, in sorted order of names, and page, API, CSV, feed and PDF all print from it. Rules for what may be published
after something else was: :mod:`results.disclosure_memory`.

Sources: Hundepool et al., *Statistical Disclosure Control* (Wiley 2012), ch. 4 (primary rules, secondary suppression,
linked tables, the attacker's problem, frequency tables and group disclosure); de Wolf and Giessing, "Adjusting the
τ-ARGUS modular approach to deal with linked tables", Data Knowl. Eng. 68 (2009); Willenborg and de Waal, *Elements of
Statistical Disclosure Control* (2001), ch. 8. τ-ARGUS's other ways: the hypercube (Repsilber; GHMITER), fast and
hiding more than is needed; the optimal one, exact and too slow for a city. Not defended against: what somebody
knows from elsewhere (an own vote), and likelihoods within the range that is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.disclosure_memory import Published
    from results.disclosure_moves import Search

LEAST = 10
"""A shown cell counts at least so many ballots, and a hidden one is left a range at least so wide."""
MUCH = 0.3
"""Above this share of hidden cells another pattern is looked for."""
ROOT = ""
"""The group that is the whole poll: its figures are public and exact."""
CAST = "cast"
"""The column that counts the ballots of a group."""
TURNS = 12
"""After so many rounds of hiding and proving, everything near what is still narrow is hidden."""
_SMALL = 4000

Cell = tuple[str, str]
"""(group, column)"""
Relation = Mapping[Cell, int]
"""Coefficients of published cells whose weighted sum is a public constant."""


@dataclass(frozen=True)
class Block:
    """Tables that share figures.

    `values`: number of ballots (or points) by (group, column), with every group, the root `""` included.
    `parent`: group → the group it is a part of; the parts of a group add up to it exactly.
    `splits`: (group, parts) for each further way in which a group is the sum of others, such as by age and by sex.
    `links`: further sums of cells that are public constants, whatever they come to.
    `sums`: relations that hold among the columns of every group, as coefficients that add up to zero.
    `open_columns`: columns that tell nothing by being full (everybody) such as the ballots cast.
    `primary`: cells to hide for a reason of the caller's own.
    `whole`: column → the column of the ballots it is a part of; :data:`CAST` where it is not said.
    `amounts`: columns that hold no ballots but what ballots gave: sums of levels or points.
    `silent`: groups that no table has but everybody knows to exist: the finest ones behind several published margins.
    `at_most`: what everybody knows a cell cannot exceed, such as the roll of a group.
    `known`: cells another publication shows already, such as the turnout of a group: constants here, like the totals.
    `still`: silent cells that searches leave as they are, so that programs stay small. What is proved without them is
    proved; what a cell needs is worked out with them.
    `through`: cells that are searched together besides, whatever their units are, still ones among them.
    `units`: group → what tables are searched by (districts), where it is not the group itself.
    """

    values: Mapping[Cell, int]
    parent: Mapping[str, str]
    sums: Sequence[Mapping[str, int]] = ()
    open_columns: frozenset[str] = frozenset({CAST})
    primary: frozenset[Cell] = field(default=frozenset())
    whole: Mapping[str, str] = field(default_factory=dict)
    amounts: frozenset[str] = frozenset()
    splits: Sequence[tuple[str, Sequence[str]]] = ()
    silent: frozenset[str] = frozenset()
    at_most: Mapping[Cell, int] = field(default_factory=dict)
    known: frozenset[Cell] = field(default=frozenset())
    units: Mapping[str, str] = field(default_factory=dict)
    links: Sequence[Relation] = ()
    still: frozenset[Cell] = field(default=frozenset())
    through: frozenset[Cell] = field(default=frozenset())

    def of(self, column: str) -> str:
        """The column of the ballots a column is a part of."""
        return self.whole.get(column, CAST)


@dataclass(frozen=True)
class Protection:
    """The one pattern of a count: what every page, file and feed asks before it prints a cell.

    `hidden` never holds a cell of the root. `ranges`: hidden cell → lowest and highest value that whole tables agreeing
    with everything published were found to have in it. `limited`: hidden cells whose range is under `least` wide
    because the totals of the poll alone leave no more.
    """

    values: Mapping[Cell, int]
    hidden: frozenset[Cell]
    ranges: Mapping[Cell, tuple[int, int]]
    limited: frozenset[Cell]
    primary: frozenset[Cell]

    def shown(self, cell: Cell) -> int | None:
        """The figure of a cell, or None where it is hidden. KeyError for a cell of no table."""
        return None if cell in self.hidden else self.values[cell]

    def total(self, cells: Sequence[Cell]) -> int | None:
        """The sum over a reader's choice of cells; None as soon as one is hidden, so that no choice tells more."""
        figures = [self.shown(cell) for cell in cells]
        return None if None in figures else sum(figure for figure in figures if figure is not None)


class NarrowCells(ValueError):
    """Tables refused: of some hidden cells more can be said than `least` allows. `cells` names them."""

    def __init__(self, cells: Mapping[Cell, tuple[int, int]]) -> None:
        super().__init__(f"{len(cells)} hidden cells are not proved to be wide enough")
        self.cells = cells


def hidden_cells(block: Block, least: int = LEAST) -> frozenset[Cell]:
    """The cells of the block to hide: primary and complementary ones. The root is never among them."""
    return protect(block, least=least).hidden


def protect(
    block: Block, earlier: Published | None = None, *, count: int | None = None, least: int = LEAST
) -> Protection:
    """Hide primary cells and what it takes besides, until every hidden cell is proved to be wide.

    `earlier` is what was published of the poll before, `count` the version of the count at hand (None: the same);
    :mod:`results.disclosure_memory` says what that forbids.

    Where that hides much, it is tried once more with the ballots of groups shown wherever they are not primary: what is
    known needs no proof, and fewer cells are then tied to each other. The pattern that hides less stands, unless it
    leaves a limited cell less than the first.
    """
    found = _protect(block, earlier, count, least)
    if len(found.hidden) <= MUCH * len(found.values):
        return found
    told = {cell for cell, n in block.values.items() if block.of(cell[1]) == cell[1] and n >= least}
    known = block.known | (told - found.primary)
    if known == block.known:
        return found
    other = _protect(replace(block, known=known), earlier, count, least)
    as_wide = all(cell in found.limited and _width(other, cell) >= _width(found, cell) for cell in other.limited)
    better = len(other.hidden) < len(found.hidden) and as_wide
    return replace(other, values=found.values) if better else found


def _width(found: Protection, cell: Cell) -> int:
    low, high = found.ranges[cell]
    return high - low


def _protect(block: Block, earlier: Published | None, count: int | None, least: int) -> Protection:
    plain, search = _search(block, least, earlier, count)
    primary = search.hidden.copy()
    for turn in range(TURNS):
        if turn:
            for chunk in search.chunks(search.unproved(), turn, partners=2):
                search.prove(chunk)
        if not len(search.unproved()):
            break
        fresh = sum(len(search.repair(chunk, turn)) for chunk in search.chunks(search.unproved(), turn, 2 + turn))
        if not fresh and turn % 2:
            _give_in(search, turn)
    else:
        search.hidden[:] = True
        for chunk in search.chunks(search.unproved(), 0, partners=2):
            search.prove(chunk, alone=len(chunk))
    left = search.unproved()
    search.need[left] = (search.high - search.low)[left]  # nothing is left to hide
    return _protection(block, plain, search, primary, least)


def audit(
    block: Block,
    hidden: frozenset[Cell],
    earlier: Published | None = None,
    *,
    count: int | None = None,
    least: int = LEAST,
) -> None:
    """Refuse tables that show a primary cell, or let somebody bound a hidden one more narrowly than `least`.

    Proves everything anew, whoever made the pattern. Raises :class:`NarrowCells`.
    """
    plain, search = _search(block, least, earlier, count)
    cells = search.system.cells
    wanted = {cell for cell, off in zip(cells, search.hidden.tolist(), strict=True) if off}
    open_ = {cell: (search.system.values[cells.index(cell)],) * 2 for cell in wanted - hidden - _silent(plain)}
    if open_:
        raise NarrowCells(open_)
    for number, cell in enumerate(cells):
        search.hidden[number] = cell in hidden
    for turn in range(3):
        for chunk in search.chunks(search.unproved(), turn, partners=4):
            search.prove(chunk)
    if len(search.unproved()):
        import numpy

        search.prove(numpy.arange(search.system.size))
    for number in search.unproved().tolist():
        search.settle(number)
    if len(left := search.unproved()):
        raise NarrowCells({cells[n]: (int(search.low[n]), int(search.high[n])) for n in left.tolist()})


def _search(block: Block, least: int, earlier: Published | None, count: int | None) -> tuple[Block, Search]:
    """The block without what is public, as a system, with its primary cells hidden and nothing proved."""
    import numpy

    from results.disclosure_moves import Search
    from results.disclosure_sums import reachable, system_of

    plain = _without(block, _everybodys(block))
    public = _public_cells(plain) | (plain.known & plain.values.keys())
    forced: frozenset[Cell] = frozenset()
    if earlier is not None:
        known, forced = earlier.bearing_on(block.values, least, count)
        public |= known
    values = {cell: n for cell, n in plain.values.items() if cell not in public}
    # How many voted in a group is told elsewhere too, by the turnout: the last figure to hide.
    wholes = {plain.of(column) for _, column in values}
    dear = [cell for cell in values if cell[1] in wholes]
    system = system_of(
        values, _relations(plain, public), plain.units, _silent(plain), plain.at_most, dear, plain.still, plain.through
    )
    primary = [
        cell in forced or (cell[0] not in plain.silent and _is_primary(plain, cell, least)) for cell in system.cells
    ]
    low, high = reachable(system)
    return plain, Search(system, numpy.array(primary, bool), numpy.minimum(high - low, least))


def _give_in(search: Search, turn: int) -> None:
    """Where no more hiding helps: learn what the totals alone leave, or hide every cell of the units concerned."""
    import numpy

    left = search.unproved()
    for chunk in search.chunks(left, turn, partners=2 + turn):
        for number in numpy.intersect1d(left, chunk).tolist():
            if search.high[number] - search.low[number] < search.need[number]:
                search.force(number, chunk)
    if search.system.size <= _SMALL:
        for number in search.unproved().tolist():
            search.settle(number)
    if turn > TURNS // 2:
        search.hidden |= numpy.isin(search.system.unit, search.system.unit[search.unproved()])


def _protection(block: Block, plain: Block, search: Search, primary: object, least: int) -> Protection:
    """Put names to the result; columns that equal others are hidden where those are."""
    import numpy

    assert isinstance(primary, numpy.ndarray)
    system, everybodys = search.system, _everybodys(block)
    silent = _silent(plain)
    numbers = [n for n in numpy.flatnonzero(search.hidden).tolist() if system.cells[n] not in silent]
    hidden = {system.cells[n] for n in numbers}
    ranges = {system.cells[n]: (int(search.low[n]), int(search.high[n])) for n in numbers}
    for name in everybodys:
        for group, column in list(hidden):
            if block.of(name) == column:
                hidden.add((group, name))
                ranges[group, name] = ranges[group, column]
    return Protection(
        {cell: n for cell, n in block.values.items() if cell[0] not in block.silent},
        frozenset(hidden),
        ranges,
        frozenset(cell for cell, (low, high) in ranges.items() if high - low < least),
        frozenset(system.cells[n] for n in numpy.flatnonzero(primary).tolist()),
    )


def _silent(block: Block) -> set[Cell]:
    return {cell for cell in block.values if cell[0] in block.silent}


def _everybodys(block: Block) -> list[str]:
    """Columns every ballot of the poll is in: in any group they are its ballots cast, as the totals show."""
    columns = {column for _, column in block.values if column != block.of(column) and column not in block.amounts}
    return [
        column
        for column in sorted(columns)
        if (whole := block.values.get((ROOT, block.of(column)))) and block.values[ROOT, column] == whole
    ]


def _without(block: Block, columns: Sequence[str]) -> Block:
    """The block without columns that equal the ballots cast; in sums their weight goes over to those."""
    sums = []
    for relation in block.sums:
        kept = {column: weight for column, weight in relation.items() if column not in columns}
        for column in columns:
            kept[block.of(column)] = kept.get(block.of(column), 0) + relation.get(column, 0)
        sums.append({column: weight for column, weight in kept.items() if weight})
    links: list[Relation] = []
    for link in block.links:
        moved: dict[Cell, int] = {}
        for (group, column), weight in link.items():
            place = (group, block.of(column) if column in columns else column)
            moved[place] = moved.get(place, 0) + weight
        links.append({cell: weight for cell, weight in moved.items() if weight})
    values = {cell: n for cell, n in block.values.items() if cell[1] not in columns}
    return replace(block, values=values, sums=sums, links=links)


def _public_cells(block: Block) -> set[Cell]:
    """Cells that the totals of the poll give away by themselves: of the root, of its only part, of empty columns."""
    columns = {column for _, column in block.values}
    groups = _public_groups(block.parent)
    public = {cell for cell in block.values if cell[0] in groups}
    for column in columns:
        if block.values.get((ROOT, column)) == 0:
            public |= {cell for cell in block.values if cell[1] == column}
    return public


def _public_groups(parent: Mapping[str, str]) -> set[str]:
    parts: dict[str, list[str]] = {}
    for group, above in parent.items():
        parts.setdefault(above, []).append(group)
    public = {ROOT}
    reached = ROOT
    while len(parts.get(reached, ())) == 1:
        reached = parts[reached][0]
        public.add(reached)
    return public


def _relations(block: Block, public: set[Cell]) -> list[Relation]:
    """The sums over rows and columns, without the cells that are public anyway."""
    parts: dict[str, list[str]] = {}
    for group, above in block.parent.items():
        parts.setdefault(above, []).append(group)
    columns = sorted({column for _, column in block.values})
    groups = sorted({group for group, _ in block.values})
    found: list[Relation] = [*block.links]
    for above, groups_of in parts.items():
        for column in columns:
            found.append({(above, column): -1} | {(group, column): 1 for group in groups_of})
    for above, names in block.splits:
        for column in columns:
            found.append({(above, column): -1} | {(group, column): 1 for group in names})
    for relation in block.sums:
        found.extend({(group, column): weight for column, weight in relation.items()} for group in groups)
    trimmed = ({c: w for c, w in r.items() if c not in public and c in block.values} for r in found)
    return [relation for relation in trimmed if relation]


def joined(blocks: Sequence[Block], links: Sequence[Relation]) -> Block:
    """Blocks with no column in common as one, with what links them."""
    return Block(
        {cell: n for block in blocks for cell, n in block.values.items()},
        {},
        open_columns=frozenset().union(*(block.open_columns for block in blocks)),
        primary=frozenset().union(*(block.primary for block in blocks)),
        whole={column: whole for block in blocks for column, whole in block.whole.items()},
        amounts=frozenset().union(*(block.amounts for block in blocks)),
        silent=frozenset().union(*(block.silent for block in blocks)),
        at_most={cell: n for block in blocks for cell, n in block.at_most.items()},
        known=frozenset().union(*(block.known for block in blocks)),
        units={group: unit for block in blocks for group, unit in block.units.items()},
        still=frozenset().union(*(block.still for block in blocks)),
        through=frozenset().union(*(block.through for block in blocks)),
        links=[*links, *(relation for block in blocks for relation in _relations(block, set()))],
    )


def _is_primary(block: Block, cell: Cell, least: int) -> bool:
    group, column = cell
    value = block.values[cell]
    whole = block.values.get((group, block.of(column)))
    full = column not in block.open_columns and whole is not None and value == whole
    return value < least or full or cell in block.primary
