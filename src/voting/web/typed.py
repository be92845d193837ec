"""What people type into fields: sums of money, shares, whole numbers, lists, local times. Pure.

Each reader turns typed text into an exact value or raises `Mistyped`, which says in plain words what to type instead;
each writer gives text its reader understands. Nothing is guessed: «1,200» could be a thousand or a little more than
one, so it is refused with a question.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from polls.definition import MAX_MONEY

LONGEST = 60
SPACES = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " "))
UNITS = {
    "": 1,
    **dict.fromkeys(("тыс", "тысяч", "тысяча", "тысячи", "k", "thousand"), 10**3),
    **dict.fromkeys(("млн", "миллион", "миллиона", "миллионов", "m", "mln", "million"), 10**6),
    **dict.fromkeys(("млрд", "миллиард", "миллиарда", "миллиардов", "bn", "billion"), 10**9),
}
CURRENCY = re.compile(r"\s*(?:₽|руб(?:\.|лей|ля|ль)?|р\.?|rub|[€$])$")
AMOUNT = re.compile(r"^([0-9][0-9 .,']*)\s*([a-zа-яё]*)\.?$")
GROUPED = re.compile(r"^[0-9]{1,3}(?: [0-9]{3})+$")
ISO_LOCAL = re.compile(r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})[T ,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?$")
DOTTED = re.compile(r"^([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})[T ,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?$")
YEARS = range(1970, 2200)


def hidden_number(text: str, default: int = 0, digits: int = 9) -> int:
    """A whole number that a page of ours wrote into a hidden field or an address; `default` for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else default


class Mistyped(ValueError):
    """The text is not what the field holds: a stable code, words to show, facts for the words."""

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        self.code, self.message, self.facts = code, message, facts
        super().__init__(code)


# ---- money


def read_money(typed: str) -> int:
    """Hundredths out of «1 200 000», «1,5 млн», «1200000.50», «12 тыс. руб.»; exact, never through a float."""
    text = CURRENCY.sub("", _tidy(typed).casefold())
    found = AMOUNT.match(text)
    if found is None or found[2] not in UNITS:
        raise Mistyped("money", "Type a sum such as 1 200 000 or 1.5 million.")
    whole, decimals = _split_decimals(found[1].strip().replace("'", " "), scaled=bool(found[2]))
    hundredths = Fraction(UNITS[found[2]] * 100 * int(whole + decimals), 10 ** len(decimals))
    if hundredths.denominator != 1:
        raise Mistyped("money_too_fine", "A sum has at most two digits after the decimal point.")
    if hundredths > MAX_MONEY:
        raise Mistyped("money_too_large", "The sum is too large.")
    return hundredths.numerator


def _split_decimals(number: str, *, scaled: bool) -> tuple[str, str]:
    """The digits before and after the decimal separator; thousands may be separated by spaces, points or commas."""
    marks = [mark for mark in ".," if mark in number]
    decimals = ""
    if len(marks) == 2:
        point = max(marks, key=number.rfind)
        thousands = "," if point == "." else "."
        whole, _, decimals = number.rpartition(point)
        whole = whole.replace(thousands, " ")
    elif marks and number.count(marks[0]) > 1:
        whole = number.replace(marks[0], " ")
    elif marks:
        whole, _, decimals = number.partition(marks[0])
        if len(decimals) == 3 and not scaled and whole != "0":
            raise Mistyped("money_unclear", "Is this a thousand or a decimal? Type 1200 or 1.20.")
    else:
        whole = number
    if " " in whole and not GROUPED.match(whole):
        raise Mistyped("money_groups", "Check the spaces: digits go in groups of three.")
    if not (whole.replace(" ", "").isdigit() and (decimals == "" or decimals.isdigit())):
        raise Mistyped("money", "Type a sum such as 1 200 000 or 1.5 million.")
    return whole.replace(" ", ""), decimals


def write_money(hundredths: int | None, language: str = "ru") -> str:
    """«1 200 000» or «1 200 000,50»; an empty string for None."""
    if hundredths is None:
        return ""
    whole, rest = divmod(hundredths, 100)
    grouped = f"{whole:,}".replace(",", " ")
    return f"{grouped}{'.' if language == 'en' else ','}{rest:02}" if rest else grouped


# ---- places


def read_degrees(typed: str, most: int) -> int:
    """Millionths of a degree out of «55.751244» or «55,751244», at most `most` degrees either way."""
    found = re.fullmatch(r"([-\u2212]?)([0-9]{1,3})(?:[.,]([0-9]{1,6})[0-9]*)?°?", _tidy(typed))
    if found is None:
        raise Mistyped("degrees", "Type degrees such as 55.751244.")
    value = int(found[2]) * 10**6 + int((found[3] or "").ljust(6, "0"))
    if value > most * 10**6:
        raise Mistyped("degrees_over", "There are no such degrees: a latitude is at most 90, a longitude 180.")
    return -value if found[1] else value


def write_degrees(millionths: int | None) -> str:
    """«55.751244»; an empty string for None."""
    if millionths is None:
        return ""
    whole, rest = divmod(abs(millionths), 10**6)
    decimals = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if millionths < 0 else ''}{whole}{decimals}"


# ---- shares, numbers, lists


def read_share(typed: str) -> str:
    """A fraction as the document keeps it, out of «2/3», «50 %», «66,6%» or «50» (per cent)."""
    text = _tidy(typed)
    if found := re.fullmatch(r"([0-9]{1,6})\s*/\s*([1-9][0-9]{0,5})", text):
        value = Fraction(int(found[1]), int(found[2]))
    elif found := re.fullmatch(r"([0-9]{1,3})(?:[.,]([0-9]{1,3}))?\s*%?", text):
        value = Fraction(int(found[1] + (found[2] or "")), 100 * 10 ** len(found[2] or ""))
    else:
        raise Mistyped("share", "Type a share such as 50% or 2/3.")
    if value > 1:
        raise Mistyped("share_over", "A share is at most 100%, or 1/1.")
    return f"{value.numerator}/{value.denominator}"


def write_share(share: str | None) -> str:
    """«50%» where it is exact in whole per cent, else «2/3»."""
    if share is None:
        return ""
    value = Fraction(share) * 100
    return f"{value.numerator}%" if value.denominator == 1 else share


def read_number(typed: str) -> int:
    """A whole number, spaces between groups allowed."""
    text = _tidy(typed).replace(" ", "")
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Mistyped("number", "Type a whole number.")
    return int(text)


def read_numbers(typed: str) -> list[int]:
    """Whole numbers separated by commas or spaces: «14, 18, 25»."""
    parts = [part for part in re.split(r"[,;\s]+", typed.strip()) if part]
    if len(parts) > LONGEST:
        raise Mistyped("numbers_too_many", "There are too many numbers here.")
    return [read_number(part) for part in parts]


# ---- times in the city's zone


def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name; UTC for a name that is none, which the checklist reports."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of the zone database is an OSError
        return ZoneInfo("UTC")


def read_local(typed: str, zone: ZoneInfo, fold: str = "") -> datetime:
    """The moment, in UTC, of a local time such as «2026-12-01T09:00» or «1.12.2026 9:00».

    Clocks put back show an hour twice: `fold` says which, «0» the first and «1» the second, and is asked for when it
    matters. Clocks put forward leave an hour out: such a time is refused.
    """
    text = _tidy(typed)
    if found := ISO_LOCAL.match(text):
        year, month, day = int(found[1]), int(found[2]), int(found[3])
    elif found := DOTTED.match(text):
        year, month, day = int(found[3]), int(found[2]), int(found[1])
    else:
        raise Mistyped("local_time", "Type a date and a time, such as 2026-12-01 09:00.")
    try:
        local = datetime(year, month, day, int(found[4]), int(found[5]), int(found[6] or 0))
    except ValueError as error:
        raise Mistyped("local_time_impossible", "There is no such date or time.") from error
    if year not in YEARS:
        raise Mistyped("local_time_impossible", "There is no such date or time.")
    first, second = (local.replace(tzinfo=zone, fold=n).astimezone(UTC) for n in (0, 1))
    if first == second:
        return first
    if second < first:  # skipped: both readings are of other local times
        raise Mistyped("local_time_skipped", "The clocks skip this time. Choose one an hour earlier or later.")
    if fold not in ("0", "1"):
        raise Mistyped("local_time_twice", "The clocks show this time twice. Say which of the two you mean.")
    return second if fold == "1" else first


def write_local(moment: datetime | None, zone: ZoneInfo) -> tuple[str, str]:
    """The local time for a `datetime-local` field and its fold («0» or «1» where shown twice, else empty)."""
    if moment is None:
        return "", ""
    try:
        local = moment.astimezone(zone)
    except OverflowError:  # the last hours of year 9999, or the first of year 1
        local = moment
    naive = local.replace(tzinfo=None, fold=0)
    twice = is_shown_twice(naive, zone)
    return naive.isoformat(timespec="seconds" if naive.second else "minutes"), str(local.fold) if twice else ""


def is_shown_twice(naive: datetime, zone: ZoneInfo) -> bool:
    """Whether the clocks of the zone show this local time twice."""
    offsets = [naive.replace(tzinfo=zone, fold=n).utcoffset() or timedelta(0) for n in (0, 1)]
    return offsets[0] > offsets[1]


def _tidy(typed: str) -> str:
    text = " ".join(typed.translate(SPACES).split())
    if len(text) > LONGEST:
        raise Mistyped("too_long_typed", "This is too long for this field.")
    return text
