"""Putting a backup back: into an empty database and directories, every hash checked first, roots compared last."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import psycopg

from polls.audit import write_event
from voting import migrations
from voting.backups.archives import unpack, unpack_keys
from voting.backups.making import AFTER, BEFORE, DUMP, KEYS, read_state
from voting.backups.manifest import NAME, Manifest, check_files, hash_file, read_manifest
from voting.backups.programs import BackupFault, find_program, run_program
from voting.database_roles import apply_rights
from voting.db import Database, database_url_for
from voting.settings import Settings


def restore_backup(settings: Settings, url: str, directory: Path, passphrase: str | None, now: datetime) -> Manifest:
    """Put a backup back into the empty database at `url` and the data directory of `settings`. Blocks.

    The database is restored in one transaction, so a failure leaves it empty. Raises BackupFault and MissingRole.
    """
    manifest = read_manifest(directory)
    check_files(directory, manifest)
    _refuse_unknown(manifest)
    if passphrase is not None and not manifest.keys:
        raise BackupFault(f"{directory} holds no keys: they were left out. Restore them from their own backup.")
    for name in (*BEFORE, *AFTER):
        _require_empty(settings.data_dir / name)
    if passphrase is not None:
        _require_empty(settings.keys_dir)
        unpack_keys(directory / KEYS, settings.keys_dir, passphrase)  # first: a wrong passphrase must not come late
    with psycopg.connect(database_url_for(url, "postgresql")) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        ).fetchone()
        server = connection.info.server_version // 10_000
    if found is None or found[0]:
        raise BackupFault("the database is not empty. Make a new one (createdb) and name it in VECHE_DATABASE_URL.")
    program = find_program("pg_restore", server, manifest.dumped_by)
    arguments = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]
    run_program(program, url, [*arguments, str(directory / DUMP)])
    for name in (*BEFORE, *AFTER):
        unpack(directory / f"{name}.tar", settings.data_dir / name)
    with psycopg.connect(database_url_for(url, "postgresql")) as connection:
        state = read_state(connection)
    if state != manifest.state:
        raise BackupFault("the restored database differs from what the backup says of itself; do not go on with it.")
    asyncio.run(_settle(settings, url, manifest, hash_file(directory / NAME), now))
    return manifest


def _refuse_unknown(manifest: Manifest) -> None:
    known = {script.revision for script in migrations.revisions()}
    if manifest.state.revision not in known:
        raise BackupFault(f"the backup was made by {manifest.software}, whose schema this release does not know.")


def _require_empty(directory: Path) -> None:
    if directory.is_dir() and any(not path.name.startswith(".") for path in directory.iterdir()):
        raise BackupFault(f"{directory} is not empty. Move it away: files are never mixed with those of a backup.")


async def _settle(settings: Settings, url: str, manifest: Manifest, digest: str, now: datetime) -> None:
    """Set the roles' rights and write down that this was restored."""
    database = Database.from_url(url)
    try:
        async with database.open_session() as session:
            if manifest.state.revision in {head.revision for head in migrations.heads()}:
                await apply_rights(session, settings.web_role, settings.report_role, now)
            facts = {"backup": digest, "made_at": manifest.made_at.isoformat(), "revision": manifest.state.revision}
            await write_event(session, "restored", actor=None, subject="site", facts=facts, now=now)
    finally:
        await database.close()
