import asyncio
from datetime import UTC, datetime

import pyotp
import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select

from polls.tables import audit_event
from voting.commands.accounts import admin
from voting.db import Database
from voting.factor_tables import passkey
from voting.identity import totp
from voting.identity.accounts import count_admins, find_account, find_credentials, normal_login
from voting.identity.passkeys import has_passkey
from voting.identity.passwords import PasswordPool

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def run(fresh_database_url, tmp_path):
    environment = {"VECHE_DATABASE_URL": fresh_database_url, "VECHE_DATA_DIR": str(tmp_path), "VECHE_DEMO": "false"}
    return lambda *words, given="": CliRunner().invoke(admin, list(words), input=given, env=environment)


def ask(url: str, question):
    async def answer():
        database = Database.from_url(url)
        try:
            async with database.open_session() as session:
                return await question(session)
        finally:
            await database.close()

    return asyncio.run(answer())


def test_an_administrator_is_made_from_standard_input(run, fresh_database_url):
    made = run("create", "--email", "Root@City.Test", "--password-stdin", given="correct horse battery\n")
    assert made.exit_code == 0, made.output
    assert "battery" not in made.output

    async def verified(session):
        [known] = await find_credentials(session, normal_login("root@city.test"))
        return await PasswordPool(1).verify("correct horse battery", known.password_hash), await count_admins(session)

    assert ask(fresh_database_url, verified) == (True, 1)
    again = run("create", "--email", "root@city.test", "--password-stdin", given="correct horse battery\n")
    assert again.exit_code == 1 and "There is an account already." in again.output


def test_the_password_is_asked_for_twice_and_never_shown(run):
    made = run("create", "--email", "root@city.test", given="correct horse battery\ncorrect horse battery\n")
    assert made.exit_code == 0, made.output
    assert "battery" not in made.output


@pytest.mark.parametrize(
    ("email", "password", "says"),
    [("nonsense", "correct horse", "not an e-mail"), ("a@city.test", "short", "at least 8 characters")],
)
def test_what_is_wrong_is_said_in_a_sentence(run, email, password, says):
    refused = run("create", "--email", email, "--password-stdin", given=f"{password}\n")
    assert refused.exit_code == 1 and says in refused.output
    assert "Traceback" not in refused.output and password not in refused.output


def test_operators_are_given_a_desk(run):
    run("create", "--email", "root@city.test", "--password-stdin", given="correct horse battery\n")
    assert run("desk", "root@city.test", "МФЦ «Арбат»").exit_code == 0
    assert run("desk", "root@city.test", " \t ").exit_code == 1
    assert run("desk", "nobody@city.test", "МФЦ").exit_code == 1


def test_roles_are_handed_out(run):
    run("create", "--email", "root@city.test", "--password-stdin", given="correct horse battery\n")
    assert run("grant", "root@city.test", "official").exit_code == 0
    assert run("grant", "nobody@city.test", "official").exit_code == 1
    assert run("grant", "root@city.test", "tsar").exit_code == 2


def test_somebody_who_lost_every_key_begins_anew(run, fresh_database_url):
    run("create", "--email", "root@city.test", "--password-stdin", given="correct horse battery\n")

    async def lose_keys(session):
        account_id = await find_account(session, normal_login("root@city.test"))
        made = await totp.begin_set_up(session, account_id, login="root", site="city", keys={1: b"k" * 32}, now=NOW)
        code = pyotp.parse_uri(made.address).at(NOW)
        await totp.confirm_set_up(session, account_id, code, keys={1: b"k" * 32}, now=NOW)
        await session.execute(
            insert(passkey).values(
                account_id=account_id, credential_id=b"1", user_handle=b"2", public_key=b"3", sign_count=0,
                backup_eligible=False, backed_up=False, transports=[], aaguid="", name="Key", created_at=NOW,
            )
        )  # fmt: skip

    async def left(session):
        account_id = await find_account(session, normal_login("root@city.test"))
        kinds = set(await session.scalars(select(audit_event.c.kind))) - {"account_made", "role_granted"}
        return await has_passkey(session, account_id), await totp.asks_for_codes(session, account_id), kinds

    ask(fresh_database_url, lose_keys)
    done = run("forget-keys", "root@city.test")
    assert done.exit_code == 0, done.output
    assert "1 passkeys removed, one-time codes turned off" in done.output
    has_key, asks_for_codes, kinds = ask(fresh_database_url, left)
    assert not has_key and not asks_for_codes and kinds >= {"codes_on", "codes_off", "passkeys_forgotten"}
    assert run("forget-keys", "nobody@city.test").exit_code == 1
