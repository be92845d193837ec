"""The shapes figures leave in: what pages, the API, CSV and JSON all print, so that a number is the same everywhere.

A hidden figure is None with `suppressed` set; a figure nobody has recorded (such as the roll of an imported poll) is
None without it. Shares are exact fractions and stand beside what they are of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction


class By(StrEnum):
    """What a table is broken down by; `all` is the whole poll."""

    ALL = "all"
    OKRUG = "okrug"
    DISTRICT = "district"
    AGE_BAND = "age_band"
    SEX = "sex"


BOTH = "+"
"""Stands between two dimensions, and between the codes of two groups: ``district+age_band``, ``arbat+age_18_24``."""


def dimension_code(dimensions: tuple[By, ...]) -> str:
    """How files and addresses call what a table is broken down by: ``sex``, ``district+age_band``."""
    return BOTH.join(dimension.value for dimension in dimensions)


def is_by(dimensions: tuple[By, ...], first: By, second: By | None) -> bool:
    """Whether a table is broken down by this dimension alone, or by these two in either order."""
    return set(dimensions) == {first, second or first}


class Kind(StrEnum):
    """What a column counts: a regular option, a neutral one, own answers (or texts), or answers left blank.

    `level`: those who gave one level of a scale, in cross-tabs alone; its number stands in place of an option's.
    """

    OPTION = "option"
    NEUTRAL = "neutral"
    OWN = "own"
    BLANK = "blank"
    LEVEL = "level"


class GroupKind(StrEnum):
    """`group` of residents; `unknown`: the register does not say; `rest`: merged at counting, not broken down."""

    GROUP = "group"
    UNKNOWN = "unknown"
    REST = "rest"


@dataclass(frozen=True)
class Group:
    """A line of a breakdown. `above` is the code of the okrug a district lies in.

    A line of two dimensions has its two groups in `parts`, and codes and names of both: ``arbat+age_18_24``.
    """

    code: str
    ru: str
    en: str
    kind: GroupKind = GroupKind.GROUP
    above: str = ""
    parts: tuple[Group, ...] = ()

    @classmethod
    def of_two(cls, first: Group, second: Group) -> Group:
        """The residents who are in both groups."""
        kinds = (first.kind, second.kind)
        kind = next((kind for kind in (GroupKind.REST, GroupKind.UNKNOWN) if kind in kinds), GroupKind.GROUP)
        ru, en = f"{first.ru}, {second.ru}", f"{first.en}, {second.en}"
        return cls(f"{first.code}{BOTH}{second.code}", ru, en, kind, first.above, (first, second))

    def label(self, language: str) -> str:
        """The name in `language`."""
        return self.en if language == "en" else self.ru


@dataclass(frozen=True)
class Column:
    """A class of answers. `option_id` is 0 for own and for blank answers, and the level for one level of a scale."""

    kind: Kind
    option_id: int
    ru: str
    en: str

    def label(self, language: str) -> str:
        """The text in `language`."""
        return self.en if language == "en" else self.ru


@dataclass(frozen=True)
class Cell:
    """How many ballots of a group gave an answer. `share` is of the row's `base`; `mean` is a rating's.

    `points` are those given to the option, None for other kinds and where they are hidden.
    """

    votes: int | None
    share: Fraction | None
    mean: Fraction | None = None
    suppressed: bool = False
    points: int | None = None


@dataclass(frozen=True)
class Row:
    """One group: its ballots cast, what shares are of, and its cells in the order of the table's columns."""

    group: Group
    cast: int | None
    base: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One question broken down by one dimension or by two at once (territory, age, sex, in this order).

    `denominator` says what every share in the table is of: the ballots cast in the group (``cast``), called its valid
    answers (``valid``) where every ballot of the poll holds one, so that both are the same number. `total` is the
    whole poll by the same denominator.
    """

    question_id: int
    dimensions: tuple[By, ...]
    denominator: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row

    @property
    def suppressed(self) -> int:
        """How many cells are hidden."""
        return sum(cell.suppressed for row in self.rows for cell in row.cells)

    @property
    def has_rest(self) -> bool:
        """Whether some ballots could not be broken down, and stand in lines of their own."""
        return any(row.group.kind is GroupKind.REST for row in self.rows)


@dataclass(frozen=True)
class CrossTab:
    """Two questions counted together, over the whole poll.

    A row are those who gave an answer to `rows_question`; its cells are those of them who gave each answer (`columns`)
    to `question_id`, as shares of the row. `total` is everybody. With `rows_overlap` (`columns_overlap`) one ballot may
    be in several rows (columns).
    """

    rows_question: int
    question_id: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row
    rows_overlap: bool
    columns_overlap: bool

    @property
    def dimension(self) -> str:
        """What files call such a breakdown: ``question:1``."""
        return f"question:{self.rows_question}"

    @property
    def suppressed(self) -> int:
        """How many cells are hidden."""
        return sum(cell.suppressed for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class TurnoutRow:
    """Votes of a group against the roll. `entitled` None: not known. `share` is votes ÷ entitled."""

    group: Group
    votes: int | None
    entitled: int | None
    share: Fraction | None
    suppressed: bool = False


@dataclass(frozen=True)
class TurnoutTable:
    """Turnout by one dimension or by two at once."""

    dimensions: tuple[By, ...]
    rows: tuple[TurnoutRow, ...]


@dataclass(frozen=True)
class Turnout:
    """Participation: `votes` in all, `entitled` by the roll (None: not known), votes by `days` in city time."""

    votes: int
    entitled: int | None
    days: Mapping[date, int]
    tables: tuple[TurnoutTable, ...] = ()

    @property
    def share(self) -> Fraction | None:
        """Votes ÷ entitled, or None when the roll is not known or empty."""
        return share_of(self.votes, self.entitled)

    def by(self, first: By, second: By | None = None) -> TurnoutTable | None:
        """The table by a dimension or by two, or None when the poll has none."""
        return next((table for table in self.tables if is_by(table.dimensions, first, second)), None)

    @property
    def single(self) -> tuple[TurnoutTable, ...]:
        """The tables by one dimension."""
        return tuple(table for table in self.tables if len(table.dimensions) == 1)


def share_of(votes: int | None, base: int | None) -> Fraction | None:
    """Votes ÷ base, or None when either is not known or the base is zero."""
    return Fraction(votes, base) if votes is not None and base else None
