"""Loading flats and their owners from a file: streamed into a temporary table, compared and applied by set-based SQL.

All of the file is taken, in the caller's transaction, or nothing: one bad row refuses it. For every flat it names, the
file holds all owners: who is not in it any more owns no longer, from `now` on. Loading the same file again changes
nothing. Flats that the file does not name stay as they are, unless it is `whole`: then flats of its buildings that it
leaves out have ended. Nothing is deleted; a flat with another area or kind ends and begins anew, so that the rolls of
polls stand as of their opening however late they are taken.

A flat that is new to the register holds from the `since` of its first owner, but never from before the opening of a
poll that is not counted yet. Two imports at the very same moment change what would have lasted no time in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import TextClause, text

from polls.errors import RegisterAhead
from polls.file_copy import Source, copy_file
from polls.file_lines import Errors
from polls.file_matching import citizen_joins, report_rows
from polls.journal import record_event
from polls.register import places_named
from polls.register_import import MANY
from polls.sessions import Session
from polls.unit_file import COPIED, UnitReader


@dataclass(frozen=True)
class UnitReport:
    """What an import of flats did. `units` = `added` + `changed` + `unchanged`; `ended` are flats no longer there.

    `shares_begun` and `shares_ended` count ownerships. `unknown_owners`: rows whose person the register does not know,
    taken as flats with an owner missing. `without_owners`: flats of the file no owner of which is known; `odd_shares`:
    flats whose shares do not sum to one. A poll of owners says so before it is scheduled.
    """

    rows: int
    units: int
    added: int
    changed: int
    unchanged: int
    ended: int
    shares_begun: int
    shares_ended: int
    unknown_owners: int
    without_owners: int
    odd_shares: int


async def import_units(
    session: Session,
    source: Source,
    *,
    secrets: Mapping[int, bytes],
    now: datetime,
    whole: bool = False,
    skip_unknown: bool = False,
    progress: Callable[[int], None] | None = None,
    zone: str = "Europe/Moscow",
) -> UnitReport:
    """Load a file of flats and owners; the caller commits. The format is in :mod:`polls.unit_file`.

    Owners are found by the HMAC of their identifier under any of `secrets` (version → secret). `whole`: the file holds
    every flat of the buildings it names. `skip_unknown`: rows naming somebody whom the register does not know are
    taken without that owner, and counted; otherwise they are errors.

    Refusals: BadRegister (every bad row, with line, field and reason), RegisterAhead.
    """
    errors = Errors()
    reader = UnitReader(await places_named(session, "building"), secrets, now, ZoneInfo(zone), errors)
    versions = sorted(secrets, reverse=True)
    older = [f"key_{version:d}" for version in versions[1:]]
    await _create_file_table(session, older)
    await copy_file(session, reader, source, "unit_file", lambda: [*COPIED, *older], progress)
    await session.execute(text("LOCK TABLE unit, unit_owner IN SHARE ROW EXCLUSIVE MODE"))
    await _match(session, versions)
    await _check(session, errors, now, skip_unknown=skip_unknown)
    report = await _apply(session, reader.rows, now, whole=whole)
    await record_event(session, "units_imported", None, now, whole=whole, **asdict(report))
    await session.execute(text("DROP TABLE pg_temp.unit_file, pg_temp.unit_match, pg_temp.unit_wanted"))
    return report


async def _create_file_table(session: Session, older: list[str]) -> None:
    await session.execute(text("DROP TABLE IF EXISTS pg_temp.unit_file, pg_temp.unit_match, pg_temp.unit_wanted"))
    await session.execute(
        text(
            "CREATE TEMPORARY TABLE unit_file (line integer, building integer, number text, kind text, area integer,"
            " numerator integer, denominator integer, since timestamptz, id_kind text, key bytea"
            + "".join(f", {key} bytea" for key in older)
            + ") ON COMMIT DROP"
        )
    )
    await session.execute(text("SELECT set_config('work_mem', '64MB', true)"))


async def _match(session: Session, versions: list[int]) -> None:
    """Give every row its citizen, and every flat of the file the one that stands in the register."""
    joins, citizen = citizen_joins(versions, "f.id_kind")
    await session.execute(text("ANALYZE unit_file"))
    await session.execute(
        text(
            "CREATE TEMPORARY TABLE unit_match ON COMMIT DROP AS"
            " SELECT f.line, f.building, f.number, f.kind, f.area, f.numerator, f.denominator, f.since, f.id_kind,"
            # Whom the register held twice owns by the entry that was kept, whichever number the file gives.
            f" coalesce(e.into_id, {citizen}) AS citizen_id FROM unit_file f{joins}"
            f" LEFT JOIN merged_entry e ON e.citizen_id = {citizen}"
        )
    )
    await session.execute(
        text(
            "CREATE TEMPORARY TABLE unit_wanted ON COMMIT DROP AS"
            " SELECT w.*, u.id AS old_id, u.id AS unit_id, u.valid_from AS old_from,"
            " CASE WHEN u.id IS NULL THEN 'added' WHEN (u.kind, u.area) <> (w.kind, w.area) THEN 'changed'"
            " ELSE 'same' END AS verdict,"
            " EXISTS (SELECT FROM unit o WHERE o.building_id = w.building AND o.number = w.number) AS known"
            " FROM (SELECT building, number, min(kind) AS kind, min(area) AS area, min(since) AS since"
            "         FROM unit_match GROUP BY building, number) w"
            " LEFT JOIN unit u ON u.building_id = w.building AND u.number = w.number AND u.valid_to IS NULL"
        )
    )
    await session.execute(text("ANALYZE unit_match"))
    await session.execute(text("ANALYZE unit_wanted"))


UNKNOWN = (
    "SELECT line, 0 AS first, count(*) OVER () AS n FROM unit_match WHERE id_kind IS NOT NULL AND citizen_id IS NULL"
)
DIFFERS = """
    SELECT m.line, f.first, count(*) OVER () AS n FROM unit_match m
    JOIN (SELECT building, number, min(line) AS first FROM unit_match GROUP BY 1, 2) f USING (building, number)
    JOIN unit_match o ON o.line = f.first WHERE (m.kind, m.area) <> (o.kind, o.area)
"""
REPEATED = """
    SELECT m.line, r.first, count(*) OVER () AS n FROM unit_match m
    JOIN (SELECT building, number, citizen_id, min(line) AS first FROM unit_match WHERE citizen_id IS NOT NULL
          GROUP BY 1, 2, 3 HAVING count(*) > 1) r USING (building, number, citizen_id)
    WHERE m.line <> r.first
"""
AHEAD = """
    SELECT EXISTS (SELECT FROM unit WHERE valid_from > :now OR valid_to > :now)
        OR EXISTS (SELECT FROM unit_owner WHERE valid_from > :now OR valid_to > :now)
"""


async def _check(session: Session, errors: Errors, now: datetime, *, skip_unknown: bool) -> None:
    """Refuse a file with rows that contradict each other or the register."""
    checks = [
        (DIFFERS, "area", "flat_differs", "another area or kind than in line {first}"),
        (REPEATED, "national_id", "repeated", "the same owner of the same flat as in line {first}"),
    ]
    if not skip_unknown:
        checks.append((UNKNOWN, "national_id", "unknown_person", "the register does not know this person"))
    for query, name, code, reason in checks:
        await report_rows(session, errors, f"{query} ORDER BY 1 LIMIT :kept", name, code, reason)
    errors.refuse()
    if await session.scalar(text(AHEAD), {"now": now}):
        raise RegisterAhead(register="units")


# ---- applying

GONE = """
    CREATE TEMPORARY TABLE unit_gone ON COMMIT DROP AS
    SELECT u.id, u.valid_from FROM unit u
    WHERE u.valid_to IS NULL AND (
        u.id IN (SELECT old_id FROM unit_wanted WHERE verdict = 'changed' AND old_from < :now)
        OR :whole AND u.building_id IN (SELECT building FROM unit_wanted)
           AND NOT EXISTS (SELECT FROM unit_wanted w WHERE w.old_id = u.id))
"""
STEPS = (
    "UPDATE unit_owner o SET valid_to = :now FROM unit_gone g"
    " WHERE o.unit_id = g.id AND o.valid_to IS NULL AND o.valid_from < :now",
    "DELETE FROM unit_owner o USING unit_gone g WHERE o.unit_id = g.id AND o.valid_to IS NULL",
    "UPDATE unit u SET valid_to = :now FROM unit_gone g WHERE u.id = g.id AND g.valid_from < :now",
    "DELETE FROM unit u USING unit_gone g WHERE u.id = g.id AND g.valid_from >= :now",
    "UPDATE unit u SET kind = w.kind, area = w.area FROM unit_wanted w"
    " WHERE u.id = w.old_id AND w.verdict = 'changed' AND w.old_from >= :now",
)
BEGIN = """
    WITH opened AS (
        SELECT max(opens_at) AS latest FROM poll WHERE state = 'scheduled' AND opens_at <= :now
    ), made AS (
        INSERT INTO unit (building_id, number, kind, area, valid_from)
        SELECT building, number, kind, area,
               CASE WHEN known OR since IS NULL OR since <= latest THEN :now ELSE since END
        FROM unit_wanted, opened WHERE verdict = 'added' OR verdict = 'changed' AND old_from < :now
        ORDER BY building, number
        RETURNING id, building_id, number
    )
    UPDATE unit_wanted w SET unit_id = made.id FROM made WHERE w.building = made.building_id AND w.number = made.number
"""
# The owners that the file wants, against those that stand: shares in lowest terms on both sides.
END_SHARES = """
    UPDATE unit_owner o SET valid_to = :now FROM unit_wanted w
    WHERE o.unit_id = w.unit_id AND o.valid_to IS NULL AND o.valid_from < :now AND NOT EXISTS (
        SELECT FROM unit_match m WHERE m.building = w.building AND m.number = w.number
        AND (m.citizen_id, m.numerator, m.denominator) = (o.citizen_id, o.share_numerator, o.share_denominator))
"""
REMOVE_SHARES = """
    DELETE FROM unit_owner o USING unit_wanted w
    WHERE o.unit_id = w.unit_id AND o.valid_to IS NULL AND o.valid_from >= :now AND NOT EXISTS (
        SELECT FROM unit_match m WHERE m.building = w.building AND m.number = w.number
        AND (m.citizen_id, m.numerator, m.denominator) = (o.citizen_id, o.share_numerator, o.share_denominator))
"""
BEGIN_SHARES = """
    WITH opened AS (
        SELECT max(opens_at) AS latest FROM poll WHERE state = 'scheduled' AND opens_at <= :now
    )
    INSERT INTO unit_owner (unit_id, citizen_id, valid_from, share_numerator, share_denominator)
    SELECT w.unit_id, m.citizen_id,
           CASE WHEN w.known OR m.since IS NULL OR m.since <= latest THEN :now ELSE m.since END,
           m.numerator, m.denominator
    FROM unit_match m JOIN unit_wanted w USING (building, number), opened
    WHERE m.citizen_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM unit_owner o
        WHERE o.unit_id = w.unit_id AND o.citizen_id = m.citizen_id AND o.valid_to IS NULL)
    ORDER BY w.unit_id, m.citizen_id
"""
COUNTS = """
    SELECT count(*) AS units, count(*) FILTER (WHERE verdict = 'added') AS added,
           count(*) FILTER (WHERE verdict = 'changed') AS changed,
           count(*) FILTER (WHERE s.whole IS NULL) AS without_owners,
           count(*) FILTER (WHERE abs(s.whole - 1) > 1e-12) AS odd_shares,
           (SELECT count(*) FROM unit_gone g WHERE NOT EXISTS (SELECT FROM unit_wanted o WHERE o.old_id = g.id))
               AS ended,
           (SELECT count(*) FROM unit_match WHERE id_kind IS NOT NULL AND citizen_id IS NULL) AS unknown_owners
    FROM unit_wanted w LEFT JOIN LATERAL (
        SELECT sum(share_numerator::numeric(60, 40) / share_denominator) AS whole FROM unit_owner o
        WHERE o.unit_id = w.unit_id AND o.valid_to IS NULL) s ON true
"""


async def _apply(session: Session, rows: int, now: datetime, *, whole: bool) -> UnitReport:
    await session.execute(text("DROP TABLE IF EXISTS pg_temp.unit_gone"))
    bound = {"now": now, "whole": whole}
    await session.execute(*_bind(GONE, bound))
    ended = sum([await _changed(session, statement, bound) for statement in STEPS][:2])
    await _changed(session, BEGIN, bound)
    await session.execute(text("ANALYZE unit_wanted"))
    ended += await _changed(session, END_SHARES, bound) + await _changed(session, REMOVE_SHARES, bound)
    begun = await _changed(session, BEGIN_SHARES, bound)
    if begun >= MANY:
        await session.execute(text("ANALYZE unit, unit_owner"))
    counts = (await session.execute(text(COUNTS))).one()
    await session.execute(text("DROP TABLE pg_temp.unit_gone"))
    return UnitReport(
        rows=rows, units=counts.units, added=counts.added, changed=counts.changed,
        unchanged=counts.units - counts.added - counts.changed, ended=counts.ended, shares_begun=begun,
        shares_ended=ended, unknown_owners=counts.unknown_owners, without_owners=counts.without_owners,
        odd_shares=counts.odd_shares,
    )  # fmt: skip


async def _changed(session: Session, statement: str, bound: Mapping[str, Any]) -> int:
    result: Any = await session.execute(*_bind(statement, bound))
    return int(result.rowcount)


def _bind(statement: str, bound: Mapping[str, Any]) -> tuple[TextClause, dict[str, Any]]:
    return text(statement), {name: value for name, value in bound.items() if f":{name}" in statement}
