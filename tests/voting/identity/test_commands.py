import asyncio

import pytest
from click.testing import CliRunner

from voting.commands.accounts import admin
from voting.db import Database
from voting.identity.accounts import count_admins, find_credentials, normal_login
from voting.identity.passwords import PasswordPool


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
        known = await find_credentials(session, normal_login("root@city.test"))
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


def test_roles_are_handed_out(run):
    run("create", "--email", "root@city.test", "--password-stdin", given="correct horse battery\n")
    assert run("grant", "root@city.test", "official").exit_code == 0
    assert run("grant", "nobody@city.test", "official").exit_code == 1
    assert run("grant", "root@city.test", "tsar").exit_code == 2
