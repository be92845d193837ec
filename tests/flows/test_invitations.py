"""Invitations over HTTP: who learns a code, what it opens, and that no role stands behind one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text
from tests.flows.letters import MAIL, letters
from tests.flows.test_approval_pages import UNLIMITED, Staff, Town, words_of
from tests.sites import PASSWORD, browser, fast_passwords, form_token, sign_in, site_settings

from polls.errors import NotFound
from voting.app import create_app
from voting.approvals.errors import InvitationGone, InvitationWaits, RoleBeforeInvitation
from voting.approvals.gate import bootstrap_role
from voting.db import Database
from voting.identity.accounts import grant_role
from voting.identity.staff import accept_invitation, invite, invited, make_staff_account
from voting.tables import account

CODE = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{8}){3}\b")


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    return await Town(fresh_database, tmp_path).settle()


async def made_by(admin: Staff) -> httpx.Response:
    return await admin.post("/officials/accounts", "/officials/accounts", email="new@city.test", display_name="Новый")


async def number_of(database: Database, email: str = "new@city.test") -> int:
    async with database.open_read_session() as session:
        found = await session.scalar(select(account.c.id).where(account.c.email == email))
    assert found is not None
    return found


async def use(town: Town, code: str, password: str = PASSWORD) -> int:
    async with browser(town.app) as newcomer:
        token = form_token(await newcomer.get("/invitation"))
        sent = {"csrf_token": token, "code": code, "password": password}
        return (await newcomer.post("/invitation", data=sent)).status_code


async def test_no_role_is_asked_for_or_given_before_the_invitation_is_used(town: Town) -> None:
    admin = await town.enter("admin")
    code = CODE.search((await made_by(admin)).text)
    number = await number_of(town.database)
    at = f"/officials/accounts/{number}"
    assert code and "Roles can be asked for once the invitation is used." in await admin.get(at)
    told = await admin.post(f"{at}/roles", "/officials/accounts", change="grant", role="reviewer", department="",
                            territory="", step_up_password=PASSWORD)  # fmt: skip
    assert told.status_code == 409 and "whoever holds its code would get the role" in told.text, words_of(told)
    assert "Ask for the role once the member has chosen a password." in told.text
    body = {"account_id": number, "change": "grant", "role": "reviewer"}
    by_api = await admin.api("POST", "/approvals/roles", body)
    assert (by_api.status_code, by_api.json()["code"]) == (409, "invitation_waits")
    async with town.database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM approval")) == 0
        with pytest.raises(InvitationWaits):  # the command line is no way around
            await bootstrap_role(session, number, "operator", datetime.now(UTC))
    assert await use(town, code[0]) == 303
    asked = await admin.ask(f"{at}/roles", at, change="grant", role="reviewer", department="", territory="")
    assert asked.startswith("/officials/approvals/")


async def test_no_administrator_enters_an_account_that_holds_a_role(town: Town) -> None:
    """Two have given the role, as an earlier release let them; one makes a code, and would act by it."""
    admin = await town.enter("admin")
    first = CODE.search((await made_by(admin)).text)
    number = await number_of(town.database)
    at = f"/officials/accounts/{number}"
    async with town.database.open_session() as session:
        await grant_role(session, number, "reviewer", granted_by=None, now=datetime.now(UTC))
    third = await town.enter("second")
    assert f"{at}/invite" not in await third.get(at)
    told = await third.post(f"{at}/invite", at)
    assert told.status_code == 409 and "whoever sees a new code could act by that role" in told.text, words_of(told)
    assert not CODE.search(told.text)
    assert first and await use(town, first[0]) == 422, "the first code opens no role either"
    async with town.database.open_read_session() as session:
        assert await session.scalar(select(account.c.password_hash).where(account.c.id == number)) is None


async def test_no_code_is_made_while_a_role_is_asked_for(town: Town) -> None:
    now = datetime.now(UTC)
    async with town.database.open_session() as session:
        by = await session.scalar(select(account.c.id).where(account.c.email == "admin@city.test"))
        assert by is not None
        number, code = await make_staff_account(
            session, email="new@city.test", display_name="Новый", department="", by=by, by_letter=False, now=now
        )
        assert code is not None and (await invited(session, code, now)).id == number
        await session.execute(
            text(
                "INSERT INTO approval (action, object_kind, object_ref, object_hash, version, parameters, author_id, "
                "asked_at, expires_at, author_evidence) VALUES ('grant_role', 'account', :ref, sha256('x'), '{}', "
                """'{"role": "reviewer"}', :by, now(), now() + interval '7 days', '{}')"""
            ),
            {"ref": str(number), "by": by},
        )
        with pytest.raises(RoleBeforeInvitation):
            await invite(session, number, by=by, by_letter=False, now=now)
        await session.execute(text("UPDATE approval SET state = 'withdrawn', decided_at = now()"))
        newer = await invite(session, number, by=by, by_letter=False, now=now)
        assert newer is not None
        for old in (code, "", "0" * 35):
            with pytest.raises(InvitationGone):
                await accept_invitation(session, old, "hash", now)
        with pytest.raises(InvitationGone):
            await accept_invitation(session, newer, "hash", now + timedelta(days=3))
        await accept_invitation(session, newer.upper(), "hash", now)
        with pytest.raises(NotFound):
            await invite(session, number, by=by, by_letter=False, now=now)


async def test_where_letters_go_out_no_administrator_sees_a_code(fresh_database: Database, tmp_path: Path) -> None:
    town = await Town(fresh_database, tmp_path).settle()
    settings = site_settings(tmp_path, four_eyes=True, staff_step_up="password", **MAIL)
    town.app = create_app(settings, database=fresh_database, passwords=fast_passwords(), limits=UNLIMITED)
    admin = await town.enter("admin")
    made = await made_by(admin)
    number = await number_of(fresh_database)
    at = f"/officials/accounts/{number}"
    assert (made.status_code, made.headers["location"]) == (303, f"{at}?done=invited"), words_of(made)
    shown = await admin.get(f"{at}?done=invited")
    assert "A letter with a code goes to new@city.test." in shown and not CODE.search(shown)

    [letter] = await letters(fresh_database, tmp_path)
    first = CODE.search(letter.body)
    assert letter.to_address == "new@city.test" and first and "/invitation\n" in letter.body
    again = await admin.post(f"{at}/invite", at)
    assert (again.status_code, again.headers["location"]) == (303, f"{at}?done=invited")
    [letter] = await letters(fresh_database, tmp_path)
    second = CODE.search(letter.body)
    assert second and second[0] != first[0]
    assert await use(town, first[0]) == 422
    assert await use(town, second[0]) == 303
    async with browser(town.app) as newcomer:
        assert (await sign_in(newcomer, "new@city.test")).status_code == 303


async def test_a_letter_of_an_invitation_that_is_gone_is_not_sent(fresh_database: Database, tmp_path: Path) -> None:
    town = await Town(fresh_database, tmp_path).settle()
    settings = site_settings(tmp_path, four_eyes=True, staff_step_up="password", **MAIL)
    town.app = create_app(settings, database=fresh_database, passwords=fast_passwords(), limits=UNLIMITED)
    now = datetime.now(UTC)
    async with fresh_database.open_session() as session:
        await make_staff_account(
            session, email="new@city.test", display_name="Новый", department="", by=1, by_letter=True, now=now
        )
    admin = await town.enter("admin")
    at = f"/officials/accounts/{await number_of(fresh_database)}"
    assert (await admin.post(f"{at}/disable", at, step_up_password=PASSWORD)).status_code == 303
    assert await letters(fresh_database, tmp_path) == []
