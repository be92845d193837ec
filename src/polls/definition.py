"""The poll document: everything that decides a result, its canonical bytes and its hash. Pure.

A draft is an incomplete `Definition`; `problems_with` (in :mod:`polls.checklist`) says what keeps it from being
scheduled. Sealing takes the canonical bytes (RFC 8785) of the whole document and their SHA-256: from then on no field
may change. Ballots speak in option ids, never in text, so ids are small integers that a draft never re-uses.

Money is an integer number of hundredths of the poll's currency unit. Times are aware datetimes, written in UTC.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import rfc8785
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from polls.audience_rule import (
    Age,
    AllOf,
    AnyAudience,
    AnyOf,
    Audience,
    InGroup,
    InTerritory,
    Not,
    RegisteredBefore,
    Verified,
)  # fmt: skip
from polls.document import (
    MAX_MONEY,
    Code,
    Document,
    Line,
    Moment,
    Money,
    OptionId,
    Picture,
    QuestionId,
    Share,
    Source,
    Text,
    Words,
    known_zone,
)  # fmt: skip

__all__ = [
    "DEFAULT_AGE_BANDS",
    "MAX_MONEY",
    "MAX_OPTIONS",
    "MAX_QUESTIONS",
    "PUBLIC_ID",
    "SCHEMA",
    "Age",
    "AllOf",
    "AnyAudience",
    "AnyOf",
    "AnyQuestion",
    "ApprovalRule",
    "Audience",
    "BaseQuestion",
    "Budget",
    "BudgetRule",
    "Code",
    "Definition",
    "Denominator",
    "Dimension",
    "Document",
    "InGroup",
    "InTerritory",
    "Line",
    "Moment",
    "Money",
    "MultipleChoice",
    "Not",
    "Option",
    "OptionId",
    "OptionKind",
    "Picture",
    "PluralityRule",
    "Privacy",
    "Question",
    "QuestionId",
    "Quorum",
    "Rating",
    "RatingRule",
    "ReceiptKind",
    "RegisteredBefore",
    "Rule",
    "Share",
    "SingleChoice",
    "Source",
    "Text",
    "Tie",
    "Verified",
    "Visibility",
    "Words",
    "canonical_bytes",
    "poll_hash",
    "read_definition",
]

SCHEMA: Literal["veche/poll/v1"] = "veche/poll/v1"
PUBLIC_ID = re.compile(r"[0-9a-f]{32}\Z")
"""A poll's id: 32 hex digits. No address of a poll looks like one."""
DEFAULT_AGE_BANDS = (14, 18, 25, 35, 45, 55, 65)
MAX_QUESTIONS = 50
MAX_OPTIONS = 300


class OptionKind(StrEnum):
    """A regular option, or a neutral one («Затрудняюсь ответить», «Доверить специалистам») counted as its own class."""

    REGULAR = "regular"
    NEUTRAL = "neutral"


class Option(Document):
    """One line of a question. `cost` is for budget projects only."""

    id: OptionId
    text: Text = Text()
    description: Text = Text()
    kind: OptionKind = OptionKind.REGULAR
    cost: Money | None = None
    picture: Picture | None = None
    sources: tuple[Source, ...] = ()
    reference: Line = ""
    """The option's id in the city's own papers or in an imported file, e.g. a project number."""


class Denominator(StrEnum):
    """What a share is of: valid answers, ballots cast, or residents entitled (the roll)."""

    VALID = "valid"
    CAST = "cast"
    ENTITLED = "entitled"


class Tie(StrEnum):
    """What happens to a tie at the line: all joined, or the chair decides, publicly. Never silent."""

    JOINT = "joint"
    CHAIR = "chair"


class Rule(Document):
    """What every counting rule declares: denominator, winners, threshold of a share, tie rule."""

    denominator: Denominator = Denominator.VALID
    winners: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] = 1
    threshold: Share | None = None
    """A winner needs strictly more than this share of the denominator."""
    tie: Tie = Tie.JOINT


class PluralityRule(Rule):
    """Most votes wins; one answer per ballot."""

    method: Literal["plurality"] = "plurality"


class ApprovalRule(Rule):
    """Most approvals wins; several answers per ballot."""

    method: Literal["approval"] = "approval"


class RatingRule(Rule):
    """Options are ordered by the mean or by the median of their ratings; both and the distribution are reported."""

    method: Literal["rating"] = "rating"
    order_by: Literal["mean", "median"] = "mean"


class BudgetRule(Rule):
    """Projects by votes, highest first, within `budget` (hundredths).

    ``greedy`` passes over what does not fit and goes on; ``greedy_no_skip`` stops at the first that does not fit;
    ``greedy_threshold`` is greedy over projects with at least `min_score` votes. Equal scores: cheaper first, then
    a tie that changes what is funded is reported and never silent.
    """

    method: Literal["greedy", "greedy_threshold", "greedy_no_skip"] = "greedy"
    budget: Money = 0
    min_score: Annotated[int, Field(ge=0, le=10**9)] = 0


class BaseQuestion(Document):
    """What every question has. `required`: a blank answer is refused; otherwise blank is a class of its own."""

    id: QuestionId
    text: Text = Text()
    hint: Text = Text()
    required: bool = True
    options: Annotated[tuple[Option, ...], Field(max_length=MAX_OPTIONS)] = ()
    shuffle: bool = False
    """Whether each resident sees the regular options in an order of their own."""

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
    """One option."""

    kind: Literal["single_choice"] = "single_choice"
    rule: PluralityRule = PluralityRule()


class MultipleChoice(BaseQuestion):
    """Between `min_choices` and `max_choices` regular options, or one neutral option alone."""

    kind: Literal["multiple_choice"] = "multiple_choice"
    min_choices: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] = 1
    max_choices: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] | None = None
    rule: ApprovalRule = ApprovalRule()


class Rating(BaseQuestion):
    """Each option rated on the scale, or left; or one neutral option alone."""

    kind: Literal["rating"] = "rating"
    scale_min: Literal[1] = 1
    scale_max: Literal[5] = 5
    low_label: Text = Text()
    high_label: Text = Text()
    rule: RatingRule = RatingRule()


class Budget(BaseQuestion):
    """Projects with costs. The rule's `budget` binds the count; `ballot_limit` (default none) binds one voter."""

    kind: Literal["budget"] = "budget"
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "RUB"
    ballot_limit: Money | None = None
    min_choices: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] = 1
    max_choices: Annotated[int, Field(ge=1, le=MAX_OPTIONS)] | None = None
    rule: BudgetRule = BudgetRule()


Question = Annotated[SingleChoice | MultipleChoice | Rating | Budget, Field(discriminator="kind")]
AnyQuestion = SingleChoice | MultipleChoice | Rating | Budget


class Privacy(StrEnum):
    """`separated`: no link from the ballot to the person is kept. `named`: the link is kept, and the page says so."""

    SEPARATED = "separated"
    NAMED = "named"


class Visibility(StrEnum):
    """When results are shown: after the poll closes, or in steps of at least 1,000 ballots while it runs."""

    AFTER_CLOSE = "after_close"
    LIVE = "live"


class ReceiptKind(StrEnum):
    """`inclusion` proves one's ballot on the board (and can show others how one voted); `acceptance_only` does not."""

    INCLUSION = "inclusion"
    ACCEPTANCE_ONLY = "acceptance_only"


class Dimension(StrEnum):
    """What a stratum may be made of."""

    DISTRICT = "district"
    AGE_BAND = "age_band"
    SEX = "sex"


class Quorum(Document):
    """The least participation for a result that binds: a share of the roll, a number of ballots, or both."""

    share: Share | None = None
    ballots: Annotated[int, Field(ge=1, le=10**9)] | None = None


class Definition(Document):
    """The poll document. `poll_id` makes two polls with the same wording two documents."""

    schema_: Literal["veche/poll/v1"] = Field(default=SCHEMA, alias="schema")
    poll_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    title: Text = Text()
    summary: Text = Text()
    description: Text = Text()
    binding: bool = False
    """Whether the city has bound itself to the result; otherwise the poll is consultative, and the page says so."""
    topic: Code = "other"
    territory: str = ""
    """Code of the territory whose poll this is; who may vote is the audience's matter."""
    register_code: Code = Field(default="city", alias="register")
    department: Line = ""
    sources: tuple[Source, ...] = ()
    questions: Annotated[tuple[Question, ...], Field(max_length=MAX_QUESTIONS)] = ()
    audience: Audience = AllOf()
    late_registration: bool = False
    strata: tuple[Dimension, ...] = (Dimension.DISTRICT, Dimension.AGE_BAND, Dimension.SEX)
    age_bands: Annotated[tuple[Annotated[int, Field(ge=0, le=130)], ...], Field(max_length=30)] = DEFAULT_AGE_BANDS
    opens_at: Moment | None = None
    closes_at: Moment | None = None
    time_zone: Annotated[str, AfterValidator(known_zone)] = "Europe/Moscow"
    privacy: Privacy = Privacy.SEPARATED
    may_change: bool = False
    """Named polls only: whether a vote may be changed until closing."""
    names_seen_by: Text = Text()
    """Named polls only: who sees names, in the words shown on the ballot page."""
    visibility: Visibility = Visibility.AFTER_CLOSE
    receipt: ReceiptKind = ReceiptKind.INCLUSION
    quorum: Quorum | None = None
    roll_known: bool = True
    """False for polls imported from elsewhere, whose number of entitled residents nobody recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, populate_by_name=True)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [question.id for question in self.questions]
        if len(ids) != len(set(ids)):
            raise ValueError("question ids repeat")
        if list(self.age_bands) != sorted(set(self.age_bands)) or not self.age_bands:
            raise ValueError("age bands are rising lower bounds")
        if len(set(self.strata)) != len(self.strata):
            raise ValueError("strata repeat")
        return self

    def question(self, question_id: int) -> AnyQuestion | None:
        """The question with this id, or None."""
        return next((q for q in self.questions if q.id == question_id), None)

    def as_json(self) -> dict[str, Any]:
        """The document as plain JSON values: what is stored, sealed and published."""
        return self.model_dump(mode="json", by_alias=True)


def canonical_bytes(definition: Definition) -> bytes:
    """RFC 8785 canonical JSON of the document."""
    return rfc8785.dumps(definition.as_json())


def poll_hash(definition: Definition) -> bytes:
    """SHA-256 of the canonical bytes: what is shown on the poll's page and signed in receipts (32 bytes)."""
    return hashlib.sha256(canonical_bytes(definition)).digest()


def read_definition(data: bytes | dict[str, Any]) -> Definition:
    """A definition out of stored bytes or JSON values. Raises pydantic.ValidationError on anything else."""
    if isinstance(data, bytes):
        return Definition.model_validate_json(data)
    return Definition.model_validate(data)
