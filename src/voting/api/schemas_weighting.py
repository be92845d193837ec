"""What the API gives of a weighted estimate: `results.weighting_document`, field by field."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, JsonValue

from polls.definition import Text
from voting.api.schemas import Shape

ByName = Literal["okrug", "district", "age_band", "sex"]


class TargetView(Shape):
    """Whom the participants are held against: `register` is the poll's own roll, any other a set of census margins."""

    code: str
    name: Text
    source: str
    as_of: date | None


class CautionView(Shape):
    """Something to know before reading on; `grave`: the weights do not mend the sample."""

    code: str = Field(examples=["design_effect"])
    grave: bool
    facts: dict[str, JsonValue]


class GroupFitView(Shape):
    """A group among the votes and among the residents; null where turnout is hidden."""

    group: str
    group_ru: str
    group_en: str
    votes: int | None
    share: float | None
    residents: int | None
    target_share: float | None


class DimensionView(Shape):
    """One dimension: `score` is one less the index of dissimilarity."""

    dimension: ByName
    score: float | None
    used: bool = Field(description="Whether the weights use it.")
    why_not: str | None = Field(description="other_level, unplaced, one_group, no_margin, bands.")
    unplaced: float = Field(description="Part of the ballots not broken down by it: among them it is not evened out.")
    uncovered: float = Field(description="Part of the target that no votes, or too few to be shown, stand for.")
    groups: list[GroupFitView]


class WeightedAnswer(Shape):
    """One class of answers, counted and weighted; shares are of the ballots the question was shown on."""

    class_: Literal["option", "neutral", "own", "blank"] = Field(alias="class")
    option_id: int
    votes: int
    share: float
    weighted_share: float
    margin: float | None = Field(description="Half the 95 % interval; null: too few to tell.")
    low: float | None
    high: float | None
    mean: float | None = Field(description="Of ratings.")
    weighted_mean: float | None
    mean_margin: float | None


class WeightedQuestionView(Shape):
    """The answers of one question."""

    question_id: int
    cast: int
    denominator: Literal["cast"]
    answers: list[WeightedAnswer]


class WeightingView(Shape):
    """An estimate beside the count of version `version`; never a result. Weights themselves are not published."""

    format: str = Field(examples=["veche/weighting/1"])
    version: int
    ballots: int
    estimate: Literal[True]
    self_selected: Literal[True] = Field(description="Whoever wished to voted: no random sample.")
    mends: bool = Field(description="False: weights cannot mend the sample; see the grave cautions.")
    target: TargetView
    weighted_by: list[ByName]
    design_effect: float
    effective_ballots: float
    least_weight: float
    most_weight: float
    trimmed: float = Field(description="Part of the ballots whose weight is at a bound (a fifth, five).")
    miss: float = Field(description="How far a group stays from its share at most.")
    cautions: list[CautionView]
    dimensions: list[DimensionView]
    questions: list[WeightedQuestionView]
