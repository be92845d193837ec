"""A flood of sign-ins at the limit of the hashing pool: it is told to come again, and votes go on.

bench/sign_in_flood.py measures the same against the service as it is run; here the machine may be busy, so the bound on
times is wide. What may not happen at any load is asserted exactly.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from collections import Counter
from pathlib import Path

from tests.builders import a_citizen, a_city, an_open_poll
from tests.flows.api_client import Client
from tests.sites import add_account, site_settings

from voting.app import create_app
from voting.db import Database
from voting.identity.passwords import PasswordPool
from voting.throttling import LIMITS, Limit

VOTERS = 40
GUESSERS = 60
UNLIMITED = {name: Limit(10**6, limit.window) for name, limit in LIMITS.items()}


async def test_votes_go_on_while_the_hashing_pool_is_full(fresh_database: Database, tmp_path: Path) -> None:
    pool = PasswordPool(1, apart=True)  # as in production
    app = create_app(site_settings(tmp_path), database=fresh_database, passwords=pool, limits=UNLIMITED)
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
        citizens = [await a_citizen(session) for _ in range(VOTERS)]
    voters = []
    for citizen in citizens:
        await add_account(fresh_database, f"v{citizen}@city.test", "resident", citizen_id=citizen)
        voters.append(await Client(app).sign_in(f"v{citizen}@city.test"))

    async def votes(some: list[Client]) -> list[float]:
        taken = []
        for one in some:
            began = time.perf_counter()
            reply = await one.vote(poll.slug, secrets.token_hex(16), {"1": 1})
            taken.append(time.perf_counter() - began)
            assert reply.status_code == 201, reply.text
        return taken

    idle = await votes(voters[: VOTERS // 2])
    said: Counter[int] = Counter()
    over = False

    async def guess(at: int) -> None:
        guesser = Client(app, address=f"198.51.100.{at}")
        while not over:
            reply = await guesser.post("/session", {"login": f"v{at}@city.test", "password": "wrong password"})
            said[reply.status_code] += 1
            if reply.status_code == 503:
                assert 1 <= int(reply.headers["retry-after"]) <= 60
                await asyncio.sleep(0.25)  # some 240 a second: they share the processor with the votes here

    flood = [asyncio.create_task(guess(at)) for at in range(GUESSERS)]
    await asyncio.sleep(0.5)
    flooded = await votes(voters[VOTERS // 2 :])
    over = True
    await asyncio.gather(*flood)
    assert set(said) == {401, 503}, "refused or told to come again, and nothing else"
    assert said[503] > said[401] > 0, "the flood was above what the pool takes"
    assert statistics.median(flooded) < 2 * max(idle) + 0.25, (idle, flooded)
    pool.close()
