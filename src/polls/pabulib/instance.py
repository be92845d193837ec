"""What a .pb file holds: its META, its projects and its ballots, and the numbers in them. Pure.

Money is exact: ``1716138.17`` is 171613817 hundredths. Numbers the count depends on are refused when they are not
plainly numbers; a comma is taken for a decimal point, as some cities write it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from polls.errors import BadFile

SECTIONS = ("META", "PROJECTS", "VOTES")
VOTE_TYPES = ("approval", "choose-1", "cumulative", "ordinal")
# Three digits after a separator may be decimals or thousands ("1,000"), so nobody can say what such a number is.
_MONEY = re.compile(r"([0-9]{1,13})(?:[.,]([0-9]{1,2})|\.([0-9]{2})00+)?")
_WHOLE = re.compile(r"([0-9]{1,15})(?:\.0{1,2})?")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:,[0-9]{1,2}|\.[0-9]{1,15})?")


def bad(line: int | None, section_field: str, reason: str) -> BadFile:
    """The refusal of a file at `line` (from 1; None: the file as a whole) and `section_field`."""
    return BadFile(line=line, field=section_field, reason=reason)


def read_money(text: str, line: int | None, name: str) -> int:
    """Hundredths of ``"1716138.17"``. Raises BadFile for anything but up to 13 digits and up to two decimals."""
    found = _MONEY.fullmatch(text.strip())
    if not found:
        raise bad(line, name, f"{_shown(text)} is not an amount of money with at most two decimals")
    return int(found[1]) * 100 + int((found[2] or found[3] or "").ljust(2, "0"))


def money_text(hundredths: int) -> str:
    """``"1716138.17"``, or ``"329457"`` when there are no hundredths: the way the files write it."""
    sign, units, rest = "-" if hundredths < 0 else "", *divmod(abs(hundredths), 100)
    return f"{sign}{units}" + (f".{rest:02}" if rest else "")


def read_whole(text: str, line: int | None, name: str) -> int:
    """A whole number of up to 15 digits; ``"12.0"`` is 12. Raises BadFile for anything else, signs included."""
    found = _WHOLE.fullmatch(text.strip())
    if not found:
        raise bad(line, name, f"{_shown(text)} is not a whole number")
    return int(found[1])


def read_number(text: str, line: int | None, name: str) -> Fraction:
    """Any decimal number, exactly: for the figures a file states, which are only compared with."""
    if not _NUMBER.fullmatch(text.strip()):
        raise bad(line, name, f"{_shown(text)} is not a number")
    return Fraction(text.strip().replace(",", "."))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


@dataclass(frozen=True, slots=True)
class Project:
    """One project: its id, its cost in hundredths, and what the file says of it.

    `votes` and `score` are the file's own figures, `selected` its word on what was funded; None where it has none.
    `extra` holds all other columns as text, among them the name; `line` is where it stands (0: not from a file).
    """

    id: str
    cost: int
    votes: Fraction | None = None
    score: Fraction | None = None
    selected: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    line: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """The project's name, or an empty text."""
        return self.extra.get("name", "")


@dataclass(frozen=True, slots=True)
class Ballot:
    """One ballot: project ids as marked (ordinal: best first) and, for cumulative ballots, the points of each."""

    voter_id: str
    projects: tuple[str, ...]
    points: tuple[int, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Instance:
    """A whole file. `meta` is its META section as text, in file order; the properties read numbers out of it."""

    meta: Mapping[str, str]
    projects: tuple[Project, ...]
    ballots: tuple[Ballot, ...]
    meta_lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    def required(self, key: str) -> str:
        """The META value of `key`. Raises BadFile when the file has none."""
        value = self.meta.get(key, "").strip()
        if not value:
            raise bad(self.meta_lines.get(key), f"META {key}", "it is missing")
        return value

    def number(self, key: str) -> int | None:
        """The META value of `key` as a whole number, or None when the file has none."""
        value = self.meta.get(key, "").strip()
        return read_whole(value, self.meta_lines.get(key), f"META {key}") if value else None

    @property
    def budget(self) -> int:
        """The money to give away, in hundredths."""
        return read_money(self.required("budget"), self.meta_lines.get("budget"), "META budget")

    @property
    def rule(self) -> str:
        """The rule by its Pabulib name, e.g. ``greedy-no-skip``."""
        return self.required("rule")

    @property
    def vote_type(self) -> str:
        """One of :data:`VOTE_TYPES`."""
        value = self.required("vote_type")
        if value not in VOTE_TYPES:
            raise bad(
                self.meta_lines.get("vote_type"), "META vote_type", f"{_shown(value)} is no kind of ballot we read"
            )
        return value
