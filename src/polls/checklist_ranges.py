"""Options that are ranges of numbers, such as «18–24» or “over 60”: where they overlap, what is left out. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MANY = 10**12
_NUMBER = r"(\d[\d\u00a0\u202f ]*)"
_UNIT = r"(?:[\s\u00a0]*(?:%|[^\W\d_]+\.?){0,1}(?:[\s\u00a0]+[^\W\d_]+\.?){0,2})"
_BETWEEN = re.compile(rf"^(?:от\s+|from\s+)?{_NUMBER}{_UNIT}\s*(?:-|–|—|до|to|and)\s*{_NUMBER}{_UNIT}$")
_UNDER = re.compile(rf"^(?:до|менее|меньше|младше|моложе|under|below|less than|fewer than|up to)\s+{_NUMBER}{_UNIT}$")
_OVER = re.compile(rf"^(?:более|больше|свыше|старше|over|above|more than)\s+{_NUMBER}{_UNIT}$")
_FROM = re.compile(rf"^(?:от|не менее|from|at least)\s+{_NUMBER}{_UNIT}$")
_PLUS = re.compile(
    rf"^{_NUMBER}{_UNIT}\s*(?:\+|и (?:более|больше|старше)|and (?:more|over|older|above)|or more){_UNIT}$"
)

LONGEST = 80  # characters of an option that is a range and nothing else


@dataclass(frozen=True)
class Range:
    """Whole numbers from `low` to `high`; `low_at_most` and `high_at_least` where the words leave one number open.

    «до 18» may or may not hold 18 itself: `high` is 18, `high_at_least` 17.
    """

    low: int
    high: int
    low_at_most: int
    high_at_least: int


def read_range(words: str) -> Range | None:
    """The range an option consists of, or None when it is anything else."""
    if len(words) > LONGEST:
        return None
    text = " ".join(words.casefold().replace("ё", "е").split())
    if found := _BETWEEN.match(text):
        low, high = _whole(found[1]), _whole(found[2])
        return Range(low, high, low, high) if low <= high else None
    if found := _UNDER.match(text):
        high = _whole(found[1])
        return Range(-MANY, high, -MANY, high - 1)
    if found := _OVER.match(text):
        low = _whole(found[1])
        return Range(low, MANY, low + 1, MANY)
    if found := _FROM.match(text) or _PLUS.match(text):
        low = _whole(found[1])
        return Range(low, MANY, low, MANY)
    return None


def _whole(digits: str) -> int:
    return int(re.sub(r"\D", "", digits)[:12])


@dataclass(frozen=True)
class Seam:
    """Two neighbouring ranges, by their places in the list, that overlap or leave numbers out between them."""

    first: int
    second: int
    overlap: bool
    begins: int
    ends: int


def seams(ranges: Sequence[Range]) -> list[Seam]:
    """What neighbours have in common or leave out, whichever way open ends are read; empty for a clean row."""
    order = sorted(range(len(ranges)), key=lambda i: (ranges[i].low, ranges[i].high))
    found = []
    for first, second in pairwise(order):
        one, other = ranges[first], ranges[second]
        if other.low_at_most <= one.high_at_least:
            found.append(Seam(first, second, True, other.low_at_most, min(one.high_at_least, other.high)))
        elif other.low > one.high + 1:
            found.append(Seam(first, second, False, one.high + 1, other.low - 1))
    return found
