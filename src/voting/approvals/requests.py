"""Use cases of requests for a second person: ask, agree, decline, take back.

Agreeing carries the action out in the transaction of the decision, with the request, both people's roles and the object
held until it ends: two who agree at once do it once, an edit in between voids it, a role taken away agrees to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from polls.audit import write_event
from polls.audit_chain import Fact
from polls.errors import FieldError, Invalid, PollNotFound
from polls.sessions import ReadSession, Session
from voting.approvals.actions import LASTS, RULES, Action, Parameters, State, object_hash, plain
from voting.approvals.carrying_out import carry_out, judge
from voting.approvals.errors import (
    ApprovalNotFound,
    ApprovalOver,
    ApprovalOwn,
    ApprovalUnseen,
    ApprovalWaiting,
    NotOnYourself,
    OutOfScope,
)
from voting.approvals.objects import Standing, lock_object, lock_staff, standing_of
from voting.approvals.proofs import Hand, kept
from voting.approvals.scopes import require_scope
from voting.tables import account, approval

LONGEST_NOTE = 1_000


@dataclass(frozen=True)
class Request:
    """A request as it is stored."""

    id: int
    action: Action
    kind: str
    ref: str
    object_hash: bytes
    version: dict[str, Any]
    parameters: dict[str, Any]
    author_id: int
    asked_at: datetime
    expires_at: datetime
    state: State
    decided_by: int | None
    decided_at: datetime | None
    note: str
    author_evidence: dict[str, Any]
    decider_evidence: dict[str, Any] | None
    carried_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Request:
        """Out of a row of the table."""
        return cls(
            row.id, Action(row.action), row.object_kind, row.object_ref, bytes(row.object_hash), row.version,
            row.parameters, row.author_id, row.asked_at, row.expires_at, State(row.state), row.decided_by,
            row.decided_at, row.note, row.author_evidence, row.decider_evidence, row.carried_at,
        )  # fmt: skip

    @property
    def told(self) -> Parameters:
        """The parameters as what the action takes."""
        return RULES[self.action].parameters.model_validate(self.parameters)

    @property
    def subject(self) -> str:
        """The object as the audit log names it."""
        return f"{self.kind}:{self.ref}"


async def hash_now(session: ReadSession, action: Action, ref: str, parameters: Parameters) -> bytes | None:
    """What a request for this would be bound to at this moment; None: there is no such object."""
    kind, told = RULES[action].kind, plain(parameters)
    standing = await standing_of(session, action, kind, ref, told)
    return None if standing is None else object_hash(action, kind, ref, standing.version, told)


async def ask(session: Session, hand: Hand, action: Action, ref: str, parameters: Parameters, now: datetime) -> Request:
    """Ask a second person to agree.

    Refuses what the action itself would refuse now, `OutOfScope` for whoever may not ask for it here,
    `ApprovalWaiting` where the very same waits already, `NotOnYourself` for one's own roles, and what the proof does.
    """
    rule, told = RULES[action], plain(parameters)
    if rule.kind == "account":
        await lock_staff(session)
        if ref == str(hand.account_id):
            raise NotOnYourself
    standing = await standing_of(session, action, rule.kind, ref, told)
    if standing is None:
        raise PollNotFound if rule.kind == "poll" else ApprovalNotFound
    await require_scope(session, hand.account_id, rule.asks, standing.place)
    hashed = object_hash(action, rule.kind, ref, standing.version, told)
    await judge(session, action, ref, parameters, now)  # what the form has wrong is told before anybody touches a key
    evidence = await hand.prove(session, f"ask_{action.value}", hashed, now)
    await settle(session, now, kind=rule.kind, ref=ref)
    made = (
        await session.execute(
            insert(approval)
            .values(
                action=action.value, object_kind=rule.kind, object_ref=ref, object_hash=hashed,
                version=standing.version, parameters=told, author_id=hand.account_id, asked_at=now,
                expires_at=now + LASTS, author_evidence=kept(evidence),
            )
            .on_conflict_do_nothing()
            .returning(approval)
        )
    ).one_or_none()  # fmt: skip
    if made is None:
        raise ApprovalWaiting(action=action.value)
    request = Request.of(made)
    await _note(session, "approval_asked", request, hand.account_id, now, proof=evidence.method)
    return request


async def agree(session: Session, hand: Hand, number: int, seen: bytes, now: datetime) -> Request:
    """Agree to the very object whose hash is `seen`, and carry it out.

    Gives the request as it is then: `void` or `expired` where it can be agreed to no more, which the caller must tell
    and commit. Refuses `ApprovalNotFound`, `ApprovalOver` once it is decided, `ApprovalUnseen` for another hash,
    `ApprovalOwn` for the author, whoever wrote the object, the same person under another account and the subject of
    the change; `OutOfScope`, what the proof refuses and what the action does.
    """
    request = await _held(session, number)
    if request.object_hash != seen:
        raise ApprovalUnseen(approval=number)
    rule = RULES[request.action]
    evidence = await hand.prove(session, f"agree_{request.action.value}", request.object_hash, now)
    if request.kind == "account":
        await lock_staff(session)
    await lock_object(session, request.action, request.kind, request.ref)
    over = await _why_over(session, request, now)
    if over is not None:
        return await _end(session, request, over, now)
    standing = await _standing(session, request)
    assert standing is not None, "an object that is gone is another one"
    await require_scope(session, hand.account_id, rule.consents, standing.place)
    await _require_second(session, request, standing, hand.account_id)
    await carry_out(
        session, request.action, request.ref, request.told, author=request.author_id, second=hand.account_id, now=now
    )
    decided = await _decide(session, request, State.APPROVED, now, by=hand.account_id, evidence=kept(evidence))
    await _note(session, "approval_given", request, hand.account_id, now, author=request.author_id,
                proof=evidence.method)  # fmt: skip
    return decided


async def decline(session: Session, account_id: int, number: int, note: str, now: datetime) -> Request:
    """Say no, with a reason its author reads. Refuses as `agree` does, and `Invalid` without a reason."""
    request = await _held(session, number)
    if not 3 <= len(note.strip()) <= LONGEST_NOTE:
        raise Invalid([FieldError("note", "needed", "Say what is wrong, in 3 to 1,000 characters.")])
    standing = await _standing(session, request)
    await require_scope(session, account_id, RULES[request.action].consents, standing.place if standing else None)
    if account_id == request.author_id:
        raise ApprovalOwn(part="asked")
    decided = await _decide(session, request, State.DECLINED, now, by=account_id, note=note.strip())
    await _note(session, "approval_declined", request, account_id, now, author=request.author_id)
    return decided


async def withdraw(session: Session, account_id: int, number: int, now: datetime) -> Request:
    """Take one's own request back. Refuses `ApprovalNotFound` for somebody else's, `ApprovalOver`, and `OutOfScope`
    for whoever could not ask for it any more: such a request is void, and is told as that."""
    request = await _held(session, number, of=account_id)
    standing = await _standing(session, request)
    await require_scope(session, account_id, RULES[request.action].asks, standing.place if standing else None)
    decided = await _decide(session, request, State.WITHDRAWN, now, by=None)
    await _note(session, "approval_withdrawn", request, account_id, now)
    return decided


async def settle(session: Session, now: datetime, *, number: int | None = None, kind: str = "", ref: str = "") -> bool:
    """Write down which waiting requests have ended: by time, by an edit of their object, by a role their author lost.

    One request by its `number`, or all about one object; tells whether any had ended. Called where lists and pages are
    read, so that nobody is shown as waiting what cannot be agreed to any more.
    """
    waiting = select(approval).where(approval.c.state == State.WAITING.value).order_by(approval.c.id)
    if number is not None:
        waiting = waiting.where(approval.c.id == number)
    else:
        waiting = waiting.where(approval.c.object_kind == kind, approval.c.object_ref == ref)
    ended = False
    for row in (await session.execute(waiting.with_for_update(skip_locked=True))).all():
        request = Request.of(row)
        over = await _why_over(session, request, now)
        if over is not None:
            await _end(session, request, over, now)
            ended = True
    return ended


# ---- parts


async def _held(session: Session, number: int, *, of: int | None = None) -> Request:
    """The request, for this transaction alone; with `of` only one of this author's, in whatever state."""
    row = (await session.execute(select(approval).where(approval.c.id == number).with_for_update())).one_or_none()
    if row is None or (of is not None and row.author_id != of):
        raise ApprovalNotFound
    request = Request.of(row)
    if request.state is not State.WAITING:
        raise ApprovalOver(state=request.state.value)
    return request


async def _standing(session: ReadSession, request: Request) -> Standing | None:
    return await standing_of(session, request.action, request.kind, request.ref, request.parameters)


async def _why_over(session: Session, request: Request, now: datetime) -> tuple[State, str] | None:
    """Why a waiting request can be agreed to no more; None: it can."""
    if now >= request.expires_at:
        return State.EXPIRED, ""
    standing = await _standing(session, request)
    if standing is None:
        return State.VOID, "gone"
    now_hash = object_hash(request.action, request.kind, request.ref, standing.version, request.parameters)
    if now_hash != request.object_hash:
        return State.VOID, "changed"
    try:
        await require_scope(session, request.author_id, RULES[request.action].asks, standing.place)
    except OutOfScope:
        return State.VOID, "author"
    return None


async def _require_second(session: ReadSession, request: Request, standing: Standing, account_id: int) -> None:
    if account_id == request.author_id:
        raise ApprovalOwn(part="asked")
    if account_id in standing.drafters:
        raise ApprovalOwn(part="drafted")
    if request.kind == "account" and request.ref == str(account_id):
        raise ApprovalOwn(part="subject")
    people = (
        await session.scalars(select(account.c.citizen_id).where(account.c.id.in_([account_id, request.author_id])))
    ).all()
    if len(people) == 2 and people[0] is not None and people[0] == people[1]:
        raise ApprovalOwn(part="same_person")


async def _decide(
    session: Session, request: Request, state: State, now: datetime, *, by: int | None, note: str = "",
    evidence: dict[str, Any] | None = None,
) -> Request:  # fmt: skip
    row = await session.execute(
        update(approval)
        .where(approval.c.id == request.id, approval.c.state == State.WAITING.value)
        .values(state=state.value, decided_by=by, decided_at=now, note=note, decider_evidence=evidence)
        .returning(approval)
    )
    return Request.of(row.one())


async def _end(session: Session, request: Request, over: tuple[State, str], now: datetime) -> Request:
    state, why = over
    kind = "approval_expired" if state is State.EXPIRED else "approval_void"
    await _note(session, kind, request, None, now, author=request.author_id)
    return await _decide(session, request, state, now, by=None, note=why)


async def _note(session: Session, kind: str, request: Request, actor: int | None, now: datetime, **more: Fact) -> None:
    facts: dict[str, Fact] = {
        "approval": request.id, "action": request.action.value, "object": request.subject,
        "hash": request.object_hash.hex(), **more,
    }  # fmt: skip
    await write_event(session, kind, actor=actor, subject=f"approval:{request.id}", facts=facts, now=now)
