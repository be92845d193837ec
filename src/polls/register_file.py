"""Reading a register file: bytes in, checked rows out, in bounded memory. Pure.

The file is CSV in UTF-8 (a BOM is tolerated), with `,` or `;`, one citizen a line, and a header in Russian or English.
Every bad row is reported with its line, field and reason; no error ever repeats an identifier.

The checked rows are text for PostgreSQL's COPY, holding keys instead of national ids.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from polls.errors import BadFile
from polls.identity import identity_key
from polls.register_fields import BadValue, FieldParsers, Parsed, Vocabulary, quoted

MAX_LINE = 65_536
KEPT_ERRORS = 1_000
ENCODING = "the text is not UTF-8 (Windows-1251 or UTF-16, perhaps): save the file as CSV UTF-8"

COLUMNS = ("national_id", "birth_date", "sex", "district", "level", "groups", "registered_at")
OPTIONAL = frozenset({"registered_at"})
SYNONYMS: Mapping[str, str] = {
    **{name: name for name in COLUMNS},
    **dict.fromkeys(("id", "national id", "снилс", "номер", "идентификатор"), "national_id"),
    **dict.fromkeys(("birthdate", "birth date", "date of birth", "born", "дата рождения", "родился"), "birth_date"),
    **dict.fromkeys(("gender", "пол"), "sex"),
    **dict.fromkeys(("territory", "район", "район проживания", "территория"), "district"),
    **dict.fromkeys(("verification", "verification level", "уровень", "уровень подтверждения"), "level"),
    **dict.fromkeys(("group", "группы", "группа", "категории"), "groups"),
    **dict.fromkeys(("registered at", "registered", "дата регистрации", "зарегистрирован"), "registered_at"),
}


@dataclass(frozen=True)
class RowError:
    """One thing wrong in a file. `line` counts from 1 (the header); `code` is stable, `reason` is English."""

    line: int
    field: str
    code: str
    reason: str


class BadRegister(BadFile):
    """A register file with errors; nothing of it was taken. `errors` holds the first of them, `error_count` all."""

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


class RegisterReader:
    """Turns pieces of a file into COPY text: line, key, birth date, sex, district id, level, groups, registered at.

    After these come the keys under older secrets, newest first. `feed` pieces of any size, then `finish`; what is wrong
    gathers in `errors`. A header that cannot be used raises BadRegister at once.
    """

    def __init__(
        self, vocabulary: Vocabulary, secrets: Mapping[int, bytes], now: datetime, zone: ZoneInfo, errors: Errors
    ) -> None:
        self.errors = errors
        self.rows = 0
        self._secrets = [secrets[version] for version in sorted(secrets, reverse=True)]
        self._line = 0
        self._tail = b""
        self._skipping = False
        self._delimiter = ""
        self._names: list[str] = []
        self._columns: list[tuple[Parsed, int]] = []
        self._id = 0
        self._parsers = FieldParsers(vocabulary, now, zone).by_name

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
        try:
            values = [parser[fields[at]] for parser, at in self._columns]
            return f"{self._line}\t{self._keys(fields[self._id])}\t" + "\t".join(values) + "\n"
        except BadValue:
            return self._report(fields)

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

    def _report(self, fields: list[str]) -> str:
        """Report every bad field of a row. Its key still goes on, so that a repeated id is found as well."""
        for parser, at in self._columns:
            self._try(self._names[at], parser.__getitem__, fields[at])
        keys = self._try("national_id", self._keys, fields[self._id])
        return "" if keys is None else f"{self._line}\t{keys}" + "\t\\N" * len(self._columns) + "\n"

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
            name = SYNONYMS.get(" ".join(title.lower().replace("ё", "е").split()), "")
            if not name:
                self.errors.add(self._line, f"column {number}", "unknown_column", f"unknown column{quoted(title)}")
            elif name in names:
                self.errors.add(self._line, name, "column_repeats", "the column repeats")
            names.append(name)
        for name in COLUMNS:
            if name not in names and name not in OPTIONAL:
                self.errors.add(self._line, name, "column_missing", "the column is missing")
        self.errors.refuse()
        self._names = names
        self._id = names.index("national_id")
        self._columns = [(self._parsers[name], names.index(name)) for name in COLUMNS[1:] if name in names]

    @property
    def copied_columns(self) -> tuple[str, ...]:
        """The columns of the COPY text after line and keys, once the header is read."""
        return tuple(name for name in COLUMNS[1:] if name in self._names)

    # ---- fields

    def _keys(self, raw: str) -> str:
        try:
            keys = [identity_key(secret, "national_id", raw).hex() for secret in self._secrets]
        except ValueError as error:
            raise BadValue("bad_identifier", str(error)) from None
        return "\\\\x" + "\t\\\\x".join(keys)
