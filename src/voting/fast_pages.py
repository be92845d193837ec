"""The home page and a poll's page for residents, without the framework, where everything in them is remembered.

On the evening of a vote these two are asked for more than all others together, and the framework's routing, layers and
requests take several times what a page takes that is only filled in. So this layer stands before the router and answers
out of what the ordinary handlers remember (`web.frames`), by their own functions: the same frame, the same words, the
reader's own facts read anew for each page. Whatever is not straight in a request, whatever is not remembered and
whatever is to be refused goes the ordinary way, which also makes what is remembered. Nothing is kept here.

tests/flows/test_fast_pages.py holds the two ways equal, to the byte.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from litestar import Litestar, Request
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from polls.errors import Refusal
from voting.identity.sessions import Viewer
from voting.web import home, i18n, polls
from voting.web.frames import Found, with_own
from voting.web.rendering import VARY

POLL = re.compile(r"/polls/[a-z0-9-]{1,64}")
QUICKLY = 1
"""The level a reply is packed at: half the time of the framework's, for a tenth more bytes."""
Find = Callable[[Mapping[str, Any], str, str, Viewer], Awaitable[Found]]
Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class _Page:
    """An ordinary handler, the template of its address, and what finds the same page without it."""

    handler: Any
    template: str
    find: Find


class FastPages:
    """The layer: `FastPages(…)(application)` is an application. Stands inside recognition, outside remembered replies,
    which look for news of the registry first; here every reader's own facts bring them.
    """

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._home = _page(app, "/", home.show_home, home.find_home)
        self._poll = _page(app, "/polls/any", polls.show_poll, polls.find_poll)

    def __call__(self, ordinary: ASGIApp) -> ASGIApp:
        """Put the layer around an application."""

        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            viewer: Viewer | None = scope["state"]["viewer"]
            if viewer is None or viewer.citizen_id is None or not await self._answer(scope, send, viewer):
                await ordinary(scope, receive, send)

        return layer

    async def _answer(self, scope: Scope, send: Send, viewer: Viewer) -> bool:
        """Answer a resident, if it can be done at once; False if nothing has been done."""
        if scope.get("method") != "GET" or scope["query_string"] or scope.get("root_path"):
            return False
        path = scope["path"]
        page = self._home if path == "/" else self._poll if POLL.fullmatch(path) else None
        if page is None or (wishes := _wishes(scope)) is None:
            return False
        language, packed = wishes
        scope["route_handler"] = page.handler  # as after routing, for the log and the headers, also of a failure
        scope["path_template"] = page.template
        try:
            found = await page.find(self._app.state, path, language, viewer)
        except Refusal:
            return False  # it is refused there once more, and answered
        if found is None:
            return False
        frame, values = found
        with_own(values, viewer, language)
        body = frame.fill(values)
        if packed:
            body = gzip.compress(body, QUICKLY, mtime=0)
        headers = [*_headers(language, packed), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
        return True


def _page(app: Litestar, path: str, wanted: Any, find: Find) -> _Page | None:
    """The page at an address; None where the site has another handler there, or none."""
    try:
        _, handler, _, _, template = app.asgi_router.handle_routing(path=path, method="GET")
    except HTTPException:
        return None
    return _Page(handler, template, find) if getattr(handler, "fn", None) is wanted.fn else None


def _wishes(scope: Scope) -> tuple[str, bool] | None:
    """The language, and whether the page is to be packed; None where a header that decides it comes twice.

    A cookie header in which «lang» stands nowhere holds no cookie of that name; any other is read as the renderer does.
    """
    accepted, cookies, packed = "", b"", False
    seen = 0
    for name, value in scope["headers"]:
        if name == b"accept-language":
            accepted, seen = value.decode("latin-1"), seen + 1
        elif name == b"cookie":
            cookies, seen = value, seen + 16
        elif name == b"accept-encoding":
            packed, seen = value == b"gzip", seen + 256  # `voting.edge` has left one such value or no header
    if seen & ~0x111:
        return None
    language = i18n.language_of(Request(scope)) if b"lang" in cookies else _spoken(accepted)
    return language, packed


@lru_cache(maxsize=1_000)
def _spoken(accepted: str) -> str:
    return i18n.pick(None, None, accepted)


@lru_cache(maxsize=8)
def _headers(language: str, packed: bool) -> Pairs:
    """As the ordinary reply has them, but for the length."""
    vary = VARY + (",Accept-Encoding" if packed else "")
    named = {"vary": vary, "content-language": language, "cache-control": "no-store",
             "content-type": "text/html; charset=utf-8"}  # fmt: skip
    if packed:
        named["content-encoding"] = "gzip"
    return [(name.encode(), value.encode()) for name, value in named.items()]
