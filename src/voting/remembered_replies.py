"""Whole replies to visitors who are not signed in, remembered by address and language, with an entity tag.

A handler whose page is the same for every visitor says for how long (`remembering.remember_for`). The layer keeps
the reply as it left the framework, compressed and with its headers, so the next visitor is answered before the router.
A reply that sets a cookie, or is anything but 200, is never kept. The reader's own browser may keep the page too, but
asks each time (`no-cache`), and is told 304 when nothing has changed.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from voting.identity.recognition import UNSEEN_PREFIXES, read_cookie
from voting.remembering import Pulse, Shelf
from voting.web import i18n

LONGEST = 300
"""Bytes of path and query: longer addresses are nobody's bookmark."""
MOST_PAGE = 2 * 1024 * 1024
SAFE = ("GET", "HEAD", "OPTIONS")


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


class RememberedReplies(ASGIMiddleware):
    """Stands between recognition and the router."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, shelf: Shelf, pulse: Pulse) -> None:
        self._shelf = shelf
        self._pulse = pulse
        self._turns: dict[Any, asyncio.Future[None]] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Answer from memory, or pass on and remember. An unsafe request that was answered makes us forget."""
        if scope.get("method") not in SAFE:
            try:
                await next_app(scope, receive, send)
            finally:
                handler: Any = scope.get("route_handler")
                if handler is not None and handler.opt.get("limit") != "casting":
                    self._pulse.forget()
            return
        key = _key(scope)
        if key is None:
            await next_app(scope, receive, send)
            return
        if not self._pulse.fresh():
            await self._pulse.read()
        while (kept := self._shelf.find(key)) is None:
            if (turn := self._turns.get(key)) is None:
                await self._take_turn(key, scope, receive, send, next_app)
                return
            await turn  # somebody is having this page made; it may turn out not to be kept
            if self._shelf.find(key) is None:
                await next_app(scope, receive, send)
                return
        await _answer(kept, scope, send)

    async def _take_turn(self, key: Any, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[key] = turn
        try:
            await self._pass(key, scope, receive, send, next_app)
        finally:
            del self._turns[key]
            turn.set_result(None)

    async def _pass(self, key: Any, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Have the page made; hold it back until it is whole if it may be kept, to put its tag in front."""
        beat, made = self._pulse.beat, self._shelf.moment()
        start: Any = None
        body = bytearray()

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if _may_keep(message, scope):
                    start = message
                    return
            elif start is not None and message["type"] == "http.response.body":
                body.extend(message["body"])
                if not message["more_body"]:
                    kept = Kept.of(list(start["headers"]), bytes(body))
                    age = scope["state"]["remember_for"]
                    if len(body) <= MOST_PAGE:
                        self._shelf.put(key, kept, size=len(body) + 2_000, age=age, beat=beat, made=made)
                    await _answer(kept, scope, send)
                return
            await send(message)

        await next_app(scope, receive, hold)


def _may_keep(message: Any, scope: Scope) -> bool:
    if message["status"] != 200 or "remember_for" not in scope["state"]:
        return False
    return not any(name.lower() == b"set-cookie" for name, _ in message["headers"])


def _key(scope: Scope) -> Any:
    """What the page depends on: address, language, what the browser unpacks. None where nothing may be kept."""
    path, query = scope["path"], scope["query_string"]
    if path.startswith(UNSEEN_PREFIXES):  # health above all: it answers, whatever the database does
        return None
    if scope["state"]["viewer"] is not None or len(path) + len(query) > LONGEST or b"lang=" in query:
        return None
    accepted = encoding = b""
    part = False
    for name, value in scope["headers"]:
        if name == b"accept-language":
            accepted = value
        elif name == b"accept-encoding":
            encoding = value
        elif name == b"hx-request":
            part = True
        elif name in (b"range", b"authorization"):
            return None
    language = i18n.pick(None, read_cookie(scope, i18n.COOKIE), accepted.decode("latin-1"))
    return ("reply", path, query, language, b"gzip" in encoding, part)


async def _answer(kept: Kept, scope: Scope, send: Send) -> None:
    asked = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
    if asked is not None and (asked.strip() == b"*" or kept.tag in asked):
        await send({"type": "http.response.start", "status": 304, "headers": list(kept.unchanged)})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    await send({"type": "http.response.start", "status": 200, "headers": list(kept.headers)})
    await send({"type": "http.response.body", "body": kept.body, "more_body": False})
