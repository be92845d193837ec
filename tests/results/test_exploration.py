"""Views of a counted poll: every figure shown is a published one, every parameter is followed or said not to be."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders import a_city
from tests.results.counted import AFTER, a_typical_poll
from tests.results.explored import a_city_poll

from polls.sessions import Session
from results.exploration import PARAMETERS, Chart, Sort, explore, value_of
from results.exploration_csv import COLUMNS, view_rows
from results.figures import PollFigures, poll_figures
from results.grids import question_grids, turnout_grids
from results.shapes import By

SOME = ["", "okrug", "district", "age_band", "sex", "all", "nonsense", "1", "2", "3", "90", "blank", "own", "9" * 80,
        "msk-cao", "msk-cao-arbat", "age_18_24", "f", "m", "rest", "shares", "counts", "means", "turnout", "points",
        *(chart.value for chart in Chart), "value", "group", "raw", "weighted", "\0", "<b>", "'; --"]  # fmt: skip
addresses = st.lists(st.tuples(st.sampled_from([*PARAMETERS, "lang", "utm"]), st.sampled_from(SOME)), max_size=9)


async def figures_of(session: Session, **more: Any) -> PollFigures:
    await a_city(session)
    found = await a_city_poll(session, 3_000, **more)
    return await poll_figures(session, found.slug, AFTER)


def asked(figures: PollFigures, **parameters: str) -> Any:
    """The view of parameters; `and_` stands for `and`."""
    return explore([(name.rstrip("_"), value) for name, value in parameters.items()], figures)


def codes(view: Any) -> list[tuple[str, str]]:
    return [(fault.code, fault.parameter) for fault in view.faults]


def published(figures: PollFigures) -> set[Any]:
    """Every published line of every table: what it is of, by what groups, and its cells."""
    lines = set()
    subjects = [(0, turnout_grids(figures)), *((q.question.id, question_grids(q)) for q in figures.questions)]
    for subject, grids in subjects:
        for grid in grids.values():
            for line in grid.lines:
                where = frozenset(zip(grid.dimensions, (group.code for group in line.groups), strict=True))
                for column, cell in zip(grid.columns, line.cells, strict=True):
                    lines.add((subject, where, column.kind, column.option_id, cell))
    return lines


def shown(view: Any) -> Iterable[Any]:
    """The same of a view. Of an okrug narrowed to and districts shown, the table by district has no okrug."""
    filters = {(by, group.code) for by, group in view.filters.items()}
    for line in view.grid.lines:
        where = {*zip(view.grid.dimensions, (group.code for group in line.groups), strict=True), *filters}
        if any(by is By.DISTRICT for by, _ in where):
            where = {(by, code) for by, code in where if by is not By.OKRUG}
        for column, cell in zip(view.grid.columns, line.cells, strict=True):
            yield (0 if view.about_turnout else view.question.id, frozenset(where), column.kind, column.option_id, cell)


async def test_every_figure_of_every_address_is_a_published_one(session) -> None:
    """Nothing is added up, nothing hidden is shown, and nothing that was asked for is dropped in silence."""
    figures = await figures_of(session)
    allowed = published(figures)
    assert len(allowed) > 300

    @settings(max_examples=600, deadline=None)
    @given(addresses)
    def holds(parameters) -> None:
        view = explore(parameters, figures)
        assert set(shown(view)) <= allowed
        followed, refused = view.parameters(), {fault.parameter for fault in view.faults}
        given = {name: value for name, value in parameters if value and name in PARAMETERS}
        again = explore(parse_qsl(urlencode(followed)), figures)
        assert again.parameters() == followed  # an address to pass on says all of it, and says it once
        assert not again.faults
        assert again.grid == view.grid
        for name in ("place", "age", "sex", "question", "show", "chart"):
            if given.get(name) and name not in refused and not (name == "question" and view.about_turnout):
                assert followed[name] == given[name], name
        asked_by = {given.get("by"), given.get("and")} - {None, "all"}
        if not refused & {"by", "and"}:
            assert {followed.get("by"), followed.get("and")} - {None} == asked_by

    holds()


async def test_breakdowns_and_filters_pick_lines_of_the_published_tables(session) -> None:
    figures = await figures_of(session)
    view = asked(figures, by="district", place="msk-cao")
    assert {line.groups[0].above for line in view.grid.lines} == {"msk-cao"}
    assert not view.faults
    view = asked(figures, by="okrug", sex="f")
    assert view.grid.dimensions == (By.OKRUG,)
    table = question_grids(figures.questions[0])[frozenset({By.OKRUG, By.SEX})]
    assert [line.cells for line in view.grid.lines] == [
        line.cells for line in table.along(By.OKRUG, By.SEX).lines if line.groups[1].code == "f"
    ]
    first, second = asked(figures, by="sex", and_="okrug"), asked(figures, by="okrug", and_="sex")
    assert {(a.groups, a.cells) for a in first.grid.lines} == {(b.groups[::-1], b.cells) for b in second.grid.lines}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"question": "77"}, ("no_such_question", "question")),
        ({"question": "1'"}, ("no_such_question", "question")),
        ({"show": "means"}, ("not_of_this_question", "show")),
        ({"show": "everything"}, ("unknown_value", "show")),
        ({"by": "income"}, ("unknown_value", "by")),
        ({"by": "sex", "and_": "sex"}, ("same_twice", "and")),
        ({"by": "okrug", "and_": "district"}, ("nested", "and")),
        ({"by": "okrug", "and_": "sex", "age": "age_25_34"}, ("too_many", "age")),
        ({"by": "okrug", "place": "msk-cao-arbat"}, ("district_of_okrugs", "place")),
        ({"place": "msk-nowhere"}, ("no_such_group", "place")),
        ({"age": "f"}, ("no_such_group", "age")),
        ({"by": "sex", "chart": "map"}, ("chart_does_not_fit", "chart")),
        ({"show": "turnout", "age": "age_25_34", "chart": "days"}, ("chart_does_not_fit", "chart")),
        ({"question": "3", "sex": "f", "chart": "ratings"}, ("chart_does_not_fit", "chart")),
        ({"by": "sex", "chart": "bars", "answer": "77"}, ("no_such_answer", "answer")),
        ({"by": "sex", "chart": "stacked", "sort": "value"}, ("nothing_to_sort", "sort")),
        ({"by": "sex", "weights": "weighted"}, ("weights_of_the_whole", "weights")),
        ({"sauce": "hot"}, ("unknown_parameter", "sauce")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_what_cannot_be_followed_is_said(session, parameters, expected) -> None:
    view = asked(await figures_of(session), **parameters)
    assert codes(view) == [expected]


async def test_a_parameter_given_twice_is_said(session) -> None:
    figures = await figures_of(session)
    view = explore([("by", "sex"), ("by", "okrug"), ("by", "sex")], figures)
    assert codes(view) == [("given_twice", "by")]
    assert view.by is By.SEX


async def test_a_long_or_unprintable_value_is_not_repeated_whole(session) -> None:
    figures = await figures_of(session)
    [fault] = explore([("by", "\0" + "x" * 1000)], figures).faults
    assert fault.value == "�" + "x" * 63 + "…"


async def test_sorting_puts_the_largest_first_and_hidden_ones_last(session) -> None:
    figures = await figures_of(session)
    view = asked(figures, by="district", chart="bars", sort="value", answer="2")
    values = [value_of(line.cells[0], view.show) for line in view.grid.lines]
    known = [value for value in values if value is not None]
    assert view.sort is Sort.VALUE
    assert known == sorted(known, reverse=True)
    assert values[: len(known)] == known


async def test_a_poll_of_few_has_totals_and_says_why_no_more(session) -> None:
    found = await a_typical_poll(session, 6)
    figures = await poll_figures(session, found.slug, AFTER)
    view = asked(figures, by="district")
    assert codes(view) == [("no_such_table", "by")]
    assert view.offer.dimensions == ()
    assert [line.groups for line in view.grid.lines] == [()]


async def test_charts_offered_are_charts_that_fit(session) -> None:
    """Every chart the form offers for a view gives that view when chosen."""
    figures = await figures_of(session)
    bys = ["", "okrug", "sex"]
    for question, show, by, cross in product(["1", "2", "3"], ["shares", "means", "turnout"], bys, bys):
        parameters = {"question": question, "show": show, "by": by, "and_": cross}
        usual = asked(figures, **parameters)
        for chart in usual.offer.charts:
            view = asked(figures, **parameters, chart=chart.value)
            assert view.chart is chart
            assert [fault for fault in view.faults if fault.parameter == "chart"] == []


async def test_a_view_as_csv_holds_its_lines(session) -> None:
    figures = await figures_of(session)
    names = [column.name for column in COLUMNS]
    view = asked(figures, by="okrug", and_="sex", answer="2")
    rows = [dict(zip(names, row, strict=True)) for row in view_rows(view, figures)]
    assert len(rows) == len(view.grid.lines)
    for row, line in zip(rows, view.grid.lines, strict=True):
        assert (row["okrug_code"], row["sex_code"]) == tuple(group.code for group in line.groups)
        assert (row["votes"], row["share"], row["suppressed"]) == (
            line.cells[0].votes, line.cells[0].share, line.cells[0].suppressed,
        )  # fmt: skip
        assert row["option_id"] == 2
    days = [
        dict(zip(names, row, strict=True)) for row in view_rows(asked(figures, show="turnout", chart="days"), figures)
    ]
    assert {row["day"]: row["votes"] for row in days} == {d.isoformat(): n for d, n in figures.turnout.days.items()}
    of = figures.turnout.entitled
    assert of is not None
    assert [row["share"] for row in days] == [Fraction(n, of) for n in figures.turnout.days.values()]
