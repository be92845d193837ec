"""The name boards and the registry log are signed under: decided once, kept on another port. Real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests import commands
from tests.commands import PATIENCE, clean_environment
from tests.memory import PLACE, ROOT
from tests.sites import site_settings
from tests.voting.test_key_commands import Machine
from tests.voting.test_serve import ask, free_port, start, wait_until

from polls.registry import stated_origin
from voting.db import Database
from voting.embedded_home import Home, prepare_home
from voting.jobs import Work
from voting.keys import record_keys
from voting.registry_jobs import append_and_publish
from voting.setting_up import AnotherOrigin, settle_origin, with_stored_origin

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SLUG = "svet-vo-dvorakh"


@pytest.fixture
def home() -> Iterator[Home]:
    root = PLACE / f"origin-{os.getpid()}"
    yield prepare_home(root, ROOT)
    shutil.rmtree(root)


def veche(home: Home, *words: str, **environment: str) -> tuple[int, str]:
    """Run a command on the demo of a home; gives its code and everything it said."""
    done = commands.veche(*words, environment=clean_environment(VECHE_DATA_DIR=str(home.root), **environment))
    return done.returncode, done.stdout + done.stderr


def serve(home: Home, port: int) -> subprocess.Popen[str]:
    process = start(home, port)
    wait_until(lambda: ask(port) == 200, process)
    return process


def end(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    return said


def test_a_demo_started_on_another_port_is_valid_and_whole(home: Home) -> None:
    first, second = free_port(), free_port()
    code, said = veche(home, "demo", "--if-empty", "--citizens", "60", PORT=str(first))
    assert code == 0, said
    process = serve(home, first)
    try:
        wait_until(lambda: veche(home, "verify", f"http://127.0.0.1:{first}/polls/{SLUG}")[0] == 0, process)
        assert "are signed as" not in end(process)  # nothing to tell: the name is the address
        process = serve(home, second)
        code, said = veche(home, "verify", f"http://127.0.0.1:{second}/polls/{SLUG}")
        assert code == 0 and "VALID" in said, said
        code, said = veche(home, "registry", "check")  # without PORT, as README says it
        assert code == 0 and "The log is whole" in said, said
        code, said = veche(home, "keys", "list")
        assert code == 0 and said.count(f"127.0.0.1:{first}/") == 4, said
        code, said = veche(home, "board", "check", SLUG)
        assert code == 0, said
        assert f"are signed as 127.0.0.1:{first}" in end(process)
        code, said = veche(home, "serve", PORT=str(second), VECHE_LOG_ORIGIN="golos.example")
        assert code == 1 and "VECHE_LOG_ORIGIN is golos.example" in said and "Traceback" not in said
        assert said.count(f"127.0.0.1:{first}") == 2  # what it is signed as, and what to set the variable to
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_commands_of_a_deployment_refuse_another_name(tmp_path: Path, fresh_database_url: str) -> None:
    office = Machine(fresh_database_url, tmp_path / "data", tmp_path / "office")
    assert "signed as city.test" in office.veche("migrate")[1]
    # Nothing is signed yet: the name may still be put right.
    office.environment["VECHE_LOG_ORIGIN"] = "golos.test"
    assert "signed as golos.test" in office.veche("migrate")[1]
    assert office.veche("keys", "rotate", "registry", "--yes")[0] == 0  # signs the log's first state
    office.environment["VECHE_LOG_ORIGIN"] = "other.test"
    for words in (["migrate"], ["serve"], ["worker"], ["keys", "list"], ["registry", "check"]):
        code, said = office.veche(*words)
        assert code == 1 and "VECHE_LOG_ORIGIN is other.test" in said and "as golos.test" in said, (words, said)
        assert "Traceback" not in said
    del office.environment["VECHE_LOG_ORIGIN"]
    office.environment["VECHE_BASE_URL"] = "https://moved.test"
    assert "signed as golos.test" in office.veche("migrate")[1]
    assert "golos.test/board+" in office.veche("keys", "list")[1]


async def test_the_name_is_settled_by_the_first_signature(fresh_database: Database, tmp_path: Path) -> None:
    before = site_settings(tmp_path, base_url="http://127.0.0.1:8000")
    after = site_settings(tmp_path, base_url="https://golos.test")
    told = site_settings(tmp_path, base_url="https://moved.test", log_origin="moved.test")
    async with fresh_database.open_session() as session:
        assert await stated_origin(session) is None
        assert await with_stored_origin(session, before) == before
        await record_keys(session, before, NOW)
        assert (await settle_origin(session, before, NOW)).log_origin == "127.0.0.1:8000"
        assert (await with_stored_origin(session, after)).log_origin == "127.0.0.1:8000"
        assert (await settle_origin(session, after, NOW)).log_origin == "golos.test"
    await append_and_publish(Work(fresh_database, after))
    async with fresh_database.open_session() as session:
        assert (await settle_origin(session, before, NOW)).log_origin == "golos.test"
        for asked in (settle_origin(session, told, NOW), with_stored_origin(session, told)):
            with pytest.raises(AnotherOrigin, match=r"VECHE_LOG_ORIGIN is moved\.test.*as golos\.test"):
                await asked
        stated = await session.scalar(text("SELECT count(*) FROM registry_event WHERE kind = 'protocol_version'"))
    assert stated == 2
