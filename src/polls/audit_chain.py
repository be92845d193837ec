"""The chain over the audit log: the bytes of an entry, and the hash that ties it to the one before.

Nobody waits for the chain: events are written as they happen, in any order of commits, and a job puts those that are
not in it at its end. Each entry's hash covers the hash before it, so the last one speaks for all; it goes into the
registry log, where a signed checkpoint holds it. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import rfc8785

from polls.audit_kinds import JOURNAL, KINDS, LOOKS, Kind

BEGINNING: Final = bytes(32)
"""What the first entry is chained to."""
PURPOSE: Final = b"veche/audit/v1\x00"
VERSION: Final = 1

EVENT, POLLS, LOOK = "audit", "journal", "look"
SOURCES: Mapping[str, Mapping[str, Kind]] = {EVENT: KINDS, POLLS: JOURNAL, LOOK: LOOKS}
"""Where entries come from, with their kinds: the audit log's own events, the engine's journal, looks at figures."""

Fact = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: where it is written, when, who did what to what."""

    source: str
    id: int
    at: datetime
    kind: str
    actor: int | None
    subject: str
    facts: Mapping[str, Fact]

    @property
    def known(self) -> Kind | None:
        """Its kind; None for one of another release."""
        return SOURCES[self.source].get(self.kind)

    def as_json(self) -> dict[str, Any]:
        """What is hashed and exported; the moment in UTC."""
        return {
            "v": VERSION,
            "source": self.source,
            "id": self.id,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "actor": self.actor,
            "subject": self.subject,
            "facts": dict(self.facts),
        }


def stated_facts(source: str, kind: str, body: Mapping[str, Any]) -> dict[str, Fact]:
    """The facts of a stored row that the log states: those its kind names, as far as they are single values."""
    known = SOURCES[source].get(kind)
    fields = known.fields if known else frozenset()
    return {name: body[name] for name in sorted(fields) if name in body and isinstance(body[name], Fact)}


def link(before: bytes, stated: Mapping[str, Any]) -> bytes:
    """The hash of an entry (`Entry.as_json`) after the entry whose hash is `before`: 32 bytes."""
    return hashlib.sha256(PURPOSE + before + rfc8785.dumps(dict(stated))).digest()
