"""What a page needs to know of its own reader: read for every page, from the primary, many readers in one statement.

Nothing here is remembered. A vote just cast shows on the next page whatever process took it. The statement goes
straight through the driver and in no transaction: it sees what was committed before it began, as it would in one.
"""

from __future__ import annotations

from collections.abc import Sequence

from polls.errors import NotFound
from polls.own_facts import Asked, Own, own_facts
from polls.straight_sql import Straight
from voting.db import Database
from voting.gathering import Gatherer
from voting.remembering import Pulse


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
        async with self._database.open_driver() as driver:
            mark, found = await own_facts(Straight(driver), asked)
        self._pulse.heard(mark)
        return {one: own for one, own in zip(asked, found, strict=True) if own is not None}
