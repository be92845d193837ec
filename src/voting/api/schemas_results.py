"""What the API gives of results, and what it takes and gives of decisions.

Numbers are exact: shares, means and medians of `outcomes` are fractions as text ("2/3"); the lines in `results` and
`turnout` are those of the CSV files, with the columns the codebook describes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from voting.api.schemas import Shape
from voting.api.schemas_weighting import WeightingView

Fraction = Annotated[str, Field(pattern=r"^-?[0-9]+/[0-9]+$", examples=["2/3"])]
Figure = str | int | float | bool | None


class TieView(Shape):
    """Options that share a place of which not all seats are left."""

    options: list[int]
    place: int
    seats: int
    resolution: Literal["joint", "lot", "chair", "order", "together", "stated_order"] = Field(
        description="joint: one fate. lot, chair: still open. order: decided, see `order`."
    )
    kind: Literal["winners", "budget", "elimination", "surplus"]
    stage: int = Field(1, description="The round of the count it was met in.")
    order: list[int] | None = Field(None, description="The tied as decided, best first.")


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
    why: str | None = Field(
        description="funded, over_budget, below_threshold, after_stop, excluded, not_bought, tie_open, and the like."
    )
    remaining: int | None
    trimmed_mean: Fraction | None = None
    grade: int | None = Field(None, description="Majority judgment: the majority grade.")
    grade_above: int | None = Field(None, description="Grades better than it.")
    grade_below: int | None = Field(None, description="Grades worse than it.")
    points: int | None = Field(None, description="Points given to the option.")
    score: Fraction | None = Field(None, description="What a ranked rule ordered by: Borda points, or votes.")


class PairwiseView(Shape):
    """Every option against every other: `beats[i][j]` ballots put `options[i]` above `options[j]`."""

    options: list[int]
    beats: list[list[int]]
    winner: int | None = Field(description="The Condorcet winner, or null.")
    loser: int | None
    smith: list[int] = Field(description="The Smith set.")


class StepView(Shape):
    """One step of the count: a code and its facts."""

    code: str = Field(examples=["threshold"])
    facts: dict[str, JsonValue]


class TakingPart(Shape):
    """Flats one of whose owners voted, and the area that took part (hundredths of m²)."""

    units: int
    area: Fraction


class HouseView(Shape):
    """One house of a poll of owners. Weights are flats or hundredths of m² (`weigh_by`), exact fractions."""

    building: str
    weigh_by: Literal["units", "area"]
    units: int
    area: int
    taking_part: TakingPart
    quorum: Fraction | None
    quorum_met: bool | None
    flats: dict[str, int]
    weights: dict[str, Fraction]
    added: dict[str, Fraction] = Field(description="What the treatment of silent flats gave to each answer.")
    denominator: Fraction
    share: Fraction | None
    threshold: Fraction | None
    inclusive: bool
    carried: bool
    no_owners: int
    odd_shares: int
    steps: list[StepView]


class QuestionOutcome(Shape):
    """The result of one question, with every step that led to it."""

    method: str = Field(examples=["plurality"])
    question_id: int
    denominator: str = Field(examples=["valid"])
    denominator_n: int | None
    cast: int = Field(description="Ballots on which the question was shown.")
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
    own: int | None = Field(None, description="Valid ballots with an own answer or a text; null where none is taken.")
    pairwise: PairwiseView | None = Field(None, description="Rankings.")
    houses: list[HouseView] | None = Field(None, description="Polls of owners.")


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
    weighting: WeightingView | None = Field(None, description="An estimate beside the count; null where there is none.")


class LiveResults(Shape):
    """The last step of a poll shown live: totals as of `ballots` ballots, never a breakdown. Null before the first."""

    format: Literal["veche/results-live/1"] = "veche/results-live/1"
    poll_id: str
    ballots: int | None
    at: datetime | None
    outcomes: list[QuestionOutcome]
    too_few: list[int] = Field([], description="Ids of questions on under ten ballots so far: not shown yet.")


AnyResults = Results | LiveResults


def outcomes_as_sent(outcomes: Any) -> list[QuestionOutcome]:
    """Outcomes of the tally in the shape the API promises."""
    return [QuestionOutcome.model_validate(outcome.as_json()) for outcome in outcomes]
