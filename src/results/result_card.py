"""A poll in one glance, for cards on other sites and for pictures: title, state and, when the gate lets it, the result.

Bars are of the first question, where its options have shares: the leading ones, in the order of the outcome. Whatever
is not settled by the count is left out, so a card never says more than the results page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from polls.catalogue import SealedPoll
from polls.definition import Text
from polls.lifecycle import State
from polls.sessions import ReadSession
from results.figures import QuestionFigures, counted_version, poll_figures, running_turnout, see
from results.visibility import Decision

MOST_BARS = 4
WITH_BARS = ("single_choice", "multiple_choice")


@dataclass(frozen=True)
class Bar:
    """One option: its words, votes and share of the denominator, and whether it won."""

    label: Text
    votes: int
    share: Fraction
    won: bool


@dataclass(frozen=True)
class ResultCard:
    """What a card shows. `votes` and `turnout` (votes ÷ entitled) are None where they may not be shown or are unknown;
    `first` and `bars` are there of a counted poll alone. `version` is that of the count, 0 before it."""

    poll: SealedPoll
    seen: Decision
    version: int = 0
    votes: int | None = None
    turnout: Fraction | None = None
    questions: int = 1
    first: QuestionFigures | None = None
    bars: tuple[Bar, ...] = ()

    @property
    def state(self) -> State:
        """The poll's state at the moment the card was made."""
        return self.seen.state


async def result_card(session: ReadSession, poll: SealedPoll, now: datetime) -> ResultCard:
    """The card of a poll that is public. Figures are those of `results.figures`, behind its gate."""
    counted = await counted_version(session, poll.id)
    seen = see(poll, counted, now)
    questions = len(poll.definition.questions)
    if seen.outcome and counted is not None:
        figures = await poll_figures(session, poll.slug, now)
        first = figures.questions[0]
        return ResultCard(
            poll, seen, counted.version, figures.turnout.votes, figures.turnout.share, questions, first, _bars(first)
        )  # fmt: skip
    if not seen.turnout:
        return ResultCard(poll, seen, questions=questions)
    running = await running_turnout(session, poll.slug, now)
    share = Fraction(running.votes, running.entitled) if running.entitled else None
    return ResultCard(poll, seen, votes=running.votes, turnout=share, questions=questions)


def _bars(first: QuestionFigures) -> tuple[Bar, ...]:
    question, outcome = first.question, first.outcome
    if question.kind not in WITH_BARS or outcome.houses is not None:
        return ()
    words = {option.id: option.text for option in question.options}
    found = []
    for option_id in outcome.order[:MOST_BARS]:
        result = outcome.option(option_id)
        if result.share is not None:
            found.append(Bar(words[option_id], result.votes, result.share, option_id in outcome.winners))
    return tuple(found)
