"""Disclosure control: which cells of linked tables stay hidden, so that no hidden one can be worked out. Pure.

A cell is *primary* when it would tell about people: under ten ballots, none at all, or everybody in its group. Hiding
primary cells alone does not protect them, since totals are published: a row with one hidden cell gives it away by
subtraction. So *complementary* cells are hidden too, until for every sum that holds among the published figures

* at least two of its cells are hidden, and together they hold at least ten (a remainder of zero would show that each
  hidden cell is zero), or none is hidden; and
* no hidden cell is fixed by all the sums together. That is a question of linear algebra: with A the matrix of the
  sums over hidden cells, cell i is fixed exactly when every vector of the null space of A is zero at i. A random
  vector projected on the null space answers for all cells at once; what is not clearly free counts as fixed.

All tables of one question that share figures (districts, okrugs and the city; options and the ballots cast) are
protected together, and so are questions of which one is asked of whoever answered another in a certain way: the ballots
of a follow-up are the votes of the answer that led to it. Totals of the whole poll are published exactly, always: they
are constants here, and what they give away by themselves (an option nobody chose is zero everywhere) is not hidden,
since hiding it would protect nobody.

Cells are hidden, never rounded or blurred, so every figure that is shown can be recounted. What is not done yet: an
audit of how *narrow* the range is that the sums leave for a hidden cell.

Sources: Willenborg and de Waal, *Elements of Statistical Disclosure Control* (2001), ch. 8; Gusfield, "A graph
theoretic approach to statistical data security", SIAM J. Comput. 17 (1988), for two-way tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vector = NDArray[numpy.float64]

LEAST = 10
"""A shown cell counts at least so many ballots."""
ROOT = ""
"""The group that is the whole poll: its figures are public and exact."""
CAST = "cast"
"""The column that counts the ballots of a group."""

Cell = tuple[str, str]
"""(group, column)"""
Relation = Mapping[Cell, int]
"""Coefficients of published cells whose weighted sum is a public constant."""

_FIXED_BELOW = 1e-6
_SETTLED = 1e-22
_SATISFIED = 1e-10


@dataclass(frozen=True)
class Block:
    """Tables that share figures.

    `values`: number of ballots (or points) by (group, column), with every group, the root `""` included.
    `parent`: group → the group it is a part of; the parts of a group add up to it exactly.
    `sums`: relations that hold among the columns of every group, as coefficients that add up to zero.
    `open_columns`: columns that tell nothing by being full (everybody) such as the ballots cast.
    `primary`: cells to hide for a reason of the caller's own.
    `whole`: column → the column of the ballots it is a part of; :data:`CAST` where it is not said.
    `amounts`: columns that hold no ballots but what ballots gave: sums of levels or points.
    """

    values: Mapping[Cell, int]
    parent: Mapping[str, str]
    sums: Sequence[Mapping[str, int]] = ()
    open_columns: frozenset[str] = frozenset({CAST})
    primary: frozenset[Cell] = field(default=frozenset())
    whole: Mapping[str, str] = field(default_factory=dict)
    amounts: frozenset[str] = frozenset()

    def of(self, column: str) -> str:
        """The column of the ballots a column is a part of."""
        return self.whole.get(column, CAST)


def hidden_cells(block: Block, least: int = LEAST) -> frozenset[Cell]:
    """The cells of the block to hide: primary and complementary ones. The root is never among them."""
    everybodys = _everybodys(block)
    rest = _without(block, everybodys)
    public = _public_cells(rest)
    primary = {cell for cell in rest.values if cell not in public and _is_primary(rest, cell, least)}
    hidden = complete(rest.values, _relations(rest, public), primary, least)
    hidden |= {(group, name) for group, column in hidden for name in everybodys if block.of(name) == column}
    return frozenset(hidden)


def complete(
    values: Mapping[Cell, int], relations: Sequence[Relation], primary: Iterable[Cell], least: int
) -> set[Cell]:
    """Add complementary cells to `primary` until nothing hidden can be worked out from the relations.

    Where every cell of a relation is hidden already, nothing more can be done: what is then known, the public
    constants tell by themselves.
    """
    hidden = set(primary)
    of: dict[Cell, list[int]] = {}
    for number, relation in enumerate(relations):
        for cell in relation:
            of.setdefault(cell, []).append(number)
    queue = [number for number, relation in enumerate(relations) if not hidden.isdisjoint(relation)]
    while True:
        while queue:
            number = queue.pop()
            for cell in _missing(values, relations, of, number, hidden, least):
                hidden.add(cell)
                queue.extend(of[cell])
        for cell in sorted(recoverable(relations, hidden)):
            choice = _cheapest(values, relations, of, (n for n in of.get(cell, ())), hidden)
            if choice is not None:
                hidden.add(choice)
                queue.extend(of[choice])
        if not queue:
            return hidden


def recoverable(relations: Sequence[Mapping[Cell, int]], hidden: set[Cell] | frozenset[Cell]) -> set[Cell]:
    """Hidden cells whose value follows from the relations and the cells shown (sound: it may name one too many)."""
    import numpy

    order = sorted(hidden)
    place = {cell: number for number, cell in enumerate(order)}
    terms = [
        (row, place[cell], coefficient)
        for row, relation in enumerate(r for r in relations if not hidden.isdisjoint(r))
        for cell, coefficient in relation.items()
        if cell in place
    ]
    if not terms:
        return set()
    rows, columns, weights = (numpy.array(part) for part in zip(*terms, strict=True))
    sums = _Sums(rows, columns, weights.astype(numpy.float64), int(rows.max()) + 1, len(order))
    free = numpy.random.default_rng(17).uniform(1, 2, len(order))
    for _ in range(5):  # projecting again removes what rounding left of the pass before
        if float(numpy.abs(sums.times(free)).max()) <= _SATISFIED:
            break
        free = free - sums.transposed(sums.solve(sums.times(free)))
    else:
        return set(order)
    return {cell for cell, number in place.items() if abs(free[number]) < _FIXED_BELOW}


@dataclass(frozen=True)
class _Sums:
    """The matrix A of the sums over hidden cells, sparse: `weights` at (`rows`, `columns`)."""

    rows: NDArray[numpy.int64]
    columns: NDArray[numpy.int64]
    weights: Vector
    height: int
    width: int

    def times(self, x: Vector) -> Vector:
        """A x"""
        import numpy

        sums: Vector = numpy.bincount(self.rows, self.weights * x[self.columns], self.height).astype(numpy.float64)
        return sums

    def transposed(self, y: Vector) -> Vector:
        """Aᵀ y"""
        import numpy

        sums: Vector = numpy.bincount(self.columns, self.weights * y[self.rows], self.width).astype(numpy.float64)
        return sums

    def solve(self, right: Vector) -> Vector:
        """y with A Aᵀ y = right, by conjugate gradients: singular but consistent, so they converge."""
        import numpy

        y = numpy.zeros(self.height)
        rest, direction = right.copy(), right.copy()
        size = float(rest @ rest)
        for _ in range(10 * self.height + 50):
            image = self.times(self.transposed(direction))
            curvature = float(direction @ image)
            if size <= _SETTLED or curvature <= _SETTLED * size:  # what is left is rounding, not in the range of A
                break
            y += size / curvature * direction
            rest -= size / curvature * image
            size, before = float(rest @ rest), size
            direction = rest + size / before * direction
        return y


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
    values = {cell: n for cell, n in block.values.items() if cell[1] not in columns}
    return replace(block, values=values, sums=sums)


def _public_cells(block: Block) -> set[Cell]:
    """Cells that the totals of the poll give away by themselves: of the root, of its only part, of empty columns."""
    columns = {column for _, column in block.values}
    groups = _public_groups(block.parent)
    public = {cell for cell in block.values if cell[0] in groups}
    for column in columns:
        if block.values.get((ROOT, column), 0) == 0:
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
    found: list[dict[Cell, int]] = []
    for above, groups_of in parts.items():
        for column in columns:
            found.append({(above, column): -1} | {(group, column): 1 for group in groups_of})
    for relation in block.sums:
        found.extend({(group, column): weight for column, weight in relation.items()} for group in groups)
    trimmed = ({c: w for c, w in r.items() if c not in public and c in block.values} for r in found)
    return [relation for relation in trimmed if relation]


def _is_primary(block: Block, cell: Cell, least: int) -> bool:
    group, column = cell
    value = block.values[cell]
    whole = block.values.get((group, block.of(column)))
    full = column not in block.open_columns and whole is not None and value == whole
    return value < least or full or cell in block.primary


def _missing(
    values: Mapping[Cell, int],
    relations: Sequence[Relation],
    of: Mapping[Cell, list[int]],
    number: int,
    hidden: set[Cell],
    least: int,
) -> list[Cell]:
    """What must be hidden besides in one relation: two cells at least and, where all count one way, `least` in all."""
    relation = relations[number]
    out: list[Cell] = []
    while True:
        inside = [cell for cell in relation if cell in hidden or cell in out]
        one_way = len({relation[cell] > 0 for cell in inside}) == 1
        held = sum(abs(relation[cell]) * values[cell] for cell in inside)
        if not inside or (len(inside) >= 2 and (held >= least or not one_way)):
            return out
        choice = _cheapest(values, relations, of, (number,), hidden | set(out), least - held)
        if choice is None:
            return out
        out.append(choice)


def _cheapest(
    values: Mapping[Cell, int],
    relations: Sequence[Relation],
    of: Mapping[Cell, list[int]],
    numbers: Iterable[int],
    hidden: set[Cell],
    needed: int = 1,
) -> Cell | None:
    """The shown cell whose hiding costs least: enough to cover `needed`, few votes, in sums that hide some already."""
    best: tuple[tuple[bool, bool, int, int, Cell], Cell] | None = None
    for number in numbers:
        for cell, weight in relations[number].items():
            if cell in hidden:
                continue
            fresh = sum(hidden.isdisjoint(relations[n]) for n in of[cell])
            # The sums themselves (a group's ballots, an okrug's row) are the last to go: they hold tables together.
            cost = (weight < 0, values[cell] < needed, values[cell] * (1 + fresh), fresh, cell)
            if best is None or cost < best[0]:
                best = (cost, cell)
    return None if best is None else best[1]
