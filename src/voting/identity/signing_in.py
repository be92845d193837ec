"""Signing in, signing up and changing the password, as pages and API do it alike.

Hashing takes longer than any query, so no database connection is held meanwhile: each function here uses short
transactions before and after. Limits are counted before the hash is computed, since the hash is what a flood would use
up; a sign-in that succeeds takes its own hit back, so that only failures add up.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from litestar import Request

from polls.audit import write_event
from polls.errors import BadCredentials, FieldError, Invalid
from voting.db import Database
from voting.identity import accounts, new_devices, second_step
from voting.identity.accounts import Credentials, Login, normal_login
from voting.identity.beginning import SignedIn, begin_session, device_cookie, forget_before
from voting.identity.breached import BreachedList
from voting.identity.devices import KnownDevices
from voting.identity.factor_refusals import NewDeviceRefused
from voting.identity.mailbox import notify
from voting.identity.passwords import PasswordPool, password_faults
from voting.identity.recognition import WebSessions, web_session_of
from voting.identity.sessions import end_all_web_sessions, end_web_session, token_hash
from voting.identity.sign_in_limits import SignInLimits
from voting.identity.staff_events import count_refused_sign_in
from voting.mail import mail_is_on, send
from voting.perimeter import network_of
from voting.settings import Settings
from voting.throttling import Throttle

NO_LOGIN = Login(email="none")
"""Looked up in the place of what cannot be a login."""
Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Desk:
    """What identity needs to work with, gathered once by the application."""

    settings: Settings
    database: Database
    passwords: PasswordPool
    web_sessions: WebSessions
    throttle: Throttle
    identity_secrets: Mapping[int, bytes]
    seal_keys: Mapping[int, bytes]
    devices: KnownDevices
    limits: SignInLimits
    breached: BreachedList

    def password_faults(self, password: str, *, logins: tuple[str, ...], field: str = "password") -> list[FieldError]:
        """What is wrong with a new password, the operator's list of leaked ones included."""
        found = password_faults(password, logins=logins, field=field)
        if not found and self.breached.holds(password):
            return [FieldError(field, "breached", "This password has been stolen from another site and published.")]
        return found


@dataclass(frozen=True, slots=True)
class SignUp:
    """What the sign-up form asks for."""

    national_id: str
    birth_date: date
    login: str
    password: str


def in_turn(
    step: Callable[Concatenate[Desk, Given], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Desk, Given], Coroutine[Any, Any, Result]]:
    """Give a step that hashes a place in the pool before it asks the database anything. Raises Busy when full."""

    @wraps(step)
    async def waiting(desk: Desk, /, *given: Given.args, **named: Given.kwargs) -> Result:
        with desk.passwords.place():
            return await step(desk, *given, **named)

    return waiting


@dataclass(frozen=True, slots=True)
class Tried:
    """What somebody tries to sign in with, and from where."""

    login: str
    network: str
    password: str
    birth_date: date | None


@in_turn
async def sign_in(
    desk: Desk, request: Request[Any, Any, Any], login_text: str, password: str, *, code: str | None = None,
    birth_date: date | None = None, now: datetime,
) -> SignedIn:  # fmt: skip
    """Check the password and open a new session; gives what goes into the cookies.

    Whatever session the browser came with is ended: the token always changes. Raises BadCredentials (also for a login
    that cannot be one), TooMany, Busy; where the account asks for one-time codes SecondStepNeeded and CodeRefused;
    from a new device during an alarm LetterNeeded, and NewDeviceRefused in the place of BadCredentials.
    """
    try:
        login: Login | None = normal_login(login_text)
    except Invalid:
        login = None
    network = network_of(request.scope["state"]["client_address"])
    # Also for what is no login, so that time tells nothing; aside, so that guesses take no page's connection.
    async with desk.database.open_session_aside() as session:
        claims = await accounts.find_credentials(session, login or NO_LOGIN)
    tried = Tried(str(login or login_text[:100]), network, password, birth_date)
    cookie = device_cookie(desk, request)
    numbers = {one: desk.devices.device_of(cookie, one.account_id, one.password_hash) for one in claims}
    own = next((one for one, number in numbers.items() if number), None)
    device = numbers[own] if own else None
    try:
        known = await _check_password(desk, tried, (own,) if own else claims, device, now=now)
    except BadCredentials:
        others = tuple(one for one in claims if one != own)
        if own is None or not others:
            raise
        # Not the account this device knows, but another that names the same e-mail: tried as by a stranger.
        known, device = await _check_password(desk, tried, others, None, now=now), None
    how = await second_step.ask_second_step(desk, known, code, now=now)
    fresh = await desk.passwords.hash(password) if desk.passwords.needs_rehash(known.password_hash) else None
    async with desk.database.open_session() as session:
        await accounts.hold_password(session, known)
        if fresh is not None:
            await accounts.replace_hash(session, known.account_id, known.password_hash, fresh)
        done = await begin_session(desk, session, request, known.account_id, how=how, device=device, now=now)
    forget_before(desk, request)
    return done


@in_turn
async def sign_up(
    desk: Desk, request: Request[Any, Any, Any], given: SignUp, *, language: str = "ru", now: datetime
) -> SignedIn:
    """Open an account for a register entry and sign in; a letter asks to confirm the e-mail.

    `language` is that of letters. Raises Invalid, NotInRegister, AccountExists, TooMany, Busy.
    """
    login = _check_sign_up(desk, given)
    network = network_of(request.scope["state"]["client_address"])
    await desk.throttle.hit(("sign_up", f"{given.national_id[:100]}|{network}"), ("sign_up_network", network), now=now)
    hashed = await desk.passwords.hash(given.password)
    async with desk.database.open_session() as session:
        account_id = await accounts.sign_up(
            session, national_id=given.national_id, birth_date=given.birth_date, login=login,
            password_hash=hashed, secrets=desk.identity_secrets, language=language, now=now,
        )  # fmt: skip
        done = await begin_session(desk, session, request, account_id, how="password", now=now)
        if login.email is not None and mail_is_on(desk.settings):
            await send(session, login.email, "verify_email", {}, language, now, account_id=account_id)
    forget_before(desk, request)
    return done


async def _check_password(
    desk: Desk, tried: Tried, claims: tuple[Credentials, ...], device: str | None, *, now: datetime
) -> Credentials:
    """Give the first of the accounts whose password this is, having counted the try. Raises as `sign_in` does.

    The try is taken back, whatever the second step will say, which counts for itself; but not where the account whose
    login it is has another password: who named its e-mail could else guess that, each time by the own password.
    """
    admitted = await desk.limits.admit(tried.login, tried.network, device, now=now)
    wary = device is None and (admitted.alarm or desk.settings.new_devices == "always")
    for known in claims or (None,):
        number = known.account_id if known else None
        asked = await new_devices.what_is_asked(desk, number) if wary else new_devices.Asked()
        right = await desk.passwords.verify(tried.password, known.password_hash if known else None)
        if known is None or not right or not asked.accepts(tried.birth_date):
            continue
        if known == claims[0]:
            await desk.limits.forgive(admitted.counted, now=now)
        if asked.letter:
            await new_devices.ask_by_letter(desk, known, now=now)
        return known
    async with desk.database.open_session_aside() as session:
        await count_refused_sign_in(session, claims[0].account_id if claims else None, now)
    raise NewDeviceRefused if wary else BadCredentials


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


async def end_all_others(desk: Desk, request: Request[Any, Any, Any]) -> int:
    """End all of the viewer's sessions but this one; gives how many."""
    record = web_session_of(request)
    assert record is not None, "guarded"
    async with desk.database.open_session() as session:
        ended = await end_all_web_sessions(session, record.account_id, keep=record.token_hash)
    desk.web_sessions.forget(ended)
    return len(ended)


async def check_own_password(desk: Desk, account_id: int, password: str, *, now: datetime) -> Credentials:
    """Check the viewer's password once more, as before what cannot be undone. Raises BadCredentials, TooMany, Busy.

    Counted by the account alone: whoever asks is signed in, so no stranger can use it up.
    """
    await desk.throttle.hit(("sign_in", f"account {account_id}"), now=now)
    async with desk.database.open_session() as session:
        known = await accounts.credentials_of(session, account_id)
    if not await desk.passwords.verify(password, known.password_hash):
        raise BadCredentials
    await desk.throttle.forgive("sign_in", f"account {account_id}", now=now)
    return known


@in_turn
async def change_password(
    desk: Desk, request: Request[Any, Any, Any], current: str, new: str, *, now: datetime
) -> SignedIn:
    """Change the viewer's password, end all other sessions and tell the owner by letter.

    Gives the session's token empty, and the device made known again under the new password. Raises BadCredentials,
    Invalid, TooMany, Busy.
    """
    record = web_session_of(request)
    assert record is not None, "guarded"
    async with desk.database.open_session() as session:
        logins = await accounts.logins_of(session, record.account_id)
    faults = desk.password_faults(new, logins=logins, field="new_password")
    if faults:
        raise Invalid(faults)
    await check_own_password(desk, record.account_id, current, now=now)
    hashed = await desk.passwords.hash(new)
    async with desk.database.open_session() as session:
        ended = await accounts.change_password(session, record.account_id, password_hash=hashed, keep=record.token_hash)
        await write_event(session, "password_changed", actor=record.account_id, subject=f"account:{record.account_id}",
                          facts={"how": "changed", "sessions": len(ended)}, now=now)  # fmt: skip
        await notify(session, record.account_id, "password_changed", now=now)
    desk.web_sessions.forget_account(record.account_id)
    return SignedIn("", desk.devices.issue(record.account_id, hashed))


def _check_sign_up(desk: Desk, given: SignUp) -> Login:
    """Check what can be checked without the register, all fields at once."""
    errors: list[FieldError] = []
    login = Login()
    try:
        login = normal_login(given.login)
    except Invalid as refusal:
        errors += refusal.errors
    if not given.national_id.strip():
        errors.append(FieldError("national_id", "missing", "This field is needed."))
    errors += desk.password_faults(given.password, logins=(given.login.strip(),))
    if errors:
        raise Invalid(errors)
    return login


__all__ = [
    "Desk", "SignUp", "SignedIn", "change_password", "check_own_password", "end_all_others", "end_other_session",
    "sign_in", "sign_out", "sign_up", "token_hash",
]  # fmt: skip
