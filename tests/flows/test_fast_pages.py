"""Pages found without the framework are those that it makes, to the byte: `voting.fast_pages` decides nothing.

Each request goes both ways, the ordinary one by a layer that answers nothing. Only the token of forms differs, which is
masked anew for each reply.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import a_citizen, a_city, a_key, an_open_poll, both
from tests.flows.pages import Resident
from tests.flows.wire import answers, scope_of
from tests.sites import Clock, add_account, fast_passwords, site_settings

from polls.casting import cast_ballot
from polls.journal import record_event
from polls.pausing import pause_poll
from voting import remembering
from voting.app import create_app
from voting.fast_pages import FastPages
from voting.remembering import Pulse, Shelf
from voting.secrets import receipt_signer
from voting.telemetry import configure_logging

TOKEN = re.compile(rb'(?<=")[0-9a-f]{128}(?=")')
Pairs = Sequence[tuple[str, str]]


@dataclass
class Ways:
    """Sends requests the straight way or the ordinary one, and counts the straight answers."""

    app: Any
    monkeypatch: pytest.MonkeyPatch
    straight: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        whole = FastPages.make

        async def counting(layer: FastPages, page: Any, path: str, asked: Any) -> Any:
            made = await whole(layer, page, path, asked)
            self.straight[path] += made is not None
            return made

        self.monkeypatch.setattr(FastPages, "make", counting)

    async def ask(
        self,
        path: str,
        headers: Pairs,
        *,
        ordinary: bool = False,
        method: str = "GET",
        query: bytes = b"",
        root: str = "",
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and page; the page unpacked, its token and the number of the request taken out."""
        scope = scope_of(method, path, headers, query=query, root=root)
        with self.monkeypatch.context() as patch:
            if ordinary:
                patch.setattr(FastPages, "make", _nothing)
            sent = await answers(self.app, scope)
        told = dict(sent[0]["headers"])
        body = b"".join(message["body"] for message in sent[1:])
        if method != "HEAD" and b"content-length" in told:
            assert int(told[b"content-length"]) == len(body)
        if told.get(b"content-encoding") == b"gzip" and body:
            assert len(body) < 0.6 * len(gzip.decompress(body))
            body = gzip.decompress(body)
        packed = b"content-encoding" in told
        kept = [
            pair for pair in sent[0]["headers"]
            if pair[0] != b"x-request-id" and not (packed and pair[0] == b"content-length")
        ]  # fmt: skip
        return sent[0]["status"], sorted(kept), TOKEN.sub(b"TOKEN", body).replace(told[b"x-request-id"], b"NUMBER")

    async def both(self, path: str, headers: Pairs, **more: Any) -> tuple[int, bytes, bool]:
        """Status, page, and whether it went straight; the same both ways. The ordinary way warms what is remembered."""
        ordinary = await self.ask(path, headers, ordinary=True, **more)
        before = self.straight.total()
        straight = await self.ask(path, headers, **more)
        assert straight[1] == ordinary[1]
        assert straight == ordinary
        return ordinary[0], ordinary[2], self.straight.total() > before


async def _nothing(*_: Any) -> None:
    return None


class Town:
    """A city whose clock and memory stand still till told, so that what is remembered stays so."""

    def __init__(self, database: Any, tmp_path: Any) -> None:
        self.database = database
        self.clock = Clock(datetime.now(UTC))
        settings = site_settings(tmp_path)
        self.app = create_app(settings, database=database, passwords=fast_passwords(), clock=self.clock)
        self.signer = receipt_signer(settings)
        self.residents: dict[str, int] = {}

    async def add(self, name: str, *roles: str, district: str = "msk-cao-arbat", shown: str = "") -> Pairs:
        """Headers of a signed-in resident's browser."""
        async with self.database.open_session() as session:
            self.residents[name] = await a_citizen(session, district=district)
        account = await add_account(
            self.database, f"{name}@city.test", "resident", *roles, citizen_id=self.residents[name]
        )
        async with self.database.open_session() as session:
            await session.execute(
                text("UPDATE account SET display_name = :name WHERE id = :id"), {"name": shown, "id": account}
            )
        return self.headers_of(await Resident(self.app).sign_in(f"{name}@city.test"))

    def headers_of(self, who: Resident, language: str = "en") -> Pairs:
        return [("host", "city.test"), ("accept-language", language), ("cookie", f"sid={who.http.cookies['sid']}")]

    async def poll(self, **more: Any) -> Any:
        async with self.database.open_session() as session:
            return await an_open_poll(session, **more)

    async def cast(self, poll: Any, name: str) -> None:
        """As another process does: this one hears nothing of it."""
        async with self.database.open_session() as session:
            now = datetime.now(UTC)
            await cast_ballot(session, poll, self.residents[name], {"1": 1}, a_key(), self.signer, now)


@pytest.fixture
async def town(fresh_database, tmp_path, monkeypatch) -> Town:
    monkeypatch.setattr(remembering, "time", SimpleNamespace(monotonic=lambda: 0.0))
    async with fresh_database.open_session() as session:
        await a_city(session)
    return Town(fresh_database, tmp_path)


@pytest.fixture
def ways(town, monkeypatch) -> Ways:
    return Ways(town.app, monkeypatch)


def but(headers: Pairs, **changed: str) -> Pairs:
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    return [pair for pair in headers if pair[0] not in named] + list(named.items())


async def test_every_kind_of_reader_gets_the_same_page_both_ways(town, ways) -> None:
    square = await town.poll(title=both("Сквер", "Square"))
    yard = await town.poll(title=both("Двор", "Yard"), territory="msk-sao-timiryazevsky")
    soon = await town.poll(
        title=both("Скоро", "Soon"), closes_at=town.clock.now.replace(microsecond=0) + timedelta(days=1)
    )
    readers = {
        "ann": await town.add("ann", shown="Анна <b>&amp;"),
        "far": await town.add("far", district="msk-sao-timiryazevsky"),
        "both": await town.add("both", "official", "reviewer", shown="Both"),
    }
    await town.cast(square, "ann")
    await town.cast(soon, "far")
    paths = ["/", *(f"/polls/{poll.slug}" for poll in (square, yard, soon))]
    seen = set()
    for path in paths:
        for name, headers in readers.items():
            for accept in ("en", "ru-RU,ru;q=0.9", "fr", ""):
                for encoding in ("gzip, br", "identity", "gzip;q=0"):
                    asked = but(headers, accept_language=accept, accept_encoding=encoding)
                    status, page, straight = await ways.both(path, asked)
                    assert (status, straight) == (200, True), (path, name, accept, encoding)
                    seen.add(page)
    assert len(seen) == len(paths) * 3 * 2  # by reader and language, and by nothing else
    assert "Анна &lt;b&gt;&amp;amp;".encode() in (await ways.ask("/", readers["ann"]))[2]
    assert b"chip done" in (await ways.ask(paths[1], readers["ann"]))[2]
    assert b"chip done" not in (await ways.ask(paths[1], readers["far"]))[2]
    assert b"/officials" in (await ways.ask("/", readers["both"]))[2]
    assert b"/officials" not in (await ways.ask("/", readers["far"]))[2]


async def test_whatever_is_odd_in_a_request_is_answered_the_same(town, ways) -> None:
    poll = await town.poll()
    ann, bob = await town.add("ann", shown="Nameann"), await town.add("bob", shown="Namebob")
    stranger = [pair for pair in ann if pair[0] != "cookie"]
    cookies = {"ann": dict(ann)["cookie"], "bob": dict(bob)["cookie"]}
    odd: list[tuple[Pairs, dict[str, Any], bool]] = [
        (ann, {"method": "HEAD"}, False),
        (ann, {"method": "POST"}, False),
        (ann, {"method": "OPTIONS"}, False),
        (ann, {"query": b"lang=ru"}, False),
        (ann, {"query": b"x=1"}, False),
        (ann, {"root": "/site"}, False),
        (but(ann, if_none_match="*"), {}, True),
        (but(ann, if_modified_since="Sat, 01 Jan 2028 00:00:00 GMT"), {}, True),
        (but(ann, range="bytes=0-10"), {}, True),
        (but(ann, hx_request="true"), {}, True),
        (but(ann, cookie=f"{cookies['ann']}; lang=ru"), {}, True),
        (but(ann, cookie=f"lang=en; {cookies['ann']}; lang=ru"), {}, True),
        (but(ann, cookie=f'{cookies["ann"]};lang ="r%75"; theme=dark'), {}, True),
        (but(ann, cookie=f"{cookies['ann']}; Lang=ru; xlang=ru; lang"), {}, True),
        (but(ann, cookie=f"{cookies['ann']}; {cookies['bob']}"), {}, False),
        (but(ann, cookie=f"{cookies['bob']}; {cookies['ann']}"), {}, False),
        ([*ann, ("cookie", cookies["bob"])], {}, False),
        ([*bob, ("cookie", cookies["ann"])], {}, False),
        ([("cookie", "lang=ru"), *ann], {}, False),
        ([*ann, ("accept-language", "ru")], {}, False),
        ([*ann, ("accept-encoding", "gzip"), ("accept-encoding", "identity")], {}, False),
        (but(ann, accept_language="ru;q=0.1,en;q=0.9," * 30), {}, True),
        (but(ann, host="elsewhere.test"), {}, False),
        (but(ann, cookie="sid=never-was"), {}, False),
        (stranger, {}, False),
    ]  # fmt: skip
    for path in ("/", f"/polls/{poll.slug}"):
        for headers, more, goes in odd:
            _, page, straight = await ways.both(path, headers, **more)
            assert straight is goes, (path, headers, more)
            first = next((value for name, value in headers if name == "cookie" and "sid=" in value), "")
            owner = {cookies["ann"]: b"Nameann", cookies["bob"]: b"Namebob"}.get(
                next((part.strip() for part in first.split(";") if part.strip().startswith("sid=")), "")
            )
            for name in (b"Nameann", b"Namebob"):
                assert name not in page or name == owner, (path, headers)
    for path in ("//", "/polls/never-was", f"/polls/{poll.slug}/", f"/polls/{poll.slug.upper()}", "/polls/", "/results",
                 f"/polls/{poll.slug}/results", "/my-votes", "/polls/a\0b"):  # fmt: skip
        assert (await ways.both(path, ann))[2] is False, path


async def test_what_another_process_did_shows_on_the_very_next_page(town, ways) -> None:
    poll = await town.poll(title=both("Сквер", "Square"))
    ann, path = await town.add("ann"), f"/polls/{poll.slug}"
    assert b"1 poll is waiting for your vote" in (await ways.both("/", ann))[1]
    assert b"You may vote" in (await ways.both(path, ann))[1]
    await town.cast(poll, "ann")
    straight = ways.straight.copy()
    assert b"You have voted in every open poll" in (await ways.ask("/", ann))[2]
    assert ways.straight["/"] == straight["/"] + 1
    assert b"You voted on" in (await ways.ask(path, ann))[2]  # a standing of its own: the first of them makes its frame
    assert b"You voted on" in (await ways.both(path, ann))[1]
    async with town.database.open_session() as session:
        await pause_poll(session, poll.public_id, 1, "Сбой", town.clock.now)
    await ways.ask(path, ann)  # its event comes with the reader's own facts, after the poll was looked up
    status, page, _ = await ways.both(path, ann)
    assert (status, "Сбой".encode() in page) == (200, True)
    async with town.database.open_session() as session:
        await record_event(session, "erratum_added", None, town.clock.now, text="x")
    before = ways.straight.total()
    await ways.ask("/", ann)
    assert ways.straight.total() == before  # nothing older than the event is shown
    assert (await ways.both("/", ann))[2]


async def test_what_the_clock_made_old_is_made_anew(town, ways) -> None:
    closes = (town.clock.now + timedelta(minutes=5)).replace(microsecond=0)
    poll = await town.poll(closes_at=closes)
    ann, path = await town.add("ann"), f"/polls/{poll.slug}"
    for address in ("/", path):
        assert (await ways.both(address, ann))[2]
    town.clock.now = closes + timedelta(seconds=1.1)
    before = ways.straight.total()
    assert b"being counted" in (await ways.ask(path, ann))[2]
    assert poll.slug.encode() not in (await ways.ask("/", ann))[2]
    assert ways.straight.total() == before
    for address in ("/", path):
        assert (await ways.both(address, ann))[2]


async def test_a_session_that_ended_shows_nothing_more(town, ways) -> None:
    poll = await town.poll()
    browser = await Resident(town.app).sign_in("ann@city.test") if await town.add("ann", shown="Nameann") else None
    assert browser is not None
    other = await Resident(town.app).sign_in("ann@city.test")
    here, there = town.headers_of(browser), town.headers_of(other)
    token = re.findall(r'name="csrf_token" value="([^"]+)"', (await browser.get("/account")).html)[0]
    for headers in (here, there):
        for path in ("/", f"/polls/{poll.slug}"):
            assert b"Nameann" in (await ways.both(path, headers))[1]
    assert (await browser.http.post("/sign-out", data={"csrf_token": token})).status_code == 303
    async with town.database.open_session() as session:  # the other one by another process
        await session.execute(text("DELETE FROM web_session"))
    for path in ("/", f"/polls/{poll.slug}"):
        assert b"Nameann" not in (await ways.both(path, here))[1]
    town.clock.go(seconds=5.1)
    for path in ("/", f"/polls/{poll.slug}"):
        assert b"Nameann" not in (await ways.both(path, there))[1]


async def test_many_readers_at_once_get_each_their_own(town, ways) -> None:
    poll = await town.poll()
    names = [f"r{n}" for n in range(6)]
    readers = {name: await town.add(name, shown=f"Name-{name}-") for name in names}
    await town.cast(poll, "r1")
    for turn in range(6):  # every other one begins with nothing remembered
        wanted = [(name, path) for _ in range(5) for name in names for path in ("/", f"/polls/{poll.slug}")]
        found = await asyncio.gather(*(ways.ask(path, readers[name]) for name, path in wanted))
        for (name, _), (status, _, page) in zip(wanted, found, strict=True):
            assert (status, re.findall(rb"Name-(\w+)-", page)) == (200, [name.encode()])
            assert (b"chip done" in page) == (name == "r1")
        town.clock.go(seconds=2.5 * (turn % 2))
    assert ways.straight.total() >= 3 * 60


async def test_the_log_and_failures_of_the_database_are_the_same(town, ways, monkeypatch) -> None:
    poll = await town.poll()
    ann = await town.add("ann")
    written = io.StringIO()
    configure_logging(written)
    try:
        for path in ("/", f"/polls/{poll.slug}"):
            assert (await ways.both(path, ann))[2]
            with monkeypatch.context() as patch:
                patch.setattr(type(town.database), "open_driver", _away)
                assert (await ways.both(path, ann))[0] == 503
    finally:
        configure_logging()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    told = [(line["route"], line["status"]) for line in lines if line["event"] == "request"]
    routes = ("/", "/polls/{slug}")
    assert told == [(route, status) for route in routes for status in (200, 200, 503, 503)]
    assert poll.slug not in written.getvalue()


def _away(_: Any) -> Any:
    raise ConnectionRefusedError("the database does not answer")


async def test_a_layer_over_another_site_passes_everything(fresh_database, tmp_path, monkeypatch) -> None:
    app = create_app(site_settings(tmp_path), database=fresh_database, passwords=fast_passwords(), route_handlers=[])
    assert (await Ways(app, monkeypatch).ask("/", [("host", "city.test")]))[0] == 404


async def test_whoever_waits_for_what_is_being_made_gets_it_or_nothing(shared_database) -> None:
    clock = Clock()
    shelf = Shelf(Pulse(shared_database, clock), clock)
    going = asyncio.Event()

    async def make() -> str:
        await going.wait()
        return "made"

    async def fail() -> str:
        await going.wait()
        raise LookupError

    assert await shelf.find_or_await("key") is None
    making, failing = asyncio.create_task(shelf.get("key", make)), asyncio.create_task(shelf.get("no", fail))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(shelf.find_or_await(key)) for key in ("key", "key", "no")]
    await asyncio.sleep(0)
    waiting.pop(0).cancel()
    going.set()
    assert await asyncio.gather(*waiting) == ["made", None]
    assert await making == "made"
    with pytest.raises(LookupError):
        await failing
    assert await shelf.find_or_await("key") == "made"
