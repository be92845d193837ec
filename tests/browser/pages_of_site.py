"""Every page of the site, one after the other in one browser: for whoever looks at all of them.

Each walk leads a visitor through some of the pages and gives the name of each while it is shown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from playwright.async_api import expect
from tests.browser.city import ADMIN, ANALYST, OFFICIAL, OPERATOR, REVIEWER, City
from tests.browser.visitors import Visitor

from voting.identity.refusals import BadCode


async def public_pages(visitor: Visitor, city: City) -> AsyncIterator[str]:
    """What anybody may open."""
    addresses = [
        "/", "/?phase=soon", "/?phase=ended", "/?q=tram", "/results", "/decisions",
        "/decisions?show=overdue", "/departments", f"/decisions/{city.slugs['counted']}",
        *(f"/polls/{city.slugs[name]}" for name in ("every_kind", "soon", "cancelled", "counted")),
        *(f"/polls/{city.slugs[name]}/results"
          for name in ("every_kind", "soon", "cancelled", "counted", "few", "live")),
        *(f"/polls/{city.slugs['counted']}/explore{query}" for query in ("", "?question=3&by=sex&sauce=hot")),
        f"/polls/{city.slugs['counted']}/downloads",
        "/sign-in", "/sign-up", "/forgot", "/assisted", "/reset?t=x", "/confirm?t=x", "/demo/letters",
        "/help/how-it-works", "/help/secrecy", "/help/accessibility", "/help/data", "/registry",
        f"/polls/{city.slugs['counted']}/protocol", f"/polls/{city.slugs['counted']}/protocol/1",
        "/verify", f"/polls/{city.slugs['counted']}/verify", f"/polls/{city.slugs['soon']}/verify",
        "/there-is-no-such-page", "/problems", "/problems/already_voted", "/api/docs",
        "/open-data", *(f"/embed/polls/{city.slugs[name]}" for name in ("every_kind", "soon", "cancelled", "counted")),
    ]  # fmt: skip
    for address in addresses:
        await visitor.go(address)
        if address == "/api/docs":
            await expect(visitor.page.locator(".swagger-ui .opblock").first).to_be_visible()
        yield address
    await visitor.go(f"/polls/{city.slugs['counted']}/downloads")
    await visitor.page.locator("form[action$='/exports'] button").first.click()
    await expect(visitor.page.locator("a[href$='/file']")).to_be_visible(timeout=60_000)  # it asks again by itself
    yield "a file that was ordered"
    await visitor.go("/sign-up")
    await visitor.page.locator("form button[type=submit]").last.click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "a sign-up refused"


async def ballot_pages(visitor: Visitor, city: City) -> AsyncIterator[str]:
    """A resident's own pages: a question of every kind with and without an error, check, receipt, account."""
    await visitor.let_in(await city.resident())
    await visitor.go("/")
    yield "the polls of a resident"
    await visitor.go(f"/polls/{city.slugs['every_kind']}/vote")
    yield "one answer"
    await visitor.button("Next").click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "one answer, refused"
    await visitor.choice(1, 1).check()
    await visitor.button("Next").click()
    await visitor.choice(2, 1).check()
    yield "several answers"
    await visitor.button("Next").click()
    await visitor.level(3, 1, 4).check()
    yield "a rating"
    await visitor.button("Next").click()
    await visitor.choice(4, 2).check()
    yield "a budget"
    await visitor.choice(4, 3).check()
    await visitor.button("Check the answers").click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "a budget, over the limit"
    await visitor.choice(4, 3).uncheck()
    await visitor.button("Check the answers").click()
    await visitor.headed("Check your answers. Your vote has not been sent yet")
    yield "the check of the answers"
    await visitor.button("Send my vote").click()
    await visitor.headed("Your vote was taken")
    yield "the receipt"
    for address in (
        f"/polls/{city.slugs['every_kind']}", f"/polls/{city.slugs['every_kind']}/vote", "/my-votes", "/account",
        "/account/keys", "/account/ways", "/account/email", "/account/data",
    ):  # fmt: skip
        await visitor.go(address)
        yield f"{address} of somebody who has voted"


async def office_pages(visitor: Visitor, city: City) -> AsyncIterator[str]:
    """The officials' and the analyst's pages."""
    await visitor.let_in(OFFICIAL)
    await visitor.go("/officials")
    yield "the desk"
    draft = f"/officials/polls/{city.draft_id}"
    for address in ("/officials?q=tram", "/officials/polls/new",
                    f"{draft}/edit", f"{draft}/check", f"{draft}/delete", f"{draft}/picture/1/1"):  # fmt: skip
        await visitor.go(address)
        yield address
    await visitor.go("/officials/polls/new")
    await visitor.page.locator("[name='opens_at']").fill("2026-12-01T10:00")
    await visitor.page.locator("[name='audience.age_from']").fill("восемнадцать")
    await visitor.page.locator("button[name=op][value=save]").click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "the editor, refused"
    await visitor.go(f"{draft}/edit")  # nothing was typed since: nobody asks
    for name in ("every_kind", "counted", "cancelled"):
        await visitor.go(f"/officials/polls/{await city.public_id(city.slugs[name])}")
        yield f"the desk's page of «{name}»"
    await visitor.go("/officials/protocols")
    yield "the protocols"
    for name in ("every_kind", "counted", "few"):
        await visitor.go(f"/officials/polls/{await city.public_id(city.slugs[name])}/protocol")
        yield f"the protocol of «{name}» on the desk"
    decision = f"/officials/polls/{await city.public_id(city.slugs['counted'])}/decision"
    await visitor.go(decision)
    yield "a decision and its steps"
    step = await visitor.page.locator(f"a[href^='{decision}/steps/']").first.get_attribute("href")
    await visitor.page.locator("[name='owner']").fill("")
    await visitor.page.locator("button[name=op][value=save]").click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "a decision, refused"
    await visitor.go(str(step))
    yield "a step and its files"
    await visitor.page.locator("#files form[enctype] button").click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "a file, refused"
    await visitor.go("/officials/approvals")
    yield "what waits for a second person"
    await visitor.let_in(ADMIN)
    await visitor.go("/officials")
    yield "the office of an administrator"
    await visitor.go("/officials/accounts")
    yield "accounts"
    await visitor.button("Make the account").click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "an account refused"
    await visitor.page.locator(".desk a[href^='/officials/accounts/']").first.click()
    await expect(visitor.page.locator("#roles-h")).to_be_visible()
    yield "an account"
    await visitor.go("/invitation")
    yield "an invitation"
    await visitor.let_in(REVIEWER)
    await visitor.go("/officials/people")
    yield "who is who, with nobody waiting"
    for kind in ("two_entries", "not_found"):
        await visitor.go(f"/officials/people/{await city.case_of_somebody(kind)}")
        yield f"a person to be found, {kind}"
    await visitor.button("Propose").click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "a proposal, refused"
    await visitor.let_in(ANALYST)
    await visitor.go("/downloads")
    yield "the downloads"
    await visitor.go("/margins")
    yield "the census margins"
    await visitor.go("/account/tokens")
    yield "tokens"
    await visitor.button("Make a token").click()
    await expect(visitor.page.locator("[data-error-summary]")).to_be_visible()
    yield "a token refused"
    await visitor.page.get_by_label(visitor.words("What it is for")).fill("notebook")
    await visitor.button("Make a token").click()
    await expect(visitor.page.locator("#made")).to_be_visible()
    yield "a token made"
    await visitor.let_in(OPERATOR)
    await visitor.go("/operator")
    yield "the operator's desk"
    await visitor.button("Show the code").click()
    await expect(visitor.page.locator("[data-error-summary], .ds-validation-message").first).to_be_visible()
    yield "the operator's desk, refused"
    async for name in booth_pages(visitor, city):
        yield name
    await visitor.let_in("observer@demo.example")
    await visitor.go("/audit")
    yield "the audit log"
    await visitor.go("/audit?kind=role_granted&since=2001-01-01&until=2001-01-02")
    yield "the audit log, nothing found"
    await visitor.go("/audit?since=yesterday&actor=nobody%20here&subject=%3F")
    yield "the audit log, asked for what cannot be"


async def booth_pages(visitor: Visitor, city: City) -> AsyncIterator[str]:
    """The operator brings a resident; in the booth, which is this very browser, the resident votes."""
    document, born = await city.document()
    page = visitor.page
    await visitor.go("/operator")
    await page.locator("[name=national_id]").fill(document)
    await page.locator("[name=birth_date]").fill(f"{born}")
    await page.locator("[name=document_seen]").check()
    await visitor.button("Show the code").click()
    code = await page.locator(".panel code").inner_text()
    yield "the code for the booth"
    await visitor.go("/assisted")
    await visitor.button("Go on").click()
    await expect(page.locator("main")).to_contain_text(visitor.words(BadCode.detail))
    yield "the booth, with no code"
    await page.locator("[name=code]").fill(code)
    await visitor.button("Go on").click()
    await visitor.headed("Your consent")
    yield "a resident's consent"
    await visitor.button("Begin").click()
    await expect(page.locator("[data-error-summary], .ds-validation-message").first).to_be_visible()
    yield "a resident's consent, refused"
    await page.locator("[name=consent]").check()
    await visitor.button("Begin").click()
    await visitor.headed("Choose a poll")
    yield "the polls of the booth"
    await visitor.go(f"/polls/{await city.open_poll()}/vote")
    yield "a ballot in the booth"
    await visitor.choice(1, 1).check()
    await visitor.button("Check the answers").click()
    yield "the check of the answers in the booth"
    await visitor.button("Send my vote").click()
    await visitor.headed("Your vote was taken")
    yield "the receipt for print"
