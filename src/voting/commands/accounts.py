"""`veche admin`: make administrators and hand out roles from the command line."""

import asyncio
import sys
from datetime import UTC, datetime

import click

from polls.errors import Invalid, Refusal
from voting.approvals.actions import Action
from voting.approvals.gate import bootstrap_role, require_bootstrap
from voting.db import opened_database
from voting.identity import totp
from voting.identity.accounts import create_admin, find_account, holds_role, normal_email, normal_login
from voting.identity.assisted import assign_desk
from voting.identity.own_keys import forget_keys as forget_lost_keys
from voting.identity.passwords import PasswordPool, password_faults
from voting.settings import Settings
from voting.tables import ROLES


@click.group()
def admin() -> None:
    """Make administrators and hand out roles."""


@admin.command()
@click.option("--email", required=True, help="The administrator's e-mail, which is also the login.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, without asking.")
def create(email: str, password_stdin: bool) -> None:
    """Make an administrator's account, while there are not two.

    The password is never an option: options end up in shell histories.
    """
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    try:
        asyncio.run(_create(Settings.from_env(), email, password))
    except Refusal as refusal:
        raise click.ClickException(_text(refusal)) from None
    click.echo(f"{email} is an administrator and may sign in.")


@admin.command()
@click.argument("login")
@click.argument("role", type=click.Choice(ROLES))
def grant(login: str, role: str) -> None:
    """Give the account with this e-mail or phone a role, while there are not two administrators to do it by pages."""
    try:
        asyncio.run(_grant(Settings.from_env(), login, role))
    except Refusal as refusal:
        raise click.ClickException(_text(refusal)) from None
    click.echo(f"{login} has the role {role}.")


@admin.command("forget-keys")
@click.argument("login")
def forget_keys(login: str) -> None:
    """Remove all passkeys and one-time codes of the account with this e-mail or phone, whose owner has lost them.

    Make sure who is asking: afterwards the password alone signs in. All the account's sessions end; it is logged.
    """
    try:
        removed, codes = asyncio.run(_forget_keys(Settings.from_env(), login))
    except Refusal as refusal:
        raise click.ClickException(_text(refusal)) from None
    click.echo(f"{login}: {removed} passkeys removed, one-time codes {'turned off' if codes else 'were off'}.")


@admin.command("reseal-codes")
def reseal_codes() -> None:
    """Seal the secrets of one-time codes with the newest key (second-step-N) of the keys directory.

    Run it after adding a key and restarting the service; then the older files may go.
    """
    click.echo(f"{asyncio.run(_reseal(Settings.from_env()))} secrets sealed anew.")


@admin.command()
@click.argument("login")
@click.argument("centre")
def desk(login: str, centre: str) -> None:
    """Give the operator with this e-mail or phone a service centre.

    While there are not two administrators the role `operator` is given here too; afterwards it takes two, on the pages.
    """
    try:
        asyncio.run(_desk(Settings.from_env(), login, centre))
    except Refusal as refusal:
        raise click.ClickException(_text(refusal)) from None
    click.echo(f"{login} is an operator at «{centre}».")


async def _desk(settings: Settings, login: str, centre: str) -> None:
    async with opened_database(settings) as database, database.open_session() as session:
        now = datetime.now(UTC)
        account_id = await find_account(session, normal_login(login))
        if not await holds_role(session, account_id, "operator"):
            await require_bootstrap(session, settings, Action.GRANT_ROLE)
            await bootstrap_role(session, account_id, "operator", now)
        await assign_desk(session, account_id, centre, by=None, now=now)


async def _create(settings: Settings, email: str, password: str) -> None:
    login = normal_login(normal_email(email))
    if faults := password_faults(password, logins=(email,)):
        raise Invalid(faults)
    pool = PasswordPool(1)
    try:
        hashed = await pool.hash(password)
    finally:
        pool.close()
    async with opened_database(settings) as database, database.open_session() as session:
        now = datetime.now(UTC)
        await require_bootstrap(session, settings, Action.GRANT_ROLE)
        await create_admin(session, login=login, password_hash=hashed, now=now)


async def _grant(settings: Settings, login: str, role: str) -> None:
    async with opened_database(settings) as database, database.open_session() as session:
        now = datetime.now(UTC)
        await require_bootstrap(session, settings, Action.GRANT_ROLE)
        account_id = await find_account(session, normal_login(login))
        await bootstrap_role(session, account_id, role, now)


async def _forget_keys(settings: Settings, login: str) -> tuple[int, bool]:
    async with opened_database(settings) as database, database.open_session() as session:
        account_id = await find_account(session, normal_login(login))
        return await forget_lost_keys(session, account_id, actor=None, now=datetime.now(UTC))


async def _reseal(settings: Settings) -> int:
    async with opened_database(settings) as database, database.open_session() as session:
        return await totp.reseal_secrets(session, settings.secret_versions(totp.KEYS))


def _text(refusal: Refusal) -> str:
    if isinstance(refusal, Invalid):
        return " ".join(error.message.format_map(error.facts or {}) for error in refusal.errors)
    return f"{refusal.detail} {refusal.next_step}".strip()
