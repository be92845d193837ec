"""`veche migrate`: bring the database to this release's schema."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import uvloop

from voting import migrations
from voting.database_roles import apply_rights
from voting.db import opened_database
from voting.setting_up import set_up_keys
from voting.settings import Settings


@click.command()
def migrate() -> None:
    """Bring the database to this release's schema.

    Makes the keys that sign where there are none, and gives the roles named in VECHE_WEB_ROLE and VECHE_REPORT_ROLE
    their rights. Safe to run while the site and the previous release are working, and
    to run again: applied migrations are left alone, and two runs at once wait for each other.
    """
    settings = Settings.from_env().as_owner
    with migrations.settings_url(settings) as url:
        waiting = migrations.pending(url)
        if waiting:
            migrations.upgrade(url)
            click.echo(f"Applied {len(waiting)} migrations: {', '.join(waiting)}.")
        else:
            click.echo("The database is up to date.")
        if settings.web_role or settings.report_role:
            uvloop.run(_apply(settings))
            click.echo(f"Rights are set for {', '.join(filter(None, (settings.web_role, settings.report_role)))}.")
        settled = set_up_keys(settings)
    click.echo(f"Boards and the registry log are signed as {settled.log_origin}.")


async def _apply(settings: Settings) -> None:
    async with opened_database(settings) as database, database.open_session() as session:
        await apply_rights(session, settings.web_role, settings.report_role, datetime.now(UTC))
