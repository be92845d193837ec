"""`veche admin`: make administrators and hand out roles from the command line."""

import asyncio
import sys
from datetime import UTC, datetime

import click

from polls.errors import Invalid, Refusal
from voting.db import opened_database
from voting.identity.accounts import create_admin, find_account, grant_role, normal_email, normal_login
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
    """Make an administrator's account. The password is never an option: options end up in shell histories."""
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
    """Give the account with this e-mail or phone a role."""
    try:
        asyncio.run(_grant(Settings.from_env(), login, role))
    except Refusal as refusal:
        raise click.ClickException(_text(refusal)) from None
    click.echo(f"{login} has the role {role}.")


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
        await create_admin(session, login=login, password_hash=hashed, now=datetime.now(UTC))


async def _grant(settings: Settings, login: str, role: str) -> None:
    async with opened_database(settings) as database, database.open_session() as session:
        account_id = await find_account(session, normal_login(login))
        await grant_role(session, account_id, role, granted_by=None, now=datetime.now(UTC))


def _text(refusal: Refusal) -> str:
    if isinstance(refusal, Invalid):
        return " ".join(error.message.format_map(error.facts or {}) for error in refusal.errors)
    return f"{refusal.detail} {refusal.next_step}".strip()
