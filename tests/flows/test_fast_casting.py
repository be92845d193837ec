"""The straight way of a vote and the ordinary one say the same, to the byte: `voting.fast_casting` decides nothing.

Each request goes both ways, the ordinary one by a layer that finds no address its own. Most ask for a vote that was
cast before, so that nothing changes between the two: a retry gets its receipt again, anything else a refusal.
"""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import a_single_choice, an_open_poll, both, close_now
from tests.flows.api_client import Client, Town
from tests.flows.wire import answers, scope_of

from polls.casting import BallotBox
from polls.errors import OutcomeUnknown
from polls.pausing import pause_poll
from voting import app as building
from voting import fast_casting
from voting.fast_casting import FastCasting
from voting.secrets import receipt_signer
from voting.telemetry import configure_logging
from voting.throttling import Limit

KEY = "00112233445566778899aabbccddeeff"
NUMBER = re.compile(rb"[0-9a-f]{16}")
NOBODY = re.compile(r"(?!)")
PLENTY = Limit(10**6, timedelta(minutes=1))
JSON = "application/json"


@dataclass(frozen=True)
class Asked:
    """A request as it stands on the wire; `body` is sent in these pieces, a header of None is left out."""

    slug: str
    headers: dict[str, str | None]
    body: Sequence[bytes] = (b'{"answers":{"1":2}}',)
    method: str = "POST"
    path: str = "/api/v1/polls/{}/ballots"
    query: bytes = b""
    more: Sequence[tuple[str, str]] = ()
    gone: bool = False
    measured: bool = True
    """Whether the length of the body is told."""

    def but(self, **headers: str | None) -> Asked:
        return replace(self, headers=self.headers | {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Ways:
    """Sends requests the straight way or the ordinary one, and counts how many were cast on the straight one."""

    app: Any
    monkeypatch: pytest.MonkeyPatch
    straight: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        whole = FastCasting.cast

        async def counting(layer: FastCasting, *arguments: Any) -> Any:
            self.straight["cast"] += 1
            return await whole(layer, *arguments)

        self.monkeypatch.setattr(FastCasting, "cast", counting)

    async def ask(self, asked: Asked, *, ordinary: bool = False) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        headers = dict(asked.headers)
        if asked.measured:
            headers.setdefault("content-length", str(sum(map(len, asked.body))))
        listed = [(name, value) for name, value in headers.items() if value is not None] + list(asked.more)
        scope = scope_of(asked.method, asked.path.format(asked.slug), listed, query=asked.query)
        with self.monkeypatch.context() as patch:
            if ordinary:
                patch.setattr(fast_casting, "ADDRESS", NOBODY)
            sent = await answers(self.app, scope, asked.body, gone=asked.gone)
        headers_back = dict(sent[0]["headers"])
        number = headers_back[b"x-request-id"]
        assert NUMBER.fullmatch(number)
        body = b"".join(message["body"] for message in sent[1:]).replace(number, b"NUMBER")
        return sent[0]["status"], sorted(pair for pair in sent[0]["headers"] if pair[0] != b"x-request-id"), body

    async def both(self, asked: Asked) -> tuple[int, str]:
        """The status and the code of the answer, which is the same both ways."""
        ordinary = await self.ask(asked, ordinary=True)
        assert await self.ask(asked) == ordinary
        content = json.loads(ordinary[2]) if ordinary[2][:1] == b"{" else {}
        return ordinary[0], content.get("code", "") if ordinary[0] > 299 else ""


@pytest.fixture
async def town(fresh_database, tmp_path, monkeypatch) -> Town:
    monkeypatch.setattr(building, "CASTING", PLENTY)
    return await Town(fresh_database, tmp_path).settle(residents=2)


@pytest.fixture
async def ways(town, monkeypatch) -> Ways:
    return Ways(town.app, monkeypatch)


def vote_of(client: Client, slug: str, key: str = KEY) -> Asked:
    return Asked(slug, {
        "host": "city.test", "cookie": f"sid={client.http.cookies['sid']}", "x-csrf-token": client.token,
        "origin": "http://city.test", "idempotency-key": key, "content-type": JSON, "accept-language": "en",
    })  # fmt: skip


def failing_with(error: Exception) -> Any:
    @asynccontextmanager
    async def failing():
        raise error
        yield

    return failing


async def open_poll(town: Town, **more: Any) -> Any:
    async with town.database.open_session() as session:
        return await an_open_poll(session, **more)


async def test_a_vote_gets_the_same_receipt_whichever_way_it_goes(town, ways) -> None:
    poll = await open_poll(town, questions=[
        a_single_choice(1), {"kind": "text", "id": 2, "text": both("Почему?", "Why?"), "options": []},
    ])  # fmt: skip
    answers = ('{"answers":{"1":[3],"2":"Так \\ud83d\\ude00 лучше"}}'.encode(),)
    taken = {}
    for number, ordinary in ((1, False), (2, True)):
        vote = vote_of(await town.client(f"resident{number}"), poll.slug, KEY[:-1] + str(number))
        asked = replace(vote, body=answers)
        status, headers, body = await ways.ask(asked, ordinary=ordinary)
        assert status == 201, body
        assert ways.straight["cast"] == 1
        again = await ways.ask(asked, ordinary=not ordinary)
        assert again == await ways.ask(asked, ordinary=ordinary)
        assert again[0] == 200
        assert again[2] == body.replace(b'"repeated":false', b'"repeated":true')
        taken[ordinary] = (headers, json.loads(body).keys())
        ways.straight["cast"] = 1
    assert taken[True] == taken[False]


async def test_whatever_is_wrong_with_a_request_is_told_the_same(town, ways) -> None:
    poll = await open_poll(town)
    client = await town.client("resident1")
    vote = vote_of(client, poll.slug)
    other, official = await town.client("resident2"), await town.client("official")
    first = vote_of(other, poll.slug, "ab" * 16)  # of somebody who has not voted yet
    assert (await ways.ask(vote))[0] == 201
    wrong = {
        "retry": (vote, 200, ""),
        "in pieces": (replace(vote, body=(b'{"answers"', b"", b':{"1":2}}')), 200, ""),
        "key in base64": (vote.but(idempotency_key=base64.urlsafe_b64encode(bytes.fromhex(KEY)).decode()), 200, ""),
        "charset": (vote.but(content_type="application/json; charset=utf-8"), 200, ""),
        "own media type": (vote.but(content_type="application/vnd.city+json"), 200, ""),
        "length not told": (replace(vote, measured=False), 200, ""),
        "only the browser's word": (vote.but(origin=None, sec_fetch_site="same-origin"), 200, ""),
        "a program": (vote.but(origin=None), 200, ""),
        "a query": (replace(vote, query=b"lang=ru&x=1"), 200, ""),
        "a slash more": (replace(vote, path="/api/v1/polls/{}/ballots/"), 200, ""),
        "other answers": (replace(vote, body=(b'{"answers":{"1":3}}',)), 422, "retry_differs"),
        "other key": (vote.but(idempotency_key="ff" * 16), 409, "already_voted"),
        "in Russian": (vote.but(idempotency_key="ff" * 16, accept_language="ru"), 409, "already_voted"),
        "no key": (vote.but(idempotency_key=None), 422, "invalid"),
        "short key": (vote.but(idempotency_key="abc"), 422, "invalid"),
        "key not ASCII": (vote.but(idempotency_key="é" * 30), 422, "invalid"),
        "elsewhere": (vote.but(origin="http://evil.test"), 403, "bad_csrf"),
        "neighbour": (vote.but(sec_fetch_site="same-site"), 403, "bad_csrf"),
        "no token": (vote.but(x_csrf_token=None), 403, "bad_csrf"),
        "another's token": (vote.but(x_csrf_token=other.token), 403, "bad_csrf"),
        "token not ASCII": (vote.but(x_csrf_token="é"), 403, "bad_csrf"),
        "nobody": (vote.but(cookie=None), 401, "sign_in_needed"),
        "no such session": (vote.but(cookie="sid=none"), 401, "sign_in_needed"),
        "an official": (vote_of(official, poll.slug), 403, "not_allowed"),
        "a form": (vote.but(content_type="application/x-www-form-urlencoded"), 415, "media_type_not_supported"),
        "text": (vote.but(content_type="text/plain"), 415, "media_type_not_supported"),
        "no media type": (vote.but(content_type=None), 415, "media_type_not_supported"),
        "broken": (replace(vote, body=(b'{"answers":',)), 400, "malformed"),
        "not UTF-8": (replace(vote, body=(b'{"answers":{"1":"\xff"}}',)), 400, "malformed"),
        "empty": (replace(vote, body=(b"",)), 422, "invalid"),
        "a list": (replace(vote, body=(b"[]",)), 422, "invalid"),
        "unknown field": (replace(vote, body=(b'{"answers":{},"x":1}',)), 422, "invalid"),
        "deep": (replace(vote, body=(b'{"answers":{"1":' + b"[" * 60 + b"]" * 60 + b"}}",)), 400, "malformed"),
        "very deep": (replace(vote, body=(b"[" * 30_000,)), 400, "malformed"),
        "unknown question": (replace(first, body=(b'{"answers":{"9":1}}',)), 422, "invalid_answer"),
        "unknown option": (replace(first, body=(b'{"answers":{"1":77}}',)), 422, "invalid_answer"),
        "words": (replace(first, body=(b'{"answers":{"1":"' + b"x" * 70_000 + b'"}}',)), 422, "invalid_answer"),
        "too large": (replace(vote, body=(b" " * 600_000, b" " * 600_000)), 413, "body_too_large"),
        "gone": (replace(vote, gone=True), 499, "client_gone"),
        "twice the key": (replace(vote, more=[("idempotency-key", "ab" * 16)]), 400, "malformed"),
        "other host": (vote.but(host="evil.test"), 421, "wrong_host"),
        "no poll": (replace(vote, slug="no-such-poll"), 404, "poll_not_found"),
        "no name": (replace(vote, slug="-"), 404, "poll_not_found"),
        "capitals": (replace(vote, slug=poll.slug.upper()), 404, "poll_not_found"),
        "another method": (replace(vote, method="PUT"), 405, "method_not_allowed"),
    }  # fmt: skip
    for name, (asked, status, code) in wrong.items():
        assert (name, *await ways.both(asked)) == (name, status, code)


async def test_what_an_adversary_sends_is_told_the_same(town, ways) -> None:
    """Doubled and misleading headers, cookies, lengths, paths and JSON; what is straight is taken on the straight way,
    so that a check lost there would be seen."""
    poll = await open_poll(town)
    client, other = await town.client("resident1"), await town.client("resident2")
    vote = vote_of(client, poll.slug)
    mine, theirs = str(vote.headers["cookie"]), str(vote_of(other, poll.slug).headers["cookie"])
    assert (await ways.ask(vote))[0] == 201
    ways.straight.clear()

    def body(text: str | bytes) -> Asked:
        return replace(vote, body=(text.encode() if isinstance(text, str) else text,))

    def twice(name: str, value: str) -> Asked:
        return replace(vote, more=[(name, value)])

    full = b'{"answers":{"1":2}}'.ljust(64 * 1024)
    straight = {
        "64 kB": (body(full), 200, ""),
        "compressed by its header": (vote.but(content_encoding="gzip"), 200, ""),
        "chunked as well": (vote.but(transfer_encoding="chunked"), 200, ""),
        "expecting": (vote.but(expect="100-continue"), 200, ""),
        "forwarded": (vote.but(x_forwarded_for="10.0.0.1", x_forwarded_host="evil.test"), 200, ""),
        "by another method": (vote.but(x_http_method_override="DELETE"), 200, ""),
        "typed by hand": (vote.but(sec_fetch_site="none"), 200, ""),
        "token in capitals": (vote.but(x_csrf_token=client.token.upper()), 200, ""),
        "space around": (body(' \n{"answers" : {"1" : 2}}\r\n'), 200, ""),
        "in a list": (body('{"answers":{"1":[2]}}'), 200, ""),
        "true for one": (body('{"answers":{"1":true}}'), 422, "retry_differs"),
        "a fraction": (body('{"answers":{"1":2.0}}'), 422, "retry_differs"),
        "more than 64 bits": (body('{"answers":{"1":99999999999999999999999}}'), 422, "retry_differs"),
        "nothing": (body('{"answers":{}}'), 422, "retry_differs"),
    }  # fmt: skip
    for name, (asked, status, code) in straight.items():
        assert (name, *await ways.both(asked)) == (name, status, code)
    assert ways.straight["cast"] == len(straight)
    ordinary = {
        "more than 64 kB": (body(full + b" "), 200, ""),
        "a query that is none": (replace(vote, query=b"%00&&=&answers=%7B%7D"), 200, ""),
        "twice a name in JSON": (body('{"answers":{"1":2},"answers":{"1":2}}'), 400, "malformed"),
        "twice a question": (body('{"answers":{"1":9,"1":2}}'), 400, "malformed"),
        "twice a name within": (body('{"answers":{"1":{"own":"a:b","\\u006fwn":"b"}}}'), 400, "malformed"),
        "two hosts": (twice("host", "evil.test"), 400, "malformed"),
        "two origins": (twice("origin", "http://evil.test"), 400, "malformed"),
        "two keys": (twice("idempotency-key", "0" * 32), 400, "malformed"),
        "two words of the browser": (twice("sec-fetch-site", "same-origin"), None, None),
        "two tokens": (twice("x-csrf-token", other.token), 400, "malformed"),
        "two cookies": (twice("cookie", theirs), 401, "sign_in_needed"),
        "two media types": (twice("content-type", "text/plain"), 400, "malformed"),
        "two lengths": (twice("content-length", "5"), 400, "malformed"),
        "theirs before mine": (vote.but(cookie=f"{theirs}; {mine}"), 401, "sign_in_needed"),
        "mine before theirs": (vote.but(cookie=f"{mine}; {theirs}"), 401, "sign_in_needed"),
        "a dead one before mine": (vote.but(cookie=f"sid=; {mine}"), 401, "sign_in_needed"),
        "another's name": (vote.but(cookie=f"x{mine}"), 401, "sign_in_needed"),
        "a name in capitals": (vote.but(cookie=mine.replace("sid", "SID")), 401, "sign_in_needed"),
        "null origin": (vote.but(origin="null"), 403, "bad_csrf"),
        "empty origin": (vote.but(origin=""), 403, "bad_csrf"),
        "origin in capitals": (vote.but(origin="HTTP://CITY.TEST"), 403, "bad_csrf"),
        "origin over https": (vote.but(origin="https://city.test"), 403, "bad_csrf"),
        "origin that begins so": (vote.but(origin="http://city.test.evil.test"), 403, "bad_csrf"),
        "same-origin in capitals": (vote.but(sec_fetch_site="Same-Origin"), 403, "bad_csrf"),
        "empty word of the browser": (vote.but(sec_fetch_site=""), 403, "bad_csrf"),
        "token with padding": (vote.but(x_csrf_token=f"{client.token}=="), 403, "bad_csrf"),
        "a long token": (vote.but(x_csrf_token=client.token * 9), 403, "bad_csrf"),
        "an empty token": (vote.but(x_csrf_token=""), 403, "bad_csrf"),
        "no host": (vote.but(host=None), 421, "wrong_host"),
        "host in capitals": (vote.but(host="CITY.TEST"), None, None),
        "host with a path": (vote.but(host="city.test/x"), 421, "wrong_host"),
        "length in words": (vote.but(content_length="many"), None, None),
        "length below nothing": (vote.but(content_length="-1"), None, None),
        "length far too long": (vote.but(content_length="9" * 30), None, None),
        "length above what may be": (vote.but(content_length="5000000"), 413, "body_too_large"),
        "media type in capitals": (vote.but(content_type="APPLICATION/JSON"), None, None),
        "another charset": (vote.but(content_type="application/json; charset=cp1251"), None, None),
        "two in one": (vote.but(content_type="application/json, text/plain"), None, None),
        "really compressed": (replace(vote, body=(gzip.compress(full),)), 400, "malformed"),
        "a mark of order": (body(b"\xef\xbb\xbf" + full[:30]), None, None),
        "not a number": (body('{"answers":{"1":NaN}}'), 400, "malformed"),
        "half a character": (body('{"answers":{"1":"\\ud800"}}'), None, None),
        "a long name": (body('{"answers":{"12345678901":1}}'), 422, "invalid"),
        "many answers": (body(json.dumps({"answers": {str(n): 1 for n in range(101)}})), 422, "invalid"),
        "no answers": (body('{"answers":null}'), 422, "invalid"),
        "another name": (body('{"Answers":{"1":2}}'), 422, "invalid"),
        "as deep as may be": (body('{"answers":{"1":' + "[" * 28 + "]" * 28 + "}}"), None, None),
        "a slash within": (replace(vote, path="/api/v1/polls/{}//ballots"), None, None),
        "a slash before": (replace(vote, path="//api/v1/polls/{}/ballots"), None, None),
        "a line after": (replace(vote, path="/api/v1/polls/{}/ballots\n"), None, None),
        "a way up": (replace(vote, path="/api/v1/polls/x/../{}/ballots"), 404, "not_found"),
        "a letter of another alphabet": (replace(vote, slug=poll.slug.replace("o", "о") + "о"), 404, "poll_not_found"),
        "a long address": (replace(vote, slug="a" * 65), None, None),
        "head": (replace(vote, method="HEAD"), None, None),
        "options": (replace(vote, method="OPTIONS"), None, None),
        "get": (replace(vote, method="GET"), 405, "method_not_allowed"),
        "post in small letters": (replace(vote, method="post"), None, None),
    }  # fmt: skip
    for name, (sent, *expected) in ordinary.items():
        found = await ways.both(sent)
        assert found[0] < 500, (name, found)
        assert expected in ([None, None], [*found]), (name, found)
    async with town.database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM participation")) == 1


@pytest.mark.parametrize("ending", ["signed out elsewhere", "disabled", "no resident any more"])
async def test_whoever_may_no_longer_vote_is_refused_within_five_seconds(fresh_database, tmp_path, monkeypatch, ending):
    """In another process: here nothing is forgotten at once. What is remembered lasts as long as it may, no longer."""
    later = timedelta(0)
    town = await Town(fresh_database, tmp_path, clock=lambda: datetime.now(UTC) + later).settle(residents=1)
    ways, poll = Ways(town.app, monkeypatch), await open_poll(town)
    vote = vote_of(await town.client("resident1"), poll.slug)
    assert (await ways.ask(vote))[0] == 201
    async with fresh_database.open_session() as session:
        await session.execute(text({
            "signed out elsewhere": "DELETE FROM web_session", "disabled": "UPDATE account SET disabled_at = now()",
            "no resident any more": "DELETE FROM account_role WHERE role = 'resident'",
        }[ending]))  # fmt: skip
    later = timedelta(seconds=5.1)
    expected = (403, "not_allowed") if ending == "no resident any more" else (401, "sign_in_needed")
    assert await ways.both(vote) == expected
    assert ways.straight["cast"] == 1


async def test_what_the_poll_and_the_register_refuse_is_told_the_same(town, ways) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    client = await town.client("resident1")
    young = await town.client(await town.add_resident(born=(now - timedelta(days=4000)).date()))
    early = await open_poll(town, opens_at=now + timedelta(hours=1), closes_at=now + timedelta(days=1))
    late, paused, poll = await open_poll(town), await open_poll(town), await open_poll(town)
    async with town.database.open_session() as session:
        await close_now(session, late)
        await pause_poll(session, paused.public_id, 1, "Проверка", now)
    refused = {
        "poll_not_open": vote_of(client, early.slug), "poll_closed": vote_of(client, late.slug),
        "poll_paused": vote_of(client, paused.slug), "not_eligible": vote_of(young, poll.slug),
    }  # fmt: skip
    for code, asked in refused.items():
        assert (await ways.both(asked))[1] == code
        assert (await ways.both(asked.but(accept_language="ru")))[1] == code
    assert ways.straight["cast"] == 2 * len(refused)
    async with town.database.open_session() as session:
        assert not await session.scalar(text("SELECT count(*) FROM participation"))


async def test_any_mixture_of_right_and_wrong_is_told_the_same(town, ways) -> None:
    """Which of several wrong things is told is the ordinary way's order; 300 of the mixtures, drawn by a fixed seed."""
    poll = await open_poll(town)
    client, other = await town.client("resident1"), await town.client("resident2")
    vote = vote_of(client, poll.slug)
    assert (await ways.ask(vote))[0] == 201
    mixtures = list(itertools.product(
        [vote.headers["cookie"], f"theme=dark; {vote.headers['cookie']}", "sid=x", None],
        [client.token, client.token, other.token, None],
        ["http://city.test", "http://evil.test", None],
        ["same-origin", "cross-site", None],
        [JSON, JSON, "text/plain", None],
        [KEY, KEY, "bad", None],
        [b'{"answers":{"1":2}}', b'{"answers":{"1":9}}', b"{", b""],
        [poll.slug, "none"],
    ))  # fmt: skip
    answers: Counter[tuple[int, str]] = Counter()
    for cookie, token, origin, fetched, kind, key, body, slug in random.Random(7).sample(mixtures, 300):
        asked = vote.but(
            cookie=cookie, x_csrf_token=token, origin=origin, sec_fetch_site=fetched, content_type=kind,
            idempotency_key=key,
        )  # fmt: skip
        answers[await ways.both(replace(asked, body=(body,), slug=slug))] += 1
    assert {code for _, code in answers} >= {"bad_csrf", "sign_in_needed", "media_type_not_supported", "invalid"}
    assert 0 < ways.straight["cast"] < 100


async def test_limits_and_failures_are_told_the_same(fresh_database, tmp_path, monkeypatch) -> None:
    """One of each application's limit a way: the two ways count by the same bucket."""
    monkeypatch.setattr(building, "CASTING", Limit(4, timedelta(minutes=1)))
    town = await Town(fresh_database, tmp_path).settle(residents=1)
    ways, poll = Ways(town.app, monkeypatch), await open_poll(town)
    vote = vote_of(await town.client("resident1"), poll.slug)
    assert (await ways.ask(vote))[0] == 201
    assert await ways.both(vote) == (200, "")
    assert (await ways.ask(vote.but(idempotency_key=None)))[0] == 422  # refused by the ordinary way: counted once
    assert await ways.both(vote) == (429, "too_many")

    monkeypatch.setattr(building, "CASTING", PLENTY)

    @asynccontextmanager
    async def unreachable():
        raise ConnectionRefusedError("the database does not answer")
        yield

    @asynccontextmanager
    async def broken():
        raise RuntimeError("our own mistake")
        yield

    signer = receipt_signer(town.app.state["settings"])
    for failing, waiting, expected in (
        (unreachable, 10, (503, "unavailable")), (broken, 10, (500, "internal")), (unreachable, 0, (503, "busy")),
    ):  # fmt: skip
        box = BallotBox(failing, lambda: signer, waiting=waiting)
        app = Town(fresh_database, tmp_path, box=box).app
        monkeypatch.setattr("polls.casting.random.randint", lambda low, _: low)  # how long to wait is drawn
        ways = Ways(app, monkeypatch)
        assert await ways.both(vote) == expected
        assert ways.straight["cast"] == 1
        await box.close()


async def test_what_became_of_a_vote_is_told_though_nobody_can_be_recognised_any_more(town, monkeypatch) -> None:
    """The database goes away while a vote is written, and the session is no longer remembered when that is told."""
    poll = await open_poll(town)
    vote = vote_of(await town.client("resident1"), poll.slug)
    assert (await Ways(town.app, monkeypatch).ask(vote))[0] == 201
    sessions = town.app.state["web_sessions"]

    async def away(_: Any) -> Any:
        raise ConnectionRefusedError("the database does not answer")

    async def in_doubt(*_: Any) -> Any:
        sessions._seen.clear()
        monkeypatch.setattr(sessions._reads, "get", away)
        raise OutcomeUnknown(retry_after=1)

    monkeypatch.setattr(town.app.state["box"], "cast", in_doubt)
    status, _, body = await Ways(town.app, monkeypatch).ask(vote)
    assert (status, json.loads(body)["code"]) == (503, "outcome_unknown")


async def test_the_log_says_the_same_and_never_an_answer(town, ways, monkeypatch) -> None:
    poll = await open_poll(town)
    vote = vote_of(await town.client("resident1"), poll.slug)
    written = io.StringIO()
    configure_logging(written)
    try:
        await ways.ask(vote)
        await ways.both(vote)
        await ways.both(vote.but(idempotency_key="ff" * 16))
        for body in (b'{"answers":{"1":"SECRET"}}', b'{"answers":"SECRET"}', b'{"answers":{"1":"SECRET'):
            await ways.both(replace(vote, body=(body,), query=b"SECRET=SECRET"))
        box = BallotBox(failing_with(ValueError("SECRET")), lambda: None, waiting=10)  # type: ignore[arg-type, return-value]
        monkeypatch.setitem(town.app.state._state, "box", box)
        await ways.both(vote)
    finally:
        configure_logging()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    told = [(line["method"], line["route"], line["status"]) for line in lines if line["event"] == "request"]
    route = "/api/v1/polls/{slug}/ballots"
    statuses = [201, 200, 200, 409, 409, 422, 422, 422, 422, 400, 400, 500, 500]
    assert told == [("POST", route, status) for status in statuses]
    failed = [line for line in lines if line["event"] == "request failed"]
    assert [(line["method"], line["route"]) for line in failed] == 2 * [("POST", route)]
    assert all(line.keys() == failed[0].keys() for line in failed)
    assert {line["request_id"] for line in failed} < {line["request_id"] for line in lines if "status" in line}
    said = [line for line in written.getvalue().splitlines() if "request" in json.loads(line)["event"]]
    assert not any(KEY in line or poll.slug in line or "SECRET" in line for line in said)
