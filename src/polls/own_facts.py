"""Reads: what a page says to residents of themselves, of many readers in one statement.

Never a choice: none is kept with a participation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from polls.catalogue import SealedPoll
from polls.eligibility import CitizenFacts
from polls.entitlement import deciding_moment, entitlements, may_have_come_late
from polls.journal import EVENTS_MARK
from polls.register import FACTS, facts_of
from polls.straight_sql import Source, fetch


@dataclass(slots=True, eq=False)
class Asked:
    """What is asked of a reader: the days they voted in `polls`, and the facts of now or those that decide in `poll`.

    One is made for each page, and is equal to itself alone.
    """

    citizen_id: int
    polls: tuple[int, ...]
    now: datetime
    poll: SealedPoll | None = None

    @classmethod
    def about(cls, poll: SealedPoll, citizen_id: int, now: datetime) -> Asked:
        """Whether the reader voted in this poll, and the facts that decide in it."""
        return cls(citizen_id, (poll.id,), now, poll)


@dataclass(slots=True)
class Own:
    """The reader's days by poll, and what the register says: of now, or where a poll was asked about, for it."""

    days: Mapping[int, date]
    facts: CitizenFacts


_OWN = f"""
    SELECT mark.highest, mark.near, f.*, v.polls, v.days
      FROM ({EVENTS_MARK}) mark
      LEFT JOIN ({FACTS}) f ON true
      LEFT JOIN LATERAL (SELECT array_agg(p.poll_id) AS polls, array_agg(p.day) AS days FROM participation p
                          WHERE p.citizen_id = f.id AND p.poll_id = ANY ((SELECT $3::bigint[])::bigint[])) v ON true
"""
"""The mark in every row, and in one without facts if all are unknown. Each citizen's days are in one partition of
`participation`, looked up by its whole key.
"""


async def own_facts(source: Source, asked: Sequence[Asked]) -> tuple[tuple[int, int], list[Own | None]]:
    """The mark of the newest events (`journal.events_mark`), and each reader as of the same moment, in the order asked;
    None for an unknown citizen.

    One statement; those who may have registered late for their poll are asked about once more, by `entitlements`.
    """
    citizens = [one.citizen_id for one in asked]
    moments = [one.now if one.poll is None else deciding_moment(one.poll, one.now) for one in asked]
    polls = list(set().union(*{one.polls for one in asked}))
    rows = await fetch(source, _OWN, citizens, moments, polls)
    found: list[Own | None] = [None] * len(asked)
    late = []
    for row in rows:
        if row["place"] is None:
            continue
        place = row["place"] - 1
        one, own = asked[place], Own({}, facts_of(row))
        if row["polls"] is not None:
            own.days = {poll: day for poll, day in zip(row["polls"], row["days"], strict=True) if poll in one.polls}
        if one.poll is not None and may_have_come_late(one.poll, own.facts):
            late.append((own, (one.poll, one.citizen_id, one.now)))
        found[place] = own
    if late:
        for (own, _), entitled in zip(late, await entitlements(source, [which for _, which in late]), strict=True):
            if entitled is not None:
                own.facts = entitled.facts
    return (rows[0]["highest"], rows[0]["near"]), found
