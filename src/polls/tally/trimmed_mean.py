"""The mean of ratings without the most extreme ones: a few loud ballots at either end do not move it. Pure.

The trimmed mean of statistics (e.g. J. W. Tukey, "The future of data analysis", Ann. Math. Statist. 33, 1962), as in
judged sports: of n ratings the ⌊share × n⌋ lowest and as many highest are left out, and the mean of the rest is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction


def trimmed_mean(distribution: Mapping[int, int], share: Fraction) -> Fraction | None:
    """The mean of level → ballots without `share` (from 0, below 1/2) at each end; None without ratings.

    Raises ValueError for another share, or negative numbers of ballots.
    """
    if not 0 <= share < Fraction(1, 2) or any(n < 0 for n in distribution.values()):
        raise ValueError("the share left out at each end is from 0 and below 1/2")
    rated = sum(distribution.values())
    if not rated:
        return None
    cut = int(share * rated)
    kept = _without(_without(sorted(distribution.items()), cut)[::-1], cut)
    return Fraction(sum(level * n for level, n in kept), rated - 2 * cut)


def trimmed_means(levels: Mapping[int, Mapping[int, int]], share: Fraction) -> dict[int, Fraction | None]:
    """The trimmed mean of each option: what :func:`polls.tally.placing.rank` orders by."""
    return {option_id: trimmed_mean(distribution, share) for option_id, distribution in levels.items()}


def _without(runs: list[tuple[int, int]], cut: int) -> list[tuple[int, int]]:
    """The runs of (level, ballots) without the first `cut` ballots."""
    kept: list[tuple[int, int]] = []
    for level, n in runs:
        taken = min(n, cut)
        cut -= taken
        kept.append((level, n - taken))
    return kept
