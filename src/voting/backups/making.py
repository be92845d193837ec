"""Making a backup. Files that follow the database go first, then the database in one snapshot, then files it names:
put back, no file runs ahead of the database and none that it names is missing."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from voting.backups.archives import pack, pack_keys
from voting.backups.manifest import NAME, Manifest, State, hash_file
from voting.backups.programs import BackupFault, find_program, run_program
from voting.db import database_url_for
from voting.keys import software
from voting.settings import Settings

BEFORE: Final = ("registry", "board")
AFTER: Final = ("assets", "evidence")
"""Directories below the data directory: those that follow the database, and those that are named in it."""
DUMP: Final = "database.dump"
KEYS: Final = "keys.enc"
NOT_DUMPED: Final = (
    "web_session", "throttle", "pre_session", "passkey_challenge", "step_up_challenge", "sign_on_trip",
    "assisted_invitation", "mail_out", "mail_token", "demo_letter",
)  # fmt: skip
"""Rows that a restored service must not have: nobody is signed in by a backup, no link of a letter works again, and
none goes out twice."""
Connection = psycopg.Connection[Any]


def make_backup(settings: Settings, url: str, directory: Path, passphrase: str | None, now: datetime) -> Manifest:
    """Back up the database at `url`, the published files and, with a passphrase, the keys. Blocks.

    `directory` must not be there; it appears whole or not at all. Raises BackupFault.
    """
    if directory.exists():
        raise BackupFault(f"{directory} is there already. A backup is never written over: name a new directory.")
    draft = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)  # of a backup that was interrupted
    draft.mkdir(mode=0o700, parents=True)
    with psycopg.connect(database_url_for(url, "postgresql")) as connection:
        # The job that publishes the registry log holds the same lock, so its files stand still.
        connection.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended('veche keys', 0))")
        for name in BEFORE:
            pack(settings.data_dir / name, draft / f"{name}.tar")
    with psycopg.connect(database_url_for(url, "postgresql")) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        [snapshot] = _row(connection, "SELECT pg_export_snapshot()")
        server = connection.info.server_version // 10_000
        program = find_program("pg_dump", server)
        excluded = [f"--exclude-table-data={table}" for table in NOT_DUMPED]
        run_program(
            program, url,
            ["--format=custom", "--no-password", f"--snapshot={snapshot}", f"--file={draft / DUMP}", *excluded],
        )  # fmt: skip
        state, links = read_state(connection), holds_links(connection)
        origin = _row(connection, "SELECT max(body ->> 'origin') FROM registry_event WHERE kind = 'protocol_version'")[
            0
        ]
    for name in AFTER:
        pack(settings.data_dir / name, draft / f"{name}.tar")
    if passphrase is not None:
        pack_keys(settings.keys_dir, draft / KEYS, passphrase)
    files = {path.name: (hash_file(path), path.stat().st_size) for path in sorted(draft.iterdir())}
    manifest = Manifest(
        now,
        software(),
        server,
        program.major,
        origin or settings.log_origin,
        links,
        passphrase is not None,
        state,
        files,
    )
    _finish(draft, directory, manifest)
    return manifest


def _finish(draft: Path, directory: Path, manifest: Manifest) -> None:
    """Make every byte last, the manifest after all others, then give the directory its name."""
    for path in draft.iterdir():
        path.chmod(0o600)
        _sync(path)
    (draft / NAME).write_bytes(manifest.as_bytes())
    (draft / NAME).chmod(0o600)
    _sync(draft / NAME)
    _sync(draft)
    draft.rename(directory)
    _sync(directory.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _row(connection: Connection, query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


def read_state(connection: Connection) -> State:
    """What must be the same when it is put back."""
    boards = connection.execute(
        "SELECT p.public_id || '/' || t.question_id, encode(t.root, 'hex') FROM board_tree t"
        " JOIN poll p ON p.id = t.poll_id ORDER BY 1"
    ).fetchall()
    registry = connection.execute(
        "SELECT size, encode(root, 'hex') FROM registry_checkpoint ORDER BY size DESC LIMIT 1"
    ).fetchone()
    audit = connection.execute(
        "SELECT position + 1, encode(hash, 'hex') FROM audit_link ORDER BY position DESC LIMIT 1"
    ).fetchone()
    (size, root), (chained, head) = registry or (0, ""), audit or (0, "")
    [revision] = _row(connection, "SELECT version_num FROM alembic_version")
    [participations] = _row(connection, "SELECT count(*) FROM participation")
    return State(revision, dict(boards), size, root, chained, head, participations)


def holds_links(connection: Connection) -> bool:
    """Whether votes are in it that are not counted yet: with them stands what links them to people."""
    intakes = connection.execute(r"SELECT relname FROM pg_class WHERE relname ~ '^intake_\d+$'").fetchall()
    return any(
        connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(name))).fetchone()
        for (name,) in intakes
    )
