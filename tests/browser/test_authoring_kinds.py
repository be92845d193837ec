"""Officials in Chromium: every kind of question from the editor to a scheduled poll, the tree by keyboard, and axe."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.city import OFFICIAL, City
from tests.browser.conftest import Visit
from tests.browser.office import press, seal, set_times, type_in, unfold
from tests.browser.test_accessibility import AXE, faults_of
from tests.browser.visitors import Visitor, in_full

KINDS = ["single_choice", "multiple_choice", "rating", "ranking", "points", "budget", "text"]


async def fill(page: Page, **typed: str) -> None:
    """Type into fields by name; ``__`` stands for a dot."""
    await type_in(page, {name.replace("__", "."): value for name, value in typed.items()})


async def sealed(official: Visitor) -> dict[str, Any]:
    """Set the times, check, seal; gives the rules as they are published."""
    await set_times(official.page, opens_in=timedelta(days=2))
    _, slug = await seal(official)
    answer = await official.page.request.get(f"/polls/{slug}/rules.json")
    rules: dict[str, Any] = await answer.json()
    return rules


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


SEALED: dict[str, dict[str, Any]] = {
    "single_choice": {"own_answer": True},
    "multiple_choice": {"own_answer": True},
    "rating": {"scale_min": -1, "scale_max": 1, "rule": {"order_by": "majority_judgment"}},
    "ranking": {"equal_ranks": True, "rule": {"method": "stv_meek"}},
    "points": {"total": 7, "most_per_option": 5},
    "budget": {
        "exclusive_groups": [[1, 2]],
        "rule": {"budget": 200_000_000, "method": "equal_shares", "tie": "chair"},
    },
    "text": {"required": False, "options": []},
}
"""What the sealed rules say of each kind, as typed below."""


def holds(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a document says all that is wanted, whatever else it says."""
    return all(
        holds(found[name], value) if isinstance(value, dict) else found[name] == value for name, value in wanted.items()
    )


@pytest.mark.parametrize("kind", in_full(KINDS, ["ranking"]))
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
    (question,) = (await sealed(official))["questions"]
    assert (question["kind"], question["text"]["en"]) == (kind, "What to choose?")
    assert [option["text"]["ru"] for option in question["options"]] == ([] if kind == "text" else ["Парк", "Сквер"])
    assert holds(question, SEALED[kind]), question


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
    rules = await sealed(official)
    assert holds(rules["questions"][1]["shown_if"], {"question": 1, "options": [2]}), rules["questions"][1]
    ages = [part for part in parts_of(rules["audience"]) if part["op"] == "age"]
    assert [age["at_least"] for age in ages] == [18], rules["audience"]


def parts_of(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """Every part of an audience rule, the rule itself among them."""
    return [rule, *(deeper for part in rule.get("of", ()) for deeper in parts_of(part))]


@pytest.mark.parametrize("size", in_full(["desktop", "phone"], ["desktop"]))
async def test_the_pages_of_authoring_pass_axe(visit: Visit, city: City, size: str) -> None:
    official = await visit(OFFICIAL, size=size, bypass_csp=True)
    official.stays = False
    page = official.page
    await official.context.add_init_script(path=AXE)
    drafts = in_full(("participatory_budget", "owners_meeting", "venue_rating", "district_poll"), ())
    for path in ("/officials", "/officials/polls/start", "/officials/lists", "/officials/words",
                 *(f"/officials/polls/new?template={code}" for code in drafts)):  # fmt: skip
        await official.go(path)
        await unfold(page)
        found = await faults_of(page, "light")
        assert not found, f"{path}: {found}"
    await official.go("/officials/polls/new?template=district_poll")
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
