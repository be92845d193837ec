"""Kill -9 of web processes, of PostgreSQL and of both while eight clients race: nothing acknowledged is lost.

In every round the votes go on through the crash. Each resident's client repeats what got no answer, with the same key,
until the answer is definite; so afterwards the box must hold exactly what was acknowledged: no vote lost, none twice,
none that nobody was told of.
"""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.crash.service import Service, a_service, full_counts, needs_proc
from tests.crash.voters import Crowd, Resident, check_box, found_city
from tests.memory import PLACE

from voting.security import FormTokens

ROUNDS = 25 if full_counts() else 3
RESIDENTS = 200 if full_counts() else 80  # of a round
BACK_WITHIN = 20.0  # seconds; on a quiet machine it is one or two
KINDS = ("web", "database", "both")


@needs_proc
@pytest.mark.timeout(900)
async def test_nothing_acknowledged_is_lost_and_nobody_votes_twice(tmp_path: Path) -> None:
    with a_service(PLACE / f"crash-{os.getpid()}", tmp_path / "log") as service:
        await asyncio.to_thread(service.start)
        database = service.database()
        draw = random.Random(20261122)
        tokens = FormTokens(service.settings.secret("forms"))
        poll, people = await found_city(database, tokens, ROUNDS * RESIDENTS)
        crowd = Crowd(poll, service.base, draw)
        outages = []
        for number in range(ROUNDS):
            kind = KINDS[number] if number < len(KINDS) else draw.choice(KINDS)
            outages.append((kind, await one_round(service, crowd, people[number * RESIDENTS :][:RESIDENTS], kind)))
            await check_box(database, crowd)
            await crowd.ask_again(10)
        first = set(service.pids("web"))
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        await crowd.ask_again(40 if full_counts() else 20)  # from processes that saw none of them
        assert not first & set(service.pids("web"))
        await check_box(database, crowd)
        await database.close()
        print(  # noqa: T201  -- the figures of a release
            f"{ROUNDS} rounds: {len(crowd.taken)} votes, {crowd.told} acknowledgements, {crowd.broken} connections"
            f" broken, {crowd.unavailable} times 503, slowest answer {crowd.slowest:.1f} s; taken again after "
            + ", ".join(f"{kind} {outage:.1f} s" for kind, outage in outages)
        )
        assert len(crowd.taken) == ROUNDS * RESIDENTS
        assert service.stop() == 0
        assert service.postmaster() is None and not service.left()


async def one_round(service: Service, crowd: Crowd, residents: list[Resident], kind: str) -> float:
    """Let the residents vote, and kill in the midst of it; gives the seconds until a vote was taken again."""
    before = crowd.told
    voting = asyncio.create_task(crowd.run(residents))
    threshold = before + crowd.draw.randrange(RESIDENTS // 10, RESIDENTS // 2)
    while crowd.told < threshold and not voting.done():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    assert not crowd.faults, crowd.faults[:5]
    assert not voting.done(), "the crash came too late"
    web = service.pids("web")
    victims = [crowd.draw.choice(web)] if kind in ("web", "both") else []
    if kind in ("database", "both"):
        postmaster = service.postmaster()
        assert postmaster is not None
        victims.append(postmaster)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    while crowd.last_taken[0] < killed:
        assert time.monotonic() - killed < BACK_WITHIN, f"no vote is taken after a kill of {kind}"
        assert not voting.done(), "nobody was left to vote"
        await asyncio.sleep(0.01)
    outage = crowd.last_taken[1] - killed
    await voting
    deadline = time.monotonic() + BACK_WITHIN
    while len(service.pids("web")) < service.workers:
        assert time.monotonic() < deadline, "the killed web process is not back"
        await asyncio.sleep(0.05)
    return outage
