"""Fixtures of the browser tests: the service on a port, Chromium, and visitors whose pages may do nothing wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser
from tests.browser.city import City, a_poll_of_every_rule, seed_city
from tests.browser.site import LiveSite, serving
from tests.browser.visitors import Visitor, require_browser, running_chromium
from tests.databases import Databases

from voting.db import Database

Visit = Callable[..., Awaitable[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this directory."""
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def _browser_wanted() -> None:
    require_browser()


@pytest.fixture(scope="session")
def site(_browser_wanted: None, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """The service with its worker, on a migrated database of its own."""
    name = databases.create()
    with serving(databases.url(name), tmp_path_factory.mktemp("site")) as running:
        yield running
    databases.drop(name)


@pytest.fixture(scope="session")
async def city(site: LiveSite) -> AsyncIterator[City]:
    """What the service holds: territories, a register, accounts, polls in every state."""
    assert site.settings.database_url
    database = Database.from_url(site.settings.database_url)
    yield await seed_city(database, site.settings)
    await database.close()


@pytest.fixture(scope="session")
async def every_rule(city: City) -> str:
    """A counted poll with a question for every counting rule; its slug. Nobody changes it."""
    return await a_poll_of_every_rule(city)


@pytest.fixture(scope="session")
async def chromium(_browser_wanted: None) -> AsyncIterator[Browser]:
    """One Chromium for all tests of the process."""
    async with running_chromium() as browser:
        yield browser


@pytest.fixture
async def visit(chromium: Browser, site: LiveSite, city: City) -> AsyncIterator[Visit]:
    """Let people arrive at the site, signed in or not, at no page yet.

    After the test none of their pages may have done anything wrong.
    """
    visitors: list[Visitor] = []

    async def arrive(login: str = "", **options: Any) -> Visitor:
        visitor = await Visitor.arrive(chromium, site.url, **options)
        visitors.append(visitor)
        if login:
            await visitor.let_in(login)
        return visitor

    yield arrive
    for visitor in visitors:
        await visitor.leave()
    problems = [problem for visitor in visitors for problem in visitor.problems]
    assert not problems, "\n".join(problems)
