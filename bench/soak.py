"""Half load for hours: memory of every process, and nothing answered wrongly.

    python bench/soak.py [--minutes 120] [--rate 0] [--workers 2] [--residents 60000] [--every 10]

Serves with `--workers` processes, finds what they can take in ten seconds (or takes half of `--rate` votes a second),
then casts at half of it and reads pages beside, with processes that die and come back counted. Every resident votes in
a fresh poll after the last. Prints a line a minute and at the end, for each process, its memory at first and at last
and the slope in MB an hour over the second half, which has to be below 20; errors have to be none, and at the end
there must be as many ballots as participations in each poll. Exit 0 when so, 1 when not.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig  # noqa: E402
from bench.casting import prepare  # noqa: E402

from voting.db import database_url_for  # noqa: E402

MOST_SLOPE = 20.0  # MB an hour, of one process, over the second half
LONG_ENOUGH = 900  # seconds: in a shorter run caches are still filling, and the slope is told and not judged
CHUNK = 5.0  # seconds of load at a time


def megabytes(pid: int) -> float:
    """What a process holds of its own (RSS), or 0 when it has gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


class Memory:
    """Samples of every process of a service, taken in a thread."""

    def __init__(self, service: rig.Service, every: float) -> None:
        self.samples: dict[int, list[tuple[float, float]]] = {}
        self._service, self._every, self._over = service, every, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._over.wait(self._every):
            at = time.monotonic()
            for pid in self._service.pids():
                if held := megabytes(pid):
                    self.samples.setdefault(pid, []).append((at, held))

    def stop(self) -> None:
        """Take no more."""
        self._over.set()
        self._thread.join()


def slope(samples: list[tuple[float, float]]) -> float:
    """MB an hour over the second half, by least squares; 0 for fewer than five samples."""
    half = samples[len(samples) // 2 :]
    if len(half) < 5:
        return 0.0
    return statistics.linear_regression([at for at, _ in half], [held for _, held in half]).slope * 3600


def measure(given: argparse.Namespace, server: str, stack: ExitStack) -> bool:
    url = stack.enter_context(rig.scratch_database(server, "soak"))
    data = stack.enter_context(rig.keys_of(database_url_for(url, "postgresql")))
    people = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "people"
    polls: list[str] = []
    asyncio.run(prepare(url, given.residents, polls))
    rig.write_people(people, rig.settings_for(url, data), given.residents)
    service = stack.enter_context(rig.veche(url, data, workers=given.workers))
    began = service.pids()
    slug = polls.pop()

    def cast(seconds: float, skip: int, rate: float = 0) -> rig.Load:
        words = (str(people), str(skip), "api", f"/api/v1/polls/{slug}/ballots", service.url, str(rate))
        return rig.wrk(service, seconds, 64, "cast.lua", *words)

    full = given.rate or cast(10, 0).rate
    slug = polls.pop()
    print(f"full load {full:,.0f} votes a second; half of it for {given.minutes} minutes", flush=True)
    memory = Memory(service, given.every)
    over, cast_so_far, skip, wrong, told = time.monotonic() + 60 * given.minutes, 0, 0, 0, time.monotonic()
    while time.monotonic() < over:
        if skip + full / 2 * CHUNK * 1.5 > given.residents:
            if not polls:
                polls += asyncio.run(_more(url))
            slug, skip = polls.pop(), 0
        load = cast(CHUNK, skip, full / 2)
        page = rig.wrk(service, 1, 8, "read.lua", str(people), "0", "/", '"-"')
        skip += load.requests + 200
        cast_so_far += load.ok
        wrong += load.errors + page.errors
        if time.monotonic() - told > 60 or time.monotonic() >= over:
            told = time.monotonic()
            held = {pid: found[-1][1] for pid, found in memory.samples.items()}
            print(
                f"  {cast_so_far:,} votes, {load.rate:,.0f}/s, p99 {load.p99:.0f} ms, errors {wrong}, "
                f"MB {', '.join(f'{value:.0f}' for value in held.values())}",
                flush=True,
            )
    memory.stop()
    return conclude(memory, began, service, wrong, url)


async def _more(url: str) -> list[str]:
    from voting.db import Database

    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    made = await rig.open_polls(database, 40)
    await database.close()
    return made


def conclude(memory: Memory, began: list[int], service: rig.Service, wrong: int, url: str) -> bool:
    good = wrong == 0 and service.pids() == began
    for pid, found in memory.samples.items():
        steep = slope(found)
        good &= steep < MOST_SLOPE or found[-1][0] - found[0][0] < LONG_ENOUGH
        print(f"  process {pid}: {found[0][1]:.0f} MB at first, {found[-1][1]:.0f} MB at last, {steep:+.1f} MB an hour")
    with psycopg.connect(url) as connection:
        for (poll,) in connection.execute("SELECT id FROM poll").fetchall():
            took_part = connection.execute("SELECT count(*) FROM participation WHERE poll_id = %s", [poll]).fetchone()
            ballots = connection.execute(f"SELECT count(*) FROM intake_{int(poll)}").fetchone()
            if took_part != ballots:
                print(f"  poll {poll}: {took_part} participations and {ballots} ballots")
                good = False
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--residents", type=int, default=60_000)
    parser.add_argument("--every", type=float, default=10)
    given = parser.parse_args()
    with rig.durable_server() as server, ExitStack() as stack:
        good = measure(given, server, stack)
    print("soak: flat and without errors" if good else "soak: NOT AS IT SHOULD BE")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
