"""Every option against every other: how many ballots put one above the other, and who beats all. Pure.

``beats[a][b]`` is the number of ballots that rank a above b; an option named stands above one left out, and ballots
that hold two equal (or name neither) speak for neither. Source: Condorcet, "Essai sur l'application de l'analyse"
(1785); Smith set: Smith, "Aggregation of preferences with variable electorate", Econometrica 41 (1973).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from polls.tally.outcome import Step
from polls.tally.ranked import RankedProfile


@dataclass(frozen=True)
class Pairwise:
    """The matrix in stated order: ``beats[i][j]`` ballots put ``options[i]`` above ``options[j]``."""

    options: tuple[int, ...]
    beats: tuple[tuple[int, ...], ...]

    def over(self, a: int, b: int) -> int:
        """Ballots that put option `a` above option `b`."""
        return self.beats[self.options.index(a)][self.options.index(b)]

    @property
    def winner(self) -> int | None:
        """The option that beats every other (the Condorcet winner), or None."""
        size = range(len(self.options))
        for i in size:
            if all(self.beats[i][j] > self.beats[j][i] for j in size if j != i):
                return self.options[i]
        return None

    @property
    def loser(self) -> int | None:
        """The option every other beats, or None; a sole option is none."""
        size = range(len(self.options))
        for i in size:
            if len(size) > 1 and all(self.beats[i][j] < self.beats[j][i] for j in size if j != i):
                return self.options[i]
        return None

    @property
    def smith(self) -> tuple[int, ...]:
        """The Smith set: the fewest options that together beat every option outside, in stated order."""
        size = range(len(self.options))
        wins = [sum(self.beats[i][j] > self.beats[j][i] for j in size) for i in size]
        ties = [sum(i != j and self.beats[i][j] == self.beats[j][i] for j in size) for i in size]
        # An option of the set has at least the Copeland score of any outside, so the set is a prefix of that order.
        order = sorted(size, key=lambda i: -(2 * wins[i] + ties[i]))
        for k in range(1, len(order) + 1):
            inside, outside = order[:k], order[k:]
            if all(self.beats[i][j] > self.beats[j][i] for i in inside for j in outside):
                return tuple(self.options[i] for i in sorted(inside))
        return ()

    def as_json(self) -> dict[str, Any]:
        """``{"options", "beats", "winner", "loser", "smith"}``."""
        return {
            "options": list(self.options),
            "beats": [list(row) for row in self.beats],
            "winner": self.winner,
            "loser": self.loser,
            "smith": list(self.smith),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pairwise:
        """The matrix written by :meth:`as_json`."""
        return cls(tuple(data["options"]), tuple(tuple(row) for row in data["beats"]))

    def step(self) -> Step:
        """The step ``pairwise`` with the matrix and who beats all."""
        return Step("pairwise", self.as_json())


def count_pairwise(profile: RankedProfile) -> Pairwise:
    """The matrix of a profile; time grows with distinct rankings × options²."""
    rows: list[tuple[int, ...]] = []
    for i in range(len(profile.options)):
        above = profile.ranks[:, i, None] < profile.ranks
        if profile.weights.dtype == object:
            above = above.astype(object)
        rows.append(tuple(int(n) for n in profile.weights @ above) if len(above) else (0,) * len(profile.options))
    return Pairwise(profile.options, tuple(rows))


def undominated_tiers(options: tuple[int, ...], above: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], ...]:
    """Options in tiers: first those no other stands above, then those no other of the rest stands above, and so on.

    `above` is a matrix of truth, transitive and without circles. Options of one tier are in stated order.
    """
    left = list(range(len(options)))
    tiers: list[tuple[int, ...]] = []
    while left:
        below = [bool(n) for n in above[np.ix_(left, left)].sum(axis=0)]
        free = [i for i, under in zip(left, below, strict=True) if not under]
        if not free:
            raise ValueError("the order runs in a circle")
        tiers.append(tuple(options[i] for i in free))
        left = [i for i, under in zip(left, below, strict=True) if under]
    return tuple(tiers)
