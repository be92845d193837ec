"""What the database says: schema, role, clock, what it logs, whether it writes durably, worker, jobs, keys, seals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from polls.public_keys import listed_keys
from polls.sessions import ReadSession
from voting import migrations
from voting.auditing.entries import count_without_link
from voting.database_roles import missing_rights
from voting.doctor.findings import Finding, fail, ok, warn
from voting.excessive_rights import excessive_rights
from voting.key_files import PURPOSES
from voting.settings import Settings

OLDEST_SERVER: Final = 150_000
SKEW_WARN, SKEW_FAIL = timedelta(seconds=2), timedelta(seconds=30)
ROTATE_AFTER: Final = timedelta(days=366)
SILENT: Final = timedelta(seconds=90)
STUCK: Final = timedelta(minutes=15)
ALARMED: Final = timedelta(days=1)
SEAL_WITHIN: Final = timedelta(hours=1)
MOST_TOLD: Final = 6

SECRECY: Mapping[str, tuple[str, ...]] = {
    "log_statement": ("none",),
    "log_min_duration_statement": ("-1",),
    "log_min_duration_sample": ("-1",),
    "log_transaction_sample_rate": ("0",),
    "log_min_error_statement": ("panic",),
    "log_error_verbosity": ("terse",),
    "log_parameter_max_length": ("0",),
    "log_parameter_max_length_on_error": ("0",),
    "track_commit_timestamp": ("off",),
}
"""Settings of PostgreSQL under which its log and its files hold no statement, no value and no time of a vote."""

DURABLE: Mapping[str, tuple[str, ...]] = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_apply", "remote_write"),
    "autovacuum": ("on",),
}
"""Settings without which a receipt promises too much, or old rows stay."""


async def check_database(session: ReadSession, settings: Settings, now: datetime) -> AsyncIterator[Finding]:
    """Everything that can be asked in one session, as the role that serves."""
    version = int(await session.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    said = f"PostgreSQL {await session.scalar(text('SHOW server_version'))}"
    if version < OLDEST_SERVER:
        yield fail("server", said, "Use PostgreSQL 15 or newer.")
    else:
        yield ok("server", said)
    async for finding in _clock(session):
        yield finding
    yield await _server_settings(session, "log_secrecy", SECRECY, "See docs/operators.md#the-database.")
    yield await _server_settings(
        session, "durability", DURABLE, "Set them back: a receipt promises that the vote is kept."
    )
    applied = await session.scalar(text("SELECT version_num FROM alembic_version"))
    if applied not in {head.revision for head in migrations.heads()}:
        yield fail("schema", f"at {applied}, not this release's", "Run `veche migrate`.")
        return  # the rest asks tables that may not be there
    yield ok("schema", f"at {applied}, this release's")
    yield await _role(session, settings)
    yield await _worker(session, settings)
    yield await _jobs(session)
    yield await _key_age(session, now)
    yield await _seals(session)
    yield await _sign_ins(session, now)


async def _clock(session: ReadSession) -> AsyncIterator[Finding]:
    before = datetime.now(UTC)
    theirs: datetime | None = await session.scalar(text("SELECT clock_timestamp()"))
    after = datetime.now(UTC)
    assert theirs is not None
    skew = max(before - theirs, theirs - after, timedelta())
    said = f"the database's clock and this machine's differ by {skew.total_seconds():.1f} s"
    if skew > SKEW_FAIL:
        yield fail("clock", said, "Set both by NTP: the database's clock opens and closes polls.")
    elif skew > SKEW_WARN:
        yield warn("clock", said, "Look at NTP on both.")
    else:
        yield ok("clock", said)


async def _server_settings(
    session: ReadSession, check: str, wanted: Mapping[str, tuple[str, ...]], remedy: str
) -> Finding:
    rows = await session.execute(
        text("SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(:names)"), {"names": list(wanted)}
    )
    found = {name: value for name, value in rows if value not in wanted[name]}
    if found:
        told = ", ".join(f"{name} = {value}" for name, value in sorted(found.items()))
        return fail(check, told, f"{'; '.join(f'{name} = {wanted[name][0]}' for name in sorted(found))}. {remedy}")
    return ok(check, "as it should be")


async def _role(session: ReadSession, settings: Settings) -> Finding:
    excess, lacking = await excessive_rights(session), await missing_rights(session)
    who = await session.scalar(text("SELECT current_user"))
    if lacking:
        told = ", ".join(lacking[:MOST_TOLD])
        return fail("role", f"{who} lacks {told}", "Run `veche migrate` with VECHE_WEB_ROLE set.")
    if not excess:
        return ok("role", f"{who} may do what is listed and nothing else")
    told = ", ".join(excess[:MOST_TOLD]) + (f" and {len(excess) - MOST_TOLD} more" if len(excess) > MOST_TOLD else "")
    remedy = (
        "Make a role for the service and let `veche migrate` set its rights: docs/operators.md#roles-of-the-database."
    )
    return (warn if settings.demo else fail)("role", f"{who} may do more than it needs: {told}", remedy)


async def _worker(session: ReadSession, settings: Settings) -> Finding:
    seen: timedelta | None = await session.scalar(
        text("SELECT clock_timestamp() - max(last_heartbeat) FROM procrastinate_workers")
    )
    if seen is None or seen > SILENT:
        said = (
            "no worker has ever been here"
            if seen is None
            else f"none has been heard of for {int(seen.total_seconds())} s"
        )
        return (warn if settings.demo else fail)("worker", said, "Start `veche worker`: without it nothing is counted.")
    return ok("worker", f"heard of {int(seen.total_seconds())} s ago")


async def _jobs(session: ReadSession) -> Finding:
    failed, stuck = (
        await session.execute(
            text("SELECT count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'todo'"
                 " AND coalesce(scheduled_at, now() - interval '1 year') < now() - CAST(:stuck AS interval)"
                 " AND EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = procrastinate_jobs.id"
                 " AND e.type = 'deferred' AND e.at < now() - CAST(:stuck AS interval))) FROM procrastinate_jobs"),
            {"stuck": STUCK},
        )
    ).one()  # fmt: skip
    if failed or stuck:
        said = (
            f"{failed} failed for good, {stuck} have waited for longer than {int(STUCK.total_seconds() // 60)} minutes"
        )
        return warn("jobs", said, "Look for job_failed in the worker's log.")
    return ok("jobs", "none failed, none is stuck")


async def _key_age(session: ReadSession, now: datetime) -> Finding:
    in_use = {key.purpose: key for key in await listed_keys(session) if key.valid_to is None}
    missing = [purpose for purpose in PURPOSES if purpose not in in_use]
    if missing:
        return fail("keys", f"no key in use for: {', '.join(missing)}", "Run `veche migrate`.")
    old = [f"{key.purpose} {key.key_id}" for key in in_use.values() if now - key.valid_from > ROTATE_AFTER]
    if old:
        return warn(
            "keys", f"in use for longer than a year: {', '.join(old)}", "`veche keys rotate PURPOSE`, see docs/keys.md."
        )
    return ok("keys", f"{len(in_use)} in use, none older than a year")


async def _seals(session: ReadSession) -> Finding:
    clock: datetime | None = await session.scalar(text("SELECT now()"))
    assert clock is not None
    waiting = await count_without_link(session, clock - SEAL_WITHIN)
    if waiting:
        return warn("audit", f"{waiting} entries of the audit log are not sealed", "Is a worker running? See its log.")
    return ok("audit", "everything older than an hour is sealed; `veche audit verify` recomputes it")


async def _sign_ins(session: ReadSession, now: datetime) -> Finding:
    last: datetime | None = await session.scalar(
        text("SELECT max(at) FROM audit_event WHERE kind = 'sign_in_alarm' AND at > :since"), {"since": now - ALARMED}
    )
    if last is None:
        return ok("sign_ins", "no alarm within a day")
    return warn(
        "sign_ins", f"very many failed at {last:%Y-%m-%d %H:%M} UTC: passwords may be being tried in masses",
        "See docs/operators.md#stolen-passwords.",
    )  # fmt: skip
