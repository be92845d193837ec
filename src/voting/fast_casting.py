"""A vote without the framework: POST /api/v1/polls/{slug}/ballots, the one address a whole city comes to in an evening.

The framework's routing, its layers and its requests take several times what a vote takes. So this layer stands before
the router and goes the straight way itself: a signed-in resident, our own page or program, a small JSON body that reads
as a ballot. It asks by the very functions the ordinary way asks by. Whatever is not straight in a request, it lets pass
as it came, its body put back, and the ordinary way answers in its own order and words; so nothing is decided here that
is not decided there too. Only two things are done before the vote, once everything else is known to be in order: it is
counted by the limit on casting, and cast. What they refuse is answered where all refusals are (`voting.edge`).

tests/flows/test_fast_casting.py holds the two ways equal, to the byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from polls.errors import Refusal
from voting.api.ballots import KEY_HEADER, NEVER_KEPT, SentVote, cast, read_vote, take_vote
from voting.api.documents import is_too_deep
from voting.api.representation import JSON
from voting.identity.guards import resident
from voting.security import HEADER, FormTokens, is_ours
from voting.settings import Settings
from voting.throttling import Bucket

ADDRESS = re.compile(r"/api/v1/polls/([a-z0-9-]{1,64})/ballots")
PLAIN_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]+")
"""Within what the framework takes for a host; that it is one of ours was seen to before (`voting.edge`)."""
MEDIA_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
LARGEST = 64 * 1024
"""Bytes of a body that is read here; the longest ballot in words goes the ordinary way."""
ANSWERED = [(name.encode(), value.encode()) for name, value in NEVER_KEPT.items()] + [(b"content-type", JSON.encode())]

Headers = Mapping[bytes, bytes]


class FastCasting:
    """The layer: `FastCasting(…)(application)` is an application. Stands inside recognition, outside the router."""

    def __init__(self, app: Litestar, settings: Settings, tokens: FormTokens, bucket: Bucket) -> None:
        self._app = app
        self._settings = settings
        self._tokens = tokens
        self._bucket = bucket
        self._handler, self._template = _route(app)
        self._largest = min(LARGEST, settings.body_limit)

    def __call__(self, ordinary: ASGIApp) -> ASGIApp:
        """Put the layer around an application; nothing where the site has no such route."""
        if self._handler is None:
            return ordinary

        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("method") != "POST" or (found := ADDRESS.fullmatch(scope["path"])) is None:
                await ordinary(scope, receive, send)
                return
            headers = self._straight_headers(scope)
            if headers is None:
                await ordinary(scope, receive, send)
                return
            heard: list[Any] = []
            sent = _read(headers, await _hear(receive, heard, self._largest))
            if sent is None:
                await ordinary(scope, _again(heard, receive), send)
                return
            await self._cast(scope, send, found[1], sent)

        return layer

    def _straight_headers(self, scope: Scope) -> Headers | None:
        """The headers of a request in which nothing is out of the ordinary, by name; None for any other."""
        state = scope["state"]
        viewer, record = state["viewer"], state["web_session"]
        listed: Any = scope["headers"]
        headers: dict[bytes, bytes] = dict(listed)
        if viewer is None or len(headers) != len(listed) or scope.get("root_path") or b"authorization" in headers:
            return None
        host, length = headers.get(b"host", b""), headers.get(b"content-length", b"")
        if not PLAIN_HOST.fullmatch(host) or headers.get(b"content-type") not in MEDIA_TYPES:
            return None
        if not (length.isdigit() and len(length) < 8 and int(length) <= self._largest):
            return None
        fetched, origin = _text(headers, b"sec-fetch-site"), _text(headers, b"origin")
        if is_ours(fetched, origin, host.decode("latin-1"), self._settings) is False:
            return None
        if not self._tokens.fits_session(_text(headers, HEADER.encode()), record.token_hash):
            return None
        try:
            resident.check(viewer)
        except Refusal:
            return None
        return headers

    async def _cast(self, scope: Scope, send: Send, slug: str, sent: SentVote) -> None:
        """Count and cast, as of the ordinary handler: log, headers and refusals are told by it what this is."""
        viewer: Any = scope["state"]["viewer"]
        scope["route_handler"] = self._handler
        scope["path_template"] = self._template
        scope["path_params"] = {"slug": slug}
        self._bucket.hit(viewer.account_id)
        status, body = await take_vote(self._app.state, slug, viewer.citizen_id, sent, viewer.channel)
        headers = [*ANSWERED, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _route(app: Litestar) -> tuple[Any, str]:
    """The ordinary handler and the template of its address; None where it is not served."""
    try:
        _, handler, _, _, template = app.asgi_router.handle_routing(path="/api/v1/polls/any/ballots", method="POST")
    except HTTPException:
        return None, ""
    return (handler if getattr(handler, "fn", None) is cast.fn else None), template


async def _hear(receive: Receive, heard: list[Any], largest: int) -> bytes | None:
    """The whole body, every message of it kept in `heard`; None if it is too long or its sender has gone."""
    length = 0
    while True:
        message = await receive()
        heard.append(message)
        if message["type"] != "http.request":
            return None
        length += len(message["body"])
        if length > largest:
            return None
        if not message.get("more_body", False):
            return b"".join(part["body"] for part in heard)


def _again(heard: list[Any], receive: Receive) -> Receive:
    """Receive what was heard once more, then what comes."""
    left = iter(heard)

    async def receive_again() -> Any:
        message = next(left, None)
        return await receive() if message is None else message

    return receive_again


def _read(headers: Headers, body: bytes | None) -> SentVote | None:
    """The vote in a request that reads as one; None where the ordinary way has something to refuse."""
    if body is None or is_too_deep(body):
        return None
    try:
        return read_vote(_text(headers, KEY_HEADER.lower().encode()), body)
    except Exception:  # whatever it is: it is raised once more there
        return None


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
