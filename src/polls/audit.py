"""The audit log: what people and the service did, written in the transaction of what it records.

`polls.journal` holds what happened to polls and is public; this log holds who did what to whom, for observers and
administrators. The table takes inserts only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import insert

from polls.audit_chain import Fact
from polls.audit_kinds import KINDS
from polls.sessions import Session
from polls.tables import audit_event

LONGEST_FACT = 500
LARGEST_NUMBER = (1 << 53) - 1
"""What JSON carries exactly everywhere: the log is hashed as JSON."""


async def write_event(
    session: Session,
    kind: str,
    *,
    actor: int | None,
    subject: str,
    facts: Mapping[str, Fact] | None = None,
    now: datetime,
) -> None:
    """Append one event.

    `actor` is an account's id, None for the service and the command line; `subject` a short stable reference such as
    `poll:<public id>`, `account:12` or `key:<id>`. Raises ValueError for a kind, a field or a value that is not
    foreseen: that is a fault of the program, and nothing of it reaches the log.
    """
    facts = facts or {}
    known = KINDS.get(kind)
    if known is None:
        raise ValueError(f"no such kind of event: {kind}")
    if not facts.keys() <= known.fields:
        raise ValueError(f"{kind} has no field {sorted(facts.keys() - known.fields)}")
    if any(isinstance(value, str) and len(value) > LONGEST_FACT for value in facts.values()):
        raise ValueError(f"a fact of {kind} is longer than {LONGEST_FACT} characters")
    if any(isinstance(value, int) and abs(value) > LARGEST_NUMBER for value in facts.values()):
        raise ValueError(f"a fact of {kind} is a number too large")
    await session.execute(
        insert(audit_event).values(kind=kind, actor=actor, subject=subject, facts=dict(facts), at=now)
    )
