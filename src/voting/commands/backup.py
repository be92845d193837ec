"""`veche backup` and `veche restore`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from polls.audit import write_event
from polls.audit_chain import Fact
from voting import migrations
from voting.backups.making import make_backup
from voting.backups.manifest import NAME, Manifest, hash_file
from voting.backups.restoring import restore_backup
from voting.db import Database
from voting.settings import Settings

PASSPHRASE = click.option(
    "--keys-passphrase-file",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="A file whose first line is the passphrase of the keys. Never an option: options end up in shell histories.",
)
WITHOUT = click.option("--without-keys", is_flag=True, help="The keys are backed up elsewhere.")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@PASSPHRASE
@WITHOUT
def backup(directory: Path, keys_passphrase_file: Path | None, without_keys: bool) -> None:
    """Back up the database and the published files.

    DIRECTORY must not be there yet; it appears when it is whole. What it says about secrecy is in docs/backups.md: a
    copy with votes that are not counted must be gone within seven days.
    """
    settings = Settings.from_env().as_owner
    passphrase = _passphrase(keys_passphrase_file, without_keys)
    now = datetime.now(UTC)
    with migrations.settings_url(settings) as url:
        made = make_backup(settings, url, directory.absolute(), passphrase, now)
        asyncio.run(_tell(url, made, hash_file(directory / NAME), now))
    total = sum(size for _, size in made.files.values())
    click.echo(f"{directory}: {len(made.files)} files, {total:,} bytes, schema {made.state.revision}.")
    if not made.keys:
        click.echo(f"The KEYS ARE NOT IN IT. Without {settings.keys_dir} it cannot be put to use: back them up apart.")
    if made.destroy_by is not None:
        click.echo(f"It holds votes that are not counted yet: destroy it by {made.destroy_by:%Y-%m-%d %H:%M} UTC.")


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@PASSPHRASE
@WITHOUT
def restore(directory: Path, keys_passphrase_file: Path | None, without_keys: bool) -> None:
    """Put a backup back into an empty database.

    The data directory has to be empty too. Every file is checked first; the database is restored in one transaction
    and compared with what the backup says.
    """
    settings = Settings.from_env().as_owner
    passphrase = _passphrase(keys_passphrase_file, without_keys)
    with migrations.settings_url(settings) as url:
        put = restore_backup(settings, url, directory.absolute(), passphrase, datetime.now(UTC))
    click.echo(f"Restored as of {put.made_at:%Y-%m-%d %H:%M} UTC: {len(put.state.boards)} boards, registry log of")
    click.echo(f"{put.state.registry_size:,} entries, audit log of {put.state.audit_size:,}; all as the backup says.")
    if not put.keys or passphrase is None:
        click.echo(f"Put the keys into {settings.keys_dir} from their own backup.")
    click.echo("Next: `veche migrate`, `veche registry check`, `veche audit verify`, then start. Compare the newest")
    click.echo("signed checkpoint that anybody has seen with this one before anything is signed (docs/backups.md).")


def _passphrase(file: Path | None, without: bool) -> str | None:
    if (file is None) is not without:
        raise click.UsageError("Say what to do with the keys: --keys-passphrase-file FILE or --without-keys.")
    return None if file is None else file.read_text(encoding="utf-8").partition("\n")[0].strip()


async def _tell(url: str, made: Manifest, digest: str, now: datetime) -> None:
    facts: dict[str, Fact] = {
        "backup": digest, "files": len(made.files), "bytes": sum(size for _, size in made.files.values()),
        "keys": made.keys, "holds_links": made.holds_links,
    }  # fmt: skip
    database = Database.from_url(url)
    try:
        async with database.open_session() as session:
            await write_event(session, "backup_made", actor=None, subject="site", facts=facts, now=now)
    finally:
        await database.close()
