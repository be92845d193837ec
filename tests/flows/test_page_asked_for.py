"""The page somebody asked for, carried through a sign-in that takes a letter or a code, and never to another site."""

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import select
from tests.flows.letters import letters, link_in
from tests.flows.test_new_devices import ANNA, a_site, codes_on, press, who
from tests.sites import add_account, browser, form_token, sign_in

from voting.identity import totp
from voting.tables import mail_token
from voting.throttling import Limit

PAGE = "/polls/square/vote?step=2&style=a%20b"
ELSEWHERE = (
    "//evil.test/", "https://evil.test/", "/\\evil.test", "/\t/evil.test", "/sign-in/letter",
    "javascript:alert(1)", "/" + "x" * 3000, "\"><b>",
)  # fmt: skip


async def test_the_page_asked_for_is_gone_on_to_after_the_letter(fresh_database, tmp_path) -> None:
    anna = await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path)
    client, other = browser(site), browser(site)
    told = await sign_in(client, ANNA, next=PAGE)
    cookie = next(one for one in told.headers.get_list("set-cookie") if one.startswith("target="))
    assert "Max-Age=1800" in cookie and "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie
    [letter] = await letters(fresh_database, tmp_path)
    assert "square" not in letter.body, "no letter names a poll"
    async with fresh_database.open_session() as session:
        kept = str([tuple(row) for row in await session.execute(select(mail_token))])
    assert "square" not in kept, "nor does a table"
    done = await press(client, link_in(letter))
    assert (done.headers["location"], await who(client)) == (PAGE, anna)
    assert "target" not in client.cookies, "once only"
    # Another browser than the one that asked goes home; and so does the next sign-in that asks for no page.
    assert (await sign_in(browser(site), ANNA, next=PAGE)).status_code == 403
    done = await press(other, link_in((await letters(fresh_database, tmp_path))[0]))
    assert done.headers["location"] == "/"
    third = browser(site)
    await sign_in(third, ANNA, next=PAGE)
    await sign_in(third, ANNA)
    done = await press(third, link_in((await letters(fresh_database, tmp_path))[0]))
    assert done.headers["location"] == "/"


async def test_a_form_that_is_carried_stays_in_its_page_while_the_letter_comes(fresh_database, tmp_path) -> None:
    await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    told = await sign_in(client, ANNA, next="/polls/square/cast", **{"carry.q.1": "2"})
    assert told.status_code == 403 and 'name="carry.q.1" value="2"' in told.text and "target" not in client.cookies
    done = await press(client, link_in((await letters(fresh_database, tmp_path))[0]))
    assert done.headers["location"] == "/", "an address that takes a form is no page to be led to"


@pytest.mark.parametrize("planted", [False, True])
async def test_no_letter_leads_to_another_site(fresh_database, tmp_path, planted) -> None:
    """Neither by what the sign-in page was asked for, nor by a cookie a neighbour has planted."""
    await add_account(fresh_database, ANNA, "resident")
    site = a_site(fresh_database, tmp_path, limits={"sign_in_letters": Limit(100, timedelta(hours=1))})
    for bad in ELSEWHERE:
        client = browser(site)
        await sign_in(client, ANNA, **({} if planted else {"next": bad}))
        if planted:
            client.cookies.set("target", quote(bad, safe=""))
        done = await press(client, link_in((await letters(fresh_database, tmp_path))[0]))
        assert (done.status_code, done.headers["location"]) == (303, "/"), bad


@pytest.mark.parametrize("letter", [False, True])
async def test_the_page_asked_for_comes_after_the_code_too(fresh_database, tmp_path, letter) -> None:
    """The code asked for after the password, and after a letter to an account that has turned codes on since."""
    anna = await add_account(fresh_database, ANNA, "resident")
    client = browser(a_site(fresh_database, tmp_path))
    if letter:
        await sign_in(client, ANNA, next=PAGE)
        link = link_in((await letters(fresh_database, tmp_path))[0])
    await codes_on(fresh_database, anna)
    async with fresh_database.open_session() as session:
        [code, *_] = await totp.renew_recovery_codes(session, anna, now=datetime.now(UTC))
    asked = await press(client, link) if letter else await sign_in(client, ANNA, next=PAGE)
    found = re.search(r'name="next" value="([^"]*)"', asked.text)
    assert asked.status_code == 200 and found and await who(client) is None and "target" not in client.cookies
    fields = {"csrf_token": form_token(asked), "next": html.unescape(found[1])}
    wrong = await client.post("/sign-in/code", data={**fields, "code": "AAAA-AAAA"})
    assert wrong.status_code == 422 and f'value="{found[1]}"' in wrong.text
    done = await client.post("/sign-in/code", data={**fields, "code": code})
    assert (done.status_code, done.headers["location"], await who(client)) == (303, PAGE, anna)
