"""Passkeys, one-time codes and confirming anew over HTTP, with an authenticator in software on the client's side."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from litestar import Litestar, get
from sqlalchemy import func, insert, select, update
from tests.authenticator import SoftwareKey, encode
from tests.flows.letters import letters
from tests.sites import (
    HTTP,
    HTTPS,
    PASSWORD,
    Clock,
    add_account,
    browser,
    build_site,
    fast_passwords,
    form_token,
    sign_in,
)

from polls.tables import audit_event
from voting import api
from voting.db import Database
from voting.factor_tables import passkey, passkey_challenge, pre_session
from voting.identity.api_tokens import create_api_token
from voting.identity.guards import signed_in
from voting.identity.mailbox import reset_password
from voting.identity.own_keys import forget_keys
from voting.identity.passkeys import sweep_challenges
from voting.identity.second_step import sweep_tickets
from voting.mail import hash_of
from voting.tables import account, api_token, mail_token, web_session
from voting.web import account_keys, account_second_step, api_tokens

V1 = "/api/v1"
LOGIN, STAFF = "anna@city.test", "official@city.test"


@get("/mine", guards=[signed_in], include_in_schema=False, sync_to_thread=False)
def mine() -> str:
    return "mine"


def a_site(database: Database, tmp_path: Path, **more: Any) -> Litestar:
    handlers = [mine, *account_keys.handlers, *account_second_step.handlers, *api_tokens.handlers, *api.routers]
    return build_site(database, tmp_path, handlers=handlers, **more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def app(fresh_database: Database, tmp_path: Path, clock: Clock) -> Litestar:
    await add_account(fresh_database, LOGIN, "resident")
    await add_account(fresh_database, STAFF, "official")
    return a_site(fresh_database, tmp_path, clock=clock)


async def token_of(client: httpx.AsyncClient) -> dict[str, str]:
    return {"x-csrf-token": (await client.get(f"{V1}/session")).json()["csrf_token"]}


async def signed(app: Litestar, login: str = LOGIN, **more: Any) -> httpx.AsyncClient:
    client = browser(app, **more)
    reply = await sign_in(client, login)
    assert reply.status_code == 303, reply.text
    return client


async def send(client: httpx.AsyncClient, address: str, **fields: str) -> httpx.Response:
    token = form_token(await client.get("/account"))
    return await client.post(address, data={"csrf_token": token, **fields})


async def register(
    client: httpx.AsyncClient, key: SoftwareKey, *, name: str = "Key", proof: Any = None, page: bool = False
) -> httpx.Response:
    """Make a passkey as the island does: options with a proof, then the browser's answer by the form or the API."""
    headers = await token_of(client)
    proof = proof or {"password": PASSWORD}
    begun = await client.post(f"{V1}/account/passkeys/options", json={"proof": proof}, headers=headers)
    if begun.status_code != 200:
        return begun
    made = key.create(begun.json()["options"])
    if page:
        return await send(client, "/account/keys/add", name=name, credential=json.dumps(made))
    return await client.post(f"{V1}/account/passkeys", json={"name": name, "credential": made}, headers=headers)


async def assertion(client: httpx.AsyncClient, key: SoftwareKey, purpose: str, object_hash: str) -> dict[str, Any]:
    asked = await client.get(f"{V1}/step-up", params={"purpose": purpose, "object": object_hash})
    assert asked.status_code == 200, asked.text
    return key.get(asked.json()["options"])


async def passkey_sign_in(client: httpx.AsyncClient, key: SoftwareKey, *, page: bool = True) -> httpx.Response:
    token = form_token(await client.get("/sign-in"))
    options = (await client.post(f"{V1}/session/passkey/options")).json()["options"]
    assert options.get("allowCredentials", []) == []
    answer = key.get(options)
    if not page:
        return await client.post(f"{V1}/session/passkey", json={"credential": answer})
    fields = {"csrf_token": token, "credential": json.dumps(answer), "next": "/mine"}
    return await client.post("/sign-in/passkey", data=fields)


async def logged(database: Database) -> list[str]:
    async with database.open_read_session() as session:
        kinds = list(await session.scalars(select(audit_event.c.kind).order_by(audit_event.c.id)))
    return [kind for kind in kinds if kind not in ("account_made", "role_granted", "staff_signed_in")]


async def count(database: Database, table: Any) -> int:
    async with database.open_read_session() as session:
        return int(await session.scalar(select(func.count()).select_from(table)) or 0)


# ---- passkeys


@pytest.mark.parametrize("page", [True, False])
async def test_register_and_sign_in(app: Litestar, fresh_database: Database, page: bool) -> None:
    key = SoftwareKey(HTTP, synced=True)
    made = await register(await signed(app), key, name="  Work   phone ", page=page)
    assert made.status_code == (303 if page else 201), made.text
    fresh = browser(app)
    reply = await passkey_sign_in(fresh, key, page=page)
    assert reply.status_code == (303 if page else 201), reply.text
    assert (await fresh.get("/mine")).text == "mine"
    listed = (await fresh.get(f"{V1}/account/passkeys")).json()["passkeys"]
    assert [(one["name"], one["synced"], one["last_used_on"]) for one in listed] == [("Work phone", True, "2026-11-22")]
    shown = await fresh.get("/account/keys")
    assert "Work phone" in shown.text
    assert encode(key.id) not in shown.text
    assert await logged(fresh_database) == ["step_up_given", "passkey_added"]


async def test_a_wrong_password_makes_no_passkey(app: Litestar, fresh_database: Database) -> None:
    client = await signed(app)
    refused = await register(client, SoftwareKey(HTTP), proof={"password": "not it"})
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_failed")
    headers = await token_of(client)
    without = await client.post(f"{V1}/account/passkeys/options", json={}, headers=headers)
    assert (without.status_code, without.json()["code"]) == (403, "step_up_needed")
    assert without.json()["facts"]["how"] == "password"
    made = SoftwareKey(HTTP).create({"user": {"id": "AA"}, "rp": {"id": "city.test"}, "challenge": encode(b"x" * 32)})
    forged = await client.post(f"{V1}/account/passkeys", json={"name": "x", "credential": made}, headers=headers)
    assert (forged.status_code, forged.json()["code"]) == (403, "passkey_refused")
    assert await count(fresh_database, passkey) == 0


async def test_the_challenge_of_a_registration_is_this_session_s_and_serves_once(
    app: Litestar, fresh_database: Database, clock: Clock
) -> None:
    client, elsewhere = await signed(app), await signed(app)
    headers, others = await token_of(client), await token_of(elsewhere)
    body = {"proof": {"password": PASSWORD}}
    begun = (await client.post(f"{V1}/account/passkeys/options", json=body, headers=headers)).json()["options"]
    key = SoftwareKey(HTTP)
    made = {"name": "Key", "credential": key.create(begun)}
    stolen = await elsewhere.post(f"{V1}/account/passkeys", json=made, headers=others)
    assert stolen.json()["code"] == "passkey_refused"
    assert (await client.post(f"{V1}/account/passkeys", json=made, headers=headers)).status_code == 201
    assert (await client.post(f"{V1}/account/passkeys", json=made, headers=headers)).json()["code"] == "passkey_refused"
    late = (await client.post(f"{V1}/account/passkeys/options", json=body, headers=headers)).json()["options"]
    clock.go(minutes=5)
    made = {"name": "Late", "credential": SoftwareKey(HTTP).create(late)}
    assert (await client.post(f"{V1}/account/passkeys", json=made, headers=headers)).json()["code"] == "passkey_refused"
    assert await count(fresh_database, passkey) == 1


async def test_an_answer_signs_in_once_in_its_own_browser(app: Litestar, clock: Clock) -> None:
    key = SoftwareKey(HTTP)
    await register(await signed(app), key)
    client, thief = browser(app), browser(app)
    options = (await client.post(f"{V1}/session/passkey/options")).json()["options"]
    body = {"credential": key.get(options)}
    await thief.post(f"{V1}/session/passkey/options")
    assert (await thief.post(f"{V1}/session/passkey", json=body)).json()["code"] == "passkey_refused"
    visitor = client.cookies["visitor"]
    assert (await client.post(f"{V1}/session/passkey", json=body)).status_code == 201
    again = browser(app)
    again.cookies.set("visitor", visitor, domain="city.test")
    assert (await again.post(f"{V1}/session/passkey", json=body)).json()["code"] == "passkey_refused"
    slow = browser(app)
    options = (await slow.post(f"{V1}/session/passkey/options")).json()["options"]
    clock.go(minutes=5)
    assert (await slow.post(f"{V1}/session/passkey", json={"credential": key.get(options)})).status_code == 403


async def test_a_copy_of_the_key_is_noticed_and_a_stranger_s_is_unknown(
    app: Litestar, fresh_database: Database
) -> None:
    key = SoftwareKey(HTTP)
    await register(await signed(app), key)
    assert (await passkey_sign_in(browser(app), key)).status_code == 303
    key.count = 0
    refused = await passkey_sign_in(browser(app), key)
    assert refused.status_code == 403
    assert "there may be a copy" in refused.text
    assert "passkey_suspect" in await logged(fresh_database)
    stranger = SoftwareKey(HTTP)
    stranger.rp_id = "city.test"
    assert (await passkey_sign_in(browser(app), stranger)).status_code == 403


async def test_another_site_s_answer_is_refused(app: Litestar) -> None:
    key = SoftwareKey(HTTP)
    await register(await signed(app), key)
    key.origin = "http://city.test.evil.example"
    assert (await passkey_sign_in(browser(app), key)).status_code == 403


async def test_staff_devices_must_know_their_owner(app: Litestar) -> None:
    plain = SoftwareKey(HTTP, verifies=False)
    refused = await register(await signed(app, STAFF), plain)
    assert (refused.status_code, refused.json()["facts"]) == (403, {"reason": "verification"})
    resident = SoftwareKey(HTTP, verifies=False)
    assert (await register(await signed(app), resident)).status_code == 201
    assert (await passkey_sign_in(browser(app), resident)).status_code == 303


async def test_the_second_passkey_of_staff_takes_the_first(app: Litestar, fresh_database: Database) -> None:
    client = await signed(app, STAFF)
    first = SoftwareKey(HTTP)
    assert "You need a passkey for your work" in (await client.get("/account/keys")).text
    assert (await register(client, first)).status_code == 201
    assert "You have one passkey" in (await client.get("/account/keys")).text
    refused = await register(client, SoftwareKey(HTTP))
    assert refused.json()["facts"]["ways"] == ["passkey"]
    proof = {"credential": await assertion(client, first, "passkey_add", refused.json()["facts"]["object"])}
    assert (await register(client, SoftwareKey(HTTP), name="Safe", proof=proof)).status_code == 201
    listed = (await client.get(f"{V1}/account/passkeys")).json()["passkeys"]
    elsewhere = browser(app)
    await passkey_sign_in(elsewhere, first)
    # Removing takes a proof for this very passkey, ends the other sessions, and leaves the last one.
    headers = await token_of(client)
    needed = await client.delete(f"{V1}/account/passkeys/{listed[1]['id']}", headers=headers)
    facts = needed.json()["facts"]
    other = await client.delete(f"{V1}/account/passkeys/{listed[0]['id']}", headers=headers)
    wrong = await assertion(client, first, "passkey_remove", other.json()["facts"]["object"])
    step_up = {**headers, "x-step-up": json.dumps({"credential": wrong})}
    elsewhere_meant = await client.delete(f"{V1}/account/passkeys/{listed[1]['id']}", headers=step_up)
    assert elsewhere_meant.json()["code"] == "step_up_elsewhere"
    right = await assertion(client, first, "passkey_remove", facts["object"])
    step_up = {**headers, "x-step-up": json.dumps({"credential": right})}
    assert (await client.delete(f"{V1}/account/passkeys/{listed[1]['id']}", headers=step_up)).status_code == 204
    assert (await elsewhere.get("/mine")).status_code == 303
    assert (await client.get("/mine")).text == "mine"
    needed = await client.delete(f"{V1}/account/passkeys/{listed[0]['id']}", headers=headers)
    last = await assertion(client, first, "passkey_remove", needed.json()["facts"]["object"])
    proof_field = json.dumps(last)
    kept = await send(client, "/account/keys/remove", id=str(listed[0]["id"]), proof=proof_field)
    assert (kept.status_code, "The last passkey stays" in kept.text) == (409, True)
    assert await count(fresh_database, passkey) == 1
    assert {"passkey_removed", "step_up_refused"} <= set(await logged(fresh_database))


async def test_names_and_other_people_s_passkeys(app: Litestar) -> None:
    client, stranger = await signed(app), await signed(app, STAFF)
    made = (await register(client, SoftwareKey(HTTP))).json()["id"]
    headers, others = await token_of(client), await token_of(stranger)
    assert (
        await client.patch(f"{V1}/account/passkeys/{made}", json={"name": "Kitchen"}, headers=headers)
    ).status_code == 204
    assert (await client.get(f"{V1}/account/passkeys")).json()["passkeys"][0]["name"] == "Kitchen"
    for name in ("", "  ", "a" * 61, "a\u202eb", "a\x00b"):
        reply = await client.patch(f"{V1}/account/passkeys/{made}", json={"name": name}, headers=headers)
        assert reply.status_code in (400, 422), (name, reply.text)
    for passkey_id in (made, 0, -1, 2**63, 10**30):
        for method, body in (("PATCH", {"name": "Mine"}), ("DELETE", None)):
            address = f"{V1}/account/passkeys/{passkey_id}"
            reply = await stranger.request(method, address, json=body, headers=others)
            assert reply.status_code in (400, 404), (passkey_id, method, reply.text)
    assert (await send(stranger, "/account/keys/remove", id=str(made))).status_code == 404
    assert (await send(stranger, "/account/keys/rename", id="x", name="y")).status_code == 404


@pytest.mark.parametrize("credential", ["", "[]", "{", "null", "{}", '{"rawId": "AA"}', "[" * 15_000, "x" * 30_000])
async def test_forms_that_hold_no_answer(app: Litestar, credential: str) -> None:
    client = await signed(app)
    assert (await send(client, "/account/keys/add", name="Key", credential=credential)).status_code == 403
    visitor = browser(app)
    fields = {"csrf_token": form_token(await visitor.get("/sign-in")), "credential": credential}
    assert (await visitor.post("/sign-in/passkey", data=fields)).status_code == 403


async def test_ten_passkeys_and_no_more(app: Litestar) -> None:
    client = await signed(app)
    for _ in range(10):
        assert (await register(client, SoftwareKey(HTTP))).status_code == 201
    assert (await register(client, SoftwareKey(HTTP))).json()["code"] == "too_many_passkeys"


async def test_a_bare_number_offers_none(fresh_database: Database, tmp_path: Path) -> None:
    await add_account(fresh_database, LOGIN, "resident")
    app = a_site(fresh_database, tmp_path, base_url="http://10.0.0.5", four_eyes=True)
    client = browser(app, base_url="http://10.0.0.5")
    assert "passkey" not in (await client.get("/sign-in")).text
    assert (await client.post(f"{V1}/session/passkey/options")).json()["code"] == "passkeys_unavailable"
    await sign_in(client, LOGIN)
    assert "served at a bare number" in (await client.get("/account/keys")).text


# ---- one-time codes


async def turn_on(client: httpx.AsyncClient, clock: Clock) -> tuple[pyotp.TOTP, list[str]]:
    shown = await send(client, "/account/codes/begin", step_up_password=PASSWORD)
    found = re.search(r'<code id="secret">([A-Z2-7 ]+)</code>', shown.text)
    assert found, shown.text
    assert "<svg" in shown.text
    phone = pyotp.TOTP(found[1].replace(" ", ""))
    wrong = await client.post("/account/codes/confirm", data={"csrf_token": form_token(shown), "code": "000000"})
    assert wrong.status_code == 422
    assert found[0] in wrong.text, "the same secret once more"
    done = await client.post(
        "/account/codes/confirm", data={"csrf_token": form_token(wrong), "code": phone.at(clock())}
    )
    codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", done.text)
    assert len(codes) == 10
    return phone, codes


async def test_the_password_opens_nothing_without_the_code(
    app: Litestar, fresh_database: Database, clock: Clock
) -> None:
    owner, elsewhere = await signed(app), await signed(app)
    phone, codes = await turn_on(owner, clock)
    assert (await elsewhere.get("/mine")).status_code == 303, "other sessions ended"
    clock.go(minutes=2)
    client = browser(app)
    asked = await sign_in(client, LOGIN, next="/mine")
    assert (asked.status_code, "session" in str(client.cookies), await count(fresh_database, pre_session)) == (
        200,
        False,
        1,
    )
    assert "sid" not in client.cookies
    assert (await client.get("/mine")).status_code == 303
    token = form_token(asked)
    wrong = await client.post("/sign-in/code", data={"csrf_token": token, "code": "000000", "next": "/mine"})
    assert (wrong.status_code, "sid" in client.cookies) == (422, False)
    ticket = client.cookies["ticket"]
    done = await client.post(
        "/sign-in/code", data={"csrf_token": form_token(wrong), "code": phone.at(clock()), "next": "/mine"}
    )
    assert (done.status_code, done.headers["location"]) == (303, "/mine")
    assert "ticket" not in client.cookies
    assert client.cookies["sid"] != ticket
    assert (await client.get("/mine")).text == "mine"
    # The ticket is spent, the code too; a recovery code serves once.
    again = browser(app)
    asked = await sign_in(again, LOGIN)
    again.cookies.set("ticket", ticket, domain="city.test")
    ended = await again.post("/sign-in/code", data={"csrf_token": form_token(asked), "code": codes[0]})
    assert ended.status_code in (401, 422)
    assert "sid" not in again.cookies
    for code, taken in ((phone.at(clock()), False), (codes[0], True), (codes[0], False)):
        again = browser(app)
        asked = await sign_in(again, LOGIN)
        reply = await again.post("/sign-in/code", data={"csrf_token": form_token(asked), "code": code})
        assert (reply.status_code == 303) is taken, code


async def test_a_new_password_by_letter_leaves_the_second_step_and_ends_what_waits_for_it(
    app: Litestar, fresh_database: Database, clock: Clock
) -> None:
    phone, _ = await turn_on(await signed(app), clock)
    clock.go(minutes=2)
    waiting = browser(app)
    asked = await sign_in(waiting, LOGIN)
    async with fresh_database.open_session() as session:
        holder = await session.scalar(select(account.c.id).where(account.c.email == LOGIN))
        link = {"token_hash": hash_of("link"), "account_id": holder, "address": LOGIN, "purpose": "reset"}
        await session.execute(insert(mail_token).values(**link, expires_at=clock() + timedelta(minutes=9)))
        new = await fast_passwords().hash("other words altogether")
        await reset_password(session, "link", new, now=clock())
    late = await waiting.post("/sign-in/code", data={"csrf_token": form_token(asked), "code": phone.at(clock())})
    assert late.status_code == 401 and "sid" not in waiting.cookies
    client = browser(app)
    asked = await sign_in(client, LOGIN, "other words altogether")
    assert asked.status_code == 200 and not {"sid", "device"} & set(client.cookies)
    done = await client.post("/sign-in/code", data={"csrf_token": form_token(asked), "code": phone.at(clock())})
    assert done.status_code == 303 and client.cookies["device"].startswith(f"{holder}.")


async def test_every_way_makes_the_device_known_and_the_log_tell_of_staff(
    app: Litestar, fresh_database: Database
) -> None:
    key = SoftwareKey(HTTP)
    first = await signed(app, STAFF)
    await register(first, key)
    client = browser(app)
    assert (await passkey_sign_in(client, key)).status_code == 303
    assert client.cookies["device"].partition(".")[0] == first.cookies["device"].partition(".")[0]
    number = client.cookies["device"].split(".")[1]
    client.cookies.delete("sid")
    assert (await passkey_sign_in(client, key)).status_code == 303
    assert client.cookies["device"].split(".")[1] == number, "the same device"
    async with fresh_database.open_read_session() as session:
        told = select(audit_event.c.facts["how"].astext).where(audit_event.c.kind == "staff_signed_in")
        assert list(await session.scalars(told.order_by(audit_event.c.id))) == ["password", "passkey", "passkey"]


async def test_the_wait_for_the_code_ends_after_five_minutes(app: Litestar, clock: Clock) -> None:
    phone, _ = await turn_on(await signed(app), clock)
    client = browser(app)
    asked = await sign_in(client, LOGIN)
    clock.go(minutes=5)
    late = await client.post("/sign-in/code", data={"csrf_token": form_token(asked), "code": phone.at(clock())})
    assert late.status_code == 401
    assert "waited too long" in late.text


async def test_codes_are_not_guessed(app: Litestar, clock: Clock) -> None:
    phone, _ = await turn_on(await signed(app), clock)
    client = browser(app)
    reply = await sign_in(client, LOGIN)
    for _ in range(21):
        reply = await client.post("/sign-in/code", data={"csrf_token": form_token(reply), "code": "000000"})
    assert reply.status_code == 429
    clock.go(minutes=1)
    fields = {"csrf_token": form_token(reply), "code": phone.at(clock())}
    assert (await client.post("/sign-in/code", data=fields)).status_code == 429, "the right one neither"


async def test_a_form_is_carried_through_both_steps(app: Litestar, clock: Clock) -> None:
    phone, _ = await turn_on(await signed(app), clock)
    clock.go(minutes=2)
    client = browser(app)
    asked = await sign_in(client, LOGIN, next="/polls/a/vote", **{"carry.answer": "1"})
    assert 'name="carry.answer" value="1"' in asked.text
    fields = {"csrf_token": form_token(asked), "code": phone.at(clock()), "next": "/polls/a/vote", "carry.answer": "1"}
    done = await client.post("/sign-in/code", data=fields)
    assert done.status_code == 200
    assert 'action="/polls/a/vote"' in done.text
    assert 'name="answer" value="1"' in done.text


async def test_programs_give_the_code_with_the_password(app: Litestar, clock: Clock) -> None:
    phone, _ = await turn_on(await signed(app), clock)
    clock.go(minutes=2)
    body = {"login": LOGIN, "password": PASSWORD}
    client = browser(app)
    without = await client.post(f"{V1}/session", json=body)
    assert (without.status_code, without.json()["code"]) == (401, "second_step_needed")
    wrong = await client.post(f"{V1}/session", json={**body, "code": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "code_refused")
    unknown = await client.post(f"{V1}/session", json={**body, "password": "not it", "code": phone.at(clock())})
    assert unknown.json()["code"] == "bad_credentials", "a code tells nothing without the password"
    assert (await client.post(f"{V1}/session", json={**body, "code": phone.at(clock())})).status_code == 201


async def test_confirming_by_password_takes_the_code_too(app: Litestar, clock: Clock) -> None:
    client = await signed(app)
    phone, _ = await turn_on(client, clock)
    clock.go(minutes=2)
    assert (await send(client, "/account/codes/off", step_up_password=PASSWORD)).status_code == 403
    shown = await send(client, "/account/codes/recovery", step_up_password=PASSWORD, step_up_code=phone.at(clock()))
    assert len(re.findall(r"<code>([A-Z2-7-]{19})</code>", shown.text)) == 10
    clock.go(minutes=1)
    off = await send(client, "/account/codes/off", step_up_password=PASSWORD, step_up_code=phone.at(clock()))
    assert off.headers["location"] == "/account/keys?done=codes_off"
    assert (await sign_in(browser(app), LOGIN)).status_code == 303


async def test_the_owner_is_told_of_every_change_by_letter(
    app: Litestar, fresh_database: Database, tmp_path: Path, clock: Clock
) -> None:
    async def told() -> list[str]:
        came = await letters(fresh_database, tmp_path)
        assert all(letter.to_address == LOGIN and "https://" not in letter.body for letter in came)
        return [letter.subject.partition(" — ")[0] for letter in came]

    async def confirmed(at: datetime | None) -> int:
        async with fresh_database.open_session() as session:
            changed = update(account).where(account.c.email == LOGIN).values(email_verified_at=at, language="en")
            return int(await session.scalar(changed.returning(account.c.id)) or 0)

    account_id = await confirmed(None)
    client, key = await signed(app), SoftwareKey(HTTP)
    _, codes = await turn_on(client, clock)
    assert await told() == [], "an address nobody has confirmed may be somebody else's"
    await confirmed(clock())
    clock.go(minutes=2)
    off = await send(client, "/account/codes/off", step_up_password=PASSWORD, step_up_code=codes[0])
    assert off.status_code == 303, off.text
    phone, codes = await turn_on(client, clock)
    assert await told() == ["One-time codes are off", "One-time codes are on"]
    asked = await sign_in(other := browser(app), LOGIN)
    answer = {"csrf_token": form_token(asked), "code": codes[0]}
    assert (await other.post("/sign-in/code", data=answer)).status_code == 303
    assert await told() == ["A recovery code was used"]
    clock.go(minutes=2)
    proof = {"password": PASSWORD, "code": phone.at(clock())}
    assert (await register(client, key, proof=proof)).status_code == 201
    assert await told() == ["A passkey was registered"]
    [listed] = (await client.get(f"{V1}/account/passkeys")).json()["passkeys"]
    headers, where = await token_of(client), f"{V1}/account/passkeys/{listed['id']}"
    needed = (await client.delete(where, headers=headers)).json()["facts"]
    right = await assertion(client, key, "passkey_remove", needed["object"])
    step_up = {**headers, "x-step-up": json.dumps({"credential": right})}
    assert (await client.delete(where, headers=step_up)).status_code == 204
    assert await told() == ["A passkey was removed"]
    async with fresh_database.open_session() as session:
        assert await forget_keys(session, account_id, actor=None, now=clock()) == (0, True)
    assert await told() == ["Passkeys and codes removed"]


async def test_a_verified_passkey_stands_for_both_steps(app: Litestar, clock: Clock) -> None:
    client = await signed(app)
    key, plain = SoftwareKey(HTTP), SoftwareKey(HTTP, verifies=False)
    await register(client, key)
    await register(client, plain)
    await turn_on(client, clock)
    assert (await passkey_sign_in(browser(app), key)).status_code == 303
    assert (await passkey_sign_in(browser(app), plain)).status_code == 403


async def test_over_https_the_ticket_has_the_host_prefix(
    fresh_database: Database, tmp_path: Path, clock: Clock
) -> None:
    await add_account(fresh_database, LOGIN, "resident")
    app = a_site(fresh_database, tmp_path, base_url=HTTPS, clock=clock)
    await turn_on(await signed(app, base_url=HTTPS), clock)
    reply = await sign_in(browser(app, base_url=HTTPS), LOGIN)
    cookie = next(value for value in reply.headers.get_list("set-cookie") if "ticket" in value)
    assert cookie.startswith("__Host-ticket=")
    assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=lax", "Max-Age=300"))


# ---- what a changed password ends


async def test_a_changed_password_ends_other_sessions_and_tokens_once(
    app: Litestar, fresh_database: Database, clock: Clock
) -> None:
    client, elsewhere = await signed(app, STAFF), await signed(app, STAFF)
    made: list[str] = []
    async with fresh_database.open_session() as session:
        account_id = await session.scalar(select(web_session.c.account_id).limit(1))
        assert account_id is not None
        for name in ("one", "two"):
            made.append(
                await create_api_token(session, account_id, name=name, scopes=["results:read"], days=30, now=clock())
            )
    tokens = (await client.get("/account/tokens")).text
    first = re.search(r'name="id" value="(\d+)"', tokens)
    assert first
    await send(client, "/account/tokens/revoke", id=first[1])
    async with fresh_database.open_read_session() as session:
        before = await session.scalar(select(api_token.c.revoked_at).where(api_token.c.id == int(first[1])))
    for token in made[:1]:
        assert (await browser(app, authorization=f"Bearer {token}").get(f"{V1}/polls")).status_code == 200
    reply = await send(client, "/account/password", current_password=PASSWORD, new_password="another horse battery")
    assert reply.status_code == 303
    assert "Your tokens of the API are revoked" in (await client.get("/account?done=password")).text
    assert (await elsewhere.get("/mine")).status_code == 303
    for token in made:
        refused = await browser(app, authorization=f"Bearer {token}").get(f"{V1}/polls")
        assert refused.json()["code"] == "token_revoked"
    async with fresh_database.open_read_session() as session:
        after = await session.scalar(select(api_token.c.revoked_at).where(api_token.c.id == int(first[1])))
    assert before == after, "revoked once"


async def test_challenges_do_not_pile_up(app: Litestar, fresh_database: Database, clock: Clock) -> None:
    await turn_on(await signed(app), clock)
    await sign_in(browser(app), LOGIN)
    await browser(app).post(f"{V1}/session/passkey/options")
    for later, left in ((timedelta(minutes=4), 1), (timedelta(minutes=5), 0)):
        async with fresh_database.open_session() as session:
            await sweep_challenges(session, now=clock() + later)
            await sweep_tickets(session, now=clock() + later)
        assert (await count(fresh_database, passkey_challenge), await count(fresh_database, pre_session)) == (
            left,
            left,
        )
