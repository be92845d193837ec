"""Charts never leave their viewBox, never crash on little data, and order marks as the values are ordered."""

import itertools
import re
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.charts import (
    Cell,
    bar_chart,
    day_series,
    nice_scale,
    quantile_breaks,
    stacked_bar,
    step_of,
    tile_map,
)

FIRST = date(2026, 11, 1)
counts = st.integers(0, 12_000_000)
shares = st.fractions(0, 1)
values = st.one_of(counts, shares, st.floats(0, 1e9, allow_nan=False))
rows = st.lists(st.tuples(st.text(max_size=5), values), max_size=12)
days = st.dictionaries(st.integers(0, 400).map(lambda n: FIRST + timedelta(n)), counts, max_size=40).map(
    lambda found: list(found.items())
)
cells = st.dictionaries(
    st.tuples(st.integers(-5, 20), st.integers(-5, 20)), st.one_of(st.none(), shares), max_size=30
).map(lambda found: [Cell(f"t{x}.{y}", f"{x}", x, y, value) for (x, y), value in found.items()])


# ---- bars


@given(rows, st.one_of(st.none(), values), st.one_of(st.none(), values))
def test_bars_stay_within_their_width_and_follow_the_values(given_rows, full, mark) -> None:
    chart = bar_chart(given_rows, full=full, mark=mark)
    assert [(bar.label, bar.value) for bar in chart.bars] == given_rows
    assert all(0 <= bar.width <= 100 for bar in chart.bars)
    assert chart.mark is None if mark is None else 0 <= (chart.mark or 0) <= 100
    widths = [bar.width for bar in sorted(chart.bars, key=lambda bar: bar.value)]
    assert widths == sorted(widths)


def test_the_largest_bar_is_across_and_leads_unless_all_are_nothing() -> None:
    tie = bar_chart([("a", 7), ("b", 7), ("c", 0)])
    assert [bar.width for bar in tie.bars] == [100, 100, 0]
    assert [bar.leading for bar in tie.bars] == [True, True, False]
    assert not any(bar.leading or bar.width for bar in bar_chart([("a", 0), ("b", 0)]).bars)
    assert bar_chart([]).bars == ()


def test_bars_of_shares_stand_against_the_whole() -> None:
    chart = bar_chart([("yes", Fraction(1, 4)), ("no", Fraction(3, 4))], full=1, mark=Fraction(2, 3))
    assert [bar.width for bar in chart.bars] == [25, 75]
    assert chart.mark == pytest.approx(66.667, abs=0.001)


@given(st.lists(st.tuples(st.text(max_size=3), counts), max_size=8))
def test_parts_of_a_whole_fill_it_exactly(parts) -> None:
    laid = stacked_bar(parts)
    if not sum(value for _, value in parts):
        assert laid == ()
        return
    assert laid[0].x == 0
    assert laid[-1].x + laid[-1].width == pytest.approx(100)
    assert all(part.width >= 0 and 0 <= part.x <= 100 for part in laid)
    assert sum(part.share for part in laid) == pytest.approx(1)


# ---- days


@given(days, st.integers(2, 12))
def test_a_series_never_leaves_its_view_box(found, most) -> None:
    series = day_series(found, most_labels=most)
    assert [(point.day, point.value) for point in series.points] == sorted(found)
    assert all(series.left <= point.x <= series.right for point in series.points)
    assert all(0 <= point.y <= series.bottom < series.height for point in series.points)
    assert all(0 <= tick.y <= series.bottom for tick in series.ticks)
    assert all(0 <= x <= series.width and 0 <= y <= series.height for x, y in _coordinates(series.line + series.area))
    across = [point.x for point in series.points]
    assert across == sorted(across)
    heights = [point.y for point in sorted(series.points, key=lambda point: point.value)]
    assert heights == sorted(heights, reverse=True)
    assert len(series.labelled) <= most
    assert bool(series.labelled) == bool(found)


def test_no_days_give_axes_and_one_day_a_point() -> None:
    nothing = day_series([])
    assert (nothing.points, nothing.line, nothing.area, nothing.peak, nothing.labelled) == (
        (),
        "",
        "",
        None,
        frozenset(),
    )
    assert [tick.value for tick in nothing.ticks] == [0, 1]
    one = day_series([(FIRST, 0)])
    assert one.line == one.area == ""
    assert one.points[0].x == pytest.approx((one.left + one.right) / 2)
    assert one.points[0].y == one.bottom


def test_time_is_to_scale_where_days_are_missing() -> None:
    series = day_series([(FIRST, 1), (FIRST + timedelta(1), 5), (FIRST + timedelta(10), 2)])
    start, second, end = (point.x for point in series.points)
    assert (second - start) * 10 == pytest.approx(end - start)
    assert series.peak is not None and series.peak.value == 5


@given(counts)
def test_scales_begin_at_nought_reach_the_largest_and_have_few_whole_steps(largest) -> None:
    scale = nice_scale(largest)
    assert scale[0] == 0 and scale[-1] >= largest
    assert all(value.is_integer() for value in scale)
    assert 2 <= len(scale) <= 6
    assert len({round(b - a, 6) for a, b in itertools.pairwise(scale)}) == 1


def test_scales_are_round() -> None:
    assert nice_scale(2_198) == (0, 1000, 2000, 3000)
    assert nice_scale(10) == (0, 5, 10)
    assert nice_scale(100) == (0, 25, 50, 75, 100)
    assert nice_scale(3) == (0, 1, 2, 3)


# ---- tiles


@given(cells)
def test_tiles_stay_within_the_map_and_never_overlap(found) -> None:
    laid = tile_map(found)
    for tile in laid.tiles:
        assert tile.x >= 0 and tile.x + tile.size <= laid.width
        assert tile.y >= 0 and tile.y + tile.size <= laid.height
    assert len({(tile.x, tile.y) for tile in laid.tiles}) == len(found)
    assert laid.some_hidden == any(cell.value is None for cell in found)
    assert {tile.klass for tile in laid.tiles if tile.value is not None} == {step.klass for step in laid.legend}


@given(cells)
def test_a_larger_value_is_never_paler(found) -> None:
    shown = sorted((tile for tile in tile_map(found).tiles if tile.value is not None), key=lambda tile: tile.value or 0)
    assert [tile.klass for tile in shown] == sorted(tile.klass for tile in shown)
    highs = [step.high for step in tile_map(found).legend]
    assert highs == sorted(highs)


def test_equal_values_share_a_step_and_a_hidden_one_has_its_own() -> None:
    breaks = quantile_breaks([Fraction(1, 10)] * 7)
    assert breaks == ()
    assert step_of(Fraction(1, 10), breaks) == "q0"
    assert step_of(None, breaks) == "qx"
    assert quantile_breaks([]) == ()
    assert [step_of(value, quantile_breaks([1, 2, 3, 4, 5])) for value in (1, 2, 3, 4, 5)] == [
        "q0",
        "q1",
        "q2",
        "q3",
        "q4",
    ]
    assert [step_of(value, quantile_breaks([1, 1, 9])) for value in (1, 9)] == ["q0", "q4"]


def _coordinates(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[0-9.]+),(-?[0-9.]+)", path)]
