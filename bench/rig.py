"""What the benchmarks over HTTP share: a durable scratch database, a city of prepared sessions, services, and wrk.

The server is an embedded PostgreSQL that writes durably, or the one in `VECHE_BENCH_DATABASE_URL` (a role that may
create databases). Figures of one machine say little to another; each benchmark runs both sides by turns in one run and
prints medians and their ratio.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.memory import ROOT as HOMES  # noqa: E402

from voting import embedded, migrations  # noqa: E402
from voting.db import Database, database_url_for  # noqa: E402
from voting.demo_register import load_city  # noqa: E402
from voting.embedded_home import prepare_home  # noqa: E402
from voting.security import FormTokens  # noqa: E402
from voting.settings import Settings  # noqa: E402

PATIENCE = 60.0
SETTLE = 4.0  # seconds: our service loads pandas in a thread just after it is ready
WRK_MISSING = "wrk is not installed, and this benchmark loads the services with it. Debian: apt-get install wrk"


@contextmanager
def durable_server() -> Iterator[str]:
    """The address of a server's `postgres` database, libpq form; fsync and synchronous_commit are on."""
    if given := os.environ.get("VECHE_BENCH_DATABASE_URL"):
        yield database_url_for(given, "postgresql")
        return
    server = embedded.start_at(prepare_home(HOMES / "bench", HOMES), max_connections=300)
    try:
        yield server.url("postgres", "postgresql")
    finally:
        server.stop()


@contextmanager
def scratch_database(server: str, name: str, *, migrated: bool = True) -> Iterator[str]:
    """A new database of this name, dropped at the end; its address, libpq form."""
    name = f"veche_bench_{name}_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        head, _, tail = server.partition("?")
        url = f"{head.rpartition('/')[0]}/{name}" + (f"?{tail}" if tail else "")
        try:
            if migrated:
                migrations.upgrade(database_url_for(url, "postgresql+asyncpg"))
            yield url
        finally:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


# ---- a city of prepared sessions

CITIZENS = """
INSERT INTO citizen (register_code, birth_date, sex, registered_at)
SELECT 'city', date '1940-01-01' + (n * 7919 %% 24000)::int, CASE n %% 2 WHEN 0 THEN 'f' ELSE 'm' END, '2020-01-01Z'
  FROM generate_series(1, %(n)s) n;
"""
PERIODS = """
WITH place AS (SELECT array_agg(id ORDER BY id) AS ids FROM territory WHERE kind = 'district')
INSERT INTO citizen_period (citizen_id, valid_from, district_id, level, groups)
SELECT c.id, c.registered_at, ids[1 + (c.id %% array_length(ids, 1))::int], 2, '{}' FROM citizen c, place
"""
ACCOUNTS = """
INSERT INTO account (email, display_name, citizen_id)
SELECT 'bench' || c.id || '@city.test', 'Анна ' || c.id, c.id FROM citizen c
"""
ROLES = "INSERT INTO account_role (account_id, role) SELECT id, 'resident' FROM account"
SESSIONS = """
INSERT INTO web_session (token_hash, account_id, created_at, last_seen_at, expires_at)
SELECT sha256(convert_to('bench-session-' || a.citizen_id, 'UTF8')), a.id, now(), now() + interval '1 hour',
       now() + interval '12 hours' FROM account a
"""


def token_of(citizen: int) -> str:
    """The cookie of a prepared session."""
    return f"bench-session-{citizen}"


async def fill_city(database: Database, residents: int) -> None:
    """So many residents, each with an account and a live session."""
    async with database.open_session() as session:
        await load_city(session)
        connection: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        await connection.execute(CITIZENS.replace("%(n)s", str(int(residents))).replace("%%", "%"))
        for statement in (PERIODS, ACCOUNTS, ROLES, SESSIONS):
            await connection.execute(statement.replace("%%", "%"))
        await connection.execute("ANALYZE citizen, citizen_period, account, account_role, web_session")


async def open_polls(database: Database, number: int) -> list[str]:
    """So many open polls of one single-choice question for the whole city; their addresses."""
    from tests.builders import a_definition, a_single_choice

    from polls.authoring import create_draft, schedule_poll
    from polls.catalogue import sealed_poll

    made = []
    async with database.open_session() as session:
        clock = (await session.execute(_clock())).scalar_one()
        for number_of in range(number):
            opens, closes = clock - timedelta(hours=1), clock + timedelta(days=3 + number_of)
            definition = a_definition(
                opens_at=opens.replace(microsecond=0), closes_at=closes.replace(microsecond=0), territory="msk",
                questions=[a_single_choice(1, 4)],
            )  # fmt: skip
            draft = await create_draft(session, 1, definition, clock)
            await schedule_poll(session, draft.public_id, 1, draft.revision, clock, unchecked=True)
            made.append((await sealed_poll(session, draft.public_id)).slug)
    return made


def _clock() -> Any:
    from sqlalchemy import text

    return text("SELECT clock_timestamp()")


# ---- services


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@dataclass
class Service:
    """A service under load and its address."""

    process: subprocess.Popen[bytes]
    url: str
    ready_in: float = 0.0

    def cpu_seconds(self) -> float:
        """Processor time its processes have used so far."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def pids(self) -> list[int]:
        """The process and everything it started."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                todo += [int(child) for child in task.read_text().split()]
        return found


@contextmanager
def running(command: Sequence[str], port: int, path: str, env: dict[str, str], settle: float = 0) -> Iterator[Service]:
    """Run a service till the block ends; ready when the path answers, and left alone for `settle` seconds then."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VECHE_", "PYTHONDONT"))}
    log = tempfile.TemporaryFile()  # noqa: SIM115 -- read when the service does not start
    began = time.perf_counter()
    process = subprocess.Popen(
        list(command), cwd=ROOT, env={**kept, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", **env}, stdout=log,
        stderr=log, start_new_session=True,
    )  # fmt: skip
    service = Service(process, f"http://127.0.0.1:{port}")
    try:
        while not _answers(service.url + path):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                log.seek(0)
                raise SystemExit(f"{command} did not start:\n{log.read().decode(errors='replace')[-3000:]}")
            time.sleep(0.02)
        service.ready_in = time.perf_counter() - began
        time.sleep(settle)
        yield service
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except OSError:
        return False


@contextmanager
def veche(
    database_url: str, data_dir: Path, *, workers: int = 1, variant: str = "", settle: float = SETTLE
) -> Iterator[Service]:
    """Our service on a database: as operators run it, or a variant of `bench/serve_variant.py`.

    Who starts several may settle once, after the last.
    """
    port = free_port()
    env = {
        "VECHE_DATABASE_URL": database_url, "VECHE_DATA_DIR": str(data_dir), "PORT": str(port), "VECHE_PORT": str(port),
        "VECHE_BASE_URL": f"http://127.0.0.1:{port}", "VECHE_DEMO": "false",
        "VECHE_SESSION_IDLE": "P1D",  # a resident of a long run may vote but once an hour
    }  # fmt: skip
    command = [sys.executable, "-m", "voting.cli", "serve", "--workers", str(workers)]
    if variant:
        command = [sys.executable, str(ROOT / "bench" / "serve_variant.py"), *variant.split(" ")]
    with running(command, port, "/health/ready", env, 0 if variant.startswith("bare") else settle) as service:
        yield service


def settings_for(database_url: str, data_dir: Path) -> Settings:
    """The settings such a service has, to make tokens of forms with its key."""
    return Settings(database_url=database_url, data_dir=data_dir, demo=False)


def write_people(path: Path, settings: Settings, residents: int) -> None:
    """A line a resident for wrk's scripts: cookie, token of forms, key of the ballot (hex)."""
    tokens = FormTokens(settings.secret("forms"))
    with path.open("w") as file:
        for citizen in range(1, residents + 1):
            token = token_of(citizen)
            csrf = tokens.for_session(hashlib.sha256(token.encode()).digest())
            file.write(f"{token} {csrf} {hashlib.md5(token.encode()).hexdigest()}\n")


@contextmanager
def keys_of(database_url: str) -> Iterator[Path]:
    """A data directory with keys, as set up before the first start."""
    directory = Path(tempfile.mkdtemp(prefix="veche-bench-"))
    env = {"VECHE_DATABASE_URL": database_url, "VECHE_DATA_DIR": str(directory), "VECHE_DEMO": "false"}
    made = subprocess.run(
        [sys.executable, "-m", "voting.cli", "migrate"], cwd=ROOT, check=False, capture_output=True, text=True,
        env={**os.environ, **env, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    if made.returncode:
        raise SystemExit(f"veche migrate failed:\n{made.stdout}{made.stderr}")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


# ---- load


@dataclass(frozen=True)
class Load:
    """What wrk saw: requests a second, milliseconds, and how many were not answered as they should be."""

    rate: float
    p50: float
    p95: float
    p99: float
    requests: int
    ok: int
    busy: int
    wrong: int
    broken: int
    odd: int
    """The status of one of the wrong answers; 0 if there is none."""
    cpu: float
    """Microseconds of the service's processor time for each answer; says more than the rate where others work too."""

    @property
    def errors(self) -> int:
        """Everything but an answer or a 503."""
        return self.wrong + self.broken


def wrk(service: Service, seconds: float, connections: int, script: str, *words: str) -> Load:
    """One run of wrk with a script of `bench/lua`. Answers are counted: 2xx and 304, 503, others, broken ones."""
    if shutil.which("wrk") is None:
        raise SystemExit(WRK_MISSING)
    command = [
        "wrk", "-t2", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s",
        str(ROOT / "bench" / "lua" / script), service.url, "--", *words,
    ]  # fmt: skip
    before = service.cpu_seconds()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    spent = service.cpu_seconds() - before
    found = json.loads(done.stdout[done.stdout.rindex("RESULT ") + 7 :].split("\n")[0])
    return Load(
        found["ok"] / found["seconds"], found["p50"], found["p95"], found["p99"], found["requests"], found["ok"],
        found["busy"], found["wrong"], found["broken"], found["odd"], 1e6 * spent / max(1, found["ok"]),
    )  # fmt: skip


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def row(name: str, loads: Sequence[Load], base: float | None = None) -> str:
    """A line: medians of runs, and the ratio to a base rate."""
    rate = median([load.rate for load in loads])
    ratio = f"{rate / base:7.2f} ×" if base else " " * 9
    return (
        f"  {name:44} {rate:9,.0f}/s {ratio}  p50 {median([load.p50 for load in loads]):7.1f} ms  "
        f"p99 {median([load.p99 for load in loads]):7.1f} ms  503 {sum(load.busy for load in loads):5,}  "
        f"errors {sum(load.errors for load in loads):3,}  "
        f"cpu {median([load.cpu for load in loads]):6,.0f} µs"
    )
