"""A connection that sends what is written in one turn of the event loop at once.

Uvicorn writes the head of a reply and its body apart, which are two calls to the kernel and two packets where one would
do: a twentieth of a short page's or a vote's time. Long bodies are passed on as they come, so that whoever streams them
is held back where the reader is slow.
"""

import asyncio
from typing import Any

LONG = 64 * 1024
"""Bytes from which nothing is kept back."""


class JoinedWrites:
    """A transport around another, as far as uvicorn's protocol uses it."""

    __slots__ = ("_length", "_loop", "_parts", "_transport", "is_closing", "written")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []
        self._length = 0
        self.written = 0
        """Bytes handed on so far."""
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        """Everything else is the other's."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send these bytes at the end of this turn, in the order of writing."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)
        self._length += len(data)
        if self._length >= LONG:
            self._send()

    def close(self) -> None:
        """Send what is written, then close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._parts:
            data, self._parts, self._length = self._parts, [], 0
            if not self._transport.is_closing():
                whole = data[0] if len(data) == 1 else b"".join(data)
                self.written += len(whole)
                self._transport.write(whole)
