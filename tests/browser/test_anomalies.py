"""The section on anomalies: read by axe in both themes, whole on a narrow screen and without scripts."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.browser.city import City
from tests.browser.conftest import Visit
from tests.browser.test_accessibility import read_unfolded
from tests.browser.visitors import in_full
from tests.results.test_anomalies import a_poll_with_minutes


@pytest.fixture(scope="module")
async def slug(city: City) -> str:
    async with city.database.open_session() as session:
        return (await a_poll_with_minutes(session, 1_500, 300)).slug


LOOKS = [("desktop", "light"), ("phone", "light"), ("desktop", "dark")]


@pytest.mark.parametrize(("size", "scheme"), in_full(LOOKS, LOOKS[1:2]))
async def test_the_section_can_be_read(visit: Visit, slug: str, size: str, scheme: str) -> None:
    await read_unfolded(visit, f"/polls/{slug}/results", size, scheme)


async def test_the_chart_and_its_table_are_there_without_scripts(visit: Visit, slug: str) -> None:
    visitor = await visit(javascript=False)
    await visitor.go(f"/polls/{slug}/results?lang=en")
    section = visitor.page.locator("#anomalies")
    await expect(section.locator("svg.hours path.line").first).to_be_visible()
    await section.get_by_text("As a table").click()
    await expect(section.locator("tbody tr").first).to_be_visible()
    await expect(section.locator(".anomaly-checks > li")).to_have_count(6)
