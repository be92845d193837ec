"""Whole replies to visitors who are not signed in, remembered by address and language, with an entity tag.

A handler whose page is the same for every visitor says for how long (`remembering.remember_for`). The layer keeps
the reply as it left the framework, compressed and with its headers, so the next visitor is answered before the router.
A reply that sets a cookie, or is anything but 200, is never kept. The reader's own browser may keep the page too, but
asks each time (`no-cache`), and is told 304 when nothing has changed.

Only the pages at `PAGES` are kept or waited for. While one is made, others who ask for it wait, until it is kept or it
turns out that it will not be: never for somebody's reading of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from voting.identity.sessions import Viewer
from voting.remembering import Pulse, Shelf
from voting.web import i18n

LONGEST = 300
"""Bytes of path and query: longer addresses are nobody's bookmark."""
MOST_PAGE = 2 * 1024 * 1024
SAFE = ("GET", "HEAD", "OPTIONS")
PAGES = re.compile(r"/(?:results|departments|decisions(?:/[^/]+)?|polls/[^/]+(?:/(?:results|verify))?)?")
"""The addresses of `web.frames`' pages. Health is not among them: it answers, whatever the database does."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply as it is sent, and the short one for whoever has it already."""

    headers: list[tuple[bytes, bytes]]
    body: bytes
    tag: bytes
    unchanged: list[tuple[bytes, bytes]]

    @classmethod
    def of(cls, headers: list[tuple[bytes, bytes]], body: bytes) -> Kept:
        """Out of what the framework sent; the tag is of the bytes themselves."""
        tag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        kept = [(name, value) for name, value in headers if name.lower() not in (b"cache-control", b"etag")]
        kept += [(b"etag", tag), (b"cache-control", b"no-cache")]
        of_body = (b"content-length", b"content-type", b"content-encoding")
        return cls(kept, body, tag, [pair for pair in kept if pair[0].lower() not in of_body])


GZIP = b"\x1f\x8b"


class RememberedReplies(ASGIMiddleware):
    """Stands between recognition and the router."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, shelf: Shelf, pulse: Pulse) -> None:
        self._shelf = shelf
        self._pulse = pulse
        self._turns: dict[Any, asyncio.Event] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Answer from memory, or pass on and remember. What an official has just done makes us forget."""
        if scope.get("method") not in SAFE:
            await next_app(scope, receive, self._noticing(scope, send))
            return
        if scope.get("method") != "GET" or not PAGES.fullmatch(scope["path"]):
            await next_app(scope, receive, send)
            return
        if not self._pulse.fresh():
            await self._pulse.read()  # for whoever is signed in, too: frames end with events
        key = _key(scope)
        if key is None:
            await next_app(scope, receive, send)
            return
        kept = self._shelf.find(key)
        if kept is None:
            if (turn := self._turns.get(key)) is None:
                await self._make(key, scope, receive, send, next_app)
                return
            await turn.wait()  # somebody is having this page made; it may turn out not to be kept
            kept = self._shelf.find(key)
        if kept is None:
            await next_app(scope, receive, send)
        else:
            await _answer(kept, scope, send)

    def _noticing(self, scope: Scope, send: Send) -> Send:
        async def notice(message: Message) -> None:
            # Before the reply goes out, and after the commit: the next page of whoever is told must show it.
            if message["type"] == "http.response.start" and message["status"] < 400 and _by_an_official(scope):
                self._pulse.forget()
            await send(message)

        return notice

    async def _make(self, key: Any, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Have the page made; hold it back until it is whole if it may be kept, to put its tag in front."""
        beat, made = self._pulse.beat, self._shelf.moment()
        start: Any = None
        body = bytearray()
        turn = self._turns[key] = asyncio.Event()

        def end_turn() -> None:
            if not turn.is_set():
                turn.set()
                del self._turns[key]

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if _may_keep(message, scope):
                    start = message
                    return
                end_turn()
            elif start is not None and message["type"] == "http.response.body":
                body.extend(message["body"])
                if not message["more_body"]:
                    if body.startswith(GZIP):
                        body[4:8] = bytes(4)  # the time of packing: the same page would have another tag each time
                    kept = Kept.of(list(start["headers"]), bytes(body))
                    age = scope["state"]["remember_for"]
                    if len(body) <= MOST_PAGE:
                        self._shelf.put(key, kept, size=len(body) + 2_000, age=age, beat=beat, made=made)
                    end_turn()
                    await _answer(kept, scope, send)
                return
            await send(message)

        try:
            await next_app(scope, receive, hold)
        finally:
            end_turn()


def _by_an_official(scope: Scope) -> bool:
    """Whether somebody with an office did something else than vote. What others do changes no page but their own."""
    viewer: Viewer | None = scope["state"]["viewer"]
    handler: Any = scope.get("route_handler")
    if viewer is None or handler is None or handler.opt.get("limit") == "casting":
        return False
    return bool(viewer.roles - {"resident"})


def _may_keep(message: Any, scope: Scope) -> bool:
    if message["status"] != 200 or "remember_for" not in scope["state"]:
        return False
    return not any(name.lower() == b"set-cookie" for name, _ in message["headers"])


def _key(scope: Scope) -> Any:
    """What the page depends on: address, language, what the browser unpacks. None where nothing may be kept.

    The language is read as the renderer reads it, and the encoding is what `voting.edge` has left for all: read in
    another way here, one visitor's page would be kept as another's.
    """
    path, query = scope["path"], scope["query_string"]
    if scope["state"]["viewer"] is not None or len(path) + len(query) > LONGEST or b"lang=" in query:
        return None
    packed = part = False
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            packed = value == b"gzip"
        elif name == b"hx-request":
            part = True
        elif name in (b"range", b"authorization"):
            return None
    return ("reply", path, query, i18n.language_of(Request(scope)), packed, part)


async def _answer(kept: Kept, scope: Scope, send: Send) -> None:
    asked = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
    if asked is not None and (asked.strip() == b"*" or kept.tag in asked):
        await send({"type": "http.response.start", "status": 304, "headers": list(kept.unchanged)})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    await send({"type": "http.response.start", "status": 200, "headers": list(kept.headers)})
    await send({"type": "http.response.body", "body": kept.body, "more_body": False})
