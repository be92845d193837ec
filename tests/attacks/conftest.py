"""One world for the attacks that leave it as it is, and one of its own for a file whose attacks change it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.attacks.world import World
from tests.databases import Databases

from voting.db import Database


@asynccontextmanager
async def _built(databases: Databases, folder: Path) -> AsyncIterator[World]:
    name = databases.create()
    database = Database.from_url(databases.url(name))
    yield await World.build(database, folder)
    await database.close()
    databases.drop(name)


@pytest.fixture(scope="session")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The site with its city, for all who leave it as it is."""
    async with _built(databases, tmp_path_factory.mktemp("world")) as one:
        yield one


@pytest.fixture(scope="module")
async def own_world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The same for the tests of a file."""
    async with _built(databases, tmp_path_factory.mktemp("own_world")) as one:
        yield one
