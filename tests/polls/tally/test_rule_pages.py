"""The worked examples on the pages of docs/rules: each is counted, and the page says what comes out."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from tests.polls.tally.rankings import profile_of, words

from polls.tally.condorcet import count_schulze
from polls.tally.equal_shares import equal_shares
from polls.tally.funding import Candidate, fund
from polls.tally.instant_runoff import count_instant_runoff
from polls.tally.majority_judgment import count_majority_judgment
from polls.tally.market import Electorate
from polls.tally.pairwise import count_pairwise
from polls.tally.points import count_points
from polls.tally.positional import borda_scores, count_first_preferences, count_named
from polls.tally.ranked_pairs import count_ranked_pairs
from polls.tally.rating import mean_of, median_of
from polls.tally.stv import count_stv
from polls.tally.trimmed_mean import trimmed_mean

PAGES = Path(__file__).parents[3] / "docs" / "rules"
RATINGS = {1: 2, 3: 2, 4: 3, 5: 3}
BORDA_1781 = {"ABC": 1, "ACB": 7, "BCA": 7, "CBA": 6}


def condorcet():
    profile = profile_of({"ABC": 40, "CBA": 35, "BAC": 25})
    pairwise = count_pairwise(profile)
    assert words([count_instant_runoff(profile).winners]) == words([count_first_preferences(profile).winners]) == "A"
    assert count_pairwise(profile_of({"ABC": 1, "BCA": 1, "CAB": 1})).smith == (1, 2, 3)
    return f"{words([[pairwise.winner]])} beats A {pairwise.over(2, 1)} to 40 and C {pairwise.over(2, 3)} to 35"


def exclusive():
    candidates = [Candidate("a", 3, 6000), Candidate("b", 2, 5000), Candidate("c", 2, 4000)]
    free = fund(candidates, 20000, "greedy", exclusive=[["b", "c"]])
    assert set(fund([c for c in candidates if c.id != "c"], 20000, "greedy").funded) == {"a", "b"}
    return f"Funded: {' and '.join(free.funded)}"


def shares():
    voters = Electorate({"a": 600, "b": 400, "c": 300}, {("a", "b"): 5, ("a",): 1, ("b", "c"): 1, ("c",): 3})
    return f"Funded: {', '.join(equal_shares(voters, 1000, completion='none').funded)}"


def judgment():
    levels = {
        1: {6: 136, 5: 307, 4: 251, 3: 148, 2: 84, 1: 74},
        2: {6: 167, 5: 227, 4: 191, 3: 168, 2: 122, 1: 125},
        3: {6: 191, 5: 198, 4: 143, 3: 115, 2: 71, 1: 282},
    }
    outcome = count_majority_judgment(levels, ballots=1000)
    assert outcome.order == ((1,), (2,), (3,))
    return f"Bayrou Good with {outcome.above[1]} above and {outcome.below[1]} below"


def greedy():
    candidates = [Candidate("a", 3, 6000), Candidate("b", 2, 5000), Candidate("c", 1, 4000)]
    assert fund(candidates, 10000, "greedy_no_skip").funded == ("a",)
    return f"Greedy and threshold 1 fund {' and '.join(fund(candidates, 10000, 'greedy').funded)}"


def points():
    found = count_points([1, 2, 3], {"[[1,7],[3,3]]": 2, "[[2,10]]": 1}).points
    return f"A {found[1]}, B {found[2]}, C {found[3]}. A wins"


def borda():
    scores = borda_scores(profile_of(BORDA_1781))
    return f"A {scores[1]}, B {scores[2]}, C {scores[3]}. C wins"


def schulze():
    order = count_schulze(profile_of({"ACDB": 8, "BADC": 2, "CDBA": 4, "DBAC": 4, "DCBA": 3})).order
    return f"Strongest paths give {words(order).lower().replace(' ', ', ')}"


def pairs():
    cities = {"A": "M", "B": "N", "C": "C", "D": "K"}
    order = count_ranked_pairs(profile_of({"ABCD": 42, "BCDA": 26, "CDBA": 15, "DCBA": 17})).order
    return f"order {', '.join(cities[ch] for ch in words(order).split())}"


def stv():
    outcome = count_stv(profile_of({"ABC": 4, "BA": 7, "CDB": 1, "CD": 3, "DC": 5, "EAD": 3}), seats=2)
    return f"Elected: {', '.join(words([[o]]) for o in outcome.winners)}"


def approval():
    scores = count_named(profile_of({"AB": 5, "BC": 3, "A": 2})).scores
    return f"A has {scores[1]}, B {scores[2]}, C {scores[3]}. B wins"


def plurality():
    scores = count_first_preferences(profile_of(BORDA_1781)).scores
    assert (scores[1], scores[2], scores[3]) == (8, 7, 6)
    return f"A wins with {scores[1]}"


EXAMPLES = {
    "approval": approval,
    "borda": borda,
    "budget-greedy": greedy,
    "condorcet": condorcet,
    "equal-shares": shares,
    "exclusive-groups": exclusive,
    "majority-judgment": judgment,
    "plurality": plurality,
    "points": points,
    "ranked-pairs": pairs,
    "rating": lambda: f"mean {float(mean_of(RATINGS) or 0)}, median {median_of(RATINGS)}",
    "schulze": schulze,
    "stv": stv,
    "trimmed-mean": lambda: f"the mean is {trimmed_mean(RATINGS, Fraction(1, 10))} = 3.625",
}


@pytest.mark.parametrize("page", EXAMPLES)
def test_a_page_s_example_comes_out_as_it_says(page):
    text = " ".join((PAGES / f"{page}.md").read_text(encoding="utf-8").split())
    example = re.search(r"\*\*Example\.\*\*(.*?)\*\*When to use it\.\*\*", text)
    assert example is not None
    assert EXAMPLES[page]() in example[1]
    assert "**Source.**" in text


def test_the_only_page_without_a_count_here_is_burlington_s():
    # Its rounds are counted from the real file in tests/polls/test_preflib.py.
    pages = {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert {"instant-runoff"} <= pages - set(EXAMPLES)
