"""Signing in by what is not a password alone: the one-time code after it, and a passkey in its place.

After a right password an account that asks for codes gets no session but a ticket: a row and a cookie of its own for
five minutes, which open nothing but the question for the code. The session's token is drawn once the code is taken, so
nothing that was known before it is worth anything. Codes are counted by the account alone: whoever gets here knows its
password, so no stranger can use the count up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from litestar import Request
from sqlalchemy import delete, insert, select

from polls.sessions import Session
from voting.factor_tables import pre_session
from voting.identity import ceremonies, passkeys, totp
from voting.identity.accounts import Credentials, hold_password
from voting.identity.beginning import How, SignedIn, begin_session, forget_before
from voting.identity.ceremonies import Json
from voting.identity.factor_refusals import PasskeyRefused, PasskeySuspect, SecondStepEnded, SecondStepNeeded
from voting.identity.mailbox import notify
from voting.identity.sessions import new_token, token_hash
from voting.perimeter import network_of
from voting.tables import account

if TYPE_CHECKING:  # signing in asks here for the second step
    from voting.identity.signing_in import Desk

CODE_WITHIN = timedelta(minutes=5)
LONGEST_TICKET = 100

AnyRequest = Request[Any, Any, Any]


async def ask_second_step(desk: Desk, known: Credentials, code: str | None, *, now: datetime) -> How:
    """Go on only if the account asks for no code, or this one is right; gives how the session begins.

    The password has been checked. Without a code (None) raises SecondStepNeeded with a ticket for the page that asks;
    with an empty one, as a program sends it that knows of none, without. Raises CodeRefused, TooMany, and
    BadCredentials for a password changed meanwhile.
    """
    account_id = known.account_id
    async with desk.database.open_session() as session:
        if not await totp.asks_for_codes(session, account_id):
            return "password"
    if code is None:
        async with desk.database.open_session() as session:
            await hold_password(session, known)
            ticket = await issue_ticket(session, account_id, now=now)
        raise SecondStepNeeded(ticket)
    if not code:
        raise SecondStepNeeded
    await _take_code(desk, account_id, code, now)
    return "code"


async def issue_ticket(session: Session, account_id: int, *, now: datetime) -> str:
    """Begin the wait for a code; gives the token of the cookie that waits."""
    ticket = new_token()
    row = {"token_hash": token_hash(ticket), "account_id": account_id, "expires_at": now + CODE_WITHIN}
    await session.execute(insert(pre_session).values(**row))
    return ticket


async def finish_sign_in(desk: Desk, request: AnyRequest, ticket: str | None, code: str, *, now: datetime) -> SignedIn:
    """Take the code a ticket waits for and open a session; gives what goes into the cookies. The ticket is used up.

    Raises SecondStepEnded, CodeRefused, TooMany.
    """
    hashed = token_hash(ticket) if ticket and len(ticket) <= LONGEST_TICKET else b""
    live = (pre_session.c.token_hash == hashed) & (pre_session.c.expires_at > now)
    async with desk.database.open_session() as session:
        holder: int | None = await session.scalar(
            select(pre_session.c.account_id)
            .join(account, account.c.id == pre_session.c.account_id)
            .where(live, account.c.disabled_at.is_(None))
        )
    if holder is None:
        raise SecondStepEnded
    await _take_code(desk, holder, code, now)
    async with desk.database.open_session() as session:
        if await session.scalar(delete(pre_session).where(live).returning(pre_session.c.account_id)) is None:
            raise SecondStepEnded  # the same ticket twice at once
        done = await begin_session(desk, session, request, holder, how="code", now=now)
    forget_before(desk, request)
    return done


async def _take_code(desk: Desk, account_id: int, code: str, now: datetime) -> None:
    subject = f"account {account_id}"
    await desk.throttle.hit(("second_step", subject), now=now)
    async with desk.database.open_session() as session:
        if await totp.check_code(session, account_id, code, keys=desk.seal_keys, now=now) == "recovery":
            await notify(session, account_id, "recovery_code_used", now=now)
    await desk.throttle.forgive("second_step", subject, now=now)


async def begin_passkey_sign_in(desk: Desk, bound_to: bytes, *, now: datetime) -> Json:
    """Options for a browser that signs in with a passkey. Raises PasskeysUnavailable."""
    party = ceremonies.relying_party(desk.settings)
    async with desk.database.open_session() as session:
        return await passkeys.begin_sign_in(session, bound_to=bound_to, party=party, now=now)


async def sign_in_with_passkey(
    desk: Desk, request: AnyRequest, credential: Json, bound_to: bytes, *, now: datetime
) -> SignedIn:
    """Check what a passkey answered and open a session; gives what goes into the cookies.

    The device must know its owner (a fingerprint, a PIN) where the account works for the city or asks for codes: the
    passkey then stands for both steps. Raises PasskeyRefused, PasskeySuspect, PasskeysUnavailable, TooMany.
    """
    network = network_of(request.scope["state"]["client_address"])
    await desk.throttle.hit(("sign_in_network", network), ("sign_in_site", "site"), now=now)
    party = ceremonies.relying_party(desk.settings)
    async with desk.database.open_session() as session:  # committed before anything is checked: it serves once
        challenge = await passkeys.take_sign_in_challenge(session, credential, bound_to=bound_to, now=now)
    try:
        async with desk.database.open_session() as session:
            used = await passkeys.use_passkey(
                session, credential, challenge=challenge, party=party, verified=False, now=now
            )
            if not used.user_verified and await _needs_verification(session, used.account_id):
                raise PasskeyRefused(reason="verification")
            done = await begin_session(desk, session, request, used.account_id, how="passkey", now=now)
    except PasskeySuspect as suspect:
        async with desk.database.open_session_aside() as session:
            await passkeys.note_suspect(session, suspect, now)
        raise
    forget_before(desk, request)
    await desk.throttle.forgive("sign_in_network", network, now=now)  # only failures add up
    return done


async def _needs_verification(session: Session, account_id: int) -> bool:
    staff = passkeys.is_staff(await passkeys.roles_of(session, account_id))
    return staff or await totp.asks_for_codes(session, account_id)


async def sweep_tickets(session: Session, *, now: datetime) -> None:
    """Delete sign-ins that waited too long for their code."""
    await session.execute(delete(pre_session).where(pre_session.c.expires_at <= now))
