"""Approval: several options per ballot, each a full vote, most approvals wins. Pure.

Method: Brams & Fishburn, "Approval Voting", American Political Science Review 72 (1978). A share is the part of the
denominator that approved of the option, so shares of one question may add up to more than one.
"""

from __future__ import annotations

from polls.definition import MultipleChoice
from polls.tally.answers import count_choices
from polls.tally.outcome import Outcome
from polls.tally.placing import conclude
from polls.tally.profile import Profile
from polls.tally.ties import Order


def tally_approval(question: MultipleChoice, profile: Profile, order: Order | None = None) -> Outcome:
    """The outcome of a question answered with several options (``[1,4]``), an own answer among them (``[0,4]``) or not.

    Raises ValueError naming an answer that does not fit the question, the number of choices included.
    """
    classes, votes = count_choices(question, profile, question.min_choices, question.max_choices)
    return conclude(question, question.rule, question.rule.method, profile, classes, votes, votes, "votes", order)
