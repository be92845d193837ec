"""A resident comes through the city's sign-on, votes, and is the same person by password the next day."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, expect
from tests.browser.site import LiveSite, serving, site_settings
from tests.browser.test_accessibility import AXE, faults_of
from tests.browser.visitors import Visitor
from tests.builders import an_open_poll
from tests.databases import Databases

from polls.catalogue import SealedPoll
from voting.db import Database
from voting.demo.residents import settle_residents
from voting.demo.sign_on import NoSignOn, running_provider
from voting.demo_register import load_city

LOGIN, OWN_PASSWORD = "new@city.example", "зелёный сквер у дома"


@dataclass
class Town:
    """A site with a real provider beside it, an open poll, and a resident who has no account yet."""

    site: LiveSite
    poll: SealedPoll
    issuer: str
    resident: Visitor


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def signed_on_site(
    _browser_wanted: None, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    """The site and the provider as `veche sign-on` runs them."""
    name, home, port = databases.create(), tmp_path_factory.mktemp("signed-on"), free_port()
    try:
        with (
            running_provider(site_settings(databases.url(name), home, port), free_port()) as provider,
            serving(databases.url(name), home, port=port, city_sign_on=(provider,)) as site,
        ):
            yield site
    except NoSignOn as lack:
        pytest.skip(str(lack))
    finally:
        databases.drop(name)


@pytest.fixture
async def town(chromium: Browser, signed_on_site: LiveSite) -> AsyncIterator[Town]:
    assert signed_on_site.settings.database_url
    database = Database.from_url(signed_on_site.settings.database_url)
    async with database.open_session() as session:
        await load_city(session)
        await settle_residents(session, signed_on_site.settings, datetime.now(UTC))
        poll = await an_open_poll(session)
    await database.close()
    [provider] = signed_on_site.settings.city_sign_on
    visitor = await Visitor.arrive(chromium, signed_on_site.url, bypass_csp=True)
    await visitor.context.add_init_script(path=AXE)
    yield Town(signed_on_site, poll, provider.issuer, visitor)
    await visitor.leave()
    left = f"request to another host: {provider.issuer}/"  # whither the sign-on leads, and nowhere else
    assert not [problem for problem in visitor.problems if not problem.startswith(left)]


async def test_votes_by_sign_on_and_finds_it_by_password_the_next_day(town: Town) -> None:
    resident, page, slug = town.resident, town.resident.page, town.poll.slug

    # From the poll to the provider and back to the ballot, without filling anything in.
    await resident.go(f"/polls/{slug}/vote")
    await page.get_by_role("link", name="учебный сервис города").click()
    assert page.url.startswith(town.issuer)
    await page.get_by_role("button", name="Новый житель").click()
    await page.wait_for_url(f"**/polls/{slug}/vote")
    await resident.choice(1, 1).check()
    await resident.button("Check the answers").click()
    await resident.button("Send my vote").click()
    await resident.headed("Your vote was taken")
    await resident.go("/my-votes")
    took_part = await page.locator("ul.lines > li").all_inner_texts()
    assert len(took_part) == 1

    await resident.go("/account/ways")
    assert await faults_of(page, "light") == []
    await page.locator("[name=login]").fill(LOGIN)
    await page.locator("[name=password]").fill(OWN_PASSWORD)
    await resident.button("Add the password").click()
    await expect(page.locator("main [role=status]")).to_contain_text(
        resident.words("From now on you can sign in with this password, too.")
    )

    with town.site.clock.moved(hours=25):
        # The session is over; the provider need not be there.
        await resident.go("/my-votes")
        await resident.fill_in_sign_in(LOGIN, OWN_PASSWORD)
        await resident.headed("My votes")
        assert await page.locator("ul.lines > li").all_inner_texts() == took_part

        assert (await resident.go(f"/polls/{slug}/vote")).status == 409
        await resident.headed("You have already voted in this poll")
        token = (await (await resident.context.request.get("/api/v1/session")).json())["csrf_token"]
        again = await resident.context.request.post(
            f"/api/v1/polls/{slug}/ballots", data={"answers": {"1": [2]}},
            headers={"x-csrf-token": token, "idempotency-key": "k" * 22, "origin": town.site.url},
        )  # fmt: skip
        assert (again.status, (await again.json())["code"]) == (409, "already_voted")


@pytest.mark.parametrize(
    ("person", "told"),
    [("Приезжий", "Номер вашего обращения"), ("личность не подтверждена", "подтверждена недостаточно"),
     ("Отказаться", "отменён или не разрешён")],
)  # fmt: skip
async def test_whoever_is_not_let_in_reads_why(town: Town, person: str, told: str) -> None:
    resident = town.resident
    await resident.go("/sign-in")
    await resident.page.get_by_role("link", name="учебный сервис города").click()
    await resident.page.get_by_role("button", name=person).click()
    await resident.page.wait_for_url(f"{town.site.url}/**")
    await expect(resident.main).to_contain_text(told)
    assert await faults_of(resident.page, "light") == []
    await resident.go("/account")
    assert resident.page.url.startswith(f"{town.site.url}/sign-in")
