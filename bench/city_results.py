"""The results of a city's poll: profile, tables, pages, files, and votes cast meanwhile, each beside its like.

    python bench/city_results.py [--ballots 7000000] [--times 5] [--quick]

Fills a scratch database with a counted poll of 132 districts, seven age bands and two sexes (`bench/counted_city.py`).
By turns in one run:

- P5: the profile by stratum written as `counting` writes it and the totals read from it, beside PostgreSQL's own
  GROUP BY of the same ballots by the same option and stratum, fetched: at most 1.3 times; with the client's memory, at
  most 200 MB. Writing costs the same for few ballots as for many (8,000 rows): under a million it is not judged.
- tables: what the job after a count takes to find which cells stay hidden, for one question and for three; and when all
  questions and the turnout have to be looked at as one, since a group voted to the last resident. Told, not judged: no
  page waits for it. In the whole run the same of 200,000 ballots, of which many groups have under ten.
- P4: the results page and the explorer from cold, in a process that has shown nothing yet, and once more; the results
  page's rate beside a bare handler.
- P6: `GET …/answers.csv` over HTTP, streamed by one process, beside `psql … COPY` of the published columns: at least
  70 % of its rows a second, at most 150 MB of growth in the service, the first byte within a second. The same records
  as Parquet, `GET …/answers.parquet`: at least 40 %, and the same memory.
- casting at a city's pace (500 votes a second) by the same process, by turns without and with such a download going on,
  and while the worker makes the same file as a job: 95 and 99 of 100 votes within twice the time, and no 503.
- answers.xlsx of 250,000 lines by `veche worker`: at most 200 MB in all.
- P11: memory of the service at rest, and how long it takes from start to ready.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig, summary  # noqa: E402
from bench.casting import cast, prepare  # noqa: E402
from bench.counted_city import a_counted_city, full_in_one_group  # noqa: E402
from bench.pages import View, compare, fetch  # noqa: E402
from bench.soak import Memory  # noqa: E402

from polls.catalogue import SealedPoll, sealed_poll  # noqa: E402
from polls.counting import _write_profile  # noqa: E402
from polls.published import published_styles  # noqa: E402
from polls.sessions import ReadSession, Session  # noqa: E402
from results.exports.answers import entries_sql  # noqa: E402
from results.publication import publish_figures  # noqa: E402
from voting.db import Database, database_url_for  # noqa: E402

JUDGED = 1_000_000
CITY, THIN = 7_000_000, 200_000
MOST_HIDING, MOST_TOGETHER = 60.0, 600.0  # seconds of a job nobody waits for
MOST_COLD = 5.0  # seconds of the first page a process shows
PACE = 500.0  # votes a second: a whole city of 7,000,000 in four hours
MOST_SLOWER = 2.0
EXPLORED = "?by=district&and=sex&chart=heatmap"
DIALECTS = ("plain", "excel")
TOTALS = "SELECT answers[1], count(*) FROM ballot WHERE poll_id = {} GROUP BY 1"
AWAY = (
    "CREATE TABLE bench_profile AS SELECT * FROM profile WHERE poll_id = {}",
    "DELETE FROM profile WHERE poll_id = {}",
    "VACUUM (ANALYZE) profile",
)
BACK = "INSERT INTO profile SELECT * FROM bench_profile"
PROFILE = "SELECT answers[1], stratum, count(*) FROM ballot WHERE poll_id = {} GROUP BY 1, 2"


async def timed(times: int, *work: Callable[[], Awaitable[Any]]) -> list[list[float]]:
    """Seconds of each run of each piece of work, by turns, after a first round."""
    taken: list[list[float]] = [[] for _ in work]
    for turn in range(times + 1):
        for number, one in enumerate(work):
            start = time.perf_counter()
            await one()
            if turn:
                taken[number].append(time.perf_counter() - start)
    return taken


async def p5(url: str, slug: str, ballots: int, times: int) -> bool:
    """The profile as counting writes it, and totals from it, beside a plain GROUP BY by the same grouping."""
    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    plain = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with database.open_read_session() as session:
        poll = await sealed_poll(session, slug)
    for statement in AWAY:
        await plain.execute(statement.format(poll.id))

    async def profile() -> None:
        async with database.sessions() as session:
            await _write_profile(Session(ReadSession(session)), poll)
            await session.execute(text("SELECT answer, sum(n) FROM profile WHERE poll_id = :poll GROUP BY 1"),
                                  {"poll": poll.id})  # fmt: skip
            await session.rollback()

    async def grouped(statement: str) -> None:
        await (await plain.execute(statement.format(poll.id))).fetchall()

    runs = await timed(times, profile, lambda: grouped(PROFILE), lambda: grouped(TOTALS))
    own, by_stratum, totals = (rig.median(found) for found in runs)
    print(f"  profile by stratum and totals {own:.2f} s, GROUP BY option and stratum {by_stratum:.2f} s: "
          f"{own / by_stratum:.2f} × (bar 1.3); GROUP BY option alone {totals:.2f} s")  # fmt: skip
    await plain.execute(BACK)
    await plain.close()
    await database.close()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  client memory {held:.0f} MB (bar 200)")
    good = summary.record("P5", f"client, {ballots:,} ballots", held, 200, "MB")
    if ballots < JUDGED:
        print(f"  too few to judge the ratio: its fixed cost weighs under {JUDGED:,}")
        return good
    return good & summary.record(
        "P5", f"profile and totals to GROUP BY, {ballots:,} ballots", own / by_stratum, 1.3, "×"
    )


# ---- tables


async def tables(url: str, one: SealedPoll, three: SealedPoll, book: SealedPoll) -> bool:
    """What the job after a count takes for one question, for three, and with a group that voted whole."""
    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))

    async def published(poll: SealedPoll) -> float:
        start = time.perf_counter()
        async with database.open_session() as session:
            await publish_figures(session, poll.public_id, datetime.now(UTC))
        return time.perf_counter() - start

    taken = await published(one)
    await published(book)
    print(f"tables: one question {taken:.1f} s", end=", ", flush=True)
    print(f"three questions {await published(three):.1f} s", end=", ", flush=True)
    full_in_one_group(url, three)
    whole = await published(three)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"all of them as one, since a group voted to the last resident, {whole:.1f} s; {held:.0f} MB", flush=True)
    await database.close()
    good = summary.record("tables", "which cells stay hidden, one question", taken, MOST_HIDING, "s")
    return good & summary.record("tables", "three questions and the turnout as one", whole, MOST_TOGETHER, "s")


async def thin_tables(url: str, poll: SealedPoll) -> bool:
    """The same of few ballots for so many groups, with the share of figures in groups that stay hidden."""
    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    start = time.perf_counter()
    async with database.open_session() as session:
        await publish_figures(session, poll.public_id, datetime.now(UTC))
        kept = json.loads(
            await session.scalar(text("SELECT memory FROM publication WHERE poll_id = :poll"), {"poll": poll.id})
        )
    taken = time.perf_counter() - start
    await database.close()
    hidden = 100 * len(kept["hidden"]) / (len(kept["hidden"]) + len(kept["shown"]))
    print(f"tables: {THIN:,} ballots, three questions {taken:.1f} s, {hidden:.0f} % of the figures hidden", flush=True)
    good = summary.record("tables", f"{THIN:,} ballots, three questions", taken, MOST_TOGETHER, "s")
    return good & summary.record("tables", f"figures hidden of {THIN:,} ballots", hidden, 35, "%")


# ---- pages


def pages(given: argparse.Namespace, url: str, data: Path, slug: str, folder: Path) -> bool:
    """The results page and the explorer from cold and once more, each in a process that has shown nothing yet."""
    good = True
    for name, path in (("results page", f"/polls/{slug}/results"), ("explorer", f"/polls/{slug}/explore{EXPLORED}")):
        with rig.veche(url, data) as service:
            taken = []
            for _ in range(2):
                start = time.perf_counter()
                body, _ = fetch(service, path)
                taken.append(time.perf_counter() - start)
            print(f"P4: {name} from cold {taken[0]:.2f} s (bar {MOST_COLD:g}), once more {taken[1]:.3f} s, "
                  f"{len(body) / 1000:.0f} kB", flush=True)  # fmt: skip
            good &= summary.record("P4", f"a city's {name} from cold", taken[0], MOST_COLD, "s")
            if name == "results page":
                (folder / "body").write_bytes(body)
                with rig.veche(url, data, variant=f"bare {folder / 'body'}") as bare:
                    view = View("a city's results page", path, 3000, signed_in=False)
                    good &= compare(given, view, service, bare, folder / "people", "", len(body))
    return good


# ---- files


def download(service: rig.Service, path: str) -> tuple[float, float, int]:
    """Seconds to the first byte and to the last, and bytes."""
    start = time.perf_counter()
    with urllib.request.urlopen(service.url + path) as reply:
        size = len(reply.read(1))
        first = time.perf_counter() - start
        while piece := reply.read(1 << 20):
            size += len(piece)
    return first, time.perf_counter() - start, size


async def statement_of(url: str, slug: str) -> str:
    """What the service copies out."""
    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    async with database.open_read_session() as session:
        poll = await sealed_poll(session, slug)
        found = entries_sql(poll, await published_styles(session, poll))
    await database.close()
    return found


def p6(given: argparse.Namespace, url: str, data: Path, slug: str) -> bool:
    """The published answers over HTTP and by psql, by turns; then P11 of the same service."""
    statement = asyncio.run(statement_of(url, slug))
    with rig.veche(url, data) as service:
        memory = Memory(service, 0.2)
        rest = memory.most()
        path = f"/api/v1/polls/{slug}/answers.csv"
        ours, theirs, typed, firsts, size, typed_size = [], [], [], [], 0, 0
        for _ in range(given.times if given.ballots < 2_000_000 else min(given.times, 3)):
            start = time.perf_counter()
            with tempfile.TemporaryFile() as sink:
                subprocess.run(["psql", "-qX", url, "-c", f"COPY ({statement}) TO STDOUT (FORMAT csv)"],
                               check=True, stdout=sink)  # fmt: skip
            theirs.append(time.perf_counter() - start)
            first, taken, size = download(service, path)
            ours.append(taken)
            firsts.append(first)
        grown = memory.most() - rest
        for _ in ours:
            _, taken, typed_size = download(service, path.replace(".csv", ".parquet"))
            typed.append(taken)
        memory.stop()
        first, ratio = rig.median(firsts), rig.median(theirs) / rig.median(ours)
        grown_typed, typed_ratio = memory.most() - rest, rig.median(theirs) / rig.median(typed)
        print(f"  as Parquet {rig.median(typed):.2f} s ({typed_size / 1e6:.0f} MB): {typed_ratio:.0%} of psql's COPY "
              f"(bar 40 %); the service grew by {grown_typed:.0f} MB (bar 150)")  # fmt: skip
        print(f"  over HTTP {rig.median(ours):.2f} s ({size / 1e6:.0f} MB), psql COPY of the same statement "
              f"{rig.median(theirs):.2f} s: {ratio:.0%} (bar 70 %); first byte {first:.2f} s (bar 1); "
              f"the service grew by {grown:.0f} MB (bar 150)")  # fmt: skip
        print(f"P11: at rest {rest:.0f} MB (bar 250), from start to ready {service.ready_in:.1f} s (bar 5)")
        rows = f"answers.csv, {given.ballots:,} rows"
        return all([
            summary.record("P6", f"{rows}, of psql's COPY", 100 * ratio, 70, "%", least=True),
            summary.record("P6", f"{rows}, first byte", first, 1, "s"),
            summary.record("P6", f"{rows}, growth of the service", grown, 150, "MB"),
            summary.record("P6", f"answers.parquet, {given.ballots:,} rows, of psql's COPY", 100 * typed_ratio, 40, "%",
                           least=True),
            summary.record("P6", f"answers.parquet, {given.ballots:,} rows, growth", grown_typed, 150, "MB"),
            summary.record("P11", "service at rest", rest, 250, "MB"),
            summary.record("P11", "from start to ready", service.ready_in, 5, "s"),
        ])  # fmt: skip


# ---- votes cast meanwhile


class Downloading:
    """Downloads one after another in a thread, till it is ended; `whole` tells how many came to their end."""

    def __init__(self, service: rig.Service, path: str) -> None:
        self.whole, self.bytes = 0, 0
        self._service, self._path, self._over = service, path, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            with urllib.request.urlopen(self._service.url + self._path) as reply:
                while not self._over.is_set() and (piece := reply.read(1 << 20)):
                    self.bytes += len(piece)
            self.whole += not self._over.is_set()
            self._over.wait(1)  # a visitor may take thirty files in ten minutes

    def end(self) -> None:
        """Break off what is under way."""
        self._over.set()
        self._thread.join()


def meanwhile(given: argparse.Namespace, url: str, data: Path, slug: str, polls: list[str], people: Path) -> bool:
    """Votes at a city's pace by turns: alone, while the file streams from the same process, while a job makes it."""
    loads: dict[str, list[rig.Load]] = {"alone": [], "file": [], "job": []}
    moved, made = 0, 0
    with rig.veche(url, data) as service:

        def vote() -> rig.Load:
            path = f"/api/v1/polls/{polls.pop()}/ballots"
            return cast(service, people, "api", path, given.seconds, 64, PACE)

        vote()
        for turn in range(given.turns):
            loads["alone"].append(vote())
            files = Downloading(service, f"/api/v1/polls/{slug}/answers.csv")
            loads["file"].append(vote())
            files.end()
            moved += files.bytes
            with working(url, data, service):
                job = order(service, slug, {"kind": "answers.csv", "dialect": DIALECTS[turn % 2]})
                while state_of(service, job)["state"] == "waiting":
                    time.sleep(0.1)
                loads["job"].append(vote())
                made += state_of(service, job)["rows_done"]
                cancel(url, job)
    good = moved > 0 and made > 0
    print(f"votes at {PACE:g} a second; {moved / 1e6:,.0f} MB streamed and {made:,} lines made by the job meanwhile")
    base = loads["alone"]
    for name, words in (("alone", "alone"), ("file", "while the file streams"), ("job", "while a job makes the file")):
        found = loads[name]
        p95, p99 = (rig.median([getattr(load, what) for load in found]) for what in ("p95", "p99"))
        print(rig.row(f"votes {words}", found), f" p95 {p95:.1f} ms", flush=True)
        if name == "alone":
            continue
        for what, value in (("p95", p95), ("p99", p99)):
            times = value / rig.median([getattr(load, what) for load in base])
            good &= summary.record("casting", f"{what} {words}, to that alone", times, MOST_SLOWER, "×")
        refused = sum(load.busy + load.errors for load in found)
        good &= summary.record("casting", f"votes refused {words}", refused, 0)
    return good


@contextmanager
def working(url: str, data: Path, service: rig.Service) -> Iterator[rig.Service]:
    """`veche worker` beside a service, as operators run it."""
    env = {"VECHE_DATABASE_URL": url, "VECHE_DATA_DIR": str(data), "VECHE_BASE_URL": service.url, "VECHE_DEMO": "false"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("VECHE_")}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "voting.cli", "worker"], cwd=ROOT, stdout=log, stderr=log,
            env={**kept, "PYTHONPATH": str(ROOT / "src"), **env},
        )  # fmt: skip
        try:
            yield rig.Service(process, service.url)
        finally:
            process.terminate()
            process.wait(60)


def order(service: rig.Service, slug: str, wanted: dict[str, Any]) -> str:
    """Have a file made; the job's id."""
    request = urllib.request.Request(
        f"{service.url}/api/v1/polls/{slug}/exports", json.dumps(wanted).encode(),
        {"Content-Type": "application/json", "Origin": service.url},
    )  # fmt: skip
    with urllib.request.urlopen(request) as reply:
        return str(json.load(reply)["id"])


def state_of(service: rig.Service, job: str) -> dict[str, Any]:
    """A job as the API shows it."""
    with urllib.request.urlopen(f"{service.url}/api/v1/exports/{job}") as reply:
        found: dict[str, Any] = json.load(reply)
        return found


def cancel(url: str, job: str) -> None:
    """Nobody wants the file any more: the worker stops within a second, and the next order is one of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE export_job SET state = 'cancelled' WHERE id = %s", [job])


# ---- a workbook


def settled(worker: rig.Service, patience: float = 300) -> None:
    """Wait till the worker has done what else was due, the boards of the polls: it rests for three seconds."""
    end = time.monotonic() + patience
    time.sleep(rig.SETTLE)
    while time.monotonic() < end:
        before = worker.cpu_seconds()
        time.sleep(3)
        if worker.cpu_seconds() - before < 0.5:
            return


def workbook(url: str, data: Path, poll: SealedPoll, lines: int) -> bool:
    """answers.xlsx by the worker: how long, how large, and what the worker held at most, with all it started."""
    with rig.veche(url, data) as service, working(url, data, service) as worker:
        settled(worker)
        memory = Memory(worker, 0.1)
        rest, start = memory.most(), time.perf_counter()
        job = order(service, poll.slug, {"kind": "answers.xlsx"})
        while (found := state_of(service, job))["state"] in ("waiting", "running"):
            time.sleep(0.2)
        taken = time.perf_counter() - start
        memory.stop()
    if found["state"] != "ready":
        raise SystemExit(f"the workbook was not made: {found['state']}, {found['why']}")
    print(f"answers.xlsx of {lines:,} lines by the worker: {taken:.1f} s, {found['size'] / 1e6:.1f} MB; the worker "
          f"held {memory.most():.0f} MB at most (bar 200), {rest:.0f} at rest", flush=True)  # fmt: skip
    return summary.record("XLSX", f"{lines:,} lines, the worker in all", memory.most(), 200, "MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ballots", type=int, default=7_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3, help="of votes without and with a download")
    parser.add_argument("--seconds", type=float, default=10, help="of each piece of load")
    parser.add_argument("--residents", type=int, default=8_000)
    parser.add_argument("--lines", type=int, default=250_000, help="of the workbook")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="200,000 ballots, three times, shorter loads")
    given = parser.parse_args()
    if given.quick:
        given.ballots, given.times, given.turns, given.seconds, given.residents = 200_000, 3, 1, 4, 4_000
        given.lines = 50_000
    with rig.durable_server() as server, ExitStack() as stack:
        url = stack.enter_context(rig.scratch_database(server, "results"))
        data = stack.enter_context(rig.keys_of(database_url_for(url, "postgresql")))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        good = measure(given, url, data, folder)
    print("results: every bar met" if good else "results: A BAR IS MISSED")


def measure(given: argparse.Namespace, url: str, data: Path, folder: Path) -> bool:
    """Everything in turn; whether every bar holds."""
    start = time.perf_counter()
    open_polls: list[str] = []
    asyncio.run(prepare(url, given.residents, 2 + 3 * given.turns, open_polls))
    rig.write_people(folder / "people", rig.settings_for(url, data), given.residents)
    one = asyncio.run(a_counted_city(url, given.ballots))
    three = asyncio.run(a_counted_city(url, CITY, questions=3, stored=False, seed=6))
    book = asyncio.run(a_counted_city(url, given.lines, seed=7))
    filled = time.perf_counter() - start
    print(f"{given.ballots:,} ballots of a city, filled in {filled:.0f} s; load {os.getloadavg()[0]:.1f}", flush=True)
    good = asyncio.run(p5(url, one.slug, given.ballots, given.times))
    good &= asyncio.run(tables(url, one, three, book))
    if not given.quick:
        thin = asyncio.run(a_counted_city(url, THIN, questions=3, stored=False, seed=5))
        good &= asyncio.run(thin_tables(url, thin))
    good &= pages(given, url, data, one.slug, folder)
    good &= p6(given, url, data, one.slug)
    good &= meanwhile(given, url, data, one.slug, open_polls, folder / "people")
    return good & workbook(url, data, book, given.lines)


if __name__ == "__main__":
    main()
