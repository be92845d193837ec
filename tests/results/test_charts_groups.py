"""Charts of groups never leave their frame, give hidden figures no mark of their own, and keep the order of values."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.charts import STEPS
from results.charts_groups import Block, Place, bar_widths, block_map, days_so_far, heat_map, stacked_rows

shares = st.one_of(st.none(), st.fractions(0, 1))
values = st.one_of(st.none(), st.integers(0, 12_000_000), st.fractions(0, 1), st.floats(0, 1e9))
matrices = st.integers(0, 6).flatmap(lambda n: st.lists(st.lists(shares, min_size=n, max_size=n), max_size=20))


@st.composite
def wholes(draw: st.DrawFn) -> list[Fraction | None]:
    """Shares that make one, some of them hidden."""
    counts = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=9))
    total = sum(counts)
    hidden = draw(st.sets(st.integers(0, 8)))
    return [None if n in hidden or not total else Fraction(count, total) for n, count in enumerate(counts)]


@given(st.lists(values, max_size=30), st.one_of(st.none(), st.floats(0, 1e9)), st.floats(0, 5))
def test_bars_stay_in_their_frame_and_follow_the_values(found, full, low) -> None:
    widths = bar_widths(found, full=full, low=low)
    assert [width is None for width in widths] == [value is None for value in found]
    known = sorted(
        (value, width) for value, width in zip(found, widths, strict=True) if value is not None and width is not None
    )
    assert all(0 <= width <= 100 for _, width in known)
    assert [width for _, width in known] == sorted(width for _, width in known)


def test_a_scale_begins_at_its_lowest_level() -> None:
    assert bar_widths([1, 3, 5, None], low=1, full=5) == (0, 50, 100, None)
    assert bar_widths([0, 0]) == (0, 0)


@given(st.lists(wholes(), max_size=10))
def test_parts_stand_side_by_side_and_hidden_ones_leave_no_mark(rows) -> None:
    laid = stacked_rows(rows)
    for row, parts in zip(rows, laid, strict=True):
        assert [part.place for part in parts] == [place for place, share in enumerate(row) if share]
        edge = 0.0
        for part in parts:
            assert part.x == pytest.approx(edge)
            assert part.width == pytest.approx(float(row[part.place]) * 100)
            assert part.klass == f"c{part.place % STEPS + 1}"
            edge = part.x + part.width
        assert edge <= 100
        if None not in row:
            assert edge == pytest.approx(100)


@given(matrices)
def test_a_heat_map_has_a_cell_for_every_figure_and_none_outside(rows) -> None:
    heat = heat_map(rows)
    assert len(heat.cells) == sum(len(row) for row in rows)
    for cell in heat.cells:
        value = rows[cell.row][cell.column]
        assert (cell.klass == "qx") == (value is None)
        assert heat.left <= cell.x <= heat.width - heat.cell_width
        assert heat.top <= cell.y <= heat.height - heat.cell_height
        if value is not None:
            assert any(step.klass == cell.klass and step.low <= value <= step.high for step in heat.legend)
    assert heat.some_hidden == any(value is None for row in rows for value in row)
    steps = sorted((float(v), int(c.klass[1])) for c in heat.cells if (v := rows[c.row][c.column]) is not None)
    assert [step for _, step in steps] == sorted(step for _, step in steps)


@given(
    st.dictionaries(
        st.tuples(st.integers(-3, 6), st.integers(-3, 6)),
        st.lists(shares, min_size=1, max_size=20),
        min_size=1,
        max_size=8,
    )
)
def test_no_district_lies_on_another(found) -> None:
    blocks = [
        Block(f"{x}.{y}", x, y, tuple(Place(f"{x}.{y}.{n}", "d", value) for n, value in enumerate(values)))
        for (x, y), values in found.items()
    ]
    tiles, heads = block_map(blocks, size=58)
    corners = [(tile.x, tile.y) for tile in tiles.tiles]
    assert len(corners) == sum(len(block.places) for block in blocks)
    for n, (x, y) in enumerate(corners):
        assert 0 <= x <= tiles.width - 58
        assert 0 <= y <= tiles.height - 58
        assert all(abs(x - other) >= 58 or abs(y - above) >= 58 for other, above in corners[n + 1 :])
    for head in heads:
        assert all(not (x <= head.x < x + 58 and y < head.y < y + 58) for x, y in corners)


@given(
    st.dictionaries(st.dates(date(2026, 1, 1), date(2027, 1, 1)), st.integers(0, 10_000), max_size=60),
    st.integers(0, 10**7),
)
def test_days_add_up(found, entitled) -> None:
    days = days_so_far(list(found.items()), entitled)
    assert [one.day for one in days] == sorted(found)
    assert sum(one.votes for one in days) == (days[-1].so_far if days else 0)
    assert all(one.turnout == (Fraction(one.so_far, entitled) if entitled else None) for one in days)


def test_days_without_a_roll_have_no_turnout() -> None:
    first = date(2026, 11, 22)
    days = days_so_far([(first + timedelta(1), 5), (first, 7)], None)
    assert [(one.votes, one.so_far, one.turnout) for one in days] == [(7, 7, None), (5, 12, None)]
