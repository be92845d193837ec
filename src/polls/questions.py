"""Questions and their options as data, one class per kind. Pure.

Ballots speak in option ids, so ids are small integers that a draft never re-uses. Id 0 is nobody's: in an answer it
says «свой вариант» (:data:`OWN`), whose words are kept apart from the ballot (BALLOTS §10).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from polls.document import Document, Line, Money, OptionId, Picture, QuestionId, Source, Text
from polls.rules import (
    MAX_OPTIONS,
    ApprovalRule,
    BudgetRule,
    PluralityRule,
    PointsRule,
    RankingRule,
    RatingRule,
    TextRule,
    UnitRule,
)

OWN = 0
"""Stands in an answer for the resident's own words, and for a text that was written."""
MAX_POINTS = 10**6
MAX_LEVELS = 101

StyleId = Annotated[int, Field(ge=1, le=32_767)]
StyleIds = Annotated[tuple[StyleId, ...], Field(max_length=1_000)]


class OptionKind(StrEnum):
    """A regular option, or a neutral one («Затрудняюсь ответить», «Доверить специалистам») counted as its own class."""

    REGULAR = "regular"
    NEUTRAL = "neutral"


class Place(Document):
    """Where an option is: an address in words, and a point in millionths of a degree (WGS 84) if it is known."""

    address: Text = Text()
    latitude: Annotated[int, Field(ge=-90_000_000, le=90_000_000)] | None = None
    longitude: Annotated[int, Field(ge=-180_000_000, le=180_000_000)] | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("a point has a latitude and a longitude")
        return self


class Option(Document):
    """One line of a question. `cost` is for projects alone. `styles`: the ballot styles that show it; () is all."""

    id: OptionId
    text: Text = Text()
    description: Text = Text()
    kind: OptionKind = OptionKind.REGULAR
    cost: Money | None = None
    picture: Picture | None = None
    place: Place | None = None
    sources: tuple[Source, ...] = ()
    styles: StyleIds = ()
    reference: Line = ""
    """The option's id in the city's own papers or in an imported file, e.g. a project number."""


class ShownIf(Document):
    """A follow-up: the question is shown when an earlier one is answered in a certain way.

    `options` are ids of the earlier question, 0 for its own answer; any of them is enough. For kinds answered with
    levels or points, one of `options` (or of all, if none is named) must have from `at_least` to `at_most` of them.
    For a ranking an option counts when it is ranked, for a text 0 when it is written.
    """

    question: QuestionId
    options: Annotated[tuple[Annotated[int, Field(ge=0, le=32_767)], ...], Field(max_length=MAX_OPTIONS)] = ()
    at_least: Annotated[int, Field(ge=-MAX_POINTS, le=MAX_POINTS)] | None = None
    at_most: Annotated[int, Field(ge=-MAX_POINTS, le=MAX_POINTS)] | None = None


class BaseQuestion(Document):
    """What every question has. `required`: a blank answer is refused; otherwise blank is a class of its own."""

    id: QuestionId
    text: Text = Text()
    hint: Text = Text()
    required: bool = True
    options: Annotated[tuple[Option, ...], Field(max_length=MAX_OPTIONS)] = ()
    shuffle: bool = False
    """Whether each resident sees the regular options in an order of their own."""
    shown_if: ShownIf | None = None
    styles: StyleIds = ()
    """The ballot styles that hold the question; () is all, the style of everybody else included."""

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [option.id for option in self.options]
        if len(ids) != len(set(ids)):
            raise ValueError("option ids repeat")
        return self

    @property
    def regular(self) -> tuple[Option, ...]:
        """The options that can win."""
        return tuple(o for o in self.options if o.kind is OptionKind.REGULAR)

    @property
    def neutral(self) -> tuple[Option, ...]:
        """The options counted as declared classes and never as winners."""
        return tuple(o for o in self.options if o.kind is OptionKind.NEUTRAL)

    def option(self, option_id: int) -> Option | None:
        """The option with this id, or None."""
        return next((o for o in self.options if o.id == option_id), None)


class SingleChoice(BaseQuestion):
    """One option, or with `own_answer` the resident's own words instead. `rule` may be one of units (named polls)."""

    kind: Literal["single_choice"] = "single_choice"
    own_answer: bool = False
    rule: Annotated[PluralityRule | UnitRule, Field(discriminator="method")] = PluralityRule()

    @field_validator("rule", mode="before")
    @classmethod
    def _plurality_unless_said(cls, value: Any) -> Any:
        return {"method": "plurality", **value} if isinstance(value, Mapping) else value


class MultipleChoice(BaseQuestion):
    """Between `min_choices` and `max_choices` regular options (the own answer counts as one), or one neutral alone.

    Approval voting is this kind with no `max_choices`.
    """

    kind: Literal["multiple_choice"] = "multiple_choice"
    min_choices: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] = 1
    max_choices: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] | None = None
    own_answer: bool = False
    rule: ApprovalRule = ApprovalRule()


class Rating(BaseQuestion):
    """Each option rated on the scale, or left; or one neutral option alone. With one option, the question itself is
    what is rated. `levels` names levels from the lowest, all of them or none.
    """

    kind: Literal["rating"] = "rating"
    scale_min: Annotated[int, Field(ge=-100, le=100)] = 1
    scale_max: Annotated[int, Field(ge=-100, le=100)] = 5
    low_label: Text = Text()
    high_label: Text = Text()
    levels: Annotated[tuple[Text, ...], Field(max_length=MAX_LEVELS)] = ()
    rule: RatingRule = RatingRule()

    @model_validator(mode="after")
    def _scale(self) -> Self:
        size = self.scale_max - self.scale_min + 1
        if not 2 <= size <= MAX_LEVELS:
            raise ValueError(f"a scale has from 2 to {MAX_LEVELS} levels")
        if self.levels and len(self.levels) != size:
            raise ValueError("every level has a name, or none has")
        return self


class Ranking(BaseQuestion):
    """Regular options in the resident's order: from `min_ranked` of them to `max_ranked` (None: all).

    With `equal_ranks` several may share a place. A complete ranking is asked for by `min_ranked` of all options.
    """

    kind: Literal["ranking"] = "ranking"
    min_ranked: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] = 1
    max_ranked: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] | None = None
    equal_ranks: bool = False
    rule: RankingRule = RankingRule()


class Points(BaseQuestion):
    """Up to `total` points spread over options, at most `most_per_option` on one; with `spend_all` exactly `total`."""

    kind: Literal["points"] = "points"
    total: Annotated[int, Field(ge=1, le=MAX_POINTS)] = 10
    most_per_option: Annotated[int, Field(ge=1, le=MAX_POINTS)] | None = None
    spend_all: bool = False
    rule: PointsRule = PointsRule()


class Budget(BaseQuestion):
    """Projects with costs. The rule's `budget` binds the count; `ballot_limit` (default none) binds one voter.

    Of each group in `exclusive_groups` at most one project is funded; with `exclusive_on_ballot` a ballot may not
    choose two of one group either.
    """

    kind: Literal["budget"] = "budget"
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "RUB"
    ballot_limit: Money | None = None
    min_choices: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] = 1
    max_choices: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] | None = None
    exclusive_groups: Annotated[
        tuple[Annotated[tuple[OptionId, ...], Field(min_length=2, max_length=MAX_OPTIONS)], ...], Field(max_length=100)
    ] = ()
    exclusive_on_ballot: bool = False
    rule: BudgetRule = BudgetRule()

    @model_validator(mode="after")
    def _groups(self) -> Self:
        grouped = [option_id for group in self.exclusive_groups for option_id in group]
        if len(grouped) != len(set(grouped)):
            raise ValueError("a project is in one group at most")
        return self


class FreeText(BaseQuestion):
    """A text in the resident's words, at most `max_length` characters. It has no options but neutral ones."""

    kind: Literal["text"] = "text"
    max_length: Annotated[int, Field(ge=1, le=5_000)] = 1_000
    rule: TextRule = TextRule()


AnyQuestion = SingleChoice | MultipleChoice | Rating | Ranking | Points | Budget | FreeText
Question = Annotated[AnyQuestion, Field(discriminator="kind")]
OWN_ANSWER_LENGTH = 300
"""The most characters of an own answer."""


def shown_in(item: BaseQuestion | Option, style: int) -> bool:
    """Whether a ballot of this style holds the question or the option. Style 0 is everybody whom no style names."""
    return not item.styles or style in item.styles


def takes_words(question: BaseQuestion) -> int:
    """The most characters of free words the question takes; 0 where it takes none."""
    if isinstance(question, FreeText):
        return question.max_length
    own = isinstance(question, SingleChoice | MultipleChoice) and question.own_answer
    return OWN_ANSWER_LENGTH if own else 0
