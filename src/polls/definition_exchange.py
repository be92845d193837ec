"""Use cases of officials: give a definition away as a file, and begin a draft from one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from polls.authoring import Draft, create_draft, default_slug
from polls.definition import PUBLIC_ID, Definition, canonical_bytes, read_definition
from polls.errors import PollNotFound
from polls.sessions import ReadSession, Session
from polls.tables import poll, poll_revision, sealed_definition


@dataclass(frozen=True)
class Exported:
    """A definition file: canonical bytes, and the short name of its poll."""

    slug: str
    data: bytes


@dataclass(frozen=True)
class Imported:
    """The draft a file became; `kept_id` is False where its id was taken and a new one was drawn."""

    draft: Draft
    kept_id: bool


async def export_definition(session: ReadSession, slug_or_id: str) -> Exported:
    """The file of a poll in any state: the sealed bytes, or the newest revision in canonical form."""
    row = (
        await session.execute(
            select(poll.c.slug, poll_revision.c.definition, sealed_definition.c.bytes)
            .join(poll_revision, poll_revision.c.poll_id == poll.c.id)
            .outerjoin(sealed_definition, sealed_definition.c.poll_id == poll.c.id)
            .where(poll.c.public_id == slug_or_id if PUBLIC_ID.match(slug_or_id) else poll.c.slug == slug_or_id)
            .order_by(poll_revision.c.number.desc())
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        raise PollNotFound()
    return Exported(row.slug, row.bytes or canonical_bytes(read_definition(row.definition)))


async def import_definition(
    session: Session, definition: Definition, new_id: str, author_id: int, now: datetime
) -> Imported:
    """A new draft from a definition read by :func:`polls.definition_file.read_file`.

    A poll that is here already is never written over: the draft gets `new_id` unless its own is free.
    """
    taken = await session.scalar(
        select(poll.c.id)
        .where(or_(poll.c.public_id == definition.poll_id, poll.c.slug == default_slug(definition.poll_id)))
        .limit(1)
    )
    if taken is not None:
        definition = definition.model_copy(update={"poll_id": new_id})
    return Imported(await create_draft(session, author_id, definition, now), kept_id=taken is None)
