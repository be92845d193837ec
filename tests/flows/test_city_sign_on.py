"""Signing in through a real OpenID Connect provider: whoever comes is one register entry, whichever way he comes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import func, insert, select, text, update
from tests.builders import SEALER, a_city, an_open_poll
from tests.city_sign_on import RealProvider, a_person, keep_secret, pass_provider, running_provider, sign_on
from tests.sites import (
    BORN,
    HTTP,
    NATIONAL_ID,
    PASSWORD,
    add_account,
    add_citizen,
    browser,
    fast_passwords,
    form_token,
    sign_in,
    site_settings,
)

from polls.counting import count_poll
from polls.tables import audit_event, citizen_period, identity, participation, territory
from voting import api
from voting.app import create_app
from voting.db import Database
from voting.erasure import erase_account, forget_logins
from voting.factor_tables import passkey
from voting.identity.city_sign_on.tables import sign_on_case, sign_on_link, sign_on_trip
from voting.tables import account, account_erasure, account_role, email_change, mail_token, web_session

PEOPLE = [
    a_person("anna", NATIONAL_ID, birthdate=BORN.isoformat(), email="official@city.test"),
    a_person("anna-again", NATIONAL_ID),
    a_person("boris", "4510 999999"),
    a_person("vera", "4510 123456", birthdate="1991-02-03"),
    a_person("simple", NATIONAL_ID, acr="urn:city:simple"),
    a_person("numberless", None),
    a_person("nonsense", "№№№"),
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory):
    with running_provider(tmp_path_factory.mktemp("provider"), PEOPLE, [HTTP]) as running:
        yield running


def make_site(database: Database, tmp_path: Path, provider: RealProvider, **more) -> Litestar:
    keep_secret(tmp_path)
    settings = site_settings(tmp_path, city_sign_on=(provider.settings(**more),))
    from voting.web import conflict_desk, own_data

    return create_app(
        settings, database=database, passwords=fast_passwords(),
        route_handlers=[*api.routers, *conflict_desk.handlers, *own_data.handlers],
    )  # fmt: skip


@pytest.fixture
async def anna(fresh_database: Database, tmp_path: Path) -> int:
    async with fresh_database.open_session() as session:
        await a_city(session)
    return await add_resident(fresh_database, tmp_path)


async def add_resident(database: Database, tmp_path: Path, number: str = NATIONAL_ID, born: date | None = BORN) -> int:
    """An entry that lives in the city."""
    citizen_id = await add_citizen(database, tmp_path, number, born)
    async with database.open_session() as session:
        district = await session.scalar(select(territory.c.id).where(territory.c.code == "msk-cao-arbat"))
        await session.execute(
            insert(citizen_period).values(
                citizen_id=citizen_id, valid_from=datetime(2020, 1, 1, tzinfo=UTC), district_id=district, level=2
            )
        )
    return citizen_id


@pytest.fixture
def site(fresh_database: Database, tmp_path: Path, provider: RealProvider, anna: int) -> Litestar:
    return make_site(fresh_database, tmp_path, provider)


async def rows(database: Database, table, *where) -> int:
    async with database.open_read_session() as session:
        return int(await session.scalar(select(func.count()).select_from(table).where(*where)) or 0)


async def who(client: httpx.AsyncClient) -> dict:
    return (await client.get("/api/v1/session")).json()


async def vote(client: httpx.AsyncClient, slug: str, key: str = "k" * 22) -> httpx.Response:
    headers = {"x-csrf-token": (await who(client))["csrf_token"], "idempotency-key": key}
    return await client.post(f"/api/v1/polls/{slug}/ballots", json={"answers": {"1": [1]}}, headers=headers)


async def test_a_resident_votes_by_sign_on_and_the_next_day_by_password_is_the_same(
    fresh_database, tmp_path, provider, anna
):
    site = make_site(fresh_database, tmp_path, provider)
    async with fresh_database.open_session() as session:
        poll = await an_open_poll(session)
    async with browser(site) as client:
        shown = await client.get("/sign-in", params={"next": "/account"})
        assert "Sign in with City ID" in shown.text and "/sign-in/city/city?next=" in shown.text
        reply = await sign_on(client, "anna")
        assert (reply.status_code, reply.headers["location"]) == (303, "/account")
        assert (await who(client))["roles"] == ["resident"]
        taken = await vote(client, poll.slug)
        assert taken.status_code == 201, taken.text
        ways = await client.get("/account/ways")
        added = await client.post("/account/ways/password", data={
            "csrf_token": form_token(ways), "login": "anna@city.test", "password": PASSWORD,
        })  # fmt: skip
        assert added.headers["location"] == "/account/ways?done=added", added.text
    async with browser(site) as client:
        assert (await sign_in(client, "anna@city.test")).status_code == 303
        again = await vote(client, poll.slug, "m" * 22)
        assert (again.status_code, again.json()["code"]) == (409, "already_voted")
        mine = (await client.get(f"/api/v1/polls/{poll.slug}")).text
        assert date.today().isoformat()[:7] in mine
    assert await rows(fresh_database, participation) == 1
    assert await rows(fresh_database, account) == 1


async def test_an_e_mail_somebody_only_named_is_added_with_a_password(fresh_database, site, anna):
    async with fresh_database.open_session() as session:
        named = {"email": "anna@city.test", "password_hash": "x"}
        await session.execute(insert(account).values(named))
    async with browser(site) as client:
        await sign_on(client, "anna")
        fields = {"csrf_token": form_token(await client.get("/account/ways")), "login": "anna@city.test"}
        added = await client.post("/account/ways/password", data={**fields, "password": PASSWORD})
        assert added.headers["location"] == "/account/ways?done=added", added.text
    async with browser(site) as client:
        assert (await sign_in(client, "anna@city.test")).status_code == 303
        assert (await who(client))["citizen_id"] == anna
    async with fresh_database.open_session() as session:
        await session.execute(update(account).where(account.c.citizen_id == anna).values(email_lost_at=func.now()))
    async with browser(site) as client:  # whichever way the account is signed in to
        reply = await sign_on(client, "anna", target="/polls/x?y=1")
        assert reply.headers["location"] == "/account?next=/polls/x%3Fy%3D1"


async def test_somebody_with_an_account_comes_by_sign_on_to_the_same(fresh_database, site, anna):
    account_id = await add_account(fresh_database, "anna@city.test", "resident", citizen_id=anna)
    async with browser(site) as client:
        reply = await sign_on(client, "anna", target="/polls/x?y=1")
        assert reply.headers["location"] == "/account/ways?next=/polls/x%3Fy%3D1", "told once that there was an account"
        shown = await client.get(reply.headers["location"])
        assert "a…@city.test" in shown.text and "anna@city.test" not in shown.text
    async with browser(site) as client:
        assert (await sign_on(client, "anna")).headers["location"] == "/account"
    async with fresh_database.open_read_session() as session:
        assert set(await session.scalars(select(web_session.c.account_id))) == {account_id}
    assert await rows(fresh_database, audit_event, audit_event.c.kind == "sign_on_linked") == 1


async def test_a_login_somebody_else_made_is_thrown_out(fresh_database, site, anna):
    """Whoever knows a number and a birth date may have signed up first; whom the city vouches for owns the account."""
    await add_account(fresh_database, "thief@city.test", "resident", citizen_id=anna)
    async with browser(site) as thief, browser(site) as client:
        await sign_in(thief, "thief@city.test")
        await sign_on(client, "anna")
        token = form_token(await client.get("/account/ways"))
        done = await client.post("/account/ways/remove", data={"csrf_token": token})
        assert done.headers["location"] == "/account/ways?done=removed"
        assert not (await who(thief))["signed_in"]
        assert (await sign_in(thief, "thief@city.test")).status_code == 422
        assert (await who(client))["signed_in"]


async def test_nothing_a_stranger_left_leads_back(fresh_database, site, anna):
    """A passkey, an e-mail on its way, an erasure asked for: all go with the login that is thrown out."""
    thief = await add_account(fresh_database, "thief@city.test", "resident", citizen_id=anna)
    later = datetime.now(UTC) + timedelta(days=1)
    left = {
        passkey: {"credential_id": b"1", "user_handle": b"2", "public_key": b"3", "sign_count": 0, "name": "Key",
                  "backup_eligible": False, "backed_up": False, "transports": [], "aaguid": "", "created_at": later},
        email_change: {"new_email": "else@city.test", "old_confirmed_at": later, "expires_at": later},
        mail_token: {"token_hash": b"t", "purpose": "email_new", "address": "else@city.test", "expires_at": later},
        account_erasure: {"asked_at": later, "due_at": later},
    }  # fmt: skip
    async with fresh_database.open_session() as session:
        for table, values in left.items():
            await session.execute(insert(table).values(account_id=thief, **values))
    async with browser(site) as client:
        await sign_on(client, "anna")
        token = form_token(await client.get("/account/ways"))
        await client.post("/account/ways/remove", data={"csrf_token": token})
    assert [table.name for table in left if await rows(fresh_database, table)] == []
    assert await rows(fresh_database, account, account.c.email_verified_at.is_not(None)) == 0


async def test_an_account_without_a_password_is_erased_and_its_person_stays_one(
    fresh_database, tmp_path, provider, anna
):
    site = make_site(fresh_database, tmp_path, provider)
    async with fresh_database.open_session() as session:
        poll = await an_open_poll(session)

    async def erase() -> None:
        async with fresh_database.open_session() as session:
            await erase_account(session, await session.scalar(select(account.c.id)), now=datetime.now(UTC))
            await forget_logins(session)

    async with browser(site) as client:
        await sign_on(client, "anna")
        assert (await vote(client, poll.slug)).status_code == 201
        shown = await client.get("/account/data")
        assert 'name="password"' not in shown.text
        token = form_token(shown)
        async with fresh_database.open_session() as session:
            await session.execute(update(web_session).values(created_at=datetime.now(UTC) - timedelta(hours=1)))
        assert (await client.post("/account/erase", data={"csrf_token": token})).status_code == 403
        async with fresh_database.open_session() as session:
            await session.execute(update(web_session).values(created_at=datetime.now(UTC)))
        asked = await client.post("/account/erase", data={"csrf_token": token})
        assert asked.headers["location"] == "/account/data?done=asked"
    await erase()
    assert (await rows(fresh_database, account), await rows(fresh_database, sign_on_link)) == (0, 1)
    async with browser(site) as client:  # back by the same way, while the poll is open
        await sign_on(client, "anna")
        assert (await vote(client, poll.slug, "m" * 22)).json()["code"] == "already_voted"
    await erase()
    async with fresh_database.open_session() as session:
        await session.execute(text("UPDATE poll SET closes_at = now() - interval '1 second'"))
        await count_poll(session, poll.public_id, datetime.now(UTC), SEALER)
        await forget_logins(session)
    assert await rows(fresh_database, sign_on_link) == 0
    assert await rows(fresh_database, identity, identity.c.kind == "subject") == 0
    async with browser(site) as client:  # known by the number again, and nobody waits for the desk
        await sign_on(client, "anna")
        assert (await who(client))["citizen_id"] == anna
    assert await rows(fresh_database, sign_on_case) == 0


async def test_a_session_by_password_changes_no_ways(fresh_database, site, anna):
    await add_account(fresh_database, "thief@city.test", "resident", citizen_id=anna)
    async with browser(site) as client:
        await sign_on(client, "anna")
    async with browser(site) as thief:
        await sign_in(thief, "thief@city.test")
        token = form_token(await thief.get("/account/ways"))
        assert (await thief.post("/account/ways/remove", data={"csrf_token": token})).status_code == 403


async def test_the_mail_of_the_provider_joins_nothing(fresh_database, site, anna):
    """Anna's provider says official@city.test, which is somebody's login here."""
    official = await add_account(fresh_database, "official@city.test", "official")
    async with browser(site) as client:
        await sign_on(client, "anna")
        assert (await who(client))["roles"] == ["resident"]
    async with fresh_database.open_read_session() as session:
        assert await session.scalar(select(account.c.id).where(account.c.citizen_id == anna)) != official


async def test_only_hashes_are_kept(fresh_database, site, anna):
    async with browser(site) as client:
        await sign_on(client, "anna")
        await sign_on(client, "boris")
    async with fresh_database.open_read_session() as session:
        dumped = ""
        for table in (sign_on_trip, sign_on_link, sign_on_case, identity, audit_event, web_session, account):
            dumped += str([tuple(row) for row in await session.execute(select(table))])
    for secret in ("anna", "boris", "999999", "official@city.test", "urn:city"):
        assert secret not in dumped.lower(), secret
    assert await rows(fresh_database, identity, identity.c.kind == "subject") == 1


async def test_a_new_secret_rekeys_at_the_next_sign_on(fresh_database, tmp_path, provider, anna):
    async with browser(make_site(fresh_database, tmp_path, provider)) as client:
        await sign_on(client, "anna")
    (tmp_path / "keys" / "identity-2").write_bytes(b"n" * 32)
    async with browser(make_site(fresh_database, tmp_path, provider)) as client:
        assert (await sign_on(client, "anna")).headers["location"] == "/account"
    async with fresh_database.open_read_session() as session:
        found = await session.execute(
            select(identity.c.key_version, identity.c.citizen_id).where(identity.c.kind == "subject")
        )
        assert sorted(found.all()) == [(1, anna), (2, anna)]


@pytest.mark.parametrize(
    ("person", "kind"),
    [("boris", "not_found"), ("vera", "birth_date"), ("numberless", "not_found"), ("nonsense", "not_found")],
)
async def test_whom_the_register_does_not_know_so_waits_for_the_desk(fresh_database, site, person, kind):
    async with browser(site) as client:
        first = await sign_on(client, person)
        again = await sign_on(client, person)
        assert not (await who(client))["signed_in"]
    assert (first.status_code, again.status_code) == (409, 409)
    reference = re.search(r"<strong>(\w{4}-\w{4})</strong>", first.text)
    assert reference and reference[1] in again.text, "one case, however often he comes"
    assert "Two people of our staff" in first.text
    async with fresh_database.open_read_session() as session:
        [case] = (await session.execute(select(sign_on_case))).all()
    assert (case.kind, case.state) == (kind, "open")
    assert await rows(fresh_database, account) == 0


async def test_a_level_too_low_signs_nobody_in(fresh_database, site):
    async with browser(site) as client:
        reply = await sign_on(client, "simple")
        assert reply.status_code == 403 and "not confirmed well enough" in reply.text
        assert not (await who(client))["signed_in"]
    assert await rows(fresh_database, sign_on_case) == 0


async def test_saying_no_is_answered_in_a_friendly_way(site):
    async with browser(site) as client:
        reply = await sign_on(client, "")
    assert reply.status_code == 403 and "cancelled or not allowed" in reply.text


async def test_a_second_account_at_the_provider_waits_for_the_desk(fresh_database, site, anna):
    async with browser(site) as client:
        await sign_on(client, "anna")
        reply = await sign_on(client, "anna-again")
    assert reply.status_code == 409 and "already linked" in reply.text
    async with fresh_database.open_read_session() as session:
        [case] = (await session.execute(select(sign_on_case))).all()
    assert (case.kind, case.by_number) == ("two_subjects", anna)


async def test_whoever_works_here_proves_it_anew(fresh_database, tmp_path, provider, anna):
    """The provider asks again because of `max_age`; a session there that is hours old is not enough for the staff."""
    account_id = await add_account(fresh_database, "anna@city.test", "resident", "official", citizen_id=anna)
    site = make_site(fresh_database, tmp_path, provider, staff_max_age=30)
    async with browser(site) as client:
        reply = await sign_on(client, "anna", target="/account")
        asked = parse_qs(urlsplit(reply.headers["location"]).query)
        assert (asked["max_age"], asked["prompt"]) == (["30"], ["login"])
        assert not (await who(client))["signed_in"]
        back = urlsplit(await pass_provider(reply.headers["location"], "anna"))
        done = await client.get(f"{back.path}?{back.query}")
        assert (done.status_code, done.headers["location"]) == (303, "/account")
        assert (await who(client))["roles"] == ["official", "resident"]
        left = await client.get("/sign-in/city/city")  # from elsewhere, by somebody who is signed in
        assert left.headers["location"] == "/"
    assert await rows(fresh_database, web_session, web_session.c.account_id == account_id) == 1


async def test_a_closed_account_stays_closed(fresh_database, site, anna):
    await add_account(fresh_database, "anna@city.test", "resident", citizen_id=anna)
    async with fresh_database.open_session() as session:
        await session.execute(update(account).values(disabled_at=func.now()))
    async with browser(site) as client:
        assert (await sign_on(client, "anna")).status_code == 403
        assert not (await who(client))["signed_in"]
    assert await rows(fresh_database, sign_on_link) == 0, "nothing is left of it"


async def test_the_claims_may_come_from_userinfo(fresh_database, tmp_path, anna):
    with running_provider(tmp_path, PEOPLE, [HTTP], userinfo=True) as provider:
        site = make_site(fresh_database, tmp_path, provider)
        async with browser(site) as client:
            assert (await sign_on(client, "anna")).status_code == 303
            assert (await who(client))["signed_in"]


async def test_a_form_waits_while_its_owner_signs_in_in_another_tab(fresh_database, site, anna):
    """Answers do not travel through the provider: they stay in the page, which is bound to this browser."""
    async with browser(site) as client:
        token = form_token(await client.get("/sign-in"))
        await sign_on(client, "anna")
        reply = await client.post("/sign-in/city/go-on", data={
            "csrf_token": token, "next": "/polls/x/vote", "carry.q1": "2", "carry.q1x": "я",
        })  # fmt: skip
    assert reply.status_code == 200
    assert 'action="/polls/x/vote"' in reply.text and 'name="q1" value="2"' in reply.text


async def test_two_come_with_one_number_at_the_same_moment(fresh_database, site, anna):
    """One of the two is linked, the other waits; and one person who comes twice at once has one account."""
    import asyncio

    async def come(person: str) -> int:
        async with browser(site) as client:
            return (await sign_on(client, person)).status_code

    codes = await asyncio.gather(*(come(one) for one in ("anna", "anna-again", "anna", "anna-again")))
    assert sorted(set(codes)) == [303, 409]
    assert await rows(fresh_database, account) == 1
    assert await rows(fresh_database, sign_on_link) == 1
    assert await rows(fresh_database, account_role) == 1
    assert await rows(fresh_database, sign_on_case) == 1


async def test_trips_end(fresh_database, site, anna):
    from voting.identity.city_sign_on.trips import sweep_trips

    async with browser(site) as client:
        await client.get("/sign-in/city/city")
    assert await rows(fresh_database, sign_on_trip) == 1
    async with fresh_database.open_session() as session:
        await sweep_trips(session, datetime.now(UTC) + timedelta(minutes=11))
    assert await rows(fresh_database, sign_on_trip) == 0
    async with fresh_database.open_read_session() as session:
        assert await session.scalar(text("SELECT 1")) == 1
