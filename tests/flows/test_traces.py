"""Everything a full run writes down, searched for what nobody may find there: answers, words, keys, ballot ids.

The run votes through the API with everything that can go wrong: retries, second votes, answers that do not fit, a
ballot its table refuses, a statement that fails, one that takes too long, two that wait for each other. Then it looks
through logs at debug level, PostgreSQL's own log, every table, every file, and the addresses and headers of replies.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.builders import a_city, a_single_choice, an_open_poll, an_option, both, close_now
from tests.flows.api_client import Client, Town
from tests.memory import ROOT, SERVER
from tests.sites import site_settings

from polls.board import ballot_id
from polls.catalogue import SealedPoll
from voting import tasks  # noqa: F401  -- declares the jobs
from voting.db import Database
from voting.embedded_home import prepare_home
from voting.jobs import Work, build_jobs, registry
from voting.keys import record_keys
from voting.telemetry import configure_logging

ROOFTOP, CELLAR = 31_397, 29_789
CHOICE = re.compile(rf"(?<![\d.]){ROOFTOP}(?!\d)|(?<![\d.]){CELLAR}(?!\d)")
"""Option ids, and below words, that nothing else in the run is called by."""
QUESTIONS: list[dict[str, Any]] = [
    {**a_single_choice(1, own_answer=True), "options": [an_option(ROOFTOP), an_option(CELLAR)]},
    {"kind": "text", "id": 2, "text": both("Что ещё?", "What else?"), "required": False},
]
WORDS = "Zqxwander{}"
BALLOTS = {"ballot", "named_ballot", "superseded"}
# Where option ids may stand: with ballots, counted, and in the poll's own document; and where words may.
CHOICES = BALLOTS | {"profile", "count_record", "live_step", "sealed_definition", "poll_revision", "poll", "board_tree"}
CHOICES |= {"board_manifest", "asset"}
VOTERS = 14


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Every log line of this process, down to debug, as it would go to standard error."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    configure_logging(stream, level=logging.DEBUG)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        configure_logging()
        root.handlers[:] = before
        root.setLevel(level)


@pytest.fixture
def database_log(databases: object) -> Callable[[], str]:
    """What the embedded PostgreSQL writes to its log from here on; asked for when the run is over."""
    path = prepare_home(SERVER, ROOT).log
    start = path.stat().st_size if path.exists() else 0

    def read() -> str:
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(start if path.stat().st_size >= start else 0)
            return file.read().decode(errors="replace")

    return read


class Secrets:
    """What must not turn up, in every spelling it could have."""

    def __init__(self) -> None:
        self.spelled: dict[str, str] = {}

    def add(self, what: str, value: bytes) -> None:
        for name, spelling in (
            ("hex", value.hex()),
            ("HEX", value.hex().upper()),
            ("base32", base64.b32encode(value).decode().rstrip("=")),
            ("base64", base64.b64encode(value).decode().rstrip("=")),
            ("base64url", base64.urlsafe_b64encode(value).decode().rstrip("=")),
            ("octal", "".join(f"\\{byte:03o}" for byte in value)),
            ("repr", repr(value)[2:-1]),
            ("repr of text", repr(value)),
        ):
            self.spelled[spelling] = f"{what} in {name}"

    def seen_in(self, written: str) -> list[str]:
        return sorted({what for spelling, what in self.spelled.items() if spelling in written})


async def everything_goes_wrong(client: Client, poll: SealedPoll, key: str, answers: dict[str, Any]) -> list[Any]:
    """A vote with its retry, a second vote, a changed retry, wrong answers, a bad key, a word too long."""
    slug, other = poll.slug, secrets.token_hex(16)
    return [
        await client.vote(slug, other, {"1": [ROOFTOP, "no such thing"]}),
        await client.vote(slug, other, {"1": {"own": WORDS.format("long") * 900}}),
        await client.vote(slug, other + "!", answers),
        await client.vote("nowhere", other, answers),
        await client.http.post(f"/api/v1/polls/{slug}/ballots", content=b'{"answers": {"1": 31397', headers={
            **client.headers(), "idempotency-key": other, "content-type": "application/json"}),
        await client.vote(slug, key, answers),
        await client.vote(slug, key, answers),
        await client.vote(slug, key, {"1": CELLAR if answers["1"] == ROOFTOP else ROOFTOP}),
        await client.vote(slug, other, answers),
    ]  # fmt: skip


async def the_database_fails(database: Database, poll: SealedPoll, client: Client, key: str) -> list[Any]:
    """A ballot its table refuses, and statements that time out or wait for each other, each with an answer at hand."""
    failed = []
    for spoil, mend in (
        ("ADD CONSTRAINT never CHECK (style > 0) NOT VALID", "DROP CONSTRAINT never"),
        ("RENAME COLUMN style TO elsewhere", "RENAME COLUMN elsewhere TO style"),
    ):
        async with database.open_session() as session:
            await session.execute(text(f"ALTER TABLE intake_{poll.id} {spoil}"))
        failed.append(await client.vote(poll.slug, key, {"1": ROOFTOP, "2": WORDS.format("refused")}))
        async with database.open_session() as session:
            await session.execute(text(f"ALTER TABLE intake_{poll.id} {mend}"))

    async def wait(first: int, second: int) -> None:
        async with database.open_session() as session:
            for each in (first, second):
                await session.execute(
                    text("SELECT pg_advisory_xact_lock(CAST(:key AS bigint)), CAST(:answer AS text)"),
                    {"key": each, "answer": WORDS.format("deadlock")},
                )
                await asyncio.sleep(0.3)

    await asyncio.gather(wait(1, 2), wait(2, 1), return_exceptions=True)
    async with database.open_session() as session:
        await session.execute(text("SET LOCAL statement_timeout = 50"))
        with pytest.raises(DBAPIError, match="timeout"):
            await session.execute(text("SELECT pg_sleep(9), CAST(:a AS text)"), {"a": WORDS.format("slow")})
        await session.rollback()
    return failed


async def cast_and_count(town: Town, poll: SealedPoll, hidden: Secrets, folder: Path) -> list[Any]:
    """Everybody votes, with everything that can go wrong; every job runs: counting, publishing. Gives the replies."""
    replies: list[Any] = []
    for number in range(VOTERS):
        client = await town.client(await town.add_resident())
        key = secrets.token_bytes(16)
        hidden.add("a key", key)
        answers: dict[str, Any] = {"1": (ROOFTOP, CELLAR, {"own": WORDS.format(f"own{number}")})[number % 3]}
        if number % 2:
            answers["2"] = WORDS.format(f"text{number}")
        if number == 1:
            replies += await the_database_fails(town.database, poll, client, key.hex())
        spelling = key.hex() if number % 2 else base64.urlsafe_b64encode(key).decode().rstrip("=")
        replies += await everything_goes_wrong(client, poll, spelling, answers)
        assert [reply.status_code for reply in replies[-4:]] == [201, 200, 422, 409]
        hidden.add("a ballot id", ballot_id(poll.poll_hash, key))
    assert {reply.status_code for reply in replies} >= {200, 201, 400, 404, 409, 422, 500}
    async with town.database.open_session() as session:
        await close_now(session, poll)
        await record_keys(session, site_settings(folder), datetime.now(UTC))
    work = Work(town.database, site_settings(folder))
    for _ in range(2):  # what one job leaves for another
        for job in registry.jobs.values():
            if job.cron:
                await job.body(work)
    await build_jobs(town.database, work.settings).run_until_idle()
    async with town.database.open_read_session() as session:
        assert await session.scalar(text("SELECT ballots FROM count_record")) == VOTERS
    return replies


async def test_a_full_run_writes_no_answer_word_key_or_ballot_id_anywhere_else(
    fresh_database: Database, tmp_path: Path, database_log: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert not fresh_database.engine.echo and not fresh_database.read_engine.echo
    town = Town(fresh_database, tmp_path)
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session, questions=QUESTIONS)
    hidden = Secrets()
    with everything_logged() as logs:
        replies = await cast_and_count(town, poll, hidden, tmp_path)
    lines, postgres = "".join(capfd.readouterr()) + logs.getvalue(), database_log()
    assert lines.count('"route":"/api/v1/polls/{slug}/ballots"') >= 8 * VOTERS, "the run was logged"
    assert "request failed" in lines and '"logger":"httpx"' in lines
    if postgres:
        assert '"never"' in postgres and "deadlock" in postgres and "timeout" in postgres, "its failures too"
    for name, written in (("the log", lines), ("PostgreSQL's log", postgres)):
        assert hidden.seen_in(written) == [], name
        assert "Zqxwander" not in written and not CHOICE.search(written), name
    check_replies(replies, hidden)
    await check_tables(fresh_database, hidden)
    check_files(tmp_path, hidden)


def check_replies(replies: list[Any], hidden: Secrets) -> None:
    """Addresses and headers hold nothing; a refusal does not say back what was sent."""
    for reply in replies:
        for written in (str(reply.request.url), *(f"{name}: {value}" for name, value in reply.headers.items())):
            assert hidden.seen_in(written) == []
            assert "Zqxwander" not in written and not CHOICE.search(written)
        assert reply.headers["cache-control"] == "no-store", reply.request.url
        if reply.status_code >= 400:
            assert hidden.seen_in(reply.text) == []
            assert "Zqxwander" not in reply.text and not CHOICE.search(reply.text), reply.text


async def check_tables(database: Database, hidden: Secrets) -> None:
    """Keys nowhere; ballot ids with ballots; words with words; choices with ballots, counts and documents."""
    async with database.open_read_session() as session:
        names = await session.execute(
            text("SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                 " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
                 " AND n.nspname NOT IN ('pg_catalog', 'information_schema')")
        )  # fmt: skip
        for schema, table in names.all():
            rows = await session.scalars(text(f'SELECT row_to_json(t)::text FROM "{schema}"."{table}" t'))
            written = "\n".join(rows)
            seen = hidden.seen_in(written)
            assert not [what for what in seen if what.startswith("a key")], table
            assert not seen or table in BALLOTS, f"{table}: {seen}"
            assert "Zqxwander" not in written or table == "text_answer", table
            if table not in CHOICES:
                assert not CHOICE.search(written), f"{table} holds an answer"


def check_files(folder: Path, hidden: Secrets) -> None:
    """Files below the data directory: published records hold answers, and never a key, a ballot id or words."""
    assert (folder / "registry" / "checkpoint").exists(), "the jobs have published"
    for path in folder.rglob("*"):
        if path.is_file():
            written = path.read_bytes().decode("latin-1")
            assert hidden.seen_in(written) == [], path
            assert "Zqxwander" not in written, path


def test_every_spelling_is_looked_for() -> None:
    hidden = Secrets()
    hidden.add("a key", bytes(range(200, 216)))
    for written in (bytes(range(200, 216)).hex(), repr({"key": bytes(range(200, 216))}), "\\x" + "c8c9cacb"):
        assert bool(hidden.seen_in(written)) == (len(written) > 20)
    assert json.dumps(hidden.spelled)
