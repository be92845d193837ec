"""`veche import`: take polls that were held elsewhere out of their open data files."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click
import uvloop

from polls.board import Signer
from polls.errors import BadFile
from polls.pabulib import Instance, count_file, parse
from polls.pabulib.instance import money_text
from polls.pabulib_import import ImportedBudget, import_budget
from voting.db import opened_database
from voting.keys import board_sealer
from voting.secrets import receipt_signer
from voting.setting_up import with_stored_origin
from voting.settings import Settings

NOBODY = 0  # the account of whoever sits at the server: none
NAME_WIDTH = 60
SHOWN = 10


@click.group("import")
def importing() -> None:
    """Take polls held elsewhere out of open data files."""


@importing.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--territory", help="Place the poll in this territory of the city (its code) instead of the file's own.")
def pabulib(file: Path, territory: str | None) -> None:
    """Import a participatory budget in Pabulib's .pb format: register its voters, cast its ballots, count them.

    All of it or nothing: an import that is interrupted leaves nothing behind. Afterwards the poll's outcome is shown
    beside what the city really funded.
    """
    content = file.read_bytes()
    try:
        instance = parse(content)
        count_file(instance)  # what a recount would refuse is refused before the database is touched
    except BadFile as refusal:
        raise click.ClickException(f"{file}: {_bad_file(refusal)}") from None
    settings = Settings.from_env()
    gc.freeze()  # a hundred thousand ballots would be looked through again and again
    with counting_bar(len(instance.ballots), "ballots") as progress:
        imported = uvloop.run(_import(settings, instance, content, territory, progress))
    click.echo("\n".join(map(_printable, report_lines(instance, imported))))
    click.echo(f"\nThe poll: {settings.base_url}/polls/{imported.slug}")
    if not imported.agrees:
        raise click.ClickException("The poll does not fund what the file's own recount funds; see the lines above.")


async def _import(
    settings: Settings, instance: Instance, content: bytes, territory: str | None, progress: Callable[[int], None]
) -> ImportedBudget:
    signer = cast(Signer, receipt_signer(settings))
    async with opened_database(settings) as database, database.open_session() as session:
        settings = await with_stored_origin(session, settings)
        return await import_budget(
            session, instance, content, signer=signer, sealer=board_sealer(settings), official_id=NOBODY,
            now=datetime.now(UTC),
            territory_code=territory, zone=settings.time_zone, progress=progress,
        )  # fmt: skip


def report_lines(instance: Instance, imported: ImportedBudget) -> Iterator[str]:
    """What was imported, what the poll funds and what the city funded, project by project, for people."""
    yield f"{imported.cast:,} ballots cast and counted by the rule {instance.rule}"
    if imported.refused:
        lines = ", ".join(f"{ballot.line} ({' '.join(ballot.codes)})" for ballot in imported.refused[:SHOWN])
        more = "" if len(imported.refused) <= SHOWN else " and more"
        yield f"{len(imported.refused):,} ballots were refused, in lines {lines}{more}"
    if not imported.bounds_kept:
        yield "Some ballots lie outside the bounds the file declares, so the poll has none."
    yield ""
    source = imported.count.source_selected
    city = None if source is None else set(source)
    ours, votes = set(imported.selected), imported.count.votes
    rows = [("project", "votes", "cost", "poll", "city", "name")]
    for project in sorted(instance.projects, key=lambda project: -votes[project.id]):
        if project.id in ours or (city is not None and project.id in city):
            theirs = "?" if city is None else "funds" if project.id in city else "-"
            poll = "funds" if project.id in ours else "-"
            cost = money_text(project.cost)
            rows.append((project.id, str(votes[project.id]), cost, poll, theirs, _cut(project.name)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        yield "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in range(1, 5)), row[5]]).rstrip()
    yield ""
    yield verdict(imported)


def verdict(imported: ImportedBudget) -> str:
    """One sentence on whether the poll funds what the city funded."""
    source = imported.count.source_selected
    if source is None:
        return f"The poll funds {len(imported.selected)} projects. The file does not say what the city funded."
    others = len(set(source) ^ set(imported.selected))
    if not others:
        return f"The poll funds {len(imported.selected)} projects, the same as the city did."
    return f"The poll funds {len(imported.selected)} projects, the city {len(source)}; they differ on {others}."


@contextmanager
def counting_bar(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """A bar that is told how many are done, on a terminal only."""
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def advance(done: int) -> None:
            bar.update(done - bar.pos)

        yield advance


def _bad_file(refusal: BadFile) -> str:
    line = refusal.facts.get("line")
    where = "" if line is None else f"line {line}, "
    return f"{where}{refusal.facts['field']}: {refusal.facts['reason']}. {refusal.next_step}"


def _cut(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= NAME_WIDTH else name[: NAME_WIDTH - 1] + "…"


def _printable(line: str) -> str:
    """The line without control characters: a name out of a file must not steer the reader's terminal."""
    return "".join(ch if ch.isprintable() else " " for ch in line)
