"""The public halves of the keys that sign, with the time each was in use, and the events that tell of them.

Rows come and go in transactions that hold `lock_keys`, so a purpose has one key in use at most. Rows are never deleted:
what a retired key signed stays good.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text, update

from polls.board_tables import public_key
from polls.journal import record_event
from polls.sessions import ReadSession, Session


@dataclass(frozen=True)
class ListedKey:
    """One public key: its short name, what it signs, its 32 raw bytes and from when to when (None: in use)."""

    key_id: str
    purpose: str
    public: bytes
    valid_from: datetime
    valid_to: datetime | None

    def as_json(self) -> dict[str, Any]:
        """As manifests and key lists name it."""
        return {
            "key_id": self.key_id,
            "purpose": self.purpose,
            "public": base64.b64encode(self.public).decode("ascii"),
            "valid_from": self.valid_from.isoformat(),
            "valid_to": None if self.valid_to is None else self.valid_to.isoformat(),
        }


async def lock_keys(session: Session) -> None:
    """Keep other transactions from changing keys, or signing the registry log, until this one ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('veche keys', 0))"))


async def listed_keys(session: ReadSession, purpose: str | None = None) -> list[ListedKey]:
    """All keys ever listed, or those of one purpose: by purpose, then the older first."""
    query = select(public_key).order_by(public_key.c.purpose, public_key.c.valid_from, public_key.c.key_id)
    if purpose is not None:
        query = query.where(public_key.c.purpose == purpose)
    return [
        ListedKey(row.key_id, row.purpose, row.public, row.valid_from, row.valid_to)
        for row in await session.execute(query)
    ]


async def find_key(session: ReadSession, purpose: str, key_id: str) -> ListedKey | None:
    """A key by its short name, in use or retired."""
    return next((key for key in await listed_keys(session, purpose) if key.key_id == key_id), None)


async def keys_in_use(session: ReadSession) -> dict[str, ListedKey]:
    """The key of each purpose that has one in use."""
    return {key.purpose: key for key in await listed_keys(session) if key.valid_to is None}


async def add_key(session: Session, purpose: str, key_id: str, public: bytes, now: datetime) -> None:
    """List a key as in use from now on, for everybody to see. Call under `lock_keys`."""
    await session.execute(
        insert(public_key).values(key_id=key_id, purpose=purpose, public=public, valid_from=now, valid_to=None)
    )
    await record_event(
        session, "key_added", None, now, key_id=key_id, purpose=purpose, public=base64.b64encode(public).decode("ascii")
    )


async def retire_key(session: Session, purpose: str, key_id: str, now: datetime, reason: str) -> None:
    """Say that a key signs no more, and why: planned, lost or compromised. Call under `lock_keys`."""
    await session.execute(
        update(public_key)
        .where(public_key.c.purpose == purpose, public_key.c.key_id == key_id, public_key.c.valid_to.is_(None))
        .values(valid_to=now)
    )
    await record_event(session, "key_retired", None, now, key_id=key_id, purpose=purpose, reason=reason)
