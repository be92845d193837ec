"""Corrections of the register that reach back behind a taken roll: logged as amendments of the roll, never silent.

A birth date or a sex is corrected in place, so a correction changes the facts as of an opening long past. The roll
itself is frozen; what the register now says differently is written beside it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, insert, literal, or_, select, text, union_all

from polls.audience import stratum_columns, stratum_of_participants
from polls.audience_condition import condition, resolve
from polls.authoring import lock_key
from polls.catalogue import SealedPoll, sealed_poll
from polls.journal import record_event
from polls.lifecycle import State
from polls.register_sum import entries
from polls.sessions import ReadSession, Session
from polls.strata import Stratum
from polls.tables import citizen, participation, poll, roll, roll_amendment

REASON = "register_correction"


async def amend_rolls(session: Session, register_code: str, now: datetime, *, corrected: bool) -> None:
    """Write what the register's changes at `now` alter in the taken rolls of polls that are not counted yet.

    `corrected`: birth dates or sexes changed. Without it only polls that opened at or after `now`, while the changes
    were being written, can differ: periods that change do so at `now`, behind the openings before it.
    """
    reached = [poll.c.opens_at >= now, *([poll.c.opens_at.is_not(None)] if corrected else [])]
    found = (
        await session.execute(
            select(poll.c.id, poll.c.public_id)
            .where(poll.c.state == State.SCHEDULED, or_(*reached))
            .order_by(poll.c.id)
        )
    ).all()
    # The order of counting: the poll's lock, then its roll. Nobody votes and nothing is counted meanwhile, so that
    # what is compared stands still; a roll taken in this moment either is seen here or sees the changes.
    for row in found:
        await session.execute(select(func.pg_advisory_xact_lock(lock_key(row.id))))
    if found:
        await session.execute(text("LOCK TABLE roll IN SHARE MODE"))
    for row in found:
        sealed = await sealed_poll(session, row.public_id)
        if sealed.stored_state is State.SCHEDULED and sealed.definition.register_code == register_code:
            await _amend(session, sealed, now)


async def _amend(session: Session, sealed: SealedPoll, now: datetime) -> None:
    written = await _written(session, sealed.id)
    if written is None:
        return  # not taken yet: it will be taken by the facts as corrected
    due = await _due(session, sealed)
    changes = {code: due.get(code, 0) - written.get(code, 0) for code in sorted(due.keys() | written.keys())}
    rows = [
        {"poll_id": sealed.id, "stratum": code, "change": change, "reason": REASON, "at": now}
        for code, change in changes.items()
        if change
    ]
    if not rows:
        return
    await session.execute(insert(roll_amendment), rows)
    added = sum(change for change in changes.values() if change > 0)
    removed = -sum(change for change in changes.values() if change < 0)
    await record_event(session, "roll_amended", sealed.id, now, reason=REASON, added=added, removed=removed)


async def _written(session: ReadSession, poll_id: int) -> dict[int, int] | None:
    """The roll with its amendments by stratum; None when it has not been taken."""
    if await session.scalar(select(roll.c.stratum).where(roll.c.poll_id == poll_id).limit(1)) is None:
        return None
    both = union_all(
        select(roll.c.stratum, roll.c.entitled.label("n")).where(roll.c.poll_id == poll_id),
        select(roll_amendment.c.stratum, roll_amendment.c.change).where(roll_amendment.c.poll_id == poll_id),
    ).subquery()
    rows = await session.execute(select(both.c.stratum, func.sum(both.c.n)).group_by(both.c.stratum))
    return {code: int(n) for code, n in rows}


async def _due(session: ReadSession, sealed: SealedPoll) -> dict[int, int]:
    """What the roll and its amendments have to come to, by stratum.

    Those entitled who have not taken part, and everybody who has: a participation is final, so it stays in the roll
    (in the stratum of the facts as they are now) even when its citizen turns out never to have been entitled.
    """
    definition = sealed.definition
    terms = await resolve(session, definition)
    facts = entries(definition.register_code, terms.opens_at)
    took_part = select(literal(1)).where(
        participation.c.poll_id == sealed.id, participation.c.citizen_id == citizen.c.id
    )
    columns = stratum_columns(definition, terms.on, definition.strata, facts)
    rows = await session.execute(
        facts.select(*columns, func.count())
        .where(condition(definition.audience, terms, facts), ~took_part.exists())
        .group_by(*columns)
    )
    due = {Stratum(*stratum).code: int(n) for *stratum, n in rows}
    for stratum, n in (await stratum_of_participants(session, sealed.id, definition)).items():
        due[stratum.code] = due.get(stratum.code, 0) + n
    return due
