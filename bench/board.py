"""The board of a large poll: counting and signing it, writing its files, and checking them as an outsider does (P9).

    python bench/board.py [--ballots 7000000] [--verify]

Fills the intake of a poll of one single-choice question by SQL in a scratch database, counts it with `count_poll`,
publishes with `veche board build` in a process of its own, and prints seconds, records a second and that process's peak
memory, beside what the database alone takes to hand over the records in order. `--verify` runs the stand-alone verifier
on the directory. 7,000,000 ballots: bar 120 s and 1 GB for the files, 15 minutes for verifying; 6 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig  # noqa: E402
from tests.builders import a_city, an_open_poll, close_now  # noqa: E402

from polls.board_trees import copy_entries  # noqa: E402
from polls.catalogue import SealedPoll, sealed_poll  # noqa: E402
from polls.counting import count_poll  # noqa: E402
from voting.db import Database, database_url_for  # noqa: E402
from voting.keys import board_sealer, record_keys  # noqa: E402

BAR = (120.0, 1_000.0)  # seconds, megabytes
INTAKE = """
INSERT INTO intake_{poll} (ballot_id, answers, style, stratum)
SELECT substr(sha256(int8send(n)), 1, 16), ARRAY['[' || 1 + n %% 3 || ']'], 0, 0
  FROM generate_series(%(from)s, %(to)s - 1) n ORDER BY 1
"""
PARTICIPATION = """
INSERT INTO participation (poll_id, citizen_id, day)
SELECT {poll}, n, current_date FROM generate_series(%(from)s, %(to)s - 1) n
"""


def fill(url: str, poll: int, ballots: int) -> None:
    """The intake and the participations, a million at a time."""
    with psycopg.connect(url, autocommit=True) as connection:
        for start in range(1, ballots + 1, 1_000_000):
            given = {"from": start, "to": min(start + 1_000_000, ballots + 1)}
            connection.execute(INTAKE.format(poll=poll), given)  # type: ignore[arg-type]
            connection.execute(PARTICIPATION.format(poll=poll), given)  # type: ignore[arg-type]
        connection.execute("ANALYZE participation")


async def a_closed_poll(database: Database, settings: rig.Settings, url: str, ballots: int) -> SealedPoll:
    """A poll that so many have voted in; the roll is not known, since nobody of them is in the register."""
    async with database.open_session() as session:
        await a_city(session)
        await record_keys(session, settings, datetime.now(UTC))
        poll = await an_open_poll(session, roll_known=False, strata=())
    await asyncio.to_thread(fill, url, poll.id, ballots)
    async with database.open_session() as session:
        return await close_now(session, poll)


async def prepare(url: str, settings: rig.Settings, ballots: int) -> tuple[str, float, float]:
    """Fill and count; gives the poll's id, the seconds of counting, and those of the database handing records over."""
    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    poll = await a_closed_poll(database, settings, url, ballots)
    start = time.perf_counter()
    async with database.open_session() as session:
        counted = await count_poll(session, poll.public_id, datetime.now(UTC), board_sealer(settings))
    counting = time.perf_counter() - start
    assert counted is not None
    assert counted.ballots == ballots
    handed = 0

    async def drop(chunk: bytes) -> None:
        nonlocal handed
        handed += len(chunk)

    start = time.perf_counter()
    async with database.open_session() as session:
        await copy_entries(session, await sealed_poll(session, poll.public_id), 1, [0], drop)
    alone = time.perf_counter() - start
    await database.close()
    return poll.public_id, counting, alone


def measured(command: list[str], env: dict[str, str]) -> tuple[int, float, float, float]:
    """(exit code, seconds, processor seconds, peak megabytes) of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ballots", type=int, default=7_000_000)
    parser.add_argument("--verify", action="store_true", help="also run the stand-alone verifier on the directory")
    options = parser.parse_args()
    n = options.ballots
    with tempfile.TemporaryDirectory(prefix="veche-board-") as made, rig.durable_server() as server:
        settings = rig.settings_for("postgresql://nowhere/none", Path(made))
        with rig.scratch_database(server, "board") as url:
            print(f"{n:,} ballots; load {os.getloadavg()[0]:.1f}", flush=True)
            poll, counting, alone = asyncio.run(prepare(url, settings, n))
            print(f"counting and signing        {counting:7.1f} s", flush=True)
            print(f"the database alone          {alone:7.1f} s  {n / alone:9,.0f} records/s", flush=True)
            env = {**os.environ, "VECHE_DATABASE_URL": url, "VECHE_DATA_DIR": made,
                   "VECHE_KEYS_DIR": str(settings.keys_dir)}  # fmt: skip
            veche = [sys.executable, "-m", "voting.cli", "board", "build", poll]
            env["PYTHONPATH"] = str(ROOT / "src")
            code, seconds, worked, memory = measured(veche, env)
            assert code == 0
            directory = Path(made, "board", poll)
            files = [path for path in directory.rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files)
            good = seconds * 7_000_000 / n <= BAR[0] and memory <= BAR[1]
            print(
                f"the board's files           {seconds:7.1f} s  {n / seconds:9,.0f} records/s,"
                f" {worked:.1f} s of our own processor time, peak {memory:,.0f} MB,"
                f" {len(files):,} files of {size / 1e6:,.0f} MB; {seconds / alone:.1f} × the database alone;"
                f" P9 {'held' if good else 'MISSED'}{'' if n == 7_000_000 else ' by proportion'}",
                flush=True,
            )
            if options.verify:
                code, seconds, worked, memory = measured(
                    [sys.executable, str(ROOT / "src/veche_verify.py"), str(directory)], env
                )
                print(f"verified                    {seconds:7.1f} s  peak {memory:,.0f} MB, exit {code} (bar 900 s)")


if __name__ == "__main__":
    main()
