"""The page of one poll: what is asked, by which rules, who may vote, and what the reader can do now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.catalogue import cast_counts
from polls.definition import canonical_bytes
from polls.journal import poll_events
from polls.questions import shown_in
from voting.db import Database, ReadSession
from voting.identity.guards import public
from voting.identity.sessions import Viewer
from voting.web.home import reading_for
from voting.web.rendering import page
from voting.web.standing import notices_of, poll_at, register_names, standing_of
from voting.web.topics import known_topic

AnyRequest = Request[Any, Any, Any]


@get("/polls/{slug:str}", guards=[public], include_in_schema=False)
async def show_poll(
    request: AnyRequest, slug: FromPath[str], visitor: NamedDependency[Viewer | None],
    database: NamedDependency[Database], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The poll in words, in any state it can be public in."""
    async with reading_for(database, visitor) as session:
        poll = await poll_at(session, slug)
        standing = await standing_of(session, poll, visitor, now)
        votes = (await cast_counts(session, [poll.id])).get(poll.id, 0)
        events = await poll_events(session, poll.id)
        names = await register_names(session, poll.definition)
        notices = await notices_of(session, poll)
    style = standing.style if standing.resident else None
    questions = [item for item in poll.definition.questions if style is None or shown_in(item, style)]
    options_of = {
        item.id: [option for option in item.options if style is None or shown_in(option, style)] for item in questions
    }
    return page(
        request, "poll.html", nav="polls", poll=poll, definition=poll.definition, standing=standing,
        state=standing.state.value, votes=votes, events=events, places=names.places,
        groups=names.groups, notices=notices, questions=questions, options_of=options_of, filled=None, preview=True,
        topic=known_topic(poll.definition.topic), now=now,
    )  # fmt: skip


@get("/polls/{slug:str}/rules.json", guards=[public], include_in_schema=False)
async def show_rules(slug: FromPath[str], read_session: NamedDependency[ReadSession]) -> Response[bytes]:
    """The sealed document, byte for byte: its SHA-256 is the hash on the poll's page."""
    poll = await poll_at(read_session, slug)
    return Response(canonical_bytes(poll.definition), media_type="application/json")


handlers = [show_poll, show_rules]
