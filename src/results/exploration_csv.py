"""A view of the explorer as CSV: its very lines, one figure a line, whatever chart draws them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from results.exploration import Chart, Show, View
from results.exports.columns import ColumnDoc
from results.exports.dialects import Value
from results.figures import PollFigures
from results.shapes import By, Cell, Column, Group, Kind, share_of
from results.weighting import WeightedQuestion

_NONE = "not broken down or narrowed that way"
_HIDDEN = "hidden or not applicable; see suppressed"

COLUMNS = (
    ColumnDoc("poll_id", "string", "Идентификатор голосования", "Id of the poll, 32 hex digits"),
    ColumnDoc("poll_slug", "string", "Короткое имя голосования в адресе", "Short name of the poll in addresses"),
    ColumnDoc("question_id", "integer", "Номер вопроса", "Id of the question", "turnout"),
    ColumnDoc("class", "string", "Класс ответа: option, neutral, own, blank; voted — явка",
              "Class of the answer: option, neutral, own, blank; voted: turnout"),
    ColumnDoc("option_id", "integer", "Номер варианта; 0 — свой вариант, без ответа или явка",
              "Id of the option; 0 for own and blank answers and for turnout"),
    ColumnDoc("option_ru", "string", "Вариант по-русски", "The option in Russian"),
    ColumnDoc("option_en", "string", "Вариант по-английски", "The option in English"),
    *(
        ColumnDoc(f"{by.value}_{what}", "string", f"{by.value}: {ru}", f"{by.value}: {en}", _NONE)
        for by in (By.OKRUG, By.DISTRICT, By.AGE_BAND, By.SEX)
        for what, ru, en in (("code", "код группы", "code of the group"), ("ru", "группа по-русски", "in Russian"),
                             ("en", "группа по-английски", "in English"))
    ),
    ColumnDoc("day", "date", "День по городскому времени", "Day in city time", "not by day"),
    ColumnDoc("suppressed", "boolean", "true — число скрыто", "true: the figure is hidden to protect people"),
    ColumnDoc("votes", "integer", "Число бюллетеней", "Ballots", _HIDDEN),
    ColumnDoc("share", "decimal", "Доля: votes ÷ denominator_n", "votes ÷ denominator_n", _HIDDEN),
    ColumnDoc("denominator", "string", "От чего доля", "What share is of: cast, valid, entitled"),
    ColumnDoc("denominator_n", "integer", "Число в знаменателе", "The number share is of", "hidden or not known"),
    ColumnDoc("rating_mean", "decimal", "Средняя оценка", "Mean rating", _HIDDEN),
    ColumnDoc("points", "integer", "Сумма баллов", "Points given", _HIDDEN),
    ColumnDoc("weighted_share", "decimal", "Взвешенная доля от поданных бюллетеней, оценка",
              "Weighted share of the ballots cast, an estimate", "not asked for, or a mean"),
    ColumnDoc("weighted_mean", "decimal", "Взвешенная средняя оценка", "Weighted mean rating", "not asked for"),
    ColumnDoc("weighted_margin", "decimal", "Половина 95-процентного интервала взвешенного числа",
              "Half the 95 % interval of the weighted figure", "not asked for, or too few to tell"),
)  # fmt: skip


def view_rows(view: View, figures: PollFigures, weighed: WeightedQuestion | None = None) -> Iterator[tuple[Value, ...]]:
    """The lines of a view, one value a column of `COLUMNS`; `weighed` where it shows weighted figures too."""
    if view.chart is Chart.DAYS:
        voted, entitled = view.grid.columns[0], figures.turnout.entitled
        for day, n in figures.turnout.days.items():
            cell = Cell(n, share_of(n, entitled))
            yield (*_line(view, figures, {}, voted, cell, entitled, day.isoformat()), None, None, None)
        return
    for line in view.grid.lines:
        groups = {**view.filters, **dict(zip(view.grid.dimensions, line.groups, strict=True))}
        for column, cell in zip(view.grid.columns, line.cells, strict=True):
            yield (*_line(view, figures, groups, column, cell, line.base), *_estimate(view, column, weighed))


def _line(
    view: View,
    figures: PollFigures,
    groups: dict[By, Group],
    column: Column,
    cell: Cell,
    base: int | None,
    day: str | None = None,
) -> tuple[Value, ...]:
    found = figures.question(view.question.id)
    denominator = view.grid.denominator
    if not view.about_turnout and not groups and found is not None and column.kind is not Kind.OPTION:
        denominator, base = "cast", found.outcome.cast  # as results.csv: what is no option is a share of all ballots
    named: list[Value] = []
    for by in (By.OKRUG, By.DISTRICT, By.AGE_BAND, By.SEX):
        group = groups.get(by)
        named += [group.code, group.ru, group.en] if group else [None, None, None]
    return (
        figures.public_id, figures.slug, None if view.about_turnout else view.question.id,
        "voted" if view.about_turnout else column.kind.value, column.option_id, column.ru, column.en, *named, day,
        cell.suppressed, cell.votes, cell.share, denominator, base, cell.mean, cell.points,
    )  # fmt: skip


def _estimate(view: View, column: Column, weighed: WeightedQuestion | None) -> tuple[Value, Value, Value]:
    one = weighed.of(column) if weighed else None
    if one is None:
        return None, None, None
    means = view.show is Show.MEANS
    share, mean = (None, one.weighted_mean) if means else (one.weighted, None)
    margin = one.mean_margin if means else one.margin
    return tuple(None if value is None else Fraction(value) for value in (share, mean, margin))  # type: ignore[return-value]
