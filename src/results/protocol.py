"""Use cases of a result's protocol: drafted from the facts, prepared by one, certified by another, signed by a job.

Whoever prepares sees exactly what will be signed and is bound to it by its hash; so is whoever certifies, who has
neither drafted the poll nor prepared the protocol. If the facts have changed since, nothing is certified. A certified
protocol never changes: a correction is a new version with a public reason, again by two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from polls.board import Signer
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import note as signed_note
from polls.checkpoint import protocol_text
from polls.errors import FieldError, Invalid
from polls.journal import record_event
from polls.lifecycle import State
from polls.poll_lock import lock_alone
from polls.sessions import ReadSession, Session
from polls.tables import poll, poll_revision
from results.errors import NotSecondPerson, ProtocolChanged, ProtocolNotFound, ProtocolNotWaiting, ProtocolUnsigned
from results.protocol_document import (
    Person,
    canonical,
    certified_bytes,
    changed_sections,
    digest,
    facts_of,
    prepared_document,
)
from results.protocol_facts import protocol_facts
from results.protocol_tables import protocol

LONGEST_REASON = 1_000


@dataclass(frozen=True)
class Waiting:
    """A protocol that waits for its second person; `sha256` is of the bytes that person is bound to."""

    id: int
    version: int
    count_version: int
    reason: str
    data: bytes
    prepared_by: int
    prepared_at: datetime

    @property
    def sha256(self) -> str:
        """The hash a form carries."""
        return digest(self.data)

    @property
    def document(self) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = json.loads(self.data)
        return found


@dataclass(frozen=True)
class Certified:
    """A certified protocol. `note` and `key_id` are None until the job has signed it."""

    id: int
    version: int
    count_version: int
    reason: str
    data: bytes
    certified_at: datetime
    prepared_by: int
    certified_by: int
    note: str | None
    key_id: str | None

    @property
    def sha256(self) -> str:
        """What the registry log names it by."""
        return digest(self.data)

    @property
    def document(self) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = json.loads(self.data)
        return found


@dataclass(frozen=True)
class Draft:
    """What would be prepared now: the facts and their hash, the next version, what the last certified one said else."""

    facts: Mapping[str, Any]
    sha256: str
    version: int
    changed: tuple[str, ...] | None
    """Sections that differ from the newest certified protocol; None: there is none."""


async def draft_protocol(session: ReadSession, slug_or_id: str, now: datetime) -> Draft:
    """What a protocol of the newest count says now. Refuses what :func:`results.protocol_facts.protocol_facts` does."""
    found = await sealed_poll(session, slug_or_id)
    facts = await _facts(session, found, now)
    last = await _newest(session, found.id)
    changed = None if last is None else changed_sections(last.document, facts)
    return Draft(facts, digest(canonical(facts)), 1 if last is None else last.version + 1, changed)


async def prepare_protocol(
    session: Session, slug_or_id: str, person: Person, seen: str, reason: str, now: datetime
) -> Waiting:
    """Put the draft that was `seen` (its hash) down as what waits for a second person; one that waited is replaced.

    Refuses `ProtocolChanged` when the draft is another by now, `Invalid` for a correction without a public reason, and
    what the draft refuses.
    """
    found = await _alone(session, slug_or_id)
    last = await _newest(session, found.id)
    draft = await draft_protocol(session, found.public_id, now)
    if draft.sha256 != seen:
        raise ProtocolChanged(changed=[])
    reason = reason.strip() if last is not None else ""
    if last is not None and not 3 <= len(reason) <= LONGEST_REASON:
        raise Invalid([FieldError("reason", "needed", "Give a reason of 3 to 1,000 characters; it is public.")])
    if (before := await waiting_protocol(session, found.id)) is not None:
        await _withdraw(session, before, person.account_id, "prepared anew", now)
    data = canonical(
        prepared_document(
            draft.facts, version=draft.version, previous=None if last is None else last.data, reason=reason,
            person=person, now=now,
        )
    )  # fmt: skip
    await session.execute(
        insert(protocol).values(
            poll_id=found.id, version=draft.version, count_version=draft.facts["count"]["version"], reason=reason,
            prepared=data, prepared_by=person.account_id, prepared_at=now,
        )
    )  # fmt: skip
    await record_event(
        session, "protocol_prepared", found.id, now, by=person.account_id, version=draft.version, protocol=digest(data)
    )
    waiting = await waiting_protocol(session, found.id)
    assert waiting is not None
    return waiting


async def certify_protocol(session: Session, slug_or_id: str, person: Person, seen: str, now: datetime) -> Certified:
    """Stand up for the very object that was `seen` (its hash) as its second person; the poll becomes `certified`.

    A poll whose decision is recorded stays `decided`. Refuses `ProtocolNotWaiting` when that object does not wait (it
    was certified, taken back, or replaced), `NotSecondPerson` for whoever drafted the poll or prepared the protocol,
    and `ProtocolChanged` (facts: `changed`) when the result is no longer what was prepared. That the person may
    certify at all is for the caller to see: results know no accounts.
    """
    found = await _alone(session, slug_or_id)
    waiting = await waiting_protocol(session, found.id)
    if waiting is None or waiting.sha256 != seen:
        raise ProtocolNotWaiting(version=None if waiting is None else waiting.version)
    if (part := await part_taken(session, found.id, waiting, person.account_id)) is not None:
        raise NotSecondPerson(part=part)
    if changed := changed_sections(waiting.document, await _facts(session, found, now)):
        raise ProtocolChanged(changed=list(changed))
    data = certified_bytes(waiting.data, person, now)
    await session.execute(
        update(protocol)
        .where(protocol.c.id == waiting.id)
        .values(bytes=data, certified_by=person.account_id, certified_at=now)
    )
    await session.execute(
        update(poll)
        .where(poll.c.id == found.id, poll.c.state == State.COUNTED.value)
        .values(state=State.CERTIFIED.value, updated_at=now)
    )
    await record_event(
        session, "protocol_certified", found.id, now, by=person.account_id, version=waiting.version,
        count=waiting.count_version, protocol=digest(data), reason=waiting.reason,
    )  # fmt: skip
    return await certified_protocol(session, found, waiting.version)


async def withdraw_protocol(session: Session, slug_or_id: str, by: int, seen: str, note: str, now: datetime) -> None:
    """Take back, or send back, what waits; the note is for the office. Refuses `ProtocolNotWaiting` and `Invalid`."""
    found = await _alone(session, slug_or_id)
    waiting = await waiting_protocol(session, found.id)
    if waiting is None or waiting.sha256 != seen:
        raise ProtocolNotWaiting(version=None if waiting is None else waiting.version)
    if not 3 <= len(note.strip()) <= LONGEST_REASON:
        raise Invalid([FieldError("note", "needed", "Say what is wrong, in 3 to 1,000 characters.")])
    await _withdraw(session, waiting, by, note.strip(), now)
    await record_event(session, "protocol_withdrawn", found.id, now, by=by, version=waiting.version)


async def part_taken(session: ReadSession, poll_id: int, waiting: Waiting, account_id: int) -> str | None:
    """Why an account is no second person: it `prepared` the protocol or `drafted` the poll; None: it is one.

    Everybody who ever saved a revision drafted the poll, and so did whoever looks after it now.
    """
    if waiting.prepared_by == account_id:
        return "prepared"
    drafted = select(poll_revision.c.author_id).where(poll_revision.c.poll_id == poll_id)
    drafters = set(await session.scalars(drafted))
    drafters |= set(await session.scalars(select(poll.c.author_id).where(poll.c.id == poll_id)))
    return "drafted" if account_id in drafters else None


async def waiting_protocol(session: ReadSession, poll_id: int) -> Waiting | None:
    """What waits for a second person, or None."""
    row = (
        await session.execute(
            select(protocol).where(
                protocol.c.poll_id == poll_id, protocol.c.certified_at.is_(None), protocol.c.withdrawn_at.is_(None)
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return Waiting(
        row.id, row.version, row.count_version, row.reason, bytes(row.prepared), row.prepared_by, row.prepared_at
    )


@dataclass(frozen=True)
class Withdrawn:
    """One that was taken back: when, by whom and why."""

    version: int
    by: int
    at: datetime
    note: str


async def withdrawn_protocols(session: ReadSession, poll_id: int) -> Sequence[Withdrawn]:
    """Protocols that never came to be, the newest first."""
    rows = await session.execute(
        select(protocol)
        .where(protocol.c.poll_id == poll_id, protocol.c.withdrawn_at.is_not(None))
        .order_by(protocol.c.id.desc())
    )
    return [Withdrawn(row.version, row.withdrawn_by, row.withdrawn_at, row.withdrawn_note) for row in rows]


async def protocols_of(session: ReadSession, poll_id: int) -> list[Certified]:
    """Every certified protocol of a poll, the newest first."""
    rows = await session.execute(
        select(protocol)
        .where(protocol.c.poll_id == poll_id, protocol.c.certified_at.is_not(None))
        .order_by(protocol.c.version.desc())
    )
    return [_certified(row) for row in rows]


async def certified_protocol(session: ReadSession, found: SealedPoll, version: int | None = None) -> Certified:
    """The newest certified protocol, or one version of it. Refuses `ProtocolNotFound`."""
    known = [one for one in await protocols_of(session, found.id) if version in (None, one.version)]
    if not known:
        raise ProtocolNotFound(**({} if version is None else {"version": version}))
    return known[0]


def require_signed(one: Certified) -> tuple[str, str]:
    """The signed note and the id of its key. Refuses `ProtocolUnsigned`."""
    if one.note is None or one.key_id is None:
        raise ProtocolUnsigned(version=one.version)
    return one.note, one.key_id


# ---- the job


async def unsigned_protocols(session: ReadSession) -> list[int]:
    """Ids of protocols that are certified and not signed, the oldest first."""
    return list(
        await session.scalars(
            select(protocol.c.id)
            .where(protocol.c.certified_at.is_not(None), protocol.c.note.is_(None))
            .order_by(protocol.c.id)
        )
    )


async def sign_protocol(session: Session, protocol_id: int, signer: Signer, now: datetime) -> bool:
    """Sign a certified protocol with the key of protocols; False when it is signed already."""
    row = (await session.execute(select(protocol).where(protocol.c.id == protocol_id).with_for_update())).one_or_none()
    if row is None or row.bytes is None or row.note is not None:
        return False
    data = bytes(row.bytes)
    origin = json.loads(data)["origin"]
    await session.execute(
        update(protocol)
        .where(protocol.c.id == protocol_id)
        .values(
            note=signed_note(protocol_text(origin, row.version, data), origin, signer), key_id=signer.key_id,
            signed_at=now,
        )
    )  # fmt: skip
    return True


# ---- parts


async def _alone(session: Session, slug_or_id: str) -> SealedPoll:
    """The poll under its lock: counts, ties, decisions and protocols come one after the other."""
    found = await sealed_poll(session, slug_or_id)
    await lock_alone(session, found.id)
    return await sealed_poll(session, slug_or_id)


async def _facts(session: ReadSession, found: SealedPoll, now: datetime) -> dict[str, Any]:
    """The facts as they come out of `json.loads`: tuples are lists and large numbers text, as in what is stored."""
    said = (await protocol_facts(session, found, now)).said
    read: dict[str, Any] = json.loads(canonical(said))
    return facts_of(read)


async def _newest(session: ReadSession, poll_id: int) -> Certified | None:
    return next(iter(await protocols_of(session, poll_id)), None)


async def _withdraw(session: Session, waiting: Waiting, by: int, note: str, now: datetime) -> None:
    await session.execute(
        update(protocol)
        .where(protocol.c.id == waiting.id)
        .values(withdrawn_by=by, withdrawn_at=now, withdrawn_note=note)
    )


def _certified(row: Row[Any]) -> Certified:
    return Certified(
        row.id, row.version, row.count_version, row.reason, bytes(row.bytes), row.certified_at, row.prepared_by,
        row.certified_by, row.note, row.key_id,
    )  # fmt: skip
