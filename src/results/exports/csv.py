"""results.csv, turnout.csv, details.csv and results.json: the figures of the results page, number for number.

Tidy: one line per question, class of answer and group. Whole-poll lines have `dimension` ``all`` and are exact;
a hidden figure is an empty cell with `suppressed` true, never a zero. The same lines go into workbooks and Parquet
files; :mod:`results.exports.wide` has them with a column for each option.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from polls.definition import Budget, Denominator
from polls.tally.outcome import OptionResult
from results.aggregation import columns_of
from results.exports.columns import DETAILS, FORMAT_VERSION, RESULTS, TURNOUT, ColumnDoc
from results.exports.dialects import Dialect, Download, OpenSession, Value, csv_chunks, file_name, number_text, streamed
from results.exports.headers import Language, header_of
from results.figures import PollFigures, QuestionFigures, poll_figures
from results.rounds import rounds_of
from results.shapes import By, Cell, Column, Kind, Row, dimension_code
from results.weighted_polls import weighting_if_any
from results.weighting import Weighting
from results.weighting_document import weighting_document

MEDIA_TYPE = "text/csv"
LEVELS = range(1, 6)


class FiguresCsv(Protocol):
    """Makes one CSV file of a poll's figures. Refuses what :func:`results.figures.poll_figures` refuses, before the
    first byte.
    """

    async def __call__(
        self,
        open_session: OpenSession,
        slug_or_id: str,
        *,
        now: datetime,
        dialect: Dialect = Dialect.PLAIN,
        language: Language | None = None,
    ) -> Download:
        """The file on its way."""


def figures_csv(
    what: str,
    columns: Sequence[ColumnDoc],
    rows: Callable[[PollFigures], Iterable[Sequence[Value]]],
    more: Callable[[PollFigures, Language | None], list[str]] = lambda _figures, _language: [],
) -> FiguresCsv:
    """The maker of one file; `more` gives the headers of columns that a poll's own questions make."""

    async def made(
        open_session: OpenSession,
        slug_or_id: str,
        *,
        now: datetime,
        dialect: Dialect = Dialect.PLAIN,
        language: Language | None = None,
    ) -> Download:
        figures = await figures_of(open_session, slug_or_id, now)
        header = header_of(columns, language) + more(figures, language)
        return download_of(figures, what, csv_chunks(header, rows(figures), dialect))

    return made


async def results_json(open_session: OpenSession, slug_or_id: str, *, now: datetime) -> Download:
    """The numbers of both CSV files and the tally's outcomes with their steps as one JSON document."""
    async with open_session() as session:
        figures = await poll_figures(session, slug_or_id, now)
        weighting = await weighting_if_any(session, figures)
    body = json.dumps(results_document(figures, weighting), ensure_ascii=False, indent=1).encode("utf-8")
    return download_of(figures, "results", iter((body, b"\n")), "json", "application/json")


def results_rows(figures: PollFigures, *, pairs: bool = True) -> Iterator[tuple[Value, ...]]:
    """The lines of results.csv, one value a column of `RESULTS`; without `pairs` those by one dimension alone.

    Two questions counted together stand last: a line a pair of answers, its group those who gave the one answer.
    """
    for question in figures.questions:
        for column, cell in zip(columns_of(question.question), question.total.cells, strict=True):
            yield _line(figures, question, column, By.ALL.value, question.total, cell)
        for table in question.tables if pairs else question.single:
            for row in table.rows:
                for column, cell in zip(table.columns, row.cells, strict=True):
                    code = dimension_code(table.dimensions)
                    yield _line(figures, question, column, code, row, cell, table.denominator)
    for crossed in figures.cross_tabs:
        asked = figures.question(crossed.question_id)
        assert asked is not None
        for row in crossed.rows:
            for column, cell in zip(crossed.columns, row.cells, strict=True):
                yield _line(figures, asked, column, crossed.dimension, row, cell, Denominator.CAST.value)


def turnout_rows(figures: PollFigures, *, pairs: bool = True) -> Iterator[tuple[Value, ...]]:
    """The lines of turnout.csv, one value a column of `TURNOUT`; `pairs` as in :func:`results_rows`."""
    poll = (figures.public_id, figures.slug)
    turnout = figures.turnout
    whole = figures.questions[0].total.group if figures.questions else None
    yield (*poll, By.ALL.value, "all", whole.ru if whole else "", whole.en if whole else "", False, turnout.votes,
           turnout.entitled, turnout.share)  # fmt: skip
    for table in turnout.tables if pairs else turnout.single:
        for row in table.rows:
            group = row.group
            yield (*poll, dimension_code(table.dimensions), group.code, group.ru, group.en, row.suppressed, row.votes,
                   row.entitled, row.share)  # fmt: skip
    for day, n in turnout.days.items():
        text = day.isoformat()
        yield (*poll, "day", text, text, text, False, n, None, None)


def details_rows(figures: PollFigures) -> Iterator[tuple[Value, ...]]:
    """The lines of details.csv, one value a column of `DETAILS`: what lies behind the totals of the whole poll."""
    for found in figures.questions:
        for figure, option_id, other, number, votes in _details(found):
            option = found.question.option(option_id)
            ru, en = (option.text.ru, option.text.in_language("en")) if option else (None, None)
            yield (figures.public_id, figures.slug, found.question.id, figure, option_id, ru, en, other, number, votes)


def _details(found: QuestionFigures) -> Iterator[tuple[str, int, int | None, int | None, Value]]:
    """Figure, option, other option, number and votes; see `DETAILS`."""
    for result in found.outcome.options:
        for level, n in (result.distribution or {}).items():
            yield "level", result.id, None, level, n
        for place, n in (found.placed or {}).get(result.id, {}).items():
            yield "place", result.id, None, place, n
    if (pairwise := found.outcome.pairwise) is not None:
        for a, beats in zip(pairwise["options"], pairwise["beats"], strict=True):
            yield from (("pair", a, b, None, n) for b, n in zip(pairwise["options"], beats, strict=True) if a != b)
    rounds = rounds_of(found.outcome)
    for one in rounds.rounds if rounds else ():
        yield from (("round", option_id, None, one.number, votes) for option_id, votes in one.votes.items())
        yield "round", 0, None, one.number, one.exhausted


def results_document(figures: PollFigures, weighting: Weighting | None = None, *, pairs: bool = True) -> dict[str, Any]:
    """results.json as values: `results` and `turnout` are the lines of the CSV files keyed by column.

    `weighting` is the estimate beside the count, weighted to the roll; null for polls that have none.
    Without `pairs` those by one dimension alone, as the API sends them: of a whole city the others are megabytes.
    """
    return {
        "format": f"veche/results/{FORMAT_VERSION}",
        "poll_id": figures.public_id,
        "poll_slug": figures.slug,
        "poll_hash": figures.poll_hash.hex(),
        "state": figures.state.value,
        "closes_at": figures.closes_at.isoformat(),
        "counted_at": figures.counted_at.isoformat(),
        "version": figures.version,
        "reason": figures.reason,
        "ballots": figures.ballots,
        "too_few_to_break_down": not figures.seen.breakdowns,
        "outcomes": [question.outcome.as_json() for question in figures.questions],
        "results": [_keyed(RESULTS, line) for line in results_rows(figures, pairs=pairs)],
        "turnout": [_keyed(TURNOUT, line) for line in turnout_rows(figures, pairs=pairs)],
        "weighting": None if weighting is None else weighting_document(weighting),
    }


# ---- lines


def _line(
    figures: PollFigures,
    question: QuestionFigures,
    column: Column,
    dimension: str,
    row: Row,
    cell: Cell,
    denominator: str | None = None,
) -> tuple[Value, ...]:
    text = question.question.text
    whole = dimension == By.ALL.value
    result = question.outcome.option(column.option_id) if column.kind is Kind.OPTION else None
    if denominator is None:
        denominator = question.outcome.denominator if result is not None else Denominator.CAST.value
    base = row.base if not whole or result is not None else question.outcome.cast
    return (
        figures.public_id, figures.slug, question.question.id, question.question.kind, text.ru, text.in_language("en"),
        column.kind.value, column.option_id, column.ru, column.en, dimension, row.group.code,
        row.group.ru, row.group.en, cell.suppressed, cell.votes, cell.share, denominator, base, cell.mean,
        *(_whole_poll(question, result) if whole else (None,) * (len(LEVELS) + 3)),
        *_money(question, result), cell.points, *_ordering(result if whole else None),
    )  # fmt: skip


def _whole_poll(question: QuestionFigures, result: OptionResult | None) -> tuple[Value, ...]:
    """Median, levels, place and status: figures that are published of the whole poll alone."""
    if result is None:
        return (None,) * (len(LEVELS) + 3)
    levels = result.distribution or {}
    counts = tuple(levels.get(level, 0) if result.distribution is not None else None for level in LEVELS)
    return (result.median, *counts, result.place, _status(question, result))


def _ordering(result: OptionResult | None) -> tuple[Value, ...]:
    """Score, trimmed mean and majority grade of the whole poll."""
    if result is None:
        return (None,) * 5
    return (result.score, result.trimmed_mean, result.grade, result.grade_above, result.grade_below)


def _status(question: QuestionFigures, result: OptionResult) -> str:
    outcome = question.outcome
    if any(tie.open and result.id in tie.options for tie in outcome.ties):
        return "tied"
    if result.funded is not None:
        return "funded" if result.funded else "not_funded"
    return "winner" if result.id in outcome.winners else "not_winner"


def _money(question: QuestionFigures, result: OptionResult | None) -> tuple[Value, ...]:
    if not isinstance(question.question, Budget) or result is None or result.cost is None:
        return (None, None)
    return (Decimal(result.cost) / 100, question.question.currency)


def _keyed(columns: tuple[ColumnDoc, ...], line: tuple[Value, ...]) -> dict[str, Any]:
    return {column.name: _json(value) for column, value in zip(columns, line, strict=True)}


def _json(value: Value) -> Any:
    """The same number as in CSV; exact fractions are in `outcomes`."""
    return float(number_text(value)) if isinstance(value, Fraction | Decimal) else value


async def figures_of(open_session: OpenSession, slug_or_id: str, now: datetime) -> PollFigures:
    """The figures of a poll in a session of their own; refusals as for :func:`results.figures.poll_figures`."""
    async with open_session() as session:
        return await poll_figures(session, slug_or_id, now)


def download_of(
    figures: PollFigures,
    what: str,
    chunks: Iterable[bytes] | AsyncIterator[bytes],
    extension: str = "csv",
    media_type: str = MEDIA_TYPE,
) -> Download:
    """A file of a poll's figures under its name."""
    name = file_name(figures.closes_at, figures.definition.time_zone, figures.slug, what, extension)
    return Download(name, media_type, streamed(chunks) if isinstance(chunks, Iterable) else chunks)


results_csv = figures_csv("results", RESULTS, results_rows)
"""The results as CSV."""
turnout_csv = figures_csv("turnout", TURNOUT, turnout_rows)
"""Turnout by group and by day as CSV."""
details_csv = figures_csv("details", DETAILS, details_rows)
"""Levels, places, comparisons and rounds of the whole poll as CSV."""
