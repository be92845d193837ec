"""Recomputing the audit log's chain: from the database against the signed registry log, or from an exported file.

What each finding means: `faults` say that something was changed, taken out or put in; `unchecked` that something could
not be looked at, as long as it lasts. Nothing found and nothing unchecked is the only clean answer.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from polls.audit_chain import BEGINNING, link
from polls.audit_tables import audit_link
from polls.board_tables import registry_checkpoint, registry_leaf
from polls.public_keys import lock_keys
from polls.registry_check import check_registry
from polls.sessions import ReadSession, Session
from polls.tables import registry_event
from voting.auditing.entries import SEAL, entries_named, entries_without
from voting.auditing.sealing import is_waiting_long

PAGE = 5_000
MOST_TOLD = 50


@dataclass
class Checked:
    """What was recomputed: entries, seals compared, the last hash; and what is wrong or could not be looked at."""

    entries: int = 0
    seals: int = 0
    head: bytes = BEGINNING
    waiting: int = 0
    faults: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """The exit code: 0 whole, 1 not whole, 2 nothing wrong found but not everything could be checked."""
        return 1 if self.faults else 2 if self.unchecked else 0


@dataclass(frozen=True)
class Seal:
    """A head of the chain in the journal; `signed`: the registry log states the same under a signed checkpoint."""

    size: int
    head: bytes
    at: datetime
    signed: bool


async def check_database(session: Session, now: datetime, *, since: datetime | None = None) -> Checked:
    """Recompute the chain from the tables and compare every seal with the registry log, which is recomputed too.

    `since`: begin at the newest seal made before that moment, trusting it. Holds the registry's lock meanwhile.
    """
    await lock_keys(session)
    checked = Checked()
    log = await check_registry(session)
    checked.faults += [f"registry log: {fault}" for fault in log.faults]
    seals = await _seals(session, checked)
    start = next((seal for seal in reversed(seals) if since is not None and seal.at < since and seal.signed), None)
    size, checked.head = (0, BEGINNING) if start is None else (start.size, start.head)
    ahead = {seal.size: seal for seal in seals if seal.size > size}
    async for stored, stated in _links(session, size, checked):
        checked.head = link(checked.head, stated)
        if stored != checked.head:
            checked.faults.append(f"entry {size}: its stored hash is not that of what is in the tables")
            checked.head = stored  # so that one change is told once
        size += 1
        checked.entries += 1
        seal = ahead.pop(size, None)
        if seal is not None:
            checked.seals += 1
            if seal.head != checked.head:
                checked.faults.append(f"seal {size}: the registry log states another head")
    checked.faults += [f"seal {size}: the chain has no entry {size - 1}" for size in sorted(ahead)]
    await _look_at_what_waits(session, seals, size, now, checked)
    return checked


async def _seals(session: ReadSession, checked: Checked) -> list[Seal]:
    """The seals by size, each held against its entry in the registry log."""
    signed_until = await session.scalar(select(func.max(registry_checkpoint.c.size))) or 0
    rows = await session.execute(
        select(registry_event.c.at, registry_event.c.body, registry_leaf.c.entry, registry_leaf.c.position)
        .outerjoin_from(registry_event, registry_leaf, registry_leaf.c.event_id == registry_event.c.id)
        .where(registry_event.c.kind == SEAL)
        .order_by(registry_event.c.id)
    )
    seals = []
    for row in rows:
        said = row.body if row.entry is None else json.loads(row.entry)["body"]
        if said != row.body:
            checked.faults.append(f"seal {row.body['size']}: the journal says another thing than the registry log")
        signed = row.position is not None and row.position < signed_until
        seals.append(Seal(int(said["size"]), bytes.fromhex(said["head"]), row.at, signed))
    return sorted(seals, key=lambda seal: seal.size)


async def _links(session: ReadSession, first: int, checked: Checked) -> AsyncIterator[tuple[bytes, dict[str, Any]]]:
    """Stored hash and stated entry by position, from `first` on. Ends where the chain has a gap."""
    position = first
    while True:
        page = list(
            await session.execute(
                select(audit_link).where(audit_link.c.position >= position).order_by(audit_link.c.position).limit(PAGE)
            )
        )
        entries = await entries_named(session, [(row.source, row.source_id) for row in page])
        for row in page:
            if row.position != position:
                checked.faults.append(f"entry {position} is missing from the chain")
                return
            entry = entries.get((row.source, row.source_id))
            if entry is None:
                checked.faults.append(f"entry {position}: {row.source} {row.source_id} is not in its table any more")
            yield row.hash, {"missing": position} if entry is None else entry.as_json()
            position += 1
        if len(page) < PAGE:
            return


async def _look_at_what_waits(
    session: ReadSession, seals: Sequence[Seal], size: int, now: datetime, checked: Checked
) -> None:
    """Entries under no seal, and seals under no signature: fresh ones are in order."""
    sealed = seals[-1].size if seals else 0
    if size > sealed:
        checked.faults.append(f"{size - sealed} chained entries are under no seal")
    waiting = await entries_without(session, select(audit_link.c.source, audit_link.c.source_id), beyond={}, limit=PAGE)
    checked.waiting = len(waiting)
    late = [entry for entry in waiting if entry.kind != "text_reviewed" and is_waiting_long(entry.at, now)]
    if late:
        checked.unchecked.append(f"{len(late)} entries wait for longer than an hour: is a worker running?")
    unsigned = [seal for seal in seals if not seal.signed and is_waiting_long(seal.at, now)]
    if unsigned:
        checked.unchecked.append(f"{len(unsigned)} seals are not in the signed registry log yet")


def check_file(lines: Iterable[str], seals: Mapping[int, bytes] | None = None) -> Checked:
    """Recompute an export (JSON Lines): every line by its own hashes, neighbours by each other, heads by `seals`.

    `seals` are heads by size, out of a registry log the reader trusts; without them a forger could have made the whole
    file, which the result says. So does a file with gaps (one that was filtered) or with entries not sealed yet.
    """
    checked = Checked()
    before: int | None = None
    gaps = 0
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            stated = json.loads(text)
            position = stated.pop("position")
            previous, stored = stated.pop("previous"), stated.pop("hash")
        except (ValueError, KeyError, TypeError, AttributeError):
            checked.faults.append(f"line {number} is not an entry of an export")
            continue
        checked.entries += 1
        if position is None:
            checked.waiting += 1
            continue
        gaps += (before is not None and position != before + 1) or (before is None and position != 0)
        if before is not None and position == before + 1 and previous != checked.head.hex():
            checked.faults.append(f"line {number}: it does not follow the entry before it")
        before = position
        checked.head = _recomputed(stated, previous, stored, number, checked)
        if seals is not None and (head := seals.get(position + 1)) is not None:
            checked.seals += 1
            if head != checked.head:
                checked.faults.append(f"line {number}: the registry log states another hash here")
    _say_what_was_not_checked(checked, gaps, seals)
    return checked


def _recomputed(stated: dict[str, Any], previous: object, stored: object, number: int, checked: Checked) -> bytes:
    try:
        made = link(bytes.fromhex(str(previous)), stated)
    except (ValueError, TypeError):
        made = b""
    if made.hex() != stored:
        checked.faults.append(f"line {number}: its hash is not that of what it says")
    return made


def _say_what_was_not_checked(checked: Checked, gaps: int, seals: Mapping[int, bytes] | None) -> None:
    if not checked.entries:
        checked.unchecked.append("the file holds no entries")
    if gaps:
        checked.unchecked.append(f"the file has {gaps} gaps: entries left out cannot be told from entries taken out")
    if checked.waiting:
        checked.unchecked.append(f"{checked.waiting} entries were not sealed yet")
    if seals is None:
        checked.unchecked.append("no registry log was given to compare with (--registry)")
    elif not checked.seals:
        checked.unchecked.append("no seal of the registry log falls on an entry of the file")
