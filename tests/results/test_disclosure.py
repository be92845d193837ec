"""An attacker who knows every published figure, every sum and that counts are not negative finds no hidden cell."""

import random
from fractions import Fraction

import pytest

from results.disclosure import CAST, ROOT, Block, Cell, hidden_cells
from results.disclosure_tables import Form, linked_block


def random_block(seed: int) -> Block:
    """Districts in okrugs in a city (or flat groups), a few options, sizes from tiny to large, many zeros."""
    rng = random.Random(seed)
    parent: dict[str, str] = {}
    leaves = []
    for o in range(rng.randint(1, 4)):
        flat = rng.random() < 0.3
        above = ROOT if flat else f"o{o}"
        if not flat:
            parent[above] = ROOT
        for d in range(rng.randint(1, 5)):
            leaf = f"o{o}d{d}"
            parent[leaf] = above
            leaves.append(leaf)
    columns = [str(n) for n in range(1, rng.randint(2, 6))]
    weights = [rng.choice([0, 1, 5, 30, 100]) for _ in columns]
    choices = rng.choice([0, 1, 1, 2]) if len(columns) > 2 else 1
    values: dict[Cell, int] = {(g, c): 0 for g in (ROOT, *parent) for c in (*columns, CAST)}
    for leaf in leaves:
        for _ in range(rng.choice([10, 14, 30, 120])):
            chosen = (
                set(rng.choices(columns, [w or 0.01 for w in weights])) if choices != 2 else set(rng.sample(columns, 2))
            )
            if choices == 0:
                chosen |= {c for c in columns if rng.random() < 0.2}
            group = leaf
            while True:
                for column in (*chosen, CAST):
                    values[group, column] += 1
                if group == ROOT:
                    break
                group = parent[group]
    sums = [dict.fromkeys(columns, 1) | {CAST: -choices}] if choices else []
    return Block(values, parent, sums)


def equations(block: Block) -> list[dict[Cell, int]]:
    """Every sum, written anew from the meaning of the block and not from the code under test."""
    columns = sorted({c for _, c in block.values})
    out = []
    for above in {ROOT, *block.parent.values()}:
        parts = [g for g, a in block.parent.items() if a == above]
        out += [{(above, c): -1} | {(g, c): 1 for g in parts} for c in columns]
    out += [{(g, c): w for c, w in s.items()} for s in block.sums for g in {g for g, _ in block.values}]
    return out


def exactly_known(unknown: set[Cell], rows: list[dict[Cell, int]]) -> set[Cell]:
    """Gauss–Jordan with exact fractions: a cell is known when it stands alone in a reduced equation."""
    pending = [{c: Fraction(w) for c, w in row.items() if c in unknown} for row in rows]
    reduced: dict[Cell, dict[Cell, Fraction]] = {}
    for row in pending:
        for pivot, old in reduced.items():
            if factor := row.get(pivot):
                for c, w in old.items():
                    row[c] = row.get(c, Fraction(0)) - factor * w
        row = {c: w for c, w in row.items() if w}
        if not row:
            continue
        pivot = min(row)
        row = {c: w / row[pivot] for c, w in row.items()}
        for old in reduced.values():
            if factor := old.get(pivot):
                for c, w in row.items():
                    old[c] = old.get(c, Fraction(0)) - factor * w
                    if not old[c]:
                        del old[c]
        reduced[pivot] = row
    return {pivot for pivot, row in reduced.items() if len(row) == 1}


def known_from_totals_alone(block: Block) -> set[Cell]:
    """What the exact totals of the poll give away with nothing else published, sign included (empty options)."""
    unknown = {cell for cell in block.values if cell[0] != ROOT}
    empty = {c for c in unknown if block.values[ROOT, c[1]] == 0}
    return empty | exactly_known(unknown - empty, equations(block))


@pytest.mark.parametrize("seed", range(300))
def test_no_hidden_cell_is_exactly_recoverable(seed: int) -> None:
    block = random_block(seed)
    hidden = hidden_cells(block)
    assert not any(group == ROOT for group, _ in hidden), "totals of the poll are always shown"
    public = known_from_totals_alone(block)
    for cell, n in block.values.items():
        group, column = cell
        if group == ROOT or cell in public or cell in hidden:
            continue
        assert n >= 10, f"{cell} is shown with {n}"
        if block.values[ROOT, column] == block.values[ROOT, CAST]:
            continue  # everybody in the poll is in it, as the totals show
        assert n < block.values[group, CAST], f"{cell} is shown with everybody in it"
    known = exactly_known(set(hidden), equations(block))
    assert known <= public, f"recovered: {sorted(known - public)}"


@pytest.mark.parametrize("seed", range(300))
def test_no_sum_leaves_zero_for_its_hidden_cells(seed: int) -> None:
    """Counts are not negative: a remainder of zero would show that every hidden cell of the sum is zero."""
    block = random_block(seed)
    hidden = hidden_cells(block)
    for row in equations(block):
        inside = [cell for cell in row if cell in hidden]
        if inside and len({row[cell] > 0 for cell in inside}) == 1:
            shown = [c for c in row if c not in hidden and c[0] != ROOT]
            held = sum(block.values[cell] for cell in inside)
            assert held > 0
            assert (
                held >= 10
                or not shown
                or all(block.values[ROOT, c[1]] == 0 for c in shown)
                or _all_public(block, shown)
            )


def _all_public(block: Block, cells: list[Cell]) -> bool:
    return set(cells) <= known_from_totals_alone(block) | {c for c in cells if c[1] == CAST}


def test_hiding_small_cells_alone_would_leak() -> None:
    """The reason for complementary cells: with primary cells alone the attacker wins on many tables."""
    leaks = 0
    for seed in range(100):
        block = random_block(seed)
        public = known_from_totals_alone(block)
        primary = {c for c, n in block.values.items() if c[0] != ROOT and n < 10} - public
        leaks += bool(exactly_known(primary, equations(block)) - public)
    assert leaks > 30


def test_a_large_even_table_hides_nothing() -> None:
    parent = {f"d{n}": ROOT for n in range(20)}
    values = {(g, c): 100 for g in parent for c in "123"} | {(g, CAST): 300 for g in parent}
    values |= {(ROOT, c): 2000 for c in "123"} | {(ROOT, CAST): 6000}
    assert hidden_cells(Block(values, parent, [{"1": 1, "2": 1, "3": 1, CAST: -1}])) == frozenset()


def test_an_option_nobody_chose_is_zero_everywhere_and_says_so() -> None:
    parent = {"a": ROOT, "b": ROOT}
    values = {("a", "1"): 50, ("b", "1"): 60, ("a", "2"): 30, ("b", "2"): 20, ("a", "3"): 0, ("b", "3"): 0,
              ("a", CAST): 80, ("b", CAST): 80,
              (ROOT, "1"): 110, (ROOT, "2"): 50, (ROOT, "3"): 0, (ROOT, CAST): 160}  # fmt: skip
    assert hidden_cells(Block(values, parent, [{"1": 1, "2": 1, "3": 1, CAST: -1}])) == frozenset()


def test_the_size_of_a_city_is_done_in_seconds() -> None:
    """125 districts in 12 okrugs, 12 options, most cells of unpopular options small."""
    rng = random.Random(5)
    parent = {f"o{n}": ROOT for n in range(12)} | {f"d{n}": f"o{n % 12}" for n in range(125)}
    columns = [str(n) for n in range(12)]
    values = {(g, c): 0 for g in (ROOT, *parent) for c in (*columns, CAST)}
    for d in range(125):
        for column in columns:
            n = rng.randint(0, 400 // (1 + int(column)) ** 2 + 3)
            for group in (f"d{d}", f"o{d % 12}", ROOT):
                values[group, column] += n
                values[group, CAST] += n
    block = Block(values, parent, [dict.fromkeys(columns, 1) | {CAST: -1}])
    hidden = hidden_cells(block)
    assert hidden
    assert len(hidden) < 0.75 * len(values)


def test_a_poll_of_one_group_counts_it_once() -> None:
    """Without any axis the finest group is the whole poll: wanted or not, its figures stand in the block once."""
    block = linked_block({(): {"1/1": 21, "1/2": 13}}, Form((), [], finest=True), [])
    assert block.values == {("", "1/1"): 21, ("", "1/2"): 13}
    assert not block.silent
