"""Who comes with a token: from `Authorization: Bearer veche_…` to a viewer, at the API and nowhere else.

The layer stands within the router, so it knows what is asked for, and what answers past the framework (voting, the
pages of residents) never hears of tokens. `results:read` opens what may be read by everybody, and other scopes the
handlers that name them (``opt={"scope": "exports:write"}``); whatever else there is takes no token at all. The viewer
it makes is nobody's resident, so a token cannot vote or learn who voted, and there is no cookie, hence nothing to
forge.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from voting.db import Database
from voting.identity.api_tokens import TokenRecord, TokenScope, TokenWithCookie, note_use, recognise_api_token
from voting.identity.guards import is_public
from voting.identity.sessions import Viewer
from voting.security import SAFE_METHODS, read_cookie

API = "/api/"
BEARER = b"bearer"
READING = "results:read"


class TokenMiddleware(ASGIMiddleware):
    """Recognises a token and lets it in where it may go. Requests without one pass as they are."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, database: Database, clock: Callable[[], datetime], session_cookie: str) -> None:
        self._database = database
        self._clock = clock
        self._session_cookie = session_cookie

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Refuse with BadToken, TokenExpired, TokenRevoked, TokenScope or TokenWithCookie."""
        if scope["path"].startswith(API) and (token := bearer_of(scope)) is not None:
            await self._let_in(scope, token)
        await next_app(scope, receive, send)

    async def _let_in(self, scope: Scope, token: str) -> None:
        if read_cookie(scope, self._session_cookie) is not None or scope["state"].get("viewer") is not None:
            raise TokenWithCookie
        now = self._clock()
        async with self._database.open_read_session() as session:
            record, unnoted = await recognise_api_token(session, token, now)
        if unnoted:
            async with self._database.open_session_aside() as session:
                await note_use(session, record.id, now)
        check_scope(scope, record)
        scope["state"]["api_token"] = record
        scope["state"]["viewer"] = _viewer(record)


def bearer_of(scope: Scope) -> str | None:
    """The token a request carries; None without one. Other schemes are somebody else's, such as a proxy's."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.strip().partition(b" ")
            return token.strip().decode("latin-1") if scheme.lower() == BEARER else None
    return None


def scope_of(handler: Any, method: str) -> str | None:
    """The scope a handler opens to; None for one that takes no token."""
    named: str | None = handler.opt.get("scope")
    return READING if named is None and is_public(handler) and method in SAFE_METHODS else named


def check_scope(scope: Scope, record: TokenRecord) -> None:
    """Refuse a token for what it does not open."""
    needed = scope_of(scope["route_handler"], str(scope.get("method")))
    if needed is None or needed not in record.scopes:
        raise TokenScope(**({} if needed is None else {"scope": needed}))


def _viewer(record: TokenRecord) -> Viewer:
    """The account, as far as a token speaks for it: no resident, no form."""
    return Viewer(
        account_id=record.account_id, citizen_id=None, display_name=record.display_name,
        department=record.department, roles=record.roles, new_form_token=str, session_expires=record.expires_at,
    )  # fmt: skip
