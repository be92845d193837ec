"""An official goes from the closing to a certified protocol, its papers and the decision, with a second person."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.async_api import expect
from tests.browser.city import OFFICIAL, REVIEWER, City
from tests.browser.conftest import Visit
from tests.browser.office import await_results, close, type_in
from tests.browser.visitors import Visitor
from tests.builders import a_single_choice

from results.protocol_check import check_protocol, read_keys


async def vote(voter: Visitor, slug: str) -> None:
    await voter.go(f"/polls/{slug}/vote")
    await voter.choice(1, 1).check()
    await voter.button("Check the answers").click()
    await voter.button("Send my vote").click()
    await voter.headed("Your vote was taken")


async def reload_until(visitor: Visitor, address: str, words: str) -> None:
    """Open a page until it says something: jobs do their part in the meantime."""
    for _ in range(320):
        await visitor.go(address)
        if visitor.words(words) in await visitor.main.inner_text():
            return
        await visitor.page.wait_for_timeout(100)
    await expect(visitor.main).to_contain_text(visitor.words(words))


async def test_from_the_closing_to_the_decision(visit: Visit, city: City, tmp_path: Path) -> None:
    slug = await city.open_poll(questions=[a_single_choice(1)])
    public_id = await city.public_id(slug)
    await vote(await visit(await city.resident()), slug)
    official = await visit(OFFICIAL)
    await close(official, public_id)
    await await_results(official, slug, city)

    # The official reads what will be signed, and prepares it.
    await official.go(f"/officials/polls/{public_id}")
    await official.link("Results and protocol").click()
    address = f"/officials/polls/{public_id}/protocol"
    await city.hurry("publish_boards")
    await reload_until(official, address, "Prepare for certification")
    await expect(official.main).to_contain_text("Победил вариант «Вариант 1»")
    await official.button("Prepare for certification").click()
    await expect(official.page.get_by_role("status")).to_contain_text(
        official.words("Prepared. It waits for a second person.")
    )
    assert await official.button("Certify").count() == 0

    # Another person, on a phone and without JavaScript, finds it and stands for it.
    reviewer = await visit(REVIEWER, size="phone", javascript=False)
    await reviewer.go("/")
    await reviewer.link("Office").last.click()
    await reviewer.page.locator("main a[href='/officials/protocols']").first.click()
    await reviewer.page.locator(f"a[href='{address}']").first.click()
    await reviewer.button("Certify").click()
    await expect(reviewer.page.locator("[data-error-summary]")).to_be_visible()
    await reviewer.page.locator("#agreed").check()
    await reviewer.button("Certify").click()
    done = reviewer.words("Certified. The worker signs it within seconds.")
    await expect(reviewer.page.get_by_role("status")).to_contain_text(done)

    # Everybody reads it; the worker has signed it; the file proves itself.
    reader = await visit(locale="en-GB")
    await reload_until(reader, f"/polls/{slug}/protocol", "Signature and files")
    for _ in range(240):
        if await reader.link("Signed JSON").count():
            break
        await reader.page.wait_for_timeout(100)
        await reader.page.reload()
    await expect(reader.link("Signed JSON")).to_be_visible()
    await expect(reader.main).to_contain_text("Certified by")
    file = await reader.context.request.get(f"/polls/{slug}/protocol.json")
    keys = await reader.context.request.get("/api/v1/keys")
    verdict = check_protocol(await file.body(), read_keys(await keys.body()))
    assert (verdict.code, verdict.wrong, verdict.unchecked) == (0, [], [])
    assert json.loads(await file.body())["protocol"]["certified"]["name"] == "Олег Карпов"
    for paper in ("protocol.pdf", "results.pdf"):
        made = await reader.context.request.get(f"/polls/{slug}/{paper}")
        assert made.ok
        assert (await made.body()).startswith(b"%PDF-")

    # And what the city does about it.
    await official.go(address)
    await official.link("Record the decision").click()
    await type_in(official.page, {"text.ru": "Построим фонтан к маю.", "owner": "Управа района Арбат"})
    await official.page.locator("button[name=op][value=save]").click()
    await expect(official.page.get_by_role("status")).to_contain_text(official.words("The decision is published."))
    await official.go(address)
    await expect(official.link("The decision and its steps")).to_be_visible()
    await reader.go(f"/polls/{slug}/results")
    await expect(reader.main).to_contain_text("Построим фонтан к маю.")
    await expect(reader.main).to_contain_text("Certified by a second person")
