"""Reading a file of census margins: one number of residents a line, every bad line reported. Pure.

``dimension,value,number``: ``okrug`` or ``district`` with a code or a name, ``age`` with years (``18-24``, ``65+``),
``sex`` with f or m. The format is described in docs/data-formats.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from polls.file_lines import Errors, LineReader
from polls.register_fields import MAX_AGE, SEXES, BadValue, quoted
from polls.territories import TerritoryTree
from results.representation import NO_END

COLUMNS = ("dimension", "value", "number")
SYNONYMS: Mapping[str, str] = {
    **{name: name for name in COLUMNS},
    **dict.fromkeys(("измерение", "разрез"), "dimension"),
    **dict.fromkeys(("значение", "группа", "group"), "value"),
    **dict.fromkeys(("число", "численность", "жителей", "население", "population", "residents"), "number"),
}
DIMENSIONS: Mapping[str, str] = {
    **dict.fromkeys(("okrug", "округ"), "okrug"),
    **dict.fromkeys(("district", "район", "поселение"), "district"),
    **dict.fromkeys(("age", "age_band", "возраст"), "age"),
    **dict.fromkeys(("sex", "пол"), "sex"),
}
MAX_ROWS = 5_000
MOST = 10**10
_AGES = re.compile(r"([0-9]{1,3})(?:\s*[-–—]\s*([0-9]{1,3})|\s*\+|\s+(?:и старше|and over))")
_SPACES = str.maketrans("", "", " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}")
_MORE_SEXES = {"женщины": "f", "women": "f", "мужчины": "m", "men": "m"}

Key = tuple[str, str]
"""(dimension, value), values as they are stored: codes, ``18-24`` or ``65+``, ``f`` and ``m``."""


class MarginReader(LineReader):
    """Gathers (dimension, value) → residents in `numbers`; what is wrong goes to `errors`. Copies nothing."""

    columns = COLUMNS
    optional = frozenset[str]()
    synonyms = SYNONYMS

    def __init__(self, places: TerritoryTree, errors: Errors) -> None:
        super().__init__(errors)
        self.numbers: dict[Key, int] = {}
        self._parsers: dict[str, Callable[[str], str]] = {
            kind: _place_names(places, kind) for kind in ("okrug", "district")
        } | {"age": age_band, "sex": _sex}

    def _begin(self) -> None:
        """Every column is needed, in any order."""

    def _record(self, fields: list[str]) -> str:
        given = {name: value.strip() for name, value in zip(self._names, fields, strict=True)}
        if self.rows > MAX_ROWS:
            if self.rows == MAX_ROWS + 1:
                self.errors.add(self._line, "", "too_many_rows", f"more than {MAX_ROWS:,} rows")
            return ""
        dimension = self._try("dimension", _dimension, given["dimension"])
        number = self._try("number", _number, given["number"])
        value = self._try("value", self._parsers[dimension], given["value"]) if dimension is not None else None
        if dimension is None or value is None or number is None:
            return ""
        if (dimension, value) in self.numbers:
            self.errors.add(self._line, "value", "repeated", "the group stands in the file already")
        self.numbers[dimension, value] = int(number)
        return ""


def read_margins(pieces: Iterable[bytes], places: TerritoryTree) -> dict[Key, int]:
    """The numbers of a whole file. Raises BadRegister with every bad row: all of it is taken, or nothing."""
    errors = Errors()
    reader = MarginReader(places, errors)
    for piece in pieces:
        reader.feed(piece)
    reader.finish()
    errors.refuse()
    _check_whole(reader.numbers, errors)
    errors.refuse()
    return reader.numbers


def _check_whole(numbers: Mapping[Key, int], errors: Errors) -> None:
    """What no single line shows: age bands that overlap, dimensions without residents or with one group."""
    bands = sorted(ages_of(value) for dimension, value in numbers if dimension == "age")
    for (_, last), (first, _) in pairwise(bands):
        if first <= last:
            errors.add(1, "value", "bands_overlap", f"two age bands hold the age {first}")
    for dimension in sorted({dimension for dimension, _ in numbers}):
        groups = [n for (of, _), n in numbers.items() if of == dimension]
        if sum(n > 0 for n in groups) < 2:
            errors.add(1, "dimension", "one_group", f"{dimension}: fewer than two groups have residents")


def age_band(value: str) -> str:
    """``18-24`` or ``65+`` of what a file says. Raises BadValue."""
    found = _AGES.fullmatch(value.lower())
    if found is None:
        raise BadValue("bad_age", f"not an age band{quoted(value)}: write 18-24 or 65+")
    first, last = int(found[1]), int(found[2]) if found[2] else None
    if first > MAX_AGE or (last is not None and not first <= last <= MAX_AGE):
        raise BadValue("bad_age", f"the years of the band{quoted(value)} are not right")
    return f"{first}+" if last is None else f"{first}-{last}"


def ages_of(value: str) -> tuple[int, int]:
    """First and last year of a stored age band; the last is :data:`results.representation.NO_END` for ``65+``."""
    first, _, last = value.rstrip("+").partition("-")
    return int(first), int(last) if last else NO_END


def _place_names(places: TerritoryTree, kind: str) -> Callable[[str], str]:
    named: dict[str, set[str]] = {}
    for place in places.of_kind(kind):
        for name in {place.code, place.name_ru.lower(), place.name_en.lower(), place.short_ru.lower()} - {""}:
            named.setdefault(name, set()).add(place.code)

    def parse(value: str) -> str:
        found = {value} & {place.code for place in places.of_kind(kind)} or named.get(value.lower(), set())
        if len(found) > 1:
            raise BadValue("ambiguous_territory", f"several have the name{quoted(value)}: write the code")
        if not found:
            raise BadValue("unknown_territory", f"there is no such {kind}{quoted(value)}")
        return next(iter(found))

    return parse


def _dimension(value: str) -> str:
    found = DIMENSIONS.get(value.lower())
    if found is None:
        raise BadValue("unknown_dimension", f"unknown dimension{quoted(value)}: write okrug, district, age or sex")
    return found


def _sex(value: str) -> str:
    found = SEXES.get(value.lower()) or _MORE_SEXES.get(value.lower())
    if found is None:
        raise BadValue("unknown_sex", f"unknown sex{quoted(value)}: write f or m")
    return found


def _number(value: str) -> str:
    digits = value.translate(_SPACES)
    if not re.fullmatch("[0-9]{1,11}", digits) or int(digits) > MOST:
        raise BadValue("bad_number", f"not a number of residents{quoted(value)}: write digits alone")
    return str(int(digits))
