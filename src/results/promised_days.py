"""The days the city has promised something by: deadlines of decisions and days of their steps, for a calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from polls.definition import Text
from polls.sessions import ReadSession
from polls.tables import poll
from results.decision_shapes import Status
from results.tables import decision, milestone

MOST_DAYS = 1_000


@dataclass(frozen=True)
class PromisedDay:
    """One day. `step_id` is None for the deadline of the whole. `version` rises when it is moved."""

    poll_public_id: str
    poll_slug: str
    poll_title: Text
    step_id: int | None
    text: Text
    owner: str
    day: date
    done: bool
    given_up: bool
    version: int
    changed_at: datetime


async def promised_days(session: ReadSession) -> Sequence[PromisedDay]:
    """The latest days first, a thousand of each kind at most; put in order of days."""
    about = (poll.c.public_id, poll.c.slug, poll.c.title_ru, poll.c.title_en, decision.c.owner, decision.c.status,
             decision.c.changed_at)  # fmt: skip
    whole = await session.execute(
        select(*about, decision.c.text_ru, decision.c.text_en, decision.c.deadline, decision.c.version)
        .join(poll, poll.c.id == decision.c.poll_id)
        .where(decision.c.deadline.is_not(None))
        .order_by(decision.c.deadline.desc(), decision.c.id)
        .limit(MOST_DAYS)
    )
    found = [
        PromisedDay(
            row.public_id, row.slug, Text(ru=row.title_ru, en=row.title_en), None,
            Text(ru=row.text_ru, en=row.text_en), row.owner, row.deadline, row.status == Status.DONE,
            row.status == Status.DECLINED, row.version, row.changed_at,
        )
        for row in whole
    ]  # fmt: skip
    steps = await session.execute(
        select(*about, milestone)
        .select_from(milestone)
        .join(decision, decision.c.id == milestone.c.decision_id)
        .join(poll, poll.c.id == decision.c.poll_id)
        .order_by(milestone.c.planned_on.desc(), milestone.c.id)
        .limit(MOST_DAYS)
    )
    found += [
        PromisedDay(
            row.public_id, row.slug, Text(ru=row.title_ru, en=row.title_en), row.id,
            Text(ru=row.text_ru, en=row.text_en), row.owner, row.planned_on, row.done_on is not None,
            row.dropped is not None or row.status == Status.DECLINED, row.version, row.changed_at,
        )
        for row in steps
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.day, one.poll_public_id, one.step_id or 0))
