"""Lists of invited residents: uploading one, and the lists there are. A list never changes once uploaded.

A poll names its list by code (the audience part `invited`), so its roll stays what it was however many lists follow.
The list holds citizens, not their identifiers: those only find the entries of the register.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, text

from polls.definition import Text
from polls.errors import FieldError, Invalid, ListExists
from polls.file_copy import Source, copy_file
from polls.file_lines import Errors
from polls.file_matching import citizen_joins, report_rows
from polls.invited_file import InvitedReader
from polls.journal import record_event
from polls.sessions import ReadSession, Session
from polls.unit_tables import invited_list

CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
MAX_TITLE = 500


@dataclass(frozen=True)
class InvitedList:
    """One list: its code, which polls name, its titles, how many residents it names, when it came."""

    code: str
    title_ru: str
    title_en: str
    size: int
    uploaded_at: datetime


async def upload_list(
    session: Session,
    source: Source,
    *,
    code: str,
    title: Text,
    secrets: Mapping[int, bytes],
    account_id: int,
    now: datetime,
) -> InvitedList:
    """Keep a list of residents out of a file (:mod:`polls.invited_file`): all of it, or nothing when a row is bad.

    `secrets`: version → secret of the identity keys. `account_id`: who uploads it, 0 for the command line.

    Refusals: Invalid (code or title), ListExists, BadRegister with every bad row (malformed, a person whom the register
    does not know, a person named twice).
    """
    errors = [
        *(() if CODE.match(code) else (FieldError("code", "bad_code", "Latin letters, digits, - and _; at most 64."),)),
        *(() if title.ru and max(len(title.ru), len(title.en)) <= MAX_TITLE
          else (FieldError("title/ru", "text_missing", "Give the list a title."),)),
    ]  # fmt: skip
    if errors:
        raise Invalid(errors)
    if await session.scalar(select(invited_list.c.id).where(invited_list.c.code == code)):
        raise ListExists(list=code)
    versions = sorted(secrets, reverse=True)
    size = await _read(session, source, secrets, versions)
    list_id = await session.scalar(
        insert(invited_list)
        .values(code=code, title_ru=title.ru, title_en=title.en, size=size, uploaded_by=account_id, uploaded_at=now)
        .returning(invited_list.c.id)
    )
    await session.execute(
        text(
            "INSERT INTO invited (list_id, citizen_id)"
            " SELECT CAST(:list AS integer), citizen_id FROM invited_match ORDER BY 2"
        ),
        {"list": list_id},
    )
    await session.execute(text("DROP TABLE pg_temp.invited_file, pg_temp.invited_match"))
    await record_event(session, "list_uploaded", None, now, list=code, size=size)
    return InvitedList(code, title.ru, title.en, size, now)


async def lists(session: ReadSession) -> tuple[InvitedList, ...]:
    """Every list, the newest first."""
    columns = [invited_list.c[name] for name in InvitedList.__dataclass_fields__]
    rows = await session.execute(select(*columns).order_by(invited_list.c.uploaded_at.desc(), invited_list.c.id.desc()))
    return tuple(InvitedList(*row) for row in rows)


async def _read(session: Session, source: Source, secrets: Mapping[int, bytes], versions: list[int]) -> int:
    """Read the file into `invited_match` (line, citizen); returns how many residents it names."""
    errors = Errors()
    reader = InvitedReader(secrets, errors)
    older = [f"key_{version:d}" for version in versions[1:]]
    await session.execute(text("DROP TABLE IF EXISTS pg_temp.invited_file, pg_temp.invited_match"))
    await session.execute(
        text(
            "CREATE TEMPORARY TABLE invited_file (line integer, id_kind text, key bytea"
            + "".join(f", {key} bytea" for key in older)
            + ") ON COMMIT DROP"
        )
    )
    await copy_file(session, reader, source, "invited_file", lambda: ["line", "id_kind", "key", *older])
    joins, citizen = citizen_joins(versions, "f.id_kind")
    await session.execute(text("ANALYZE invited_file"))
    await session.execute(
        text(
            "CREATE TEMPORARY TABLE invited_match ON COMMIT DROP AS"
            # Whom the register held twice is invited by the entry that was kept, whichever number the file gives.
            f" SELECT f.line, coalesce(e.into_id, {citizen}) AS citizen_id FROM invited_file f{joins}"
            f" LEFT JOIN merged_entry e ON e.citizen_id = {citizen}"
        )
    )
    for query, reason_code, reason in (
        (UNKNOWN, "unknown_person", "the register does not know this person"),
        (REPEATED, "repeated", "the same person as in line {first}"),
    ):
        await report_rows(session, errors, query, "national_id", reason_code, reason)
    errors.refuse()
    return reader.rows


UNKNOWN = """
    SELECT line, 0 AS first, count(*) OVER () AS n FROM invited_match WHERE citizen_id IS NULL
    ORDER BY line LIMIT :kept
"""
REPEATED = """
    SELECT m.line, r.first, count(*) OVER () AS n FROM invited_match m
    JOIN (SELECT citizen_id, min(line) AS first FROM invited_match WHERE citizen_id IS NOT NULL
          GROUP BY citizen_id HAVING count(*) > 1) r USING (citizen_id)
    WHERE m.line <> r.first ORDER BY m.line LIMIT :kept
"""
