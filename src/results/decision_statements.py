"""The statements that lists of decisions and the summaries of departments are read by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Date, Select, and_, cast, false, func, literal, or_, select, true

from polls.cards import matching as poll_matching
from polls.catalogue import Narrowing
from polls.tables import poll, territory
from results.decision_shapes import OPEN, DecisionFilter, Show, Status
from results.tables import decision, milestone

OPEN_VALUES = tuple(status.value for status in OPEN)


def most_recent() -> Select[Any]:
    """Decisions with their polls, and of their steps the last one done and the next one planned."""
    latest = (
        select(milestone.c.text_ru, milestone.c.text_en, milestone.c.done_on)
        .where(milestone.c.decision_id == decision.c.id, milestone.c.done_on.is_not(None))
        .order_by(milestone.c.done_on.desc(), milestone.c.position.desc(), milestone.c.id.desc())
        .limit(1)
        .lateral("latest")
    )
    waiting = and_(milestone.c.done_on.is_(None), milestone.c.dropped.is_(None))
    coming = (
        select(milestone.c.text_ru, milestone.c.text_en, milestone.c.planned_on)
        .where(milestone.c.decision_id == decision.c.id, waiting)
        .order_by(milestone.c.planned_on, milestone.c.position, milestone.c.id)
        .limit(1)
        .lateral("coming")
    )
    tally = (
        select(
            func.count().filter(milestone.c.dropped.is_(None)).label("steps"),
            func.count().filter(milestone.c.done_on.is_not(None)).label("steps_done"),
        )
        .where(milestone.c.decision_id == decision.c.id)
        .lateral("tally")
    )
    return select(
        decision, poll.c.public_id, poll.c.slug, poll.c.title_ru, poll.c.title_en, poll.c.topic,
        territory.c.code.label("territory_code"), territory.c.name_ru.label("territory_ru"),
        territory.c.name_en.label("territory_en"), tally.c.steps, tally.c.steps_done,
        latest.c.text_ru.label("latest_ru"), latest.c.text_en.label("latest_en"), latest.c.done_on.label("latest_day"),
        coming.c.text_ru.label("coming_ru"), coming.c.text_en.label("coming_en"),
        coming.c.planned_on.label("coming_day"),
    ).select_from(
        plain().join(tally, true()).outerjoin(latest, true()).outerjoin(coming, true())
    )  # fmt: skip


def plain() -> Any:
    """Decisions joined to their polls and territories, for counts."""
    return decision.join(poll, poll.c.id == decision.c.poll_id).outerjoin(
        territory, territory.c.id == poll.c.territory_id
    )


def overdue(today: date | None) -> ColumnElement[bool]:
    """Work still owed whose deadline in force has passed."""
    if today is None:
        return false()
    return and_(decision.c.status.in_(OPEN_VALUES), decision.c.deadline < cast(literal(today), Date))


def showing(show: Show, today: date | None) -> ColumnElement[bool]:
    """The condition of one of the piles."""
    if show is Show.ALL:
        return true()
    return overdue(today) if show is Show.OVERDUE else decision.c.status == show.value


def matching(wanted: DecisionFilter, today: date | None) -> list[ColumnElement[bool]]:
    """The conditions of a filter, its pile included."""
    return [showing(wanted.show, today), *narrowing(wanted)]


def narrowing(wanted: DecisionFilter) -> Iterator[ColumnElement[bool]]:
    """The conditions of a filter but for its pile."""
    yield from Narrowing(topic=wanted.topic or None, within=wanted.within or None).conditions()
    if wanted.owner:
        yield decision.c.owner == wanted.owner
    if words := wanted.words.strip():
        like = "%" + words.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        own = (column.ilike(like) for column in (decision.c.text_ru, decision.c.text_en, decision.c.owner))
        yield or_(poll_matching(words), *own)


def order_of(wanted: DecisionFilter | None) -> list[ColumnElement[Any]]:
    """The newest change first; of overdue ones what has waited longest."""
    if wanted is not None and wanted.show is Show.OVERDUE:
        return [decision.c.deadline.asc(), decision.c.id.asc()]
    return [decision.c.changed_at.desc(), decision.c.id.desc()]


def department_columns(today: date) -> list[ColumnElement[Any]]:
    """What a department's summary counts. In time and late are by the deadline first promised."""
    done = decision.c.status == Status.DONE.value
    known = and_(done, decision.c.done_on.is_not(None), decision.c.first_deadline.is_not(None))
    return [
        func.count().label("total"),
        func.count().filter(decision.c.status.in_(OPEN_VALUES)).label("open"),
        func.count().filter(overdue(today)).label("overdue"),
        func.count().filter(done).label("done"),
        func.count().filter(and_(known, decision.c.done_on <= decision.c.first_deadline)).label("in_time"),
        func.count().filter(and_(known, decision.c.done_on > decision.c.first_deadline)).label("late"),
        func.count().filter(decision.c.status == Status.DECLINED.value).label("declined"),
        func.count()
        .filter(
            and_(
                decision.c.first_deadline.is_not(None), decision.c.deadline.is_distinct_from(decision.c.first_deadline)
            )
        )
        .label("moved"),
    ]
