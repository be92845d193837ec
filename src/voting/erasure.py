"""Erasing an account: asked for by its owner, done after some days, and what stays.

Goes: the account with its e-mail, phone, name, password, sessions, tokens, letters and roles. Stays: the entry of the
city's register, which is the city's and not this site's to erase; that the citizen took part, by poll and day, without
which somebody could vote twice by signing up anew; named votes, which the law asks for; counts, which hold no person.
The keys of logins other than the register's own (the city's sign-on, a phone) are kept until every poll the citizen has
voted in is counted, so that whichever way they come back they meet the same entry; then they go too (BALLOTS §23).
Where the conflict desk has decided whose a login is, that decision and the key stay: the register alone would lead the
person to somebody else's entry. An account the city has closed is not erased while it is closed, or closing would mean
a new account; one closed because its entry was joined to another is.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from sqlalchemy import ColumnElement, delete, exists, select, true
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.audit import write_event
from polls.lifecycle import State
from polls.person_tables import merged_entry
from polls.sessions import ReadSession, Session
from polls.tables import identity, participation, poll
from voting.identity.city_sign_on.tables import sign_on_case, sign_on_link
from voting.identity.mailbox import notify
from voting.identity.refusals import StaffAccount
from voting.identity.sessions import end_all_web_sessions
from voting.jobs import Work, registry
from voting.mail import send
from voting.settings import Settings
from voting.tables import account, account_erasure, account_role, erased_citizen

logger = structlog.get_logger(__name__)


async def ask_erasure(session: Session, account_id: int, settings: Settings, *, now: datetime) -> datetime:
    """Note that the account is to be erased, and tell its owner; gives the moment. Asking again changes nothing.

    Raises StaffAccount: what such an account did is on record under its number.
    """
    roles = set(await session.scalars(select(account_role.c.role).where(account_role.c.account_id == account_id)))
    if roles - {"resident"}:
        raise StaffAccount(roles=sorted(roles - {"resident"}))
    due = now + settings.erasure_wait
    made = await session.scalar(
        upsert(account_erasure)
        .values(account_id=account_id, asked_at=now, due_at=due)
        .on_conflict_do_nothing()
        .returning(account_erasure.c.due_at)
    )
    if made is None:
        return await erasure_due(session, account_id) or due
    day = due.astimezone(settings.zone).strftime("%d.%m.%Y")
    await write_event(session, "erasure_asked", actor=account_id, subject=f"account:{account_id}",
                      facts={"due": day}, now=now)  # fmt: skip
    await notify(session, account_id, "erasure_asked", now=now, day=day)
    return due


async def erasure_due(session: ReadSession, account_id: int) -> datetime | None:
    """When the account will be erased, or None."""
    due: datetime | None = await session.scalar(
        select(account_erasure.c.due_at).where(account_erasure.c.account_id == account_id)
    )
    return due


async def cancel_erasure(session: Session, account_id: int, *, now: datetime) -> bool:
    """Think better of it; False if nothing was asked."""
    gone = await session.scalar(
        delete(account_erasure)
        .where(account_erasure.c.account_id == account_id)
        .returning(account_erasure.c.account_id)
    )
    if gone is not None:
        await write_event(session, "erasure_cancelled", actor=account_id, subject=f"account:{account_id}", now=now)
    return gone is not None


async def erase_account(session: Session, account_id: int, *, now: datetime) -> bool:
    """Erase one account; False if it has become one of the staff meanwhile, whose erasure is then dropped."""
    row = (await session.execute(select(account).where(account.c.id == account_id).with_for_update())).one()
    roles = set(await session.scalars(select(account_role.c.role).where(account_role.c.account_id == account_id)))
    if roles - {"resident"}:
        await cancel_erasure(session, account_id, now=now)
        return False
    await end_all_web_sessions(session, account_id)
    await session.execute(delete(account).where(account.c.id == account_id))
    if row.citizen_id is not None:
        await session.execute(
            upsert(erased_citizen).values(citizen_id=row.citizen_id, erased_at=now).on_conflict_do_nothing()
        )
    await write_event(session, "account_erased", actor=None, subject=f"account:{account_id}", now=now)
    if row.email is not None and row.email_verified_at is not None:
        await send(session, row.email, "erased", {}, row.language, now)
    return True


async def forget_logins(session: Session) -> int:
    """Drop the keys of logins of erased citizens once every poll they voted in is counted; gives how many were done.

    The register's own key stays with the register's entry. Whoever has an account again meanwhile keeps everything.
    """
    waiting = exists().where(
        participation.c.citizen_id == erased_citizen.c.citizen_id,
        poll.c.id == participation.c.poll_id,
        poll.c.state == State.SCHEDULED,
    )
    back = exists().where(account.c.citizen_id == erased_citizen.c.citizen_id)
    done = list(
        await session.scalars(select(erased_citizen.c.citizen_id).where(~waiting & ~back).order_by("citizen_id"))
    )
    # Whoever had two entries comes back by the logins of either.
    joined = select(merged_entry.c.citizen_id).where(merged_entry.c.into_id.in_(done))
    people = [*done, *await session.scalars(joined)]
    for table, of_logins in ((sign_on_link, true()), (identity, identity.c.kind != "national_id")):
        whose = table.c.citizen_id
        await session.execute(delete(table).where(whose.in_(people), of_logins, *_may_go(whose)))
    over = erased_citizen.c.citizen_id.in_(done) | back
    await session.execute(delete(erased_citizen).where(over))
    return len(done)


def _may_go(citizen_id: ColumnElement[int]) -> tuple[ColumnElement[bool], ...]:
    """Keys of logins may go: the entry is known by its number too, and no desk has decided whose they are."""
    own = identity.alias()
    known = exists().where(own.c.citizen_id == citizen_id, own.c.kind == "national_id")
    decided = exists().where(sign_on_case.c.entry_id == citizen_id, sign_on_case.c.state == "linked")
    return known, ~decided


async def due_erasures(session: ReadSession, now: datetime) -> list[int]:
    """The accounts whose time has come, but for those the city has closed."""
    joined = exists().where(merged_entry.c.citizen_id == account.c.citizen_id)
    found = select(account_erasure.c.account_id).join(account, account.c.id == account_erasure.c.account_id)
    found = found.where(account_erasure.c.due_at <= now, account.c.disabled_at.is_(None) | joined)
    return list(await session.scalars(found.order_by(account_erasure.c.account_id)))


@registry.periodic("erase_due_accounts", cron="23 * * * *")
async def erase_due_accounts(work: Work) -> None:
    """Erase what is due, an account a transaction; then let go of what was only kept for open polls."""
    now = datetime.now(UTC)
    async with work.database.open_read_session() as reading:
        due = await due_erasures(reading, now)
    for account_id in due:
        try:
            async with work.database.open_session() as session:
                await erase_account(session, account_id, now=now)
        except Exception:
            logger.exception("erasure_failed", account=account_id)
    async with work.database.open_session() as session:
        await forget_logins(session)
