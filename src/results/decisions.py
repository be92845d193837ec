"""What the city decided after a poll: recorded once counted, shown with its owner, deadline and status.

«Что уже решили» lists decisions newest first. A decision hangs on the result of one poll; saving again corrects it,
and every saving is an event in the poll's public history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Row as Record
from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert

from polls.catalogue import sealed_poll
from polls.definition import Text
from polls.errors import FieldError, Invalid, TieStillOpen
from polls.journal import record_event
from polls.lifecycle import COUNTED, State
from polls.poll_lock import lock_alone
from polls.sessions import ReadSession, Session
from polls.tables import poll
from polls.tie_breaking import open_ties
from results.tables import decision
from results.visibility import require_results

MOST_WORDS = 10_000


class Status(StrEnum):
    """How far the city has come."""

    PLANNED = "planned"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    DECLINED = "declined"


@dataclass(frozen=True)
class CityDecision:
    """One decision, with the poll it follows from. `deadline` is a day in city time."""

    poll_public_id: str
    poll_slug: str
    poll_title: Text
    topic: str
    text: Text
    owner: str
    deadline: date | None
    status: Status
    published_at: datetime


async def record_decision(
    session: Session,
    slug_or_id: str,
    *,
    text: Text,
    owner: str,
    status: Status,
    author_id: int,
    now: datetime,
    deadline: date | None = None,
) -> CityDecision:
    """Record, or correct, what the city does about a counted poll; the poll becomes `decided`.

    Refuses what :func:`results.visibility.require_results` refuses before the count (there is no result to decide on),
    `TieStillOpen` while a tie is, and `Invalid` when the Russian text or the owner is missing.
    """
    found = await sealed_poll(session, slug_or_id)
    # Alone with whoever decides a tie: once the poll is decided, no tie can be.
    await lock_alone(session, found.id)
    found = await sealed_poll(session, slug_or_id)
    state = found.state(now)
    if state not in COUNTED:
        require_results(found.definition, state, now, closes_at=found.closes_at)
    if waiting := sorted({tie.question_id for tie in await open_ties(session, found)}):
        raise TieStillOpen(questions=waiting)
    _check(text, owner)
    values = {
        "text_ru": text.ru, "text_en": text.en, "owner": owner.strip(), "deadline": deadline, "status": status.value,
        "author_id": author_id, "published_at": now,
    }  # fmt: skip
    # Correcting keeps the day of the first publication: the list is of decisions, not of typing errors.
    changed = {key: value for key, value in values.items() if key != "published_at"}
    await session.execute(
        insert(decision)
        .values(poll_id=found.id, **values)
        .on_conflict_do_update(index_elements=[decision.c.poll_id], set_=changed)
    )
    await session.execute(update(poll).where(poll.c.id == found.id).values(state=State.DECIDED.value, updated_at=now))
    await record_event(
        session, "decision_recorded", found.id, now, by=author_id, status=status.value, owner=owner.strip(),
        deadline=deadline.isoformat() if deadline else None,
    )  # fmt: skip
    saved = await decision_of(session, found.id)
    assert saved is not None
    return saved


async def decision_of(session: ReadSession, poll_id: int) -> CityDecision | None:
    """The decision that followed from a poll, or None."""
    row = (await session.execute(_decisions().where(decision.c.poll_id == poll_id))).one_or_none()
    return None if row is None else _read(row)


async def decisions_of(session: ReadSession, poll_ids: Sequence[int]) -> Mapping[str, CityDecision]:
    """The decisions that followed from these polls, by the polls' slugs."""
    rows = await session.execute(_decisions().where(decision.c.poll_id.in_(poll_ids)))
    return {found.poll_slug: found for found in map(_read, rows)}


async def decisions(session: ReadSession, limit: int = 20, offset: int = 0) -> Sequence[CityDecision]:
    """The newest decisions first."""
    order = _decisions().order_by(decision.c.published_at.desc(), decision.c.id.desc())
    return [_read(row) for row in await session.execute(order.limit(limit).offset(offset))]


def _decisions() -> Select[tuple[object, ...]]:
    return select(
        poll.c.public_id, poll.c.slug, poll.c.title_ru, poll.c.title_en, poll.c.topic, decision.c.text_ru,
        decision.c.text_en, decision.c.owner, decision.c.deadline, decision.c.status, decision.c.published_at,
    ).join(poll, poll.c.id == decision.c.poll_id)  # fmt: skip


def _read(row: Record[tuple[object, ...]]) -> CityDecision:
    return CityDecision(
        row.public_id, row.slug, Text(ru=row.title_ru, en=row.title_en), row.topic,
        Text(ru=row.text_ru, en=row.text_en), row.owner, row.deadline, Status(row.status), row.published_at,
    )  # fmt: skip


def _check(text: Text, owner: str) -> None:
    errors = []
    if not text.ru:
        errors.append(FieldError("text/ru", "required", "Say in Russian what the city does."))
    if len(text.ru) > MOST_WORDS or len(text.en) > MOST_WORDS:
        errors.append(FieldError("text", "too_long", "The text is too long."))
    if not owner.strip():
        errors.append(FieldError("owner", "required", "Name the department that answers for it."))
    if errors:
        raise Invalid(errors)
