"""Pauses: nothing is cast, nothing closes, the outage is given back to the second; and everything done meanwhile."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from tests.builders import (
    AUTHOR,
    NOW,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_definition,
    a_key,
    a_sealed_poll,
    an_open_poll,
)

from polls.authoring import cancel_poll, close_early, create_draft, extend_poll, load_draft
from polls.casting import cast_ballot
from polls.catalogue import Phase, SealedPoll, list_polls, sealed_poll
from polls.counting import count_poll, due_polls
from polls.desk import Pile, desk_counts
from polls.errors import AlreadyVoted, Invalid, PollClosed, PollNotFound, PollPaused, WrongState
from polls.journal import poll_events
from polls.lifecycle import State, state_at
from polls.pausing import pause_poll, pauses_of, resume_poll, standing_pause, whole_seconds
from polls.sessions import ReadSession, Session
from results.visibility import may_see
from voting.db import Database

SIGNER = ASigner()
WHY = "сбой связи в районе"


async def clock_of(session: ReadSession) -> datetime:
    clock: datetime | None = await session.scalar(text("SELECT clock_timestamp()"))
    assert clock is not None
    return clock


async def set_back(session: Session, poll: SealedPoll, by: timedelta) -> None:
    """The pause began `by` ago, and so did everything before it: the poll as it will be after so long a pause."""
    await session.execute(
        text(
            "UPDATE poll SET paused_at = paused_at - CAST(:by AS interval),"
            " closes_at = closes_at - CAST(:by AS interval) WHERE id = :poll"
        ),
        {"by": by, "poll": poll.id},
    )
    await session.execute(
        text(
            "UPDATE poll_pause SET paused_at = paused_at - CAST(:by AS interval)"
            " WHERE poll_id = :poll AND resumed_at IS NULL"
        ),
        {"by": by, "poll": poll.id},
    )


async def running(session: Session, **more: object) -> SealedPoll:
    """A poll that has been open for ten days."""
    opens = (await clock_of(session)).replace(microsecond=0) - timedelta(days=10)
    return await an_open_poll(session, opens_at=opens, **more)


async def vote(session: Session, poll: SealedPoll, citizen: int) -> None:
    await cast_ballot(session, poll, citizen, {"1": 1}, a_key(), SIGNER, NOW)


async def test_while_paused_nothing_is_cast_and_the_refusal_says_why_and_since_when(session: Session) -> None:
    await a_city(session)
    poll, citizen = await running(session), await a_citizen(session)
    since = await pause_poll(session, poll.public_id, AUTHOR, f"  {WHY} ", NOW)
    with pytest.raises(PollPaused) as refused:
        await vote(session, poll, citizen)
    assert refused.value.facts == {"since": since.isoformat(), "reason": WHY}
    assert await session.scalar(text("SELECT count(*) FROM participation")) == 0
    await resume_poll(session, poll.public_id, AUTHOR, NOW)
    await vote(session, poll, citizen)
    assert [event["kind"] for event in await poll_events(session, poll.id)] == [
        "poll_sealed", "poll_paused", "poll_resumed",
    ]  # fmt: skip


async def test_going_on_moves_the_closing_time_by_the_outage_in_whole_seconds(session: Session) -> None:
    await a_city(session)
    poll = await running(session)
    await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)
    await session.execute(
        text("UPDATE poll SET paused_at = paused_at - interval '90.4 s' WHERE id = :poll"), {"poll": poll.id}
    )
    before = (await sealed_poll(session, poll.public_id)).paused_at
    assert before is not None
    closes_at = await resume_poll(session, poll.public_id, AUTHOR, NOW)
    [pause] = await pauses_of(session, poll.id)
    assert pause.resumed_at is not None
    outage = pause.resumed_at - before
    assert closes_at - poll.closes_at == timedelta(seconds=-(-outage.total_seconds() // 1))
    assert timedelta() <= (closes_at - poll.closes_at) - outage < timedelta(seconds=1)
    found = await sealed_poll(session, poll.public_id)
    assert (found.closes_at, found.paused_at) == (closes_at, None)
    assert found.definition.closes_at == poll.closes_at, "the seal holds"
    event = (await poll_events(session, poll.id))[-1]["body"]
    assert event["outage_seconds"] == (closes_at - poll.closes_at).total_seconds()


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=400)))
def test_an_outage_is_never_given_back_short_nor_a_whole_second_long(outage: timedelta) -> None:
    given_back = whole_seconds(outage)
    assert timedelta() <= given_back - outage < timedelta(seconds=1)
    assert given_back.microseconds == 0


async def test_a_poll_paused_near_its_end_stays_open_however_late_it_gets(session: Session) -> None:
    await a_city(session)
    poll = await running(session)
    citizen = await a_citizen(session)
    await session.execute(
        text("UPDATE poll SET closes_at = date_trunc('second', clock_timestamp()) + interval '5 s' WHERE id = :poll"),
        {"poll": poll.id},
    )
    await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)
    await set_back(session, poll, timedelta(hours=30))
    now = await clock_of(session)
    paused = await sealed_poll(session, poll.public_id)
    assert paused.closes_at < now
    assert paused.state(now) is State.OPEN
    assert (await load_draft(session, poll.public_id, now)).state is State.OPEN
    assert poll.public_id not in await due_polls(session)
    with pytest.raises(WrongState):
        await count_poll(session, poll.public_id, now, SEALER)
    with pytest.raises(PollPaused):
        await vote(session, poll, citizen)
    [card] = (await list_polls(session, now, Phase.OPEN)).cards
    assert (card.state, card.paused_at) == (State.OPEN, paused.paused_at)
    assert (await list_polls(session, now, Phase.ENDED)).cards == ()
    counts = await desk_counts(session, now)
    assert (counts[Pile.OPEN], counts[Pile.ENDED]) == (1, 0)
    assert may_see(paused.definition, paused.state(now), now, closes_at=paused.closes_at).state is State.OPEN
    closes_at = await resume_poll(session, poll.public_id, AUTHOR, now)
    left = closes_at - await clock_of(session)
    assert timedelta(seconds=1) < left <= timedelta(seconds=6), "what was left at the pause is left again"
    await vote(session, await sealed_poll(session, poll.public_id), citizen)


async def test_a_poll_is_paused_once_at_a_time_and_as_often_as_needed(session: Session) -> None:
    await a_city(session)
    poll = await running(session)
    with pytest.raises(WrongState):
        await resume_poll(session, poll.public_id, AUTHOR, NOW)
    await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)
    with pytest.raises(PollPaused) as refused:
        await pause_poll(session, poll.public_id, AUTHOR, "ещё раз", NOW)
    assert refused.value.facts["reason"] == WHY
    await resume_poll(session, poll.public_id, AUTHOR, NOW)
    await pause_poll(session, poll.public_id, AUTHOR, "второй сбой", NOW)
    await resume_poll(session, poll.public_id, AUTHOR, NOW)
    assert [pause.reason for pause in await pauses_of(session, poll.id)] == [WHY, "второй сбой"]
    assert await standing_pause(session, poll.id) is None


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1_001])
async def test_a_pause_takes_a_public_reason(session: Session, reason: str) -> None:
    await a_city(session)
    poll = await running(session)
    with pytest.raises(Invalid):
        await pause_poll(session, poll.public_id, AUTHOR, reason, NOW)
    assert await pauses_of(session, poll.id) == ()


async def test_only_an_open_poll_is_paused(session: Session) -> None:
    await a_city(session)
    now = await clock_of(session)
    draft = await create_draft(session, AUTHOR, a_definition(), NOW)
    soon = await a_sealed_poll(session, a_definition(opens_at=now + timedelta(1), closes_at=now + timedelta(2)))
    over = await a_sealed_poll(session, a_definition(opens_at=now - timedelta(2), closes_at=now - timedelta(1)))
    for public_id in (draft.public_id, soon.public_id, over.public_id):
        with pytest.raises(WrongState):
            await pause_poll(session, public_id, AUTHOR, WHY, NOW)
    with pytest.raises(PollNotFound):
        await pause_poll(session, "0" * 32, AUTHOR, WHY, NOW)


async def test_closing_early_ends_the_pause_and_counts_what_was_cast(session: Session) -> None:
    await a_city(session)
    poll, citizen, late = await running(session), await a_citizen(session), await a_citizen(session)
    await vote(session, poll, citizen)
    await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)
    await set_back(session, poll, timedelta(hours=30))
    await close_early(session, poll.public_id, AUTHOR, "дальше ждать нельзя", NOW)
    closed = await sealed_poll(session, poll.public_id)
    assert closed.paused_at is None
    assert closed.closes_at > poll.opens_at
    [pause] = await pauses_of(session, poll.id)
    assert pause.resumed_at == closed.closes_at
    with pytest.raises(PollClosed):
        await vote(session, closed, late)
    assert poll.public_id in await due_polls(session)
    with pytest.raises(WrongState):
        await resume_poll(session, poll.public_id, AUTHOR, NOW)


async def test_cancelling_ends_the_pause(session: Session) -> None:
    await a_city(session)
    poll = await running(session)
    await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)
    await set_back(session, poll, timedelta(hours=30))
    await cancel_poll(session, poll.public_id, AUTHOR, "не поправить", NOW)
    found = await sealed_poll(session, poll.public_id)
    assert (found.state(NOW), found.paused_at, found.reason) == (State.CANCELLED, None, "не поправить")
    assert await standing_pause(session, poll.id) is None
    with pytest.raises(WrongState):
        await resume_poll(session, poll.public_id, AUTHOR, NOW)


async def test_an_extension_given_meanwhile_and_the_outage_add_up(session: Session) -> None:
    await a_city(session)
    poll = await running(session)
    await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)
    await set_back(session, poll, timedelta(hours=30))
    now_closes = (await sealed_poll(session, poll.public_id)).closes_at
    with pytest.raises(Invalid):
        await extend_poll(session, poll.public_id, AUTHOR, now_closes, "не позже", NOW)
    await extend_poll(session, poll.public_id, AUTHOR, now_closes + timedelta(hours=1), "и ещё час", NOW)
    closes_at = await resume_poll(session, poll.public_id, AUTHOR, NOW)
    assert timedelta(hours=31) <= closes_at - now_closes < timedelta(hours=31, minutes=1)


async def test_a_vote_that_may_be_changed_is_not_while_paused(session: Session) -> None:
    await a_city(session)
    poll = await running(session, privacy="named", may_change=True, names_seen_by={"ru": "комиссия"})
    citizen = await a_citizen(session)
    key = a_key()
    first = await cast_ballot(session, poll, citizen, {"1": 1}, key, SIGNER, NOW)
    await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)
    again = await cast_ballot(session, poll, citizen, {"1": 1}, key, SIGNER, NOW)
    assert (again.repeated, again.receipt) == (True, first.receipt), "a retry still gets its receipt"
    with pytest.raises(PollPaused):
        await cast_ballot(session, poll, citizen, {"1": 2}, a_key(), SIGNER, NOW)
    assert await session.scalar(text("SELECT answers[1] FROM named_ballot")) == "[1]"


async def test_who_has_voted_hears_so_while_paused(session: Session) -> None:
    await a_city(session)
    poll, citizen = await running(session), await a_citizen(session)
    await vote(session, poll, citizen)
    await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)
    with pytest.raises(AlreadyVoted):
        await vote(session, poll, citizen)


async def test_casts_racing_a_pause_are_in_before_it_or_refused(fresh_database: Database) -> None:
    """Fifty casts and a pause in the midst: every participation was written before the pause, by the clock."""
    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await running(session)
        citizens = [await a_citizen(session) for _ in range(50)]
        await session.execute(text("CREATE TABLE seen (at timestamptz)"))
        await session.execute(
            text(
                "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " INSERT INTO seen VALUES (clock_timestamp()); RETURN NEW; END $$"
            )
        )
        await session.execute(
            text("CREATE TRIGGER note AFTER INSERT ON participation FOR EACH ROW EXECUTE FUNCTION note()")
        )
    outcomes: list[str] = []
    enough = asyncio.Event()

    async def one(citizen: int) -> None:
        try:
            async with fresh_database.open_session() as session:
                await vote(session, poll, citizen)
            outcomes.append("in")
            if len(outcomes) >= 10:
                enough.set()
        except PollPaused:
            outcomes.append("paused")

    async def stop() -> datetime:
        await enough.wait()
        async with fresh_database.open_session() as session:
            return await pause_poll(session, poll.public_id, AUTHOR, WHY, NOW)

    gate = asyncio.Semaphore(8)

    async def queued(citizen: int) -> None:
        async with gate:
            await one(citizen)

    stopped, *_ = await asyncio.gather(stop(), *(queued(citizen) for citizen in citizens))
    async with fresh_database.open_read_session() as reading:
        stored = await reading.scalar(text("SELECT count(*) FROM participation"))
        ballots = await reading.scalar(text(f"SELECT count(*) FROM intake_{poll.id}"))
        last = await reading.scalar(text("SELECT max(at) FROM seen"))
    assert outcomes.count("in") == stored == ballots
    assert outcomes.count("paused") == 50 - stored > 0
    assert last < stopped


def test_a_paused_clock_stands_still() -> None:
    opens, closes, paused = NOW, NOW + timedelta(hours=2), NOW + timedelta(hours=1)
    for later in (timedelta(hours=1), timedelta(hours=3), timedelta(days=900)):
        assert state_at(State.SCHEDULED, opens, closes, NOW + later, paused) is State.OPEN
    assert state_at(State.SCHEDULED, opens, closes, NOW + timedelta(hours=3)) is State.CLOSED
    assert state_at(State.CANCELLED, opens, closes, NOW, paused) is State.CANCELLED
