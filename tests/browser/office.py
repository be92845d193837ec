"""What officials do in the editor and around it, step by step, for tests that lead a poll through the pages."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.async_api import Error, Page, expect
from tests.browser.city import City
from tests.browser.visitors import Visitor

MOSCOW = ZoneInfo("Europe/Moscow")


async def type_in(page: Page, fields: dict[str, str]) -> None:
    """Type into fields by name."""
    for name, value in fields.items():
        await page.locator(f"[name='{name}']").fill(value)


async def press(page: Page, operation: str) -> None:
    """Press a button of the form, wait for the page that answers, and unfold all of it."""
    async with page.expect_navigation():
        await page.locator(f"button[name=op][value='{operation}']:not(.sr)").first.click()
    await unfold(page)


async def unfold(page: Page) -> None:
    """Open every folded part, as somebody looking for a field does.

    A choice may have asked the server for the fields of its kind a moment ago: then once more on the page that came.
    """
    for again in range(3):
        await page.wait_for_load_state()
        try:
            await page.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")
            return
        except Error as error:
            if "navigation" not in str(error) or again == 2:
                raise


async def set_times(page: Page, opens_in: timedelta = timedelta(0)) -> None:
    """Opening now unless told otherwise, closing three days later."""
    opens = datetime.now(MOSCOW).replace(second=0, microsecond=0) + opens_in
    await type_in(
        page, {"opens_at": f"{opens:%Y-%m-%dT%H:%M}", "closes_at": f"{opens + timedelta(days=3):%Y-%m-%dT12:00}"}
    )


async def seal(official: Visitor) -> tuple[str, str]:
    """From the editor through the check to the sealed poll, nothing standing in the way; gives its id and its slug."""
    page = official.page
    await page.locator("button[name=op][value=check]").click()
    await official.headed("Check before scheduling")
    await expect(official.main).to_contain_text(official.words("Nothing stands in the way"))
    await page.get_by_label(
        official.words("I have checked the poll and understand that its rules cannot be changed afterwards")
    ).check()
    await official.button("Seal and schedule").click()
    await expect(official.main).to_contain_text(official.words("The rules are sealed and the poll is scheduled."))
    public_id = re.search(r"/polls/([0-9a-f]{32})", page.url)
    assert public_id is not None
    address = await official.link("The public page").get_attribute("href")
    assert address is not None
    return public_id[1], address.rpartition("/")[2]


async def close(official: Visitor, public_id: str) -> None:
    """Close a poll early, with a reason."""
    await official.go(f"/officials/polls/{public_id}")
    await official.page.locator("summary", has_text=official.words("Close early")).click()
    form = official.page.locator("form[action$='/close-early']")
    await form.locator("[name=reason]").fill("Стройка начинается раньше срока.")
    await form.locator("button[type=submit]").click()
    await agree(official)
    await expect(official.main).to_contain_text(official.words("The poll is closed; counting starts by itself."))


async def agree(official: Visitor) -> None:
    """Agree where a page asks once more."""
    if await official.page.locator("dialog.confirm").count():
        await official.page.locator("dialog.confirm button[data-variant=primary]").click()


async def await_results(reader: Visitor, slug: str, city: City) -> None:
    """Open the results page until the job has counted the poll; unfold all of it."""
    await city.hurry("follow_the_clock")
    for _ in range(200):
        await reader.go(f"/polls/{slug}/results")
        if await reader.page.locator("dl.facts").count():
            break
        await expect(reader.main).to_contain_text(reader.words("The count is under way"))
        await reader.page.wait_for_timeout(100)
    await expect(reader.page.locator("dl.facts")).to_be_visible()
    await unfold(reader.page)
