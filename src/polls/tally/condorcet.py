"""Rules that elect whoever beats everybody else one to one: Schulze and ranked pairs. Pure.

**Schulze** (M. Schulze, "A new monotonic, clone-independent, reversal symmetric, and Condorcet-consistent
single-winner election method", Social Choice and Welfare 36, 2011). A defeat is as strong as the ballots for its winner
(winning votes); a path is as strong as its weakest defeat; a stands above b when the strongest path from a to b is
stronger than that from b to a. That order is transitive but may leave options without order: these share a tier, and
options of different tiers that it does not order are named in the step ``incomparable``.

**Ranked pairs** is in :mod:`polls.tally.ranked_pairs`.
"""

from __future__ import annotations

import numpy as np

from polls.tally.outcome import Step, TieFound
from polls.tally.pairwise import Pairwise, count_pairwise, undominated_tiers
from polls.tally.positional import order_tier
from polls.tally.ranked import Ints, RankedProfile, Tiers, whole_numbers
from polls.tally.ranked_outcome import RankedOutcome, finish, first_seats
from polls.tally.ties import JOINT, TieRule

Relation = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def strongest_paths(pairwise: Pairwise) -> tuple[tuple[int, ...], ...]:
    """The strength in ballots of the strongest path between any two options, 0 where there is none.

    Floyd and Warshall's algorithm, time options³; diagonal 0.
    """
    most = max((n for row in pairwise.beats for n in row), default=0)
    size = len(pairwise.options)
    beats = whole_numbers([n for row in pairwise.beats for n in row], bound=most).reshape(size, size)
    paths: Ints = np.where(beats > beats.T, beats, 0).astype(beats.dtype)
    for k in range(size):
        np.maximum(paths, np.minimum(paths[:, k, None], paths[k]), out=paths)
    np.fill_diagonal(paths, 0)
    return tuple(tuple(int(n) for n in row) for row in paths)


def count_schulze(profile: RankedProfile, *, seats: int = 1, ties: TieRule = JOINT) -> RankedOutcome:
    """Schulze's order and its first `seats` options (in order: it is no proportional rule)."""
    pairwise = count_pairwise(profile)
    paths = strongest_paths(pairwise)
    size = len(profile.options)
    above = np.array([[paths[i][j] > paths[j][i] for j in range(size)] for i in range(size)], dtype=bool)
    above = above.reshape(size, size)
    order = undominated_tiers(profile.options, above)
    steps = [
        Step("strengths", {"options": list(profile.options), "paths": [list(row) for row in paths]}),
        *incomparable(profile.options, above, order),
    ]
    return conclude_order("schulze", profile, pairwise, order, steps, seats, ties)


def incomparable(options: tuple[int, ...], above: Relation, order: Tiers) -> list[Step]:
    """The step naming pairs of options of different tiers that a relation leaves without order; none: no step."""
    tier_of = {option_id: number for number, tier in enumerate(order) for option_id in tier}
    size = range(len(options))
    pairs = [
        [options[i], options[j]]
        for i in size
        for j in size
        if tier_of[options[i]] < tier_of[options[j]] and not above[i, j]
    ]
    return [Step("incomparable", {"pairs": pairs})] if pairs else []


def conclude_order(
    method: str, profile: RankedProfile, pairwise: Pairwise, order: Tiers, steps: list[Step], seats: int, ties: TieRule
) -> RankedOutcome:
    """The first `seats` options of an order in tiers; a tie on the line goes by the declared rule.

    Nobody wins where no ballot ranks anything.
    """
    if not profile.ballots:
        steps = [*steps, Step("no_votes", {})]
        return finish(method, profile, pairwise, order, (), steps, seats=seats)
    winners, found = first_seats(order, seats, ties.kind)
    if found and (decided := ties.ordered(1, found[0].options)) is not None:
        tie = found[0]
        order = order_tier(order, tie.options, decided)
        winners += decided[: tie.seats]
        found = (TieFound(tie.options, tie.place, tie.seats, "order", order=decided),)
    return finish(method, profile, pairwise, order, winners, steps, seats=seats, ties=found)
