"""Majority judgment, held against votelib and pref_voting on random grades; trimmed means and points, against votelib.

votelib elects by removing median grades, as Balinski and Laraki define the majority value. pref_voting compares the
majority gauge alone, which is theirs for large electorates only.
"""

import random
from collections import Counter
from fractions import Fraction

import pytest
from tests.polls.tally.differential.oracles import grade_methods, grade_profiles, votelib
from tests.polls.tally.differential.profiles import COUNT

from polls.tally.majority_judgment import compare_judgment, count_majority_judgment
from polls.tally.points import canonical_points, count_points
from polls.tally.rating import mean_of, median_of
from polls.tally.trimmed_mean import trimmed_mean

pytestmark = pytest.mark.slow

SHAPES = ("any", "even", "near", "polarised", "few")


def graded(rule, complete=True):
    """(options, ballots): ballots are sets of (option, grade), with their numbers. The rule is the seed."""
    source = random.Random(f"veche/{rule}")
    for number in range(COUNT):
        shape = SHAPES[number % len(SHAPES)]
        options = range(1, source.randint(2, 5) + 1)
        grades = (1, 5) if shape == "polarised" else (3, 4) if shape == "near" else range(1, source.randint(2, 7) + 1)
        ballots = Counter()
        for _ in range(source.randint(1, 3 if shape == "few" else 12)):
            marked = [o for o in options if complete or source.random() < 0.7]
            n = 2 if shape == "even" else source.randint(1, 9)
            ballots[frozenset((o, source.choice(grades)) for o in marked)] += n
        yield tuple(options), dict(ballots)


def levels_of(options, ballots):
    levels = {o: Counter() for o in options}
    for ballot, n in ballots.items():
        for option, grade in ballot:
            levels[option][grade] += n
    return {o: dict(found) for o, found in levels.items()}


def value(distribution):
    """The majority value by its definition: the lower middle grade is taken away, again and again."""
    grades = sorted(Counter(distribution).elements())
    found = []
    while grades:
        found.append(grades.pop((len(grades) - 1) // 2))
    return found


def test_majority_judgment_by_its_definition():
    """The whole order, by comparing the words of grades that Balinski and Laraki call the majority value."""
    for options, ballots in graded("judgment"):
        levels = levels_of(options, ballots)
        ours = count_majority_judgment(levels, ballots=sum(ballots.values()))
        values = {o: tuple(value(levels[o])) for o in options}
        order = [{o for o in options if values[o] == one} for one in sorted(set(values.values()), reverse=True)]
        assert [set(tier) for tier in ours.order] == order


JUDGE = votelib.evaluate.cardinal.MajorityJudgment()


def better_of(levels, a, b):
    """Which of two options votelib elects when there are no others; None where they are equal."""
    try:
        (found,) = JUDGE._tiebreak_default({o: dict(levels[o]) for o in (a, b)}, 1)
    except votelib.evaluate.core.VotingSystemError:
        return None
    return found


def test_majority_judgment_by_votelib():
    """Where votelib elects another (or nobody), it elects ours over each of the others taken alone.

    Explained: a beaten option comes back. Balinski and Laraki (PNAS 104, 2007) drop the majority grade of the
    options that are still equal and look at the next; votelib goes on with those whose grade was worse, too, and a
    later grade may elect them after all.
    """
    differ = 0
    for options, ballots in graded("judgment votelib"):
        levels = levels_of(options, ballots)
        ours = count_majority_judgment(levels, ballots=sum(ballots.values()))
        try:
            elected = JUDGE.evaluate(ballots, 1)
        except votelib.evaluate.core.VotingSystemError:
            elected = []
        if elected == list(ours.winners) or (not elected and len(ours.winners) > 1):
            continue
        differ += 1
        grade = ours.grades[ours.winners[0]]
        rivals = [o for o in options if ours.grades[o] == grade and o != ours.winners[0]]
        for o in rivals:
            assert better_of(levels, ours.winners[0], o) == (None if o in ours.winners else ours.winners[0])
    assert differ < COUNT / 50


def test_explained_a_beaten_option_comes_back():
    """Option 3 is worse than 1 at the third grade already; votelib keeps it, and its later grades elect it."""
    levels = {1: {1: 2, 2: 10, 3: 2}, 2: {1: 4, 2: 6, 3: 4}, 3: {1: 6, 2: 2, 3: 6}}
    assert [value(levels[o])[:4] for o in levels] == [[2, 2, 2, 2], [2, 2, 2, 2], [2, 2, 1, 3]]
    assert count_majority_judgment(levels, ballots=14).winners == (1,)
    assert JUDGE._tiebreak_default({o: dict(found) for o, found in levels.items()}, 1) == [3]
    assert better_of(levels, 1, 3) == 1


def gauge(levels, option, grade):
    """The majority gauge as pref_voting compares it."""
    above = sum(n for level, n in levels[option].items() if level > grade)
    below = sum(n for level, n in levels[option].items() if level < grade)
    return above if above > below else -below


def test_majority_judgment_by_pref_voting():
    """The majority grade always agrees. Where the gauge decides otherwise than the value, the gauges are told.

    Explained: Balinski and Laraki (PNAS 104, 2007, "The majority-ranking"): options of one majority grade are compared
    by the grades that follow when that grade is dropped, "continuing until a winner is found"; the gauge is a shorter
    way to the same order only where it tells options apart on one side, as it does "with many judges".
    """
    differ = 0
    for options, ballots in graded("judgment pref_voting"):
        levels = levels_of(options, ballots)
        ours = count_majority_judgment(levels, ballots=sum(ballots.values()))
        maps = [dict(ballot) for ballot in ballots]
        grades = sorted({grade for ballot in ballots for _, grade in ballot})
        profile = grade_profiles.GradeProfile(maps, grades, gcounts=list(ballots.values()), candidates=list(options))
        assert all(profile.median(o) == ours.grades[o] for o in options)
        theirs = list(grade_methods.majority_judgement(profile))
        if sorted(ours.winners) != theirs:
            differ += 1
            best = max(ours.grades.values())
            gauges = {o: gauge(levels, o, best) for o in options if ours.grades[o] == best}
            assert {o for o in gauges if gauges[o] == max(gauges.values())} == set(theirs)
            winner = ours.winners[0]
            assert all(compare_judgment(levels[winner], levels[o]) >= 0 for o in options)
    assert 0 < differ < COUNT / 3


def test_explained_the_gauge_is_not_the_value():
    """Grades 1 2 2 3 3 and 2 2 2 3 3: both 2, with two above. The next grades tell them apart, the gauge does not."""
    levels = {1: {1: 1, 2: 2, 3: 2}, 2: {2: 3, 3: 2}}
    assert value(levels[1]) == [2, 2, 3, 1, 3]
    assert value(levels[2]) == [2, 2, 3, 2, 3]
    assert gauge(levels, 1, 2) == gauge(levels, 2, 2) == 2
    assert count_majority_judgment(levels, ballots=5).winners == (2,)


# ---- means


def test_means_and_medians():
    mean = votelib.convert.ScoreToSimpleVotes("mean")
    median = votelib.convert.ScoreToSimpleVotes(lambda grades: Fraction(sum(sorted(grades)[k] for k in (
        (len(grades) - 1) // 2, len(grades) // 2)), 2))  # fmt: skip
    for options, ballots in graded("means", complete=False):
        levels = levels_of(options, ballots)
        theirs, middles = mean.convert(ballots), median.convert(ballots)
        for o in options:
            assert (mean_of(levels[o]), median_of(levels[o])) == (theirs.get(o), middles.get(o))


@pytest.mark.parametrize("share", [Fraction(1, 10), Fraction(1, 4), Fraction(49, 100)])
def test_trimmed_means(share):
    """votelib cuts a share of all ballots; every ballot grades every option here, so that is a share of the grades."""
    trimmed = votelib.convert.ScoreToSimpleVotes("mean", truncation=share)
    for options, ballots in graded(f"trimmed {share}"):
        levels = levels_of(options, ballots)
        theirs = trimmed.convert(ballots)
        assert {o: trimmed_mean(levels[o], share) for o in options} == theirs


# ---- points


def test_points():
    """Points are scores that are added up."""
    added = votelib.convert.ScoreToSimpleVotes("sum")
    for options, ballots in graded("points", complete=False):
        answers = Counter()
        for ballot, n in ballots.items():
            answers[canonical_points(dict(ballot))] += n
        ours = count_points(options, dict(answers))
        assert ours.points == {o: added.convert(ballots).get(o, 0) for o in options}
