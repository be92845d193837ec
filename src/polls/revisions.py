"""Use cases of officials: read an earlier revision of a draft, compare two of them, restore one.

Restoring writes a new revision on top with the old document: nothing is lost, and the restoring can be undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from polls.authoring import Draft, save_draft
from polls.comparison import Change, compare
from polls.definition import Definition, read_definition
from polls.errors import PollNotFound, RevisionNotFound
from polls.sessions import ReadSession, Session
from polls.tables import poll, poll_revision


@dataclass(frozen=True)
class Revision:
    """One saved document of a draft; they are numbered from 1."""

    number: int
    definition: Definition
    saved_at: datetime
    saved_by: int


async def load_revision(session: ReadSession, public_id: str, number: int) -> Revision:
    """One revision. Refuses `PollNotFound` and `RevisionNotFound`."""
    poll_id = await session.scalar(select(poll.c.id).where(poll.c.public_id == public_id))
    if poll_id is None:
        raise PollNotFound()
    row = (
        await session.execute(
            select(poll_revision).where(poll_revision.c.poll_id == poll_id, poll_revision.c.number == number)
        )
    ).one_or_none()
    if row is None:
        raise RevisionNotFound(number=number)
    return Revision(row.number, read_definition(row.definition), row.saved_at, row.author_id)


async def compare_revisions(session: ReadSession, public_id: str, old: int, new: int) -> tuple[Change, ...]:
    """What changed from one revision to another, in either direction."""
    before = await load_revision(session, public_id, old)
    after = await load_revision(session, public_id, new)
    return compare(before.definition, after.definition)


async def restore_revision(
    session: Session, public_id: str, number: int, author_id: int, based_on: int, now: datetime
) -> Draft:
    """Save an earlier revision once more, on top of revision `based_on`.

    Refuses `RevisionNotFound`, and what `save_draft` refuses: `EditConflict`, `Sealed`.
    """
    found = await load_revision(session, public_id, number)
    return await save_draft(session, public_id, found.definition, author_id, based_on, now)
