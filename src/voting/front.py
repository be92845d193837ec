"""What every request meets first: residents' pages and votes in which nothing is odd are answered here at once.

On the evening of a vote three addresses are asked for more than all others together: the home page, a poll's page and
the API's ballots. The framework's requests, layers and routing take several times what such a page or vote takes. So
the work of the layers (`voting.telemetry`, `voting.edge`, `identity.recognition`, the headers of `voting.perimeter`) is
done here in one pass, by their own functions, and `voting.fast_pages` or `voting.fast_casting` makes the reply. What is
not straight in a request goes the ordinary way as it came, its body put back, and is answered there in its own order
and words; so nothing is decided here that is not decided there too.

tests/flows/test_fast_pages.py and tests/flows/test_fast_casting.py hold the two ways equal, to the byte;
tests/flows/test_front.py what comes before them.
"""

from __future__ import annotations

import time
from functools import lru_cache, partial
from typing import Any

from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send

from voting.fast_casting import FastCasting
from voting.fast_pages import FastPages, Page
from voting.identity.recognition import WebSessions, viewer_of_session
from voting.layers import Layer
from voting.perimeter import SecurityHeaders, host_allowed
from voting.security import FormTokens, cookie_among
from voting.settings import Settings
from voting.straight import Route, Straight
from voting.telemetry import log_request, new_request_id
from voting.throttling import Bucket
from voting.whole_replies import lines_of, offered

Pairs = tuple[tuple[bytes, bytes], ...]
REFUSAL = "refusal of a vote"


class Site(Litestar):
    """The application as it is served: requests go through `front`, once there is one."""

    front: ASGIApp | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or hold the lifespan."""
        if self.front is None or scope["type"] != "http":
            await super().__call__(scope, receive, send)
        else:
            await self.front(scope, receive, send)

    async def without_front(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request the ordinary way."""
        await super().__call__(scope, receive, send)


class Front:
    """`Front(…)` is an application: it answers what is straight, and leaves everything else to the ordinary way."""

    def __init__(
        self, app: Site, settings: Settings, web_sessions: WebSessions, tokens: FormTokens, casting: Bucket,
        *, cookie: str, security_headers: SecurityHeaders,
    ) -> None:  # fmt: skip
        self._ordinary = app.without_front
        self._pages = FastPages(app)
        self._casts = FastCasting(app, settings, tokens, casting)
        self._web_sessions = web_sessions
        self._tokens = tokens
        self._cookie = cookie
        self._security_headers = security_headers
        self._complete = lru_cache(maxsize=100)(self._completed)
        self._answers_to = lru_cache(maxsize=100)(partial(host_allowed, settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, here or the ordinary way."""
        began = time.perf_counter()
        method, path = scope.get("method"), scope["path"]
        if not scope["query_string"] and not scope.get("root_path"):
            if method == "GET" and (page := self._pages.at(path)) is not None:
                if await self._show(page, scope, send, began):
                    return
            elif method == "POST" and (slug := self._casts.at(path)) is not None:
                await self._cast(slug, scope, receive, send, began)
                return
        await self._ordinary(scope, receive, send)

    async def _read(self, scope: Scope) -> Straight | None:
        """Who asks for what, if nothing is odd in it."""
        listed: Any = scope["headers"]
        headers: dict[bytes, bytes] = dict(listed)
        cookies = headers.get(b"cookie")
        if cookies is None or len(headers) != len(listed) or b"authorization" in headers:
            return None
        token = cookie_among((cookies,), self._cookie)
        if token is None or not self._answers_to(headers.get(b"host", b"").decode("latin-1")):
            return None
        record = await self._web_sessions.recognise(token)
        if record is None or record.citizen_id is None or record.assisted_centre is not None:
            return None
        return Straight(headers, viewer_of_session(record, self._tokens, self._web_sessions.idle), record)

    async def _show(self, page: Page, scope: Scope, send: Send, began: float) -> bool:
        """Answer with a page that is remembered; False if nothing has been done."""
        try:
            asked = await self._read(scope)
            made = asked and await self._pages.make(page, scope["path"], asked)
        except Exception:  # whatever it is: it is raised once more on the ordinary way
            return False
        if made is None:
            return False
        await self._send(scope, send, page.route, 200, *made, began)
        return True

    async def _cast(self, slug: str, scope: Scope, receive: Receive, send: Send, began: float) -> None:
        """Cast a vote; or put its body back, and leave it to the ordinary way."""
        heard: list[Any] = []
        asked, sent = None, None
        try:
            asked = await self._read(scope)
            if asked is not None and self._casts.may_cast(asked):
                sent = await self._casts.read(asked, receive, heard)
        except Exception:  # as above
            sent = None
        if asked is None or sent is None:
            await self._ordinary(scope, _again(heard, receive) if heard else receive, send)
            return
        route = self._casts.route
        assert route is not None  # it was found by it
        try:
            status, headers, body = await self._casts.cast(slug, asked.viewer, sent)
        except Exception as error:
            await self._refuse(error, asked, route, slug, scope, receive, send)
            return
        await self._send(scope, send, route, status, headers, body, began)

    async def _refuse(
        self, error: Exception, asked: Straight, route: Route, slug: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Have the ordinary way answer what a vote was refused with, as if it had come so far there."""
        scope["route_handler"], scope["path_template"] = route
        scope["path_params"] = {"slug": slug}
        known = {"viewer": asked.viewer, "web_session": asked.record, REFUSAL: error}
        scope.setdefault("state", {}).update(known)
        await self._ordinary(scope, receive, send)

    def _completed(self, headers: Pairs, route: Route, status: int) -> tuple[Pairs, bytes]:
        """A reply's headers but for those of its own, and the same as written: worked out once for a kind of reply."""
        listed = tuple(self._security_headers.complete(list(headers), route.handler, "", status, signed_in=True))
        return listed, lines_of(listed)

    async def _send(
        self, scope: Scope, send: Send, route: Route, status: int, headers: Pairs, body: bytes, began: float
    ) -> None:
        """Send a whole reply and write its line."""
        number = new_request_id()
        listed, lines = self._complete(headers, route, status)
        own = [(b"content-length", b"%d" % len(body)), (b"x-request-id", number.encode())]
        try:
            if (send_whole := offered(scope)) is not None:
                await send_whole(status, lines + lines_of(own), body)
            else:
                await send({"type": "http.response.start", "status": status, "headers": [*listed, *own]})
                await send({"type": "http.response.body", "body": body, "more_body": False})
        finally:
            log_request(number, scope.get("method"), route.template, status, began)


class Refusing(Layer):
    """Right inside the edge, which answers it: raises what a vote was refused with in front.

    Nothing may be asked on the way: whether a vote was taken could be answered by what became of another question.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Refuse, or let the request through."""
        if (refusal := scope["state"].pop(REFUSAL, None)) is not None:
            raise refusal
        await next_app(scope, receive, send)


def _again(heard: list[Any], receive: Receive) -> Receive:
    """Receive what was heard once more, then what comes."""
    left = iter(heard)

    async def receive_again() -> Any:
        message = next(left, None)
        return await receive() if message is None else message

    return receive_again
