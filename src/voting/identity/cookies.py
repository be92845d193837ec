"""The cookies of identity: the session's, the one that binds forms of anonymous visitors, the known device's, that of a
sign-in that waits for its one-time code, and the page to go on with once a letter's link has signed in."""

from typing import Any
from urllib.parse import quote, unquote

from litestar import Request
from litestar.datastructures import Cookie

from voting.identity.destinations import safe_destination
from voting.identity.passkeys import bound_hash
from voting.identity.recognition import web_session_of
from voting.identity.sessions import token_hash
from voting.mail import LIVES
from voting.security import FormTokens, cookie_name, dead_cookie, make_cookie, new_visitor_value, read_cookie

SESSION = "sid"
VISITOR = "visitor"
TICKET = "ticket"
TICKET_SECONDS = 300
DEVICE = "device"
DEVICE_SECONDS = 365 * 24 * 3600
TARGET = "target"
LONGEST_VISITOR = 40


class IdentityCookies:
    """Names, makes and removes the cookies; over https they carry the `__Host-` prefix."""

    def __init__(self, *, secure: bool, tokens: FormTokens) -> None:
        self._secure = secure
        self._tokens = tokens
        self.session = cookie_name(SESSION, secure=secure)
        self.visitor = cookie_name(VISITOR, secure=secure)
        self.ticket = cookie_name(TICKET, secure=secure)
        self.target = cookie_name(TARGET, secure=secure)

    def signed_in(self, token: str, device: str = "") -> list[Cookie]:
        """Give the cookies of a reply that signs in: the session's, the device's, and the visitor's removed."""
        cookies = [make_cookie(SESSION, token, secure=self._secure), dead_cookie(VISITOR, secure=self._secure)]
        return [*cookies, self.known_device(device)] if device else cookies

    def known_device(self, value: str) -> Cookie:
        """Give the cookie that makes the device a known one for a year (`voting.identity.devices`)."""
        cookie = make_cookie(DEVICE, value, secure=self._secure)
        cookie.max_age = DEVICE_SECONDS
        return cookie

    def waiting(self, ticket: str) -> list[Cookie]:
        """Give the cookie of a sign-in that waits for its one-time code (`voting.identity.second_step`)."""
        cookie = make_cookie(TICKET, ticket, secure=self._secure)
        cookie.max_age = TICKET_SECONDS
        return [cookie]

    def no_longer_waiting(self) -> list[Cookie]:
        """Give the cookie that removes it."""
        return [dead_cookie(TICKET, secure=self._secure)]

    def going_to(self, target: str) -> list[Cookie]:
        """Give the cookie that keeps the page asked for while a letter is on its way, in this browser alone.

        No letter and no table names a page: it may be a poll's.
        """
        cookie = make_cookie(TARGET, quote(target, safe=""), secure=self._secure)
        cookie.max_age = int(LIVES["sign_in"].total_seconds())
        return [cookie]

    def target_of(self, request: Request[Any, Any, Any]) -> str:
        """Give the page this browser asked for before the letter, if it is one of this site; else the home page."""
        return safe_destination(unquote(read_cookie(request.scope, self.target) or ""))

    def gone_there(self) -> list[Cookie]:
        """Give the cookie that removes it."""
        return [dead_cookie(TARGET, secure=self._secure)]

    def binding(self, request: Request[Any, Any, Any]) -> tuple[bytes, list[Cookie]]:
        """Give what a passkey's challenge is bound to, and the cookies the reply must set for it.

        The session's token hash, or a hash of the visitor cookie, which is drawn here unless the browser has one.
        """
        record = web_session_of(request)
        if record is not None:
            return record.token_hash, []
        known = read_cookie(request.scope, self.visitor)
        if known and len(known) <= LONGEST_VISITOR:
            return bound_hash(known), []
        value = new_visitor_value()
        return bound_hash(value), [make_cookie(VISITOR, value, secure=self._secure)]

    def signed_out(self) -> list[Cookie]:
        """Give the cookies of a reply that signs out."""
        return [dead_cookie(SESSION, secure=self._secure), dead_cookie(VISITOR, secure=self._secure)]

    def token_of_new(self, token: str) -> str:
        """Give the form token of a session that begins with this very reply."""
        return self._tokens.for_session(token_hash(token))

    def form_token(self, request: Request[Any, Any, Any]) -> tuple[str, list[Cookie]]:
        """Give a form's token, and the cookies the reply must set for it.

        Signed in, the token is the session's and there is nothing to set. For an anonymous visitor it is bound to the
        visitor cookie, which is drawn here unless the browser has one. Call it only for pages that have a form for
        anonymous visitors: no other page gives them a cookie.
        """
        record = web_session_of(request)
        if record is not None:
            return self._tokens.for_session(record.token_hash), []
        known = read_cookie(request.scope, self.visitor)
        if known and len(known) <= LONGEST_VISITOR:
            return self._tokens.for_visitor(known), []
        value = new_visitor_value()
        return self._tokens.for_visitor(value), [make_cookie(VISITOR, value, secure=self._secure)]
