"""Exported files: one read_csv, exact Excel bytes, no formulas, flat memory, records that are the board's."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import asyncpg
import openpyxl
import pandas
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from tests.builders import a_city, a_definition, a_single_choice, an_option, both
from tests.results.counted import (
    AFTER,
    a_counted_poll,
    a_typical_poll,
    add_ballots,
    city_strata,
    four_questions,
    random_ballots,
)
from tests.results.test_figures import body, opener

from polls.board import entry, leaf_hash, leaf_hashes
from polls.errors import NotFound, TooFewToPublish
from polls.published import withheld
from polls.sessions import ReadSession, Session
from polls.tables import ballot, text_answer
from polls.tally.profile import NOT_SHOWN
from results.exports.answers import _copied, answers_csv
from results.exports.codebook import codebook
from results.exports.columns import ANSWERS, DETAILS, FORMAT_VERSION, HOURS, RESULTS, TEXTS, TURNOUT, WIDE, ColumnDoc
from results.exports.csv import results_csv, results_json, results_rows
from results.exports.dialects import Dialect, cell_text, csv_chunks, file_name, number_text, safe_text
from results.exports.headers import header_of
from results.exports.parquet import answers_parquet, results_parquet
from results.exports.texts import texts_csv
from results.exports.wide import wide_csv
from results.exports.workbook import SheetColumn, Workbook
from results.exports.xlsx import results_xlsx
from results.figures import poll_figures
from results.shapes import By
from voting.db import Database

INJECTIONS = [
    "=1+1", "=cmd|'/C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "\n=1+1", "\u00a0=1+1",
    "＝1+1", "＋1", "－1", "＠SUM(A1)", '=HYPERLINK("http://x","y")', "=DDE(\"cmd\";\"/C calc\";\"x\")",
    "Парк;=1+1", "Парк,=1+1", "Парк\n=1+1", "Парк\t@SUM(A1)", "Парк; +1", "Парк|=1",
]  # fmt: skip


async def test_one_plain_read_csv_gives_the_right_types(session: Session) -> None:
    found = await a_typical_poll(session)
    table = pandas.read_csv(io.BytesIO(await body(await results_csv(opener(session), found.slug, now=AFTER))))
    assert list(table.columns) == [column.name for column in RESULTS]
    assert table["suppressed"].dtype == bool
    for name in ("question_id", "option_id", "denominator_n"):
        assert table[name].dtype == "int64"
    for name in ("votes", "share", "rating_mean", "rating_median", "rating_5", "place", "cost"):
        assert table[name].dtype == "float64", name
    texts = table[["poll_id", "question_ru", "option_en", "group_ru", "denominator"]]
    assert all(isinstance(value, str) for value in texts.to_numpy().ravel())
    assert table[table["suppressed"]]["votes"].isna().all() and table[~table["suppressed"]]["votes"].notna().all()
    assert table["suppressed"].any()
    whole = table[(table["dimension"] == "all") & (table["question_id"] == 1) & (table["class"] == "option")]
    assert (
        whole["votes"].sum() + table[(table["dimension"] == "all") & (table["option_id"] == 90)]["votes"].sum() == 600
    )


def test_the_excel_dialect_to_the_byte() -> None:
    rows = [("Сквер", 5, Fraction(2, 3), True, None), ("=1+1", 0, Fraction(0), False, 'a;"b"')]
    data = b"".join(csv_chunks(["текст", "n", "share", "x", "y"], rows, Dialect.EXCEL))
    assert data == (
        "\ufeffтекст;n;share;x;y\r\n"
        "Сквер;5;0,666667;true;\r\n"
        "'=1+1;0;0,000000;false;\"a;\"\"b\"\"\"\r\n"
    ).encode()  # fmt: skip


def test_the_plain_dialect_to_the_byte() -> None:
    data = b"".join(csv_chunks(["text", "n", "share"], [("Сквер, парк", -5, Fraction(-1, 3))], Dialect.PLAIN))
    assert data == 'text,n,share\n"Сквер, парк",-5,-0.333333\n'.encode()


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("attack", INJECTIONS)
def test_no_text_is_a_formula_however_the_file_is_split(attack: str, dialect: Dialect) -> None:
    written = b"".join(csv_chunks(["a", "b"], [(attack, -1)], dialect)).decode("utf-8-sig")
    for delimiter in (",", ";", "\t", "|"):
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            rows = csv.reader(io.StringIO(written, newline=""), delimiter=delimiter, quoting=quoting)
            for cell in (cell for row in rows for cell in row):
                bare = cell.strip(' "\t\r\n\u00a0')
                assert not bare.startswith(("=", "+", "@", "＝", "＋", "＠")), cell
                assert not bare.startswith(("-", "－")) or bare.split(",")[0].split(";")[0] == "-1", cell


@pytest.mark.parametrize("innocent", ["Сквер", "Парк, сквер", "10-летие", "a=b", "Список:\n- сквер\n- парк", ""])
def test_other_texts_are_left_alone(innocent: str) -> None:
    assert safe_text(innocent) == innocent


def test_numbers_are_rounded_half_to_even_and_keep_their_places() -> None:
    assert [number_text(Fraction(n)) for n in (0, 1)] == ["0.000000", "1.000000"]
    assert number_text(Fraction(1, 2_000_000)) == "0.000000" and number_text(Fraction(3, 2_000_000)) == "0.000002"
    assert cell_text(Fraction(1, 3), Dialect.EXCEL) == "0,333333"
    assert cell_text(-3, Dialect.EXCEL) == "-3"


async def test_a_project_named_like_a_formula_is_text_everywhere(session: Session) -> None:
    await a_city(session)
    question = {**a_single_choice(), "options": [an_option(1, "=1+1"), an_option(2, "-5%"), an_option(3, "@x")],
                "text": both("+7 (495) — что это?")}  # fmt: skip
    strata = await city_strata(session)
    ballots = [((f"[{1 + n % 3}]",), strata[n % len(strata)]) for n in range(60)]
    found = await a_counted_poll(session, a_definition(questions=[question]), ballots)
    table = pandas.read_csv(io.BytesIO(await body(await results_csv(opener(session), found.slug, now=AFTER))))
    assert {"'=1+1", "'-5%", "'@x"} == set(table[table["class"] == "option"]["option_ru"])
    assert set(table["question_ru"]) == {"'+7 (495) — что это?"}
    document = json.loads(await body(await results_json(opener(session), found.slug, now=AFTER)))
    assert document["results"][0]["option_ru"] == "=1+1", "JSON is not opened by spreadsheets"


def test_file_names_sort_by_the_day_of_closing_in_city_time() -> None:
    late = AFTER.replace(hour=22)
    assert file_name(late, "Europe/Moscow", "skver", "results", "csv") == "2026-12-01_skver_results.csv"


async def test_the_codebook_describes_every_column_and_option(session: Session) -> None:
    found = await a_typical_poll(session, 100)
    download = await codebook(opener(session), found.slug, now=AFTER, publisher="Город")
    assert download.file_name == f"2026-11-29_{found.slug}_codebook.json"
    document = json.loads(await body(download))
    named = [[column["name"] for column in table["tableSchema"]["columns"]] for table in document["tables"]]
    fixed = (RESULTS, TURNOUT, HOURS, ANSWERS, DETAILS, TEXTS)
    assert named[:6] == [[column.name for column in columns] for columns in fixed]
    wide = (await body(await wide_csv(opener(session), found.slug, now=AFTER))).decode().splitlines()[0]
    assert named[6] == wide.split(","), "the columns of the poll's own options too"
    for table in document["tables"]:
        for column in table["tableSchema"]["columns"]:
            assert [said["@language"] for said in column["dc:description"]] == ["ru", "en"]
            assert all(said["@value"] for said in column["dc:description"])
    questions = document["veche:questions"]
    assert [option["id"] for option in questions[0]["options"]] == [1, 2, 3, 90]
    assert questions[0]["ru"] == "Что построить?" and questions[0]["en"] == "What to build?"
    assert document["veche:time_zone"] == "Europe/Moscow" and document["dc:publisher"] == "Город"
    assert "suppressed" in document["veche:notes"]["hidden"]["en"]


FORMAT_1_0 = {
    "results": (
        "poll_id poll_slug question_id question_kind question_ru question_en class option_id option_ru option_en"
        " dimension group_code group_ru group_en suppressed votes share denominator denominator_n rating_mean"
        " rating_median rating_1"
        " rating_2 rating_3 rating_4 rating_5 place status cost currency points score rating_trimmed_mean grade"
        " grade_above grade_below"
    ),
    "turnout": "poll_id poll_slug dimension group_code group_ru group_en suppressed votes entitled turnout",
    "details": "poll_id poll_slug question_id figure option_id option_ru option_en other_id number votes",
    "texts": "poll_id poll_slug question_id text shown_beside",
    "answers": "poll_hash question_id style answer nonce",
}
"""The columns as they were published first, and their types. Never to be edited: what is dropped makes a version 2."""
TYPES_1_0 = {
    "integer": "question_id option_id votes denominator_n rating_1 place points grade entitled style other_id number",
    "decimal": "share rating_mean rating_median cost score turnout",
    "boolean": "suppressed",
    "string": "poll_id class dimension group_code status currency answer nonce text figure",
}


@pytest.mark.parametrize(
    ("name", "columns"),
    [("results", RESULTS), ("turnout", TURNOUT), ("details", DETAILS), ("texts", TEXTS), ("answers", ANSWERS)],
)
def test_columns_only_grow_at_the_end_within_a_major_version(name: str, columns: tuple[ColumnDoc, ...]) -> None:
    assert FORMAT_VERSION.split(".")[0] == "1"
    first = FORMAT_1_0[name].split()
    assert [column.name for column in columns][: len(first)] == first
    types = {column: datatype for datatype, names in TYPES_1_0.items() for column in names.split()}
    for column in columns:
        if not (name == "details" and column.name == "votes"):  # rounds divide votes
            assert types.get(column.name, column.datatype) == column.datatype, column.name


@pytest.mark.parametrize("columns", [RESULTS, TURNOUT, DETAILS, TEXTS, ANSWERS, WIDE])
def test_every_column_has_two_titles_of_its_own(columns: tuple[ColumnDoc, ...]) -> None:
    for language in ("ru", "en"):
        titles = header_of(columns, language)
        assert len(set(titles)) == len(titles) and all(titles)
    assert header_of(columns, None) == [column.name for column in columns]


async def test_workbooks_hold_text_as_text_numbers_as_numbers_and_sheets_of_any_name(
    session: Session, tmp_path: Path
) -> None:
    await a_city(session)
    attacks = [*INJECTIONS[:16], "http://x.test/", "00123", "1e5"]
    options = [an_option(number, attack) for number, attack in enumerate(attacks, start=1)]
    question = {**a_single_choice(), "options": options, "text": both("=2+2")}
    strata = await city_strata(session)
    ballots = [((f"[{1 + n % 19}]",), strata[n % len(strata)]) for n in range(190)]
    found = await a_counted_poll(session, a_definition(questions=[question], title=both("=cmd|' /C calc'!A0")), ballots)
    made = await results_xlsx(
        opener(session), found.slug, now=AFTER, language="ru", licence="CC BY", directory=tmp_path
    )  # fmt: skip
    data = await body(made)
    assert made.file_name.endswith("_results.xlsx")
    assert not list(tmp_path.rglob("*")), "nothing is left in the folder it was made in"  # noqa: ASYNC240
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        sheets = [parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets/sheet")]
    assert sheets and not any(b"<f>" in sheet or b"<f " in sheet or b"hyperlink" in sheet for sheet in sheets)
    book = openpyxl.load_workbook(io.BytesIO(data))
    rows = list(book["Результаты"].iter_rows(min_row=2))
    first = [cell.value for cell in book["Результаты"][1]]
    assert {row[first.index("Вариант")].value for row in rows} >= {"=1+1", "@SUM(A1)", "-1+1"}
    assert {row[first.index("Вариант")].data_type for row in rows} == {"s"}
    assert {row[first.index("Голосов")].data_type for row in rows} == {"n"}
    assert rows[0][first.index("Доля")].number_format == "0.0%"
    for sheet in book:
        if sheet.title != "Диаграммы":
            assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref and sheet.column_dimensions["A"].width >= 12
    assert len(book["Диаграммы"]._charts) == 1
    days = list(book["По дням"].iter_rows(min_row=2, values_only=True))
    assert all(isinstance(day, datetime) and isinstance(n, int) for day, n in days)
    facts = dict(book["Протокол"].iter_rows(min_row=2, max_col=2, values_only=True))
    assert facts["Часовой пояс"] == "Europe/Moscow" and facts["Закрыто"].hour == 12, "city time"
    assert facts["Бюллетеней"] == 190 and facts["Хеш правил"] == found.poll_hash.hex()


def test_sheets_of_one_name_are_told_apart(tmp_path: Path) -> None:
    with Workbook(tmp_path / "book.xlsx", "x", "y") as book:
        names = [book.sheet(name, [SheetColumn("a", "text")]).name
                 for name in ("Results", "results", "R/es:u" * 9, "R/es:u" * 9, "", "'", "История" * 9)]  # fmt: skip
    assert len({name.casefold() for name in names}) == len(names) and all(1 <= len(name) <= 31 for name in names)
    assert openpyxl.load_workbook(tmp_path / "book.xlsx").sheetnames == names
    with suppress(ZeroDivisionError), Workbook(tmp_path / "broken.xlsx", "x", "y") as book:
        book.sheet("a", [SheetColumn("a", "text")]).add(("b",))
        raise ZeroDivisionError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.xlsx"], "nothing is left of a broken one"


async def test_parquet_says_what_its_columns_mean_and_half_of_it_opens_nowhere(session: Session) -> None:
    found = await a_typical_poll(session, 100)
    data = await body(await answers_parquet(opener(session), found.slug, now=AFTER, licence="CC BY 4.0"))
    file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
    told = json.loads(file.schema_arrow.metadata[b"veche"])
    assert (told["poll_hash"], told["licence"], told["format"]) == (found.poll_hash.hex(), "CC BY 4.0", FORMAT_VERSION)
    assert all(b"description_ru" in field.metadata for field in file.schema_arrow)
    for cut in (len(data) - 1, len(data) // 2, 100, 4):
        with pytest.raises(pyarrow.ArrowInvalid):
            pyarrow.parquet.ParquetFile(io.BytesIO(data[:cut]))
    results = pandas.read_parquet(io.BytesIO(await body(
        await results_parquet(opener(session), found.slug, now=AFTER, licence="x"))))  # fmt: skip
    assert results["suppressed"].dtype == bool and results["class"].dtype == "category"
    assert results[results["suppressed"]]["votes"].isna().all()


async def test_two_hundred_thousand_records_as_parquet_in_flat_memory(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    found = await a_counted_poll(session, a_definition(), [(("[1]",), stratum) for stratum in strata * 2])
    await add_ballots(session, found, 200_000)
    told: list[int] = []
    made = await answers_parquet(opener(session), found.slug, now=AFTER, licence="x", on_rows=told.append)
    tracemalloc.start()
    try:
        largest, pieces = 0, []
        async for chunk in made.chunks:
            largest = max(largest, len(chunk))
            pieces.append(len(chunk))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(told) == 200_000 + len(strata) * 2
    assert peak < 12_000_000 and largest < 4_000_000 and pieces[0] == 4, (peak, largest)


# ---- answers.csv


@pytest.mark.parametrize("privacy", ["separated", "named"])
async def test_records_hash_to_the_leaves_of_the_board_and_come_in_their_order(session: Session, privacy: str) -> None:
    await a_city(session)
    strata = await city_strata(session)
    definition = four_questions(privacy=privacy)
    found = await a_counted_poll(session, definition, random_ballots(60, strata))
    data = await body(await answers_csv(opener(session), found.slug, now=AFTER))
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert list(rows[0]) == ["poll_hash", "question_id", "style", "answer", "nonce"]
    leaves = [
        leaf_hash(entry(bytes.fromhex(r["poll_hash"]), int(r["question_id"]), int(r["style"]), r["answer"],
                        bytes.fromhex(r["nonce"])))
        for r in rows
    ]  # fmt: skip
    assert leaves == sorted(leaves) and len(leaves) == 240
    table = "named_ballot" if privacy == "named" else "ballot"
    made = await session.execute(
        text(f"SELECT ballot_id, answers, style FROM {table} WHERE poll_id = :p"), {"p": found.id}
    )
    expected = {
        leaf
        for row in made
        for leaf in leaf_hashes(found.poll_hash, row.ballot_id, found.question_ids, row.answers, row.style)
    }
    assert set(leaves) == expected


async def test_records_carry_no_ballot_id_and_no_stratum(session: Session) -> None:
    found = await a_typical_poll(session, 100)
    data = (await body(await answers_csv(opener(session), found.slug, now=AFTER))).decode()
    ids = await session.scalars(select(ballot.c.ballot_id).where(ballot.c.poll_id == found.id))
    assert not any(ballot_id.hex() in data for ballot_id in ids)
    table = pandas.read_csv(io.StringIO(data))
    assert list(table.columns) == [column.name for column in ANSWERS] and table["question_id"].dtype == "int64"


async def test_one_question_at_a_time_and_the_excel_dialect(session: Session) -> None:
    found = await a_typical_poll(session, 50)
    download = await answers_csv(opener(session), found.slug, now=AFTER, question_id=3, dialect=Dialect.EXCEL)
    data = await body(download)
    assert download.file_name.endswith("_answers_q3.csv")
    lines = data.split(b"\r\n")
    assert data.startswith("\ufeffpoll_hash;question_id;style;answer;nonce\r\n".encode()) and lines[-1] == b""
    assert b"\n" not in data.replace(b"\r\n", b"") and len(lines) == 52
    assert all(line.split(b";")[1] == b"3" for line in lines[1:-1])
    with pytest.raises(NotFound):
        await answers_csv(opener(session), found.slug, now=AFTER, question_id=99)


@pytest.mark.parametrize(
    ("shown", "back"),
    [
        ({0: 5_000}, set()),
        ({0: 30, 1: 10}, set()),
        ({0: 30, 1: 1}, {0, 1}),  # what is missing of style 1 alone would be its voter's answers
        ({0: 30, 1: 4, 2: 6}, {1, 2}),
        ({0: 30, 1: 1, 2: 12}, {1, 2}),
        ({0: 30, 1: 3, 2: 4, 3: 5, 4: 9}, {1, 2, 3, 4}),
        ({0: 9}, {0}),
        ({0: 4, 1: 3}, {0, 1}),
        ({0: 0, 1: 12, 2: 0}, set()),
        ({}, set()),
    ],
)
def test_small_styles_are_withheld_and_never_fewer_than_ten_records(shown: dict[int, int], back: set[int]) -> None:
    assert withheld(shown, separated=True) == back
    assert withheld(shown, separated=False) == (set() if len([n for n in shown.values() if n]) < 2 else back)


@given(st.dictionaries(st.integers(0, 20), st.integers(0, 40)))
def test_what_is_withheld_is_nothing_everything_or_ten(shown: dict[int, int]) -> None:
    back = withheld(shown, separated=True)
    held = sum(shown[style] for style in back)
    assert not back or held >= 10 or held == sum(shown.values())
    assert all(style in back for style, n in shown.items() if 0 < n < 10)


async def test_a_style_of_one_voter_has_no_record_and_is_not_found_by_subtraction(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    styles = [
        {"id": 1, "title": both("Арбат"), "territories": ["msk-cao-arbat"]},
        {"id": 2, "title": both("Басманный"), "territories": ["msk-cao-basmanny"]},
    ]
    questions = [a_single_choice(), a_single_choice(2), a_single_choice(3, styles=[2])]
    ballots = [(("[3]", "[2]", NOT_SHOWN), strata[0])]
    ballots += [(("[1]", "[1]", "[1]"), strata[6])] * 12 + [(("[1]", "[2]", NOT_SHOWN), strata[-1])] * 30
    definition = a_definition(questions=questions, styles=styles)
    found = await a_counted_poll(session, definition, ballots, styles=[1] + [2] * 12 + [0] * 30)
    lines = list(csv.DictReader(io.StringIO((await body(
        await answers_csv(opener(session), found.slug, now=AFTER))).decode())))  # fmt: skip
    of = Counter((int(line["question_id"]), int(line["style"])) for line in lines)
    assert of == {(1, 0): 30, (2, 0): 30, (3, 2): 12}, "style 2 stands in for style 1 where both were asked"
    assert (await poll_figures(session, found.slug, AFTER)).questions[0].outcome.cast == 43, "totals stay exact"


async def test_a_question_of_which_nothing_can_be_published_is_a_first_line_alone(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    styles = [{"id": 1, "title": both("Арбат"), "territories": ["msk-cao-arbat"]}]
    ballots = [(("[3]",), strata[0])] + [(("[1]",), strata[-1])] * 30
    found = await a_counted_poll(session, a_definition(styles=styles), ballots, styles=[1] + [0] * 30)
    data = await body(await answers_csv(opener(session), found.slug, now=AFTER))
    assert data == b"poll_hash,question_id,style,answer,nonce\n"


async def test_a_question_of_a_few_ballots_has_no_records_and_no_texts(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    asked = {"kind": "text", "id": 2, "text": both("Почему?"), "shown_if": {"question": 1, "options": [3]}}
    ballots = [(("[3]", "[0]"), strata[0])] * 9 + [(("[1]", NOT_SHOWN), strata[0])] * 30
    definition = a_definition(questions=[a_single_choice(own_answer=True), asked])
    found = await a_counted_poll(session, definition, ballots)
    for question, words in ((1, "Пруд"), (2, "Потому")):
        await session.execute(
            insert(text_answer).values(poll_id=found.id, question_id=question, text=words, status="approved")
        )
    records = (await body(await answers_csv(opener(session), found.slug, now=AFTER))).decode().splitlines()
    assert {line.split(",")[1] for line in records[1:]} == {"1"} and len(records) == 40
    texts = (await body(await texts_csv(opener(session), found.slug, now=AFTER))).decode()
    assert "Пруд" in texts and "Потому" not in texts
    assert "Потому" not in (await body(await texts_csv(opener(session), found.slug, now=AFTER, question_id=2))).decode()
    few = await a_counted_poll(session, a_definition(questions=[a_single_choice(own_answer=True)]),
                               [(("[0]",), strata[0])] * 9)  # fmt: skip
    with pytest.raises(TooFewToPublish):
        await texts_csv(opener(session), few.slug, now=AFTER)


async def test_two_hundred_thousand_records_stream_in_flat_memory(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    ballots = [(("[1]",), stratum) for stratum in strata * 2]
    found = await a_counted_poll(session, a_definition(), ballots)
    await add_ballots(session, found, 200_000)
    download = await answers_csv(opener(session), found.slug, now=AFTER)
    tracemalloc.start()
    try:
        size = largest = 0
        async for chunk in download.chunks:
            size += len(chunk)
            largest = max(largest, len(chunk))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 200_000 * 100
    assert peak < 4_000_000, peak
    assert largest < 1_000_000


async def test_fifty_thousand_lines_of_figures_stream_in_flat_memory(session: Session) -> None:
    found = await a_typical_poll(session, 100)
    figures = await poll_figures(session, found.slug, AFTER)
    [table] = [t for q in figures.questions for t in q.tables if t.dimensions == (By.SEX,) and t.question_id == 1]
    copies = 50_000 // sum(len(row.cells) for row in table.rows) + 1
    question = replace(figures.questions[0], tables=(table,) * copies)
    tracemalloc.start()
    try:
        chunks = [len(c) for c in csv_chunks([], results_rows(replace(figures, questions=(question,))), Dialect.PLAIN)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(chunks) > 8_000_000 and max(chunks) < 140_000
    assert peak < 4_000_000, peak


async def test_a_failure_in_the_middle_breaks_the_stream_and_gives_the_connection_back(
    fresh_database: Database,
) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        strata = await city_strata(session)
        found = await a_counted_poll(session, a_definition(), [(("[1]",), s) for s in strata * 2])
        await add_ballots(session, found, 50_000)
    abandoned = await answers_csv(fresh_database.open_read_session, found.slug, now=AFTER)
    async for _ in abandoned.chunks:
        break
    await abandoned.chunks.aclose()  # type: ignore[attr-defined]
    second = await answers_csv(fresh_database.open_read_session, found.slug, now=AFTER)
    reading = second.chunks
    await anext(reading)
    await anext(reading)
    await reading.aclose()  # type: ignore[attr-defined]
    assert fresh_database.read_engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    @asynccontextmanager
    async def failing() -> AsyncIterator[ReadSession]:
        async with fresh_database.open_read_session() as inner:
            yield inner
            if calls.append(1) is None and len(calls) == 2:
                raise ConnectionError("the database went away")

    calls: list[int] = []
    broken = await answers_csv(failing, found.slug, now=AFTER)
    with pytest.raises(ConnectionError):
        await body(broken)
    assert fresh_database.read_engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    async with fresh_database.open_read_session() as afterwards:
        assert await afterwards.scalar(text("SELECT 1")) == 1


async def test_a_stream_that_fails_in_sql_raises(session: Session) -> None:
    connection = await (await session.connection()).get_raw_connection()
    query = "SELECT 1/(50000-i) FROM generate_series(1,100000) i"
    with pytest.raises(asyncpg.DivisionByZeroError):
        [chunk async for chunk in _copied(connection.driver_connection, query, {"format": "csv"})]
