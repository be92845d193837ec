"""Reads: which counted polls wait for a protocol, for its second person, or have one. For the people of the office."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, case, func, literal_column, select, true

from polls.definition import Text
from polls.lifecycle import COUNTED
from polls.sessions import ReadSession
from polls.tables import poll
from results.protocol_tables import protocol

SHOWN = 100


class Stage(StrEnum):
    """How far a result has come, the most urgent first."""

    WAITING = "waiting"
    NONE = "none"
    CERTIFIED = "certified"


@dataclass(frozen=True)
class Row:
    """A counted poll on the desk. `version` is that of the newest certified protocol, None before the first."""

    public_id: str
    slug: str
    title: Text
    department: str
    counted_at: datetime | None
    stage: Stage
    version: int | None


async def protocol_desk(
    session: ReadSession, *, within: ColumnElement[bool] | None = None
) -> tuple[Sequence[Row], int]:
    """Up to a hundred counted polls, those that wait for somebody first, then the newest; and how many there are.

    `within` narrows it to the polls a reader's role reaches.
    """
    known = (
        select(
            protocol.c.poll_id,
            func.bool_or(protocol.c.certified_at.is_(None) & protocol.c.withdrawn_at.is_(None)).label("waiting"),
            func.max(protocol.c.version).filter(protocol.c.certified_at.is_not(None)).label("version"),
        )
        .group_by(protocol.c.poll_id)
        .subquery()
    )
    stage = case(
        (known.c.waiting, Stage.WAITING.value), (known.c.version.is_not(None), Stage.CERTIFIED.value),
        else_=Stage.NONE.value,
    )  # fmt: skip
    urgency = case((known.c.waiting, 0), (known.c.version.is_not(None), 2), else_=1)
    rows = await session.execute(
        select(
            poll.c.public_id, poll.c.slug, poll.c.title_ru, poll.c.title_en, poll.c.department, poll.c.counted_at,
            known.c.version, stage.label("stage"), func.count(literal_column("*")).over().label("total"),
        )
        .select_from(poll.outerjoin(known, known.c.poll_id == poll.c.id))
        .where(poll.c.state.in_(COUNTED), true() if within is None else within)
        .order_by(urgency, poll.c.counted_at.desc().nulls_last(), poll.c.id.desc())
        .limit(SHOWN)
    )  # fmt: skip
    found = rows.all()
    return [
        Row(row.public_id, row.slug, Text(ru=row.title_ru, en=row.title_en), row.department or "", row.counted_at,
            Stage(row.stage), row.version)
        for row in found
    ], found[0].total if found else 0  # fmt: skip
