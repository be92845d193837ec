"""Rating: each option rated on the scale or left; mean, trimmed mean, median, majority judgment, distribution. Pure.

All of them are reported whatever the rule's `order_by`, which alone decides: equal means (medians, majority values) are
equal places, and a tie on the line is reported. The mean and the median of an option are over the ballots that rated
it, exactly; an even number of ratings has the average of the two middle ones as its median. The trimmed mean is that of
:mod:`polls.tally.trimmed_mean`, majority judgment that of :mod:`polls.tally.majority_judgment` with the declared
treatment of ballots that leave an option out. Options nobody rated have none of these, stand last and never win.
`votes` and `share` of an option are the ballots that rated it, and a threshold asks that more than its share did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from polls.definition import Rating
from polls.tally.answers import count_ratings
from polls.tally.outcome import Outcome, Step
from polls.tally.placing import Key, conclude
from polls.tally.profile import Profile
from polls.tally.ties import Order
from polls.tally.trimmed_mean import trimmed_means


def mean_of(distribution: Mapping[int, int]) -> Fraction | None:
    """The exact mean of level → n; None when there are no ratings."""
    rated = sum(distribution.values())
    return Fraction(sum(level * n for level, n in distribution.items()), rated) if rated else None


def median_of(distribution: Mapping[int, int]) -> Fraction | None:
    """The exact median of level → n: the average of the lower and the upper middle; None without ratings."""
    rated = sum(distribution.values())
    if not rated:
        return None
    return Fraction(_nth(distribution, (rated - 1) // 2) + _nth(distribution, rated // 2), 2)


def _nth(distribution: Mapping[int, int], position: int) -> int:
    """The level at this position (from 0) of all ratings in rising order."""
    for level in sorted(distribution):
        position -= distribution[level]
        if position < 0:
            return level
    raise ValueError("position beyond the ratings")


def tally_rating(question: Rating, profile: Profile, order: Order | None = None) -> Outcome:
    """The outcome of a question answered with ratings (``[[1,5],[2,3]]``).

    Raises ValueError naming an answer that does not fit the question.
    """
    from polls.tally.majority_judgment import count_majority_judgment  # with numpy, which only a count needs

    rule = question.rule
    classes, levels = count_ratings(question, profile)
    rated = {option_id: sum(distribution.values()) for option_id, distribution in levels.items()}
    judged = count_majority_judgment(
        levels, ballots=classes.valid, worst=question.scale_min, seats=rule.winners, ungraded=rule.ungraded
    )
    means = {option_id: mean_of(distribution) for option_id, distribution in levels.items()}
    medians = {option_id: median_of(distribution) for option_id, distribution in levels.items()}
    trimmed = trimmed_means(levels, Fraction(rule.trim))
    tiers = {option_id: -tier for tier, tied in enumerate(judged.order) for option_id in tied}
    orders: Mapping[str, Mapping[int, Key]] = {
        "mean": means,
        "trimmed_mean": trimmed,
        "median": medians,
        "majority_judgment": {o: tiers[o] if judged.grades[o] is not None else None for o in levels},
    }
    further = [
        Step("judgment", {"option": o, "grade": judged.grades[o], "above": judged.above[o], "below": judged.below[o]})
        for o in levels
        if rule.order_by == "majority_judgment"
    ]
    outcome = conclude(
        question, rule, rule.method, profile, classes, rated, orders[rule.order_by], rule.order_by, order, further
    )
    results = (
        replace(
            found,
            rated=rated[found.id],
            mean=means[found.id],
            median=medians[found.id],
            distribution=levels[found.id],
            trimmed_mean=trimmed[found.id],
            grade=judged.grades[found.id],
            grade_above=None if judged.grades[found.id] is None else judged.above[found.id],
            grade_below=None if judged.grades[found.id] is None else judged.below[found.id],
        )
        for found in outcome.options
    )
    return replace(outcome, options=tuple(results))
