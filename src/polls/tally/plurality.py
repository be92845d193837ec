"""Plurality: one option per ballot, most votes wins. Pure.

Votes are counted per regular option; the first `winners` places win, above the threshold where one is declared.
"""

from __future__ import annotations

from polls.definition import SingleChoice
from polls.tally.answers import count_choices
from polls.tally.outcome import Outcome
from polls.tally.placing import conclude
from polls.tally.profile import Profile
from polls.tally.ties import Order


def tally_plurality(question: SingleChoice, profile: Profile, order: Order | None = None) -> Outcome:
    """The outcome of a question answered with one option (``[3]``), or an own answer (``[0]``), which is for none.

    Raises ValueError naming an answer that does not fit the question.
    """
    classes, votes = count_choices(question, profile, least=1, most=1)
    return conclude(question, question.rule, question.rule.method, profile, classes, votes, votes, "votes", order)
