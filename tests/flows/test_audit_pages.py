"""The audit log over HTTP: who may read it, its filters, its files, and that no secret of a run is in it."""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from tests.builders import a_city
from tests.sites import PASSWORD, add_account, browser, fast_passwords, sign_in, site_settings

from polls.audit_kinds import JOURNAL, KINDS, LOOKS
from voting.app import create_app
from voting.auditing.checking import check_file
from voting.auditing.sealing import seal_entries
from voting.db import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PLANTED = "Zqxplanted"


class Office:
    """A site with an account of each role."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.app = create_app(site_settings(folder), database=database, passwords=fast_passwords())

    async def reader(self, role: str) -> httpx.AsyncClient:
        client = browser(self.app)
        if role != "nobody":
            assert (await sign_in(client, f"{role}@city.test")).status_code == 303
        return client


@pytest.fixture
async def office(fresh_database: Database, tmp_path: Path) -> Office:
    async with fresh_database.open_session() as session:
        await a_city(session)
    for role in ("official", "reviewer", "analyst", "observer", "admin"):
        await add_account(fresh_database, f"{role}@city.test", role)
    return Office(fresh_database, tmp_path)


@pytest.mark.parametrize("role", ["nobody", "official", "reviewer", "analyst", "observer", "admin"])
async def test_observers_and_administrators_read_it_and_nobody_else(office: Office, role: str) -> None:
    client = await office.reader(role)
    for path in ("/audit", "/audit/log.jsonl", "/audit/log.csv"):
        status = (await client.get(path)).status_code
        assert (status == 200) is (role in ("observer", "admin")), path


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("official", "administrator", "administrator, operator", "warden")),
     ("ru", ("организатор", "администратор", "администратор, оператор", "warden"))],
)  # fmt: skip
async def test_roles_are_words_on_the_page_and_codes_in_files(office: Office, language: str, words) -> None:
    async with office.database.open_session() as session:
        await session.execute(
            text(
                "INSERT INTO audit_event (at, kind, actor, subject, facts) VALUES"
                " (now(), 'role_granted', 7, 'account:1', '{\"role\": \"official\"}'),"
                " (now(), 'role_revoked', 7, 'account:1', '{\"role\": \"admin\"}'),"
                " (now(), 'account_made', 7, 'account:1', '{\"roles\": \"admin operator\"}'),"
                " (now(), 'role_granted', 7, 'account:1', '{\"role\": \"warden\"}')"
            )
        )
        await seal_entries(session, NOW)
    client = await office.reader("observer")
    shown = (await client.get("/audit?actor=7", headers={"accept-language": language})).text
    assert tuple(reversed(re.findall(r"<dd>([^<]*)</dd>", shown))) == words, "a role there is no more stays a code"
    for name in ("jsonl", "csv"):
        told = (await client.get(f"/audit/log.{name}?actor=7", headers={"accept-language": language})).text
        assert "official" in told and "admin operator" in told and "организатор" not in told


async def test_the_page_shows_kinds_actors_and_what_is_not_sealed(office: Office) -> None:
    client = await office.reader("observer")
    shown = (await client.get("/audit")).text
    assert "A role was given" in shown and "Somebody of the staff signed in" in shown and "not sealed yet" in shown
    async with office.database.open_session() as session:
        await seal_entries(session, NOW)
    sealed = (await client.get("/audit?kind=role_granted")).text
    assert "Entry 1" in sealed or "Entry 2" in sealed
    assert "not sealed yet" not in sealed and "Somebody of the staff signed in</strong>" not in sealed
    russian = await client.get("/audit?lang=ru")
    assert "Журнал действий" in russian.text and "Дана роль" in russian.text
    assert "Nothing was found" in (await client.get("/audit?since=2001-01-01&until=2001-01-02&lang=en")).text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("kind=nothing", "no such kind"),
        ("since=yesterday", "Give a day"),
        ("until=2026-13-45", "Give a day"),
        ("subject=%27%3B--", "Give a subject"),
        ("actor=%00", "subject"),
        ("before=x", "Begin the search anew"),
        ("before=9999999999999999-audit-1", None),
        ("actor=" + "9" * 18, "Nothing was found"),
        ("actor=%25", "Nothing was found"),
        ("until=9999-12-31&since=0001-01-01", "Give a day"),
        ("subject=poll:" + "x" * 400, None),
    ],
)
async def test_odd_questions_are_answered_in_words(office: Office, query: str, message: str | None) -> None:
    client = await office.reader("admin")
    reply = await client.get(f"/audit?{query}")
    assert reply.status_code in (200, 422)
    assert message is None or message in reply.text
    for path in ("log.jsonl", "log.csv"):
        assert (await client.get(f"/audit/{path}?{query}")).status_code in (200, 422)


async def test_pages_go_on_and_keep_their_filters(office: Office) -> None:
    async with office.database.open_session() as session:
        await session.execute(
            text(
                "INSERT INTO audit_event (at, kind, actor, subject, facts) SELECT now(), 'role_granted', 7,"
                " 'account:1', '{\"role\": \"official\"}' FROM generate_series(1, 120)"
            )
        )
    client, seen, path = await office.reader("observer"), 0, "/audit?kind=role_granted&actor=7"
    while path:
        shown = (await client.get(path)).text
        seen += shown.count("<strong>A role was given</strong>")
        found = re.search(r'data-variant="secondary" href="(/audit\?[^"]*before=[^"]+)"', shown)
        path = found[1].replace("&amp;", "&") if found else ""
        assert not path or ("kind=role_granted" in path and "actor=7" in path)
    assert seen == 120


async def test_the_file_of_the_whole_log_recomputes(office: Office) -> None:
    client = await office.reader("admin")
    async with office.database.open_session() as session:
        n = await seal_entries(session, NOW)
    reply = await client.get("/audit/log.jsonl")
    lines = reply.text.splitlines()
    assert len(lines) >= n and check_file(lines).faults == []
    narrowed = [
        json.loads(line) for line in (await client.get("/audit/log.jsonl?kind=staff_signed_in")).text.splitlines()
    ]
    assert {line["kind"] for line in narrowed} == {"staff_signed_in"}
    table = (await client.get("/audit/log.csv")).text
    assert table.startswith("\ufeffposition,at,kind") and len(table.splitlines()) == len(lines) + 1


async def test_what_must_not_be_in_the_log_is_not_in_it(office: Office) -> None:
    """Values planted in the fields of accounts, tokens and refusals; then the tables are searched."""
    planted = [f"{PLANTED}{n}" for n in range(6)]
    client = browser(office.app)
    for wrong in (f"{planted[0]}@city.test", "official@city.test", "+79161234567", "4510 123456"):
        await sign_in(client, wrong, f"{planted[1]} wrong")
    client = await office.reader("analyst")
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get("/account/tokens")).text)
    assert token is not None
    made = await client.post(
        "/account/tokens", data={"csrf_token": token[1], "name": planted[2], "scopes": "results:read", "days": "30"}
    )
    given = re.search(r"veche_[A-Za-z0-9]{49}", made.text)
    await client.post(
        "/account/password",
        data={"csrf_token": token[1], "current_password": PASSWORD, "new_password": f"{planted[3]} long enough"},
    )
    async with office.database.open_session() as session:
        await seal_entries(session, NOW)
        rows = await session.scalars(
            text(
                "SELECT row_to_json(t)::text FROM audit_event t"
                " UNION ALL SELECT row_to_json(t)::text FROM audit_counter t"
            )
        )
        written = "\n".join(rows)
    log = (await (await office.reader("admin")).get("/audit/log.jsonl")).text
    for where in (written, log):
        for value in (PLANTED, PASSWORD, "@city.test", "79161234567", "4510", given[0] if given else "veche_"):
            assert value not in where
    assert "staff_signed_in" in log and secrets.token_hex(4) not in log


async def test_every_kind_and_fact_has_russian_words() -> None:
    from polls.audit_kinds import FIELDS
    from voting.web.i18n import gettext_for

    russian = gettext_for("ru")
    said = [kind.sentence for kinds in (KINDS, JOURNAL, LOOKS) for kind in kinds.values()]
    assert [word for word in (*said, *FIELDS.values()) if not re.search("[а-яё]", russian(word), re.I)] == []
