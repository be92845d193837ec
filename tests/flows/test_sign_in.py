"""Signing in and out, signing up, and everything somebody might try against them, over HTTP on a real database."""

import asyncio
import re
import statistics
import threading
import time
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from litestar import Request, post
from litestar.params import FromPath
from sqlalchemy import func, select, text
from tests.sites import (
    HTTPS,
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

import voting
from voting.form_body import form_pairs
from voting.identity.guards import resident, signed_in
from voting.identity.passwords import PasswordPool
from voting.tables import account, refusal, throttle, web_session

LOGIN = "anna@city.test"
RECEIVED: list[list[tuple[str, str]]] = []


@post("/polls/{slug:str}/vote", guards=[signed_in], opt={"private": True, "limit": "casting"}, status_code=200)
async def vote(request: Request, slug: FromPath[str]) -> str:
    RECEIVED.append([(name, value) for name, value in await form_pairs(request) if name != "csrf_token"])
    return "taken"


@post("/ordered", guards=[signed_in], status_code=200)
async def ordered(request: Request) -> list[list[str]]:
    return [list(pair) for pair in (await request.form()).multi_items()]


@post("/api/v1/vote", guards=[resident], opt={"limit": "casting"}, status_code=200)
async def vote_by_api(request: Request) -> str:
    return "taken"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(fresh_database):
    await add_account(fresh_database, LOGIN, "official")
    return fresh_database


@pytest.fixture
def site(database, tmp_path, clock):
    return build_site(database, tmp_path, clock=clock, handlers=[vote, vote_by_api, ordered])


async def who(client: httpx.AsyncClient) -> dict:
    return (await client.get("/api/v1/session")).json()


async def count(database, table) -> int:
    async with database.open_read_session() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


# ---- the ordinary way


async def test_signing_in_leads_on_and_says_who(site):
    async with browser(site) as client:
        reply = await sign_in(client, " Anna@City.Test ", next="/polls?topic=parks")
        assert (reply.status_code, reply.headers["location"]) == (303, "/polls?topic=parks")
        assert (await who(client))["roles"] == ["official"]
        assert LOGIN not in reply.headers["set-cookie"]


@pytest.mark.parametrize("kind", ["text/plain; charset=foo", "text/plain; charset=ascii"])
async def test_a_part_in_a_charset_that_cannot_be_read_is_refused(site, kind):
    part = f'--b\r\nContent-Disposition: form-data; name="login"\r\nContent-Type: {kind}\r\n\r\nё\r\n--b--\r\n'
    async with browser(site) as client:
        reply = await client.post(
            "/sign-in", content=part.encode(), headers={"content-type": "multipart/form-data; boundary=b"}
        )
    assert reply.status_code == 400
    assert "The request could not be read." in reply.text


async def test_signing_in_by_phone(database, site):
    await add_account(database, "+79161234567")
    async with browser(site) as client:
        assert (await sign_in(client, "8 (916) 123-45-67")).status_code == 303


async def test_the_cookie_over_https(database, tmp_path):
    site = build_site(database, tmp_path, base_url=HTTPS)
    async with browser(site, base_url=HTTPS) as client:
        reply = await sign_in(client, LOGIN)
    session = next(value for value in reply.headers.get_list("set-cookie") if value.startswith("__Host-sid="))
    assert {part.strip().lower() for part in session.split(";")[1:]} == {"secure", "httponly", "path=/", "samesite=lax"}


async def test_every_cookie_over_https(database, tmp_path):
    site = build_site(database, tmp_path, base_url=HTTPS)
    async with browser(site, base_url=HTTPS) as client:
        replies = [await client.get("/problems?lang=en"), await client.get("/sign-in"), await sign_in(client, LOGIN)]
        chosen = await client.get("/sign-up", headers={"accept-language": "ru", "cookie": "__Host-lang=en; lang=ru"})
        planted = await client.get("/sign-up", headers={"accept-language": "en", "cookie": "lang=ru"})
    sent = [value.split("; ") for reply in replies for value in reply.headers.get_list("set-cookie")]
    assert {pair.partition("=")[0] for pair, *_ in sent} == {f"__Host-{name}" for name in ("lang", "visitor", "sid",
                                                                                         "device")}  # fmt: skip
    for pair, *attributes in sent:
        told = {part.lower() for part in attributes}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= told, pair
        assert not [part for part in told if part.startswith("domain")], pair
    assert '<html lang="en"' in chosen.text and '<html lang="en"' in planted.text, "of a cookie without the prefix none"


def test_no_other_place_makes_cookies():
    sources = sorted(Path(voting.__file__).parent.rglob("*.py"))
    made = [path.name for path in sources if re.search(r"\bCookie\(|\(b\"set-cookie\"", path.read_text())]
    assert made == ["security.py"], "security.make_cookie gives the prefix, HttpOnly, Secure and SameSite"


async def test_the_cookie_over_http(site):
    async with browser(site) as client:
        reply = await sign_in(client, LOGIN)
    session = next(value for value in reply.headers.get_list("set-cookie") if value.startswith("sid="))
    assert {part.strip().lower() for part in session.split(";")[1:]} == {"httponly", "path=/", "samesite=lax"}


@pytest.mark.parametrize(
    "path", ["/robots.txt", "/nowhere", "/api/v1/session", "/health/live", "/problems", "/account"]
)
async def test_visitors_get_no_cookie_and_leave_no_row(database, site, path):
    async with browser(site) as client:
        assert "set-cookie" not in (await client.get(path)).headers
    assert await count(database, web_session) == 0


async def test_a_signed_in_reader_gets_no_cookie_again(site):
    async with browser(site) as client:
        await sign_in(client, LOGIN)
        for path in ("/problems", "/account", "/nowhere"):
            assert "set-cookie" not in (await client.get(path)).headers


async def test_signing_out_ends_the_session_at_once(database, site):
    async with browser(site) as client, browser(site) as thief:
        await sign_in(client, LOGIN)
        thief.cookies.set("sid", client.cookies["sid"])
        assert (await who(thief))["signed_in"]
        token = (await who(client))["csrf_token"]
        reply = await client.post("/sign-out", data={"csrf_token": token})
        assert reply.status_code == 303
        assert reply.headers["clear-site-data"] == '"cache", "storage"'
        assert "sid" not in client.cookies
        assert not (await who(thief))["signed_in"], "the very same token is worth nothing"
    assert await count(database, web_session) == 0


async def test_signing_out_needs_a_token(site):
    async with browser(site) as client:
        await sign_in(client, LOGIN)
        assert (await client.post("/sign-out")).status_code == 403
        assert (await who(client))["signed_in"]


async def test_a_session_ends_by_time(site, clock):
    async with browser(site) as client:
        await sign_in(client, LOGIN)
        clock.go(minutes=29)
        assert (await who(client))["signed_in"]
        clock.go(minutes=30, seconds=1)
        assert not (await who(client))["signed_in"]
        reply = await client.get("/account")
        assert reply.headers["location"] == "/sign-in?next=/account"


# ---- fixation


async def test_a_planted_session_is_not_taken_over(site):
    async with browser(site) as victim, browser(site) as attacker:
        await sign_in(attacker, LOGIN)
        planted = attacker.cookies["sid"]
        victim.cookies.set("sid", planted)
        token = (await who(victim))["csrf_token"]
        reply = await victim.post("/sign-in", data={"csrf_token": token, "login": LOGIN, "password": PASSWORD})
        assert reply.status_code == 303
        assert re.search(r"sid=([^;]+)", reply.headers["set-cookie"])[1] != planted
        assert not (await who(attacker))["signed_in"], "the planted session has ended"


async def test_a_made_up_session_is_not_adopted(site):
    async with browser(site) as victim, browser(site) as attacker:
        victim.cookies.set("sid", "attackerchosen")
        await sign_in(victim, LOGIN)
        attacker.cookies.set("sid", "attackerchosen")
        assert not (await who(attacker))["signed_in"]


# ---- forged sign-in


async def test_the_sign_in_form_of_another_browser_is_refused(site):
    async with browser(site) as victim, browser(site) as attacker:
        token = form_token(await attacker.get("/sign-in"))
        await victim.get("/sign-in")
        reply = await victim.post("/sign-in", data={"csrf_token": token, "login": LOGIN, "password": PASSWORD})
    assert reply.status_code == 403


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}])
async def test_signing_somebody_in_from_elsewhere_is_refused(site, headers):
    async with browser(site) as client:
        body = {"login": LOGIN, "password": PASSWORD}
        assert (await client.post("/api/v1/session", json=body, headers=headers)).status_code == 403
        token = form_token(await client.get("/sign-in"))
        assert (await client.post("/sign-in", data={**body, "csrf_token": token}, headers=headers)).status_code == 403
        assert "sid" not in client.cookies


@pytest.mark.parametrize(
    "target",
    ["https://evil.test/", "//evil.test/", "/\\evil.test", "/\t/evil.test", "\\\\evil.test", "javascript:alert(1)",
     " /x", "/%0d%0aset-cookie:x=y", "/x\r\nset-cookie: a=b", "evil.test", "", "/sign-out", "///evil.test"],
)  # fmt: skip
async def test_no_redirect_leaves_the_site(site, target):
    async with browser(site) as client:
        reply = await sign_in(client, LOGIN, next=target)
        location = reply.headers["location"]
        assert location.startswith("/") and not location.startswith(("//", "/\\"))
        assert location == "/" or location == "/%0d%0aset-cookie:x=y"
        assert httpx.URL("http://city.test").join(location).host == "city.test"
        shown = await client.get("/sign-in", params={"next": target})
        assert httpx.URL("http://city.test").join(shown.headers["location"]).host == "city.test"


# ---- guessing


async def test_an_unknown_login_is_answered_as_a_wrong_password(site):
    async with browser(site) as client:
        known, unknown = [await sign_in(client, login, "wrong password") for login in (LOGIN, "bobo@city.test")]
        assert known.status_code == unknown.status_code == 422
        plain = [
            re.sub(r'(csrf_token" value=")[^"]+|bobo@city.test|anna@city.test', "", reply.text)
            for reply in (known, unknown)
        ]
        assert plain[0] == plain[1]
        replies = [
            await client.post("/api/v1/session", json={"login": login, "password": "wrong password"})
            for login in (LOGIN, "bobo@city.test", "no login at all")
        ]
        bodies = [{**reply.json(), "instance": ""} for reply in replies]
        assert bodies[0] == bodies[1] == bodies[2]
        assert {reply.status_code for reply in replies} == {401}


async def test_an_unknown_login_costs_the_same(database, tmp_path):
    """Statistical, with a wide margin: an answer without hashing would be several times faster."""
    pool = PasswordPool(1)
    await add_account(database, "slow@city.test")
    async with database.open_session() as session:
        await session.execute(
            account.update().where(account.c.email == "slow@city.test").values(password_hash=await pool.hash(PASSWORD))
        )
    from voting.throttling import LIMITS, Limit

    no_limits = {name: Limit(10**6, limit.window) for name, limit in LIMITS.items()}
    site = build_site(database, tmp_path, passwords=pool, limits=no_limits)
    taken: dict[str, list[float]] = {"slow@city.test": [], "nobody@city.test": [], "not a login": []}
    async with browser(site) as client:
        for _ in range(12):
            for login, times in taken.items():
                began = time.perf_counter()
                await client.post("/api/v1/session", json={"login": login, "password": "wrong password"})
                times.append(time.perf_counter() - began)
    medians = [statistics.median(times) for times in taken.values()]
    assert max(medians) < 2 * min(medians), medians


async def test_guesses_are_limited_per_login_and_network_and_lock_nobody_out(site, clock):
    async with browser(site) as guesser, browser(site, address="198.51.100.9") as anna:
        codes = [(await sign_in(guesser, LOGIN, "wrong password")).status_code for _ in range(12)]
        assert codes == [422] * 10 + [429] * 2
        refused = await sign_in(guesser, LOGIN)
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 60
        assert (await sign_in(anna, LOGIN)).status_code == 303, "from elsewhere the account is open to its owner"
        clock.go(minutes=31)
        assert (await sign_in(guesser, LOGIN)).status_code == 303


async def test_limits_hold_across_processes_and_ignore_made_up_addresses(database, tmp_path):
    sites = [build_site(database, tmp_path) for _ in range(2)]
    codes = []
    for turn in range(14):
        async with browser(sites[turn % 2], **{"x-forwarded-for": f"192.0.2.{turn}"}) as client:
            codes.append(
                (await client.post("/api/v1/session", json={"login": LOGIN, "password": "wrong one"})).status_code
            )
    assert codes == [401] * 10 + [429] * 4


async def test_a_trusted_proxy_tells_clients_apart(database, tmp_path):
    site = build_site(database, tmp_path, trusted_proxies="203.0.113.7")
    codes = []
    for turn in range(14):
        async with browser(site, **{"x-forwarded-for": f"192.0.{turn}.1"}) as client:
            codes.append(
                (await client.post("/api/v1/session", json={"login": LOGIN, "password": "wrong one"})).status_code
            )
    assert set(codes) == {401}


async def test_signing_in_often_with_the_right_password_is_no_guessing(site):
    async with browser(site) as client:
        for _ in range(15):
            reply = await client.post("/api/v1/session", json={"login": LOGIN, "password": PASSWORD})
            assert reply.status_code == 201


async def test_a_full_hashing_pool_answers_busy(database, tmp_path):
    release = threading.Event()
    pool = fast_passwords(queue=0)
    site = build_site(database, tmp_path, passwords=pool)
    blocked = [asyncio.ensure_future(pool._run(release.wait)) for _ in range(2)]
    await asyncio.sleep(0.01)
    async with browser(site) as client:
        reply = await client.post("/api/v1/session", json={"login": LOGIN, "password": PASSWORD})
        assert (reply.status_code, reply.json()["code"]) == (503, "busy")
        assert int(reply.headers["retry-after"]) >= 1
        page = await sign_in(client, LOGIN)
        assert page.status_code == 503 and form_token(page)
        release.set()
        await asyncio.gather(*blocked)
        await asyncio.sleep(0.01)
        assert (await sign_in(client, LOGIN)).status_code == 303


async def test_a_hash_of_older_parameters_is_renewed(database, tmp_path):
    site = build_site(database, tmp_path, passwords=PasswordPool(1, memory_kib=16, time_cost=2))
    async with browser(site) as client:
        assert (await sign_in(client, LOGIN)).status_code == 303
    async with database.open_read_session() as session:
        stored = await session.scalar(select(account.c.password_hash).where(account.c.email == LOGIN))
    assert "m=16,t=2" in stored


async def test_neither_log_nor_tables_hold_a_password(database, site, capsys):
    from voting.telemetry import configure_logging

    configure_logging()
    async with browser(site) as client:
        await sign_in(client, LOGIN, "wrong-horse-secret", next="/polls?secret-query=1")
        await sign_in(client, LOGIN)
        await client.post(
            "/api/v1/session",
            content=b'{"password": "wrong-horse-secret"',
            headers={"content-type": "application/json"},
        )
        await client.post("/api/v1/session", json={"login": 5, "password": ["wrong-horse-secret"]})
    printed = "".join(capsys.readouterr())
    async with database.open_read_session() as session:
        dump = [
            str((await session.execute(select(table))).all()) for table in (account, web_session, throttle, refusal)
        ]
    for place in (printed, *dump):
        assert "wrong-horse-secret" not in place and "secret-query" not in place and PASSWORD not in place
    assert LOGIN not in printed and "203.0.113" not in printed


# ---- signing up


async def sign_up(client: httpx.AsyncClient, **changes: str) -> httpx.Response:
    fields = {"national_id": NATIONAL_ID, "birth_date": "1990-02-03", "login": "new@city.test", "password": PASSWORD}
    token = form_token(await client.get("/sign-up"))
    return await client.post("/sign-up", data={"csrf_token": token, **fields, **changes})


async def test_signing_up_signs_in_as_a_resident(database, site, tmp_path):
    citizen_id = await add_citizen(database, tmp_path)
    async with browser(site) as client:
        reply = await sign_up(client, birth_date="03.02.1990", next="/polls/skver/vote")
        assert (reply.status_code, reply.headers["location"]) == (303, "/polls/skver/vote")
        me = await who(client)
        assert (me["citizen_id"], me["roles"]) == (citizen_id, ["resident"])
        token = me["csrf_token"]
        assert (await client.post("/api/v1/vote", headers={"x-csrf-token": token})).status_code == 200


async def test_signing_up_tells_wrong_numbers_and_dates_apart_from_nothing(database, site, tmp_path):
    await add_citizen(database, tmp_path)
    async with browser(site) as client:
        replies = [
            await sign_up(client, **changes)
            for changes in (
                {"national_id": "4510 123457"},
                {"birth_date": "1990-02-04"},
                {"login": LOGIN, "birth_date": "1990-02-04"},
            )
        ]
    assert {reply.status_code for reply in replies} == {422}
    for reply in replies:
        assert "no entry with these details" in reply.text and PASSWORD not in reply.text
    assert await count(database, account) == 1


async def test_a_sign_up_form_names_every_fault_at_once_and_keeps_the_rest(site):
    async with browser(site) as client:
        reply = await sign_up(client, national_id="", login="nonsense", password="short")
    assert reply.status_code == 422
    for field in ("national_id", "login", "password"):
        assert f'id="{field}-error"' in reply.text
    assert 'value="1990-02-03"' in reply.text


async def test_one_entry_opens_one_account_even_at_once(database, site, tmp_path):
    await add_citizen(database, tmp_path)
    async with browser(site) as client:
        bodies = [
            {"national_id": NATIONAL_ID, "birth_date": "1990-02-03", "login": f"n{n}@city.test", "password": PASSWORD}
            for n in range(5)
        ]
        replies = await asyncio.gather(*(client.post("/api/v1/accounts", json=body) for body in bodies))
    assert sorted(reply.status_code for reply in replies) == [201, 409, 409, 409, 409]
    assert await count(database, web_session) == 1


async def test_sign_up_tries_are_limited(database, site, tmp_path):
    await add_citizen(database, tmp_path)
    codes = []
    async with browser(site) as client:
        for day in range(1, 13):
            body = {
                "national_id": NATIONAL_ID, "birth_date": str(date(1991, 1, day)), "login": "n@city.test",
                "password": PASSWORD,
            }  # fmt: skip
            codes.append((await client.post("/api/v1/accounts", json=body)).status_code)
    assert codes == [422] * 10 + [429] * 2


@pytest.mark.parametrize("path", ["/api/v1/session", "/api/v1/accounts"])
async def test_unknown_fields_are_refused(site, path):
    body = {"login": LOGIN, "password": PASSWORD, "roles": ["admin"]}
    async with browser(site) as client:
        reply = await client.post(path, json=body)
    assert reply.status_code == 422
    assert ("roles", "extra_forbidden") in {(error["path"], error["code"]) for error in reply.json()["errors"]}
    assert PASSWORD not in reply.text


# ---- one's own account


async def test_changing_the_password_ends_the_other_sessions(site):
    async with browser(site) as here, browser(site) as there:
        await sign_in(here, LOGIN)
        await sign_in(there, LOGIN)
        token = form_token(await here.get("/account"))
        fields = {"csrf_token": token, "current_password": PASSWORD, "new_password": "another good one"}
        wrong = await here.post("/account/password", data={**fields, "current_password": "wrong password"})
        assert wrong.status_code == 422 and "not your password" in wrong.text
        weak = await here.post("/account/password", data={**fields, "new_password": "12345678"})
        assert weak.status_code == 422 and 'id="new_password-error"' in weak.text
        assert (await who(there))["signed_in"]
        assert (await here.post("/account/password", data=fields)).status_code == 303
        assert (await who(here))["signed_in"]
        assert not (await who(there))["signed_in"], "at once in this process"
        assert (await sign_in(there, LOGIN)).status_code == 422
        assert (await sign_in(there, LOGIN, "another good one")).status_code == 303


async def test_a_session_can_be_ended_from_another(site):
    async with browser(site) as here, browser(site, **{"user-agent": "Lost phone <b>"}) as there:
        await sign_in(here, LOGIN)
        await sign_in(there, LOGIN)
        page = await here.get("/account")
        assert "Lost phone &lt;b&gt;" in page.text
        key = re.search(r'name="key" value="([0-9a-f]{64})"', page.text)[1]
        fields = {"csrf_token": form_token(page), "key": key}
        assert (await here.post("/account/sessions/end", data=fields)).status_code == 303
        assert not (await who(there))["signed_in"]
        assert (await here.post("/account/sessions/end", data=fields)).status_code == 404
        assert (await here.post("/account/sessions/end", data={**fields, "key": "zz"})).status_code == 404


async def test_a_session_of_another_process_is_noticed_within_five_seconds(database, tmp_path, clock):
    one, other = (build_site(database, tmp_path, clock=clock) for _ in range(2))
    async with browser(one) as client, browser(other) as elsewhere:
        await sign_in(client, LOGIN)
        elsewhere.cookies.set("sid", client.cookies["sid"])
        assert (await who(elsewhere))["signed_in"]
        await client.post("/sign-out", data={"csrf_token": (await who(client))["csrf_token"]})
        clock.go(seconds=5.1)
        assert not (await who(elsewhere))["signed_in"]


# ---- a form whose session has ended


async def test_answers_travel_with_the_form_through_sign_in(database, site, clock, capsys):
    RECEIVED.clear()
    answers = [("q-1", "2"), ("q-2", "1"), ("q-2", "3"), ("key", "5eed" * 8), ("note", '"><script>')]
    async with browser(site) as client:
        await sign_in(client, LOGIN)
        token = (await who(client))["csrf_token"]
        clock.go(hours=1)
        reply = await client.post(
            "/polls/skver/vote",
            content=urlencode([("csrf_token", token), ("password", "x"), *answers]),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        assert reply.status_code == 200 and "Your session has ended" in reply.text
        assert reply.headers["cache-control"] == "no-store"
        assert "location" not in reply.headers and "<script>" not in reply.text
        hidden = re.findall(r'name="(carry\.[^"]+)" value="([^"]*)"', reply.text)
        assert [(name, value) for name, value in hidden if "note" not in name] == [
            (f"carry.{name}", value) for name, value in answers if name != "note"
        ]
        again = [("csrf_token", form_token(reply)), ("next", "/polls/skver/vote"), ("login", LOGIN)]
        carried = [(f"carry.{name}", value) for name, value in answers]

        async def send(pairs):
            body = urlencode(pairs)
            return await client.post(
                "/sign-in", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
            )

        wrong = await send([*again, ("password", "wrong password"), *carried])
        assert wrong.status_code == 422 and 'name="carry.key"' in wrong.text, "kept through a typing error"
        reply = await send([*again, ("password", PASSWORD), *carried])
        assert reply.status_code == 200 and 'action="/polls/skver/vote"' in reply.text
        names = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', reply.text)
        assert [name for name, _ in names] == ["csrf_token", *[name for name, _ in answers]]
        sent = await client.post(
            "/polls/skver/vote", content=urlencode([("csrf_token", form_token(reply)), *answers]),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        assert sent.text == "taken"
    assert [answers] == RECEIVED
    assert "5eed" not in "".join(capsys.readouterr())
    async with database.open_read_session() as session:
        for table in (web_session, throttle, refusal, account):
            assert "5eed" not in str((await session.execute(select(table))).all())


async def test_a_forms_fields_keep_the_order_of_the_page(site):
    async with browser(site) as client:
        await sign_in(client, LOGIN)
        pairs = [["b", "1"], ["csrf_token", (await who(client))["csrf_token"]], ["a", ""], ["b", "й"], ["c", "3"]]
        reply = await client.post(
            "/ordered", content=urlencode([tuple(pair) for pair in pairs]),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
    assert reply.json() == pairs


@pytest.mark.parametrize("token", ["", "A" * 86])
async def test_a_form_that_was_not_ours_is_not_carried(site, clock, token):
    async with browser(site) as client:
        await sign_in(client, LOGIN)
        clock.go(hours=1)
        reply = await client.post("/polls/skver/vote", data={"csrf_token": token, "q-1": "2"})
        assert (reply.status_code, reply.headers["location"]) == (303, "/sign-in")
    async with browser(site) as stranger:
        reply = await stranger.post("/polls/skver/vote", data={"q-1": "2"})
        assert (reply.status_code, reply.headers["location"]) == (303, "/sign-in")


# ---- the demonstration


async def test_demo_accounts_are_offered_in_the_demo_only(database, site, tmp_path):
    async with browser(site) as client:
        page = (await client.get("/sign-in?demo=official")).text
        assert "demo.example" not in page and "Accounts of the demonstration" not in page
    from voting.app import create_app
    from voting.identity.demo import DEMO_ACCOUNTS, create_demo_accounts
    from voting.identity.demo import PASSWORD as SHOWN
    from voting.settings import Settings

    settings = Settings(database_url="postgresql://x/y", data_dir=tmp_path, base_url="http://city.test", demo=True)
    demo = create_app(settings, database=database, passwords=fast_passwords(), route_handlers=[])
    citizens = {
        "resident": await add_citizen(database, tmp_path),
        "neighbour": await add_citizen(database, tmp_path, "1111"),
    }
    async with database.open_session() as session:
        made = await create_demo_accounts(session, settings, fast_passwords(), citizens=citizens, now=Clock()())
    assert made == 2 + len([demo for demo in DEMO_ACCOUNTS if "resident" not in demo.roles])
    async with browser(demo) as client:
        page = await client.get("/sign-in?demo=official")
        assert f'value="{SHOWN}"' in page.text and 'value="official@demo.example"' in page.text
        assert (await sign_in(client, "official@demo.example", SHOWN)).status_code == 303
        assert (await who(client))["roles"] == ["official"]
    outside = settings.model_copy(update={"demo": False})
    async with database.open_session() as session:
        with pytest.raises(RuntimeError):
            await create_demo_accounts(session, outside, fast_passwords(), citizens=citizens, now=Clock()())


# ---- when the database is not there


async def test_readiness_follows_the_database(fresh_database, tmp_path):
    site = build_site(fresh_database, tmp_path)
    async with browser(site) as client:
        assert (await client.get("/health/ready")).json() == {"status": "ready"}
        async with fresh_database.open_session() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = (SELECT '0001')"))
        reply = await client.get("/health/ready")
        assert (reply.status_code, reply.json()["reason"]) == (503, "schema")
        assert (await client.get("/health/live")).status_code == 200
