"""The codebook: what every column, code and empty cell of the published files means, as CSVW metadata.

It follows the W3C's "Metadata Vocabulary for Tabular Data" (2015), so that tools read the types from it, and adds the
poll's questions and options with their ids in both languages.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from polls.catalogue import sealed_poll
from polls.definition import AnyQuestion, Budget, Definition, Rating
from results.exports.columns import ANSWERS, DETAILS, FORMAT_VERSION, HOURS, RESULTS, TEXTS, TURNOUT, WIDE, ColumnDoc
from results.exports.dialects import Download, OpenSession, file_name, streamed
from results.exports.headers import TITLES, title_of
from results.exports.wide import option_columns
from results.figures import counted_version, see
from results.visibility import Need, require

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
"""The default licence of published figures; a deployment passes its own."""

ALSO = {
    "results": ("results.json", "results.xlsx", "results.parquet"),
    "turnout": ("results.json", "results.xlsx"),
    "hours": ("results.xlsx",),
    "answers": ("answers.jsonl", "answers.parquet", "answers.xlsx"),
}
"""The other files that hold the same columns: in JSON by name, in workbooks by title, in Parquet with their types."""

NOTES = {
    "hidden": {
        "ru": "Пустая ячейка votes при suppressed = true: число скрыто, чтобы по маленькой группе нельзя было узнать "
        "выбор людей. Скрываются числа меньше 10, нули и полные ячейки в разрезах, а также ячейки, из которых скрытое "
        "можно вычислить. Скрытое — не ноль. Итоги всего голосования (dimension = all) всегда точны.",
        "en": "An empty votes cell with suppressed = true is hidden, so that a small group does not show what people "
        "chose: figures under 10, zeros and full cells in breakdowns, and cells from which those could be worked out. "
        "Hidden is not zero. Totals of the whole poll (dimension = all) are always exact.",
    },
    "shares": {
        "ru": "Доля — votes ÷ denominator_n. Во всём голосовании знаменатель тот, что в правилах; в разрезах — "
        "бюллетени группы.",
        "en": "A share is votes ÷ denominator_n. For the whole poll the denominator is the sealed one; in breakdowns "
        "it is the ballots cast in the group.",
    },
    "crossed": {
        "ru": "Строки dimension = question:1 — таблица двух вопросов вместе: группа — давшие ответ group_code на "
        "вопрос 1, класс — их ответы на вопрос question_id. Доли — от группы. Какие пары так считаются, записано в "
        "правилах до открытия (veche:cross_tabs); скрытие то же, что в разрезах. class = level — уровень шкалы, его "
        "номер стоит в option_id. Где в вопросе можно выбрать несколько, группы пересекаются.",
        "en": "Lines with dimension = question:1 are a table of two questions together: the group are those who gave "
        "the answer group_code to question 1, the classes their answers to question_id. Shares are of the group. Which "
        "pairs are counted so was sealed before the opening (veche:cross_tabs); figures are hidden as in breakdowns. "
        "class = level is a level of a scale, with its number in option_id. Where several choices are allowed groups "
        "overlap.",
    },
    "rest": {
        "ru": "Строки rest — бюллетени, которые при подсчёте объединены с соседними группами и дальше не разбиваются.",
        "en": "Lines with rest are ballots merged with neighbouring groups at counting; they are not broken down.",
    },
    "apostrophe": {
        "ru": "Апостроф добавлен перед текстом, который таблица приняла бы за формулу (= + - @).",
        "en": "An apostrophe is put before text that a spreadsheet would take for a formula (= + - @).",
    },
    "answers": {
        "ru": "Одна строка — ответ на один вопрос одного бюллетеня, без группы и без связи с другими вопросами. "
        "Порядок — по хешу записи. SHA-256 от байта 0 и записи [\"poll_hash\",question_id,style,answer,\"nonce\"] "
        "без пробелов — лист открытого журнала.",
        "en": "A line is the answer to one question of one ballot, with no group and no link to other questions, in "
        "the order of entry hashes. SHA-256 over a zero byte and the entry [\"poll_hash\",question_id,style,answer,"
        "\"nonce\"] without spaces is the leaf on the board.",
    },
    "shown": {
        "ru": "Бюллетени, где вопрос не был показан (другой вид бюллетеня или уточняющий вопрос), не входят ни в один "
        "его класс и не публикуются как записи: cast вопроса может быть меньше числа бюллетеней.",
        "en": "Ballots on which a question was not shown (another ballot style, or a follow-up) are in none of its "
        "classes and no record of them is published: a question's cast may be less than the ballots of the poll.",
    },
    "withheld": {
        "ru": "Записи видов бюллетеня, которых при вопросе меньше десяти, не публикуются, и с ними самых малых "
        "остальных видов — пока в сумме не наберётся десять: иначе по точным итогам вычислялись бы ответы немногих. "
        "Не публикуются ни записи, ни тексты вопроса, который был меньше чем в десяти бюллетенях. Сколько записей "
        "не опубликовано, говорит разность cast вопроса и строк файла. Итоги точны всегда.",
        "en": "Records of a ballot style with fewer than ten ballots that held the question are not published, nor "
        "those of the smallest other styles until ten ballots are withheld: exact totals would give away the answers "
        "of a few. Records and texts of a question fewer than ten ballots held are not published either. How many "
        "records are withheld is the question's cast less the lines of the file. Totals are exact, always.",
    },
    "time": {
        "ru": "Дата в имени файла, дни явки и моменты в книгах Excel — по времени города (veche:time_zone); моменты в "
        "JSON и Parquet — в UTC.",
        "en": "Dates in file names, days of turnout and moments in workbooks are in city time (veche:time_zone); "
        "moments in JSON and Parquet are UTC.",
    },
    "pandas": {
        "ru": "pandas.read_csv(путь) читает файл одним вызовом; целые столбцы с пустыми ячейками становятся float.",
        "en": "pandas.read_csv(path) reads a file in one call; integer columns with empty cells become float.",
    },
}  # fmt: skip


async def codebook(
    open_session: OpenSession, slug_or_id: str, *, now: datetime, licence: str = LICENCE, publisher: str = ""
) -> Download:
    """The codebook of a counted poll; refusals as for the results it describes."""
    async with open_session() as session:
        found = await sealed_poll(session, slug_or_id)
        require(see(found, await counted_version(session, found.id), now), Need.OUTCOME)
    definition = found.definition

    def name(what: str, extension: str) -> str:
        return file_name(found.closes_at, definition.time_zone, found.slug, what, extension)

    files = {
        what: name(what, "csv")
        for what in ("results", "turnout", "hours", "answers", "details", "texts", "results_wide")
    }
    document = codebook_document(definition, found.poll_hash, files, licence, publisher)
    body = json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")
    return Download(name("codebook", "json"), "application/json", streamed((body, b"\n")))


def codebook_document(
    definition: Definition, poll_hash: bytes, files: dict[str, str], licence: str = LICENCE, publisher: str = ""
) -> dict[str, Any]:
    """CSVW metadata of the CSV files (keys of `files`: as in `tables` below), and what else the same columns are in."""
    wide = (*WIDE, *(option.doc for option in option_columns(definition.questions, definition.cross_tabs)))
    tables = (
        ("results", RESULTS), ("turnout", TURNOUT), ("hours", HOURS), ("answers", ANSWERS), ("details", DETAILS),
        ("texts", TEXTS), ("results_wide", wide),
    )  # fmt: skip
    document: dict[str, Any] = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "ru"}],
        "dc:title": [_said(definition.title.ru, "ru"), _said(definition.title.in_language("en"), "en")],
        "dc:identifier": definition.poll_id,
        "dc:license": {"@id": licence},
        "schema:version": FORMAT_VERSION,
        "dialect": {"encoding": "utf-8", "delimiter": ",", "lineTerminators": ["\n"], "header": True},
        "tables": [
            {
                "url": files[key],
                "dc:license": {"@id": licence},
                "tableSchema": {"columns": [_column(column) for column in columns]},
                "veche:also": [files["results"].removesuffix("results.csv") + other for other in ALSO.get(key, ())],
            }
            for key, columns in tables
        ],
        "rdfs:comment": [_said(note[language], language) for note in NOTES.values() for language in ("ru", "en")],
        "veche:notes": NOTES,
        "veche:poll_hash": poll_hash.hex(),
        "veche:time_zone": definition.time_zone,
        "veche:styles": [
            {
                "id": style.id,
                "ru": style.title.ru,
                "en": style.title.in_language("en"),
                "territories": list(style.territories),
            }
            for style in definition.styles
        ],
        "veche:cross_tabs": [pair.model_dump() for pair in definition.cross_tabs],
        "veche:questions": [_question(question) for question in definition.questions],
    }
    if publisher:
        document["dc:publisher"] = publisher
    return document


def _column(column: ColumnDoc) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "titles": titles_of(column),
        "datatype": column.datatype,
        "dc:description": [_said(column.ru, "ru"), _said(column.en, "en")],
        "required": not column.empty,
    }
    if column.empty:
        found["null"] = ""
        found["veche:empty"] = column.empty
    return found


def titles_of(column: ColumnDoc) -> dict[str, str]:
    """The first lines a file may have: the machine name (no language), and both titles."""
    if column.name not in TITLES:  # of a poll's own questions: its descriptions are its titles
        return {"und": column.name, "ru": column.ru, "en": column.en}
    return {"und": column.name, "ru": title_of(column.name, "ru"), "en": title_of(column.name, "en")}


def _question(question: AnyQuestion) -> dict[str, Any]:
    return {
        "id": question.id,
        "kind": question.kind,
        "ru": question.text.ru,
        "en": question.text.in_language("en"),
        "rule": question.rule.model_dump(mode="json"),
        "currency": question.currency if isinstance(question, Budget) else None,
        "shown_if": question.shown_if.model_dump(mode="json") if question.shown_if else None,
        "styles": list(question.styles),
        "scale": [question.scale_min, question.scale_max] if isinstance(question, Rating) else None,
        "levels": (
            [{"ru": level.ru, "en": level.in_language("en")} for level in question.levels]
            if isinstance(question, Rating)
            else None
        ),
        "options": [
            {
                "id": option.id,
                "kind": option.kind.value,
                "ru": option.text.ru,
                "en": option.text.in_language("en"),
                "cost_hundredths": option.cost,
                "reference": option.reference,
            }
            for option in question.options
        ],
    }


def _said(text: str, language: str) -> dict[str, str]:
    return {"@value": text, "@language": language}
