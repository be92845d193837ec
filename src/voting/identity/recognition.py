"""From a cookie to a `Viewer`: the per-process memory of sessions and the middleware that asks it.

The hot path makes no query: what a session was found to be is remembered for up to five seconds. So a session ended in
another process may work for five seconds more; one ended in this process stops at once, because whoever ends it calls
`forget` after the commit.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Receive, Scope, Send

from voting.db import Database
from voting.gathering import Gatherer
from voting.identity.refusals import AssistedOnly
from voting.identity.sessions import SessionRecord, Viewer, recognise_many, token_hash
from voting.layers import Layer
from voting.security import FormTokens, read_cookie

STALE_AFTER = timedelta(seconds=5)
REMEMBERED = 50_000
LONGEST_TOKEN = 100
UNSEEN_PREFIXES = ("/static/", "/health/", "/favicon.ico", "/robots.txt", "/embed/", "/share/")
ASSISTED_PATHS = re.compile(
    r"/assisted(/[a-z]+)?|/polls/[a-z0-9-]{1,64}(/vote|/cast|/sample)?|/receipt/file|/sign-out|/assets/.{1,200}"
)
"""All an assisted session may ask for: the polls' pages, the ballot, the receipt and its own end."""

Clock = Callable[[], datetime]


class WebSessions:
    """Recognises session tokens, remembering each answer for at most five seconds."""

    def __init__(self, database: Database, *, idle: timedelta, clock: Clock) -> None:
        self.idle = idle
        self._database = database
        self._clock = clock
        self._seen: OrderedDict[bytes, tuple[datetime, SessionRecord]] = OrderedDict()
        self._forgettings = 0
        self._reads: Gatherer[bytes, SessionRecord] = Gatherer(self._read)

    async def recognise(self, token: str) -> SessionRecord | None:
        """Give the live session of a token, or None."""
        if not token or len(token) > LONGEST_TOKEN:
            return None
        hashed, now = token_hash(token), self._clock()
        if (known := self._seen.get(hashed)) is not None:
            loaded_at, record = known
            if timedelta(0) <= now - loaded_at <= STALE_AFTER and now < record.expires_at:
                return record
        forgettings = self._forgettings
        found = await self._reads.get(hashed)
        if found is None:
            self._seen.pop(hashed, None)
        elif forgettings == self._forgettings:  # a session ended while we were reading must not come back
            self._seen[hashed] = (now, found)
            self._seen.move_to_end(hashed)
            self._drop_stale(now)
        return found

    async def _read(self, hashes: Sequence[bytes]) -> dict[bytes, SessionRecord]:
        """Ask the database for those not remembered: when a city comes at once, many in one query."""
        async with self._database.open_driver() as driver:
            return await recognise_many(driver, hashes, idle=self.idle, now=self._clock())

    def _drop_stale(self, now: datetime) -> None:
        """Keep none that would be read again anyway: what lives long costs every walk of the garbage collector."""
        while self._seen:
            loaded_at, _ = self._seen[next(iter(self._seen))]
            if timedelta(0) <= now - loaded_at <= STALE_AFTER and len(self._seen) <= REMEMBERED:
                return
            self._seen.popitem(last=False)

    def forget(self, hashes: Iterable[bytes]) -> None:
        """Drop what is remembered of these sessions. Call it after the commit that ended them."""
        self._forgettings += 1
        for hashed in hashes:
            self._seen.pop(hashed, None)

    def forget_account(self, account_id: int) -> None:
        """Drop what is remembered of an account, after its roles, its name or its sessions changed."""
        self.forget([hashed for hashed, (_, record) in self._seen.items() if record.account_id == account_id])


class RecognitionMiddleware(Layer):
    """Puts the viewer into the request's state; touches neither static files nor visitors without a cookie."""

    def __init__(self, web_sessions: WebSessions, tokens: FormTokens, cookie: str) -> None:
        self._web_sessions = web_sessions
        self._tokens = tokens
        self._cookie = cookie

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Recognise the session cookie, if there is one."""
        state = scope["state"]
        state["viewer"] = state["web_session"] = None
        if not scope["path"].startswith(UNSEEN_PREFIXES):
            token = read_cookie(scope, self._cookie)
            if token is not None and (record := await self._web_sessions.recognise(token)) is not None:
                state["web_session"] = record
                state["viewer"] = viewer_of_session(record, self._tokens, self._web_sessions.idle)
                if record.assisted_centre is not None and not ASSISTED_PATHS.fullmatch(scope["path"]):
                    raise AssistedOnly
        await next_app(scope, receive, send)


def viewer_of_session(record: SessionRecord, tokens: FormTokens, idle: timedelta) -> Viewer:
    """Give the viewer of a live session."""
    return Viewer(
        account_id=record.account_id,
        citizen_id=record.citizen_id,
        display_name=record.display_name,
        department=record.department,
        roles=record.roles,
        grants=record.grants,
        new_form_token=partial(tokens.for_session, record.token_hash),
        session_expires=min(record.expires_at, record.last_seen_at + idle),
        assisted_centre=record.assisted_centre,
    )


def viewer_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Viewer | None:
    """Give the viewer of a request, or None for an anonymous visitor."""
    viewer: Viewer | None = connection.scope["state"].get("viewer")
    return viewer


def web_session_of(connection: ASGIConnection[Any, Any, Any, Any]) -> SessionRecord | None:
    """Give the session a request came in, or None for an anonymous visitor."""
    record: SessionRecord | None = connection.scope["state"].get("web_session")
    return record
