"""Half load for hours: memory of every process, and nothing answered wrongly.

    python bench/soak.py [--minutes 120] [--rate 0] [--workers 2] [--residents 60000] [--every 10]

Serves with `--workers` processes, finds what they can take in ten seconds (or takes half of `--rate` votes a second),
then casts at half of it, five seconds at a time, and reads pages for a second between. Every resident votes in a fresh
poll after the last. Prints a line a minute and at the end, for each process, its memory at first and at last and the
slope in MB an hour over the second half, which has to be below 20 (a run under 15 minutes is too short to judge it and
says so). No error, no process that died; at the end each poll has as many ballots as participations, and no fewer than
were acknowledged. Exit 0 when so, 1 when not.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig, summary  # noqa: E402
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
        self._most = self._sample()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _sample(self) -> float:
        at, total = time.monotonic(), 0.0
        for pid in self._service.pids():
            if held := megabytes(pid):
                self.samples.setdefault(pid, []).append((at, held))
                total += held
        return total

    def _run(self) -> None:
        while not self._over.wait(self._every):
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
                self._most = max(self._most, self._sample())

    def now(self) -> str:
        """What each process held at its last sample, as words."""
        return " + ".join(f"{found[-1][1]:.0f}" for found in self.samples.values())

    def most(self) -> float:
        """The most they have held together so far, MB."""
        return self._most

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
    asyncio.run(prepare(url, given.residents, 60, polls))
    rig.write_people(people, rig.settings_for(url, data), given.residents)
    service = stack.enter_context(rig.veche(url, data, workers=given.workers))
    began = service.pids()
    slug = polls.pop()

    def cast(seconds: float, skip: int, rate: float = 0) -> rig.Load:
        words = (str(people), str(skip), "api", f"/api/v1/polls/{slug}/ballots", service.url, str(rate), "look")
        return rig.wrk(service, seconds, 64, "cast.lua", *words)

    first = None if given.rate else cast(10, 0)
    full = given.rate or (first.rate if first else 0)
    slug, taken = polls.pop(), first.ok if first else 0
    print(f"full load {full:,.0f} votes a second; half of it for {given.minutes:g} minutes", flush=True)
    memory, began_at = Memory(service, given.every), time.monotonic()
    loads: list[rig.Load] = []
    skip, wrong, told, minute, asked = 0, 0, 0, 0, full / 2
    while time.monotonic() - began_at < 60 * given.minutes:
        if skip + full / 2 * CHUNK * 2 > given.residents:
            if not polls:
                polls += asyncio.run(_more(url))
            slug, skip = polls.pop(), 0
        try:
            loads.append(cast(CHUNK, skip, asked))
            page = rig.wrk(service, 1, 8, "read.lua", str(people), "0", "/", '"-"')
        except subprocess.CalledProcessError as broke:  # wrk itself: it could not connect
            wrong += 1
            print(f"  {time.monotonic() - began_at:.0f} s: {(broke.stdout + broke.stderr).strip()}", flush=True)
            time.sleep(1)
            continue
        # A connection pauses between its requests and waits for replies besides: ask for more, to get half the load.
        asked = min(full, max(full / 2, asked * full / 2 / max(1.0, loads[-1].rate)))
        skip += int(1.3 * loads[-1].requests) + 400  # one thread of wrk may be ahead of the others
        taken += loads[-1].ok
        wrong += loads[-1].errors + page.errors
        if (now := int((time.monotonic() - began_at) / 60)) > minute:
            minute = now
            print(
                f"  {minute:3} min: {taken:,} votes, {tell(loads[told:])}, errors {wrong}, MB {memory.now()}",
                flush=True,
            )
            told = len(loads)
    memory.stop()
    print(f"  in all: {tell(loads)}")
    return conclude(memory, began, service, wrong, taken, url)


def tell(loads: list[rig.Load]) -> str:
    """Rate and latency of some pieces of load: medians, and the worst piece's 99 %."""
    if not loads:
        return "no load"
    p99 = [load.p99 for load in loads]
    return (
        f"{rig.median([load.rate for load in loads]):,.0f}/s, p50 {rig.median([load.p50 for load in loads]):.0f} ms, "
        f"p99 {rig.median(p99):.0f} ms (worst {max(p99):.0f}), 503 {sum(load.busy for load in loads)}"
    )


async def _more(url: str) -> list[str]:
    from voting.db import Database

    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    made = await rig.open_polls(database, 40)
    await database.close()
    return made


def conclude(memory: Memory, began: list[int], service: rig.Service, wrong: int, taken: int, url: str) -> bool:
    """Errors, processes that died, memory, and votes: what was acknowledged, who took part, which ballots are there."""
    good = summary.record("soak", "errors", wrong, 0)
    lost = len(set(began) - set(service.pids()))
    good &= summary.record("soak", "processes that died", lost, 0)
    for number, found in enumerate(memory.samples.values(), start=1):
        steep = slope(found)
        print(f"  process {number}: {found[0][1]:.0f} MB at first, {found[-1][1]:.0f} at last, {steep:+.1f} MB an hour")
        if found[-1][0] - found[0][0] >= LONG_ENOUGH:
            good &= summary.record("soak", f"memory of process {number}, MB an hour", steep, MOST_SLOPE)
        else:
            print(f"    too short to judge: under {LONG_ENOUGH // 60} minutes caches are still filling")
    took_part, apart = 0, 0
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for (poll,) in connection.execute("SELECT id FROM poll").fetchall():
            row = connection.execute(
                "SELECT (SELECT count(*) FROM participation WHERE poll_id = %s),"
                f" (SELECT count(*) FROM intake_{int(poll)})",
                [poll],
            ).fetchone()
            assert row is not None
            took_part += row[0]
            apart += abs(row[0] - row[1])
            if row[0] != row[1]:
                print(f"  poll {poll}: {row[0]} participations and {row[1]} ballots")
    print(f"  {taken:,} votes acknowledged, {took_part:,} stored")
    good &= summary.record("soak", "participations without a ballot, or the reverse", apart, 0)
    return good & summary.record("soak", "votes acknowledged and not stored", max(0, taken - took_part), 0)


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
