"""What the API gives of results, and what it takes and gives of decisions.

Numbers are exact: shares, means and medians of `outcomes` are fractions as text ("2/3"); the lines in `results` and
`turnout` are those of the CSV files, with the columns the codebook describes.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from polls.definition import Line, Text
from results.decisions import CityDecision, Status
from voting.api.schemas import Shape

Fraction = Annotated[str, Field(pattern=r"^-?[0-9]+/[0-9]+$", examples=["2/3"])]
Figure = str | int | float | bool | None


class TieView(Shape):
    """Options that share a place of which not all seats are left."""

    options: list[int]
    place: int
    seats: int
    resolution: str = Field(description="joint, chair or stated_order.")
    kind: str


class OptionOutcome(Shape):
    """What one option got; fields of other question kinds are null."""

    id: int
    votes: int
    share: Fraction | None = Field(description="Votes ÷ the denominator.")
    place: int = Field(description="1 is best; equal places are equal.")
    rated: int | None
    mean: Fraction | None
    median: Fraction | None
    distribution: dict[str, int] | None = Field(description="Level → ballots.")
    cost: int | None = Field(description="Hundredths of the currency unit.")
    funded: bool | None
    why: str | None
    remaining: int | None


class StepView(Shape):
    """One step of the count: a code and its facts."""

    code: str = Field(examples=["threshold"])
    facts: dict[str, JsonValue]


class QuestionOutcome(Shape):
    """The result of one question, with every step that led to it."""

    method: str = Field(examples=["plurality"])
    question_id: int
    denominator: str = Field(examples=["valid"])
    denominator_n: int | None
    cast: int
    valid: int
    blank: int
    neutral: dict[str, int]
    neutral_total: int
    options: list[OptionOutcome]
    order: list[int]
    winners: list[int]
    ties: list[TieView]
    threshold_met: bool | None
    steps: list[StepView]


class Results(Shape):
    """A counted poll. `version` rises with every correction, whose public `reason` it carries."""

    format: str = Field(examples=["veche/results/1"])
    poll_id: str
    poll_slug: str
    poll_hash: str
    state: str
    closes_at: datetime
    counted_at: datetime
    version: int
    reason: str
    ballots: int
    too_few_to_break_down: bool = Field(description="Under ten ballots: turnout and outcome only.")
    outcomes: list[QuestionOutcome]
    results: list[dict[str, Figure]] = Field(description="The lines of results.csv by column.")
    turnout: list[dict[str, Figure]] = Field(description="The lines of turnout.csv by column.")


class LiveResults(Shape):
    """The last step of a poll shown live: totals as of `ballots` ballots, never a breakdown. Null before the first."""

    format: Literal["veche/results-live/1"] = "veche/results-live/1"
    poll_id: str
    ballots: int | None
    at: datetime | None
    outcomes: list[QuestionOutcome]


AnyResults = Results | LiveResults


class DecisionIn(Shape):
    """What the city does about a counted poll. Sending again corrects it."""

    poll: str = Field(max_length=64, description="Slug or id of the poll.", examples=["square-2026"])
    text: Text = Field(description="Russian is needed.", examples=[{"ru": "Посадим липы", "en": "We plant limes"}])
    owner: Line = Field(description="The department that answers for it.", examples=["Департамент природопользования"])
    status: Status = Status.PLANNED
    deadline: date | None = Field(None, description="A day in city time.", examples=["2027-05-31"])


class DecisionView(Shape):
    """One decision, with the poll it follows from."""

    poll_id: str
    poll_slug: str
    poll_title: Text
    topic: str
    text: Text
    owner: str
    deadline: date | None
    status: Status
    published_at: datetime

    @classmethod
    def of(cls, made: CityDecision) -> DecisionView:
        """From the results' own."""
        return cls(
            poll_id=made.poll_public_id, poll_slug=made.poll_slug, poll_title=made.poll_title, topic=made.topic,
            text=made.text, owner=made.owner, deadline=made.deadline, status=made.status,
            published_at=made.published_at,
        )  # fmt: skip


class DecisionList(Shape):
    """Decisions, the newest first."""

    decisions: list[DecisionView]


def outcomes_as_sent(outcomes: Any) -> list[QuestionOutcome]:
    """Outcomes of the tally in the shape the API promises."""
    return [QuestionOutcome.model_validate(outcome.as_json()) for outcome in outcomes]
