"""Every page by axe-core, and what axe cannot see: width, size of targets, focus, large text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page
from tests.browser.city import City
from tests.browser.conftest import Visit
from tests.browser.pages_of_site import all_pages, ballot_pages, office_pages, public_pages

AXE: Final = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Our own pages hold nothing of another make; the page of the API is drawn by Swagger UI.
FOREIGN: Final = ".swagger-ui"
LEAST_TARGET: Final = 24  # CSS pixels, WCAG 2.2 AA

RUN_AXE: Final = """
async ([tags, foreign]) => {
    const only = {type: "tag", values: tags};
    const found = await axe.run({exclude: [[foreign]]}, {runOnly: only, resultTypes: ["violations"]});
    return found.violations.map(one => [one.id, one.help, one.nodes.length, one.nodes[0].html.slice(0, 160),
                                        (one.nodes[0].failureSummary || "").slice(0, 240)]);
}
"""
TOO_WIDE: Final = """
() => {
    const width = document.documentElement.clientWidth, over = document.documentElement.scrollWidth - width;
    if (over <= 0) return null;
    const right = one => one.getBoundingClientRect().right;
    const culprit = [...document.body.querySelectorAll("*")].filter(one => right(one) > width + 1)
        .sort((a, b) => right(b) - right(a))[0];
    return `${over} px too wide: ${culprit ? culprit.outerHTML.slice(0, 160) : "?"}`;
}
"""
# Links within a sentence are as high as its line, which the rule allows; a control hidden behind its label counts as
# large as what is pressed.
SMALL_TARGETS: Final = """
([least, foreign]) => [...document.querySelectorAll("a, button, summary, select, textarea, input:not([type=hidden])")]
    .filter(one => !one.closest(foreign) && !one.closest("[inert]") && !one.matches(".skip, .sr, .sr *"))
    .filter(one => !(one.matches("a, .linklike") && getComputedStyle(one).display === "inline"
                     && one.closest("p, li, dd, td, span")))
    .map(one => {
        const boxes = [one, ...(one.labels || [])].map(each => each.getBoundingClientRect());
        return [one, Math.max(...boxes.map(box => box.width)), Math.max(...boxes.map(box => box.height))];
    })
    .filter(([one, width, height]) => width > 0 && height > 0 && (width < least || height < least))
    .map(([one, width, height]) => `${width.toFixed(1)}×${height.toFixed(1)}: ${one.outerHTML.slice(0, 120)}`)
"""


async def faults_of(page: Page, axe: str) -> list[str]:
    """Everything found wrong with the page that is shown."""
    await page.evaluate(axe)
    found: list[Any] = await page.evaluate(RUN_AXE, [TAGS, FOREIGN])
    faults = [f"{rule}: {help_} ×{nodes}: {html} — {why}" for rule, help_, nodes, html, why in found]
    if wide := await page.evaluate(TOO_WIDE):
        faults.append(wide)
    faults += [f"small target: {one}" for one in await page.evaluate(SMALL_TARGETS, [LEAST_TARGET, FOREIGN])]
    return faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop", "reflow"])
async def test_every_page(visit: Visit, city: City, size: str, scheme: str) -> None:
    axe = AXE.read_text()
    visitor = await visit(size=size, scheme=scheme, bypass_csp=True)
    faults: dict[str, list[str]] = {}
    async for name in all_pages(visitor, city):
        if found := await faults_of(visitor.page, axe):
            faults[name] = found
    assert not faults, report(faults)


async def test_text_twice_as_large(visit: Visit, city: City) -> None:
    """At 200 % nothing is cut off at the side."""
    visitor = await visit(bypass_csp=True)
    faults: dict[str, list[str]] = {}
    async for name in all_pages(visitor, city):
        await visitor.page.add_style_tag(content="html { font-size: 200% !important }")
        if wide := await visitor.page.evaluate(TOO_WIDE):
            faults[name] = [wide]
    assert not faults, report(faults)


TABS: Final = 15  # what comes after is of the same kinds
FOCUSED: Final = """
() => {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    // The browser itself marks the parts of a date, one by one.
    const ringed = one.matches("[type=date], [type=datetime-local]") || [one, one.closest(".choice, .mark, .poll")].filter(Boolean).some(each => {
        const style = getComputedStyle(each);
        return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== "none";
    });
    const box = one.getBoundingClientRect();
    const seen = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return [one.outerHTML.slice(0, 140), ringed, seen];
}
"""


async def test_the_focus_is_always_seen(visit: Visit, city: City) -> None:
    """Wherever the Tab key leads, a ring shows the place, and the place is on the screen."""
    faults: dict[str, list[str]] = {}
    for size, pages in (("desktop", public_pages), ("phone", ballot_pages), ("desktop", office_pages)):
        visitor = await visit(size=size)
        visitor.stays = False
        async for name in pages(visitor, city):
            if name in SEEN_ENOUGH:
                continue
            for number in range(TABS):
                await visitor.page.keyboard.press("Tab")
                focused = await visitor.page.evaluate(FOCUSED)
                if focused is None or (number and "skip" in focused[0]):
                    break  # once around
                html, ringed, seen = focused
                if not (ringed and seen):
                    faults.setdefault(name, []).append(f"{'no ring' if not ringed else 'off the screen'}: {html}")
    assert not faults, report(faults)


SEEN_ENOUGH: Final = ("/api/docs",)


def report(faults: dict[str, list[str]]) -> str:
    """The faults by page, one a line."""
    return "\n".join(f"{name}\n" + "\n".join(f"    {one}" for one in found) for name, found in faults.items())
