"""Fixtures every test may ask for: databases, sessions, and no network where no network is due."""

import gc
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy.ext.asyncio import AsyncSession
from tests import framework, memory
from tests.databases import Databases, running_server

from polls.sessions import ReadSession, Session
from voting.db import Database

# The same examples at every run, so that what passed once passes again; a soak looks for new ones (HYPOTHESIS_PROFILE).
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=1_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

PURE = (Path(__file__).parent / "polls", Path(__file__).parent / "results")


def pytest_configure(config: pytest.Config) -> None:
    """Keep pytest-alembic's collector, which breaks on this pytest, away from our files (see test_migrations.py), and
    our files in memory."""
    if hasattr(config.option, "pytest_alembic_tests_path"):
        config.option.pytest_alembic_tests_path = "not-collected"
    memory.keep_files_in_memory()


def pytest_collection_finish() -> None:
    """Leave the thousands of tests and modules out of every later round of the garbage collector."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    framework.remember()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The test server of this process (each xdist worker has its own databases on it)."""
    with running_server() as url:
        made = Databases(url)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="session")
async def shared_database(databases: Databases) -> AsyncIterator[Database]:
    """One migrated, empty database for all tests of a process. Whoever commits takes `fresh_database`."""
    name = databases.create()
    database = Database.from_url(databases.url(name))
    yield database
    await database.close()
    databases.drop(name)


@pytest.fixture
async def session(shared_database: Database) -> AsyncIterator[Session]:
    """A session whose transaction is rolled back after the test; a commit inside it is only a savepoint."""
    async with shared_database.engine.connect() as connection:
        outer = await connection.begin()
        inner = AsyncSession(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        async with inner:
            yield Session(ReadSession(inner))
        await outer.rollback()


@pytest.fixture
def fresh_database_url(databases: Databases) -> Iterator[str]:
    """The address of a migrated, empty database of this test's own."""
    name = databases.create()
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture
async def fresh_database(fresh_database_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database of this test's own: for flows, races and crashes, where commits are real."""
    database = Database.from_url(fresh_database_url)
    yield database
    await database.close()


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """The address of a database with no table in it."""
    name = databases.create("template0")
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests of the engine and the results off the network: this machine and Unix sockets only."""
    if not any(directory in request.path.parents for directory in PURE):
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"this test may not reach the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
