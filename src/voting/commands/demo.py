"""`veche demo`: fill the demo with a living city."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime

import click
import uvloop

from voting.commands.serve import prepare_schema
from voting.db import opened_database
from voting.demo.city import Built, NotADemo, Standing, build_city, standing
from voting.demo.residents import NEWCOMER
from voting.identity.demo import DEMO_ACCOUNTS, PASSWORD
from voting.settings import Settings

CITIZENS = 10_000


@click.command()
@click.option(
    "--citizens",
    type=click.IntRange(0, 1_000_000),
    default=CITIZENS,
    show_default=True,
    help="Residents in the synthetic register.",
)
@click.option("--if-empty", is_flag=True, help="Do nothing when the database holds polls already.")
def demo(citizens: int, if_empty: bool) -> None:
    """Fill the demo with a living city: residents, accounts, polls of every kind, results and decisions.

    What is there already stays, so an interrupted run is simply repeated. Refuses outside demo mode.
    """
    settings = Settings.from_env()
    if not settings.demo:
        raise NotADemo
    began = time.monotonic()
    built = uvloop.run(_build(settings, citizens, if_empty))
    if built is None:
        click.echo("There are polls in the database already; nothing was added.")
        return
    click.echo(f"Made {built.polls} polls with {built.ballots:,} ballots in {time.monotonic() - began:.0f} s.")
    for line in account_lines():
        click.echo(line)


async def _build(settings: Settings, citizens: int, if_empty: bool) -> Built | None:
    async with opened_database(settings) as database:
        settings = await asyncio.to_thread(prepare_schema, settings)
        async with database.open_read_session() as reading:
            found = await standing(reading)
        if if_empty and found in (Standing.BUILT, Standing.OTHER):
            return None
        return await build_city(database, settings, citizens, datetime.now(UTC), _tell)


def _tell(line: str) -> None:
    click.echo(f"  {line}", file=sys.stderr)


def account_lines() -> list[str]:
    """The accounts anybody may try, for people."""
    listed = [(demo.login, demo.label) for demo in DEMO_ACCOUNTS]
    width = max(len(login) for login, _ in listed)
    born = NEWCOMER.entry(datetime.now(UTC), Settings.from_env().zone).split(",")[1]
    return [
        f"Accounts, all with the password «{PASSWORD}»:",
        *(f"  {login.ljust(width)}  {label}" for login, label in listed),
        f"To try signing up, or the operator's desk: number {NEWCOMER.national_id}, born {born}.",
    ]
