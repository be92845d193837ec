"""The board of a large poll: counting and signing it, writing its files, and checking them as an outsider does (P9).

    python bench/board.py [--ballots 7000000] [--verify]

Fills the intake of a poll of one single-choice question by SQL in a scratch database, counts it with `count_poll`,
publishes with `veche board build` in a process of its own, and prints seconds, records a second and the peak memory of
that process with all it starts, beside what the database alone takes to hand over the records in order. `--verify` runs
the stand-alone verifier on the directory, with a resident's receipt whose proof it writes, then on the service that has
published it, over HTTP with its registry log. 7,000,000 ballots: bars 120 s and 1 GB for the files, 15 minutes for
verifying either way, a proof of 2,000 bytes; 6 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig, summary  # noqa: E402
from bench.soak import Memory  # noqa: E402
from tests.builders import a_city, an_open_poll  # noqa: E402

from polls.authoring import close_early  # noqa: E402
from polls.board import inclusion_receipt, leaf_hashes  # noqa: E402
from polls.board_trees import copy_entries  # noqa: E402
from polls.catalogue import SealedPoll, sealed_poll  # noqa: E402
from polls.counting import count_poll  # noqa: E402
from voting.db import Database, database_url_for  # noqa: E402
from voting.keys import board_sealer, receipt_signer, record_keys  # noqa: E402
from voting.settings import Settings  # noqa: E402

MOST_BUILDING, MOST_VERIFYING = 120.0, 900.0  # seconds for 7,000,000 ballots; others by proportion
LEAST_SHARE = 0.1  # of the bars' seconds: a process has to start, and the disk to take what is written
MOST_MEMORY, MOST_PROOF = 1_000.0, 2_000.0  # megabytes, bytes
OFFICIAL = 1
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
            connection.execute(INTAKE.format(poll=poll), given)
            connection.execute(PARTICIPATION.format(poll=poll), given)
        connection.execute("ANALYZE participation")


async def a_closed_poll(database: Database, settings: Settings, url: str, ballots: int) -> SealedPoll:
    """A poll that so many have voted in; the roll is not known, since nobody of them is in the register."""
    async with database.open_session() as session:
        await a_city(session)
        await record_keys(session, settings, datetime.now(UTC))
        poll = await an_open_poll(session, roll_known=False, strata=())
    await asyncio.to_thread(fill, url, poll.id, ballots)
    async with database.open_session() as session:  # as an official does it: the registry log says when and why
        await close_early(session, poll.public_id, OFFICIAL, "everybody has voted", datetime.now(UTC))
        return await sealed_poll(session, poll.public_id)


async def prepare(url: str, settings: Settings, ballots: int) -> tuple[SealedPoll, float, float]:
    """Fill and count; gives the poll, the seconds of counting, and those of the database handing records over."""
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
    return poll, counting, alone


@dataclass(frozen=True)
class Run:
    """A process that has ended: exit code, seconds, processor seconds, and the most it held with its children, MB."""

    code: int
    seconds: float
    worked: float
    memory: float
    said: str


def measured(command: list[str], env: dict[str, str]) -> Run:
    """Run a command to its end."""
    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        memory = Memory(rig.Service(process, ""), 0.05)  # of its own peak the kernel counts ours, before it began
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        memory.stop()
        said.seek(0)
        return Run(process.returncode, seconds, usage.ru_utime + usage.ru_stime, memory.most(), said.read())


def a_receipt(settings: Settings, poll: SealedPoll) -> str:
    """What the voter of the first ballot would have been given, as a file's text."""
    ballot = hashlib.sha256((1).to_bytes(8)).digest()[:16]
    leaves = leaf_hashes(poll.poll_hash, ballot, poll.question_ids, ["[2]"], 0)
    day = datetime.now(UTC).date().isoformat()
    return json.dumps(inclusion_receipt(receipt_signer(settings), poll.poll_hash, ballot, leaves, day).as_json())


def build(env: dict[str, str], poll: SealedPoll, directory: Path, n: int, alone: float) -> None:
    """`veche board build`, and its bars."""
    run = measured([sys.executable, "-m", "voting.cli", "board", "build", poll.public_id], env)
    if run.code:
        raise SystemExit(f"veche board build failed:\n{run.said}")
    files = [path for path in directory.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    share = max(n / 7_000_000, LEAST_SHARE)
    good = summary.record("P9", f"board of {n:,} built", run.seconds, MOST_BUILDING * share, "s")
    good &= summary.record("P9", f"board of {n:,} built, memory", run.memory, MOST_MEMORY, "MB")
    print(
        f"the board's files           {run.seconds:7.1f} s  {n / run.seconds:9,.0f} records/s,"
        f" {run.worked:.1f} s of our own processor time, peak {run.memory:,.0f} MB,"
        f" {len(files):,} files of {size / 1e6:,.0f} MB; {run.seconds / alone:.1f} × the database alone;"
        f" progress told {run.said.count(' records, ')} times;"
        f" P9 {'held' if good else 'MISSED'}{'' if share == 1 else ' by proportion'}",
        flush=True,
    )


def verify(name: str, words: list[str], env: dict[str, str], n: int) -> None:
    """The stand-alone verifier, and its bar."""
    run = measured([sys.executable, str(ROOT / "src/veche_verify.py"), "--lang", "en", *words], env)
    print(f"verified, {name:17} {run.seconds:7.1f} s  {n / run.seconds:9,.0f} records/s, peak {run.memory:,.0f} MB,"
          f" exit {run.code} (bar 900 s)", flush=True)  # fmt: skip
    if run.code:
        print(run.said)
    share = max(n / 7_000_000, LEAST_SHARE)
    summary.record("P9", f"board of {n:,} verified, {name}", run.seconds, MOST_VERIFYING * share, "s")
    summary.record("P9", f"exit code of verifying, {name}", run.code, 0)


def verify_both(env: dict[str, str], made: Path, settings: Settings, poll: SealedPoll, n: int) -> None:
    """From the directory with a receipt, and from a service."""
    receipt, proof = made / "receipt.json", made / "proof"
    receipt.write_text(a_receipt(settings, poll))
    verify("a directory", [str(made / "board" / poll.public_id), "--receipt", str(receipt), "--proof", str(proof)],
           env, n)  # fmt: skip
    if proof.exists():
        size = proof.stat().st_size
        held = summary.record("P9", f"a resident's proof among {n:,}", size, MOST_PROOF, "bytes")
        print(f"a resident's proof          {size:7,} bytes (bar 2,000{'' if held else ': MISSED'})")
    port = rig.free_port()
    service = {name: value for name, value in env.items() if name.startswith("VECHE_")}
    service |= {"PORT": str(port), "VECHE_PORT": str(port), "VECHE_BASE_URL": f"http://127.0.0.1:{port}",
                "VECHE_LOG_ORIGIN": settings.log_origin, "VECHE_DEMO": "false"}  # fmt: skip
    veche = [sys.executable, "-m", "voting.cli"]
    with rig.running([*veche, "serve", "--workers", "1"], port, "/health/ready", service) as running:
        with (made / "worker.log").open("w") as said:
            worker = subprocess.Popen([*veche, "worker"], env={**env, **service}, stdout=said, stderr=said)
        for _ in range(60):  # it writes the registry log within seconds of its start
            if (made / "registry" / "checkpoint").exists() or worker.poll() is not None:
                break
            time.sleep(1)
        worker.terminate()
        worker.wait()
        verify("over HTTP", [f"{running.url}/board/{poll.public_id}"], env, n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ballots", type=int, default=7_000_000)
    parser.add_argument("--verify", action="store_true", help="also run the stand-alone verifier, twice")
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
                   "VECHE_KEYS_DIR": str(settings.keys_dir), "PYTHONPATH": str(ROOT / "src")}  # fmt: skip
            build(env, poll, Path(made, "board", poll.public_id), n, alone)
            if options.verify:
                verify_both(env, Path(made), settings, poll, n)


if __name__ == "__main__":
    main()
