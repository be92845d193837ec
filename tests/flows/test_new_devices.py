"""Signing in on a new device while stolen passwords are tried: letters, birth dates, and what neither gives away."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, select, text, update
from tests.flows.letters import MAIL, letters, link_in
from tests.sites import (
    BORN,
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

from polls.errors import BadCredentials
from polls.tables import audit_event
from voting.factor_tables import one_time_code, pre_session
from voting.identity import accounts, new_devices
from voting.identity.accounts import Credentials
from voting.identity.signing_in import Desk
from voting.mail import send
from voting.tables import account, mail_out, mail_token, web_session
from voting.throttling import LIMITS, Limit
from voting.web import account_second_step, mailbox

ANNA = "anna@city.test"
PHONE = "+79161234567"
NEW = "several other words"
ALARM = {"sign_in_alarm": Limit(0, timedelta(hours=1))}
"""The alarm stands from the first try on."""


def a_site(database, tmp_path, clock=None, **more):
    limits = {"links": Limit(1000, timedelta(minutes=15)), **ALARM, **more.pop("limits", {})}
    return build_site(database, tmp_path, handlers=[*mailbox.handlers, *account_second_step.handlers],
                      clock=clock or Clock(datetime.now(UTC)), limits=limits, **{**MAIL, **more})  # fmt: skip


async def press(client: httpx.AsyncClient, link: str) -> httpx.Response:
    """Open the link and press its button."""
    shown = await client.get(link)
    assert shown.status_code == 200, shown.text
    return await client.post("/sign-in/letter", data={"csrf_token": form_token(shown), "t": link.partition("t=")[2]})


async def who(client: httpx.AsyncClient) -> int | None:
    return (await client.get("/api/v1/session")).json()["account_id"]


async def count(database, table) -> int:
    async with database.open_session() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def by_api(client: httpx.AsyncClient, login: str, password: str = PASSWORD, **more: Any) -> tuple[int, str]:
    reply = await client.post("/api/v1/session", json={"login": login, "password": password, **more})
    return reply.status_code, reply.json().get("code", "")


async def codes_on(database, account_id: int) -> None:
    async with database.open_session() as session:
        row = {"account_id": account_id, "sealed_secret": b"x", "key_version": 1, "created_at": func.now()}
        await session.execute(one_time_code.insert().values(**row, confirmed_at=func.now()))


# ---- the letter


async def test_a_new_device_signs_in_by_the_letters_link_and_is_known_then(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path)
    client = browser(site)
    told = await sign_in(client, ANNA)
    assert told.status_code == 403 and "a letter with a link is on its way" in told.text
    assert "Open the link of the letter" in told.text and "sid" not in client.cookies and "device" not in client.cookies
    assert await by_api(client, ANNA) == (403, "letter_needed")
    [letter] = await letters(fresh_database, tmp_path)
    assert letter.to_address == ANNA and letter.subject.startswith("Вход с нового устройства")
    link = link_in(letter)
    for _ in range(2):  # mail programs look first
        shown = await browser(site).get(link)
        assert shown.status_code == 200 and ANNA in shown.text and "sid" not in shown.headers.get("set-cookie", "")
        assert shown.headers["referrer-policy"] == "no-referrer" and shown.headers["cache-control"] == "no-store"
        assert (await browser(site).head(link)).status_code in (200, 405)
    assert await count(fresh_database, web_session) == 0, "looking signs nobody in"
    done = await press(client, link)
    assert (done.status_code, done.headers["location"], await who(client)) == (303, "/", anna)
    assert (await client.get(link)).status_code == 410, "once only"
    assert await count(fresh_database, mail_token) == 0
    await client.post("/sign-out", data={"csrf_token": form_token(await client.get("/account"))})
    assert (await sign_in(client, ANNA)).status_code == 303, "the device is known, and the alarm stands"
    stranger = browser(site)
    assert (await sign_in(stranger, ANNA)).status_code == 403 and await who(stranger) is None


async def test_in_russian_the_page_says_what_and_what_next(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path), **{"accept-language": "ru"})
    told = await sign_in(client, ANNA)
    assert "одного пароля сейчас мало" in told.text and "Вход с нового устройства" in told.text
    shown = await client.get(link_in((await letters(fresh_database, tmp_path))[0]))
    assert "Вход по письму" in shown.text and ANNA in shown.text


async def test_the_browser_that_opens_the_link_is_signed_in_and_no_other(fresh_database, tmp_path) -> None:
    """Whoever tried the password gains nothing by the owner's pressing the button; links open their own account."""
    anna = await add_account(fresh_database, ANNA, "resident")
    boris = await add_account(fresh_database, "boris@city.test", "resident")
    site = a_site(fresh_database, tmp_path)
    thief, owner, other = browser(site), browser(site), browser(site)
    await sign_in(thief, ANNA)
    link = link_in((await letters(fresh_database, tmp_path))[0])
    await sign_in(other, "boris@city.test")
    await press(other, link_in((await letters(fresh_database, tmp_path))[0]))
    assert await who(other) == boris
    assert (await press(owner, link)).status_code == 303
    assert await who(owner) == anna and await who(thief) is None and await who(other) == boris
    await sign_in(thief, ANNA)
    link = link_in((await letters(fresh_database, tmp_path))[0])
    before = other.cookies["sid"]
    assert (await press(other, link)).status_code == 303, "another's session in this browser ends"
    assert await who(other) == anna
    late = browser(site)
    late.cookies.set("sid", before)
    assert await who(late) is None


async def test_a_link_of_another_kind_or_form_signs_nobody_in(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    await sign_in(client, ANNA)
    link = link_in((await letters(fresh_database, tmp_path))[0])
    token = link.partition("t=")[2]
    form = form_token(await client.get("/forgot"))
    for page in ("/reset", "/confirm"):
        assert (await client.get(f"{page}?t={token}")).status_code == 410
        fields = {"csrf_token": form, "t": token, "new_password": NEW}
        assert (await client.post(page, data=fields)).status_code == 410
    await client.post("/forgot", data={"csrf_token": form, "login": ANNA})
    reset = link_in((await letters(fresh_database, tmp_path))[0]).partition("t=")[2]
    for wrong in (reset, "", "x" * 5000, "%00%0d%0a", "abc"):
        assert (await client.get(f"/sign-in/letter?t={wrong}")).status_code == 410, wrong
        fields = {"csrf_token": form, "t": wrong}
        assert (await client.post("/sign-in/letter", data=fields)).status_code == 410, wrong
    assert (await client.post("/sign-in/letter", data={"t": token})).status_code == 403, "a form of another site"
    assert await who(client) is None
    assert (await client.get(link)).status_code == 200, "and is not used up by any of that"


async def test_a_link_lasts_half_an_hour_and_outlives_the_alarm(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    clock = Clock(datetime.now(UTC))
    site = a_site(fresh_database, tmp_path, clock)
    client = browser(site)
    await sign_in(client, ANNA)
    link = link_in((await letters(fresh_database, tmp_path))[0])
    calm = a_site(fresh_database, tmp_path, clock, limits={"sign_in_alarm": Limit(300, timedelta(hours=1))})
    after = browser(calm)
    assert (await sign_in(after, ANNA)).status_code == 303, "with the alarm over a password is enough"
    clock.go(minutes=29)
    late = browser(calm)
    assert (await press(late, link)).status_code == 303 and await who(late) == anna, "and so is the link"
    assert (await sign_in(client, ANNA)).status_code == 403
    link = link_in((await letters(fresh_database, tmp_path))[0])
    too_late = browser(site)
    shown = await too_late.get(link)
    clock.go(minutes=2)
    fields = {"csrf_token": form_token(shown), "t": link.partition("t=")[2]}
    assert (await too_late.post("/sign-in/letter", data=fields)).status_code == 410, "its time is over"
    assert (await too_late.get(link)).status_code == 410 and await who(too_late) is None


@pytest.mark.parametrize(
    "change", ["disabled_at = now()", "email = 'new@city.test'", "email_verified_at = NULL", "password_hash = NULL"]
)
@pytest.mark.parametrize("sent", [False, True])
async def test_a_link_is_worth_nothing_for_an_account_that_changed(fresh_database, tmp_path, change, sent) -> None:
    await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    await sign_in(client, ANNA)
    found = await letters(fresh_database, tmp_path) if sent else []
    async with fresh_database.open_session() as session:
        await session.execute(text(f"UPDATE account SET {change}"))
    found += await letters(fresh_database, tmp_path)
    assert bool(found) == (sent or "password" in change), "to what is no address of the account nothing goes out"
    if not found:
        return
    shown = await client.get(link_in(found[0]))
    fields = {"csrf_token": form_token(shown), "t": link_in(found[0]).partition("t=")[2]}
    assert (await client.post("/sign-in/letter", data=fields)).status_code == 410
    assert await who(client) is None and await count(fresh_database, web_session) == 0


@pytest.mark.parametrize("sent", [False, True])
async def test_a_new_password_voids_the_letter_on_its_way_and_its_link(fresh_database, tmp_path, sent) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    await sign_in(client, ANNA)
    found = await letters(fresh_database, tmp_path) if sent else []
    hashed = await fast_passwords().hash(NEW)
    async with fresh_database.open_session() as session:
        await accounts.change_password(session, anna, password_hash=hashed, keep=None)
    assert await letters(fresh_database, tmp_path) == []
    assert not sent or (await client.get(link_in(found[0]))).status_code == 410
    assert await count(fresh_database, mail_out) == await count(fresh_database, mail_token) == 0


# ---- nobody is flooded, nobody is kept out


async def test_one_letter_waits_at_a_time_and_few_go_out_in_an_hour(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    clock = Clock(datetime.now(UTC))
    site = a_site(fresh_database, tmp_path, clock)
    for i in range(12):  # whoever knows the password, from everywhere
        assert await by_api(browser(site, address=f"198.51.{i}.7"), ANNA) == (403, "letter_needed")
    assert await count(fresh_database, mail_out) == 1
    [letter] = await letters(fresh_database, tmp_path)
    assert await by_api(browser(site), ANNA) == (403, "letter_needed") and await letters(fresh_database, tmp_path) == []
    most = LIMITS["sign_in_letters"].hits
    for _ in range(most - 1):  # the owner on one new device after another
        assert (await press(browser(site), link_in(letter))).status_code == 303
        assert await by_api(browser(site), ANNA) == (403, "letter_needed")
        [letter] = await letters(fresh_database, tmp_path)
    await press(browser(site), link_in(letter))
    assert await by_api(browser(site), ANNA) == (429, "too_many")
    assert await letters(fresh_database, tmp_path) == []
    # A wrong password sends nothing, whatever the count.
    clock.go(hours=3)
    assert await by_api(browser(site), ANNA, "wrong password") == (401, "new_device_refused")
    assert await letters(fresh_database, tmp_path) == []


async def test_many_at_once_make_one_letter_and_one_link_signs_in_once(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path, passwords=fast_passwords(queue=50))
    done = await asyncio.gather(*(by_api(browser(site, address=f"198.51.{i}.7"), ANNA) for i in range(4)))
    assert set(done) == {(403, "letter_needed")}
    [letter] = await letters(fresh_database, tmp_path)
    link, clients = link_in(letter), [browser(site) for _ in range(4)]
    forms = [form_token(await client.get(link)) for client in clients]
    replies = await asyncio.gather(*(
        client.post("/sign-in/letter", data={"csrf_token": form, "t": link.partition("t=")[2]})
        for client, form in zip(clients, forms, strict=True)
    ))  # fmt: skip
    assert sorted(reply.status_code for reply in replies) == [303, 410, 410, 410]
    assert await count(fresh_database, web_session) == 1


async def test_a_new_password_by_letter_is_a_way_in_during_the_alarm(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    await client.post("/forgot", data={"csrf_token": form_token(await client.get("/forgot")), "login": ANNA})
    link = link_in((await letters(fresh_database, tmp_path))[0])
    fields = {"csrf_token": form_token(await client.get(link)), "t": link.partition("t=")[2], "new_password": NEW}
    assert (await client.post("/reset", data=fields)).status_code == 303
    assert (await sign_in(client, ANNA, NEW)).status_code == 303, "the letter made the device known"


async def test_an_account_with_codes_is_asked_for_the_code_and_nothing_else(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    await codes_on(fresh_database, anna)
    client = browser(a_site(fresh_database, tmp_path))
    asked = await sign_in(client, ANNA)
    assert asked.status_code == 200 and 'action="/sign-in/code"' in asked.text
    assert await by_api(client, ANNA) == (401, "second_step_needed")
    assert await letters(fresh_database, tmp_path) == []


async def test_codes_turned_on_since_are_asked_for_after_the_link(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    await sign_in(client, ANNA)
    link = link_in((await letters(fresh_database, tmp_path))[0])
    await codes_on(fresh_database, anna)
    asked = await press(client, link)
    assert asked.status_code == 200 and 'action="/sign-in/code"' in asked.text and "ticket" in client.cookies
    assert await who(client) is None and await count(fresh_database, web_session) == 0
    assert await count(fresh_database, pre_session) == 1
    assert (await client.get(link)).status_code == 410, "the link has served"


# ---- where there is no mailbox


async def by_phone(database, tmp_path, *, born: date | None = BORN) -> int:
    citizen_id = await add_citizen(database, tmp_path, born=born)
    return await add_account(database, PHONE, "resident", citizen_id=citizen_id)


async def test_without_a_mailbox_the_birth_date_goes_beside_the_password(fresh_database, tmp_path) -> None:
    resident = await by_phone(fresh_database, tmp_path)
    site = a_site(fresh_database, tmp_path)
    client = browser(site)
    first = await client.get("/sign-in")
    assert 'name="birth_date"' not in first.text
    told = await sign_in(client, PHONE)
    assert told.status_code == 422 and 'name="birth_date"' in told.text and "birth date" in told.text
    assert (await sign_in(client, PHONE, birth_date="1990-02-04")).status_code == 422
    assert (await sign_in(client, PHONE, "wrong password", birth_date=str(BORN))).status_code == 422
    assert await letters(fresh_database, tmp_path) == [] and await who(client) is None
    assert (await sign_in(client, PHONE, birth_date="03.02.1990")).status_code == 303
    assert await who(client) == resident
    again = browser(site)
    again.cookies.set("device", client.cookies["device"])
    assert (await sign_in(again, PHONE)).status_code == 303, "a known device gives none"
    other = browser(site, address="198.51.100.7")
    assert await by_api(other, PHONE) == (401, "new_device_refused")
    assert (await by_api(other, PHONE, birth_date=str(BORN)))[0] == 201


@pytest.mark.parametrize("mail", [{}, {"smtp_url": None}])
async def test_nobody_without_a_mailbox_and_a_birth_date_is_kept_out(fresh_database, tmp_path, mail) -> None:
    await by_phone(fresh_database, tmp_path, born=None)
    assert (await sign_in(browser(a_site(fresh_database, tmp_path, **mail)), PHONE)).status_code == 303


async def test_with_mail_off_or_an_address_never_confirmed_no_letter_is_asked_for(fresh_database, tmp_path) -> None:
    citizen_id = await add_citizen(fresh_database, tmp_path)
    await add_account(fresh_database, ANNA, "resident", citizen_id=citizen_id)
    off = browser(a_site(fresh_database, tmp_path, smtp_url=None))
    assert (await sign_in(off, ANNA)).status_code == 422
    assert (await sign_in(off, ANNA, birth_date=str(BORN))).status_code == 303
    async with fresh_database.open_session() as session:
        await session.execute(update(account).values(email_verified_at=None))
    on = browser(a_site(fresh_database, tmp_path))
    assert (await sign_in(on, ANNA)).status_code == 422
    assert (await sign_in(on, ANNA, birth_date=str(BORN))).status_code == 303
    assert await count(fresh_database, mail_out) == 0


async def test_a_right_password_without_the_date_is_told_as_a_wrong_one(fresh_database, tmp_path) -> None:
    """To the byte, for a login nobody has too: whoever tries a list learns nothing of accounts without a mailbox."""
    await by_phone(fresh_database, tmp_path)
    await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path)
    pages, bodies = set(), set()
    seen: list[str] = []
    statements: list[tuple[str, ...]] = []

    def note(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        seen.append(sql)

    for engine in (fresh_database.engine, fresh_database.aside_engine):
        event.listen(engine.sync_engine, "before_cursor_execute", note)
    wrong = "wrong password"
    for login, password in ((PHONE, PASSWORD), (PHONE, wrong), ("+79990000000", PASSWORD), (ANNA, wrong),
                            ("nobody@city.test", PASSWORD), ("no login", PASSWORD)):  # fmt: skip
        client = browser(site)
        reply = await sign_in(client, login, password)
        shown = reply.text.replace(login, "").replace(login.replace("+", "&#43;"), "")
        pages.add((reply.status_code, re.sub(r'value="[^"]*"|[0-9a-f]{16}', "", shown)))
        seen.clear()
        reply = await client.post("/api/v1/session", json={"login": login, "password": password})
        bodies.add((reply.status_code, str({**reply.json(), "instance": ""})))
        statements.append(tuple(re.sub(r"email|phone", "login", one) for one in seen))
    assert len(pages) == len(bodies) == 1, (len(pages), bodies)
    assert len(set(statements)) == 1, "and the database is asked the same"
    async with fresh_database.open_session() as session:
        refused = await session.scalar(text("SELECT sum(n) FROM audit_counter"))
    assert refused == 12, "and each is counted as refused"


# ---- the attack, and who is told


async def test_a_list_of_stolen_pairs_opens_what_came_before_the_alarm(fresh_database, tmp_path) -> None:
    """Through the pages themselves: six failures are let through, then right passwords open nothing by themselves."""
    limits = {"sign_in_alarm": Limit(6, timedelta(hours=1))}
    site = a_site(fresh_database, tmp_path, limits=limits)
    citizen_id = await add_citizen(fresh_database, tmp_path)
    await add_account(fresh_database, "+79160000000", "resident", citizen_id=citizen_id)
    for i in range(12):
        await add_account(fresh_database, f"victim{i}@city.test", "resident")
    known = browser(site, address="192.0.2.1")
    assert (await sign_in(known, "victim11@city.test")).status_code == 303
    opened = []
    for i in range(30):
        thief = browser(site, address=f"198.51.{i}.7")
        right = i % 3 == 0
        login = f"victim{i // 3}@city.test" if right else f"nobody{i}@city.test"
        opened.append((await by_api(thief, login))[0] == 201)
    assert opened.index(True) == 0 and sum(opened) == 3 and not any(opened[9:]), opened
    assert (await by_api(browser(site, address="198.51.99.7"), "+79160000000"))[0] == 401
    await known.post("/sign-out", data={"csrf_token": form_token(await known.get("/account"))})
    assert (await sign_in(known, "victim11@city.test")).status_code == 303, "the owner at home notices nothing"
    async with fresh_database.open_session() as session:
        told = (await session.execute(select(audit_event.c.facts).where(audit_event.c.kind == "sign_in_alarm"))).all()
    assert [one.facts for one in told] == [{"count": 6}]


async def test_a_city_may_ask_new_devices_for_more_at_any_time(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    calm = {"sign_in_alarm": Limit(300, timedelta(hours=1))}
    assert (await sign_in(browser(a_site(fresh_database, tmp_path, limits=calm)), ANNA)).status_code == 303
    wary = a_site(fresh_database, tmp_path, limits=calm, new_devices="always")
    assert (await sign_in(browser(wary), ANNA)).status_code == 403
    assert len(await letters(fresh_database, tmp_path)) == 1


async def test_the_staff_who_came_by_a_letter_stand_in_the_log(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "official")
    client = browser(a_site(fresh_database, tmp_path))
    await sign_in(client, ANNA)
    await press(client, link_in((await letters(fresh_database, tmp_path))[0]))
    async with fresh_database.open_session() as session:
        told = (await session.scalars(select(audit_event.c.facts).where(audit_event.c.kind == "staff_signed_in"))).all()
    assert told == [{"how": "letter"}]


# ---- two at once


async def holding(database, first: Callable[[Any], Awaitable[Any]], second: Callable[[], Awaitable[Any]]) -> Any:
    """The first does its work and holds it open until the second waits for it; gives what the second comes to."""
    async with database.open_session() as session:
        await first(session)
        waiting = asyncio.ensure_future(second())
        for _ in range(200):
            await asyncio.sleep(0.02)
            blocked = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                           " AND datname = current_database()")  # fmt: skip
            async with database.open_session() as looking:
                if await looking.scalar(blocked):
                    break
        else:
            pytest.fail("the second never waited")
    return await waiting


async def test_a_password_changed_at_the_moment_of_asking_or_pressing_wins(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path)
    client = browser(site)

    async def change(session: Any) -> None:
        hashed = await fast_passwords().hash(NEW)
        await accounts.change_password(session, anna, password_hash=hashed, keep=None)

    async def change_back(session: Any) -> None:
        hashed = await fast_passwords().hash(PASSWORD)
        await accounts.change_password(session, anna, password_hash=hashed, keep=None)

    asked = await holding(fresh_database, change, lambda: sign_in(client, ANNA))
    assert asked.status_code == 422 and await letters(fresh_database, tmp_path) == []
    assert (await sign_in(client, ANNA, NEW)).status_code == 403
    link = link_in((await letters(fresh_database, tmp_path))[0])
    shown = form_token(await client.get(link))
    fields = {"csrf_token": shown, "t": link.partition("t=")[2]}
    pressed = await holding(fresh_database, change_back, lambda: client.post("/sign-in/letter", data=fields))
    assert pressed.status_code == 410 and await count(fresh_database, web_session) == 0
    # The job that draws the link waits, and finds its letter gone.
    assert (await sign_in(client, ANNA)).status_code == 403
    assert await holding(fresh_database, change, lambda: letters(fresh_database, tmp_path)) == []
    assert await count(fresh_database, mail_token) == 0


async def test_a_letter_that_never_went_out_is_replaced_after_half_an_hour(fresh_database, tmp_path) -> None:
    """Its job is lost: the account is not shut for the two days until it is swept."""
    anna = await add_account(fresh_database, ANNA, "resident")
    clock = Clock(datetime.now(UTC))
    site = a_site(fresh_database, tmp_path, clock)
    async with fresh_database.open_session() as session:
        await send(session, ANNA, "sign_in", {}, "ru", clock(), account_id=anna)
        await session.execute(text("DELETE FROM procrastinate_events"))
        await session.execute(text("DELETE FROM procrastinate_jobs"))
    assert await by_api(browser(site), ANNA) == (403, "letter_needed") and await letters(fresh_database, tmp_path) == []
    clock.go(minutes=31)
    assert await by_api(browser(site), ANNA) == (403, "letter_needed")
    assert len(await letters(fresh_database, tmp_path)) == 1 and await count(fresh_database, mail_out) == 0


async def test_the_letter_is_not_sent_to_an_address_that_is_none_any_more(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    desk: Desk = a_site(fresh_database, tmp_path).state["desk"]
    async with fresh_database.open_session() as session:
        hashed = await session.scalar(select(account.c.password_hash))
        await session.execute(update(account).values(email_verified_at=None))
    with pytest.raises(BadCredentials):
        await new_devices.ask_by_letter(desk, Credentials(anna, hashed or ""), now=datetime.now(UTC))
    assert await count(fresh_database, mail_out) == 0
