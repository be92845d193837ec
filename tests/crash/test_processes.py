"""Several web processes: one killed is begun again, readiness never hangs, and nobody is left behind."""

import os
import signal
import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from tests.crash.service import NO_TLS, Service, a_service, needs_proc, wait_until
from tests.memory import PLACE

from voting.web_processes import BEAT, SILENT_FOR

pytestmark = needs_proc


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service with two web processes; a test that ends it starts it again."""
    with a_service(PLACE / f"processes-{os.getpid()}", tmp_path_factory.mktemp("log") / "log") as service:
        service.start()
        yield service


@pytest.mark.parametrize("kind", ["web", "jobs"])
def test_a_killed_process_is_begun_again_and_no_other(service: Service, kind: str) -> None:
    before = service.pids(kind)
    others = service.pids("jobs" if kind == "web" else "web")
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(service.pids(kind)) == len(before) and before[0] not in service.pids(kind), "a new one")
    assert set(before[1:]) <= set(service.pids(kind))
    assert service.pids("jobs" if kind == "web" else "web") == others
    assert service.ready() == 200


def test_they_come_back_when_what_they_are_forked_from_is_killed(service: Service) -> None:
    before = {*service.pids("web"), *service.pids("jobs")}
    os.kill(service.forker(), signal.SIGKILL)
    wait_until(lambda: not before & {*service.pids("web"), *service.pids("jobs")}, "the end of the old ones")
    wait_until(lambda: len(service.pids("web")) == 2 and len(service.pids("jobs")) == 1, "new ones")
    wait_until(lambda: service.ready() == 200, "being ready")


def test_the_queue_has_one_worker_also_while_an_old_one_does_not_end(service: Service) -> None:
    """Web processes are replaced at once; the worker's successor waits, and whoever is left ends with the service."""
    web, [jobs] = service.pids("web"), service.pids("jobs")
    for stopped in (jobs, web[0]):
        os.kill(stopped, signal.SIGSTOP)
    os.kill(service.forker(), signal.SIGKILL)
    wait_until(lambda: len(set(service.pids("web")) - set(web)) == 2, "others that serve")
    time.sleep(3)
    assert service.pids("jobs") == [jobs], "two would do the same work"
    os.kill(jobs, signal.SIGCONT)
    wait_until(lambda: service.pids("jobs") not in ([], [jobs]), "the next worker")
    assert len(service.pids("jobs")) == 1
    assert web[0] in service.pids("web")
    os.kill(web[0], signal.SIGCONT)
    wait_until(lambda: web[0] not in service.pids("web"), "the end of the old one")
    wait_until(lambda: service.ready() == 200, "being ready")


def test_a_process_that_hangs_is_killed_and_begun_again(service: Service) -> None:
    web, jobs = service.pids("web"), service.pids("jobs")
    os.kill(web[0], signal.SIGSTOP)
    began = time.monotonic()
    assert [service.ready() for _ in range(20)] == [200] * 20, "the other takes the connections of both"
    assert time.monotonic() - began < SILENT_FOR / 2
    wait_until(lambda: web[0] not in service.pids("web") and len(service.pids("web")) == 2, "another")
    assert time.monotonic() - began > SILENT_FOR - 2 * BEAT, "half a minute is not silence but work"
    assert [event["pid"] for event in service.events("process_silent")] == [web[0]]
    assert web[1] in service.pids("web") and service.pids("jobs") == jobs
    assert service.ready() == 200


def test_one_process_does_the_queued_work(service: Service) -> None:
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%procrastinate%'"
    with psycopg.connect(service.home.url(driver="postgresql")) as connection:
        wait_until(lambda: connection.execute(listening).fetchone() == (1,), "one worker", 30)
        connection.rollback()


def test_readiness_says_503_at_once_while_the_database_is_away(service: Service) -> None:
    postmaster = service.postmaster()
    assert postmaster is not None
    os.kill(postmaster, signal.SIGSTOP)  # it accepts nothing and closes nothing: the worst kind of silence
    try:
        began = time.monotonic()
        replies = []
        while time.monotonic() - began < 6:
            asked = time.monotonic()
            replies.append(httpx.get(f"{service.base}/health/ready", timeout=10, verify=NO_TLS))
            assert time.monotonic() - asked < 5, "two seconds on a quiet machine"
            if replies[-1].status_code == 503:
                break
            # A connection that is open still works: new ones are what a stopped postmaster cannot give.
            with psycopg.connect(service.home.url(driver="postgresql"), connect_timeout=1):
                pass
    except psycopg.OperationalError:
        pass
    finally:
        os.kill(postmaster, signal.SIGKILL)
    statuses = set()
    while (reply := httpx.get(f"{service.base}/health/ready", timeout=10, verify=NO_TLS)).status_code != 200:
        assert reply.status_code == 503 and int(reply.headers["retry-after"]) > 0
        assert reply.json()["reason"] == "database"
        statuses.add(reply.status_code)
    wait_until(lambda: service.postmaster() not in (None, postmaster), "the database")


def test_nobody_outlives_a_killed_parent_and_the_next_start_takes_over(service: Service) -> None:
    children = {*service.pids("web"), *service.pids("jobs"), service.forker()}
    postmaster = service.postmaster()
    assert service.process is not None and postmaster is not None
    service.process.kill()
    service.process.wait()
    service.known |= children
    wait_until(lambda: not service.left(), "the end of the children")
    assert service.postmaster() == postmaster, "the database is left to the next one"
    service.start()
    assert service.postmaster() == postmaster
    assert service.stop() == 0
    assert service.postmaster() is None and not service.left()
    service.start()
