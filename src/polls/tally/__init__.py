"""Counting: a pure function from a question and its profile to an outcome with steps, one rule family a file.

:func:`tally` is the only door. It reads no clock, no database and no randomness; the same question, profile and
decisions about ties give the same outcome anywhere, so anybody can recount.
"""

from __future__ import annotations

from polls.definition import (
    BaseQuestion,
    Budget,
    FreeText,
    MultipleChoice,
    Points,
    Ranking,
    Rating,
    SingleChoice,
    UnitRule,
)
from polls.errors import RuleUnknown
from polls.tally.approval import tally_approval
from polls.tally.budget import tally_budget
from polls.tally.outcome import OptionResult, Outcome, Step, TieFound
from polls.tally.plurality import tally_plurality
from polls.tally.points import tally_points
from polls.tally.profile import Profile
from polls.tally.rating import tally_rating
from polls.tally.text import tally_text
from polls.tally.ties import Order

__all__ = ["OptionResult", "Order", "Outcome", "Profile", "Step", "TieFound", "tally"]


def tally(question: BaseQuestion, profile: Profile, order: Order | None = None) -> Outcome:
    """Count one question by the rule it declares.

    `order` decides ties by lot or by the chair: (stage, tied ids, rising) → the same ids best first, or None where
    nobody has decided yet; such a tie is open and nothing of it is decided. Where the rule says ``joint`` it is not
    asked. No tie is ever broken by the order of a list.

    Raises :class:`polls.errors.RuleUnknown` for a question whose kind this release cannot count, ValueError naming
    an answer that does not fit the question (casting let it through, or it came in by no door of ours), and ValueError
    for an order that is not one of the tied.
    """
    match question:
        case SingleChoice(rule=UnitRule()):
            raise ValueError(f"question {question.id} is counted by units: that takes a profile of units")
        case SingleChoice():
            return tally_plurality(question, profile, order)
        case MultipleChoice():
            return tally_approval(question, profile, order)
        case Rating():
            return tally_rating(question, profile, order)
        case Ranking():
            from polls.tally.ranking import tally_ranking  # with numpy, which only a count needs

            return tally_ranking(question, profile, order)
        case Points():
            return tally_points(question, profile, order)
        case Budget():
            return tally_budget(question, profile, order)
        case FreeText():
            return tally_text(question, profile)
    raise RuleUnknown(rule=getattr(question, "kind", type(question).__name__))
