"""Published counters: no cell under ten, nothing to work out by subtraction, nothing lost."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.results.simulated_polls import CODES, PLACES, ZONE, honest

from results.anomaly_counters import hours_of, steps_of
from results.anomaly_shapes import LEAST, Hours

BEGIN = datetime(2026, 11, 22, 8, 0, tzinfo=ZONE)
cells = st.dictionaries(
    st.tuples(st.integers(0, 500).map(lambda slot: BEGIN + timedelta(minutes=10 * slot)), st.sampled_from(CODES[:5])),
    st.integers(1, 30),
    max_size=60,
)


@given(cells)
def test_steps_lose_nothing_and_none_is_small(counts: dict[tuple[datetime, str], int]) -> None:
    steps = steps_of(counts, ZONE)
    total = sum(counts.values())
    assert sum(step.votes for step in steps) == (total if total >= LEAST else 0)
    assert all(step.votes >= LEAST for step in steps)
    assert all(a.ends == b.begins for a, b in pairwise(steps))


@given(cells)
def test_a_step_crosses_midnight_only_where_a_day_has_under_ten(counts: dict[tuple[datetime, str], int]) -> None:
    """Votes by day are published: a step beside them must not give away what it merged."""
    days: Counter[object] = Counter()
    for (at, _), n in counts.items():
        days[at.astimezone(ZONE).date()] += n
    for step in steps_of(counts, ZONE):
        first, last = step.begins.date(), (step.ends - timedelta(minutes=1)).date()
        if first != last and step.votes >= LEAST:
            between = [first + timedelta(days=n) for n in range((last - first).days + 1)]
            assert min(days[day] for day in between) < LEAST


@given(cells, st.sets(st.sampled_from(CODES[:5])))
def test_every_cell_of_the_hours_is_ten_at_least(counts: dict[tuple[datetime, str], int], hidden: set[str]) -> None:
    hours = hours_of(counts, PLACES, hidden)
    total = sum(counts.values())
    assert hours.total == (total if total >= LEAST else 0)
    assert all(n >= LEAST for row in hours.rows for n in row.votes)
    known = {code for _, code in counts}
    if hours.rows:
        assert sorted(code for place in hours.places for code in place.codes) == sorted(known)
        # Those whose turnout is hidden stand together, and their number is no more than the turnout itself tells.
        inside = [place for place in hours.places if set(place.codes) & hidden]
        assert len(inside) <= 1 or not hidden & known
        assert all(len(place.codes) > 1 or known == {place.codes[0]} for place in inside)


def test_hours_agree_with_what_was_cast() -> None:
    found = honest(3)
    counts = found.counts()
    hours = hours_of(counts, PLACES)
    votes: Counter[str] = Counter()
    for (_, code), n in counts.items():
        votes[code] += n
    for number, place in enumerate(hours.places):
        assert sum(row.votes[number] for row in hours.rows) == sum(votes[code] for code in place.codes)
    assert isinstance(hours, Hours)
    assert len(hours.places) > 6


def test_small_places_do_not_swallow_the_hours() -> None:
    """One okrug of three votes costs a column, not the whole table."""
    counts = {(BEGIN + timedelta(hours=hour), code): 40 for hour in range(12) for code in CODES[:4]}
    counts[BEGIN, CODES[4]] = 3
    hours = hours_of(counts, PLACES)
    assert len(hours.rows) == 12
    assert [place.codes for place in hours.places] == [*((code,) for code in CODES[1:4]), (CODES[0], CODES[4])]
