"""The embedded PostgreSQL 18 of the demo: started, attached to, watched and stopped by the service itself.

With no `VECHE_DATABASE_URL`, `start(settings)` gives a running server. It listens on a Unix socket only, in a directory
closed to other users, with a random password (scram-sha-256), and writes durably (fsync, synchronous_commit).

Several processes may use one server (`serve`, a worker, a command in another terminal): the first starts it, the others
attach, the last one out stops it. A server left behind by a killed process is attached to by the next one.

The wheel is built without ICU. Databases use PostgreSQL's own `C.UTF-8` locale, the same on every machine: case
mapping knows Cyrillic, and order is by code point, so lists for people are sorted by the application.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from voting.embedded_home import (
    DATABASE,
    PORT,
    SUPERUSER,
    EmbeddedError,
    Home,
    ensure_password,
    installation,
    prepare_home,
)
from voting.settings import Settings, default_data_dir

__all__ = ["EmbeddedError", "EmbeddedServer", "home_of", "kept_running", "start", "start_at"]

logger = structlog.get_logger(__name__)

READY_WITHIN = 60.0  # seconds, recovery after a crash included
STOP_WITHIN = 30.0
POLL = 0.01
LOG_LIMIT = 10_000_000
LONGEST_PAUSE = 5.0  # seconds between attempts to start a server that cannot start now, as on a full disk


@dataclass
class EmbeddedServer:
    """One process's hold on the server: keep it while the database is in use, `stop()` at the end."""

    home: Home
    durable: bool = True
    max_connections: int = 100
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _users: int = field(default=-1, repr=False)
    _mutex: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def owned(self) -> bool:
        """Whether this process started the server (as opposed to having attached to a running one)."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process id of the running server, or None."""
        return _running_pid(self.home)

    def url(self, dbname: str = DATABASE, driver: str = "postgresql+asyncpg") -> str:
        """Give the address of a database of this server, with its password."""
        return self.home.url(dbname, driver)

    def ensure_running(self) -> bool:
        """Start the server again if it has died; True if it had. Cheap enough to call a few times a second."""
        with self._mutex:
            if self._users < 0:
                return False  # already stopped: a supervisor's last look must not resurrect it
            if self._process is not None and self._process.poll() is None:
                return False
            if self._process is None and _running_pid(self.home) is not None:
                return False
            with self.home.locked():
                return self._start_or_attach()

    def stop(self) -> None:
        """Let go of the server; the last process that uses it stops it cleanly."""
        with self._mutex:
            if self._users < 0:
                return
            with self.home.locked():
                try:
                    fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    logger.info("embedded_database_left_running", reason="another process uses it")
                    if self._process is not None:
                        self._process.returncode = 0  # disowned: no longer ours to wait for
                        self._process = None
                else:
                    self._shut_down()
                os.close(self._users)
                self._users = -1

    def _hold(self) -> None:
        """Start or attach, and be counted as a user; called once, with the home unlocked."""
        with self._mutex, self.home.locked():
            self._users = os.open(self.home.root / "database.users", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self._start_or_attach()
            except BaseException:
                os.close(self._users)
                self._users = -1
                raise

    def _start_or_attach(self) -> bool:
        """With the home locked: make the server run; True if it had to be started."""
        if _wait_for_ready(self.home, None):
            return False
        if self._process is not None:
            self._process.poll()  # reaps it
        binaries = installation(self.home) / "bin"
        _initialise(self.home, binaries, durable=self.durable)
        deadline = time.monotonic() + READY_WITHIN
        while True:
            _clear_stale_pid(self.home)
            process = _spawn(self.home, binaries, durable=self.durable, max_connections=self.max_connections)
            if _wait_for_ready(self.home, process):
                self._process = process
                logger.info("embedded_database_started", pid=process.pid, directory=str(self.home.root))
                return True
            tail = _log_tail(self.home)
            # After a kill -9 the server's children need a moment to notice; until then their memory is in use.
            if "still in use" not in tail or time.monotonic() > deadline:
                raise EmbeddedError(f"the embedded database did not start; {self.home.log} ends with:\n{tail}")
            time.sleep(10 * POLL)

    def _shut_down(self) -> None:
        if self._process is not None and self._process.poll() is None:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, and no more patience
                self._process.send_signal(number)
                try:
                    self._process.wait(STOP_WITHIN)
                    break
                except subprocess.TimeoutExpired:
                    logger.warning("embedded_database_slow_to_stop", signal=number.name)
        elif _running_pid(self.home) is not None:
            # Not our child. pg_ctl runs as the server's user, so a forged pid file cannot aim our signal elsewhere.
            pg_ctl = installation(self.home) / "bin" / "pg_ctl"
            _run(self.home, [pg_ctl, "stop", "-D", self.home.data, "-m", "fast", "-t", str(int(STOP_WITHIN))])
        self._process = None
        logger.info("embedded_database_stopped", directory=str(self.home.root))


def start(settings: Settings) -> EmbeddedServer:
    """Start the embedded server of these settings, or attach to it if it runs. Blocks: under 1 s once initialised."""
    if not settings.embedded or not settings.demo:
        raise EmbeddedError("the embedded database is for the demo; VECHE_DATABASE_URL is set or VECHE_DEMO is off")
    return start_at(home_of(settings))


def home_of(settings: Settings) -> Home:
    """Give the directories of the embedded server of these settings, created if need be."""
    shared = settings.data_dir.parent if settings.data_dir == default_data_dir() else None
    return prepare_home(settings.data_dir, shared)


def start_at(home: Home, *, durable: bool = True, max_connections: int = 100) -> EmbeddedServer:
    """Start the server of a home, or attach to it. `durable=False` (tests only) trades crash safety for speed."""
    server = EmbeddedServer(home, durable, max_connections)
    server._hold()
    return server


@contextmanager
def kept_running(server: EmbeddedServer, every: float = 0.25) -> Iterator[EmbeddedServer]:
    """Watch the server from a thread and start it again whenever it dies; stop it on leaving.

    One that cannot start, as on a full disk, is tried again and again, every few seconds, until it can.
    """
    leaving = threading.Event()

    def watch() -> None:
        pause = every
        while not leaving.wait(pause):
            try:
                if server.ensure_running():
                    logger.warning("embedded_database_restarted")
                pause = every
            except (EmbeddedError, OSError):
                logger.exception("embedded_database_restart_failed")
                pause = min(2 * pause, LONGEST_PAUSE)

    watcher = threading.Thread(target=watch, name="embedded-database", daemon=True)
    watcher.start()
    try:
        yield server
    finally:
        leaving.set()
        watcher.join()
        server.stop()


def _initialise(home: Home, binaries: Path, *, durable: bool) -> None:
    """Create the cluster if there is none: in a draft directory, renamed when complete."""
    if home.data.exists():
        written, expected = (home.data / "PG_VERSION").read_text().strip(), "18"
        if written != expected:
            raise EmbeddedError(f"{home.data} was written by PostgreSQL {written}, not {expected}: dump and restore it")
        return
    password = ensure_password(home)
    draft, password_copy = home.cluster / "data.new", home.cluster / "password.new"
    shutil.rmtree(draft, ignore_errors=True)
    password_copy.unlink(missing_ok=True)
    descriptor = os.open(password_copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        if home.uid is not None and home.gid is not None:
            os.fchown(descriptor, home.uid, home.gid)
        file.write(password)
    try:
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = [f"--username={SUPERUSER}", "--auth=scram-sha-256", f"--pwfile={password_copy}"]
        sync = [] if durable else ["--no-sync"]
        _run(home, [binaries / "initdb", "-D", draft, *locale, *access, *sync])
        _run(
            home, [binaries / "postgres", "--single", "-D", draft, "postgres"], f"CREATE DATABASE {DATABASE}\n".encode()
        )
    finally:
        password_copy.unlink()
    draft.rename(home.data)


def _spawn(home: Home, binaries: Path, *, durable: bool, max_connections: int) -> subprocess.Popen[bytes]:
    options = {
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": home.run,
        "unix_socket_permissions": "0700",
        "max_connections": max_connections,
        "shared_buffers": "128MB",
        "max_wal_size": "2GB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_error_verbosity": "terse",  # a duplicate key's DETAIL would name the citizen
        "log_min_error_statement": "panic",
        "log_statement": "none",
        "log_min_duration_statement": -1,
        "log_parameter_max_length": 0,  # a slow vote's values are the citizen and the answers
        "log_parameter_max_length_on_error": 0,
        "track_commit_timestamp": "off",  # it would date every row
        "jit": "off",
    }
    switch = "on" if durable else "off"
    options |= {"fsync": switch, "synchronous_commit": switch, "full_page_writes": switch}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    if home.log.exists() and home.log.stat().st_size > LOG_LIMIT:
        home.log.replace(home.log.with_suffix(".log.old"))
    descriptor = os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        more: dict[str, Any] = home.as_server_user()
        return subprocess.Popen(  # noqa: S603 -- our own arguments
            [binaries / "postgres", "-D", home.data, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,  # Ctrl-C in the terminal goes to the service, which then stops the server in order
            **more,
        )
    finally:
        os.close(descriptor)


def _wait_for_ready(home: Home, process: subprocess.Popen[bytes] | None) -> bool:
    """Wait until the server, just spawned or found running, accepts connections; False once it is gone."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        lines = _pid_file(home)
        if process is not None and process.poll() is not None:
            return False
        if process is None and _running_pid(home) is None:
            return False
        ours = process is None or lines[:1] == [str(process.pid)]
        if ours and len(lines) > 7 and lines[7] == "ready":
            return True
        time.sleep(POLL)
    if process is not None:
        process.kill()
        process.wait()
    raise EmbeddedError(f"the embedded database was not ready within {READY_WITHIN:.0f} s; see {home.log}")


def _pid_file(home: Home) -> list[str]:
    try:
        return [line.strip() for line in (home.data / "postmaster.pid").read_text(errors="replace").splitlines()]
    except FileNotFoundError:
        return []


def _running_pid(home: Home) -> int | None:
    """The id of the process that serves this home, or None: a pid file alone proves nothing after a crash."""
    lines = _pid_file(home)
    if not lines or not lines[0].isdigit():
        return None
    pid = int(lines[0])
    return pid if os.fspath(home.data) in _command_line(pid) else None


def _command_line(pid: int) -> list[str]:
    """The words of a process's command line; empty if it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return []
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return shown.stdout.split()


def _clear_stale_pid(home: Home) -> None:
    """Remove the lock files of a server that died, since another process may have got its number by now."""
    if _running_pid(home) is None:
        (home.data / "postmaster.pid").unlink(missing_ok=True)
        (home.run / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def _log_tail(home: Home) -> str:
    return "\n".join(home.log.read_text(errors="replace").splitlines()[-8:])


def _run(home: Home, command: list[str | Path], given: bytes = b"") -> None:
    more: dict[str, Any] = home.as_server_user()
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)  # noqa: S603
    if done.returncode != 0:
        words = " ".join(map(str, command[:2]))
        raise EmbeddedError(f"{words} failed ({done.returncode}):\n{done.stdout.decode(errors='replace')}")
