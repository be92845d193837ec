"""Residents rate the finished work from 1 to 5, once.

Who may: whoever took part in the poll, and whoever lives in its territory now. The first asked for the work, the others
live beside it; whoever has done neither has nothing to judge it by. The register says both, so nobody rates twice under
two accounts.

That a resident rated and how are kept apart: `work_rating_given` holds citizens without stars, `work_rating` stars
without citizens. Figures come out ten ratings at a time, first at ten, so that nobody can tell from a figure that moved
how the neighbour who has just rated did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from polls.catalogue import SealedPoll, participation_day, sealed_poll
from polls.errors import FieldError, Invalid
from polls.register import facts_as_of
from polls.sessions import ReadSession, Session
from results.decisions import Status, decision_of, lock_decision
from results.errors import AlreadyRated, NotYourWork, WorkNotDone
from results.tables import work_rating, work_rating_given

AT_ONCE = 10
"""Ratings that come out together, and the least that do."""
STARS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class WorkRatings:
    """Published ratings of one piece of work: how many gave each number of stars. Never fewer than ten in all."""

    counts: Mapping[int, int]

    @property
    def total(self) -> int:
        """How many rated."""
        return sum(self.counts.values())

    @property
    def mean(self) -> Fraction:
        """The mean of all ratings."""
        return Fraction(sum(stars * n for stars, n in self.counts.items()), self.total)

    @property
    def median(self) -> Fraction:
        """The middle rating; between two, half-way."""
        every = [stars for stars in STARS for _ in range(self.counts[stars])]
        middle = self.total // 2
        return Fraction(every[middle] if self.total % 2 else every[middle - 1] + every[middle], 2 - self.total % 2)


class RatingStanding(StrEnum):
    """Where a resident stands with a piece of work."""

    MAY = "may"
    RATED = "rated"
    NOT_DONE = "not_done"
    NOT_YOURS = "not_yours"


async def work_ratings(session: ReadSession, decision_id: int) -> WorkRatings | None:
    """What residents say of the work, or None while fewer than ten have said anything."""
    rows = await session.execute(
        select(work_rating.c.stars, work_rating.c.shown).where(work_rating.c.decision_id == decision_id)
    )
    shown = {row.stars: row.shown for row in rows}
    found = WorkRatings({stars: shown.get(stars, 0) for stars in STARS})
    return found if found.total >= AT_ONCE else None


async def rating_standing(session: ReadSession, poll: SealedPoll, citizen_id: int, now: datetime) -> RatingStanding:
    """Whether this resident may rate the work that followed from a poll, and if not, why."""
    found = await decision_of(session, poll.id)
    if found is not None:
        given = (work_rating_given.c.decision_id == found.id, work_rating_given.c.citizen_id == citizen_id)
        if await session.scalar(select(func.count()).select_from(work_rating_given).where(*given)):
            return RatingStanding.RATED
    if found is None or found.status is not Status.DONE:
        return RatingStanding.NOT_DONE
    return RatingStanding.MAY if await _concerned(session, poll, citizen_id, now) else RatingStanding.NOT_YOURS


async def rate_work(session: Session, slug_or_id: str, citizen_id: int, stars: int, now: datetime) -> None:
    """Take one resident's rating. It cannot be changed: nothing says which one it was.

    Refuses `PollNotFound`, `Invalid` for other than 1 to 5, `WorkNotDone` (also while finished work is reopened),
    `NotYourWork`, and `AlreadyRated`.
    """
    if stars not in STARS:
        raise Invalid([FieldError("stars", "off_scale", "Choose from 1 to 5.")])
    # The lock is shared with whoever reopens the work, and makes ratings of one work follow each other.
    found = await lock_decision(session, slug_or_id)
    if found.status is not Status.DONE:
        raise WorkNotDone()
    if not await _concerned(session, await sealed_poll(session, found.poll_public_id), citizen_id, now):
        raise NotYourWork()
    given = insert(work_rating_given).values(decision_id=found.id, citizen_id=citizen_id)
    taken = await session.execute(given.on_conflict_do_nothing().returning(work_rating_given.c.citizen_id))
    if taken.one_or_none() is None:
        raise AlreadyRated()
    await session.execute(
        insert(work_rating)
        .values(decision_id=found.id, stars=stars, n=1)
        .on_conflict_do_update(
            index_elements=[work_rating.c.decision_id, work_rating.c.stars], set_={"n": work_rating.c.n + 1}
        )
    )
    mine = work_rating.c.decision_id == found.id
    total = await session.scalar(select(func.sum(work_rating.c.n)).where(mine))
    if total % AT_ONCE == 0:
        await session.execute(update(work_rating).where(mine).values(shown=work_rating.c.n))


async def _concerned(session: ReadSession, poll: SealedPoll, citizen_id: int, now: datetime) -> bool:
    """Took part in the poll, or lives in its territory now; a poll without one is everybody's."""
    if await participation_day(session, poll.id, citizen_id) is not None:
        return True
    facts = await facts_as_of(session, citizen_id, now)
    place = poll.definition.territory
    return facts.present and (not place or place in facts.territories)
