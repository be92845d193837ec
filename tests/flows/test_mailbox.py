"""The mailbox of an account over HTTP: confirming, resetting, changing, and what nobody can learn or steal by it."""

import asyncio
import re
import statistics
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, text
from tests.flows.letters import MAIL, letters, link_in
from tests.sites import (
    HTTP,
    NATIONAL_ID,
    PASSWORD,
    Clock,
    add_account,
    add_citizen,
    browser,
    build_site,
    fast_passwords,
    form_token,
    sign_in,
)

from voting.app import create_app
from voting.factor_tables import one_time_code, pre_session
from voting.identity import accounts
from voting.identity.mailbox import reset_password
from voting.identity.refusals import LinkWrong
from voting.jobs import build_jobs
from voting.mail import hash_of
from voting.settings import Settings
from voting.tables import account, api_token, mail_token, web_session
from voting.throttling import LIMITS, Limit
from voting.web import mailbox

ANNA = "anna@city.test"
NEW = "several other words"
FEW = {"letters_network": Limit(1000, timedelta(hours=1)), "links": Limit(1000, timedelta(minutes=15))}


def a_site(database, tmp_path, clock=None, **more):
    limits = {**FEW, **more.pop("limits", {})}
    return build_site(database, tmp_path, handlers=mailbox.handlers, clock=clock or Clock(datetime.now(UTC)),
                      limits=limits, **MAIL, **more)  # fmt: skip


async def post(client, page: str, where: str, **fields: str):
    token = form_token(await client.get(page))
    return await client.post(where, data={"csrf_token": token, **fields})


async def forgot(client, email: str = ANNA):
    return await post(client, "/forgot", "/forgot", login=email)


async def test_a_new_resident_confirms_the_e_mail(fresh_database, tmp_path) -> None:
    await add_citizen(fresh_database, tmp_path)
    client = browser(a_site(fresh_database, tmp_path))
    done = await post(client, "/sign-up", "/sign-up", national_id=NATIONAL_ID, birth_date="1990-02-03", login=ANNA,
                      password=PASSWORD)  # fmt: skip
    assert done.status_code == 303
    [letter] = await letters(fresh_database, tmp_path)
    assert letter.to_address == ANNA and letter.subject == "Confirm your e-mail — City Voice", (
        "in the reader's language"
    )
    assert "not confirmed" in (await client.get("/account")).text
    link = link_in(letter)
    for _ in range(2):  # a mail program that looks first uses nothing up
        assert "is yours" in (await browser(a_site(fresh_database, tmp_path)).get(link)).text
    done = await post(client, link, "/confirm", t=link.partition("t=")[2])
    assert "The e-mail is confirmed" in done.text
    assert "· confirmed" in (await client.get("/account")).text
    assert (await client.get(link)).status_code == 410, "once only"


async def test_a_forgotten_password_is_set_anew_and_everything_else_ends(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident", "analyst")
    site = a_site(fresh_database, tmp_path)
    thief, owner = browser(site), browser(site)
    await sign_in(thief, ANNA)
    async with fresh_database.open_session() as session:
        await session.execute(
            text("INSERT INTO api_token (account_id, name, prefix, token_hash, scopes, created_at, expires_at)"
                 " VALUES (:a, 'x', 'x', sha256('x'), '{results:read}', now(), now() + interval '1 day')"), {"a": anna},
        )  # fmt: skip
    assert "a letter with a link is on its way" in (await forgot(owner)).text
    [letter] = await letters(fresh_database, tmp_path)
    link = link_in(letter)
    token = link.partition("t=")[2]
    shown = await owner.get(link)
    assert shown.headers["referrer-policy"] == "no-referrer" and shown.headers["cache-control"] == "no-store"
    for bad in ("short", "password1", ANNA):
        assert (await post(owner, link, "/reset", t=token, new_password=bad)).status_code == 422
    done = await post(owner, link, "/reset", t=token, new_password=NEW)
    assert done.status_code == 303 and done.headers["location"] == "/sign-in", "it signs nobody in"
    assert (await owner.get("/account")).status_code == 303
    assert (await thief.get("/account")).status_code == 303, "the thief's session is over at once"
    assert (await sign_in(thief, ANNA)).status_code == 422 and (await sign_in(owner, ANNA, NEW)).status_code == 303
    again = await owner.post("/reset", data={"csrf_token": form_token(await owner.get("/account")), "t": token,
                                             "new_password": "something else"})  # fmt: skip
    assert again.status_code == 410, "once only"
    async with fresh_database.open_session() as session:
        assert await session.scalar(select(api_token.c.revoked_at)) is not None
        assert await session.scalar(select(func.count()).select_from(mail_token)) == 0
        events = (await session.execute(text("SELECT kind, facts FROM audit_event WHERE kind LIKE 'password%'"))).all()
    assert [tuple(one) for one in events] == [("password_changed", {"how": "letter", "sessions": 1})]
    [notice] = await letters(fresh_database, tmp_path)
    assert "пароль" in notice.subject.lower() and "http" not in notice.body


async def test_two_letters_used_at_once_set_one_password(fresh_database) -> None:
    """Both come to the account while somebody else holds it; neither may hold what the other needs."""
    anna = await add_account(fresh_database, ANNA, "resident")
    now = datetime.now(UTC)
    async with fresh_database.open_session() as session:
        for token in ("one", "two"):
            row = {"token_hash": hash_of(token), "account_id": anna, "purpose": "reset", "address": ANNA}
            await session.execute(insert(mail_token).values(**row, expires_at=now + timedelta(hours=1)))

    async def reset(token: str) -> str:
        try:
            async with fresh_database.open_session() as session:
                await reset_password(session, token, f"hash of {token}", now=now)
        except LinkWrong:
            return "wrong"
        return token

    async with fresh_database.open_session() as session:
        await session.execute(select(account.c.id).where(account.c.id == anna).with_for_update())
        both = [asyncio.create_task(reset(token)) for token in ("one", "two")]
        await asyncio.sleep(0.3)
    done = [one for one in await asyncio.gather(*both) if one != "wrong"]
    assert len(done) == 1
    async with fresh_database.open_session() as session:
        assert await session.scalar(select(account.c.password_hash)) == f"hash of {done[0]}"


@pytest.mark.parametrize("codes", [False, True])
async def test_no_session_begins_by_a_password_replaced_meanwhile(fresh_database, tmp_path, monkeypatch, codes) -> None:
    """A thief's sign-in is being hashed at the very moment the owner sets a new password."""
    anna = await add_account(fresh_database, ANNA, "resident")
    pool, changed = fast_passwords(), await fast_passwords().hash(NEW)
    checked = pool.verify

    async def verify(password: str, stored: str | None) -> bool:
        good = await checked(password, stored)
        async with fresh_database.open_session() as session:
            await accounts.change_password(session, anna, password_hash=changed, keep=None)
        return good

    monkeypatch.setattr(pool, "verify", verify)
    if codes:
        async with fresh_database.open_session() as session:
            row = {"account_id": anna, "sealed_secret": b"x", "key_version": 1, "created_at": func.now()}
            await session.execute(one_time_code.insert().values(**row, confirmed_at=func.now()))
    thief = browser(a_site(fresh_database, tmp_path, passwords=pool))
    assert (await sign_in(thief, ANNA)).status_code == 422
    assert (await thief.get("/account")).status_code == 303
    async with fresh_database.open_session() as session:
        for table in (web_session, pre_session):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


async def test_a_link_lasts_half_an_hour_and_only_for_the_address_it_went_to(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    clock = Clock(datetime.now(UTC))
    client = browser(a_site(fresh_database, tmp_path, clock))
    await forgot(client)
    link = link_in((await letters(fresh_database, tmp_path))[0])
    clock.go(minutes=29)
    assert (await client.get(link)).status_code == 200
    async with fresh_database.open_session() as session:
        await session.execute(text("UPDATE account SET email = 'other@city.test'"))
    done = await post(client, link, "/reset", t=link.partition("t=")[2], new_password=NEW)
    assert done.status_code == 410
    clock.go(minutes=2)
    assert (await client.get(link)).status_code == 410
    for wrong in ("/reset", "/reset?t=", "/reset?t=" + "x" * 5000, "/reset?t=%00%0d%0a", "/confirm?t=abc"):
        assert (await client.get(wrong)).status_code == 410, wrong
    assert anna


async def test_a_link_of_one_kind_does_nothing_else(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    await forgot(client)
    token = link_in((await letters(fresh_database, tmp_path))[0]).partition("t=")[2]
    assert (await client.get(f"/confirm?t={token}")).status_code == 410
    assert (await post(client, "/forgot", "/confirm", t=token)).status_code == 410
    assert (await client.get(f"/reset?t={token}")).status_code == 200, "and is not used up by that"


async def test_nothing_tells_whether_an_account_exists(fresh_database, tmp_path) -> None:
    """The same page to the byte, the same rows, and times that overlap."""
    await add_account(fresh_database, ANNA, "resident")
    limits = {"letters": Limit(1000, timedelta(minutes=30))}
    client = browser(a_site(fresh_database, tmp_path, limits=limits))
    token = form_token(await client.get("/forgot"))
    spent: dict[str, list[float]] = {ANNA: [], "nobody@city.test": []}
    pages: dict[str, set[str]] = {email: set() for email in spent}
    for _ in range(15):
        for email, times in spent.items():
            began = time.perf_counter()
            reply = await client.post("/forgot", data={"csrf_token": token, "login": email})
            times.append(time.perf_counter() - began)
            pages[email].add(re.sub(r'value="[^"]*"|[0-9a-f]{16}', "", reply.text))
    assert pages[ANNA] == pages["nobody@city.test"] and len(pages[ANNA]) == 1
    here, there = (statistics.median(times) for times in spent.values())
    assert abs(here - there) < 0.5 * max(here, there)
    async with fresh_database.open_session() as session:
        rows = dict((await session.execute(text("SELECT to_address, count(*) FROM mail_out GROUP BY 1"))).all())
    assert rows == {ANNA: 15, "nobody@city.test": 15}


async def test_a_stranger_who_asks_in_my_place_keeps_me_out_of_nothing(fresh_database, tmp_path) -> None:
    """Over the limit nothing more is sent, but what was sent still works; the answer stays the same."""
    await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path)
    for i in range(12):
        assert "on its way" in (await forgot(browser(site, address=f"198.51.{i}.7"))).text
    sent = await letters(fresh_database, tmp_path)
    assert len(sent) == LIMITS["letters"].hits
    for letter in sent:
        assert (await browser(site).get(link_in(letter))).status_code == 200


async def test_the_e_mail_changes_when_both_have_agreed(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    await sign_in(client, ANNA)
    fields = {"email": "New@Mail.test ", "password": "wrong"}
    assert (await post(client, "/account/email", "/account/email", **fields)).status_code == 422
    assert await letters(fresh_database, tmp_path) == []
    done = await post(client, "/account/email", "/account/email", email="New@Mail.test ", password=PASSWORD)
    assert done.status_code == 303
    assert "new@mail.test waits" in (await client.get("/account")).text
    asked = {letter.to_address: link_in(letter) for letter in await letters(fresh_database, tmp_path)}
    assert set(asked) == {ANNA, "new@mail.test"}
    first = await post(client, asked["new@mail.test"], "/confirm", t=asked["new@mail.test"].partition("t=")[2])
    assert "once the other address" in first.text
    async with fresh_database.open_session() as session:
        assert await session.scalar(select(account.c.email)) == ANNA
    done = await post(client, asked[ANNA], "/confirm", t=asked[ANNA].partition("t=")[2])
    assert "is changed" in done.text
    async with fresh_database.open_session() as session:
        row = (await session.execute(select(account))).one()
    assert row.email == "new@mail.test" and row.email_verified_at is not None
    [notice] = await letters(fresh_database, tmp_path)
    assert notice.to_address == ANNA and "http" not in notice.body


async def test_an_address_taken_meanwhile_or_asked_anew_is_not_given(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    await add_account(fresh_database, "boris@city.test", "resident")
    client = browser(a_site(fresh_database, tmp_path))
    await sign_in(client, ANNA)
    await post(client, "/account/email", "/account/email", email="boris@city.test", password=PASSWORD)
    asked = {letter.to_address: link_in(letter) for letter in await letters(fresh_database, tmp_path)}
    replies = [await post(client, link, "/confirm", t=link.partition("t=")[2]) for link in asked.values()]
    assert sorted(reply.status_code for reply in replies) == [200, 409]
    await post(client, "/account/email", "/account/email", email="new@mail.test", password=PASSWORD)
    for link in asked.values():  # links of the change before are worth nothing
        assert (await client.get(link)).status_code == 410


# ---- sessions


async def test_sessions_are_named_and_end_everywhere_else_within_five_seconds(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    clock = Clock(datetime.now(UTC))
    here, there = (a_site(fresh_database, tmp_path, clock) for _ in range(2))  # two processes
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
    own, other = browser(here), browser(there, **{"user-agent": agent})
    await sign_in(own, ANNA)
    await sign_in(other, ANNA)
    assert (await other.get("/account")).status_code == 200, "remembered there"
    shown = (await own.get("/account")).text
    assert "Firefox on Linux" in shown and "Sign out everywhere else" in shown
    assert (await post(own, "/account", "/account/sessions/end-others")).status_code == 303
    clock.go(seconds=5.1)
    assert (await other.get("/account")).status_code == 303
    assert (await own.get("/account")).status_code == 200
    async with fresh_database.open_session() as session:
        assert await session.scalar(select(func.count()).select_from(web_session)) == 1


# ---- throttling, over HTTP


async def test_the_owner_signs_in_from_a_known_device_while_strangers_try(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path, limits={"sign_in_account": Limit(6, timedelta(hours=1))},
                  trusted_proxies=("10.0.0.1",))  # fmt: skip
    known = browser(site, address="10.0.0.1", **{"x-forwarded-for": "203.0.113.9"})
    await sign_in(known, ANNA)
    assert "device" in known.cookies
    await post(known, "/account", "/sign-out")
    assert "device" in known.cookies
    statuses = []
    for i in range(6):  # behind the declared proxy each stranger's network is their own
        stranger = browser(site, address="10.0.0.1", **{"x-forwarded-for": f"1.2.3.4, 198.51.{i // 3}.7"})
        statuses += [(await sign_in(stranger, ANNA, "wrong")).status_code for _ in range(2)]
    assert statuses.count(429) == 4, statuses
    same = browser(site, address="10.0.0.1", **{"x-forwarded-for": "198.51.0.8"})
    assert (await sign_in(same, ANNA)).status_code == 429, "a stranger with the right password, from their network"
    assert (await sign_in(known, ANNA)).status_code == 303
    # A new device whose owner reads the mailbox comes in too: the letter makes it known.
    await forgot(same)
    link = link_in((await letters(fresh_database, tmp_path))[-1])
    await post(same, link, "/reset", t=link.partition("t=")[2], new_password=NEW)
    assert (await sign_in(same, ANNA, NEW)).status_code == 303


@pytest.mark.parametrize("path", ["/demo/letters"])
async def test_the_page_of_letters_is_the_demos_alone(fresh_database, tmp_path, path) -> None:
    assert (await browser(a_site(fresh_database, tmp_path)).get(path)).status_code == 404


async def test_a_link_used_twice_at_once_is_used_once(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path)
    await forgot(browser(site))
    link = link_in((await letters(fresh_database, tmp_path))[0])
    clients = [browser(site) for _ in range(4)]
    forms = [form_token(await client.get(link)) for client in clients]
    done = await asyncio.gather(*(
        client.post("/reset", data={"csrf_token": form, "t": link.partition("t=")[2], "new_password": f"{NEW} {i}"})
        for i, (client, form) in enumerate(zip(clients, forms, strict=True))
    ))  # fmt: skip
    assert sorted(reply.status_code for reply in done) == [303, 410, 410, 410]


async def test_the_demo_shows_its_letters_with_links_that_work(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    settings = Settings(data_dir=tmp_path, base_url=HTTP, demo=True, database_url="postgresql://given/instead")
    site = create_app(settings, database=fresh_database, passwords=fast_passwords(), route_handlers=mailbox.handlers)
    client = browser(site)
    await forgot(client)
    await build_jobs(fresh_database, settings).run_until_idle()
    page = await client.get("/demo/letters")
    link = re.search(r'href="(/reset\?t=[^"]+)"', page.text)
    assert page.status_code == 200 and ANNA in page.text and link
    assert (await client.get(link[1])).status_code == 200


async def test_without_mail_the_forms_say_so(fresh_database, tmp_path) -> None:
    site = build_site(fresh_database, tmp_path, handlers=mailbox.handlers, clock=Clock(datetime.now(UTC)))
    client = browser(site)
    reply = await forgot(client)
    assert reply.status_code == 409 and "cannot send letters" in reply.text
    assert "/forgot" not in (await client.get("/sign-in")).text
