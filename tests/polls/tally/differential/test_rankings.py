"""Rules that count rankings, held against pref_voting and votelib on random electorates: no difference is allowed.

Where an oracle computes something else by design, the docstring of the test says how the two are brought together.
"""

from collections import Counter
from fractions import Fraction
from itertools import permutations

import pytest
from tests.polls.tally.differential.oracles import (
    MarginGraph,
    c1_methods,
    iterative_methods,
    margin_based_methods,
    scoring_methods,
    to_pref_voting,
    to_votelib,
    votelib,
)
from tests.polls.tally.differential.profiles import COUNT, electorates, profile_of

from polls.tally.condorcet import count_schulze, strongest_paths
from polls.tally.instant_runoff import count_instant_runoff
from polls.tally.pairwise import count_pairwise
from polls.tally.positional import borda_scores, count_first_preferences, count_named
from polls.tally.ranked_pairs import count_ranked_pairs

pytestmark = pytest.mark.slow


def condorcet_votes(options, ballots):
    """votelib's pairwise counts: an option left out stands below all that are named."""
    return votelib.convert.RankedToCondorcetVotes(unranked_at_bottom=True).convert(to_votelib(options, ballots))


# ---- by position


def test_plurality():
    for options, ballots in electorates("plurality"):
        scores = {o: int(n) for o, n in count_first_preferences(profile_of(options, ballots)).scores.items()}
        theirs = to_pref_voting(options, ballots).plurality_scores()
        first = votelib.convert.RankedToFirstPreference().convert(to_votelib(options, ballots))
        assert scores == {o: theirs.get(o, 0) for o in options} == {o: first.get(o, 0) for o in options}


def test_approval():
    for options, ballots in electorates("approval", equal=True):
        approvals = Counter()
        for tiers, n in ballots.items():
            approvals[frozenset(o for tier in tiers for o in tier)] += n
        votes = votelib.convert.ApprovalToSimpleVotes().convert(approvals)
        assert count_named(profile_of(options, ballots)).scores == {o: votes.get(o, 0) for o in options}


def test_borda_of_complete_rankings():
    scorer = votelib.component.rankscore.Borda(0)
    for options, ballots in electorates("borda complete", complete=True):
        votes = votelib.convert.RankedToPositionalVotes(scorer).convert(to_votelib(options, ballots))
        profile = profile_of(options, ballots)
        assert borda_scores(profile, "average") == borda_scores(profile, "zero") == votes


def test_borda_of_truncated_rankings():
    scorer = votelib.component.rankscore.Borda(0)
    for options, ballots in electorates("borda truncated"):
        profile = profile_of(options, ballots)
        votes = votelib.convert.RankedToPositionalVotes(scorer).convert(to_votelib(options, ballots))
        assert borda_scores(profile, "zero") == votes
        modified = votelib.convert.RankedToPositionalVotes(votelib.component.rankscore.ModifiedBorda())
        assert borda_scores(profile, "modified") == modified.convert(to_votelib(options, ballots))


def test_borda_of_equal_ranks():
    """pref_voting's symmetric Borda score is below minus above; ours, the average of places, is (that + m - 1) / 2."""
    for options, ballots in electorates("borda equal", equal=True):
        voters = sum(ballots.values())
        theirs = scoring_methods.symmetric_borda_scores(to_pref_voting(options, ballots))
        average = {o: Fraction(int(theirs[o]) + voters * (len(options) - 1), 2) for o in options}
        assert borda_scores(profile_of(options, ballots), "average") == average


# ---- one to one


def test_the_matrix_the_condorcet_winner_and_the_smith_set():
    for options, ballots in electorates("pairwise", equal=True):
        pairwise = count_pairwise(profile_of(options, ballots))
        theirs = to_pref_voting(options, ballots)
        votes = condorcet_votes(options, ballots)
        for a, b in permutations(options, 2):
            assert pairwise.over(a, b) == theirs.support(a, b) == votes.get((a, b), 0)
        assert pairwise.winner == theirs.condorcet_winner()
        assert pairwise.loser == theirs.condorcet_loser()
        assert sorted(pairwise.smith) == sorted(c1_methods.smith_set(theirs))


def test_schulze():
    for options, ballots in electorates("schulze", equal=True):
        outcome = count_schulze(profile_of(options, ballots))
        theirs = to_pref_voting(options, ballots)
        winners = margin_based_methods.beat_path(theirs, strength_function=theirs.support)
        assert sorted(outcome.winners) == list(winners)
        paths = votelib.evaluate.condorcet.Schulze.widest_paths(condorcet_votes(options, ballots))
        ours = strongest_paths(outcome.pairwise)
        assert [[paths.get((a, b), 0) if a != b else 0 for b in options] for a in options] == [list(r) for r in ours]


def test_ranked_pairs_by_margins():
    """Against every order of equal strengths where that is feasible, and against Zavist and Tideman's stacks always."""
    tried = 0
    for options, ballots in electorates("ranked pairs", equal=True, most_options=5):
        theirs = to_pref_voting(options, ballots)
        ours = sorted(count_ranked_pairs(profile_of(options, ballots)).winners)
        assert ours == list(margin_based_methods.ranked_pairs(theirs, algorithm="from_stacks"))
        orders = margin_based_methods.ranked_pairs_with_test(theirs)
        if orders is not None:
            tried += 1
            assert ours == list(orders)
    assert tried > COUNT / 2


def test_ranked_pairs_by_winning_votes():
    """pref_voting counts stacks of any strengths, so it is given the order of ours as margins."""
    for options, ballots in electorates("ranked pairs winning", equal=True, most_options=5):
        profile = profile_of(options, ballots)
        beats = count_pairwise(profile)
        wins = {
            (a, b): (beats.over(a, b), -beats.over(b, a))
            for a, b in permutations(options, 2)
            if beats.over(a, b) > beats.over(b, a)
        }
        place = {key: 2 * number for number, key in enumerate(sorted(set(wins.values())), start=1)}
        graph = MarginGraph(list(options), [(a, b, place[key]) for (a, b), key in wins.items()])
        theirs = margin_based_methods.ranked_pairs(graph, algorithm="from_stacks")
        assert sorted(count_ranked_pairs(profile, strength="winning_votes").winners) == list(theirs)


# ---- instant run-off


def test_instant_runoff():
    """pref_voting's `simultaneous` run-off is our joint rule: options tied for the fewest leave together."""
    for options, ballots in electorates("instant runoff"):
        ours = count_instant_runoff(profile_of(options, ballots))
        theirs = to_pref_voting(options, ballots)
        assert sorted(ours.winners) == list(iterative_methods.instant_runoff_for_truncated_linear_orders(theirs))
