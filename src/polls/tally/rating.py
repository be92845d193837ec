"""Rating: each option rated on the scale or left; mean, median and the whole distribution are reported. Pure.

The mean and the median of an option are over the ballots that rated it, exactly; an even number of ratings has the
average of the two middle ones as its median. Options nobody rated have neither, stand last and never win. The rule's
`order_by` is the only criterion: equal means (or medians) are equal places, and a tie on the line is reported.
`votes` and `share` of an option are the ballots that rated it, and a threshold asks that more than its share did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from polls.definition import Rating
from polls.tally.answers import count_ratings
from polls.tally.outcome import Outcome
from polls.tally.placing import conclude
from polls.tally.profile import Profile


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


def tally_rating(question: Rating, profile: Profile) -> Outcome:
    """The outcome of a question answered with ratings (``[[1,5],[2,3]]``).

    Raises ValueError naming an answer that does not fit the question.
    """
    classes, levels = count_ratings(question, profile)
    rated = {option_id: sum(distribution.values()) for option_id, distribution in levels.items()}
    means = {option_id: mean_of(distribution) for option_id, distribution in levels.items()}
    medians = {option_id: median_of(distribution) for option_id, distribution in levels.items()}
    keys = means if question.rule.order_by == "mean" else medians
    outcome = conclude(
        question, question.rule, question.rule.method, profile, classes, rated, keys, question.rule.order_by
    )
    return replace(
        outcome,
        options=tuple(
            replace(o, rated=rated[o.id], mean=means[o.id], median=medians[o.id], distribution=levels[o.id])
            for o in outcome.options
        ),
    )
