"""The three tables that tell who did what, as entries of one kind.

Nothing is written twice: what the engine's journal or the log of looks holds is read there. When residents' words were
judged is told by the day, and only once their poll is counted or cancelled: earlier, or finer, it would tell when a
word was written (BALLOTS §13).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from polls.audit_chain import EVENT, LOOK, POLLS, Entry, stated_facts
from polls.audit_tables import audit_link
from polls.lifecycle import COUNTED, State
from polls.sessions import ReadSession
from polls.tables import audit_event, poll, registry_event
from results.protocol_tables import figure_look

SEAL: Final = "audit_sealed"
"""The journal's own event of the chain, which is no entry of it."""
JUDGED: Final = "text_reviewed"


def _subject_of_journal() -> ColumnElement[str]:
    body = registry_event.c.body
    return case(
        (poll.c.public_id.is_not(None), "poll:" + poll.c.public_id),
        (body.has_key("public_id"), "poll:" + body["public_id"].astext),
        (body.has_key("key_id"), "key:" + body["key_id"].astext),
        (body.has_key("list"), "list:" + body["list"].astext),
        (body.has_key("register"), "register:" + body["register"].astext),
        else_="site",
    )


def _journal(*, judged: bool) -> Select[Any]:
    at: ColumnElement[Any] = registry_event.c.at
    which: ColumnElement[bool]
    if judged:
        at = func.date_trunc("day", at, "UTC")
        which = (registry_event.c.kind == JUDGED) & poll.c.state.in_([*COUNTED, State.CANCELLED])
    else:
        which = registry_event.c.kind.not_in([JUDGED, SEAL])
    return (
        select(
            literal(POLLS).label("source"), registry_event.c.id.label("id"), at.label("at"),
            registry_event.c.kind.label("kind"),
            cast(registry_event.c.body["by"].astext, BigInteger).label("actor"),
            _subject_of_journal().label("subject"), registry_event.c.body.label("facts"),
        )
        .outerjoin_from(registry_event, poll, poll.c.id == registry_event.c.poll_id)
        .where(which)
    )  # fmt: skip


def _events() -> Select[Any]:
    return select(
        literal(EVENT).label("source"), audit_event.c.id.label("id"), audit_event.c.at.label("at"),
        audit_event.c.kind.label("kind"), audit_event.c.actor.label("actor"), audit_event.c.subject.label("subject"),
        audit_event.c.facts.label("facts"),
    )  # fmt: skip


def _looks() -> Select[Any]:
    return select(
        literal(LOOK).label("source"), figure_look.c.id.label("id"), figure_look.c.at.label("at"),
        literal("figures_seen").label("kind"), figure_look.c.account_id.label("actor"),
        ("poll:" + poll.c.public_id).label("subject"),
        func.jsonb_build_object("what", figure_look.c.what, type_=JSONB).label("facts"),
    ).join_from(figure_look, poll, poll.c.id == figure_look.c.poll_id)  # fmt: skip


def branches() -> tuple[Select[Any], ...]:
    """The queries whose union is the log; each has the columns source, id, at, kind, actor, subject, facts."""
    return _events(), _journal(judged=False), _journal(judged=True), _looks()


def entry_of(row: Any) -> Entry:
    """A row of `branches` as an entry: the moment in UTC, and of the facts those its kind states."""
    facts: Mapping[str, Any] = row.facts
    return Entry(
        row.source, row.id, row.at.astimezone(UTC), row.kind, row.actor, row.subject,
        stated_facts(row.source, row.kind, facts),
    )  # fmt: skip


async def entries_named(session: ReadSession, names: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Entry]:
    """The entries with these sources and ids; those that are not there are left out."""
    found = {}
    for branch in branches():
        columns = branch.selected_columns
        source = _source_of(branch)
        ids = [number for named, number in names if named == source]
        if ids:
            for row in await session.execute(branch.where(columns.id.in_(ids))):
                found[row.source, row.id] = entry_of(row)
    return found


def _source_of(branch: Select[Any]) -> str:
    value: str = branch.selected_columns.source.element.value
    return value


async def entries_without(
    session: ReadSession, linked: Select[Any], *, beyond: Mapping[str, int], limit: int
) -> list[Entry]:
    """Committed entries that `linked` (columns source, source_id) does not hold: by time, sources in between.

    `beyond`: of a source named there only ids above the number are looked at.
    """
    known = linked.subquery()
    found: list[Entry] = []
    for branch in branches():
        columns, source = branch.selected_columns, _source_of(branch)
        absent = ~select(known.c.source_id).where(known.c.source == source, known.c.source_id == columns.id).exists()
        query = branch.where(absent, columns.id > beyond.get(source, 0)).order_by(columns.at, columns.id).limit(limit)
        found += [entry_of(row) for row in await session.execute(query)]
    return sorted(found, key=in_order)[:limit]


async def count_without_link(session: ReadSession, before: datetime) -> int:
    """How many entries older than that stand in no chain, in all three tables.

    When words were judged is left out: it becomes an entry only with the count, under a day long past.
    """
    waiting = 0
    for branch in (_events(), _journal(judged=False), _looks()):
        columns = branch.selected_columns
        links = select(audit_link.c.source_id)
        links = links.where(audit_link.c.source == _source_of(branch), audit_link.c.source_id == columns.id)
        unlinked = branch.where(columns.at < before, ~links.exists()).subquery()
        waiting += await session.scalar(select(func.count()).select_from(unlinked)) or 0
    return waiting


def in_order(entry: Entry) -> tuple[datetime, str, int]:
    """Entries by time; those of one moment by source and number."""
    return entry.at, entry.source, entry.id


__all__ = [
    "JUDGED", "SEAL", "branches", "count_without_link", "entries_named", "entries_without", "entry_of", "in_order",
]  # fmt: skip
