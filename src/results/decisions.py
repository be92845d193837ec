"""What the city decided after a poll: recorded once counted, shown with its owner, deadline, status and history.

A decision hangs on the result of one poll. Saving again changes it, and every change stays in its public history
(`decision_change`, which takes inserts only): what was promised first, when a deadline moved and why, who answered for
it before. A deadline moves, work is declined and finished work is reopened only with a reason.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, func, insert, select, update

from polls.catalogue import SealedPoll, sealed_poll
from polls.definition import Text
from polls.errors import EditConflict, FieldError, Invalid, PollNotFound, TieStillOpen
from polls.journal import record_event
from polls.lifecycle import COUNTED, State
from polls.poll_lock import lock_alone
from polls.sessions import ReadSession, Session
from polls.tables import poll
from polls.tie_breaking import open_ties
from results.decision_changes import ChangeKind, record_change
from results.decision_shapes import OPEN, CityDecision, DecisionFilter, Show, Status, Step, known_day
from results.decision_shapes import read_decision as read
from results.decision_statements import matching, most_recent, order_of, plain
from results.tables import decision, milestone
from results.visibility import require_results

__all__ = [
    "OPEN", "CityDecision", "DecisionFilter", "Show", "Status", "Step", "decision_of", "decision_on", "decisions",
    "decisions_of", "last_author", "lock_decision", "preview_decision", "record_decision",
]  # fmt: skip

MOST_WORDS = 10_000
LONGEST_OWNER = 300
NO_REASON = Text(ru="", en="")
FIELDS = ("status", "deadline", "done_on", "owner", "text_ru", "text_en")
"""What a line of the history compares."""


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
    reason: Text = NO_REASON,
    done_on: date | None = None,
    based_on: int | None = None,
) -> CityDecision:
    """Record, or change, what the city does about a counted poll; the poll becomes `decided`.

    `based_on` is the version the author began with, 0 for none; without it nothing is compared. `done_on` is of
    finished work and by default today in the poll's city. Saving what is there already changes nothing.

    Refuses what :func:`results.visibility.require_results` refuses before the count (there is no result to decide on),
    `TieStillOpen` while a tie is, `EditConflict` if somebody saved a newer version, and `Invalid`: no Russian text, no
    owner, a new deadline in the past, no reason for what needs one, finished work with steps still open.
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
    standing = await _standing(session, found.id)
    version = standing["version"] if standing is not None else 0
    if based_on is not None and based_on != version:
        raise EditConflict(yours=based_on, theirs=version)
    today = now.astimezone(ZoneInfo(found.definition.time_zone)).date()
    wanted = _wanted(text, owner, status, deadline, done_on, standing, today)
    steps_open = await _steps_open(session, standing)
    if errors := _faults(wanted, reason, standing, today, steps_open):
        raise Invalid(errors)
    changed = _differences(standing, wanted)
    if changed:
        await _store(session, found, standing, wanted, changed, reason, author_id, now)
    saved = await decision_of(session, found.id)
    assert saved is not None
    return saved


async def preview_decision(
    session: ReadSession, slug_or_id: str, *, text: Text, owner: str, status: Status, now: datetime,
    deadline: date | None = None, reason: Text = NO_REASON, done_on: date | None = None,
) -> CityDecision:  # fmt: skip
    """What the public page would show if this were saved. Writes nothing; refuses `Invalid` as saving would."""
    found = await sealed_poll(session, slug_or_id)
    there = await decision_of(session, found.id)
    row = (await session.execute(select(decision).where(decision.c.poll_id == found.id))).mappings().one_or_none()
    today = now.astimezone(ZoneInfo(found.definition.time_zone)).date()
    wanted = _wanted(text, owner, status, deadline, done_on, row, today)
    if errors := _faults(wanted, reason, row, today, await _steps_open(session, row)):
        raise Invalid(errors)
    first = (there.first_deadline if there else None) or wanted["deadline"]
    base = there or CityDecision(
        0, found.public_id, found.slug, found.definition.title, found.definition.topic, text, owner, deadline, status,
        now, now,
    )  # fmt: skip
    return replace(
        base, text=text, owner=wanted["owner"], status=status, deadline=wanted["deadline"], first_deadline=first,
        done_on=wanted["done_on"], changed_at=now,
    )  # fmt: skip


async def lock_decision(session: Session, slug_or_id: str) -> CityDecision:
    """The decision on a poll, held until the transaction ends: its steps and ratings change one at a time.

    Refuses `PollNotFound`, also for a poll nothing was decided on.
    """
    found = await sealed_poll(session, slug_or_id)
    held = select(decision.c.id).where(decision.c.poll_id == found.id).with_for_update(key_share=True)
    if await session.scalar(held) is None:
        raise PollNotFound()
    saved = await decision_of(session, found.id)
    assert saved is not None
    return saved


# ---- reads


async def decision_of(session: ReadSession, poll_id: int) -> CityDecision | None:
    """The decision that followed from a poll, or None."""
    row = (await session.execute(most_recent().where(decision.c.poll_id == poll_id))).mappings().one_or_none()
    return None if row is None else read(row)


async def decision_on(session: ReadSession, slug_or_id: str) -> CityDecision:
    """The decision on a poll by its slug or id. Refuses `PollNotFound`, also where nothing was decided."""
    found = await decision_of(session, (await sealed_poll(session, slug_or_id)).id)
    if found is None:
        raise PollNotFound()
    return found


async def decisions_of(session: ReadSession, poll_ids: Sequence[int]) -> Mapping[str, CityDecision]:
    """The decisions that followed from these polls, by the polls' slugs."""
    rows = await session.execute(most_recent().where(decision.c.poll_id.in_(poll_ids)))
    return {found.poll_slug: found for found in map(read, rows.mappings())}


async def decisions(
    session: ReadSession, limit: int = 20, offset: int = 0, wanted: DecisionFilter | None = None,
    today: date | None = None,
) -> Sequence[CityDecision]:  # fmt: skip
    """Decisions, those that changed last first; overdue ones by what has waited longest.

    `today`, in city time, is needed where `wanted` asks for overdue ones.
    """
    order = order_of(wanted)
    numbers = select(decision.c.id).select_from(plain()).where(*(matching(wanted, today) if wanted else ()))
    page = numbers.order_by(*order).limit(limit).offset(offset).subquery()  # of these alone steps are read
    rows = await session.execute(most_recent().where(decision.c.id.in_(select(page.c.id))).order_by(*order))
    return [read(row) for row in rows.mappings()]


async def last_author(session: ReadSession, poll_id: int) -> int | None:
    """The account that saved the decision last, for the office."""
    author: int | None = await session.scalar(select(decision.c.author_id).where(decision.c.poll_id == poll_id))
    return author


# ---- parts


async def _standing(session: Session, poll_id: int) -> RowMapping | None:
    held = select(decision).where(decision.c.poll_id == poll_id).with_for_update(key_share=True)
    return (await session.execute(held)).mappings().one_or_none()


async def _steps_open(session: ReadSession, standing: RowMapping | None) -> int:
    if standing is None:
        return 0
    waits = (milestone.c.done_on.is_(None), milestone.c.dropped.is_(None))
    query = select(func.count()).select_from(milestone).where(milestone.c.decision_id == standing["id"], *waits)
    return int(await session.scalar(query) or 0)


def _wanted(
    text: Text, owner: str, status: Status, deadline: date | None, done_on: date | None,
    standing: RowMapping | None, today: date,
) -> dict[str, Any]:  # fmt: skip
    """The row as it would be saved. Work stays done on the day it was, whatever else is corrected."""
    if status is Status.DONE:
        kept = standing["done_on"] if standing is not None and standing["status"] == Status.DONE else today
        done_on = done_on or kept
    else:
        done_on = None
    return {"text_ru": text.ru, "text_en": text.en, "owner": owner.strip(), "deadline": deadline,
            "status": status.value, "done_on": done_on}  # fmt: skip


def _faults(
    wanted: Mapping[str, Any], reason: Text, standing: RowMapping | None, today: date, steps_open: int
) -> list[FieldError]:
    errors = []
    if not wanted["text_ru"]:
        errors.append(FieldError("text/ru", "required", "Say in Russian what the city does."))
    if len(wanted["text_ru"]) > MOST_WORDS or len(wanted["text_en"]) > MOST_WORDS:
        errors.append(FieldError("text", "too_long", "The text is too long."))
    if not wanted["owner"]:
        errors.append(FieldError("owner", "required", "Name the department that answers for it."))
    if len(wanted["owner"]) > LONGEST_OWNER:
        errors.append(FieldError("owner", "too_long", "The text is too long."))
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in wanted["owner"]):
        errors.append(FieldError("owner", "control", "Control characters are not allowed."))
    for name in ("deadline", "done_on"):
        if wanted[name] is not None and not known_day(wanted[name]):
            errors.append(FieldError(name, "date", "Type a date such as 2026-12-31."))
    status, before = wanted["status"], standing["status"] if standing is not None else None
    deadline, deadline_before = wanted["deadline"], standing["deadline"] if standing is not None else None
    if deadline is not None and deadline != deadline_before and deadline < today and Status(status) in OPEN:
        errors.append(FieldError("deadline", "past", "A new deadline cannot be in the past."))
    if wanted["done_on"] is not None and wanted["done_on"] > today:
        errors.append(FieldError("done_on", "future", "Work that is done was done today or earlier."))
    if status == Status.DONE and steps_open:
        errors.append(FieldError("status", "steps_open", "Some steps are still open: complete or drop them first."))
    if not reason.ru and (why := _needs_reason(status, before, deadline, deadline_before)):
        errors.append(FieldError("reason/ru", "required", why))
    if len(reason.ru) > MOST_WORDS or len(reason.en) > MOST_WORDS:
        errors.append(FieldError("reason/ru", "too_long", "The text is too long."))
    return errors


def _needs_reason(status: str, before: str | None, deadline: date | None, deadline_before: date | None) -> str:
    if status == Status.DECLINED and before != Status.DECLINED:
        return "Say in Russian why it is declined."
    if before in (Status.DONE, Status.DECLINED) and status != before:
        return "Say in Russian why it is taken up again."
    if deadline_before is not None and deadline != deadline_before:
        return "Say in Russian why the deadline moves."
    return ""


def _differences(standing: RowMapping | None, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the history's line: everything at first, then `field: [before, after]`."""
    if standing is None:
        return {name: _plain(wanted[name]) for name in FIELDS}
    return {name: [_plain(standing[name]), _plain(wanted[name])] for name in FIELDS if standing[name] != wanted[name]}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


async def _store(
    session: Session, found: SealedPoll, standing: RowMapping | None, wanted: Mapping[str, Any],
    changed: Mapping[str, Any], reason: Text, author_id: int, now: datetime,
) -> None:  # fmt: skip
    deadline = wanted["deadline"]
    if standing is None:
        kept = {**wanted, "author_id": author_id, "published_at": now, "changed_at": now, "first_deadline": deadline}
        made = insert(decision).values(poll_id=found.id, **kept).returning(decision.c.id)
        decision_id = int((await session.execute(made)).scalar_one())
        kind = ChangeKind.RECORDED
        await session.execute(
            update(poll).where(poll.c.id == found.id).values(state=State.DECIDED.value, updated_at=now)
        )
    else:
        decision_id, kind = standing["id"], ChangeKind.CHANGED
        first = standing["first_deadline"] or deadline
        # Keeps the day of the first publication: the list is of decisions, not of typing errors.
        changes = {**wanted, "author_id": author_id, "changed_at": now, "first_deadline": first,
                   "version": standing["version"] + 1}  # fmt: skip
        await session.execute(update(decision).where(decision.c.id == decision_id).values(**changes))
    await record_change(session, decision_id, kind, author_id, now, reason=reason, body=changed)
    await record_event(
        session, "decision_recorded", found.id, now, by=author_id, status=wanted["status"], owner=wanted["owner"],
        deadline=deadline.isoformat() if deadline else None,
    )  # fmt: skip
