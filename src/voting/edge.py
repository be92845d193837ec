"""The layer around the framework: every request passes it, also those that find no route.

Litestar's own middleware runs only for requests that found a route, so an unknown address would be answered without a
request number, without a line in the log, and with a page that thinks nobody is signed in.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from litestar import Request, Response
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from voting.layers import Layer
from voting.perimeter import client_address, host_allowed
from voting.problems import Malformed, WrongHost
from voting.settings import Settings

ANY_HOST = "/health/"
GZIP = re.compile(rb"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
"""In Accept-Encoding: gzip, unless it is refused."""

SINGLE = frozenset({
    b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-length", b"idempotency-key", b"x-csrf-token",
    b"authorization",
})  # fmt: skip
"""Headers that decide: of two, a proxy may have believed the other one."""


class EdgeMiddleware(Layer):
    """Checks the host's name, finds the client's address, and answers what goes wrong before the router is reached."""

    def __init__(
        self, settings: Settings, answer: Callable[[Request[Any, Any, Any], Exception], Response[Any]]
    ) -> None:
        self._settings = settings
        self._answer = answer

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let a request in, or answer it here."""
        started = False
        headless = scope.get("method") == "HEAD"
        if headless:
            scope["state"]["headless"] = True  # so that nobody reads a large file for nothing
            scope["method"] = "GET"  # type: ignore[typeddict-unknown-key]  # every GET answers HEAD too, without its body

        async def send_noting(message: Message) -> None:
            nonlocal started
            if headless:
                scope["method"] = "HEAD"  # type: ignore[typeddict-unknown-key]  # the server counts the body's bytes
            if message["type"] == "http.response.start":
                started = True
            elif headless and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        _settle_encoding(scope)
        scope["state"]["client_address"] = client_address(scope, self._settings.trusted_proxies)
        try:
            deciding = [(name, value) for name, value in scope["headers"] if name in SINGLE]
            said = dict(deciding)
            if len(said) < len(deciding):
                raise Malformed
            host = said.get(b"host", b"").decode("latin-1")
            if not scope["path"].startswith(ANY_HOST) and not host_allowed(self._settings, host):
                raise WrongHost
            await next_app(scope, receive, send_noting)
        except Exception as error:
            if started:
                raise
            request: Request[Any, Any, Any] = Request(scope, receive=receive, send=send)
            reply = self._answer(request, error).to_asgi_response(app=None, request=request)
            await reply(scope, receive, send_noting)


@lru_cache(maxsize=100)
def wants_gzip(accepted: bytes) -> bool:
    """Whether a reply may be packed, by Accept-Encoding."""
    return GZIP.search(accepted.lower()) is not None


def _settle_encoding(scope: Scope) -> None:
    """Leave of Accept-Encoding one `gzip` or nothing, so that whoever reads it further in finds the same in it.

    The framework reads the first header of several, and takes `gzip;q=0` for a wish.
    """
    said = [value for name, value in scope["headers"] if name == b"accept-encoding"]
    if said:
        headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        if wants_gzip(b",".join(said)):
            headers.append((b"accept-encoding", b"gzip"))
        scope["headers"] = headers
