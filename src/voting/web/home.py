"""The list of polls: what waits for the reader's vote, what comes, what has ended, and what the city decided.

The whole state of the list is in its address, so it can be shared and found again; nothing in it is personal but the
reader's own participation, which is read from the primary so that a vote just cast shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from markupsafe import Markup

from polls.catalogue import (
    Facets,
    Narrowing,
    Phase,
    PollCard,
    Scope,
    cast_counts,
    count_polls,
    facets,
    list_polls,
    number_found,
    polls_listed,
)
from polls.lifecycle import State
from polls.own_facts import Asked, Own
from polls.register import facts_as_of, territory_tree
from polls.sessions import ReadSession
from polls.territories import Territory, TerritoryTree
from results.decisions import decisions
from voting.db import Database
from voting.identity.guards import public
from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.remembering import Shelf
from voting.settings import Settings
from voting.web.frames import Found, find_frame, framed, hole
from voting.web.i18n import language_of, num, speaking
from voting.web.readers import Readers
from voting.web.rendering import environment, page
from voting.web.topics import TOPICS, art_of

AnyRequest = Request[Any, Any, Any]
Polls = Mapping[int, str | None]
"""Polls by their numbers, with the codes of their territories."""
MOST_WORDS = 100
CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
YEAR = re.compile(r"(19|20|21)[0-9]{2}")
DECISIONS_SHOWN = 4
TEMPLATE = "home.html"
LISTED_OPEN = ("listed", Phase.OPEN)
SOON_DAYS = 3
"""A poll that closes within so many days says so on its card."""


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


@dataclass(frozen=True)
class Listed:
    """What a list shows to every reader who asks for the same: its cards, its filters, and the decisions beside it."""

    cards: tuple[PollCard, ...]
    next_cursor: str | None
    total: int | None
    facets: Facets
    places: list[Territory]
    votes: Mapping[int, int]
    decided: Sequence[Any]


async def listed(session: ReadSession, now: datetime, wanted: Wanted, narrowing: Narrowing) -> Listed:
    """Read it; with a reader in `narrowing` the cards say where the reader voted."""
    found = await list_polls(session, now, wanted.phase, narrowing, cursor=wanted.cursor or None)
    total = await number_found(session, now, wanted.phase, narrowing) if wanted.narrowed else None
    offered = await facets(session, now, wanted.phase, narrowing.zone)
    tree = await territory_tree(session)
    votes = await cast_counts(session, [card.id for card in found.cards])
    decided = await decisions(session, limit=DECISIONS_SHOWN)
    return Listed(found.cards, found.next_cursor, total, offered, places_of(tree, offered.territories), votes, decided)


@get("/", guards=[public], include_in_schema=False)
async def show_home(request: AnyRequest) -> Response[Any]:
    """The polls and the decisions.

    Takes what it needs from the state: the framework gathers several dependencies of a handler in tasks of their own,
    which took a tenth of this page.
    """
    state = request.app.state
    database, settings, now, visitor = state["database"], state["settings"], state["clock"](), viewer_of(request)
    citizen_id = visitor.citizen_id if visitor else None
    wanted = Wanted.read(request.query_params, personal=citizen_id is not None)
    if citizen_id is None:
        return await _impersonal(request, wanted, database, now, settings)
    if wanted.phase in (Phase.OPEN, Phase.SOON) and wanted.scope is not Scope.NEW:
        return await _personal(request, wanted, citizen_id, database, now, settings)
    async with database.open_session() as session:
        places = tuple((await facts_as_of(session, citizen_id, now)).territories)
        narrowing = wanted.narrowing(citizen_id, places, settings.time_zone)
        found = await listed(session, now, wanted, narrowing)
        counts = await count_polls(session, now, wanted.phase, citizen_id=citizen_id, territories=places)
        waiting = counts
        if wanted.phase is not Phase.OPEN:
            waiting = await count_polls(session, now, Phase.OPEN, citizen_id=citizen_id, territories=places)
    return page(
        request, TEMPLATE, **_context(wanted, found, now), personal=True, waiting=waiting[Scope.NEW],
        counts={scope.value: num(n) for scope, n in counts.items()},
    )  # fmt: skip


def _context(wanted: Wanted, found: Listed, now: datetime) -> dict[str, Any]:
    return {
        "nav": "polls", "wanted": wanted, "cards": found.cards, "next_cursor": found.next_cursor, "votes": found.votes,
        "decided": found.decided, "topics": TOPICS, "art_of": art_of, "total": found.total, "facets": found.facets,
        "places": found.places, "now": now, "heading": None, "marks": {},
    }  # fmt: skip


async def _impersonal(
    request: AnyRequest, wanted: Wanted, database: Database, now: datetime, settings: Settings
) -> Response[Any]:
    """The list for whoever is no resident: the same for all of them."""

    async def make() -> Mapping[str, Any]:
        async with database.open_read_session() as session:
            found = await listed(session, now, wanted, wanted.narrowing(None, (), settings.time_zone))
            waiting = (await count_polls(session, now, Phase.OPEN))[Scope.NEW]
        return {**_context(wanted, found, now), "personal": False, "waiting": waiting, "counts": {}}

    return await framed(request, TEMPLATE, None, make)


async def _personal(
    request: AnyRequest, wanted: Wanted, citizen_id: int, database: Database, now: datetime, settings: Settings
) -> Response[Any]:
    """The list for a resident: a frame of the whole city's, or of a district's, and the resident's own marks."""
    shelf: Shelf = request.app.state["shelf"]
    readers: Readers = request.app.state["readers"]

    async def list_open() -> Polls:
        async with database.open_session() as session:
            return await polls_listed(session, now, Phase.OPEN)

    async def list_soon() -> Polls:
        async with database.open_session() as session:
            return await polls_listed(session, now, Phase.SOON)

    polls_open = await shelf.get(LISTED_OPEN, list_open)
    shown = polls_open if wanted.phase is Phase.OPEN else await shelf.get(("listed", Phase.SOON), list_soon)
    own = await readers.own(Asked(citizen_id, tuple(polls_open), now))
    territories = own.facts.territories

    async def make() -> Mapping[str, Any]:
        narrowing = wanted.narrowing(None, tuple(territories), settings.time_zone)
        async with database.open_session() as session:
            found = await listed(session, now, wanted, narrowing)
        return {
            **_context(wanted, found, now), "personal": True, "waiting": 0, "heading": hole("heading"),
            "counts": {scope.value: hole(f"n:{scope.value}") for scope in Scope},
            "marks": {card.id: _mark(card, now) for card in found.cards},
        }  # fmt: skip

    language = language_of(request)
    of_district = territories if wanted.scope is Scope.MINE else None
    return await framed(request, TEMPLATE, of_district, make, fill=_marks(own, polls_open, shown, language))


async def find_home(state: Mapping[str, Any], path: str, language: str, viewer: Viewer) -> Found:
    """What `show_home` answers a resident who asks for no particular list, if all of it is remembered; else None."""
    shelf: Shelf = state["shelf"]
    polls_open: Polls | None = await shelf.find_or_await(LISTED_OPEN)
    if polls_open is None or viewer.citizen_id is None:
        return None
    readers: Readers = state["readers"]
    own = await readers.own(Asked(viewer.citizen_id, tuple(polls_open), state["clock"]()))
    if (frame := await find_frame(shelf, TEMPLATE, path, language, viewer, None)) is None:
        return None
    return (frame, _marks(own, polls_open, polls_open, language))


def _marks(own: Own, polls_open: Polls, shown: Polls, language: str) -> _Marks:
    """What is filled into a list of these polls for one resident."""
    territories = own.facts.territories
    waiting = len(polls_open) - len(own.days)
    fill = _Marks(own.days, language)
    fill["heading"] = _own_words("heading", language, True, waiting)
    fill["n:all"] = _number(len(shown), language)
    fill["n:mine"] = _number(sum(1 for code in shown.values() if code in territories), language)
    fill["n:new"] = _number(waiting if shown is polls_open else len(shown), language)
    return fill


def _mark(card: PollCard, now: datetime) -> Markup:
    """The hole of a card's chip; its name says what stands there for whoever has not voted."""
    left = card.closes_at - now if card.state is State.OPEN and card.closes_at else None
    soon = left is not None and left.days < SOON_DAYS
    return hole(f"mark:{card.id}:{left.days}:{left.seconds // 3600}" if soon and left else f"mark:{card.id}")


class _Marks(dict[str, bytes]):
    """What is filled into a list: the chip of a card is made when the frame asks for it."""

    def __init__(self, days: Mapping[int, date], language: str) -> None:
        super().__init__()
        self._days = days
        self._language = language

    def __missing__(self, name: str) -> bytes:
        number, chip = _read_mark(name, self._language)
        return _own_words("voted_chip", self._language) if number in self._days else chip


@lru_cache(maxsize=10_000)
def _read_mark(name: str, language: str) -> tuple[int, bytes]:
    """The poll of a mark, and the chip of whoever has not voted. Raises KeyError for the name of another hole."""
    kind, number, *left = name.split(":")
    if kind != "mark":
        raise KeyError(name)
    return int(number), _own_words("soon_chip", language, *map(int, left)) if left else b""


@lru_cache(maxsize=4_000)
def _own_words(macro: str, language: str, *values: Any) -> bytes:
    """A piece of `words/own.html`; there are a few hundred of them."""
    with speaking(language):
        return str(getattr(environment().get_template("words/own.html").module, macro)(*values)).encode()


@lru_cache(maxsize=10_000)
def _number(n: int, language: str) -> bytes:
    with speaking(language):
        return num(n).encode()


def places_of(tree: TerritoryTree, holding: Mapping[str, int]) -> list[Territory]:
    """The territories a list can be narrowed to: those that have polls and all above them."""
    codes = {above for code in holding for above in tree.path(code)}
    return [territory for territory in tree.by_id.values() if territory.code in codes]


handlers = [show_home]
