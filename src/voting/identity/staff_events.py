"""What the audit log hears of the staff's accounts. Residents' comings and goings are not in it.

A refused sign-in is counted, for the hour, under the staff's account it was tried on or under all others together: the
same statement in every case, so that neither its time nor the log tells which logins exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import select, text

from polls.audit import write_event
from polls.audit_chain import Fact
from polls.sessions import ReadSession, Session
from voting.tables import account_role

OTHERS: Final = "site"
COUNT_REFUSED = text("""
    INSERT INTO audit_counter (subject, hour, n)
    SELECT CASE WHEN EXISTS (SELECT FROM account_role WHERE account_id = :account AND role <> 'resident')
                THEN 'account:' || CAST(:account AS bigint) ELSE :others END, :hour, 1
    ON CONFLICT (subject, hour) DO UPDATE SET n = audit_counter.n + 1
    RETURNING set_config('synchronous_commit', 'off', true)
""")


async def is_staff(session: ReadSession, account_id: int) -> bool:
    """Whether the account holds any role but a resident's."""
    held = select(account_role.c.role).where(account_role.c.account_id == account_id, account_role.c.role != "resident")
    return await session.scalar(held.limit(1)) is not None


async def tell_of_staff(
    session: Session, kind: str, account_id: int, *, facts: Mapping[str, Fact] | None = None, now: datetime
) -> None:
    """Write what a member of the staff did with the own account; nothing for a resident's."""
    if await is_staff(session, account_id):
        await write_event(session, kind, actor=account_id, subject=f"account:{account_id}", facts=facts, now=now)


async def count_refused_sign_in(session: Session, account_id: int | None, now: datetime) -> None:
    """Count a refused sign-in; `account_id` is None for a login nobody has."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    await session.execute(COUNT_REFUSED, {"account": account_id or 0, "others": OTHERS, "hour": hour})
