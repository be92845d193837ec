"""Use cases of administrators: finding accounts, making those of staff, inviting and disabling.

A new member of staff gets a code and chooses the password themselves. Where there is a mail server the code goes to
their mailbox, drawn when the letter is sent, and no administrator sees it; elsewhere it is shown once to the one who
made it, who could use it. So a code opens only an account without a role: none is made for one that holds a role or
has one asked for, and no role is given before the code is used (`carrying_out.require_entered`). Nor is one made for
an account with a password, or a resident's: whoever comes by the city's sign-on has no password either.
Nobody manages their own account, and the last administrator stays. Roles are a matter of two, and so
is letting a disabled account in again with those it has (`voting.approvals`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.audit import write_event
from polls.errors import FieldError, Invalid, NotFound
from polls.sessions import ReadSession, Session
from voting.approvals.actions import State
from voting.approvals.carrying_out import require_another_admin
from voting.approvals.errors import InvitationGone, NotOnYourself, RoleBeforeInvitation
from voting.approvals.objects import lock_staff
from voting.approvals.proofs import Hand
from voting.approvals.scopes import require_scope
from voting.identity.accounts import create_account, normal_email, normal_login
from voting.identity.scope import Grant
from voting.identity.sessions import end_all_web_sessions
from voting.identity.step_up import object_hash
from voting.mail import forget_letters, hash_of_code, new_code, send
from voting.tables import account, account_role, approval, invitation

PAGE: Final = 20
INVITED_FOR: Final = timedelta(days=3)
HIGHEST: Final = 2**63 - 1
DISABLE: Final = "disable_account"
"""The purpose of the fresh proof that disabling takes."""
_MEMBER: Final = (account.c.password_hash.is_(None), account.c.citizen_id.is_(None), account.c.disabled_at.is_(None))
"""The accounts nobody has entered yet."""
_NO_ROLE: Final = ~select(account_role.c.id).where(account_role.c.account_id == account.c.id).exists()


@dataclass(frozen=True)
class Member:
    """An account as administrators see it."""

    id: int
    login: str
    display_name: str
    department: str
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool
    entered: bool
    grants: tuple[Grant, ...]


async def find_members(
    session: ReadSession, words: str, *, offset: int = 0, limit: int = PAGE
) -> tuple[list[Member], bool]:
    """A page of accounts by a part of e-mail, phone, name or department, and whether there are more.

    Without words: those who hold any role but a resident's, and those who hold none.
    """
    found = select(account).order_by(account.c.display_name, account.c.id).offset(offset).limit(limit + 1)
    if words:
        like = "%" + words.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        columns = (account.c.email, account.c.phone, account.c.display_name, account.c.department)
        found = found.where(or_(*(column.ilike(like) for column in columns)))
    else:
        roles = select(account_role.c.id).where(account_role.c.account_id == account.c.id)
        found = found.where(or_(roles.where(account_role.c.role != "resident").exists(), ~roles.exists()))
    rows = (await session.execute(found)).all()
    return await _members(session, rows[:limit]), len(rows) > limit


async def member_of(session: ReadSession, account_id: int) -> Member:
    """One account. Raises NotFound."""
    if not 1 <= account_id <= HIGHEST:
        raise NotFound
    rows = (await session.execute(select(account).where(account.c.id == account_id))).all()
    if not rows:
        raise NotFound
    return (await _members(session, rows))[0]


async def make_staff_account(
    session: Session, *, email: str, display_name: str, department: str, by: int, by_letter: bool, now: datetime
) -> tuple[int, str | None]:
    """Make an account without roles and without a password; gives its id and what `invite` does.

    Raises Invalid, AccountExists. Roles are asked for once the invitation is used.
    """
    errors = []
    try:
        normal_email(email)
    except Invalid:
        errors.append(FieldError("email", "not_email", "This is not an e-mail address."))
    if not 1 <= len(display_name.strip()) <= 200:
        errors.append(FieldError("display_name", "needed", "Write the name, in at most 200 characters."))
    if len(department) > 200:
        errors.append(FieldError("department", "too_long", "At most 200 characters are allowed."))
    if errors:
        raise Invalid(errors)
    made = await create_account(
        session, login=normal_login(normal_email(email)), password_hash=None, display_name=display_name.strip(),
        department=department.strip(), now=now,
    )  # fmt: skip
    await write_event(session, "account_made", actor=by, subject=f"account:{made}", now=now)
    return made, await invite(session, made, by=by, by_letter=by_letter, now=now)


async def invite(session: Session, account_id: int, *, by: int, by_letter: bool, now: datetime) -> str | None:
    """Make a code by which a new member's account gets a password; an earlier code is good no more.

    Gives the code, or None where it goes `by_letter`: what is stored meanwhile is the hash of nothing anybody has.
    Raises NotFound, also for an account that has a password and for a resident's, and RoleBeforeInvitation.
    """
    await lock_staff(session)
    found = (
        await session.execute(
            select(account.c.email, account.c.language, _NO_ROLE)
            .where(account.c.id == account_id, *_MEMBER)
            .with_for_update()
        )
    ).one_or_none()
    if found is None:
        raise NotFound
    email, language, no_role = found
    if not no_role or await _is_asked_for(session, account_id):
        raise RoleBeforeInvitation
    code = new_code()
    values = {"token_hash": hash_of_code(code), "made_by": by, "expires_at": now + INVITED_FOR}
    await session.execute(
        upsert(invitation)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values)
    )
    await write_event(session, "invitation_made", actor=by, subject=f"account:{account_id}", now=now)
    await forget_letters(session, account_id, "invitation")
    if not by_letter:
        return code
    await send(session, email, "invitation", {}, language, now, account_id=account_id)
    return None


async def invited(session: ReadSession, code: str, now: datetime) -> Member:
    """Whose invitation a code is. Raises InvitationGone for one that is used, replaced, old or made up."""
    found = await session.scalar(
        select(invitation.c.account_id)
        .join(account, account.c.id == invitation.c.account_id)
        .where(invitation.c.token_hash == hash_of_code(code), invitation.c.expires_at > now, *_MEMBER, _NO_ROLE)
    )
    if found is None:
        raise InvitationGone
    return await member_of(session, found)


async def accept_invitation(session: Session, code: str, password_hash: str, now: datetime) -> None:
    """Give the account the password its member has chosen; the code serves once. Raises InvitationGone."""
    used = await session.scalar(
        delete(invitation)
        .where(invitation.c.token_hash == hash_of_code(code), invitation.c.expires_at > now)
        .returning(invitation.c.account_id)
    )
    done = None
    if used is not None:
        done = await session.scalar(
            update(account)
            .where(account.c.id == used, *_MEMBER, _NO_ROLE)
            .values(password_hash=password_hash)
            .returning(account.c.id)
        )
    if done is None:
        raise InvitationGone
    await write_event(session, "invitation_used", actor=done, subject=f"account:{done}", now=now)


def disabling_hash(account_id: int) -> bytes:
    """What the fresh proof of disabling an account is bound to."""
    return object_hash(action=DISABLE, account=account_id)


async def disable_account(
    session: Session, hand: Hand, account_id: int, now: datetime, *, fresh: bool = True
) -> Sequence[bytes]:
    """Let nobody in by an account any more: its sessions end now, its tokens are revoked for good (a trigger).

    One administrator does it, at once: it is a brake. It takes a fresh proof, unless four eyes are off (`fresh`
    False). Gives the sessions that ended. Raises NotFound, NotOnYourself, LastAdmin, OutOfScope for whoever is no
    administrator at this moment, and what the proof does.
    """
    await lock_staff(session)
    if account_id == hand.account_id:
        raise NotOnYourself
    await member_of(session, account_id)
    await require_another_admin(session, account_id)
    await require_scope(session, hand.account_id, "admin", None)
    if fresh:
        await hand.prove(session, DISABLE, disabling_hash(account_id), now)
    await session.execute(
        update(account).where(account.c.id == account_id, account.c.disabled_at.is_(None)).values(disabled_at=now)
    )
    ended = await end_all_web_sessions(session, account_id)
    await session.execute(delete(invitation).where(invitation.c.account_id == account_id))
    await write_event(session, "account_disabled", actor=hand.account_id, subject=f"account:{account_id}", now=now,
                      facts={"sessions": len(ended)})  # fmt: skip
    return ended


async def _members(session: ReadSession, rows: Sequence[Row[Any]]) -> list[Member]:
    held = await session.execute(
        select(account_role)
        .where(account_role.c.account_id.in_([row.id for row in rows]))
        .order_by(account_role.c.role, account_role.c.department, account_role.c.territory_id)
    )
    grants: dict[int, list[Grant]] = {}
    for one in held:
        grants.setdefault(one.account_id, []).append(Grant(one.role, one.department, one.territory_id))
    return [
        Member(
            row.id, row.email or row.phone or "", row.display_name, row.department, row.created_at, row.disabled_at,
            row.password_hash is not None,
            row.password_hash is not None or row.citizen_id is not None,
            tuple(grants.get(row.id, ())),
        )
        for row in rows
    ]  # fmt: skip


async def _is_asked_for(session: ReadSession, account_id: int) -> bool:
    waits = (approval.c.state == State.WAITING.value, approval.c.object_kind == "account")
    found = select(approval.c.id).where(*waits, approval.c.object_ref == str(account_id)).limit(1)
    return await session.scalar(found) is not None
