"""Residents that race for the ballot box over HTTP, and what must hold of the database afterwards."""

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import text
from tests.builders import a_city, an_open_poll
from tests.crash.service import NO_TLS

from polls.ballot import encode_ballot
from polls.board import ballot_id
from polls.catalogue import SealedPoll
from polls.sessions import Session
from voting.db import Database
from voting.identity.sessions import new_token, token_hash
from voting.security import FormTokens

PATIENCE = 90.0  # seconds a resident tries for
Answers = dict[str, Any]
DEFINITE = {200, 201, 409, 422}


@dataclass(frozen=True)
class Resident:
    """A citizen with an account and an open session: what a browser of theirs would send."""

    citizen_id: int
    headers: dict[str, str]


@dataclass(frozen=True)
class Taken:
    """A vote that was acknowledged."""

    resident: Resident
    key: bytes
    answers: Answers
    receipt: dict[str, Any]


async def settle_residents(session: Session, tokens: FormTokens, count: int) -> list[Resident]:
    """Add so many residents with accounts and sessions, by plain SQL: nobody signs in."""
    citizens = (
        await session.scalars(
            text(
                "INSERT INTO citizen (birth_date, sex, registered_at)"
                " SELECT '1990-05-17', 'f', '2020-01-01' FROM generate_series(1, :count) RETURNING id"
            ),
            {"count": count},
        )
    ).all()
    opened = [new_token() for _ in citizens]
    await session.execute(
        text(
            "INSERT INTO citizen_period (citizen_id, valid_from, district_id, level, groups)"
            " SELECT unnest(CAST(:citizens AS bigint[])), '2020-01-01', territory.id, 2, '{}'"
            "   FROM territory WHERE code = 'msk-cao-arbat'"
        ),
        {"citizens": list(citizens)},
    )
    await session.execute(
        text(
            "WITH made AS (INSERT INTO account (email, citizen_id)"
            "   SELECT c || '@crash.test', c FROM unnest(CAST(:citizens AS bigint[])) c RETURNING id, citizen_id),"
            " granted AS (INSERT INTO account_role (account_id, role) SELECT id, 'resident' FROM made)"
            " INSERT INTO web_session (token_hash, account_id, created_at, last_seen_at, expires_at)"
            " SELECT t.hash, made.id, now(), now(), now() + interval '12 hours'"
            "   FROM unnest(CAST(:citizens AS bigint[]), CAST(:hashes AS bytea[])) t (citizen, hash)"
            "   JOIN made ON made.citizen_id = t.citizen"
        ),
        {"citizens": list(citizens), "hashes": [token_hash(token) for token in opened]},
    )
    return [
        Resident(citizen, {"cookie": f"sid={token}", "x-csrf-token": tokens.for_session(token_hash(token))})
        for citizen, token in zip(citizens, opened, strict=True)
    ]


async def found_city(database: Database, tokens: FormTokens, residents: int) -> tuple[SealedPoll, list[Resident]]:
    """A small city with an open poll and its residents."""
    async with database.open_session() as session:
        await a_city(session)
        people = await settle_residents(session, tokens, residents)
        return await an_open_poll(session), people


def some_answers(draw: random.Random) -> Answers:
    """An answer to the one question of `an_open_poll`."""
    return {"1": draw.choice([1, 2, 3, 90])}


@dataclass
class Crowd:
    """Racing clients and everything they were told."""

    poll: SealedPoll
    base: str
    draw: random.Random
    taken: dict[int, Taken] = field(default_factory=dict)
    told: int = 0  # acknowledgements, those of retries among them
    broken: int = 0  # connections that ended without an answer
    unavailable: int = 0
    faults: list[str] = field(default_factory=list)
    last_taken: tuple[float, float] = (0.0, 0.0)  # when the newest acknowledged request was sent, and answered
    slowest: float = 0.0

    async def run(self, residents: Sequence[Resident], clients: int = 8) -> None:
        """Let so many clients vote for the residents, each until it has a definite answer."""
        waiting = list(reversed(residents))

        async def one_client() -> None:
            async with self.client() as client:
                while waiting and not self.faults:
                    await self.visit(client, waiting.pop())

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(one_client())

    def client(self) -> httpx.AsyncClient:
        """A caller with connections of its own."""
        return httpx.AsyncClient(base_url=self.base, timeout=30, verify=NO_TLS)

    async def visit(self, client: httpx.AsyncClient, who: Resident) -> None:
        """One resident at the box: plainly, or in one of the ways that must not make two votes of one."""
        key, answers = secrets.token_bytes(16), some_answers(self.draw)
        other = {"1": next(option for option in (1, 2, 3) if option != answers["1"])}
        sent: list[tuple[bytes, Answers]] = [(key, answers)]
        manner = self.draw.choice(["plainly"] * 4 + ["twice", "other answers", "two keys", "again"])
        if manner == "twice":
            sent *= 2
        elif manner == "other answers":
            sent.append((key, other))
        elif manner == "two keys":
            sent.append((secrets.token_bytes(16), other))
        replies = await asyncio.gather(*(self.insist(client, who, *one) for one in sent))
        if manner == "again":
            sent.append((secrets.token_bytes(16), other))
            replies.append(await self.insist(client, who, *sent[-1]))
        self._judge(who, manner, sent, replies)

    def _judge(
        self, who: Resident, manner: str, sent: list[tuple[bytes, Answers]], replies: list[tuple[int, dict[str, Any]]]
    ) -> None:
        accepted = [
            (vote, body["receipt"]) for vote, (status, body) in zip(sent, replies, strict=True) if status in (200, 201)
        ]
        if not accepted or any(one != accepted[0] for one in accepted):
            self.faults.append(f"voted {manner}: {[status for status, _ in replies]}, {len(accepted)} accepted")
            return
        (key, answers), receipt = accepted[0]
        for vote, (status, body) in zip(sent, replies, strict=True):
            expected = (200, 201) if vote == (key, answers) else (422,) if vote[0] == key else (409,)
            if status not in expected:
                self.faults.append(f"voted {manner}: {status} {body.get('code')} instead of {expected}")
        self.taken[who.citizen_id] = Taken(who, key, answers, receipt)

    async def insist(
        self, client: httpx.AsyncClient, who: Resident, key: bytes, answers: Answers
    ) -> tuple[int, dict[str, Any]]:
        """Send a vote, with the same key again and again, until the answer is definite."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            sent = time.monotonic()
            try:
                reply = await self.send(client, who, key, answers)
            except httpx.TimeoutException:
                self.faults.append("no answer in half a minute")
                continue
            except httpx.TransportError:
                self.broken += 1
                await asyncio.sleep(0.1)
                continue
            self.slowest = max(self.slowest, time.monotonic() - sent)
            if reply.status_code in DEFINITE:
                if reply.status_code < 300:
                    self.told += 1
                    self.last_taken = (sent, time.monotonic())
                return reply.status_code, reply.json()
            if reply.status_code == 503 and "retry-after" in reply.headers:
                self.unavailable += 1
            elif reply.status_code != 429:
                self.faults.append(f"{reply.status_code} {reply.text[:300]}")
                return reply.status_code, {}
            await asyncio.sleep(0.4)
        self.faults.append("gave up")
        return 0, {}

    async def send(self, client: httpx.AsyncClient, who: Resident, key: bytes, answers: Answers) -> httpx.Response:
        """One request to the API."""
        return await client.post(
            f"/api/v1/polls/{self.poll.public_id}/ballots",
            json={"answers": answers},
            headers={**who.headers, "idempotency-key": key.hex()},
        )

    async def ask_again(self, several: int) -> None:
        """Send votes that were acknowledged once more, each over a connection of its own: the same receipts again."""
        chosen = self.draw.sample(list(self.taken.values()), min(several, len(self.taken)))
        for vote in chosen:
            async with self.client() as client:
                status, body = await self.insist(client, vote.resident, vote.key, vote.answers)
            assert status == 200 and body["repeated"], (status, body)
            assert body["receipt"] == vote.receipt


async def check_box(database: Database, crowd: Crowd) -> None:
    """With nobody voting: the box holds what was acknowledged, with those answers, once, and nothing else."""
    poll = crowd.poll
    async with database.open_session() as session:
        stored = (await session.execute(text(f"SELECT ballot_id, answers FROM intake_{poll.id}"))).all()
        took_part = (
            await session.scalars(text("SELECT citizen_id FROM participation WHERE poll_id = :p"), {"p": poll.id})
        ).all()
        counted = await session.scalar(text("SELECT sum(n) FROM turnout_shard WHERE poll_id = :p"), {"p": poll.id})
    expected = {
        ballot_id(poll.poll_hash, vote.key): encode_ballot(poll.definition, vote.answers).answers
        for vote in crowd.taken.values()
    }
    held = {bytes(row.ballot_id): tuple(row.answers) for row in stored}
    lost = expected.keys() - held.keys()
    assert not lost, f"{len(lost)} acknowledged votes are lost"
    assert held == expected, "the box holds other votes than were acknowledged"
    assert len(stored) == len(held) == len(took_part)
    assert set(took_part) == crowd.taken.keys() and len(took_part) == len(set(took_part))
    assert (counted or 0) == len(took_part)
    assert not crowd.faults, crowd.faults[:10]
