"""What each role of the database may do: one list, from which `veche migrate` sets the rights and a test tries them.

Three roles. The owner makes and changes tables, and nothing that serves anybody signs in as the owner. The service's
role (web processes and the worker) reads and writes rows as far as the design lets them change; what it needs of tables
made and dropped goes through functions that run as the owner (`veche_create_intake` and its like). The role for reports
reads what is public anyway. Every table stands in RIGHTS; one that does not is closed to the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from polls.audit import write_event
from polls.sessions import ReadSession, Session

VERBS: Mapping[str, str] = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}

APPEND_ONLY: Final = (
    "asset", "audit_event", "audit_link", "ballot", "board_manifest", "board_tree", "citizen_group", "count_record",
    "cross_tab", "decision_change", "double_vote", "erratum", "figure_look", "invited", "invited_list", "live_step",
    "participation", "poll_revision", "profile", "publication", "refusal", "registry_checkpoint", "registry_event",
    "registry_leaf", "roll", "roll_amendment", "roll_style", "sealed_definition", "superseded", "tie_decision",
    "turnout_channel", "turnout_day", "turnout_stratum", "turnout_young", "unit_roll", "unit_roll_owner",
    "work_rating_given",
)  # fmt: skip
"""Tables in which the service adds rows and changes none."""

RIGHTS: Mapping[str, str] = {
    **dict.fromkeys(APPEND_ONLY, "SI"),
    "account": "SIUD",
    "account_erasure": "SID",
    "account_role": "SIUD",
    "alembic_version": "S",
    "api_token": "SIU",
    "approval": "SIU",
    "assisted_invitation": "SID",
    "audit_counter": "SIUD",
    "census_margin": "SID",
    "citizen": "SIU",
    "citizen_period": "SIUD",
    "city_map": "SIUD",
    "decision": "SIU",
    "demo_letter": "SID",
    "email_change": "SIUD",
    "erased_citizen": "SID",
    "evidence": "SIU",
    "export_job": "SIUD",
    "identity": "SIUD",
    "invitation": "SIUD",
    "lot_secret": "SIU",
    "mail_out": "SID",
    "mail_token": "SID",
    "margin_set": "SIUD",
    "merged_entry": "SIU",
    "milestone": "SIU",
    "named_ballot": "SIUD",
    "one_time_code": "SIUD",
    "operator_desk": "SIU",
    "passkey": "SIUD",
    "passkey_challenge": "SIUD",
    "poll": "SIUD",
    "poll_pause": "SIU",
    "pre_session": "SIUD",
    "procrastinate_events": "SIUD",
    "procrastinate_jobs": "SIUD",
    "procrastinate_periodic_defers": "SIUD",
    "procrastinate_workers": "SIUD",
    "protocol": "SIU",
    "public_key": "SIU",
    "recovery_code": "SIUD",
    "register_cell": "SID",
    "register_summary": "SI",
    "sign_on_case": "SIUD",
    "sign_on_link": "SID",
    "sign_on_trip": "SIUD",
    "step_up_challenge": "SIUD",
    "territory": "SIU",
    "text_answer": "SIUD",
    "throttle": "SIUD",
    "turnout_minute": "SIU",
    "turnout_shard": "SIU",
    "unit": "SIUD",
    "unit_owner": "SIUD",
    "web_session": "SIUD",
    "work_rating": "SIU",
}
"""What the service may do with each table: S select, I insert, U update, D delete. TRUNCATE and DDL: never.

Sealed columns of `poll`, `protocol` and others are held by triggers besides, which the owner alone can take off."""

REPORTS: Final = (
    "board_manifest", "board_tree", "census_margin", "citizen_group", "city_map", "decision", "decision_change",
    "erratum", "evidence", "margin_set", "milestone", "poll_pause", "public_key", "registry_checkpoint",
    "registry_leaf", "sealed_definition", "territory", "turnout_day",
)  # fmt: skip
"""What the role for reports may read: sealed and published facts. No person, no vote, no small cell."""

FUNCTIONS: Final = (
    "veche_create_intake(bigint)", "veche_drop_intake(bigint)", "veche_settle_turnout(bigint)",
    "veche_shuffle_texts(bigint)", "veche_lock_rolls()",
)  # fmt: skip
"""What runs as the owner for the service. An intake is dropped when every ballot of it is copied as it is, or its
cancellation is in the journal; the others make an intake, mix texts, sum counters and lock, and lose nothing."""

AS_OWNER: Final = ("veche_forget_summary()", "veche_end_tokens()")
"""Triggers that run as the owner: for nobody to put on a table of his own."""

VACUUMED: Final = ("text_answer", "named_ballot", "turnout_minute", "turnout_shard", "register_cell")
"""Tables the worker vacuums or analyses: rows written anew at the count lie in them until then."""

MAINTAIN_SINCE: Final = 170_000


@dataclass(frozen=True)
class MissingRole(Exception):
    """A role named in the settings is not there; the text says how to make it."""

    role: str

    def __str__(self) -> str:
        return (
            f"the database has no role {self.role}. Make it as an administrator of the database: "
            f"CREATE ROLE {self.role} LOGIN PASSWORD '…' NOSUPERUSER NOCREATEDB NOCREATEROLE; then run this again."
        )


async def apply_rights(session: Session, web_role: str | None, report_role: str | None, now: datetime) -> None:
    """Give the roles named exactly the rights listed, in one transaction; call it as the owner. Repeating it changes
    nothing. Raises MissingRole."""
    for role in filter(None, (web_role, report_role)):
        if not await session.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}):
            raise MissingRole(role)
    intakes = list(await session.scalars(text(r"SELECT relname FROM pg_class WHERE relname ~ '^intake_\d+$'")))
    version = int(await session.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    await session.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    # A database put back from a backup has forgotten it: backups hold no privileges.
    await session.execute(text(f"REVOKE ALL ON FUNCTION {', '.join((*FUNCTIONS, *AS_OWNER))} FROM PUBLIC"))
    if web_role is not None:
        for statement in web_statements(web_role, intakes, version):
            await session.execute(text(statement))
    if report_role is not None:
        for statement in report_statements(report_role):
            await session.execute(text(statement))
    if web_role or report_role:
        facts = {"web_role": web_role, "report_role": report_role}
        await write_event(session, "roles_applied", actor=None, subject="site", facts=facts, now=now)


def web_statements(role: str, intakes: list[str], version: int) -> Iterator[str]:
    """The statements that give the service's role its rights. Role names are checked by the settings."""
    yield from _nothing(role)
    yield f'GRANT USAGE ON SCHEMA public TO "{role}"'
    for table, letters in sorted(RIGHTS.items()):
        yield f'GRANT {", ".join(VERBS[letter] for letter in letters)} ON {table} TO "{role}"'
    for table in intakes:
        yield f'GRANT SELECT, INSERT ON {table} TO "{role}"'
    # What veche_create_intake makes later is the owner's; a table of a new release is narrowed by its `veche migrate`.
    yield f'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO "{role}"'
    yield f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "{role}"'
    yield f'GRANT EXECUTE ON FUNCTION {", ".join(FUNCTIONS)} TO "{role}"'
    for table in VACUUMED:
        if version >= MAINTAIN_SINCE:
            yield f'GRANT MAINTAIN ON {table} TO "{role}"'
        else:  # only owners may vacuum: let the server do it by itself, as soon as a row is dead
            yield f"ALTER TABLE {table} SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)"


def _nothing(role: str) -> Iterator[str]:
    """Take back what the owner can: of tables, their columns, sequences, functions, the schema, what is made later."""
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        yield f'REVOKE ALL ON ALL {kind} IN SCHEMA public FROM "{role}"'
        yield f'ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON {kind} FROM "{role}"'
    yield f'REVOKE ALL ON SCHEMA public FROM "{role}"'


def report_statements(role: str) -> Iterator[str]:
    """The statements that let the role for reports read what is public."""
    yield from _nothing(role)
    yield f'GRANT USAGE ON SCHEMA public TO "{role}"'
    yield f'GRANT SELECT ON {", ".join(REPORTS)} TO "{role}"'


async def missing_rights(session: ReadSession) -> list[str]:
    """What the service needs and the role this session signed in as lacks: `INSERT ballot`."""
    pairs = [(table, VERBS[letter]) for table, letters in sorted(RIGHTS.items()) for letter in letters]
    rows = await session.execute(
        text("SELECT t, v FROM unnest(CAST(:tables AS text[]), CAST(:verbs AS text[])) AS a(t, v)"
             " WHERE to_regclass(t) IS NOT NULL AND NOT has_table_privilege(to_regclass(t), v)"),
        {"tables": [table for table, _ in pairs], "verbs": [verb for _, verb in pairs]},
    )  # fmt: skip
    return [f"{verb} {table}" for table, verb in rows]
