"""The page of one poll: what is asked, by which rules, who may vote, and what the reader can do now."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.catalogue import SealedPoll, cast_counts
from polls.journal import poll_events
from polls.own_facts import Asked
from polls.questions import shown_in
from polls.sealed import sealed_bytes
from voting.db import ReadSession
from voting.identity.guards import public
from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.remembering import Shelf
from voting.web.frames import Found, find_frame, framed
from voting.web.readers import Readers
from voting.web.standing import (
    Notices,
    RegisterNames,
    Standing,
    address_of,
    notices_of,
    poll_at,
    register_names,
    standing_by,
    standing_of_stranger,
)
from voting.web.topics import known_topic

AnyRequest = Request[Any, Any, Any]
TEMPLATE = "poll.html"


@dataclass(frozen=True)
class Shown:
    """What a poll's page shows to everybody."""

    poll: SealedPoll
    votes: int
    events: Sequence[Any]
    names: RegisterNames
    notices: Notices


async def _shown(session: ReadSession, slug: str) -> Shown:
    poll = await poll_at(session, slug)
    votes = (await cast_counts(session, [poll.id])).get(poll.id, 0)
    events = await poll_events(session, poll.id)
    return Shown(poll, votes, events, await register_names(session, poll.definition), await notices_of(session, poll))


@get("/polls/{slug:str}", guards=[public], include_in_schema=False)
async def show_poll(request: AnyRequest, slug: FromPath[str]) -> Response[Any]:
    """The poll in words, in any state it can be public in. Of dependencies see `home.show_home`."""
    state = request.app.state
    database, now, visitor = state["database"], state["clock"](), viewer_of(request)
    shelf: Shelf = request.app.state["shelf"]

    async def read() -> Shown:
        async with database.open_session() if visitor else database.open_read_session() as session:
            return await _shown(session, slug)

    shown = await shelf.get(_place(slug, signed_in=visitor is not None), read)
    poll = shown.poll
    if visitor is None or visitor.citizen_id is None:
        standing = standing_of_stranger(poll, signed_in=visitor is not None, now=now)
    else:
        standing = await _own_standing(state, poll, visitor.citizen_id, now)

    async def make() -> Mapping[str, Any]:
        return _context(shown, standing, now)

    return await framed(request, TEMPLATE, standing.key, make)


async def find_poll(state: Mapping[str, Any], path: str, language: str, viewer: Viewer) -> Found:
    """What `show_poll` answers a resident, if all of it is remembered; else None."""
    shelf: Shelf = state["shelf"]
    shown: Shown | None = await shelf.find_or_await(_place(path.rpartition("/")[2], signed_in=True))
    if shown is None or viewer.citizen_id is None:
        return None
    standing = await _own_standing(state, shown.poll, viewer.citizen_id, state["clock"]())
    if (frame := await find_frame(shelf, TEMPLATE, path, language, viewer, standing.key)) is None:
        return None
    return (frame, {})


def _place(slug: str, *, signed_in: bool) -> Hashable:
    return ("poll", slug, signed_in)


async def _own_standing(state: Mapping[str, Any], poll: SealedPoll, citizen_id: int, now: datetime) -> Standing:
    readers: Readers = state["readers"]
    own = await readers.own(Asked.about(poll, citizen_id, now))
    return standing_by(poll, own.days.get(poll.id), own.facts, now)


def _context(shown: Shown, standing: Standing, now: datetime) -> dict[str, Any]:
    poll = shown.poll
    style = standing.style if standing.resident else None
    questions = [item for item in poll.definition.questions if style is None or shown_in(item, style)]
    options_of = {
        item.id: [option for option in item.options if style is None or shown_in(option, style)] for item in questions
    }
    return {
        "nav": "polls", "poll": poll, "definition": poll.definition, "standing": standing,
        "state": standing.state.value, "votes": shown.votes, "events": shown.events, "places": shown.names.places,
        "groups": shown.names.groups, "notices": shown.notices, "questions": questions, "options_of": options_of,
        "filled": None, "preview": True, "topic": known_topic(poll.definition.topic), "now": now,
    }  # fmt: skip


@get("/polls/{slug:str}/rules.json", guards=[public], include_in_schema=False)
async def show_rules(slug: FromPath[str], read_session: NamedDependency[ReadSession]) -> Response[bytes]:
    """The sealed document, byte for byte: its SHA-256 is the hash on the poll's page."""
    sealed = await sealed_bytes(read_session, address_of(slug))
    return Response(sealed.data, media_type="application/json")


handlers = [show_poll, show_rules]
