"""The processes of `veche serve --workers N`: begun, watched, begun again when they die, ended together.

They share nothing but the address they listen at (a socket each, :mod:`voting.accepting`) and the database. Each is
forked from a small process that has loaded the application and does nothing else (multiprocessing's fork server), so
one that was killed is back in about a second, and nothing is ever forked from a process with threads.

Nobody is left behind: a process whose parent is gone, in whatever way, ends in order by itself, and so do all when the
one they are forked from is gone. Others serve in their place at once. A process that hangs without dying is noticed
too: each says through its pipe, from its event loop, that it is alive, and one that is silent for too long is killed
and begun again. In the demo one more process does the queued work, so that there is one worker of it and not as many
as web processes: its successor waits until it has ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any

import structlog

from voting.settings import Settings

logger = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before another try, where the last process was never ready
LOOK_EVERY = 1.0
EXIT_CODE_WITHIN = 2.0  # seconds for what is told of a process after its end
BEAT = 5.0  # seconds between two signs of life
SILENT_FOR = 30.0  # seconds without one after which a web process is killed
JOBS_SILENT_FOR = 300.0  # the same for the queue's worker: a job that computes where it should not is done all the same
END_WITHIN = 30.0  # seconds for what is in progress; serving.STOP_WITHIN and WORKER_STOPS_WITHIN lie within

_context = get_context("forkserver")


class ProcessesFailed(Exception):
    """A process ended before any was ready: begun again, it would fail again. Its own words are in the log."""


Body = Callable[[Settings, Sequence[socket.socket], Callable[[], None]], None]


class Child:
    """A process begun. Whether it lives is asked of the system (a pidfd, where there is such a thing): multiprocessing
    takes it for dead as soon as the process it was forked from is gone, and then neither awaits nor ends it.
    """

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self.pid, self._process, self._handle = process.pid, process, None
        self.forsaken = False
        """Whether what it was forked from is gone: it ends by itself, in order."""
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):  # ended already
                self._handle = os.pidfd_open(process.pid)

    @property
    def watched(self) -> list[int]:
        """What becomes ready when it ends, or is forsaken."""
        found = [] if self._handle is None else [self._handle]
        return found if self.forsaken else [*found, self._process.sentinel]

    def gone(self) -> bool:
        """Whether it has ended; notes whether it was forsaken."""
        left_alone = bool(wait([self._process.sentinel], timeout=0))
        if self._handle is None:
            return left_alone
        ended = bool(wait([self._handle], timeout=0))
        self.forsaken = self.forsaken or (left_alone and not ended)
        return ended

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        with suppress(ProcessLookupError):
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, number)
            elif not self.gone():
                os.kill(self.pid, number)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        wait([self._process.sentinel if self._handle is None else self._handle], timeout=timeout)

    def bury(self) -> int | None:
        """Let go of what stands for a process that has ended; gives its exit code, where it is known."""
        self._process.join(EXIT_CODE_WITHIN)
        code = None if self.forsaken else self._process.exitcode
        with suppress(ValueError):
            self._process.close()
        if self._handle is not None:
            os.close(self._handle)
        return code


@dataclass
class Place:
    """A process that should be running, with its own listening socket and then its siblings'. `failures` counts those
    in a row that ended before they were ready; `heard` is when it last said that it is alive, and `silent_for` the
    seconds after which its silence is its end.
    """

    name: str
    body: Body
    listening: Sequence[socket.socket] = ()
    process: Child | None = None
    news: Connection | None = None
    ready: bool = False
    failures: int = 0
    due: float = 0.0
    heard: float = 0.0
    silent_for: float = SILENT_FOR

    def silence(self) -> float:
        """Seconds since its last sign of life; 0 while it starts, which takes as long as it takes."""
        return time.monotonic() - self.heard if self.ready and self.process is not None else 0.0


@dataclass
class Processes:
    """The web processes of one service, and in the demo the worker of its queue."""

    settings: Settings
    listening: Sequence[socket.socket]
    """One for each web process, or one for all."""
    web: int
    on_ready: Callable[[], None]
    _places: list[Place] = field(default_factory=list)
    _leaving: list[Child] = field(default_factory=list)
    """Web processes that end by themselves, while others serve in their place."""
    _announced: bool = False
    _looked: float = 0.0

    def run(self) -> None:
        """Keep them running until this is interrupted by an exception, as signals raise here; then end them."""
        _context.set_forkserver_preload(["voting.serving"])
        self._places = [Place("web", serve_as_child, self._sockets_of(number)) for number in range(self.web)]
        if self.settings.demo:
            self._places.append(Place("jobs", work_as_child, silent_for=JOBS_SILENT_FOR))
        try:
            while True:
                for place in self._places:
                    self._look_after(place)
                for child in [child for child in self._leaving if child.gone()]:
                    self._leaving.remove(child)
                    child.bury()
                self._wait()
        finally:
            self._end()

    def _sockets_of(self, number: int) -> Sequence[socket.socket]:
        """The web process's own first."""
        own = number % len(self.listening)
        return [self.listening[own], *self.listening[:own], *self.listening[own + 1 :]]

    def _look_after(self, place: Place) -> None:
        if place.process is not None:
            if place.silence() > place.silent_for:  # it hangs, or was stopped: no other signal would reach it
                logger.error("process_silent", process=place.name, pid=place.process.pid, seconds=place.silent_for)
                place.process.signal(signal.SIGKILL)
                place.process.join(EXIT_CODE_WITHIN)
            if place.process.gone():
                self._bury(place, place.process)
            elif place.process.forsaken and place.body is serve_as_child:
                logger.warning("process_forsaken", process=place.name, pid=place.process.pid)
                self._leaving.append(place.process)
                self._vacate(place)
        if place.process is None and time.monotonic() >= place.due:
            self._begin(place)

    def _begin(self, place: Place) -> None:
        place.ready = False
        place.news, theirs = _context.Pipe(duplex=False)
        process = _context.Process(
            target=_live, args=(place.body, self.settings, place.listening, theirs), name=f"veche-{place.name}"
        )
        try:
            process.start()
        except (OSError, EOFError):  # the process that forks was killed this very moment; the next try begins another
            logger.warning("process_not_begun", process=place.name)
            place.news.close()
            place.news, place.due = None, time.monotonic() + FIRST_PAUSE
        else:
            place.process = Child(process)
        finally:
            theirs.close()  # so that its end is the end of the pipe

    def _wait(self) -> None:
        """Wait for a process to end, or to be heard, or for a pause to be over."""
        pauses = [place.due - time.monotonic() for place in self._places if place.process is None]
        living = [place.process for place in self._places if place.process is not None]
        watched: list[Any] = [handle for child in (*living, *self._leaving) for handle in child.watched]
        watched += [place.news for place in self._places if place.news is not None]
        ready = wait(watched, timeout=max(0.0, min([LOOK_EVERY, *pauses])))
        for place in self._places:
            if place.news is not None and place.news in ready:
                self._hear(place)
        now = time.monotonic()
        held_up = now - self._looked - 2 * LOOK_EVERY  # we ourselves: that is nobody's silence
        for place in self._places:
            place.heard += max(0.0, held_up) if self._looked else 0.0
        self._looked = now

    def _hear(self, place: Place) -> None:
        """Note that a process is ready or alive; the pipe's end says only that it is gone."""
        assert place.news is not None
        try:
            while place.news.poll():
                place.news.recv_bytes()
                place.heard = time.monotonic()
                if not place.ready:
                    self._note_ready(place)
        except (EOFError, OSError):
            place.news.close()
            place.news = None

    def _note_ready(self, place: Place) -> None:
        place.ready, place.failures = True, 0
        logger.info("process_ready", process=place.name, pid=place.process and place.process.pid)
        if place.body is serve_as_child and not self._announced:
            self._announced = True
            self.on_ready()

    def _bury(self, place: Place, process: Child) -> None:
        """A process is gone."""
        logger.warning("process_ended", process=place.name, pid=process.pid, exit_code=process.bury())
        self._vacate(place)

    def _vacate(self, place: Place) -> None:
        """Another is due at once, or after a pause if the last one had not got as far as being ready."""
        if place.news is not None and place.news.poll():
            self._hear(place)
        if place.news is not None:  # forsaken
            place.news.close()
        place.process = place.news = None
        if place.ready:
            place.due = time.monotonic()
        elif not self._announced and place.body is serve_as_child:
            raise ProcessesFailed
        else:
            place.due = time.monotonic() + min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**place.failures)
            place.failures += 1

    def _end(self) -> None:
        """Ask all to end, wait for them, and kill those that do not."""
        living = [place.process for place in self._places if place.process is not None] + self._leaving
        try:
            for process in living:
                process.signal(signal.SIGTERM)
            deadline = time.monotonic() + END_WITHIN
            for process in living:
                process.join(max(0.0, deadline - time.monotonic()))
        finally:  # at a second Ctrl-C as well
            for process in living:
                if not process.gone():
                    logger.warning("process_killed", pid=process.pid)
                    process.signal(signal.SIGKILL)
                    process.join(EXIT_CODE_WITHIN)
                process.bury()


def _live(body: Body, settings: Settings, listening: Sequence[socket.socket], news: Connection) -> None:
    """What each process does: its work, until a signal or the end of its parent."""
    from voting.telemetry import configure_logging

    configure_logging()

    os.set_blocking(news.fileno(), False)  # a parent that does not listen must not hold us up

    def tell_ready() -> None:
        _beat(news)

    with _ended_with_parent(), suppress(KeyboardInterrupt):
        body(settings, listening, tell_ready)


def _beat(news: Connection) -> None:
    """Say that this process is alive, now and again and again, from the event loop that runs here: so one that does
    nothing any more says nothing.
    """
    with suppress(BlockingIOError):
        try:
            news.send_bytes(b"alive")
        except BrokenPipeError:  # nobody listens any more
            return
    asyncio.get_running_loop().call_later(BEAT, _beat, news)


def serve_as_child(settings: Settings, listening: Sequence[socket.socket], on_ready: Callable[[], None]) -> None:
    """Serve requests until a signal."""
    from voting.serving import serve_here

    serve_here(settings, listening, on_ready, jobs=False)


def work_as_child(settings: Settings, _: Sequence[socket.socket], on_ready: Callable[[], None]) -> None:
    """Do the queued work until a signal."""
    from voting.serving import work_here

    work_here(settings, on_ready)


@contextmanager
def _ended_with_parent() -> Iterator[None]:
    """End this process in order when the service's parent, or the process that forks for it, is gone."""
    parent = parent_process()
    assert parent is not None
    forked_by = os.getppid()
    finished = threading.Event()

    def watch() -> None:
        while os.getppid() == forked_by and not wait([parent.sentinel], timeout=LOOK_EVERY):
            pass
        logger.warning("parent_gone", pid=os.getpid())
        os.kill(os.getpid(), signal.SIGTERM)
        if not finished.wait(END_WITHIN):
            os._exit(os.EX_SOFTWARE)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    try:
        yield
    finally:
        finished.set()
