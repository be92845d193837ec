"""A reply handed to the server whole, head and body at once.

Uvicorn takes a reply in two messages, looks through every header's name and value for what may not stand in one, and
writes head and body apart. For a dozen headers that never change this takes as long as finding the page. So
`voting.slow_requests` offers in each request's scope to take a head that is written already, as an extension of ASGI;
whoever asks looks whether it is offered. Uvicorn's own state of the request is kept as its `send` keeps it.

The offer does not hold the request, which holds the offer: the garbage collector would have to find each of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from weakref import ref

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

NAME = "veche.whole_reply"
SendWhole = Callable[[int, bytes, bytes], Awaitable[None]]
"""Status, header lines and body; the lines hold `content-length` and end with a line's end."""


def offer(cycle: RequestResponseCycle) -> None:
    """Say in the scope of a request that its reply is taken whole."""
    cycle.scope["extensions"] = {NAME: partial(_send, ref(cycle))}  # type: ignore[dict-item]


def offered(scope: Any) -> SendWhole | None:
    """What takes the reply to a request whole; None if the server does not."""
    found: SendWhole | None = scope.get("extensions", {}).get(NAME)
    return found


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they stand on the wire."""
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


async def _send(asked: ref[RequestResponseCycle], status: int, lines: bytes, body: bytes) -> None:
    cycle = asked()
    if cycle is None:  # its task has ended
        return
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    last = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join((STATUS_LINE[status], lines_of(cycle.default_headers), lines, last, body)))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
