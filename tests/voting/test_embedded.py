"""The embedded server: closed to others, durable, back by itself after a kill, stopped by the last one out."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests.memory import PLACE, ROOT

from voting import embedded
from voting.embedded import EmbeddedError, EmbeddedServer, kept_running, start_at
from voting.embedded_home import Home, installation, prepare_home
from voting.settings import Settings, default_data_dir


@pytest.fixture(scope="module")
def initialised() -> Iterator[Home]:
    """A home whose cluster exists; tests that need a server start it."""
    root = PLACE / f"test-{os.getpid()}"
    home = prepare_home(root, ROOT)
    start_at(home, durable=False).stop()
    yield home
    shutil.rmtree(root)


@pytest.fixture
def server(initialised: Home) -> Iterator[EmbeddedServer]:
    server = start_at(initialised)
    yield server
    server.stop()
    assert server.pid is None


def ask(server: EmbeddedServer, query: str) -> object:
    with psycopg.connect(server.url(driver="postgresql"), connect_timeout=5) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def test_it_writes_durably_in_utf8_and_utc_and_listens_on_no_network(server: EmbeddedServer) -> None:
    for name, value in {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "timezone": "UTC",
        "max_wal_size": "2GB",
        "password_encryption": "scram-sha-256",
    }.items():
        assert ask(server, f"SHOW {name}") == value, name
    assert ask(server, "SELECT lower('ЁЛКА')") == "ёлка"
    assert str(ask(server, "SHOW server_version")).startswith("18")


def test_nobody_else_can_reach_it(server: EmbeddedServer) -> None:
    home = server.home
    for directory in (home.cluster, home.data, home.run):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for file in (home.password_file, home.log, home.root / "database.lock"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_uid == os.geteuid()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=str(home.run), user="veche", dbname="veche", password="guess")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=str(home.run), user="veche", dbname="veche", password="")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_for_root_it_runs_as_an_unprivileged_user_that_no_folder_was_opened_to(server: EmbeddedServer) -> None:
    assert server.pid is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid == server.home.uid != 0
    assert stat.S_IMODE(Path("/root").stat().st_mode) & 0o001 == 0
    assert not os.access(server.home.password_file, os.R_OK, effective_ids=False) or os.getuid() == 0
    script = f"import os; os.setuid({server.home.uid}); open({str(server.home.password_file)!r})"
    assert subprocess.run([sys.executable, "-I", "-c", script], capture_output=True).returncode != 0


def test_it_starts_within_a_second_and_keeps_its_data(initialised: Home) -> None:
    first = start_at(initialised)
    with psycopg.connect(first.url(driver="postgresql")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    first.stop()
    began = time.monotonic()
    second = start_at(initialised)
    took = time.monotonic() - began
    try:
        assert ask(second, "SELECT n FROM kept") == 42
        assert took < 5  # under 1 s on an idle machine
    finally:
        second.stop()


def test_the_last_one_out_stops_it(initialised: Home) -> None:
    first, second = start_at(initialised), start_at(initialised)
    assert first.owned and not second.owned and first.pid == second.pid
    first.stop()
    assert ask(second, "SELECT 1") == 1
    second.stop()
    second.stop()  # harmless
    assert second.pid is None
    assert not second.ensure_running()


def test_many_starting_at_once_end_up_with_one_server(initialised: Home) -> None:
    with ThreadPoolExecutor(6) as threads:
        servers = list(threads.map(lambda _: start_at(initialised), range(6)))
    assert len({server.pid for server in servers}) == 1
    assert sum(server.owned for server in servers) == 1
    for server in servers:
        server.stop()
    assert servers[0].pid is None


def test_killed_it_comes_back_with_what_was_committed(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url(driver="postgresql")) as connection:
        connection.execute("CREATE TABLE vote (id int)")
        connection.execute("INSERT INTO vote VALUES (1)")
    for _ in range(3):
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while not server.ensure_running() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ask(server, "SELECT count(*) FROM vote") == 1


def test_its_keeper_brings_it_back_and_stops_it(initialised: Home) -> None:
    with kept_running(start_at(initialised), every=0.02) as server:
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while server.pid in (None, pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.pid not in (None, pid)
    assert server.pid is None
    assert not [thread for thread in threading.enumerate() if thread.name == "embedded-database"]


def test_a_pid_file_of_a_crash_is_not_believed(initialised: Home) -> None:
    stale = initialised.data / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{initialised.data}\n1\n5432\n{initialised.run}\n\n  1 1\nready\n")
    server = start_at(initialised)
    try:
        assert server.owned and server.pid != os.getpid()
        assert ask(server, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_server_left_behind_by_a_killed_parent_is_taken_over_and_sigterm_stops_it(initialised: Home) -> None:
    script = textwrap.dedent(f"""
        import signal, sys, time
        from pathlib import Path
        from voting.embedded import kept_running, start_at
        from voting.embedded_home import prepare_home
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with kept_running(start_at(prepare_home(Path({str(initialised.root)!r}), Path({str(ROOT)!r})))):
            print("up", flush=True)
            time.sleep(60)
    """)

    def parent() -> "subprocess.Popen[str]":
        source = str(Path(embedded.__file__).parents[1])
        started = subprocess.Popen(
            [sys.executable, "-c", script], env={"PYTHONPATH": source}, stdout=subprocess.PIPE, text=True
        )
        assert started.stdout is not None
        while "up" not in started.stdout.readline():
            assert started.poll() is None
        return started

    probe = EmbeddedServer(initialised)
    with parent() as first:
        left = probe.pid
        first.kill()
    assert probe.pid == left is not None
    with parent() as second:
        assert probe.pid == left
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0
    assert probe.pid is None


def test_bad_places_are_refused_with_the_reason() -> None:
    with pytest.raises(EmbeddedError, match="space"):
        prepare_home(Path("/tmp/a place"))
    with pytest.raises(EmbeddedError, match="100 bytes"):
        prepare_home(Path("/tmp") / ("x" * 90))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_place_the_server_cannot_enter_is_refused_not_opened() -> None:
    # Short, unlike pytest's own: a long path is refused before anybody looks whether it can be entered.
    with tempfile.TemporaryDirectory(prefix="v") as name:
        place = Path(name)
        place.chmod(0o700)
        with pytest.raises(EmbeddedError, match="cannot enter"):
            prepare_home(place / "v")
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_lost_password_is_told(initialised: Home) -> None:
    saved = initialised.password_file.read_text()
    initialised.password_file.unlink()
    try:
        with pytest.raises(EmbeddedError, match="not been started"):
            initialised.url()
    finally:
        initialised.password_file.write_text(saved)
        initialised.password_file.chmod(0o600)


def test_the_binaries_are_copied_once_by_however_many(initialised: Home) -> None:
    target = PLACE / f"test-{os.getpid()}-copies"
    target.mkdir()
    try:
        home = Home(target, target)
        with ThreadPoolExecutor(3) as threads:
            places = set(threads.map(lambda _: installation(home), range(3)))
        assert len(places) == 1
        assert (places.pop() / "bin" / "postgres").exists()
        assert not list(target.glob("*.new"))
    finally:
        shutil.rmtree(target)


def test_it_serves_the_demo_only() -> None:
    with pytest.raises(EmbeddedError, match="demo"):
        embedded.start(Settings(database_url="postgresql://localhost/x", demo=True))
    with pytest.raises(ValueError, match="VECHE_DATABASE_URL"):
        Settings(demo=False)


def test_every_clone_has_a_short_directory_of_its_own() -> None:
    one, other = default_data_dir(Path("/root/my clone")), default_data_dir(Path("/root/other"))
    assert one != other and " " not in str(one)
