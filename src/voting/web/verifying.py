"""Verifying a count: the page of one poll, on which the visitor's own browser does it, and the way there.

The pages say what can be checked and how without any script. A receipt never reaches this module: it stays in the
visitor's browser, which asks for the board's public files alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.catalogue import Narrowing, SealedPoll, cast_counts, list_polls, sealed_poll
from polls.catalogue import Phase as When
from polls.errors import PollNotFound
from polls.lifecycle import State
from polls.sessions import ReadSession
from voting.db import Database
from voting.identity.guards import public
from voting.remembering import Shelf
from voting.settings import Settings
from voting.web.frames import framed
from voting.web.rendering import page
from voting.web.standing import poll_at

AnyRequest = Request[Any, Any, Any]
SHOWN = 20
COUNTED = (State.COUNTED, State.CERTIFIED, State.DECIDED)
WHOLE_BY_DEFAULT = 100_000
"""Records up to which a receipt is looked for by reading the whole board (about 15 MB), so that the server does not
learn where it lies; above, looking up a few tiles is offered first."""
BOARD = re.compile(r"/board/(?P<poll>[0-9a-f]{32})(?:/.*)?")
POLL = re.compile(r"/polls/(?P<poll>[^/]+)(?:/.*)?")


@get("/polls/{slug:str}/verify", guards=[public], include_in_schema=False)
async def show_verifying(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime]
) -> Response[Any]:
    """What of this poll anybody can check, and the button that does it in the browser; before the count, when."""
    shelf: Shelf = request.app.state["shelf"]

    async def look() -> tuple[SealedPoll, int]:
        async with database.open_read_session() as session:
            poll = await poll_at(session, slug)
            return poll, (await cast_counts(session, [poll.id])).get(poll.id, 0)

    poll, votes = await shelf.get(("verifying", slug), look)
    state = poll.state(now)

    async def make() -> Mapping[str, Any]:
        records = votes * len(poll.definition.questions)
        return {
            "nav": "results", "poll": poll, "definition": poll.definition, "state": state.value, "now": now,
            "counted": state in COUNTED, "whole": records <= WHOLE_BY_DEFAULT,
        }  # fmt: skip

    return await framed(request, "verify/poll.html", state, make)


@get("/verify", guards=[public], include_in_schema=False)
async def show_ways(
    request: AnyRequest, read_session: NamedDependency[ReadSession], now: NamedDependency[datetime]
) -> Response[Any]:
    """Counted polls to choose from, and a field for the address of a board or a poll of this site."""
    given = request.query_params.get("board", "").replace("\0", "").strip()[:500]
    words = request.query_params.get("q", "").replace("\0", "").strip()[:100]
    if given and (slug := await _slug_at(read_session, given, request.app.state["settings"])):
        return Redirect(f"/polls/{slug}/verify")
    cursor = request.query_params.get("after", "")
    found = await list_polls(read_session, now, When.ENDED, Narrowing(words=words), cursor=cursor or None, limit=SHOWN)
    cards = [card for card in found.cards if card.state in COUNTED]
    return page(
        request, "verify/choose.html", nav="results", cards=cards, words_asked=words, given=given, cursor=cursor,
        next_cursor=found.next_cursor,
    )  # fmt: skip


async def _slug_at(session: ReadSession, given: str, settings: Settings) -> str | None:
    """The slug of the poll an address of this site is about; None where it is none."""
    try:
        parts = urlsplit(given if "//" in given else f"//{given}" if not given.startswith("/") else given)
        host, path = parts.netloc.lower(), unquote(parts.path)
    except ValueError:
        return None
    ours = {urlsplit(settings.base_url).netloc.lower(), settings.log_origin.lower(), ""}
    named = BOARD.fullmatch(path) or POLL.fullmatch(path)
    if host not in ours or named is None:
        return None
    try:
        if path.startswith("/board/"):
            return (await sealed_poll(session, named["poll"])).slug
        return (await poll_at(session, named["poll"])).slug
    except PollNotFound:
        return None


handlers = [show_verifying, show_ways]
