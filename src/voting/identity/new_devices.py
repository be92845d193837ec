"""A device that has not signed an account in before, while passwords are tried in masses: more than the password is
asked for, so that a password stolen elsewhere opens nothing.

What it is depends on the account, and every account keeps a way in:

- one-time codes are on: the code, as always. A stolen password alone opens nothing there, so nothing is added;
- a confirmed e-mail, and mail is on: a letter with a link that signs in on the browser which opens it;
- neither, and the register knows the birth date: that date beside the password, as signing up asked for it. Whoever
  gives none, or a wrong one, is told the same as for a wrong password, and as for a login nobody has;
- none of these: the password alone, held by the limits (`voting.identity.sign_in_limits`).

Nothing of this is asked of a known device, of a passkey or of the city's sign-on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Never

from litestar import Request
from sqlalchemy import select

from polls.errors import BadCredentials
from polls.sessions import ReadSession, Session
from polls.tables import citizen
from voting.factor_tables import one_time_code
from voting.identity.accounts import Credentials, hold_password
from voting.identity.beginning import SignedIn, begin_session, forget_before
from voting.identity.factor_refusals import LetterNeeded, SecondStepNeeded
from voting.identity.mailbox import look_at_link, use_link
from voting.identity.refusals import LinkWrong
from voting.identity.second_step import issue_ticket
from voting.identity.totp import asks_for_codes
from voting.mail import LIVES, forget_letters, mail_is_on, send
from voting.tables import account, mail_out, mail_token

if TYPE_CHECKING:  # signing in asks here
    from voting.identity.signing_in import Desk

PURPOSE = "sign_in"
"""Of the link, and the key of the letter it is in."""

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a new device of an account is asked for beside the password: a letter, a birth date, or nothing."""

    letter: bool = False
    birth_date: date | None = None

    def accepts(self, given: date | None) -> bool:
        """Whether the date given will do; any does where none is asked for."""
        return self.birth_date is None or given == self.birth_date


async def what_is_asked(desk: Desk, account_id: int | None) -> Asked:
    """Look up what a new device is asked for; one statement for every login, one nobody has (None) included."""
    query = (
        select(
            account.c.email_verified_at.is_not(None).label("mailbox"),
            citizen.c.birth_date,
            select(one_time_code.c.account_id)
            .where(one_time_code.c.account_id == account.c.id, one_time_code.c.confirmed_at.is_not(None))
            .exists()
            .label("codes"),
        )
        .select_from(account.outerjoin(citizen, citizen.c.id == account.c.citizen_id))
        .where(account.c.id == (account_id or 0))
    )
    async with desk.database.open_session() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None or row.codes:
        return Asked()
    if row.mailbox and mail_is_on(desk.settings):
        return Asked(letter=True)
    return Asked(birth_date=row.birth_date)


async def ask_by_letter(desk: Desk, known: Credentials, *, now: datetime) -> Never:
    """Send the letter that signs in, unless one waits already; the password has been checked.

    One link at a time and five letters an hour for an account, so that whoever knows its password cannot flood its
    owner. Always raises: LetterNeeded, TooMany, and BadCredentials for a password or an e-mail changed meanwhile.
    """
    async with desk.database.open_session() as session:
        waits = await _letter_waits(session, known.account_id, now)
    if not waits:
        await desk.throttle.hit(("sign_in_letters", f"account {known.account_id}"), now=now)
        async with desk.database.open_session() as session:
            await hold_password(session, known)  # which also lets one at a time look and send
            if not await _letter_waits(session, known.account_id, now):
                await _send_letter(session, known.account_id, now)
    raise LetterNeeded


async def finish_by_letter(desk: Desk, request: AnyRequest, token: str, *, now: datetime) -> SignedIn:
    """Use a link up and sign in on this browser; gives what goes into the cookies.

    The link stands for the password and for nothing else: an account that asks for codes, because they were turned on
    since the letter went out, gets a ticket and no session. Raises LinkWrong, SecondStepNeeded.
    """
    ticket = done = None
    async with desk.database.open_session() as session:
        link = await look_at_link(session, token, now=now)
        good = (
            account.c.id == link.account_id, account.c.email == link.address, account.c.disabled_at.is_(None),
            account.c.email_verified_at.is_not(None), account.c.password_hash.is_not(None),
        )  # fmt: skip
        # The account is held before the link is taken: who changes the password does it in that order too.
        if await session.scalar(select(account.c.id).where(*good).with_for_update(key_share=True)) is None:
            raise LinkWrong
        await use_link(session, token, (PURPOSE,), now=now)
        await forget_letters(session, link.account_id, PURPOSE)
        if await asks_for_codes(session, link.account_id):
            ticket = await issue_ticket(session, link.account_id, now=now)
        else:
            done = await begin_session(desk, session, request, link.account_id, how="letter", now=now)
    if done is None:
        raise SecondStepNeeded(ticket)
    forget_before(desk, request)
    return done


async def _letter_waits(session: ReadSession, account_id: int, now: datetime) -> bool:
    """Whether a letter is on its way, or a link of one can be used. One that never went out waits half an hour."""
    letter = (mail_out.c.account_id == account_id, mail_out.c.message_key == PURPOSE,
              mail_out.c.created_at > now - LIVES[PURPOSE])  # fmt: skip
    link = (mail_token.c.account_id == account_id, mail_token.c.purpose == PURPOSE, mail_token.c.expires_at > now)
    found = select(select(mail_out.c.id).where(*letter).exists() | select(mail_token.c.address).where(*link).exists())
    return bool(await session.scalar(found))


async def _send_letter(session: Session, account_id: int, now: datetime) -> None:
    row = (await session.execute(select(account).where(account.c.id == account_id))).one()
    if row.email is None or row.email_verified_at is None:
        raise BadCredentials  # changed a moment ago: the next try is asked for what there is now
    await forget_letters(session, account_id, PURPOSE)
    await send(session, row.email, PURPOSE, {}, row.language, now, account_id=account_id)
