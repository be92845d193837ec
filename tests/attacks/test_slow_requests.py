"""Requests that never end, against the server as it is run: they are left, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from tests.browser.site import LiveSite, serving
from tests.databases import Databases
from uvicorn.server import ServerState

from voting.slow_requests import HEAD_LIMIT, BoundedRequests

WITHIN = 0.5
HEAD = b"GET /health/live HTTP/1.1\r\nHost: %s\r\n"
POST = b"POST /api/v1/session HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


@pytest.fixture(scope="module")
def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    patience = pytest.MonkeyPatch()
    patience.setattr(BoundedRequests, "head_within", WITHIN)
    patience.setattr(BoundedRequests, "body_within", WITHIN)
    name = databases.create()
    with serving(databases.url(name), tmp_path_factory.mktemp("slow")) as running:
        yield running
    databases.drop(name)
    patience.undo()


def address(site: LiveSite) -> tuple[str, int]:
    return ("127.0.0.1", site.settings.port)


def opened(site: LiveSite, text: bytes = b"") -> socket.socket:
    made = socket.create_connection(address(site), timeout=30)
    made.sendall(text.replace(b"%s", site.url.removeprefix("http://").encode()))
    return made


def read_to_end(one: socket.socket) -> bytes:
    """What is answered until the other side closes."""
    said = b""
    try:
        while part := one.recv(65536):
            said += part
    except ConnectionResetError:
        pass
    one.close()
    return said


def drip(one: socket.socket, text: Callable[[int], bytes]) -> float:
    """Send a little now and then until it is refused; gives the seconds it took."""
    began = time.monotonic()
    for at in range(400):
        try:
            one.sendall(text(at))
        except OSError:
            break
        time.sleep(0.05)
    one.close()
    return time.monotonic() - began


def test_two_hundred_unfinished_heads_are_left_and_others_are_served(site: LiveSite) -> None:
    many = [opened(site, HEAD) for _ in range(200)]
    with urllib.request.urlopen(site.url + "/health/ready", timeout=30) as reply:
        assert reply.status == 200
    said = [read_to_end(one) for one in many]
    assert all(text.startswith(b"HTTP/1.1 408 ") for text in said)


@pytest.mark.parametrize(
    "begun", [b"", b"\r\n", HEAD, POST, HEAD + b"Connection: keep-alive\r\n\r\n\r\n"],
    ids=["nothing", "an empty line", "half a head", "half a body", "an empty line after a request"],
)  # fmt: skip
def test_who_says_nothing_more_is_left(site: LiveSite, begun: bytes) -> None:
    began = time.monotonic()
    read_to_end(opened(site, begun))
    assert time.monotonic() - began < 20


def test_who_drips_headers_or_a_body_is_left_all_the_same(site: LiveSite) -> None:
    assert drip(opened(site, HEAD), lambda at: f"X-{at}: a\r\n".encode()) < 15
    assert drip(opened(site, POST), lambda at: b" ") < 15


def test_a_head_without_end_is_refused_by_its_length(site: LiveSite) -> None:
    one = opened(site, HEAD)
    for at in range(40):
        try:
            one.sendall(f"X-{at}: {'a' * 4000}\r\n".encode())
        except OSError:
            break
    assert b"431" in (read_to_end(one) or b"431")  # or reset, where more was sent than was read


def test_a_long_body_in_good_time_is_none_of_this(site: LiveSite) -> None:
    body = b'{"login": "' + b"a" * 200_000 + b'", "password": "x"}'
    head = POST.split(b"Content-Length")[0] + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    assert read_to_end(opened(site, head + body)).split()[1] in (b"401", b"403", b"422")


async def test_a_long_request_that_comes_in_one_piece_has_no_long_head() -> None:
    """As an upload does to a site that was busy: the system hands over head and body at once."""
    body = b"a" * (2 * HEAD_LIMIT)

    async def answer(_: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == body
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    head = b"POST / HTTP/1.1\r\nHost: site\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert theirs.send(head + body) == len(head + body)
    config = uvicorn.Config(answer, log_config=None, access_log=False)
    config.load()
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: BoundedRequests(config, ServerState(), {}), ours)
    async with asyncio.timeout(10):
        assert (await loop.sock_recv(theirs, 1000)).startswith(b"HTTP/1.1 204 ")
    theirs.close()
    await asyncio.sleep(0.1)
