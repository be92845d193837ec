"""`veche worker`: the queued work as a process of its own, for deployments where the site runs without it."""

from __future__ import annotations

import asyncio
import signal

import click

from voting import (
    migrations,
    tasks,  # noqa: F401  -- declares the jobs
)
from voting.auditing.starting import tell_of_start
from voting.db import opened_database
from voting.jobs import STOP_WITHIN, build_jobs, run_worker
from voting.keys import WORK_NEEDS
from voting.setting_up import require_keys
from voting.settings import Settings
from voting.stopping import stop_task
from voting.telemetry import configure_logging


@click.command()
def worker() -> None:
    """Do the queued work: counting, publishing, mail. In the demo the site does it itself.

    Stops in order on SIGTERM or Ctrl-C: jobs in progress may finish.
    """
    configure_logging()
    settings = Settings.from_env()
    with migrations.settings_url(settings) as url:  # also keeps the embedded server running until the work ends
        if migrations.pending(url):
            raise click.ClickException("The database is not at this release's schema. Run `veche migrate` first.")
        settings = require_keys(settings, WORK_NEEDS)
        tell_of_start(settings, "worker")
        click.echo("Working on the queue. Ctrl-C stops.")
        asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    async with opened_database(settings) as database:
        working = asyncio.create_task(run_worker(build_jobs(database, settings)), name="jobs")
        try:
            await asked_to_stop.wait()
        finally:
            await stop_task(working, STOP_WITHIN + 5)
