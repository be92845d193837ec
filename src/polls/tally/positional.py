"""Rankings counted by position: Borda, first preferences alone (plurality), every option named (approval). Pure.

Borda (1781, "Mémoire sur les élections au scrutin"): with m options the first gets m − 1 points, the next m − 2, the
last 0. Options held equal share the points of the places they fill, so each gets their average. What a ballot that
leaves options out gives is declared:

``average``   options left out share the points of the last places (a ballot always gives m(m − 1)/2 points);
``zero``      they get nothing, and those named get m − 1, m − 2, … as if the ballot were complete;
``modified``  a ballot that names k options gives its first k points, its last 1, the others none
              (Emerson, "The original Borda count and partial voting", Social Choice and Welfare 40, 2013): naming few
              options gives them no more than naming all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import numpy as np

from polls.tally.outcome import Step, fraction_text
from polls.tally.pairwise import count_pairwise
from polls.tally.ranked import Equal, Ints, RankedProfile, Tiers
from polls.tally.ranked_outcome import RankedOutcome, finish, first_seats
from polls.tally.ties import JOINT, TieRule

Truncated = Literal["average", "zero", "modified"]


def count_borda(
    profile: RankedProfile, *, seats: int = 1, truncated: Truncated = "average", ties: TieRule = JOINT
) -> RankedOutcome:
    """The Borda count. `scores` are exact points; halves come from equal ranks and from the average convention."""
    return _by_score(f"borda_{truncated}", profile, borda_scores(profile, truncated), seats, ties)


def borda_scores(profile: RankedProfile, truncated: Truncated = "average") -> dict[int, Fraction]:
    """Points per option under the declared convention."""
    size = len(profile.options)
    ranks = profile.ranks.astype(np.int64)
    named = ranks < size
    doubled: list[int] = []
    for i in range(size):
        mine = ranks[:, i, None]
        # Twice the points: 2 for every option below, 1 for every other option held equal.
        below, equal = (ranks > mine).sum(axis=1), (ranks == mine).sum(axis=1) - 1
        twice = 2 * below + equal
        if truncated == "modified":
            # k points for the first of k named: the options named below, the equals' share, and one for being named.
            twice -= 2 * (~named).sum(axis=1) - 2
        if truncated != "average":
            twice = np.where(named[:, i], twice, 0)
        doubled.append(int((profile.weights * _like(profile.weights, twice)).sum()))
    return {option_id: Fraction(n, 2) for option_id, n in zip(profile.options, doubled, strict=True)}


def count_first_preferences(
    profile: RankedProfile, *, seats: int = 1, equal: Equal = "exhaust", ties: TieRule = JOINT
) -> RankedOutcome:
    """Plurality of first preferences. A ballot with several options in first place counts for none by default."""
    first = profile.preferences(equal)[:, 0] if profile.options else np.zeros(0, dtype=np.int16)
    votes = profile.sums(first, profile.weights)
    scores = {option_id: Fraction(n) for option_id, n in zip(profile.options, votes, strict=True)}
    return _by_score("plurality", profile, scores, seats, ties)


def count_named(profile: RankedProfile, *, seats: int = 1, ties: TieRule = JOINT) -> RankedOutcome:
    """Approval: every option a ballot names, at whatever rank, has its vote."""
    named = _like(profile.weights, (profile.ranks < len(profile.options)).astype(np.int64))
    votes = profile.weights @ named if len(named) else [0] * len(profile.options)
    scores = {option_id: Fraction(int(n)) for option_id, n in zip(profile.options, votes, strict=True)}
    return _by_score("approval", profile, scores, seats, ties)


def tiers_by_score(scores: Mapping[int, Fraction], options: Sequence[int]) -> Tiers:
    """Options by falling score, those of one score in one tier (in stated order there)."""
    values = sorted({scores[o] for o in options}, reverse=True)
    return tuple(tuple(o for o in options if scores[o] == value) for value in values)


def order_tier(order: Tiers, line: tuple[int, ...], better: Sequence[int]) -> Tiers:
    """`order` with its tier `line` replaced by the decided order of the same options, one a tier."""
    tiers: list[tuple[int, ...]] = []
    for tier in order:
        tiers.extend([(o,) for o in better] if tier == line else [tier])
    return tuple(tiers)


def _by_score(
    method: str, profile: RankedProfile, scores: Mapping[int, Fraction], seats: int, ties: TieRule
) -> RankedOutcome:
    """Options by score; a tie on the line goes by the declared rule. An option without any score never wins."""
    order = tiers_by_score(scores, profile.options)
    steps = [Step("scores", {"scores": [[o, fraction_text(n)] for o, n in scores.items()]})]
    live = tuple(tier for tier in order if scores[tier[0]] > 0)
    winners, found = first_seats(live, seats, ties.kind)
    if found and (decided := ties.ordered(1, found[0].options)) is not None:
        order = order_tier(order, found[0].options, decided)
        winners = winners + decided[: found[0].seats]
        found = (replace(found[0], resolution="order", order=decided),)
    if not live:
        steps.append(Step("no_votes", {}))
    pairwise = count_pairwise(profile)
    return finish(method, profile, pairwise, order, winners, steps, seats=seats, ties=found, scores=scores)


def _like(weights: Ints, values: Ints) -> Ints:
    """`values` in the kind of numbers of `weights`, so that a product is as exact as they are."""
    return values.astype(object) if weights.dtype == object else values
