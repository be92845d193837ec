"""Makes the site run under uvicorn: the application with its contexts, and uvicorn's settings.

Requests are logged by the application itself and never by uvicorn, whose lines hold query strings; forwarded addresses
are judged by `voting.perimeter`, so uvicorn's own middleware for them stays off.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import uvicorn
from litestar import Litestar

from voting import (
    tasks,  # noqa: F401  -- declares the jobs
)
from voting.accepting import BACKLOG, Acceptor
from voting.app import create_app
from voting.db import Database
from voting.jobs import build_jobs, run_worker
from voting.settings import Settings
from voting.slow_requests import BoundedRequests, close_slow
from voting.stopping import stop_task
from voting.telemetry import joined_lines

WARM_UP_AFTER = 1.0  # seconds
WORKER_STOPS_WITHIN = 5.0  # seconds jobs in progress have; one that is interrupted is done again later
STOP_WITHIN = 20  # seconds requests in progress have to finish


def build_site(settings: Settings, *, jobs: bool | None = None) -> Litestar:
    """Give the application as it is served, with the queue's worker inside if `jobs`: by default in the demo."""

    @asynccontextmanager
    async def work(app: Litestar) -> AsyncGenerator[None, None]:
        database = app.state["database"]
        assert isinstance(database, Database)
        worker = asyncio.create_task(run_worker(build_jobs(database, settings)), name="jobs")
        try:
            yield
        finally:
            await stop_task(worker, WORKER_STOPS_WITHIN)

    @asynccontextmanager
    async def settle(_: Litestar) -> AsyncGenerator[None, None]:
        settle_memory()
        warming = asyncio.create_task(_warm_up())
        with joined_lines():
            yield
        warming.cancel()

    with_jobs = settings.demo if jobs is None else jobs
    return create_app(settings, lifespan=[*([work] if with_jobs else []), settle])


def settle_memory() -> None:
    """Have the garbage collector walk seldom, and never through what is loaded now and stays for ever.

    With its own thresholds it ran 65 times for every thousand votes, 16 microseconds of each, 14 ms at the longest:
    nearly all it walked through were requests in progress. With these it runs once, 3 ms at the longest.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


async def _warm_up() -> None:
    """Load what only results need, once the site answers: otherwise their first reader would wait for it."""
    await asyncio.sleep(WARM_UP_AFTER)
    await asyncio.to_thread(import_module, "numpy")


def server_options(settings: Settings) -> Mapping[str, Any]:
    """Give uvicorn's settings."""
    return {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": BoundedRequests,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": STOP_WITHIN,
    }


class Server(uvicorn.Server):
    """Uvicorn's server that takes connections in its own way, and says when it is ready.

    Of the sockets it is started with the first is its own, the others are its siblings' (:mod:`voting.accepting`).
    """

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._acceptor: Acceptor | None = None

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; once a second leave those who are too slow."""
        if self._acceptor is not None:
            self._acceptor.help_others()
        if counter % 10 == 0:
            close_slow(list(self.server_state.connections), asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup([])
        if self.started and sockets:
            self._acceptor = Acceptor(self._protocol, sockets[0], sockets[1:])
            self._acceptor.open(self.config.backlog)
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, then end as uvicorn does."""
        if self._acceptor is not None:
            self._acceptor.close()
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        """What speaks to one connection."""
        return BoundedRequests(self.config, self.server_state, self.lifespan.state)


def serve_here(
    settings: Settings, listening: Sequence[socket.socket], on_ready: Callable[[], None], *, jobs: bool | None = None
) -> None:
    """Serve in this process until a signal stops it. `listening` as in `Server`, `jobs` as in `build_site`."""
    config = uvicorn.Config(build_site(settings, jobs=jobs), **server_options(settings))
    Server(config, on_ready).run(list(listening))


def work_here(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Work on the queue in this process until a signal stops it, with nothing served."""
    asyncio.run(_work(settings, on_ready))


async def _work(settings: Settings, on_ready: Callable[[], None]) -> None:
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    database = Database.from_settings(settings)
    worker = asyncio.create_task(run_worker(build_jobs(database, settings)), name="jobs")
    on_ready()
    try:
        await asked_to_stop.wait()
    finally:
        await stop_task(worker, WORKER_STOPS_WITHIN)
        await database.close()
