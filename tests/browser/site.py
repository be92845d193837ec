"""The whole service for browsers: uvicorn on a port of its own in a thread, with the queue's worker beside it."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import uvicorn
from litestar import Litestar
from tests.sites import fast_passwords

from polls.casting import BallotBox
from voting import (
    tasks,  # noqa: F401  -- declares the jobs
)
from voting.app import create_app
from voting.db import Database
from voting.jobs import build_jobs, worker_running
from voting.serving import Server, server_options
from voting.settings import Settings
from voting.throttling import Limit

START_WITHIN: Final = 30.0
STOP_WITHIN: Final = 30.0
# Every visitor of a test comes from one address, so limits by network would add up over the tests.
LIMITS: Final[Mapping[str, Limit]] = {
    name: Limit(100_000, timedelta(minutes=1)) for name in ("sign_in", "sign_up", "writes", "exports")
}


@dataclass(eq=False)  # two clocks are two clocks; and one may be a key
class MovableClock:
    """The present moment, which a test may move ahead: so sessions end without anybody waiting for it."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @contextmanager
    def moved(self, **span: float) -> Iterator[None]:
        """Later by so much within the block."""
        self.ahead = timedelta(**span)
        try:
            yield
        finally:
            self.ahead = timedelta()


@dataclass(frozen=True)
class LiveSite:
    """A running service: where it is, by which settings, its clock and its ballot box."""

    url: str
    settings: Settings
    clock: MovableClock
    box: BallotBox

    @contextmanager
    def full_box(self) -> Iterator[None]:
        """No room for a single vote within the block."""
        room, self.box.waiting = self.box.waiting, 0
        try:
            yield
        finally:
            self.box.waiting = room


def site_settings(
    database_url: str, data_dir: Path, port: int = 8000, *, four_eyes: bool = False, **more: Any
) -> Settings:
    """The settings of a demo on a given database; keys lie in `data_dir`."""
    return Settings(database_url=database_url, data_dir=data_dir, port=port, demo=True, four_eyes=four_eyes, **more)


@contextmanager
def serving(database_url: str, data_dir: Path, *, port: int = 0, **more: Any) -> Iterator[LiveSite]:
    """Serve the site as `veche serve` does, in a thread of this process, at a port of its own or the one given."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        settings = site_settings(database_url, data_dir, listening.getsockname()[1], **more)
        clock = MovableClock()
        ready = threading.Event()
        app = _app(settings, clock)
        server = Server(uvicorn.Config(app, **server_options(settings)), ready.set)
        thread = threading.Thread(target=server.run, args=([listening],), name="site", daemon=True)
        thread.start()
        try:
            if not ready.wait(START_WITHIN):
                raise RuntimeError("the site did not start")
            yield LiveSite(settings.base_url, settings, clock, app.state["box"])
        finally:
            server.should_exit = True
            thread.join(STOP_WITHIN)
            if thread.is_alive():
                raise RuntimeError("the site did not stop")


def _app(settings: Settings, clock: MovableClock) -> Litestar:
    database = Database.from_settings(settings)

    @asynccontextmanager
    async def work(_: Litestar) -> AsyncGenerator[None, None]:
        try:
            async with worker_running(build_jobs(database, settings)):
                yield
        finally:
            await database.close()

    return create_app(
        settings, database=database, clock=clock, limits=LIMITS, passwords=fast_passwords(), lifespan=[work]
    )
