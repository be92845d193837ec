"""Exports and what kills: a worker shot in the middle of a file, and a disk that is full. Never half a file."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update
from tests.builders import a_city, a_definition
from tests.commands import clean_environment, veche
from tests.crash.service import full_counts, needs_proc
from tests.databases import Databases
from tests.memory import PLACE
from tests.results.counted import a_counted_poll, add_ballots, city_strata

from polls.catalogue import SealedPoll
from results.exports.kinds import FileKind, Wanted
from voting.db import Database
from voting.export_files import exports_in, path_of
from voting.export_jobs import ExportJob, export_of, order_export
from voting.export_making import make_export, sweep_exports
from voting.jobs import Work, build_jobs
from voting.settings import Settings
from voting.tables import export_job

RECORDS = 300_000 if full_counts() else 100_000
DISK = "4m" if full_counts() else "1m"  # less than any of the files takes
PATIENCE = 90.0


async def a_poll(database: Database) -> SealedPoll:
    async with database.open_session() as session:
        await a_city(session)
        strata = await city_strata(session)
        found = await a_counted_poll(session, a_definition(), [(("[1]",), stratum) for stratum in strata * 2])
        await add_ballots(session, found, RECORDS)
    return found


@pytest.fixture(scope="module")
async def filled(databases: Databases) -> AsyncIterator[tuple[str, SealedPoll]]:
    """A database with the poll in it, to be copied."""
    name = databases.create()
    database = Database.from_url(databases.url(name))
    poll = await a_poll(database)
    await database.close()  # a database somebody is connected to cannot be copied
    yield name, poll
    databases.drop(name)


@pytest.fixture
async def database(databases: Databases, filled: tuple[str, SealedPoll]) -> AsyncIterator[Database]:
    """A copy of it of the test's own."""
    name = databases.create(filled[0])
    copy = Database.from_url(databases.url(name))
    yield copy
    await copy.close()
    databases.drop(name)


@pytest.fixture
def poll(filled: tuple[str, SealedPoll]) -> SealedPoll:
    return filled[1]


async def an_order(database: Database, poll: SealedPoll, kind: FileKind) -> str:
    async with database.open_session() as session:
        return (await order_export(session, poll.slug, Wanted.of(kind), "anna", datetime.now(UTC))).id


async def job_of(database: Database, job_id: str) -> ExportJob:
    async with database.open_session() as session:
        return await export_of(session, job_id)


def files(data_dir: Path) -> list[Path]:
    return [path for path in exports_in(data_dir).rglob("*") if path.is_file()]


@contextmanager
def a_worker(url: str, data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as it is run: a process of its own."""
    environment = clean_environment(
        VECHE_DATABASE_URL=url, VECHE_DATA_DIR=str(data_dir), VECHE_BASE_URL="http://city.test",
        VECHE_EXPORT_RESERVE="0",
    )  # fmt: skip
    assert veche("migrate", environment=environment).returncode == 0
    with (data_dir / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "voting", "worker"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def until(what: Any) -> None:
    began = time.monotonic()
    while not await what():
        assert time.monotonic() - began < PATIENCE, "it took too long"
        await asyncio.sleep(0.1)


@needs_proc
@pytest.mark.timeout(300)
async def test_a_worker_killed_in_the_middle_leaves_no_file_and_the_next_one_makes_it_whole(
    database: Database, poll: SealedPoll, tmp_path: Path
) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    settings = Settings(database_url=url, data_dir=tmp_path, demo=False, export_reserve=0)
    job_id = await an_order(database, poll, FileKind.ANSWERS_XLSX)
    with a_worker(url, tmp_path) as worker:

        async def in_the_middle() -> bool:
            job = await job_of(database, job_id)
            assert job.state in ("waiting", "running"), "it was over too soon"
            assert worker.poll() is None, (tmp_path / "worker.log").read_text()[-2000:]
            return job.rows_done > 0 and bool(files(tmp_path))

        await until(in_the_middle)
        worker.kill()
        worker.wait()
    job = await job_of(database, job_id)
    assert job.state == "running" and 0 < job.rows_done < RECORDS and job.sha256 is None
    left = files(tmp_path)
    assert left and all("drafts" in path.parts for path in left), "only a draft, which nobody is given"
    # What the queue's rescue and the sweep do by themselves, without the waiting.
    async with database.open_session() as session:
        await session.execute(update(export_job).values(seen_at=datetime.now(UTC) - timedelta(minutes=5)))
        await session.execute(text("DELETE FROM procrastinate_jobs"))
    await sweep_exports(Work(database, settings))
    await build_jobs(database, settings).run_until_idle()
    job = await job_of(database, job_id)
    assert job.state == "ready" and job.rows_done == RECORDS + 36 and job.sha256
    data = path_of(exports_in(tmp_path), job.sha256).read_bytes()
    assert hashlib.sha256(data).hexdigest() == job.sha256 and len(data) == job.size
    assert len(files(tmp_path)) == 2, "the file and its sum; the dead worker's draft is gone"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk that is too small for a file of all records; skips where mounting is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk of this test")
    place = PLACE / f"exports-{os.getpid()}"
    place.mkdir(parents=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)], capture_output=True
    ).returncode:
        place.rmdir()
        pytest.skip("mounting a small disk is not permitted here")
    try:
        yield place
    finally:
        if subprocess.run(["umount", str(place)], capture_output=True).returncode:
            subprocess.run(["umount", "-l", str(place)], capture_output=True)
        place.rmdir()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [FileKind.ANSWERS_CSV, FileKind.ANSWERS_XLSX, FileKind.ANSWERS_PARQUET])
async def test_a_full_disk_fails_the_export_with_its_reason_and_is_empty_again(
    database: Database, poll: SealedPoll, small_disk: Path, kind: FileKind
) -> None:
    settings = Settings(database_url="postgresql://not/asked", data_dir=small_disk, demo=False, export_reserve=0)
    job_id = await an_order(database, poll, kind)
    await make_export(Work(database, settings), job_id)
    job = await job_of(database, job_id)
    assert (job.state, job.error, job.sha256) == ("failed", "disk_full", None)
    assert not files(small_disk), "what was written is taken away again"
    async with database.open_session() as session:
        assert (await session.scalars(select(export_job.c.attempts))).all() == [1], "not tried again"
