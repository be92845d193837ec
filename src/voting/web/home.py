"""The list of polls: what waits for the reader's vote, what comes, what has ended, and what the city decided.

The whole state of the list is in its address, so it can be shared and found again; nothing in it is personal but the
reader's own participation, which is read from the primary so that a vote just cast shows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency

from polls.catalogue import Page, Phase, Scope, cast_counts, count_polls, list_polls
from polls.register import facts_as_of
from polls.sessions import ReadSession
from results.decisions import decisions
from voting.db import Database
from voting.identity.guards import public
from voting.identity.sessions import Viewer
from voting.web.rendering import page
from voting.web.topics import TOPICS, art_of

AnyRequest = Request[Any, Any, Any]
MOST_WORDS = 100
DECISIONS_SHOWN = 4


@dataclass(frozen=True)
class Wanted:
    """What the reader asks the list for, read from the address; whatever is not known is the default."""

    phase: Phase = Phase.OPEN
    scope: Scope = Scope.ALL
    topic: str = ""
    words: str = ""
    cursor: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str], *, personal: bool) -> Wanted:
        """Out of a query string. `personal`: the reader is a resident; otherwise there is no scope but «all»."""
        phase, scope, topic = query.get("phase", ""), query.get("show", ""), query.get("topic", "")
        return cls(
            Phase(phase) if phase in tuple(Phase) else Phase.OPEN,
            Scope(scope) if personal and scope in tuple(Scope) else Scope.ALL,
            topic if topic in TOPICS else "",
            query.get("q", "").replace("\0", "").strip()[:MOST_WORDS],
            query.get("after", ""),
        )

    def address(self, path: str = "/", **changed: str) -> str:
        """The address of the same list with something changed; a change starts from the first page."""
        now = {"phase": self.phase.value, "show": self.scope.value, "topic": self.topic, "q": self.words}
        wanted = {**now, **changed}
        defaults = {"phase": Phase.OPEN.value, "show": Scope.ALL.value}
        query = urlencode({name: value for name, value in wanted.items() if value and value != defaults.get(name)})
        return f"{path}?{query}" if query else path

    @property
    def narrowed(self) -> bool:
        """Whether a topic or words narrow the list."""
        return bool(self.topic or self.words)


@asynccontextmanager
async def reading_for(database: Database, reader: Viewer | None) -> AsyncIterator[ReadSession]:
    """A session to read lists with: the primary for somebody signed in, whose own vote must show; else the replica."""
    if reader is None:
        async with database.open_read_session() as session:
            yield session
    else:
        async with database.open_session() as session:
            yield session


@get("/", guards=[public], include_in_schema=False)
async def show_home(
    request: AnyRequest, visitor: NamedDependency[Viewer | None], database: NamedDependency[Database],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The polls and the decisions."""
    citizen_id = visitor.citizen_id if visitor else None
    wanted = Wanted.read(request.query_params, personal=citizen_id is not None)
    async with reading_for(database, visitor) as session:
        places = tuple((await facts_as_of(session, citizen_id, now)).territories) if citizen_id is not None else ()
        found = await _found(session, wanted, citizen_id, places, now)
        counts = await count_polls(session, now, wanted.phase, citizen_id=citizen_id, territories=places)
        waiting = counts
        if wanted.phase is not Phase.OPEN:
            waiting = await count_polls(session, now, Phase.OPEN, citizen_id=citizen_id, territories=places)
        votes = await cast_counts(session, [card.id for card in found.cards])
        decided = await decisions(session, limit=DECISIONS_SHOWN)
    return page(
        request, "home.html", nav="polls", wanted=wanted, cards=found.cards, next_cursor=found.next_cursor,
        counts={scope.value: n for scope, n in counts.items()}, waiting=waiting[Scope.NEW], votes=votes,
        decided=decided, personal=citizen_id is not None, topics=TOPICS, art_of=art_of,
        now=now,
    )  # fmt: skip


async def _found(
    session: ReadSession, wanted: Wanted, citizen_id: int | None, places: tuple[str, ...], now: datetime
) -> Page:
    return await list_polls(
        session, now, wanted.phase, scope=wanted.scope, citizen_id=citizen_id, territories=places,
        topic=wanted.topic or None, words=wanted.words or None, cursor=wanted.cursor or None,
    )  # fmt: skip


handlers = [show_home]
