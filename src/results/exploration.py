"""The analyst's view of a counted poll out of the parameters of an address: what is shown, and what could not be. Pure.

`explore` never fails and never shows another figure in silence: a parameter that is unknown, or that contradicts
another, becomes a :class:`Fault`, and the view is the nearest one the published tables hold. Views pick lines and
columns of :mod:`results.grids` and add nothing up, so no combination of filters sums over a hidden cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from polls.definition import AnyQuestion, Points, UnitRule
from results.figures import PollFigures, QuestionFigures
from results.grids import Grid, Grids, Line, has_means, question_grids, turnout_grids
from results.rounds import rounds_of
from results.shapes import By, Cell, Column, Group, GroupKind, Kind
from results.weighting import LEAST_BALLOTS, decides

Name = TypeVar("Name", bound=StrEnum)


class Show(StrEnum):
    """The figure that is shown."""

    SHARES = "shares"
    COUNTS = "counts"
    MEANS = "means"
    POINTS = "points"
    TURNOUT = "turnout"


class Chart(StrEnum):
    """How it is drawn."""

    BARS = "bars"
    STACKED = "stacked"
    HEATMAP = "heatmap"
    MULTIPLES = "multiples"
    MAP = "map"
    DAYS = "days"
    RATINGS = "ratings"
    FLOW = "flow"


class Sort(StrEnum):
    """The order of the lines: as in the register, or by value, the largest first and hidden ones last."""

    GROUP = "group"
    VALUE = "value"


PARAMETERS = (
    "question", "show", "by", "and", "place", "age", "sex", "answer", "chart", "sort", "weights",
)  # fmt: skip
SILENT = frozenset({"lang", "dialect"})
"""Parameters that belong to the site, not to the view."""
PLACES = frozenset({By.OKRUG, By.DISTRICT})
LONGEST = 64
"""A longer value is none of ours and is not repeated on the page."""


@dataclass(frozen=True)
class Fault:
    """A parameter that was not followed. `code`: why; `parameter`, `value`: which; `instead`: what is shown."""

    code: str
    parameter: str
    value: str = ""
    instead: str = ""


@dataclass(frozen=True)
class Offer:
    """What the form offers for the subject that is shown."""

    shows: tuple[Show, ...]
    dimensions: tuple[By, ...]
    pairs: frozenset[frozenset[By]]
    places: Mapping[By, Mapping[str, Group]]
    ages: Mapping[str, Group]
    sexes: Mapping[str, Group]
    answers: tuple[Column, ...]
    charts: tuple[Chart, ...]
    weights: bool


@dataclass(frozen=True)
class View:
    """What is shown. `grid` holds its lines and columns; its dimensions are `by` and then `cross`, as far as given.

    `filters` are the groups it is narrowed to; `answer` the one answer it is about, if it is about one; `total` the
    same columns of the whole poll.
    """

    show: Show
    question: AnyQuestion
    by: By | None
    cross: By | None
    filters: Mapping[By, Group]
    answer: Column | None
    chart: Chart
    sort: Sort
    weighted: bool
    grid: Grid
    total: Grid
    offer: Offer
    faults: tuple[Fault, ...]

    @property
    def about_turnout(self) -> bool:
        """Whether turnout is shown rather than a question."""
        return self.show is Show.TURNOUT

    def parameters(self) -> dict[str, str]:
        """The shortest address of this very view."""
        named = {
            "question": "" if self.about_turnout else str(self.question.id),
            "show": self.show.value,
            "by": self.by.value if self.by else "",
            "and": self.cross.value if self.cross else "",
            **{_parameter(by): group.code for by, group in self.filters.items()},
            "answer": answer_code(self.answer) if self.answer else "",
            "chart": self.chart.value,
            "sort": self.sort.value if self.sort is not Sort.GROUP else "",
            "weights": "weighted" if self.weighted else "",
        }
        return {name: named[name] for name in PARAMETERS if named.get(name)}


def answer_code(column: Column) -> str:
    """How an address names a class of answers: the option's id, ``own`` or ``blank``."""
    return str(column.option_id) if column.kind in (Kind.OPTION, Kind.NEUTRAL) else column.kind.value


def value_of(cell: Cell, show: Show) -> float | None:
    """The figure of a cell; None where it is hidden or there is none."""
    match show:
        case Show.SHARES | Show.TURNOUT:
            return None if cell.share is None else float(cell.share)
        case Show.MEANS:
            return None if cell.mean is None else float(cell.mean)
        case Show.POINTS:
            return cell.points
        case Show.COUNTS:
            return cell.votes


@dataclass
class _Reading:
    """The parameters, and what was wrong with them so far."""

    given: Mapping[str, str]
    faults: list[Fault] = field(default_factory=list)

    def refuse(self, code: str, parameter: str, instead: str = "") -> None:
        self.faults.append(Fault(code, parameter, _shown(self.given.get(parameter, "")), instead))

    def one_of(self, parameter: str, known: type[Name]) -> Name | None:
        value = self.given.get(parameter, "")
        if not value:
            return None
        if value in set(known):
            return known(value)
        self.refuse("unknown_value", parameter)
        return None


def explore(parameters: Iterable[tuple[str, str]], figures: PollFigures) -> View:
    """The view that the parameters of an address ask for, or the nearest, with what was not followed.

    `figures` must have at least one question, as every sealed poll has.
    """
    reading = _read(parameters)
    found = _question(reading, figures)
    show = _show(reading, found)
    grids = turnout_grids(figures) if show is Show.TURNOUT else question_grids(found)
    by, cross = _breakdowns(reading, grids)
    by, cross, filters = _filters(reading, grids, by, cross)
    grid = _narrowed(grids, by, cross, filters)
    charts = _charts(show, found, by, cross, whole=by is None and not filters, days=len(figures.turnout.days) > 1)
    chart = _chart(reading, charts)
    answer = _answer(reading, found, grid, chart, by, cross, show)
    total = grids[frozenset()]
    if answer is not None:
        place = grid.columns.index(answer)
        grid, total = grid.one_column(place), total.one_column(place)
    sort = reading.one_of("sort", Sort) or Sort.GROUP
    if sort is Sort.VALUE and (len(grid.columns) > 1 or by is None or cross is not None):
        reading.refuse("nothing_to_sort", "sort", Sort.GROUP.value)
        sort = Sort.GROUP
    if sort is Sort.VALUE:
        grid = Grid(grid.dimensions, grid.denominator, grid.columns, _sorted(grid.lines, show))
    weighs = can_be_weighed(figures, found) and show in (Show.SHARES, Show.MEANS) and by is None and not filters
    weighted = _weighted(reading, chart, possible=can_be_weighed(figures, found), fits=weighs)
    offer = _offer(grids, show, found, charts, weights=weighs and chart is Chart.BARS)
    return View(show, found.question, by, cross, filters, answer, chart, sort, weighted, grid, total, offer,
                tuple(reading.faults))  # fmt: skip


def _read(parameters: Iterable[tuple[str, str]]) -> _Reading:
    given: dict[str, str] = {}
    reading = _Reading(given)
    for name, value in parameters:
        if name in SILENT:
            continue
        if name not in PARAMETERS:
            reading.faults.append(Fault("unknown_parameter", _shown(name)))
        elif name in given and given[name] != value:
            reading.faults.append(Fault("given_twice", name, _shown(value), _shown(given[name])))
        else:
            given[name] = value
    return reading


def _shown(value: str) -> str:
    value = "".join(letter if letter.isprintable() else "�" for letter in value)
    return value if len(value) <= LONGEST else value[:LONGEST] + "…"


def _question(reading: _Reading, figures: PollFigures) -> QuestionFigures:
    asked = reading.given.get("question", "")
    found = next((one for one in figures.questions if str(one.question.id) == asked), None)
    if found is None:
        found = figures.questions[0]
        if asked:
            reading.refuse("no_such_question", "question", str(found.question.id))
    return found


def _shows(found: QuestionFigures) -> tuple[Show, ...]:
    extra = [Show.MEANS] if has_means(found) else [Show.POINTS] if isinstance(found.question, Points) else []
    return (Show.SHARES, Show.COUNTS, *extra, Show.TURNOUT)


def _show(reading: _Reading, found: QuestionFigures) -> Show:
    show = reading.one_of("show", Show)
    if show is None:
        return Show.SHARES
    if show not in _shows(found):
        reading.refuse("not_of_this_question", "show", Show.SHARES.value)
        return Show.SHARES
    return show


def _breakdowns(reading: _Reading, grids: Grids) -> tuple[By | None, By | None]:
    by, cross = (reading.one_of(name, By) for name in ("by", "and"))
    by, cross = (None if one is By.ALL else one for one in (by, cross))
    if by is None:
        by, cross = cross, None
    if cross is by:
        if cross is not None:
            reading.refuse("same_twice", "and")
        cross = None
    if by is not None and frozenset({by}) not in grids:
        reading.refuse("no_such_table", "by" if reading.given.get("by") == by else "and")
        by, cross = cross, None
        if by is not None and frozenset({by}) not in grids:
            reading.refuse("no_such_table", "and")
            by = None
    if by is not None and cross is not None:
        if {by, cross} == PLACES:
            reading.refuse("nested", "and", By.DISTRICT.value)
            return By.DISTRICT, None
        if frozenset({by, cross}) not in grids:
            reading.refuse("no_such_pair", "and", by.value)
            cross = None
    return by, cross


FILTERS = ("place", "age", "sex")


def _parameter(dimension: By) -> str:
    return {By.AGE_BAND: "age", By.SEX: "sex"}.get(dimension, "place")


def _filter(reading: _Reading, grids: Grids, name: str) -> tuple[By, Group] | None:
    code = reading.given.get(name, "")
    if not code:
        return None
    for dimension in {"age": (By.AGE_BAND,), "sex": (By.SEX,)}.get(name, (By.OKRUG, By.DISTRICT)):
        grid = grids.get(frozenset({dimension}))
        if grid is not None and (group := grid.groups(dimension).get(code)) is not None:
            return dimension, group
    reading.refuse("no_such_group", name)
    return None


def _filters(
    reading: _Reading, grids: Grids, by: By | None, cross: By | None
) -> tuple[By | None, By | None, dict[By, Group]]:
    """The filters that can be followed together with the breakdowns: all of it must lie in one published table."""
    filters: dict[By, Group] = {}
    for name in FILTERS:
        if (found := _filter(reading, grids, name)) is None:
            continue
        dimension, group = found
        if dimension is By.DISTRICT and By.OKRUG in (by, cross):
            # A district is part of one line of a table by okrug, never a line of it.
            reading.refuse("district_of_okrugs", name)
            continue
        if _needed(by, cross, {**filters, dimension: group}) not in grids:
            reading.refuse("too_many", name)
            continue
        filters[dimension] = group
    return by, cross, filters


def _needed(by: By | None, cross: By | None, filters: Mapping[By, Group]) -> frozenset[By]:
    """The dimensions of the table that holds a view. Districts of an okrug are found in the table by district."""
    wanted = {one for one in (by, cross) if one is not None} | set(filters)
    return frozenset(wanted - {By.OKRUG}) if By.DISTRICT in wanted else frozenset(wanted)


def _narrowed(grids: Grids, by: By | None, cross: By | None, filters: Mapping[By, Group]) -> Grid:
    needed = _needed(by, cross, filters)
    shown = [one for one in (by, cross) if one is not None]
    rest = [one for one in needed if one not in shown]
    grid = grids[needed].along(*shown, *rest)

    def keep(line: Line) -> bool:
        for dimension, group in filters.items():
            if dimension in grid.dimensions:
                if line.groups[grid.dimensions.index(dimension)].code != group.code:
                    return False
            elif line.groups[grid.dimensions.index(By.DISTRICT)].above != group.code:
                return False
        return True

    kept = grid.only(keep)
    lines = tuple(Line(line.groups[: len(shown)], line.base, line.cells) for line in kept.lines)
    return Grid(tuple(shown), kept.denominator, kept.columns, lines)


def _charts(
    show: Show, found: QuestionFigures, by: By | None, cross: By | None, *, whole: bool, days: bool
) -> tuple[Chart, ...]:
    """The charts that can hold a view, the usual one first. Days, spreads and rounds are known of the `whole` alone."""
    if cross is not None:
        return (Chart.HEATMAP, Chart.MULTIPLES)
    if show is Show.TURNOUT:
        more = [Chart.DAYS] if whole and days else [Chart.MAP] if by in PLACES else []
        return (Chart.BARS, *more)
    if by is None:
        special = [Chart.RATINGS] if whole and has_means(found) else []
        special += [Chart.FLOW] if whole and rounds_of(found.outcome) is not None else []
        return (Chart.BARS, *special)
    parts = [Chart.STACKED] if show is Show.SHARES and whole_of_parts(found) else []
    places = [Chart.MAP] if by in PLACES else []
    return (*parts, Chart.HEATMAP, Chart.BARS, Chart.MULTIPLES, *places)


def whole_of_parts(found: QuestionFigures) -> bool:
    """Whether every ballot is in exactly one class, so that the shares of a group make a whole."""
    return found.question.kind in ("single_choice", "text") and not isinstance(found.question.rule, UnitRule)


def _chart(reading: _Reading, charts: tuple[Chart, ...]) -> Chart:
    chart = reading.one_of("chart", Chart)
    if chart is not None and chart not in charts:
        reading.refuse("chart_does_not_fit", "chart", charts[0].value)
        chart = None
    return chart or charts[0]


def _answer(
    reading: _Reading, found: QuestionFigures, grid: Grid, chart: Chart, by: By | None, cross: By | None, show: Show
) -> Column | None:
    """The one answer a view is about, where its chart has room for one alone."""
    asked = reading.given.get("answer", "")
    named = {answer_code(column): column for column in grid.columns}
    if show is Show.TURNOUT:
        return None
    if asked and asked not in named:
        reading.refuse("no_such_answer", "answer")
    one_alone = by is not None and (cross is not None or chart in (Chart.BARS, Chart.MAP))
    if not one_alone:
        return None
    leading = found.outcome.order[0] if found.outcome.order else None
    usual = next((column for column in grid.columns if column.option_id == leading), grid.columns[0])
    return named.get(asked, usual)


def _sorted(lines: tuple[Line, ...], show: Show) -> tuple[Line, ...]:
    def rank(line: Line) -> tuple[bool, float]:
        value = value_of(line.cells[0], show)
        return (value is None, -(value or 0.0))

    return tuple(sorted(lines, key=rank))


def can_be_weighed(figures: PollFigures, found: QuestionFigures) -> bool:
    """Whether a question may have weighted figures beside its raw ones: never where the count decides by number."""
    enough = figures.seen.breakdowns and figures.ballots >= LEAST_BALLOTS
    return enough and bool(found.tables) and not decides(figures.definition)


def _weighted(reading: _Reading, chart: Chart, *, possible: bool, fits: bool) -> bool:
    """Whether weighted figures are asked for where there can be any: shares and means of the whole poll, as bars."""
    asked = reading.given.get("weights", "")
    if asked in ("", "raw"):
        return False
    if asked != "weighted":
        reading.refuse("unknown_value", "weights", "raw")
    elif not possible:
        reading.refuse("no_weights", "weights", "raw")
    elif not fits or chart is not Chart.BARS:
        reading.refuse("weights_of_the_whole", "weights", "raw")
    else:
        return True
    return False


def unweighted(view: View) -> View:
    """A view whose weights turned out not to exist, saying so."""
    fault = Fault("no_weights", "weights", "weighted", "raw")
    return replace(view, weighted=False, offer=replace(view.offer, weights=False), faults=(*view.faults, fault))


def _offer(grids: Grids, show: Show, found: QuestionFigures, charts: tuple[Chart, ...], *, weights: bool) -> Offer:
    def groups(dimension: By) -> dict[str, Group]:
        grid = grids.get(frozenset({dimension}))
        return grid.groups(dimension) if grid else {}

    return Offer(
        shows=_shows(found),
        dimensions=tuple(by for by in By if frozenset({by}) in grids),
        pairs=frozenset(dimensions for dimensions in grids if len(dimensions) == 2),
        places={by: groups(by) for by in (By.OKRUG, By.DISTRICT) if frozenset({by}) in grids},
        ages=groups(By.AGE_BAND),
        sexes=groups(By.SEX),
        answers=() if show is Show.TURNOUT else grids[frozenset()].columns,
        charts=charts,
        weights=weights,
    )


def is_place(group: Group) -> bool:
    """Whether a line stands for a territory rather than for what could not be broken down."""
    return group.kind is GroupKind.GROUP
