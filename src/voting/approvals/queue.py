"""Reads: what waits for whom, one request, what was decided. The office sees what its roles reach, and its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from polls.sessions import ReadSession, Session
from polls.tables import poll
from voting.approvals.actions import RULES, State
from voting.approvals.errors import ApprovalNotFound
from voting.approvals.requests import Request, settle
from voting.approvals.scopes import polls_within
from voting.identity.scope import Grant
from voting.tables import account, approval

PAGE = 20
HIGHEST = 2**63 - 1


@dataclass(frozen=True)
class Reader:
    """Who looks at the queue: an account and its grants."""

    account_id: int
    grants: tuple[Grant, ...]

    def has(self, role: str) -> bool:
        """Whether the account has the role anywhere."""
        return any(grant.role == role for grant in self.grants)


@dataclass(frozen=True)
class Counts:
    """How many wait: for this reader's answer, and of this reader's own."""

    for_you: int
    yours: int


async def requests_for(
    session: Session, reader: Reader, now: datetime, *, pile: str = "waiting", offset: int = 0, limit: int = PAGE
) -> tuple[list[Request], bool]:
    """A page of requests and whether there are more: `waiting` for this reader's answer (the oldest first), `own` ones
    that wait, or `past` (the last decided first)."""
    found = select(approval).offset(offset).limit(limit + 1)
    waits = approval.c.state == State.WAITING.value
    if pile == "past":
        found = found.where(~waits, _seen_by(reader)).order_by(approval.c.decided_at.desc(), approval.c.id.desc())
    elif pile == "own":
        found = found.where(waits, approval.c.author_id == reader.account_id).order_by(approval.c.id)
    else:
        found = found.where(waits, _answered_by(reader)).order_by(approval.c.id)
    rows = [Request.of(row) for row in await session.execute(found)]
    if any([await settle(session, now, number=row.id) for row in rows if row.state is State.WAITING]):
        rows = [Request.of(row) for row in await session.execute(found)]
    return rows[:limit], len(rows) > limit


async def counts_for(session: ReadSession, reader: Reader) -> Counts:
    """How many requests wait for this reader and of this reader."""
    row = (
        await session.execute(
            select(
                func.count().filter(_answered_by(reader)),
                func.count().filter(approval.c.author_id == reader.account_id),
            )
            .select_from(approval)
            .where(approval.c.state == State.WAITING.value)
        )
    ).one()
    return Counts(*row)


async def request_seen_by(session: Session, reader: Reader, number: int, now: datetime) -> Request:
    """One request, settled. Refuses `ApprovalNotFound` for one this reader's roles do not reach."""
    if not 1 <= number <= HIGHEST:
        raise ApprovalNotFound
    row = (await session.execute(select(approval).where(approval.c.id == number, _seen_by(reader)))).one_or_none()
    if row is None:
        raise ApprovalNotFound
    request = Request.of(row)
    if request.state is State.WAITING:
        await settle(session, now, kind=request.kind, ref=request.ref)
        request = Request.of((await session.execute(select(approval).where(approval.c.id == number))).one())
    return request


async def requests_about(session: Session, kind: str, ref: str, now: datetime) -> Sequence[Request]:
    """Every request about an object, the newest first, settled: for the object's own page."""
    await settle(session, now, kind=kind, ref=ref)
    rows = await session.execute(
        select(approval)
        .where(approval.c.object_kind == kind, approval.c.object_ref == ref)
        .order_by(approval.c.id.desc())
        .limit(PAGE)
    )
    return [Request.of(row) for row in rows]


def _of_polls(reader: Reader, *roles: str) -> ColumnElement[bool]:
    grants = [grant for grant in reader.grants if grant.role in roles]
    if not grants:
        return false()
    reached = select(poll.c.id).where(
        poll.c.public_id == approval.c.object_ref, polls_within(grants, reader.account_id)
    )
    return and_(approval.c.object_kind == "poll", reached.exists())


def _of_admins(reader: Reader) -> ColumnElement[bool]:
    return approval.c.object_kind.in_(("account", "key")) if reader.has("admin") else false()


def _seen_by(reader: Reader) -> ColumnElement[bool]:
    own = or_(approval.c.author_id == reader.account_id, approval.c.decided_by == reader.account_id)
    return or_(own, _of_polls(reader, "official", "reviewer"), _of_admins(reader))


def _answered_by(reader: Reader) -> ColumnElement[bool]:
    """What this reader's roles could agree to; that they wrote it themselves is told where they try."""
    return and_(approval.c.author_id != reader.account_id, or_(_of_polls(reader, "reviewer"), _of_admins(reader)))


def may_answer(reader: Reader, request: Request) -> bool:
    """Whether the page offers an answer: the role is there and it is somebody else's. The use case judges for good."""
    return (
        request.state is State.WAITING
        and request.author_id != reader.account_id
        and reader.has(RULES[request.action].consents)
    )


async def earlier_revision(session: ReadSession, request: Request) -> int | None:
    """The revision of the last request before this one to seal the same draft, or None."""
    told = await session.scalar(
        select(approval.c.parameters)
        .where(
            approval.c.action == request.action.value,
            approval.c.object_ref == request.ref,
            approval.c.id < request.id,
        )
        .order_by(approval.c.id.desc())
        .limit(1)
    )
    return None if told is None else int(told["revision"])


async def poll_number(session: ReadSession, public_id: str) -> int | None:
    """The number of a poll's row; None: it is gone."""
    found: int | None = await session.scalar(select(poll.c.id).where(poll.c.public_id == public_id))
    return found


async def titles_of(session: ReadSession, requests: Sequence[Request], language: str) -> dict[int, str]:
    """What each request is about, in words: a poll's title, an account's name, a key's purpose."""
    own, other = (poll.c.title_en, poll.c.title_ru) if language == "en" else (poll.c.title_ru, poll.c.title_en)
    polls = {one.ref for one in requests if one.kind == "poll"}
    accounts = {int(one.ref) for one in requests if one.kind == "account"}
    titles = select(poll.c.public_id, func.coalesce(func.nullif(own, ""), other)).where(poll.c.public_id.in_(polls))
    found = {row[0]: row[1] for row in await session.execute(titles)}
    people = {
        str(number): name or login or f"№ {number}"
        for number, name, login in await session.execute(
            select(account.c.id, account.c.display_name, func.coalesce(account.c.email, account.c.phone)).where(
                account.c.id.in_(accounts)
            )
        )
    }
    return {one.id: (people if one.kind == "account" else found).get(one.ref, "") or one.ref for one in requests}
