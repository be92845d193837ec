"""Every page by axe-core, and what axe cannot see: width, size of targets, focus, large text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page
from tests.browser.city import City
from tests.browser.conftest import Visit
from tests.browser.pages_of_site import ballot_pages, office_pages, public_pages
from tests.browser.visitors import FULL, SIZES, Visitor, in_full

AXE: Final = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
# What may differ between light and dark.
COLOURS: Final = ["color-contrast", "link-in-text-block"]
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Our own pages hold nothing of another make; the page of the API is drawn by Swagger UI.
FOREIGN: Final = ".swagger-ui"
LEAST_TARGET: Final = 24  # CSS pixels, WCAG 2.2 AA

RUN_AXE: Final = """
async ([only, foreign]) => {
    const found = await axe.run({exclude: [[foreign]]}, {runOnly: only, resultTypes: ["violations"]});
    return found.violations.map(one => [one.id, one.help, one.nodes.length, one.nodes[0].html.slice(0, 160),
                                        (one.nodes[0].failureSummary || "").slice(0, 240)]);
}
"""
# After a change of size: two frames, and the end of every transition.
SETTLED: Final = """
async () => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    await Promise.allSettled(document.getAnimations().map(one => one.finished));
    await frame();
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


WALKS: Final[dict[str, Callable[[Visitor, City], AsyncIterator[str]]]] = {
    "public": public_pages, "ballot": ballot_pages, "office": office_pages,
}  # fmt: skip


LOOKS = [("desktop", "light"), ("phone", "dark"), ("desktop", "dark"), ("phone", "light")]


@pytest.mark.parametrize(
    ("size", "scheme", "walk"),
    in_full(((*look, walk) for look in LOOKS for walk in WALKS),
            [("reflow", "light", "public"), ("phone", "dark", "ballot"), ("reflow", "light", "office")]),
)  # fmt: skip
async def test_every_page(visit: Visit, city: City, size: str, scheme: str, walk: str) -> None:
    """Each page is looked at where it stands; on the desktop also with 200 % text and at 320 px."""
    visitor = await visit(size=size, scheme=scheme, bypass_csp=True)
    visitor.stays = False
    await visitor.context.add_init_script(path=AXE)
    faults: dict[str, list[str]] = {}
    async for name in WALKS[walk](visitor, city):
        found = await faults_of(visitor.page, scheme)
        if size == "desktop":
            if scheme == "light":
                found += [f"200 % text: {wide}" for wide in await too_wide_when_large(visitor.page)]
            if FULL:  # to change the size of a page costs more than to have axe read it
                await visitor.page.set_viewport_size({"width": 320, "height": 640})
                await visitor.page.evaluate(SETTLED)
                found += [f"320 px: {fault}" for fault in await faults_of(visitor.page, scheme)]
                await visitor.page.set_viewport_size(SIZES["desktop"]["viewport"])
        if found:
            faults[name] = found
    assert not faults, report(faults)


async def read_unfolded(visit: Visit, address: str, size: str, scheme: str) -> None:
    """A page in both languages with everything unfolded: axe finds nothing, nothing runs out of it, and where there is
    room its text may be twice as large. In short axe reads the Russian page alone.
    """
    visitor = await visit(size=size, scheme=scheme, bypass_csp=True)
    await visitor.context.add_init_script(path=AXE)
    faults: dict[str, list[str]] = {}
    for language in ("ru", "en"):
        await visitor.go(f"{address}?lang={language}")
        await visitor.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        await visitor.page.evaluate(SETTLED)
        found = await (faults_of(visitor.page, scheme) if FULL or language == "ru" else misshapen(visitor.page))
        if size == "desktop" and scheme == "light":
            found += [f"200 % text: {wide}" for wide in await too_wide_when_large(visitor.page)]
        if found:
            faults[language] = found
    assert not faults, report(faults)


async def faults_of(page: Page, scheme: str) -> list[str]:
    """Everything found wrong with the page that is shown; what a dark page shares with the light one is asked once."""
    if scheme == "dark":
        return await axe_on(page, {"type": "rule", "values": COLOURS})
    return await axe_on(page, {"type": "tag", "values": TAGS}) + await misshapen(page)


async def misshapen(page: Page) -> list[str]:
    """What runs out of the page that is shown, and the targets that are too small."""
    wide = await page.evaluate(TOO_WIDE)
    small = await page.evaluate(SMALL_TARGETS, [LEAST_TARGET, FOREIGN])
    return [*([wide] if wide else []), *(f"small target: {one}" for one in small)]


async def axe_on(page: Page, only: dict[str, Any]) -> list[str]:
    """What these rules of axe-core object to."""
    found: list[Any] = await page.evaluate(RUN_AXE, [only, FOREIGN])
    return [f"{rule}: {help_} ×{nodes}: {html} — {why}" for rule, help_, nodes, html, why in found]


async def too_wide_when_large(page: Page) -> list[str]:
    """What is cut off at the side when the text is twice as large."""
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    await page.evaluate(SETTLED)
    wide = await page.evaluate(TOO_WIDE)
    await page.evaluate("document.documentElement.style.fontSize = ''")
    return [wide] if wide else []


TABS: Final = 15  # what comes after is of the same kinds
FOCUSED: Final = """
async () => {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const drawn = each => {
        const style = getComputedStyle(each);
        return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== "none";
    };
    const onScreen = () => {
        const box = one.getBoundingClientRect();
        return box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    };
    const frame = () => new Promise(requestAnimationFrame);
    for (let frames = 0; frames < 5 && !onScreen(); frames++) await frame();
    // The browser itself marks the parts of a date, one by one.
    const ringed = one.matches("[type=date], [type=datetime-local]")
        || [one, one.closest(".choice, .mark, .poll")].some(each => each && drawn(each));
    return [one.outerHTML.slice(0, 140), ringed, onScreen()];
}
"""


FOCUS = [("phone", "ballot"), ("desktop", "public"), ("desktop", "office")]


@pytest.mark.parametrize(("size", "walk"), in_full(FOCUS, FOCUS[:1]))
async def test_the_focus_is_always_seen(visit: Visit, city: City, size: str, walk: str) -> None:
    """Wherever the Tab key leads, a ring shows the place, and the place is on the screen."""
    faults: dict[str, list[str]] = {}
    visitor = await visit(size=size)
    visitor.stays = False
    async for name in WALKS[walk](visitor, city):
        if name == "/api/docs":
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


def report(faults: dict[str, list[str]]) -> str:
    """The faults by page, one a line."""
    return "\n".join(f"{name}\n" + "\n".join(f"    {one}" for one in found) for name, found in faults.items())
