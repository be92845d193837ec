"""results.xlsx and answers.xlsx: the figures of the page as a workbook, and published records as one.

Sheets: totals, charts, breakdowns, cross-tabs, turnout, days, votes by hour, codebook, and the key facts of the
protocol. Titles are in one language; the codebook sheet has the machine names beside them. A workbook is made in a
thread, whole, before its first byte is sent: half of one never leaves.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from polls.catalogue import SealedPoll
from results.anomalies import anomalies_of
from results.anomaly_shapes import Anomalies
from results.errors import NeedsExportJob, SheetTooLong
from results.exports.answers import NUMBERED, answers_of, copied_records, number_of_records
from results.exports.columns import ANSWERS, HOURS, RESULTS, TURNOUT, ColumnDoc
from results.exports.csv import download_of, figures_of, results_rows, turnout_rows
from results.exports.dialects import Download, OnRows, OpenSession, Value, untold
from results.exports.headers import Language, title_of
from results.exports.hours import hours_rows
from results.exports.threads import from_thread, in_thread
from results.exports.workbook import HIDDEN, LINES, Cell, Hidden, Sheet, SheetColumn, Workbook
from results.exports.workbook_sheets import ANSWER_NOTES, NAMES, add_charts, add_codebook, add_protocol
from results.figures import PollFigures
from results.shapes import By

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
AT_ONCE: Final = 5_000
"""Lines a workbook may have to be made while somebody waits; a longer one is ordered as a job."""
PIECE: Final = 256 * 1024
A_BATCH: Final = 5_000

_LOOKS: Final = {
    "share": "share", "turnout": "share", "votes": "integer", "entitled": "integer", "denominator_n": "integer",
    "points": "integer", "cost": "money", "suppressed": "yes", "answer": "code", "nonce": "code", "poll_hash": "code",
    "class": "code", "dimension": "code", "group_code": "code", "status": "code", "denominator": "code",
    "currency": "code", "question_kind": "code",
    **{f"rating_{level}": "integer" for level in range(1, 6)}, "grade_above": "integer", "grade_below": "integer",
}  # fmt: skip
_BY_TYPE: Final = {"dateTime": "moment", "integer": "id", "decimal": "decimal", "boolean": "yes", "string": "text"}
_BREAKDOWN_ONLY: Final = ("dimension", "group_code", "group_ru", "group_en", "suppressed")
_WHOLE_ONLY: Final = (
    "rating_median", *(f"rating_{level}" for level in range(1, 6)), "place", "status", "cost", "currency", "score",
    "rating_trimmed_mean", "grade", "grade_above", "grade_below",
)  # fmt: skip
_FIGURES: Final = ("votes", "share", "denominator_n", "rating_mean", "points", "turnout", "entitled")


@dataclass(frozen=True)
class Shown:
    """Which columns of a file's lines a sheet shows, in one language."""

    columns: tuple[ColumnDoc, ...]
    places: tuple[int, ...]
    suppressed: int

    @classmethod
    def of(cls, columns: tuple[ColumnDoc, ...], language: Language, without: tuple[str, ...] = ()) -> Shown:
        """All columns but those of the other language, the poll's own names, and those left out."""
        names = [column.name for column in columns]
        other = "_ru" if language == "en" else "_en"
        left_out = {"poll_id", "poll_slug", *without}
        places = [i for i, name in enumerate(names) if name not in left_out and not name.endswith(other)]
        return cls(tuple(columns[i] for i in places), tuple(places), names.index("suppressed"))

    def sheet_columns(self, language: Language) -> list[SheetColumn]:
        """The sheet's columns."""
        return [SheetColumn(title_of(column.name, language), look_of(column)) for column in self.columns]

    def cells(self, line: tuple[Value, ...]) -> Iterator[Cell | Hidden]:
        """A line's cells; a hidden figure is shaded."""
        hidden = bool(line[self.suppressed])
        for place, column in zip(self.places, self.columns, strict=True):
            value = line[place]
            yield HIDDEN if hidden and value is None and column.name in _FIGURES else value


def look_of(column: ColumnDoc) -> str:
    """How a column's cells look."""
    return _LOOKS.get(column.name, _BY_TYPE[column.datatype])


async def results_xlsx(
    open_session: OpenSession,
    slug_or_id: str,
    *,
    now: datetime,
    language: Language,
    licence: str,
    directory: Path | None = None,
    at_once: int | None = None,
    on_rows: OnRows = untold,
) -> Download:
    """The results as a workbook, made in `directory` (default: the system's). Refusals as for `results_csv`, and
    `NeedsExportJob` where there are more lines than `at_once`.
    """
    figures = await figures_of(open_session, slug_or_id, now)
    by_hour: Anomalies | None = None
    if figures.seen.breakdowns:
        async with open_session() as session:
            by_hour = await anomalies_of(session, slug_or_id, now)
    lines = number_of_lines(figures)
    if at_once is not None and lines > at_once:
        raise NeedsExportJob(rows=lines, at_once=at_once)

    def make() -> Iterator[bytes]:
        with tempfile.TemporaryDirectory(dir=directory, prefix="book-") as folder:
            path = Path(folder) / "results.xlsx"
            with Workbook(path, figures.definition.title.in_language(language), licence) as book:
                write_results(book, figures, by_hour, language, licence, on_rows)
            yield from pieces_of(path)

    return download_of(figures, "results", from_thread(make), "xlsx", MEDIA_TYPE)


def number_of_lines(figures: PollFigures) -> int:
    """How many lines the tidy file of the results has."""
    return sum(
        len(found.total.cells) + sum(len(row.cells) for table in found.tables for row in table.rows)
        for found in figures.questions
    ) + sum(len(row.cells) for crossed in figures.cross_tabs for row in crossed.rows)


def write_results(
    book: Workbook,
    figures: PollFigures,
    by_hour: Anomalies | None,
    language: Language,
    licence: str,
    on_rows: OnRows,
) -> None:
    """Every sheet of the results' workbook; votes by time only where there are enough to tell."""
    named = NAMES[language]
    whole = Shown.of(RESULTS, language, _BREAKDOWN_ONLY)
    sheet = book.sheet(named["results"], whole.sheet_columns(language))
    first: dict[int, tuple[int, int]] = {}
    for line in results_rows(figures):
        if line[_DIMENSION] != By.ALL.value:
            continue
        number = sheet.add(whole.cells(line))
        begin, _ = first.get(int(str(line[_QUESTION])), (number, number))
        first[int(str(line[_QUESTION]))] = (begin, number)
    sheet.end()
    titles = [column.name for column in whole.columns]
    add_charts(book, figures, language, sheet.name, titles, first)
    _breakdowns(book, figures, language, on_rows)
    _crossed(book, figures, language)
    _turnout(book, figures, language)
    if by_hour is not None and by_hour.steps:
        _hours(book, by_hour, language)
    shown = [column for column in RESULTS if column.name not in ("poll_id", "poll_slug")]
    add_codebook(book, language, [*shown, *TURNOUT[-2:]], figures.definition)
    add_protocol(book, figures, language, licence)


_DIMENSION = next(i for i, column in enumerate(RESULTS) if column.name == "dimension")
_QUESTION = next(i for i, column in enumerate(RESULTS) if column.name == "question_id")


def _breakdowns(book: Workbook, figures: PollFigures, language: Language, on_rows: OnRows) -> None:
    shown = Shown.of(RESULTS, language, _WHOLE_ONLY)
    sheet: Sheet | None = None
    for done, line in enumerate(results_rows(figures), start=1):
        if done % A_BATCH == 0:
            on_rows(A_BATCH)
        if line[_DIMENSION] == By.ALL.value or _is_crossed(line):
            continue
        if sheet is None or sheet.full:
            if sheet is not None:
                sheet.end()
            sheet = book.sheet(NAMES[language]["breakdowns"], shown.sheet_columns(language))
        sheet.add(shown.cells(line))
    if sheet is not None:
        sheet.end()


def _is_crossed(line: tuple[Value, ...]) -> bool:
    return str(line[_DIMENSION]).startswith("question:")


def _crossed(book: Workbook, figures: PollFigures, language: Language) -> None:
    """A sheet of the tables of two questions, where the poll has any."""
    if not figures.cross_tabs:
        return
    shown = Shown.of(RESULTS, language, _WHOLE_ONLY)
    sheet = book.sheet(NAMES[language]["crossed"], shown.sheet_columns(language))
    for line in results_rows(figures, pairs=False):
        if _is_crossed(line):
            sheet.add(shown.cells(line))
    sheet.end()


def _turnout(book: Workbook, figures: PollFigures, language: Language) -> None:
    shown = Shown.of(TURNOUT, language)
    kind = next(i for i, column in enumerate(TURNOUT) if column.name == "dimension")
    sheet = book.sheet(NAMES[language]["turnout"], shown.sheet_columns(language))
    for line in turnout_rows(figures):
        if line[kind] != "day":
            sheet.add(shown.cells(line))
    sheet.end()
    if figures.turnout.days:
        titles = (NAMES[language]["day"], title_of("votes", language))
        days = book.sheet(NAMES[language]["days"], [SheetColumn(titles[0], "day"), SheetColumn(titles[1], "integer")])
        for day, n in figures.turnout.days.items():
            days.add((date.fromisoformat(str(day)), n))
        days.end()


def _hours(book: Workbook, found: Anomalies, language: Language) -> None:
    """The lines of hours.csv, with moments as moments of the city."""
    names = [column.name for column in HOURS]
    places = [names.index(name) for name in ("table", "begins", "ends", f"label_{language}", "votes")]
    columns = [SheetColumn(title_of(names[place], language), look_of(HOURS[place])) for place in places]
    sheet = book.sheet(NAMES[language]["hours"], columns)
    for line in hours_rows(found):
        cells: list[Cell] = [line[place] for place in places]
        cells[1:3] = [datetime.fromisoformat(str(cell)) for cell in cells[1:3]]
        sheet.add(cells)
    sheet.end()


# ---- records


async def answers_xlsx(
    open_session: OpenSession,
    slug_or_id: str,
    *,
    now: datetime,
    question_id: int | None = None,
    language: Language,
    licence: str,
    directory: Path | None = None,
    on_rows: OnRows = untold,
) -> Download:
    """Published records as a workbook. Refusals as for :func:`results.exports.answers.answers_of`, and `SheetTooLong`
    where they are more than a sheet of Excel has lines.
    """
    found, name = await answers_of(open_session, slug_or_id, "xlsx", now=now, question_id=question_id)
    async with open_session() as session:
        rows = await number_of_records(session, found, question_id)
    if rows >= LINES:
        raise SheetTooLong(rows=rows, limit=LINES - 1)
    chunks = _records(open_session, found, question_id, language, licence, directory, on_rows)
    return Download(name, MEDIA_TYPE, chunks)


async def _records(
    open_session: OpenSession,
    found: SealedPoll,
    question_id: int | None,
    language: Language,
    licence: str,
    directory: Path | None,
    on_rows: OnRows,
) -> AsyncGenerator[bytes, None]:
    folder = await in_thread(tempfile.mkdtemp, dir=directory, prefix="book-")
    try:
        path = Path(folder) / "answers.xlsx"
        book = await in_thread(Workbook, path, found.definition.title.in_language(language), licence)
        try:
            columns = [SheetColumn(title_of(column.name, language), look_of(column)) for column in ANSWERS[1:]]
            sheet = await in_thread(book.sheet, NAMES[language]["answers"], columns)
            chunks = copied_records(open_session, found, question_id, NUMBERED, {"format": "text"})
            async with aclosing(chunks):
                async for lines in whole_lines(chunks):
                    on_rows(await in_thread(_add_records, sheet, lines))
            await in_thread(_finish_records, book, sheet, found, language, licence)
        except BaseException as fault:
            await in_thread(book.__exit__, type(fault))
            raise
        pieces = from_thread(lambda: pieces_of(path))
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
    finally:
        await in_thread(shutil.rmtree, folder, ignore_errors=True)


async def whole_lines(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[list[bytes], None]:
    """The lines of a stream, a few thousand at a time."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        several = iter(lines)
        while some := list(islice(several, A_BATCH)):
            yield some


def _add_records(sheet: Sheet, lines: list[bytes]) -> int:
    for line in lines:
        question, style, answer, nonce = line.decode().split("\t")
        sheet.add((int(question), int(style), answer, nonce))
    return len(lines)


def _finish_records(book: Workbook, sheet: Sheet, found: SealedPoll, language: Language, licence: str) -> None:
    sheet.end()
    add_codebook(book, language, list(ANSWERS), found.definition, ANSWER_NOTES)
    named = NAMES[language]
    facts = book.sheet(named["facts"], [SheetColumn(text, "long") for text in named["two"].split("|")])
    zone = ZoneInfo(found.definition.time_zone)
    names: dict[str, Cell] = {
        "poll_id": found.public_id, "poll_slug": found.slug, "poll_hash": found.poll_hash.hex(),
    }  # fmt: skip
    for name, value in names.items():
        facts.add((title_of(name, language), value))
    facts.add((named["closed"], found.closes_at.astimezone(zone)))
    facts.add((named["zone"], found.definition.time_zone))
    facts.add((named["licence"], licence))
    facts.add((named["rules"], json.dumps([one.rule.model_dump(mode="json") for one in found.definition.questions])))
    facts.end()
    book.__exit__(None)


def pieces_of(path: Path) -> Iterator[bytes]:
    """A file's bytes."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
