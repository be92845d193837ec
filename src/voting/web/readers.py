"""What a page needs to know of its own reader: read for every page, from the primary, many readers in one query.

Nothing here is remembered. A vote just cast shows on the next page whatever process took it. The statements go straight
through the driver and in no transaction: each sees what was committed before it began, as it would in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from polls.catalogue import SealedPoll
from polls.eligibility import CitizenFacts
from polls.entitlement import Entitlement, entitlements
from polls.errors import NotFound
from polls.journal import events_mark
from polls.own_days import participation_days
from polls.register import citizen_facts_many
from polls.straight_sql import Straight
from voting.db import Database
from voting.gathering import Gatherer
from voting.remembering import Pulse


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
    """The reader's days by poll, and what the register says: of now, and where a poll was asked about, for it."""

    days: Mapping[int, date]
    facts: CitizenFacts | None
    entitled: Entitlement | None


class Readers:
    """Answers pages about their readers."""

    def __init__(self, database: Database, pulse: Pulse) -> None:
        self._database = database
        self._pulse = pulse
        self._reads: Gatherer[Asked, Own] = Gatherer(self._fetch)

    async def own(self, asked: Asked) -> Own:
        """The reader as the database has them now. Refuses `NotFound` for a citizen who is not in the register."""
        found = await self._reads.get(asked)
        if found is None:
            raise NotFound(citizen=asked.citizen_id)
        return found

    async def _fetch(self, asked: Sequence[Asked]) -> dict[Asked, Own]:
        citizens = list({one.citizen_id for one in asked})
        polls = list(set().union(*{one.polls for one in asked}))
        async with self._database.open_driver() as driver:
            straight = Straight(driver)
            self._pulse.heard(await events_mark(straight))
            days = await participation_days(straight, citizens, polls)
            at_home = [one for one in asked if one.poll is None]
            facts: dict[int, CitizenFacts] = {}
            if at_home:
                moment = max(one.now for one in at_home)
                facts = await citizen_facts_many(straight, [one.citizen_id for one in at_home], moment)
            judged = [(one.poll, one.citizen_id, one.now) for one in asked if one.poll is not None]
            entitled = iter(await entitlements(straight, judged))
        found = {}
        for one in asked:
            entitlement = next(entitled) if one.poll is not None else None
            if entitlement is None and one.citizen_id not in facts:
                continue
            mine = days.get(one.citizen_id, {})
            own = {poll: day for poll, day in mine.items() if poll in one.polls}
            found[one] = Own(own, facts.get(one.citizen_id) if one.poll is None else None, entitlement)
        return found
