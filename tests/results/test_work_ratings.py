"""Rating the finished work: once, by those it concerns, without anybody's stars beside their name."""

from __future__ import annotations

import asyncio
from datetime import date
from fractions import Fraction

import pytest
from sqlalchemy import func, insert, select
from tests.builders import a_citizen
from tests.results.counted import AFTER
from tests.results.decided import WHY, a_decided_poll, decide

from polls.errors import Invalid, PollNotFound, Refusal
from polls.sessions import Session
from polls.tables import participation
from results.decisions import Status, decision_on
from results.errors import AlreadyRated, NotYourWork, WorkNotDone
from results.tables import work_rating, work_rating_given
from results.work_ratings import RatingStanding, WorkRatings, rate_work, rating_standing, work_ratings
from voting.db import Database

DONE = {"status": Status.DONE, "deadline": None}


async def test_ten_ratings_come_out_together(session: Session) -> None:
    poll = await a_decided_poll(session, Status.DONE, None)
    found = await decision_on(session, poll.slug)
    given = [5, 5, 5, 4, 4, 3, 3, 2, 1, 1]
    for n, stars in enumerate(given, start=1):
        assert await work_ratings(session, found.id) is None, n
        await rate_work(session, poll.slug, await a_citizen(session), stars, AFTER)
    shown = await work_ratings(session, found.id)
    assert shown == WorkRatings({1: 2, 2: 1, 3: 2, 4: 2, 5: 3})
    assert (shown.total, shown.mean, shown.median) == (10, Fraction(33, 10), Fraction(7, 2))
    for _ in range(9):
        await rate_work(session, poll.slug, await a_citizen(session), 1, AFTER)
        assert await work_ratings(session, found.id) == shown, "a single rating moves no figure"
    await rate_work(session, poll.slug, await a_citizen(session), 1, AFTER)
    assert (await work_ratings(session, found.id)) == WorkRatings({1: 12, 2: 1, 3: 2, 4: 2, 5: 3})


def test_mean_and_median() -> None:
    assert WorkRatings({1: 0, 2: 0, 3: 0, 4: 0, 5: 11}).median == 5
    assert WorkRatings({1: 6, 2: 0, 3: 0, 4: 0, 5: 5}).median == 1
    assert WorkRatings({1: 5, 2: 0, 3: 0, 4: 0, 5: 5}).median == 3
    assert WorkRatings({1: 1, 2: 2, 3: 3, 4: 4, 5: 5}).mean == Fraction(55, 15)


async def test_one_rating_for_each_and_nobody_elses(session: Session) -> None:
    poll = await a_decided_poll(session, Status.DONE, None, territory="msk-cao")
    neighbour = await a_citizen(session, district="msk-cao-arbat")
    stranger = await a_citizen(session, district="msk-sao-timiryazevsky")
    voter = await a_citizen(session, district="msk-sao-timiryazevsky")
    await session.execute(insert(participation).values(poll_id=poll.id, citizen_id=voter, day=date(2026, 11, 25)))
    assert await rating_standing(session, poll, stranger, AFTER) is RatingStanding.NOT_YOURS
    with pytest.raises(NotYourWork):
        await rate_work(session, poll.slug, stranger, 5, AFTER)
    for one in (neighbour, voter):
        assert await rating_standing(session, poll, one, AFTER) is RatingStanding.MAY
        await rate_work(session, poll.slug, one, 5, AFTER)
        assert await rating_standing(session, poll, one, AFTER) is RatingStanding.RATED
        with pytest.raises(AlreadyRated):
            await rate_work(session, poll.slug, one, 1, AFTER)
    assert await session.scalar(select(func.sum(work_rating.c.n))) == 2
    assert set(work_rating_given.c.keys()) == {"decision_id", "citizen_id"}


async def test_only_finished_work_is_rated(session: Session) -> None:
    poll = await a_decided_poll(session)
    one, other = await a_citizen(session), await a_citizen(session)
    with pytest.raises(WorkNotDone):
        await rate_work(session, poll.slug, one, 5, AFTER)
    await decide(session, poll, status=Status.DONE)
    await rate_work(session, poll.slug, one, 5, AFTER)
    await decide(session, poll, status=Status.IN_PROGRESS, reason=WHY)
    assert await rating_standing(session, poll, other, AFTER) is RatingStanding.NOT_DONE
    assert await rating_standing(session, poll, one, AFTER) is RatingStanding.RATED
    with pytest.raises(WorkNotDone):
        await rate_work(session, poll.slug, other, 5, AFTER)
    await decide(session, poll, status=Status.DONE)
    with pytest.raises(AlreadyRated):
        await rate_work(session, poll.slug, one, 1, AFTER)
    await rate_work(session, poll.slug, other, 4, AFTER)


@pytest.mark.parametrize("stars", [0, 6, -1, 10**30])
async def test_other_numbers_are_no_ratings(session: Session, stars: int) -> None:
    poll = await a_decided_poll(session, Status.DONE, None)
    with pytest.raises(Invalid):
        await rate_work(session, poll.slug, await a_citizen(session), stars, AFTER)
    with pytest.raises(PollNotFound):
        await rate_work(session, "no-such-poll", 1, 5, AFTER)


async def test_fifty_at_once_are_one_rating(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        poll = await a_decided_poll(session, Status.DONE, None)
        citizen_id, others = await a_citizen(session), [await a_citizen(session) for _ in range(10)]

    async def rate(who: int, stars: int) -> str:
        try:
            async with fresh_database.open_session() as session:
                await rate_work(session, poll.slug, who, stars, AFTER)
        except Refusal as refusal:
            return refusal.code
        return "taken"

    told = await asyncio.gather(*(rate(citizen_id, 1 + n % 5) for n in range(50)))
    assert (told.count("taken"), told.count("already_rated")) == (1, 49)
    assert await asyncio.gather(*(rate(other, 3) for other in others)) == ["taken"] * 10
    async with fresh_database.open_session() as session:
        assert await session.scalar(select(func.count()).select_from(work_rating_given)) == 11
        assert await session.scalar(select(func.sum(work_rating.c.n))) == 11
        shown = await work_ratings(session, (await decision_on(session, poll.slug)).id)
    assert shown is not None
    assert shown.total == 10
