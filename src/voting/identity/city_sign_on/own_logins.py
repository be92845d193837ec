"""What a person whom the city vouches for does with the logins of his account: add a password, or throw one out.

An account opened by the city's sign-on has no password: here it gets one, so that there is a way in when the provider
is away. And an account that somebody else opened with a resident's number, before he ever came, is his all the same:
here he throws that login out. Both take a session that the city's sign-on has opened a moment ago.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from litestar import Request
from sqlalchemy import case, select, update
from sqlalchemy.exc import IntegrityError

from polls.audit import write_event
from polls.errors import AccountExists, FieldError, Invalid, NotAllowed, SignInNeeded
from polls.sessions import ReadSession
from voting.erasure import cancel_erasure
from voting.identity.accounts import Login, has_password, logins_of, normal_login
from voting.identity.city_sign_on.errors import SignOnAgain
from voting.identity.city_sign_on.tables import sign_on_link
from voting.identity.mailbox import ask_to_verify, forget_mailbox
from voting.identity.names import masked_login
from voting.identity.passkeys import remove_all_passkeys
from voting.identity.recognition import web_session_of
from voting.identity.sessions import end_all_web_sessions
from voting.identity.signing_in import Desk, check_own_password
from voting.identity.totp import turn_off
from voting.mail import mail_is_on
from voting.tables import account, account_role, web_session

RECENT = timedelta(minutes=15)

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Ways:
    """How an account may be signed in to: providers linked, and whether with a password, for which login (masked)."""

    providers: tuple[str, ...]
    has_password: bool
    login: str
    recent: bool


async def ways_of(session: ReadSession, request: AnyRequest, now: datetime) -> Ways:
    """The ways into the viewer's account; `recent` where this session may change them."""
    record = web_session_of(request)
    assert record is not None, "guarded"
    linked = await session.scalars(
        select(sign_on_link.c.provider)
        .where(sign_on_link.c.citizen_id == (record.citizen_id or 0))
        .distinct()
        .order_by(sign_on_link.c.provider)
    )
    hashed = await session.scalar(select(account.c.password_hash).where(account.c.id == record.account_id))
    logins = await logins_of(session, record.account_id)
    recent = await _is_recent(session, record.token_hash, now)
    return Ways(tuple(linked.all()), hashed is not None, masked_login(logins[0] if logins else ""), recent)


async def add_password(desk: Desk, request: AnyRequest, login_text: str, password: str, *, now: datetime) -> str:
    """Give the viewer's account its first password; gives the value that makes this device a known one.

    A new e-mail is to be confirmed by letter. Raises Invalid, SignOnAgain, AccountExists, NotAllowed.
    """
    record = web_session_of(request)
    assert record is not None, "guarded"
    login = Login()
    errors: list[FieldError] = []
    try:
        login = normal_login(login_text)
    except Invalid as refusal:
        errors += refusal.errors
    errors += desk.password_faults(password, logins=(login_text.strip(),))
    if errors:
        raise Invalid(errors)
    await desk.throttle.hit(("sign_in", f"account {record.account_id}"), now=now)
    hashed = await desk.passwords.hash(password)
    async with desk.database.open_session() as session:
        if not await _is_recent(session, record.token_hash, now):
            raise SignOnAgain
        try:
            async with session.begin_nested():
                changed = await session.execute(
                    update(account)
                    .where(account.c.id == record.account_id, account.c.password_hash.is_(None))
                    .values(password_hash=hashed, **_login_columns(login))
                    .returning(account.c.id)
                )
                done = changed.one_or_none() is not None
        except IntegrityError as error:
            raise AccountExists from error
        if not done:
            raise NotAllowed
        await write_event(session, "password_added", actor=record.account_id,
                          subject=f"account:{record.account_id}", now=now)  # fmt: skip
        if mail_is_on(desk.settings):
            await ask_to_verify(session, record.account_id, now=now)
    return desk.devices.issue(record.account_id, hashed)


def _login_columns(login: Login) -> dict[str, Any]:
    """What changes of the account: the other way to be reached stays, and a confirmed address stays confirmed."""
    if login.email is None:
        return {"phone": login.phone}
    same = account.c.email == login.email
    kept = {name: case((same, account.c[name])) for name in ("email_verified_at", "email_lost_at")}
    return {"email": login.email, **kept}


async def remove_password(desk: Desk, request: AnyRequest, *, now: datetime) -> None:
    """Take login and password from the viewer's account and end its other sessions. Raises SignOnAgain, NotAllowed.

    Whatever else a stranger may have left there to come back by goes too: passkeys and one-time codes, letters on their
    way, an e-mail that waits to be confirmed, an erasure asked for. Not from an account with a role: what its holder
    confirms is confirmed with the password.
    """
    record = web_session_of(request)
    assert record is not None, "guarded"
    async with desk.database.open_session() as session:
        if not await _is_recent(session, record.token_hash, now):
            raise SignOnAgain
        roles = await session.scalars(select(account_role.c.role).where(account_role.c.account_id == record.account_id))
        if record.citizen_id is None or set(roles) - {"resident"}:
            raise NotAllowed
        await session.execute(
            update(account).where(account.c.id == record.account_id).values(
                email=None, phone=None, password_hash=None, email_verified_at=None, email_lost_at=None
            )
        )  # fmt: skip
        await forget_mailbox(session, record.account_id)
        await cancel_erasure(session, record.account_id, now=now)
        passkeys = await remove_all_passkeys(session, record.account_id)
        codes = await turn_off(session, record.account_id, actor=record.account_id, now=now)
        if passkeys or codes:
            await write_event(session, "passkeys_forgotten", actor=record.account_id, now=now,
                              subject=f"account:{record.account_id}",
                              facts={"passkeys": passkeys, "codes": codes})  # fmt: skip
        await end_all_web_sessions(session, record.account_id, keep=record.token_hash)
        await write_event(session, "password_removed", actor=record.account_id,
                          subject=f"account:{record.account_id}", now=now)  # fmt: skip
    desk.web_sessions.forget_account(record.account_id)


async def check_owner(desk: Desk, request: AnyRequest, password: str, *, now: datetime) -> None:
    """Check once more who asks, before what cannot be undone: by the password, or where the account has none by a
    session the city's sign-on opened a moment ago. Raises BadCredentials, SignOnAgain, TooMany, Busy; SignInNeeded if
    the account is no longer there: erased a moment ago, its session is remembered for some seconds more."""
    record = web_session_of(request)
    assert record is not None, "guarded"
    async with desk.database.open_session() as session:
        known = await has_password(session, record.account_id)
        if not known and await session.scalar(select(account.c.id).where(account.c.id == record.account_id)) is None:
            raise SignInNeeded
        recent = known or await _is_recent(session, record.token_hash, now)
    if known:
        await check_own_password(desk, record.account_id, password, now=now)
    elif not recent:
        raise SignOnAgain


async def _is_recent(session: ReadSession, token_hash: bytes, now: datetime) -> bool:
    """Tell whether the city's sign-on opened this session, a moment ago."""
    row = (
        await session.execute(
            select(web_session.c.way, web_session.c.created_at).where(web_session.c.token_hash == token_hash)
        )
    ).one_or_none()
    return row is not None and row.way == "city" and now - row.created_at < RECENT
