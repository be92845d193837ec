"""Rows of an uploaded file held against the register: finding their citizens, and reporting the rows that are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from polls.file_lines import KEPT_ERRORS, Errors
from polls.sessions import ReadSession


def citizen_joins(versions: Sequence[int], kind: str) -> tuple[str, str]:
    """The joins that find the citizen of a row ``f`` by its identity keys, and the SQL of the citizen's id.

    `versions` of the secrets, the current one first: its key is in ``f.key``, the others' in ``f.key_<version>``.
    `kind` is the SQL of the kind of identity.
    """
    joins, found = "", []
    for version in versions:
        key = "f.key" if version == versions[0] else f"f.key_{version:d}"
        joins += (
            f" LEFT JOIN identity i{version:d} ON i{version:d}.kind = {kind}"
            f" AND i{version:d}.key_version = {version:d} AND i{version:d}.key = {key}"
        )
        found.append(f"i{version:d}.citizen_id")
    return joins, f"coalesce({', '.join(found)})"


async def report_rows(
    session: ReadSession, errors: Errors, query: str, field: str, code: str, reason: str,
    bound: Mapping[str, Any] | None = None,
) -> int:  # fmt: skip
    """Add the rows that a query finds to the errors; returns how many it found in all.

    The query gives `line`, `n` (how many in all) and what `reason` names in braces, and takes `:kept` as its limit.
    """
    rows = (await session.execute(text(query), {**(bound or {}), "kept": KEPT_ERRORS})).all()
    for row in rows:
        errors.add(row.line, field, code, reason.format(**row._mapping))
    found: int = rows[0].n if rows else 0
    errors.count += found - len(rows)
    return found
