"""The service as it is run, `python -m voting serve` with its embedded PostgreSQL, to be killed in parts."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.memory import ROOT

from voting.db import Database
from voting.embedded_home import Home, installation, prepare_home
from voting.settings import Settings

SOURCE = Path(__file__).parents[2] / "src"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all clients: making one takes longer than a vote
PATIENCE = 90.0  # seconds; the machine may be busy with other tests
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")


def full_counts() -> bool:
    """Whether the rounds run in full, as for a release."""
    return bool(os.environ.get("VECHE_FULL_COUNTS"))


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(true: Callable[[], object], what: str, patience: float = PATIENCE) -> float:
    """Wait until something holds; gives the seconds it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < patience, f"it took too long: {what}"
        time.sleep(0.02)
    return time.monotonic() - began


@dataclass
class Service:
    """One running service in a data directory of its own."""

    home: Home
    log: Path
    workers: int
    port: int
    process: subprocess.Popen[bytes] | None = None
    known: set[int] = field(default_factory=set)

    @property
    def base(self) -> str:
        """The address it answers at."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Settings:
        """The settings it runs with."""
        return Settings(data_dir=self.home.root, port=self.port)

    def database(self) -> Database:
        """A way into its database beside it."""
        return Database.from_url(self.home.url(), pool_size=2)

    def start(self) -> None:
        """Start it and wait until it answers."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("VECHE_", "COV"))}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "voting", "serve", "--workers", str(self.workers)],
                env={**kept, "PYTHONPATH": str(SOURCE), "PORT": str(self.port), "VECHE_DATA_DIR": str(self.home.root)},
                stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
            )  # fmt: skip
        # Nobody is asked before somebody can answer: on a busy machine that is a while.
        wait_until(lambda: self.process_ended() or self.complete(), "starting")
        assert not self.process_ended(), self.log.read_text()[-3000:]
        wait_until(lambda: self.ready() == 200, "being ready")

    def complete(self) -> bool:
        """Whether all of its processes run."""
        return len(self.pids("web")) == self.workers and len(self.pids("jobs")) == 1

    def process_ended(self) -> bool:
        """Whether the parent is gone."""
        return self.process is None or self.process.poll() is not None

    def ready(self) -> int:
        """The status of its readiness, 0 if nothing answers; ten seconds of silence are a failure of their own."""
        try:
            return httpx.get(f"{self.base}/health/ready", timeout=10, verify=NO_TLS).status_code
        except httpx.ConnectError:
            return 0
        except (httpx.ReadError, httpx.RemoteProtocolError):  # the process that was asked was killed
            return 0

    def events(self, name: str) -> list[dict[str, object]]:
        """The log lines of one event."""
        found = []
        for line in self.log.read_text().splitlines():
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("event") == name:
                    found.append(event)
        return found

    def pids(self, kind: str) -> list[int]:
        """The living processes of a kind: `web` or `jobs`."""
        told = [int(str(event["pid"])) for event in self.events("process_ready") if event["process"] == kind]
        self.known |= set(told)
        return [pid for pid in told if alive(pid)]

    def postmaster(self) -> int | None:
        """The process id of its PostgreSQL, if it runs."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = int((self.home.data / "postmaster.pid").read_text().split("\n")[0])
            if os.fsencode(self.home.data) in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return None

    def forker(self) -> int:
        """The process that web processes are forked from."""
        return int(Path(f"/proc/{self.pids('web')[0]}/stat").read_text().rpartition(")")[2].split()[1])

    def left(self) -> list[int]:
        """Which of its processes still run, PostgreSQL apart."""
        self.pids("web")
        return [pid for pid in self.known if alive(pid)]

    def stop(self) -> int:
        """End it in order; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def clear(self) -> None:
        """End whatever is left, in whatever state the test left it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for pid in [*self.left(), *filter(None, [self.postmaster()])]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.postmaster() is None, "the database's end")


@contextmanager
def a_service(root: Path, log: Path, workers: int = 2) -> Iterator[Service]:
    """A service of this test's own, not started yet; `root` is removed at the end unless something is mounted there."""
    home = prepare_home(root, ROOT)
    binaries = installation(home).parents[1]
    if not (root / binaries.name).exists():
        (root / binaries.name).symlink_to(binaries)  # copied once for all tests
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    service = Service(home, log, workers, port)
    try:
        yield service
    finally:
        service.clear()
        if not root.is_mount():
            shutil.rmtree(root, ignore_errors=True)
