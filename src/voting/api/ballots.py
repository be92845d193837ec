"""POST /polls/{slug}/ballots: cast one vote. GET /polls/{slug}/participation: that one voted, never what.

Refusals have one status each: 409 for what depends on the moment or on what was done before (`poll_not_open`,
`poll_closed`, `already_voted`), 403 for who may not vote, 422 for what does not fit. A closed poll is 409 and not 410:
the poll is still there, with its results.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response, get
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from polls.casting import BallotBox, Vote
from polls.catalogue import participation_day, sealed_poll
from polls.errors import (
    AlreadyVoted,
    Busy,
    FieldError,
    Invalid,
    InvalidAnswer,
    KeyUsed,
    NotCounted,
    NotEligible,
    NotFound,
    OutcomeUnknown,
    PollClosed,
    PollNotFound,
    PollNotOpen,
    PollPaused,
    RetryDiffers,
)
from polls.known_polls import KnownPolls
from polls.sessions import ReadSession
from voting.api.addresses import poll_name
from voting.api.operations import Header, Returned, describes
from voting.api.representation import JSON, json_reply
from voting.api.schemas import MAX_QUESTIONS_ANSWERED, Accepted, Answers, OwnParticipation
from voting.identity.guards import resident
from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.problems import Malformed

AnyRequest = Request[Any, Any, Any]

KEY_HEADER = "Idempotency-Key"
NEVER_KEPT = {"cache-control": "no-store"}
HEX = re.compile(r"(?:[0-9a-f]{2}){16,64}")
BASE64URL = re.compile(r"[A-Za-z0-9_-]{22,86}={0,2}")

KEY = Header(
    KEY_HEADER,
    "Your key K of the ballot: at least 128 random bits, drawn for this one vote by a cryptographic generator, as hex "
    "(32 digits or more, small letters) or base64url (22 characters or more). Send the same key again when no reply "
    "came: you get the same receipt, and never a second vote. We neither store nor log it. Whoever knows the key can "
    "find the ballot among the published ones, so keep it to yourself.",
    r"^(?:(?:[0-9a-f]{2}){16,64}|[A-Za-z0-9_-]{22,86}={0,2})$",
    "3q2-796tvu_erb7v3q2-7w",
)


def read_key(text: str | None) -> bytes:
    """Give K out of the header; hex if it reads as hex, base64url otherwise. Raises Invalid."""
    if not text:
        raise Invalid([FieldError(KEY_HEADER, "missing", "This field is needed.")])
    if HEX.fullmatch(text):
        return bytes.fromhex(text)
    if BASE64URL.fullmatch(text):
        bare = text.rstrip("=")
        try:
            return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
        except (binascii.Error, ValueError):
            pass
    raise Invalid([FieldError(KEY_HEADER, "malformed", "At least 128 random bits in hex or base64url are needed.")])


class SentVote(NamedTuple):
    """What a request says of a vote: the voter's key K, and the answers."""

    key: bytes
    answers: Mapping[str, Any]


def read_vote(key: str | None, body: bytes) -> SentVote:
    """Read the key out of its header, and JSON out of the body: an empty one is an empty object.

    Raises Invalid, Malformed and what the model's validation raises; nothing is looked up.
    """
    read = read_key(key)
    try:
        found = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed from error
    if body.count(b":") > _names(found):  # a colon in words, or a name said twice
        _refuse_doubled_names(body)
    answers = found.get("answers") if isinstance(found, dict) and len(found) == 1 else None
    if isinstance(answers, dict) and _are_plain(answers):
        return SentVote(read, answers)
    return SentVote(read, Answers.model_validate(found).answers)


def _names(value: Any) -> int:
    """How many names the objects within a value have: as many colons stand outside of its texts in JSON."""
    if isinstance(value, dict):
        return len(value) + sum(_names(part) for part in value.values() if part.__class__ is not int)
    return sum(map(_names, value)) if isinstance(value, list) else 0


def _refuse_doubled_names(body: bytes) -> None:
    """Refuse an object that says one name twice: of two answers to a question, neither is meant for sure."""

    def hold(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) < len(pairs):
            raise Malformed

    json.loads(body, object_pairs_hook=hold)


def _are_plain(answers: Mapping[str, Any]) -> bool:
    """Whether these are one option a question, as nearly always: so much is seen faster than the model sees it."""
    return len(answers) <= MAX_QUESTIONS_ANSWERED and all(
        len(question) <= 10 and answer.__class__ is int for question, answer in answers.items()
    )


async def take_vote(
    state: State, slug: str, citizen_id: int, sent: SentVote, channel: str = "online"
) -> tuple[int, bytes]:
    """Cast a vote that was read; the status and the body of the reply. Refuses as `BallotBox.cast` does."""
    known: KnownPolls = state["known_polls"]
    box: BallotBox = state["box"]
    poll = await known.find(poll_name(slug))
    taken = await box.cast(Vote(poll, citizen_id, sent.answers, sent.key, state["clock"](), channel))
    return (200 if taken.repeated else 201), Accepted.written(taken)


class _PlainHandler(HTTPRouteHandler):
    """A handler that shows itself to its guards. The framework makes a copy for each, a tenth of a vote's time."""

    async def authorize_connection(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Ask every guard."""
        for guard in self.resolve_guards():
            await guard(connection, self)  # type: ignore[misc]


@_PlainHandler(
    "/polls/{slug:str}/ballots",
    http_method="POST",
    guards=[resident],
    status_code=201,
    summary="Vote",
    tags=["voting"],
    opt=describes(
        "castBallot",
        {
            201: Returned("The vote was taken; here is its receipt", Accepted),
            200: Returned("A retry with the same key: the same receipt again", Accepted),
        },
        refuses=[
            PollNotFound, NotEligible, AlreadyVoted, PollNotOpen, PollPaused, PollClosed, RetryDiffers, InvalidAnswer,
            KeyUsed, NotCounted, Busy, OutcomeUnknown,
        ],
        headers=[KEY],
        body_example={"answers": {"1": 3}},
        json_body=Answers, limit="casting", private=True, uncompressed=True,
    ),
)  # fmt: skip
async def cast(request: AnyRequest, slug: FromPath[str]) -> ASGIResponse:
    """Cast one ballot: one vote per resident and poll, final unless the poll's rules say otherwise.

    The reply comes after the commit that holds the ballot. Of requests sent at the same time one is taken; the others
    get 409 `already_voted` with the day, or, with the same key, 200 and the same receipt. A service at its limit
    answers 503 `busy` with `Retry-After`: nothing was taken, and the same request may be sent again. After 503
    `outcome_unknown` the vote may have been taken; the same request with the same key tells, and never votes twice.
    409 `key_used`: another ballot has this key, nothing was taken; draw a new one, at random, for every ballot.
    """
    # What it needs comes from the application's state, since the framework spends more on the dependencies of a handler
    # than the rest of a vote takes. `voting.fast_casting` takes the same steps for nearly every vote.
    sent = read_vote(request.headers.get(KEY_HEADER.lower()), await request.body())
    viewer = viewer_of(request)
    assert viewer is not None  # the guard's word
    assert viewer.citizen_id is not None
    status, body = await take_vote(request.app.state, slug, viewer.citizen_id, sent, viewer.channel)
    return ASGIResponse(body=body, status_code=status, media_type=JSON, headers=NEVER_KEPT)


@get(
    "/polls/{slug:str}/participation",
    guards=[resident],
    summary="Did I vote",
    tags=["voting"],
    opt=describes("getParticipation", {200: Returned("You took part, on this day", OwnParticipation)},
                  refuses=[PollNotFound, NotFound], private=True),
)  # fmt: skip
async def show_participation(
    slug: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[ReadSession]
) -> Response[bytes]:
    """The day you took part, or 404 `not_found`. Read from the primary, so a vote just cast is there."""
    poll = await sealed_poll(session, poll_name(slug))
    assert viewer.citizen_id is not None  # the guard's word
    day = await participation_day(session, poll.id, viewer.citizen_id)
    if day is None:
        raise NotFound
    return json_reply(OwnParticipation(day=day))


handlers = [cast, show_participation]
