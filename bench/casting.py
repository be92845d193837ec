"""The cast path over HTTP, beside a plain Django application, our own path without the database, and its ceiling.

    python bench/casting.py [--residents 40000] [--seconds 4] [--times 5] [--connections 64] [--quick]

Loaded by wrk (Debian: apt-get install wrk), each vote that of another prepared resident, both sides by turns on the
same PostgreSQL with fsync. Ours is `veche serve`: session, CSRF, idempotency, eligibility, validation, a signed
receipt, durable before it is answered. Both it and the plain application have two processes for the two cores; our
variants have one, and stand beside a row of ours with one. Prints the bars P1 and P2:

- P1: two processes at least 15 times the plain application; one at least 70 % of our path with the commit left out
  (rolled back), and beside it the same with the database left out altogether;
- P2: 99 % within 25, 60 and 400 ms at 64, 256 and 1,000 connections, with no error but 503, by two processes; beside
  it the same by one, and by a bare Litestar handler that returns as many bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig, summary  # noqa: E402

from voting.db import Database, database_url_for  # noqa: E402

BARS = {64: 25, 256: 60, 1000: 400}
MANY = 1000
"""Connections from which on a 503 is no error, and every answer is looked at."""
TWO, ONE = "ours, two processes", "ours, one process"
ROLLED_BACK, NO_DATABASE = "ours, one, rolled back", "ours, one, no database in the box"
DJANGO, BARE = "plain Django, 2 processes x 8 threads", "bare Litestar handler"
A_RECEIPT = b'{"receipt":"' + 600 * b"x" + b'"}'


@contextmanager
def django(url: str, people: Path, residents: int, processes: int = 2) -> Iterator[rig.Service]:
    """The baseline on its own database, filled: `processes` of gunicorn with 8 threads each."""
    port = rig.free_port()
    env = {"BASELINE_DATABASE_URL": url}
    made = subprocess.run(
        [sys.executable, "-c", FILL, str(residents), str(people)], cwd=ROOT, check=True, text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **env, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert made.stdout.strip() == "filled", made.stdout
    command = [
        sys.executable, "-m", "gunicorn", "--workers", str(processes), "--threads", "8", "--backlog", "2048", "--bind",
        f"127.0.0.1:{port}", "--keep-alive", "60", "--log-level", "critical", "bench.baseline_django.site:application",
    ]  # fmt: skip
    with rig.running(command, port, "/polls/1/votes", env) as service:
        yield service


FILL = """
import sys
from datetime import timedelta
from bench.baseline_django import site
from django.core.management import call_command
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.middleware.csrf import _get_new_csrf_string
from django.utils import timezone
from bench.baseline_django.models import Option, Poll
for app in ("contenttypes", "auth", "sessions"):
    call_command("migrate", app, verbosity=0)
call_command("migrate", run_syncdb=True, verbosity=0)
n, path, now = int(sys.argv[1]), sys.argv[2], timezone.now()
for _ in range(200):
    poll = Poll.objects.create(title="poll", opens_at=now - timedelta(hours=1), closes_at=now + timedelta(days=1))
    Option.objects.bulk_create([Option(poll=poll, text=f"option {k}") for k in range(4)])
users = User.objects.bulk_create([User(username=f"bench{k}", password="!") for k in range(n)], batch_size=5000)
store, hash_ = SessionStore(), users[0].get_session_auth_hash()
backend = "django.contrib.auth.backends.ModelBackend"
with open(path, "w") as file:
    rows = []
    for user in users:
        key = f"bench{user.id:027d}"
        data = {SESSION_KEY: str(user.id), BACKEND_SESSION_KEY: backend, HASH_SESSION_KEY: hash_}
        rows.append(Session(session_key=key, session_data=store.encode(data), expire_date=now + timedelta(days=1)))
        file.write(f"{key} {_get_new_csrf_string()} 1\\n")
    Session.objects.bulk_create(rows, batch_size=5000)
print("filled")
"""


class Voters:
    """Residents who have not voted yet: each run of ours takes a fresh poll, so that all may vote again."""

    def __init__(self, url: str, polls: list[str]) -> None:
        self._url, self._polls = url, polls

    def poll(self) -> str:
        return self._polls.pop()


async def batched_ceiling(url: str, seconds: float, batch: int = 200) -> float:
    """Rows a second that PostgreSQL takes in batches like ours, by four connections that do nothing else."""
    admin = await asyncpg.connect(url)
    await admin.execute(
        "CREATE TABLE IF NOT EXISTS ceiling_p (LIKE participation INCLUDING ALL);"
        "CREATE TABLE IF NOT EXISTS ceiling_b (ballot_id bytea PRIMARY KEY, answers text[], style int, stratum int)"
    )
    until, done, citizen = time.perf_counter() + seconds, 0, iter(range(1, 10**9))
    base = secrets.randbelow(10**6) * 10**9

    async def write() -> None:
        nonlocal done
        connection = await asyncpg.connect(url)
        while time.perf_counter() < until:
            ids = [base + next(citizen) for _ in range(batch)]
            keys = sorted(secrets.token_bytes(32) for _ in range(batch))
            async with connection.transaction():
                await connection.execute(
                    "INSERT INTO ceiling_p (poll_id, citizen_id, day, channel)"
                    " SELECT 1, c, current_date, 'online' FROM unnest($1::bigint[]) c ON CONFLICT DO NOTHING", ids,
                )  # fmt: skip
                await connection.execute(
                    "INSERT INTO ceiling_b SELECT k, ARRAY['1'], 0, 7 FROM unnest($1::bytea[]) k", keys
                )
            done += batch
        await connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(4)))
    rate = done / (time.perf_counter() - began)
    await admin.execute("DROP TABLE ceiling_p, ceiling_b")
    await admin.close()
    return rate


def cast(
    service: rig.Service, people: Path, kind: str, path: str, seconds: float, connections: int, rate: float = 0
) -> rig.Load:
    """One run of casting; any answer but a vote taken is an error, unless there are so many that a 503 is none.

    `rate`: about so many votes a second by 64 connections, and every answer looked at; 0: as many as it takes.
    """
    look = "look" if connections >= MANY or rate else ""
    words = (str(people), "0", kind, path, service.url, f"{rate:g}", look)
    return rig.wrk(service, seconds, connections, "cast.lua", *words)


def measure(given: argparse.Namespace, server: str, stack: ExitStack) -> bool:
    """All sides by turns, then latency by connections; False if a bar is missed."""
    url = stack.enter_context(rig.scratch_database(server, "casting"))
    theirs = stack.enter_context(rig.scratch_database(server, "django", migrated=False))
    data = stack.enter_context(rig.keys_of(database_url_for(url, "postgresql")))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    polls: list[str] = []
    asyncio.run(prepare(url, given.residents, 40 + 12 * given.times, polls))
    rig.write_people(folder / "ours", rig.settings_for(url, data), given.residents)
    baseline = stack.enter_context(django(theirs, folder / "theirs", min(given.residents, 20_000)))
    voters = Voters(url, polls)
    (folder / "receipt").write_bytes(A_RECEIPT)
    sides = {
        TWO: stack.enter_context(rig.veche(url, data, workers=2, settle=0)),
        ONE: stack.enter_context(rig.veche(url, data, settle=0)),
        ROLLED_BACK: stack.enter_context(rig.veche(url, data, variant="rolled-back", settle=0)),
        NO_DATABASE: stack.enter_context(rig.veche(url, data, variant="no-database")),
        BARE: stack.enter_context(rig.veche(url, data, variant=f"bare {folder / 'receipt'}")),
    }
    api = "/api/v1/polls/{}/ballots".format
    loads: dict[str, list[rig.Load]] = {name: [] for name in [*sides, DJANGO]}
    ceilings = []
    for service in sides.values():  # a first run of each, not counted
        cast(service, folder / "ours", "api", api(voters.poll()), 1, given.connections)
    for turn in range(given.times):
        for name, service in sides.items():
            slug = voters.poll()
            loads[name].append(cast(service, folder / "ours", "api", api(slug), given.seconds, given.connections))
            if name in (TWO, ONE):
                check_taken(url, slug, loads[name][-1])
        path = f"/polls/{turn + 1}/votes"
        option = str(4 * turn + 1)
        made = folder / f"theirs-{turn}"
        made.write_text("".join(
            f"{line.rsplit(' ', 1)[0]} {option}\n" for line in (folder / "theirs").read_text().splitlines()
        ))  # fmt: skip
        loads[DJANGO].append(cast(baseline, made, "django", path, given.seconds, min(given.connections, 64)))
        ceilings.append(asyncio.run(batched_ceiling(url, min(given.seconds, 2))))
    return report(given, loads, statistics.median(ceilings)) & latency(given, sides, folder, voters)


def check_taken(url: str, slug: str, load: rig.Load) -> None:
    """Nothing acknowledged may be missing."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM participation JOIN poll ON poll.id = poll_id WHERE slug = %s", [slug]
        ).fetchone()
    assert row is not None
    if row[0] < load.ok:
        raise SystemExit(f"{load.ok} votes were acknowledged and {row[0]} are there")


async def prepare(url: str, residents: int, number: int, polls: list[str]) -> None:
    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    began = time.perf_counter()
    await rig.fill_city(database, residents)
    polls += await rig.open_polls(database, number)
    await database.close()
    print(f"{residents:,} residents with sessions, made in {time.perf_counter() - began:.0f} s", flush=True)


def report(given: argparse.Namespace, loads: dict[str, list[rig.Load]], ceiling: float) -> bool:
    rates = {name: rig.median([load.rate for load in found]) for name, found in loads.items()}
    ours, one, base = rates[TWO], rates[ONE], rates[DJANGO]
    print(f"P1: votes a second over HTTP, {given.connections} connections, median of {given.times} x {given.seconds} s")
    for name, found in loads.items():
        print(rig.row(name, found, ours))
    print(f"  {'PostgreSQL alone, batches of 200':44} {ceiling:9,.0f}/s {ceiling / ours:7.2f} ×")
    shares = {name: one / rates[name] for name in (ROLLED_BACK, NO_DATABASE)}
    cpu = {name: rig.median([load.cpu for load in found]) for name, found in loads.items()}
    by_cpu = {name: cpu[DJANGO] / cpu[name] for name in (TWO, ONE)}
    print(f"  two processes are {ours / base:.1f} × the plain application's two (bar: 15); one is {one / base:.1f} ×")
    print(f"  by the service's processor time a vote: two {by_cpu[TWO]:.1f} ×, one {by_cpu[ONE]:.1f} ×")
    print(f"  one process is {shares[ROLLED_BACK]:.0%} of itself rolled back (bar: 70 %)", end=", ")
    print(f"{shares[NO_DATABASE]:.0%} of itself with no database in the box", flush=True)
    summary.record("P1", "votes a second, to the plain application", ours / base, 15, "×", least=True)
    summary.record("P1", "of our path without its commit", 100 * shares[ROLLED_BACK], 70, "%", least=True)
    return ours / base >= 15 and shares[ROLLED_BACK] >= 0.7


def latency(given: argparse.Namespace, sides: dict[str, rig.Service], folder: Path, voters: Voters) -> bool:
    print("P2: the same by connections (bars: p99 25, 60, 400 ms, no error but 503)")
    good = True
    api = "/api/v1/polls/{}/ballots".format
    for connections, bar in BARS.items():
        loads: dict[str, list[rig.Load]] = {name: [] for name in (TWO, ONE, BARE)}
        for _ in range(1 if given.quick else max(1, given.times // 2)):
            for name, found in loads.items():
                path = api(voters.poll())
                found.append(cast(sides[name], folder / "ours", "api", path, given.seconds, connections))
        for name, found in loads.items():
            print(rig.row(f"{connections:5,} connections, {name.removeprefix('ours, ')}", found))
        p99 = {name: rig.median([load.p99 for load in found]) for name, found in loads.items()}
        print(f"  {'':44} bar: {bar} ms; {p99[TWO] / p99[BARE]:.1f} × the bare handler's p99", flush=True)
        summary.record("P2", f"p99, {connections} connections", p99[TWO], bar, "ms")
        summary.record("P2", f"errors, {connections} connections", sum(load.errors for load in loads[TWO]), 0)
        good &= p99[TWO] <= bar and not sum(load.errors for load in loads[TWO])
    if given.quick:
        return good
    # A page with a receipt and its QR code takes ten milliseconds and more: few connections, or no reply would come
    # within a run, and the first pages load what they are drawn with.
    page = [
        cast(sides[ONE], folder / "ours", "page", f"/polls/{voters.poll()}/cast", max(given.seconds, 4), 8)
        for _ in range(max(2, given.times // 2 + 1))
    ]
    print(rig.row("the page's form instead of the API, 8 connections", page[1:]))
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--residents", type=int, default=60_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="20,000 residents, three runs of 1 s")
    given = parser.parse_args()
    if given.quick:
        given.residents, given.seconds, given.times = 20_000, 1, 3
    with rig.durable_server() as server, ExitStack() as stack:
        good = measure(given, server, stack)
    print("P1 and P2: every bar met" if good else "P1 and P2: A BAR IS MISSED")


if __name__ == "__main__":
    main()
