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
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from polls.audience_rule import (
    Age,
    AllOf,
    AnyAudience,
    AnyOf,
    Audience,
    InGroup,
    InTerritory,
    Invited,
    Not,
    OwnsUnit,
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
    OuterCode,
    Picture,
    QuestionId,
    Share,
    Source,
    Text,
    Words,
    known_zone,
)  # fmt: skip
from polls.questions import (
    OWN,
    AnyQuestion,
    BaseQuestion,
    Budget,
    FreeText,
    MultipleChoice,
    Option,
    OptionKind,
    Place,
    Points,
    Question,
    Ranking,
    Rating,
    ShownIf,
    SingleChoice,
    StyleId,
)
from polls.rules import (
    MAX_OPTIONS,
    ApprovalRule,
    BudgetRule,
    Denominator,
    PluralityRule,
    PointsRule,
    RankingRule,
    RatingRule,
    Rule,
    TextRule,
    Tie,
    UnitRule,
)

__all__ = [
    "DEFAULT_AGE_BANDS",
    "EVERYBODY_ELSE",
    "MAX_MONEY",
    "MAX_OPTIONS",
    "MAX_QUESTIONS",
    "MOST_CROSS_TABS",
    "OWN",
    "PUBLIC_ID",
    "SCHEMA",
    "Age",
    "AllOf",
    "AnyAudience",
    "AnyOf",
    "AnyQuestion",
    "ApprovalRule",
    "Audience",
    "BallotStyle",
    "BaseQuestion",
    "Budget",
    "BudgetRule",
    "Code",
    "CrossTab",
    "Definition",
    "Denominator",
    "Dimension",
    "Document",
    "FreeText",
    "InGroup",
    "InTerritory",
    "Invited",
    "Line",
    "Moment",
    "Money",
    "MultipleChoice",
    "Not",
    "Option",
    "OptionId",
    "OptionKind",
    "OwnsUnit",
    "Picture",
    "Place",
    "PluralityRule",
    "Points",
    "PointsRule",
    "Privacy",
    "Question",
    "QuestionId",
    "Quorum",
    "Ranking",
    "RankingRule",
    "Rating",
    "RatingRule",
    "ReceiptKind",
    "RegisteredBefore",
    "Rule",
    "Share",
    "ShownIf",
    "SingleChoice",
    "Source",
    "Text",
    "TextRule",
    "Tie",
    "UnitRule",
    "Units",
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
MOST_CROSS_TABS = 6
EVERYBODY_ELSE = 0
"""The ballot style of residents whom no declared style names."""


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


class BallotStyle(Document):
    """A ballot that some residents get: those of these territories (codes), or of parts of them.

    A resident gets the first style, in stated order, that names a territory of theirs; nobody named gets style 0.
    """

    id: StyleId
    title: Text = Text()
    territories: Annotated[tuple[OuterCode, ...], Field(max_length=500)] = ()


class CrossTab(Document):
    """Two questions counted together: how many gave each answer to one and each to the other, as one table of the poll.

    `rows` and `columns` are ids of questions. What such a table needs is said by :mod:`polls.crossing`.
    """

    rows: QuestionId
    columns: QuestionId


class Units(Document):
    """Polls of owners: the houses whose flats decide (codes of buildings), and the share of their area that must take
    part (strictly more), as the law of meetings asks. The flats, their areas and owners' shares are taken as of
    `opens_at` into the unit roll. `chair` and `secretary` are for the minutes.
    """

    buildings: Annotated[tuple[OuterCode, ...], Field(max_length=1_000)] = ()
    quorum_of_area: Share | None = None
    chair: Line = ""
    secretary: Line = ""


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
    territory: OuterCode = ""
    """Code of the territory whose poll this is; who may vote is the audience's matter."""
    register_code: Code = Field(default="city", alias="register")
    department: Line = ""
    sources: tuple[Source, ...] = ()
    questions: Annotated[tuple[Question, ...], Field(max_length=MAX_QUESTIONS)] = ()
    audience: Audience = AllOf()
    late_registration: bool = False
    styles: Annotated[tuple[BallotStyle, ...], Field(max_length=1_000)] = ()
    units: Units | None = None
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
    cross_tabs: Annotated[tuple[CrossTab, ...], Field(max_length=MOST_CROSS_TABS)] = ()
    """Pairs of questions whose answers are counted together (BALLOTS §16). Not in the document where there are none:
    polls sealed before there was such a field keep their bytes."""
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
        styles = [style.id for style in self.styles]
        if len(styles) != len(set(styles)):
            raise ValueError("ballot style ids repeat")
        if len(set(self.strata)) != len(self.strata):
            raise ValueError("strata repeat")
        return self

    @model_serializer(mode="wrap")
    def _as_sealed(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A field younger than the first sealed polls is written only where it says something."""
        written: dict[str, Any] = write(self)
        if not self.cross_tabs:
            written.pop("cross_tabs", None)
        return written

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
