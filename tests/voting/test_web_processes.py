"""The children of the service: alive or not by the system's word and by their own, also without their fork server."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import Pipe, forkserver, get_context

import pytest

from voting import web_processes
from voting.settings import Settings
from voting.web_processes import Child, Place, Processes, serve_as_child

needs_pidfd = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no pidfd")


def a_child(seconds: float) -> Child:
    process = get_context("forkserver").Process(target=time.sleep, args=(seconds,))
    process.start()
    return Child(process)


def kill_the_forking_process() -> None:
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]


def test_a_child_that_ends_is_gone_with_its_exit_code() -> None:
    child = a_child(0.2)
    assert not child.gone() and not child.forsaken
    child.join(20)
    assert child.gone() and not child.forsaken
    assert child.bury() == 0


@needs_pidfd
def test_a_child_outlives_the_process_it_was_forked_from_and_can_still_be_ended() -> None:
    child = a_child(60)
    kill_the_forking_process()
    deadline = time.monotonic() + 20
    while not child.forsaken:
        assert not child.gone() and time.monotonic() < deadline
    child.join(0.2)
    assert not child.gone(), "it runs"
    child.signal(signal.SIGKILL)
    child.join(20)
    assert child.gone()
    child.signal(signal.SIGKILL)  # of one that is gone, nothing
    assert child.bury() is None, "nobody is left who could tell"


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """Those of a service that has begun none yet."""
    monkeypatch.setattr(web_processes, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(web_processes, "BEAT", 0.02)
    with socket.socket() as listening:
        yield Processes(Settings(), [listening], 1, lambda: None)


async def test_a_process_is_heard_while_its_event_loop_runs(processes: Processes) -> None:
    place = Place("web", serve_as_child, process=a_child(0))
    assert place.process is not None
    place.news, theirs = Pipe(duplex=False)
    os.set_blocking(theirs.fileno(), False)
    processes._places = [place]
    assert place.silence() == 0, "it starts, and that takes as long as it takes"
    web_processes._beat(theirs)
    for _ in range(3):
        before = place.heard
        await asyncio.sleep(0.1)
        processes._wait()
        assert place.ready and place.heard > before
    hangs_until = time.monotonic() + 0.5
    while time.monotonic() < hangs_until:  # the event loop does nothing any more, the parent looks on
        processes._wait()
    assert place.silence() > 0.2
    theirs.close()
    await asyncio.sleep(0.1)
    processes._wait()
    assert place.news is None, "its end"
    place.process.join()
    place.process.bury()


async def test_nobody_who_listens_is_no_trouble_to_a_process(processes: Processes) -> None:
    full, gone = Pipe(duplex=False), Pipe(duplex=False)
    for _, theirs in (full, gone):
        os.set_blocking(theirs.fileno(), False)
    with suppress(BlockingIOError):
        while True:
            full[1].send_bytes(b"alive")
    gone[0].close()
    web_processes._beat(full[1])
    web_processes._beat(gone[1])
    await asyncio.sleep(0.1)
    full[0].close()
    full[1].close()
    gone[1].close()


def test_a_parent_that_was_held_up_takes_it_for_nobodys_silence(processes: Processes) -> None:
    child = a_child(0)
    place = Place("web", serve_as_child, process=child, ready=True)
    processes._places = [place]
    processes._looked = place.heard = time.monotonic() - 100
    processes._wait()
    assert place.silence() < 1
    place.heard -= 100
    processes._wait()
    assert place.silence() > 99
    child.join()
    child.bury()
