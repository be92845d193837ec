"""Ranked pairs: defeats are locked from the strongest down, leaving out each that would close a circle. Pure.

Source: T. N. Tideman, "Independence of clones as a criterion for voting rules", Social Choice and Welfare 4 (1987);
ties: Zavist & Tideman, "Complete independence of clones in the ranked pairs rule", ibid. 6 (1989).

The strength of a defeat is declared: ``margins`` (votes for less votes against, as Tideman has it) or
``winning_votes`` (votes for, then fewer against). Equal strengths matter when the order in which they are locked
decides what is locked. Then, as the tie rule declares:

- with an order supplied, pairs of equal strength are locked by the better of their winners, then by the worse of their
  losers; the order is asked for once, over all options;
- otherwise every order is tried: an option wins if it wins in some order (``joint``), and a stands above b if it does
  in all. More than :data:`MOST_STATES` cases are not tried: then nobody wins and the tie is left to the chair.

Two options with as many votes each way have no defeat between them and may stay without order.
"""

from __future__ import annotations

from itertools import groupby
from typing import Literal

import numpy as np

from polls.tally.condorcet import Relation, conclude_order, incomparable
from polls.tally.outcome import Step, TieFound
from polls.tally.pairwise import Pairwise, count_pairwise, undominated_tiers
from polls.tally.ranked import RankedProfile, Tiers
from polls.tally.ranked_outcome import RankedOutcome, finish
from polls.tally.ties import JOINT, TieRule

Strength = Literal["margins", "winning_votes"]
MOST_STATES = 5_000
"""Orders are followed by what they have locked; so many different states are kept, and then no more."""

_Key = tuple[int, int]
_Pair = tuple[int, int]
_Closure = tuple[int, ...]
"""Per option (by position) a bit set of the options it stands above, through whatever has been locked."""


def count_ranked_pairs(
    profile: RankedProfile, *, seats: int = 1, strength: Strength = "margins", ties: TieRule = JOINT
) -> RankedOutcome:
    """The ranked pairs order and its first `seats` options (in order: it is no proportional rule)."""
    pairwise = count_pairwise(profile)
    groups = _defeats(pairwise, strength)
    steps: list[Step] = []
    preferred = _preferred(profile.options, groups, ties)
    states = _lock(len(profile.options), groups, preferred)
    if states is None:
        steps.append(Step("too_many_orders", {"most": MOST_STATES}))
        everybody = TieFound(profile.options, 1, seats, "chair")
        return finish("ranked_pairs", profile, pairwise, (profile.options,), (), steps, seats=seats, ties=(everybody,))
    steps += _pair_steps(pairwise, groups, states)
    above = _common(states)
    order = undominated_tiers(profile.options, above)
    if len(states) > 1:
        order = _winners_first(profile.options, order, states)
    steps += incomparable(profile.options, above, order)
    return conclude_order("ranked_pairs", profile, pairwise, order, steps, seats, ties)


def _defeats(pairwise: Pairwise, strength: Strength) -> list[tuple[_Key, list[_Pair]]]:
    """Defeats by falling strength, those of one strength together. A key is compared as it stands."""
    d, size = pairwise.beats, range(len(pairwise.options))
    found: list[tuple[_Key, _Pair]] = []
    for i in size:
        for j in size:
            if d[i][j] > d[j][i]:
                key = (d[i][j] - d[j][i], 0) if strength == "margins" else (d[i][j], -d[j][i])
                found.append((key, (i, j)))
    found.sort(key=lambda one: (-one[0][0], -one[0][1], one[1]))
    return [(key, [pair for _, pair in same]) for key, same in groupby(found, key=lambda one: one[0])]


def _preferred(
    options: tuple[int, ...], groups: list[tuple[_Key, list[_Pair]]], ties: TieRule
) -> dict[int, int] | None:
    """Position of option → its number in the supplied order, 0 the best; asked for only where strengths are equal."""
    if ties.order is None or all(len(pairs) == 1 for _, pairs in groups):
        return None
    order = ties.ordered(1, options)
    return None if order is None else {options.index(option_id): number for number, option_id in enumerate(order)}


def _lock(size: int, groups: list[tuple[_Key, list[_Pair]]], preferred: dict[int, int] | None) -> list[_Closure] | None:
    """Everything that may be locked in the end, over all orders of equal strengths; None: too many."""
    states: set[_Closure] = {(0,) * size}
    for _, pairs in groups:
        if preferred is not None:
            pairs = sorted(pairs, key=lambda pair: (preferred[pair[0]], -preferred[pair[1]]))
            states = {_in_turn(state, pairs) for state in states}
            continue
        found: set[_Closure] = set()
        for state in states:
            ends = _in_any_order(state, pairs)
            if ends is None or len(found) + len(ends) > MOST_STATES:
                return None
            found |= ends
        states = found
    return sorted(states)


def _in_turn(state: _Closure, pairs: list[_Pair]) -> _Closure:
    """The state after locking pairs one after the other, leaving out what would close a circle."""
    for i, j in pairs:
        if not state[j] >> i & 1:
            state = _added(state, i, j)
    return state


def _in_any_order(state: _Closure, pairs: list[_Pair]) -> set[_Closure] | None:
    """The states that some order of the pairs leads to; None: too many on the way."""
    together = state
    for i, j in pairs:
        if together[j] >> i & 1:
            break
        together = _added(together, i, j)
    else:
        return {together}  # all of them can be locked, so their order does not matter
    seen: set[_Closure] = {state}
    open_states, ends = [state], set[_Closure]()
    while open_states:
        here = open_states.pop()
        ahead = [(i, j) for i, j in pairs if not here[j] >> i & 1 and not here[i] >> j & 1]
        if not ahead:
            ends.add(here)
        for i, j in ahead:
            further = _added(here, i, j)
            if further not in seen:
                seen.add(further)
                open_states.append(further)
        if len(seen) > MOST_STATES:
            return None
    return ends


def _added(state: _Closure, i: int, j: int) -> _Closure:
    """The state with i above j, and whatever follows from that."""
    reached = state[j] | 1 << j
    return tuple(below | reached if k == i or below >> i & 1 else below for k, below in enumerate(state))


def _common(states: list[_Closure]) -> Relation:
    """Who stands above whom in every state."""
    size = len(states[0])
    return np.array(
        [[all(state[i] >> j & 1 for state in states) for j in range(size)] for i in range(size)], dtype=bool
    ).reshape(size, size)


def _winners_first(options: tuple[int, ...], order: Tiers, states: list[_Closure]) -> Tiers:
    """The order with whoever wins in some state as its first tier."""
    first = {
        options[i]
        for state in states
        for i in range(len(options))
        if not any(below >> i & 1 for below in state)
    }  # fmt: skip
    rest = (tuple(o for o in tier if o not in first) for tier in order)
    return (tuple(o for o in options if o in first), *(tier for tier in rest if tier))


def _pair_steps(pairwise: Pairwise, groups: list[tuple[_Key, list[_Pair]]], states: list[_Closure]) -> list[Step]:
    """Every defeat, strongest first, with whether it stands: None where that depends on the order of equals."""
    steps: list[Step] = []
    options = pairwise.options
    for _, pairs in groups:
        stands = {pair: {bool(state[pair[0]] >> pair[1] & 1) for state in states} for pair in pairs}
        if len(pairs) > 1:
            matters = any(len(found) > 1 for found in stands.values())
            named = [[options[i], options[j]] for i, j in pairs]
            steps.append(Step("equal_pairs", {"pairs": named, "matters": matters}))
        for i, j in pairs:
            facts = {"winner": options[i], "loser": options[j]}
            votes = {"for": pairwise.beats[i][j], "against": pairwise.beats[j][i]}
            found = stands[i, j]
            steps.append(Step("pair", {**facts, **votes, "locked": found.pop() if len(found) == 1 else None}))
    return steps
