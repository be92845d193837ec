"""Criteria of voting theory: those a rule meets on any electorate, and typed examples of known failures."""

import json
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.polls.tally.rankings import answers, profile_of, words

from polls.tally.condorcet import count_schulze
from polls.tally.instant_runoff import count_instant_runoff
from polls.tally.majority_judgment import count_majority_judgment
from polls.tally.pairwise import count_pairwise
from polls.tally.positional import borda_scores, count_borda, count_first_preferences
from polls.tally.ranked import RankedProfile, canonical_ranking
from polls.tally.ranked_pairs import count_ranked_pairs
from polls.tally.stv import count_stv
from polls.tally.ties import TieRule

BY_ID = TieRule("lot", lambda stage, tied: sorted(tied))


def whole(counts, options):
    """The same ballots with the options left out in a tier of their own, so that they can be turned round."""
    found = Counter()
    for text, n in counts.items():
        tiers = json.loads(text)
        left = [o for o in options if not any(o in tier for tier in tiers)]
        found[canonical_ranking([*tiers, left] if left else tiers)] += n
    return found


@pytest.mark.parametrize("count", [count_schulze, count_ranked_pairs, count_borda])
@given(answers(equal=True))
@settings(max_examples=40, deadline=None)
def test_reversal_symmetry(count, found):
    """Turn every ballot round: who won alone does not win (Schulze 2011, 4.4; Saari 1994 for Borda)."""
    options, counts = found
    assume(len(options) > 1)
    whole_ballots = whole(counts, options)
    outcome = count(RankedProfile.build(options, whole_ballots))
    assume(len(outcome.winners) == 1)
    turned = {canonical_ranking(json.loads(text)[::-1]): n for text, n in whole_ballots.items()}
    assert count(RankedProfile.build(options, turned)).winners != outcome.winners


@given(answers(equal=True))
@settings(max_examples=40, deadline=None)
def test_turned_round_the_matrix_is_turned_round_and_borda_s_points_change_sign(found):
    options, counts = found
    whole_ballots = whole(counts, options)
    profile = RankedProfile.build(options, whole_ballots)
    turned = RankedProfile.build(options, {canonical_ranking(json.loads(t)[::-1]): n for t, n in whole_ballots.items()})
    assert count_pairwise(turned).beats == tuple(zip(*count_pairwise(profile).beats, strict=True))
    most = profile.ballots * (len(options) - 1)
    assert borda_scores(turned) == {o: most - n for o, n in borda_scores(profile).items()}


@pytest.mark.parametrize("count", [count_instant_runoff, count_first_preferences])
def test_known_failure_of_reversal_symmetry(count):
    # A. Reynolds' kind of example: A has most first places and most last places.
    profile, turned = profile_of({"ABC": 4, "BCA": 3, "CBA": 2}), profile_of({"CBA": 4, "ACB": 3, "ABC": 2})
    winners = {words([count(one).winners]) for one in (profile, turned)}
    assert winners == ({"B", "A"} if count is count_instant_runoff else {"A"})


def test_known_failure_of_borda_clones_and_of_the_majority_criterion():
    """Borda: a clone of B turns the election; three of five put A first, and B wins."""
    before, after = {"AB": 3, "BA": 2}, {"ABC": 3, "BCA": 2}
    assert words([count_borda(profile_of(before)).winners]) == "A"
    assert words([count_borda(profile_of(after)).winners]) == "B"


def test_known_failure_of_monotonicity_in_transferable_votes():
    """One seat by the Scottish rules is an instant run-off: ten ballots raise A, and A loses (as in test_ranked)."""
    before = profile_of({"AB": 39, "BCA": 35, "CA": 26})
    after = profile_of({"AB": 39, "ABC": 10, "BCA": 25, "CA": 26})
    assert words([count_stv(before, seats=1).winners]) == "A"
    assert words([count_stv(after, seats=1).winners]) == "C"


def test_known_failure_of_instant_runoff_to_elect_whoever_beats_all():
    """Burlington's shape: B beats A 60:40 and C 65:35 one to one, and leaves first."""
    profile = profile_of({"ABC": 40, "CBA": 35, "BAC": 25})
    assert words([[count_pairwise(profile).winner]]) == "B"
    assert words([count_instant_runoff(profile).winners]) == "A"


def test_known_failure_of_majority_judgment_to_respect_a_majority():
    """Two of three grade A above B, and B wins: its middle grade is better (Balinski and Laraki discuss this)."""
    levels = {1: {5: 1, 2: 1, 1: 1}, 2: {4: 1, 3: 1, 1: 1}}
    assert count_majority_judgment(levels, ballots=3).winners == (2,)


@pytest.mark.parametrize("count", [count_schulze, count_ranked_pairs, count_instant_runoff])
@given(answers(size=4), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_majority_loser_never_wins(count, found, worst):
    """Whom more than half of the ballots put last never wins."""
    options, counts = found
    others = [[o] for o in options if o != worst]
    counts = Counter(counts)
    counts[canonical_ranking([*others, [worst]])] += sum(counts.values()) + 1
    assert worst not in count(RankedProfile.build(options, counts), ties=BY_ID).winners
