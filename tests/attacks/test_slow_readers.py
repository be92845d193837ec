"""Replies nobody reads, against the server as it is run: their connections are left, and slow readers are served."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn

from voting.serving import Server, server_options
from voting.settings import Settings
from voting.slow_requests import BoundedRequests

WITHIN = 3.0
LEAST = 8 * 1024
PIECE = b"x" * 64 * 1024
LONG = 200 * len(PIECE)
"""More than all buffers between the two hold."""
REQUEST = b"GET / HTTP/1.1\r\nHost: site\r\n\r\n"
HEAD = len(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LONG)


class Replies:
    """An application that sends long replies in pieces, as files are sent; `sending` are not at their end."""

    def __init__(self) -> None:
        self.sending = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for said in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{said}.complete"})
            return
        length = int(scope["path"][1:] or LONG)
        self.sending += 1
        try:
            head = [(b"content-length", str(length).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            for left in range(length, 0, -len(PIECE)):
                await send({"type": "http.response.body", "body": PIECE[:left], "more_body": left > len(PIECE)})
                await asyncio.sleep(0)
        finally:
            self.sending -= 1


Served = tuple[Replies, tuple[str, int]]


@contextmanager
def running(replies: Replies) -> Iterator[tuple[str, int]]:
    ready = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        options = {**server_options(Settings(demo=True)), "timeout_keep_alive": 60, "date_header": False}
        server = Server(uvicorn.Config(replies, **options), ready.set)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            assert ready.wait(60)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(BoundedRequests, "read_within", WITHIN)
    monkeypatch.setattr(BoundedRequests, "read_least", LEAST)
    replies = Replies()
    with running(replies) as address:
        yield replies, address


@contextmanager
def asking(address: tuple[str, int], times: int = 1, request: bytes = REQUEST) -> Iterator[list[socket.socket]]:
    """Connections with a small room for what comes, so that the server cannot be rid of it."""
    with ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(times)]
        for one in made:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.settimeout(60)
            one.connect(address)
            one.sendall(request)
        yield made


def wait_until(true: Callable[[], bool]) -> float:
    """Gives the seconds it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 60
        time.sleep(0.05)
    return time.monotonic() - began


def read(one: socket.socket, most: int) -> int:
    """Read so much, head and body, or what comes until the other side closes; gives how much it was."""
    got = 0
    try:
        while got < most and (part := one.recv(min(65536, most - got))):
            got += len(part)
    except ConnectionResetError:
        pass
    return got


def has_closed(one: socket.socket) -> bool:
    """Whether the other side is gone: told by writing, since nothing is read."""
    try:
        one.sendall(b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


@pytest.mark.parametrize("dripping", [False, True], ids=["nothing", "a byte now and then"])
def test_who_reads_nothing_or_next_to_nothing_is_left_and_others_are_served(served: Served, dripping: bool) -> None:
    replies, address = served

    def left() -> bool:
        for one in many if dripping else ():
            one.recv(1)
        return replies.sending == 0

    with asking(address, 20) as many:
        wait_until(lambda: replies.sending == 20)
        with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/1000", timeout=60) as reply:
            assert len(reply.read()) == 1000
        assert wait_until(left) > WITHIN * 0.5
        assert all(read(one, LONG) < LONG for one in many), "what was on its way came, and not the rest"


@pytest.mark.parametrize(("part", "pause"), [(4096, 0.25), (65536, 0.1)], ids=["a poor line", "a fair one"])
def test_who_reads_slowly_gets_everything_however_long_it_takes(served: Served, part: int, pause: float) -> None:
    """More than what must be taken, for four times as long as somebody who reads nothing is waited for."""
    replies, address = served
    with asking(address) as [one]:
        began, got = time.monotonic(), 0
        while time.monotonic() - began < 4 * WITHIN:
            got += read(one, part)
            time.sleep(pause)
        assert replies.sending == 1
        assert got + read(one, LONG - got) == LONG


def test_short_replies_that_are_not_read_do_not_keep_their_connection(served: Served) -> None:
    """What the system has not taken from us waits in our own memory, also after a reply was made whole."""
    replies, address = served
    with asking(address, request=REQUEST.replace(b"/", b"/60000", 1) * 120) as [one]:
        wait_until(lambda: has_closed(one))
        assert replies.sending == 0


def test_requests_on_one_connection_are_none_of_this(served: Served) -> None:
    _, address = served
    with asking(address) as [one]:
        for _ in range(2):
            assert read(one, LONG + HEAD) == LONG + HEAD
            time.sleep(WITHIN + 1.5)
            one.sendall(REQUEST)
