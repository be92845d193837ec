"""A file opened and saved by a real spreadsheet: Cyrillic stays, and a project named like a formula stays text.

Runs where LibreOffice is installed; VECHE_REQUIRE_LIBREOFFICE=1 makes its absence a failure.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from results.exports.dialects import Dialect, csv_chunks

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
