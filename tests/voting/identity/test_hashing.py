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


def test_where_idle_time_is_nothing_another_goes_on(apart: HasherApart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "STARVED", 0.0)
    monkeypatch.setattr(hashing, "STARVED_FOR", 0.5)
    apart.hash(PASSWORD)
    [idle] = processes(apart)
    apart.hash(PASSWORD)
    [_, aside] = processes(apart)
    assert os.getpriority(os.PRIO_PROCESS, aside.pid) == hashing.NICENESS
    idle.kill()
    idle.wait()
    apart.hash(PASSWORD)
    assert processes(apart)[0] is idle, "it was not asked"
    time.sleep(0.6)
    apart.hash(PASSWORD)
    assert processes(apart)[0] is not idle, "now it was, and begun again"


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
