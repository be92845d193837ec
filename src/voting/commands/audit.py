"""`veche audit`: recompute the audit log's chain, from the database or from an exported file."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import uvloop

from voting.auditing.checking import MOST_TOLD, Checked, check_database, check_file
from voting.auditing.documentation import documented
from voting.auditing.published_seals import seals_in
from voting.db import opened_database
from voting.settings import Settings


@click.group()
def audit() -> None:
    """Check the log of who did what."""


@audit.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), help="Begin at the last seal before this day (UTC), trusting it."
)
@click.option(
    "--registry",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With FILE: a copy of the published registry log to compare the seals with.",
)
def verify(file: Path | None, since: datetime | None, registry: Path | None) -> None:
    """Recompute the chain and compare it with the digests in the signed registry log.

    Without FILE from the database; with FILE (JSON Lines, from the page /audit) without one. Ends with 0: whole; 1: not
    whole; 2: nothing wrong was found, but something could not be checked.
    """
    if file is None:
        if registry is not None:
            raise click.UsageError("--registry goes with a FILE; the database holds its own registry log.")
        checked = uvloop.run(_check(Settings.from_env(), since.replace(tzinfo=UTC) if since else None))
    else:
        if since is not None:
            raise click.UsageError("--since goes with the database, not with a FILE.")
        with file.open(encoding="utf-8", errors="replace") as lines:
            checked = check_file(lines, None if registry is None else seals_in(registry))
    _say(checked)
    sys.exit(checked.code)


async def _check(settings: Settings, since: datetime | None) -> Checked:
    async with opened_database(settings) as database, database.open_session() as session:
        return await check_database(session, datetime.now(UTC), since=since)


def _say(checked: Checked) -> None:
    click.echo(f"{checked.entries:,} entries recomputed, {checked.seals:,} seals compared, head {checked.head.hex()}")
    if checked.waiting:
        click.echo(f"{checked.waiting:,} entries are not sealed yet.")
    for title, told in (("The audit log is NOT whole:", checked.faults), ("Not checked:", checked.unchecked)):
        if told:
            shown: list[Any] = [f"  {one}" for one in told[:MOST_TOLD]]
            more = [f"  and {len(told) - MOST_TOLD:,} more"] if len(told) > MOST_TOLD else []
            click.echo("\n".join([title, *shown, *more]), err=True)
    if checked.code == 0:
        click.echo("The audit log is whole.")


@audit.command()
def kinds() -> None:
    """List every kind of event and its facts, as docs/audit.md does."""
    click.echo(documented())
