"""The queue: jobs belong to the transaction that asked for them, are retried, rescued, and survive a lost database."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from voting.db import Database
from voting.jobs import Jobs, Registry, Work, build_jobs, defer, worker_running
from voting.settings import Settings


@pytest.fixture
def declared() -> Registry:
    return Registry()


@pytest.fixture
def done() -> list[Any]:
    return []


@pytest.fixture
def jobs(fresh_database: Database, declared: Registry, done: list[Any]) -> Jobs:
    @declared.job("note")
    async def note(work: Work, what: str) -> None:
        async with work.database.open_session() as session:
            assert await session.scalar(text("SELECT 1")) == 1
        done.append((what, work.attempt))

    return build_jobs(fresh_database, Settings(), declared=declared)


async def waiting(database: Database) -> int:
    async with database.open_read_session() as session:
        return await session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"))


async def test_a_job_runs_after_the_transaction_that_asked_for_it(
    jobs: Jobs, declared: Registry, done: list[Any]
) -> None:
    async with jobs.database.open_session() as session:
        assert await defer(session, "note", {"what": "голос 100 %"}, declared=declared)
        assert await waiting(jobs.database) == 0
    await jobs.run_until_idle()
    assert done == [("голос 100 %", 1)]
    assert await waiting(jobs.database) == 0


async def test_a_rolled_back_transaction_asks_for_nothing(jobs: Jobs, declared: Registry, done: list[Any]) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with jobs.database.open_session() as session:
            await defer(session, "note", {"what": "never"}, declared=declared)
            raise ZeroDivisionError
    await jobs.run_until_idle()
    assert done == []


async def test_a_queueing_lock_keeps_one_job_waiting_and_the_transaction_alive(
    jobs: Jobs, declared: Registry, done: list[Any]
) -> None:
    async with jobs.database.open_session() as session:
        first = await defer(session, "note", {"what": "1"}, queueing_lock="poll:1", declared=declared)
        second = await defer(session, "note", {"what": "2"}, queueing_lock="poll:1", declared=declared)
        other = await defer(session, "note", {"what": "3"}, queueing_lock="poll:2", declared=declared)
    assert first is not None and second is None and other is not None
    await jobs.run_until_idle()
    assert {what for what, _ in done} == {"1", "3"}


async def no_work() -> None:
    """A job that does nothing."""


async def test_unknown_jobs_and_double_names_are_refused(jobs: Jobs, declared: Registry) -> None:
    async with jobs.database.open_session() as session:
        with pytest.raises(LookupError):
            await defer(session, "nothing", declared=declared)
    with pytest.raises(ValueError, match="already"):
        declared.job("note")(no_work)


async def test_a_failing_job_is_retried_later_then_given_up(jobs: Jobs, declared: Registry) -> None:
    tried: list[int] = []

    @declared.job("fail", attempts=2)
    async def fail(work: Work) -> None:
        tried.append(work.attempt)
        raise RuntimeError("no luck")

    async with jobs.database.open_session() as session:
        await defer(session, "fail", declared=declared)
    await jobs.run_until_idle()
    assert tried == [1]
    async with jobs.database.open_session() as session:
        later = await session.scalar(text("SELECT scheduled_at > now() FROM procrastinate_jobs"))
        assert later
        await session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now()"))
    await jobs.run_until_idle()
    assert tried == [1, 2]
    async with jobs.database.open_session() as session:
        assert await session.scalar(text("SELECT status FROM procrastinate_jobs")) == "failed"


async def test_the_worker_wakes_up_at_once_and_survives_losing_its_connections(
    jobs: Jobs, declared: Registry, done: list[Any]
) -> None:
    async with worker_running(jobs):
        await ask(jobs, declared, "a")
        await until(lambda: ("a", 1) in done)
        async with jobs.database.open_session() as session:
            await session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        await ask(jobs, declared, "b")
        await until(lambda: ("b", 1) in done)


async def test_stopping_the_worker_lets_the_job_in_progress_finish(jobs: Jobs, declared: Registry) -> None:
    events: list[str] = []

    @declared.job("slow")
    async def slow(work: Work) -> None:
        events.append("begun")
        await asyncio.sleep(0.3)
        events.append("finished")

    async with jobs.database.open_session() as session:
        await defer(session, "slow", declared=declared)
    async with worker_running(jobs):
        await until(lambda: bool(events))
    assert events == ["begun", "finished"]


async def test_a_periodic_job_becomes_due_by_itself(jobs: Jobs, declared: Registry, done: list[Any]) -> None:
    @declared.periodic("tick", cron="* * * * * */1")
    async def tick(work: Work) -> None:
        done.append("tick")

    async with worker_running(jobs):
        await until(lambda: "tick" in done)


async def test_the_job_of_a_dead_worker_is_rescued(jobs: Jobs, declared: Registry, done: list[Any]) -> None:
    await ask(jobs, declared, "orphan")
    async with jobs.database.open_session() as session:
        worker = await session.scalar(
            text(
                "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '10 minutes') RETURNING id"
            )
        )
        await session.execute(text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :id"), {"id": worker})
    async with worker_running(jobs):
        await until(lambda: ("orphan", 2) in done)


async def ask(jobs: Jobs, declared: Registry, what: str) -> None:
    async with jobs.database.open_session() as session:
        await defer(session, "note", {"what": what}, declared=declared)


async def until(condition: Any, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
