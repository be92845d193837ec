"""`veche results`: what results pages stand on beside the count."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import click

from polls.definition import Text
from polls.errors import BadFile, Invalid
from results.margins import MarginSet, keep_margins, remove_margins
from voting.commands.register import error_lines
from voting.db import opened_database
from voting.settings import Settings

PIECE = 1 << 16


@click.group()
def results() -> None:
    """Keep what results pages stand on beside the count."""


@results.command("margins")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--set", "code", required=True, help="Code of the set; one with this code is replaced.")
@click.option("--name", required=True, help="Its name in Russian, as results pages show it.")
@click.option("--name-en", default="", help="Its name in English.")
@click.option("--source", required=True, help="Whose numbers they are; shown with them.")
@click.option("--as-of", required=True, help="The day the numbers are of, YYYY-MM-DD.")
def margins(file: Path, code: str, name: str, name_en: str, source: str, as_of: str) -> None:
    """Keep census margins out of FILE (CSV, UTF-8: dimension, value, number): all of them, or nothing."""
    try:
        day = date.fromisoformat(as_of)
    except ValueError:
        raise click.BadParameter("write YYYY-MM-DD", param_hint="--as-of") from None

    async def keep(settings: Settings) -> MarginSet:
        with file.open("rb") as opened:
            async with opened_database(settings) as database, database.open_session() as session:
                return await keep_margins(
                    session, iter(partial(opened.read, PIECE), b""), code=code, name=Text(ru=name, en=name_en),
                    source=source, as_of=day, now=datetime.now(UTC),
                )  # fmt: skip

    try:
        kept = asyncio.run(keep(Settings.from_env()))
    except BadFile as refusal:
        for line in error_lines(refusal):
            click.echo(line, err=True)
        raise SystemExit(1) from None
    except Invalid as refusal:
        raise click.ClickException(" ".join(error.message for error in refusal.errors)) from None
    click.echo(f"{kept.numbers:,} numbers kept as «{kept.code}», as of {kept.as_of}.")


@results.command("remove-margins")
@click.argument("code")
def forget(code: str) -> None:
    """Remove the set of census margins with this CODE."""

    async def remove(settings: Settings) -> None:
        async with opened_database(settings) as database, database.open_session() as session:
            await remove_margins(session, code, datetime.now(UTC))

    asyncio.run(remove(Settings.from_env()))
    click.echo(f"«{code}» is removed.")
