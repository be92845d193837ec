"""A file opened and saved by a real spreadsheet: Cyrillic stays, and a project named like a formula stays text.

Runs where LibreOffice is installed; VECHE_REQUIRE_LIBREOFFICE=1 makes its absence a failure.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path

import openpyxl
import pytest

from results.exports.dialects import Dialect, csv_chunks
from results.exports.workbook import SheetColumn, Workbook

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
ROWS = [("Сквер у дома — «Ёлки»", 1250, Fraction(1, 3)), ("=1+1", 40, Fraction(1, 2)), ("@SUM(A1:A9)", 10, Fraction(0)),
        ("-5 градусов", 11, Fraction(1))]  # fmt: skip
OPEN = "CSV:59,34,76,1,,1049,false,true"
"""Semicolon, double quote, UTF-8, from line 1, Russian settings, numbers recognised: as Excel in Moscow opens it."""


@pytest.fixture
def soffice() -> str:
    if SOFFICE is None:
        if os.environ.get("VECHE_REQUIRE_LIBREOFFICE") == "1":
            pytest.fail("LibreOffice is required and not installed")
        pytest.skip("LibreOffice is not installed: NOT CHECKED that a spreadsheet keeps our text as text")
    return SOFFICE


@pytest.mark.timeout(180)
def test_a_workbook_opens_in_a_spreadsheet_and_comes_back_the_same(soffice: str, tmp_path: Path) -> None:
    columns = [SheetColumn("Вариант", "text"), SheetColumn("Голосов", "integer"), SheetColumn("Доля", "share"),
               SheetColumn("День", "day")]  # fmt: skip
    path = tmp_path / "results.xlsx"
    with Workbook(path, "Сквер", "CC BY 4.0") as book:
        sheet = book.sheet("Результаты", columns)
        for option, votes, share in ROWS:
            sheet.add((option, votes, share, date(2026, 11, 22)))
        sheet.end()
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = [soffice, profile, "--headless", "--convert-to", "ods", "--outdir", str(tmp_path / "a"), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=150)
    command = [soffice, profile, "--headless", "--convert-to", "xlsx", "--outdir", str(tmp_path / "b"),
               str(tmp_path / "a" / "results.ods")]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=150)
    back = openpyxl.load_workbook(tmp_path / "b" / "results.xlsx")["Результаты"]
    rows = list(back.iter_rows(min_row=2))
    assert [row[0].value for row in rows] == [option for option, _, _ in ROWS], "text stays text"
    assert {row[0].data_type for row in rows} == {"s"}
    assert [(row[1].value, round(row[2].value, 6)) for row in rows] == [(n, round(float(s), 6)) for _, n, s in ROWS]
    assert {row[3].value for row in rows} == {datetime(2026, 11, 22)}
    assert back.auto_filter.ref and "%" in rows[0][2].number_format


@pytest.mark.parametrize("through", ["xlsx", "ods"])
@pytest.mark.timeout(180)
def test_a_spreadsheet_keeps_cyrillic_text_and_numbers(soffice: str, tmp_path: Path, through: str) -> None:
    source = tmp_path / "results.csv"
    source.write_bytes(b"".join(csv_chunks(["option_ru", "votes", "share"], ROWS, Dialect.EXCEL)))

    def convert(file: Path, to: str, *more: str) -> Path:
        folder = tmp_path / f"to_{to.split(':')[0]}_{file.suffix[1:]}"
        profile = f"-env:UserInstallation=file://{tmp_path}/profile"
        command = [soffice, profile, "--headless", *more, "--convert-to", to, "--outdir", str(folder), str(file)]
        subprocess.run(command, check=True, capture_output=True, timeout=150)
        return folder / f"{file.stem}.{to.split(':')[0]}"

    book = convert(source, through, f"--infilter={OPEN}")
    back = convert(book, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false")
    rows = list(csv.reader(back.read_text("utf-8-sig").splitlines()))
    assert [row[0] for row in rows[1:]] == ["Сквер у дома — «Ёлки»", "'=1+1", "'@SUM(A1:A9)", "'-5 градусов"]
    assert [row[1] for row in rows[1:]] == ["1250", "40", "10", "11"]
