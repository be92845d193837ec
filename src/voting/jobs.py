"""Work done outside requests: counting, publishing, mail, exports. A queue in PostgreSQL (procrastinate).

A job is declared where its work is:

    @registry.job("count_poll")
    async def count_poll(work: Work, poll_id: int) -> None: ...

    @registry.periodic("count_due_polls", cron="* * * * *")
    async def count_due_polls(work: Work) -> None: ...

and asked for with `defer(session, "count_poll", {"poll_id": 7})` inside the transaction of what caused it: if that
rolls back, the job was never asked for. The worker runs inside the service in the demo (`worker_running`) or as a
process of its own (`run_worker`).

A job may run twice: its worker may die, or stall so long that it is taken for dead. So every body must be harmless when
repeated; arguments are ids, never secrets or answers, since they are stored and logged. A body that computes for long
does so in a thread, or it stops the worker's heartbeat.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from procrastinate.jobs import DeleteJobCondition, Status
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from polls.sessions import Session
from voting.db import Database, database_url_for
from voting.settings import Settings

__all__ = ["Jobs", "Registry", "Work", "build_jobs", "defer", "registry", "run_worker", "worker_running"]

logger = structlog.get_logger(__name__)

ATTEMPTS = 6  # 3, 9, 27, 81 and 243 s apart
RESCUES = 10  # a job that keeps killing its worker is given up after so many attempts
STOP_WITHIN = 20.0  # seconds the jobs in progress have to finish; then they are interrupted, and retried later
CONCURRENCY = 3  # a board and an export may take minutes each; counting must not wait for them
QUEUEING_LOCK = "procrastinate_jobs_queueing_lock_idx_v1"

DEFER = text("""
    SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
        'default', CAST(:task AS varchar), CAST(:priority AS integer), CAST(:lock AS text),
        CAST(:queueing_lock AS text), CAST(:arguments AS jsonb), CAST(:at AS timestamptz)
    )::procrastinate_job_to_defer_v1])
""")


@dataclass(frozen=True)
class Work:
    """What a job's body is handed: it opens its own sessions from `database`. `attempt` counts from 1."""

    database: Database
    settings: Settings
    attempt: int = 1


Body = Callable[..., Awaitable[None]]


@dataclass(frozen=True)
class Job:
    """A declared job: its name in the queue, its body and, for a periodic one, when it is due."""

    name: str
    body: Body
    attempts: int
    cron: str | None = None


@dataclass
class Registry:
    """The jobs a worker knows. Modules declare theirs on `registry` when they are imported."""

    jobs: dict[str, Job] = field(default_factory=dict)

    def job(self, name: str, *, attempts: int = ATTEMPTS) -> Callable[[Body], Body]:
        """Declare a job. It is tried up to `attempts` times, further and further apart."""
        return lambda body: self._add(Job(name, body, attempts))

    def periodic(self, name: str, *, cron: str, attempts: int = 1) -> Callable[[Body], Body]:
        """Declare a job that is due by itself, `cron` in UTC. At most one of it waits in the queue at a time."""
        return lambda body: self._add(Job(name, body, attempts, cron))

    def _add(self, job: Job) -> Body:
        if job.name in self.jobs:
            raise ValueError(f"there already is a job called {job.name}")
        self.jobs[job.name] = job
        return job.body


registry = Registry()


@dataclass(frozen=True)
class Jobs:
    """The queue of one database, ready to be worked on."""

    database: Database
    settings: Settings
    url: str
    registry: Registry

    async def run_until_idle(self) -> None:
        """Do everything that is due now and return; periodic jobs stay out of it. For tests and commands."""
        app = self.app(periodic=False)
        async with app.open_async():
            await app.run_worker_async(
                wait=False,
                listen_notify=False,
                install_signal_handlers=False,
                delete_jobs=DeleteJobCondition.SUCCESSFUL,
            )

    def app(self, *, periodic: bool = True) -> App:
        """Build the queue library's view of the declared jobs, with a small pool of its own."""
        address = database_url_for(self.url, "postgresql")
        app = App(connector=PsycopgConnector(conninfo=address, min_size=1, max_size=CONCURRENCY + 3, timeout=10))
        for job in self.registry.jobs.values():
            retry = RetryStrategy(max_attempts=job.attempts - 1, exponential_wait=3) if job.attempts > 1 else False
            task = app.task(name=job.name, pass_context=True, retry=retry)(self._runner(job))
            if periodic and job.cron:
                app.periodic(cron=job.cron, queueing_lock=job.name)(task)
        rescue = app.task(name="rescue_stalled_jobs", pass_context=True)(_rescue_stalled_jobs)
        if periodic:
            app.periodic(cron="* * * * *", queueing_lock="rescue_stalled_jobs")(rescue)
        return app

    def _runner(self, job: Job) -> Callable[..., Awaitable[None]]:
        async def run(context: JobContext, timestamp: int | None = None, **arguments: Any) -> None:
            attempt = context.job.attempts + 1
            try:
                await job.body(Work(self.database, self.settings, attempt), **arguments)
            except Exception:
                logger.exception("job_failed", job=job.name, attempt=attempt, of=job.attempts, **arguments)
                raise

        return run


def build_jobs(database: Database, settings: Settings, *, declared: Registry = registry) -> Jobs:
    """Build the queue of the service's database. Import the modules that declare jobs before the worker starts."""
    url = database.engine.url.render_as_string(hide_password=False)
    return Jobs(database, settings, url, declared)


async def defer(
    session: Session,
    name: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    queueing_lock: str | None = None,
    lock: str | None = None,
    at: datetime | None = None,
    priority: int = 0,
    declared: Registry = registry,
) -> int | None:
    """Put a job into the queue, in the session's transaction; gives its id.

    `queueing_lock`: while a job with the same one waits, nothing is added and None is given. `lock`: jobs with the same
    one never run at the same time. `at`: not before that moment. A higher `priority` goes first.
    """
    if name not in declared.jobs:
        raise LookupError(f"no job is called {name}")
    values = {
        "task": name,
        "arguments": json.dumps(dict(arguments or {})),
        "queueing_lock": queueing_lock,
        "lock": lock,
        "at": at,
        "priority": priority,
    }
    if queueing_lock is None:
        return (await session.scalars(DEFER, values)).one()[0]  # type: ignore[no-any-return]
    try:
        async with session.begin_nested():  # a savepoint, so that "already waiting" leaves the transaction alive
            return (await session.scalars(DEFER, values)).one()[0]  # type: ignore[no-any-return]
    except IntegrityError as error:
        if QUEUEING_LOCK not in str(error.orig):
            raise
        return None


async def run_worker(jobs: Jobs) -> None:
    """Work on the queue until cancelled. A lost database is waited for; on cancelling, jobs in progress may finish."""
    while True:
        try:
            app = jobs.app()
            async with app.open_async():
                await app.run_worker_async(
                    concurrency=CONCURRENCY,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=STOP_WITHIN,
                    delete_jobs=DeleteJobCondition.SUCCESSFUL,
                )
            logger.warning("worker_stopped")  # of itself: one of its connections was lost
        except Exception:
            logger.exception("worker_failed")
        await asyncio.sleep(1)


@asynccontextmanager
async def worker_running(jobs: Jobs) -> AsyncIterator[None]:
    """Run a worker beside the block, in the same event loop; stop it in order when the block ends."""
    task = asyncio.create_task(run_worker(jobs), name="jobs")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _rescue_stalled_jobs(context: JobContext, timestamp: int | None = None) -> None:
    """Put the jobs of workers that have died back into the queue."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs():
        logger.warning("job_rescued", job=job.task_name, id=job.id, attempts=job.attempts)
        if job.attempts >= RESCUES:
            await manager.finish_job(job, status=Status.FAILED, delete_job=False)
        else:
            await manager.retry_job(job, retry_at=datetime.now(UTC))
