"""Hashing in processes of its own: the same answers, an end with ours, and a way on when one dies or starves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from voting.identity import hashing
from voting.identity.hashing import Hasher, HasherApart
from voting.identity.passwords import PasswordPool

PASSWORD = "верный конь".encode()


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[HasherApart]:
    monkeypatch.setattr(hashing, "STARVED", 600.0)  # however busy this machine is
    made = HasherApart(memory_kib=8, time_cost=1)
    yield made
    made.close()


def processes(of: HasherApart) -> list[subprocess.Popen[bytes]]:
    return [child._process for child in of._all if child._process is not None]


def test_both_ways_know_each_others_hashes(apart: HasherApart) -> None:
    here = Hasher(memory_kib=8, time_cost=1)
    for maker, reader in ((here, apart), (apart, here)):
        stored = maker.hash(PASSWORD)
        assert stored.startswith("$argon2id$")
        assert reader.fits(PASSWORD, stored)
        assert not reader.fits(PASSWORD + b"!", stored)
    assert not apart.fits(PASSWORD, "no hash at all")
    assert apart.fits(b"\xff\x00\n", apart.hash(b"\xff\x00\n"))
    assert len(processes(apart)) == 1, "one serves all that"


@pytest.mark.skipif(sys.platform != "linux", reason="the scheduler's class is Linux's")
def test_it_stands_back_behind_everything_else(apart: HasherApart) -> None:
    apart.hash(PASSWORD)
    [process] = processes(apart)
    assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
    assert os.sched_getscheduler(0) == os.SCHED_OTHER, "and nobody else does"


def test_one_that_died_is_begun_again_and_asked_again(apart: HasherApart) -> None:
    stored = apart.hash(PASSWORD)
    [process] = processes(apart)
    process.kill()
    process.wait()
    assert apart.fits(PASSWORD, stored)
    [another] = processes(apart)
    assert another.pid != process.pid


def test_what_is_meant_for_the_server_does_not_end_it(apart: HasherApart) -> None:
    apart.hash(PASSWORD)
    [process] = processes(apart)
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    assert apart.fits(PASSWORD, apart.hash(PASSWORD))
    assert processes(apart) == [process]
    apart.close()
    assert process.returncode == 0, "but the end of what it reads does"


def test_where_idle_time_is_nothing_another_answers_at_once(
    apart: HasherApart, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = apart.hash(PASSWORD)
    [idle] = processes(apart)
    monkeypatch.setattr(hashing, "STARVED", 0.1)
    monkeypatch.setattr(hashing, "STARVED_FOR", 0.2)
    idle.send_signal(signal.SIGSTOP)  # as if all processors were taken
    assert apart.fits(PASSWORD, stored)
    [_, aside] = processes(apart)
    assert os.getpriority(os.PRIO_PROCESS, aside.pid) == hashing.NICENESS
    assert not apart.fits(PASSWORD + b"!", stored)
    time.sleep(0.3)
    assert not apart.fits(PASSWORD + b"!", stored), "tried again, and still at the first question"
    idle.send_signal(signal.SIGCONT)
    monkeypatch.setattr(hashing, "STARVED", 600.0)
    time.sleep(0.5)
    aside.kill()
    aside.wait()
    assert apart.fits(PASSWORD, stored), "by the first once more, whose late answer is nobody's"
    assert not apart.fits(PASSWORD + b"!", stored)
    assert processes(apart) == [idle, aside], "the other was not asked, and so not begun again"


def test_one_that_dies_while_it_owes_an_answer_is_begun_again(
    apart: HasherApart, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = apart.hash(PASSWORD)
    [idle] = processes(apart)
    monkeypatch.setattr(hashing, "STARVED", 0.1)
    monkeypatch.setattr(hashing, "STARVED_FOR", 0.0)
    idle.send_signal(signal.SIGSTOP)
    assert apart.fits(PASSWORD, stored)
    idle.kill()
    idle.wait()
    monkeypatch.setattr(hashing, "STARVED", 600.0)
    assert apart.fits(PASSWORD, stored)
    assert processes(apart)[0].pid != idle.pid


def test_nobody_is_left_when_the_server_is_killed(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    script = (
        "import os, time\n"
        "from voting.identity.hashing import HasherApart\n"
        "apart = HasherApart(8, 1)\n"
        "apart.hash(b'correct horse')\n"
        f"open({str(said)!r}, 'w').write(str(apart._all[0]._process.pid))\n"
        f"os.rename({str(said)!r}, {str(said) + '.done'!r})\n"
        "time.sleep(60)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", script])
    done = Path(f"{said}.done")
    deadline = time.monotonic() + 30
    while not done.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.kill()
    server.wait()
    child = Path(f"/proc/{done.read_text()}/stat")
    while (
        child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z"
    ):  # of whom nobody here is the parent
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_the_pool_hashes_apart_when_asked_to() -> None:
    pool = PasswordPool(1, memory_kib=8, time_cost=1, apart=True)
    stored = await pool.hash("correct horse")
    assert await pool.verify("correct horse", stored)
    assert not await pool.verify("correct horsf", stored)
    assert not await pool.verify("correct horse", None)
    pool.close()
