"""The section on anomalies: read by axe in both themes, whole on a narrow screen and without scripts."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.browser.city import City
from tests.browser.conftest import Visit
from tests.browser.test_accessibility import AXE, SETTLED, faults_of, report, too_wide_when_large
from tests.results.test_anomalies import a_poll_with_minutes


@pytest.fixture(scope="module")
async def slug(city: City) -> str:
    async with city.database.open_session() as session:
        return (await a_poll_with_minutes(session, 1_500, 300)).slug


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "light"), ("desktop", "dark")])
async def test_the_section_can_be_read(visit: Visit, slug: str, size: str, scheme: str) -> None:
    visitor = await visit(size=size, scheme=scheme, bypass_csp=True)
    await visitor.context.add_init_script(path=AXE)
    faults: dict[str, list[str]] = {}
    for language in ("ru", "en"):
        await visitor.go(f"/polls/{slug}/results?lang={language}")
        await visitor.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        await visitor.page.evaluate(SETTLED)
        found = await faults_of(visitor.page, scheme)
        if size == "desktop" and scheme == "light":
            found += [f"200 % text: {wide}" for wide in await too_wide_when_large(visitor.page)]
        if found:
            faults[language] = found
    assert not faults, report(faults)


async def test_the_chart_and_its_table_are_there_without_scripts(visit: Visit, slug: str) -> None:
    visitor = await visit(javascript=False)
    await visitor.go(f"/polls/{slug}/results?lang=en")
    section = visitor.page.locator("#anomalies")
    await expect(section.locator("svg.hours path.line").first).to_be_visible()
    await section.get_by_text("As a table").click()
    await expect(section.locator("tbody tr").first).to_be_visible()
    await expect(section.locator(".anomaly-checks > li")).to_have_count(6)
