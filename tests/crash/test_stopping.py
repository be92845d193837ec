"""SIGTERM with votes inside: what was acknowledged is in the database, everybody else is told, and the end is in time.

Requests in progress are answered; whoever comes later finds no connection. What was told 503 or nothing may be sent
again to the next process with the same key and counts once.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.crash.service import Service, a_service, full_counts, needs_proc
from tests.crash.voters import Crowd, Resident, Taken, check_box, found_city
from tests.memory import PLACE

from polls.poll_lock import lock_key
from voting.security import FormTokens
from voting.serving import STOP_WITHIN

RESIDENTS = 300 if full_counts() else 150
PACE = 0.005 if full_counts() else 0.015  # seconds between two, so that the stop comes before the last of them
ENDS_WITHIN = STOP_WITHIN + 15.0  # seconds; the limit for requests, then the worker's and the database's

pytestmark = needs_proc


async def send_all(crowd: Crowd, people: list[Resident]) -> list[tuple[Resident, bytes, dict[str, int], object]]:
    """Every resident's vote at once, each over a connection of its own; with what came of it: a reply or an error."""

    async def one(who: Resident, number: int) -> tuple[Resident, bytes, dict[str, int], object]:
        key, answers = os.urandom(16), {"1": 1 + number % 3}
        await asyncio.sleep(number * PACE)
        async with crowd.client() as client:
            try:
                reply = await crowd.send(client, who, key, answers)
                crowd.told += reply.status_code == 201
                return who, key, answers, reply
            except httpx.TransportError as error:
                return who, key, answers, error

    return await asyncio.gather(*(one(who, number) for number, who in enumerate(people)))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("held", [False, True])
async def test_a_stop_with_votes_inside_loses_nothing(tmp_path: Path, held: bool) -> None:
    """`held`: somebody holds the poll alone, so that votes are inside that cannot be written at all."""
    with a_service(PLACE / f"stop-{os.getpid()}-{held:d}", tmp_path / "log") as service:
        await asyncio.to_thread(service.start)
        database = service.database()
        poll, people = await found_city(database, FormTokens(service.settings.secret("forms")), RESIDENTS)
        await database.close()
        crowd = Crowd(poll, service.base, random.Random(5))
        holder = psycopg.connect(service.home.url(driver="postgresql"), autocommit=True) if held else None
        sending = asyncio.create_task(send_all(crowd, people))
        async with asyncio.timeout(60):
            while crowd.told < RESIDENTS // 10:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        if holder is not None:
            holder.execute("SELECT pg_advisory_lock(%s)", (lock_key(poll.id),))
            await asyncio.sleep(0.1)
        assert service.process is not None
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        told = await asyncio.wait_for(sending, ENDS_WITHIN)
        if holder is not None:
            holder.close()
        code = await asyncio.to_thread(service.process.wait, ENDS_WITHIN)
        took = time.monotonic() - began
        assert code == 0 and took < ENDS_WITHIN
        assert not service.left() and service.postmaster() is None
        heard = Counter(one.status_code if isinstance(one, httpx.Response) else "closed" for *_, one in told)
        print(f"poll held: {held}; {dict(heard)}, ended after {took:.1f} s")  # noqa: T201
        assert set(heard) <= {201, 503, "closed"} and heard[201] and len(heard) > 1, "the stop came in the midst of it"
        for who, key, answers, reply in told:
            if isinstance(reply, httpx.Response) and reply.status_code == 201:
                crowd.taken[who.citizen_id] = Taken(who, key, answers, reply.json()["receipt"])
            elif isinstance(reply, httpx.Response):
                assert reply.headers["retry-after"]
                assert reply.json()["code"] in ("busy", "unavailable", "outcome_unknown")
        await send_the_rest(service, crowd, told)


async def send_the_rest(
    service: Service, crowd: Crowd, told: list[tuple[Resident, bytes, dict[str, int], object]]
) -> None:
    """Start it again: what was acknowledged is there, and the others' votes sent again count once."""
    first = dict(crowd.taken)
    await asyncio.to_thread(service.start)
    await crowd.ask_again(len(first))
    async with crowd.client() as client:
        for who, key, answers, _ in told:
            if who.citizen_id not in first:
                status, body = await crowd.insist(client, who, key, answers)
                assert status in (200, 201), body
                crowd.taken[who.citizen_id] = Taken(who, key, answers, body["receipt"])
    database = service.database()
    await check_box(database, crowd)
    await database.close()
    assert len(crowd.taken) == RESIDENTS
    assert service.stop() == 0
