"""Two people and their passkeys in Chromium: drafted, sent for consent, read, agreed to; never alone, never after an
edit, never twice. Afterwards an observer finds all of it in the audit log."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import text
from tests.browser.city import ARBAT
from tests.browser.site import LiveSite, serving
from tests.browser.test_accessibility import AXE, faults_of
from tests.browser.test_passkeys import device_of
from tests.browser.visitors import PASSWORD, Visitor
from tests.builders import a_citizen
from tests.databases import Databases
from tests.sites import add_account

from voting.approvals.errors import ApprovalOwn
from voting.db import Database
from voting.demo_register import load_city

WORDS = {
    "title.ru": "Каким будет сквер?", "title.en": "What will the square be like?",
    "summary.ru": "Место свободно.", "summary.en": "There is room.",
    "questions.1.text.ru": "Что построить в сквере?", "questions.1.text.en": "What to build in the square?",
    "questions.1.options.1.text.ru": "Площадку", "questions.1.options.1.text.en": "A playground",
    "questions.1.options.2.text.ru": "Фонтан", "questions.1.options.2.text.en": "A fountain",
}  # fmt: skip


@dataclass
class Office:
    """A city with four eyes on, and people at their browsers; the observer is not signed in yet."""

    database: Database
    official: Visitor
    reviewer: Visitor
    observer: Visitor
    public_id: str = ""


@pytest.fixture(scope="module")
def strict_site(
    _browser_wanted: None, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    name = databases.create()
    with serving(databases.url(name), tmp_path_factory.mktemp("strict"), four_eyes=True) as running:
        yield running
    databases.drop(name)


@pytest.fixture
async def office(chromium: Browser, strict_site: LiveSite) -> AsyncIterator[Office]:
    assert strict_site.settings.database_url
    database = Database.from_url(strict_site.settings.database_url)
    async with database.open_session() as session:
        await load_city(session)
        await a_citizen(session)
    await add_account(database, "official@office.test", "official", "reviewer", password=PASSWORD)
    await add_account(database, "reviewer@office.test", "reviewer", password=PASSWORD)
    await add_account(database, "observer@office.test", "observer", password=PASSWORD)
    address = strict_site.url.replace("127.0.0.1", "localhost")  # browsers make passkeys for names only
    visitors = []
    for login, size in (("official@office.test", "desktop"), ("reviewer@office.test", "phone")):
        visitor = await Visitor.arrive(chromium, address, size=size, bypass_csp=True)
        await visitor.context.add_init_script(path=AXE)
        visitors.append(visitor)
        await device_of(visitor)
        await visitor.sign_in(login, then="/account/keys")
        add = visitor.page.locator("form[action='/account/keys/add']")
        await add.locator("[name=name]").fill("Рабочий телефон")
        await add.locator("[name=step_up_password]").fill(PASSWORD)
        await add.locator("button[type=submit]").click()
        await expect(visitor.page.locator("main [role=status]").first).to_contain_text(
            visitor.words("The passkey is registered.")
        )
    observer = await Visitor.arrive(chromium, address, bypass_csp=True)
    await observer.context.add_init_script(path=AXE)
    yield Office(database, visitors[0], visitors[1], observer)
    visitors.append(observer)
    for visitor in visitors:
        await visitor.leave()
    assert not [problem for visitor in visitors for problem in visitor.problems]
    await database.close()


async def draft(official: Visitor) -> str:
    """From an empty editor to a poll the checklist lets through; gives its id."""
    page, day = official.page, datetime.now(ZoneInfo("Europe/Moscow")) + timedelta(days=1)
    await official.go("/officials")
    await official.link("New poll").first.click()
    await official.link("An empty poll").click()
    for name, words in WORDS.items():
        await page.locator(f"[name='{name}']").fill(words)
    await page.locator("button[value='add_neutral:1:hard_to_say']").click()
    await expect(page.locator("[name='questions.1.options.2.text.ru']")).to_have_value("Фонтан")
    await page.locator("[name='audience.age_from']").fill("18")
    await page.locator("details", has=page.locator(f"[id='audience.territories.{ARBAT}']")).locator("summary").click()
    await page.locator(f"[id='audience.territories.{ARBAT}']").check()
    await page.locator("[name='opens_at']").fill(f"{day:%Y-%m-%dT10:00}")
    await page.locator("[name='closes_at']").fill(f"{day + timedelta(days=7):%Y-%m-%dT12:00}")
    await page.locator("button[name=op][value=check]").click()
    await official.headed("Check before scheduling")
    await expect(official.main).to_contain_text(official.words("Nothing stands in the way"))
    found = re.search(r"/polls/([0-9a-f]{32})", page.url)
    assert found
    return found[1]


async def send(office: Office) -> str:
    """From the check's page through the passkey to the request; gives its address."""
    official = office.official
    await official.go(f"/officials/polls/{office.public_id}/check")
    await official.page.locator("#understood").check()
    await official.button("Send for consent").click()
    await official.headed("Send for consent")
    await expect(official.main).to_contain_text(official.words("Seal and schedule the poll"))
    await official.button("Send for consent").click()
    await expect(official.page.locator("main [role=status]").first).to_contain_text(
        official.words("Sent for consent. Nothing happens before somebody agrees.")
    )
    found = re.search(r"/officials/approvals/\d+", official.page.url)
    assert found
    return found[0]


async def test_publishing_takes_two_people_with_their_passkeys(office: Office) -> None:
    official, reviewer = office.official, office.reviewer
    office.public_id = await draft(official)
    request = await send(office)

    assert await faults_of(official.page, "light") == []
    # The author holds the reviewer's role too, and finds no way to agree.
    await expect(official.page.locator(f"form[action='{request}/agree']")).to_have_count(0)
    await official.go("/officials/approvals")
    await expect(official.main).to_contain_text(official.words("Nothing waits for you"))

    # While the reviewer reads, the author edits: the consent is refused, and the page says why.
    await reviewer.go("/officials")
    await reviewer.page.locator("a[href='/officials/approvals']").first.click()
    await reviewer.headed("Waits for your consent")
    assert await faults_of(reviewer.page, "light") == []
    await reviewer.page.locator(f"a[href='{request}']").first.click()
    await reviewer.headed("Seal and schedule the poll")
    await expect(reviewer.main).to_contain_text("Каким будет сквер?")
    await expect(reviewer.page.locator(".diff-row").first).to_be_visible()
    await expect(
        reviewer.page.locator(".phone [name^='q']").or_(reviewer.page.locator(".phone .pv")).first
    ).to_be_visible()
    assert await faults_of(reviewer.page, "light") == []
    await agree_with_oneself(official, reviewer, request)
    await official.go(f"/officials/polls/{office.public_id}/edit")
    await official.page.locator("[name='summary.ru']").fill("Теперь с кратким описанием.")
    await official.page.locator("[name='summary.en']").fill("With a summary now.")
    await official.page.locator("button[name=op][value=save]:not(.sr)").first.click()
    await expect(official.page.locator("main [role=status]").first).to_be_visible()
    await reviewer.button("Agree and carry out").click()
    await expect(reviewer.main).to_contain_text(reviewer.words("This request is void"))
    reviewer.problems.clear()  # the console names the refusal that was just asked for

    # Sent anew, the page shows what has changed since and nothing else; agreed to, the poll is sealed.
    request = await send(office)
    await reviewer.go(request)
    await expect(reviewer.page.locator(".diff-row")).to_have_count(2)
    await expect(reviewer.main).to_contain_text("Теперь с кратким описанием.")
    seen = await reviewer.page.locator("[name=seen]").get_attribute("value")
    await reviewer.button("Agree and carry out").click()
    await expect(reviewer.page.locator("main [role=status]").first).to_contain_text(
        reviewer.words("You have agreed, and it is done.")
    )
    await official.go(f"/officials/polls/{office.public_id}")
    await expect(official.main).to_contain_text(official.words("A second person had read them and agreed."))

    # The same form once more is a replay.
    token = await reviewer.page.locator("[name=csrf_token]").first.get_attribute("value")
    again = await reviewer.context.request.post(
        f"{reviewer.site_url}{request}/agree", form={"csrf_token": token or "", "seen": seen or ""},
        headers={"origin": reviewer.site_url},
    )  # fmt: skip
    assert again.status == 409
    async with office.database.open_session() as session:
        rows = (await session.execute(text("SELECT kind, facts FROM audit_event ORDER BY id"))).all()
        kept = (await session.execute(text("SELECT * FROM approval WHERE state = 'approved'"))).one()
    kinds = [row.kind for row in rows]
    assert [kinds.count(kind) for kind in ("approval_asked", "approval_void", "approval_given")] == [2, 1, 1]
    for evidence in (kept.author_evidence, kept.decider_evidence):
        assert (evidence["method"], evidence["object_hash"]) == ("passkey", kept.object_hash.hex())
    await read_the_log(office.observer, kept.author_id, kept.decided_by)


async def agree_with_oneself(author: Visitor, reviewer: Visitor, request: str) -> None:
    """The reviewer's form in the author's page, proven by the author's own passkey: refused, and nothing happens."""
    form = await reviewer.page.locator(f"form[action='{request}/agree']").evaluate("form => form.outerHTML")
    await author.go("/account/keys")  # a page that loads what asks the passkey
    await author.page.evaluate(
        """form => {
            const token = document.querySelector("[name=csrf_token]").value;
            const main = document.querySelector("main");
            main.insertAdjacentHTML("beforeend", form);
            main.lastElementChild.querySelector("[name=csrf_token]").value = token;
        }""",
        form,
    )
    await author.button("Agree and carry out").click()
    await expect(author.page.locator("[data-error-summary]")).to_contain_text(author.words(ApprovalOwn.detail))
    await expect(author.page.locator(f"form[action='{request}/withdraw']")).to_be_visible()
    await expect(author.page.locator("#answer code.hash")).to_have_text(re.compile(f"{request}$"))
    author.problems.clear()  # the console names the refusal that was just asked for


async def read_the_log(observer: Visitor, author: int, reviewer: int) -> None:
    """Signed in, from the office to the log: every step is there, newest first, with who took it."""
    await observer.sign_in("observer@office.test", then="/audit")
    await observer.headed("Audit log")
    assert await faults_of(observer.page, "light") == []
    entries = await observer.page.locator("ol.audit-log > li").all_inner_texts()
    told = [
        ("A passkey was registered", author), ("A passkey was registered", reviewer), ("A poll was drafted", author),
        ("A second person was asked to agree", author), ("A request ended, since its object was changed", None),
        ("A second person agreed, and it was done", reviewer), ("A poll was sealed and scheduled", None),
    ]  # fmt: skip
    for sentence, actor in told:
        by = "" if actor is None else observer.words("account № %(n)s", n=actor)
        assert any(observer.words(sentence) in one and by in one for one in entries), (sentence, by, entries)
    # And found by what happened, alone.
    await observer.page.locator("#kind").select_option("approval_void")
    await observer.button("Find").click()
    await expect(observer.page.locator("ol.audit-log > li")).to_have_count(1)
