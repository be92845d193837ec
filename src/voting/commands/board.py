"""`veche board`: publish the board of a counted poll at once, or hold ballots and files against what was signed."""

from __future__ import annotations

import time

import click
import uvloop

from polls.catalogue import sealed_poll
from polls.errors import Refusal
from polls.sessions import ReadSession
from voting.board_files import boards_in
from voting.board_jobs import Progress, board_differences, publish_board
from voting.db import opened_database
from voting.setting_up import with_stored_origin
from voting.settings import Settings

LINE_EVERY = 0.5  # seconds between two states of the progress line


@click.group()
def board() -> None:
    """Publish and check the boards of counted polls."""


@board.command()
@click.argument("poll")
def build(poll: str) -> None:
    """Write the board of POLL (its short name or 32-digit id), as the service's worker does; repeating is harmless."""
    settings = Settings.from_env()
    began = time.perf_counter()
    if not uvloop.run(_build(settings, poll)):
        raise click.ClickException("Another process is building this board just now.")
    click.echo(f"\rPublished in {time.perf_counter() - began:.1f} s.{' ' * 60}")


@board.command()
@click.argument("poll")
def check(poll: str) -> None:
    """Make every tree of POLL again from the database; compare it with what was signed and with the files.

    Ends with code 1 if anything differs.
    """
    settings = Settings.from_env()
    public_id, found = uvloop.run(_check(settings, poll))
    if found:
        raise click.ClickException("\n".join(["the board is NOT what was signed:", *(f"  {one}" for one in found)]))
    click.echo(f"{boards_in(settings.data_dir) / public_id}: ballots, signatures and files agree.")


async def _build(settings: Settings, poll: str) -> bool:
    async with opened_database(settings) as database:
        async with database.open_read_session() as session:
            settings = await with_stored_origin(session, settings)
            public_id = await _public_id(session, poll)
        return await publish_board(database, settings, public_id, _progress_line())


async def _check(settings: Settings, poll: str) -> tuple[str, list[str]]:
    async with opened_database(settings) as database:
        async with database.open_read_session() as session:
            public_id = await _public_id(session, poll)
        found = await board_differences(database, settings, public_id, _progress_line())
        click.echo()
        return public_id, found


async def _public_id(session: ReadSession, poll: str) -> str:
    try:
        return (await sealed_poll(session, poll)).public_id
    except Refusal as refusal:
        raise click.ClickException(f"{poll}: {refusal.detail}") from None


def _progress_line() -> Progress:
    began = last = time.perf_counter()
    click.echo("The database puts the records in order; for millions that takes a while.", nl=False)

    def show(written: int, whole: int) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last >= LINE_EVERY:
            last = now
            pace = written / (now - began)
            left = (whole - written) / pace if pace else 0
            told = f"{written:,} of {whole:,} records, {pace:,.0f} a second, {left:.0f} s left"
            click.echo(f"\r{told:76}", nl=False)

    return show
