"""A workbook for Excel and its kin, written line by line to disk: sheets with a frozen first line, filters and widths.

Whatever is text is written as text, so that no cell is a formula however it begins, nothing becomes a link, and nothing
that looks like a number becomes one. Numbers are numbers, shares percentages, days dates. Memory does not grow with the
lines: they go to a temporary file as they come. The library is imported when it is first needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from results.exports.dialects import number_text

LINES: Final = 1_048_576
"""Lines of a sheet, the first one with the titles among them."""
LONGEST_TEXT: Final = 32_767
LONGEST_NAME: Final = 31
WIDTHS: Final = {"text": 34, "code": 16, "number": 12, "long": 70}

Cell = str | int | bool | Decimal | Fraction | date | datetime | None


class Hidden:
    """A cell whose figure is hidden: empty, and shaded so that nobody takes it for a zero."""


HIDDEN: Final = Hidden()


@dataclass(frozen=True)
class SheetColumn:
    """A column: its title and the look of its cells (a key of `WIDTHS` or of the formats of :class:`Workbook`)."""

    title: str
    look: str

    @property
    def width(self) -> int:
        """In characters."""
        return WIDTHS.get(self.look, max(WIDTHS["number"], min(24, len(self.title) + 4)))


class Workbook:
    """A workbook at a path. Use it in `with`: it is whole at the end of the block, and dropped if the block raises."""

    def __init__(self, path: Path, title: str, licence: str) -> None:
        import xlsxwriter  # type: ignore[import-untyped]

        self._path = path
        options = {"constant_memory": True, "tmpdir": str(path.parent), "strings_to_formulas": False,
                   "strings_to_urls": False, "strings_to_numbers": False, "in_memory": False}  # fmt: skip
        self.book: Any = xlsxwriter.Workbook(str(path), options)
        self.book.set_properties({"title": title[:200], "comments": licence})
        plain = {"text": "@", "code": "@", "long": "@", "integer": "#,##0", "id": "0", "decimal": "0.00####",
                 "share": "0.0%", "money": "#,##0.00", "day": "yyyy-mm-dd", "moment": "yyyy-mm-dd hh:mm"}  # fmt: skip
        self.looks = {look: self.book.add_format({"num_format": code}) for look, code in plain.items()}
        self.looks["long"].set_text_wrap()
        self.title = self.book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        self.hidden = self.book.add_format({"bg_color": "#D9D9D9"})
        self._names: set[str] = set()

    def __enter__(self) -> Workbook:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.book.close()
            return
        for sheet in self.book.worksheets():  # without an end of its own the library leaves its temporary files behind
            with suppress(OSError, AttributeError):
                handle = sheet.row_data_fh
                handle.close()
                Path(sheet.row_data_filename).unlink(missing_ok=True)
        self.book.fileclosed = True

    def sheet(self, name: str, columns: Sequence[SheetColumn]) -> Sheet:
        """The next sheet. Lines of the one before can no longer be added to."""
        return Sheet(self, self.book.add_worksheet(self._own(name)), columns)

    def charts(self, name: str) -> Any:
        """A sheet for charts."""
        return self.book.add_worksheet(self._own(name))

    def _own(self, name: str) -> str:
        """A name as Excel takes it: at most 31 characters, none of ``[]:*?/\\``, no two alike."""
        clean = "".join("-" if letter in "[]:*?/\\" else letter for letter in name).strip("' ")[:LONGEST_NAME] or "-"
        found, number = clean, 2
        while found.casefold() in self._names:
            found = f"{clean[: LONGEST_NAME - len(str(number)) - 1]} {number}"
            number += 1
        self._names.add(found.casefold())
        return found


class Sheet:
    """A table: its first line is frozen and has filters."""

    def __init__(self, book: Workbook, worksheet: Any, columns: Sequence[SheetColumn]) -> None:
        self._book, self._columns = book, columns
        self.worksheet, self.name = worksheet, str(worksheet.name)
        self.lines = 1
        for number, column in enumerate(columns):
            worksheet.set_column(number, number, column.width)
            worksheet.write_string(0, number, column.title, book.title)
        worksheet.freeze_panes(1, 0)

    @property
    def full(self) -> bool:
        """Whether no line more fits."""
        return self.lines >= LINES

    def add(self, cells: Iterable[Cell | Hidden]) -> int:
        """One more line; gives its number, from 1 below the titles. Raises ValueError on a full sheet."""
        if self.full:
            raise ValueError(f"a sheet has no more than {LINES:,} lines")
        for number, (cell, column) in enumerate(zip(cells, self._columns, strict=True)):
            self._write(number, cell, column.look)
        self.lines += 1
        return self.lines - 1

    def end(self) -> None:
        """Say where the filters reach."""
        self.worksheet.autofilter(0, 0, max(1, self.lines - 1), len(self._columns) - 1)

    def _write(self, number: int, cell: Cell | Hidden, look: str) -> None:
        sheet, line = self.worksheet, self.lines
        match cell:
            case None:
                return
            case Hidden():
                sheet.write_blank(line, number, None, self._book.hidden)
            case bool():
                sheet.write_boolean(line, number, cell)
            case str():
                sheet.write_string(line, number, cell[:LONGEST_TEXT], self._book.looks.get(look))
            case datetime():
                sheet.write_datetime(line, number, cell.replace(tzinfo=None), self._book.looks["moment"])
            case date():
                sheet.write_datetime(line, number, cell, self._book.looks["day"])
            case int():
                sheet.write_number(line, number, cell, self._book.looks.get(look))
            case _:  # the number that CSV writes
                sheet.write_number(line, number, float(number_text(cell)), self._book.looks.get(look))
