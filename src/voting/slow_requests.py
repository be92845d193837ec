"""Requests that come too slowly or with too much before their body: uvicorn itself waits for both without end.

A request's line and headers have to be there within `head_within` seconds of the connection or of their first byte, in
at most `head_limit` bytes, and its body within `body_within` seconds more. Who is slower is answered 408 and left; who
sends a longer head 431. Whoever keeps many connections open this way occupies each for seconds instead of for ever.

Times stand in a field of each connection and are looked at once a second, since a timer of its own for every request
would be set and cancelled for every vote.
"""

import math
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 * 1024
"""Bytes: browsers and proxies stop far below it, and cookies of ours take a few hundred."""
HEAD_WITHIN = 15.0
BODY_WITHIN = 120.0
"""Seconds: a photograph of eight megabytes over half a megabit a second."""


class BoundedRequests(HttpToolsProtocol):
    """Uvicorn's protocol with an end to its patience."""

    head_limit, head_within, body_within = HEAD_LIMIT, HEAD_WITHIN, BODY_WITHIN

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.due = self.loop.time() + self.head_within
        self.in_head, self.head = True, 0

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the head is not too long."""
        if self.due == math.inf:  # the first bytes after a request; empty lines begin none and would wait for ever
            self.due = self.loop.time() + self.head_within
        super().data_received(data)
        if self.in_head:
            self.head += len(data)
            if self.head > self.head_limit:
                self.refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """From here on it is the body that is waited for."""
        self.in_head = False
        self.due = self.loop.time() + self.body_within
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Nothing is waited for: the rest is ours."""
        self.in_head, self.head, self.due = True, 0, math.inf
        super().on_message_complete()

    def refuse(self, status: bytes) -> None:
        """Say why, where nothing was answered on this request yet and something was sent, and close."""
        if self.in_head and self.head and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()


def close_slow(connections: Iterable[Any], now: float) -> int:
    """Close the connections whose request is overdue; gives how many. Others than ours are left alone."""
    slow = [one for one in connections if isinstance(one, BoundedRequests) and one.due < now]
    for one in slow:
        one.refuse(b"408 Request Timeout")
    return len(slow)
