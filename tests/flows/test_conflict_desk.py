"""The conflict desk: what two of the staff decide, what the resident reads, and what nobody may decide."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import func, insert, select, update
from tests.builders import SEALER, a_city, an_open_poll, close_now
from tests.city_sign_on import keep_secret
from tests.flows.letters import letters
from tests.hostile_provider import HostileProvider
from tests.sites import (
    NATIONAL_ID,
    Clock,
    add_account,
    add_citizen,
    browser,
    fast_passwords,
    form_token,
    sign_in,
    site_settings,
)

from polls.counting import count_poll
from polls.one_person import double_votes
from polls.tables import audit_event, citizen_period, participation, territory
from voting import api
from voting.app import create_app
from voting.db import Database
from voting.identity.city_sign_on.tables import sign_on_case
from voting.tables import account, account_role
from voting.web import conflict_desk, home

OTHER_ID = "4510 777777"
WHY = "showed the document at the centre"


class RealClock(Clock):
    """The present, which goes on and can be moved ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.ahead, UTC)


class Office:
    """A site with a provider that says of its people what the test tells it, a desk of three, and two residents."""

    def __init__(self, database: Database, home_dir: Path, provider: HostileProvider) -> None:
        self.database, self.provider, self.clock, self.home = database, provider, RealClock(), home_dir
        keep_secret(home_dir)
        self.app: Litestar = create_app(
            site_settings(home_dir, city_sign_on=(provider.settings(),)), database=database, clock=self.clock,
            passwords=fast_passwords(), route_handlers=[*api.routers, *conflict_desk.handlers, *home.handlers],
        )  # fmt: skip
        self.entries: dict[str, int] = {}

    async def settle(self) -> Office:
        async with self.database.open_session() as session:
            await a_city(session)
        for number in (NATIONAL_ID, OTHER_ID):
            self.entries[number] = await self.add_entry(number)
        for login, role in (("one", "reviewer"), ("two", "admin"), ("three", "reviewer"), ("official", "official")):
            await add_account(self.database, f"{login}@city.test", role)
        return self

    async def add_entry(self, number: str) -> int:
        citizen_id = await add_citizen(self.database, self.home, number)
        async with self.database.open_session() as session:
            district = await session.scalar(select(territory.c.id).where(territory.c.code == "msk-cao-arbat"))
            period = {"valid_from": datetime(2020, 1, 1, tzinfo=UTC), "district_id": district, "level": 2}
            await session.execute(insert(citizen_period).values(citizen_id=citizen_id, **period))
        return citizen_id

    async def come(self, client: httpx.AsyncClient, subject: str, number: str | None) -> httpx.Response:
        """Sign in through the provider as this subject with this number."""
        self.provider.claims = {"sub": subject, "national_id": number} if number else {"sub": subject}
        self.provider.left_out = set() if number else {"national_id"}
        left = await client.get("/sign-in/city/city", headers={"sec-fetch-site": "same-origin"})
        state = self.provider.note(left.headers["location"])
        return await client.get("/sign-in/city/city/callback", params={"code": "c", "state": state})

    async def arrive(self, subject: str, number: str | None) -> httpx.Response:
        async with browser(self.app) as client:
            return await self.come(client, subject, number)

    @asynccontextmanager
    async def staff(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        async with browser(self.app) as client:
            assert (await sign_in(client, f"{name}@city.test")).status_code == 303
            yield client

    async def act(self, name: str, reference: str, what: str, **fields: str) -> httpx.Response:
        async with self.staff(name) as client:
            shown = await client.get(f"/officials/people/{reference}")
            given = {"csrf_token": form_token(shown), **fields}
            if (seen := re.search(r'name="seen" value="([^"]+)"', shown.text)) and what == "confirm":
                given.setdefault("seen", seen[1])
            return await client.post(f"/officials/people/{reference}/{what}", data=given)

    async def decide(self, reference: str, **fields: str) -> httpx.Response:
        """Proposed by one, confirmed by two."""
        proposed = await self.act("one", reference, "propose", reason=WHY, **fields)
        assert proposed.status_code == 303, proposed.text
        self.clock.ahead += 11
        return await self.act("two", reference, "confirm")

    async def case(self) -> object:
        async with self.database.open_read_session() as session:
            return (await session.execute(select(sign_on_case).order_by(sign_on_case.c.id.desc()).limit(1))).one()

    async def kinds(self) -> list[str]:
        async with self.database.open_read_session() as session:
            return list(await session.scalars(select(audit_event.c.kind).order_by(audit_event.c.id)))


@pytest.fixture
async def office(fresh_database: Database, tmp_path: Path):
    async with HostileProvider() as provider:
        yield await Office(fresh_database, tmp_path, provider).settle()


async def vote(client: httpx.AsyncClient, slug: str, key: str) -> int:
    token = (await client.get("/api/v1/session")).json()["csrf_token"]
    headers = {"x-csrf-token": token, "idempotency-key": key * 22}
    return (await client.post(f"/api/v1/polls/{slug}/ballots", json={"answers": {"1": 1}}, headers=headers)).status_code


async def test_somebody_not_found_is_found_at_the_desk(office):
    refused = await office.arrive("anna", "4510 000001")
    case = await office.case()
    assert refused.status_code == 409 and case.reference in refused.text and case.kind == "not_found"
    wrong = await office.act("one", case.reference, "propose", reason=WHY, number="4510 000002")
    assert wrong.status_code == 422 and "no entry with this number" in wrong.text and "000002" not in wrong.text
    done = await office.decide(case.reference, number=NATIONAL_ID)
    assert done.headers["location"].endswith("?done=decided"), done.text
    assert (await office.arrive("anna", "4510 000001")).status_code == 303
    async with office.database.open_read_session() as session:
        assert (
            await session.scalar(select(account.c.citizen_id).order_by(account.c.id.desc()))
            == office.entries[NATIONAL_ID]
        )
    assert [kind for kind in await office.kinds() if kind.startswith("sign_on")] == [
        "sign_on_case_opened", "sign_on_case_proposed", "sign_on_case_decided",
    ]  # fmt: skip


async def test_nobody_decides_alone(office):
    await office.arrive("anna", "4510 000001")
    reference = (await office.case()).reference
    await office.act("one", reference, "propose", reason=WHY, number=NATIONAL_ID)
    too_soon = await office.act("two", reference, "confirm")
    assert too_soon.status_code == 409 and "moment ago" in too_soon.text
    office.clock.ahead += 11
    case = await office.case()
    seen = "|".join(
        str(part)
        for part in (
            case.kind,
            case.by_subject,
            case.by_number,
            case.entry_id,
            case.other_id,
            case.proposed_by,
            case.proposed_at,
        )
    )
    alone = await office.act("one", reference, "confirm", seen=seen)
    assert alone.status_code == 403 and (await office.case()).state == "proposed"
    stale = await office.act("two", reference, "confirm", seen=seen.replace("not_found", "birth_date"))
    assert stale.status_code == 409
    await office.act("three", reference, "propose", reason=WHY, number=OTHER_ID)
    changed = await office.act("two", reference, "confirm", seen=seen)
    assert changed.status_code == 409, "what was read is no longer what is proposed"
    office.clock.ahead += 11
    assert (await office.act("one", reference, "confirm")).status_code == 303, "one confirms what three proposed"
    again = await office.act("two", reference, "confirm", seen=seen)
    assert again.status_code == 409, "once"
    assert (await office.case()).entry_id == office.entries[OTHER_ID]


async def test_who_may_look(office):
    await office.arrive("anna", "4510 000001")
    reference = (await office.case()).reference
    async with browser(office.app) as client:
        assert (await client.get("/officials/people")).status_code == 303
    async with office.staff("official") as client:
        assert (await client.get("/officials/people")).status_code == 403
        assert (await client.get(f"/officials/people/{reference}")).status_code == 403
    async with office.staff("one") as client:
        listed = await client.get("/officials/people")
        assert reference in listed.text and listed.headers["cache-control"] == "no-store"
        assert (await client.get("/officials/people/NONE-SUCH")).status_code == 404
        told = (await client.get(f"/officials/people/{reference}")).text
    for secret in ("4510 ", "anna", "1990-02-03"):
        assert secret not in told


async def test_a_reviewer_of_one_department_has_no_part_in_it(office):
    await office.arrive("anna", "4510 000001")
    at = f"/officials/people/{(await office.case()).reference}"
    async with office.database.open_session() as session:
        three = select(account.c.id).where(account.c.email == "three@city.test").scalar_subquery()
        narrowed = update(account_role).where(account_role.c.account_id == three)
        await session.execute(narrowed.values(department="Парки"))
    async with office.staff("three") as client:
        for path in ("/officials/people", at):
            assert (await client.get(path)).status_code == 403
        token = form_token(await client.get("/officials/protocols"))
        for what in ("propose", "confirm", "dismiss"):
            assert (await client.post(f"{at}/{what}", data={"csrf_token": token, "answer": WHY})).status_code == 403
    assert (await office.case()).state == "open"


async def test_nobody_decides_his_own_case(office):
    async with office.database.open_session() as session:
        from sqlalchemy import update

        mine = update(account).where(account.c.email == "one@city.test").values(citizen_id=office.entries[NATIONAL_ID])
        await session.execute(mine)
    await office.arrive("stranger", "4510 000001")
    reference = (await office.case()).reference
    refused = await office.act("one", reference, "propose", reason=WHY, number=NATIONAL_ID)
    assert refused.status_code == 403
    await office.act("three", reference, "propose", reason=WHY, number=NATIONAL_ID)
    office.clock.ahead += 11
    assert "your own case" in (await office.act("one", reference, "confirm")).text
    assert (await office.case()).state == "proposed"


async def test_turned_away_with_an_answer_that_stands(office):
    await office.arrive("anna", "4510 000001")
    reference = (await office.case()).reference
    short = await office.act("one", reference, "dismiss", answer="no")
    assert short.status_code == 422
    answer = "Go to the centre on Arbat with your passport."
    assert (await office.act("one", reference, "dismiss", answer=answer)).status_code == 303
    told = await office.arrive("anna", "4510 000001")
    assert told.status_code == 409 and answer in told.text and reference in told.text
    found = await office.arrive("anna", NATIONAL_ID)
    assert found.status_code == 303, "what has changed since is looked at anew"


async def test_two_entries_that_are_one_person_become_one(office):
    async with browser(office.app) as client:
        assert (await office.come(client, "anna", NATIONAL_ID)).status_code == 303
        async with office.database.open_session() as session:
            poll = await an_open_poll(session)
        assert await vote(client, poll.slug, "a") == 201
    assert (await office.arrive("anna", OTHER_ID)).status_code == 409
    case = await office.case()
    mine, other = office.entries[NATIONAL_ID], office.entries[OTHER_ID]
    assert (case.kind, case.by_subject, case.by_number) == ("two_entries", mine, other)
    await add_account(office.database, "anna@city.test", "resident", citizen_id=other)
    done = await office.decide(case.reference, entry=f"{other}+{mine}")
    assert done.status_code == 303, done.text
    async with browser(office.app) as client:
        assert (await office.come(client, "anna", OTHER_ID)).status_code == 303
        assert await vote(client, poll.slug, "b") == 409, "voted as the other entry"
    async with browser(office.app) as client:
        await sign_in(client, "anna@city.test")
        assert await vote(client, poll.slug, "c") == 409
    assert (await office.arrive("anna", NATIONAL_ID)).status_code == 303, "the old number leads to the person, too"
    async with office.database.open_session() as session:
        assert await double_votes(session, poll.id) == 0
        counted = await count_poll(session, (await close_now(session, poll)).public_id, office.clock(), SEALER)
    assert counted and (counted.ballots, counted.participations) == (1, 1)


async def test_a_wrong_link_is_moved_and_what_was_voted_stays_voted(office):
    """The subject was linked to somebody else's entry: it moves, and does not vote again where that entry has."""
    async with office.database.open_session() as session:
        poll, untouched = await an_open_poll(session), await an_open_poll(session)
    async with browser(office.app) as client:
        await office.come(client, "boris", NATIONAL_ID)
        assert await vote(client, poll.slug, "a") == 201
        assert (await office.arrive("boris", OTHER_ID)).status_code == 409
        reference = (await office.case()).reference
        await office.act("one", reference, "propose", reason=WHY, entry=str(office.entries[OTHER_ID]))
        assert not (await client.get("/api/v1/session")).json()["signed_in"], "the proposal ends his sessions"
        assert (await office.arrive("boris", NATIONAL_ID)).status_code == 409, "and nobody comes in by it meanwhile"
    office.clock.ahead += 11
    assert (await office.act("two", reference, "confirm")).status_code == 303
    async with browser(office.app) as client:
        assert (await office.come(client, "boris", OTHER_ID)).status_code == 303
        assert await vote(client, poll.slug, "b") == 409
        assert await vote(client, untouched.slug, "c") == 201
    assert (await office.arrive("anna", NATIONAL_ID)).status_code == 303, "the entry is free for whose it is"
    async with office.database.open_read_session() as session:
        votes = select(func.count()).select_from(participation).where(participation.c.channel == "online")
        assert await session.scalar(votes) == 2


async def test_the_person_is_who_he_was_though_the_number_leads_elsewhere(office):
    await office.arrive("anna", NATIONAL_ID)
    assert (await office.arrive("anna", OTHER_ID)).status_code == 409
    case = await office.case()
    await office.decide(case.reference, entry=str(office.entries[NATIONAL_ID]))
    for _ in range(2):
        assert (await office.arrive("anna", OTHER_ID)).status_code == 303, "it was decided: nobody asks again"


async def test_a_new_number_and_a_new_account(office):
    await office.arrive("anna", NATIONAL_ID)
    assert (await office.arrive("anna", "4510 555555")).status_code == 409
    case = await office.case()
    assert case.kind == "number_changed"
    await office.decide(case.reference, entry=str(office.entries[NATIONAL_ID]))
    assert (await office.arrive("anna", "4510 555555")).status_code == 303
    assert (await office.arrive("anna-new", "4510 555555")).status_code == 409
    case = await office.case()
    assert case.kind == "two_subjects"
    await office.decide(case.reference, entry=str(office.entries[NATIONAL_ID]))
    assert (await office.arrive("anna-new", "4510 555555")).status_code == 303
    assert (await office.arrive("anna", "4510 555555")).status_code == 409, "the lost account leads nowhere now"


async def test_many_confirm_at_once(office):
    await office.arrive("anna", "4510 000001")
    reference = (await office.case()).reference
    await office.act("one", reference, "propose", reason=WHY, number=NATIONAL_ID)
    office.clock.ahead += 11
    done = await asyncio.gather(*(office.act(who, reference, "confirm") for who in ("two", "three", "two")))
    assert sorted(reply.status_code for reply in done) == [303, 409, 409]
    assert (await office.kinds()).count("sign_on_case_decided") == 1


async def test_letters_tell_of_a_new_link_and_of_a_decision(office):
    """To every account concerned with a confirmed address, and to it as it stood before the decision."""
    for name, number in (("anna", NATIONAL_ID), ("other", OTHER_ID)):
        await add_account(office.database, f"{name}@city.test", "resident", citizen_id=office.entries[number])
    async with office.database.open_session() as session:
        await session.execute(update(account).values(email_verified_at=office.clock(), language="en"))
    assert (await office.arrive("anna", NATIONAL_ID)).status_code == 303
    assert (await office.arrive("anna", NATIONAL_ID)).status_code == 303, "known by now: no second letter"
    [linked] = await letters(office.database, office.home)
    assert (linked.to_address, linked.subject) == ("anna@city.test", "The city's sign-on was linked — City Voice")
    assert (await office.arrive("anna", OTHER_ID)).status_code == 409
    case = await office.case()
    assert await letters(office.database, office.home) == [], "nothing is decided yet"
    mine, other = office.entries[NATIONAL_ID], office.entries[OTHER_ID]
    assert (await office.decide(case.reference, entry=f"{other}+{mine}")).status_code == 303
    told = await letters(office.database, office.home)
    assert sorted(letter.to_address for letter in told) == ["anna@city.test", "other@city.test"]
    assert all(case.reference in letter.body for letter in told)
    assert (await office.arrive("anna-too", OTHER_ID)).status_code == 409
    await letters(office.database, office.home)
    answer = "Go to the centre on Arbat with your passport."
    assert (await office.act("three", (await office.case()).reference, "dismiss", answer=answer)).status_code == 303
    assert len(await letters(office.database, office.home)) == 1, "an attempt at one's entry is told of"
