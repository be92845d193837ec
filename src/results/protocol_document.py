"""The protocol of a result as a document: who stands for it, its bytes, what changed, the file that leaves. Pure.

A protocol is RFC 8785 JSON. While it waits for its second person `certified` is null; certifying fills that in and
changes nothing else, so that what was read is what is signed. The file everybody takes is RFC 8785 JSON too::

    {"key": VKEY, "note": SIGNED NOTE, "protocol": {…}}

The note (C2SP signed-note, as on the board) says origin, version and the SHA-256 of the canonical bytes of
``protocol``. `key` is the verifier key it was signed with: enough to see that the file is whole, not whose it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785

from polls.board import exact

FORMAT: Final = "veche/protocol/v1"
PEOPLE: Final = ("prepared", "certified")
OF_VERSION: Final = (*PEOPLE, "version", "previous", "reason")
"""Members that are of the version and not of the result."""


@dataclass(frozen=True)
class Person:
    """Who prepares or certifies, as the protocol names them for good. `account_id` stays inside."""

    account_id: int
    name: str
    department: str
    role: str

    def as_json(self, at: datetime) -> dict[str, str]:
        """What the protocol says of them, with the moment."""
        return {"name": self.name, "department": self.department, "role": self.role, "at": moment(at)}


def moment(at: datetime) -> str:
    """A moment in UTC."""
    return at.astimezone(UTC).isoformat()


def canonical(document: Mapping[str, Any]) -> bytes:
    """RFC 8785 bytes; integers that readers of JSON would round travel as text."""
    return rfc8785.dumps(exact(document))


def digest(data: bytes) -> str:
    """SHA-256 in hex: what a form is bound to, and what the registry log names."""
    return hashlib.sha256(data).hexdigest()


def prepared_document(
    facts: Mapping[str, Any], *, version: int, previous: bytes | None, reason: str, person: Person, now: datetime
) -> dict[str, Any]:
    """The document that waits: the facts, which version it is and of what, and who prepared it."""
    return {
        **facts,
        "version": version,
        "previous": None if previous is None else digest(previous),
        "reason": reason,
        "prepared": person.as_json(now),
        "certified": None,
    }


def certified_bytes(prepared: bytes, person: Person, now: datetime) -> bytes:
    """What was prepared with its second person."""
    return rfc8785.dumps({**json.loads(prepared), "certified": person.as_json(now)})


def facts_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document without what belongs to its version."""
    return {key: value for key, value in document.items() if key not in OF_VERSION}


def changed_sections(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The members of the facts that differ, in alphabetical order; both as they come out of `json.loads`."""
    old, new = facts_of(before), facts_of(after)
    return tuple(sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key)))


def signed_file(protocol: bytes, note: str, key: str) -> bytes:
    """The file everybody takes."""
    return rfc8785.dumps({"key": key, "note": note, "protocol": json.loads(protocol)})
