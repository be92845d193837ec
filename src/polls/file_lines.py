"""Reading a CSV file line by line: bytes in, fields out, every bad line reported, in bounded memory. Pure.

The file is in UTF-8 (a BOM is tolerated), with `,` or `;`, one record a line, and a header in Russian or English. What
a record is made of is a subclass's matter: of citizens :class:`polls.register_file.RegisterReader`, of flats
:class:`polls.unit_file.UnitReader`, of invited residents :class:`polls.invited_file.InvitedReader`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from polls.errors import BadFile
from polls.register_fields import BadValue, quoted

MAX_LINE = 65_536
KEPT_ERRORS = 1_000
ENCODING = "the text is not UTF-8 (Windows-1251 or UTF-16, perhaps): save the file as CSV UTF-8"


@dataclass(frozen=True)
class RowError:
    """One thing wrong in a file. `line` counts from 1 (the header); `code` is stable, `reason` is English."""

    line: int
    field: str
    code: str
    reason: str


class BadRegister(BadFile):
    """A file with errors; nothing of it was taken. `errors` holds the first of them, `error_count` all."""

    def __init__(self, errors: Sequence[RowError], error_count: int) -> None:
        self.errors = tuple(errors)
        self.error_count = error_count
        first = self.errors[0]
        super().__init__(line=first.line, field=first.field, reason=first.reason, error_count=error_count)


@dataclass
class Errors:
    """What is wrong with a file: every error counted, the first `KEPT_ERRORS` kept."""

    kept: list[RowError] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, name: str, code: str, reason: str) -> None:
        """Count an error, and keep it while there is room."""
        self.count += 1
        if len(self.kept) < KEPT_ERRORS:
            self.kept.append(RowError(line, name, code, reason))

    def refuse(self) -> None:
        """Raise BadRegister, errors in the order of lines, if there is any."""
        if self.count:
            raise BadRegister(sorted(self.kept, key=lambda error: error.line), self.count)


class LineReader:
    """Turns pieces of a file into text for PostgreSQL's COPY, a line a record, as the subclass writes it.

    `feed` pieces of any size, then `finish`; what is wrong gathers in `errors`. A header that cannot be used raises
    BadRegister at once. `rows` counts the records read.
    """

    columns: ClassVar[tuple[str, ...]]
    optional: ClassVar[frozenset[str]]
    synonyms: ClassVar[Mapping[str, str]]
    """Titles in lower case, without «ё», with the column each stands for."""

    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        self.rows = 0
        self._line = 0
        self._tail = b""
        self._skipping = False
        self._delimiter = ""
        self._names: list[str] = []

    def _begin(self) -> None:
        """The header is read: `_names` says which column stands where."""
        raise NotImplementedError

    def _record(self, fields: list[str]) -> str:
        """One record as COPY text with its line break; "" when it is bad and has been reported."""
        raise NotImplementedError

    def feed(self, piece: bytes) -> bytes:
        """Read a piece of the file; give the COPY text of the rows it completes."""
        if self._skipping:
            end = piece.find(b"\n")
            if end < 0:
                return b""
            self._skipping, piece = False, piece[end + 1 :]
        data = self._tail + piece
        cut = data.rfind(b"\n") + 1
        self._tail = data[cut:]
        lines = self._take(data[:cut]) if cut else b""
        if len(self._tail) > MAX_LINE:  # the rest of it is thrown away as it comes
            self._too_long()
            self._tail, self._skipping = b"", True
        return lines

    def finish(self) -> bytes:
        """Read the last line and make sure that there was something to read."""
        lines = self._take(self._tail) if self._tail else b""
        self._tail = b""
        if not self._names:
            raise BadRegister([RowError(1, "", "empty_file", "the file is empty")], 1)
        if not self.rows and not self.errors.count:
            self.errors.add(1, "", "no_rows", "there is a header and no rows")
        return lines

    # ---- lines

    def _take(self, block: bytes) -> bytes:
        try:
            lines = block.decode().split("\n")
        except UnicodeDecodeError:
            return b"".join(self._take_one(line) for line in block.removesuffix(b"\n").split(b"\n"))
        if not lines[-1]:
            lines.pop()
        return "".join([self._read(line) for line in lines]).encode()

    def _take_one(self, raw: bytes) -> bytes:
        try:
            return self._read(raw.decode()).encode()
        except UnicodeDecodeError:
            self._line += 1
            if not self._names:
                raise BadRegister([RowError(self._line, "", "not_utf8", ENCODING)], 1) from None
            self.rows += 1
            self.errors.add(self._line, "", "not_utf8", ENCODING)
            return b""

    def _too_long(self) -> None:
        self._line += 1
        if not self._names:
            raise BadRegister([RowError(self._line, "", "line_too_long", f"longer than {MAX_LINE} bytes")], 1)
        self.rows += 1
        self.errors.add(self._line, "", "line_too_long", f"longer than {MAX_LINE} bytes")

    def _read(self, line: str) -> str:
        if len(line) > MAX_LINE:
            self._too_long()
            return ""
        self._line += 1
        line = line.removesuffix("\r")
        if not self._names:
            line = line.removeprefix("\ufeff")
        if not line:
            return ""
        if not self._names:
            self._read_header(line)
            return ""
        self.rows += 1
        try:
            fields = self._split(line)
            if len(fields) != len(self._names):
                raise BadValue("ragged", f"{len(fields)} fields instead of {len(self._names)}")
        except BadValue as bad:
            self.errors.add(self._line, "", bad.code, bad.reason)
            return ""
        return self._record(fields)

    def _split(self, line: str) -> list[str]:
        if not line.isprintable() and any(ord(ch) < 32 or 127 <= ord(ch) < 160 for ch in line):
            raise BadValue("control_character", "contains a NUL, a line break or another control character")
        if '"' not in line:
            return line.split(self._delimiter)
        try:
            return next(csv.reader([line], delimiter=self._delimiter, strict=True))
        except csv.Error:
            reason = "a quotation mark is out of place or not closed (a field may not hold a line break)"
            raise BadValue("bad_quotes", reason) from None

    def _try(self, name: str, parse: Callable[[str], str], raw: str) -> str | None:
        try:
            return parse(raw)
        except BadValue as bad:
            self.errors.add(self._line, name, bad.code, bad.reason)
            return None

    # ---- the header

    def _read_header(self, line: str) -> None:
        self._delimiter = ";" if line.count(";") > line.count(",") else ","
        try:
            titles = self._split(line)
        except BadValue as bad:
            raise BadRegister([RowError(self._line, "", bad.code, bad.reason)], 1) from None
        names = []
        for number, title in enumerate(titles, 1):
            name = self.synonyms.get(" ".join(title.lower().replace("ё", "е").split()), "")
            if not name:
                self.errors.add(self._line, f"column {number}", "unknown_column", f"unknown column{quoted(title)}")
            elif name in names:
                self.errors.add(self._line, name, "column_repeats", "the column repeats")
            names.append(name)
        for name in self.columns:
            if name not in names and name not in self.optional:
                self.errors.add(self._line, name, "column_missing", "the column is missing")
        self.errors.refuse()
        self._names = names
        self._begin()
