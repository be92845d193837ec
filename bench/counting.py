"""Counting and giving away a city's ballots, beside PostgreSQL's own ways of doing the same.

    python bench/counting.py [--ballots 7000000] [--times 5] [--quick]

Fills a scratch database with one counted poll by SQL, as counting leaves it. By turns in one run:

- P5: the profile by stratum written as `counting` writes it and the totals read from it, beside PostgreSQL's own
  GROUP BY of the same ballots by the same option and stratum, fetched: at most 1.3 times; with the client's memory, at
  most 200 MB. Writing costs the same for few ballots as for many (8,000 rows): under a million it is not judged.
- P6: `GET …/answers.csv` over HTTP, streamed by one process, beside `psql … COPY` of the published columns: at least
  70 % of its rows a second, at most 150 MB of growth in the service, the first byte within a second. The same records
  as Parquet, `GET …/answers.parquet`: at least 40 %, and the same memory.
- P11: memory of the service at rest, and how long it takes from start to ready.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig, summary  # noqa: E402
from bench.pages import fill as fill_pages  # noqa: E402
from bench.soak import Memory  # noqa: E402

from polls.catalogue import sealed_poll  # noqa: E402
from polls.published import published_styles  # noqa: E402
from polls.sessions import ReadSession, Session  # noqa: E402
from results.exports.answers import entries_sql  # noqa: E402
from voting.db import Database, database_url_for  # noqa: E402

BALLOTS = """
INSERT INTO ballot (poll_id, ballot_id, answers, style, stratum)
SELECT %(poll)s, sha256(int8send(n)), ARRAY['[' || 1 + n / 2000 %% 4 || ']'], 0, (n %% 2000)::int
  FROM generate_series(%(from)s::bigint, %(to)s::bigint) n
"""
JUDGED = 1_000_000
TOTALS = "SELECT answers[1], count(*) FROM ballot WHERE poll_id = {} GROUP BY 1"
PROFILE = "SELECT answers[1], stratum, count(*) FROM ballot WHERE poll_id = {} GROUP BY 1, 2"


def fill(url: str, slug: str, ballots: int) -> None:
    """So many ballots beside those of a poll that was counted with a few hundred."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT id FROM poll WHERE slug = %s", [slug]).fetchone()
        assert row is not None
        for start in range(1, ballots + 1, 1_000_000):
            given = {"poll": row[0], "from": start, "to": min(start + 999_999, ballots)}
            connection.execute(BALLOTS, given)
        connection.execute("DELETE FROM profile WHERE poll_id = %s", [row[0]])  # it is written anew, and not kept
        connection.execute("VACUUM (FREEZE, ANALYZE) ballot, profile")


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
    from polls.counting import _write_profile

    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    plain = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with database.open_read_session() as session:
        poll = await sealed_poll(session, slug)

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
    print(f"  the fastest of each: {min(runs[0]):.2f} and {min(runs[1]):.2f} s, {min(runs[0]) / min(runs[1]):.2f} ×")
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ballots", type=int, default=7_000_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="200,000 ballots, three times")
    given = parser.parse_args()
    if given.quick:
        given.ballots, given.times = 200_000, 3
    with rig.durable_server() as server, ExitStack() as stack:
        url = stack.enter_context(rig.scratch_database(server, "counting"))
        data = stack.enter_context(rig.keys_of(database_url_for(url, "postgresql")))
        slug, _ = asyncio.run(fill_pages(url, 100))
        fill(url, slug, given.ballots)
        print(f"P5, P6: {given.ballots:,} ballots, medians of {given.times}", flush=True)
        good = asyncio.run(p5(url, slug, given.ballots, given.times))
        good &= p6(given, url, data, slug)
    print("P5, P6, P11: every bar met" if good else "P5, P6, P11: A BAR IS MISSED")


if __name__ == "__main__":
    main()
