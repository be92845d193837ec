"""The conflict desk: people whom the city's sign-on and the register do not agree on, decided by two of the staff.

A case holds keys and entries, no name and no number. One person of the staff proposes with a reason, another confirms
exactly that; meanwhile nobody signs in by that subject, so the case stands still. Turning somebody away takes one.
Whatever is decided, a vote stays single: see `polls.one_person`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.audit import write_event
from polls.errors import FieldError, Invalid, NotFound
from polls.one_person import bar_where_voted, merge_entries
from polls.register import find_citizen
from polls.sessions import ReadSession, Session
from polls.tables import citizen, citizen_period, identity, territory
from voting.identity.city_sign_on.entries import Claimed, Key, Unclear, link, linked_subject, unlink
from voting.identity.city_sign_on.errors import CaseChanged, OwnCase, TooSoon
from voting.identity.city_sign_on.tables import sign_on_case
from voting.identity.mailbox import notify
from voting.identity.names import masked_login
from voting.identity.sessions import end_all_web_sessions
from voting.tables import account

WAITING = ("open", "proposed")
NOT_BEFORE = timedelta(seconds=10)
"""Between proposal and confirmation: a session the proposal ended may live in another process's memory for five."""
ANSWER_STANDS = timedelta(days=30)
KEPT = timedelta(days=365)
LONGEST_REASON = 500
LISTED = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What a resident is told of his case."""

    reference: str
    kind: str
    state: str
    answer: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """Just enough of a register entry to tell two apart; `login` is masked."""

    citizen_id: int
    born: int | None
    district_ru: str
    district_en: str
    ended: bool
    has_account: bool
    login: str
    linked: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A case as the desk sees it."""

    reference: str
    kind: str
    state: str
    provider: str
    by_subject: int | None
    by_number: int | None
    has_number: bool
    opened_at: datetime
    seen_at: datetime
    entry_id: int | None
    other_id: int | None
    reason: str
    answer: str
    proposed_by: int | None
    proposed_at: datetime | None
    decided_by: int | None
    decided_at: datetime | None


# ---- the resident's side


async def open_case(session: Session, claimed: Claimed, unclear: Unclear, now: datetime) -> Told:
    """Find the person's case, or open one; what is known anew is written into it.

    An answer stands for a month as long as nothing has changed; then, or with other claims, a new case opens.
    """
    facts = {"kind": unclear.kind, "by_subject": unclear.by_subject, "by_number": unclear.by_number}
    mine = _of_subject(claimed.subject)
    last = (
        await session.execute(
            select(sign_on_case).where(mine).order_by(sign_on_case.c.id.desc()).limit(1).with_for_update()
        )
    ).one_or_none()
    if last is not None and last.state == "dismissed" and now - last.decided_at < ANSWER_STANDS and _says(last, facts):
        return _told(last)
    number: Key | None = claimed.number[0] if claimed.number else None
    fresh = {**facts, "number_version": number and number[0], "number_key": number and number[1], "seen_at": now}
    if last is not None and last.state in WAITING:
        changed = update(sign_on_case).where(sign_on_case.c.id == last.id).values(**fresh).returning(sign_on_case)
        return _told((await session.execute(changed)).one())
    version, key = claimed.subject[0]
    made = insert(sign_on_case).values(
        reference=_new_reference(), provider=claimed.provider, subject_version=version, subject_key=key, opened_at=now,
        **fresh,
    )  # fmt: skip
    row = (await session.execute(made.returning(sign_on_case))).one()
    await write_event(session, "sign_on_case_opened", actor=None, subject=f"case:{row.reference}",
                      facts={"kind": row.kind, "provider": row.provider}, now=now)  # fmt: skip
    return _told(row)


async def settled_before(session: ReadSession, claimed: Claimed, unclear: Unclear) -> bool:
    """Tell whether two of the staff have decided that this subject is his own entry, whatever this number leads to."""
    if unclear.by_subject is None or unclear.by_number is None:
        return False
    case = sign_on_case.c
    found = select(case.id).where(
        _of_subject(claimed.subject), case.state == "linked", case.entry_id == unclear.by_subject,
        case.by_number == unclear.by_number,
    )  # fmt: skip
    return await session.scalar(found.limit(1)) is not None


async def frozen_case(session: ReadSession, claimed: Claimed) -> Told | None:
    """The case of this subject on which a decision is being made: nobody signs in by it meanwhile."""
    found = select(sign_on_case).where(_of_subject(claimed.subject), sign_on_case.c.state == "proposed")
    row = (await session.execute(found)).one_or_none()
    return None if row is None else _told(row)


# ---- the desk's side


async def list_cases(session: ReadSession, *, waiting: bool) -> tuple[list[Case], int]:
    """Cases that wait, the oldest first, or those decided, the newest first; at most 200, and how many there are."""
    which = sign_on_case.c.state.in_(WAITING) if waiting else sign_on_case.c.state.not_in(WAITING)
    order = sign_on_case.c.opened_at if waiting else sign_on_case.c.decided_at.desc()
    rows = await session.execute(select(sign_on_case).where(which).order_by(order, sign_on_case.c.id).limit(LISTED))
    total = await session.scalar(select(func.count()).select_from(sign_on_case).where(which))
    return [_case(row) for row in rows], int(total or 0)


async def one_case(session: ReadSession, reference: str) -> Case:
    """A case by its reference. Raises NotFound."""
    return _case(await _row(session, reference))


async def entries_of(session: ReadSession, case: Case, *further: int | None) -> dict[int, Entry]:
    """What the desk may see of the entries a case is about."""
    ids = {one for one in (case.by_subject, case.by_number, case.entry_id, case.other_id, *further) if one is not None}
    rows = await session.execute(
        select(
            citizen.c.id, func.extract("year", citizen.c.birth_date).label("born"), territory.c.name_ru,
            territory.c.name_en, citizen_period.c.valid_to, account.c.id.label("account_id"), account.c.email,
            account.c.phone,
        )
        .select_from(
            citizen.outerjoin(citizen_period, citizen_period.c.citizen_id == citizen.c.id)
            .outerjoin(territory, territory.c.id == citizen_period.c.district_id)
            .outerjoin(account, account.c.citizen_id == citizen.c.id)
        )
        .where(citizen.c.id.in_(ids))
        .order_by(citizen.c.id, citizen_period.c.valid_from)  # the last period is the one that is kept
    )  # fmt: skip
    return {
        row.id: Entry(
            row.id, None if row.born is None else int(row.born), row.name_ru or "", row.name_en or "",
            row.name_ru is None or row.valid_to is not None, row.account_id is not None,
            masked_login(row.email or row.phone or ""), await linked_subject(session, case.provider, row.id),
        )
        for row in rows.all()
    }  # fmt: skip


async def propose(
    session: Session,
    reference: str,
    *,
    entry_id: int | None,
    other_id: int | None,
    number: Sequence[Key],
    reason: str,
    viewer_id: int,
    viewer_citizen: int | None,
    now: datetime,
) -> list[int]:
    """Propose that the person is the entry `entry_id`, or the one with a number, and that `other_id` is he as well.

    Sessions of the accounts concerned end; gives these accounts, to be forgotten after the commit.
    Raises Invalid, NotFound, CaseChanged, OwnCase.
    """
    row = await _row(session, reference, lock=True)
    if row.state not in WAITING:
        raise CaseChanged(state=row.state)
    reason = _reason(reason)
    if number:
        entry_id = await find_citizen(session, "national_id", number)
    if entry_id is None:
        raise Invalid([FieldError("number", "not_in_register", "The city's register has no entry with this number.")])
    known = {row.by_subject, row.by_number} - {None}
    if (not number and entry_id not in known) or (
        other_id is not None and (other_id not in known or other_id == entry_id)
    ):
        raise Invalid([FieldError("entry", "unknown_entry", "Choose one of the entries of this case.")])
    concerned = {*known, entry_id}
    _keep_own_hands_off(viewer_citizen, concerned)
    values = {"state": "proposed", "entry_id": entry_id, "other_id": other_id, "reason": reason,
              "proposed_by": viewer_id, "proposed_at": now}  # fmt: skip
    await session.execute(update(sign_on_case).where(sign_on_case.c.id == row.id).values(**values))
    accounts = (await session.scalars(select(account.c.id).where(account.c.citizen_id.in_(concerned)))).all()
    for account_id in accounts:
        await end_all_web_sessions(session, account_id)
    facts = {"kind": row.kind, "entry": entry_id, "joined": other_id}
    await _log(session, "sign_on_case_proposed", row, viewer_id, facts, now)
    return list(accounts)


async def confirm(
    session: Session, reference: str, *, seen: str, answer: str, viewer_id: int, viewer_citizen: int | None,
    now: datetime,
) -> None:  # fmt: skip
    """Do what was proposed, as its second person; `seen` is the `mark` of the case as he saw it.

    Raises CaseChanged, OwnCase, TooSoon, EntriesDiffer.
    """
    row = await _row(session, reference, lock=True)
    case = _case(row)
    if row.state != "proposed" or seen != mark(case):
        raise CaseChanged(state=row.state)
    if viewer_id == row.proposed_by:
        raise OwnCase(why="same_person")
    _keep_own_hands_off(viewer_citizen, {row.by_subject, row.by_number, row.entry_id, row.other_id})
    if now - row.proposed_at < NOT_BEFORE:
        raise TooSoon(retry_after=int(NOT_BEFORE.total_seconds()))
    await _tell(session, row, now)
    if row.other_id is not None:
        await merge_entries(session, row.entry_id, row.other_id, by=viewer_id, now=now)
        await _join_accounts(session, row, now)
    await _relink(session, row, now)
    state = "linked" if row.other_id is None else "merged"
    await _close(session, row, state, viewer_id, answer.strip()[:LONGEST_REASON], now)
    facts = {"kind": row.kind, "entry": row.entry_id, "joined": row.other_id, "proposed_by": row.proposed_by}
    await _log(session, "sign_on_case_decided", row, viewer_id, facts, now)


async def dismiss(
    session: Session, reference: str, *, answer: str, viewer_id: int, viewer_citizen: int | None, now: datetime
) -> None:
    """Turn the person away with an answer that he reads. Raises Invalid, CaseChanged, OwnCase."""
    row = await _row(session, reference, lock=True)
    if row.state not in WAITING:
        raise CaseChanged(state=row.state)
    _keep_own_hands_off(viewer_citizen, {row.by_subject, row.by_number})
    await _tell(session, row, now)
    await _close(session, row, "dismissed", viewer_id, _reason(answer, "answer"), now)
    await _log(session, "sign_on_case_dismissed", row, viewer_id, {"kind": row.kind}, now)


async def sweep_cases(session: Session, now: datetime) -> None:
    """Delete cases of people turned away a year ago; the audit log keeps who decided. What links people is kept."""
    old = (sign_on_case.c.state == "dismissed", sign_on_case.c.decided_at < now - KEPT)
    await session.execute(delete(sign_on_case).where(*old))


def mark(case: Case) -> str:
    """What a second person confirms: changes with anything that was proposed, and with the claims it rests on."""
    parts = (
        case.kind,
        case.by_subject,
        case.by_number,
        case.entry_id,
        case.other_id,
        case.proposed_by,
        case.proposed_at,
    )
    return "|".join(str(part) for part in parts)


# ---- parts


async def _relink(session: Session, row: Row[Any], now: datetime) -> None:
    """Let the subject, and the number it came with, lead to the entry decided on."""
    assert row.entry_id is not None
    if row.by_subject == row.entry_id and row.other_id is None:
        pass  # as it was; `settled_before` remembers that the number may lead elsewhere
    else:
        await _move_link(session, row, now)
    if row.number_key is not None and row.by_number is None:
        number = {"key_version": row.number_version, "key": row.number_key, "citizen_id": row.entry_id}
        await session.execute(upsert(identity).values(kind="national_id", **number).on_conflict_do_nothing())


async def _move_link(session: Session, row: Row[Any], now: datetime) -> None:
    left = row.by_subject if row.by_subject not in (None, row.entry_id, row.other_id) else None
    for entry in {row.entry_id, *([row.other_id] if row.other_id else [])}:
        if row.by_subject != entry:
            await unlink(session, provider=row.provider, citizen_id=entry)  # another subject had it
    if row.by_subject is not None:
        since = await unlink(session, provider=row.provider, citizen_id=row.by_subject)
        if left is not None and since is not None:
            # A day early: the city's day may have begun before that of the link's moment.
            await bar_where_voted(session, row.entry_id, left, since=since - timedelta(days=1), now=now)
    await link(session, row.provider, ((row.subject_version, row.subject_key),), row.entry_id, now)


async def _join_accounts(session: Session, row: Row[Any], now: datetime) -> None:
    """One account for the person: the kept entry's, or the other's put in its place; a second one is closed."""
    listed = await session.execute(
        select(account.c.id, account.c.citizen_id).where(account.c.citizen_id.in_((row.entry_id, row.other_id)))
    )
    accounts = {one.citizen_id: one.id for one in listed}
    spare = accounts.get(row.other_id)
    if spare is None:
        return
    change: dict[str, Any] = {"disabled_at": now} if row.entry_id in accounts else {"citizen_id": row.entry_id}
    await session.execute(update(account).where(account.c.id == spare).values(**change))
    await end_all_web_sessions(session, spare)


async def _close(session: Session, row: Row[Any], state: str, by: int, answer: str, now: datetime) -> None:
    values = {"state": state, "answer": answer, "decided_by": by, "decided_at": now}
    await session.execute(update(sign_on_case).where(sign_on_case.c.id == row.id).values(**values))


async def _tell(session: Session, row: Row[Any], now: datetime) -> None:
    """Write to the accounts of all entries a case is about, as they stand before what was decided is done."""
    concerned = {row.by_subject, row.by_number, row.entry_id, row.other_id} - {None}
    for account_id in await session.scalars(select(account.c.id).where(account.c.citizen_id.in_(concerned))):
        await notify(session, account_id, "sign_on_case_decided", now=now, reference=row.reference)


async def _log(session: Session, kind: str, row: Row[Any], by: int, facts: dict[str, Any], now: datetime) -> None:
    await write_event(session, kind, actor=by, subject=f"case:{row.reference}", facts=facts, now=now)


async def _row(session: ReadSession, reference: str, *, lock: bool = False) -> Row[Any]:
    found = select(sign_on_case).where(sign_on_case.c.reference == reference)
    row = (await session.execute(found.with_for_update() if lock else found)).one_or_none()
    if row is None:
        raise NotFound
    return row


def _of_subject(keys: Sequence[Key]) -> Any:
    case = sign_on_case.c
    return or_(*(and_(case.subject_version == version, case.subject_key == key) for version, key in keys))


def _says(row: Row[Any], facts: dict[str, Any]) -> bool:
    return all(getattr(row, name) == value for name, value in facts.items())


def _keep_own_hands_off(viewer_citizen: int | None, concerned: set[int | None]) -> None:
    if viewer_citizen is not None and viewer_citizen in concerned:
        raise OwnCase(why="own")


def _reason(given: str, field: str = "reason") -> str:
    given = given.strip()
    if len(given) < 10:
        raise Invalid([FieldError(field, "too_short", "Say why, in ten characters or more.")])
    if len(given) > LONGEST_REASON:
        raise Invalid([FieldError(field, "string_too_long", "At most {max_length} characters are allowed.",
                                  {"max_length": LONGEST_REASON})])  # fmt: skip
    return given


def _new_reference() -> str:
    """Short enough to say at a counter, random enough not to be tried: 40 bits, of no use but to be looked up."""
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    letters = "".join(secrets.choice(alphabet) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def _told(row: Row[Any]) -> Told:
    return Told(row.reference, row.kind, row.state, row.answer, row.opened_at)


def _case(row: Row[Any]) -> Case:
    names = [name for name in Case.__dataclass_fields__ if name != "has_number"]
    return Case(**{name: getattr(row, name) for name in names}, has_number=row.number_key is not None)
