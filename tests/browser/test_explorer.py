"""The explorer in a browser: every chart by axe, on narrow screens, in the dark, printed, and with no script."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.browser.city import City
from tests.browser.conftest import Visit
from tests.browser.test_accessibility import (
    AXE,
    SETTLED,
    faults_of,
    report,
    too_wide_when_large,
)
from tests.browser.visitors import in_full
from tests.results.counted import AFTER
from tests.results.drawn_city import a_map
from tests.results.every_rule import CASES
from tests.results.explored import a_city_poll

from polls.register import territory_tree
from results.publication import publish_figures

VIEWS = (
    "", "by=okrug", "by=okrug&chart=heatmap", "by=sex&chart=multiples", "by=district&chart=bars&sort=value",
    "by=okrug&chart=map", "by=district&chart=map", "show=turnout&chart=days", "show=turnout&by=okrug&chart=map",
    "question=3&chart=ratings", "by=sex&place=msk-cao", "by=okrug&and=sex", "by=sex&and=okrug&chart=multiples",
    "weights=weighted", "by=income&chart=pie&sauce=hot",
)  # fmt: skip


@pytest.fixture(scope="module")
async def slug(city: City) -> str:
    async with city.database.open_session() as session:
        found = await a_city_poll(session, 4_000, strata=["district", "sex"])
        await publish_figures(session, found.public_id, AFTER)  # as the count does: pages need not work it out
    return found.slug


LOOKS = [("desktop", "light"), ("phone", "light"), ("reflow", "dark")]


@pytest.mark.parametrize(("size", "scheme"), in_full(LOOKS, LOOKS[1:2]))
async def test_every_chart_can_be_read(visit: Visit, slug: str, size: str, scheme: str) -> None:
    """Axe finds nothing, nothing runs out of the page at 390 and 320 px, and text may be twice as large."""
    visitor = await visit(size=size, scheme=scheme, bypass_csp=True)
    await visitor.context.add_init_script(path=AXE)
    faults: dict[str, list[str]] = {}
    for number, view in enumerate(VIEWS):
        await visitor.go(f"/polls/{slug}/explore?lang={'ru' if number % 2 else 'en'}{'&' if view else ''}{view}")
        await visitor.page.evaluate(SETTLED)
        found = await faults_of(visitor.page, scheme)
        if size == "desktop":
            found += [f"200 % text: {wide}" for wide in await too_wide_when_large(visitor.page)]
        if found:
            faults[view] = found
    assert not faults, report(faults)


async def test_the_form_works_by_keyboard_and_without_scripts(visit: Visit, slug: str) -> None:
    """Choose, press, read: each step is a page of its own with an address of its own."""
    visitor = await visit(javascript=False)
    await visitor.go(f"/polls/{slug}/results?lang=en")
    await visitor.page.get_by_role("link", name="Explore the figures").click()
    await expect(visitor.heading).to_have_text("Explore the figures")
    await visitor.page.get_by_label("First breakdown").select_option("okrug")
    await visitor.page.get_by_role("button", name="Show").press("Enter")
    await expect(visitor.page.locator("#h-shown")).to_have_text("Shares: by okrug")
    await expect(visitor.page.locator("svg.parts").first).to_be_visible()
    await visitor.page.get_by_label("Chart").select_option("map")
    await visitor.page.get_by_role("button", name="Show").press("Enter")
    await expect(visitor.page.locator("svg.tiles-map")).to_be_visible()
    assert "by=okrug" in visitor.page.url
    await expect(visitor.page.locator("table.breakdown tbody tr")).to_have_count(13)  # twelve okrugs and all together


async def test_charts_print_with_their_tables(visit: Visit, slug: str) -> None:
    """On paper: the chart, the table, where the figures come from; no form and no buttons."""
    visitor = await visit()
    await visitor.go(f"/polls/{slug}/explore?lang=en&by=district&chart=map")
    await visitor.page.emulate_media(media="print")
    await expect(visitor.page.locator(".explorer-form")).to_be_hidden()
    await expect(visitor.page.locator(".explorer .downloads")).to_be_hidden()
    for seen in ("svg.districts", "table.breakdown", ".explorer .source"):
        await expect(visitor.page.locator(seen)).to_be_visible()
    width = "one => one.getBoundingClientRect().width"
    assert await visitor.page.locator("svg.districts").evaluate(width) <= 1280
    await expect(visitor.page.locator(".explorer .source")).to_contain_text("by=district")


async def test_ranked_polls_show_the_flow_of_votes(visit: Visit, every_rule: str) -> None:
    visitor = await visit(javascript=False)
    number = list(CASES).index("instant run-off") + 1
    await visitor.go(f"/polls/{every_rule}/explore?lang=en&question={number}&chart=flow")
    await expect(visitor.page.locator("svg.sk")).to_be_visible()
    await expect(visitor.page.locator("table.rounds")).to_be_visible()


async def test_an_administrator_uploads_the_map(visit: Visit, city: City, slug: str) -> None:
    """From the file to a map on the page; the page of the map is as accessible as any."""
    async with city.database.open_session() as session:
        codes = [place.code for place in (await territory_tree(session)).of_kind("district")]
    visitor = await visit("admin@demo.example", bypass_csp=True)
    await visitor.context.add_init_script(path=AXE)
    await visitor.go("/officials/map?lang=en")
    assert not await faults_of(visitor.page, "light")
    await visitor.page.get_by_label("File").set_input_files(
        {"name": "city.geojson", "mimeType": "application/geo+json", "buffer": a_map(codes)}
    )
    await visitor.page.get_by_label("Whose data it is").fill("Nobody: made up")
    await visitor.page.get_by_role("button", name="Upload").click()
    await expect(visitor.page.get_by_role("status")).to_contain_text("The map is in use from now on.")
    assert not await faults_of(visitor.page, "light")
    for scheme, view in (("light", "by=district"), ("dark", "by=okrug&show=turnout")):
        await visitor.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await visitor.go(f"/polls/{slug}/explore?chart=map&{view}")
        await expect(visitor.page.locator("svg.geo")).to_be_visible()
        await expect(visitor.page.get_by_text("Borders: Nobody: made up")).to_be_visible()
        assert not await faults_of(visitor.page, scheme)
    await visitor.go("/officials/map")
    await visitor.page.get_by_role("button", name="Remove the map").click()
    await expect(visitor.page.get_by_role("status")).to_contain_text("The map is removed.")
