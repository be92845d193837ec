"""Files that show a step was done: pictures with words for those who cannot see them, and documents with a title.

The bytes lie in the content-addressed store of the service; here is which file stands under which step. A file is
given to the public only while it stands under one: withdrawing takes it from the public, and says so in the history.
Thirty days later its bytes are deleted (:data:`KEPT_WITHDRAWN`), unless it stands under another step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, false, func, insert, select, update

from polls.catalogue import sealed_poll
from polls.definition import Text
from polls.errors import FieldError, Invalid, NotFound, WrongState
from polls.journal import record_event
from polls.sessions import ReadSession, Session
from results.decision_changes import ChangeKind, record_change
from results.decision_shapes import CityDecision, Status
from results.decisions import lock_decision
from results.tables import evidence, milestone

KEPT_WITHDRAWN = timedelta(days=30)
"""How long a withdrawn file stays on disk, where only the office could put it back."""
MOST_FILES = 20
MOST_ID = 2**63 - 1
"""What a row can be numbered by: an address may name more."""
LONGEST_NAME = 500


class Role(StrEnum):
    """What a file is: a picture of how it was, of how it is, any other picture, or a document."""

    BEFORE = "before"
    AFTER = "after"
    PICTURE = "picture"
    DOCUMENT = "document"


@dataclass(frozen=True)
class StoredFile:
    """A file in the store: its SHA-256, the media type its content was found to have, and its bytes."""

    sha256: str
    media_type: str
    size: int

    @property
    def is_picture(self) -> bool:
        """Whether a page can show it."""
        return self.media_type.startswith("image/")


@dataclass(frozen=True)
class Evidence:
    """A file under a step. `name`: a picture's alternative text, or a document's title."""

    id: int
    role: Role
    file: StoredFile
    name: Text
    at: datetime


async def add_evidence(
    session: Session, slug_or_id: str, milestone_id: int, *, file: StoredFile, role: Role, name: Text, author_id: int,
    now: datetime,
) -> Evidence:  # fmt: skip
    """Put a stored file under a step, also after the work is done. Putting the same there twice changes its name.

    Refuses `NotFound`, `WrongState` for declined work, and `Invalid`: no Russian words, a file of another kind than its
    role, or too many files.
    """
    found = await lock_decision(session, slug_or_id)
    if found.status is Status.DECLINED:
        raise WrongState(state=found.status.value, move="evidence")
    await _require_step(session, found, milestone_id)
    if errors := _faults(file, role, name, len(await files_of(session, milestone_id))):
        raise Invalid(errors)
    same = (evidence.c.milestone_id == milestone_id, evidence.c.sha256 == file.sha256, evidence.c.role == role.value)
    words = {"name_ru": name.ru, "name_en": name.en, "withdrawn_at": None}
    made = await session.execute(update(evidence).where(*same).values(**words).returning(evidence))
    row = made.mappings().one_or_none()
    if row is None:
        made = await session.execute(
            insert(evidence)
            .values(milestone_id=milestone_id, role=role.value, sha256=file.sha256, media_type=file.media_type,
                    size=file.size, at=now, **words)
            .returning(evidence)
        )  # fmt: skip
        row = made.mappings().one()
    body = {"role": role.value, "sha256": file.sha256, "name_ru": name.ru, "name_en": name.en}
    await _record(session, found, milestone_id, ChangeKind.FILE_ADDED, author_id, now, Text(ru="", en=""), body)
    return _read(row)


async def withdraw_evidence(
    session: Session, slug_or_id: str, milestone_id: int, evidence_id: int, *, reason: Text, author_id: int,
    now: datetime,
) -> None:  # fmt: skip
    """Take a file from the public, such as a picture of somebody's face. The history keeps that it was there and why.

    Refuses `NotFound`, and `Invalid` without a reason.
    """
    found = await lock_decision(session, slug_or_id)
    await _require_step(session, found, milestone_id)
    if evidence_id > MOST_ID:
        raise NotFound()
    if not reason.ru:
        raise Invalid([FieldError("reason/ru", "required", "Say in Russian why the file is withdrawn.")])
    held = (evidence.c.id == evidence_id, evidence.c.milestone_id == milestone_id, evidence.c.withdrawn_at.is_(None))
    made = await session.execute(update(evidence).where(*held).values(withdrawn_at=now).returning(evidence))
    row = made.mappings().one_or_none()
    if row is None:
        raise NotFound()
    body = {"role": row["role"], "name_ru": row["name_ru"], "name_en": row["name_en"]}
    await _record(session, found, milestone_id, ChangeKind.FILE_WITHDRAWN, author_id, now, reason, body)


async def public_file(session: ReadSession, sha256: str) -> Evidence:
    """The file of this SHA-256 if it stands under a step now. Refuses `NotFound`."""
    named = (evidence.c.sha256 == sha256, evidence.c.withdrawn_at.is_(None))
    row = (await session.execute(select(evidence).where(*named).order_by(evidence.c.id).limit(1))).mappings().first()
    if row is None:
        raise NotFound()
    return _read(row)


async def withdrawn_before(session: ReadSession, moment: datetime) -> list[str]:
    """SHA-256s of files that were withdrawn from every step they stood under, the last of them before a moment."""
    gone = func.bool_and(func.coalesce(evidence.c.withdrawn_at < moment, false()))
    return list(await session.scalars(select(evidence.c.sha256).group_by(evidence.c.sha256).having(gone)))


async def files_of(session: ReadSession, milestone_id: int) -> Sequence[Evidence]:
    """The files under one step."""
    named = (evidence.c.milestone_id == milestone_id, evidence.c.withdrawn_at.is_(None))
    rows = await session.execute(select(evidence).where(*named).order_by(evidence.c.id))
    return tuple(map(_read, rows.mappings()))


async def evidence_of(session: ReadSession, decision_id: int) -> Mapping[int, Sequence[Evidence]]:
    """The files under all steps of a decision, by step."""
    rows = await session.execute(
        select(evidence)
        .join(milestone, milestone.c.id == evidence.c.milestone_id)
        .where(milestone.c.decision_id == decision_id, evidence.c.withdrawn_at.is_(None))
        .order_by(evidence.c.id)
    )
    found: dict[int, list[Evidence]] = {}
    for row in rows.mappings():
        found.setdefault(row["milestone_id"], []).append(_read(row))
    return found


# ---- parts


async def _require_step(session: ReadSession, found: CityDecision, milestone_id: int) -> None:
    named = (milestone.c.decision_id == found.id, milestone.c.id == milestone_id)
    if milestone_id > MOST_ID or not await session.scalar(select(func.count()).select_from(milestone).where(*named)):
        raise NotFound()


def _faults(file: StoredFile, role: Role, name: Text, held: int) -> list[FieldError]:
    errors = []
    if file.is_picture != (role is not Role.DOCUMENT):
        errors.append(FieldError("role", "other_kind", "This file is of another kind than was said."))
    if not name.ru:
        words = (
            "Give the document a title in Russian."
            if role is Role.DOCUMENT
            else "Say in Russian what the picture shows."
        )
        errors.append(FieldError("name/ru", "required", words))
    if max(len(name.ru), len(name.en)) > LONGEST_NAME:
        errors.append(FieldError("name/ru", "too_long", "The text is too long."))
    if held >= MOST_FILES:
        errors.append(FieldError("file", "too_many_files", "This step has 20 files already."))
    return errors


async def _record(
    session: Session, found: CityDecision, milestone_id: int, kind: ChangeKind, author_id: int, now: datetime,
    reason: Text, body: Mapping[str, Any],
) -> None:  # fmt: skip
    await record_change(session, found.id, kind, author_id, now, reason=reason, body=body, milestone_id=milestone_id)
    poll_id = (await sealed_poll(session, found.poll_public_id)).id
    await record_event(
        session, "milestone_recorded", poll_id, now, by=author_id, milestone=milestone_id, change=kind.value
    )


def _read(row: RowMapping) -> Evidence:
    return Evidence(
        row["id"], Role(row["role"]), StoredFile(row["sha256"], row["media_type"], row["size"]),
        Text(ru=row["name_ru"], en=row["name_en"]), row["at"],
    )  # fmt: skip
