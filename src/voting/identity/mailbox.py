"""Use cases of an account's mailbox: confirming the e-mail, changing it, a new password by letter, notices.

A link is worth something once, for a while, and only while the address it went to is the account's. Whether an account
exists is never told: asking for a letter puts the same row into the queue for any address, and the job that sends it
finds out. A new password by letter signs nobody in: signing in follows, with whatever second factor the account has.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.audit import write_event
from polls.errors import FieldError, Invalid, SignInNeeded
from polls.sessions import ReadSession, Session
from voting.identity.accounts import change_password
from voting.identity.addresses import Held, hold_claims, take_email
from voting.identity.refusals import LinkWrong
from voting.mail import LIVES, hash_of, send
from voting.tables import account, email_change, mail_out, mail_token

LONGEST_TOKEN = 100


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is for, and whose it is."""

    purpose: str
    account_id: int
    address: str


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An account's e-mail: whether it is confirmed, or since when it is another's, who has confirmed it."""

    email: str | None
    verified: bool
    lost_at: datetime | None


async def ask_to_verify(session: Session, account_id: int, *, now: datetime) -> bool:
    """Send the letter that asks to confirm the account's e-mail; False if there is none, or it is confirmed or lost."""
    row = (await session.execute(select(account).where(account.c.id == account_id))).one_or_none()
    if row is None or row.email is None or (row.email_verified_at or row.email_lost_at) is not None:
        return False
    await send(session, row.email, "verify_email", {}, row.language, now, account_id=account_id)
    return True


async def ask_to_reset(session: Session, email: str, language: str, *, now: datetime) -> None:
    """Send the letter with which a new password is set, if there is such an account; that is never told."""
    await send(session, email, "password_reset", {}, language, now)


async def notify(session: Session, account_id: int, key: str, *, now: datetime, **facts: str) -> None:
    """Tell the owner by letter, if the account has a confirmed e-mail."""
    row = (await session.execute(select(account).where(account.c.id == account_id))).one_or_none()
    if row is not None and row.email is not None and row.email_verified_at is not None:
        await send(session, row.email, key, facts, row.language, now, account_id=account_id)


async def ask_to_change(session: Session, account_id: int, email: str, *, now: datetime) -> None:
    """Ask both addresses to confirm a new e-mail; the old one only if it was ever confirmed. Raises Invalid.

    That the address is another account's is not told here: the letter there simply goes unanswered.
    """
    row = (await session.execute(select(account).where(account.c.id == account_id).with_for_update())).one()
    if row.email == email and row.email_lost_at is None:
        raise Invalid([FieldError("email", "same", "This is the account's e-mail already.")])
    agreed = None if row.email is not None and row.email_verified_at is not None else now
    asked = {"new_email": email, "old_confirmed_at": agreed, "new_confirmed_at": None,
             "expires_at": now + LIVES["email_new"]}  # fmt: skip
    await session.execute(
        upsert(email_change)
        .values(account_id=account_id, **asked)
        .on_conflict_do_update(index_elements=["account_id"], set_=asked)
    )
    stale = mail_token.c.purpose.in_(("email_old", "email_new"))
    await session.execute(delete(mail_token).where(mail_token.c.account_id == account_id, stale))
    await send(session, email, "confirm_new_email", {}, row.language, now, account_id=account_id)
    if agreed is None:
        await send(session, row.email, "confirm_old_email", {}, row.language, now, account_id=account_id)


async def change_asked(session: ReadSession, account_id: int, *, now: datetime) -> str | None:
    """The e-mail that waits to be confirmed, or None."""
    waiting = (email_change.c.account_id == account_id, email_change.c.expires_at > now)
    found: str | None = await session.scalar(select(email_change.c.new_email).where(*waiting))
    return found


async def look_at_link(session: ReadSession, token: str, *, now: datetime) -> Link:
    """What a link would do; using it is another step, since mail programs open links themselves. Raises LinkWrong."""
    good = (mail_token.c.token_hash == hash_of(token[:LONGEST_TOKEN]), mail_token.c.expires_at > now)
    row = (await session.execute(select(mail_token).where(*good))).one_or_none()
    if row is None:
        raise LinkWrong
    return Link(row.purpose, row.account_id, row.address)


async def use_link(session: Session, token: str, purposes: tuple[str, ...], *, now: datetime) -> Link:
    """Use a link up. Raises LinkWrong."""
    good = (mail_token.c.token_hash == hash_of(token[:LONGEST_TOKEN]), mail_token.c.expires_at > now)
    row = (
        await session.execute(delete(mail_token).where(*good, mail_token.c.purpose.in_(purposes)).returning(mail_token))
    ).one_or_none()
    if row is None:
        raise LinkWrong
    return Link(row.purpose, row.account_id, row.address)


async def confirm(session: Session, token: str, *, now: datetime) -> str:
    """Do what a link of the purposes verify, email_old or email_new is for; gives "verified", "waiting" or "changed".

    A confirmed e-mail is this account's alone; others that only named it give way. Raises LinkWrong, EmailTaken
    (another account has confirmed it meanwhile).
    """
    link = await look_at_link(session, token, now=now)
    email = link.address if link.purpose == "verify" else await change_asked(session, link.account_id, now=now)
    # The accounts before their links: two letters used at once wait for one another instead of each for the other.
    held = await hold_claims(session, email or "", link.account_id)
    await use_link(session, token, ("verify", "email_old", "email_new"), now=now)
    owner = held.get(link.account_id)
    if email is None or owner is None:
        raise LinkWrong
    if link.purpose != "verify":
        return await _agree(session, link, owner, email, held, now)
    if owner.email != email:
        raise LinkWrong
    await take_email(session, owner.id, email, held, now=now)
    await write_event(session, "email_verified", actor=owner.id, subject=f"account:{owner.id}", now=now)
    return "verified"


async def _agree(session: Session, link: Link, owner: Any, email: str, held: Held, now: datetime) -> str:
    """One side's consent to a new e-mail; with the other's it takes effect."""
    waiting = (email_change.c.account_id == owner.id, email_change.c.expires_at > now)
    row = (await session.execute(select(email_change).where(*waiting).with_for_update())).one_or_none()
    expected = owner.email if link.purpose == "email_old" else email
    if row is None or row.new_email != email or expected != link.address:
        raise LinkWrong
    side = "old_confirmed_at" if link.purpose == "email_old" else "new_confirmed_at"
    both = {"old_confirmed_at": row.old_confirmed_at, "new_confirmed_at": row.new_confirmed_at} | {side: now}
    if None in both.values():
        await session.execute(update(email_change).where(email_change.c.account_id == owner.id).values(**{side: now}))
        return "waiting"
    await take_email(session, owner.id, email, held, now=now)
    await session.execute(delete(email_change).where(email_change.c.account_id == owner.id))
    await session.execute(delete(mail_token).where(mail_token.c.account_id == owner.id))
    await write_event(session, "email_changed", actor=owner.id, subject=f"account:{owner.id}", now=now)
    if owner.email is not None and owner.email_verified_at is not None:
        await send(session, owner.email, "email_changed", {}, owner.language, now)
    return "changed"


async def reset_password(session: Session, token: str, password_hash: str, *, now: datetime) -> tuple[int, list[bytes]]:
    """Set a new password by a link: every session ends, every token of the API is revoked, the owner is told.

    Passkeys and one-time codes stay: a mailbox alone never stands for the second step. Gives the account and the token
    hashes of the sessions that ended. Raises LinkWrong.
    """
    link = await look_at_link(session, token, now=now)
    good = (account.c.id == link.account_id, account.c.email == link.address, account.c.disabled_at.is_(None))
    # The account before its links: two letters used at once wait for one another instead of each for the other.
    if await session.scalar(select(account.c.id).where(*good).with_for_update()) is None:
        raise LinkWrong
    await use_link(session, token, ("reset",), now=now)
    ended = await change_password(session, link.account_id, password_hash=password_hash, keep=None)
    await session.execute(delete(mail_token).where(mail_token.c.account_id == link.account_id))
    await write_event(session, "password_changed", actor=link.account_id, subject=f"account:{link.account_id}",
                      facts={"how": "letter", "sessions": len(ended)}, now=now)  # fmt: skip
    await notify(session, link.account_id, "password_changed", now=now)
    return link.account_id, ended


async def forget_mailbox(session: Session, account_id: int) -> None:
    """Drop all links and letters on their way, and an e-mail that waits to be confirmed: the address is to go."""
    for table in (email_change, mail_token, mail_out):
        await session.execute(delete(table).where(table.c.account_id == account_id))


async def email_of(session: ReadSession, account_id: int) -> Mailbox:
    """The account's e-mail. Raises SignInNeeded if the account is no longer there."""
    columns = (account.c.email, account.c.email_verified_at, account.c.email_lost_at)
    row = (await session.execute(select(*columns).where(account.c.id == account_id))).one_or_none()
    if row is None:
        raise SignInNeeded  # erased a moment ago; the session is remembered for some seconds more
    return Mailbox(row.email, row.email_verified_at is not None, row.email_lost_at)


async def sweep_email_changes(session: Session, *, now: datetime) -> None:
    """Delete changes that were never confirmed."""
    await session.execute(delete(email_change).where(email_change.c.expires_at <= now - timedelta(days=1)))


__all__ = [
    "Link", "Mailbox", "ask_to_change", "ask_to_reset", "ask_to_verify", "change_asked", "confirm", "email_of",
    "forget_mailbox", "look_at_link", "notify", "reset_password", "sweep_email_changes", "use_link",
]  # fmt: skip
