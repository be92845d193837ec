"""Whose an e-mail is: the one account's that has confirmed it by a letter's link.

An e-mail nobody has confirmed is a claim and keeps nobody from anything: any number of accounts may name it, and
whoever reads the mailbox takes it from all of them by pressing the button. The others keep their account, their
password and the e-mail as a name to sign in by; they are told, and recover nothing by it. The database holds confirmed
e-mails unique, so of two who confirm at once one has it. Whether others name an e-mail is not told to whoever gives it:
nothing is looked up before a link is used.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError

from polls.audit import write_event
from polls.sessions import Session
from voting.identity.refusals import EmailTaken
from voting.tables import account

CLAIMS = 3
"""Accounts whose password is tried for one e-mail: whoever confirmed it, then the oldest that name it."""
FIRST = (account.c.email_verified_at.is_(None), account.c.email_lost_at.is_not(None), account.c.id)
"""In which order accounts stand that name one e-mail."""

Held = dict[int, Any]
"""Accounts that are held, by their numbers: e-mail, since when it is confirmed, language."""


async def hold_claims(session: Session, email: str, account_id: int = 0) -> Held:
    """Hold the accounts that name an e-mail, and this one: whoever confirms it at the same time waits.

    In the order of their numbers, and before anything else of theirs, so that nobody waits for one another.
    """
    query = (
        select(account.c.id, account.c.email, account.c.email_verified_at, account.c.language)
        .where(or_(account.c.email == email, account.c.id == account_id))
        .order_by(account.c.id)
        .with_for_update(key_share=True)
    )
    return {row.id: row for row in await session.execute(query)}


async def take_email(session: Session, account_id: int, email: str, held: Held, *, now: datetime) -> None:
    """Give a confirmed e-mail to an account that is held. Raises EmailTaken if another has confirmed it."""
    try:
        async with session.begin_nested():
            await session.execute(
                update(account)
                .where(account.c.id == account_id)
                .values(email=email, email_verified_at=now, email_lost_at=None)
            )
    except IntegrityError as error:
        raise EmailTaken from error
    await give_way(session, [one for one in held if one != account_id], email, by=account_id, now=now)


async def give_way(session: Session, held: Collection[int], email: str, *, by: int | None, now: datetime) -> None:
    """Note of accounts that are held that their e-mail, never confirmed, is another's now."""
    unconfirmed = (account.c.email == email, account.c.email_verified_at.is_(None), account.c.email_lost_at.is_(None))
    lost = await session.scalars(
        update(account)
        .where(account.c.id.in_(held), *unconfirmed)
        .values(email_lost_at=now)
        .returning(account.c.id)
    )  # fmt: skip
    for one in sorted(lost):
        await write_event(session, "email_lost", actor=by, subject=f"account:{one}", now=now)
