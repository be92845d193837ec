"""Against forged requests: where a request comes from, and the tokens of forms.

An unsafe request must pass two checks. First the browser's own word: `Sec-Fetch-Site`, or else `Origin`, must not say
that another page asked. Browsers of today send one of them; a request with neither passes this check, whatever its
`Referer` is, and the second decides alone. That is the token: a keyed hash of the session's token hash, so a token
fetched in one session is worth nothing in another, and a cookie planted by a neighbouring subdomain brings no valid
token with it. Forms of anonymous visitors (sign-in, sign-up) use a cookie of their own with a random value in the
session's place. The hash is BLAKE2b with a key, which takes a third of what HMAC by OpenSSL takes.

Every token is masked with a pad drawn for the response: pages are compressed, and a secret repeated byte for byte in
compressed pages can be guessed by their length (BREACH).
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType, ScopeType
from litestar.exceptions import HTTPException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from polls.errors import BadCsrf
from voting.form_body import OrderedRequest, form_pairs
from voting.settings import Settings

ASSISTED_PREFIX = "desk-"
"""Before the tokens of assisted sessions: a ballot begun in a booth is not carried into anybody's sign-in."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_FIELD = "csrf_token"
HEADER = "x-csrf-token"
TAG_BYTES = 32
VISITOR_BYTES = 16
FORM_TYPES = (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)


def cookie_name(name: str, *, secure: bool) -> str:
    """Give the cookie's name; over https with the prefix that keeps other hosts from planting it."""
    return f"__Host-{name}" if secure else name


def make_cookie(name: str, value: str, *, secure: bool) -> Cookie:
    """Build a cookie of ours: HttpOnly, SameSite=Lax, for the whole site, until the browser closes."""
    return Cookie(
        key=cookie_name(name, secure=secure), value=value, path="/", secure=secure, httponly=True, samesite="lax"
    )


def dead_cookie(name: str, *, secure: bool) -> Cookie:
    """Build the cookie that removes ours."""
    cookie = make_cookie(name, "", secure=secure)
    cookie.max_age = 0
    return cookie


def read_cookie(scope: Scope, name: str) -> str | None:
    """Give one cookie's value as it was sent, without parsing the others; None also where two values are sent.

    A browser keeps one cookie of a name for the whole of our host. Two come only if somebody else planted one: a
    neighbouring subdomain, or a page under another path. Which of them is ours cannot be told, since the order is the
    planter's to choose, so neither is believed. Over https the prefix `__Host-` keeps browsers from taking such a
    cookie at all. Whoever needs a cookie asks here: the framework would take the last one.
    """
    return cookie_among([value for header, value in scope["headers"] if header == b"cookie"], name)


def cookie_among(headers: Iterable[bytes], name: str) -> str | None:
    """Give the same out of the values of the cookie headers."""
    wanted = name.encode() + b"="
    found = {
        part.strip()[len(wanted) :]
        for value in headers
        for part in value.split(b";")
        if part.strip().startswith(wanted)
    }
    return found.pop().decode("latin-1") if len(found) == 1 else None


class FormTokens:
    """Makes and checks the tokens of forms."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.sha256(secret).digest()  # of a length that fits, however long the secret is

    def for_session(self, token_hash: bytes) -> str:
        """Give the token of a session, masked for one response."""
        return _mask(self._tag(b"session", token_hash))

    def for_visitor(self, cookie_value: str) -> str:
        """Give the token of an anonymous visitor's form, bound to the visitor cookie."""
        return _mask(self._tag(b"visitor", cookie_value.encode()))

    def fits_session(self, token: str | None, token_hash: bytes) -> bool:
        """Tell whether the token was made for this session."""
        return _fits(token, self._tag(b"session", token_hash))

    def fits_visitor(self, token: str | None, cookie_value: str | None) -> bool:
        """Tell whether the token was made for this visitor cookie."""
        return bool(cookie_value) and _fits(token, self._tag(b"visitor", (cookie_value or "").encode()))

    def _tag(self, kind: bytes, subject: bytes) -> bytes:
        tagged = hashlib.blake2b(subject, digest_size=TAG_BYTES, key=self._key, person=b"form " + kind)
        return tagged.digest()


def new_visitor_value() -> str:
    """Draw the value of a visitor cookie."""
    return secrets.token_urlsafe(VISITOR_BYTES)


def _mask(tag: bytes) -> str:
    pad = os.urandom(TAG_BYTES)
    return (pad + _xor(pad, tag)).hex()


def _fits(token: str | None, tag: bytes) -> bool:
    if not token or len(token) != 4 * TAG_BYTES:
        return False
    try:
        raw = bytes.fromhex(token)
    except ValueError:
        return False
    return len(raw) == 2 * TAG_BYTES and hmac.compare_digest(_xor(raw[:TAG_BYTES], raw[TAG_BYTES:]), tag)


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(TAG_BYTES, "big")


def came_from_here(connection: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> bool | None:
    """Tell by the browser's own headers whether our page sent the request; None if they do not say."""
    headers = connection.headers
    return is_ours(headers.get("sec-fetch-site"), headers.get("origin"), headers.get("host", ""), settings)


def is_ours(fetched: str | None, origin: str | None, host: str, settings: Settings) -> bool | None:
    """Tell the same by the values of `Sec-Fetch-Site`, `Origin` and `Host`.

    `Origin: null` (a sandboxed frame, a redirect from elsewhere) and `Sec-Fetch-Site: same-site` (a neighbouring
    subdomain, which need not be ours) count as elsewhere.
    """
    if fetched is not None:
        return fetched in ("same-origin", "none")
    if origin is None:
        return None
    scheme = settings.base_url.partition("://")[0]
    # The host was checked against the allowed ones before; in the demo it may be any name of this machine.
    return origin in (settings.base_url, f"{scheme}://{host}")


class CookieNames(Protocol):
    """What the middleware needs to know of the cookies."""

    session: str
    visitor: str


class ForgeryMiddleware(ASGIMiddleware):
    """Checks every unsafe request before its guards, its parameters and its handler.

    Handlers say what they are with ``opt``: ``{"csrf": "visitor"}`` for forms shown to anonymous visitors,
    ``{"csrf": "origin"}`` where the origin alone decides (signing in by the API, language and theme switches: requests
    that use no standing right of the visitor). Everything else needs the session's token.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(
        self, settings: Settings, tokens: FormTokens, cookies: CookieNames, *, is_public: Callable[[Any], bool]
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._session_cookie = cookies.session
        self._visitor_cookie = cookies.visitor
        self._is_public = is_public

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Refuse a forged request with BadCsrf, and a body of a kind the handler does not take with 415."""
        if scope.get("method") not in SAFE_METHODS:
            await self._check(OrderedRequest(scope, receive=receive, send=send))
        await next_app(scope, receive, send)

    async def _check(self, request: Request[Any, Any, Any]) -> None:
        handler = request.route_handler
        if came_from_here(request, self._settings) is False:
            raise BadCsrf(reason="origin")
        _check_media_type(request)
        if request.scope["state"].get("api_token") is not None:
            return  # no browser sends a token by itself, and with one there is no cookie
        rule = handler.opt.get("csrf", "session")
        record = request.scope["state"].get("web_session")
        if rule == "origin":
            return
        if record is None and rule != "visitor":
            # Nobody is signed in. A guarded handler refuses by itself, and its answer depends on whether the form was
            # ours; an API call without a session uses no right that could be abused.
            if not self._is_public(handler):
                request.scope["state"]["carried"] = await self._form_of_ended_session(request)
                return
            if request.scope["path"].startswith("/api/"):
                return
        given = await _given_token(request)
        if record is not None and self._tokens.fits_session(given, record.token_hash):
            return
        if (record is None or rule == "visitor") and self._tokens.fits_visitor(
            given, read_cookie(request.scope, self._visitor_cookie)
        ):
            return
        raise BadCsrf(reason="token")

    async def _form_of_ended_session(self, request: Request[Any, Any, Any]) -> list[tuple[str, str]]:
        """Give the fields of a form made in the session, ended since, whose cookie the browser still sends.

        Such a form is the visitor's own work and may be kept through sign-in. Any other gives nothing: a page elsewhere
        must not be able to have its answers carried through somebody's sign-in. Passwords are never kept.
        """
        cookie = read_cookie(request.scope, self._session_cookie)
        if (
            cookie is None
            or cookie.startswith(ASSISTED_PREFIX)
            or request.content_type[0] != RequestEncodingType.URL_ENCODED
        ):
            return []
        if not self._tokens.fits_session(await _given_token(request), hashlib.sha256(cookie.encode()).digest()):
            return []
        return [
            (name, value)
            for name, value in await form_pairs(request)
            if name != FORM_FIELD and "password" not in name.lower()
        ]


def _check_media_type(request: Request[Any, Any, Any]) -> None:
    """Refuse forms where JSON is due: a page elsewhere can send forms, but not JSON, without asking first."""
    if not request.scope["path"].startswith("/api/"):
        return
    field = request.route_handler.parsed_data_field
    if field is None and "json_body" not in request.route_handler.opt:
        return
    if field is not None and getattr(field.kwarg_definition, "media_type", None) in FORM_TYPES:
        return
    kind = request.content_type[0]
    if kind != RequestEncodingType.JSON and not kind.endswith("+json"):
        raise HTTPException(status_code=415)


async def _given_token(request: Request[Any, Any, Any]) -> str | None:
    if (header := request.headers.get(HEADER)) is not None:
        return str(header)
    if request.content_type[0] in FORM_TYPES:
        value = (await request.form()).get(FORM_FIELD)
        return value if isinstance(value, str) else None
    return None
