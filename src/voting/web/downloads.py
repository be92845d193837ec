"""The analyst's page: every poll with results, and its files, the same ones everybody may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from polls.catalogue import Narrowing, PollCard, SealedPoll, cast_counts, list_polls, sealed_poll
from polls.catalogue import Phase as When
from polls.sessions import ReadSession
from results.visibility import Decision, may_see
from voting.identity.guards import any_of
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
SHOWN = 10


@dataclass(frozen=True)
class Downloadable:
    """One poll of the page: its card, its sealed document, what may be taken of it, and how many voted."""

    card: PollCard
    poll: SealedPoll
    seen: Decision
    votes: int


@get("/downloads", guards=[any_of("analyst", "official", "admin")], include_in_schema=False)
async def show_downloads(
    request: AnyRequest, read_session: NamedDependency[ReadSession], now: NamedDependency[datetime]
) -> Response[Any]:
    """Polls that have ended, newest first, with links to the files of each."""
    words = request.query_params.get("q", "").replace("\0", "").strip()[:100]
    cursor = request.query_params.get("after", "")
    found = await list_polls(read_session, now, When.ENDED, Narrowing(words=words), cursor=cursor or None, limit=SHOWN)
    votes = await cast_counts(read_session, [card.id for card in found.cards])
    rows = []
    for card in found.cards:
        poll = await sealed_poll(read_session, card.public_id)
        cast = votes.get(card.id, 0)
        seen = may_see(poll.definition, poll.state(now), now, ballots=cast, closes_at=poll.closes_at)
        rows.append(Downloadable(card, poll, seen, cast))
    return page(
        request, "downloads.html", nav="downloads", rows=rows, words_asked=words, cursor=cursor,
        next_cursor=found.next_cursor,
    )  # fmt: skip


handlers = [show_downloads]
