"""`veche keys`: which keys this deployment signs with, and putting a new one in place of another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import click
import uvloop

from polls.audit import write_event
from polls.errors import Refusal
from polls.public_keys import ListedKey, listed_keys
from polls.registry import append_entries
from voting.approvals.gate import spend_key_change
from voting.db import opened_database
from voting.key_files import PURPOSES, REGISTRY, BadKey, read_key
from voting.keys import Rotation, finish_rotation, record_new_key, retire_old_key
from voting.registry_files import key_line
from voting.setting_up import with_stored_origin
from voting.settings import Settings


@click.group()
def keys() -> None:
    """List and rotate the keys that sign."""


@keys.command("list")
def list_keys() -> None:
    """List every key: what it signs, when it was in use, and whether this machine holds the private half."""
    settings = Settings.from_env()
    for line in uvloop.run(_list(settings)):
        click.echo(line)


@keys.command()
@click.argument("purpose", type=click.Choice(PURPOSES))
@click.option(
    "--because",
    type=click.Choice(["planned", "lost", "compromised"]),
    default="planned",
    show_default=True,
    help="The public reason. `lost`: go on without the private half of the key in use.",
)
@click.option("--approval", type=int, help="The number of the request two administrators agreed on (page «Requests»).")
@click.confirmation_option(prompt="Retire the key in use and make a new one?")
def rotate(purpose: str, because: str, approval: int | None) -> None:
    """Make a new key for PURPOSE and retire the one in use. What the old one signed stays good.

    It takes two administrators: one asks on the page of requests, another agrees, and the request's number goes here.
    """
    settings = Settings.from_env()
    try:
        done = uvloop.run(rotate_purpose(settings, purpose, because, approval))
    except Refusal as refusal:
        where = f"{settings.base_url}/officials/approvals"
        raise click.ClickException(f"{refusal.detail} {refusal.next_step} {where}") from None
    click.echo(f"The {purpose} key is now {done.new.key_id}{'' if done.old is None else f', before {done.old}'}.")
    click.echo(f"Back up {settings.keys_dir}, give the new file to the machines that need it, and restart them.")
    if purpose == "receipt":
        click.echo("Until web processes are restarted they sign with the old key; those receipts stay good.")


async def rotate_purpose(settings: Settings, purpose: str, because: str, approval: int | None = None) -> Rotation:
    """Rotate in one transaction, which spends the consent of two administrators; then bring the files after it.

    The registry log's old key signs the entry that names the new one before it retires, so that whoever trusts the old
    key is led to the new one; a lost key can do that no more, and one in strange hands must not.
    """
    now = datetime.now(UTC)
    async with opened_database(settings) as database:
        async with database.open_session() as session:
            settings = await with_stored_origin(session, settings)
            spent = await spend_key_change(session, settings, approval, purpose, because, now)
            rotation, old = await record_new_key(session, settings, purpose, because, now)
            if purpose == REGISTRY and old is not None and because == "planned":
                while await append_entries(session, settings.log_origin, old, now):
                    pass
            await retire_old_key(session, rotation, because, now)
            facts = {"purpose": purpose, "because": because, "key_id": rotation.new.key_id, "approval": spent}
            await write_event(session, "keys_rotated", actor=None, subject=f"key:{purpose}", facts=facts, now=now)
            if purpose == REGISTRY:
                while await append_entries(session, settings.log_origin, rotation.new, now):
                    pass
        finish_rotation(settings, rotation)
    return rotation


async def _list(settings: Settings) -> list[str]:
    async with opened_database(settings) as database, database.open_read_session() as session:
        settings = await with_stored_origin(session, settings)
        listed = await listed_keys(session)
    return list(_lines(settings, listed))


def _lines(settings: Settings, listed: list[ListedKey]) -> Iterator[str]:
    if not listed:
        yield "No keys are listed yet. Run `veche migrate`."
    for key in listed:
        until = "in use" if key.valid_to is None else f"until {key.valid_to:%Y-%m-%d %H:%M}"
        where = "" if key.valid_to is not None else f", {_where(settings, key)}"
        yield f"{key.purpose:9} {key.key_id}  from {key.valid_from:%Y-%m-%d %H:%M} UTC, {until}{where}"
        yield f"          {key_line(settings, key)}"


def _where(settings: Settings, key: ListedKey) -> str:
    try:
        found = read_key(settings.keys_dir, key.purpose)
    except BadKey as error:
        return f"unusable here: {error}"
    if found is None:
        return "not on this machine"
    return "on this machine" if found.public_bytes == key.public else f"ANOTHER KEY on this machine: {found.key_id}"
