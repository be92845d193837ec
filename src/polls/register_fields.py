"""The fields of a register file: how each is written, and what is wrong when it is not. Pure.

A reason never repeats an identifier: a value is quoted only where it cannot be somebody's number, since the columns of
a bad file may be shifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from polls.eligibility import age_on

MAX_FIELD = 200
MAX_AGE = 130
SEXES: Mapping[str, str] = {
    **dict.fromkeys(("f", "female", "woman", "ж", "жен", "женский", "женщина"), "f"),
    **dict.fromkeys(("m", "male", "man", "м", "муж", "мужской", "мужчина"), "m"),
}


@dataclass(frozen=True)
class Vocabulary:
    """The names a file may use: districts and buildings by code and name (None: the name is not unique), groups."""

    districts: Mapping[str, int | None]
    groups: Mapping[str, int]
    buildings: Mapping[str, int | None] = field(default_factory=dict)


class BadValue(Exception):
    """A value that cannot be taken: stable code and reason."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(code)


class Parsed(dict[str, str]):
    """Values parsed so far: a million rows hold few different dates, districts and groups."""

    LIMIT = 50_000

    def __init__(self, parse: Callable[[str], str]) -> None:
        self._parse = parse
        super().__init__()

    def __missing__(self, raw: str) -> str:
        if len(raw) > MAX_FIELD:
            raise BadValue("too_long", f"longer than {MAX_FIELD} characters")
        value = self._parse(raw.strip())
        if len(self) >= self.LIMIT:
            self.clear()
        self[raw] = value
        return value


class FieldParsers:
    """The parsers of all fields but the identifier, for one import: text in, text for PostgreSQL's COPY out."""

    def __init__(self, vocabulary: Vocabulary, now: datetime, zone: ZoneInfo) -> None:
        self._vocabulary = vocabulary
        self._now = now
        self._zone = zone
        self._today = now.astimezone(zone).date()
        self.by_name: dict[str, Parsed] = {
            "birth_date": Parsed(self._birth_date),
            "sex": Parsed(self._sex),
            "district": Parsed(self._district),
            "level": Parsed(self._level),
            "groups": Parsed(self._groups),
            "registered_at": Parsed(self._registered_at),
            "building": Parsed(self._building),
        }

    def _birth_date(self, value: str) -> str:
        born = _date(value)
        if born > self._today:
            raise BadValue("in_future", "in the future")
        if age_on(born, self._today) > MAX_AGE:
            raise BadValue("too_old", f"more than {MAX_AGE} years ago")
        return born.isoformat()

    def _sex(self, value: str) -> str:
        sex = SEXES.get(value.lower())
        if sex is None:
            raise BadValue("unknown_sex", f"unknown sex{quoted(value)}: write f or m")
        return sex

    def _district(self, value: str) -> str:
        if not value:
            raise BadValue("empty", "empty")
        if value not in self._vocabulary.districts:
            raise BadValue("unknown_district", f"unknown district{quoted(value)}")
        found = self._vocabulary.districts[value]
        if found is None:
            raise BadValue("ambiguous_district", f"several districts have the name{quoted(value)}: write the code")
        return str(found)

    def _building(self, value: str) -> str:
        return str(known_building(self._vocabulary.buildings, value)) if value else "\\N"

    def _level(self, value: str) -> str:
        if value not in ("0", "1", "2", "3"):
            raise BadValue("bad_level", "not 0, 1, 2 or 3")
        return value

    def _groups(self, value: str) -> str:
        found = set()
        for part in value.split("|") if value else ():
            group = self._vocabulary.groups.get(part.strip())
            if group is None:
                raise BadValue("unknown_group", f"unknown group{quoted(part.strip())}")
            found.add(group)
        return "{" + ",".join(map(str, sorted(found))) + "}"

    def _registered_at(self, value: str) -> str:
        if not value:
            return "\\N"
        if len(value) <= 10:
            day = _date(value)
            moment = datetime(day.year, day.month, day.day)
        else:
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                raise BadValue("bad_time", "not a time: write YYYY-MM-DD or YYYY-MM-DDThh:mm") from None
        if moment.year < 1900:
            raise BadValue("too_early", "before 1900")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        if moment > self._now:
            raise BadValue("in_future", "in the future")
        return moment.astimezone(UTC).isoformat()


def known_building(buildings: Mapping[str, int | None], value: str) -> int:
    """The id of a building written as its code or its address. Raises BadValue."""
    if value not in buildings:
        raise BadValue("unknown_building", f"unknown building{quoted(value)}")
    found = buildings[value]
    if found is None:
        raise BadValue("ambiguous_building", f"several buildings have the address{quoted(value)}: write the code")
    return found


_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DOTTED = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4})")


def _date(value: str) -> date:
    if not value:
        raise BadValue("empty", "empty")
    try:
        if match := _ISO.fullmatch(value):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if match := _DOTTED.fullmatch(value):
            return date(int(match[3]), int(match[2]), int(match[1]))
    except ValueError:
        raise BadValue("no_such_day", "there is no such day") from None
    raise BadValue("bad_date", "not a date: write YYYY-MM-DD or DD.MM.YYYY")


def quoted(value: str) -> str:
    """The value in quotation marks, or nothing where it has a digit and might be somebody's number."""
    if not value or len(value) > 60 or any(ch.isnumeric() for ch in value) or not value.isprintable():
        return ""
    return f" «{value}»"
