"""`veche poll`: definitions of polls as files, both ways, and the schema of such files."""

from __future__ import annotations

import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from polls.definition import Definition
from polls.definition_exchange import Exported, Imported, export_definition, import_definition
from polls.definition_file import LARGEST, definition_schema, read_file
from polls.errors import FieldError, Invalid, Refusal
from voting.db import opened_database
from voting.identity.accounts import find_account, normal_login
from voting.identity.names import officials_named
from voting.problems import as_refusal
from voting.settings import Settings

NOBODY = 0  # the account of whoever sits at the server: none
MOST_TOLD = 30


@click.group()
def poll() -> None:
    """Give definitions of polls away as files, and take them in."""


@poll.command("export")
@click.argument("slug")
@click.option(
    "--out", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write here, not to stdout."
)
def export_poll(slug: str, out: Path | None) -> None:
    """Write the definition of the poll SLUG (its short name or 32-digit id), a draft or sealed, as canonical JSON."""
    found = uvloop.run(_export(Settings.from_env(), slug))
    if out is None:
        sys.stdout.buffer.write(found.data)
    else:
        out.write_bytes(found.data)
        click.echo(f"{out}: {len(found.data):,} bytes", err=True)


@poll.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--official", "login", help="The official who will look after the draft (their e-mail or phone).")
def import_poll(file: Path, login: str | None) -> None:
    """Begin a draft from FILE. No poll is written over: where the file's id is taken, the draft gets a new one."""
    if file.stat().st_size > LARGEST:
        raise click.ClickException(f"{file}: it is larger than {LARGEST // 1024} KiB.")
    try:
        definition = read_file(file.read_bytes())
    except (Refusal, ValueError) as error:
        raise click.ClickException(f"{file}: {_told(as_refusal(error))}") from None
    settings = Settings.from_env()
    made = uvloop.run(_import(settings, definition, login))
    click.echo(f"Draft {made.draft.slug} ({made.draft.public_id}){'' if made.kept_id else ', under a new id'}")
    click.echo(f"{settings.base_url}/officials/polls/{made.draft.public_id}/edit")


@poll.command()
def schema() -> None:
    """Print the JSON Schema of definition files."""
    click.echo(json.dumps(definition_schema(), ensure_ascii=False, indent=1))


async def _export(settings: Settings, slug: str) -> Exported:
    async with opened_database(settings) as database, database.open_read_session() as session:
        return await export_definition(session, slug)


async def _import(settings: Settings, definition: Definition, login: str | None) -> Imported:
    async with opened_database(settings) as database, database.open_session() as session:
        author = NOBODY
        if login is not None:
            author = await find_account(session, normal_login(login))
            if author not in await officials_named(session):
                raise Invalid([FieldError("official", "no_such_official", "Choose an official.")])
        return await import_definition(session, definition, secrets.token_hex(16), author, datetime.now(UTC))


def _told(refusal: Refusal) -> str:
    """A refusal in one line, or one a mistake with its path."""
    if isinstance(refusal, Invalid):
        shown = [f"  {error.path or '(document)'}: {error.message}" for error in refusal.errors[:MOST_TOLD]]
        more = len(refusal.errors) - len(shown)
        return "\n".join(["it is not a definition.", *shown, *([f"  and {more} more"] if more else [])])
    facts = refusal.facts
    where = f"line {facts['line']}, " if facts.get("line") else ""
    return f"{where}{facts.get('field')}: {facts.get('reason')}." if "reason" in facts else str(refusal)
