"""The public history of decisions: every change with its day and reason, appended and never altered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, func, insert, select, update

from polls.definition import Text
from polls.sessions import ReadSession, Session
from polls.tables import poll
from results.tables import decision, decision_change


class ChangeKind(StrEnum):
    """What happened to a decision."""

    RECORDED = "recorded"
    CHANGED = "changed"
    STEP_ADDED = "step_added"
    STEP_CHANGED = "step_changed"
    STEP_DONE = "step_done"
    STEP_REOPENED = "step_reopened"
    STEP_DROPPED = "step_dropped"
    FILE_ADDED = "file_added"
    FILE_WITHDRAWN = "file_withdrawn"


@dataclass(frozen=True)
class Change:
    """One line of a history. `body` holds `field: [before, after]`, and the facts themselves where all is new."""

    poll_public_id: str
    poll_slug: str
    poll_title: Text
    number: int
    kind: ChangeKind
    at: datetime
    reason: Text
    milestone_id: int | None
    body: Mapping[str, Any]


async def record_change(
    session: Session, decision_id: int, kind: ChangeKind, by: int, now: datetime, *, reason: Text,
    body: Mapping[str, Any], milestone_id: int | None = None,
) -> None:  # fmt: skip
    """Append one line. The caller holds the decision's row, so that numbers follow each other."""
    held = decision_change.c.decision_id == decision_id
    last = await session.scalar(select(func.max(decision_change.c.number)).where(held))
    await session.execute(
        insert(decision_change).values(
            decision_id=decision_id, number=(last or 0) + 1, kind=kind.value, at=now, by=by,
            milestone_id=milestone_id, reason_ru=reason.ru, reason_en=reason.en, body=dict(body),
        )
    )  # fmt: skip
    await session.execute(update(decision).where(decision.c.id == decision_id).values(changed_at=now))


async def changes_of(session: ReadSession, decision_id: int) -> Sequence[Change]:
    """The whole history of a decision, the newest line first."""
    lines = _lines().where(decision_change.c.decision_id == decision_id).order_by(decision_change.c.number.desc())
    return [_read(row) for row in (await session.execute(lines)).mappings()]


async def newest_changes(session: ReadSession, limit: int = 50, poll_id: int | None = None) -> Sequence[Change]:
    """The newest lines of all histories, or of one poll's."""
    lines = _lines().order_by(
        decision_change.c.at.desc(), decision_change.c.decision_id.desc(), decision_change.c.number.desc()
    )
    if poll_id is not None:
        lines = lines.where(decision.c.poll_id == poll_id)
    return [_read(row) for row in (await session.execute(lines.limit(limit))).mappings()]


def _lines() -> Select[Any]:
    return (
        select(decision_change, poll.c.public_id, poll.c.slug, poll.c.title_ru, poll.c.title_en)
        .join(decision, decision.c.id == decision_change.c.decision_id)
        .join(poll, poll.c.id == decision.c.poll_id)
    )


def _read(row: Mapping[str, Any]) -> Change:
    return Change(
        row["public_id"], row["slug"], Text(ru=row["title_ru"], en=row["title_en"]), row["number"],
        ChangeKind(row["kind"]), row["at"], Text(ru=row["reason_ru"], en=row["reason_en"]), row["milestone_id"],
        row["body"],
    )  # fmt: skip
