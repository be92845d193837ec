"""The audit log: what may be written into it, and that nothing in it changes."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from polls.audit import LONGEST_FACT, write_event
from polls.sessions import Session
from polls.tables import audit_event

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


async def test_an_event_is_kept_as_it_was_written(session: Session) -> None:
    await write_event(session, "role_granted", actor=7, subject="account:9", facts={"role": "reviewer"}, now=NOW)
    row = (await session.execute(select(audit_event))).one()
    assert (row.kind, row.actor, row.subject, row.facts, row.at) == (
        "role_granted", 7, "account:9", {"role": "reviewer"}, NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "facts"),
    [("no_such_kind", {}), ("role_granted", {"password": "x"}), ("role_granted", {"role": "x" * (LONGEST_FACT + 1)})],
)
async def test_what_is_not_foreseen_is_refused(session: Session, kind: str, facts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=kind):
        await write_event(session, kind, actor=None, subject="account:9", facts=facts, now=NOW)
    assert (await session.execute(select(audit_event))).all() == []


@pytest.mark.parametrize("change", [update(audit_event).values(actor=1), delete(audit_event)])
async def test_nothing_written_is_changed(session: Session, change: object) -> None:
    await write_event(session, "role_granted", actor=7, subject="account:9", now=NOW)
    with pytest.raises(DBAPIError, match="append-only"):
        await session.execute(change)  # type: ignore[call-overload]
