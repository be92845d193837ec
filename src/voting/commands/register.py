"""`veche register`: load the city's register from a file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from polls.errors import BadFile, Refusal
from polls.register import territory_tree
from polls.register_import import BadRegister, ImportReport, import_register
from polls.register_sum import sum_up_register
from polls.sessions import Session
from voting.db import opened_database
from voting.demo_register import load_city, load_demo_register
from voting.secrets import identity_secrets
from voting.settings import Settings

PIECE = 1 << 20
Progress = Callable[[int], None]


@click.group()
def register() -> None:
    """Load the city's register of citizens."""


@register.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--snapshot", is_flag=True, help="The file is the whole register: entries it does not hold end now.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--register", "code", default="city", show_default=True, help="Code of the register.")
def import_file(file: Path, snapshot: bool, dry_run: bool, code: str) -> None:
    """Load FILE (CSV, UTF-8): all of it, or nothing when a row is bad."""
    try:
        with file.open("rb") as opened, _progress_bar(file.stat().st_size, opened) as progress:
            report = asyncio.run(
                _import(Settings.from_env(), opened, code=code, snapshot=snapshot, dry_run=dry_run, progress=progress)
            )
    except BadFile as refusal:
        for line in error_lines(refusal):
            click.echo(line, err=True)
        raise SystemExit(1) from None
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.detail} {refusal.next_step}") from None
    for line in report_lines(report, dry_run=dry_run):
        click.echo(line)


async def _import(
    settings: Settings, file: BinaryIO, *, code: str, snapshot: bool, dry_run: bool, progress: Progress
) -> ImportReport:
    async with opened_database(settings) as database:
        async with database.open_session() as session:
            report = await _import_in(session, settings, file, code=code, snapshot=snapshot, dry_run=dry_run,
                                      progress=progress)  # fmt: skip
        if not dry_run:  # now rather than at the worker's next round: officials count audiences right after an import
            async with database.open_session() as session:
                await sum_up_register(session, datetime.now(UTC))
    return report


async def _import_in(
    session: Session, settings: Settings, file: BinaryIO, *, code: str, snapshot: bool, dry_run: bool,
    progress: Progress,
) -> ImportReport:  # fmt: skip
    attempt = await session.begin_nested()
    if not (await territory_tree(session)).by_id:
        await load_city(session)
    report = await import_register(
        session,
        iter(partial(file.read, PIECE), b""),
        secrets=identity_secrets(settings),
        now=datetime.now(UTC),
        register_code=code,
        snapshot=snapshot,
        dry_run=dry_run,
        progress=progress,
        zone=settings.time_zone,
    )
    if dry_run:
        await attempt.rollback()  # the territories of a first run as well
    return report


async def load_demo(settings: Settings, citizens: int) -> ImportReport:
    """Load the city and a synthetic register of so many citizens, with a progress bar: for `veche demo`."""
    with _counting_bar(citizens) as progress:
        async with opened_database(settings) as database, database.open_session() as session:
            return await load_demo_register(
                session, citizens, secrets=identity_secrets(settings), now=datetime.now(UTC), progress=progress
            )


def report_lines(report: ImportReport, *, dry_run: bool) -> list[str]:
    """What an import did, for people."""
    lines = [
        f"{report.rows:,} rows" + (" (dry run: nothing was written)" if dry_run else ""),
        f"  added      {report.added:,}",
        f"  returned   {report.returned:,}",
        f"  changed    {report.changed:,}",
        f"  ended      {report.ended:,}",
        f"  unchanged  {report.unchanged:,}",
    ]
    if report.birth_dates_corrected or report.sexes_corrected:
        lines.append(f"  corrected  {report.birth_dates_corrected:,} birth dates, {report.sexes_corrected:,} sexes")
    return lines


def error_lines(refusal: BadFile) -> list[str]:
    """What is wrong with a file, a line each: ``line 17, district: unknown district «…»``."""
    if not isinstance(refusal, BadRegister):
        return [f"line {refusal.facts.get('line')}, {refusal.facts.get('field')}: {refusal.facts.get('reason')}"]
    lines = [
        f"line {error.line}, {error.field}: {error.reason}" if error.field else f"line {error.line}: {error.reason}"
        for error in refusal.errors
    ]
    if more := refusal.error_count - len(refusal.errors):
        lines.append(f"… and {more:,} more errors")
    return [*lines, f"{refusal.error_count:,} errors; nothing was taken"]


@contextmanager
def _progress_bar(size: int, file: BinaryIO) -> Iterator[Progress]:
    """A bar over the bytes of a file, on a terminal only."""
    with click.progressbar(length=size, label="reading", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def advance(_rows: int) -> None:
            bar.update(file.tell() - bar.pos)

        yield advance


@contextmanager
def _counting_bar(rows: int) -> Iterator[Progress]:
    with click.progressbar(length=rows, label="citizens", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def advance(done: int) -> None:
            bar.update(done - bar.pos)

        yield advance
