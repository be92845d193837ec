"""Rankings and the rules that count them: facts of the literature, properties, oracles written another way."""

import json
from collections import Counter
from fractions import Fraction
from itertools import combinations, permutations
from itertools import pairwise as in_pairs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.polls.tally.rankings import answers, facts, profile_of, words

from polls.tally.condorcet import count_schulze, strongest_paths
from polls.tally.instant_runoff import count_instant_runoff
from polls.tally.pairwise import Pairwise, count_pairwise
from polls.tally.positional import borda_scores, count_borda, count_first_preferences, count_named
from polls.tally.ranked import RankedProfile, canonical_ranking, read_ranking
from polls.tally.ranked_pairs import count_ranked_pairs
from polls.tally.ties import TieRule

BY_ID = TieRule("lot", lambda stage, tied: sorted(tied))


# ---- text and profile


@pytest.mark.parametrize("text", ["[]", "[[1]]", "[[3],[1,2],[5]]", "[[32767,99999]]"])
def test_canonical_text_is_read_back(text):
    assert canonical_ranking(read_ranking(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "[[2,1]]", "[[1],[1]]", "[[]]", "[1]", "[[1], [2]]", "[[01]]", "[[1],[]]", "[[1.0]]", "[[0]]", "[[-1]]",
     "[[1]]\n", "[[١]]", "[[100000]]", "null", None, 7],
)  # fmt: skip
def test_any_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r"not a canonical ranking|ranking names"):
        read_ranking(text)


def test_a_profile_counts_blank_and_neutral_apart():
    profile = RankedProfile.build([1, 2], {"[]": 4, "[[2],[1]]": 3, "[9]": 2, "[[1,2]]": 1}, neutral=[9])
    assert (profile.ballots, profile.blank, profile.neutral) == (4, 4, {9: 2})
    assert facts(count_schulze(profile), "ballots") == [{"cast": 10, "blank": 4, "neutral": 2, "valid": 4}]


@pytest.mark.parametrize(
    ("found", "kwargs", "match"),
    [
        ({"[[3]]": 1}, {}, "no option 3"),
        ({"[[1,2]]": 1}, {"equal_ranks": False}, "equal ranks"),
        ({"[[1]]": 1}, {"complete": True}, "every option"),
        ({"[[1]]": -1}, {}, "number of ballots"),
        ({"[[1]]": True}, {}, "number of ballots"),
        ({"[9]": 1}, {}, "canonical"),
    ],
)
def test_what_does_not_fit_is_refused(found, kwargs, match):
    with pytest.raises(ValueError, match=match):
        RankedProfile.build([1, 2], found, **kwargs)


def test_counts_beyond_64_bits_are_exact():
    big = 10**30
    small = profile_of({"ABC": 5, "BCA": 4, "C=AB": 2, "CA": 1})
    huge = profile_of({"ABC": 5 * big, "BCA": 4 * big, "C=AB": 2 * big, "CA": big})
    assert huge.weights.dtype == object
    for count in RULES.values():
        assert count(huge).order == count(small).order
    assert count_pairwise(huge).beats == tuple(tuple(n * big for n in row) for row in count_pairwise(small).beats)
    assert borda_scores(huge) == {o: n * big for o, n in borda_scores(small).items()}


# ---- facts of the literature

# Schulze, "A new monotonic, clone-independent, reversal symmetric, and Condorcet-consistent single-winner election
# method" (Social Choice and Welfare 36, 2011), example 1: 21 voters.
SCHULZE_1 = {"ACDB": 8, "BADC": 2, "CDBA": 4, "DBAC": 4, "DCBA": 3}
# Schulze's example of 45 voters (Voting Matters 17, 2003), where ranked pairs elects A.
SCHULZE_45 = {
    "ACBED": 5, "ADECB": 5, "BEDAC": 8, "CABED": 3, "CAEBD": 7, "CBADE": 2, "DCEBA": 7, "EBADC": 8,
}  # fmt: skip
# Four cities choose the capital of Tennessee, in percent: Memphis A, Nashville B, Chattanooga C, Knoxville D.
TENNESSEE = {"ABCD": 42, "BCDA": 26, "CDBA": 15, "DCBA": 17}
# Borda 1781: a plurality elects A, whom 13 of 21 rank last.
BORDA_1781 = {"ABC": 1, "ACB": 7, "BCA": 7, "CBA": 6}


def test_schulze_example_1():
    outcome = count_schulze(profile_of(SCHULZE_1))
    assert outcome.pairwise.beats == ((0, 8, 14, 10), (13, 0, 6, 2), (7, 15, 0, 12), (11, 19, 9, 0))
    assert strongest_paths(outcome.pairwise) == ((0, 14, 14, 12), (13, 0, 13, 12), (13, 15, 0, 12), (13, 19, 13, 0))
    assert words(outcome.order) == "D A C B"


def test_schulze_example_of_45_voters():
    outcome = count_schulze(profile_of(SCHULZE_45))
    assert strongest_paths(outcome.pairwise) == (
        (0, 28, 28, 30, 24), (25, 0, 28, 33, 24), (25, 29, 0, 29, 24), (25, 28, 28, 0, 24), (25, 28, 28, 31, 0),
    )  # fmt: skip
    assert words(outcome.order) == "E A C B D"
    assert words(count_ranked_pairs(profile_of(SCHULZE_45)).order) == "A C E B D"


def test_the_capital_of_tennessee():
    profile = profile_of(TENNESSEE)
    assert words([count_first_preferences(profile).winners]) == "A"
    assert words([count_instant_runoff(profile).winners]) == "D"
    assert words(count_ranked_pairs(profile).order) == words(count_schulze(profile).order) == "B C D A"
    assert borda_scores(profile) == {1: 126, 2: 194, 3: 173, 4: 107}
    rounds = [dict(map(tuple, r["votes"])) for r in facts(count_instant_runoff(profile), "round")]
    assert rounds == [{1: 42, 2: 26, 3: 15, 4: 17}, {1: 42, 2: 26, 4: 32}, {1: 42, 4: 58}]


def test_borda_1781():
    profile = profile_of(BORDA_1781)
    assert words(count_first_preferences(profile).order) == "A B C"
    assert borda_scores(profile) == {1: 16, 2: 21, 3: 26}
    assert count_pairwise(profile).loser == 1


def test_condorcet_paradox_is_a_circle_and_a_reported_tie():
    profile = profile_of({"ABC": 1, "BCA": 1, "CAB": 1})
    assert (count_pairwise(profile).winner, count_pairwise(profile).smith) == (None, (1, 2, 3))
    for count in (count_schulze, count_ranked_pairs):
        outcome = count(profile)
        assert (outcome.winners, outcome.ties[0].options) == ((1, 2, 3), (1, 2, 3))
        open_ = count(profile, ties=TieRule("chair"))
        assert (open_.winners, open_.open) == ((), True)
        decided = count(profile, ties=TieRule("lot", lambda stage, tied: [2, 3, 1]))
        assert decided.winners == (2,)


def test_instant_runoff_fails_monotonicity_as_is_known():
    # Brams & Fishburn, "Some logical defects of the single transferable vote" (1984), in the manner of: raising A on
    # ten ballots of B lets A meet C instead of B in the last round, and lose.
    before = profile_of({"AB": 39, "BCA": 35, "CA": 26})
    after = profile_of({"AB": 39, "ABC": 10, "BCA": 25, "CA": 26})
    assert count_instant_runoff(before).winners == (1,)
    assert words([count_instant_runoff(after).winners]) == "C"


# ---- conventions


def test_borda_conventions_of_ballots_that_leave_options_out():
    profile = profile_of({"A": 1, "ABCD": 1})
    assert borda_scores(profile, "average") == {1: 6, 2: 3, 3: 2, 4: 1}
    assert borda_scores(profile, "zero") == {1: 6, 2: 2, 3: 1, 4: 0}
    assert borda_scores(profile, "modified") == {1: 5, 2: 3, 3: 2, 4: 1}
    assert borda_scores(profile_of({"A=BC": 1}), "average") == {1: Fraction(3, 2), 2: Fraction(3, 2), 3: 0}


def test_equal_ranks_are_refused_exhausted_or_skipped():
    profile = profile_of({"A=BC": 2, "C": 1, "ABC": 1}, "ABC")
    with pytest.raises(ValueError, match="declares nothing"):
        count_instant_runoff(profile)
    assert facts(count_instant_runoff(profile, equal="exhaust"), "round")[0]["exhausted"] == 2
    assert dict(facts(count_instant_runoff(profile, equal="skip"), "round")[0]["votes"]) == {1: 1, 2: 0, 3: 3}


def test_a_tie_at_elimination_is_decided_only_as_declared():
    profile = profile_of({"AB": 4, "BA": 2, "CB": 2})
    joint = count_instant_runoff(profile)
    assert joint.winners == (1,)
    assert facts(joint, "elimination_tie")[0]["matters"] is True
    chair = count_instant_runoff(profile, ties=TieRule("chair"))
    assert (chair.winners, chair.ties[0].options, chair.open) == ((), (2, 3), True)
    for best, winners in ((2, (1, 2)), (3, (1,))):
        order = TieRule("lot", lambda stage, tied, best=best: sorted(tied, key=lambda o: o != best))
        found = count_instant_runoff(profile, ties=order)
        assert set(found.winners) <= set(winners)
        assert facts(found, "elimination_tie")[0]["order"][0] == best
    with pytest.raises(ValueError, match="not one of them"):
        count_instant_runoff(profile, ties=TieRule("lot", lambda stage, tied: [2]))


def test_a_tie_that_changes_nothing_needs_nobody():
    profile = profile_of({"AB": 5, "BA": 4, "CB": 1, "DB": 1})
    found = count_instant_runoff(profile, ties=TieRule("chair"))
    assert (words([found.winners]), found.ties) == ("B", ())
    assert facts(found, "elimination_tie")[0]["matters"] is False


def test_ranked_pairs_of_equal_strength_try_every_order():
    # Two circles of equal margins over the same options: some order elects each of A, B, C.
    profile = profile_of({"ABCD": 1, "BCAD": 1, "CABD": 1})
    outcome = count_ranked_pairs(profile)
    assert outcome.winners == (1, 2, 3)
    assert outcome.order[-1] == (4,)
    assert [f["matters"] for f in facts(outcome, "equal_pairs")] == [False, True]


# ---- properties

RULES = {
    "schulze": count_schulze,
    "ranked_pairs": count_ranked_pairs,
    "ranked_pairs_winning": lambda p, **k: count_ranked_pairs(p, strength="winning_votes", **k),
    "borda": count_borda,
    "borda_zero": lambda p, **k: count_borda(p, truncated="zero", **k),
    "borda_modified": lambda p, **k: count_borda(p, truncated="modified", **k),
    "instant_runoff": lambda p, **k: count_instant_runoff(p, equal="exhaust", **k),
    "instant_runoff_skip": lambda p, **k: count_instant_runoff(p, equal="skip", **k),
    "plurality": count_first_preferences,
    "approval": count_named,
}
every_rule = pytest.mark.parametrize("name", RULES)


def tiers(outcome):
    return [set(tier) for tier in outcome.order]


@every_rule
@given(answers(equal=True), st.randoms())
@settings(max_examples=25, deadline=None)
def test_order_of_ballots_and_of_options_never_matters(name, found, random):
    options, counts = found
    outcome = RULES[name](RankedProfile.build(options, counts))
    shuffled, moved = list(counts.items()), list(options)
    random.shuffle(shuffled)
    random.shuffle(moved)
    again = RULES[name](RankedProfile.build(moved, dict(shuffled)))
    assert (tiers(again), set(again.winners)) == (tiers(outcome), set(outcome.winners))


@every_rule
@given(answers(equal=True), st.randoms())
@settings(max_examples=25, deadline=None)
def test_neutrality_new_names_give_the_same_result(name, found, random):
    options, counts = found
    names = dict(zip(options, random.sample(range(1, 99), len(options)), strict=True))
    renamed = {
        canonical_ranking([[names[o] for o in tier] for tier in json.loads(text)]): n for text, n in counts.items()
    }
    outcome = RULES[name](RankedProfile.build(options, counts))
    again = RULES[name](RankedProfile.build([names[o] for o in options], renamed))
    assert [{names[o] for o in tier} for tier in outcome.order] == tiers(again)
    assert {names[o] for o in outcome.winners} == set(again.winners)


@every_rule
@given(answers(equal=True), st.integers(2, 10**6))
@settings(max_examples=25, deadline=None)
def test_a_scaled_profile_scales_the_figures_and_keeps_the_result(name, found, factor):
    options, counts = found
    outcome = RULES[name](RankedProfile.build(options, counts))
    again = RULES[name](RankedProfile.build(options, {text: n * factor for text, n in counts.items()}))
    assert (again.order, again.winners) == (outcome.order, outcome.winners)
    assert again.pairwise.beats == tuple(tuple(n * factor for n in row) for row in outcome.pairwise.beats)
    if outcome.scores is not None:
        assert again.scores == {o: n * factor for o, n in outcome.scores.items()}


@every_rule
@given(answers(equal=True))
@settings(max_examples=25, deadline=None)
def test_an_outcome_is_plain_json_and_orders_every_option_once(name, found):
    options, counts = found
    outcome = RULES[name](RankedProfile.build(options, counts))
    assert json.loads(json.dumps(outcome.as_json())) == outcome.as_json()
    assert sorted(o for tier in outcome.order for o in tier) == sorted(options)
    assert Pairwise.from_json(outcome.as_json()["pairwise"]) == outcome.pairwise


@pytest.mark.parametrize("name", ["schulze", "ranked_pairs", "instant_runoff", "plurality"])
@given(answers(), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_majority_criterion(name, found, best):
    options, counts = found
    best = options[best % len(options)]
    counts = Counter(counts)
    counts[canonical_ranking([[best]])] += sum(counts.values()) + 1
    assert RULES[name](RankedProfile.build(options, counts)).winners == (best,)


@pytest.mark.parametrize("name", ["schulze", "ranked_pairs", "ranked_pairs_winning"])
@given(answers(equal=True))
@settings(max_examples=30, deadline=None)
def test_condorcet_winners_win_losers_lose_and_the_smith_set_is_never_left(name, found):
    options, counts = found
    outcome = RULES[name](RankedProfile.build(options, counts))
    pairwise = outcome.pairwise
    if pairwise.winner is not None:
        assert outcome.winners == (pairwise.winner,)
    if pairwise.loser is not None:
        assert pairwise.loser not in outcome.winners
    assert set(outcome.winners) <= set(pairwise.smith)


@pytest.mark.parametrize("name", ["schulze", "ranked_pairs", "instant_runoff"])
@given(answers(size=4), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_a_clone_changes_nothing_for_the_others(name, found, twin):
    """Option 5 stands next to `twin` on every ballot; ties aside, whoever wins, wins still (or its clone does)."""
    options, counts = found
    outcome = RULES[name](RankedProfile.build(options, counts))
    cloned = {}
    for text, n in counts.items():
        ranking = []
        for tier in json.loads(text):
            ranking += [tier, [5]] if twin in tier else [tier]
        cloned[canonical_ranking(ranking)] = n
    again = RULES[name](RankedProfile.build((*options, 5), cloned))
    if outcome.ties or again.ties or any(f["matters"] for f in facts(again, "equal_pairs")):
        return
    assert {twin if o == 5 else o for o in again.winners} == set(outcome.winners)


@pytest.mark.parametrize("name", ["schulze", "ranked_pairs", "borda", "plurality"])
@given(answers(), st.data())
@settings(max_examples=25, deadline=None)
def test_raising_the_winner_never_hurts_it(name, found, data):
    options, counts = found
    outcome = RULES[name](RankedProfile.build(options, counts))
    if len(outcome.winners) != 1:
        return
    (winner,) = outcome.winners
    text = data.draw(st.sampled_from([text for text in counts if [winner] in json.loads(text)] or [None]))
    if text is None:
        return
    ranking = json.loads(text)
    at = ranking.index([winner])
    raised = [[winner], *ranking[:at], *ranking[at + 1 :]]
    again = Counter(counts)
    again[text] -= 1
    again[canonical_ranking(raised)] += 1
    assert winner in RULES[name](RankedProfile.build(options, dict(again))).winners


# ---- oracles written another way


def ballots_of(counts):
    return [(json.loads(text), n) for text, n in counts.items()]


def rank_of(ranking, option):
    return next((at for at, tier in enumerate(ranking) if option in tier), 999)


@given(answers(equal=True))
@settings(max_examples=25, deadline=None)
def test_pairwise_by_definition(found):
    options, counts = found
    pairwise = count_pairwise(RankedProfile.build(options, counts))
    for a, b in permutations(options, 2):
        assert pairwise.over(a, b) == sum(n for r, n in ballots_of(counts) if rank_of(r, a) < rank_of(r, b))
    smith = next(
        set(inside)
        for k in range(1, len(options) + 1)
        for inside in combinations(options, k)
        if all(pairwise.over(a, b) > pairwise.over(b, a) for a in inside for b in options if b not in inside)
    )
    assert set(pairwise.smith) == smith


@given(answers(size=4, equal=True))
@settings(max_examples=30, deadline=None)
def test_schulze_by_trying_every_path(found):
    options, counts = found
    profile = RankedProfile.build(options, counts)
    pairwise = count_pairwise(profile)

    def strength(a, b):
        best = 0
        others = [o for o in options if o not in (a, b)]
        for k in range(len(others) + 1):
            for between in permutations(others, k):
                path = [a, *between, b]
                links = list(in_pairs(path))
                if all(pairwise.over(x, y) > pairwise.over(y, x) for x, y in links):
                    best = max(best, min(pairwise.over(x, y) for x, y in links))
        return best

    winners = {a for a in options if all(strength(a, b) >= strength(b, a) for b in options if b != a)}
    assert set(count_schulze(profile).winners) == winners


@given(answers(size=4, equal=True))
@settings(max_examples=30, deadline=None)
def test_ranked_pairs_by_trying_every_order_of_equals(found):
    options, counts = found
    profile = RankedProfile.build(options, counts)
    pairwise = count_pairwise(profile)
    margin = {
        (a, b): pairwise.over(a, b) - pairwise.over(b, a)
        for a, b in permutations(options, 2)
        if pairwise.over(a, b) > pairwise.over(b, a)
    }
    winners = set()
    for order in permutations(margin):
        if any(margin[x] < margin[y] for x, y in in_pairs(order)):
            continue
        locked = set()
        for a, b in order:
            reach, grow = {b}, True
            while grow:
                further = {y for x, y in locked if x in reach} - reach
                reach |= further
                grow = bool(further)
            if a not in reach:
                locked.add((a, b))
        winners |= {o for o in options if all(b != o for _, b in locked)}
    assert set(count_ranked_pairs(profile).winners) == winners


@given(answers())
@settings(max_examples=25, deadline=None)
def test_instant_runoff_ballot_by_ballot(found):
    options, counts = found
    profile = RankedProfile.build(options, counts)
    still, number = list(options), 0
    while True:
        number += 1
        votes = dict.fromkeys(still, 0)
        for ranking, n in ballots_of(counts):
            first = next((o for (o,) in ranking if o in still), None)
            if first is not None:
                votes[first] += n
        best = [o for o in still if 2 * votes[o] > sum(votes.values())]
        if best or not sum(votes.values()):
            break
        fewest = [o for o in still if votes[o] == min(votes.values())]
        others = [votes[o] for o in still if o not in fewest]
        if len(fewest) == 1 or (others and sum(votes[o] for o in fewest) < min(others)):
            still = [o for o in still if o not in fewest]
        else:
            still.remove(max(fewest))
    for batch in (False, True):
        assert list(count_instant_runoff(profile, ties=BY_ID, batch=batch).winners) == best


@given(answers(equal=True))
@settings(max_examples=25, deadline=None)
def test_borda_by_the_places_of_each_ballot(found):
    options, counts = found
    points = dict.fromkeys(options, Fraction(0))
    for ranking, n in ballots_of(counts):
        left = [o for o in options if rank_of(ranking, o) == 999]
        place = 0
        for tier in [*ranking, left]:
            share = Fraction(sum(len(options) - 1 - place - k for k in range(len(tier))), len(tier) or 1)
            place += len(tier)
            for o in tier:
                points[o] += n * share
    assert borda_scores(RankedProfile.build(options, counts)) == points
