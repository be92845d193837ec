"""`veche serve` as it is run: a process of its own with its own embedded PostgreSQL, on a port of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.commands import PATIENCE, clean_environment, veche
from tests.memory import PLACE, ROOT

from voting.db import database_url_for
from voting.embedded_home import Home, prepare_home


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A data directory of these tests' own."""
    root = PLACE / f"serve-{os.getpid()}"
    yield prepare_home(root, ROOT)
    shutil.rmtree(root)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def start(home: Home, port: int, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "voting.cli", "serve", *words],
        env=clean_environment(PORT=str(port), VECHE_DATA_DIR=str(home.root), **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores Ctrl-C
    )


def ask(port: int, path: str = "/health/ready") -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def wait_until(true: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        assert process is None or process.poll() is None, "the process has ended"
        time.sleep(0.05)


def server_pid(home: Home) -> int | None:
    """The embedded server's process id, if it runs."""
    try:
        pid = int((home.data / "postmaster.pid").read_text().split("\n")[0])
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if os.fsencode(home.data) in words else None


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")
@pytest.mark.parametrize(("workers", "stop"), [(1, signal.SIGTERM), (2, signal.SIGINT)])
def test_it_starts_survives_its_database_and_stops_in_order(home: Home, workers: int, stop: signal.Signals) -> None:
    port = free_port()
    process = start(home, port, "--workers", str(workers))
    try:
        wait_until(lambda: ask(port) == 200, process)
        first = server_pid(home)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: server_pid(home) not in (None, first), process)
        wait_until(lambda: ask(port) == 200, process)
        process.send_signal(stop)
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes it serves with, which hold its output open
            process.communicate()
    assert process.returncode == 0
    assert f"http://127.0.0.1:{port}" in output and "/sign-in" in output
    assert "Traceback" not in output
    assert server_pid(home) is None, "the database has been stopped as well"
    assert ask(port) == 0


def test_a_taken_port_is_a_sentence(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = veche("serve", environment=clean_environment(PORT=str(port), VECHE_DATA_DIR=str(home.root)))
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr and f"PORT={port + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_the_demo_it_refuses_a_schema_that_is_behind(empty_database_url: str, tmp_path: Path) -> None:
    url = database_url_for(empty_database_url, "postgresql")
    settings = clean_environment(PORT=str(free_port()), VECHE_DATA_DIR=str(tmp_path), VECHE_DATABASE_URL=url)
    done = veche("serve", environment=settings)
    assert done.returncode == 1
    assert "veche migrate" in done.stderr and "Traceback" not in done.stderr
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,), "it migrates nothing by itself"
