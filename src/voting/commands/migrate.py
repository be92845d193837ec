"""`veche migrate`: bring the database to this release's schema."""

from __future__ import annotations

import click

from voting import migrations
from voting.setting_up import set_up_keys
from voting.settings import Settings


@click.command()
def migrate() -> None:
    """Bring the database to this release's schema.

    Makes the keys that sign where there are none. Safe to run while the site and the previous release are working, and
    to run again: applied migrations are left alone, and two runs at once wait for each other.
    """
    settings = Settings.from_env()
    with migrations.settings_url(settings) as url:
        waiting = migrations.pending(url)
        if waiting:
            migrations.upgrade(url)
            click.echo(f"Applied {len(waiting)} migrations: {', '.join(waiting)}.")
        else:
            click.echo("The database is up to date.")
        settled = set_up_keys(settings)
    click.echo(f"Boards and the registry log are signed as {settled.log_origin}.")
