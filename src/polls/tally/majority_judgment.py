"""Majority judgment: options are graded, and stand by the grade in the middle, with the published tie-break. Pure.

Source: M. Balinski & R. Laraki, "Majority Judgment: Measuring, Ranking, and Electing" (MIT Press, 2011); "A theory of
measuring, electing, and ranking", PNAS 104 (2007). The *majority grade* is the lower middle of all grades. Options of
one majority grade are told apart by taking that one grade away from each and looking at the next majority grade, and so
on (the *majority value*); two options are equal only when all their grades are.

Ballots that do not grade an option are dealt with as declared: ``worst`` counts them as the lowest grade, so that every
option has as many grades (as Balinski and Laraki have it); ``left`` leaves them out, and then options with different
numbers of grades are compared as if each distribution were repeated until the numbers agree.

The majority value is a word of as many letters as there are grades; here it is kept as runs, so that its length goes
with the number of levels and not of ballots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cmp_to_key
from math import lcm
from typing import Literal

from polls.tally.outcome import Step, TieFound
from polls.tally.ranked import Tiers
from polls.tally.ranked_outcome import first_seats
from polls.tally.ties import JOINT, TieRule

Ungraded = Literal["worst", "left"]
Distribution = Mapping[int, int]
"""Level → ballots; a higher level is better."""


@dataclass(frozen=True)
class JudgmentOutcome:
    """The order in tiers, the winners, and per option its majority grade (None: nobody graded it).

    `above` and `below` are the grades strictly better and worse than the majority grade: with it they make up the
    *majority gauge*.
    """

    order: Tiers
    winners: tuple[int, ...]
    grades: Mapping[int, int | None]
    above: Mapping[int, int]
    below: Mapping[int, int]
    ties: tuple[TieFound, ...]
    steps: tuple[Step, ...]


def count_majority_judgment(
    levels: Mapping[int, Distribution],
    *,
    ballots: int,
    worst: int = 1,
    seats: int = 1,
    ungraded: Ungraded = "worst",
    ties: TieRule = JOINT,
) -> JudgmentOutcome:
    """The outcome of option → level → ballots (options in stated order) on `ballots` valid ballots.

    Raises ValueError for negative numbers, a level below `worst`, or more grades of an option than ballots.
    """
    filled = {option_id: _filled(found, ballots, worst, ungraded) for option_id, found in levels.items()}
    graded = [option_id for option_id in levels if filled[option_id]]

    def worse_last(a: int, b: int) -> int:
        return compare_judgment(filled[b], filled[a])

    ordered = sorted(graded, key=cmp_to_key(worse_last))
    tiers: list[tuple[int, ...]] = []
    for option_id in ordered:
        if tiers and compare_judgment(filled[tiers[-1][0]], filled[option_id]) == 0:
            tiers[-1] = (*tiers[-1], option_id)
        else:
            tiers.append((option_id,))
    without = tuple(option_id for option_id in levels if not filled[option_id])
    grades = {option_id: majority_grade(found) for option_id, found in filled.items()}
    winners, found_ties = first_seats(tuple(tiers), seats, ties.kind)
    if found_ties and (decided := ties.ordered(1, found_ties[0].options)) is not None:
        tie = found_ties[0]
        winners += decided[: tie.seats]
        found_ties = (TieFound(tie.options, tie.place, tie.seats, "order", order=decided),)
    above = {o: sum(n for level, n in filled[o].items() if level > (grades[o] or 0)) for o in levels}
    below = {o: sum(n for level, n in filled[o].items() if level < (grades[o] or 0)) for o in levels}
    steps = [Step("judgment", {"option": o, "grade": grades[o], "above": above[o], "below": below[o]}) for o in levels]
    steps += [Step("tie", tie.as_json()) for tie in found_ties]
    steps.append(Step("winners", {"winners": list(winners)}))
    order = (*tiers, without) if without else tuple(tiers)
    return JudgmentOutcome(order, winners, grades, above, below, found_ties, tuple(steps))


def majority_grade(distribution: Distribution) -> int | None:
    """The lower middle of the grades: the best that more than half, or half, of the ballots hold at least."""
    total = sum(distribution.values())
    position = (total + 1) // 2
    for level in sorted(distribution):
        position -= distribution[level]
        if position <= 0:
            return level if total else None
    return None


def compare_judgment(a: Distribution, b: Distribution) -> int:
    """1 where the majority value of `a` is better, −1 where that of `b` is, 0 where all grades are the same.

    Neither is empty. Different numbers of grades are brought to their least common multiple.
    """
    total_a, total_b = sum(a.values()), sum(b.values())
    total = lcm(total_a, total_b)
    first, second = _value(a, total // total_a), _value(b, total // total_b)
    at_first = at_second = 0
    left_first, left_second = first[0][0], second[0][0]
    while True:
        x, y = first[at_first][1], second[at_second][1]
        if x != y:
            return 1 if x > y else -1
        step = min(left_first, left_second)
        left_first, left_second = left_first - step, left_second - step
        if not left_first:
            at_first += 1
            if at_first == len(first):
                return 0
            left_first = first[at_first][0]
        if not left_second:
            at_second += 1
            left_second = second[at_second][0]


def _value(distribution: Distribution, times: int) -> list[tuple[int, tuple[int, int]]]:
    """The majority value as runs: how often in turn the lower and the upper middle come, from the middle outwards.

    With an odd number of grades the one in the middle comes first, as a pair with itself.
    """
    runs = [(level, distribution[level] * times) for level in sorted(distribution) if distribution[level]]
    total = sum(n for _, n in runs)
    half = total // 2
    lower = _outward(_lowest(runs, half + total % 2), total % 2)
    upper = _outward(list(_from(runs, half + total % 2)), 0)
    value: list[tuple[int, tuple[int, int]]] = []
    if total % 2:
        middle = majority_grade(dict(runs))
        assert middle is not None
        value.append((1, (middle, middle)))
    while lower:
        step = min(lower[-1][1], upper[-1][1])
        value.append((step, (lower[-1][0], upper[-1][0])))
        for side in (lower, upper):
            level, n = side.pop()
            if n > step:
                side.append((level, n - step))
    return value


def _lowest(runs: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """The lowest `most` grades as runs, the best first."""
    kept: list[tuple[int, int]] = []
    for level, n in runs:
        taken = min(n, most)
        if taken:
            kept.append((level, taken))
        most -= taken
    return kept[::-1]


def _from(runs: list[tuple[int, int]], skip: int) -> list[tuple[int, int]]:
    """The grades above the lowest `skip` as runs, the worst first."""
    kept: list[tuple[int, int]] = []
    for level, n in runs:
        left = n - min(n, skip)
        skip -= min(n, skip)
        if left:
            kept.append((level, left))
    return kept


def _outward(runs: list[tuple[int, int]], drop: int) -> list[tuple[int, int]]:
    """The runs without the first `drop` grades, as a stack: the nearest to the middle last."""
    found = list(runs)
    while drop:
        level, n = found[0]
        taken = min(n, drop)
        found[0] = (level, n - taken)
        if not found[0][1]:
            found.pop(0)
        drop -= taken
    return found[::-1]


def _filled(found: Distribution, ballots: int, worst: int, ungraded: Ungraded) -> dict[int, int]:
    """The grades of one option, with those of ballots that do not grade it where they are the worst."""
    graded = sum(found.values())
    if any(n < 0 or level < worst for level, n in found.items()) or graded > ballots:
        raise ValueError("grades are not below the worst, and not more than ballots")
    filled = {level: n for level, n in found.items() if n}
    if ungraded == "worst" and ballots > graded:
        filled[worst] = filled.get(worst, 0) + ballots - graded
    return filled
