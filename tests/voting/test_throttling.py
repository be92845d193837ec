import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from polls.errors import TooMany
from voting.tables import throttle
from voting.throttling import Bucket, Limit, Throttle, sweep_throttle

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = {"few": Limit(5, MINUTE), "leased": Limit(100, MINUTE, lease=10), "many": Limit(1000, MINUTE)}


def make(database, secret: bytes = b"k" * 32) -> Throttle:
    return Throttle(database, secret, LIMITS)


async def allowed(counters: Throttle, name: str, subject: str, hits: int, now: datetime = NOW) -> int:
    passed = 0
    for _ in range(hits):
        with suppress(TooMany):
            await counters.hit((name, subject), now=now)
            passed += 1
    return passed


async def test_a_limit_holds_across_processes(fresh_database):
    one, other = make(fresh_database), make(fresh_database)
    results = await asyncio.gather(*(allowed(process, "few", "a", 4) for process in (one, other)))
    assert sum(results) == 5


async def test_subjects_and_classes_count_apart(fresh_database):
    counters = make(fresh_database)
    assert await allowed(counters, "few", "a", 9) == 5
    assert await allowed(counters, "few", "b", 9) == 5
    assert await allowed(counters, "many", "a", 9) == 9


async def test_several_subjects_are_counted_in_one_go(fresh_database):
    counters = make(fresh_database)
    for _ in range(5):
        await counters.hit(("few", "a"), ("many", "site"), now=NOW)
    with pytest.raises(TooMany):
        await counters.hit(("few", "a"), ("many", "site"), now=NOW)
    async with fresh_database.open_read_session() as session:
        counts = (await session.scalars(select(throttle.c.n).order_by(throttle.c.n))).all()
    assert counts == [6, 6]


async def test_crossed_orders_do_not_deadlock(fresh_database):
    counters = make(fresh_database)
    pairs = [("many", "x"), ("many", "y")]
    await asyncio.gather(*(counters.hit(*(pairs if i % 2 else pairs[::-1]), now=NOW) for i in range(40)))


async def test_the_turn_of_a_window_gives_nobody_two_limits(fresh_database):
    counters = make(fresh_database)
    late = NOW + timedelta(seconds=59)
    assert await allowed(counters, "few", "a", 9, late) == 5
    assert await allowed(counters, "few", "a", 9, late + timedelta(seconds=2)) == 0
    assert await allowed(counters, "few", "a", 9, late + timedelta(minutes=3)) == 5


@pytest.mark.parametrize("second", [0, 1, 40, 59])
@pytest.mark.parametrize("before", [0, 3, 5, 9])
async def test_the_wait_that_is_told_is_enough(fresh_database, second, before):
    counters = make(fresh_database)
    await allowed(counters, "few", "a", before, NOW - timedelta(seconds=30))
    now = NOW + timedelta(seconds=second)
    for _ in range(9):
        try:
            await counters.hit(("few", "a"), now=now)
        except TooMany as refused:
            wait = refused.facts["retry_after"]
            break
    assert 1 <= wait <= 120
    await counters.hit(("few", "a"), now=now + timedelta(seconds=wait + 0.001))


async def test_a_forgiven_hit_does_not_count(fresh_database):
    counters = make(fresh_database)
    for _ in range(20):
        await counters.hit(("few", "a"), now=NOW)
        await counters.forgive("few", "a", now=NOW)


async def test_leases_ask_seldom_and_never_let_more_through(fresh_database):
    processes = [make(fresh_database) for _ in range(3)]
    passed = 0
    for turn in range(300):
        try:
            await processes[turn % 3].hit_leased("leased", "a", now=NOW)
            passed += 1
        except TooMany:
            pass
    assert 70 < passed <= 100
    async with fresh_database.open_read_session() as session:
        assert (await session.scalar(select(func.count()).select_from(throttle))) == 1


async def test_the_table_names_nobody(fresh_database):
    await make(fresh_database).hit(("few", "anna@city.test|203.0.113.0/24"), now=NOW)
    async with fresh_database.open_read_session() as session:
        key = await session.scalar(select(throttle.c.key))
    assert key.startswith("few:")
    assert "anna" not in key and "203" not in key
    other = make(fresh_database, b"z" * 32)
    assert other._key("few", "anna@city.test|203.0.113.0/24") != key


async def test_a_count_survives_the_rollback_of_its_request(fresh_database):
    counters = make(fresh_database)
    with suppress(ZeroDivisionError):
        async with fresh_database.open_session():
            await counters.hit(("few", "a"), now=NOW)
            raise ZeroDivisionError
    assert await allowed(counters, "few", "a", 9) == 4


async def test_old_counters_are_swept(fresh_database):
    counters = make(fresh_database)
    await counters.hit(("few", "a"), now=NOW - timedelta(days=2))
    await counters.hit(("few", "a"), now=NOW)
    async with fresh_database.open_session() as session:
        await sweep_throttle(session, now=NOW)
        assert (await session.scalar(select(func.count()).select_from(throttle))) == 1


def test_a_bucket_counts_by_subject_and_window():
    bucket = Bucket(Limit(2, MINUTE))
    bucket.hit(1, at=0)
    bucket.hit(1, at=1)
    bucket.hit(2, at=1)
    with pytest.raises(TooMany) as refused:
        bucket.hit(1, at=20)
    assert refused.value.facts["retry_after"] == 40
    bucket.hit(1, at=60)
