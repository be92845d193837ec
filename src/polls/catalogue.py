"""Reads: the polls a resident can see, one poll with its sealed document, one's own votes.

Nothing here reads a ballot. Lists come from the columns beside the document; rules come from the sealed bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, RowMapping, and_, false, func, null, or_, select

from polls.definition import PUBLIC_ID, Definition, Visibility, read_definition
from polls.errors import PollNotFound
from polls.lifecycle import PUBLIC, State, state_at
from polls.sessions import ReadSession
from polls.tables import participation, poll, sealed_definition, territory

PAGE = 24


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

    def state(self, now: datetime) -> State:
        """The state at a moment, by the clock."""
        return state_at(self.stored_state, self.opens_at, self.closes_at, now)

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


@dataclass(frozen=True)
class Page:
    """A page of cards and the cursor of the next one, None at the end."""

    cards: tuple[PollCard, ...]
    next_cursor: str | None


async def sealed_poll(session: ReadSession, slug_or_id: str) -> SealedPoll:
    """One public poll by its slug or its 32-digit id. Refuses `PollNotFound` for drafts, as for what never was."""
    row = (
        await session.execute(
            select(poll, sealed_definition.c.bytes)
            .join(sealed_definition, sealed_definition.c.poll_id == poll.c.id)
            .where(poll.c.public_id == slug_or_id if PUBLIC_ID.match(slug_or_id) else poll.c.slug == slug_or_id)
        )
    ).one_or_none()
    if row is None or State(row.state) not in PUBLIC:
        raise PollNotFound()
    return SealedPoll(
        row.id, row.public_id, row.slug, State(row.state), read_definition(row.bytes), row.poll_hash, row.opens_at,
        row.closes_at, row.sealed_at, row.counted_at, row.reason,
    )  # fmt: skip


async def list_polls(
    session: ReadSession, now: datetime, phase: Phase, *, scope: Scope = Scope.ALL, citizen_id: int | None = None,
    territories: Sequence[str] = (), topic: str | None = None, words: str | None = None, cursor: str | None = None,
    limit: int = PAGE,
) -> Page:  # fmt: skip
    """A page of public polls.

    `territories`: with `Scope.MINE`, the codes of the reader's district and everything above it. Open polls come by
    closing time, coming ones by opening time, ended ones newest first. The cursor is opaque and stable while polls
    come and go.
    """
    key = {Phase.OPEN: poll.c.closes_at, Phase.SOON: poll.c.opens_at, Phase.ENDED: poll.c.closes_at}[phase]
    wanted = [_phase(phase, now)]
    if topic:
        wanted.append(poll.c.topic == topic)
    if scope is Scope.MINE:
        wanted.append(territory.c.code.in_(territories))
    if words:
        like = "%" + words.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        wanted.append(or_(poll.c.title_ru.ilike(like), poll.c.title_en.ilike(like)))
    voted = participation.c.day if citizen_id is not None else null()
    if scope is Scope.NEW and citizen_id is not None:
        wanted.append(participation.c.day.is_(None))
    if (after := _read_cursor(cursor)) is not None:
        moment, last = after
        rising = or_(key > moment, and_(key == moment, poll.c.id > last))
        falling = or_(key < moment, and_(key == moment, poll.c.id < last))
        wanted.append(falling if phase is Phase.ENDED else rising)
    order = (key.desc(), poll.c.id.desc()) if phase is Phase.ENDED else (key, poll.c.id)
    source = poll.join(sealed_definition).outerjoin(territory, territory.c.id == poll.c.territory_id)
    if citizen_id is not None:
        mine = and_(participation.c.poll_id == poll.c.id, participation.c.citizen_id == citizen_id)
        source = source.outerjoin(participation, mine)
    rows = (
        await session.execute(
            select(poll, sealed_definition.c.bytes, territory.c.code.label("territory_code"),
                   territory.c.name_ru.label("territory_ru"), territory.c.name_en.label("territory_en"),
                   voted.label("voted_on"))
            .select_from(source).where(*wanted).order_by(*order).limit(limit + 1)
        )
    ).all()  # fmt: skip
    cards = tuple(_card(row._mapping, now) for row in rows[:limit])
    more = len(rows) > limit
    return Page(cards, _write_cursor(cards[-1], phase) if more else None)


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


async def my_votes(session: ReadSession, citizen_id: int, now: datetime) -> list[PollCard]:
    """The polls this citizen took part in, newest participation first. Never a choice: none is kept with it."""
    source = (
        participation.join(poll, poll.c.id == participation.c.poll_id)
        .join(sealed_definition, sealed_definition.c.poll_id == poll.c.id)
        .outerjoin(territory, territory.c.id == poll.c.territory_id)
    )
    rows = await session.execute(
        select(poll, sealed_definition.c.bytes, territory.c.code.label("territory_code"),
               territory.c.name_ru.label("territory_ru"), territory.c.name_en.label("territory_en"),
               participation.c.day.label("voted_on"))
        .select_from(source)
        .where(participation.c.citizen_id == citizen_id)
        .order_by(participation.c.day.desc(), poll.c.id.desc())
    )  # fmt: skip
    return [_card(row._mapping, now) for row in rows]


async def participation_day(session: ReadSession, poll_id: int, citizen_id: int) -> date | None:
    """The day this citizen voted in this poll, or None."""
    day: date | None = await session.scalar(
        select(participation.c.day).where(participation.c.poll_id == poll_id, participation.c.citizen_id == citizen_id)
    )
    return day


async def cast_counts(session: ReadSession, poll_ids: Sequence[int]) -> dict[int, int]:
    """Votes cast per poll so far: turnout, which may be shown while results are hidden."""
    rows = await session.execute(
        select(participation.c.poll_id, func.count().label("n"))
        .where(participation.c.poll_id.in_(poll_ids))
        .group_by(participation.c.poll_id)
    )
    return {row.poll_id: row.n for row in rows}


# ---- parts


def _phase(phase: Phase, now: datetime) -> ColumnElement[bool]:
    scheduled = poll.c.state == State.SCHEDULED
    if phase is Phase.OPEN:
        return and_(scheduled, poll.c.opens_at <= now, poll.c.closes_at > now)
    if phase is Phase.SOON:
        return and_(scheduled, poll.c.opens_at > now)
    ended = poll.c.state.in_([State.COUNTED, State.CERTIFIED, State.DECIDED])
    return or_(ended, and_(scheduled, poll.c.closes_at <= now))


def _card(row: RowMapping, now: datetime) -> PollCard:
    raw = row["bytes"]
    definition = read_definition(raw) if isinstance(raw, bytes) else None
    opens, closes = row["opens_at"], row["closes_at"]
    assert opens is None or isinstance(opens, datetime)
    assert closes is None or isinstance(closes, datetime)
    voted = row["voted_on"]
    pictures = (o.picture.sha256 for q in (definition.questions if definition else ()) for o in q.options if o.picture)
    return PollCard(
        id=int(str(row["id"])),
        public_id=str(row["public_id"]),
        slug=str(row["slug"]),
        state=state_at(State(str(row["state"])), opens, closes, now),
        title_ru=str(row["title_ru"]),
        title_en=str(row["title_en"]),
        summary_ru=definition.summary.ru if definition else "",
        summary_en=definition.summary.en if definition else "",
        topic=str(row["topic"]),
        territory_code=None if row["territory_code"] is None else str(row["territory_code"]),
        territory_ru=str(row["territory_ru"] or ""),
        territory_en=str(row["territory_en"] or ""),
        opens_at=opens,
        closes_at=closes,
        questions=len(definition.questions) if definition else 0,
        kinds=tuple(q.kind for q in definition.questions) if definition else (),
        picture=next(pictures, None),
        live=definition is not None and definition.visibility is Visibility.LIVE,
        voted_on=voted if isinstance(voted, date) else None,
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
