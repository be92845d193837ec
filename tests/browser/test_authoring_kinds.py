"""Officials in Chromium: every kind of question from the editor to a scheduled poll, the tree by keyboard, and axe."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Page, expect
from tests.browser.city import OFFICIAL, City
from tests.browser.conftest import Visit
from tests.browser.office import press, unfold
from tests.browser.test_accessibility import AXE, faults_of
from tests.browser.visitors import Visitor, in_full

MOSCOW = ZoneInfo("Europe/Moscow")
KINDS = ["single_choice", "multiple_choice", "rating", "ranking", "points", "budget", "text"]


async def fill(page: Page, **typed: str) -> None:
    """Type into fields by name; ``__`` stands for a dot."""
    for name, value in typed.items():
        await page.locator(f"[name='{name.replace('__', '.')}']").fill(value)


async def schedule(official: Visitor) -> None:
    """Set the times, check, seal."""
    page = official.page
    opens = datetime.now(MOSCOW).replace(second=0, microsecond=0) + timedelta(days=2)
    await fill(page, opens_at=f"{opens:%Y-%m-%dT10:00}", closes_at=f"{opens + timedelta(days=5):%Y-%m-%dT20:00}")
    await page.locator("button[name=op][value=check]").click()
    await official.headed("Check before scheduling")
    await expect(official.main).to_contain_text(official.words("Nothing stands in the way"))
    await page.get_by_label(
        official.words("I have checked the poll and understand that its rules cannot be changed afterwards")
    ).check()
    await official.button("Seal and schedule").click()
    await expect(official.main).to_contain_text(official.words("The rules are sealed and the poll is scheduled."))


async def start(official: Visitor, kind: str) -> Page:
    """An empty poll with a question of this kind and two named options."""
    page = official.page
    await official.go("/officials/polls/new")
    await unfold(page)
    await page.locator("[name='questions.1.kind']").select_option(kind)
    await press(page, "refresh")
    await fill(page, title__ru=f"Вид: {kind}", title__en=f"Kind: {kind}", questions__1__text__ru="Что выбрать?",
               questions__1__text__en="What to choose?", questions__1__options__1__text__ru="Парк",
               questions__1__options__1__text__en="A park", questions__1__options__2__text__ru="Сквер",
               questions__1__options__2__text__en="A square")  # fmt: skip
    return page


@pytest.mark.parametrize("kind", in_full(KINDS, ["single_choice", "ranking", "budget"]))
async def test_every_kind_from_the_editor_to_a_scheduled_poll(visit: Visit, city: City, kind: str) -> None:
    official = await visit(OFFICIAL)
    page = await start(official, kind)
    match kind:
        case "single_choice" | "multiple_choice":
            await page.locator("[name='questions.1.own_answer']").check()
        case "rating":
            await fill(page, questions__1__scale_min="-1", questions__1__scale_max="1")
            await page.locator("[name='questions.1.levels.declared']").check()
            await press(page, "refresh")
            for place, name in enumerate(("плохо", "средне", "хорошо")):
                await fill(page, **{f"questions__1__levels__{place}__ru": name})
            await page.locator("[name='questions.1.rule.order_by'][value=majority_judgment]").check()
        case "ranking":
            await page.locator("[name='questions.1.equal_ranks']").check()
            await page.locator("[name='questions.1.rule.method'][value=stv_meek]").check()
        case "points":
            await fill(page, questions__1__total="7", questions__1__most_per_option="5")
        case "budget":
            await fill(page, questions__1__rule__budget="2 млн", questions__1__options__1__cost="1,5 млн",
                       questions__1__options__2__cost="900 000", questions__1__options__1__exclusive="А",
                       questions__1__options__2__exclusive="а")  # fmt: skip
            await page.locator("[name='questions.1.rule.method'][value=equal_shares]").check()
            await page.locator("[name='questions.1.rule.tie'][value=chair]").check()
        case "text":
            for option in (2, 1):
                await press(page, f"remove_option:1:{option}")
            await page.locator("[name='questions.1.required']").uncheck()
    await schedule(official)


async def test_a_follow_up_and_a_rule_tree_by_keyboard(visit: Visit, city: City) -> None:
    official = await visit(OFFICIAL)
    page = await start(official, "single_choice")
    await press(page, "add_question:text")
    await fill(page, questions__2__text__ru="Почему?", questions__2__text__en="Why?")
    await page.locator("[name='questions.2.shown_if.question']").select_option("1")
    await press(page, "refresh")
    box = page.locator("[id='questions.2.shown_if.options.2']")
    await box.focus()
    await page.keyboard.press("Space")
    await expect(box).to_be_checked()
    await press(page, "refine_audience")
    await press(page, "add_part:any")
    await press(page, "add_part:age:1")
    await fill(page, audience__parts__1__parts__1__at_least="18")
    await schedule(official)


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_the_pages_of_authoring_pass_axe(visit: Visit, city: City, size: str) -> None:
    official = await visit(OFFICIAL, size=size, bypass_csp=True)
    official.stays = False
    page = official.page
    await official.context.add_init_script(path=AXE)
    drafts = ("participatory_budget", "owners_meeting", "venue_rating", "district_poll")
    for path in ("/officials", "/officials/polls/start", "/officials/lists", "/officials/words",
                 *(f"/officials/polls/new?template={code}" for code in drafts)):  # fmt: skip
        await official.go(path)
        await unfold(page)
        found = await faults_of(page, "light")
        assert not found, f"{path}: {found}"
    await press(page, "refine_audience")
    for operation in ("add_part:any", "add_part:territory", "add_part:unit", "add_part:invited", "add_style"):
        await press(page, operation)
    found = await faults_of(page, "light")
    assert not found, found
    await press(page, "save")
    public_id = re.search(r"/polls/([0-9a-f]{32})", page.url)
    assert public_id
    for tail in ("/revisions", "/custody", "/delete"):
        await official.go(f"/officials/polls/{public_id[1]}{tail}")
        found = await faults_of(page, "light")
        assert not found, f"{tail}: {found}"
