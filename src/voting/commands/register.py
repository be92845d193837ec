"""`veche register`: load the city's register from a file."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from polls.definition import Text
from polls.errors import BadFile, Invalid, Refusal
from polls.invited import upload_list
from polls.register import TerritoryRow, load_buildings, read_buildings, territory_tree
from polls.register_import import BadRegister, ImportReport, import_register
from polls.register_sum import sum_up_register
from polls.sessions import Session
from polls.unit_import import UnitReport, import_units
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
    with (
        _refusals(),
        file.open("rb") as opened,
        _progress_bar(file.stat().st_size, opened) as progress,
    ):
        report = asyncio.run(
            _import(Settings.from_env(), opened, code=code, snapshot=snapshot, dry_run=dry_run, progress=progress)
        )
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


@register.command("buildings")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
def load_houses(file: Path) -> None:
    """Load buildings out of FILE (CSV, UTF-8: code, district, name_ru, name_en)."""

    async def load(settings: Settings, rows: list[TerritoryRow]) -> int:
        async with opened_database(settings) as database, database.open_session() as session:
            return await load_buildings(session, rows)

    with _refusals():
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                rows = read_buildings(lines)
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadFile(line=0, field="", reason=f"not a CSV file in UTF-8: {error}") from None
        click.echo(f"buildings: {asyncio.run(load(Settings.from_env(), rows)):,}")


@register.command("units")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--whole", is_flag=True, help="The file holds every flat of the buildings it names; others end now.")
@click.option("--skip-unknown", is_flag=True, help="Take flats of people the register does not know, without them.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def load_units(file: Path, whole: bool, skip_unknown: bool, dry_run: bool) -> None:
    """Load flats and their owners out of FILE (CSV, UTF-8): all of it, or nothing when a row is bad."""

    async def load(settings: Settings, opened: BinaryIO, progress: Progress) -> UnitReport:
        async with opened_database(settings) as database, database.open_session() as session:
            attempt = await session.begin_nested()
            report = await import_units(
                session,
                iter(partial(opened.read, PIECE), b""),
                secrets=identity_secrets(settings),
                now=datetime.now(UTC),
                whole=whole,
                skip_unknown=skip_unknown,
                progress=progress,
                zone=settings.time_zone,
            )
            if dry_run:
                await attempt.rollback()
            return report

    with _refusals(), file.open("rb") as opened, _progress_bar(file.stat().st_size, opened) as progress:
        report = asyncio.run(load(Settings.from_env(), opened, progress))
    for line in unit_report_lines(report, dry_run=dry_run):
        click.echo(line)


@register.command("invite")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--code", required=True, help="Code of the list: what a poll's audience names.")
@click.option("--title", required=True, help="What the list is called, in Russian.")
@click.option("--title-en", default="", help="The same in English.")
def load_list(file: Path, code: str, title: str, title_en: str) -> None:
    """Keep the residents in FILE (CSV, UTF-8: national_id or subject) as a list that polls can invite."""

    async def load(settings: Settings, opened: BinaryIO) -> int:
        async with opened_database(settings) as database, database.open_session() as session:
            uploaded = await upload_list(
                session,
                iter(partial(opened.read, PIECE), b""),
                code=code,
                title=Text(ru=title, en=title_en),
                secrets=identity_secrets(settings),
                account_id=0,
                now=datetime.now(UTC),
            )
            return uploaded.size

    with _refusals(), file.open("rb") as opened:
        click.echo(f"residents in the list «{code}»: {asyncio.run(load(Settings.from_env(), opened)):,}")


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


def unit_report_lines(report: UnitReport, *, dry_run: bool) -> list[str]:
    """What an import of flats did, for people."""
    lines = [
        f"{report.rows:,} rows, {report.units:,} flats" + (" (dry run: nothing was written)" if dry_run else ""),
        f"  added         {report.added:,}",
        f"  changed       {report.changed:,}",
        f"  ended         {report.ended:,}",
        f"  unchanged     {report.unchanged:,}",
        f"  shares begun  {report.shares_begun:,}",
        f"  shares ended  {report.shares_ended:,}",
    ]
    for number, words in (
        (report.unknown_owners, "owners left out whom the register does not know"),
        (report.without_owners, "flats without a known owner"),
        (report.odd_shares, "flats whose shares do not sum to one"),
    ):
        if number:
            lines.append(f"  look at: {words}: {number:,}")
    return lines


@contextmanager
def _refusals() -> Iterator[None]:
    """Say what is wrong with a file, a line each, and fail."""
    try:
        yield
    except BadFile as refusal:
        for line in error_lines(refusal):
            click.echo(line, err=True)
        raise SystemExit(1) from None
    except Invalid as refusal:
        raise click.ClickException(" ".join(error.message for error in refusal.errors)) from None
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.detail} {refusal.next_step}") from None


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
