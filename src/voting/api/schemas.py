"""What the API takes and gives for polls, ballots and territories. Field names never change meaning.

Bodies refuse unknown fields: a misspelt field must not be taken for one left out. Moments are UTC in RFC 3339, days
are days in city time, texts come in both languages.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from polls.board import short_code
from polls.casting import Cast
from polls.catalogue import PollCard, SealedPoll
from polls.definition import Definition, Text
from polls.eligibility import Reason
from polls.errata import Erratum
from polls.lifecycle import State
from polls.pausing import Pause
from polls.questions import shown_in

MAX_QUESTIONS_ANSWERED = 100


class Shape(BaseModel):
    """The base of every body and reply."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TerritoryName(Shape):
    """A territory as lists show it."""

    code: str = Field(examples=["msk-cao-arbat"])
    name: Text


class PollSummary(Shape):
    """One line of a list of polls."""

    poll_id: str = Field(description="32 hex digits; never changes.", examples=["5f0c9a1b2c3d4e5f60718293a4b5c6d7"])
    slug: str = Field(description="The short name in addresses.", examples=["square-2026"])
    state: State
    title: Text
    summary: Text
    topic: str = Field(examples=["parks"])
    territory: TerritoryName | None
    opens_at: datetime | None
    closes_at: datetime | None = Field(description="The closing time in force.")
    questions: int = Field(examples=[1])
    kinds: list[str] = Field(description="The kinds of its questions.", examples=[["single_choice"]])
    picture: str | None = Field(description="SHA-256 of the first picture, as the asset store names it.")
    live: bool = Field(description="Whether results are shown in steps while it runs.")
    voted_on: date | None = Field(description="The day you took part; null for everybody else.")

    @classmethod
    def of(cls, card: PollCard) -> PollSummary:
        """From a line of the catalogue."""
        place = None
        if card.territory_code is not None:
            place = TerritoryName(code=card.territory_code, name=Text(ru=card.territory_ru, en=card.territory_en))
        return cls(
            poll_id=card.public_id, slug=card.slug, state=card.state, title=Text(ru=card.title_ru, en=card.title_en),
            summary=Text(ru=card.summary_ru, en=card.summary_en), topic=card.topic, territory=place,
            opens_at=card.opens_at, closes_at=card.closes_at, questions=card.questions, kinds=list(card.kinds),
            picture=card.picture, live=card.live, voted_on=card.voted_on,
        )  # fmt: skip


class PollPage(Shape):
    """A page of polls; give `next_cursor` as `cursor` for the next one."""

    polls: list[PollSummary]
    next_cursor: str | None = Field(description="Null at the end.", examples=["1795253400000000-17"])


class Times(Shape):
    """When voting starts (inclusive) and stops (exclusive)."""

    opens_at: datetime | None
    closes_at: datetime | None


class Event(Shape):
    """One thing that happened to a poll: sealed, extended, closed early, cancelled, counted, decided."""

    kind: str = Field(examples=["poll_sealed"])
    at: datetime
    facts: dict[str, JsonValue]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Event:
        """From the registry; which account did it stays inside."""
        facts = {key: value for key, value in row["body"].items() if key != "by"}
        return cls(kind=row["kind"], at=row["at"], facts=facts)


class ReasonAgainst(Shape):
    """Why you may not vote, and the code of what you can do about it."""

    code: str = Field(examples=["too_young"])
    next_step: str = Field(examples=["none"])
    facts: dict[str, JsonValue]

    @classmethod
    def of(cls, reason: Reason) -> ReasonAgainst:
        """From the engine's."""
        return cls.model_validate(reason.as_json())


class OwnQuestion(Shape):
    """A question of your ballot, with the options you are shown; a follow-up is asked only where its answer says so."""

    id: int
    options: list[int]


class OwnBallot(Shape):
    """The questions and options you are shown, by your registered address."""

    style: int = Field(description="The ballot style: an id of `definition.styles`, or 0 where none names you.")
    questions: list[OwnQuestion]

    @classmethod
    def of(cls, definition: Definition, style: int) -> OwnBallot:
        """The part of a definition that a style shows."""
        return cls(
            style=style,
            questions=[
                OwnQuestion(id=item.id, options=[option.id for option in item.options if shown_in(option, style)])
                for item in definition.questions
                if shown_in(item, style)
            ],
        )


class OwnStanding(Shape):
    """What the poll is to the resident who asks."""

    eligible: bool
    reasons: list[ReasonAgainst] = Field(description="Empty when eligible.")
    voted_on: date | None = Field(description="The day you took part, or null.")
    may_vote: bool = Field(description="Eligible, not voted yet, and the poll is open and not paused.")
    ballot: OwnBallot


class Correction(Shape):
    """What an official said about a mistake in the sealed text; the text itself stays."""

    text: Text
    at: datetime


class PauseView(Shape):
    """The pause that lasts: no votes are taken, and the poll closes later by as long as it lasts."""

    since: datetime
    reason: str


class Cancellation(Shape):
    """What cancelling did, by a rule that is the same for every poll.

    The ballots were destroyed at once and nothing will be counted. Participations stay: that somebody took part, never
    how. A receipt proves that a ballot was accepted, and nothing more, for no board will hold it.
    """

    at: datetime
    reason: str
    ballots_destroyed: int

    @classmethod
    def among(cls, events: Sequence[Event]) -> Cancellation | None:
        """From the poll's history; None for a poll that was not cancelled."""
        for event in events:
            if event.kind == "poll_cancelled":
                return cls.model_validate({"at": event.at, **event.facts})
        return None


class PollView(Shape):
    """One poll with its sealed document."""

    poll_id: str
    slug: str
    state: State
    hash: str = Field(description="SHA-256 of the sealed document's canonical bytes, in hex.")
    definition: Definition
    planned: Times = Field(description="As sealed.")
    in_force: Times = Field(description="With extensions and early closing.")
    sealed_at: datetime
    counted_at: datetime | None
    reason: str = Field(description="The public reason of the last extension, early closing or cancellation.")
    pause: PauseView | None = Field(description="Null unless voting is paused.")
    errata: list[Correction] = Field(description="The first one first.")
    cancellation: Cancellation | None = Field(description="Null unless the poll was cancelled.")
    events: list[Event]
    board: str | None = Field(
        description="Where its open log of ballots is published, some time after the count; null before.",
        examples=["/board/5f0c9a1b2c3d4e5f60718293a4b5c6d7/"],
    )
    you: OwnStanding | None = Field(description="Null unless a resident is signed in.")

    @classmethod
    def of(
        cls, poll: SealedPoll, events: list[Event], you: OwnStanding | None, now: datetime, *,
        paused: Pause | None = None, errata: Sequence[Erratum] = (),
    ) -> PollView:  # fmt: skip
        """From the catalogue's poll, its history and the reader's standing."""
        planned = Times(opens_at=poll.definition.opens_at, closes_at=poll.definition.closes_at)
        return cls(
            poll_id=poll.public_id, slug=poll.slug, state=poll.state(now), hash=poll.poll_hash.hex(),
            definition=poll.definition, planned=planned,
            in_force=Times(opens_at=poll.opens_at, closes_at=poll.closes_at), sealed_at=poll.sealed_at,
            counted_at=poll.counted_at, reason=poll.reason, events=events, you=you,
            pause=PauseView(since=paused.paused_at, reason=paused.reason) if paused else None,
            errata=[Correction(text=one.text, at=one.at) for one in errata], cancellation=Cancellation.among(events),
            board=f"/board/{poll.public_id}/" if any(event.kind == "board_published" for event in events) else None,
        )  # fmt: skip


class TurnoutSoFar(Shape):
    """How many have voted, of how many entitled (null: nobody recorded it, or not taken yet)."""

    votes: int
    entitled: int | None


OPTION_ID = {"type": "integer", "minimum": 1, "maximum": 32_767}
OWN_WORDS = {
    "type": "object", "properties": {"own": {"type": "string", "maxLength": 5_000}}, "required": ["own"],
    "additionalProperties": False,
}  # fmt: skip
ANSWER_SHAPES: list[dict[str, Any]] = [
    {"title": "one option", "description": "single_choice.", **OPTION_ID},
    {"title": "options", "type": "array", "items": {"anyOf": [OPTION_ID, OWN_WORDS]},
     "description": "multiple_choice and budget; a ranking, best first; one neutral option alone. `own`: your own "
     "words, where the question takes them."},
    {"title": "numbers by option", "type": "object", "propertyNames": {"pattern": "^[1-9][0-9]{0,4}$"},
     "additionalProperties": {"type": "integer"},
     "description": "rating: option id → level. points: option id → points. ranking: option id → place, from 1."},
    {"title": "tiers", "type": "array", "items": {"type": "array", "items": OPTION_ID, "minItems": 1},
     "description": "ranking, best first; options of one tier share a place."},
    {"title": "own words", "description": "An own answer alone, or a text.", **OWN_WORDS},
    {"title": "text", "type": "string", "maxLength": 5_000, "description": "text."},
    {"title": "blank", "type": "null"},
]  # fmt: skip
Answer = Annotated[JsonValue, WithJsonSchema({"title": "Answer", "anyOf": ANSWER_SHAPES})]
"""One answer; its shape depends on the kind of question, and what does not fit is refused with a code."""


class Answers(Shape):
    """A ballot: question ids, as text, to answers in the form of each question's kind."""

    answers: dict[Annotated[str, Field(max_length=10)], Answer] = Field(
        max_length=MAX_QUESTIONS_ANSWERED,
        description="Question id → answer. A neutral option stands alone in a list. Left out, null or empty: blank. "
        "Answers to follow-ups that your other answers hide are dropped; questions and options that are not on your "
        "ballot (see `you.ballot` of the poll) are refused.",
        examples=[
            {"1": 3, "2": [1, 4, {"own": "A fountain"}], "3": {"1": 5, "2": 4}, "4": [[3], [1, 2]], "5": "Shade"}
        ],
    )


class ReceiptView(Shape):
    """A signed promise that the ballot was accepted. Keep it: nothing on our side leads from you to it."""

    receipt: dict[str, JsonValue] = Field(description="What is signed, as RFC 8785 JSON.")
    key_id: str = Field(description="The first 8 hex digits of the SHA-256 of the key.", examples=["1f2e3d4c"])
    signature: str = Field(description="Ed25519 over `veche/receipt/v1`, a line feed and the receipt, in base64.")


class Accepted(Shape):
    """The ballot was taken; by the time you read this it is committed."""

    receipt: ReceiptView
    code: str = Field(description="The ballot's code, 26 letters and digits.", examples=["GEZDGNBVGY3TQOJQGEZDGNBVGY"])
    day: date = Field(description="The day of the vote in city time.")
    repeated: bool = Field(description="A retry: this is the receipt of the first time.")
    changed: bool = Field(description="A named vote that may be changed was changed.")

    @staticmethod
    def written(cast: Cast) -> bytes:
        """The bytes of what casting gives. The receipt's own are in them as they were signed: JSON already."""
        signature = base64.b64encode(cast.receipt.signature).decode()
        return (
            f'{{"receipt":{{"receipt":{cast.receipt.body.decode()},"key_id":"{cast.receipt.key_id}",'
            f'"signature":"{signature}"}},"code":"{short_code(cast.ballot_id)}","day":"{cast.day.isoformat()}",'
            f'"repeated":{"true" if cast.repeated else "false"},"changed":{"true" if cast.changed else "false"}}}'
        ).encode()


class OwnParticipation(Shape):
    """That you took part, and the day. Never what you chose: nobody can ask for that."""

    day: date


class TerritoryView(Shape):
    """One node of the city's tree."""

    code: str = Field(examples=["msk-cao-arbat"])
    kind: Literal["city", "okrug", "district", "building"]
    parent: str | None = Field(description="The code of the territory above; null at the top.")
    name: Text
    short: Text
    tile_column: int | None = Field(description="Place on the tile map.")
    tile_row: int | None
    population: int | None = Field(description="Approximate unless `population_source` names a source.")
    population_source: str


class TerritoryList(Shape):
    """The whole tree, every parent before its parts."""

    territories: list[TerritoryView]


class ProblemKind(Shape):
    """One code of a problem: what it means and what to do."""

    code: str = Field(examples=["already_voted"])
    status: int = Field(examples=[409])
    title: str
    detail: str
    next_step: str


class ProblemKinds(Shape):
    """Every code the API answers with."""

    problems: list[ProblemKind]


class PublicKey(Shape):
    """One public key."""

    key_id: str = Field(description="First eight hex digits of the SHA-256 of the raw key.", examples=["a1b2c3d4"])
    use: Literal["receipt", "board", "registry", "protocol"] = Field(
        description="What it signs: receipts, boards of counted polls, the registry log; protocols are to come."
    )
    algorithm: Literal["Ed25519"]
    public_key: str = Field(description="The 32 raw bytes, in base64.")
    vkey: str = Field(description="The same as a verifier key (C2SP signed-note).")
    valid_from: datetime | None = Field(description="Since when it signs; null while it is not listed yet.")
    valid_to: datetime | None = Field(description="Until when it signed; null while it is in use.")


class PublicKeys(Shape):
    """The keys this deployment signs with, and those it has signed with before."""

    keys: list[PublicKey]


class FieldProblem(Shape):
    """One field that is not right."""

    path: str = Field(examples=["answers/1"])
    code: str = Field(examples=["required"])
    message: str
    facts: dict[str, JsonValue] | None = None


class ProblemReply(BaseModel):
    """A problem (RFC 9457). `code` never changes meaning; texts are in the reader's language."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["/problems/already_voted"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="The number of the request in our log.")
    code: str = Field(examples=["already_voted"])
    next_step: str
    facts: dict[str, JsonValue] | None = None
    errors: list[FieldProblem] | None = None
