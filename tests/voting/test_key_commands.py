"""Keys and the registry log at the command line, and machines that hold only the keys they need. Real processes."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest
from tests.commands import PATIENCE, clean_environment, veche

from voting.db import database_url_for


class Machine:
    """One machine of a deployment: a data directory, a keys directory and the shared database."""

    def __init__(self, url: str, data: Path, keys: Path) -> None:
        self.keys = keys
        self.data = data
        self.url = database_url_for(url, "postgresql")
        self.environment = clean_environment(
            VECHE_DATABASE_URL=self.url, VECHE_DEMO="false", VECHE_DATA_DIR=str(data), VECHE_KEYS_DIR=str(keys),
            VECHE_LOG_ORIGIN="city.test",
        )  # fmt: skip

    def veche(self, *words: str) -> tuple[int, str]:
        """Run a command to its end; gives its code and everything it said."""
        done = veche(*words, environment=self.environment)
        return done.returncode, done.stdout + done.stderr

    def serves(self) -> bool:
        """Whether the site comes up on this machine; it is stopped again."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = int(listening.getsockname()[1])
        process = subprocess.Popen(
            [sys.executable, "-m", "voting.cli", "serve"], env={**self.environment, "PORT": str(port)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/registry", timeout=10) as reply:
                        return bool(reply.status == 200)
                except OSError:
                    time.sleep(0.1)
            return False
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def holds(self) -> list[str]:
        return sorted(path.name.partition("-")[0] for path in self.keys.glob("*.pem"))


@pytest.fixture
def office(tmp_path: Path, fresh_database_url: str) -> Machine:
    machine = Machine(fresh_database_url, tmp_path / "data", tmp_path / "office")
    code, said = machine.veche("migrate")
    assert code == 0, said
    return machine


def test_each_machine_needs_its_own_keys_alone(office: Machine, tmp_path: Path) -> None:
    assert office.holds() == ["board", "protocol", "receipt", "registry"]
    web = Machine(office.url, tmp_path / "data", tmp_path / "web")
    code, said = web.veche("serve")
    assert code == 1 and "holds no receipt key; the key in use is" in said and "Traceback" not in said
    assert not web.holds()  # nothing was made in place of what is missing
    web.keys.mkdir(exist_ok=True)
    shutil.copy2(next(office.keys.glob("receipt-*.pem")), web.keys)
    assert web.serves()
    assert web.holds() == ["receipt"]
    code, said = web.veche("worker")
    assert code == 1 and "holds no board key" in said
    worker = Machine(office.url, tmp_path / "data", tmp_path / "worker")
    worker.keys.mkdir()
    for purpose in ("board", "registry"):
        shutil.copy2(next(office.keys.glob(f"{purpose}-*.pem")), worker.keys)
    assert "holds no receipt key" in worker.veche("serve")[1]
    next(web.keys.glob("*.pem")).chmod(0o644)
    code, said = web.veche("serve")
    assert code == 1 and "chmod 600" in said


def test_keys_are_listed_and_rotated_and_the_log_is_checked(office: Machine) -> None:
    code, said = office.veche("keys", "list")
    assert code == 0 and said.count("in use, on this machine") == 4 and "city.test/registry+" in said
    code, said = office.veche("keys", "rotate", "board", "--yes")
    assert code == 0 and "The board key is now" in said
    code, said = office.veche("keys", "rotate", "registry", "--yes")
    assert code == 0, said
    assert office.veche("keys", "list")[1].count("until 2") == 2
    code, said = office.veche("registry", "check")
    # Whole in the database; nobody has written the files yet.
    assert code == 1 and "checkpoint is not there" in said and said.count("not there") == 1
    with psycopg.connect(office.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE registry_leaf DISABLE TRIGGER USER")
        connection.execute("UPDATE registry_leaf SET entry = 'x' WHERE position = 2")
    code, said = office.veche("registry", "check")
    assert code == 1 and "entry 2 is not an entry" in said and "the entries give another root" in said
    code, said = office.veche("keys", "rotate", "registry", "--yes")
    assert code == 1 and "does not hold what was signed last" in said and "Traceback" not in said
