"""The closing time is exact by the database's clock: a rush over it from two processes whose own clocks are wrong.

Nothing here looks at when a row was written. What is checked is what a resident could tell: a vote answered before
closing counts, one sent after it never does, and what was acknowledged is what is counted.
"""

import asyncio
import random
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text
from tests.builders import SEALER, a_city, a_key, an_open_poll
from tests.crash.voters import Resident, settle_residents
from tests.sites import HTTP, fast_passwords, site_settings

from polls.authoring import close_early, extend_poll
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from voting import api
from voting.app import create_app
from voting.db import Database
from voting.security import FormTokens

PEOPLE = 300
Told = tuple[datetime, datetime, int, str]  # the database's clock before and after, status, code


class Rush:
    """Two processes, one an hour slow and one an hour fast, and residents who vote by either."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.database = database
        # Sessions are judged by the process's clock, and last long enough here for its being wrong.
        self.settings = site_settings(tmp_path, session_idle=timedelta(hours=5))
        self.sites = [self.site(timedelta(hours=hours)) for hours in (-1, 1)]
        self.draw = random.Random(4)

    def site(self, wrong: timedelta) -> Litestar:
        return create_app(
            self.settings, database=self.database, passwords=fast_passwords(), route_handlers=api.routers,
            clock=lambda: datetime.now(UTC) + wrong,
        )  # fmt: skip

    async def settle(self, **more: Any) -> tuple[SealedPoll, list[Resident]]:
        async with self.database.open_session() as session:
            await a_city(session)
            people = await settle_residents(session, FormTokens(self.settings.secret("forms")), PEOPLE)
            return await an_open_poll(session, **more), people

    async def clock(self) -> datetime:
        async with self.database.open_read_session() as session:
            moment = await session.scalar(text("SELECT clock_timestamp()"))
        assert isinstance(moment, datetime)
        return moment

    async def vote(self, poll: SealedPoll, who: Resident, site: Litestar) -> Told:
        transport = httpx.ASGITransport(app=site)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=HTTP) as client:
            before = await self.clock()
            reply = await client.post(
                f"/api/v1/polls/{poll.public_id}/ballots", json={"answers": {"1": 2}},
                headers={**who.headers, "idempotency-key": a_key().hex()},
            )  # fmt: skip
            return before, await self.clock(), reply.status_code, str(reply.json().get("code", ""))

    async def stream(self, poll: SealedPoll, people: list[Resident], told: list[Told], clients: int = 12) -> None:
        """Everybody votes once, so many at a time, by either process."""
        waiting = list(people)

        async def one_client() -> None:
            while waiting:
                told.append(await self.vote(poll, waiting.pop(), self.draw.choice(self.sites)))

        await asyncio.gather(*(one_client() for _ in range(clients)))

    async def counted(self, poll: SealedPoll) -> int:
        """Count it at once, while votes may still be on their way, and give the number of ballots counted."""
        async with self.database.open_session() as session:
            done = await count_poll(session, poll.public_id, datetime.now(UTC), SEALER)
        assert done is not None
        return done.ballots

    async def stored(self, poll: SealedPoll) -> tuple[int, int]:
        async with self.database.open_session() as session:
            known = {"p": poll.id}
            ballots = await session.scalar(text("SELECT count(*) FROM ballot WHERE poll_id = :p"), known)
            part = await session.scalar(text("SELECT count(*) FROM participation WHERE poll_id = :p"), known)
        return int(ballots or 0), int(part or 0)


@pytest.fixture
def rush(fresh_database: Database, tmp_path: Path) -> Rush:
    return Rush(fresh_database, tmp_path)


def check(told: list[Told], closed_at: datetime) -> int:
    """Judge every answer by the moment of closing; gives how many were taken."""
    for before, after, status, code in told:
        if before >= closed_at:
            assert status == 409 and code == "poll_closed", (before, closed_at, status, code)
        elif after < closed_at:
            assert status == 201, (after, closed_at, status, code)
        else:
            assert status == 201 or code == "poll_closed", (status, code)
    return sum(status == 201 for *_, status, _ in told)


async def over(rush: Rush, poll: SealedPoll, people: list[Resident], end: Coroutine[Any, Any, datetime]) -> int:
    """Let the people vote, end the poll in the midst of it, and count at the first moment; gives the votes taken."""
    told: list[Told] = []
    late = people[-40:]
    voting = asyncio.create_task(rush.stream(poll, people[:-40], told))
    while len(told) < 40:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    closes_at = await end
    while await rush.clock() < closes_at:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    counted, _ = await asyncio.gather(rush.counted(poll), rush.stream(poll, late, told))
    await voting
    assert len(told) == len(people)
    taken = check(told, closes_at)
    assert 40 <= taken <= PEOPLE - 40
    assert counted == taken and await rush.stored(poll) == (taken, taken)
    return taken


async def test_a_rush_over_the_closing_time_is_cut_exactly(rush: Rush) -> None:
    poll, people = await rush.settle()

    async def come_to_the_end() -> datetime:
        """The clock is not to be moved, so the closing time is: to a fifth of a second from now."""
        async with rush.database.open_session() as session:
            moment = await session.scalar(
                text(
                    "UPDATE poll SET closes_at = clock_timestamp() + interval '200 ms'"
                    " WHERE id = :p RETURNING closes_at"
                ),
                {"p": poll.id},
            )
        assert isinstance(moment, datetime)
        return moment

    await over(rush, poll, people, come_to_the_end())


async def test_an_early_close_is_exact_whatever_is_on_its_way(rush: Rush) -> None:
    poll, people = await rush.settle()

    async def close() -> datetime:
        async with rush.database.open_session() as session:
            await close_early(session, poll.public_id, 1, "enough", datetime.now(UTC))
            moment = await session.scalar(text("SELECT closes_at FROM poll WHERE id = :p"), {"p": poll.id})
        assert isinstance(moment, datetime)
        return moment

    await over(rush, poll, people, close())


async def test_after_an_extension_every_process_takes_votes_past_the_old_time(rush: Rush) -> None:
    old = (await rush.clock()).replace(microsecond=0) + timedelta(seconds=5)
    poll, people = await rush.settle(closes_at=old)
    told: list[Told] = []
    await rush.stream(poll, people[:30], told)  # both processes have the poll in their memories now
    voting = asyncio.create_task(rush.stream(poll, people[30:60], told, 2))
    async with rush.database.open_session() as session:
        await extend_poll(session, poll.public_id, 1, old + timedelta(hours=1), "more time", datetime.now(UTC))
    while await rush.clock() < old:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await rush.stream(poll, people[60:90], told)
    await voting
    assert len(told) == 90 and {status for *_, status, _ in told} == {201}
