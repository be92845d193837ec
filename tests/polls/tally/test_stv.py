"""Transferable votes: examples worked by hand, and counts ballot by ballot written another way."""

from decimal import ROUND_DOWN, ROUND_UP, Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.polls.tally.rankings import answers, facts, profile_of, words
from tests.polls.tally.test_ranked import ballots_of

from polls.tally.meek import count_meek
from polls.tally.ranked import RankedProfile
from polls.tally.stv import count_stv
from polls.tally.ties import TieRule

BY_ID = TieRule("lot", lambda stage, tied: sorted(tied))


def test_a_scottish_count_by_hand():
    # 23 papers, 2 seats: the quota is 23 // 3 + 1 = 8. E leaves, then C, whose four papers bring D to 9.
    outcome = count_stv(profile_of({"ABC": 4, "BA": 7, "CDB": 1, "CD": 3, "DC": 5, "EAD": 3}), seats=2)
    stages = facts(outcome, "stage")
    assert facts(outcome, "quota") == [{"seats": 2, "quota": 8}]
    assert [(s["action"], s["options"], s["elected"]) for s in stages] == [
        ("first", [], []),
        ("exclusion", [5], []),
        ("exclusion", [3], [4]),
        ("surplus", [4], []),
        ("exclusion", [1], [2]),
    ]
    # D's surplus is 1 of 9 papers: each moves at 1/9 = 0.11111, one of them to B; the other eight name nobody left.
    assert dict(map(tuple, stages[3]["votes"]))[2] == "7.11111"
    assert stages[3]["non_transferable"] == "0.88889"
    # A's seven papers were worth a whole vote each; four go to B.
    assert dict(map(tuple, stages[4]["votes"]))[2] == "11.11111"
    assert words([outcome.winners]) == "DB"


def test_a_surplus_moves_every_paper_and_not_only_the_last_received():
    # A: 10 first, quota 7 of 20 papers for 2 seats; surplus 3 over ten papers: 0.3 each.
    outcome = count_stv(profile_of({"AB": 6, "AC": 4, "B": 5, "C": 5}), seats=2, ties=BY_ID)
    votes = dict(map(tuple, facts(outcome, "stage")[1]["votes"]))
    assert votes == {1: "7.00000", 2: "6.80000", 3: "6.20000"}
    assert words([outcome.winners]) == "AB"


def test_equal_fewest_votes_go_by_the_latest_stage_where_they_differed():
    # After D leaves, B and C have 5 each; at the first stage C had fewer, so C leaves.
    outcome = count_stv(profile_of({"A": 8, "B": 5, "CB": 4, "DC": 1}), seats=1, ties=TieRule("chair"))
    assert [s["options"] for s in facts(outcome, "stage")] == [[], [4], [3], [1]]
    assert (words([outcome.winners]), outcome.ties) == ("B", ())


def test_a_tie_never_broken_by_stages_is_the_declared_rule_s():
    profile = profile_of({"A": 5, "BA": 2, "CB": 2, "DC": 2})
    assert count_stv(profile, seats=2, ties=TieRule("chair")).open
    assert len(count_stv(profile, seats=3).winners) == 4  # joint: nobody of the three may leave alone
    assert count_stv(profile, seats=3, ties=BY_ID).winners[0] == 1


def test_as_many_options_as_seats_are_all_elected():
    for count in (count_stv, count_meek):
        assert sorted(count(profile_of({"A": 5, "B": 1}), seats=2).winners) == [1, 2]
        assert sorted(count(profile_of({"A": 5, "B": 1}), seats=9).winners) == [1, 2]
        assert count(RankedProfile.build([1, 2], {}), seats=1).winners == ()
        with pytest.raises(ValueError, match="seat"):
            count(profile_of({"A": 1}), seats=0)


def test_a_meek_count_solved_by_hand():
    # Two seats. A keeps k of 10 votes, 10k is the quota, and the quota is a third of 10k + 7: k = 0.35, quota 3.5.
    # B's 4 votes reach the falling quota before that.
    outcome = count_meek(profile_of({"A": 10, "BC": 4, "CB": 3}), seats=2)
    assert words([outcome.winners]) == "AB"
    # Three seats, and nobody but A can pass anything on: A > B, 6 of 12 first votes.
    # quota 12/4 = 3; A keeps 1/2, 3 votes go on to B, who reaches the quota with them.
    second = count_meek(profile_of({"AB": 6, "C": 3, "D": 2, "E": 1}), seats=3)
    assert facts(second, "stage")[0]["quota"] == "3.000000001"
    assert dict(map(tuple, facts(second, "stage")[0]["votes"])) == {
        1: "6.000000000", 2: "0.000000000", 3: "3.000000000", 4: "2.000000000", 5: "1.000000000",
    }  # fmt: skip
    assert dict(map(tuple, facts(second, "stage")[1]["votes"]))[2].startswith(("2.99999", "3.0"))


def test_beyond_64_bits_the_count_is_the_same():
    ballots = {"ABC": 43, "BA": 70, "CDB": 11, "CD": 30, "DC": 51, "EAD": 33}
    big = 10**20
    for count in (count_stv, count_meek):
        small = count(profile_of(ballots), seats=2)
        huge = count(profile_of({word: n * big for word, n in ballots.items()}), seats=2)
        assert huge.winners == small.winners
    assert (
        count_meek(profile_of(ballots), seats=2, places=20).winners == count_meek(profile_of(ballots), seats=2).winners
    )


# ---- oracles: one paper at a time, in decimals


def scottish(options, counts, seats):
    papers = [([o for (o,) in ranking], Decimal(1)) for ranking, n in ballots_of(counts) for _ in range(n)]
    quota = len(papers) // (seats + 1) + 1
    piles = {o: [] for o in options}
    for paper in papers:
        piles[paper[0][0]].append(paper)
    running, elected, waiting, history = list(options), [], [], []

    def votes(o):
        return fixed[o] if o in fixed else sum((value for _, value in piles[o]), Decimal(0))

    fixed = {}
    while True:
        now = {o: votes(o) for o in options}
        history.append(now)
        for o in sorted((o for o in running if now[o] >= quota), key=lambda o: -now[o]):
            running.remove(o)
            elected.append(o)
            if now[o] > quota:
                waiting.append(o)
        if len(running) <= seats - len(elected):
            return elected + sorted(running, key=lambda o: -now[o])
        if len(elected) >= seats:
            return elected

        def pick(tied, best, now=now):
            for past in [now, *reversed(history[:-1])]:
                line = (max if best else min)(past[o] for o in tied)
                tied = [o for o in tied if past[o] == line]
            return min(tied) if best else max(tied)

        if waiting:
            going = pick(waiting, True)
            waiting.remove(going)
            factor = now[going] - quota
            fixed[going] = Decimal(quota)
        else:
            going = pick(running, False)
            running.remove(going)
            factor = None
            fixed[going] = Decimal(0)
        for order, value in piles[going]:
            if factor is not None:
                value = (factor * value / now[going]).quantize(Decimal("0.00001"), ROUND_DOWN)
            to = next((o for o in order[order.index(going) :] if o in running), None)
            if to is not None:
                piles[to].append((order, value))


@given(answers(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_scottish_counts_paper_by_paper(found, seats):
    options, counts = found
    assume(seats <= len(options))
    outcome = count_stv(RankedProfile.build(options, counts), seats=seats, ties=BY_ID)
    expected = scottish(options, counts, seats)
    # Options elected at one stage with equal votes stand in no order.
    assert set(outcome.winners) == set(expected)


def meek(options, counts, seats):
    unit = Decimal("0.000000001")
    keep = dict.fromkeys(options, Decimal(1))
    running, elected = list(options), []
    while len(elected) < seats and len(running) > seats - len(elected):
        before = None
        while True:
            votes = dict.fromkeys(options, Decimal(0))
            for ranking, n in ballots_of(counts):
                left = Decimal(1)
                for (o,) in ranking:
                    part = (left * keep[o]).quantize(unit, ROUND_UP)
                    votes[o] += n * part
                    left -= part
            quota = (sum(votes.values()) / (seats + 1)).quantize(unit, ROUND_DOWN) + unit
            reached = [o for o in running if votes[o] >= quota]
            surplus = max(sum(votes[o] - quota for o in elected + reached), Decimal(0))
            if reached:
                break
            if surplus < Decimal("0.000001") or (before is not None and surplus >= before):
                break
            before = surplus
            for o in elected:
                keep[o] = ((keep[o] * quota).quantize(unit, ROUND_UP) / votes[o]).quantize(unit, ROUND_UP)
        if reached:
            elected += reached
            running = [o for o in running if o not in reached]
            continue
        low = min(votes[o] for o in running) + surplus
        tied = [o for o in running if votes[o] <= low]
        nothing = low == 0 and len(running) - len(tied) >= seats - len(elected)
        for o in tied if nothing else [max(tied)]:
            running.remove(o)
            keep[o] = Decimal(0)
    return elected + (running if len(elected) < seats else [])


@given(answers(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_meek_counts_paper_by_paper(found, seats):
    options, counts = found
    assume(seats <= len(options))
    outcome = count_meek(RankedProfile.build(options, counts), seats=seats, ties=BY_ID)
    assert set(outcome.winners) == set(meek(options, counts, seats))


@pytest.mark.parametrize("count", [count_stv, count_meek])
@given(answers(equal=True), st.integers(1, 3), st.randoms())
@settings(max_examples=40, deadline=None)
def test_order_of_ballots_and_of_options_never_matters(count, found, seats, random):
    options, counts = found
    shuffled, moved = list(counts.items()), list(options)
    random.shuffle(shuffled)
    random.shuffle(moved)
    one = count(RankedProfile.build(options, counts), seats=seats, equal="skip")
    other = count(RankedProfile.build(moved, dict(shuffled)), seats=seats, equal="skip")
    assert (set(one.winners), one.scores) == (set(other.winners), other.scores)


@pytest.mark.parametrize("count", [count_stv, count_meek])
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_solid_groups_get_their_quotas(count, first, second, seats):
    """A group that ranks its own above all others gets a seat for each quota it holds (Droop proportionality)."""
    profile = profile_of({"ABCD": first, "EFGH": second})
    quota = (first + second) // (seats + 1) + 1
    winners = count(profile, seats=seats, ties=BY_ID).winners
    assert sum(o <= 4 for o in winners) >= min(first // quota, 4)
    assert sum(o > 4 for o in winners) >= min(second // quota, 4)
