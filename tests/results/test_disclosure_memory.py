"""What was published constrains what may be published next; one count has one pattern, whoever asks and how."""

import json
import random
from dataclasses import replace

import pytest
from tests.results.test_disclosure import random_block
from tests.results.test_disclosure_attack import City

from results.disclosure import CAST, ROOT, Block, Cell, NarrowCells, audit, protect
from results.disclosure_memory import Published, first, may_follow, must_hold, settled
from results.disclosure_tables import Axis, Form, linked_block

AXES = tuple(
    Axis((name,), {str(n): (str(n),) for n in range(size)}) for name, size in (("district", 8), ("age", 4), ("sex", 2))
)
SUMS = [{"1": 1, "2": 1, CAST: -1}]
Counts = dict[tuple[str, ...], dict[str, int]]


def counts_of(seed: int) -> Counts:
    rng = random.Random(seed)
    found: Counts = {}
    for d in range(8):
        for a in range(4):
            for s in range(2):
                yes, no = rng.randint(0, 60), rng.randint(3, 90)
                found[str(d), str(a), str(s)] = {"1": yes, "2": no, CAST: yes + no}
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_pattern_does_not_depend_on_the_order_of_rows(seed: int) -> None:
    block = City(seed).block()
    cells = list(block.values.items())
    random.Random(seed).shuffle(cells)
    splits = [(above, parts[::-1]) for above, parts in reversed(block.splits)]
    assert protect(replace(block, values=dict(cells), splits=splits)).hidden == protect(block).hidden


@pytest.mark.parametrize("seed", range(20))
def test_what_was_made_passes_the_audit_and_each_range_holds_the_true_figure(seed: int) -> None:
    block = random_block(seed)
    protection = protect(block)
    audit(block, protection.hidden)
    for cell, (low, high) in protection.ranges.items():
        assert low <= block.values[cell] <= high
        assert high - low >= 10 or cell in protection.limited
        assert protection.shown(cell) is None


def test_the_audit_refuses_a_shown_small_cell_and_a_narrow_hidden_one() -> None:
    parent = {"a": ROOT, "b": ROOT, "c": ROOT}
    rows = {"a": (40, 3), "b": (50, 60), "c": (70, 37)}
    values: dict[Cell, int] = {}
    for group, (yes, no) in rows.items():
        values |= {(group, "1"): yes, (group, "2"): no, (group, CAST): yes + no}
    values |= {(ROOT, column): sum(values[g, column] for g in parent) for column in ("1", "2", CAST)}
    block = Block(values, parent, SUMS)
    with pytest.raises(NarrowCells) as shown:
        audit(block, frozenset())
    assert ("a", "2") in shown.value.cells
    with pytest.raises(NarrowCells) as narrow:  # by subtraction: 100 − 97
        audit(block, frozenset({("a", "2"), ("a", "1")}))
    assert narrow.value.cells[("a", "2")] == (3, 3)
    audit(block, frozenset({("a", "2"), ("a", "1"), ("b", "2"), ("b", "1")}))


def test_a_choice_of_rows_has_a_sum_only_where_all_of_it_is_shown() -> None:
    block = City(0).block()
    protection = protect(block)
    shown = sorted(protection.values.keys() - protection.hidden)[:5]
    hidden = min(protection.hidden)
    assert protection.total(shown) == sum(block.values[cell] for cell in shown)
    assert protection.total([*shown, hidden]) is None


@pytest.mark.parametrize("seed", range(10))
def test_later_tables_of_a_count_keep_what_was_hidden_and_are_proved_with_the_earlier_ones(seed: int) -> None:
    """First by district and age, then by sex too: together no cell is narrower than the rules say, or it is refused."""
    counts = counts_of(seed)
    early = protect(linked_block(counts, Form(AXES, [("district", "age")]), SUMS))
    memory = first(early, count=1)
    block = linked_block(counts, Form(AXES, [("district", "age"), ("district", "sex"), ("age", "sex")]), SUMS)
    late = protect(block, memory)
    assert early.hidden <= late.hidden
    assert not {cell for cell in memory.shown if cell in late.hidden}
    try:
        must_hold(early, late)
    except NarrowCells:
        return
    audit(block, late.hidden, memory)


def test_earlier_tables_have_to_be_in_the_block() -> None:
    counts = counts_of(1)
    memory = first(protect(linked_block(counts, Form(AXES, [("district", "age")]), SUMS)), count=1)
    assert memory.hidden
    with pytest.raises(ValueError, match="in no table"):
        protect(linked_block(counts, Form(AXES, [("sex",)]), SUMS), memory)


def test_a_figure_of_the_same_count_cannot_be_another() -> None:
    counts = counts_of(2)
    memory = first(protect(linked_block(counts, Form(AXES, [("district", "age")]), SUMS)), count=1)
    counts["0", "0", "0"] = {"1": 500, "2": 500, CAST: 1000}
    with pytest.raises(ValueError, match="differ"):
        protect(linked_block(counts, Form(AXES, [("district", "age")]), SUMS), memory)


@pytest.mark.parametrize("seed", range(10))
def test_a_correction_hides_what_changed_by_a_few_and_all_that_was_hidden(seed: int) -> None:
    counts = counts_of(seed)
    tables = [("district", "age")]
    before = protect(linked_block(counts, Form(AXES, tables), SUMS))
    memory = first(before, count=1)
    row = counts["3", "1", "0"]
    counts["3", "1", "0"] = {"1": row["1"] + 3, "2": row["2"], CAST: row[CAST] + 3}
    block = linked_block(counts, Form(AXES, tables), SUMS)
    after = protect(block, memory, count=2)
    assert before.hidden <= after.hidden
    for cell, n in memory.shown.items():
        if cell[0] != ROOT and 0 < abs(block.values[cell] - n) < 10:
            assert cell in after.hidden
    audit(block, after.hidden, memory, count=2)
    later = memory.and_now(after, 2)
    assert later.count == 2
    assert later.hidden == after.hidden
    assert later.shown[ROOT, CAST] == block.values[ROOT, CAST]


def test_the_memory_is_kept_as_text() -> None:
    memory = first(protect(City(1).block()), count=3)
    assert Published.from_json(memory.to_json()) == memory
    assert json.loads(memory.to_json())["count"] == 3


@pytest.mark.parametrize(
    ("earlier", "later", "ballots", "allowed"),
    [
        ({"1": 600, "2": 400}, {"1": 1100, "2": 900}, 1000, True),
        ({"1": 600, "2": 400}, {"1": 602, "2": 401}, 3, False),  # three people
        ({"1": 600, "2": 400}, {"1": 1600, "2": 400}, 1000, False),  # all alike
        ({"1": 600, "2": 400}, {"1": 600, "2": 400}, 0, True),
        ({"1": 600}, {"1": 601}, 0, False),
    ],
)
def test_live_steps_are_apart(earlier: dict[str, int], later: dict[str, int], ballots: int, allowed: bool) -> None:
    assert may_follow(earlier, later, ballots) is allowed


def test_a_live_step_is_shown_once_as_many_more_have_voted() -> None:
    assert not settled(1000, 1003)
    assert settled(1000, 1010)


@pytest.mark.parametrize("seed", range(5))
def test_three_pairs_hold_the_groups_behind_them_and_two_do_not_need_them(seed: int) -> None:
    counts = counts_of(seed)
    three = linked_block(counts, Form(AXES, [("district", "age"), ("district", "sex"), ("age", "sex")]), SUMS)
    two = linked_block(counts, Form(AXES, [("district", "age"), ("district", "sex")]), SUMS)
    assert len(three.silent) == 8 * 4 * 2
    assert not two.silent
    assert not any(group in three.silent for group, _ in protect(three).values)
    for block in (three, two):
        for above, parts in block.splits:
            for column in ("1", "2", CAST):
                assert block.values[above, column] == sum(block.values[part, column] for part in parts)
