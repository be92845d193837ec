"""The children of the service: alive or not by the system's word, also without the process they were forked from."""

import os
import signal
import time
from multiprocessing import forkserver, get_context

import pytest

from voting.web_processes import Child

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
