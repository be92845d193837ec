"""A tie through the pages: a lot of two secrets that the results page lets anybody repeat, and the chair's word."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import Locator, expect
from sqlalchemy import text
from tests.browser.city import OFFICIAL, City
from tests.browser.conftest import Visit
from tests.browser.office import await_results, unfold
from tests.browser.visitors import FULL, Visitor
from tests.builders import a_single_choice

from polls.catalogue import sealed_poll

OBSERVER = "observer@demo.example"
DICE = "ab" * 32


async def a_tied_poll(city: City, tie: str) -> str:
    """A poll that opens in an hour, its tie decided so; gives its slug."""
    now = datetime.now(UTC)
    question = {**a_single_choice(1), "rule": {"method": "plurality", "tie": tie}}
    return await city.open_poll(
        questions=[question], opens_at=now + timedelta(hours=1), closes_at=now + timedelta(days=3)
    )


async def an_hour_passes(city: City, slug: str) -> None:
    """The moment of opening comes, for the database."""
    async with city.database.open_session() as session:
        poll = await sealed_poll(session, slug)
        await session.execute(text("ALTER TABLE poll DISABLE TRIGGER sealed"))
        await session.execute(
            text("UPDATE poll SET opens_at = now() - interval '1 hour' WHERE id = :id"), {"id": poll.id}
        )
        await session.execute(text("ALTER TABLE poll ENABLE TRIGGER sealed"))


async def two_vote_against_each_other(visit: Visit, city: City, slug: str) -> None:
    """One resident for option 1, one for option 3; none for option 2. In short without browsers."""
    for option in (1, 3):
        if not FULL:
            await city.cast(slug, {"1": option})
            continue
        voter = await visit(await city.resident(), javascript=False)
        await voter.go(f"/polls/{slug}/vote")
        await voter.choice(1, option).check()
        await voter.button("Check the answers").click()
        await voter.button("Send my vote").click()
        await voter.headed("Your vote was taken")


def told(reader: Visitor) -> Locator:
    """What the results page tells of the question."""
    return reader.page.locator("section[aria-labelledby=h-q1]")


async def reveal(party: Visitor, slug: str, secret: str) -> None:
    await party.go(f"/lots/{slug}")
    await party.page.locator("#secret").fill(secret)
    await party.button("Reveal and publish").click()
    await expect(party.page.get_by_role("status").first).to_be_visible()


async def test_a_lot_that_a_reader_repeats(visit: Visit, city: City) -> None:
    slug = await a_tied_poll(city, "lot")
    official, observer = await visit(OFFICIAL), await visit(OBSERVER)
    await official.go(f"/lots/{slug}")
    await official.button("Make a secret in this browser").click()
    secret = await official.page.locator("[data-secret]").inner_text()
    await official.button("Commit").click()
    await expect(official.main).to_contain_text(official.words("The commitment is kept and public."))
    await observer.go(f"/lots/{slug}")
    await observer.page.locator("#secret").fill(DICE)
    await observer.button("Commit").click()
    await expect(observer.page.locator("dl.facts-list code")).to_have_count(2)
    await an_hour_passes(city, slug)
    await two_vote_against_each_other(visit, city, slug)
    await city.close(slug)

    reader = await visit(locale="en-GB", javascript=False)
    await await_results(observer, slug, city)
    await expect(told(observer)).to_contain_text("По правилам решает жребий.")
    await reveal(observer, slug, DICE)
    await official.go(f"/lots/{slug}")
    await official.page.locator("#secret").fill("00" * 32)
    await official.button("Reveal and publish").click()
    await expect(official.page.locator("[data-error-summary]")).to_be_visible()
    await reveal(official, slug, secret)

    await observer.go(f"/polls/{slug}")
    history = await observer.page.locator("ol.history").inner_text()
    for event in ("An official committed to a secret for the lot.", "The observer revealed the secret for the lot.",
                  "a lot decided what was tied."):  # fmt: skip
        assert observer.words(event) in history
    assert "_" not in history, "no code of an event stands in place of words"
    await reader.go(f"/polls/{slug}/results?lang=en")
    await reader.page.locator("summary", has_text="How to repeat the lot").click()
    words = await told(reader).inner_text()
    assert "The winner is" in words
    order = await repeat_the_lot(reader, words)
    assert {order[0], order[1]} == {1, 3}
    winner = await told(reader).locator("tr.win th").inner_text()
    assert str(order[0]) in winner


async def repeat_the_lot(reader: Visitor, words: str) -> list[int]:
    """What follows from the numbers of the page alone, by the formula that stands there."""
    found = re.findall(r"\b[0-9a-f]{64}\b", words)
    assert len(found) == 5, words
    committed, official, seen, observer, root = [bytes.fromhex(one) for one in found]
    async with reader.page.expect_response("**/rules.json") as rules:
        await reader.page.evaluate("1")
        await reader.page.goto(f"{reader.page.url.partition('/results')[0]}/rules.json")
    poll_hash = hashlib.sha256(await (await rules.value).body()).digest()
    for party, secret, commitment in ((b"official", official, committed), (b"observer", observer, seen)):
        assert hashlib.sha256(b"veche/lot-commitment/v1" + poll_hash + party + b"\0" + secret).digest() == commitment
    placed = re.search(r"Stage and tied ids\s+(\d+); ([\d, ]+)", words)
    assert placed, words
    numbers = [1, int(placed[1]), *(int(one) for one in placed[2].split(","))]
    lot = hashlib.sha256(
        b"veche/lot/v1" + official + observer + root + b"".join(n.to_bytes(4, "big") for n in numbers)
    ).digest()
    await reader.page.go_back()
    return sorted(numbers[2:], key=lambda option: hashlib.sha256(lot + option.to_bytes(4, "big")).digest())


async def test_the_chair_decides_with_a_reason(visit: Visit, city: City) -> None:
    slug = await a_tied_poll(city, "chair")
    official = await visit(OFFICIAL)
    await an_hour_passes(city, slug)
    await two_vote_against_each_other(visit, city, slug)
    await city.close(slug)
    await await_results(official, slug, city)
    await expect(told(official)).to_contain_text("По правилам решает председатель.")
    await expect(told(official).locator(".mark-tied")).to_have_count(2)

    await official.go(f"/officials/polls/{await city.public_id(slug)}")
    await official.link("Lot and ties").click()
    await official.page.locator("[name='place.3']").select_option("1")
    await official.page.locator("[name='place.1']").select_option("2")
    await official.button("Publish the chair's decision").click()
    await expect(official.page.locator("[data-error-summary]")).to_be_visible()
    await expect(official.page.locator("[name='place.3']")).to_have_value("1")
    await official.page.locator("[name=reason]").fill("Так решила комиссия.")
    await official.button("Publish the chair's decision").click()
    await expect(official.main).to_contain_text(official.words("The decision is published and the poll counted anew."))

    reader = await visit(size="phone")
    await reader.go(f"/polls/{slug}/results")
    await unfold(reader.page)
    await expect(told(reader).locator("tr.win th")).to_contain_text("3")
    await expect(told(reader)).to_contain_text("Председатель решил")
    await expect(told(reader)).to_contain_text("Причина: Так решила комиссия.")
    await expect(told(reader).locator(".mark-tied")).to_have_count(0)
    await expect(reader.main).to_contain_text("Версия 2: равенство решил председатель. Причина: Так решила комиссия.")
