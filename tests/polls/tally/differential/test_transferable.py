"""Transferable votes, held against pref_voting and against second counts written from the sources' text.

The Scottish rules: pref_voting's count (floating point), and one in Fractions that moves every paper by itself, written
from rules 45–52 of SSI 2007/42. Meek's: pref_voting's count (floating point, to convergence). Lots are drawn alike.
"""

import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from tests.polls.tally.differential.oracles import proportional_methods, to_pref_voting
from tests.polls.tally.differential.profiles import COUNT, electorates, profile_of
from tests.polls.tally.rankings import facts
from tests.polls.tally.test_stv import meek
from tests.polls.tally.transferable_elections import VOTING_MATTERS_12

from polls.tally.meek import count_meek
from polls.tally.ranked import canonical_ranking
from polls.tally.stv import count_stv
from polls.tally.ties import TieRule

pytestmark = pytest.mark.slow

BY_ID = TieRule("lot", lambda stage, tied: sorted(tied))
"""The lot of these tests: of tied options the smallest id fares best."""


def seats_of(options, ballots):
    """A number of seats that goes with an electorate, the same at every run."""
    return 1 + sum(ballots.values()) % (len(options) - 1)


class Lots:
    """pref_voting's lot, drawn as BY_ID: the best transfers first, the worst is excluded. Counts what was asked."""

    def choice(self, tied):
        elected = set(sys._getframe(1).f_locals["winners"])
        return min(tied) if set(tied) <= elected else max(tied)


# ---- the Scottish rules


def rule_by_rule(options, ballots, seats):
    """Winners by rules 45–52 of SSI 2007/42: a parcel of papers per candidate, values in Fractions."""
    papers = [[[o for (o,) in tiers], Fraction(1)] for tiers, n in ballots.items() for _ in range(n)]
    quota = len(papers) // (seats + 1) + 1  # 46
    parcels = {o: [] for o in options}
    for paper in papers:  # 45
        parcels[paper[0][0]].append(paper)
    credited = {o: Fraction(len(parcels[o])) for o in options}
    stages, continuing, elected, surpluses = [], list(options), [], []

    def first_by_stages(tied, best):  # 49(2), 51(2)(a), then the lot
        for past in stages[-2::-1]:
            line = (max if best else min)(past[o] for o in tied)
            tied = [o for o in tied if past[o] == line]
        return min(tied) if best else max(tied)

    def move(paper, value):
        paper[1] = value
        for o in paper[0]:
            if o in continuing:
                parcels[o].append(paper)
                credited[o] += value
                return

    while True:
        stages.append(dict(credited))
        for o in [o for o in continuing if credited[o] >= quota]:  # 47
            continuing.remove(o)
            elected.append(o)
            if credited[o] > quota:
                surpluses.append(o)
        if len(continuing) <= seats - len(elected):  # 52
            return set(elected + continuing)
        if len(elected) >= seats:
            return set(elected)
        if surpluses:  # 48, 49
            most = max(credited[o] for o in surpluses)
            transferring = first_by_stages([o for o in surpluses if credited[o] == most], True)
            surpluses.remove(transferring)
            surplus, total = credited[transferring] - quota, credited[transferring]
            credited[transferring] = Fraction(quota)
            for paper in parcels[transferring]:
                move(paper, Fraction(floor(surplus * paper[1] / total * 100_000), 100_000))
        else:  # 50, 51
            fewest = min(credited[o] for o in continuing)
            excluded = first_by_stages([o for o in continuing if credited[o] == fewest], False)
            continuing.remove(excluded)
            credited[excluded] = Fraction(0)
            for paper in parcels[excluded]:
                move(paper, paper[1])


def test_scottish_rules_paper_by_paper():
    for options, ballots in electorates("scottish by the text"):
        seats = seats_of(options, ballots)
        ours = count_stv(profile_of(options, ballots), seats=seats, ties=BY_ID)
        assert set(ours.winners) == rule_by_rule(options, ballots, seats), (ballots, seats)


def test_scottish_rules_by_pref_voting():
    for options, ballots in electorates("scottish"):
        seats = seats_of(options, ballots)
        ours = count_stv(profile_of(options, ballots), seats=seats, ties=BY_ID)
        theirs = proportional_methods.stv_scottish(to_pref_voting(options, ballots), num_seats=seats, rng=Lots())
        assert sorted(ours.winners) == list(theirs), (ballots, seats)


# ---- Meek's


def test_meek_by_the_text():
    """The Reference Meek Rule in Decimals, ballot by ballot."""
    for options, ballots in electorates("meek by the text"):
        seats = seats_of(options, ballots)
        counts = {canonical_ranking(tiers): n for tiers, n in ballots.items()}
        ours = count_meek(profile_of(options, ballots), seats=seats, ties=BY_ID)
        assert set(ours.winners) == set(meek(options, counts, seats)), (ballots, seats)


MILLIONTH = Decimal("0.000001")


def explained(outcome):
    """Why pref_voting, which counts in floating point until nothing moves, may elect others; None: it may not.

    `quota`     somebody stands at exactly the quota of Algorithm 123, which is votes / (seats + 1): pref_voting elects
                whoever is there. The Reference Meek Rule (B.2.b) adds one unit of the last place, so that no more
                options than seats can reach it, and nobody is elected by it.
    `surplus`   options are tied that are within the surplus of each other (B.4); pref_voting sees different votes.
    `rounding`  votes that are equal in whole arithmetic differ in the rule's nine decimals by more than the surplus
                (B.2.a rounds up each ballot's part); the rule then excludes the lower, pref_voting sees a tie.
    """
    ties = {s["round"]: s["options"] for s in facts(outcome, "elimination_tie")}
    running = {o for tier in outcome.order for o in tier}
    found = set()
    for stage in facts(outcome, "stage"):
        votes, quota = {o: Decimal(n) for o, n in stage["votes"]}, Decimal(stage["quota"])
        if any(0 < quota - votes[o] < 2 * MILLIONTH for o in running):
            found.add("quota")
        tied = ties.get(stage["round"], stage["excluded"])
        if len({votes[o] for o in tied}) > 1:
            found.add("surplus")
        if tied and any(abs(votes[o] - votes[tied[0]]) < MILLIONTH for o in running - set(tied)):
            found.add("rounding")
        running -= {*stage["elected"], *stage["excluded"]}
    return sorted(found) or None


@pytest.mark.parametrize("part", range(5))
def test_meek_by_pref_voting(part):
    classes = Counter()
    for options, ballots in electorates(f"meek {part}", count=COUNT // 5):  # theirs takes its time
        seats = seats_of(options, ballots)
        ours = count_meek(profile_of(options, ballots), seats=seats, ties=BY_ID)
        theirs = proportional_methods.stv_meek(to_pref_voting(options, ballots), num_seats=seats)
        if sorted(ours.winners) != list(theirs):
            why = explained(ours)
            assert why, (ballots, seats, ours.winners, theirs)
            classes[why[0]] += 1
    assert sum(classes.values()) < COUNT // 5 / 50, classes


def compare(ballots, seats, options):
    """Winners by ours and by pref_voting, the stages of ours, and the classes."""
    ours = count_meek(profile_of(options, ballots), seats=seats, ties=BY_ID)
    theirs = proportional_methods.stv_meek(to_pref_voting(options, ballots), num_seats=seats)
    return set(ours.winners), set(theirs), facts(ours, "stage"), explained(ours)


def test_explained_a_quota_reached_by_everybody_elects_nobody():
    """One seat, four ballots, two options with two each: votes / (seats + 1) = 2, and both are there.

    Reference Meek Rule B.2.b: the quota is the votes ÷ (seats + 1), truncated, plus 0.000000001; Algorithm 123 elects
    whoever "equals or exceeds the quota (except in the special case of a multi-way tie)". It is a tie, and the lot
    decides, whatever the order of the list.
    """
    ballots = {((3,), (1,)): 1, ((1,), (2,), (3,)): 1, ((3,), (1,), (2,)): 1, ((2,), (1,), (3,)): 1}
    ours, theirs, stages, why = compare(ballots, 1, (1, 2, 3))
    assert (ours, theirs, "quota" in why) == ({1}, {3}, True)
    assert {stage["quota"] for stage in stages} == {"2.000000001"}
    other = TieRule("lot", lambda stage, tied: sorted(tied)[::-1])
    assert count_meek(profile_of((1, 2, 3), ballots), seats=1, ties=other).winners == (3,)


def test_explained_options_within_the_surplus_are_tied():
    """Reference Meek Rule B.4: whoever is within the surplus of the lowest is tied with it, and the lot decides.

    The example of Voting matters 12 is about nothing else: options 3, 4 and 5 differ by less than a millionth of a
    vote, and what lies below the rule's accuracy elects nobody.
    """
    letters = {ch: n for n, ch in enumerate("ABCDE", start=1)}
    ballots = {tuple((letters[ch],) for ch in word): n for word, n in VOTING_MATTERS_12.items()}
    profile = profile_of((1, 2, 3, 4, 5), ballots)
    other = TieRule("lot", lambda stage, tied: sorted(tied)[::-1])
    outcome = count_meek(profile, seats=3, ties=other)
    assert (set(outcome.winners), explained(outcome)[-1]) == ({1, 2, 4}, "surplus")
    theirs = proportional_methods.stv_meek(to_pref_voting((1, 2, 3, 4, 5), ballots), num_seats=3)
    assert set(theirs) == set(count_meek(profile, seats=3, ties=BY_ID).winners) == {1, 2, 3}


def test_explained_rounding_tells_apart_what_whole_arithmetic_holds_equal():
    """Options 3 and 5 have two votes each in whole arithmetic; by the rule's digits 3 has 1.999999988 and leaves."""
    ballots = {
        ((4,), (3,), (5,), (1,), (2,)): 2, ((3,), (5,), (1,), (2,), (4,)): 1, ((5,), (1,), (2,), (4,), (3,)): 2,
        ((1,),): 3, ((2,), (4,), (3,), (5,), (1,)): 6,
    }  # fmt: skip
    ours, theirs, stages, why = compare(ballots, 3, (1, 2, 3, 4, 5))
    assert (ours, theirs, why) == ({2, 4, 5}, {1, 2, 4}, ["rounding"])
    assert dict(map(tuple, stages[2]["votes"]))[3] == "1.999999988"
    assert (stages[2]["surplus"], stages[2]["excluded"]) == ("0.000000010", [3])
