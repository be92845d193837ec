"""Casting: one vote, apart from the person, exact at closing; retries; races (BALLOTS 4–10, 12, 16–18)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.builders import (
    NOW,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_definition,
    a_key,
    a_sealed_poll,
    an_open_poll,
    close_now,
)

from polls.authoring import cancel_poll, close_early
from polls.board import ballot_id, entry, leaf_hash, nonce, signed_message
from polls.casting import Cast, cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from polls.errors import (
    AlreadyVoted,
    Busy,
    InvalidAnswer,
    NotCounted,
    NotEligible,
    PollClosed,
    PollNotOpen,
    RetryDiffers,
    Superseded,
)
from polls.journal import poll_events
from polls.poll_lock import lock_key
from polls.sessions import Session
from voting.db import Database

SIGNER = ASigner()


async def cast(session: Session, poll: SealedPoll, citizen: int, answer: object = 1, key: bytes | None = None) -> Cast:
    return await cast_ballot(session, poll, citizen, {"1": answer}, key or a_key(), SIGNER, NOW)


async def intake(session: Session, poll: SealedPoll) -> list[tuple[bytes, list[str], int, int]]:
    rows = await session.execute(text(f"SELECT ballot_id, answers, style, stratum FROM intake_{poll.id}"))
    return [tuple(row) for row in rows]


async def participations(session: Session, poll: SealedPoll) -> int:
    return (await session.scalar(text("SELECT count(*) FROM participation WHERE poll_id = :p"), {"p": poll.id})) or 0


async def test_a_vote_is_a_participation_and_a_ballot_that_share_no_key(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    citizen = await a_citizen(session)
    key = a_key()
    made = await cast(session, poll, citizen, 2, key)
    [(stored_id, answers, style, stratum)] = await intake(session, poll)
    assert stored_id == made.ballot_id == ballot_id(poll.poll_hash, key)
    assert answers == ["[2]"]
    assert style == 0
    assert stratum % 10 == 1  # a woman
    assert await participations(session, poll) == 1
    columns = await session.scalars(
        text("SELECT column_name FROM information_schema.columns WHERE table_name = :t"), {"t": f"intake_{poll.id}"}
    )
    assert set(columns) == {"ballot_id", "answers", "style", "stratum"}


async def test_the_receipt_signs_the_leaves_and_the_day_and_has_its_final_bytes(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    key = a_key()
    made = await cast(session, poll, await a_citizen(session), 3, key)
    SIGNER.public.verify(made.receipt.signature, signed_message(made.receipt.body))
    facts = json.loads(made.receipt.body)
    # Written out once more from the rules, not from the code: a change of any byte here is a change of protocol.
    poll_hash = poll.poll_hash
    ballot = hashlib.sha256(b"veche/ballot/v1" + poll_hash + key).digest()[:16]
    own_nonce = hashlib.sha256(b"veche/entry/v1" + ballot + (1).to_bytes(4, "big")).digest()[:16]
    record = json.dumps([poll_hash.hex(), 1, 0, [3], own_nonce.hex()], separators=(",", ":")).encode()
    assert facts["leaves"] == [hashlib.sha256(b"\x00" + record).hexdigest()]
    assert entry(poll_hash, 1, 0, "[3]", nonce(ballot, 1)) == record
    assert leaf_hash(record).hex() == facts["leaves"][0]
    assert facts["day"] == made.day.isoformat()
    assert facts["poll"] == poll_hash.hex()


async def test_an_acceptance_only_receipt_leads_to_no_leaf(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session, receipt="acceptance_only")
    made = await cast(session, poll, await a_citizen(session))
    facts = json.loads(made.receipt.body)
    assert set(facts) == {"v", "kind", "poll", "acceptance", "day"}
    assert made.ballot_id.hex() not in made.receipt.body.decode()


async def test_a_retry_gets_the_same_receipt_and_a_second_vote_the_day_of_the_first(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    citizen = await a_citizen(session)
    key = a_key()
    first = await cast(session, poll, citizen, 1, key)
    again = await cast(session, poll, citizen, 1, key)
    assert again.repeated
    assert again.receipt == first.receipt
    with pytest.raises(RetryDiffers):
        await cast(session, poll, citizen, 2, key)
    with pytest.raises(AlreadyVoted) as refused:
        await cast(session, poll, citizen, 1)
    assert refused.value.facts["day"] == first.day.isoformat()
    assert len(await intake(session, poll)) == 1


async def test_nobody_votes_before_opening_or_after_closing_but_a_retry_still_gets_its_receipt(
    session: Session,
) -> None:
    await a_city(session)
    citizen, other = await a_citizen(session), await a_citizen(session)
    later = await a_sealed_poll(
        session, a_definition(opens_at=NOW + timedelta(days=900), closes_at=NOW.replace(year=2030))
    )
    with pytest.raises(PollNotOpen):
        await cast(session, later, citizen)
    poll = await an_open_poll(session)
    key = a_key()
    first = await cast(session, poll, citizen, 1, key)
    await close_now(session, poll)
    with pytest.raises(PollClosed):
        await cast(session, poll, other)  # `poll` still carries the old closing time: the database's is what counts
    assert (await cast(session, poll, citizen, 1, key)).receipt == first.receipt
    assert await participations(session, poll) == 1


async def test_who_is_not_entitled_hears_why_and_leaves_no_trace(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(
        session,
        audience={"op": "all", "of": [{"op": "age", "at_least": 18}, {"op": "territory", "codes": ["msk-cao-arbat"]}]},
    )
    outsider = await a_citizen(session, district="msk-sao-timiryazevsky")
    with pytest.raises(NotEligible) as refused:
        await cast(session, poll, outsider)
    assert [reason.code for reason in refused.value.reasons] == ["other_territory"]
    assert await participations(session, poll) == 0


async def test_late_registration_enters_the_roll_as_a_logged_addition(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session, late_registration=True)
    strict = await an_open_poll(session)
    assert poll.definition.opens_at is not None
    late = await a_citizen(session, since=poll.definition.opens_at + timedelta(minutes=5))
    now = poll.definition.opens_at + timedelta(minutes=50)
    await cast_ballot(session, poll, late, {"1": 1}, a_key(), SIGNER, now)
    amendments = (await session.execute(text("SELECT change, reason, at FROM roll_amendment"))).all()
    assert [(row.change, row.reason) for row in amendments] == [(1, "late_registration")]
    with pytest.raises(NotEligible) as refused:
        await cast_ballot(session, strict, late, {"1": 1}, a_key(), SIGNER, now)
    assert refused.value.reasons[0].code == "registered_late"


async def test_a_named_vote_may_change_until_closing_and_the_old_answers_are_purged(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(
        session, privacy="named", may_change=True, names_seen_by={"ru": "правление", "en": "board"}
    )
    citizen = await a_citizen(session)
    first = await cast(session, poll, citizen, 1)
    second = await cast(session, poll, citizen, 2)
    assert second.changed
    rows = (await session.execute(text("SELECT citizen_id, seq, answers FROM named_ballot"))).all()
    assert [tuple(row) for row in rows] == [(citizen, 2, ["[2]"])]
    gone = await session.scalar(text("SELECT encode(leaf_hash, 'hex') FROM superseded"))
    assert gone == first.receipt.facts["leaves"][0]
    assert await participations(session, poll) == 1


async def test_an_old_named_vote_sent_once_more_does_not_come_back(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session, privacy="named", may_change=True, names_seen_by={"ru": "правление", "en": "x"})
    citizen = await a_citizen(session)
    keys = [a_key() for _ in range(3)]
    await cast(session, poll, citizen, 1, keys[0])
    await cast(session, poll, citizen, 2, keys[1])
    with pytest.raises(Superseded):
        await cast(session, poll, citizen, 1, keys[0])
    assert (await cast(session, poll, citizen, 1, keys[2])).changed
    assert list(await session.scalars(text("SELECT answers[1] FROM named_ballot"))) == ["[1]"]


@pytest.mark.parametrize("privacy", ["separated", "named"])
async def test_cancelling_destroys_the_ballots_and_says_how_many(session: Session, privacy: str) -> None:
    await a_city(session)
    poll = await an_open_poll(session, privacy=privacy, names_seen_by={"ru": "правление", "en": "the board"})
    for _ in range(3):
        await cast(session, poll, await a_citizen(session))
    await cancel_poll(session, poll.public_id, 1, "ошибка в вопросе", NOW)
    assert await session.scalar(text(f"SELECT to_regclass('intake_{poll.id}')")) is None
    assert await session.scalar(text("SELECT count(*) FROM named_ballot")) == 0
    assert (await poll_events(session, poll.id))[-1]["body"]["ballots_destroyed"] == 3
    assert await participations(session, poll) == 3


async def test_a_wrong_answer_is_refused_before_anything_is_written(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    citizen = await a_citizen(session)
    for answer in (99, [1, 2], "x", {"a": 1}, True, [[1]], -1, 1.5):
        with pytest.raises(InvalidAnswer):
            await cast(session, poll, citizen, answer)
    assert await participations(session, poll) == 0


@pytest.mark.parametrize("same_key", [False, True])
async def test_fifty_at_once_leave_one_participation_and_one_ballot(fresh_database: Database, same_key: bool) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
        citizen = await a_citizen(session)
    key = a_key()

    async def attempt() -> str:
        try:
            async with fresh_database.open_session() as session:
                made = await cast(session, poll, citizen, 1, key if same_key else None)
        except AlreadyVoted:
            return "409"
        return "same" if made.repeated else "201"

    results = await asyncio.gather(*(attempt() for _ in range(50)))
    assert results.count("201") == 1
    assert results.count("same" if same_key else "409") == 49
    async with fresh_database.open_session() as session:
        assert await participations(session, poll) == 1
        assert len(await intake(session, poll)) == 1


async def test_a_failure_between_the_two_inserts_leaves_neither(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
        citizen = await a_citizen(session)
        await session.execute(text(f"ALTER TABLE intake_{poll.id} ADD CONSTRAINT never CHECK (style > 0)"))
    with pytest.raises(Exception, match="never"):
        async with fresh_database.open_session() as session:
            await cast(session, poll, citizen)
    async with fresh_database.open_session() as session:
        assert await participations(session, poll) == 0
        await session.execute(text(f"ALTER TABLE intake_{poll.id} DROP CONSTRAINT never"))
        await cast(session, poll, citizen)
        assert await participations(session, poll) == 1


async def test_closing_and_counting_wait_for_the_casts_in_flight(fresh_database: Database) -> None:
    """A cast that has been admitted and not committed holds both up; then it is in the count (BALLOTS 4)."""
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
        citizen, late = await a_citizen(session), await a_citizen(session)

    async def close_and_count() -> int:
        async with fresh_database.open_session() as session:
            await close_early(session, poll.public_id, 1, "хватит голосов", NOW)
        async with fresh_database.open_session() as session:
            counted = await count_poll(session, poll.public_id, NOW, SEALER)
        assert counted is not None
        return counted.ballots

    async with fresh_database.open_session() as session:
        await cast(session, poll, citizen)
        closing = asyncio.create_task(close_and_count())
        await asyncio.sleep(0.4)
        assert not closing.done(), "the poll was closed over the head of a cast"
    assert await closing == 1
    async with fresh_database.open_session() as session:
        with pytest.raises(PollClosed):
            await cast(session, poll, late)


async def test_casts_do_not_queue_behind_whoever_holds_the_poll_alone(fresh_database: Database) -> None:
    """While a count runs: too late is told at once, a retry that the count is under way; before closing: busy."""
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll, closed = await an_open_poll(session), await an_open_poll(session)
        citizen, other = await a_citizen(session), await a_citizen(session)
        await cast(session, closed, citizen)
        await close_now(session, closed)
    async with fresh_database.open_session() as holder:
        for held in (poll, closed):
            await holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(held.id)})
        for found, who, refusal in [(closed, other, PollClosed), (closed, citizen, NotCounted), (poll, other, Busy)]:
            async with fresh_database.open_session() as session:
                with pytest.raises(refusal):
                    await asyncio.wait_for(cast(session, found, who), timeout=5)


async def test_a_rush_at_an_early_close_loses_and_adds_nothing(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
        voters = [await a_citizen(session) for _ in range(30)]

    async def vote(citizen: int) -> bool:
        try:
            async with fresh_database.open_session() as session:
                await cast(session, poll, citizen)
        except (PollClosed, Busy):
            return False
        return True

    async def close() -> None:
        async with fresh_database.open_session() as session:
            await close_early(session, poll.public_id, 1, "хватит голосов", NOW)

    *taken, _ = await asyncio.gather(*(vote(citizen) for citizen in voters), close())
    async with fresh_database.open_session() as session:
        counted = await count_poll(session, poll.public_id, NOW, SEALER)
        assert counted is not None
        assert counted.ballots == counted.participations == sum(bool(x) for x in taken)
