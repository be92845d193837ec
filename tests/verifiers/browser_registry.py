"""A site's registry log for boards of `boards.Service`: what an honest one holds, as files, or one edited."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import rfc8785
from tests.verifiers import boards

Event = dict[str, Any]


def events_of(
    service: Any, versions: Iterable[dict[str, bytes]], retired: Iterable[tuple[str, str, str]] = ()
) -> list[Event]:
    """The events of one poll's life, keys first; `versions` are boards that were published, the older first."""
    poll, poll_hash = service.definition.poll_id, service.poll_hash.hex()
    keys = [("board", service.board_key), ("receipt", service.receipt_key), ("registry", boards.key("registry"))]
    found = [
        _event("key_added", "2026-01-01", key_id=boards.key_id(key), purpose=purpose,
               public=base64.b64encode(boards.raw(key)).decode())
        for purpose, key in keys
    ]  # fmt: skip
    about = {"poll": poll, "poll_hash": poll_hash}
    found.append(_event("poll_sealed", "2026-10-20", poll_hash=poll_hash, revision=1, reviewed=True) | about)
    drawn = any(question.rule.tie == "lot" for question in service.definition.questions)
    for party, one in sorted(service.lot().items()) if drawn else ():
        found.append(_event("lot_committed", "2026-10-25", party=party, commitment=one["commitment"]) | about)
    found.append(_event("poll_opened", "2026-11-01T09:00:01", opens_at="", closes_at="") | about)
    for files in versions:
        number = json.loads(files["manifest.json"])["version"]
        for version in range(1, number + 1):
            found.append(_published(files[f"manifest-{version}.json"]) | about)
    for key_id, purpose, at in retired:
        found.append(_event("key_retired", at, key_id=key_id, purpose=purpose, reason="planned"))
    return found


def _published(data: bytes) -> Event:
    said = json.loads(data)
    return _event(
        "board_published", said["counted_at"], version=said["version"], manifest=hashlib.sha256(data).hexdigest(),
        roots={str(q["id"]): q["root"] for q in said["questions"]},
        sizes={str(q["id"]): q["size"] for q in said["questions"]},
    )  # fmt: skip


def _event(kind: str, at: str, **body: Any) -> Event:
    full = at if "+" in at or at.endswith("Z") else f"{at}{'' if 'T' in at else 'T00:00:00'}+00:00"
    return {"v": 1, "kind": kind, "at": full, "poll": None, "poll_hash": None, "body": body}


def registry_of(
    service: Any,
    versions: Iterable[dict[str, bytes]],
    change: Callable[[list[Event]], Any] = lambda events: None,
    retired: Iterable[tuple[str, str, str]] = (),
    padding: int = 0,
) -> dict[str, bytes]:
    """The files below /registry/; `change` edits the events, `padding` puts so many of other polls before them."""
    events = events_of(service, versions, retired)
    change(events)
    events = [_event("poll_closed", "2026-01-01", opens_at="", closes_at=str(n)) for n in range(padding)] + events
    entries = [rfc8785.dumps(event | {"position": position}) for position, event in enumerate(events)]
    files, _ = boards.tree_files("", entries, f"{service.host}/registry", boards.key("registry"))
    listed = {"purpose": "registry", "public": base64.b64encode(boards.raw(boards.key("registry"))).decode()}
    return files | {"keys.json": json.dumps({"v": 1, "origin": service.host, "keys": [listed]}).encode()}
