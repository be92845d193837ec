"""Reading a register file: bytes in, checked rows out, in bounded memory. Pure.

One citizen a line; how files are read is in :mod:`polls.file_lines`. Every bad row is reported with its line, field and
reason; no error ever repeats an identifier. The checked rows are text for PostgreSQL's COPY, holding keys instead of
national ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from polls.file_lines import KEPT_ERRORS, BadRegister, Errors, LineReader, RowError
from polls.identity import identity_key
from polls.register_fields import BadValue, FieldParsers, Parsed, Vocabulary

__all__ = ["KEPT_ERRORS", "BadRegister", "Errors", "RegisterReader", "RowError"]

COLUMNS = ("national_id", "birth_date", "sex", "district", "level", "groups", "registered_at", "building")
OPTIONAL = frozenset({"registered_at", "building"})
SYNONYMS: Mapping[str, str] = {
    **{name: name for name in COLUMNS},
    **dict.fromkeys(("id", "national id", "снилс", "номер", "идентификатор"), "national_id"),
    **dict.fromkeys(("birthdate", "birth date", "date of birth", "born", "дата рождения", "родился"), "birth_date"),
    **dict.fromkeys(("gender", "пол"), "sex"),
    **dict.fromkeys(("territory", "район", "район проживания", "территория"), "district"),
    **dict.fromkeys(("verification", "verification level", "уровень", "уровень подтверждения"), "level"),
    **dict.fromkeys(("group", "группы", "группа", "категории"), "groups"),
    **dict.fromkeys(("registered at", "registered", "дата регистрации", "зарегистрирован"), "registered_at"),
    **dict.fromkeys(("house", "дом", "адрес дома"), "building"),
}


class RegisterReader(LineReader):
    """Turns a register file into COPY text: line, key, birth date, sex, district id, level, groups, registered at.

    After these come the building, if the file has it, and the keys under older secrets, newest first.
    """

    columns = COLUMNS
    optional = OPTIONAL
    synonyms = SYNONYMS

    def __init__(
        self, vocabulary: Vocabulary, secrets: Mapping[int, bytes], now: datetime, zone: ZoneInfo, errors: Errors
    ) -> None:
        super().__init__(errors)
        self._secrets = [secrets[version] for version in sorted(secrets, reverse=True)]
        self._fields: list[tuple[Parsed, int]] = []
        self._id = 0
        self._parsers = FieldParsers(vocabulary, now, zone).by_name

    def _begin(self) -> None:
        self._id = self._names.index("national_id")
        self._fields = [(self._parsers[name], self._names.index(name)) for name in self.copied_columns]

    def _record(self, fields: list[str]) -> str:
        try:
            values = [parser[fields[at]] for parser, at in self._fields]
            return f"{self._line}\t{self._keys(fields[self._id])}\t" + "\t".join(values) + "\n"
        except BadValue:
            return self._report(fields)

    def _report(self, fields: list[str]) -> str:
        """Report every bad field of a row. Its key still goes on, so that a repeated id is found as well."""
        for parser, at in self._fields:
            self._try(self._names[at], parser.__getitem__, fields[at])
        keys = self._try("national_id", self._keys, fields[self._id])
        return "" if keys is None else f"{self._line}\t{keys}" + "\t\\N" * len(self._fields) + "\n"

    @property
    def copied_columns(self) -> tuple[str, ...]:
        """The columns of the COPY text after line and keys, once the header is read."""
        return tuple(name for name in COLUMNS[1:] if name in self._names)

    def _keys(self, raw: str) -> str:
        try:
            keys = [identity_key(secret, "national_id", raw).hex() for secret in self._secrets]
        except ValueError as error:
            raise BadValue("bad_identifier", str(error)) from None
        return "\\\\x" + "\t\\\\x".join(keys)
