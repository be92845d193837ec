"""What old votes do to an open poll: the cast path on an empty database and beside millions of stored ballots.

    python bench/growth.py [--sizes 1000000,3000000,10000000] [--polls 7000] [--seconds 4] [--times 5] [--quick]

Fills one of two databases by SQL to each size in turn: participations and ballots of `--polls` counted polls, as
counting leaves them. At each size both services take votes by turns, and it prints the ratio of their rates and of
their processor time (P3: at least 90 % of the rate at 10,000,000), what a batch of 200 inserts takes in the database
alone, bytes a row, and how fast a dump, a vacuum with freezing and a backup go.
1.9 GB of disk for 10,000,000.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig  # noqa: E402
from bench.casting import cast, prepare  # noqa: E402

from voting.db import database_url_for  # noqa: E402

FIRST_POLL = 1_000_000
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


def grow(url: str, polls: int, old: int, new: int) -> None:
    """Add stored votes, a million at a time."""
    with psycopg.connect(url, autocommit=True) as connection:
        if not old:
            connection.execute(POLLS, {"first": FIRST_POLL, "polls": polls})
        for start in range(old, new, 1_000_000):
            given = {"first": FIRST_POLL, "polls": polls, "from": start, "to": min(start + 1_000_000, new)}
            connection.execute(PARTICIPATION, given)
            connection.execute(BALLOT, given)
        connection.execute("ANALYZE poll, participation, ballot")
        connection.execute("CHECKPOINT")


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
    """Bytes a row, and what it takes to freeze, to copy out and to back up."""
    with psycopg.connect(url, autocommit=True) as connection:
        total = 0
        for name, heap, indexes in connection.execute(SIZES).fetchall():
            total += int(heap + indexes)
            print(f"  {name:14} {heap / rows:5.1f} bytes a row and {indexes / rows:5.1f} in its index")
        began = time.perf_counter()
        connection.execute("VACUUM (FREEZE, PARALLEL 2) participation, ballot")
        first = time.perf_counter() - began
        began = time.perf_counter()
        connection.execute("VACUUM (FREEZE, PARALLEL 2) participation, ballot")
        print(f"  freezing them once {first:.1f} s, once more {time.perf_counter() - began:.2f} s (nothing to do)")
        began = time.perf_counter()
        for table in ("participation", "ballot"):
            with connection.cursor().copy(f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)") as out:
                for _ in out:
                    pass
        print(
            f"  copied out (as pg_dump does) {total / 1e6 / (time.perf_counter() - began):,.0f} MB of tables a second"
        )
    for tool in sorted(rig.HOMES.glob("postgresql-*/bin/pg_basebackup")):
        began = time.perf_counter()
        target = folder / "backup"
        done = subprocess.run(
            [tool, "-d", url, "-D", target, "-X", "fetch", "-c", "fast"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
            print(
                f"  pg_basebackup: {size / 1e9:.2f} GB, {size / 1e6 / (time.perf_counter() - began):,.0f} MB a second"
            )
        else:
            print(f"  pg_basebackup: not here ({done.stderr.strip().splitlines()[-1][:120]})")


def measure(given: argparse.Namespace, server: str, stack: ExitStack) -> bool:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    urls, services, polls = {}, {}, {}
    for name in ("empty", "full"):
        url = urls[name] = stack.enter_context(rig.scratch_database(server, name))
        data = stack.enter_context(rig.keys_of(database_url_for(url, "postgresql")))
        polls[name] = []
        asyncio.run(prepare(url, given.residents, polls[name]))
        rig.write_people(folder / name, rig.settings_for(url, data), given.residents)
        services[name] = stack.enter_context(rig.veche(url, data))
    size, good = 0, True
    for rows in given.sizes:
        began = time.perf_counter()
        grow(urls["full"], given.polls, size, rows)
        print(
            f"{rows:,} stored votes of {given.polls:,} polls, filled in {time.perf_counter() - began:.0f} s", flush=True
        )
        size = rows
        loads: dict[str, list[rig.Load]] = {"empty": [], "full": []}
        for turn in range(given.times + 1):
            for name, service in services.items():
                path = f"/api/v1/polls/{polls[name].pop()}/ballots"
                load = cast(service, folder / name, "api", path, given.seconds, 64)
                if turn:  # the first is not counted
                    loads[name].append(load)
        base = rig.median([load.rate for load in loads["empty"]])
        print(rig.row("votes a second, empty database", loads["empty"], base))
        print(rig.row("votes a second, beside the stored", loads["full"], base), flush=True)
        alone = {name: inserts(url) for name, url in urls.items()}
        print(f"  200 participations in the database alone: {alone['empty']:.2f} and {alone['full']:.2f} ms")
        describe(urls["full"], rows, folder)
        good &= rig.median([load.rate for load in loads["full"]]) >= 0.9 * base
        for name in polls:
            if len(polls[name]) < given.times + 2:
                raise SystemExit("more sizes than there are polls to vote in")
    return good


def sizes(text: str) -> list[int]:
    """«1000,2000» as numbers."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", type=lambda text: [int(part) for part in text.split(",")], default=[10**6, 3 * 10**6, 10**7]
    )
    parser.add_argument("--polls", type=int, default=7_000)
    parser.add_argument("--residents", type=int, default=40_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="200,000 stored votes, two runs of 1 s")
    given = parser.parse_args()
    if given.quick:
        given.sizes, given.residents, given.seconds, given.times = [200_000], 10_000, 1, 2
    with rig.durable_server() as server, ExitStack() as stack:
        good = measure(given, server, stack)
    print("P3: at least 90 % of the rate at every size" if good else "P3: A BAR IS MISSED")


if __name__ == "__main__":
    main()
