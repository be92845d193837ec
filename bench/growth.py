"""What old votes do to an open poll: the cast path on an empty database and beside millions of stored ballots.

    python bench/growth.py [--sizes 1000000,3000000,10000000] [--polls 7000] [--seconds 4] [--times 5] [--minutes 15]

Fills one of two databases by SQL to each size in turn: participations and ballots of `--polls` counted polls, as
counting leaves them. At each size a service on either takes votes by turns, and it prints the ratio of their rates (P3:
at least 90 %, the median over the turns, so that what else the machine does falls on both) and of their processor time.
Then what 200 inserts take in the database alone, bytes a row on disk and in the write-ahead log, and how long freezing
takes, a dump by pg_dump and a base backup. A size that would not be done within `--minutes` of the start is left out.
`--quick`: 200,000 stored votes. 3 GB of disk for 10,000,000 and as much again for the backup.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig, summary  # noqa: E402
from bench.casting import cast, check_taken, prepare  # noqa: E402
from tests.memory import ROOT as HOMES  # noqa: E402

from voting.db import database_url_for  # noqa: E402

FIRST_POLL = 1_000_000
POLLS_OPEN = 60  # what bench.casting.prepare makes
POLLS = """
INSERT INTO poll (id, public_id, slug, state, title_ru, title_en, author_id, opens_at, closes_at, sealed_at, poll_hash,
                  counted_at)
OVERRIDING SYSTEM VALUE
SELECT %(first)s + n, md5(n::text), 'old-' || n, 'counted', 'Опрос ' || n, 'Poll ' || n, 1,
       timestamptz '2016-01-01Z' + n * interval '12 hours', timestamptz '2016-01-15Z' + n * interval '12 hours',
       '2016-01-01Z', sha256(n::text::bytea), timestamptz '2016-01-16Z' + n * interval '12 hours'
  FROM generate_series(1, %(polls)s) n
"""
PARTICIPATION = """
INSERT INTO participation (poll_id, citizen_id, day)
SELECT %(first)s + 1 + n %% %(polls)s, 1 + n / %(polls)s, date '2016-01-01' + (n %% 3600)::int
  FROM generate_series(%(from)s, %(to)s - 1) n
"""
BALLOT = """
INSERT INTO ballot (poll_id, ballot_id, answers, style, stratum)
SELECT %(first)s + 1 + n %% %(polls)s, sha256(int8send(n)), ARRAY[(1 + n %% 4)::text], 0, (n %% 2000)::int
  FROM generate_series(%(from)s, %(to)s - 1) n
"""
SIZES = """
SELECT r, (SELECT sum(pg_table_size(relid)) FROM pg_partition_tree(r::regclass) WHERE isleaf),
       (SELECT sum(pg_indexes_size(relid)) FROM pg_partition_tree(r::regclass) WHERE isleaf)
  FROM (VALUES ('participation'), ('ballot')) t (r)
"""
BATCH = """
INSERT INTO participation (poll_id, citizen_id, day)
SELECT %(poll)s, c, current_date FROM unnest(%(citizens)s::bigint[]) c ON CONFLICT DO NOTHING
"""


def grow(url: str, polls: int, old: int, new: int) -> dict[str, float]:
    """Add stored votes, a million at a time; gives bytes of write-ahead log for each row of either table."""
    began, written = time.perf_counter(), {"participation": 0, "ballot": 0}
    with psycopg.connect(url, autocommit=True) as connection:
        if not old:
            connection.execute(POLLS, {"first": FIRST_POLL, "polls": polls})
        for start in range(old, new, 1_000_000):
            end = min(start + 1_000_000, new)
            given = {"first": FIRST_POLL, "polls": polls, "from": start, "to": end}
            for table, statement in (("participation", PARTICIPATION), ("ballot", BALLOT)):
                row = connection.execute(
                    f"EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) {statement}", given
                ).fetchone()
                assert row is not None
                written[table] += row[0][0]["Plan"]["WAL Bytes"]
            print(f"  {end:,} stored, {(end - old) / (time.perf_counter() - began):,.0f} a second", flush=True)
        connection.execute("ANALYZE poll, participation, ballot")
        connection.execute("CHECKPOINT")
    return {table: found / (new - old) for table, found in written.items()}


def wal_of(url: str) -> int:
    """Bytes of write-ahead log so far, of this database's connections; before PostgreSQL 18 of the whole server."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sum((pg_stat_get_backend_wal(pid)).wal_bytes) FROM pg_stat_activity"
            " WHERE datname = current_database()"
            if connection.info.server_version >= 180000
            else "SELECT pg_current_wal_lsn() - '0/0'"
        ).fetchone()
    return int(row[0] or 0) if row else 0


def inserts(url: str, times: int = 60) -> float:
    """Median milliseconds of 200 participations in one transaction, in the database alone."""
    taken = []
    base = time.time_ns() // 1_000_000  # participations are final, so each call takes citizens of its own
    with psycopg.connect(url) as connection:
        for turn in range(times):
            citizens = [base * 100_000 + turn * 200 + n for n in range(200)]
            start = time.perf_counter()
            connection.execute(BATCH, {"poll": 1, "citizens": citizens})
            connection.commit()
            taken.append(time.perf_counter() - start)
    return 1000 * rig.median(taken)


def describe(url: str, rows: int, folder: Path) -> None:
    """Bytes a row, and what it takes to freeze, to dump and to back up."""
    with psycopg.connect(url, autocommit=True) as connection:
        total = 0
        for name, heap, indexes in connection.execute(SIZES).fetchall():
            total += int(heap + indexes)
            print(f"  {name:14} {heap / rows:5.1f} bytes a row and {indexes / rows:5.1f} in its index")
        (whole,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
        print(f"  together {total / rows:.0f} bytes a vote; the database has {whole / 1e9:.2f} GB")
        began = time.perf_counter()
        connection.execute("VACUUM (FREEZE, PARALLEL 2) participation, ballot")
        first = time.perf_counter() - began
        began = time.perf_counter()
        connection.execute("VACUUM (FREEZE, PARALLEL 2) participation, ballot")
        print(f"  freezing them once {first:.1f} s, once more {time.perf_counter() - began:.2f} s (nothing to do)")
    dump, backup = folder / "dump", folder / "backup"
    ran("pg_dump", "-d", url, "-F", "custom", "-Z", "1", "-t", "participation*", "-t", "ballot*", "-f", str(dump))
    ran("pg_basebackup", "-d", url, "-D", str(backup), "-X", "fetch", "-c", "fast")
    dump.unlink(missing_ok=True)
    shutil.rmtree(backup, ignore_errors=True)


def ran(name: str, *words: str) -> None:
    """Run a tool of PostgreSQL that is not older than the server, and say how long it took and what it wrote."""
    tools = [str(path) for path in sorted(HOMES.glob(f"postgresql-*/*/*/bin/{name}"))]
    for tool in [*tools, *filter(None, [shutil.which(name)])]:
        began = time.perf_counter()
        done = subprocess.run([tool, *words], capture_output=True, text=True, check=False)
        taken = time.perf_counter() - began
        if done.returncode == 0:
            target = Path(words[-1] if name == "pg_dump" else words[3])
            files = target.rglob("*") if target.is_dir() else [target]
            size = sum(path.stat().st_size for path in files if path.is_file())
            print(f"  {name}: {size / 1e9:.2f} GB in {taken:.1f} s, {size / 1e6 / taken:,.0f} MB a second")
            return
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:160]
    print(f"  {name}: not done here ({why if tools else 'not installed'})")


@dataclass
class Side:
    """One of the two databases: its service, the polls nobody has voted in yet, and the file of its people."""

    url: str
    service: rig.Service
    polls: list[str]
    people: Path

    def vote(self, seconds: float) -> tuple[rig.Load, float]:
        """One run in a fresh poll, and the bytes of write-ahead log it took for each vote."""
        slug, before = self.polls.pop(), wal_of(self.url)
        load = cast(self.service, self.people, "api", f"/api/v1/polls/{slug}/ballots", seconds, 64)
        check_taken(self.url, slug, load)
        return load, (wal_of(self.url) - before) / max(1, load.ok)


def measure(given: argparse.Namespace, server: str, stack: ExitStack) -> bool:
    """Every size in turn; whether the bar holds at each."""
    start = time.perf_counter()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    sides = []
    for name in ("empty", "full"):
        url = stack.enter_context(rig.scratch_database(server, name))
        data = stack.enter_context(rig.keys_of(database_url_for(url, "postgresql")))
        polls: list[str] = []
        asyncio.run(prepare(url, given.residents, 60, polls))
        rig.write_people(folder / name, rig.settings_for(url, data), given.residents)
        sides.append(Side(url, stack.enter_context(rig.veche(url, data)), polls, folder / name))
    empty, full = sides
    size, pace, good = 0, 0.0, True
    for rows in given.sizes:
        began = time.perf_counter()
        left = 60 * given.minutes - (began - start)
        if left < 1.5 * pace * (rows - size):
            print(f"{rows:,} stored votes: left out, they would not be done within {given.minutes:g} minutes")
            break
        wal = grow(full.url, given.polls, size, rows)
        filled = time.perf_counter() - began
        print(f"{rows:,} stored votes of {given.polls:,} polls, filled in {filled:.0f} s")
        print(f"  log: {wal['participation']:.0f} bytes a participation, {wal['ballot']:.0f} a ballot")
        good &= compare(given, rows, empty, full)
        alone = [inserts(side.url) for side in sides]
        print(f"  200 participations in the database alone: {alone[0]:.2f} and {alone[1]:.2f} ms")
        describe(full.url, rows, folder)
        pace, size = (time.perf_counter() - began) / (rows - size), rows
        print(f"  all of this size took {time.perf_counter() - began:.0f} s", flush=True)
    return good


def compare(given: argparse.Namespace, rows: int, empty: Side, full: Side) -> bool:
    """Votes beside so many stored ones and into the empty database, by turns."""
    loads: dict[str, list[rig.Load]] = {"empty": [], "full": []}
    logs: list[float] = []
    for turn in range(given.times + 1):
        first = [("empty", empty), ("full", full)]
        for name, side in first if turn % 2 else reversed(first):
            load, log = side.vote(given.seconds)
            if turn:  # the first is not counted
                loads[name].append(load)
                logs += [log] if name == "full" else []
    ratios = [beside.rate / alone.rate for alone, beside in zip(loads["empty"], loads["full"], strict=True)]
    print(rig.row("votes a second, empty database", loads["empty"]))
    print(rig.row("votes a second, beside the stored", loads["full"]))
    ratio, errors = rig.median(ratios), sum(load.errors for found in loads.values() for load in found)
    work = rig.median([load.cpu for load in loads["full"]]) / rig.median([load.cpu for load in loads["empty"]])
    print(
        f"  {ratio:.0%} of the rate beside them (bar 90 %), median of {len(ratios)} turns, "
        f"{min(ratios):.0%} to {max(ratios):.0%}; service's processor time {work:.2f} ×; "
        f"{rig.median(logs):,.0f} bytes of log a vote",
        flush=True,
    )
    summary.record("P3", f"errors beside {rows:,}", errors, 0)
    return summary.record("P3", f"rate beside {rows:,} stored votes", 100 * ratio, 90, "%", least=True) and not errors


def sizes(text: str) -> list[int]:
    """«1000,2000» as numbers, rising."""
    found = [int(part) for part in text.split(",")]
    if found != sorted(set(found)) or found[0] < 1:
        raise argparse.ArgumentTypeError("sizes have to rise, from 1")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=sizes, default=[10**6, 3 * 10**6, 10**7])
    parser.add_argument("--polls", type=int, default=7_000)
    parser.add_argument("--residents", type=int, default=40_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--quick", action="store_true", help="200,000 stored votes, two runs of 1 s")
    given = parser.parse_args()
    if given.quick:
        given.sizes, given.residents, given.seconds, given.times = [200_000], 10_000, 1, 2
    if len(given.sizes) * (given.times + 1) > POLLS_OPEN:
        parser.error(f"each database has {POLLS_OPEN} polls to vote in: fewer sizes or times")
    with rig.durable_server() as server, ExitStack() as stack:
        good = measure(given, server, stack)
    print("P3: at least 90 % of the rate at every size" if good else "P3: A BAR IS MISSED")


if __name__ == "__main__":
    main()
