"""Real PostgreSQL databases for tests.

`VECHE_TEST_DATABASE_URL` names a server (15 or later; a role that may create databases), otherwise an embedded one is
started: one for all test sessions on this machine, without fsync, in memory where there is room (`memory`). A migrated
template is made once per schema and kept there; each session copies it, which takes a few hundredths of a second.

Every session holds an advisory lock named after its databases, so another session can tell the leftovers of a crash,
whose lock is gone, from databases in use.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from tests.memory import ROOT, SERVER

from voting import embedded, migrations
from voting.db import database_url_for
from voting.embedded_home import prepare_home

PREFIX = "veche_test"


@contextmanager
def running_server() -> Iterator[str]:
    """Give the address of a server's `postgres` database for the length of a test session (libpq form)."""
    if given := os.environ.get("VECHE_TEST_DATABASE_URL"):
        yield database_url_for(given, "postgresql")
        return
    server = embedded.start_at(prepare_home(SERVER, ROOT), durable=False, max_connections=300)
    try:
        yield server.url("postgres", "postgresql")
    finally:
        server.stop()


class Databases:
    """The databases of one test process."""

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self._admin = psycopg.connect(server_url, autocommit=True)
        self._session = f"{PREFIX}_{secrets.token_hex(4)}"
        self._count = 0
        self._hold(self._session)
        self.template = self._ensure_template()

    def url(self, name: str) -> str:
        """Give the address of a database of the test server."""
        parts = psycopg.conninfo.conninfo_to_dict(self.server_url)
        base = self.server_url.split("?")[0].rpartition("/")[0]
        query = self.server_url.partition("?")[2]
        assert parts["dbname"]
        return database_url_for(f"{base}/{name}{'?' + query if query else ''}", "postgresql+asyncpg")

    def create(self, template: str | None = None) -> str:
        """Create a database (a copy of the migrated template unless another is named) and give its name."""
        self._count += 1
        name = f"{self._session}_{self._count}"
        # Copied as files: through the log, as is usual, a copy and its end take several times as long.
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template or self.template)
        return name

    def drop(self, name: str) -> None:
        """Drop a database, throwing out whoever is still connected."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def close(self) -> None:
        """Drop what this process created, and what crashed ones left."""
        for name in self._names(f"{self._session}\\_%"):
            self.drop(name)
        self.sweep()
        self._admin.close()

    def sweep(self) -> None:
        """Drop the databases of sessions that no longer live, and templates of schemas nobody uses now."""
        for name in self._names(f"{PREFIX}\\_%"):
            owner = name if name.startswith(f"{PREFIX}_template_") else "_".join(name.split("_")[:3])
            if owner in (self._session, self.template) or not self._try_lock(owner):
                continue
            self.drop(name)
            self._admin.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [owner])

    def _ensure_template(self) -> str:
        name = f"{PREFIX}_template_{schema_fingerprint()}"
        self._hold(name)
        self._admin.execute("SELECT pg_advisory_lock(hashtextextended(%s, 1))", [name])  # one session makes it
        try:
            if not self._names(name):
                draft = f"{self._session}_draft"
                self._execute("CREATE DATABASE {} TEMPLATE template0", draft)
                migrations.upgrade(self.url(draft))
                self._execute("ALTER DATABASE {} RENAME TO {}", draft, name)
        finally:
            self._admin.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 1))", [name])
        return name

    def _hold(self, owner: str) -> None:
        self._admin.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", [owner])

    def _try_lock(self, owner: str) -> bool:
        row = self._admin.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [owner]).fetchone()
        return row is not None and bool(row[0])

    def _names(self, pattern: str) -> list[str]:
        rows = self._admin.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern])
        return [name for (name,) in rows]

    def _execute(self, command: str, *names: str) -> None:
        self._admin.execute(sql.SQL(command).format(*map(sql.Identifier, names)))


def schema_fingerprint() -> str:
    """Name a schema by the migrations that make it."""
    digest = hashlib.sha256()
    for path in sorted((migrations.PROJECT / "alembic").rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
