"""Reads for the officials' desk: polls in every state, the ids a draft has ever used, the groups to choose from.

Lists come from the columns beside the document, so a page of them reads no document at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, or_, select, text, true

from polls.lifecycle import COUNTED, State, state_at
from polls.register import GroupRow
from polls.sessions import ReadSession
from polls.tables import citizen_group, poll

PAGE = 20


class Pile(StrEnum):
    """The officials' polls as they lie on the desk. Drafts put away lie on a pile of their own and on no other."""

    ALL = "all"
    DRAFTS = "drafts"
    SCHEDULED = "scheduled"
    OPEN = "open"
    ENDED = "ended"
    CANCELLED = "cancelled"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class DeskPoll:
    """One line of the officials' list. `closes_at` is the time in force; drafts have no times here."""

    id: int
    public_id: str
    slug: str
    state: State
    title_ru: str
    title_en: str
    department: str
    author_id: int
    opens_at: datetime | None
    closes_at: datetime | None
    updated_at: datetime
    paused_at: datetime | None = None
    archived_at: datetime | None = None


async def desk_polls(
    session: ReadSession, now: datetime, pile: Pile = Pile.ALL, *, author_id: int | None = None, words: str = "",
    within: ColumnElement[bool] | None = None, offset: int = 0, limit: int = PAGE,
) -> tuple[list[DeskPoll], bool]:  # fmt: skip
    """A page of polls in any state, the last changed first, and whether there are more.

    `within` narrows the list to the polls a reader's role reaches.
    """
    wanted = [_pile(pile, now), poll.c.author_id == author_id if author_id is not None else true()]
    if within is not None:
        wanted.append(within)
    if words:
        like = "%" + words.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        wanted.append(or_(*(column.ilike(like) for column in (poll.c.title_ru, poll.c.title_en, poll.c.department))))
    rows = await session.execute(
        select(poll).where(*wanted).order_by(poll.c.updated_at.desc(), poll.c.id.desc()).offset(offset).limit(limit + 1)
    )
    found = [
        DeskPoll(
            row.id, row.public_id, row.slug,
            state_at(State(row.state), row.opens_at, row.closes_at, now, row.paused_at),
            row.title_ru, row.title_en, row.department, row.author_id, row.opens_at, row.closes_at, row.updated_at,
            row.paused_at, row.archived_at,
        )
        for row in rows
    ]  # fmt: skip
    return found[:limit], len(found) > limit


async def desk_counts(
    session: ReadSession, now: datetime, *, author_id: int | None = None, within: ColumnElement[bool] | None = None
) -> Mapping[Pile, int]:
    """How many polls lie on each pile, of those `within` a reader's role."""
    mine = poll.c.author_id == author_id if author_id is not None else true()
    mine = mine if within is None else and_(mine, within)
    columns = [func.count().filter(_pile(pile, now)) for pile in Pile]
    row = (await session.execute(select(*columns).select_from(poll).where(mine))).one()
    return dict(zip(Pile, row, strict=True))


async def highest_ids(session: ReadSession, public_id: str) -> tuple[int, dict[int, int]]:
    """The highest question id any revision of a poll used, and the highest option id of every question."""
    rows = await session.execute(
        text(
            "SELECT (q->>'id')::int AS question, coalesce(max((o->>'id')::int), 0) AS option"
            " FROM poll JOIN poll_revision ON poll_revision.poll_id = poll.id,"
            " jsonb_array_elements(poll_revision.definition->'questions') AS q"
            " LEFT JOIN jsonb_array_elements(q->'options') AS o ON true"
            " WHERE poll.public_id = :public_id GROUP BY 1"
        ),
        {"public_id": public_id},
    )
    options = {row.question: row.option for row in rows}
    return max(options, default=0), options


async def register_groups(session: ReadSession) -> list[GroupRow]:
    """The groups of citizens the register knows, by code."""
    rows = await session.execute(
        select(citizen_group.c.code, citizen_group.c.name_ru, citizen_group.c.name_en).order_by(citizen_group.c.code)
    )
    return [GroupRow(row.code, row.name_ru, row.name_en) for row in rows]


def _pile(pile: Pile, now: datetime) -> ColumnElement[bool]:
    scheduled = poll.c.state == State.SCHEDULED
    match pile:
        case Pile.ALL:
            return poll.c.archived_at.is_(None)
        case Pile.DRAFTS:
            return and_(poll.c.state.in_([State.DRAFT, State.IN_REVIEW]), poll.c.archived_at.is_(None))
        case Pile.SCHEDULED:
            return and_(scheduled, poll.c.opens_at > now)
        case Pile.OPEN:
            return and_(scheduled, poll.c.opens_at <= now, or_(poll.c.closes_at > now, poll.c.paused_at.is_not(None)))
        case Pile.CANCELLED:
            return poll.c.state == State.CANCELLED
        case Pile.ARCHIVED:
            return poll.c.archived_at.is_not(None)
        case Pile.ENDED:
            ended = poll.c.state.in_(COUNTED)
            return or_(ended, and_(scheduled, poll.c.closes_at <= now, poll.c.paused_at.is_(None)))
