"""The sheets of a results workbook that are not lines of a file: charts, the codebook, the protocol's key facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from polls.definition import Definition
from polls.tally.outcome import Outcome
from results.exports.codebook import NOTES
from results.exports.columns import FORMAT_VERSION, ColumnDoc
from results.exports.headers import Language, title_of
from results.exports.workbook import Cell, SheetColumn, Workbook
from results.figures import PollFigures, QuestionFigures

NAMES: Final[Mapping[Language, Mapping[str, str]]] = {
    "ru": {
        "results": "Результаты", "charts": "Диаграммы", "breakdowns": "Разрезы", "crossed": "Вопросы вместе",
        "turnout": "Явка", "days": "По дням", "hours": "По часам",
        "codebook": "Описание столбцов", "protocol": "Протокол", "answers": "Ответы", "facts": "О голосовании",
        "day": "День", "two": "Показатель|Значение", "name": "Имя столбца", "title": "Заголовок", "type": "Тип",
        "meaning": "Что значит", "empty": "Пустая ячейка", "poll": "Голосование", "state": "Состояние",
        "opened": "Открыто", "closed": "Закрыто", "zone": "Часовой пояс", "counted": "Подсчитано",
        "version": "Версия подсчёта", "reason": "Причина исправления", "ballots": "Бюллетеней",
        "entitled": "Имели право голоса", "turnout_share": "Явка", "licence": "Лицензия", "format": "Версия формата",
        "rules": "Правила подсчёта", "question": "Вопрос", "method": "Правило", "valid": "Действительных ответов",
        "cast": "Бюллетеней с вопросом", "blank": "Без ответа", "denominator": "Доли — от",
        "threshold": "Порог достигнут", "winners": "Победили", "signed": "Здесь главные цифры. Подписанный протокол — "
        "отдельный файл на странице результатов.",
    },
    "en": {
        "results": "Results", "charts": "Charts", "breakdowns": "Breakdowns", "crossed": "Cross-tabs",
        "turnout": "Turnout", "days": "By day", "hours": "By hour",
        "codebook": "Codebook", "protocol": "Protocol", "answers": "Answers", "facts": "About the poll",
        "day": "Day", "two": "Figure|Value", "name": "Column", "title": "Title", "type": "Type",
        "meaning": "What it means", "empty": "An empty cell", "poll": "Poll", "state": "State", "opened": "Opened",
        "closed": "Closed", "zone": "Time zone", "counted": "Counted", "version": "Version of the count",
        "reason": "Why it was corrected", "ballots": "Ballots", "entitled": "Entitled to vote",
        "turnout_share": "Turnout", "licence": "Licence", "format": "Version of the format",
        "rules": "Counting rules", "question": "Question", "method": "Rule", "valid": "Valid answers",
        "cast": "Ballots with the question", "blank": "Left blank", "denominator": "Shares are of",
        "threshold": "Threshold met", "winners": "Winners", "signed": "These are the key figures. The signed protocol "
        "is a file of its own on the results page.",
    },
}  # fmt: skip
RESULT_NOTES: Final = ("hidden", "shares", "rest", "crossed", "shown")
ANSWER_NOTES: Final = ("answers", "shown", "withheld")
CHART_BARS: Final = 40
CHART_HEIGHT: Final = 15
"""Lines of a sheet that a chart of few bars covers."""


def add_charts(
    book: Workbook,
    figures: PollFigures,
    language: Language,
    sheet: str,
    columns: list[str],
    lines: Mapping[int, tuple[int, int]],
) -> None:
    """A bar chart for each question, drawn by the program that opens the workbook from the cells of the first sheet.

    `columns` are the machine names of its columns; `lines`: question → its first and last line there.
    """
    page = book.charts(NAMES[language]["charts"])
    option, votes = columns.index(f"option_{language}"), columns.index("votes")
    place = 0
    for found in figures.questions:
        first, last = lines[found.question.id]
        last = min(last, first + CHART_BARS - 1)
        chart = book.book.add_chart({"type": "bar"})
        chart.add_series({
            "name": title_of("votes", language),
            "categories": [sheet, first, option, last, option],
            "values": [sheet, first, votes, last, votes],
            "fill": {"color": "#0E5A6B"}, "data_labels": {"value": True}, "gap": 40,
        })  # fmt: skip
        chart.set_title({"name": found.question.text.in_language(language)[:200], "name_font": {"size": 12}})
        chart.set_legend({"none": True})
        chart.set_y_axis({"reverse": True})
        chart.set_x_axis({"num_format": "#,##0", "major_gridlines": {"visible": True}})
        tall = CHART_HEIGHT + max(0, last - first - 6)
        chart.set_size({"width": 820, "height": 20 * tall})
        page.insert_chart(place, 0, chart, {"description": found.question.text.in_language(language)[:200]})
        place += tall + 2


def add_codebook(
    book: Workbook,
    language: Language,
    columns: list[ColumnDoc],
    definition: Definition,
    notes: Iterable[str] = RESULT_NOTES,
) -> None:
    """What every column means, then the notes, then questions and options with their ids."""
    named = NAMES[language]
    looks = (("name", "code"), ("title", "text"), ("type", "code"), ("meaning", "long"), ("empty", "long"))
    sheet = book.sheet(named["codebook"], [SheetColumn(named[name], look) for name, look in looks])
    for column in columns:
        said = column.en if language == "en" else column.ru
        sheet.add((column.name, title_of(column.name, language), column.datatype, said, column.empty))
    for note in notes:
        sheet.add(("", "", "", NOTES[note][language], ""))
    for question in definition.questions:
        text = question.text.in_language(language)
        sheet.add((f"question_id = {question.id}", text, question.kind, "", ""))
        for option in question.options:
            sheet.add((f"option_id = {option.id}", option.text.in_language(language), option.kind.value, "", ""))
    sheet.end()


def add_protocol(book: Workbook, figures: PollFigures, language: Language, licence: str) -> None:
    """The key facts of the count; the signed protocol is a file of its own."""
    named = NAMES[language]
    titles = named["two"].split("|")
    sheet = book.sheet(named["protocol"], [SheetColumn(titles[0], "text"), SheetColumn(titles[1], "long")])
    definition, zone = figures.definition, ZoneInfo(figures.definition.time_zone)

    def moment(at: datetime | None) -> Cell:
        return None if at is None else at.astimezone(zone)

    facts: list[tuple[str, Cell]] = [
        (named["poll"], definition.title.in_language(language)), (title_of("poll_id", language), figures.public_id),
        (title_of("poll_slug", language), figures.slug), (title_of("poll_hash", language), figures.poll_hash.hex()),
        (named["state"], figures.state.value), (named["opened"], moment(definition.opens_at)),
        (named["closed"], moment(figures.closes_at)), (named["zone"], definition.time_zone),
        (named["counted"], moment(figures.counted_at)), (named["version"], figures.version),
        (named["reason"], figures.reason), (named["ballots"], figures.ballots),
        (named["entitled"], figures.turnout.entitled),
    ]  # fmt: skip
    for name, value in facts:
        sheet.add((name, value))
    for found in figures.questions:
        for name, value in _question_facts(found, named, language):
            sheet.add((name, value))
    for name, value in ((named["licence"], licence), (named["format"], FORMAT_VERSION), ("", named["signed"])):
        sheet.add((name, value))
    sheet.end()


def _question_facts(found: QuestionFigures, named: Mapping[str, str], language: Language) -> list[tuple[str, Cell]]:
    outcome: Outcome = found.outcome
    options = {option.id: option.text.in_language(language) for option in found.question.options}
    return [
        (f"{named['question']} {found.question.id}", found.question.text.in_language(language)),
        (named["method"], outcome.method), (named["cast"], outcome.cast), (named["valid"], outcome.valid),
        (named["blank"], outcome.blank), (named["denominator"], outcome.denominator),
        (title_of("denominator_n", language), outcome.denominator_n), (named["threshold"], outcome.threshold_met),
        (named["winners"], "; ".join(options.get(option, str(option)) for option in outcome.winners)),
    ]  # fmt: skip
