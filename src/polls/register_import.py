"""Loading a register file: streamed into a temporary table, compared and applied by set-based SQL.

The file is read once, in bounded memory. Either every row is right and all of it is taken, in the caller's transaction,
or nothing is: a bad row refuses the whole file. What a row means is decided by one query, which a dry run only counts
and a real run applies, so the two never differ.

Nothing of the register is deleted. A change closes the citizen's period and opens another; an entry that a full
snapshot no longer holds has its period closed. A new entry holds from its `registered_at`, but never from before the
opening of a poll that is not counted yet: who may vote in it stands as of that opening. Two imports at the very same
moment are the exception: a period that would have lasted no time at all is changed or removed in place.
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
from polls.file_matching import citizen_joins, report_rows
from polls.journal import record_event
from polls.register import group_ids, places_named
from polls.register_fields import Vocabulary
from polls.register_file import BadRegister, Errors, RegisterReader, RowError
from polls.roll_corrections import amend_rolls
from polls.sessions import ReadSession, Session
from polls.tables import citizen_group

__all__ = ["BadRegister", "ImportReport", "RowError", "import_register"]

MANY = 10_000


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or in a dry run would do.

    `rows` = `added` + `returned` + `changed` + `unchanged`. `returned` entries had ended and hold again; `changed` have
    other facts (a new period) or a corrected birth date or sex; `ended` are the entries a snapshot no longer holds.
    `birth_dates_corrected` and `sexes_corrected` count within the changed and the returned.
    """

    rows: int
    added: int
    returned: int
    changed: int
    unchanged: int
    ended: int
    birth_dates_corrected: int
    sexes_corrected: int


async def import_register(
    session: Session,
    source: Source,
    *,
    secrets: Mapping[int, bytes],
    now: datetime,
    register_code: str = "city",
    snapshot: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
    zone: str = "Europe/Moscow",
) -> ImportReport:
    """Load a register file and give the counts; the caller commits.

    `source` gives the file's bytes in pieces of any size; the format is in :mod:`polls.register_file`. Entries are
    found by the HMAC of the national id under any of `secrets` (version → secret) and get a key under the newest.
    `registered_at` holds for new entries alone (default `now`); days and times without a zone are in `zone`. Rolls
    already taken of polls not counted yet get an amendment where a correction changes them.
    `snapshot`: the file is the whole register `register_code`, so entries it does not hold end at `now`.
    `progress` is told the number of rows read so far.

    Refusals: BadRegister (every bad row, with line, field and reason), RegisterAhead.
    """
    errors = Errors()
    reader = RegisterReader(await _vocabulary(session), secrets, now, ZoneInfo(zone), errors)
    versions = sorted(secrets, reverse=True)
    await _create_file_table(session, versions)
    keys = ["key", *(f"key_{version:d}" for version in versions[1:])]
    await copy_file(session, reader, source, "register_file", lambda: ["line", *keys, *reader.copied_columns], progress)
    if not dry_run:
        # Whoever changes periods waits, so that what is compared is what is applied. Readers go on.
        await session.execute(text("LOCK TABLE citizen_period IN SHARE ROW EXCLUSIVE MODE"))
    bound = {"now": now, "register": register_code, "version": versions[0]}
    await _match(session, versions, with_buildings="building" in reader.copied_columns)
    await _check(session, errors, bound)
    report = await _count(session, reader.rows, snapshot, bound)
    if not dry_run:
        await _apply(session, report, bound)
        await record_event(
            session, "register_imported", None, now, register=register_code, snapshot=snapshot, **asdict(report)
        )
        if report.rows > report.unchanged or report.ended:
            corrected = bool(report.birth_dates_corrected or report.sexes_corrected)
            await amend_rolls(session, register_code, now, corrected=corrected)
    await session.execute(text("DROP TABLE pg_temp.register_file, pg_temp.register_match"))
    return report


async def _vocabulary(session: ReadSession) -> Vocabulary:
    districts = await places_named(session, "district")
    groups = await group_ids(session)
    for row in await session.execute(text(f"SELECT id, name_ru, name_en FROM {citizen_group.name}")):
        groups.setdefault(row.name_ru, row.id)
        groups.setdefault(row.name_en, row.id)
    return Vocabulary(districts, groups, await places_named(session, "building"))


# ---- reading


async def _create_file_table(session: Session, versions: list[int]) -> None:
    older = "".join(f", key_{version:d} bytea" for version in versions[1:])
    await session.execute(text("DROP TABLE IF EXISTS pg_temp.register_file, pg_temp.register_match"))
    await session.execute(
        text(
            "CREATE TEMPORARY TABLE register_file (line integer, birth_date date, sex text, district integer,"
            " level smallint, groups smallint[], registered_at timestamptz, building integer,"
            f" key bytea{older}) ON COMMIT DROP"
        )
    )
    # Sorting and hashing a million entries on disk would take most of the time.
    await session.execute(text("SELECT set_config('work_mem', '64MB', true)"))


# ---- comparing


async def _match(session: Session, versions: list[int], *, with_buildings: bool) -> None:
    """Give every row of the file its citizen and its verdict.

    A file without buildings leaves them as they are, but for those who have moved to another district.
    """
    building = "f.building" if with_buildings else "CASE WHEN p.district_id = f.district THEN p.building_id END"
    joins, citizen = citizen_joins(versions, "'national_id'")
    await session.execute(text("ANALYZE register_file"))
    await session.execute(
        text(
            "CREATE TEMPORARY TABLE register_match ON COMMIT DROP AS"
            " SELECT f.line, f.key, f.birth_date, f.sex, f.district AS district_id, f.level, f.groups, f.registered_at,"
            f" {building} AS building_id,"
            " c.id AS citizen_id, c.register_code, p.valid_from,"
            f" c.id IS NOT NULL AND i{versions[0]:d}.citizen_id IS NULL AS key_missing,"
            " c.id IS NOT NULL AND c.birth_date IS DISTINCT FROM f.birth_date AS other_birth_date,"
            " c.id IS NOT NULL AND c.sex IS DISTINCT FROM f.sex AS other_sex,"
            # An entry joined to another stands for nobody, however long the city's file goes on listing both.
            " CASE WHEN c.id IS NULL THEN 'added' WHEN e.citizen_id IS NOT NULL THEN 'same'"
            " WHEN p.citizen_id IS NULL THEN 'returned'"
            f" WHEN (p.district_id, p.building_id, p.level, p.groups)"
            f" IS DISTINCT FROM (f.district, {building}, f.level, f.groups) THEN 'moved'"
            " ELSE 'same' END AS verdict"
            f" FROM register_file f{joins} LEFT JOIN citizen c ON c.id = {citizen}"
            " LEFT JOIN merged_entry e ON e.citizen_id = c.id"
            " LEFT JOIN citizen_period p ON p.citizen_id = c.id AND p.valid_to IS NULL"
        )
    )
    await session.execute(text("ANALYZE register_match"))


REPEATED = """
    WITH repeated AS (
        SELECT {column}, min(line) AS first FROM register_match WHERE {column} IS NOT NULL
        GROUP BY {column} HAVING count(*) > 1
    )
    SELECT m.line, r.first, count(*) OVER () AS n FROM register_match m JOIN repeated r USING ({column})
    WHERE m.line <> r.first ORDER BY m.line LIMIT :kept
"""
ELSEWHERE = """
    SELECT m.line, count(*) OVER () AS n FROM register_match m JOIN territory t ON t.id = m.building_id
    WHERE t.parent_id IS DISTINCT FROM m.district_id ORDER BY m.line LIMIT :kept
"""
OF_OTHERS = """
    SELECT line, count(*) OVER () AS n FROM register_match WHERE register_code <> :register ORDER BY line LIMIT :kept
"""
AHEAD = """
    SELECT EXISTS (SELECT FROM citizen_period p JOIN citizen c ON c.id = p.citizen_id
                   WHERE c.register_code = :register AND (p.valid_from > :now OR p.valid_to > :now))
"""


async def _check(session: Session, errors: Errors, bound: Mapping[str, Any]) -> None:
    """Refuse a file with bad rows, with rows of another register, or older than the register itself."""
    for column in ("key", "citizen_id"):
        query = REPEATED.format(column=column)
        if await report_rows(session, errors, query, "national_id", "repeated", "the same person as in line {first}"):
            break  # the same key is the same citizen: do not report it twice
    await report_rows(
        session, errors, OF_OTHERS, "national_id", "other_register", "this person is in another register",
        _some(bound, "register"),
    )  # fmt: skip
    await report_rows(
        session, errors, ELSEWHERE, "building", "building_elsewhere", "the building lies in another district"
    )
    errors.refuse()
    if (await session.execute(text(AHEAD), _some(bound, "register", "now"))).scalar_one():
        raise RegisterAhead(register=bound["register"])


COUNTS = """
    SELECT count(*) FILTER (WHERE verdict = 'added') AS added,
           count(*) FILTER (WHERE verdict = 'returned') AS returned,
           count(*) FILTER (WHERE verdict = 'moved' OR verdict = 'same' AND (other_birth_date OR other_sex)) AS changed,
           count(*) FILTER (WHERE verdict = 'same' AND NOT (other_birth_date OR other_sex)) AS unchanged,
           count(*) FILTER (WHERE other_birth_date) AS birth_dates_corrected,
           count(*) FILTER (WHERE other_sex) AS sexes_corrected
    FROM register_match
"""
ABSENT = """
    c.id = p.citizen_id AND c.register_code = :register AND p.valid_to IS NULL
    AND NOT EXISTS (SELECT FROM register_match m WHERE m.citizen_id = c.id)
"""


async def _count(session: Session, rows: int, snapshot: bool, bound: Mapping[str, Any]) -> ImportReport:
    ended = 0
    if snapshot:
        absent = text(f"SELECT count(*) FROM citizen_period p, citizen c WHERE {ABSENT}")
        ended = (await session.execute(absent, _some(bound, "register"))).scalar_one()
    counts = (await session.execute(text(COUNTS))).one()
    return ImportReport(rows=rows, ended=ended, **counts._mapping)


# ---- applying

CLOSE = """
    UPDATE citizen_period p SET valid_to = :now FROM register_match m
    WHERE p.citizen_id = m.citizen_id AND p.valid_to IS NULL AND m.verdict = 'moved' AND p.valid_from < :now
"""
CHANGE_IN_PLACE = """
    UPDATE citizen_period p
    SET district_id = m.district_id, building_id = m.building_id, level = m.level, groups = m.groups
    FROM register_match m
    WHERE p.citizen_id = m.citizen_id AND p.valid_to IS NULL AND m.verdict = 'moved' AND p.valid_from = :now
"""
OPEN = """
    INSERT INTO citizen_period (citizen_id, valid_from, district_id, building_id, level, groups)
    SELECT citizen_id, :now, district_id, building_id, level, groups FROM register_match
    WHERE verdict = 'returned' OR verdict = 'moved' AND valid_from < :now
"""
CORRECT = """
    UPDATE citizen c SET birth_date = m.birth_date, sex = m.sex FROM register_match m
    WHERE c.id = m.citizen_id AND (m.other_birth_date OR m.other_sex)
"""
REKEY = """
    INSERT INTO identity (kind, key_version, key, citizen_id)
    SELECT 'national_id', :version, key, citizen_id FROM register_match WHERE key_missing
    ON CONFLICT DO NOTHING
"""
# A period that began before an opening would add somebody to a roll already taken, so such an entry begins now; its
# `registered_at` stays the fact it is. With no poll running nothing hangs on it, and periods may begin in the past.
# In the order of the keys: inserts into the key index then run along it, and ids tell nothing of the file's order.
ADD = """
    WITH numbered AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('citizen', 'id')) AS id, n.*
        FROM (SELECT * FROM register_match WHERE verdict = 'added' ORDER BY key) n
    ), people AS (
        INSERT INTO citizen (id, register_code, birth_date, sex, registered_at)
        SELECT id, :register, birth_date, sex, coalesce(registered_at, :now) FROM numbered
    ), keys AS (
        INSERT INTO identity (kind, key_version, key, citizen_id)
        SELECT 'national_id', :version, key, id FROM numbered
    )
    INSERT INTO citizen_period (citizen_id, valid_from, district_id, building_id, level, groups)
    SELECT id, CASE WHEN registered_at <= opened.latest THEN :now ELSE coalesce(registered_at, :now) END,
           district_id, building_id, level, groups
    FROM numbered, (SELECT max(opens_at) AS latest FROM poll WHERE state = 'scheduled' AND opens_at <= :now) opened
"""


async def _apply(session: Session, report: ImportReport, bound: Mapping[str, Any]) -> None:
    """Do what the verdicts say; steps with nothing to do are left out."""
    moved = report.changed or report.returned
    steps = (
        (
            report.ended,
            f"UPDATE citizen_period p SET valid_to = :now FROM citizen c WHERE {ABSENT} AND p.valid_from < :now",
        ),
        (report.ended, f"DELETE FROM citizen_period p USING citizen c WHERE {ABSENT}"),
        (moved, CLOSE),
        (moved, CHANGE_IN_PLACE),
        (moved, OPEN),
        (moved, CORRECT),
        (report.rows - report.added, REKEY),
        (report.added, ADD),
    )
    for due, statement in steps:
        if due:
            await session.execute(*_bind(statement, bound))
    if report.added >= MANY:
        await session.execute(text("ANALYZE citizen, citizen_period, identity"))


def _bind(statement: str, bound: Mapping[str, Any]) -> tuple[TextClause, dict[str, Any]]:
    return text(statement), {name: value for name, value in bound.items() if f":{name}" in statement}


def _some(bound: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: bound[name] for name in names}
