"""Every kind of question in a browser: with and without JavaScript, by keyboard alone, at 320 pixels."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from playwright.async_api import Locator, expect
from sqlalchemy import text
from tests.browser.city import City
from tests.browser.conftest import Visit
from tests.browser.test_accessibility import AXE, SETTLED, faults_of
from tests.browser.visitors import FULL, Visitor, in_full
from tests.voting.web.every_kind import STORED, WORDS, all_kinds

from polls.catalogue import sealed_poll

CHECK = "Check your answers. Your vote has not been sent yet"


def own(voter: Visitor, question: int) -> Locator:
    """The field for words of a question."""
    return voter.page.locator(f"#q-{question}-own")


def number(voter: Visitor, question: int, option: int) -> Locator:
    """The field for the place or the points of an option."""
    return voter.page.locator(f"[name=q-{question}-{option}]")


def tool(voter: Visitor, option: str, what: str) -> Locator:
    """A button of an option's row in a ranking."""
    return voter.page.locator(f"li.rank[data-name='{option}'] [data-do={what}]")


async def onward(voter: Visitor) -> None:
    """Press the button that leads on."""
    await voter.page.locator("button[name=op][value=next]").click()


async def stored(city: City, slug: str) -> tuple[list[list[str]], dict[int, str]]:
    """What the intake holds of a poll: canonical answers, and words."""
    async with city.database.open_read_session() as session:
        poll = await sealed_poll(session, slug)
        rows = (await session.execute(text(f"SELECT answers FROM intake_{poll.id}"))).all()
        said = (
            await session.execute(text("SELECT question_id, text FROM text_answer WHERE poll_id = :p"), {"p": poll.id})
        ).all()
    return [list(row.answers) for row in rows], {row.question_id: row.text for row in said}


async def answer_all(voter: Visitor, *, javascript: bool, look: Any = None) -> None:
    """Answer as `STORED` has it, up to the check page; `look` is called on each page."""

    async def done(name: str) -> None:
        if look is not None:
            await look(name)
        await onward(voter)

    follow_up = voter.page.locator("follow-up")
    if javascript:
        await expect(follow_up).to_be_hidden()
    else:
        await expect(follow_up).to_contain_text("Ответьте, если")
    await voter.choice(1, 2).check()
    await expect(own(voter, 2)).to_be_visible()
    await own(voter, 2).fill(WORDS[2])
    await done("one answer, with a follow-up")
    await voter.choice(3, 2).check()
    await own(voter, 3).fill(WORDS[3])
    if javascript:
        await expect(voter.choice(3, 0)).to_be_checked()
    await done("several answers and an own one")
    await voter.level(4, 1, 10).check()
    await voter.level(4, 2, 0).check()
    await done("a scale from 0 to 10")
    await voter.level(5, 1, 3).check()
    await done("levels with names")
    await voter.choice(6, 1).select_option("-7")
    await done("a long scale")
    if javascript:
        await tool(voter, "Кафе", "add").click()
        await tool(voter, "Лодочную станцию", "add").click()
        await expect(voter.page.locator("ol.ranked li")).to_have_count(2)
    else:
        await number(voter, 7, 3).select_option("1")
        await number(voter, 7, 1).select_option("2")
    await done("a ranking")
    if javascript:
        for option in ("С шести", "С восьми", "С десяти"):
            await tool(voter, option, "add").click()
        await tool(voter, "С восьми", "tie").click()
    else:
        for place_of, place in ((1, "1"), (2, "1"), (3, "2")):
            await number(voter, 8, place_of).select_option(place)
    await done("a ranking with equal places")
    await number(voter, 9, 1).fill("6")
    await number(voter, 9, 3).fill("4")
    if javascript:
        await expect(voter.page.locator("[data-points-left]")).to_have_text("Осталось: 0")
    await done("points")
    await voter.choice(10, 2).check()
    await voter.choice(10, 3).check()
    await done("a budget with projects that exclude each other")
    await own(voter, 11).fill(WORDS[11])
    await done("a text")
    await voter.headed(CHECK)


@pytest.mark.parametrize(("size", "javascript"), in_full(product(["desktop", "reflow"], [True, False]),
                                                         [("reflow", False)]))  # fmt: skip
async def test_every_kind_is_stored_as_chosen(visit: Visit, city: City, size: str, javascript: bool) -> None:
    slug = await city.open_poll(questions=all_kinds())
    voter = await visit(await city.resident(), javascript=javascript, size=size)
    await voter.go(f"/polls/{slug}/vote")
    await answer_all(voter, javascript=javascript)
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    assert await stored(city, slug) == ([STORED], WORDS)


async def test_by_keyboard_alone(visit: Visit, city: City) -> None:
    """Nothing is pointed at: the Tab key, the arrows, Space and Enter are enough for a whole ballot."""
    slug = await city.open_poll(questions=all_kinds())
    voter = await visit(await city.resident())
    await voter.go(f"/polls/{slug}/vote")
    keys = voter.page.keyboard

    async def to(target: Locator, *presses: str) -> None:
        await voter.press_to(target)
        for press in presses:
            await keys.press(press)

    async def on() -> None:
        button = voter.page.locator("button[name=op][value=next]")
        await voter.press_to(button)
        await keys.press("Enter")

    first = voter.page.locator("input[name=q-1]").first
    await voter.press_to(first)
    for _ in range(6):  # arrows go round the options, in this ballot's own order
        if await voter.choice(1, 2).is_checked():
            break
        await keys.press("ArrowDown")
    await to(own(voter, 2))
    await keys.insert_text(WORDS[2])
    await on()
    await to(voter.choice(3, 2), "Space")
    await to(own(voter, 3))
    await keys.insert_text(WORDS[3])
    await on()
    # A group of radio buttons is one stop of the Tab key: it starts at «no rating», the last of them.
    await to(voter.page.locator("#q-4-o-1-none"), "ArrowUp")
    await expect(voter.level(4, 1, 10)).to_be_checked()
    await to(voter.page.locator("#q-4-o-2-none"), "ArrowDown")
    await expect(voter.level(4, 2, 0)).to_be_checked()
    await on()
    await to(voter.level(5, 1, 1), "ArrowDown", "ArrowDown")
    await on()
    await to(voter.choice(6, 1))
    await keys.press("End")
    for _ in range(13):  # from −20 up
        await keys.press("ArrowUp")
    await on()
    await to(tool(voter, "Лодочную станцию", "add"), "Enter")
    await voter.page.locator("body").evaluate("() => document.querySelector('main').focus()")
    await to(tool(voter, "Кафе", "add"), "Space")
    await expect(voter.page.get_by_role("status").filter(has_text="«Кафе»: место 2 из 2")).to_have_count(1)
    await tool(voter, "Кафе", "up").focus()
    await keys.press("Alt+ArrowUp")
    await expect(voter.page.get_by_role("status").filter(has_text="«Кафе»: место 1 из 2")).to_have_count(1)
    await on()
    for option in ("С шести", "С восьми", "С десяти"):
        await tool(voter, option, "add").focus()
        await keys.press("Enter")
    await tool(voter, "С восьми", "tie").focus()
    await keys.press("Space")
    await on()
    await to(number(voter, 9, 1))
    await keys.type("5")
    await keys.press("Tab")
    await keys.press("Enter")  # one point more
    await to(number(voter, 9, 3))
    await keys.type("4")
    await on()
    await to(voter.choice(10, 2), "Space")
    await to(voter.choice(10, 3), "Space")
    await on()
    await to(own(voter, 11))
    await keys.insert_text(WORDS[11])
    await on()
    await voter.headed(CHECK)
    await to(voter.button("Send my vote"), "Enter")
    await voter.headed("Your vote was taken")
    assert await stored(city, slug) == ([STORED], WORDS)


async def test_the_list_is_dragged_and_full_lists_say_so(visit: Visit, city: City) -> None:
    slug = await city.open_poll(questions=[one for one in all_kinds() if one["id"] == 7])
    voter = await visit(await city.resident())
    await voter.go(f"/polls/{slug}/vote")
    for option in ("Каток", "Кафе", "Теплицу"):
        await tool(voter, option, "add").click()
    rows = voter.page.locator("ol.ranked li")
    await tool(voter, "Лодочную станцию", "add").click(force=True)  # a press that says why it does nothing
    await expect(rows).to_have_count(3)
    await expect(voter.page.get_by_role("status").filter(has_text="Все места заняты: 3")).to_have_count(1)
    grip = voter.page.locator("li.rank[data-name='Теплицу'] .rank-grip")
    top = await rows.first.bounding_box()
    box = await grip.bounding_box()
    assert top
    assert box
    await voter.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await voter.page.mouse.down()
    await voter.page.mouse.move(box["x"] + 5, top["y"] + 4, steps=8)
    await voter.page.mouse.up()
    assert [await row.get_attribute("data-name") for row in await rows.all()] == ["Теплицу", "Каток", "Кафе"]
    await tool(voter, "Каток", "remove").click()
    await onward(voter)
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    assert (await stored(city, slug))[0] == [["[[4],[3]]"]]


async def test_neutral_answers_set_the_others_aside(visit: Visit, city: City) -> None:
    slug = await city.open_poll(questions=[one for one in all_kinds() if one["id"] in (3, 7, 9)])
    voter = await visit(await city.resident())
    await voter.go(f"/polls/{slug}/vote")
    await voter.choice(3, 1).check()
    await own(voter, 3).fill("Лавку")
    await voter.choice(3, 90).check()
    await expect(voter.choice(3, 1)).not_to_be_checked()
    await expect(own(voter, 3)).to_have_value("")
    await voter.choice(3, 90).uncheck()
    await expect(voter.choice(3, 1)).to_be_checked()
    await expect(own(voter, 3)).to_have_value("Лавку")
    await voter.choice(3, 90).check()
    await voter.choice(3, 3).check()
    await expect(voter.choice(3, 90)).not_to_be_checked()
    await onward(voter)
    await tool(voter, "Каток", "add").click()
    await tool(voter, "Кафе", "add").click()
    await voter.choice(7, 90).check()
    await expect(voter.page.locator("ol.ranked li")).to_have_count(0)
    await voter.choice(7, 90).uncheck()
    await expect(voter.page.locator("ol.ranked li")).to_have_count(2)
    await onward(voter)
    await number(voter, 9, 1).fill("4")
    await voter.choice(9, 90).check()
    await expect(number(voter, 9, 1)).to_have_value("")
    await onward(voter)
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    assert (await stored(city, slug))[0] == [["[3]", "[[2],[3]]", "[90]"]]


async def test_a_follow_up_appears_and_goes_as_one_answers(visit: Visit, city: City) -> None:
    slug = await city.open_poll(questions=[one for one in all_kinds() if one["id"] in (1, 2)])
    voter = await visit(await city.resident())
    await voter.go(f"/polls/{slug}/vote")
    await voter.choice(1, 1).check()
    await expect(own(voter, 2)).to_be_hidden()
    await own(voter, 1).fill("Тишина")
    await expect(voter.choice(1, 0)).to_be_checked()
    await expect(own(voter, 2)).to_be_visible()
    await expect(voter.page.get_by_role("status").filter(has_text="Ещё один вопрос: Какой спорт?")).to_have_count(1)
    await own(voter, 2).fill("Шахматы")
    await voter.choice(1, 3).check()
    await expect(own(voter, 2)).to_be_hidden()
    await onward(voter)
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    assert await stored(city, slug) == ([["[3]", "null"]], {}), "neither the words left standing nor the hidden answer"


WIDTHS = in_full((1280, 390, 320), (1280,))  # to change the size of a page costs more than to have axe read it


@pytest.mark.parametrize("scheme", in_full(["light", "dark"], ["light"]))
async def test_axe_finds_nothing(visit: Visit, city: City, scheme: str) -> None:
    """Each page filled in, and refused, at 1280 and 320 pixels; the check page and the sample of the ballot too."""
    slug = await city.open_poll(questions=all_kinds())
    voter = await visit(await city.resident(), scheme=scheme, bypass_csp=True)
    voter.stays = False
    await voter.context.add_init_script(path=AXE)
    faults: dict[str, list[str]] = {}

    async def look(name: str) -> None:
        for width in WIDTHS:
            if FULL:
                await voter.page.set_viewport_size({"width": width, "height": 900})
            await voter.page.evaluate(SETTLED)
            if found := await faults_of(voter.page, scheme):
                faults[f"{name}, {width}"] = found
        if FULL:
            await voter.page.set_viewport_size({"width": 1280, "height": 900})

    await voter.go(f"/polls/{slug}/sample")
    await look("the sample")
    await voter.go(f"/polls/{slug}")
    await look("the poll")
    await voter.go(f"/polls/{slug}/vote")
    await answer_all(voter, javascript=True, look=look)
    await look("the check")
    await voter.page.locator("button[value=change-9]").click()
    await number(voter, 9, 1).fill("9")
    await onward(voter)
    await expect(voter.page.locator("[data-error-summary]")).to_be_focused()
    await look("points, refused")
    await voter.page.locator("[data-error-summary] a").click()
    await expect(number(voter, 9, 1)).to_be_focused()
    assert not faults, "\n".join(f"{name}: {line}" for name, lines in faults.items() for line in lines)
