"""`veche map`: give the city a map of its own, look at the one in use, or go back to tiles."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from polls.errors import FieldError, Invalid
from results.city_map import CityMap, read_map, remove_map, take_map
from results.maps import DrawnMap
from voting.db import opened_database
from voting.settings import Settings

MOST_TOLD = 20


@click.command(name="map")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--credit", default="", help="Whose data it is, as its licence asks: shown under every map.")
@click.option("--remove", is_flag=True, help="Go back to tiles.")
def city_map(file: Path | None, credit: str, remove: bool) -> None:
    """Draw the city's charts on a map of its own (GeoJSON).

    Each feature of FILE names a territory by its property `code`. Without FILE: say what map is in use.
    """
    if file is not None and remove:
        raise click.UsageError("Give a file or --remove, not both.")
    settings = Settings.from_env()
    if file is None:
        click.echo(uvloop.run(_remove(settings)) if remove else uvloop.run(_tell(settings)))
        return
    try:
        drawn = uvloop.run(_take(settings, file.read_bytes(), file.name, credit))
    except Invalid as refusal:
        told = [f"  {_sentence(error)}" for error in refusal.errors[:MOST_TOLD]]
        more = [f"  and {len(refusal.errors) - MOST_TOLD} more"] if len(refusal.errors) > MOST_TOLD else []
        raise click.ClickException("\n".join(["the map was not taken:", *told, *more])) from None
    for line in _report(drawn):
        click.echo(line)


def _sentence(error: FieldError) -> str:
    return f"{error.path}: {error.message.format_map(error.facts or {})}"


def _report(drawn: DrawnMap) -> list[str]:
    lines = [f"{len(one.shapes)} of kind {kind}" for kind, one in drawn.kinds.items()]
    lines.append(f"{drawn.vertices:,} positions read, {drawn.kept:,} drawn")
    lines += [f"not in the file: {', '.join(codes)}" for codes in drawn.missing.values() if codes]
    if drawn.loose:
        lines.append(f"borders that do not meet their neighbours': {', '.join(drawn.loose)}")
    if drawn.joined:
        lines.append("okrugs were put together out of their districts")
    return lines


async def _take(settings: Settings, data: bytes, name: str, credit: str) -> DrawnMap:
    async with opened_database(settings) as database, database.open_session() as session:
        return await take_map(session, data, file_name=name, credit=credit, account_id=None, now=datetime.now(UTC))


async def _tell(settings: Settings) -> str:
    async with opened_database(settings) as database, database.open_session() as session:
        return _in_use(await read_map(session))


def _in_use(found: CityMap | None) -> str:
    if found is None:
        return "There is no map: charts show territories as tiles."
    kinds = ", ".join(f"{len(one.shapes)} of kind {kind}" for kind, one in found.kinds.items())
    return f"{found.file_name}, {kinds}, uploaded {found.uploaded_at:%Y-%m-%d %H:%M %Z}. {found.credit}".rstrip()


async def _remove(settings: Settings) -> str:
    async with opened_database(settings) as database, database.open_session() as session:
        return "The map is removed." if await remove_map(session) else "There was no map."
