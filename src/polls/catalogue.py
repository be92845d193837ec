"""Reads: the polls a resident can see, one poll with its sealed document, one's own votes.

Nothing here reads a ballot. Lists come from the columns beside the document; rules come from the sealed bytes.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, false, func, literal_column, null, or_, select

from polls.board_tables import turnout_shard
from polls.cards import matching
from polls.definition import PUBLIC_ID, Definition, read_definition
from polls.document import known_zone
from polls.errors import PollNotFound
from polls.lifecycle import COUNTED, PUBLIC, State, state_at
from polls.sessions import ReadSession
from polls.tables import count_record, participation, poll, sealed_definition, territory

PAGE = 24
POLL = tuple(column for column in poll.c if column.name not in ("search", "card"))
"""The row of a poll without what serves lists alone."""


@dataclass(frozen=True)
class SealedPoll:
    """A public poll: its row and its sealed document. `closes_at` is the time in force."""

    id: int
    public_id: str
    slug: str
    stored_state: State
    definition: Definition
    poll_hash: bytes
    opens_at: datetime
    closes_at: datetime
    sealed_at: datetime
    counted_at: datetime | None
    reason: str
    paused_at: datetime | None = None
    """While a pause lasts: the poll stays open, takes no votes and does not close."""

    def state(self, now: datetime) -> State:
        """The state at a moment, by the clock."""
        return state_at(self.stored_state, self.opens_at, self.closes_at, now, self.paused_at)

    @property
    def question_ids(self) -> tuple[int, ...]:
        """In the order of the ballot's answers."""
        return tuple(question.id for question in self.definition.questions)


@dataclass(frozen=True)
class PollCard:
    """One line of a list. `voted_on` is the reader's own participation, when there is a reader."""

    id: int
    public_id: str
    slug: str
    state: State
    title_ru: str
    title_en: str
    summary_ru: str
    summary_en: str
    topic: str
    territory_code: str | None
    territory_ru: str
    territory_en: str
    opens_at: datetime | None
    closes_at: datetime | None
    questions: int
    kinds: tuple[str, ...]
    picture: str | None
    live: bool
    voted_on: date | None
    paused_at: datetime | None = None


class Scope(StrEnum):
    """Which polls a list shows."""

    ALL = "all"
    MINE = "mine"
    NEW = "new"


class Phase(StrEnum):
    """Which part of their lives."""

    OPEN = "open"
    SOON = "soon"
    ENDED = "ended"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Facets:
    """How many polls of a phase each topic, year of closing and territory has: what the filters offer."""

    topics: Mapping[str, int]
    years: Mapping[int, int]
    territories: Mapping[str, int]


@dataclass(frozen=True)
class Page:
    """A page of cards and the cursor of the next one, None at the end."""

    cards: tuple[PollCard, ...]
    next_cursor: str | None


async def sealed_poll(session: ReadSession, slug_or_id: str) -> SealedPoll:
    """One public poll by its slug or its 32-digit id. Refuses `PollNotFound` for drafts, as for what never was."""
    named = poll.c.public_id == slug_or_id if PUBLIC_ID.match(slug_or_id) else poll.c.slug == slug_or_id
    row = (await session.execute(select(*POLL).where(named))).one_or_none()
    if row is None or State(row.state) not in PUBLIC or row.poll_hash is None:
        raise PollNotFound()
    return SealedPoll(
        row.id, row.public_id, row.slug, State(row.state), await _sealed_definition(session, row.id, row.poll_hash),
        row.poll_hash, row.opens_at, row.closes_at, row.sealed_at, row.counted_at, row.reason, row.paused_at,
    )  # fmt: skip


_definitions: OrderedDict[bytes, Definition] = OrderedDict()
DEFINITIONS_KEPT = 512


async def _sealed_definition(session: ReadSession, poll_id: int, sealed_hash: bytes) -> Definition:
    """The sealed document, parsed once in this process: a hash names the same bytes for ever, so none can be stale."""
    known = _definitions.get(sealed_hash)
    if known is None:
        sealed = await session.scalar(select(sealed_definition.c.bytes).where(sealed_definition.c.poll_id == poll_id))
        if sealed is None:
            raise PollNotFound()
        known = _definitions[sealed_hash] = read_definition(sealed)
        if len(_definitions) > DEFINITIONS_KEPT:
            _definitions.popitem(last=False)
    _definitions.move_to_end(sealed_hash)
    return known


@dataclass(frozen=True)
class Narrowing:
    """What narrows a list.

    `territories`: with `Scope.MINE`, the codes of the reader's district and everything above it. `within`: the code of
    a territory whose polls, and those of its parts, are wanted. `year`: of closing, in city time, which is `zone`.
    `words`: see :func:`polls.cards.matching`. `citizen_id`: the reader, for `Scope.NEW` and for «you voted on».
    """

    scope: Scope = Scope.ALL
    citizen_id: int | None = None
    territories: Sequence[str] = ()
    topic: str | None = None
    within: str | None = None
    year: int | None = None
    words: str | None = None
    zone: str = "Europe/Moscow"

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """The conditions on a query of `_cards`."""
        if self.topic:
            yield poll.c.topic == self.topic
        if self.within:
            yield poll.c.territory_id.in_(_below(self.within))
        if self.year is not None:
            yield _year(self.zone).in_([self.year])
        if self.scope is Scope.MINE:
            yield territory.c.code.in_(self.territories)
        if self.words and self.words.strip():
            yield matching(self.words)
        if self.scope is Scope.NEW and self.citizen_id is not None:
            yield participation.c.day.is_(None)


async def list_polls(
    session: ReadSession, now: datetime, phase: Phase, narrowing: Narrowing | None = None, *,
    cursor: str | None = None, limit: int = PAGE,
) -> Page:  # fmt: skip
    """A page of public polls: open ones by closing time, coming ones by opening time, others newest first.

    The cursor is opaque and stable while polls come and go.
    """
    narrowing = narrowing or Narrowing()
    falling = phase in (Phase.ENDED, Phase.CANCELLED)
    key = poll.c.opens_at if phase is Phase.SOON else poll.c.closes_at
    wanted = [_phase(phase, now), *narrowing.conditions()]
    if (after := _read_cursor(cursor)) is not None:
        moment, last = after
        wanted.append(
            or_(key < moment, and_(key == moment, poll.c.id < last))
            if falling
            else or_(key > moment, and_(key == moment, poll.c.id > last))
        )
    order = (key.desc(), poll.c.id.desc()) if falling else (key, poll.c.id)
    query = _cards(narrowing.citizen_id).where(*wanted).order_by(*order).limit(limit + 1)
    rows = (await session.execute(query)).all()
    cards = tuple(_card(row._mapping, now) for row in rows[:limit])
    more = len(rows) > limit
    return Page(cards, _write_cursor(cards[-1], phase) if more else None)


async def number_found(session: ReadSession, now: datetime, phase: Phase, narrowing: Narrowing) -> int:
    """How many polls the whole list has, over all its pages."""
    found = _cards(narrowing.citizen_id).where(_phase(phase, now), *narrowing.conditions())
    return await session.scalar(found.with_only_columns(func.count())) or 0


async def facets(session: ReadSession, now: datetime, phase: Phase, zone: str = "Europe/Moscow") -> Facets:
    """What the filters of a phase offer, with how many polls each has; years as city time has them."""
    year = _year(zone).label("year")
    rows = await session.execute(
        select(poll.c.topic, year, territory.c.code, func.count().label("n"))
        .select_from(poll.outerjoin(territory, territory.c.id == poll.c.territory_id))
        .where(_phase(phase, now))
        .group_by(poll.c.topic, year, territory.c.code)
    )
    topics, years, places = Counter[str](), Counter[int](), Counter[str]()
    for topic, closed_in, code, n in rows:
        topics[topic] += n
        if closed_in is not None:
            years[int(closed_in)] += n
        if code is not None:
            places[code] += n
    return Facets(dict(topics.most_common()), dict(sorted(years.items(), reverse=True)), dict(places.most_common()))


async def count_polls(
    session: ReadSession, now: datetime, phase: Phase, *, citizen_id: int | None = None, territories: Sequence[str] = ()
) -> Mapping[Scope, int]:
    """How many polls each scope holds, for the filter pills."""
    mine = territory.c.code.in_(territories) if territories else None
    new = participation.c.day.is_(None) if citizen_id is not None else None
    columns: list[ColumnElement[int]] = [func.count()]
    columns.append(func.count().filter(mine) if mine is not None else func.count().filter(false()))
    columns.append(func.count().filter(new) if new is not None else func.count())
    source = poll.outerjoin(territory, territory.c.id == poll.c.territory_id)
    if citizen_id is not None:
        source = source.outerjoin(
            participation, and_(participation.c.poll_id == poll.c.id, participation.c.citizen_id == citizen_id)
        )
    row = (await session.execute(select(*columns).select_from(source).where(_phase(phase, now)))).one()
    return {Scope.ALL: row[0], Scope.MINE: row[1], Scope.NEW: row[2]}


async def polls_listed(session: ReadSession, now: datetime, phase: Phase) -> dict[int, str | None]:
    """Every poll of a phase with the code of its territory."""
    rows = await session.execute(
        select(poll.c.id, territory.c.code)
        .select_from(poll.outerjoin(territory, territory.c.id == poll.c.territory_id))
        .where(_phase(phase, now))
    )
    return {row.id: row.code for row in rows}


async def my_votes(session: ReadSession, citizen_id: int, now: datetime) -> list[PollCard]:
    """The polls this citizen took part in, newest participation first. Never a choice: none is kept with it."""
    rows = await session.execute(
        _cards(citizen_id)
        .where(participation.c.citizen_id == citizen_id)
        .order_by(participation.c.day.desc(), poll.c.id.desc())
    )
    return [_card(row._mapping, now) for row in rows]


async def participation_day(session: ReadSession, poll_id: int, citizen_id: int) -> date | None:
    """The day this citizen voted in this poll, or None."""
    day: date | None = await session.scalar(
        select(participation.c.day).where(participation.c.poll_id == poll_id, participation.c.citizen_id == citizen_id)
    )
    return day


async def cast_counts(session: ReadSession, poll_ids: Sequence[int]) -> dict[int, int]:
    """Votes cast per poll so far: turnout, which may be shown while results are hidden. None cast: no entry.

    Of counted polls the count knows; of those still running the counters of the ballot box, a few dozen rows each.
    """
    counted = await session.execute(
        select(count_record.c.poll_id, func.max(count_record.c.participations).label("n"))
        .where(count_record.c.poll_id.in_(poll_ids))
        .group_by(count_record.c.poll_id)
    )
    found = {row.poll_id: row.n for row in counted}
    rows = await session.execute(
        select(turnout_shard.c.poll_id, func.sum(turnout_shard.c.n).label("n"))
        .where(turnout_shard.c.poll_id.in_([poll_id for poll_id in poll_ids if poll_id not in found]))
        .group_by(turnout_shard.c.poll_id)
    )
    return found | {row.poll_id: int(row.n) for row in rows}


# ---- parts


def _phase(phase: Phase, now: datetime) -> ColumnElement[bool]:
    scheduled = poll.c.state == State.SCHEDULED
    if phase is Phase.OPEN:
        return and_(scheduled, poll.c.opens_at <= now, or_(poll.c.closes_at > now, poll.c.paused_at.is_not(None)))
    if phase is Phase.SOON:
        return and_(scheduled, poll.c.opens_at > now)
    if phase is Phase.CANCELLED:
        return and_(poll.c.state == State.CANCELLED, poll.c.sealed_at.is_not(None))
    ended = poll.c.state.in_(COUNTED)
    return or_(ended, and_(scheduled, poll.c.closes_at <= now, poll.c.paused_at.is_(None)))


def _year(zone: str) -> ColumnElement[Any]:
    """The year a poll closed in, in a time zone."""
    return func.date_part("year", func.timezone(literal_column(f"'{known_zone(zone)}'"), poll.c.closes_at))


def _below(code: str) -> Select[tuple[int]]:
    """Ids of a territory and of everything below it; of none for an unknown code."""
    top = select(territory.c.id).where(territory.c.code == code).cte("within", recursive=True)
    part = territory.alias()
    tree = top.union_all(select(part.c.id).where(part.c.parent_id == top.c.id))
    return select(tree.c.id)


def _cards(citizen_id: int | None) -> Select[Any]:
    """What a card is made of, with the reader's own participation where there is a reader."""
    source = poll.outerjoin(territory, territory.c.id == poll.c.territory_id)
    if citizen_id is not None:
        mine = and_(participation.c.poll_id == poll.c.id, participation.c.citizen_id == citizen_id)
        source = source.outerjoin(participation, mine)
    voted = participation.c.day if citizen_id is not None else null()
    columns = [column for column in poll.c if column.name != "search"]
    return select(
        *columns, territory.c.code.label("territory_code"), territory.c.name_ru.label("territory_ru"),
        territory.c.name_en.label("territory_en"), voted.label("voted_on"),
    ).select_from(source)  # fmt: skip


def _card(row: RowMapping, now: datetime) -> PollCard:
    shown: Mapping[str, Any] = row["card"]
    kinds = tuple(shown.get("kinds", ()))
    return PollCard(
        id=row["id"],
        public_id=row["public_id"],
        slug=row["slug"],
        state=state_at(State(row["state"]), row["opens_at"], row["closes_at"], now, row["paused_at"]),
        title_ru=row["title_ru"],
        title_en=row["title_en"],
        summary_ru=shown.get("summary_ru", ""),
        summary_en=shown.get("summary_en", ""),
        topic=row["topic"],
        territory_code=row["territory_code"],
        territory_ru=row["territory_ru"] or "",
        territory_en=row["territory_en"] or "",
        opens_at=row["opens_at"],
        closes_at=row["closes_at"],
        questions=len(kinds),
        kinds=kinds,
        picture=shown.get("picture"),
        live=shown.get("live", False),
        voted_on=row["voted_on"],
        paused_at=row["paused_at"],
    )


def _write_cursor(card: PollCard, phase: Phase) -> str:
    moment = card.opens_at if phase is Phase.SOON else card.closes_at
    assert moment is not None
    return f"{int(moment.timestamp() * 1_000_000)}-{card.id}"


def _read_cursor(cursor: str | None) -> tuple[datetime, int] | None:
    """A malformed cursor starts from the beginning: it is a place in a list, not a fact."""
    if not cursor:
        return None
    moment, _, last = cursor.partition("-")
    if not (cursor.isascii() and moment.isdigit() and last.isdigit() and len(moment) < 18 and len(last) < 19):
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(moment)), int(last)
