"""Elections and tables of the literature, typed as facts: what each rule elects, and the figures on the way."""

from collections import Counter
from decimal import Decimal

import pytest
from tests.polls.tally.rankings import facts, profile_of, words
from tests.polls.tally.transferable_elections import (
    GREEN_PARTY_2005,
    GREEN_PARTY_MEEK,
    GREEN_PARTY_SCOTTISH,
    SHOWN,
    VOTING_MATTERS_12,
)

from polls.tally.condorcet import count_schulze, strongest_paths
from polls.tally.meek import count_meek
from polls.tally.ranked import RankedProfile, canonical_ranking
from polls.tally.ranked_pairs import count_ranked_pairs
from polls.tally.stv import count_stv
from polls.tally.ties import TieRule

BY_ID = TieRule("lot", lambda stage, tied: sorted(tied))


def green_party():
    rankings = [line.split() for line in GREEN_PARTY_2005.split(";")]
    counts = Counter(canonical_ranking([[int(o)] for o in ranking]) for ranking in rankings)
    return RankedProfile.build(range(1, 14), counts)


def table(text, places):
    return [n if "." in n else f"{n}.{'0' * places}" for n in text.split()]


# ---- Schulze and ranked pairs

SCHULZE_2 = {
    "ACBD": 5, "ACDB": 2, "ADCB": 3, "BACD": 4, "CBDA": 3, "CDBA": 3, "DACB": 1, "DBAC": 5, "DCBA": 4,
}  # fmt: skip
SCHULZE_3 = {
    "ABDEC": 3, "ADEBC": 5, "ADECB": 1, "BADEC": 2, "BDECA": 2, "CABDE": 4, "CBADE": 6, "DBECA": 2, "DECAB": 5,
}  # fmt: skip
SCHULZE_4 = {"ABCD": 3, "DABC": 2, "DBCA": 2, "CBDA": 2}


def test_schulze_s_examples_2_to_4():
    """M. Schulze's examples 2–4, as on Electorama's "Schulze method" (oldid 70012): 30, 30 and 9 voters."""
    second = count_schulze(profile_of(SCHULZE_2))
    assert second.pairwise.beats == ((0, 11, 20, 14), (19, 0, 9, 12), (10, 21, 0, 17), (16, 18, 13, 0))
    assert strongest_paths(second.pairwise) == ((0, 20, 20, 17), (19, 0, 19, 17), (19, 21, 0, 17), (18, 18, 18, 0))
    assert words(second.order) == "D A C B"
    assert words(count_schulze(profile_of(SCHULZE_3)).order) == "B A D E C"
    fourth = count_schulze(profile_of(SCHULZE_4))
    # B and D are equal, A is below D and C below B: the paper's order is partial.
    assert (words([fourth.winners]), fourth.ties[0].options) == ("BD", (2, 4))
    assert set(words(fourth.order).split()) == {"BD", "AC"}


def test_ranked_pairs_and_schulze_differ_on_schulze_s_45_voters():
    """By hand: margins 21, 17, 15, 13, (11), 9, 7, (5), 3, (1); those in brackets would close a circle."""
    profile = profile_of({
        "ACBED": 5, "ADECB": 5, "BEDAC": 8, "CABED": 3, "CAEBD": 7, "CBADE": 2, "DCEBA": 7, "EBADC": 8,
    })  # fmt: skip
    locked = [words([(f["winner"], f["loser"])]) for f in facts(count_ranked_pairs(profile), "pair") if f["locked"]]
    dropped = [
        words([(f["winner"], f["loser"])]) for f in facts(count_ranked_pairs(profile), "pair") if not f["locked"]
    ]
    assert locked == ["BD", "ED", "AD", "CB", "EB", "AC", "CE"]
    assert dropped == ["DC", "BA", "EA"]


# ---- single transferable vote: Scottish


def test_the_green_party_s_election_stage_by_stage():
    outcome = count_stv(green_party(), seats=4, ties=BY_ID)
    assert outcome.ballots == 94
    assert facts(outcome, "quota") == [{"seats": 4, "quota": 19}]
    stages = [s for s in facts(outcome, "stage") if not (set(s["options"]) and set(s["options"]) <= {6, 10, 11, 12})]
    for found, (action, options, elected, lost, votes) in zip(stages, GREEN_PARTY_SCOTTISH, strict=True):
        assert (found["action"], found["options"], found["elected"]) == (action, options, elected)
        assert [dict(map(tuple, found["votes"]))[o] for o in SHOWN] == table(votes, 5)
        # Droop leaves the remainders that rule 48(3) ignores out of its column; ours adds up to all ballots.
        assert 0 <= Decimal(found["non_transferable"]) - Decimal(lost) < Decimal("0.002")
        assert sum(Decimal(n) for _, n in found["votes"]) + Decimal(found["non_transferable"]) == 94
    assert outcome.winners == (7, 4, 13, 3)


def test_equal_votes_at_exclusion_go_by_the_stage_before():
    # Droop's weak-defeat: B and C have 3 each after A has left; B had fewer before, so B leaves. D and E are elected.
    outcome = count_stv(profile_of({"AB": 1, "B": 2, "C": 3, "D": 4, "E": 5}), seats=2, ties=TieRule("chair"))
    assert [s["options"] for s in facts(outcome, "stage")] == [[], [1], [2], [3]]
    assert (words([sorted(outcome.winners)]), outcome.ties) == ("DE", ())


def test_a_candidate_who_just_reaches_the_quota_has_no_surplus():
    # Droop's weak-surplus: quota 8. A's surplus brings C to 8; B and C have nothing to pass on. Then E and F tie, which
    # is a lot; either way D gets there.
    profile = profile_of({"AC": 10, "B": 8, "C": 6, "D": 5, "ED": 3, "FD": 3})
    outcome = count_stv(profile, seats=4, ties=BY_ID)
    assert facts(outcome, "quota") == [{"seats": 4, "quota": 8}]
    assert [(s["action"], s["elected"]) for s in facts(outcome, "stage")] == [
        ("first", [1, 2]), ("surplus", [3]), ("exclusion", [4]),
    ]  # fmt: skip
    assert count_stv(profile, seats=4, ties=TieRule("chair")).ties[0].options == (5, 6)


# ---- single transferable vote: Meek


def test_the_green_party_s_election_by_meek_digit_by_digit():
    """Meek elects Olsen (8) where the Scottish rules elect Sevigny (3)."""
    outcome = count_meek(green_party(), seats=4, ties=BY_ID)
    rounds = [s for s in facts(outcome, "stage") if not (s["excluded"] and set(s["excluded"]) <= {6, 10, 11, 12})]
    for found, (quota, elected, excluded, votes, keep) in zip(rounds, GREEN_PARTY_MEEK, strict=True):
        assert (found["quota"], sorted(found["elected"]), found["excluded"]) == (quota, elected, excluded)
        assert [dict(map(tuple, found["votes"]))[o] for o in SHOWN] == table(votes, 9)
        if keep is not None:
            assert tuple(dict(map(tuple, found["keep"]))[o] for o in (4, 7, 13)) == keep
    assert set(outcome.winners) == {4, 7, 8, 13}


def test_voting_matters_12_less_than_a_millionth_of_a_vote_is_a_tie():
    profile = profile_of(VOTING_MATTERS_12)
    first, second, *_ = facts(count_meek(profile, seats=3, ties=BY_ID), "stage")
    assert (first["quota"], sorted(first["elected"])) == ("1000.750000001", [1, 2])
    assert dict(map(tuple, second["keep"]))[1] == dict(map(tuple, second["keep"]))[2] == "0.999749750"
    assert [n for _, n in second["votes"]] == [
        "1000.750000126", "1000.750000126", "667.166666686", "667.166666562", "667.166666500",
    ]  # fmt: skip
    assert count_meek(profile, seats=3, ties=TieRule("chair")).ties[0].options == (3, 4, 5)
    # The lot of the published count sends X away first: then Y is elected with 800.596982770.
    third = facts(count_meek(profile, seats=3, ties=TieRule("lot", lambda stage, tied: sorted(tied)[::-1])), "stage")[2]
    assert (third["quota"], third["elected"]) == ("800.580647027", [4])
    assert [n for _, n in third["votes"]][3:] == ["800.596982770", "800.556768208"]


def test_a_small_surplus_decides_nothing():
    # Droop's 513: after A's surplus B has 2.999999995 and C 3 votes, 0.000000004 of surplus left: B is below, no tie.
    outcome = count_meek(profile_of({"AB": 5, "B": 1, "C": 3}), seats=2, ties=TieRule("chair"))
    second = facts(outcome, "stage")[1]
    assert [n for _, n in second["votes"]] == ["3.000000005", "2.999999995", "3.000000000"]
    assert (second["surplus"], second["excluded"], words([outcome.winners])) == ("0.000000004", [2], "AC")


@pytest.mark.parametrize(("count", "ballots"), [(count_stv, {"AB": 4, "C": 2}), (count_meek, {"AB": 4, "C": 2})])
def test_four_and_two(count, ballots):
    # Droop's 42: two seats; Scottish quota 3, B gets 1 and C has 2: A and C. By Meek B and C are close to equal.
    outcome = count(profile_of(ballots), seats=2, ties=BY_ID)
    if count is count_stv:
        assert [n for _, n in facts(outcome, "stage")[1]["votes"]] == ["3.00000", "1.00000", "2.00000"]
        assert words([outcome.winners]) == "AC"
    else:
        assert facts(outcome, "stage")[0]["quota"] == "2.000000001"
