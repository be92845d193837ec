"""One person, one register entry: joining two entries, and keeping a vote single whatever is found out later.

A participation is final and no ballot leads to a person (BALLOTS 5, 12), so nothing of a vote is ever moved. What keeps
a person from a second vote is the very primary key that keeps everybody from one: an entry whose twin has voted gets a
participation of the channel `OTHER_ENTRY`, which no figure counts. Where both had voted before it was found, neither
ballot can be found again: the poll's protocol counts it (BALLOTS 23).

Everything here happens with the running polls locked alone, in the order of their numbers: no vote is on its way
meanwhile, so none falls between what is read and what is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from polls.audience import stratum_columns, take_roll
from polls.audience_condition import condition, resolve
from polls.catalogue import SealedPoll, sealed_poll
from polls.errors import EntriesDiffer
from polls.journal import record_event
from polls.lifecycle import State
from polls.person_tables import OTHER_ENTRY, double_vote, merged_entry
from polls.poll_lock import lock_alone
from polls.register_sum import entries
from polls.roll_corrections import REASON
from polls.sessions import ReadSession, Session
from polls.strata import Stratum
from polls.tables import citizen, citizen_period, participation, poll, roll_amendment
from polls.unit_tables import unit_owner


async def merge_entries(session: Session, keep: int, drop: int, *, by: int, now: datetime) -> int:
    """Say that two entries are one person: `keep` stands for him from now on, `drop` for nobody; gives in how many
    polls both had voted.

    The dropped entry's period ends, its keys go on leading to the person (`polls.register.find_citizen`), its flats are
    the person's in polls of owners that open later, and neither entry votes where the other has. Refuses
    `EntriesDiffer`. Deciding that they are one person is the caller's.
    """
    await _check(session, keep, drop)
    # The register before the polls: the order of an import.
    ended = (citizen_period.c.citizen_id == drop, citizen_period.c.valid_to.is_(None))
    await session.execute(update(citizen_period).where(*ended, citizen_period.c.valid_from < now).values(valid_to=now))
    await session.execute(delete(citizen_period).where(*ended))  # one that begins this moment would last no time
    await session.execute(update(merged_entry).where(merged_entry.c.into_id == drop).values(into_id=keep))
    await session.execute(insert(merged_entry).values(citizen_id=drop, into_id=keep, merged_by=by, merged_at=now))
    await _pass_flats(session, keep, drop, now)
    running = await _running(session, now)
    voted = await _votes(session, (keep, drop))
    for one in running:
        days = {who: voted[who, one.id] for who in (keep, drop) if (who, one.id) in voted}
        if len(days) == 2:
            continue
        today = now.astimezone(ZoneInfo(one.definition.time_zone)).date()
        barred = [(who, days.get(drop if who == keep else keep, today)) for who in (drop, keep) if who not in days]
        if not days:
            barred = [(drop, today)]  # the person votes by the entry that is kept
        await _bar(session, one, barred, now)
    both = [poll_id for who, poll_id in voted if who == keep and (drop, poll_id) in voted]
    if both:
        await session.execute(insert(double_vote), [{"poll_id": poll_id} for poll_id in sorted(both)])
    return len(both)


async def bar_where_voted(session: Session, citizen_id: int, other: int, *, since: date, now: datetime) -> int:
    """Keep one entry from voting in the running polls where another has voted since a day; gives in how many.

    For somebody who signed in as another entry by mistake: what was cast there meanwhile may have been his.
    """
    running = await _running(session, now)
    voted = await _votes(session, (citizen_id, other))
    barred = 0
    for one in running:
        day = voted.get((other, one.id))
        if day is not None and day >= since and (citizen_id, one.id) not in voted:
            await _bar(session, one, [(citizen_id, day)], now)
            barred += 1
    return barred


async def double_votes(session: ReadSession, poll_id: int) -> int:
    """In how many cases a person had voted in this poll by two entries."""
    found = await session.scalars(select(double_vote.c.n).where(double_vote.c.poll_id == poll_id))
    return sum(found.all())


async def _check(session: Session, keep: int, drop: int) -> None:
    if keep == drop:
        raise EntriesDiffer(why="same")
    # Both rows, in one order: two desks that join the same entries wait for one another.
    rows = await session.execute(
        select(citizen.c.id, citizen.c.register_code)
        .where(citizen.c.id.in_((keep, drop)))
        .order_by(citizen.c.id)
        .with_for_update()
    )
    registers = {row.id: row.register_code for row in rows}
    if len(registers) != 2:
        raise EntriesDiffer(why="unknown")
    if registers[keep] != registers[drop]:
        raise EntriesDiffer(why="register")
    joined = select(merged_entry.c.citizen_id).where(merged_entry.c.citizen_id.in_((keep, drop)))
    if await session.scalar(joined.limit(1)) is not None:
        raise EntriesDiffer(why="merged")


async def _pass_flats(session: Session, keep: int, drop: int, now: datetime) -> None:
    """Give what one entry owns to the other from now on; two shares of one flat become their sum, at most the whole."""
    standing = (unit_owner.c.citizen_id.in_((keep, drop)), unit_owner.c.valid_to.is_(None))
    rows = (await session.execute(select(unit_owner).where(*standing).with_for_update())).all()
    passed = {row.unit_id for row in rows if row.citizen_id == drop}
    if not passed:
        return
    shares: dict[int, Fraction] = {}
    for row in rows:
        if row.unit_id in passed:
            share = Fraction(row.share_numerator, row.share_denominator)
            shares[row.unit_id] = min(shares.get(row.unit_id, Fraction(0)) + share, Fraction(1))
    ended = (*standing, unit_owner.c.unit_id.in_(passed))
    await session.execute(update(unit_owner).where(*ended, unit_owner.c.valid_from < now).values(valid_to=now))
    await session.execute(delete(unit_owner).where(*ended))
    await session.execute(
        insert(unit_owner),
        [
            {"unit_id": unit_id, "citizen_id": keep, "valid_from": now, "share_numerator": share.numerator,
             "share_denominator": share.denominator}
            for unit_id, share in sorted(shares.items())
        ],
    )  # fmt: skip


async def _running(session: Session, now: datetime) -> list[SealedPoll]:
    """The polls that have opened and are not counted, each locked alone until the transaction ends.

    One that opens later, were it in a moment, asks who was in the register then: not an entry that has ended.
    """
    opened = (poll.c.state == State.SCHEDULED, poll.c.opens_at <= now)
    ids = select(poll.c.id, poll.c.public_id).where(*opened).order_by(poll.c.id)
    listed = (await session.execute(ids)).all()
    for row in listed:
        await lock_alone(session, row.id)
    found = [await sealed_poll(session, row.public_id) for row in listed]
    return [one for one in found if one.stored_state is State.SCHEDULED]


async def _votes(session: ReadSession, citizens: Sequence[int]) -> dict[tuple[int, int], date]:
    """(citizen, poll) → day, of all votes these entries have cast; what only bars is none."""
    rows = await session.execute(
        select(participation.c.citizen_id, participation.c.poll_id, participation.c.day).where(
            participation.c.citizen_id.in_(citizens), participation.c.channel != OTHER_ENTRY
        )
    )
    return {(row.citizen_id, row.poll_id): row.day for row in rows}


async def _bar(session: Session, one: SealedPoll, barred: Sequence[tuple[int, date]], now: datetime) -> None:
    """Keep these entries from voting in one poll, and take them off its roll."""
    found = await session.execute(
        upsert(participation)
        .values([{"poll_id": one.id, "citizen_id": who, "day": day, "channel": OTHER_ENTRY} for who, day in barred])
        .on_conflict_do_nothing()
        .returning(participation.c.citizen_id)
    )
    new = sorted(found.scalars())
    if not new:
        return
    definition = one.definition
    await take_roll(session, one.id, definition)  # as it was at the opening; nothing, where it has been taken
    terms = await resolve(session, definition)
    facts = entries(definition.register_code, terms.opens_at)
    columns = stratum_columns(definition, terms.on, definition.strata, facts)
    entitled = facts.select(*columns).where(condition(definition.audience, terms, facts), citizen.c.id.in_(new))
    strata = [Stratum(*row).code for row in await session.execute(entitled)]
    if strata:
        rows = [{"poll_id": one.id, "stratum": code, "change": -1, "reason": REASON, "at": now} for code in strata]
        await session.execute(insert(roll_amendment), rows)
        await record_event(session, "roll_amended", one.id, now, reason=REASON, added=0, removed=len(strata))
