"""Reading a file of flats and their owners: bytes in, checked rows out, in bounded memory. Pure.

One owner of one flat a line; a flat with three owners has three lines, one whose owner nobody knows has a line with no
identifier. Columns: building (code or address), number, kind (flat or nonresidential; flat where it is not given), area
in square metres with up to two decimals, national_id or subject (the city's sign-on), share (``1/3``, ``0.5``, ``1``;
the whole flat where it is empty), since (a day: when the ownership began, for flats that are new).

The checked rows are text for PostgreSQL's COPY and hold keys instead of identifiers; no error repeats one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from polls.file_lines import Errors, LineReader
from polls.invited_file import identifier_keys
from polls.register_fields import BadValue, FieldParsers, Parsed, Vocabulary, known_building

MAX_NUMBER = 20
MAX_AREA = 100_000_000  # hundredths of a square metre: a hectare of 100 is more than any flat
MAX_PART = 2**31 - 1

COLUMNS = ("building", "number", "kind", "area", "national_id", "subject", "share", "since")
OPTIONAL = frozenset({"kind", "national_id", "subject", "share", "since"})
COPIED = ("line", "building", "number", "kind", "area", "numerator", "denominator", "since", "id_kind", "key")
SYNONYMS: Mapping[str, str] = {
    **{name: name for name in COLUMNS},
    **dict.fromkeys(("дом", "адрес", "адрес дома", "код дома", "house"), "building"),
    **dict.fromkeys(("номер", "номер помещения", "квартира", "помещение", "flat", "unit"), "number"),
    **dict.fromkeys(("вид", "вид помещения", "тип", "тип помещения"), "kind"),
    **dict.fromkeys(("площадь", "общая площадь", "площадь, кв. м", "площадь, м2", "площадь, м²"), "area"),
    **dict.fromkeys(("снилс", "id", "national id", "идентификатор"), "national_id"),
    **dict.fromkeys(("учетная запись", "sso", "subject id"), "subject"),
    **dict.fromkeys(("доля", "доля в праве"), "share"),
    **dict.fromkeys(("дата права", "собственник с", "owner since", "дата регистрации права"), "since"),
}
KINDS: Mapping[str, str] = {
    **dict.fromkeys(("flat", "квартира", "жилое", "жилое помещение", ""), "flat"),
    **dict.fromkeys(("nonresidential", "нежилое", "нежилое помещение"), "nonresidential"),
}
_AREA = re.compile(r"([0-9]{1,6})(?:[.,]([0-9]{1,2}))?")
_SHARE = re.compile(r"([0-9]{1,10})/([0-9]{1,10})")
_DECIMAL = re.compile(r"([01])(?:[.,]([0-9]{1,9}))?")


class UnitReader(LineReader):
    """Turns a file of flats into COPY text with the columns `COPIED`, then the keys under older secrets."""

    columns = COLUMNS
    optional = OPTIONAL
    synonyms = SYNONYMS

    def __init__(
        self, buildings: Mapping[str, int | None], secrets: Mapping[int, bytes], now: datetime, zone: ZoneInfo,
        errors: Errors,
    ) -> None:  # fmt: skip
        super().__init__(errors)
        self._secrets = [secrets[version] for version in sorted(secrets, reverse=True)]
        day = FieldParsers(Vocabulary({}, {}), now, zone).by_name["registered_at"]
        self._parsers: dict[str, Parsed] = {
            "building": Parsed(lambda value: str(known_building(buildings, value))),
            "number": Parsed(_number),
            "kind": Parsed(_kind),
            "area": Parsed(_area),
            "share": Parsed(_share),
            "since": day,
        }

    def _begin(self) -> None:
        if not {"national_id", "subject"} & set(self._names):
            self.errors.add(self._line, "national_id", "column_missing", "the column is missing (or subject)")
            self.errors.refuse()

    def _record(self, fields: list[str]) -> str:
        given = dict(zip(self._names, fields, strict=True))
        values = [self._try(name, parser.__getitem__, given.get(name, "")) for name, parser in self._parsers.items()]
        identifiers = "\t".join((given.get("national_id", ""), given.get("subject", "")))
        keys = self._try("national_id", lambda both: identifier_keys(both, self._secrets), identifiers)
        if None in values or keys is None:
            return ""
        return "\t".join((str(self._line), *filter(None, values), keys)) + "\n"


def _number(value: str) -> str:
    if not value:
        raise BadValue("empty", "empty")
    if len(value) > MAX_NUMBER:
        raise BadValue("too_long", f"longer than {MAX_NUMBER} characters")
    return value.replace("\\", "\\\\")


def _kind(value: str) -> str:
    if value.lower() not in KINDS:
        raise BadValue("unknown_kind", "unknown kind: write flat or nonresidential")
    return KINDS[value.lower()]


def _area(value: str) -> str:
    found = _AREA.fullmatch(value.replace("\u00a0", "").replace(" ", ""))
    if not found:
        raise BadValue("bad_area", "not an area in square metres with up to two decimals")
    area = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))
    if not 0 < area <= MAX_AREA:
        raise BadValue("bad_area", "not an area that a flat can have")
    return str(area)


def _share(value: str) -> str:
    value = value.replace(" ", "") or "1"
    if found := _SHARE.fullmatch(value):
        numerator, denominator = int(found[1]), int(found[2])
    elif found := _DECIMAL.fullmatch(value):
        decimals = found[2] or ""
        numerator, denominator = int(found[1] + decimals), 10 ** len(decimals)
    else:
        raise BadValue("bad_share", "not a share: write 1/3, 0.5 or 1")
    if not 0 < numerator <= denominator <= MAX_PART:
        raise BadValue("bad_share", "a share is more than nothing and at most the whole")
    share = Fraction(numerator, denominator)
    return f"{share.numerator}\t{share.denominator}"
