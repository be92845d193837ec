"""Rankings for tests: short words into profiles, and strategies of random profiles."""

from collections import Counter
from itertools import permutations

from hypothesis import strategies as st

from polls.tally.ranked import RankedProfile, canonical_ranking


def profile_of(ballots, letters=None, **kwargs):
    """A profile of ``{"ABC": 3, "B": 2, "A=BC": 1}``: letters in order of preference, ``=`` joins a tier.

    Options are numbered from 1 by letter. ``"A=BC"`` holds A and B equal, C below.
    """
    letters = letters or "".join(sorted({ch for word in ballots for ch in word if ch != "="}))
    answers = Counter()
    for word, n in ballots.items():
        tiers = []
        for position, ch in enumerate(word):
            if ch == "=":
                continue
            if position and word[position - 1] == "=":
                tiers[-1].append(letters.index(ch) + 1)
            else:
                tiers.append([letters.index(ch) + 1])
        answers[canonical_ranking(tiers)] += n
    return RankedProfile.build(range(1, len(letters) + 1), answers, **kwargs)


def words(order, letters="ABCDEFGHIJ"):
    """An order in tiers as ``"E A BC"``."""
    return " ".join("".join(letters[o - 1] for o in tier) for tier in order)


@st.composite
def rankings(draw, options, equal=False):
    """One ranking of some of the options."""
    order = draw(st.permutations(list(options)))
    named = order[: draw(st.integers(1, len(order)))]
    if not equal:
        return [[o] for o in named]
    tiers = [[named[0]]]
    for o in named[1:]:
        if draw(st.booleans()):
            tiers.append([o])
        else:
            tiers[-1].append(o)
    return tiers


@st.composite
def answers(draw, size=None, equal=False, most=6):
    """Canonical text → ballots over options 1…size, and the options."""
    size = size or draw(st.integers(2, 5))
    options = tuple(range(1, size + 1))
    found = draw(st.lists(st.tuples(rankings(options, equal), st.integers(1, 9)), min_size=1, max_size=most))
    counted = Counter()
    for ranking, n in found:
        counted[canonical_ranking(ranking)] += n
    return options, dict(counted)


def every_complete_order(options):
    """All complete strict rankings."""
    return [[[o] for o in order] for order in permutations(options)]


def facts(outcome, code):
    """The facts of an outcome's steps of one code."""
    return [step.facts for step in outcome.steps if step.code == code]
