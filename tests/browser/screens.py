"""Takes the screenshots of docs/screens: our own pages with the demo city. Run by `make screens`."""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from playwright.async_api import Browser, Page  # noqa: E402
from tests.browser.site import serving  # noqa: E402
from tests.browser.visitors import Visitor, missing, running_chromium  # noqa: E402
from tests.databases import Databases, running_server  # noqa: E402

from voting.db import Database  # noqa: E402
from voting.demo.city import build_city  # noqa: E402
from voting.setting_up import set_up_keys  # noqa: E402
from voting.settings import Settings  # noqa: E402

SCREENS = ROOT / "docs" / "screens"
CITIZENS = 6_000
COLOURS = 192  # enough for flat pages, and a third of the bytes
LARGEST = 200_000  # bytes
TRIES, PAUSE = 12, 5.0  # seconds between them, until what was counted has been published
RESIDENT, OFFICIAL, ANALYST = "resident@demo.example", "official@demo.example", "analyst@demo.example"
SQUARE, BUDGET, COUNTED = "skver-timiryazevskaya", "byudzhet-severnogo-okruga", "svet-vo-dvorakh"


async def take_all(site_url: str) -> None:
    """Walk through the pages and take their pictures."""
    async with running_chromium() as chromium:
        async with visitor(chromium, site_url, RESIDENT) as desktop:
            await take(desktop.page, "home-desktop", "/")
            await take(desktop.page, "poll-desktop", f"/polls/{SQUARE}", height=1100)
            await take(desktop.page, "results-desktop", f"/polls/{COUNTED}/results", height=1500)
            await take(desktop.page, "verify-choose-desktop", "/verify", height=1100)
            await take_check(desktop, "verify-desktop", height=1500)
        async with visitor(chromium, site_url, RESIDENT, scheme="dark") as dark:
            await take(dark.page, "home-dark", "/")
            await take_check(dark, "verify-dark", height=1100)
        async with visitor(chromium, site_url, RESIDENT, size="phone") as phone:
            await take(phone.page, "home-phone", "/")
            await take(phone.page, "results-phone", f"/polls/{COUNTED}/results", height=1300)
            await take_check(phone, "verify-phone", height=1300)
            await take_ballot(phone)
        async with visitor(chromium, site_url, OFFICIAL) as official:
            await take_office(official)
        async with visitor(chromium, site_url, ANALYST) as analyst:
            await take(analyst.page, "downloads-desktop", "/downloads", height=1000)


async def take_check(visitor: Visitor, name: str, *, height: int) -> None:
    """A count checked in the browser, once its board and its line in the registry log are published."""
    await visitor.go(f"/polls/{COUNTED}/verify")
    for _ in range(TRIES):
        await visitor.button("Check in this browser").click()
        found = visitor.page.locator("[data-verdict]")
        await found.locator("h3").wait_for()
        if await found.get_attribute("data-kind") == "valid":
            break
        await asyncio.sleep(PAUSE)
    else:
        raise RuntimeError(f"the count could not be checked: {await found.text_content()}")
    await visitor.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    await take(visitor.page, name, height=height)


async def take_ballot(phone: Visitor) -> None:
    """A question, a budget, the check of the answers and the receipt."""
    await phone.go(f"/polls/{SQUARE}/vote")
    await phone.page.locator(".choice input").first.check()
    await take(phone.page, "ballot-question-phone")
    await phone.go(f"/polls/{BUDGET}/vote")
    for place in (0, 2):
        await phone.page.locator(".choices:not(.neutral) .choice input").nth(place).check()
    await phone.page.evaluate("scrollTo(0, 0)")
    await take(phone.page, "ballot-budget-phone", height=1000)
    while await phone.page.locator("button[name=op][value=next]").count():
        await phone.page.locator("button[name=op][value=next]").click()
        await phone.page.wait_for_load_state()
        if await phone.page.locator(".choice input").count():
            await phone.page.locator(".choice input").first.check()
    await take(phone.page, "ballot-check-phone")
    await phone.button("Send my vote").click()
    await phone.headed("Your vote was taken")
    await take(phone.page, "receipt-phone", height=1300)


async def take_office(official: Visitor) -> None:
    """The editor with a draft, and its check with the dry run."""
    await official.go("/officials?show=drafts")
    edit = await official.page.locator("a[href$='/edit']").last.get_attribute("href")
    assert edit is not None
    await take(official.page, "editor-desktop", edit, height=1500)
    await take(official.page, "check-desktop", edit.removesuffix("/edit") + "/check", height=1400)


async def take(page: Page, name: str, address: str = "", *, height: int = 0) -> None:
    """Take one picture, of the window or of so many pixels of the page, in few colours."""
    if address:
        await page.goto(address, wait_until="networkidle")
    window = page.viewport_size
    assert window is not None
    if height:
        await page.set_viewport_size({"width": window["width"], "height": height})
    taken = await page.screenshot(animations="disabled")
    await page.set_viewport_size(window)
    picture = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    path = SCREENS / f"{name}.png"
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise RuntimeError(f"{path.name} is too large: {path.stat().st_size} bytes")


@asynccontextmanager
async def visitor(browser: Browser, site_url: str, login: str, **options: Any) -> AsyncIterator[Visitor]:
    """Somebody signed in, who agrees to leave unsent forms."""
    arrived = await Visitor.arrive(browser, site_url, **options)
    arrived.stays = False
    await arrived.sign_in(login)
    try:
        yield arrived
    finally:
        await arrived.leave()
    if arrived.problems:
        raise RuntimeError("\n".join(arrived.problems))


async def fill(settings: Settings) -> None:
    """Make the demo city, signed by the keys and under the name of the site that shows it."""
    assert settings.database_url
    database = Database.from_url(settings.database_url)
    await build_city(database, settings, CITIZENS, datetime.now(UTC), lambda line: None)
    await database.close()


def main() -> None:
    """Make the city, serve it, take the pictures."""
    if lack := missing():
        sys.exit(f"No pictures: {lack}.")
    SCREENS.mkdir(parents=True, exist_ok=True)
    with running_server() as server, tempfile.TemporaryDirectory() as directory:
        databases = Databases(server)
        try:
            url = databases.url(databases.create())
            with serving(url, Path(directory)) as site:
                set_up_keys(site.settings)
                asyncio.run(fill(site.settings))
                asyncio.run(take_all(site.url))
        finally:
            databases.close()


if __name__ == "__main__":
    main()
