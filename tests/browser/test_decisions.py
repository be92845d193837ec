"""A promise through the pages: an official publishes, shows it done and finishes; a resident sees it and rates it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect
from tests.browser.city import OFFICIAL, City, a_picture
from tests.browser.conftest import Visit
from tests.browser.office import type_in
from tests.browser.visitors import Visitor

TODAY = datetime.now(ZoneInfo("Europe/Moscow")).date()


async def save(official: Visitor, said: str) -> None:
    """Press the button of the page's first form that saves."""
    await official.page.locator("button[name=op][value=save]").first.click()
    await expect(official.page.get_by_role("status")).to_contain_text(official.words(said))


async def the_office_keeps_its_word(official: Visitor, public_id: str) -> None:
    """Publish, plan a step, show it done with a picture, and finish."""
    page = official.page
    at = f"/officials/polls/{public_id}/decision"
    await official.go(f"/officials/polls/{public_id}")
    await official.link("Record the decision").click()
    deadline = TODAY + timedelta(days=30)
    await type_in(page, {"text.ru": "Поставим скамейки.", "text.en": "We set up benches.", "owner": "Управа",
                         "deadline": f"{deadline}"})  # fmt: skip
    await page.locator("[name=status]").select_option("in_progress")
    await official.button("Show what residents will see").click()
    await expect(official.main).to_contain_text(official.words("Nothing is saved yet."))
    await save(official, "The decision is published.")
    await type_in(page, {"step.ru": "Собрать скамейки", "step.en": "Build the benches", "step.planned_on": f"{TODAY}"})
    await official.button("Add the step").click()
    await expect(page.get_by_role("status")).to_contain_text(official.words("The step is added."))
    await page.locator(f"a[href^='{at}/steps/']").first.click()
    await page.locator("[name=file]").set_input_files(
        {"name": "скамейки.png", "mimeType": "image/png", "buffer": a_picture("brown")}
    )
    await type_in(page, {"name.ru": "Четыре новые скамейки", "name.en": "Four new benches"})
    await official.button("Publish the file").click()
    await expect(page.get_by_role("status")).to_contain_text(official.words("The file is published."))
    await type_in(page, {"done_on": f"{TODAY}", "outcome.ru": "Собраны четыре.", "outcome.en": "Four are built."})
    await save(official, "The step is saved.")
    await official.go(at)
    await page.locator("[name=status]").select_option("done")
    await save(official, "The decision is published.")


async def a_resident_rates(resident: Visitor, slug: str) -> None:
    """With the keyboard alone."""
    page = resident.page
    await resident.go(f"/decisions/{slug}")
    await expect(resident.main).to_contain_text(resident.words("in time"))
    picture = page.locator(".shots img")
    await expect(picture).to_have_attribute("alt", re.compile("скамейки|benches"))
    await resident.button("Send the rating").click()
    await expect(resident.main).to_contain_text(resident.words("Choose from 1 to 5."))
    await page.locator("#stars-5").focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#stars-4")).to_be_checked()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text(resident.words("Thank you: your rating is taken."))
    await expect(page.locator("[name=stars]")).to_have_count(0)
    await resident.go(f"/decisions/{slug}")
    await expect(resident.main).to_contain_text(resident.words("You have rated this work. A rating cannot be changed."))


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_a_promise_is_published_kept_and_rated_without_scripts(visit: Visit, city: City, size: str) -> None:
    """The office at its desk, a resident on either screen; each time with a poll of its own."""
    slug = await city.counted_poll()
    official = await visit(OFFICIAL, javascript=False)
    await the_office_keeps_its_word(official, await city.public_id(slug))
    await a_resident_rates(await visit(await city.resident(), javascript=False, size=size), slug)


async def test_whoever_voted_finds_the_decision_beside_the_vote(visit: Visit, city: City) -> None:
    visitor = await visit()
    await visitor.go("/")
    await visitor.page.locator(".decided a", has_text="двор").first.click()
    await expect(visitor.heading).to_contain_text("двор")
    for show in ("overdue", "done"):
        await visitor.go(f"/decisions?show={show}")
        await expect(visitor.page.locator(".filters [aria-current]")).to_have_count(1)
