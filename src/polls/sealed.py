"""Reads: the exact bytes a poll was sealed with.

What is published and hashed are these bytes and never a document written anew: a later release may write the same
document with more fields, and its hash would differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from polls.definition import PUBLIC_ID
from polls.errors import PollNotFound
from polls.lifecycle import PUBLIC, State
from polls.sessions import ReadSession
from polls.tables import poll, sealed_definition


@dataclass(frozen=True)
class SealedBytes:
    """Canonical JSON as sealed, and its SHA-256."""

    data: bytes
    poll_hash: bytes


async def sealed_bytes(session: ReadSession, slug_or_id: str) -> SealedBytes:
    """The sealed bytes of a public poll. Refuses `PollNotFound` for drafts, as for what never was."""
    row = (
        await session.execute(
            select(poll.c.state, sealed_definition.c.bytes, sealed_definition.c.poll_hash)
            .join(sealed_definition, sealed_definition.c.poll_id == poll.c.id)
            .where(poll.c.public_id == slug_or_id if PUBLIC_ID.match(slug_or_id) else poll.c.slug == slug_or_id)
        )
    ).one_or_none()
    if row is None or State(row.state) not in PUBLIC:
        raise PollNotFound()
    return SealedBytes(row.bytes, row.poll_hash)
