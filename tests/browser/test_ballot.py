"""The ballot in a browser: every kind of question, going back, leaving, sessions that end, and where answers may be."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from tests.browser.city import City, every_kind
from tests.browser.conftest import Visit
from tests.browser.site import LiveSite
from tests.browser.visitors import Visitor, in_full
from tests.builders import a_single_choice

from polls.board import Receipt
from voting.secrets import receipt_signer
from voting.web.receipts import is_ours, receipt_code

CHECK = "Check your answers. Your vote has not been sent yet"


async def begin(voter: Visitor, slug: str) -> None:
    await voter.go(f"/polls/{slug}/vote")


async def answer_all(voter: Visitor) -> None:
    """Fill in the ballot of `every_kind`, ending on the check page."""
    await voter.choice(1, 2).check()
    await voter.button("Next").click()
    await voter.choice(2, 1).check()
    await voter.choice(2, 3).check()
    await voter.button("Next").click()
    await voter.level(3, 1, 4).check()
    await voter.level(3, 2, 2).check()
    await voter.button("Next").click()
    await voter.choice(4, 1).check()
    await voter.choice(4, 2).check()
    await voter.button("Check the answers").click()
    await voter.headed(CHECK)


@pytest.fixture(scope="module")
async def brief(city: City) -> str:
    """An open poll of one question, for what is the same whatever is asked; its slug."""
    return await city.open_poll(questions=[a_single_choice(1)])


async def answer_one(voter: Visitor, slug: str) -> None:
    """Open the ballot of `brief` and fill it in, ending on the check page."""
    await begin(voter, slug)
    await voter.choice(1, 2).check()
    await voter.button("Check the answers").click()
    await voter.headed(CHECK)


READ_BACK = [["Детская площадка"], ["Скамейки", "Питьевой фонтан"],
             ["Площадка у школы — 4 из 5", "Площадка у пруда — 2 из 5"],
             ["Новые фонари — 1 200 000 ₽", "Площадка для собак — 2 500 000 ₽"]]  # fmt: skip


async def read_back(voter: Visitor) -> list[list[str]]:
    """The answers as the check page reads them back."""
    rows = voter.page.locator("dl.summary ul.answer")
    return [
        [" ".join(text.split()) for text in await rows.nth(number).locator("li").all_inner_texts()]
        for number in range(await rows.count())
    ]


@pytest.mark.parametrize("javascript", [True, False], ids=["with_javascript", "without_javascript"])
async def test_every_kind_of_question(visit: Visit, city: City, javascript: bool) -> None:
    voter = await visit(await city.resident(), javascript=javascript)
    await begin(voter, city.slugs["every_kind"])

    await voter.button("Next").click()  # nothing chosen: said at the question, and the page keeps its place
    await expect(voter.page.locator("[data-error-summary]")).to_contain_text(voter.words("Choose one answer"))
    assert voter.words("Error: ").strip() in await voter.page.title()
    await voter.choice(1, 2).check()
    await voter.button("Next").click()
    for option in (1, 2, 3):  # one more than may be chosen
        await voter.choice(2, option).check()
    await voter.button("Next").click()
    await expect(voter.page.locator("[data-error-summary]")).to_be_visible()
    await expect(voter.choice(2, 2)).to_be_checked()
    await voter.choice(2, 2).uncheck()
    await voter.button("Next").click()
    await voter.level(3, 1, 4).check()
    await voter.level(3, 2, 2).check()
    await voter.button("Next").click()
    for option in (1, 3):  # 5.2 million of 5
        await voter.choice(4, option).check()
    await voter.button("Check the answers").click()
    await expect(voter.page.locator("[data-error-summary]")).to_be_visible()
    await voter.choice(4, 3).uncheck()
    await voter.choice(4, 2).check()
    if javascript:  # the sum runs along
        await expect(voter.page.locator("[data-left]")).to_have_text("1 300 000 ₽")
    await voter.button("Check the answers").click()
    await voter.headed(CHECK)
    assert await read_back(voter) == READ_BACK
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")


@pytest.mark.parametrize("javascript", in_full([True, False], [True]))
async def test_going_back_and_changing_keep_the_answers(visit: Visit, city: City, javascript: bool) -> None:
    voter = await visit(await city.resident(), javascript=javascript)
    await begin(voter, city.slugs["every_kind"])
    await answer_all(voter)
    await voter.button("Back").click()
    await expect(voter.choice(4, 2)).to_be_checked()
    await voter.page.locator("button[name=op][value=back]").click()
    await expect(voter.level(3, 1, 4)).to_be_checked()
    await voter.button("Next").click()
    await voter.button("Check the answers").click()
    await voter.headed(CHECK)
    assert await read_back(voter) == READ_BACK

    await voter.page.locator("button[value=change-1]").click()
    await expect(voter.choice(1, 2)).to_be_checked()
    await voter.choice(1, 90).check()
    await voter.button("Save and check").click()
    await voter.headed(CHECK)
    assert await read_back(voter) == [["Затрудняюсь ответить"], *READ_BACK[1:]]

    await voter.page.locator("button[value=change-2]").click()
    await voter.button("Skip this question").click()
    await voter.headed(CHECK)
    assert await read_back(voter) == [["Затрудняюсь ответить"], *READ_BACK[2:]]
    await expect(voter.main).to_contain_text(voter.words("Left blank"))


async def test_leaving_warns_and_signing_out_clears(visit: Visit, city: City) -> None:
    login = await city.resident()
    voter = await visit(login)
    await begin(voter, city.slugs["every_kind"])
    await voter.link("Leave without voting").click()  # nothing filled in: nobody is asked
    await voter.page.wait_for_url(f"**/polls/{city.slugs['every_kind']}")
    assert voter.dialogs == []

    await begin(voter, city.slugs["every_kind"])
    await voter.choice(1, 1).check()
    await voter.link("Leave without voting").click()
    await expect(voter.choice(1, 1)).to_be_checked()
    assert voter.dialogs == ["beforeunload"]
    await voter.button("Next").click()  # going on is not leaving
    await expect(voter.choice(2, 1)).to_be_visible()
    assert voter.dialogs == ["beforeunload"]

    other = await visit(login)
    await other.go("/")
    await other.page.locator("form[action='/sign-out'] button").first.click()
    await expect(other.link("Sign in").first).to_be_visible()
    left = await left_in_browser(other)
    assert (left["local"], left["session"]) == (0, 0)
    assert set(left["cookies"]) <= {"visitor", "device"}, (
        "the form's own cookie and the known device's may stay, the session's may not"
    )
    await other.go("/my-votes")
    await expect(other.page.locator("form[data-sign-in]")).to_be_visible()


async def test_a_session_that_ends_while_voting(visit: Visit, city: City, site: LiveSite) -> None:
    login = await city.resident()
    voter = await visit(login)
    await begin(voter, city.slugs["every_kind"])
    await answer_all(voter)
    with site.clock.moved(minutes=45):
        await voter.button("Send my vote").click()
        await expect(voter.main).to_contain_text(voter.words("Your session has ended"))
        await voter.fill_in_sign_in(login)
        await voter.headed("You are signed in")
        await voter.button("Go on").click()
        await voter.headed("Your vote was taken")


async def test_a_session_that_ends_between_two_questions(visit: Visit, city: City, site: LiveSite) -> None:
    login = await city.resident()
    voter = await visit(login, javascript=False)
    await begin(voter, city.slugs["every_kind"])
    await voter.choice(1, 3).check()
    with site.clock.moved(minutes=45):
        await voter.button("Next").click()
        await voter.fill_in_sign_in(login)
        await voter.button("Go on").click()
        await expect(voter.choice(2, 1)).to_be_visible()
        await voter.page.locator("button[name=op][value=back]").click()
        await expect(voter.choice(1, 3)).to_be_checked()


async def test_a_poll_that_closes_meanwhile(visit: Visit, city: City) -> None:
    slug = await city.open_poll(questions=every_kind())
    early, late = [await visit(await city.resident()) for _ in range(2)]
    for voter in (early, late):
        await begin(voter, slug)
    await early.choice(1, 1).check()
    await answer_all(late)
    await city.close(slug)
    for voter, button in ((early, "Next"), (late, "Send my vote")):
        await voter.button(button).click()
        await voter.headed("The poll has closed. Your vote was not taken")
        await expect(voter.main).to_contain_text(
            voter.words(
                "Nothing was taken: your answers were neither counted nor kept, and you are not listed as having voted."
            )
        )
    await late.go("/my-votes")
    await late.headed("My votes")
    await expect(late.page.locator("main li")).to_have_count(0)


async def test_answers_stay_in_the_form(visit: Visit, city: City) -> None:
    """No address, no cookie and no store of the browser ever holds an answer."""
    voter = await visit(await city.resident())
    cookies_before = {cookie["name"] for cookie in await voter.context.cookies()}
    await begin(voter, city.slugs["every_kind"])
    await answer_all(voter)
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    left = await left_in_browser(voter)
    assert (left["local"], left["session"]) == (0, 0)
    assert set(left["cookies"]) == cookies_before
    for url in voter.urls:
        assert "q-" not in url, url
        assert "key=" not in url, url


async def test_the_language_of_the_ballot(visit: Visit, city: City) -> None:
    """Changing the language in the middle keeps the answers; both languages have their own words."""
    voter = await visit(await city.resident())
    await begin(voter, city.slugs["every_kind"])
    await expect(voter.heading).to_have_text("Что важнее всего сделать во дворе?")
    await voter.choice(1, 3).check()
    await voter.page.get_by_role("button", name="English").click()
    await expect(voter.heading).to_have_text("What matters most?")
    await expect(voter.page.locator("html")).to_have_attribute("lang", "en")
    await expect(voter.choice(1, 3)).to_be_checked()
    await voter.page.get_by_role("button", name="Next", exact=True).click()
    await expect(voter.heading).to_have_text("What else is useful?")
    await voter.page.get_by_role("button", name="Русский").click()
    await expect(voter.heading).to_have_text("Что ещё пригодится?")


async def test_the_language_of_the_site(visit: Visit, city: City) -> None:
    visitor = await visit()
    await visitor.go(f"/polls/{city.slugs['every_kind']}")
    await expect(visitor.heading).to_have_text("Каким будет наш двор?")
    await visitor.page.get_by_role("link", name="English").click()
    await expect(visitor.heading).to_have_text("What will our yard be like?")
    await visitor.go("/")
    await expect(visitor.page.locator("html")).to_have_attribute("lang", "en")


async def test_reloading_the_receipt_gives_the_same_one(visit: Visit, city: City) -> None:
    slug = await city.open_poll(questions=[a_single_choice(1)])
    voter = await visit(await city.resident())
    await answer_one(voter, slug)
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    code = await voter.page.locator(".receipt code").inner_text()
    signature = await voter.page.locator("[name=signature]").input_value()
    await voter.page.reload()
    await voter.headed("Your vote was taken")
    assert await voter.page.locator(".receipt code").inner_text() == code
    assert await voter.page.locator("[name=signature]").input_value() == signature
    assert await city.votes(slug) == 1


async def test_the_receipt_as_a_file(visit: Visit, city: City, brief: str, site: LiveSite, tmp_path: Path) -> None:
    """The file holds a receipt signed by this service, with the code the page shows."""
    voter = await visit(await city.resident(), javascript=False)
    await answer_one(voter, brief)
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    async with voter.page.expect_download() as waiting:
        await voter.button("Save as a file").click()
    path = tmp_path / "receipt.json"
    await (await waiting.value).save_as(path)
    kept: dict[str, Any] = json.loads(path.read_bytes())
    body = await voter.page.locator("[name=body]").input_value()
    receipt = Receipt(body.encode(), kept["key_id"], base64.b64decode(kept["signature"]))
    signer = receipt_signer(site.settings)
    assert is_ours(receipt, signer.key_id, signer.public_key)
    assert receipt.facts == kept["receipt"]
    assert receipt_code(receipt) == await voter.page.locator(".receipt code").inner_text()


async def left_in_browser(visitor: Visitor) -> dict[str, Any]:
    """How many items the stores of the browser hold, and the names of its cookies."""
    stores = await visitor.page.evaluate("({local: localStorage.length, session: sessionStorage.length})")
    return {**stores, "cookies": [cookie["name"] for cookie in await visitor.context.cookies()]}


async def time_passes(voter: Visitor, tries: int = 1) -> None:
    """The seconds to the page's next try pass on its own clock, installed before it was opened; nobody waits for them.

    `tries`: how many it has made since it came; after one that nobody answers it waits twice as long.
    """
    seconds = await voter.page.locator("send-again").get_attribute("data-seconds")
    assert seconds
    await voter.page.clock.run_for(1_000 * int(seconds) * 2 ** (tries - 1))


def forget_full_box(voter: Visitor, slug: str) -> None:
    """The 503s of the casting form are what these tests are about; anything else stays a problem."""
    voter.problems[:] = [
        one for one in voter.problems if not (f"/polls/{slug}/cast" in one and ("503" in one.replace(slug, "")))
    ]


@pytest.mark.parametrize("javascript", [True, False], ids=["with_javascript", "without_javascript"])
async def test_a_full_box_takes_the_vote_a_moment_later(
    visit: Visit, city: City, brief: str, site: LiveSite, javascript: bool
) -> None:
    """The page says that nothing was taken yet; with scripts it sends the same vote again by itself."""
    voter = await visit(await city.resident(), javascript=javascript)
    if javascript:
        await voter.page.clock.install()
    await answer_one(voter, brief)
    before = await city.votes(brief)
    with site.full_box():
        await voter.button("Send my vote").click()
        await expect(voter.page.locator("[data-error-summary]")).to_contain_text(
            voter.words("The vote was not taken yet")
        )
        key = await voter.page.locator("input[name=key]").get_attribute("value")
        waiting = voter.page.locator("send-again")
        if javascript:
            said = voter.words("Your vote has not been taken yet. This page sends it again by itself in {seconds} s.")
            await expect(waiting).to_contain_text(said.split("{")[0])
            await time_passes(voter)
            await expect(voter.page.locator("input[name=tries]")).to_have_value("2", timeout=20_000)  # it has tried
            assert await voter.page.locator("input[name=key]").get_attribute("value") == key
            await voter.button("Do not send by itself").click()
            await expect(waiting).to_contain_text(
                voter.words("This page no longer sends by itself. Press «Send my vote» when you like.")
            )
        else:
            await expect(waiting).to_be_hidden()
        assert await city.votes(brief) == before
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")
    assert await city.votes(brief) == before + 1
    forget_full_box(voter, brief)


async def test_a_service_that_is_away_does_not_cost_the_ballot(
    visit: Visit, city: City, brief: str, site: LiveSite
) -> None:
    """Nobody answers when it is time to send: the page keeps the ballot and asks again, until somebody does."""
    voter = await visit(await city.resident(), javascript=True)
    await voter.page.clock.install()
    await answer_one(voter, brief)
    with site.full_box():
        await voter.button("Send my vote").click()
        await expect(voter.page.locator("send-again")).to_be_visible()
        key = await voter.page.locator("input[name=key]").get_attribute("value")
        await voter.page.route("**/*", lambda route: route.abort("connectionrefused"))
    said = voter.words("The service does not answer. This page tries again in {seconds} s.")
    await time_passes(voter)
    await expect(voter.page.locator("send-again")).to_contain_text(said.split("{")[0])
    assert await voter.page.locator("input[name=key]").get_attribute("value") == key
    await voter.page.unroute_all()
    await time_passes(voter, tries=2)
    await expect(voter.heading).to_have_text(voter.words("Your vote was taken"), timeout=40_000)
    forget_full_box(voter, brief)
    voter.problems[:] = [one for one in voter.problems if "/health/live" not in one and "CONNECTION_REFUSED" not in one]


NOTE_REGIONS = """
window.regions = [];
new MutationObserver(changes => {
    for (const one of changes.flatMap(change => [...change.addedNodes])) {
        if (one.role === "status") window.regions.push(one.textContent);
    }
}).observe(document, {childList: true, subtree: true});
"""


async def test_who_hears_the_page_knows_what_it_waits_for(visit: Visit, city: City, brief: str, site: LiveSite) -> None:
    """On a phone that loses the network and finds it again: each try is announced, once, with the time to it."""
    voter = await visit(await city.resident(), javascript=True, size="phone")
    await voter.context.add_init_script(NOTE_REGIONS)
    await voter.page.clock.install()
    await answer_one(voter, brief)
    said = voter.page.locator("[role=status].sr")

    def told(words: str) -> re.Pattern[str]:
        before, after = voter.words(words).split("{seconds}")
        return re.compile(re.escape(before) + r"\d+" + re.escape(after))

    with site.full_box():
        await voter.button("Send my vote").click()
        await expect(said).to_have_text(
            told("Your vote has not been taken yet. This page sends it again by itself in {seconds} s.")
        )
        assert await voter.page.evaluate("window.regions") == [""]  # words in a region that is new are not heard
        await voter.context.set_offline(True)
        await time_passes(voter)
        await expect(said).to_have_text(told("The service does not answer. This page tries again in {seconds} s."))
        await expect(voter.page.locator("send-again [data-words]")).to_have_text(
            told("The service does not answer. This page tries again in {seconds} s.")
        )
        width = await voter.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1]
    await voter.context.set_offline(False)
    await time_passes(voter, tries=2)
    await expect(voter.heading).to_have_text(voter.words("Your vote was taken"), timeout=40_000)
    await expect(voter.page.locator("send-again")).to_have_count(0)
    forget_full_box(voter, brief)
    voter.problems[:] = [one for one in voter.problems if "/health/live" not in one and "DISCONNECTED" not in one]


async def test_a_page_left_alone_ends_on_the_receipt(visit: Visit, city: City, brief: str, site: LiveSite) -> None:
    voter = await visit(await city.resident(), javascript=True)
    await voter.page.clock.install()
    await answer_one(voter, brief)
    with site.full_box():
        await voter.button("Send my vote").click()
        await expect(voter.page.locator("send-again")).to_be_visible()
    await time_passes(voter)
    await expect(voter.heading).to_have_text(voter.words("Your vote was taken"), timeout=20_000)
    forget_full_box(voter, brief)
