"""The door before signing in: while the hashing pool is full, whoever comes is told so before anything is done for him.

A flood of guesses is answered 503 by `identity.passwords` whatever way it goes; the framework, the form and the page
took a millisecond of the event loop for each, sixty at a time, and votes waited behind them. Here a refusal takes a
tenth of that. Forms may carry a ballot that was filled in before signing in, and the ordinary answer shows them again:
so some a second go the ordinary way all the same, and only the rest see a plain page. Requests of the API lose nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from polls.errors import Busy
from voting.identity.passwords import PasswordPool
from voting.layers import Layer

CALLS = frozenset({"/api/v1/session", "/api/v1/accounts"})
FORMS = frozenset({"/sign-in", "/sign-up"})
FORMS_SHOWN = 10
"""Refused forms a second that are shown again as they were sent."""

BusyPage = Callable[[Request[Any, Any, Any], Busy], Response[bytes]]


class SignInDoor(Layer):
    """Stands inside the edge, which answers what is refused here, and outside recognition."""

    def __init__(self, passwords: PasswordPool, busy_page: BusyPage, language_of: Callable[..., str]) -> None:
        self._passwords = passwords
        self._busy_page = busy_page
        self._language_of = language_of
        self._pages: dict[tuple[str, int], Response[bytes]] = {}
        self._second, self._shown = 0, 0

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let a request in unless it would be refused for want of room further in."""
        path = scope["path"]
        if scope.get("method") != "POST" or path not in CALLS | FORMS or not (wait := self._passwords.wait()):
            await next_app(scope, receive, send)
            return
        if path in FORMS and self._may_be_shown():
            await next_app(scope, receive, send)
            return
        scope["path_template"] = path  # as after routing, for the log
        if path in CALLS:
            raise Busy(retry_after=wait)
        await self._page(scope, wait).to_asgi_response(app=None, request=Request(scope))(scope, receive, send)

    def _may_be_shown(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._shown = second, 0
        self._shown += 1
        return self._shown <= FORMS_SHOWN

    def _page(self, scope: Scope, wait: int) -> Response[bytes]:
        """The plain page in the reader's language, made once: it holds nothing of the reader."""
        plain: HTTPScope = {**scope, "query_string": b""}  # type: ignore[typeddict-item]  # of which a cookie could be made
        request: Request[Any, Any, Any] = Request(plain)
        key = (self._language_of(request), wait)
        if (page := self._pages.get(key)) is None:
            page = self._pages[key] = self._busy_page(request, Busy(retry_after=wait))
        return page
