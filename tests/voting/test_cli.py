"""The command line: starts fast, knows its commands, and tells what went wrong in a sentence."""

import subprocess
import sys
from pathlib import Path

import click
import psycopg
import pytest
from click.testing import CliRunner
from tests.commands import clean_environment, veche
from tests.databases import Databases

from polls.errors import BadFile, RuleUnknown
from voting.cli import COMMANDS, cli, explain
from voting.db import database_url_for
from voting.settings import Settings

HEAVY = ("litestar", "sqlalchemy", "asyncpg", "psycopg", "uvicorn", "alembic")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return veche(*words, environment=clean_environment(**environment))


@pytest.mark.parametrize("words", [["--help"], ["version"], ["tally", "--help"], ["tally", "pabulib", "--help"]])
def test_it_starts_without_the_web_framework_and_the_database(words: list[str]) -> None:
    script = (
        "import sys\nfrom voting.cli import cli\n"
        f"try: cli({words!r})\nexcept SystemExit: pass\n"
        f"print('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "LOADED", done.stdout + done.stderr


def test_every_command_is_where_the_table_says() -> None:
    context = click.Context(cli)
    for name, lazy in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(200).split(".")[0].split(":")[0] in lazy.help
    assert cli.get_command(context, "nonsense") is None


def test_help_lists_every_command() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert all(name in shown for name in [*COMMANDS, "version"])
    assert CliRunner().invoke(cli, ["nonsense"]).exit_code == 2
    assert CliRunner().invoke(cli, ["version"]).output.strip() == "0.1.0"


def test_an_expected_failure_is_a_sentence_and_an_unexpected_one_is_not() -> None:
    assert explain(RuleUnknown(rule="phragmen")) == (
        "This release does not know the counting rule; nothing was counted. (rule phragmen)"
        " See the list of rules in the documentation."
    )
    told = explain(BadFile(line=3, field="META", reason="odd"))
    assert told is not None and "line 3" in told
    assert explain(ValueError("nobody expected this")) is None
    with pytest.raises(ValueError) as caught:
        Settings.from_env({"PORT": "99999"})
    assert explain(caught.value) == (
        "the settings in the environment are not right.\n  PORT: Input should be less than or equal to 65535"
    )


def test_a_database_that_does_not_answer_is_said(tmp_path: Path) -> None:
    done = run("migrate", VECHE_DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/x", VECHE_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "the database does not answer" in done.stderr
    assert "Traceback" not in done.stderr and "secret" not in done.stderr


def test_migrating_says_what_it_did(databases: Databases, empty_database_url: str, tmp_path: Path) -> None:
    settings = {
        "VECHE_DATABASE_URL": database_url_for(empty_database_url, "postgresql"),
        "VECHE_DATA_DIR": str(tmp_path),
    }
    refused = run("worker", **settings)
    assert refused.returncode == 1 and "veche migrate" in refused.stderr
    assert "Applied" in run("migrate", **settings).stdout
    again = run("migrate", **settings).stdout.splitlines()
    assert again == ["The database is up to date.", "Boards and the registry log are signed as 127.0.0.1:8000."]


def test_a_database_of_a_newer_release_is_refused_in_words(fresh_database_url: str, tmp_path: Path) -> None:
    url = database_url_for(fresh_database_url, "postgresql")
    settings = {"VECHE_DATABASE_URL": url, "VECHE_DATA_DIR": str(tmp_path), "VECHE_DEMO": "false"}
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in ("serve", "worker", "migrate"):
        refused = run(command, **settings)
        assert refused.returncode == 1
        assert "revision 9999" in refused.stderr and "Start that release" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_the_demo_is_refused_outside_demo_mode(fresh_database_url: str, tmp_path: Path) -> None:
    settings = {
        "VECHE_DATABASE_URL": database_url_for(fresh_database_url, "postgresql"),
        "VECHE_DATA_DIR": str(tmp_path),
    }
    done = run("demo", **settings)
    assert done.returncode == 1
    assert "VECHE_DEMO" in done.stderr and "Traceback" not in done.stderr
