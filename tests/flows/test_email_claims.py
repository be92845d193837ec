"""An e-mail nobody has confirmed, over HTTP: it keeps no owner of a mailbox out, and tells nobody whose it is."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, select, update
from tests.flows.letters import MAIL, letters, link_in
from tests.sites import (
    NATIONAL_ID,
    PASSWORD,
    Clock,
    add_account,
    add_citizen,
    browser,
    build_site,
    form_token,
    sign_in,
)

from voting.identity.passwords import PasswordPool
from voting.tables import account
from voting.throttling import Limit
from voting.web import account_second_step, mailbox, own_data

X = "mailbox@city.test"
OWNERS = "the owner's own words"
STRANGERS = "the stranger's own words"
FEW = {name: Limit(1000, timedelta(hours=1)) for name in ("letters", "letters_network", "links")}
NUMBERS = (NATIONAL_ID, "4510 123457", "4510 123458", "4510 123459")


def a_site(database, tmp_path, **more):
    handlers = [*mailbox.handlers, *account_second_step.handlers, *own_data.handlers]
    return build_site(database, tmp_path, handlers=handlers, clock=Clock(datetime.now(UTC)),
                      **{**MAIL, "limits": {**FEW, **more.pop("limits", {})}, **more})  # fmt: skip


async def post(client: httpx.AsyncClient, page: str, where: str, **fields: str) -> httpx.Response:
    return await client.post(where, data={"csrf_token": form_token(await client.get(page)), **fields})


async def sign_up(client: httpx.AsyncClient, number: str, password: str, login: str = X) -> httpx.Response:
    return await post(client, "/sign-up", "/sign-up", national_id=number, birth_date="1990-02-03", login=login,
                      password=password)  # fmt: skip


async def press(client: httpx.AsyncClient, letter: Any) -> httpx.Response:
    link = link_in(letter)
    return await post(client, link, "/confirm", t=link.partition("t=")[2])


async def who(client: httpx.AsyncClient) -> int | None:
    return (await client.get("/api/v1/session")).json()["account_id"]


@pytest.fixture
async def people(fresh_database, tmp_path) -> list[int]:
    """Entries of the register, one for each of NUMBERS."""
    return [await add_citizen(fresh_database, tmp_path, number) for number in NUMBERS]


async def test_the_owner_of_a_mailbox_takes_it_from_who_only_named_it(fresh_database, tmp_path, people) -> None:
    site = a_site(fresh_database, tmp_path)
    stranger, owner = browser(site), browser(site)
    assert (await sign_up(stranger, NUMBERS[0], STRANGERS)).status_code == 303
    await letters(fresh_database, tmp_path)
    assert (await sign_up(owner, NUMBERS[1], OWNERS)).status_code == 303
    theirs, mine = await who(stranger), await who(owner)
    [letter] = await letters(fresh_database, tmp_path)
    assert letter.to_address == X
    # Before it is confirmed both come in, each to the own account.
    for number, password in ((theirs, STRANGERS), (mine, OWNERS)):
        there = browser(site, address="198.51.100.7")
        assert (await sign_in(there, X, password)).headers["location"] == "/" and await who(there) == number
    assert "The e-mail is confirmed" in (await press(browser(site), letter)).text
    assert "· confirmed" in (await owner.get("/account")).text
    # The owner recovers the account by the mailbox, and the stranger's stays as it was.
    assert (await post(browser(site), "/forgot", "/forgot", login=X)).status_code == 200
    [letter] = await letters(fresh_database, tmp_path)
    link = link_in(letter)
    done = await post(owner, link, "/reset", t=link.partition("t=")[2], new_password="still other words")
    assert done.status_code == 303 and (await sign_in(owner, X, "still other words")).headers["location"] == "/"
    assert await who(owner) == mine and await who(stranger) == theirs


async def test_who_loses_an_e_mail_is_told_and_keeps_the_account(fresh_database, tmp_path, people) -> None:
    site = a_site(fresh_database, tmp_path)
    loser, owner = browser(site), browser(site)
    await sign_up(loser, NUMBERS[0], STRANGERS)
    number = await who(loser)
    await letters(fresh_database, tmp_path)
    await sign_up(owner, NUMBERS[1], OWNERS)
    await press(owner, (await letters(fresh_database, tmp_path))[0])
    assert "another account" in (await loser.get("/account")).text, "told where signed in already"
    new = browser(site, address="198.51.100.7")
    told = await sign_in(new, X, STRANGERS, next="/polls/x?y=1&z=2")
    assert told.headers["location"] == "/account?next=/polls/x%3Fy%3D1%26z%3D2" and await who(new) == number
    shown = (await new.get(told.headers["location"])).text
    assert "somebody else did by a letter" in shown and 'href="/polls/x?y=1&amp;z=2"' in shown
    assert "Send the letter to confirm it" not in shown
    evil = (await new.get("/account?next=//evil.test")).text
    assert "somebody else did" in evil and 'href="//evil' not in evil and "Go on to" not in evil
    russian = (await new.get("/account", headers={"accept-language": "ru"})).text
    assert "его подтвердил по ссылке из письма другой человек" in russian
    # Another e-mail ends it.
    await post(new, "/account/email", "/account/email", email="new@city.test", password=STRANGERS)
    [letter] = await letters(fresh_database, tmp_path)
    assert letter.to_address == "new@city.test", "nothing is asked of the mailbox that was never theirs"
    assert "is changed" in (await press(new, letter)).text
    assert "somebody else did" not in (await new.get("/account")).text
    again = browser(site)
    assert (await sign_in(again, "new@city.test", STRANGERS)).headers["location"] == "/" and await who(again) == number
    assert (await sign_in(browser(site), X, STRANGERS)).status_code == 422


async def test_a_carried_form_goes_on_before_anything_is_told(fresh_database, tmp_path, people) -> None:
    """A ballot that waited for the sign-in is not lost over a notice."""
    site = a_site(fresh_database, tmp_path)
    loser = browser(site)
    await sign_up(loser, NUMBERS[0], STRANGERS)
    async with fresh_database.open_session() as session:
        await session.execute(update(account).values(email_lost_at=datetime.now(UTC)))
    reply = await sign_in(browser(site), X, STRANGERS, next="/polls/x/cast", **{"carry.q.1": "2"})
    assert reply.status_code == 200 and 'action="/polls/x/cast"' in reply.text and 'name="q.1"' in reply.text


async def test_of_two_letters_the_second_is_told_that_the_e_mail_is_taken(fresh_database, tmp_path, people) -> None:
    site = a_site(fresh_database, tmp_path)
    one, two = browser(site), browser(site)
    await sign_up(one, NUMBERS[0], STRANGERS)
    await sign_up(two, NUMBERS[1], OWNERS)
    first, second = await letters(fresh_database, tmp_path)
    assert (await press(two, second)).status_code == 200
    told = await press(one, first)
    assert told.status_code == 409 and "Another account has confirmed this e-mail already" in told.text


async def test_an_account_with_a_phone_adds_an_e_mail_somebody_only_named(fresh_database, tmp_path, people) -> None:
    site = a_site(fresh_database, tmp_path)
    await sign_up(browser(site), NUMBERS[0], STRANGERS)
    await letters(fresh_database, tmp_path)
    await add_account(fresh_database, "+79161234567", "resident", citizen_id=people[1])
    owner = browser(site)
    await sign_in(owner, "+79161234567")
    await post(owner, "/account/email", "/account/email", email=X, password=PASSWORD)
    assert "is changed" in (await press(owner, (await letters(fresh_database, tmp_path))[0])).text
    assert (await sign_in(browser(site), X)).headers["location"] == "/"


async def test_nothing_tells_whose_an_e_mail_is(fresh_database, tmp_path, people, monkeypatch) -> None:
    """Free, named by another, or confirmed by another: one page, the same statements, the same hashes, one letter."""
    site = a_site(fresh_database, tmp_path)
    await sign_up(browser(site), NUMBERS[0], STRANGERS, "named@city.test")
    await add_account(fresh_database, "owned@city.test", "resident")
    await letters(fresh_database, tmp_path)
    seen: list[str] = []
    for engine in (fresh_database.engine, fresh_database.aside_engine):
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    for name in ("hash", "verify"):
        real = getattr(PasswordPool, name)

        async def counted(self: PasswordPool, *given: Any, real: Any = real, name: str = name) -> Any:
            seen.append(name)
            return await real(self, *given)

        monkeypatch.setattr(PasswordPool, name, counted)
    told = []
    for number, email in zip(NUMBERS[1:], ("free@city.test", "named@city.test", "owned@city.test"), strict=True):
        client = browser(site)
        pages = []
        await client.get("/sign-up")
        seen.clear()
        done = await sign_up(client, number, OWNERS, email)
        pages += [done.status_code, sorted(done.headers), done.text]
        for path in ("/account", "/account/email", "/account/data", "/account/data.json"):
            pages.append(bare((await client.get(path)).text, email))
        done = await post(client, "/account", "/account/email/verify")
        pages += [done.status_code, done.headers["location"]]
        told.append((pages, list(seen)))
        elsewhere = browser(site)
        wrong, right = [await sign_in(elsewhere, email, password) for password in ("neither's own words", OWNERS)]
        pages += [wrong.status_code, bare(wrong.text, email), right.status_code, right.headers["location"]]
        assert [one.to_address for one in await letters(fresh_database, tmp_path)] == [email] * 2
    assert told[0] == told[1] == told[2]


def bare(text: str, *typed: str) -> str:
    """A page without what was typed, its tokens, numbers of accounts and moments."""
    for one in typed:
        text = text.replace(one, "TYPED")
    text = re.sub(r'value="[^"]*"|[A-Za-z0-9_-]{40,}|[0-9a-f]{16}', "*", text)
    return re.sub(r'\d{4}-\d\d-\d\dT[\d:.]+(\+\d\d:\d\d|Z)|account:\d+|"(number|citizen_id|id)": ?\d+', "*", text)


async def test_naming_an_e_mail_lets_nobody_guess_the_owners_password(fresh_database, tmp_path, people) -> None:
    """Each guess becomes the stranger's own password, so that it signs in either way: the tries count all the same."""
    limits = {"sign_in": Limit(3, timedelta(hours=1))}
    site = a_site(fresh_database, tmp_path, limits=limits)
    owner = await add_account(fresh_database, X, "resident", password="guess 4 of the stranger")
    known = browser(site, address="192.0.2.1")
    await sign_in(known, X, "guess 4 of the stranger")
    stranger = browser(site)
    await sign_up(stranger, NUMBERS[0], STRANGERS)
    number = await who(stranger)
    opened, before = [], STRANGERS
    for guess in [f"guess {number} of the stranger" for number in range(6)]:
        changed = await post(stranger, "/account", "/account/password", current_password=before, new_password=guess)
        assert changed.status_code == 303
        before, own = guess, browser(site)
        own.cookies.set("device", stranger.cookies["device"])
        for client in (browser(site), own):  # from a new device, and from one the own account knows
            await sign_in(client, X, guess)
            opened.append(await who(client))
    assert owner not in opened and number in opened
    await known.post("/sign-out", data={"csrf_token": form_token(await known.get("/account"))})
    assert (await sign_in(known, X, "guess 4 of the stranger")).status_code == 303, "nor is the owner kept out"
    assert await who(known) == owner


async def test_two_who_share_a_mailbox_and_a_browser_come_in_each_to_the_own_account(
    fresh_database, tmp_path, people
) -> None:
    site = a_site(fresh_database, tmp_path)
    shared = browser(site)
    await sign_up(shared, NUMBERS[0], OWNERS)
    one = await who(shared)
    await press(shared, (await letters(fresh_database, tmp_path))[0])
    await post(shared, "/account", "/sign-out")
    await sign_up(shared, NUMBERS[1], STRANGERS)
    two = await who(shared)
    assert one != two
    for password, number in ((STRANGERS, two), (OWNERS, one), (STRANGERS, two), (OWNERS, one)):
        await post(shared, "/account", "/sign-out")
        assert (await sign_in(shared, X, password)).status_code == 303
        assert await who(shared) == number


async def test_without_mail_two_may_name_one_e_mail(fresh_database, tmp_path, people) -> None:
    site = a_site(fresh_database, tmp_path, smtp_url=None)
    numbers = []
    for number, password in ((NUMBERS[0], STRANGERS), (NUMBERS[1], OWNERS)):
        client = browser(site)
        assert (await sign_up(client, number, password)).status_code == 303
        numbers.append(await who(client))
    for password, expected in zip((STRANGERS, OWNERS), numbers, strict=True):
        there = browser(site)
        assert (await sign_in(there, X, password)).status_code == 303 and await who(there) == expected
    async with fresh_database.open_read_session() as session:
        assert list(await session.scalars(select(account.c.email))) == [X, X]
