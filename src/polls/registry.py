"""The registry log: every public event of the deployment in one order, hashed, signed and never taken back.

An entry is RFC 8785 JSON with the facts of `journal.PUBLIC_FACTS` and nothing else. Entries get their positions in the
order of events' ids among those committed; one whose transaction ends late comes later, and none is lost. The tree is
RFC 6962, and each state that was appended has a signed checkpoint (C2SP tlog-checkpoint), stored for good. Before a
checkpoint is signed, the whole log is hashed anew and must hold the last signed root: a log that was altered stops.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import rfc8785
from sqlalchemy import Row, exists, func, insert, select, text

from polls.board import Signer
from polls.board_tables import board_tree, registry_checkpoint, registry_leaf
from polls.checkpoint import Checkpoint, sign_checkpoint
from polls.journal import HISTORY, PUBLIC_FACTS, record_event
from polls.public_keys import find_key, lock_keys
from polls.sessions import ReadSession, Session
from polls.tables import poll, registry_event
from polls.tlog import LONGEST_ENTRY, RootOf, hash_leaf

VERSION: Final = 1
FORMATS: Final = {"board": "veche/board/v1", "registry": "veche/registry/v1"}
"""What the files of this release look like; a change of either is an event of its own."""

AT_ONCE: Final = 10_000
LOOK_BACK: Final = 10_000
"""Ids before the newest entry in which a frequent look searches for events that were committed late."""


class RegistryFault(Exception):
    """The log cannot be signed as it stands; the text says what is wrong with it."""


@dataclass(frozen=True)
class Signed:
    """A signed state of the log: its size, its root (32 bytes), the signed note, the key's short name, the moment."""

    size: int
    root: bytes
    note: str
    key_id: str
    at: datetime


def registry_name(origin: str) -> str:
    """The origin line of the log's checkpoints and the name of its key."""
    return f"{origin}/registry"


def registry_entry(
    position: int, kind: str, at: datetime, poll_id: str | None, poll_hash: bytes | None, body: Mapping[str, Any]
) -> bytes:
    """The published bytes of one event: only its public facts, and their hash alone when they are too long."""
    facts = {name: body[name] for name in sorted(PUBLIC_FACTS[kind]) if name in body}
    stated: dict[str, Any] = {
        "v": VERSION,
        "position": position,
        "kind": kind,
        "at": at.isoformat(),
        "poll": poll_id,
        "poll_hash": None if poll_hash is None else poll_hash.hex(),
        "body": facts,
    }
    entry = rfc8785.dumps(stated)
    if len(entry) > LONGEST_ENTRY:
        stated["body"] = {"sha256": hashlib.sha256(rfc8785.dumps(facts)).hexdigest()}
        entry = rfc8785.dumps(stated)
    return entry


async def append_entries(
    session: Session, origin: str, signer: Signer, now: datetime, *, look_back: int | None = None
) -> int:
    """Append the public events that are not in the log yet, and sign the new state; gives how many there were.

    One at a time, by the lock of keys. `look_back` limits the search to so many ids before the newest entry; None
    looks at every event. Raises RegistryFault when the key is not listed as in use, and when the log does not hold what
    was signed last.
    """
    await lock_keys(session)
    known = await find_key(session, "registry", signer.key_id)
    if known is None or known.valid_to is not None:
        raise RegistryFault(f"The key {signer.key_id} is not listed as in use for the registry log.")
    events = await _missing_events(session, look_back)
    if not events:
        return 0
    last = await newest_checkpoint(session)
    tree = await _tree_as_signed(session, last)
    size = 0 if last is None else last.size
    rows = []
    for position, row in enumerate(events, start=size):
        entry = registry_entry(position, row.kind, row.at, row.public_id, row.poll_hash, row.body)
        tree.add(hash_leaf(entry))
        rows.append({"position": position, "event_id": row.id, "entry": entry})
    await session.execute(insert(registry_leaf), rows)
    state = Checkpoint(registry_name(origin), size + len(rows), tree.root())
    await session.execute(
        insert(registry_checkpoint).values(
            size=state.size, root=state.root, note=sign_checkpoint(state, signer), key_id=signer.key_id, at=now
        )
    )  # fmt: skip
    return len(rows)


async def _missing_events(session: ReadSession, look_back: int | None) -> list[Row[Any]]:
    query = (
        select(
            registry_event.c.id, registry_event.c.kind, registry_event.c.at, registry_event.c.body,
            poll.c.public_id, poll.c.poll_hash,
        )
        .outerjoin_from(registry_event, poll, poll.c.id == registry_event.c.poll_id)
        .where(
            registry_event.c.kind.in_(HISTORY),
            ~exists().where(registry_leaf.c.event_id == registry_event.c.id),
        )
        .order_by(registry_event.c.id)
        .limit(AT_ONCE)
    )  # fmt: skip
    if look_back is not None:
        newest = await session.scalar(select(func.max(registry_leaf.c.event_id)))
        query = query.where(registry_event.c.id > (newest or 0) - look_back)
    return list(await session.execute(query))


async def _tree_as_signed(session: ReadSession, last: Signed | None) -> RootOf:
    """The tree of the stored entries, once it is seen to be the one that was signed last."""
    tree = RootOf()
    size = 0
    rows = await session.execute(
        text("SELECT position, sha256('\\x00'::bytea || entry) FROM registry_leaf ORDER BY position")
    )
    for position, leaf in rows:
        if position != size:
            raise RegistryFault(f"Entry {size} of the registry log is missing. Restore the database from a backup.")
        tree.add(leaf)
        size += 1
    if size != (0 if last is None else last.size) or (last is not None and tree.root() != last.root):
        raise RegistryFault(
            "The registry log does not hold what was signed last. Nothing more is signed; run `veche registry check`."
        )
    return tree


async def record_protocol_version(session: Session, origin: str, software: str, now: datetime) -> bool:
    """Write down what the files of this deployment look like, when that has changed or was never said."""
    await lock_keys(session)
    facts = {**FORMATS, "origin": origin}
    said = await _protocol_version(session)
    if said is not None and {name: said.get(name) for name in facts} == facts:
        return False
    await record_event(session, "protocol_version", None, now, **facts, software=software)
    return True


# ---- reading


async def _protocol_version(session: ReadSession) -> Mapping[str, Any] | None:
    """What was said last of this deployment's files; None where nothing was."""
    said: Mapping[str, Any] | None = await session.scalar(
        select(registry_event.c.body)
        .where(registry_event.c.kind == "protocol_version")
        .order_by(registry_event.c.id.desc())
        .limit(1)
    )
    return said


async def stated_origin(session: ReadSession) -> str | None:
    """The name under which this deployment signs its boards and its log; None before it was set up."""
    said = await _protocol_version(session)
    return None if said is None else str(said["origin"])


async def is_anything_signed(session: ReadSession) -> bool:
    """Whether a board or a state of the log bears the origin already."""
    return bool(await session.scalar(select(exists(select(registry_checkpoint)) | exists(select(board_tree)))))


async def newest_checkpoint(session: ReadSession) -> Signed | None:
    """The signed state of now; None while the log is empty."""
    found = await session.execute(select(registry_checkpoint).order_by(registry_checkpoint.c.size.desc()).limit(1))
    row = found.one_or_none()
    return None if row is None else Signed(row.size, row.root, row.note, row.key_id, row.at)


async def signed_at(session: ReadSession, size: int) -> Signed | None:
    """The signed state of a size; None when there was none."""
    found = await session.execute(select(registry_checkpoint).where(registry_checkpoint.c.size == size))
    row = found.one_or_none()
    return None if row is None else Signed(row.size, row.root, row.note, row.key_id, row.at)


async def last_signed(session: ReadSession, key_id: str) -> Signed | None:
    """The last state a key has signed: what leads a holder of a retired key to the key after it."""
    found = await session.execute(
        select(registry_checkpoint)
        .where(registry_checkpoint.c.key_id == key_id)
        .order_by(registry_checkpoint.c.size.desc())
        .limit(1)
    )
    row = found.one_or_none()
    return None if row is None else Signed(row.size, row.root, row.note, row.key_id, row.at)


async def entries_between(session: ReadSession, first: int, until: int) -> list[bytes]:
    """Published entries by position, `until` excluded."""
    return list(
        await session.scalars(
            select(registry_leaf.c.entry)
            .where(registry_leaf.c.position >= first, registry_leaf.c.position < until)
            .order_by(registry_leaf.c.position)
        )
    )


@dataclass(frozen=True)
class Listed:
    """One entry as the page shows it: what is in the log, and the poll's address and titles of today."""

    position: int
    kind: str
    at: datetime
    body: Mapping[str, Any]
    slug: str | None
    title_ru: str
    title_en: str


async def latest_entries(session: ReadSession, before: int | None, limit: int) -> list[Listed]:
    """Entries from the newest down, or from the one before a position; without the seals of the audit log, which would
    be most of them."""
    query = (
        select(registry_leaf.c.position, registry_leaf.c.entry, poll.c.slug, poll.c.title_ru, poll.c.title_en)
        .join_from(registry_leaf, registry_event, registry_event.c.id == registry_leaf.c.event_id)
        .outerjoin(poll, poll.c.id == registry_event.c.poll_id)
        .where(registry_event.c.kind != "audit_sealed")
        .order_by(registry_leaf.c.position.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(registry_leaf.c.position < before)
    listed = []
    for row in await session.execute(query):
        said = json.loads(row.entry)
        listed.append(
            Listed(
                row.position, said["kind"], datetime.fromisoformat(said["at"]), said["body"],
                row.slug, row.title_ru or "", row.title_en or "",
            )
        )  # fmt: skip
    return listed
