"""The main job through the pages alone: an official asks, residents vote, the city counts, an analyst takes it away."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from playwright.async_api import Locator, expect
from tests.browser.city import ANALYST, ARBAT, BASMANNY, OFFICIAL, City
from tests.browser.conftest import Visit
from tests.browser.visitors import Visitor

MOSCOW = ZoneInfo("Europe/Moscow")
TITLE = "Что построить на Арбате?"
ENTITLED_IN_ARBAT = """
    SELECT count(*) FROM citizen JOIN citizen_period AS period ON period.citizen_id = citizen.id
      JOIN territory ON territory.id = period.district_id
     WHERE territory.code = :code AND birth_date <= CAST(:latest AS date)
"""


async def test_a_poll_from_its_draft_to_the_file_of_its_votes(visit: Visit, city: City, tmp_path: Path) -> None:
    today = datetime.now(MOSCOW).date()
    keyboard, touch, plain = [await city.resident(district=ARBAT) for _ in range(3)]
    outsider = await city.resident(district=BASMANNY)
    schoolchild = await city.resident(district=ARBAT, born=today - timedelta(days=16 * 365 + 30))

    official = await visit()
    await official.sign_in(OFFICIAL)
    public_id, slug = await draft_and_schedule(official, city, today)

    voters = [
        await vote_without_javascript(await visit(plain, javascript=False)),
        await vote_by_keyboard(await visit(keyboard), slug),
        await vote_by_touch(await visit(touch, size="phone"), slug),
    ]
    assert len({await voter.page.locator(".receipt code").inner_text() for voter in voters}) == 3

    await refused_by_place(await visit(outsider), slug)
    await refused_by_age(await visit(schoolchild), slug)
    await refused_a_second_time(voters[0], slug, today)
    await expect(voters[1].main).to_be_visible()

    await close_early(official, public_id)
    await city.hurry("follow_the_clock")
    await results_appear(voters[1], slug)
    await take_the_file(await visit(ANALYST), slug, tmp_path)


# ---- the official


async def draft_and_schedule(official: Visitor, city: City, today: date) -> tuple[str, str]:
    """Draft a poll in the editor, look at the dry run, seal it, opening at once; gives its id and its slug."""
    page = official.page
    await official.link("Office").first.click()
    await official.link("New poll").click()
    await official.link("An empty poll").click()
    fill = {
        "title.ru": TITLE,
        "title.en": "What to build on the Arbat?",
        "summary.ru": "Место у сквера свободно.",
        "summary.en": "There is a free place by the square.",
        "questions.1.text.ru": "Что построить у сквера?",
        "questions.1.text.en": "What to build by the square?",
        "questions.1.options.1.text.ru": "Библиотеку",
        "questions.1.options.1.text.en": "A library",
        "questions.1.options.2.text.ru": "Бассейн",
        "questions.1.options.2.text.en": "A pool",
    }
    for name, value in fill.items():
        await page.locator(f"[name='{name}']").fill(value)
    await page.locator("button[value='add_option:1']").click()
    await page.locator("[name='questions.1.options.3.text.ru']").fill("Ничего не строить")
    await page.locator("[name='questions.1.options.3.text.en']").fill("Nothing")
    await page.locator("button[value='add_neutral:1:hard_to_say']").click()
    await expect(page.locator("[name='questions.1.options.3.text.ru']")).to_have_value("Ничего не строить")

    now = datetime.now(MOSCOW).replace(second=0, microsecond=0)
    await page.locator("[name='audience.age_from']").fill("18")
    await page.locator("details", has=page.locator(f"[id='audience.territories.{ARBAT}']")).locator("summary").click()
    await page.locator(f"[id='audience.territories.{ARBAT}']").check()
    await page.locator("[name='opens_at']").fill(f"{now:%Y-%m-%dT%H:%M}")
    await page.locator("[name='closes_at']").fill(f"{now + timedelta(days=3):%Y-%m-%dT12:00}")
    await page.locator("button[name=op][value=check]").click()

    await official.headed("Check before scheduling")
    await expect(official.main).to_contain_text(official.words("Nothing stands in the way"))
    latest = date(today.year - 18, today.month, today.day) if (today.month, today.day) != (2, 29) else today
    entitled = await city.count_rows(ENTITLED_IN_ARBAT, code=ARBAT, latest=latest)
    await expect(official.main.locator(".figure").first).to_have_text(str(entitled))
    await expect(official.main).to_contain_text("Арбат")
    await page.get_by_label(
        official.words("I have checked the poll and understand that its rules cannot be changed afterwards")
    ).check()
    await official.button("Seal and schedule").click()
    await expect(official.main).to_contain_text(official.words("The rules are sealed and the poll is scheduled."))
    public_id = re.search(r"/polls/([0-9a-f]{32})", page.url)
    assert public_id is not None
    await official.link("The public page").click()
    await expect(official.heading).to_have_text(TITLE)
    return public_id[1], page.url.rpartition("/")[2]


async def close_early(official: Visitor, public_id: str) -> None:
    await official.go(f"/officials/polls/{public_id}")
    await official.page.locator("summary", has_text=official.words("Close early")).click()
    form = official.page.locator("form[action$='/close-early']")
    await form.locator("[name=reason]").fill("Стройка начинается раньше срока.")
    await form.locator("button[type=submit]").click()
    if await official.page.locator("dialog.confirm").count():
        await official.page.locator("dialog.confirm button[data-variant=primary]").click()
    await expect(official.main).to_contain_text(official.words("The poll is closed; counting starts by itself."))


# ---- the residents


async def vote_without_javascript(voter: Visitor) -> Visitor:
    """From the list of polls to the receipt, by links and buttons alone."""
    await voter.go("/")
    await voter.page.get_by_role("link", name=TITLE).click()
    await voter.link("Vote").click()
    await voter.page.get_by_label("Библиотеку").check()
    await voter.button("Check the answers").click()
    await voter.headed("Check your answers. Your vote has not been sent yet")
    await expect(voter.main.locator("dl.summary")).to_contain_text("Библиотеку")
    await voter.button("Send my vote").click()
    return await receipt_of(voter)


async def vote_by_keyboard(voter: Visitor, slug: str) -> Visitor:
    """Tab, arrows and Enter only; what has the focus is seen to have it."""
    page, keys = voter.page, voter.page.keyboard
    await voter.go(f"/polls/{slug}")
    await keys.press("Tab")
    await expect(page.locator("a.skip")).to_be_focused()
    await keys.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await walk_and_press(voter, voter.link("Vote"))
    await page.wait_for_url("**/vote")
    await voter.press_to(voter.choice(1, 1))
    await keys.press("ArrowDown")
    await expect(voter.choice(1, 2)).to_be_checked()
    assert await ringed(page.locator(".choice", has=voter.choice(1, 2)))
    await walk_and_press(voter, voter.button("Check the answers"))
    await voter.headed("Check your answers. Your vote has not been sent yet")
    await walk_and_press(voter, voter.button("Send my vote"))
    return await receipt_of(voter)


async def vote_by_touch(voter: Visitor, slug: str) -> Visitor:
    """With a finger on a phone: no page is wider than the screen."""
    await voter.go(f"/polls/{slug}")
    await voter.link("Vote").tap()
    await voter.page.get_by_text("Библиотеку", exact=True).tap()
    await expect(voter.choice(1, 1)).to_be_checked()
    await voter.button("Check the answers").tap()
    await voter.headed("Check your answers. Your vote has not been sent yet")
    assert await voter.page.evaluate("document.documentElement.scrollWidth") <= 390
    await voter.button("Send my vote").tap()
    return await receipt_of(voter)


async def receipt_of(voter: Visitor) -> Visitor:
    """The vote was taken: the page has the ballot's code and a QR."""
    await voter.headed("Your vote was taken")
    assert re.fullmatch(r"[A-Z2-7]{2,}(?:[\s-][A-Z2-7]+)+", await voter.page.locator(".receipt code").inner_text())
    await expect(voter.page.locator("svg.qr-image")).to_be_visible()
    return voter


async def walk_and_press(voter: Visitor, target: Locator) -> None:
    await voter.press_to(target)
    await voter.page.keyboard.press("Enter")


async def ringed(place: Locator) -> bool:
    """Whether a ring is drawn around a place, or around what has the focus in it."""
    return bool(
        await place.evaluate(
            """place => [place, ...place.querySelectorAll(":focus-visible")].some(one =>
                getComputedStyle(one).outlineStyle !== "none" && parseFloat(getComputedStyle(one).outlineWidth) >= 2)"""
        )
    )


# ---- those who may not


async def refused_by_place(outsider: Visitor, slug: str) -> None:
    await outsider.go(f"/polls/{slug}")
    await expect(outsider.main).to_contain_text(outsider.words("Why you cannot vote in this poll"))
    await expect(outsider.main.locator("section.standing")).to_contain_text("Арбат")
    await expect(outsider.link("Vote")).to_have_count(0)
    assert (await outsider.go(f"/polls/{slug}/vote")).status == 403
    await outsider.headed("Why you cannot vote in this poll")


async def refused_by_age(schoolchild: Visitor, slug: str) -> None:
    assert (await schoolchild.go(f"/polls/{slug}/vote")).status == 403
    await schoolchild.headed("Why you cannot vote in this poll")
    await expect(schoolchild.main).to_contain_text("18")


async def refused_a_second_time(voter: Visitor, slug: str, today: date) -> None:
    assert (await voter.go(f"/polls/{slug}/vote")).status == 409
    await voter.headed("You have already voted in this poll")
    months = ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября",
              "ноября", "декабря"]  # fmt: skip
    await expect(voter.main).to_contain_text(f"{today.day} {months[today.month - 1]}")
    await voter.go("/my-votes")
    await expect(voter.main).to_contain_text(TITLE)


# ---- the result


async def results_appear(reader: Visitor, slug: str) -> None:
    """The page says that the count is under way, and then shows it."""
    for _ in range(200):
        await reader.go(f"/polls/{slug}/results")
        if await reader.page.locator("dl.facts").count():
            break
        await expect(reader.main).to_contain_text(reader.words("The count is under way"))
        await reader.page.wait_for_timeout(100)
    await expect(reader.page.locator("dl.facts dd").first).to_have_text("3")
    await expect(reader.page.locator(".outcome").first).to_contain_text("Библиотеку")
    await expect(reader.page.locator("section.tile").first).to_contain_text("66,7")


async def take_the_file(analyst: Visitor, slug: str, tmp_path: Path) -> None:
    """The file the page offers holds exactly the votes cast."""
    await analyst.go("/")
    await analyst.link("Downloads").first.click()
    async with analyst.page.expect_download() as waiting:
        await analyst.page.locator(f"a[href='/api/v1/polls/{slug}/results.csv']").click()
    path = tmp_path / "results.csv"
    await (await waiting.value).save_as(path)
    table = pd.read_csv(path)
    assert set(table["poll_slug"]) == {slug}
    everybody = table[table["dimension"] == "all"]
    votes = {(row["class"], row["option_ru"]): row["votes"] for _, row in everybody.iterrows()}
    assert votes == {
        ("option", "Библиотеку"): 2,
        ("option", "Бассейн"): 1,
        ("option", "Ничего не строить"): 0,
        ("neutral", "Затрудняюсь ответить"): 0,
        ("blank", "Без ответа"): 0,
    }
    assert len(everybody) == len(table), "three ballots are too few for any breakdown"
