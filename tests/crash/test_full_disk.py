"""A full disk: PostgreSQL cannot write its log, the site says so clearly, and nothing acknowledged is lost.

A small disk of its own (tmpfs) holds the data directory. While clients race, everything that is free is taken away, and
the log is made to need more. When space is free again, the service has to take votes again by itself.
"""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.crash.service import NO_TLS, PATIENCE, Service, a_service, full_counts, needs_proc
from tests.crash.voters import Crowd, check_box, found_city
from tests.memory import PLACE

from voting.security import FormTokens

SIZE = "260m"
RESIDENTS = 300 if full_counts() else 120
PAGES = ("/", "/sign-in", "/health/ready", "/api/v1/polls")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A mounted tmpfs, unmounted in every case; skips where mounting is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk of this test")
    place = PLACE / f"full-{os.getpid()}"
    place.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0711", "tmpfs", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        place.rmdir()
        pytest.skip(f"mounting a small disk is not permitted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        for arguments in (["umount", str(place)], ["umount", "-l", str(place)]):
            if subprocess.run(arguments, capture_output=True).returncode == 0:
                break
        place.rmdir()


@needs_proc
@pytest.mark.timeout(300)
async def test_a_full_disk_loses_nothing_and_passes(small_disk: Path, tmp_path: Path) -> None:
    with a_service(small_disk, tmp_path / "log") as service:
        await asyncio.to_thread(service.start)
        database = service.database()
        tokens = FormTokens(service.settings.secret("forms"))
        poll, people = await found_city(database, tokens, RESIDENTS)
        crowd = Crowd(poll, service.base, random.Random(7))
        voting = asyncio.create_task(crowd.run(people))
        while crowd.told < RESIDENTS // 6:
            assert not crowd.faults, crowd.faults[:5]
            await asyncio.sleep(0.01)
        ballast = small_disk / "ballast"
        await asyncio.to_thread(fill, ballast, service)
        before = crowd.told
        statuses = await ask_around(service, crowd, seconds=4 if full_counts() else 2)
        during = crowd.told - before
        assert "No space left on device" in service.home.log.read_text()
        assert 503 in statuses and not statuses - {200, 503}, statuses
        assert not voting.done(), "the disk was not full for anybody"

        ballast.unlink()
        freed = time.monotonic()
        while crowd.last_taken[0] < freed:
            assert time.monotonic() - freed < 45, "votes are not taken again by themselves"
            assert not crowd.faults, crowd.faults[:5]
            await asyncio.sleep(0.05)
        back = crowd.last_taken[1] - freed
        await asyncio.wait_for(voting, PATIENCE)
        await check_box(database, crowd)
        await crowd.ask_again(20)
        await database.close()
        assert len(crowd.taken) == RESIDENTS
        print(  # noqa: T201  -- the figures of a release
            f"full disk: {before} acknowledged before, {during} on it, {crowd.unavailable} times 503, {crowd.broken}"
            f" connections broken; taken again {back:.1f} s after space was freed; {len(crowd.taken)} votes, 0 lost"
        )
        assert service.stop() == 0


def fill(ballast: Path, service: Service) -> None:
    """Take what is free, and use up the log's segments, until PostgreSQL has met the end of the disk."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    deadline = time.monotonic() + PATIENCE
    while "No space left on device" not in service.home.log.read_text():
        assert time.monotonic() < deadline, "the disk does not fill"
        with suppress(psycopg.Error), psycopg.connect(service.home.url(driver="postgresql"), autocommit=True) as plain:
            plain.execute("SELECT pg_logical_emit_message(false, 'ballast', repeat('x', 4000000))")


async def ask_around(service: Service, crowd: Crowd, seconds: float) -> set[int]:
    """Read pages while the disk is full: each is answered, as it is or with a clear 503; gives the statuses."""
    found: set[int] = set()
    until = time.monotonic() + seconds
    async with httpx.AsyncClient(base_url=service.base, timeout=20, verify=NO_TLS) as client:
        while time.monotonic() < until:
            for path in (*PAGES, f"/polls/{crowd.poll.public_id}"):
                reply = await client.get(path, headers={"accept-language": "en"}, follow_redirects=True)
                found.add(reply.status_code)
                if reply.status_code == 503:
                    assert int(reply.headers["retry-after"]) > 0, path
                    assert "Traceback" not in reply.text and len(reply.text) > 30, path
            await asyncio.sleep(0.2)
    return found
