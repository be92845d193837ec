"""The one door to what takes two people, for pages, the API and the command line alike.

`perform` asks a second person; where the operator has four eyes off (the demo, a host nobody outside can reach) it does
the thing at once. `require_bootstrap` and `spend_key_change` keep the command line from being the way around.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select, update

from polls.audit import write_event
from polls.sessions import Session
from voting.approvals.actions import LASTS, RULES, Action, Parameters, State, object_hash, plain
from voting.approvals.carrying_out import carry_out, require_entered
from voting.approvals.errors import ApprovalNeeded, ApprovalNotFound, ApprovalOver, ApprovalStale
from voting.approvals.objects import lock_object, lock_staff, standing_of
from voting.approvals.proofs import Hand
from voting.approvals.requests import Request, ask
from voting.approvals.scopes import require_scope
from voting.identity.accounts import count_admins, grant_role
from voting.problems import as_refusal
from voting.settings import Settings
from voting.tables import approval


def parameters_of(action: Action, told: Mapping[str, Any]) -> Parameters:
    """What an action is told, checked. Refuses `Invalid` by field."""
    try:
        return RULES[action].parameters.model_validate(dict(told))
    except ValidationError as error:
        raise as_refusal(error) from error


async def perform(
    session: Session, settings: Settings, hand: Hand, action: Action, ref: str, told: Mapping[str, Any], now: datetime
) -> Request | None:
    """Ask a second person, and give the request; or, with four eyes off, do it and give None.

    Refuses what `voting.approvals.requests.ask` does.
    """
    parameters = parameters_of(action, told)
    if settings.four_eyes:
        return await ask(session, hand, action, ref, parameters, now)
    rule = RULES[action]
    standing = await standing_of(session, action, rule.kind, ref, plain(parameters))
    if standing is not None:  # of what is not there the use case says so itself
        await require_scope(session, hand.account_id, rule.asks, standing.place)
    await carry_out(session, action, ref, parameters, author=hand.account_id, second=None, now=now)
    if standing is not None:
        hashed = object_hash(action, rule.kind, ref, standing.version, plain(parameters))
        await write_event(
            session, "two_people_off", actor=hand.account_id, subject=f"{rule.kind}:{ref}",
            facts={"action": action.value, "object": f"{rule.kind}:{ref}", "hash": hashed.hex()}, now=now,
        )  # fmt: skip
    return None


STILL_COUNTED = timedelta(days=7)
"""An administrator who is disabled counts so long: one alone may not shut the other out and then act for two."""


async def require_bootstrap(session: Session, settings: Settings, action: Action) -> None:
    """Let the command line make administrators and give roles while there are not two who could do it by themselves.

    Refuses `ApprovalNeeded` from the second administrator on; a deployment that has lost its administrators begins
    again here.
    """
    await lock_staff(session)
    if settings.four_eyes and await count_admins(session, disabled_within=STILL_COUNTED) >= 2:
        raise ApprovalNeeded(action=action.value)


async def bootstrap_role(session: Session, account_id: int, role: str, now: datetime) -> None:
    """Give a role from the command line, everywhere; after `require_bootstrap`. Refuses `InvitationWaits`."""
    await require_entered(session, account_id)
    await grant_role(session, account_id, role, granted_by=None, now=now)


async def spend_key_change(
    session: Session, settings: Settings, number: int | None, purpose: str, because: str, now: datetime
) -> int | None:
    """Spend an administrator's consent to a change of keys, in the transaction that changes them; gives its number.

    With fewer than two administrators nobody could agree, and the command line does without. Refuses `ApprovalNeeded`
    without a number, `ApprovalNotFound` where it is for another purpose or reason, `ApprovalOver`
    for one that is spent, not given or a week old, and `ApprovalStale` where the key in use is another by now.
    """
    if not settings.four_eyes or await count_admins(session, disabled_within=STILL_COUNTED) < 2:
        return None
    if number is None:
        raise ApprovalNeeded(action=Action.CHANGE_KEYS.value)
    row = (await session.execute(select(approval).where(approval.c.id == number).with_for_update())).one_or_none()
    if row is None or (row.action, row.object_ref) != (Action.CHANGE_KEYS.value, purpose):
        raise ApprovalNotFound
    request = Request.of(row)
    if request.parameters != {"because": because}:
        raise ApprovalNotFound
    if request.state is not State.APPROVED or request.carried_at is not None or now >= request.expires_at + LASTS:
        raise ApprovalOver(state="carried_out" if request.carried_at else request.state.value)
    await lock_object(session, request.action, request.kind, request.ref)
    standing = await standing_of(session, request.action, request.kind, request.ref, request.parameters)
    assert standing is not None
    if object_hash(request.action, "key", purpose, standing.version, request.parameters) != request.object_hash:
        raise ApprovalStale(approval=number)
    await session.execute(update(approval).where(approval.c.id == number).values(carried_at=now))
    return number
