"""The steps of a decision: what is planned by when, what was done, and the files that show it.

A step is moved, reopened and given up only with a reason, and is done only with evidence: words, a picture or a
document. Each change is a line of the decision's public history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, func, insert, select, update

from polls.catalogue import sealed_poll
from polls.definition import Text
from polls.errors import EditConflict, FieldError, Invalid, NotFound, WrongState
from polls.journal import record_event
from polls.sessions import ReadSession, Session
from results.decision_changes import ChangeKind, record_change
from results.decision_shapes import OPEN, CityDecision, known_day
from results.decisions import lock_decision
from results.evidence import MOST_ID, Evidence, evidence_of, files_of
from results.tables import milestone

MOST_STEPS = 50
LONGEST_STEP = 500
LONGEST_OUTCOME = 4_000
NOTHING = Text(ru="", en="")


@dataclass(frozen=True)
class Milestone:
    """One step. Days are in city time; `dropped` is the day it was given up. `outcome`: what was done, in words."""

    id: int
    position: int
    text: Text
    planned_on: date
    first_planned_on: date
    done_on: date | None
    dropped: date | None
    outcome: Text
    version: int
    files: tuple[Evidence, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.done_on is None and self.dropped is None

    def overdue_days(self, today: date) -> int:
        """Days since it was planned for, if it is still to be done; else 0."""
        return max(0, (today - self.planned_on).days) if self.open else 0


@dataclass(frozen=True)
class StepDraft:
    """A step as an official wants it. `reason` says why, where something promised changes."""

    text: Text
    planned_on: date
    done_on: date | None = None
    dropped: bool = False
    outcome: Text = NOTHING
    reason: Text = NOTHING


async def milestones_of(session: ReadSession, decision_id: int) -> Sequence[Milestone]:
    """The steps of a decision in their order, with the files that show them done."""
    steps = select(milestone).where(milestone.c.decision_id == decision_id)
    rows = await session.execute(steps.order_by(milestone.c.position, milestone.c.id))
    files = await evidence_of(session, decision_id)
    return [_read(row, files.get(row["id"], ())) for row in rows.mappings()]


async def add_milestone(
    session: Session, slug_or_id: str, *, text: Text, planned_on: date, author_id: int, now: datetime
) -> Milestone:
    """Add a step at the end. Refuses `PollNotFound`, `WrongState` for finished or declined work, and `Invalid`."""
    found = await lock_decision(session, slug_or_id)
    _require_open(found)
    errors = [*_text_faults(text), *_day_faults(planned_on=planned_on)]
    mine = milestone.c.decision_id == found.id
    held = (await session.execute(select(func.count(), func.max(milestone.c.position)).where(mine))).one()
    if held[0] >= MOST_STEPS:
        errors.append(FieldError("text/ru", "too_many_steps", "This decision has 50 steps already."))
    if errors:
        raise Invalid(errors)
    made = await session.execute(
        insert(milestone)
        .values(decision_id=found.id, position=(held[1] or 0) + 1, text_ru=text.ru, text_en=text.en,
                planned_on=planned_on, first_planned_on=planned_on)
        .returning(milestone)
    )  # fmt: skip
    row = made.mappings().one()
    body = {"text_ru": text.ru, "text_en": text.en, "planned_on": planned_on.isoformat()}
    await _record(session, found, row["id"], ChangeKind.STEP_ADDED, author_id, now, NOTHING, body)
    return _read(row)


async def change_milestone(
    session: Session, slug_or_id: str, milestone_id: int, draft: StepDraft, *, author_id: int, now: datetime,
    based_on: int | None = None,
) -> Milestone:  # fmt: skip
    """Correct, move, complete, reopen or give up a step, as the draft says. The same draft twice changes nothing.

    Refuses `NotFound`, `WrongState` for finished or declined work, `EditConflict` if somebody saved a newer version
    than `based_on`, and `Invalid`.
    """
    found = await lock_decision(session, slug_or_id)
    _require_open(found)
    before = await _row(session, found.id, milestone_id)
    if based_on is not None and based_on != before["version"]:
        raise EditConflict(yours=based_on, theirs=before["version"])
    today = await _today(session, found, now)
    evidenced = bool(await files_of(session, milestone_id)) or bool(draft.outcome.ru)
    if errors := _faults(draft, before, today, evidenced):
        raise Invalid(errors)
    dropped = (before["dropped"] or today) if draft.dropped else None
    wanted = {
        "text_ru": draft.text.ru, "text_en": draft.text.en, "planned_on": draft.planned_on, "done_on": draft.done_on,
        "dropped": dropped, "outcome_ru": draft.outcome.ru, "outcome_en": draft.outcome.en,
    }  # fmt: skip
    changed = {name: [_plain(before[name]), _plain(value)] for name, value in wanted.items() if before[name] != value}
    files = await files_of(session, milestone_id)
    if not changed:
        return _read(before, files)
    made = await session.execute(
        update(milestone)
        .where(milestone.c.id == milestone_id)
        .values(**wanted, version=before["version"] + 1)
        .returning(milestone)
    )
    body = {"name_ru": draft.text.ru, "name_en": draft.text.en, **changed}
    await _record(session, found, milestone_id, _kind(before, wanted), author_id, now, draft.reason, body)
    return _read(made.mappings().one(), files)


async def order_milestone(
    session: Session, slug_or_id: str, milestone_id: int, *, up: bool, author_id: int, now: datetime
) -> None:
    """Put a step before the one above it, or after the one below. At the end of the list nothing changes.

    The order is no promise, so it has no line in the history.
    """
    found = await lock_decision(session, slug_or_id)
    _require_open(found)
    await _row(session, found.id, milestone_id)
    order = [step.id for step in await milestones_of(session, found.id)]
    at = order.index(milestone_id)
    to = at - 1 if up else at + 1
    if not 0 <= to < len(order):
        return
    order[at], order[to] = order[to], order[at]
    for position, one in enumerate(order, start=1):
        await session.execute(update(milestone).where(milestone.c.id == one).values(position=position))
    await record_event(session, "milestone_recorded", await _poll_id(session, found), now, by=author_id,
                       milestone=milestone_id, change="ordered")  # fmt: skip


# ---- parts


async def _poll_id(session: ReadSession, found: CityDecision) -> int:
    return (await sealed_poll(session, found.poll_public_id)).id


async def _today(session: ReadSession, found: CityDecision, now: datetime) -> date:
    zone = (await sealed_poll(session, found.poll_public_id)).definition.time_zone
    return now.astimezone(ZoneInfo(zone)).date()


def _require_open(found: CityDecision) -> None:
    if found.status not in OPEN:
        raise WrongState(state=found.status.value, move="milestone")


async def _row(session: ReadSession, decision_id: int, milestone_id: int) -> RowMapping:
    if milestone_id > MOST_ID:
        raise NotFound()
    named = (milestone.c.decision_id == decision_id, milestone.c.id == milestone_id)
    row = (await session.execute(select(milestone).where(*named))).mappings().one_or_none()
    if row is None:
        raise NotFound()
    return row


async def _record(
    session: Session, found: CityDecision, milestone_id: int, kind: ChangeKind, author_id: int, now: datetime,
    reason: Text, body: Mapping[str, Any],
) -> None:  # fmt: skip
    await record_change(session, found.id, kind, author_id, now, reason=reason, body=body, milestone_id=milestone_id)
    await record_event(
        session, "milestone_recorded", await _poll_id(session, found), now, by=author_id, milestone=milestone_id,
        change=kind.value,
    )  # fmt: skip


def _kind(before: RowMapping, wanted: Mapping[str, Any]) -> ChangeKind:
    if wanted["dropped"] and not before["dropped"]:
        return ChangeKind.STEP_DROPPED
    if wanted["done_on"] and not before["done_on"]:
        return ChangeKind.STEP_DONE
    if (before["done_on"] and not wanted["done_on"]) or (before["dropped"] and not wanted["dropped"]):
        return ChangeKind.STEP_REOPENED
    return ChangeKind.STEP_CHANGED


def _text_faults(text: Text) -> list[FieldError]:
    errors = []
    if not text.ru:
        errors.append(FieldError("text/ru", "required", "Say in Russian what is to be done."))
    if max(len(text.ru), len(text.en)) > LONGEST_STEP:
        errors.append(FieldError("text/ru", "too_long", "The text is too long."))
    return errors


def _day_faults(**days: date | None) -> list[FieldError]:
    wrong = [name for name, day in days.items() if day is not None and not known_day(day)]
    return [FieldError(name, "date", "Type a date such as 2026-12-31.") for name in wrong]


def _faults(draft: StepDraft, before: RowMapping, today: date, evidenced: bool) -> list[FieldError]:
    errors = [*_text_faults(draft.text), *_day_faults(planned_on=draft.planned_on, done_on=draft.done_on)]
    if max(len(draft.outcome.ru), len(draft.outcome.en)) > LONGEST_OUTCOME:
        errors.append(FieldError("outcome/ru", "too_long", "The text is too long."))
    if draft.outcome.en and not draft.outcome.ru:
        errors.append(FieldError("outcome/ru", "required", "Russian is needed beside English."))
    if draft.done_on is not None and draft.dropped:
        errors.append(FieldError("done_on", "dropped", "A step is either done or given up."))
    elif draft.done_on is not None:
        if draft.done_on > today:
            errors.append(FieldError("done_on", "future", "Work that is done was done today or earlier."))
        if not evidenced:
            errors.append(FieldError("outcome/ru", "no_evidence",
                                     "Say what was done, or add a picture or a document first."))  # fmt: skip
    if not draft.reason.ru and (why := _needs_reason(draft, before)):
        errors.append(FieldError("reason/ru", "required", why))
    if max(len(draft.reason.ru), len(draft.reason.en)) > LONGEST_OUTCOME:
        errors.append(FieldError("reason/ru", "too_long", "The text is too long."))
    return errors


def _needs_reason(draft: StepDraft, before: RowMapping) -> str:
    if draft.dropped and not before["dropped"]:
        return "Say in Russian why the step is given up."
    if (before["done_on"] and not draft.done_on) or (before["dropped"] and not draft.dropped):
        return "Say in Russian why the step is taken up again."
    if draft.planned_on != before["planned_on"]:
        return "Say in Russian why the day moves."
    return ""


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _read(row: RowMapping, files: Sequence[Evidence] = ()) -> Milestone:
    return Milestone(
        row["id"], row["position"], Text(ru=row["text_ru"], en=row["text_en"]), row["planned_on"],
        row["first_planned_on"], row["done_on"], row["dropped"], Text(ru=row["outcome_ru"], en=row["outcome_en"]),
        row["version"], tuple(files),
    )  # fmt: skip
