"""Ranked ballots: the canonical text of a ranking, and a profile of rankings ready to be counted. Pure.

A ranking is a JSON array of tiers, best first, each tier the rising ids of options held equal: ``[[3],[1,2],[5]]``.
Options left out stand below all that are named and equal among themselves. ``[]`` is a blank ballot.

:class:`RankedProfile` is made once from canonical text → ballots: each distinct ranking is parsed once, and every rule
counts from the same two arrays. Sums are of 64-bit integers where they cannot overflow, and of Python's own integers
(arrays of objects, slower and unbounded) where they could, so a count is exact whatever its size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polls.tally.profile import BLANK

Tiers = tuple[tuple[int, ...], ...]
Ints = NDArray[Any]
"""An array of whole numbers: int64, or objects holding Python integers where 64 bits might not do."""

Equal = Literal["refuse", "exhaust", "skip"]
"""What a rule that counts a ballot for one option does at a tier of several (still in the count): `refuse` the whole
count, `exhaust` the ballot there, or `skip` the tier and go on below it."""

SAFE = 2**62
_CANONICAL = re.compile(r"\[\[[1-9][0-9]{0,4}(?:,[1-9][0-9]{0,4})*\](?:,\[[1-9][0-9]{0,4}(?:,[1-9][0-9]{0,4})*\])*\]")


def canonical_ranking(tiers: Sequence[Sequence[int]]) -> str:
    """The canonical text of a ranking: ``[[3], [2, 1]]`` → ``"[[3],[1,2]]"``.

    Raises ValueError for an empty tier, an option that stands twice, or an id outside 1…99999.
    """
    ids = [option_id for tier in tiers for option_id in tier]
    if len(set(ids)) != len(ids) or not all(tiers):
        raise ValueError(f"a ranking names each option once and has no empty tier: {str(tiers)[:200]}")
    if any(type(option_id) is not int or not 1 <= option_id <= 99_999 for option_id in ids):
        raise ValueError(f"option ids are whole numbers from 1: {str(tiers)[:200]}")
    return json.dumps([sorted(tier) for tier in tiers], separators=(",", ":"))


def read_ranking(text: str) -> Tiers:
    """The tiers of a canonical text, the blank one included. Raises ValueError for any other text."""
    if text == BLANK:
        return ()
    if type(text) is not str or not _CANONICAL.fullmatch(text):
        raise ValueError(f"{repr(text)[:200]} is not a canonical ranking")
    tiers = tuple(tuple(tier) for tier in json.loads(text))
    if canonical_ranking(tiers) != text:
        raise ValueError(f"{text[:200]!r} is not a canonical ranking: ids of a tier must rise")
    return tiers


@dataclass(frozen=True, eq=False)
class RankedProfile:
    """Weighted rankings of `options` (ids in stated order).

    `ranks` is distinct rankings × options: the tier of each option from 0, and ``len(options)`` for one left out.
    `weights` holds the ballots of each ranking. `ballots` is their sum; `blank` and `neutral` (option id → ballots)
    are counted apart and enter no rule.
    """

    options: tuple[int, ...]
    ranks: NDArray[np.int16]
    weights: Ints
    ballots: int
    blank: int
    neutral: Mapping[int, int]

    @classmethod
    def build(
        cls,
        options: Sequence[int],
        answers: Mapping[str, int],
        *,
        neutral: Sequence[int] = (),
        equal_ranks: bool = True,
        complete: bool = False,
    ) -> RankedProfile:
        """The profile of canonical text → ballots.

        `neutral` options are answered alone as ``[9]``. Without `equal_ranks` a tier of two is refused; with
        `complete` so is a ranking that leaves options out. Raises ValueError naming the answer that does not fit.
        """
        column = {option_id: position for position, option_id in enumerate(options)}
        if len(column) != len(options) or set(neutral) & set(column):
            raise ValueError("options repeat")
        apart = {f"[{option_id}]": option_id for option_id in neutral}
        classes, blank = dict.fromkeys(neutral, 0), 0
        rows: list[list[int]] = []
        counts: list[int] = []
        for text, n in answers.items():
            if type(n) is not int or n < 0:
                raise ValueError(f"answer {repr(text)[:200]}: {n!r} is not a number of ballots")
            if text == BLANK:
                blank += n
            elif text in apart:
                classes[apart[text]] += n
            elif n:
                rows.append(_row(text, column, equal_ranks, complete))
                counts.append(n)
        ballots = sum(counts)
        return cls(
            tuple(options),
            np.array(rows, dtype=np.int16).reshape(len(rows), len(options)),
            whole_numbers(counts, bound=ballots * (len(options) + 1) * 2),
            ballots,
            blank,
            classes,
        )

    @property
    def has_equal_ranks(self) -> bool:
        """Whether a ballot holds two options it names equal."""
        tiers = np.sort(self.ranks, axis=1)
        return bool(((tiers[:, 1:] == tiers[:, :-1]) & (tiers[:, 1:] < len(self.options))).any())

    def preferences(self, equal: Equal = "refuse") -> NDArray[np.int16]:
        """Distinct rankings × options: the positions of options in order of preference, −1 after the last.

        Tiers of several options are dealt with as `equal` declares. Raises ValueError when they are refused.
        """
        size = len(self.options)
        if not size or not len(self.ranks):
            return np.full((len(self.ranks), size), -1, dtype=np.int16)
        order = np.argsort(self.ranks, axis=1, kind="stable").astype(np.int16)
        tiers = np.take_along_axis(self.ranks, order.astype(np.int64), axis=1)
        shared = np.zeros_like(tiers, dtype=bool)
        same = (tiers[:, 1:] == tiers[:, :-1]) & (tiers[:, 1:] < size)
        shared[:, 1:] |= same
        shared[:, :-1] |= same
        if equal == "refuse" and shared.any():
            raise ValueError("a ballot holds options equal, and the rule declares nothing about such ballots")
        out = tiers == size
        if equal == "exhaust":
            out |= np.logical_or.accumulate(shared, axis=1)
        else:
            out |= shared
        # What is kept moves to the front, in order; the rest becomes -1.
        front = np.argsort(out, axis=1, kind="stable")
        moved = np.take_along_axis(order, front, axis=1)
        moved[np.take_along_axis(out, front, axis=1)] = -1
        return moved

    def sums(self, positions: NDArray[Any], amounts: Ints) -> list[int]:
        """Exact sums of `amounts` per option position, as Python integers; positions below zero are left out."""
        totals: Ints = np.zeros(len(self.options), dtype=amounts.dtype)
        held = positions >= 0
        np.add.at(totals, positions[held], amounts[held])
        return [int(total) for total in totals]


def whole_numbers(values: Sequence[int], bound: int) -> Ints:
    """An array of `values` for sums and products below `bound`: 64 bits wide where that is enough, else unbounded."""
    return np.array(values, dtype=np.int64 if abs(bound) < SAFE else object)


def _row(text: str, column: Mapping[int, int], equal_ranks: bool, complete: bool) -> list[int]:
    """The tier of every option on one ballot."""
    tiers = read_ranking(text)
    row = [len(column)] * len(column)
    named = 0
    for tier, ids in enumerate(tiers):
        if len(ids) > 1 and not equal_ranks:
            raise ValueError(f"answer {text[:200]!r}: equal ranks are not allowed")
        for option_id in ids:
            if option_id not in column:
                raise ValueError(f"answer {text[:200]!r}: there is no option {option_id}")
            row[column[option_id]] = tier
            named += 1
    if complete and named < len(column):
        raise ValueError(f"answer {text[:200]!r}: every option has to be ranked")
    return row
