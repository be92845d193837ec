"""Brings a database's schema to a revision: what `veche migrate`, the start of the service and the tests call.

Every revision is applied in a transaction of its own, so a failing one leaves nothing behind. An advisory lock lets two
processes migrate at once: one waits, then finds nothing to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import NullPool, create_engine

from voting import embedded
from voting.db import database_url_for
from voting.settings import Settings

LOCK = "alembic"
PROJECT = Path(__file__).resolve().parents[2]


def alembic_config(url: str | None = None) -> Config:
    """Build Alembic's configuration from pyproject.toml; `url` None: the service's own settings."""
    config = Config(toml_file=PROJECT / "pyproject.toml")
    if url is not None:
        config.attributes["url"] = url
    return config


class NewerSchema(Exception):
    """The database has the schema of a newer release, with a sentence for the operator that ends in what to do."""


def upgrade(target: Settings | str, revision: str = "head") -> None:
    """Apply every revision up to `revision`. `target` is the settings or a database address. Blocks."""
    with settings_url(target) as url:
        command.upgrade(alembic_config(url), revision)


def downgrade(target: Settings | str, revision: str) -> None:
    """Undo every revision above `revision` (`base`: all of them). For development and tests. Blocks."""
    with settings_url(target) as url:
        command.downgrade(alembic_config(url), revision)


def current(target: Settings | str) -> str | None:
    """Give the revision the database is at; None: it is empty."""
    with settings_url(target) as url:
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()


def pending(target: Settings | str) -> list[str]:
    """List the revisions not yet applied, oldest first; empty: the schema is this release's.

    Raises `NewerSchema` where another release has been at the database.
    """
    applied = current(target) or "base"
    scripts = ScriptDirectory.from_config(alembic_config())
    if applied != "base" and applied not in {script.revision for script in revisions()}:
        raise NewerSchema(
            f"the database is at revision {applied}, which this release does not know: a newer one has migrated it. "
            "Start that release, or restore a backup of before into an empty database for this one."
        )
    return [script.revision for script in reversed(list(scripts.iterate_revisions("heads", applied)))]


@contextmanager
def settings_url(target: Settings | str | None = None) -> Iterator[str]:
    """Give the address for the synchronous driver; with the embedded server, keep it running meanwhile."""
    if target is None:
        target = Settings.from_env()
    if isinstance(target, str):
        yield database_url_for(target, "postgresql+psycopg")
    elif target.database_url is not None:
        yield database_url_for(target.database_url, "postgresql+psycopg")
    else:
        server = embedded.start(target)
        try:
            yield server.url(driver="postgresql+psycopg")
        finally:
            server.stop()


def revisions() -> list[Script]:
    """Every revision this release knows."""
    return list(ScriptDirectory.from_config(alembic_config()).walk_revisions())


def heads() -> list[Script]:
    """The newest of them."""
    return [script for script in revisions() if script.is_head]
