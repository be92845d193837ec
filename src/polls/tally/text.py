"""Texts: they are read, not counted; only how many there are is said. Pure."""

from __future__ import annotations

from polls.definition import FreeText
from polls.tally.answers import count_choices
from polls.tally.outcome import Outcome, Step
from polls.tally.profile import Profile
from polls.tally.quorum import denominator_size, opening_steps


def tally_text(question: FreeText, profile: Profile) -> Outcome:
    """The outcome of a question answered with words (``[0]``): `own` texts, no options and no winners.

    Raises ValueError naming an answer that does not fit the question.
    """
    rule = question.rule
    classes, _ = count_choices(question, profile, least=1, most=1)
    return Outcome(
        method=rule.method,
        question_id=question.id,
        denominator=rule.denominator.value,
        denominator_n=denominator_size(rule, classes, profile.entitled),
        cast=classes.cast,
        valid=classes.valid,
        blank=classes.blank,
        neutral=classes.neutral,
        neutral_total=sum(classes.neutral.values()),
        options=(),
        order=(),
        winners=(),
        steps=(*opening_steps(rule, classes, profile), Step("texts", {"texts": classes.valid})),
        own=classes.own,
    )
