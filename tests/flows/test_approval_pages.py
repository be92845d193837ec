"""Second persons over HTTP on a real database, without JavaScript: pages and API, with four eyes on."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text
from tests.builders import a_citizen, a_city, a_definition
from tests.sites import PASSWORD, browser, fast_passwords, form_token, sign_in, site_settings
from tests.voting.approvals.staff import a_hand, a_member, a_ready_definition

from polls.authoring import Draft, create_draft, save_draft
from polls.document import Text
from voting.app import create_app
from voting.approvals.errors import LastAdmin
from voting.db import Database
from voting.identity.accounts import grant_role, normal_login, revoke_role
from voting.identity.scope import Grant
from voting.identity.staff import disable_account
from voting.tables import account
from voting.throttling import Limit

UNLIMITED = {name: Limit(10**6, timedelta(minutes=1)) for name in ("writes", "sign_in", "api_reads")}


def words_of(reply: httpx.Response) -> str:
    """The words of a page's main part, for a failing test."""
    found = re.search(r"<main.*</main>", reply.text, re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0] if found else reply.text))[:1500]


class Staff:
    """A member of staff at a browser that runs no script; `api` calls carry the same session."""

    def __init__(self, app: Litestar, login: str) -> None:
        self.http, self.login = browser(app), login

    async def enter(self) -> Staff:
        assert (await sign_in(self.http, self.login)).status_code == 303
        return self

    async def get(self, path: str, status: int = 200) -> str:
        reply = await self.http.get(path)
        assert reply.status_code == status, words_of(reply)
        return reply.text

    async def post(self, path: str, at: str, **fields: str) -> httpx.Response:
        token = form_token(await self.http.get(at))
        return await self.http.post(path, data={"csrf_token": token, **fields})

    async def ask(self, path: str, at: str, **fields: str) -> str:
        """Send a form, then prove who asks; gives the address of the request."""
        shown = await self.post(path, at, **fields)
        assert shown.status_code == 200, words_of(shown)
        assert "step_up_password" in shown.text
        reply = await self.post(path, at, **fields, step_up_password=PASSWORD)
        assert reply.status_code == 303, words_of(reply)
        return str(reply.headers["location"]).partition("?")[0]

    async def agree(self, request: str, password: str = PASSWORD) -> httpx.Response:
        shown = await self.get(request)
        seen = re.search(r'name="seen" value="([0-9a-f]{64})"', shown)
        return await self.post(f"{request}/agree", request, seen=seen[1] if seen else "", step_up_password=password)

    async def api(self, method: str, path: str, body: Any = None, proof: bool = True) -> httpx.Response:
        token = (await self.http.get("/api/v1/session")).json()["csrf_token"]
        headers = {"x-csrf-token": token, **({"x-step-up": json.dumps({"password": PASSWORD})} if proof else {})}
        return await self.http.request(method, f"/api/v1{path}", json=body, headers=headers)


class Town:
    """Accounts with passwords, an application with four eyes on."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        settings = site_settings(tmp_path, four_eyes=True, staff_step_up="password")
        self.database = database
        self.app = create_app(settings, database=database, passwords=fast_passwords(), limits=UNLIMITED)

    async def settle(self) -> Town:
        async with self.database.open_session() as session:
            await a_city(session)
            await a_citizen(session)
            for name, role in (
                ("official", "official"), ("colleague", "official"), ("reviewer", "reviewer"), ("admin", "admin"),
                ("second", "admin"), ("observer", "observer"),
            ):  # fmt: skip
                await a_member(session, name, role)
            await a_member(session, "north", "official", territory="msk-sao")
            await a_member(session, "parks", "official", department="Парки")
            await session.execute(account.update().values(password_hash=await fast_passwords().hash(PASSWORD)))
        return self

    async def enter(self, name: str) -> Staff:
        return await Staff(self.app, f"{name}@city.test").enter()

    async def draft(self, **more: Any) -> Draft:
        now = datetime.now(UTC)
        async with self.database.open_session() as session:
            official = await session.scalar(text("SELECT id FROM account WHERE email = 'official@city.test'"))
            return await create_draft(session, int(official or 0), a_ready_definition(now, **more), now)

    async def state(self, draft: Draft) -> str:
        async with self.database.open_session() as session:
            return str(
                await session.scalar(text("SELECT state FROM poll WHERE public_id = :p"), {"p": draft.public_id})
            )


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    return await Town(fresh_database, tmp_path).settle()


async def test_a_poll_is_published_by_two(town: Town) -> None:
    draft = await town.draft()
    official, reviewer = await town.enter("official"), await town.enter("reviewer")
    at = f"/officials/polls/{draft.public_id}"
    assert "Send for consent" in await official.get(f"{at}/check")
    request = await official.ask(f"{at}/schedule", f"{at}/check", revision="1", understood="1")
    assert await town.state(draft) == "draft"
    assert "It waits for another person" in await official.get(request)
    refused = await official.post(f"{request}/agree", request, seen="0" * 64, step_up_password=PASSWORD)
    assert refused.status_code == 403  # an official is no reviewer
    assert request in await official.get(f"{at}/check")

    office = await reviewer.get("/officials")
    assert "Waits for your consent" in office
    assert request in await reviewer.get("/officials/approvals")
    page = await reviewer.get(request)
    for words in ("The whole poll: nothing of it was sealed before", "What will the square be like?", "Option 1",
                  "1 resident may vote.", "How residents will see it"):  # fmt: skip
        assert words in page, words
    wrong = await reviewer.agree(request, password="not it at all")
    assert wrong.status_code in (401, 403), wrong.text[:500]
    assert await town.state(draft) == "draft"
    done = await reviewer.agree(request)
    assert done.headers.get("location") == f"{request}?done=agreed", words_of(done)
    assert await town.state(draft) == "scheduled"
    assert "A second person had read them and agreed." in await official.get(at)
    again = await reviewer.post(f"{request}/agree", request, seen="0" * 64, step_up_password=PASSWORD)
    assert again.status_code == 409
    assert request in await reviewer.get("/officials/approvals?show=past")


async def test_an_edit_ends_the_request_and_both_pages_say_so(town: Town) -> None:
    draft = await town.draft()
    official, reviewer = await town.enter("official"), await town.enter("reviewer")
    at = f"/officials/polls/{draft.public_id}"
    request = await official.ask(f"{at}/schedule", f"{at}/check", revision="1", understood="1")
    shown = await reviewer.get(request)
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', shown)
    assert seen
    now = datetime.now(UTC)
    async with town.database.open_session() as session:
        changed = draft.definition.model_copy(update={"summary": Text(ru="Иначе", en="Otherwise")})
        await save_draft(session, draft.public_id, changed, draft.author_id, 1, now)
    late = await reviewer.http.post(
        f"{request}/agree",
        data={"csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', shown)[1],  # type: ignore[index]
              "seen": seen[1], "step_up_password": PASSWORD},
    )  # fmt: skip
    assert late.status_code == 409
    assert "This request is void" in late.text
    assert await town.state(draft) == "draft"
    assert "was changed after it was asked for" in await official.get(request)
    # Asked anew, the page shows what has changed since the last time and nothing else.
    request = await official.ask(f"{at}/schedule", f"{at}/check", revision="2", understood="1")
    page = await reviewer.get(request)
    assert "since version 1" in page and "Otherwise" in page


async def test_declining_is_told_to_the_author(town: Town) -> None:
    draft = await town.draft()
    official, reviewer = await town.enter("official"), await town.enter("reviewer")
    at = f"/officials/polls/{draft.public_id}"
    request = await official.ask(f"{at}/schedule", f"{at}/check", revision="1", understood="1")
    assert (await reviewer.post(f"{request}/decline", request, note="")).status_code == 422
    done = await reviewer.post(f"{request}/decline", request, note="Опечатка <b>тут</b>")
    assert done.headers["location"].endswith("done=declined")
    told = await official.get(f"{at}/check")
    assert "Опечатка &lt;b&gt;тут&lt;/b&gt;" in told
    request = await official.ask(f"{at}/schedule", f"{at}/check", revision="1", understood="1")
    done = await official.post(f"{request}/withdraw", request)
    assert done.headers["location"].endswith("done=withdrawn")


async def test_the_api_does_the_same(town: Town) -> None:
    draft = await town.draft()
    official, reviewer = await town.enter("official"), await town.enter("reviewer")
    path = f"/drafts/{draft.public_id}/schedule"
    needed = await official.api("POST", path, {"revision": 1}, proof=False)
    assert (needed.status_code, needed.json()["code"]) == (403, "step_up_needed")
    asked = await official.api("POST", path, {"revision": 1})
    assert asked.status_code == 202, asked.text
    number, seen = asked.json()["id"], asked.json()["object_hash"]
    assert needed.json()["facts"]["object"] == seen
    assert (await official.api("POST", path, {"revision": 1})).json()["code"] == "approval_waiting"
    assert (await official.api("POST", f"/approvals/{number}/consent", {"seen": seen})).status_code == 403
    listed = (await reviewer.api("GET", "/approvals")).json()["approvals"]
    assert [one["id"] for one in listed] == [number]
    assert (await reviewer.api("POST", f"/approvals/{number}/consent", {"seen": "0" * 64})).json()["code"] == (
        "approval_unseen"
    )
    done = await reviewer.api("POST", f"/approvals/{number}/consent", {"seen": seen})
    assert (done.status_code, done.json()["state"]) == (200, "approved")
    assert await town.state(draft) == "scheduled"
    assert (await reviewer.api("POST", f"/approvals/{number}/consent", {"seen": seen})).json()[
        "code"
    ] == "approval_over"
    observer = await town.enter("observer")
    assert (await observer.api("GET", f"/approvals/{number}")).status_code == 403
    assert (await reviewer.api("GET", "/approvals/999999999999999999999")).status_code == 404


async def test_a_void_request_is_told_to_the_api_and_stays_written(town: Town) -> None:
    draft = await town.draft()
    official, reviewer = await town.enter("official"), await town.enter("reviewer")
    asked = (await official.api("POST", f"/drafts/{draft.public_id}/schedule", {"revision": 1})).json()
    async with town.database.open_session() as session:
        await session.execute(text("UPDATE poll SET slug = 'elsewhere'"))
    seen = {"seen": asked["object_hash"]}
    async with town.database.open_session() as session:  # the very consent finds it: the list was not read before
        assert await session.scalar(text("SELECT state FROM approval")) == "waiting"
    told = await reviewer.api("POST", f"/approvals/{asked['id']}/consent", seen)
    assert told.json()["code"] in ("approval_stale", "approval_over")
    async with town.database.open_session() as session:
        assert await session.scalar(text("SELECT state FROM approval")) == "void"


async def test_scopes_narrow_lists_pages_and_the_api(town: Town) -> None:
    draft = await town.draft(territory="msk-cao-arbat", department="Дороги")
    north, parks, official = await town.enter("north"), await town.enter("parks"), await town.enter("official")
    for outsider in (north, parks):
        assert draft.public_id not in await outsider.get("/officials")
        for tail in ("", "/edit", "/check", "/revisions", "/custody", "/delete", "/definition.json"):
            await outsider.get(f"/officials/polls/{draft.public_id}{tail}", 404)
        assert (await outsider.api("GET", "/drafts")).json()["drafts"] == []
        for tail in ("", "/check", "/revisions", "/file"):
            told = await outsider.api("GET", f"/drafts/{draft.public_id}{tail}")
            assert (told.status_code, told.json()["code"]) == (404, "poll_not_found")
        assert (await outsider.api("DELETE", f"/drafts/{draft.public_id}")).status_code == 404
    assert draft.public_id in await official.get("/officials")
    # Nobody writes a draft into another department or territory.
    definition = a_definition(territory="msk-cao", department="Парки").as_json()
    told = await north.api("POST", "/drafts", {"definition": definition})
    assert (told.status_code, told.json()["code"]) == (403, "out_of_scope")
    mine = a_definition(territory="msk-sao-timiryazevsky", department="Парки").as_json()
    assert (await north.api("POST", "/drafts", {"definition": mine})).status_code == 201
    empty = await north.api("POST", "/drafts", {"definition": {}})  # an own draft that says nothing yet is one's own
    assert empty.status_code == 201, empty.text
    assert (await north.api("GET", f"/drafts/{empty.json()['poll_id']}")).status_code == 200
    assert (await parks.api("GET", f"/drafts/{empty.json()['poll_id']}")).status_code == 404


async def test_accounts_from_the_invitation_to_the_end_of_the_session(town: Town) -> None:
    admin, second = await town.enter("admin"), await town.enter("second")
    assert "Accounts and roles" in await admin.get("/officials")
    bad = await admin.post("/officials/accounts", "/officials/accounts", email="nobody", display_name="")
    assert bad.status_code == 422
    made = await admin.post("/officials/accounts", "/officials/accounts", email="new@city.test", display_name="Новый")
    code = re.search(r"<code>([0-9a-f]{8}(?:-[0-9a-f]{8}){3})</code>", made.text)
    number = re.search(r"/officials/accounts/(\d+)/invite", made.text)
    assert code and number
    at = f"/officials/accounts/{number[1]}"
    assert code[1] not in await admin.get(at)
    newcomer = browser(town.app)
    token = form_token(await newcomer.get("/invitation"))
    send = {"csrf_token": token, "code": code[1]}
    assert (await newcomer.post("/invitation", data={**send, "password": "short"})).status_code == 422
    assert (await newcomer.post("/invitation", data={**send, "code": "x", "password": PASSWORD})).status_code == 422
    assert (await newcomer.post("/invitation", data={**send, "password": PASSWORD})).status_code == 303
    assert (await newcomer.post("/invitation", data={**send, "password": PASSWORD})).status_code == 422  # once
    assert (await sign_in(newcomer, "new@city.test")).status_code == 303
    assert (await newcomer.get("/officials")).status_code == 403

    request = await admin.ask(f"{at}/roles", at, change="grant", role="official", department="", territory="msk-cao")
    assert (await newcomer.get("/officials")).status_code == 403
    asked = await second.get(request)
    assert "Central Okrug" in asked and f'href="{at}"' in asked  # where the e-mail of the account stands
    assert (await admin.agree(request)).status_code in (403, 409)
    assert (await second.agree(request)).status_code == 303
    assert (await newcomer.get("/officials")).status_code == 200
    assert (await admin.post(f"{at}/disable", at, step_up_password=PASSWORD)).status_code == 303
    assert (await newcomer.get("/account")).status_code == 303  # to the sign-in
    async with town.database.open_session() as session:
        kinds = set(await session.scalars(text("SELECT kind FROM audit_event")))
        own = await session.scalar(text("SELECT id FROM account WHERE email = 'admin@city.test'"))
    assert {"account_made", "invitation_made", "invitation_used", "role_granted", "account_disabled"} <= kinds
    mine = f"/officials/accounts/{own}"
    assert (await admin.post(f"{mine}/disable", mine)).status_code == 403
    assert (await admin.post(f"{mine}/roles", mine, change="grant", role="official")).status_code == 403


async def test_no_invitation_leads_into_a_resident_s_account(town: Town) -> None:
    """Whoever came by the city's sign-on has an e-mail and no password, and may be the very second person."""
    admin = await town.enter("admin")
    async with town.database.open_session() as session:
        made = account.insert().values(
            citizen_id=text("(SELECT max(id) FROM citizen)"), email="vera@city.test", email_verified_at=text("now()"),
            created_at=text("now()"),
        )  # fmt: skip
        number = await session.scalar(made.returning(account.c.id))
        assert number is not None
        await grant_role(session, number, "admin", granted_by=None, now=datetime.now(UTC))
    at = f"/officials/accounts/{number}"
    assert f"{at}/invite" not in await admin.get(at)
    assert (await admin.post(f"{at}/invite", at)).status_code == 404
    async with town.database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM invitation")) == 0


async def disabled_now(town: Town, number: int) -> bool:
    async with town.database.open_session() as session:
        return bool(
            await session.scalar(text("SELECT disabled_at IS NOT NULL FROM account WHERE id = :n"), {"n": number})
        )


async def number_of(town: Town, name: str) -> int:
    async with town.database.open_session() as session:
        found = await session.scalar(text("SELECT id FROM account WHERE email = :e"), {"e": f"{name}@city.test"})
    return int(found or 0)


async def test_disabling_takes_one_and_a_fresh_proof(town: Town) -> None:
    admin, reviewer = await town.enter("admin"), await number_of(town, "reviewer")
    at = f"/officials/accounts/{reviewer}"
    assert "step_up_password" in await admin.get(at)
    for proof in ({}, {"step_up_password": "not it at all"}):
        refused = await admin.post(f"{at}/disable", at, **proof)
        assert refused.status_code in (401, 403), words_of(refused)
        assert not await disabled_now(town, reviewer)
    assert (await admin.post(f"{at}/disable", at, step_up_password=PASSWORD)).status_code == 303
    assert await disabled_now(town, reviewer)
    async with town.database.open_session() as session:
        events = (await session.execute(text("SELECT kind, facts FROM audit_event ORDER BY id"))).all()
    told = [one.kind for one in events if one.kind in ("step_up_given", "account_disabled")]
    assert told[-2:] == ["step_up_given", "account_disabled"]
    assert [one.facts["purpose"] for one in events if one.kind == "step_up_given"][-1] == "disable_account"


async def test_enabling_takes_two_since_the_roles_come_back(town: Town) -> None:
    admin, second, reviewer = await town.enter("admin"), await town.enter("second"), await number_of(town, "reviewer")
    at = f"/officials/accounts/{reviewer}"
    assert (await admin.post(f"{at}/enable", at)).status_code == 422  # it is not disabled
    assert (await admin.post(f"{at}/disable", at, step_up_password=PASSWORD)).status_code == 303
    request = await admin.ask(f"{at}/enable", at)
    assert await disabled_now(town, reviewer)
    assert (await admin.agree(request)).status_code in (403, 409)
    assert await disabled_now(town, reviewer)
    page = await second.get(request)
    assert "Let a disabled account in again" in page and "<strong>reviewer</strong> — everywhere" in page
    assert (await second.agree(request)).status_code == 303
    assert not await disabled_now(town, reviewer)
    await (await town.enter("reviewer")).get("/officials/approvals")


async def test_enabling_is_bound_to_the_roles_it_brings_back(town: Town) -> None:
    admin, second, reviewer = await town.enter("admin"), await town.enter("second"), await number_of(town, "reviewer")
    at = f"/officials/accounts/{reviewer}"
    assert (await admin.post(f"{at}/disable", at, step_up_password=PASSWORD)).status_code == 303
    request = await admin.ask(f"{at}/enable", at)
    async with town.database.open_session() as session:
        await grant_role(session, reviewer, "admin", granted_by=None, now=datetime.now(UTC))
    assert (await second.agree(request)).status_code == 409
    assert await disabled_now(town, reviewer)
    assert "changed after it was asked for" in await second.get(request)


async def test_the_last_administrator_cannot_be_disabled(town: Town) -> None:
    admin = await town.enter("admin")
    async with town.database.open_session() as session:
        other = await session.scalar(text("SELECT id FROM account WHERE email = 'second@city.test'"))
    at = f"/officials/accounts/{other}"
    assert (await admin.post(f"{at}/disable", at, step_up_password=PASSWORD)).status_code == 303
    async with town.database.open_session() as session:
        own = int(await session.scalar(text("SELECT id FROM account WHERE email = 'admin@city.test'")) or 0)
        clerk = await a_member(session, "clerk", "admin")
        await revoke_role(session, clerk, Grant("admin"), now=datetime.now(UTC))
        with pytest.raises(LastAdmin):  # a session that remembers a role for some seconds is no administrator's
            await disable_account(session, a_hand(clerk), own, datetime.now(UTC))
    official = await town.enter("official")
    await official.get("/officials/accounts", 403)
    assert normal_login("admin@city.test").email


async def test_a_poll_that_runs_takes_two_for_all_but_a_pause(town: Town) -> None:
    from tests.builders import an_open_poll

    async with town.database.open_session() as session:
        poll = await an_open_poll(session)
    official, reviewer = await town.enter("official"), await town.enter("reviewer")
    at = f"/officials/polls/{poll.public_id}"
    assert (await official.post(f"{at}/extend", at, closes_at="", reason="Праздники")).status_code == 422
    later = poll.closes_at.replace(year=poll.closes_at.year + 1).strftime("%Y-%m-%dT%H:%M")
    request = await official.ask(f"{at}/extend", at, closes_at=later, reason="Праздники")
    assert "Праздники" in await reviewer.get(request)
    assert (await reviewer.agree(request)).status_code == 303
    for move in ("erratum", "close-early"):
        fields = {"text.ru": "Не сквер, а парк", "text.en": ""} if move == "erratum" else {"reason": "Стройка раньше"}
        request = await official.ask(f"{at}/{move}", at, **fields)
        assert (await reviewer.agree(request)).status_code == 303
    assert (await official.post(f"{at}/pause", at, reason="Сбой")).status_code in (200, 303, 409)
