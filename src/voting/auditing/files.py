"""The audit log as files: JSON Lines, which `veche audit verify` recomputes, and CSV for people. Pure."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Final

from voting.auditing.listing import Listed

COLUMNS: Final = ("position", "at", "kind", "actor", "subject", "facts", "source", "id", "previous", "hash")
RISKY: Final = ("=", "+", "-", "@", "\t", "\r")


def as_json_line(listed: Listed) -> bytes:
    """One entry as a line: what is hashed, its place, the hash before it and its own (hex; null: not sealed yet)."""
    sealed = listed.position is not None
    stated: dict[str, Any] = {
        "position": listed.position,
        **listed.entry.as_json(),
        "previous": listed.previous.hex() if sealed else None,
        "hash": listed.hash.hex() if listed.hash else None,
    }
    return json.dumps(stated, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def csv_head() -> bytes:
    """The first line of the CSV file, with the mark that spreadsheets look for."""
    return b"\xef\xbb\xbf" + _line(COLUMNS)


def as_csv_line(listed: Listed) -> bytes:
    """One entry as a line of CSV; the facts as JSON in one cell."""
    entry = listed.entry
    facts = json.dumps(dict(entry.facts), ensure_ascii=False)
    cells = (
        "" if listed.position is None else listed.position, entry.at.isoformat(), entry.kind,
        "" if entry.actor is None else entry.actor, entry.subject, facts, entry.source, entry.id,
        listed.previous.hex() if listed.position is not None else "", listed.hash.hex() if listed.hash else "",
    )  # fmt: skip
    return _line([f"'{cell}" if isinstance(cell, str) and cell.startswith(RISKY) else cell for cell in cells])


def _line(cells: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()
