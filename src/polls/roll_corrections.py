"""Corrections of the register that reach back behind a taken roll: logged as amendments of the roll, never silent.

A birth date or a sex is corrected in place, so a correction changes the facts as of an opening long past. The roll
itself is frozen; what the register now says differently is written beside it.

Nobody votes in a poll from the comparison of its roll until the commit, since a vote judged by the facts as they were
would fall between. So what takes long, going through the whole register, is done before the polls are locked.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import func, insert, or_, select, text, union_all

from polls.audience import stratum_columns, stratum_of_participants
from polls.audience_condition import condition, resolve
from polls.catalogue import SealedPoll, sealed_poll
from polls.journal import record_event
from polls.lifecycle import State
from polls.poll_lock import lock_alone
from polls.register_sum import entries
from polls.sessions import ReadSession, Session
from polls.strata import Stratum
from polls.tables import citizen, participation, poll, roll, roll_amendment

REASON = "register_correction"
Counts = Counter[int]
"""Citizens by the code of their stratum."""


async def amend_rolls(session: Session, register_code: str, now: datetime, *, corrected: bool) -> None:
    """Write what the register's changes at `now` alter in the taken rolls of polls that are not counted yet.

    `corrected`: birth dates or sexes changed. Without it only polls that opened at or after `now`, while the changes
    were being written, can differ: periods that change do so at `now`, behind the openings before it.
    """
    reached = [poll.c.opens_at >= now, *([poll.c.opens_at.is_not(None)] if corrected else [])]
    public_ids = await session.scalars(
        select(poll.c.public_id).where(poll.c.state == State.SCHEDULED, or_(*reached)).order_by(poll.c.id)
    )
    sealed = [await sealed_poll(session, public_id) for public_id in public_ids.all()]
    found = [one for one in sealed if one.definition.register_code == register_code]
    # Whom the changed register entitles hangs on nobody's vote, and nobody else changes the register meanwhile.
    entitled = {one.id: await _entitled(session, one) for one in found if await _written(session, one.id) is not None}
    # The order of counting: the poll's lock, then its roll. Nobody votes and nothing is counted meanwhile, so that
    # what is compared stands still; a roll taken in this moment either is seen here or sees the changes.
    for one in found:
        await lock_alone(session, one.id)
    if found:
        await session.execute(text("SELECT veche_lock_rolls()"))
    for one in found:
        if (await sealed_poll(session, one.public_id)).stored_state is State.SCHEDULED:
            await _amend(session, one, entitled.get(one.id), now)


async def _amend(session: Session, sealed: SealedPoll, entitled: Counts | None, now: datetime) -> None:
    written = await _written(session, sealed.id)
    if written is None:
        return  # not taken yet: it will be taken by the facts as corrected
    if entitled is None:  # taken while we waited for the lock
        entitled = await _entitled(session, sealed)
    due = await _due(session, sealed, entitled)
    changes = {code: due[code] - written[code] for code in sorted(due.keys() | written.keys())}
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


async def _written(session: ReadSession, poll_id: int) -> Counts | None:
    """The roll with its amendments by stratum; None when it has not been taken."""
    if await session.scalar(select(roll.c.stratum).where(roll.c.poll_id == poll_id).limit(1)) is None:
        return None
    both = union_all(
        select(roll.c.stratum, roll.c.entitled.label("n")).where(roll.c.poll_id == poll_id),
        select(roll_amendment.c.stratum, roll_amendment.c.change).where(roll_amendment.c.poll_id == poll_id),
    ).subquery()
    rows = await session.execute(select(both.c.stratum, func.sum(both.c.n)).group_by(both.c.stratum))
    return Counter({code: int(n) for code, n in rows})


async def _due(session: ReadSession, sealed: SealedPoll, entitled: Counts) -> Counts:
    """What the roll and its amendments have to come to, by stratum.

    Those entitled who have not taken part, and everybody who has: a participation is final, so it stays in the roll
    (in the stratum of the facts as they are now) even when its citizen turns out never to have been entitled.
    """
    due = Counter(entitled)
    due.subtract(await _entitled(session, sealed, took_part=True))
    participants = await stratum_of_participants(session, sealed.id, sealed.definition)
    for stratum, n in participants.items():
        due[stratum.code] += n
    return due


async def _entitled(session: ReadSession, sealed: SealedPoll, *, took_part: bool = False) -> Counts:
    """Whom the register as it is now entitles, by stratum: everybody, or those alone who took part.

    The first goes through the whole register, the second through the participations.
    """
    definition = sealed.definition
    terms = await resolve(session, definition)
    facts = entries(definition.register_code, terms.opens_at)
    columns = stratum_columns(definition, terms.on, definition.strata, facts)
    query = facts.select(*columns, func.count()).where(condition(definition.audience, terms, facts))
    if took_part:
        voters = select(participation.c.citizen_id).where(participation.c.poll_id == sealed.id)
        query = query.where(citizen.c.id.in_(voters))
    rows = await session.execute(query.group_by(*columns))
    return Counter({Stratum(*stratum).code: int(n) for *stratum, n in rows})
