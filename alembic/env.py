"""Runs the migrations: plain Alembic over psycopg, one transaction a revision, one process at a time.

The address comes from `config.attributes["url"]` (set by `voting.migrations`) or, for the `alembic` command, from the
service's own settings. There is no alembic.ini: its settings stand in pyproject.toml, where `get_main_option` does not
look.
"""

from typing import Any

from alembic import context
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import Connection

import polls.audit_tables
import polls.board_tables
import polls.cross_tables
import polls.person_tables
import polls.unit_tables
import results.protocol_tables
import results.tables
import voting.factor_tables
import voting.identity.city_sign_on.tables
import voting.tables
from polls.tables import metadata
from voting.migrations import LOCK, settings_url

assert {
    polls.board_tables.metadata, polls.person_tables.metadata, polls.unit_tables.metadata, results.tables.metadata,
    voting.identity.city_sign_on.tables.metadata, voting.tables.metadata,
} == {metadata}, "all tables share one metadata"  # fmt: skip

# Made and dropped by other means than migrations: the job queue's schema, each poll's intake, partitions.
UNMANAGED_PREFIXES = ("procrastinate_", "idx_procrastinate_", "intake_")


def include_object(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Say whether autogenerate and the comparison with the models look at an object."""
    if not reflected:
        return True
    table = name if kind == "table" else getattr(getattr(item, "table", None), "name", None)
    names = [n for n in (name, table) if n]
    return not any(n.startswith(UNMANAGED_PREFIXES) for n in names) and table not in partitions


partitions: set[str] = set()


def run(connection: Connection) -> None:
    """Take the lock, then migrate: a second process waits here and finds nothing left to do."""
    connection.execute(text("SET statement_timeout = '15min'"))
    connection.execute(text("SELECT pg_advisory_lock(hashtext(:lock))"), {"lock": LOCK})
    # Rather fail than queue behind a long transaction: while DDL waits for its lock, all traffic waits behind it.
    connection.execute(text("SET lock_timeout = '4s'"))
    partitions.update(connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition")))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=include_object,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=False,
    )
    try:
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(hashtext(:lock))"), {"lock": LOCK})
        connection.commit()


def run_online() -> None:
    """Migrate over a connection handed in by a test, or over one of our own."""
    given = context.config.attributes.get("connection")
    if isinstance(given, Connection):
        run(given)
        return
    with settings_url(context.config.attributes.get("url")) as url:
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            run(connection)


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    run_online()
