"""Carrying an action out, and judging beforehand whether it could be: the only calls of the use cases that take two.

Nobody else in the service calls a name of `GUARDED`; a test walks every module.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import func, select

from polls.authoring import (
    cancel_poll,
    check_draft,
    checked_reason,
    close_early,
    extend_poll,
    load_draft,
    lock_for_amendment,
    schedule_poll,
)
from polls.errata import add_erratum
from polls.errors import EditConflict, FieldError, Invalid, NotFound, NotReady, WrongState
from polls.lifecycle import Move, may
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from voting.approvals.actions import (
    Action,
    Because,
    Correct,
    Enable,
    Extend,
    KeyChange,
    Parameters,
    Publish,
    RoleChange,
)
from voting.approvals.errors import InvitationWaits, LastAdmin
from voting.identity.accounts import count_admins, enable_account, grant_role, revoke_role
from voting.identity.scope import Grant
from voting.identity.sessions import end_all_web_sessions
from voting.key_files import PURPOSES
from voting.tables import account, account_role

GUARDED: Final = frozenset({
    "schedule_poll", "extend_poll", "close_early", "cancel_poll", "add_erratum", "grant_role", "revoke_role",
    "enable_account", "record_new_key", "retire_old_key", "certify_protocol",
})  # fmt: skip
"""The use cases that take two people, by name."""

MOVES: Final = {Action.EXTEND: Move.EXTEND, Action.CLOSE_EARLY: Move.CLOSE_EARLY, Action.CANCEL: Move.CANCEL}


async def judge(session: Session, action: Action, ref: str, parameters: Parameters, now: datetime) -> None:
    """Refuse what the action itself would refuse now, so that nobody is asked to agree to what cannot be done."""
    match action, parameters:
        case Action.PUBLISH, Publish(revision=revision):
            draft = await load_draft(session, ref, now)
            if not may(Move.SCHEDULE, draft.state) or draft.archived_at is not None:
                raise WrongState(state=draft.state, move=Move.SCHEDULE, archived=draft.archived_at is not None)
            if draft.revision != revision:
                raise EditConflict(
                    yours=revision, theirs=draft.revision, by=draft.saved_by, at=draft.saved_at.isoformat()
                )
            check = await check_draft(session, draft.definition, now)
            if not check.ready:
                raise NotReady(findings=[finding.as_json() for finding in check.findings if finding.blocking])
        case Action.EXTEND | Action.CLOSE_EARLY | Action.CANCEL, Extend(reason=reason) | Because(reason=reason):
            row = await lock_for_amendment(session, ref, MOVES[action], checked_reason(reason))
            if isinstance(parameters, Extend) and (row.closes_at is None or parameters.closes_at <= row.closes_at):
                raise Invalid(
                    [FieldError("closes_at", "not_later", "The new closing time is not later than the old one.")]
                )
        case Action.CORRECT, Correct(text=text):
            async with session.begin_nested() as tried:
                await add_erratum(session, ref, 0, text, now)
                await tried.rollback()
        case Action.GRANT_ROLE | Action.REVOKE_ROLE, RoleChange():
            await _judge_role(session, action, ref, parameters)
        case Action.ENABLE_ACCOUNT, Enable():
            await _judge_enabling(session, ref)
        case Action.CHANGE_KEYS, KeyChange():
            if ref not in PURPOSES:
                raise NotFound
        case _:  # pragma: no cover -- the gate matches actions and parameters
            raise TypeError(f"{action} takes no {type(parameters).__name__}")


async def carry_out(
    session: Session, action: Action, ref: str, parameters: Parameters, *, author: int, second: int | None,
    now: datetime,
) -> None:  # fmt: skip
    """Do it, in the author's name; `second` is who agreed. Changing keys is done where the keys are."""
    match action, parameters:
        case Action.PUBLISH, Publish(revision=revision):
            await schedule_poll(session, ref, author, revision, now, reviewed=second is not None)
        case Action.EXTEND, Extend(closes_at=closes_at, reason=reason):
            await extend_poll(session, ref, author, closes_at, reason, now)
        case Action.CLOSE_EARLY, Because(reason=reason):
            await close_early(session, ref, author, reason, now)
        case Action.CANCEL, Because(reason=reason):
            await cancel_poll(session, ref, author, reason, now)
        case Action.CORRECT, Correct(text=text):
            await add_erratum(session, ref, author, text, now)
        case Action.GRANT_ROLE | Action.REVOKE_ROLE, RoleChange():
            await _change_role(session, action, int(ref), parameters, author, now)
        case Action.ENABLE_ACCOUNT, Enable():
            await _judge_enabling(session, ref)
            await enable_account(session, int(ref), by=author, now=now)
        case Action.CHANGE_KEYS, KeyChange():
            pass
        case _:  # pragma: no cover
            raise TypeError(f"{action} takes no {type(parameters).__name__}")


async def grant_of(session: ReadSession, change: RoleChange) -> Grant:
    """The grant a change of roles speaks of. Refuses `Invalid` for a scope it cannot have."""
    if change.role not in ("official", "reviewer") and (change.department or change.territory):
        raise Invalid([FieldError("role", "no_scope", "Only officials and reviewers have a department or territory.")])
    place = None
    if change.territory is not None:
        place = (await territory_tree(session)).by_code.get(change.territory)
        if place is None:
            raise Invalid([FieldError("territory", "unknown", "There is no such territory.")])
    return Grant(change.role, change.department, None if place is None else place.id)


async def require_another_admin(session: ReadSession, account_id: int) -> None:
    """Refuse `LastAdmin` where nobody but this account manages accounts. Call under `lock_staff`."""
    active = await session.scalar(
        select(func.count()).select_from(account_role.join(account)).where(
            account_role.c.role == "admin", account.c.disabled_at.is_(None), account.c.id == account_id
        )
    )  # fmt: skip
    if active and await count_admins(session) <= 1:
        raise LastAdmin


async def require_entered(session: ReadSession, account_id: int) -> None:
    """Refuse `InvitationWaits` for a member's account before its invitation is used: no role waits for who has a code.

    A resident's account needs none: its holder comes by the city's sign-on.
    """
    nobody = (account.c.password_hash.is_(None), account.c.citizen_id.is_(None))
    if await session.scalar(select(account.c.id).where(account.c.id == account_id, *nobody)) is not None:
        raise InvitationWaits


async def _judge_enabling(session: ReadSession, ref: str) -> None:
    found = (await session.execute(select(account.c.disabled_at).where(account.c.id == _number(ref)))).one_or_none()
    if found is None:
        raise NotFound
    if found.disabled_at is None:
        raise Invalid([FieldError("account", "not_disabled", "This account is not disabled.")])


def _number(ref: str) -> int:
    return int(ref) if ref.isascii() and ref.isdigit() and len(ref) <= 18 else -1


async def _judge_role(session: ReadSession, action: Action, ref: str, change: RoleChange) -> None:
    grant = await grant_of(session, change)
    number = _number(ref)
    if await session.scalar(select(account.c.id).where(account.c.id == number)) is None:
        raise NotFound
    if action is Action.GRANT_ROLE:
        await require_entered(session, number)
    holds = await session.scalar(
        select(account_role.c.id).where(
            account_role.c.account_id == number, account_role.c.role == grant.role,
            account_role.c.department.is_not_distinct_from(grant.department),
            account_role.c.territory_id.is_not_distinct_from(grant.territory_id),
        )
    )  # fmt: skip
    if action is Action.GRANT_ROLE and holds is not None:
        raise Invalid([FieldError("role", "held", "The account has this role already.")])
    if action is Action.REVOKE_ROLE:
        if holds is None:
            raise Invalid([FieldError("role", "not_held", "The account has no such role.")])
        if grant.role == "admin":
            await require_another_admin(session, number)


async def _change_role(
    session: Session, action: Action, account_id: int, change: RoleChange, author: int, now: datetime
) -> None:
    await _judge_role(session, action, str(account_id), change)
    grant = await grant_of(session, change)
    if action is Action.GRANT_ROLE:
        await grant_role(
            session, account_id, grant.role, granted_by=author, now=now, department=grant.department,
            territory_id=grant.territory_id,
        )  # fmt: skip
    else:
        await revoke_role(session, account_id, grant, revoked_by=author, now=now)
        await end_all_web_sessions(session, account_id)  # a role taken away leaves no open page behind
