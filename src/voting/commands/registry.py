"""`veche registry`: recompute the registry log and compare it with everything that was signed and published."""

from __future__ import annotations

import click
import uvloop

from polls.public_keys import lock_keys
from polls.registry_check import Checked, check_registry
from voting.db import opened_database
from voting.registry_files import file_faults, registry_dir
from voting.setting_up import with_stored_origin
from voting.settings import Settings

MOST_TOLD = 50


@click.group()
def registry() -> None:
    """Check the public log of polls and keys."""


@registry.command()
def check() -> None:
    """Recompute the log from the database; compare it with its events, all signed checkpoints and the files.

    Ends with code 1 if anything differs. It reads only, and does not stop the site.
    """
    settings = Settings.from_env()
    checked, faults = uvloop.run(_check(settings))
    click.echo(f"{checked.entries:,} entries, root {checked.root.hex()}")
    click.echo(f"{checked.checkpoints:,} signed checkpoints; files in {registry_dir(settings)}")
    if checked.waiting:
        click.echo(f"{checked.waiting:,} events wait to be appended.")
    if faults:
        shown = [f"  {fault}" for fault in faults[:MOST_TOLD]]
        more = [f"  and {len(faults) - MOST_TOLD:,} more"] if len(faults) > MOST_TOLD else []
        raise click.ClickException("\n".join(["the registry log is NOT whole:", *shown, *more]))
    click.echo("The log is whole: every entry, checkpoint and file agrees.")


async def _check(settings: Settings) -> tuple[Checked, list[str]]:
    async with opened_database(settings) as database, database.open_session() as session:
        await lock_keys(session)  # nothing is appended and no file written until the check is done
        settings = await with_stored_origin(session, settings)
        checked = await check_registry(session)
        return checked, [*checked.faults, *await file_faults(session, settings)]
