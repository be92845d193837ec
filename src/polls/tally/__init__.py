"""Counting: a pure function from a question and its profile to an outcome with steps, one rule family a file.

:func:`tally` is the only door. It reads no clock, no database and no randomness; the same question and profile give
the same outcome anywhere, so anybody can recount.
"""

from __future__ import annotations

from polls.definition import BaseQuestion, Budget, MultipleChoice, Rating, SingleChoice
from polls.errors import RuleUnknown
from polls.tally.approval import tally_approval
from polls.tally.budget import tally_budget
from polls.tally.outcome import OptionResult, Outcome, Step, TieFound
from polls.tally.plurality import tally_plurality
from polls.tally.profile import Profile
from polls.tally.rating import tally_rating

__all__ = ["OptionResult", "Outcome", "Profile", "Step", "TieFound", "tally"]


def tally(question: BaseQuestion, profile: Profile) -> Outcome:
    """Count one question by the rule it declares.

    Raises :class:`polls.errors.RuleUnknown` for a question whose kind this release cannot count, and ValueError
    naming an answer that does not fit the question: casting let it through, or it came in by no door of ours.
    """
    if isinstance(question, SingleChoice):
        return tally_plurality(question, profile)
    if isinstance(question, MultipleChoice):
        return tally_approval(question, profile)
    if isinstance(question, Rating):
        return tally_rating(question, profile)
    if isinstance(question, Budget):
        return tally_budget(question, profile)
    raise RuleUnknown(rule=getattr(question, "kind", type(question).__name__))
