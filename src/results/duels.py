"""Every option against every other, and options by their grades: what a page lays out as a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from polls.definition import Rating
from polls.tally.outcome import Outcome

MOST_SHOWN = 30
"""So many options a page compares; the file of details has all of them."""
LADDER = 5
"""Steps of shade from the worst level to the best."""


@dataclass(frozen=True, slots=True)
class Duel:
    """One option against another: ballots (or the strength of a path) each way."""

    other: int
    mine: int
    theirs: int

    @property
    def result(self) -> Literal["won", "lost", "even"]:
        """Seen from the option of the row."""
        return "won" if self.mine > self.theirs else "lost" if self.mine < self.theirs else "even"


@dataclass(frozen=True)
class DuelRow:
    """An option against all others, in the order of the columns; None stands for itself."""

    option: int
    duels: tuple[Duel | None, ...]
    won: int
    lost: int


@dataclass(frozen=True)
class DuelTable:
    """The matrix for the first options, best first. `left_out`: options beyond those a page can show."""

    options: tuple[int, ...]
    rows: tuple[DuelRow, ...]
    left_out: int


def duel_table(options: Sequence[int], matrix: Sequence[Sequence[int]], order: Sequence[int]) -> DuelTable:
    """The table of a matrix whose rows and columns are `options`, arranged in `order` (best first)."""
    place = {option: number for number, option in enumerate(options)}
    shown = tuple(order[:MOST_SHOWN])
    rows = []
    for a in shown:
        against = {b: Duel(b, matrix[place[a]][place[b]], matrix[place[b]][place[a]]) for b in order if b != a}
        results = [duel.result for duel in against.values()]
        cells = tuple(against.get(b) for b in shown)
        rows.append(DuelRow(a, cells, results.count("won"), results.count("lost")))
    return DuelTable(shown, tuple(rows), len(order) - len(shown))


# ---- grades


@dataclass(frozen=True, slots=True)
class Grade:
    """One level of an option: its part of a bar of a hundred units."""

    level: int
    n: int
    x: float
    width: float
    klass: str


@dataclass(frozen=True)
class GradeBar:
    """An option's levels from the worst to the best. `rated` is what the whole bar stands for."""

    option: int
    parts: tuple[Grade, ...]
    rated: int
    ungraded: int


def grade_bars(question: Rating, outcome: Outcome) -> tuple[GradeBar, ...]:
    """The bars in the outcome's order.

    Where the rule counts a ballot that leaves an option out as the worst grade, the bar does too, and `ungraded` says
    how many of the worst grades those are.
    """
    worst = question.rule.order_by == "majority_judgment" and question.rule.ungraded == "worst"
    levels = range(question.scale_min, question.scale_max + 1)
    bars = []
    for option in outcome.order:
        result = outcome.option(option)
        counts: Mapping[int, int] = result.distribution or {}
        missing = max(outcome.valid - (result.rated or 0), 0) if worst else 0
        filled = {level: counts.get(level, 0) + (missing if level == question.scale_min else 0) for level in levels}
        bars.append(GradeBar(option, _parts(filled), sum(filled.values()), missing))
    return tuple(bars)


def _parts(counts: Mapping[int, int]) -> tuple[Grade, ...]:
    total, running, parts = sum(counts.values()), 0, []
    span = max(len(counts) - 1, 1)
    for place, (level, n) in enumerate(counts.items()):
        start = 100 * running / total if total else 0.0
        running += n
        end = 100 * running / total if total else 0.0
        parts.append(Grade(level, n, start, end - start, f"q{round(place * (LADDER - 1) / span)}"))
    return tuple(parts)
