"""Replies of the front on the wire, by the server as it is run: whole or in two messages, they are the same bytes."""

from __future__ import annotations

import asyncio
import gc
import gzip
import re
import socket
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from tests.builders import a_city
from tests.flows.test_fast_pages import Town
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from voting import front, remembering, slow_requests
from voting.slow_requests import BoundedRequests
from voting.whole_replies import offered

TOKEN = re.compile(rb'(?<=")[0-9a-f]{128}(?=")')
NUMBER = re.compile(rb"x-request-id: ([0-9a-f]{16})")


@pytest.fixture
async def town(fresh_database, tmp_path, monkeypatch) -> Town:
    monkeypatch.setattr(remembering, "time", SimpleNamespace(monotonic=lambda: 0.0))  # what is remembered stays so
    async with fresh_database.open_session() as session:
        await a_city(session)
    return Town(fresh_database, tmp_path)


class Line:
    """A connection to an application, and what comes over it."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        config.load()
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"today")]
        self._make = lambda: BoundedRequests(config, self.state, {})

    async def say(self, *pieces: bytes) -> bytes:
        """Send, and read till the other side closes."""
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            one.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self._make, ours)
        said = b""
        async with asyncio.timeout(30):
            for piece in pieces:
                await loop.sock_sendall(theirs, piece)
                await asyncio.sleep(0.05)
            while part := await loop.sock_recv(theirs, 1 << 20):
                said += part
        theirs.close()
        return said


def request(path: str, headers: Any, *more: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", *(f"{name}: {value}" for name, value in headers), *more]
    return "\r\n".join([*lines, "", ""]).encode()


def plain(said: bytes) -> list[tuple[bytes, list[bytes], bytes]]:
    """The replies on a line: the first line, the headers, the body; what is of each reply alone taken out."""
    replies = []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        length = int(next(one for one in headers if one.startswith(b"content-length: ")).split()[1])
        body, said = rest[:length], rest[length:]
        if b"content-encoding: gzip" in headers:
            body, headers = gzip.decompress(body), [one for one in headers if not one.startswith(b"content-length")]
        number = next(found[1] for one in headers if (found := NUMBER.fullmatch(one)))
        body = TOKEN.sub(b"TOKEN", body).replace(number, b"NUMBER")
        replies.append((first, sorted(one.replace(number, b"NUMBER") for one in headers), body))
    return replies


async def test_a_whole_reply_is_the_same_on_the_wire_as_one_in_two_messages(town, monkeypatch) -> None:
    poll = await town.poll()
    ann = await town.add("ann")
    paths = ("/", f"/polls/{poll.slug}")
    line = Line(town.app)
    for path in paths:  # what is remembered is made on the ordinary way
        await line.say(request(path, ann, "connection: close"))
    lines = [
        (request(paths[0], ann), request(paths[1], ann, "connection: close")),
        (request(paths[1], ann) + request(paths[0], ann) + request(paths[1], ann, "connection: close"),),
        (request(paths[0], ann, version="1.0"),),
        (request(paths[0], ann, "connection: keep-alive", "accept-encoding: gzip"), request("/", ann, version="1.0")),
        (request("/health/live", ann), request(paths[0], ann), request("/nowhere", ann, "connection: close")),
    ]
    taken: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(front, "offered", lambda scope: taken.append(scope) or offered(scope))
        whole = [plain(await line.say(*pieces)) for pieces in lines]
    assert len(taken) == 9, "all but those of no page"
    offers: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(slow_requests, "offer", offers.append)
        assert [plain(await line.say(*pieces)) for pieces in lines] == whole
    assert [len(replies) for replies in whole] == [2, 3, 1, 2, 3]
    assert len(offers) == 11
    for replies in whole[:3]:
        assert all(first == b"HTTP/1.1 200 OK" and b"x-request-id: NUMBER" in headers for first, headers, _ in replies)
    assert [first.split()[1] for first, _, _ in whole[4]] == [b"200", b"200", b"404"]


async def test_requests_leave_nothing_for_the_garbage_collector(town) -> None:
    """Whatever the collector has to find it walks for in the middle of other requests: a tenth of a page's time."""
    poll = await town.poll()
    ann = await town.add("ann")
    line = Line(town.app)
    paths = ("/", f"/polls/{poll.slug}", "/health/live", "/nowhere")
    for path in paths:
        await line.say(request(path, ann, "connection: close"))
    gc.collect()
    gc.disable()
    try:
        for path in paths:
            assert len(plain(await line.say(request(path, ann) * 9 + request(path, ann, "connection: close")))) == 10
        left = sum(isinstance(one, RequestResponseCycle) for one in gc.get_objects())
    finally:
        gc.enable()
    assert left <= len(paths), "the last of each connection, at most"


async def test_whoever_is_gone_or_does_not_read_hinders_nobody(town) -> None:
    """A reader who leaves before the page is there, and one whose page waits in the server for a while."""
    ann = await town.add("ann")
    line = Line(town.app)
    assert plain(await line.say(request("/", ann, "connection: close")))
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(line._make, ours)
    many = 40
    await loop.sock_sendall(theirs, request("/", ann) * (many - 1) + request("/", ann, "connection: close"))
    await asyncio.sleep(0.5)
    assert plain(await line.say(request("/", ann, "connection: close")))
    said = b""
    async with asyncio.timeout(30):
        while part := await loop.sock_recv(theirs, 1 << 20):
            said += part
    assert len(plain(said)) == many
    theirs.close()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    await loop.connect_accepted_socket(line._make, ours)
    theirs.send(request("/", ann))
    theirs.close()
    await asyncio.sleep(0.3)
    assert not line.state.tasks
    assert plain(await line.say(request("/", ann, "connection: close")))
