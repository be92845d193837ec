"""`veche rehearse`: play a poll through before it opens, with people made up, in a database thrown away afterwards."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import click
import psycopg
import uvloop

from polls.definition import Definition
from voting.db import opened_database
from voting.rehearsal.play import Plan, rehearse_poll
from voting.rehearsal.report import Report, lines
from voting.rehearsal.throwaway import throwaway_database
from voting.settings import Settings

SPARE = 4  # connections beside those that cast
STILL_EVERY = 5.0  # seconds of silence after which what is being done is said again


@click.command()
@click.argument("poll")
@click.option("--voters", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="Ballots to cast.")
@click.option("--turnout", type=click.IntRange(1, 100), default=60, show_default=True,
              help="Percent of those who may vote that they are.")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 64), default=16, show_default=True, help="Ballots cast side by side.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes up the same people.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def rehearse(poll: str, voters: int, turnout: int, at_once: int, seed: int, as_json: bool) -> None:
    """Play a poll through before it opens, with people made up.

    POLL is its short name or 32-digit id; it may be a draft or sealed. People, ballots and results go into a database
    made for this and dropped afterwards; of the real one only the definition, the territories and the groups are read.
    Ends with exit code 1 if anything was not as it should be. What is being done is told on standard error.
    """
    plan = Plan(voters, turnout, at_once, seed)
    try:
        report, definition = uvloop.run(_rehearse(Settings.from_env(), poll, plan))
    except psycopg.errors.InsufficientPrivilege:
        raise click.ClickException(
            "the database role may not create databases. Give it CREATEDB, or rehearse on a server of its own."
        ) from None
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
    else:
        click.echo(
            "\n".join("".join(ch if ch.isprintable() else " " for ch in line) for line in lines(report, definition))
        )
    if report.problems:
        sys.exit(1)


async def _rehearse(settings: Settings, poll: str, plan: Plan) -> tuple[Report, Definition]:
    told = Steps()
    told.tell("making a database for the rehearsal")
    reminding = asyncio.create_task(told.remind())
    try:
        async with (
            opened_database(settings) as real,
            real.open_read_session() as reading,
            throwaway_database(settings, plan.at_once + SPARE) as ours,
        ):
            done = await rehearse_poll(reading, ours, poll, plan, told.tell)
            told.tell("throwing the database away")
        return done
    finally:
        reminding.cancel()


class Steps:
    """Tells on standard error what is being done, so that a slow machine is not taken for a stuck one."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._step = ""

    def tell(self, step: str) -> None:
        """A line at once: seconds since the beginning, and the step."""
        self._step, self._told = step, time.monotonic()
        click.echo(f"{self._told - self._began:5.0f} s  {step}", err=True)

    async def remind(self) -> None:
        """Say the step again whenever nothing was told for some seconds; ends when it is cancelled."""
        while True:
            await asyncio.sleep(max(0.1, self._told + STILL_EVERY - time.monotonic()))
            if time.monotonic() - self._told >= STILL_EVERY:
                self.tell(self._step)
