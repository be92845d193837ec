"""`veche`: the command line. Each command's module is imported when that command is called, and not before.

So `veche tally` starts without the web framework and the database, and `veche --help` without anything. What can go
wrong in the ordinary run of things ends in one sentence, what to do next and exit code 1; only what nobody expected
shows a traceback.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Lazy:
    """A command by the place it is defined in, with the line it has in the list of commands."""

    place: str
    help: str


COMMANDS: Mapping[str, Lazy] = {
    "serve": Lazy("voting.commands.serve:serve", "Run the site."),
    "worker": Lazy("voting.commands.worker:worker", "Do the queued work: counting, publishing, mail."),
    "migrate": Lazy("voting.commands.migrate:migrate", "Bring the database to this release's schema."),
    "backup": Lazy("voting.commands.backup:backup", "Back up the database and the published files."),
    "restore": Lazy("voting.commands.backup:restore", "Put a backup back into an empty database."),
    "doctor": Lazy("voting.commands.doctor:doctor", "Check a deployment, and say what to do."),
    "register": Lazy("voting.commands.register:register", "Load the city's register of citizens."),
    "admin": Lazy("voting.commands.accounts:admin", "Make administrators and hand out roles."),
    "import": Lazy("voting.commands.importing:importing", "Take polls held elsewhere out of open data files."),
    "keys": Lazy("voting.commands.keys:keys", "List and rotate the keys that sign."),
    "board": Lazy("voting.commands.board:board", "Publish and check the boards of counted polls."),
    "protocol": Lazy("voting.commands.protocol:protocol", "Check signed protocols of results, without a database."),
    "audit": Lazy("voting.commands.audit:audit", "Check the log of who did what."),
    "registry": Lazy("voting.commands.registry:registry", "Check the public log of polls and keys."),
    "map": Lazy("voting.commands.map:city_map", "Draw the city's charts on a map of its own (GeoJSON)."),
    "results": Lazy("voting.commands.results:results", "Keep what results pages stand on beside the count."),
    "poll": Lazy("voting.commands.poll:poll", "Give definitions of polls away as files, and take them in."),
    "rehearse": Lazy("voting.commands.rehearse:rehearse", "Play a poll through before it opens, with people made up."),
    "tally": Lazy("voting.commands.tally:tally", "Count files again, without a database."),
    "verify": Lazy(
        "voting.commands.verify:verify", "Check a counted poll, a receipt or a complaint, without trusting the site."
    ),
    "demo": Lazy("voting.commands.demo:demo", "Fill the demo with a living city."),
    "sign-on": Lazy("voting.commands.sign_on:sign_on", "Run the demo with a sign-on of the city to try."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the table."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and give the command, or None for an unknown name."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = lazy.place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by their stored lines, importing none of them."""
        own = {name: command.get_short_help_str() for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl([*((name, lazy.help) for name, lazy in COMMANDS.items()), *own.items()])


@click.group(cls=LazyGroup)
def cli() -> None:
    """A civic voting platform: a city asks, residents vote, anyone can recount.

    Settings come from environment variables; with none set, everything runs as a demo on this machine.
    """
    quieten_logs()


@cli.command()
def version() -> None:
    """Print the release."""
    from importlib.metadata import version as installed

    click.echo(installed("veche"))


def quieten_logs() -> None:
    """Keep the log of a command that people read to what went wrong; `serve` and `worker` set up a log of their own."""
    structlog = sys.modules.get("structlog")  # a command that does not log has not imported it
    if structlog is not None:
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        )


def main() -> None:
    """Run the command line; the entry point of `veche`."""
    try:
        cli(prog_name="veche")
    except Exception as error:
        told = explain(error)
        if told is None:
            raise
        click.echo(f"Error: {told}", err=True)
        sys.exit(1)


def explain(error: BaseException) -> str | None:
    """Say what an expected failure is and what to do next, or None for one nobody expected."""
    for place, say in EXPECTED.items():
        module, _, name = place.partition(":")
        # A module that was never imported cannot have raised, so nothing is imported to find out.
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and isinstance(error, kind):
            return say(error)
    return None


def _refusal(error: Any) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in error.facts.items() if isinstance(value, str | int))
    return f"{error.detail}{f' ({facts})' if facts else ''} {error.next_step}".strip()


def _bad_settings(error: Any) -> str | None:
    if error.title != "Settings":
        return None
    from voting.settings import Settings, variable

    lines = []
    for found in error.errors(include_url=False, include_input=False):
        if found["type"] == "default_factory_not_called":
            continue  # only follows from another one
        field = str(found["loc"][0]) if found["loc"] else ""
        name = f"{variable(field)}: " if field in Settings.model_fields else ""
        lines.append(f"  {name}{found['msg'].removeprefix('Value error, ')}")
    return "\n".join(["the settings in the environment are not right.", *lines])


def _no_database(error: Any) -> str | None:
    cause = getattr(error, "orig", None) or error
    if getattr(cause, "sqlstate", None) == "42P01":
        return "the database has no tables yet, or not this release's. Run `veche migrate`."
    if getattr(error, "connection_invalidated", False) or "connect" in str(cause).lower():
        return f"the database does not answer: {cause}. Check VECHE_DATABASE_URL and that the server runs."
    return None


def _as_it_is(error: BaseException) -> str:
    return str(error)


def _refused_connection(error: BaseException) -> str:
    return f"the database does not answer: {error}. Check VECHE_DATABASE_URL and that the server runs."


EXPECTED: Mapping[str, Callable[[Any], str | None]] = {
    "polls.errors:Refusal": _refusal,
    "pydantic:ValidationError": _bad_settings,
    "voting.embedded_home:EmbeddedError": _as_it_is,
    "voting.key_files:BadKey": _as_it_is,
    "voting.migrations:NewerSchema": _as_it_is,
    "voting.setting_up:AnotherOrigin": _as_it_is,
    "polls.registry:RegistryFault": _as_it_is,
    "voting.board_files:BoardFault": _as_it_is,
    "voting.database_roles:MissingRole": _as_it_is,
    "voting.backups.programs:BackupFault": _as_it_is,
    "sqlalchemy.exc:DBAPIError": _no_database,
    "asyncpg:InvalidAuthorizationSpecificationError": _refused_connection,
    "asyncpg:InvalidCatalogNameError": _refused_connection,
    "asyncpg:CannotConnectNowError": _refused_connection,
    "builtins:ConnectionError": _refused_connection,
    "socket:gaierror": _refused_connection,
    "builtins:PermissionError": lambda error: f"{error.filename}: {error.strerror}. Check whose directory it is.",
}

if __name__ == "__main__":
    main()
