"""Requests that come too slowly or with too much before their body, and replies nobody reads: uvicorn itself waits for
all of them without end.

A request's line and headers have to be there within `head_within` seconds of the connection or of their first byte, in
at most `head_limit` bytes, and its body within `body_within` seconds more. Who is slower is answered 408 and left; who
sends a longer head 431. Whoever keeps many connections open this way occupies each for seconds instead of for ever.

Of a reply that waits to be taken `read_least` bytes have to be taken in each `read_within` seconds: a long download
over a poor line goes on for as long as it makes progress, and who takes a byte a second is left, whatever the reply.
What is taken is what was written, less our own buffer and less what the network has not acknowledged.

Times stand in a field of each connection and are looked at once a second, since a timer of its own for every request
would be set and cancelled for every vote.
"""

import math
from collections.abc import Iterable
from fcntl import ioctl
from struct import unpack
from termios import TIOCOUTQ
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from voting.joined_writes import JoinedWrites
from voting.whole_replies import offer

HEAD_LIMIT = 64 * 1024
"""Bytes: browsers and proxies stop far below it, and cookies of ours take a few hundred."""
HEAD_WITHIN = 15.0
BODY_WITHIN = 120.0
"""Seconds: a photograph of eight megabytes over half a megabit a second."""
READ_LEAST = 8 * 1024
READ_WITHIN = 120.0
"""Bytes and seconds: a hundredth of what the slowest modem takes, and a tunnel is passed meanwhile."""


class BoundedRequests(HttpToolsProtocol):
    """Uvicorn's protocol with an end to its patience."""

    head_limit, head_within, body_within = HEAD_LIMIT, HEAD_WITHIN, BODY_WITHIN
    read_least, read_within = READ_LEAST, READ_WITHIN

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        self.joined = JoinedWrites(transport, self.loop)
        super().connection_made(self.joined)  # type: ignore[arg-type]  # as far as it is used
        self.due = self.loop.time() + self.head_within
        self.in_head, self.ended, self.head = True, False, 0
        self.read_due, self.taken = math.inf, 0

    def data_received(self, data: bytes) -> None:
        """Read on, as long as the head is not too long."""
        if self.due == math.inf:  # the first bytes after a request; empty lines begin none and would wait for ever
            self.due = self.loop.time() + self.head_within
        self.ended = False
        super().data_received(data)
        if self.in_head and not self.ended:  # of bytes that end a request, how many begin the next is not known
            self.head += len(data)
            if self.head > self.head_limit:
                self.refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """From here on it is the body that is waited for."""
        self.in_head = False
        self.due = self.loop.time() + self.body_within
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:  # a request was begun
            offer(self.cycle)

    def on_message_complete(self) -> None:
        """Nothing is waited for: the rest is ours."""
        self.in_head, self.ended, self.head, self.due = True, True, 0, math.inf
        super().on_message_complete()

    def is_unread(self, now: float) -> bool:
        """Whether a reply waits and too little of it was taken for too long. To be asked every second."""
        ours = self.joined.get_write_buffer_size()
        if not ours:
            self.read_due = math.inf
            return False
        taken = self.joined.written - ours - _unacknowledged(self.joined)
        if self.read_due == math.inf or taken - self.taken >= self.read_least:
            self.read_due, self.taken = now + self.read_within, taken
        return self.read_due < now

    def refuse(self, status: bytes) -> None:
        """Say why, where nothing was answered on this request yet and something was sent, and close."""
        if self.in_head and self.head and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()


def _unacknowledged(transport: Any) -> int:
    """Bytes the system still holds for the other side; 0 where it does not tell."""
    try:
        return int(unpack("i", ioctl(transport.get_extra_info("socket").fileno(), TIOCOUTQ, b"\0" * 4))[0])
    except (OSError, ValueError):
        return 0


def close_slow(connections: Iterable[Any], now: float) -> None:
    """Close the connections whose request is overdue or whose reply is not read. Others than ours are left alone."""
    for one in connections:
        if not isinstance(one, BoundedRequests):
            continue
        if one.is_unread(now):
            one.transport.abort()  # closing would wait for what waits to be read
        elif one.due < now:
            one.refuse(b"408 Request Timeout")
