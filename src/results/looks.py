"""Who in the office looked at the figures of a counted poll before somebody certified them. Append-only.

The figures are public from the count on (`results.visibility`), so a look is no privilege; the log says who had seen
what when the protocol was prepared. Once there is a certified protocol nothing more is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, insert, literal, select

from polls.definition import PUBLIC_ID
from polls.lifecycle import COUNTED
from polls.sessions import ReadSession, Session
from polls.tables import poll
from results.protocol_tables import figure_look, protocol

SHOWN = 100


@dataclass(frozen=True)
class Look:
    """One look: whose, when, at which figures (a stable word such as ``results`` or ``answers.csv``)."""

    account_id: int
    at: datetime
    what: str


async def record_look(session: Session, slug_or_id: str, account_id: int, what: str, now: datetime) -> bool:
    """Write down that an account looks at a poll's figures; False where there is nothing to write: the poll is not
    counted, or its result is certified."""
    named = poll.c.public_id == slug_or_id if PUBLIC_ID.match(slug_or_id) else poll.c.slug == slug_or_id
    certified = exists().where(protocol.c.poll_id == poll.c.id, protocol.c.certified_at.is_not(None))
    looked = select(poll.c.id, literal(account_id), literal(now), literal(what)).where(
        named, poll.c.state.in_(COUNTED), ~certified
    )
    made = await session.execute(
        insert(figure_look).from_select(["poll_id", "account_id", "at", "what"], looked).returning(figure_look.c.id)
    )
    return made.first() is not None


async def looks_of(session: ReadSession, poll_id: int) -> tuple[int, Sequence[Look]]:
    """How many looks there were, and the newest of them."""
    total = await session.scalar(select(func.count()).select_from(figure_look).where(figure_look.c.poll_id == poll_id))
    rows = await session.execute(
        select(figure_look).where(figure_look.c.poll_id == poll_id).order_by(figure_look.c.id.desc()).limit(SHOWN)
    )
    return int(total or 0), [Look(row.account_id, row.at, row.what) for row in rows]
