"""Weights by raking, what they cost in precision, and margins of error: arithmetic on arrays. Pure.

Ballots are counted by stratum: `counts` holds the ballots of each, all above nought, and every ballot of a stratum
weighs the same. A margin is one dimension: `place[s]` is the number of the group stratum s is in, `share[g]` the part
that group g should have; shares add up to one. Strata the dimension does not place have the number after the last
group: the groups stand to each other by their shares, and what the unplaced weigh together follows from the other
margins. Weights are relative: the mean ballot weighs one.

Raking is iterative proportional fitting (Deming and Stephan, "On a least squares adjustment of a sampled frequency
table when the expected marginal totals are known", Ann. Math. Statist. 11 (1940) 427–444): each margin in turn is
scaled to its shares until all hold. Where any positive weights of that form meet the margins, it comes to the only
ones, in whatever order the margins stand (Ireland and Kullback, Biometrika 55 (1968) 179–188).

Weights outside the bounds are cut to them and the rest raked on, in every pass (trimming as in Battaglia, Hoaglin and
Frankel, "Practical considerations in raking survey data", Survey Practice 2 (2009); the cap of five is DeBell and
Krosnick's for the American National Election Study, 2009). Design effect: 1 + cv² of the weights (Kish, *Survey
Sampling*, 1965, §11.7). Variance: the ratio linearised, less what the margins explain (Deville and Särndal,
"Calibration estimators in survey sampling", JASA 87 (1992) 376–382).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

Real = NDArray[numpy.float64]
Whole = NDArray[numpy.int64]

BOUNDS = (0.2, 5.0)
"""The least and the most a ballot may weigh against the mean ballot."""
CLOSE = 1e-9
"""Margins are met when no group is further from its share than this."""
ROUNDS = 500
FAR = 100.0
"""How far beyond the bounds the factors behind cut weights may go, where margins cannot be met."""
Z95 = 1.959964


@dataclass(frozen=True)
class Margin:
    """One dimension to rake by: `place` per stratum, `share` per group (see the module's words)."""

    place: Whole
    share: Real


@dataclass(frozen=True)
class Raked:
    """`weights` per stratum, mean one over ballots. `miss`: the furthest a group is from its share, as a part of one.

    `trimmed`: the part of the ballots that weigh as little or as much as the bounds allow. `rounds`: passes over all
    margins. `met` says whether the margins hold within :data:`CLOSE`.
    """

    weights: Real
    miss: float
    trimmed: float
    rounds: int

    @property
    def met(self) -> bool:
        """Whether every margin holds."""
        return self.miss <= CLOSE


def rake(counts: Real, margins: Sequence[Margin], bounds: tuple[float, float] = BOUNDS) -> Raked:
    """Weights that meet the margins as nearly as the bounds allow; the bounds always hold.

    Each margin is scaled by what its groups lack once weights are cut, so that what one group may not weigh the rest of
    its margin does: raking with the range of weights restricted (Deville and Särndal, case 7).
    """
    least, most = bounds
    factors, weights, rounds = numpy.ones(len(counts)), numpy.ones(len(counts)), 0
    total = float(counts.sum())
    while rounds < ROUNDS and _miss(weights, counts, margins) > CLOSE:
        rounds += 1
        for margin in margins:
            held = _held(margin, counts * weights)
            wanted = numpy.append(margin.share * (total - held[-1]), held[-1])
            factors = numpy.clip(factors * _scale(wanted, held)[margin.place], least / FAR, most * FAR)
            weights = numpy.clip(factors, least, most)
    weights = _of_mean_one(weights, counts, bounds)
    at_bound = (weights <= least * (1 + CLOSE)) | (weights >= most * (1 - CLOSE))
    return Raked(weights, _miss(weights, counts, margins), float(counts[at_bound].sum()) / total, rounds)


def _miss(weights: Real, counts: Real, margins: Sequence[Margin]) -> float:
    held = [_held(margin, counts * weights)[:-1] for margin in margins]
    both = zip(held, margins, strict=True)
    gaps = [numpy.abs(of / of.sum() - margin.share).max() for of, margin in both if of.any()]
    return float(max(gaps, default=0.0))


def _held(margin: Margin, weight: Real) -> Real:
    """What the groups of a margin weigh, and last what those weigh whom it does not place."""
    return _sums(margin.place, weight, len(margin.share) + 1)


def _of_mean_one(weights: Real, counts: Real, bounds: tuple[float, float]) -> Real:
    """Weights scaled to a mean of one, and kept within the bounds meanwhile: by the factor that does both."""
    low, high = bounds[0] / weights.max(), bounds[1] / weights.min()
    for _ in range(100):
        factor = (low + high) / 2
        mean = (counts * numpy.clip(weights * factor, *bounds)).sum() / counts.sum()
        low, high = (factor, high) if mean < 1 else (low, factor)
    scaled: Real = numpy.clip(weights * high, *bounds)
    return scaled


def design_effect(weights: Real, counts: Real) -> float:
    """1 + cv² of the weights: by how much they raise the variance of a share they have nothing to do with."""
    return float(counts.sum() * (counts * weights**2).sum() / (counts * weights).sum() ** 2)


# ---- answers within strata, out of published tables


@dataclass(frozen=True)
class Known:
    """One published breakdown of a number of ballots: `place` per stratum, `count` per group.

    Groups whose figure is hidden are one group here: together they have what the others leave of the total.
    """

    place: Whole
    count: Real


def spread(total: Real, known: Sequence[Known], n: float) -> Real:
    """How `n` ballots of an answer lie among strata of `total` ballots, judged by published breakdowns alone.

    The even spread that meets them all: of the tables of strata × (answer, no answer) with these margins the one that
    adds no interaction of its own, which is logistic regression on the dimensions (Bishop, Fienberg and Holland,
    *Discrete Multivariate Analysis*, 1975, ch. 3). It is fitted proportionally, to a hundredth of a ballot.
    """
    whole = float(total.sum())
    if n <= 0 or n >= whole:
        return numpy.zeros_like(total) if n <= 0 else total.copy()
    given: Real = total * (n / whole)
    left: Real = total - given
    for _ in range(ROUNDS):
        gap = 0.0
        for one in known:
            of_all = _sums(one.place, total, len(one.count))
            held = _sums(one.place, given, len(one.count))
            gap = max(gap, float(numpy.abs(held - one.count).max()))
            given = given * _scale(one.count, held)[one.place]
            left = left * _scale(numpy.maximum(of_all - one.count, 0.0), of_all - held)[one.place]
            both = numpy.maximum(given + left, 1e-300)
            given, left = total * given / both, total * left / both
        if gap <= 0.01:
            break
    return given


def spread_amount(holders: Real, known: Sequence[Known], amount: float) -> Real:
    """How an `amount` (of levels given) lies among strata with so many `holders`, by published sums."""
    if amount <= 0 or not holders.any():
        return numpy.zeros_like(holders)
    given: Real = holders * (amount / holders.sum())
    for _ in range(ROUNDS):
        gap = 0.0
        for one in known:
            held = _sums(one.place, given, len(one.count))
            gap = max(gap, float(numpy.abs(held - one.count).max()))
            given = given * _scale(one.count, held)[one.place]
        if gap <= 0.01:
            break
    return given


def _sums(place: Whole, values: Real, groups: int) -> Real:
    sums: Real = numpy.bincount(place, values, groups).astype(numpy.float64)
    return sums


def _scale(wanted: Real, held: Real) -> Real:
    return numpy.divide(wanted, held, out=numpy.ones_like(held), where=held > 1e-12)


# ---- margins of error


def share_of_weighted(weights: Real, total: Real, given: Real) -> float:
    """The weighted share: what weighs on an answer ÷ what weighs on all ballots that were asked."""
    return float((weights * given).sum() / (weights * total).sum())


def explained(weight: Real, mean: Real, margins: Sequence[Margin]) -> Real:
    """Fitted values of a weighted regression of stratum means on the groups raked by.

    Found group by group (backfitting), which needs no linear algebra and so none of its threads.
    """
    fitted: Real = numpy.zeros_like(mean)
    held = [_held(margin, weight) for margin in margins]
    for _ in range(ROUNDS):
        before = fitted
        for margin, of_group in zip(margins, held, strict=True):
            left = _held(margin, weight * (mean - fitted))
            fitted = fitted + numpy.divide(left, of_group, out=numpy.zeros_like(left), where=of_group > 0)[margin.place]
        if numpy.abs(fitted - before).max() < 1e-12:
            break
    return fitted


def margin_of_share(weights: Real, counts: Real, total: Real, given: Real, margins: Sequence[Margin]) -> float | None:
    """Half the 95 % interval of a weighted share, or None when too few gave or did not give the answer to tell.

    `total` are the ballots of each stratum that were asked, out of `counts`; `given` those of them with the answer.
    What the margins explain is taken out. Ballots are taken as drawn with replacement: no correction for a large part
    of the roll having voted.
    """
    share = share_of_weighted(weights, total, given)
    n = float(total.sum())
    if min(share, 1 - share) * n / design_effect(weights, total) < LEAST_EXPECTED:
        return None
    fitted = explained(weights * counts, (given - share * total) / counts, margins)
    part = numpy.divide(given, total, out=numpy.zeros_like(given), where=total > 0)
    inside: Real = total * (part * (1 - part) + (part - share - fitted) ** 2)
    outside: Real = (counts - total) * fitted**2
    variance = (weights**2 * (inside + outside)).sum() / (weights * total).sum() ** 2 * n / max(n - 1, 1)
    return Z95 * float(numpy.sqrt(variance))


LEAST_EXPECTED = 5
"""Under so many effective ballots for, or against, an answer the normal approximation is not used."""


def margin_of_mean(weights: Real, holders: Real, variance: float) -> float | None:
    """Half the 95 % interval of a weighted mean whose ballots have this `variance` among them, by the design effect.

    Wider than need be: what the margins explain stays in.
    """
    n = float(holders.sum())
    if n < 2 * LEAST_EXPECTED:
        return None
    effective = n / design_effect(weights, holders)
    return Z95 * float(numpy.sqrt(variance / effective))
