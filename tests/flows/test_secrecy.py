"""Nothing written during a full run holds a choice beside a person: tables, logs, addresses (BALLOTS 5, 6, 9).

The run goes through the pages, with answers that can be recognised anywhere: option ids no other number has.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar._parsers import parse_url_encoded_form_data
from sqlalchemy import text
from tests.builders import SEALER, a_citizen, a_city, an_open_poll, an_option, both, close_now
from tests.sites import HTTP, PASSWORD, add_account, fast_passwords, form_token, sign_in, site_settings

from polls.catalogue import SealedPoll
from polls.counting import count_poll
from voting.app import create_app
from voting.db import Database
from voting.throttling import Limit

# Recognisable wherever they turn up: nothing else in the run is one of these numbers.
FIRST, SECOND = 31_337, 29_017
MARKS = (str(FIRST), str(SECOND))
QUESTION: dict[str, Any] = {
    "kind": "single_choice",
    "id": 1,
    "text": both("Что построить?", "What to build?"),
    "options": [an_option(FIRST, text=both("Сквер", "Square")), an_option(SECOND, text=both("Фонтан", "Fountain"))],
}
UNLIMITED = {name: Limit(10**6, timedelta(minutes=1)) for name in ("api_reads", "writes", "exports", "sign_in")}

# Where an answer may stand: with the ballot, or counted; and in the poll's own document, which lists the options.
WITH_ANSWERS = {"ballot", "profile", "count_record", "live_step"}
DOCUMENTS = {"sealed_definition", "poll_revision"}


class Recorder(httpx.AsyncClient):
    """A browser that notes every address it asks for or is sent to."""

    def __init__(self, app: Litestar) -> None:
        transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 40_000))  # type: ignore[arg-type]
        super().__init__(transport=transport, base_url=HTTP, headers={"accept-language": "ru"})
        self.addresses: list[str] = []
        self.keys: list[str] = []

    async def request(self, *arguments: Any, **options: Any) -> httpx.Response:
        reply = await super().request(*arguments, **options)
        self.addresses += [str(reply.request.url), reply.headers.get("location", "")]
        return reply


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of the page's ballot form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return dict(found)


async def vote_through_pages(browser: Recorder, poll: SealedPoll, choice: int) -> str:
    """Question, check page, receipt; returns the receipt page."""
    question = (await browser.get(f"/polls/{poll.slug}/vote")).text
    name = re.search(rf'name="([^"]+)"[^>]*value="{choice}"', question)
    assert name, question[:3000]
    answered = await browser.post(
        f"/polls/{poll.slug}/vote", data={**fields_of(question), name[1]: str(choice), "op": "next"}
    )
    assert answered.status_code == 200, answered.text[:2000]
    carried = fields_of(answered.text)
    browser.keys += [value for key, value in carried.items() if key in ("key", "k")]
    receipt = await browser.post(f"/polls/{poll.slug}/cast", data=carried)
    assert receipt.status_code == 200, receipt.text[:2000]
    return receipt.text


async def tables(database: Database) -> list[str]:
    async with database.open_read_session() as session:
        rows = await session.scalars(
            text(
                "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            )
        )
        return list(rows)


async def rows_of(database: Database, table: str) -> Iterator[str]:
    async with database.open_read_session() as session:
        return iter(list(await session.scalars(text(f'SELECT row_to_json(t)::text FROM "{table}" t'))))


async def test_no_table_log_or_address_holds_a_choice_beside_a_person(
    fresh_database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    parse_url_encoded_form_data.cache_clear()
    app = create_app(site_settings(tmp_path), database=fresh_database, passwords=fast_passwords(), limits=UNLIMITED)
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session, questions=[QUESTION])
        citizens = [await a_citizen(session) for _ in range(12)]
    addresses, keys, codes = [], [], []
    for number, citizen in enumerate(citizens):
        login = f"resident{number}@city.test"
        await add_account(fresh_database, login, "resident", citizen_id=citizen)
        async with Recorder(app) as browser:
            assert (await sign_in(browser, login, PASSWORD)).status_code in (200, 303)
            page = await vote_through_pages(browser, poll, (FIRST, SECOND)[number % 2])
            assert "/polls/" in "".join(browser.addresses)
            again = await browser.get("/my-votes")
            assert not any(mark in again.text for mark in MARKS), "own votes show participation only"
            addresses += browser.addresses
            keys += browser.keys
            codes += re.findall(r"<code[^>]*>([A-Z2-7 ]{20,})</code>", page)
    assert len(codes) == len(keys) == 12
    # The framework keeps the last thousand URL-encoded bodies it parses: passwords, answers and keys. None may be ours.
    assert parse_url_encoded_form_data.cache_info().currsize == 0

    await scan(fresh_database, poll, f"intake_{poll.id}", len(citizens))
    async with fresh_database.open_session() as session:
        await close_now(session, poll)
        await count_poll(session, poll.public_id, poll.closes_at, SEALER)
    await scan(fresh_database, poll, "ballot", len(citizens))

    out, err = capfd.readouterr()
    logs = out + err + caplog.text
    assert "/polls/{slug" in logs or "route" in logs, "the run was logged"
    ballots = [base64.b32decode(code.replace(" ", "") + "======").hex() for code in codes]
    for secret in [*MARKS, *keys, *ballots, *(code.replace(" ", "") for code in codes)]:
        assert secret not in logs, f"{secret} is in a log"
        assert not [address for address in addresses if secret in address], f"{secret} is in an address"


async def scan(database: Database, poll: SealedPoll, home: str, voters: int) -> None:
    """Answers stand with the ballots alone; a row with an answer or a ballot id names no person and no moment."""
    found = 0
    for table in await tables(database):
        rows = list(await rows_of(database, table))
        if table in DOCUMENTS:
            continue
        holding = [row for row in rows if any(re.search(rf"\b{mark}\b", row) for mark in MARKS)]
        assert not holding or table == home or table in WITH_ANSWERS, f"{table} holds an answer: {holding[:1]}"
        if table != home:
            assert "ballot_id" not in (json.loads(rows[0]) if rows else {}), f"{table} knows ballot ids"
            continue
        found = len(holding)
        for row in map(json.loads, holding):
            assert set(row) <= {"poll_id", "ballot_id", "answers", "style", "stratum"}
    assert found == voters, "every ballot was looked at"


async def test_answers_in_unfinished_forms_are_nowhere(fresh_database: Database, tmp_path: Path) -> None:
    """Before sending, the answers are in the page alone: no table changes between the question and the check page."""
    app = create_app(site_settings(tmp_path), database=fresh_database, passwords=fast_passwords(), limits=UNLIMITED)
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session, questions=[QUESTION])
        citizen = await a_citizen(session)
    await add_account(fresh_database, "resident@city.test", "resident", citizen_id=citizen)
    async with Recorder(app) as browser:
        await sign_in(browser, "resident@city.test", PASSWORD)
        question = (await browser.get(f"/polls/{poll.slug}/vote")).text
        before = {table: sorted(await rows_of(fresh_database, table)) for table in await tables(fresh_database)}
        name = re.search(rf'name="([^"]+)"[^>]*value="{FIRST}"', question)
        assert name
        await browser.post(f"/polls/{poll.slug}/vote", data={**fields_of(question), name[1]: str(FIRST), "op": "next"})
        after = {table: sorted(await rows_of(fresh_database, table)) for table in await tables(fresh_database)}
        changed = {table for table in after if after[table] != before[table]}
        assert changed <= {"web_session", "throttle"}
        assert form_token(await browser.get("/account"))
