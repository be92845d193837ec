"""Linkage attacks on a poll, and what chance alone would give them.

The attacker holds the register, the roll, who took part, every table with its system columns and physical order, and
the order in which people came. A method orders or groups people and ballots and pairs them off inside a stratum. Pairs
drawn at random hit about once in a stratum, whatever its size, so a method's hits are held against that.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SIGMA = 4.0
"""A method is better than chance when it is so many standard deviations off. About fifty methods are tried."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """People or ballots as the attacker has them: rows, each with its stratum and the truth's name for it."""

    rows: Sequence[Row]
    name: str  # the column the truth is told by: citizen_id or ballot_id
    stratum: Callable[[Row], int]


@dataclass(frozen=True)
class Score:
    """How well a method did. `sigma`: how far the answers it told right are from what chance gives."""

    method: str
    hits: int
    expected: float
    most: int
    sigma: float

    @property
    def links(self) -> bool:
        """Whether the method tells more than chance does."""
        return self.hits > self.most or abs(self.sigma) > SIGMA


def most_by_chance(expected: float, sigma: float = SIGMA) -> int:
    """The most hits a random pairing has but for a chance as small as that of `sigma` on one side.

    The fixed points of a random permutation of ten or more are as good as Poisson of mean 1; strata add up.
    """
    allowed = math.erfc(sigma / math.sqrt(2)) / 2
    tail, hits = 1.0, 0
    while tail > allowed:
        tail -= math.exp(-expected + hits * math.log(expected) - math.lgamma(hits + 1))
        hits += 1
    return hits


def pair_by_order(
    method: str, people: Side, ballots: Side, truth: Mapping[Any, Any], answers: Mapping[Any, str],
    person_key: Callable[[Row], Any], ballot_key: Callable[[Row], Any], *, backwards: bool = False,
) -> Score:  # fmt: skip
    """Lay people and ballots of a stratum side by side, each in an order, and pair them off."""
    ours, theirs = _by_stratum(people), _by_stratum(ballots)
    pairs = []
    for stratum, group in ours.items():
        first = sorted(group, key=person_key)
        second = sorted(theirs.get(stratum, []), key=ballot_key, reverse=backwards)
        pairs += list(zip(first, second, strict=True))
    return _score(method, people, ballots, pairs, truth, answers)


def pair_by_value(
    method: str, people: Side, ballots: Side, truth: Mapping[Any, Any], answers: Mapping[Any, str],
    person_value: Callable[[Row], Hashable], ballot_value: Callable[[Row], Hashable], dice: random.Random,
) -> Score:  # fmt: skip
    """Join on equal values inside a stratum; what no value joins, or several join, is drawn from among what is left."""
    ours, theirs = _by_stratum(people), _by_stratum(ballots)
    pairs = []
    for stratum, group in ours.items():
        waiting: dict[Hashable, list[Row]] = defaultdict(list)
        for row in theirs.get(stratum, []):
            waiting[ballot_value(row)].append(row)
        for rows in waiting.values():
            dice.shuffle(rows)
        unmatched = []
        for row in group:
            found = waiting.get(person_value(row))
            if found:
                pairs.append((row, found.pop()))
            else:
                unmatched.append(row)
        left = [row for rows in waiting.values() for row in rows]
        dice.shuffle(left)
        pairs += list(zip(unmatched, left, strict=True))
    return _score(method, people, ballots, pairs, truth, answers)


def rank_correlation(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Spearman's rho of pairs, as standard deviations from none: rho · √(n − 1)."""
    n = len(first)
    if n < 3:
        return 0.0
    ranks = [_ranks(first), _ranks(second)]
    middle = (n - 1) / 2
    top = sum((a - middle) * (b - middle) for a, b in zip(*ranks, strict=True))
    below = math.prod(math.sqrt(sum((a - middle) ** 2 for a in one)) for one in ranks)
    return 0.0 if below == 0 else top / below * math.sqrt(n - 1)


def _ranks(values: Sequence[Any]) -> list[float]:
    """Ranks from 0; equal values share the middle of theirs."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks


def _by_stratum(side: Side) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in side.rows:
        groups[side.stratum(row)].append(row)
    return groups


def _score(
    method: str, people: Side, ballots: Side, pairs: Iterable[tuple[Row, Row]], truth: Mapping[Any, Any],
    answers: Mapping[Any, str],
) -> Score:  # fmt: skip
    """Hits of ballots, and of answers: how many of each, and how far the latter are from chance."""
    hits = told = 0
    strata: dict[int, Counter[str]] = defaultdict(Counter)
    for person, ballot in pairs:
        own = truth[person[people.name]]
        hits += own == ballot[ballots.name]
        told += answers[own] == answers[ballot[ballots.name]]
        strata[people.stratum(person)][answers[own]] += 1
    chances = [_answers_by_chance(counts) for counts in strata.values()]
    mean, variance = sum(m for m, _ in chances), sum(v for _, v in chances)
    sigma = (told - mean) / math.sqrt(variance) if variance else 0.0
    return Score(method, hits, len(strata), most_by_chance(len(strata)), sigma)


def _answers_by_chance(counts: Counter[str]) -> tuple[float, float]:
    """Mean and variance of the answers a random pairing of one stratum tells right (Hoeffding's combinatorial sum)."""
    n = counts.total()
    mean = sum(c * c for c in counts.values()) / n
    if n < 2:
        return mean, 0.0
    spread = sum(
        a * b * ((one == other) - a / n - b / n + mean / n) ** 2
        for one, a in counts.items()
        for other, b in counts.items()
    )
    return mean, spread / (n - 1)
