"""Random electorates for differential tests, of realistic and of nasty shapes, from a fixed seed.

Ten thousand a rule with VECHE_FULL_COUNTS, a twentieth otherwise. Shapes: `impartial` (any ranking), `spatial` (voters
and options on a line: single-peaked, as opinions are), `urn` (a few rankings repeated), `cycle` (rotations of one
order, so that majorities run in a circle), `tiny` (two to five ballots, so that nearly everything is a tie), `blocs`
(two camps of clones). Each may be cut short (truncated) and, where asked for, may hold options equal.
"""

import os
import random
from collections import Counter

from polls.tally.ranked import RankedProfile, canonical_ranking

WHOLE = 10_000
COUNT = WHOLE if os.environ.get("VECHE_FULL_COUNTS") else WHOLE // 20
SHAPES = ("impartial", "spatial", "urn", "cycle", "tiny", "blocs")


def electorates(rule, *, equal=False, complete=False, most_options=6, count=COUNT):
    """`count` electorates for a rule: (options, ballots), ballots a dict of tiers → number. The rule is the seed."""
    source = random.Random(f"veche/{rule}")
    for number in range(count):
        shape = SHAPES[number % len(SHAPES)]
        options = tuple(range(1, source.randint(2, most_options) + 1))
        ballots = Counter()
        for order, n in _orders(source, shape, options):
            tiers = tuple((o,) for o in order)
            if not complete and source.random() < 0.5:
                tiers = tiers[: source.randint(1, len(tiers))]
            if equal and source.random() < 0.4:
                tiers = _merged(source, tiers)
            ballots[tiers] += n
        yield options, dict(ballots)


def profile_of(options, ballots, **kwargs):
    """The same electorate as our own profile."""
    return RankedProfile.build(options, {canonical_ranking(tiers): n for tiers, n in ballots.items()}, **kwargs)


def _orders(source, shape, options):
    """(order, number of ballots) of one electorate."""

    def any_order():
        return source.sample(options, len(options))

    if shape == "tiny":
        return [(any_order(), 1) for _ in range(source.randint(2, 5))]
    if shape == "impartial":
        return [(any_order(), source.randint(1, 20)) for _ in range(source.randint(3, 12))]
    if shape == "urn":
        urn = [any_order() for _ in range(source.randint(1, 3))]
        return [(source.choice(urn), source.randint(1, 9)) for _ in range(source.randint(3, 10))]
    if shape == "cycle":
        order = any_order()
        same = source.randint(1, 9)
        turns = [order[k:] + order[:k] for k in range(len(order))]
        return [(turn, same if source.random() < 0.5 else source.randint(1, 12)) for turn in turns]
    if shape == "blocs":
        half = len(options) // 2
        camps = list(options[:half]), list(options[half:])
        found = []
        for _ in range(source.randint(2, 8)):
            ours, theirs = camps if source.random() < 0.6 else camps[::-1]
            found.append((source.sample(ours, len(ours)) + source.sample(theirs, len(theirs)), source.randint(1, 30)))
        return found
    places = {o: source.random() for o in options}
    voters = [source.random() for _ in range(source.randint(5, 60))]
    return [(sorted(options, key=lambda o, v=v: abs(places[o] - v)), 1) for v in voters]


def _merged(source, tiers):
    """Some neighbouring tiers made one."""
    merged = [list(tiers[0])]
    for tier in tiers[1:]:
        if source.random() < 0.4:
            merged[-1] += tier
        else:
            merged.append(list(tier))
    return tuple(tuple(sorted(tier)) for tier in merged)
