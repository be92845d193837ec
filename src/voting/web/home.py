"""The list of polls: what waits for the reader's vote, what comes, what has ended, and what the city decided.

The whole state of the list is in its address, so it can be shared and found again; nothing in it is personal but the
reader's own participation, which is read from the primary so that a vote just cast shows.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency

from polls.catalogue import Narrowing, Phase, Scope, cast_counts, count_polls, facets, list_polls, number_found
from polls.register import facts_as_of, territory_tree
from polls.sessions import ReadSession
from polls.territories import Territory, TerritoryTree
from results.decisions import decisions
from voting.db import Database
from voting.identity.guards import public
from voting.identity.sessions import Viewer
from voting.settings import Settings
from voting.web.rendering import page
from voting.web.topics import TOPICS, art_of

AnyRequest = Request[Any, Any, Any]
MOST_WORDS = 100
CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
YEAR = re.compile(r"(19|20|21)[0-9]{2}")
DECISIONS_SHOWN = 4


@dataclass(frozen=True)
class Wanted:
    """What the reader asks the list for, read from the address; whatever is not known is the default."""

    phase: Phase = Phase.OPEN
    scope: Scope = Scope.ALL
    topic: str = ""
    place: str = ""
    year: str = ""
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
            place if CODE.fullmatch(place := query.get("place", "")) else "",
            year if YEAR.fullmatch(year := query.get("year", "")) else "",
            query.get("q", "").replace("\0", "").strip()[:MOST_WORDS],
            query.get("after", ""),
        )

    def address(self, path: str = "/", **changed: str) -> str:
        """The address of the same list with something changed; a change starts from the first page."""
        now = {"phase": self.phase.value, "show": self.scope.value, "topic": self.topic, "place": self.place,
               "year": self.year, "q": self.words}  # fmt: skip
        wanted = {**now, **changed}
        defaults = {"phase": Phase.OPEN.value, "show": Scope.ALL.value}
        query = urlencode({name: value for name, value in wanted.items() if value and value != defaults.get(name)})
        return f"{path}?{query}" if query else path

    @property
    def narrowed(self) -> bool:
        """Whether anything but the scope narrows the list."""
        return bool(self.topic or self.place or self.year or self.words)

    def narrowing(self, citizen_id: int | None, territories: Sequence[str], zone: str) -> Narrowing:
        """The same for the catalogue; years are those of the time zone."""
        return Narrowing(
            self.scope, citizen_id, territories, self.topic or None, self.place or None,
            int(self.year) if self.year else None, self.words or None, zone,
        )  # fmt: skip


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
    now: NamedDependency[datetime], settings: NamedDependency[Settings],
) -> Response[Any]:  # fmt: skip
    """The polls and the decisions."""
    citizen_id = visitor.citizen_id if visitor else None
    wanted = Wanted.read(request.query_params, personal=citizen_id is not None)
    async with reading_for(database, visitor) as session:
        places = tuple((await facts_as_of(session, citizen_id, now)).territories) if citizen_id is not None else ()
        narrowing = wanted.narrowing(citizen_id, places, settings.time_zone)
        found = await list_polls(session, now, wanted.phase, narrowing, cursor=wanted.cursor or None)
        total = await number_found(session, now, wanted.phase, narrowing) if wanted.narrowed else None
        offered = await facets(session, now, wanted.phase, settings.time_zone)
        tree = await territory_tree(session)
        counts = await count_polls(session, now, wanted.phase, citizen_id=citizen_id, territories=places)
        waiting = counts
        if wanted.phase is not Phase.OPEN:
            waiting = await count_polls(session, now, Phase.OPEN, citizen_id=citizen_id, territories=places)
        votes = await cast_counts(session, [card.id for card in found.cards])
        decided = await decisions(session, limit=DECISIONS_SHOWN)
    return page(
        request, "home.html", nav="polls", wanted=wanted, cards=found.cards, next_cursor=found.next_cursor,
        counts={scope.value: n for scope, n in counts.items()}, waiting=waiting[Scope.NEW], votes=votes,
        decided=decided, personal=citizen_id is not None, topics=TOPICS, art_of=art_of, total=total,
        facets=offered, places=places_of(tree, offered.territories), now=now,
    )  # fmt: skip


def places_of(tree: TerritoryTree, holding: Mapping[str, int]) -> list[Territory]:
    """The territories a list can be narrowed to: those that have polls and all above them."""
    codes = {above for code in holding for above in tree.path(code)}
    return [territory for territory in tree.by_id.values() if territory.code in codes]


handlers = [show_home]
