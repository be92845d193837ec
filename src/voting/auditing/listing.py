"""The audit log as people read it: narrowed by kind, actor, subject and days, the newest first, a page at a time."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, func, literal, or_, select, tuple_, union_all

from polls.audit_chain import BEGINNING, SOURCES, Entry
from polls.audit_tables import audit_link
from polls.errors import FieldError, Invalid
from polls.sessions import ReadSession
from polls.tables import poll
from voting.auditing.entries import branches, entries_named, entries_without, entry_of
from voting.tables import account, account_role

A_PAGE: Final = 50
SUBJECT: Final = re.compile(r"[A-Za-z0-9_:./-]{1,200}", re.ASCII)
CURSOR: Final = re.compile(r"(\d{1,16})-(audit|journal|look)-(\d{1,18})", re.ASCII)
LONGEST_NAME: Final = 100
MOST_ACTORS: Final = 200
A_PIECE: Final = 1_000
MOST_WAITING: Final = 100_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """What is looked for. `kind` a stable name; `actor` account numbers; `subject` a reference or its beginning;
    `since` and `until` days of city time, both included; `before` the place a page begins after."""

    kind: str | None = None
    actors: tuple[int, ...] | None = None
    subject: str | None = None
    since: date | None = None
    until: date | None = None
    before: tuple[datetime, str, int] | None = None


@dataclass(frozen=True)
class Listed:
    """An entry with its place in the chain, None while it is not sealed; `previous` only where exports read it."""

    entry: Entry
    position: int | None
    hash: bytes | None
    previous: bytes = BEGINNING


def read_asked(given: Mapping[str, str]) -> Asked:
    """Read the filters of an address but for `actor`, which needs the accounts. Raises Invalid for all at once."""
    errors: list[FieldError] = []
    kind, subject = given.get("kind") or None, (given.get("subject") or "").strip() or None
    if kind is not None and not any(kind in kinds for kinds in SOURCES.values()):
        errors.append(FieldError("kind", "unknown_kind", "There is no such kind of event."))
    if subject is not None and not SUBJECT.fullmatch(subject):
        errors.append(FieldError("subject", "bad_subject", "Give a subject such as account:12 or poll:…"))
    days: dict[str, date | None] = {}
    for name in ("since", "until"):
        days[name] = None
        if text := given.get(name):
            try:
                days[name] = date.fromisoformat(text)
                if not 2000 <= date.fromisoformat(text).year <= 2999:
                    raise ValueError(text)
            except ValueError:
                errors.append(FieldError(name, "bad_day", "Give a day such as 2026-11-23."))
    before = None
    if text := given.get("before"):
        found = CURSOR.fullmatch(text)
        if found is None:
            errors.append(FieldError("before", "bad_cursor", "Begin the search anew."))
        else:
            before = (EPOCH + timedelta(microseconds=int(found[1])), found[2], int(found[3]))
    if errors:
        raise Invalid(errors)
    return Asked(kind, None, subject, days["since"], days["until"], before)


def cursor(entry: Entry) -> str:
    """The place of an entry, for the address of the page after it."""
    return f"{(entry.at - EPOCH) // timedelta(microseconds=1)}-{entry.source}-{entry.id}"


async def with_actor(session: ReadSession, asked: Asked, text: str) -> Asked:
    """Narrow to an account's number, or to staff whose name holds the text; `system`: what nobody's account did."""
    text = text.strip()
    if not text:
        return asked
    if len(text) > LONGEST_NAME or "\0" in text:
        raise Invalid([FieldError("actor", "bad_actor", "Give an account's number or a part of a name.")])
    if text == "system":
        return replace(asked, actors=())
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return replace(asked, actors=(int(text),))
    named = (
        select(account.c.id)
        .where(account.c.display_name.icontains(text, autoescape=True), _is_staff())
        .order_by(account.c.id)
        .limit(MOST_ACTORS)
    )
    return replace(asked, actors=(*(await session.scalars(named)).all(), -1))


def _is_staff() -> Any:
    return (
        select(account_role.c.account_id)
        .where(account_role.c.account_id == account.c.id, account_role.c.role != "resident")
        .exists()
    )


async def with_poll(session: ReadSession, asked: Asked) -> Asked:
    """Let a poll be named by its address too, `poll:main-square`."""
    if asked.subject is None or not asked.subject.startswith("poll:"):
        return asked
    public_id = await session.scalar(select(poll.c.public_id).where(poll.c.slug == asked.subject.removeprefix("poll:")))
    return asked if public_id is None else replace(asked, subject=f"poll:{public_id}")


def _narrowed(branch: Select[Any], asked: Asked, zone: ZoneInfo) -> Select[Any]:
    columns = branch.selected_columns
    if asked.kind is not None:
        branch = branch.where(columns.kind == asked.kind)
    if asked.actors is not None:
        branch = branch.where(columns.actor.in_(asked.actors) if asked.actors else columns.actor.is_(None))
    if asked.subject is not None:
        branch = branch.where(columns.subject.startswith(asked.subject, autoescape=True))
    if asked.since is not None:
        branch = branch.where(columns.at >= datetime.combine(asked.since, time(), zone))
    if asked.until is not None:
        branch = branch.where(columns.at < datetime.combine(asked.until + timedelta(days=1), time(), zone))
    if asked.before is not None:
        at, source, number = asked.before
        named = columns.source.element.value
        later = columns.id < number if named == source else literal(named < source)
        branch = branch.where(or_(columns.at < at, and_(columns.at == at, later)))
    return branch


async def find_entries(session: ReadSession, asked: Asked, zone: ZoneInfo, *, limit: int = A_PAGE) -> list[Listed]:
    """Entries from the newest down, up to `limit`, with their places in the chain."""
    parts = []
    for branch in branches():
        columns = branch.selected_columns
        one = _narrowed(branch, asked, zone).order_by(columns.at.desc(), columns.id.desc()).limit(limit).subquery()
        parts.append(select(one))
    all_ = union_all(*parts).subquery()
    query = select(all_).order_by(all_.c.at.desc(), all_.c.source.desc(), all_.c.id.desc()).limit(limit)
    entries = [entry_of(row) for row in await session.execute(query)]
    named = tuple_(audit_link.c.source, audit_link.c.source_id).in_([(one.source, one.id) for one in entries])
    links = {(row.source, row.source_id): row for row in await session.execute(select(audit_link).where(named))}
    return [_listed(entry, links.get((entry.source, entry.id))) for entry in entries]


def _listed(entry: Entry, found: Any) -> Listed:
    return Listed(entry, None if found is None else found.position, None if found is None else found.hash)


async def staff_names(session: ReadSession, numbers: Sequence[int]) -> Mapping[int, str]:
    """Names of these accounts, as far as they are the staff's: residents are told by number alone."""
    rows = await session.execute(
        select(account.c.id, account.c.display_name, account.c.department).where(
            account.c.id.in_(sorted(set(numbers))), _is_staff()
        )
    )
    return {row.id: ", ".join(part for part in (row.display_name, row.department) if part) or "" for row in rows}


async def poll_titles(session: ReadSession, public_ids: Sequence[str]) -> Mapping[str, tuple[str, str, str]]:
    """Address and titles (Russian, English) of polls by public id."""
    rows = await session.execute(
        select(poll.c.public_id, poll.c.slug, poll.c.title_ru, poll.c.title_en).where(
            poll.c.public_id.in_(sorted(set(public_ids)))
        )
    )
    return {row.public_id: (row.slug, row.title_ru, row.title_en) for row in rows}


def _fits(entry: Entry, asked: Asked, zone: ZoneInfo) -> bool:
    """The same narrowing as `_narrowed`, of an entry at hand."""
    day = entry.at.astimezone(zone).date()
    return (
        (asked.kind is None or entry.kind == asked.kind)
        and (asked.actors is None or (entry.actor in asked.actors if asked.actors else entry.actor is None))
        and (asked.subject is None or entry.subject.startswith(asked.subject))
        and (asked.since is None or day >= asked.since)
        and (asked.until is None or day <= asked.until)
    )


async def entries_in_chain(session: ReadSession, asked: Asked, zone: ZoneInfo) -> AsyncIterator[list[Listed]]:
    """Everything asked for in the order of the chain, in pieces, and then what is not sealed yet: for an export.

    Each knows the hash before it, so that a line can be recomputed by itself.
    """
    position, before = 0, BEGINNING
    while True:
        rows = (
            await session.execute(
                select(audit_link)
                .where(audit_link.c.position >= position)
                .order_by(audit_link.c.position)
                .limit(A_PIECE)
            )
        ).all()
        found = await entries_named(session, [(row.source, row.source_id) for row in rows])
        piece = []
        for row in rows:
            entry = found.get((row.source, row.source_id))
            if entry is not None and _fits(entry, asked, zone):
                piece.append(Listed(entry, row.position, row.hash, before))
            before, position = row.hash, row.position + 1
        if piece:
            yield piece
        if len(rows) < A_PIECE:
            break
    linked = select(audit_link.c.source, audit_link.c.source_id)
    waiting = await entries_without(session, linked, beyond={}, limit=MOST_WAITING)
    if piece := [Listed(entry, None, None) for entry in waiting if _fits(entry, asked, zone)]:
        yield piece


async def chained(session: ReadSession) -> int:
    """How many entries are chained."""
    return int(await session.scalar(select(func.coalesce(func.max(audit_link.c.position) + 1, 0))) or 0)
