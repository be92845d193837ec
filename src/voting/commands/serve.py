"""`veche serve`: run the site.

This process owns what the site needs: the listening sockets, the embedded PostgreSQL of the demo (started, watched and
stopped here) and the schema. SIGTERM and Ctrl-C stop in order: requests in progress finish, then the database stops.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit

import click

from voting import embedded, migrations
from voting.accepting import BACKLOG
from voting.auditing.starting import tell_of_start
from voting.keys import WEB_NEEDS
from voting.setting_up import require_keys, set_up_keys
from voting.settings import Settings
from voting.telemetry import configure_logging
from voting.web_processes import Processes, ProcessesFailed


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes to serve with.")
def serve(workers: int) -> None:
    """Run the site.

    With no VECHE_DATABASE_URL it runs as a demo, with a PostgreSQL of its own. The address is set by PORT and
    VECHE_HOST.
    """
    configure_logging()
    settings = Settings.from_env()
    signal.signal(signal.SIGTERM, _leave)
    with listening_sockets(settings, workers) as listening, running_database(settings):
        settings = prepare_schema(settings)
        tell_of_start(settings, "web")
        try:
            if workers == 1:
                # Late: a taken port or a database that does not answer is told before the seconds this import takes.
                from voting.serving import serve_here

                serve_here(settings, listening, lambda: _announce(settings))
            else:
                Processes(settings, listening, workers, lambda: _announce(settings)).run()
        except KeyboardInterrupt:
            pass  # uvicorn stops in order and then raises the signal again
        except ProcessesFailed:
            raise click.ClickException("the site did not start; the lines above say why.") from None


@contextmanager
def listening_sockets(settings: Settings, number: int) -> Iterator[list[socket.socket]]:
    """Take the address before anything else is started, so that a taken one is a sentence and not a failure later.

    As many sockets as there are processes, where the kernel spreads connections over them; elsewhere one for all.
    """
    host, port = settings.host, settings.port
    with ExitStack() as stack:
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            first = socket.create_server(address[:2], family=family, backlog=1)
            if number == 1 or sys.platform != "linux":
                listening = [stack.enter_context(first)]
            else:
                first.close()  # it has shown that nobody else listens here, which those that share would not
                share = partial(socket.create_server, address[:2], family=family, backlog=BACKLOG, reuse_port=True)
                listening = [stack.enter_context(share()) for _ in range(number)]
        except OSError as error:
            raise click.ClickException(_not_listening(error, host, port)) from None
        for one in listening:
            one.set_inheritable(True)
        yield listening


def _not_listening(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        free = port + 1 if port < 65535 else 8000
        return f"port {port} is taken by another program. Choose another one: PORT={free} veche serve"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be used by this user. Choose one above 1023: PORT=8000 veche serve"
    return f"cannot listen on {host}: {error.strerror or error}. Set VECHE_HOST to an address of this machine."


@contextmanager
def running_database(settings: Settings) -> Iterator[None]:
    """With the embedded database, start it, keep it running and stop it at the end; otherwise do nothing."""
    if not settings.embedded:
        yield
        return
    with embedded.kept_running(embedded.start(settings)):
        yield


def prepare_schema(settings: Settings) -> Settings:
    """In the demo apply and make what is missing; elsewhere refuse another release's schema and missing keys.

    Gives the settings with the name that boards and the registry log have been signed under since they began.
    """
    with migrations.settings_url(settings) as url:
        waiting = migrations.pending(url)
        if waiting and not settings.demo:
            raise click.ClickException(
                f"the database lacks {len(waiting)} migrations of this release. Run `veche migrate`, then start again."
            )
        if waiting:
            migrations.upgrade(url)
        if settings.demo:
            return set_up_keys(settings)
        return require_keys(settings, WEB_NEEDS)


def _announce(settings: Settings) -> None:
    click.echo(f"{settings.site_name_en} is at {settings.base_url} (Ctrl-C stops it)")
    if settings.log_origin != urlsplit(settings.base_url).netloc.lower():
        click.echo(f"Boards and the registry log are signed as {settings.log_origin}, the name they began with.")
    if settings.demo:
        click.echo(f"Demo accounts, with their password: {settings.base_url}/sign-in")


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Unwind on SIGTERM, so that everything started here is stopped here."""
    raise SystemExit(os.EX_OK)
