"""Census margins: what a file may say, every way it can be wrong, and keeping, replacing and removing sets."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.builders import NOW, a_city

from polls.definition import Text
from polls.errors import Invalid
from polls.file_lines import BadRegister
from polls.sessions import Session
from polls.territories import Territory, TerritoryTree
from results.errors import MarginsNotFound
from results.margin_file import MAX_ROWS, ages_of, read_margins
from results.margins import keep_margins, margin_sets, margins_named, remove_margins
from results.representation import NO_END
from results.tables import census_margin

PLACES = TerritoryTree.of(
    [Territory(1, "msk-cao", "okrug", None, "Центральный административный округ", "Central", "ЦАО", "CAO"),
     Territory(2, "msk-sao", "okrug", None, "Северный административный округ", "Northern", "САО", "SAO"),
     Territory(3, "msk-cao-arbat", "district", 1, "Арбат", "Arbat"),
     Territory(4, "msk-sao-arbat", "district", 2, "Арбат", "Arbat")]
)  # fmt: skip
GOOD = """dimension,value,number
sex,f,70
sex,m,60
age,0-17,20
age,18-64,80
age,65+,30
okrug,msk-cao,50
okrug,САО,80
"""


def errors_of(file: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(BadRegister) as refused:
        read_margins([file if isinstance(file, bytes) else file.encode()], PLACES)
    return [(error.line, error.code) for error in refused.value.errors]


def test_a_good_file() -> None:
    expected = {
        ("sex", "f"): 70, ("sex", "m"): 60, ("age", "0-17"): 20, ("age", "18-64"): 80, ("age", "65+"): 30,
        ("okrug", "msk-cao"): 50, ("okrug", "msk-sao"): 80,
    }  # fmt: skip
    assert read_margins([GOOD.encode()], PLACES) == expected
    assert read_margins([bytes([byte]) for byte in GOOD.encode()], PLACES) == expected
    assert read_margins([b"\xef\xbb\xbf" + GOOD.replace(",", ";").replace("\n", "\r\n").encode()], PLACES) == expected


def test_a_file_in_russian_out_of_a_spreadsheet() -> None:
    file = (
        "Разрез;Значение;Численность\nПол;Женщины;1 234 567\nпол;М;1\u00a0000\nВозраст;18–64;5\nвозраст;65 и старше;6\n"
    )
    assert read_margins([file.encode()], PLACES) == {
        ("sex", "f"): 1_234_567, ("sex", "m"): 1000, ("age", "18-64"): 5, ("age", "65+"): 6,
    }  # fmt: skip
    assert (ages_of("18-64"), ages_of("65+")) == ((18, 64), (65, NO_END))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("colour,red,5", "unknown_dimension"),
        ("sex,x,5", "unknown_sex"),
        ("sex,f,5", "repeated"),
        ("age,18-64,5", "repeated"),
        ("age,64-18,5", "bad_age"),
        ("age,old,5", "bad_age"),
        ("age,18-999,5", "bad_age"),
        ("age,500+,5", "bad_age"),
        ("okrug,msk-nowhere,5", "unknown_territory"),
        ("okrug,msk-cao-arbat,5", "unknown_territory"),
        ("district,Арбат,5", "ambiguous_territory"),
        ("district,,5", "unknown_territory"),
        ("sex,m,-5", "bad_number"),
        ("sex,m,1e3", "bad_number"),
        ("sex,m,5.5", "bad_number"),
        ("sex,m,", "bad_number"),
        ("sex,m,٣", "bad_number"),
        ("sex,m,=1+1", "bad_number"),
        ("sex,m,99999999999999999999", "bad_number"),
        ("sex,m", "ragged"),
        ("sex,m,5,6", "ragged"),
        ('sex,"m,5', "bad_quotes"),
        ("sex,m\0,5", "control_character"),
    ],
)
def test_bad_lines_are_told_by_number(line: str, code: str) -> None:
    assert (9, code) in errors_of(GOOD + line + "\n")


def test_files_that_are_no_files_of_margins() -> None:
    assert errors_of("") == [(1, "empty_file")]
    assert errors_of("dimension,value,number\n") == [(1, "no_rows")]
    assert {code for _, code in errors_of("a,b,c\nsex,f,5\n")} == {"unknown_column", "column_missing"}
    assert errors_of("dimension,value,number,number\n") == [(1, "column_repeats")]
    assert errors_of(GOOD.encode("utf-16"))[0][1] in ("not_utf8", "unknown_column")
    assert (2, "not_utf8") in errors_of("dimension,value,number\nпол,f,5\n".encode("cp1251"))
    assert errors_of(b"x" * 100_000)[0][1] == "line_too_long"


def test_what_no_single_line_shows() -> None:
    assert errors_of("dimension,value,number\nage,0-17,5\nage,15-64,5\nage,65+,5\n") == [(1, "bands_overlap")]
    assert errors_of("dimension,value,number\nage,65+,5\nage,70+,5\n") == [(1, "bands_overlap")]
    assert errors_of("dimension,value,number\nsex,f,5\n") == [(1, "one_group")]
    assert errors_of("dimension,value,number\nsex,f,5\nsex,m,0\n") == [(1, "one_group")]


def test_a_file_without_end_is_stopped() -> None:
    lines = "".join(f"sex,f,{i}\n" for i in range(MAX_ROWS + 500))
    codes = [code for _, code in errors_of("dimension,value,number\n" + lines)]
    assert "too_many_rows" in codes or len(codes) == 1000  # only the first are kept


@given(st.binary(max_size=300))
@settings(max_examples=150)
def test_whatever_comes_is_read_or_refused(content: bytes) -> None:
    for file in (content, b"dimension,value,number\n" + content):
        with suppress(BadRegister):
            assert read_margins([file], PLACES)


# ---- sets


def kept(**given: Any) -> dict[str, Any]:
    return {"code": "census-2021", "name": Text(ru="Перепись 2021", en="Census 2021"), "source": "Росстат",
            "as_of": date(2021, 10, 1), "now": NOW} | given  # fmt: skip


async def test_a_set_is_kept_replaced_and_removed(session: Session) -> None:
    await a_city(session)
    await keep_margins(session, [GOOD.encode()], **kept())
    margins, at = await margins_named(session, "census-2021")
    assert (margins.sexes, margins.ages[65, NO_END], margins.territories["msk-sao"], at) == (
        {"f": 70, "m": 60}, 30, 80, NOW)  # fmt: skip
    later = NOW + timedelta(hours=1)
    await keep_margins(session, [b"dimension,value,number\nsex,f,1\nsex,m,2\n"], **kept(source="Другой", now=later))
    margins, at = await margins_named(session, "census-2021")
    assert (margins.sexes, margins.ages, margins.source, at) == ({"f": 1, "m": 2}, {}, "Другой", later)
    [one] = [one for one in await margin_sets(session) if one.code == "census-2021"]
    assert one.numbers == 2
    await remove_margins(session, "census-2021", later)
    assert "census-2021" not in {one.code for one in await margin_sets(session)}
    left = select(func.count()).where(census_margin.c.set_code == "census-2021")
    assert await session.scalar(left) == 0
    for code in ("census-2021", "x" * 5000, "\0", "", "'; DROP TABLE poll; --"):
        with pytest.raises(MarginsNotFound):
            await remove_margins(session, code, later)
        with pytest.raises(MarginsNotFound):
            await margins_named(session, code)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"code": "register"}, "code"),
        ({"code": "Перепись"}, "code"),
        ({"code": "x" * 65}, "code"),
        ({"code": "a\n"}, "code"),
        ({"name": Text(en="Census")}, "name/ru"),
        ({"name": Text(ru="я" * 201)}, "name/ru"),
        ({"source": "  "}, "source"),
        ({"source": "s" * 501}, "source"),
        ({"as_of": None}, "as_of"),
        ({"as_of": date(2199, 1, 1)}, "as_of"),
    ],
)
async def test_what_is_said_of_a_set_is_checked(session: Session, given: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        await keep_margins(session, [GOOD.encode()], **kept(**given))
    assert [error.path for error in refused.value.errors] == [path]


async def test_a_bad_file_leaves_the_old_set(session: Session) -> None:
    await a_city(session)
    await keep_margins(session, [GOOD.encode()], **kept())
    with pytest.raises(BadRegister):
        await keep_margins(session, [b"dimension,value,number\nsex,f,1\nsex,x,2\n"], **kept())
    assert (await margins_named(session, "census-2021"))[0].sexes == {"f": 70, "m": 60}
