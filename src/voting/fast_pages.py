"""The home page and a poll's page for residents, without the framework, where everything in them is remembered.

They are answered out of what the ordinary handlers remember (`web.frames`), by their own functions: the same frame, the
same words, the reader's own facts read anew for each page. What is not remembered goes the ordinary way, which also
makes what is remembered. Nothing is kept here. Stands in `voting.front`.

tests/flows/test_fast_pages.py holds the two ways equal, to the byte.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from litestar import Litestar

from voting.edge import wants_gzip
from voting.identity.sessions import Viewer
from voting.security import cookie_among, cookie_name
from voting.straight import Route, Straight, route_of
from voting.web import home, i18n, polls
from voting.web.frames import Found, with_own
from voting.web.rendering import VARY

POLL = re.compile(r"/polls/[a-z0-9-]{1,64}")
QUICKLY = 1
"""The level a reply is packed at: half the time of the framework's, for a tenth more bytes."""
Find = Callable[[Mapping[str, Any], str, str, Viewer], Awaitable[Found]]
Pairs = tuple[tuple[bytes, bytes], ...]


class Page(NamedTuple):
    """A route, and what finds the same page without it."""

    route: Route
    find: Find


class FastPages:
    """Finds the pages of one application."""

    def __init__(self, app: Litestar) -> None:
        self._state = app.state
        self._home = _page(app, "/", home.show_home, home.find_home)
        self._poll = _page(app, "/polls/any", polls.show_poll, polls.find_poll)
        self._language = cookie_name(i18n.COOKIE, secure=app.state["settings"].secure_cookies)

    def at(self, path: str) -> Page | None:
        """The page of an address, if it is one of these."""
        return self._home if path == "/" else self._poll if POLL.fullmatch(path) else None

    async def make(self, page: Page, path: str, asked: Straight) -> tuple[Pairs, bytes] | None:
        """Headers and body of a resident's page; None if something in it is not remembered. Raises what the ordinary
        handler raises.
        """
        language = _spoken(asked.headers.get(b"accept-language", b""), self._chosen(asked))
        found = await page.find(self._state, path, language, asked.viewer)
        if found is None:
            return None
        frame, values = found
        with_own(values, asked.viewer, language)
        body = frame.fill(values)
        packed = wants_gzip(asked.headers.get(b"accept-encoding", b""))
        if packed:
            body = gzip.compress(body, QUICKLY, mtime=0)
        return _headers(language, packed), body

    def _chosen(self, asked: Straight) -> str | None:
        cookies = asked.headers[b"cookie"]
        return cookie_among((cookies,), self._language) if b"lang" in cookies else None


def _page(app: Litestar, path: str, wanted: Any, find: Find) -> Page | None:
    route = route_of(app, "GET", path, wanted)
    return None if route is None else Page(route, find)


@lru_cache(maxsize=1_000)
def _spoken(accepted: bytes, chosen: str | None) -> str:
    return i18n.pick(None, chosen, accepted.decode("latin-1"))


@lru_cache(maxsize=8)
def _headers(language: str, packed: bool) -> Pairs:
    """As the ordinary reply has them, but for the length."""
    vary = VARY + (",Accept-Encoding" if packed else "")
    named = {"vary": vary, "content-language": language, "cache-control": "no-store",
             "content-type": "text/html; charset=utf-8"}  # fmt: skip
    if packed:
        named["content-encoding"] = "gzip"
    return tuple((name.encode(), value.encode()) for name, value in named.items())
