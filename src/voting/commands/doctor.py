"""`veche doctor`: check a deployment and say what to do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

import click
import uvloop
from asyncpg import PostgresError  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError

from voting.db import opened_database
from voting.doctor.database import check_database
from voting.doctor.findings import Finding, exit_code, fail
from voting.doctor.machine import check_backups, check_disk, check_key_files, check_releases, check_settings
from voting.doctor.site import check_site
from voting.embedded_home import EmbeddedError
from voting.settings import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")
@click.option("--offline", is_flag=True, help="Do not ask the site at its address.")
def doctor(as_json: bool, offline: bool) -> None:
    """Check a deployment, and say what to do.

    Looks at address, headers, cookies, keys, clocks, backups, the database's role and log, the worker and its jobs.
    Run it where the site runs, with its settings. Ends with 0: all is well; 1: warnings; 2: something fails. It reads
    only.
    """
    settings, now = Settings.from_env(), datetime.now(UTC)
    findings = [*check_releases(), *check_settings(settings), *check_key_files(settings), *check_disk(settings)]
    findings += [*check_backups(settings, now), *uvloop.run(_database(settings, now))]
    findings += [] if offline else check_site(settings)
    if as_json:
        stated = {"at": now.isoformat(), "code": exit_code(findings), "checks": [asdict(one) for one in findings]}
        click.echo(json.dumps(stated, ensure_ascii=False, indent=1))
    else:
        for one in findings:
            click.echo(f"{one.level:4}  {one.check}: {one.said}")
            if one.remedy:
                click.echo(f"      → {one.remedy}")
    sys.exit(exit_code(findings))


async def _database(settings: Settings, now: datetime) -> list[Finding]:
    try:
        async with opened_database(settings) as database, database.open_session() as session:
            return [finding async for finding in check_database(session, settings, now)]
    except (SQLAlchemyError, PostgresError, OSError, EmbeddedError) as error:
        return [fail("database", f"it does not answer: {type(error).__name__}: {error}", "Check VECHE_DATABASE_URL.")]
