"""Signing in, signing up and changing the password, as pages and API do it alike.

Hashing takes longer than any query, so no database connection is held meanwhile: each function here uses short
transactions before and after. Limits are counted before the hash is computed, since the hash is what a flood would use
up; a sign-in that succeeds takes its own hit back, so that only failures add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from litestar import Request

from polls.errors import BadCredentials, FieldError, Invalid
from voting.db import Database
from voting.identity import accounts
from voting.identity.accounts import Login, normal_login
from voting.identity.passwords import PasswordPool, password_faults
from voting.identity.recognition import WebSessions, web_session_of
from voting.identity.sessions import end_web_session, new_token, open_web_session, token_hash
from voting.perimeter import network_of
from voting.settings import Settings
from voting.throttling import Throttle


@dataclass(frozen=True)
class Desk:
    """What identity needs to work with, gathered once by the application."""

    settings: Settings
    database: Database
    passwords: PasswordPool
    web_sessions: WebSessions
    throttle: Throttle
    identity_secrets: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class SignUp:
    """What the sign-up form asks for."""

    national_id: str
    birth_date: date
    login: str
    password: str


async def sign_in(desk: Desk, request: Request[Any, Any, Any], login_text: str, password: str, *, now: datetime) -> str:
    """Check the password and open a new session; gives its token for the cookie.

    Whatever session the browser came with is ended: the token always changes. Raises BadCredentials (also for a login
    that cannot be one), TooMany, Busy.
    """
    try:
        login: Login | None = normal_login(login_text)
    except Invalid:
        login = None
    network = network_of(request.scope["state"]["client_address"])
    subject = f"{login or login_text[:100]}|{network}"
    await desk.throttle.hit(("sign_in", subject), ("sign_in_network", network), ("sign_in_site", "site"), now=now)
    known = None
    if login is not None:
        async with desk.database.open_session() as session:
            known = await accounts.find_credentials(session, login)
    if not await desk.passwords.verify(password, known.password_hash if known else None) or known is None:
        raise BadCredentials
    fresh = await desk.passwords.hash(password) if desk.passwords.needs_rehash(known.password_hash) else None
    token = new_token()
    before = web_session_of(request)
    async with desk.database.open_session() as session:
        if fresh is not None:
            await accounts.replace_hash(session, known.account_id, known.password_hash, fresh)
        if before is not None:
            await end_web_session(session, before.account_id, before.token_hash)
        await _open(desk, session, known.account_id, token, request, now)
    if before is not None:
        desk.web_sessions.forget([before.token_hash])
    await desk.throttle.forgive("sign_in", subject, now=now)
    return token


async def sign_up(desk: Desk, request: Request[Any, Any, Any], given: SignUp, *, now: datetime) -> str:
    """Open an account for a register entry and sign in; gives the session's token.

    Raises Invalid, NotInRegister, AccountExists, TooMany, Busy.
    """
    login = _check_sign_up(given)
    network = network_of(request.scope["state"]["client_address"])
    await desk.throttle.hit(("sign_up", f"{given.national_id[:100]}|{network}"), ("sign_up_network", network), now=now)
    hashed = await desk.passwords.hash(given.password)
    token = new_token()
    async with desk.database.open_session() as session:
        account_id = await accounts.sign_up(
            session, national_id=given.national_id, birth_date=given.birth_date, login=login,
            password_hash=hashed, secrets=desk.identity_secrets, now=now,
        )  # fmt: skip
        await _open(desk, session, account_id, token, request, now)
    return token


async def sign_out(desk: Desk, request: Request[Any, Any, Any]) -> None:
    """End the session the request came in; nothing to do for an anonymous visitor."""
    record = web_session_of(request)
    if record is None:
        return
    async with desk.database.open_session() as session:
        await end_web_session(session, record.account_id, record.token_hash)
    desk.web_sessions.forget([record.token_hash])


async def end_other_session(desk: Desk, request: Request[Any, Any, Any], hashed: bytes) -> bool:
    """End one of the viewer's own sessions; False if there is none such."""
    record = web_session_of(request)
    assert record is not None, "guarded"
    async with desk.database.open_session() as session:
        ended = await end_web_session(session, record.account_id, hashed)
    desk.web_sessions.forget([hashed])
    return ended


async def change_password(
    desk: Desk, request: Request[Any, Any, Any], current: str, new: str, *, now: datetime
) -> None:
    """Change the viewer's password and end all other sessions. Raises BadCredentials, Invalid, TooMany, Busy."""
    record = web_session_of(request)
    assert record is not None, "guarded"
    await desk.throttle.hit(("sign_in", f"account {record.account_id}"), now=now)
    async with desk.database.open_session() as session:
        known = await accounts.credentials_of(session, record.account_id)
        logins = await accounts.logins_of(session, record.account_id)
    faults = password_faults(new, logins=logins, field="new_password")
    if faults:
        raise Invalid(faults)
    if not await desk.passwords.verify(current, known.password_hash):
        raise BadCredentials
    hashed = await desk.passwords.hash(new)
    async with desk.database.open_session() as session:
        await accounts.change_password(session, record.account_id, password_hash=hashed, keep=record.token_hash)
    desk.web_sessions.forget_account(record.account_id)


async def _open(
    desk: Desk, session: Any, account_id: int, token: str, request: Request[Any, Any, Any], now: datetime
) -> None:
    lifetime: timedelta = desk.settings.session_absolute
    agent = request.headers.get("user-agent", "")
    await open_web_session(session, account_id, token=token, user_agent=agent, lifetime=lifetime, now=now)


def _check_sign_up(given: SignUp) -> Login:
    """Check what can be checked without the register, all fields at once."""
    errors: list[FieldError] = []
    login = Login()
    try:
        login = normal_login(given.login)
    except Invalid as refusal:
        errors += refusal.errors
    if not given.national_id.strip():
        errors.append(FieldError("national_id", "missing", "This field is needed."))
    errors += password_faults(given.password, logins=(given.login.strip(),))
    if errors:
        raise Invalid(errors)
    return login


__all__ = [
    "Desk", "SignUp", "change_password", "end_other_session", "sign_in", "sign_out", "sign_up", "token_hash",
]  # fmt: skip
