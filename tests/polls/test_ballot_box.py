"""The ballot box: many votes a transaction, each answered after its commit, none lost and none twice (BALLOTS 4–8)."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncpg import DiskFullError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.builders import (
    NOW,
    ASigner,
    a_citizen,
    a_city,
    a_key,
    a_multiple_choice,
    a_single_choice,
    an_open_poll,
    close_now,
)

from polls.authoring import close_early
from polls.box_batch import SHARDS, one_of_each, shard_of_this_process, write_votes
from polls.casting import ATTEMPTS, BallotBox, BoxFigures, Cast, cast_ballot
from polls.catalogue import SealedPoll, cast_counts
from polls.errors import (
    AlreadyVoted,
    Busy,
    InvalidAnswer,
    KeyUsed,
    NotCounted,
    NotEligible,
    OutcomeUnknown,
    PollClosed,
    PollPaused,
    Refusal,
    RetryDiffers,
    Unavailable,
)
from polls.pausing import pause_poll
from polls.poll_lock import lock_key
from polls.register import territory_tree
from polls.sessions import Session
from polls.votes import Outcome, Vote
from voting.db import Database

SIGNER = ASigner()


def a_box(database: Database, **more: Any) -> BallotBox:
    return BallotBox(more.pop("open_session", database.open_box_session), lambda: SIGNER, **more)


def a_vote(poll: SealedPoll, citizen: int, answer: Any = 1, key: bytes | None = None) -> Vote:
    return Vote(poll, citizen, {"1": answer}, key or a_key(), NOW)


async def people(session: Session, number: int, district: str = "msk-cao-arbat") -> list[int]:
    """So many residents at once, since a builder a resident would take longer than what is tested."""
    place = (await territory_tree(session)).by_code[district].id
    made = await session.scalars(
        text(
            "WITH born AS (INSERT INTO citizen (birth_date, sex, registered_at, register_code)"
            " SELECT '1990-05-17', 'f', '2020-01-01', 'city' FROM generate_series(1, :n) RETURNING id),"
            " living AS (INSERT INTO citizen_period (citizen_id, valid_from, district_id, level, groups)"
            " SELECT id, '2020-01-01', :place, 2, '{}' FROM born) SELECT id FROM born"
        ),
        {"n": number, "place": place},
    )
    return sorted(made)


async def a_town(database: Database, number: int, **more: Any) -> tuple[SealedPoll, list[int]]:
    async with database.open_session() as session:
        await a_city(session)
        return await an_open_poll(session, **more), await people(session, number)


async def outcome_of(box: BallotBox, vote: Vote) -> Cast | BaseException:
    [found] = await asyncio.gather(box.cast(vote), return_exceptions=True)
    return found


async def cast_all(box: BallotBox, votes: Sequence[Vote]) -> list[Cast | BaseException]:
    return await asyncio.gather(*(box.cast(vote) for vote in votes), return_exceptions=True)


def acknowledged(results: Sequence[Cast | BaseException]) -> list[Cast]:
    return [one for one in results if isinstance(one, Cast)]


async def stored(database: Database, poll: SealedPoll) -> tuple[int, int, int, int]:
    """Participations, ballots, the sum of the counters by shard, that of the counters by minute."""
    queries = ("participation WHERE poll_id = :p", f"intake_{poll.id}")
    async with database.open_session() as session:
        rows = [await session.scalar(text(f"SELECT count(*) FROM {query}"), {"p": poll.id}) for query in queries]
        for table in ("turnout_shard", "turnout_minute"):
            query = f"SELECT coalesce(sum(n), 0) FROM {table} WHERE poll_id = :p"
            rows.append(await session.scalar(text(query), {"p": poll.id}))
        return tuple(int(row or 0) for row in rows)  # type: ignore[return-value]


async def count(database: Database, poll: SealedPoll) -> Any:
    """Count a poll that has closed."""
    from polls import counting  # late: what a count asks for besides is its own affair

    more = []
    if "sealer" in counting.count_poll.__code__.co_varnames[: counting.count_poll.__code__.co_argcount]:
        from tests.builders import SEALER

        more = [SEALER]
    async with database.open_session() as session:
        return await counting.count_poll(session, poll.public_id, NOW, *more)


# ---- batches


async def test_five_hundred_at_once_share_a_few_transactions(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 500)
    box = a_box(fresh_database)
    results = await cast_all(box, [a_vote(poll, citizen, 1 + citizen % 3) for citizen in citizens])
    assert len(acknowledged(results)) == 500
    assert await stored(fresh_database, poll) == (500, 500, 500, 500)
    async with fresh_database.open_session() as session:  # what the database says, not the box
        transactions = await session.scalar(text(f"SELECT count(DISTINCT xmin::text) FROM intake_{poll.id}"))
        assert await cast_counts(session, [poll.id]) == {poll.id: 500}
    assert transactions == box.figures.batches <= 3
    for one in acknowledged(results)[:5]:
        SIGNER.public.verify(one.receipt.signature, b"veche/receipt/v1\n" + one.receipt.body)


async def test_a_vote_alone_waits_for_nobody(fresh_database: Database) -> None:
    poll, [citizen] = await a_town(fresh_database, 1)
    box = a_box(fresh_database)
    assert (await asyncio.wait_for(box.cast(a_vote(poll, citizen)), 5)).day
    assert box.inside == 0 and box.figures.batches == 1


async def test_the_next_batch_is_begun_before_those_of_the_last_go_on(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 3)
    told: list[object] = []
    begun = asyncio.Event()

    @asynccontextmanager
    async def open_session() -> AsyncIterator[Session]:
        told.append("begun")
        begun.set()
        async with fresh_database.open_box_session() as session:
            yield session

    box = a_box(fresh_database, open_session=open_session)

    async def cast(citizen: int) -> None:
        await box.cast(a_vote(poll, citizen))
        told.append(citizen)

    casts = [asyncio.create_task(cast(citizens[0]))]
    await begun.wait()
    casts += [asyncio.create_task(cast(citizen)) for citizen in citizens[1:]]
    await asyncio.gather(*casts)
    assert told == ["begun", "begun", *citizens]


async def test_votes_come_in_the_order_of_their_keys_whatever_order_they_were_sent_in(fresh_database: Database) -> None:
    """Of who came beside whom nothing is left in the order of rows (BALLOTS 7)."""
    poll, citizens = await a_town(fresh_database, 200, questions=[a_single_choice(own_answer=True)])
    sent = sorted(citizens, key=lambda _: secrets.randbits(32))
    await cast_all(a_box(fresh_database), [a_vote(poll, one, {"own": f"Слово {one}"}) for one in sent])
    async with fresh_database.open_session() as session:
        for query in (
            f"SELECT xmin::text, 0, ballot_id FROM intake_{poll.id} ORDER BY ctid",
            "SELECT xmin::text, tableoid::int, citizen_id FROM participation ORDER BY tableoid, ctid",
            'SELECT xmin::text, 0, text COLLATE "C" FROM text_answer ORDER BY ctid',
        ):
            rows = [tuple(row) for row in await session.execute(text(query))]
            assert len(rows) == 200
            for group in {row[:2] for row in rows}:
                keys = [row[2] for row in rows if row[:2] == group]
                assert keys == sorted(keys), query


async def test_a_batch_of_several_polls_writes_each_ballot_to_its_own(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        names = {"ru": "правление", "en": "the board"}
        found = [
            await an_open_poll(session),
            await an_open_poll(session, questions=[a_single_choice(), a_multiple_choice(required=False)]),
            await an_open_poll(session, privacy="named", names_seen_by=names),
        ]
        citizens = await people(session, 20)
        south = await people(session, 20, "msk-sao-timiryazevsky")
        tree = await territory_tree(session)
    votes = [a_vote(poll, citizen, 2) for citizen in citizens + south for poll in found]
    results = await cast_all(a_box(fresh_database), votes)
    assert len(acknowledged(results)) == 120
    async with fresh_database.open_session() as session:
        for poll in found[:2]:
            query = f"SELECT array_to_string(answers, '|') FROM intake_{poll.id}"
            answers = set(await session.scalars(text(query)))
            assert answers == {"|".join(["[2]", "[]"][: len(poll.question_ids)])}
        named = (await session.execute(text("SELECT count(*), count(DISTINCT citizen_id) FROM named_ballot"))).one()
        assert tuple(named) == (40, 40)
        assert await cast_counts(session, [poll.id for poll in found]) == {poll.id: 40 for poll in found}
        rows = await session.execute(
            text("SELECT okrug, sum(n)::int FROM turnout_minute WHERE poll_id = :p GROUP BY okrug"),
            {"p": found[0].id},
        )
        okrugs = dict(map(tuple, rows))
        assert okrugs == {tree.by_code["msk-cao"].id: 20, tree.by_code["msk-sao"].id: 20}
        shards = set(await session.scalars(text("SELECT DISTINCT shard FROM turnout_shard")))
        assert shards == {shard_of_this_process()} and all(0 <= shard < SHARDS for shard in shards)


async def test_late_registrations_in_a_batch_enter_the_roll(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session, late_registration=True)
        late = [await a_citizen(session, since=poll.opens_at + timedelta(minutes=5)) for _ in range(3)]
        early = await people(session, 3)
    now = datetime.now(UTC)
    votes = [Vote(poll, citizen, {"1": 1}, a_key(), now) for citizen in late + early]
    assert len(acknowledged(await cast_all(a_box(fresh_database), votes))) == 6
    async with fresh_database.open_session() as session:
        rows = (await session.execute(text("SELECT change, reason FROM roll_amendment"))).all()
        assert [tuple(row) for row in rows] == [(1, "late_registration")] * 3


# ---- one vote each


async def test_of_one_citizens_votes_in_one_batch_the_first_is_taken(fresh_database: Database) -> None:
    poll, [citizen, other] = await a_town(fresh_database, 2)
    key = a_key()
    votes = [
        a_vote(poll, citizen, 1, key),
        a_vote(poll, other),
        a_vote(poll, citizen, 2),
        a_vote(poll, citizen, 1, key),
    ]
    assert one_of_each(votes) == [True, True, False, False]
    first, _, second, again = await cast_all(a_box(fresh_database), votes)
    assert isinstance(first, Cast) and isinstance(again, Cast)
    assert again.repeated and again.receipt == first.receipt
    assert isinstance(second, AlreadyVoted) and second.facts["day"] == first.day.isoformat()
    assert await stored(fresh_database, poll) == (2, 2, 2, 2)


async def test_two_processes_with_the_same_votes_take_each_once(
    fresh_database: Database, fresh_database_url: str
) -> None:
    poll, citizens = await a_town(fresh_database, 150)
    votes = [a_vote(poll, citizen) for citizen in citizens]
    other = Database.from_url(fresh_database_url)
    boxes = [a_box(fresh_database), a_box(other)]
    here, there = await asyncio.gather(cast_all(boxes[0], votes), cast_all(boxes[1], list(reversed(votes))))
    assert len(acknowledged(here)) == len(acknowledged(there)) == 150
    for one, same in zip(acknowledged(here), reversed(acknowledged(there)), strict=True):
        assert one.receipt == same.receipt and one.repeated is not same.repeated
    assert await stored(fresh_database, poll) == (150, 150, 150, 150)
    await other.close()


async def test_two_processes_with_different_votes_of_the_same_people_take_one_of_them(
    fresh_database: Database, fresh_database_url: str
) -> None:
    poll, citizens = await a_town(fresh_database, 100)
    other = Database.from_url(fresh_database_url)
    results = await asyncio.gather(
        cast_all(a_box(fresh_database), [a_vote(poll, one, 1) for one in citizens]),
        cast_all(a_box(other), [a_vote(poll, one, 2) for one in reversed(citizens)]),
    )
    flat = [one for part in results for one in part]
    assert len(acknowledged(flat)) == 100 and sum(isinstance(one, AlreadyVoted) for one in flat) == 100
    assert await stored(fresh_database, poll) == (100, 100, 100, 100)
    await other.close()


async def test_a_retry_gets_the_same_receipt_from_any_process_also_after_closing_and_counting(
    fresh_database: Database, fresh_database_url: str
) -> None:
    """Nothing about the person is kept for it (BALLOTS 6)."""
    poll, citizens = await a_town(fresh_database, 12)
    votes = [a_vote(poll, one, key=a_key()) for one in citizens]
    firsts = acknowledged(await cast_all(a_box(fresh_database), votes))
    other = Database.from_url(fresh_database_url)
    wrong = Vote(poll, citizens[0], {"1": 2}, votes[0].key, NOW)
    for close in (None, close_now, "count"):
        if close == "count":
            await count(fresh_database, poll)
        elif close is not None:
            async with fresh_database.open_session() as session:
                await close_now(session, poll)
        again = acknowledged(await cast_all(a_box(other), votes))
        assert [one.receipt for one in again] == [one.receipt for one in firsts] and all(one.repeated for one in again)
        assert isinstance(await outcome_of(a_box(other), wrong), RetryDiffers)
        assert isinstance(await outcome_of(a_box(other), a_vote(poll, citizens[0])), AlreadyVoted)
    await other.close()


# ---- what goes wrong with one


async def test_what_is_wrong_with_one_vote_is_said_to_that_one_alone(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session, audience={"op": "territory", "codes": ["msk-cao"]})
        good, away = await people(session, 5), await people(session, 1, "msk-sao-timiryazevsky")
    votes = [*(a_vote(poll, one) for one in good), a_vote(poll, away[0]), a_vote(poll, good[0] + 10**6)]
    bad = a_vote(poll, (await _more(fresh_database, 1))[0], 77)
    box = a_box(fresh_database)
    results = await cast_all(box, [bad, *votes])
    assert isinstance(results[0], InvalidAnswer) and isinstance(results[6], NotEligible)
    assert isinstance(results[7], Refusal) and results[7].code == "not_found"
    assert len(acknowledged(results)) == 5 and box.figures.batches == 1
    assert await stored(fresh_database, poll) == (5, 5, 5, 5)


async def _more(database: Database, number: int) -> list[int]:
    async with database.open_session() as session:
        return await people(session, number)


async def test_a_ballot_the_database_refuses_fails_alone(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 64)
    async with fresh_database.open_session() as session:
        await session.execute(text(f"ALTER TABLE intake_{poll.id} ADD CONSTRAINT odd CHECK (answers <> '{{[3]}}')"))
    box = a_box(fresh_database)
    votes = [a_vote(poll, one, 3 if place == 40 else 1) for place, one in enumerate(citizens)]
    results = await cast_all(box, votes)
    assert len(acknowledged(results)) == 63
    assert "odd" in str(results[40]) and not isinstance(results[40], Refusal)
    assert await stored(fresh_database, poll) == (63, 63, 63, 63)
    assert isinstance(await outcome_of(box, a_vote(poll, citizens[40], 2)), Cast), "nothing was left of the bad one"


# ---- keys used twice


@pytest.mark.parametrize("number", [0, 1, 5])
async def test_keys_of_other_ballots_fail_alone_and_cost_one_transaction(fresh_database: Database, number: int) -> None:
    poll, citizens = await a_town(fresh_database, 202)
    box, keys = a_box(fresh_database), [a_key(), a_key()]
    for one, key in zip(citizens[200:], keys, strict=True):
        await box.cast(a_vote(poll, one, 1, key))
    votes = [a_vote(poll, one, 1) for one in citizens[:200]]
    poisoned = range(3, 200, 40)[:number]
    for place in poisoned:
        votes[place] = a_vote(poll, citizens[place], 1, keys[place % 2])
    box.figures = BoxFigures()
    began = time.monotonic()
    results = await cast_all(box, votes)
    print(f"200 votes, {number} with keys of others: {1000 * (time.monotonic() - began):.0f} ms")  # noqa: T201
    assert [place for place, one in enumerate(results) if isinstance(one, KeyUsed)] == list(poisoned)
    assert len(acknowledged(results)) == 200 - number
    assert (box.figures.batches, box.figures.repeated) == (1, int(number > 0))
    assert await stored(fresh_database, poll) == (202 - number,) * 4
    again = await cast_all(box, [a_vote(poll, citizens[place], 1) for place in poisoned])
    assert len(acknowledged(again)) == number, "nothing was left of them, and another key will do"


async def test_of_votes_with_one_key_in_one_batch_the_first_is_taken(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 20)
    box, key = a_box(fresh_database), a_key()
    votes = [a_vote(poll, one, 1, key if one in citizens[7:10] else None) for one in citizens]
    results = await cast_all(box, votes)
    assert [place for place, one in enumerate(results) if isinstance(one, KeyUsed)] == [8, 9]
    assert len(acknowledged(results)) == 18 and box.figures.batches == 1
    assert await stored(fresh_database, poll) == (18, 18, 18, 18)
    [first, *others] = await cast_all(a_box(fresh_database), votes[7:10])
    assert isinstance(first, Cast) and first.repeated and first.receipt == acknowledged(results)[7].receipt
    assert all(isinstance(one, KeyUsed) and not one.facts for one in others), "nobody is told whose it is"


async def test_a_retry_beside_a_key_used_twice_gets_its_receipt(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 30)
    box = a_box(fresh_database)
    votes = [a_vote(poll, one) for one in citizens]
    firsts = acknowledged(await cast_all(box, votes[:10]))
    stolen = [a_vote(poll, one, key=votes[0].key) for one in citizens[20:22]]
    # Who has voted hears so: another key would not help them.
    results = await cast_all(box, [*stolen, *votes[:20], a_vote(poll, citizens[22]), a_vote(poll, citizens[3])])
    assert [type(one) for one in results[:2]] == [KeyUsed, KeyUsed]
    assert [one.receipt for one in acknowledged(results[2:12])] == [one.receipt for one in firsts]
    assert len(acknowledged(results[12:23])) == 11 and isinstance(results[23], AlreadyVoted)
    assert await stored(fresh_database, poll) == (21, 21, 21, 21)


async def test_two_citizens_with_one_key_through_two_processes_make_one_ballot(
    fresh_database: Database, fresh_database_url: str
) -> None:
    poll, citizens = await a_town(fresh_database, 240)
    other = Database.from_url(fresh_database_url)
    boxes = [a_box(fresh_database), a_box(other)]
    pairs = [(citizens[2 * n], citizens[2 * n + 1], a_key()) for n in range(120)]
    for start in (0, 1, 2, 3, 4, 20, 60):  # alone, then many at once
        some = pairs[start : {4: 20, 20: 60, 60: 120}.get(start, start + 1)]
        here, there = await asyncio.gather(
            cast_all(boxes[0], [a_vote(poll, one, 1, key) for one, _, key in some]),
            cast_all(boxes[1], [a_vote(poll, two, 1, key) for _, two, key in reversed(some)]),
        )
        for one, two in zip(here, reversed(there), strict=True):
            assert sorted(type(found).__name__ for found in (one, two)) == ["Cast", "KeyUsed"]
    assert await stored(fresh_database, poll) == (120, 120, 120, 120)
    assert boxes[0].figures.batches + boxes[1].figures.batches < 60, "none was looked for by halves"
    await other.close()


@pytest.mark.parametrize("privacy", ["named", "named, may change"])
async def test_the_key_of_a_named_ballot_leads_nobody_else_to_it(fresh_database: Database, privacy: str) -> None:
    names = {"ru": "правление", "en": "the board"}
    change = privacy != "named"
    poll, [one, other, third] = await a_town(fresh_database, 3, privacy="named", may_change=change, names_seen_by=names)
    box, key = a_box(fresh_database), a_key()
    first = await box.cast(a_vote(poll, one, 1, key))
    assert isinstance(await outcome_of(box, a_vote(poll, other, 1, key)), KeyUsed), "not the receipt of another"
    await box.cast(a_vote(poll, other, 2))
    outcomes = await cast_all(box, [a_vote(poll, other, 1, key), a_vote(poll, third, 1), a_vote(poll, one, 1, key)])
    assert isinstance(outcomes[0], KeyUsed if change else AlreadyVoted)
    assert isinstance(outcomes[1], Cast) and isinstance(outcomes[2], Cast)
    assert outcomes[2].repeated and outcomes[2].receipt == first.receipt
    async with fresh_database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM named_ballot")) == 3
        assert await session.scalar(text("SELECT count(*) FROM superseded")) == 0
        with pytest.raises(KeyUsed if change else AlreadyVoted):
            await cast_ballot(session, poll, other, {"1": 1}, key, SIGNER, NOW)


async def test_after_the_end_a_used_key_hears_of_the_end(fresh_database: Database) -> None:
    poll, [one, other] = await a_town(fresh_database, 2)
    key = a_key()
    async with fresh_database.open_session() as session:
        await cast_ballot(session, poll, one, {"1": 1}, key, SIGNER, NOW)
        with pytest.raises(KeyUsed):
            await cast_ballot(session, poll, other, {"1": 1}, key, SIGNER, NOW)
        await close_now(session, poll)
    async with fresh_database.open_session() as session:
        with pytest.raises(PollClosed):
            await cast_ballot(session, poll, other, {"1": 1}, key, SIGNER, NOW)


# ---- the database's own troubles


async def test_a_deadlock_is_lost_by_nobody(fresh_database: Database) -> None:
    """Somebody else takes the same rows the other way round and waits longer than we do: the batch is the victim."""
    poll, citizens = await a_town(fresh_database, 2)
    box = a_box(fresh_database)
    take = text("INSERT INTO participation (poll_id, citizen_id, day) VALUES (:p, :c, current_date)")
    async with fresh_database.sessions() as other:
        await other.execute(text("SET LOCAL deadlock_timeout = '20s'"))
        await other.execute(take, {"p": poll.id, "c": citizens[1]})
        casting = asyncio.create_task(cast_all(box, [a_vote(poll, one) for one in citizens]))
        waiting = text(
            "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'transactionid'"
        )
        for _ in range(500):  # until the batch holds one row and waits for the other
            if (await other.execute(waiting)).one()[1]:
                break
            await asyncio.sleep(0.02)
        await other.execute(take, {"p": poll.id, "c": citizens[0]})
        await other.rollback()
    assert len(acknowledged(await asyncio.wait_for(casting, 20))) == 2
    assert box.figures.repeated == 1
    assert await stored(fresh_database, poll) == (2, 2, 2, 2)


# ---- back-pressure and going away


def held_up(gate: asyncio.Event) -> Any:
    """A way to write that waits for a gate first."""

    async def write(session: Session, votes: Sequence[Vote]) -> list[Outcome]:
        await gate.wait()
        return await write_votes(session, votes)

    return write


async def test_a_full_box_turns_votes_away_and_loses_none_of_those_inside(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 60)
    gate = asyncio.Event()
    box = a_box(fresh_database, waiting=40, write=held_up(gate))
    votes = [a_vote(poll, one) for one in citizens]
    casting = asyncio.create_task(cast_all(box, votes))
    await asyncio.sleep(0.1)
    assert box.inside == 40 and box.figures.turned_away == 20
    gate.set()
    results = await casting
    refused = [one for one in results if isinstance(one, Busy)]
    assert len(acknowledged(results)) == 40 and len(refused) == 20
    assert all(1 <= one.facts["retry_after"] <= 30 for one in refused)
    assert await stored(fresh_database, poll) == (40, 40, 40, 40)
    assert len(acknowledged(await cast_all(box, votes))) == 40, "those inside are repeated, and there is room again"


async def test_a_client_that_goes_away_harms_no_other_vote(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 30)
    gate = asyncio.Event()
    box = a_box(fresh_database, write=held_up(gate))
    first = asyncio.create_task(box.cast(a_vote(poll, citizens[0])))  # being written
    await asyncio.sleep(0.05)
    rest = [asyncio.create_task(box.cast(a_vote(poll, one))) for one in citizens[1:]]  # waiting
    await asyncio.sleep(0.05)
    for task in (first, *rest[::2]):
        task.cancel()
    gate.set()
    stayed = await asyncio.gather(*rest[1::2])
    assert len(stayed) == 14 and box.inside == 0
    votes, ballots, shards, minutes = await stored(fresh_database, poll)
    assert votes == ballots == shards == minutes == 15, "the one being written was taken; those that waited were not"


async def test_closing_the_box_writes_what_is_inside_and_takes_no_more(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 21)
    gate = asyncio.Event()
    box = a_box(fresh_database, write=held_up(gate))
    casting = asyncio.create_task(cast_all(box, [a_vote(poll, one) for one in citizens[:20]]))
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(box.close())
    await asyncio.sleep(0)
    assert isinstance(await outcome_of(box, a_vote(poll, citizens[20])), Busy)
    gate.set()
    await closing
    assert len(acknowledged(await casting)) == 20


async def test_a_box_that_cannot_finish_refuses_and_leaves_nobody_waiting(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 5)
    box = a_box(fresh_database, write=held_up(asyncio.Event()))
    casting = asyncio.create_task(cast_all(box, [a_vote(poll, one) for one in citizens[:4]]))
    await asyncio.sleep(0.05)
    late = asyncio.create_task(outcome_of(box, a_vote(poll, citizens[4])))
    await asyncio.sleep(0.05)
    await box.close(within=0.2)
    results = [*await asyncio.wait_for(casting, 2), await asyncio.wait_for(late, 2)]
    assert all(isinstance(one, Busy) for one in results)
    assert await stored(fresh_database, poll) == (0, 0, 0, 0)


async def test_our_own_mistake_leaves_nobody_waiting_and_the_box_goes_on(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 2)

    async def short(session: Session, votes: Sequence[Vote]) -> list[Outcome]:
        return (await write_votes(session, votes))[:-1] if len(votes) > 1 else await write_votes(session, votes)

    box = a_box(fresh_database, write=short)
    results = await asyncio.wait_for(cast_all(box, [a_vote(poll, one) for one in citizens]), 5)
    assert len(acknowledged(results)) == 1 and isinstance(results[1], Busy)
    assert isinstance(await outcome_of(box, a_vote(poll, citizens[1])), AlreadyVoted | Cast)


# ---- the database goes away


async def test_votes_of_a_killed_connection_are_not_acknowledged_and_go_through_when_sent_again(
    fresh_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed before the COMMIT or during it: from here the two look alike, so neither is promised."""
    poll, citizens = await a_town(fresh_database, 40)
    votes = [a_vote(poll, one) for one in citizens]
    kills = 0

    async def write(session: Session, batch: Sequence[Vote]) -> list[Outcome]:
        nonlocal kills
        done = await write_votes(session, batch)
        if kills < 3:
            kills += 1
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            async with fresh_database.open_session() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await asyncio.sleep(0.05)
        return done

    box = a_box(fresh_database, write=write)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            results = await asyncio.wait_for(cast_all(box, votes), 20)
            assert all(isinstance(one, OutcomeUnknown) and one.facts["retry_after"] for one in results)
            assert await stored(fresh_database, poll) == (0, 0, 0, 0)
        assert len(acknowledged(await cast_all(box, votes))) == 40
    assert await stored(fresh_database, poll) == (40, 40, 40, 40)
    said = "".join(str(record.exc_info) + record.getMessage() for record in caplog.records)
    assert not any(vote.key.hex() in said or str(vote.citizen_id) + "," in said for vote in votes)


async def test_a_commit_whose_answer_was_lost_is_found_by_the_retry(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 10)
    votes = [a_vote(poll, one) for one in citizens]

    @asynccontextmanager
    async def cut_off() -> AsyncIterator[Session]:
        async with fresh_database.open_box_session() as session:
            yield session
        raise ConnectionResetError("after the commit")

    results = await cast_all(a_box(fresh_database, open_session=cut_off), votes)
    assert all(isinstance(one, OutcomeUnknown) for one in results), "nobody is told that nothing was taken"
    assert all(one.facts["retry_after"] for one in results if isinstance(one, OutcomeUnknown))
    again = await cast_all(a_box(fresh_database), votes)
    assert all(one.repeated for one in acknowledged(again)) and len(acknowledged(again)) == 10
    assert await stored(fresh_database, poll) == (10, 10, 10, 10)


async def test_connections_killed_at_random_lose_nothing_acknowledged(
    fresh_database: Database, fresh_database_url: str
) -> None:
    """Two boxes, every vote sent until it is acknowledged, all connections of the boxes killed over and over."""
    poll, citizens = await a_town(fresh_database, 400)
    other = Database.from_url(fresh_database_url)
    boxes = [a_box(fresh_database), a_box(other)]
    name = fresh_database.engine.url.database

    async def vote(number: int, citizen: int) -> Cast:
        sent = a_vote(poll, citizen)
        await asyncio.sleep(number * 0.004)
        while True:
            found = await outcome_of(boxes[secrets.randbelow(2)], sent)
            if isinstance(found, Cast):
                return found
            assert isinstance(found, Unavailable | OutcomeUnknown | Busy), found
            await asyncio.sleep(0.02)

    async def kill() -> None:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n AND pid <> pg_backend_pid()"
        for _ in range(25):
            async with fresh_database.open_session_aside() as session:
                await session.execute(text(query), {"n": name})
            await asyncio.sleep(0.06)

    killing = asyncio.create_task(kill())
    done = await asyncio.wait_for(asyncio.gather(*(vote(n, one) for n, one in enumerate(citizens))), 60)
    await killing
    assert len({one.ballot_id for one in done}) == 400
    assert await stored(fresh_database, poll) == (400, 400, 400, 400)
    async with fresh_database.open_session() as session:
        ids = set(await session.scalars(text(f"SELECT ballot_id FROM intake_{poll.id}")))
    assert {one.ballot_id for one in done} == ids
    await other.close()


async def test_a_commit_the_database_refuses_is_known_to_be_none(fresh_database: Database) -> None:
    poll, [citizen] = await a_town(fresh_database, 1)
    full = DBAPIError("COMMIT", {}, DiskFullError())

    @asynccontextmanager
    async def no_room() -> AsyncIterator[Session]:
        with suppress(KeyError):
            async with fresh_database.open_box_session() as session:
                yield session
                raise KeyError
        raise full

    assert isinstance(await outcome_of(a_box(fresh_database, open_session=no_room), a_vote(poll, citizen)), Unavailable)
    assert await stored(fresh_database, poll) == (0, 0, 0, 0)


async def test_a_box_closed_while_a_commit_is_under_way_promises_nothing(fresh_database: Database) -> None:
    """The vote is in, and its answer late: `Busy`, which says that nothing was taken, would be a lie."""
    poll, citizens = await a_town(fresh_database, 2)
    committed = asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Session]:
        async with fresh_database.open_box_session() as session:
            yield session
        committed.set()
        await asyncio.sleep(60)

    box = a_box(fresh_database, open_session=slow)
    vote = a_vote(poll, citizens[0])
    first = asyncio.create_task(outcome_of(box, vote))
    await asyncio.wait_for(committed.wait(), 10)
    behind = asyncio.create_task(outcome_of(box, a_vote(poll, citizens[1])))
    await asyncio.sleep(0.05)
    await box.close(within=0.1)
    assert isinstance(await first, OutcomeUnknown)
    assert isinstance(await behind, Busy), "it never came to a transaction"
    assert await stored(fresh_database, poll) == (1, 1, 1, 1)
    again = await outcome_of(a_box(fresh_database), vote)
    assert isinstance(again, Cast) and again.repeated


# ---- closing, pausing, counting


async def test_a_poll_somebody_holds_alone_holds_up_no_other(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        held, free, over = [await an_open_poll(session) for _ in range(3)]
        citizens = await people(session, 4)
        await cast_ballot(session, over, citizens[0], {"1": 1}, a_key(), SIGNER, NOW)
        await close_now(session, over)
    box = a_box(fresh_database)
    async with fresh_database.open_session() as holder:
        for poll in (held, over):
            await holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(poll.id)})
        waiting = asyncio.create_task(box.cast(a_vote(held, citizens[0])))
        quick = await asyncio.wait_for(cast_all(box, [a_vote(free, one) for one in citizens]), 2)
        assert len(acknowledged(quick)) == 4 and not waiting.done()
        assert isinstance(await outcome_of(box, a_vote(over, citizens[0])), NotCounted)
        assert isinstance(await outcome_of(box, a_vote(over, citizens[1])), PollClosed)
        tired = await asyncio.wait_for(outcome_of(box, a_vote(held, citizens[1])), 2 + 0.1 * ATTEMPTS)
        assert isinstance(tired, Busy)
        waiting = asyncio.create_task(box.cast(a_vote(held, citizens[2])))
        await asyncio.sleep(0.1)
    assert isinstance(await asyncio.wait_for(waiting, 2), Cast), "it goes on by itself"


async def test_votes_of_a_held_poll_take_no_room_from_others(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 120)
    async with fresh_database.open_session() as session:
        free = await an_open_poll(session)
    box = a_box(fresh_database, waiting=50)
    async with fresh_database.open_session() as holder:
        await holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(poll.id)})
        held = []
        for start in (0, 50):  # more than there is room for, so that some of the held are turned away themselves
            held += [asyncio.create_task(outcome_of(box, a_vote(poll, one))) for one in citizens[start : start + 50]]
            async with asyncio.timeout(30):
                while not (box.figures.batches and box.inside == 50 and box.figures.turned_away == start):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        for turn in range(10):  # whether they are just pausing, waiting or being written
            found = await outcome_of(box, a_vote(free, citizens[turn]))
            assert isinstance(found, Cast), (turn, found)
            await asyncio.sleep(0.007)
    results = await asyncio.gather(*held)
    assert len(acknowledged(results)) == 50 and sum(isinstance(one, Busy) for one in results) == 50
    assert box.inside == 0
    assert await stored(fresh_database, poll) == (50, 50, 50, 50)


@pytest.mark.parametrize("ending", ["close", "pause"])
async def test_an_end_in_the_middle_of_a_rush_is_exact(
    fresh_database: Database, fresh_database_url: str, ending: str
) -> None:
    """Whoever was acknowledged is in the count, and nobody else; nothing comes in behind the end."""
    poll, citizens = await a_town(fresh_database, 600)
    other = Database.from_url(fresh_database_url)
    boxes = [a_box(fresh_database), a_box(other)]

    ended = asyncio.Event()

    async def vote(number: int, citizen: int) -> Cast | BaseException:
        await asyncio.sleep(number * 0.001)
        if number >= 550:
            await ended.wait()  # the last ones come too late on a machine of any speed
        return await outcome_of(boxes[number % 2], a_vote(poll, citizen))

    async def end() -> int:
        async with asyncio.timeout(30):
            while sum(box.figures.votes for box in boxes) < 50:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        try:
            return await _end()
        finally:
            ended.set()

    async def _end() -> int:
        async with fresh_database.open_session() as session:
            if ending == "close":
                await close_early(session, poll.public_id, 1, "хватит голосов", NOW)
            else:
                await pause_poll(session, poll.public_id, 1, "хватит голосов", NOW)
            query = text("SELECT count(*) FROM participation WHERE poll_id = :p")
            return await session.scalar(query, {"p": poll.id}) or 0

    *results, at_the_end = await asyncio.gather(*(vote(n, one) for n, one in enumerate(citizens)), end())
    taken = [one for one in results if isinstance(one, Cast)]
    refused = [one for one in results if not isinstance(one, Cast)]
    assert {type(one) for one in refused} <= {PollClosed if ending == "close" else PollPaused, Busy}
    assert 50 <= len(taken) <= 550 and len(taken) == at_the_end
    assert await stored(fresh_database, poll) == (len(taken),) * 4
    if ending == "close":
        counted = await count(fresh_database, poll)
        assert counted.ballots == counted.participations == len(taken)
        async with fresh_database.open_session() as session:
            settled = (await session.execute(text("SELECT shard, n FROM turnout_shard"))).all()
            assert [tuple(row) for row in settled] == [(-1, len(taken))]
    await other.close()


async def test_the_closing_time_is_the_databases_and_not_the_one_remembered(fresh_database: Database) -> None:
    poll, citizens = await a_town(fresh_database, 2)
    box = a_box(fresh_database)
    assert isinstance(await outcome_of(box, a_vote(poll, citizens[0])), Cast)
    async with fresh_database.open_session() as session:
        await close_now(session, poll)
    assert isinstance(await outcome_of(box, a_vote(poll, citizens[1])), PollClosed)  # `poll` says it is open


async def test_a_named_vote_is_changed_in_batches_too(fresh_database: Database) -> None:
    names = {"ru": "правление", "en": "the board"}
    poll, citizens = await a_town(fresh_database, 30, privacy="named", may_change=True, names_seen_by=names)
    box = a_box(fresh_database)
    await cast_all(box, [a_vote(poll, one, 1) for one in citizens])
    changed = acknowledged(await cast_all(box, [a_vote(poll, one, 2) for one in citizens]))
    assert len(changed) == 30 and all(one.changed for one in changed)
    async with fresh_database.open_session() as session:
        rows = set(await session.scalars(text("SELECT seq || answers[1] FROM named_ballot")))
        assert rows == {"2[2]"}
        assert await session.scalar(text("SELECT count(*) FROM superseded")) == 30
        assert await cast_counts(session, [poll.id]) == {poll.id: 30}
