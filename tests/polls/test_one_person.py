"""One person, one entry: joined entries, votes that stay single in every race, and facts as of the poll's opening."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update
from tests.builders import (
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_key,
    an_open_poll,
    both,
    close_now,
)

from polls.audience import roll_total, stratum_of_participants, take_roll
from polls.casting import Cast, cast_ballot
from polls.catalogue import SealedPoll, participation_day
from polls.counting import count_poll
from polls.eligibility import reasons_against
from polls.entitlement import entitlement
from polls.errors import AlreadyVoted, EntriesDiffer, NotEligible, Refusal
from polls.one_person import bar_where_voted, double_votes, merge_entries
from polls.person_tables import OTHER_ENTRY, merged_entry
from polls.register import find_citizen
from polls.roll_corrections import amend_rolls
from polls.sessions import Session
from polls.tables import citizen, citizen_period, identity, participation
from voting.db import Database

SIGNER = ASigner()
BY = 9


def now() -> datetime:
    return datetime.now(UTC)


async def cast(session: Session, poll: SealedPoll, who: int, answer: int = 1) -> Cast:
    return await cast_ballot(session, poll, who, {"1": answer}, a_key(), SIGNER, now())


async def a_town(session: Session, residents: int = 12) -> list[int]:
    await a_city(session)
    return [await a_citizen(session) for _ in range(residents)]


async def votes_of(session: Session, poll: SealedPoll) -> int:
    """Participations that are votes."""
    mine = (participation.c.poll_id == poll.id, participation.c.channel != OTHER_ENTRY)
    return int(await session.scalar(select(func.count()).select_from(participation).where(*mine)) or 0)


async def test_the_person_votes_once_by_the_entry_that_is_kept(session: Session) -> None:
    keep, drop, *_ = await a_town(session)
    poll = await an_open_poll(session)
    assert await merge_entries(session, keep, drop, by=BY, now=now()) == 0
    with pytest.raises((AlreadyVoted, NotEligible)):
        await cast(session, poll, drop)
    assert await cast(session, poll, keep)
    assert await votes_of(session, poll) == 1


@pytest.mark.parametrize("kept_one_voted", [True, False])
async def test_a_vote_cast_before_by_either_entry_is_the_persons_vote(session: Session, kept_one_voted: bool) -> None:
    keep, drop, *_ = await a_town(session)
    poll = await an_open_poll(session)
    await cast(session, poll, keep if kept_one_voted else drop)
    await merge_entries(session, keep, drop, by=BY, now=now())
    for who in (keep, drop):
        with pytest.raises(AlreadyVoted) as refused:
            await cast(session, poll, who)
        assert refused.value.facts["day"] == str(await participation_day(session, poll.id, keep))
    assert await votes_of(session, poll) == 1 and await double_votes(session, poll.id) == 0


async def test_a_vote_by_both_is_counted_as_an_irregularity(session: Session) -> None:
    """BALLOTS 23: neither ballot can be found, so both stand and the number is said."""
    keep, drop, *others = await a_town(session)
    poll = await an_open_poll(session)
    for who in (keep, drop, *others):
        await cast(session, poll, who)
    assert await merge_entries(session, keep, drop, by=BY, now=now()) == 1
    assert await double_votes(session, poll.id) == 1
    counted = await count_poll(session, (await close_now(session, poll)).public_id, now(), SEALER)
    assert counted and (counted.ballots, counted.participations) == (12, 12)


async def test_what_only_bars_is_in_no_figure(session: Session) -> None:
    """Ballots, votes, days, strata and the roll all tell of eleven people: the twelfth entry was nobody."""
    keep, drop, *others = await a_town(session)
    poll = await an_open_poll(session)
    await take_roll(session, poll.id, poll.definition)
    for who in (drop, *others):
        await cast(session, poll, who)
    await merge_entries(session, keep, drop, by=BY, now=now())
    assert await roll_total(session, poll.id) == 11
    await amend_rolls(session, "city", now(), corrected=True)
    assert await roll_total(session, poll.id) == 11, "an import that compares the register comes to the same"
    assert sum((await stratum_of_participants(session, poll.id, poll.definition)).values()) == 11
    counted = await count_poll(session, (await close_now(session, poll)).public_id, now(), SEALER)
    assert counted and (counted.ballots, counted.participations) == (11, 11)
    for table in ("turnout_day", "turnout_stratum"):
        assert await session.scalar(text(f"SELECT sum(n) FROM {table} WHERE poll_id = :p"), {"p": poll.id}) == 11


async def test_a_roll_not_taken_yet_is_taken_without_the_joined_entry(session: Session) -> None:
    keep, drop, *_ = await a_town(session)
    poll = await an_open_poll(session)
    await merge_entries(session, keep, drop, by=BY, now=now())
    await take_roll(session, poll.id, poll.definition)
    assert await roll_total(session, poll.id) == 11


async def test_a_named_vote_is_not_changed_by_the_other_entry(session: Session) -> None:
    keep, drop, *_ = await a_town(session)
    poll = await an_open_poll(session, privacy="named", may_change=True, names_seen_by=both("правление", "board"))
    await cast(session, poll, drop, 1)
    await merge_entries(session, keep, drop, by=BY, now=now())
    with pytest.raises(AlreadyVoted):
        await cast(session, poll, keep, 2)


async def test_a_poll_that_opens_later_knows_one_entry(session: Session) -> None:
    keep, drop, *_ = await a_town(session)
    soon = now() + timedelta(days=1)
    poll = await an_open_poll(session, opens_at=soon.replace(microsecond=0))
    await merge_entries(session, keep, drop, by=BY, now=now())
    for who, entitled in ((keep, True), (drop, False)):
        facts = (await entitlement(session, poll, who, soon)).facts
        assert (not reasons_against(facts, poll.definition)) is entitled


async def test_the_numbers_of_both_lead_to_one(session: Session) -> None:
    keep, drop, third, *_ = await a_town(session)
    for number, who in ((b"k", keep), (b"d", drop), (b"t", third)):
        given = {"kind": "national_id", "key_version": 1, "key": number * 32, "citizen_id": who}
        await session.execute(insert(identity).values(**given))
    await merge_entries(session, keep, drop, by=BY, now=now())
    assert await find_citizen(session, "national_id", [(1, b"d" * 32)]) == keep
    await merge_entries(session, third, keep, by=BY, now=now())
    for number in (b"k", b"d", b"t"):
        assert await find_citizen(session, "national_id", [(1, number * 32)]) == third


async def test_entries_that_cannot_be_one_person(session: Session) -> None:
    one, two, three, *_ = await a_town(session)
    other = await a_citizen(session, register_code="elsewhere")
    for keep, drop, why in ((one, one, "same"), (one, 10**9, "unknown"), (one, other, "register")):
        with pytest.raises(EntriesDiffer) as refused:
            await merge_entries(session, keep, drop, by=BY, now=now())
        assert refused.value.facts["why"] == why
    await merge_entries(session, one, two, by=BY, now=now())
    for keep, drop in ((two, three), (one, two), (two, one)):
        with pytest.raises(EntriesDiffer):
            await merge_entries(session, keep, drop, by=BY, now=now())


async def test_whoever_was_taken_for_another_does_not_vote_again_as_himself(session: Session) -> None:
    right, wrong, *_ = await a_town(session)
    polls = [await an_open_poll(session) for _ in range(3)]
    await cast(session, polls[0], wrong)
    await cast(session, polls[1], wrong)
    await cast(session, polls[1], right)
    today = now().date()
    assert await bar_where_voted(session, right, wrong, since=today + timedelta(days=2), now=now()) == 0
    assert await bar_where_voted(session, right, wrong, since=today - timedelta(days=1), now=now()) == 1
    with pytest.raises(AlreadyVoted):
        await cast(session, polls[0], right)
    assert await cast(session, polls[2], right)


# ---- races: real commits, many at once


async def race(database: Database, *steps: Any) -> list[Any]:
    async def run(step: Any) -> Any:
        try:
            async with database.open_session() as session:
                return await step(session)
        except Refusal as refusal:
            return refusal

    return await asyncio.gather(*(run(step) for step in steps))


@pytest.mark.parametrize("turn", range(6))
async def test_a_merge_in_the_middle_of_votes_leaves_one_vote(fresh_database: Database, turn: int) -> None:
    """Both entries vote while they are joined: one vote, or two that were there before and are said to be two."""
    async with fresh_database.open_session() as session:
        keep, drop, *_ = await a_town(session, 4)
        polls = [await an_open_poll(session) for _ in range(4)]

    def voting(poll: SealedPoll, who: int) -> Any:
        return lambda session: cast(session, poll, who)

    steps = [voting(poll, who) for poll in polls for who in (keep, drop)]
    steps.insert(turn, lambda session: merge_entries(session, keep, drop, by=BY, now=now()))
    await race(fresh_database, *steps)
    async with fresh_database.open_session() as session:
        for poll in polls:
            votes = await votes_of(session, poll)
            assert votes - await double_votes(session, poll.id) <= 1
            for who in (keep, drop):
                if votes or who == drop:  # where nobody got through, the kept entry still may
                    with pytest.raises((AlreadyVoted, NotEligible)):
                        await cast(session, poll, who)
        assert await session.scalar(select(func.count()).select_from(merged_entry)) == 1


async def test_two_desks_that_join_the_same_entries_at_once(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        keep, drop, *_ = await a_town(session, 3)
        poll = await an_open_poll(session)
        await cast(session, poll, drop)
    done = await race(
        fresh_database,
        lambda session: merge_entries(session, keep, drop, by=1, now=now()),
        lambda session: merge_entries(session, drop, keep, by=2, now=now()),
    )
    assert sorted(isinstance(one, EntriesDiffer) for one in done) == [False, True]


# ---- the register on the poll's day


async def entitled(session: Session, poll: SealedPoll, who: int) -> bool:
    return not reasons_against((await entitlement(session, poll, who, now())).facts, poll.definition)


ARBAT = {"op": "territory", "codes": ["msk-cao-arbat"]}


async def test_moved_house_died_and_came_of_age(session: Session) -> None:
    """Everything is judged as of the opening: what happens to the entry afterwards changes nothing in that poll."""
    await a_city(session)
    opened = now() - timedelta(hours=1)
    day = opened.date()
    moved_before = await a_citizen(session, district="msk-sao-timiryazevsky")
    moves_after, dies_after, dead_before = [await a_citizen(session) for _ in range(3)]
    of_age = await a_citizen(session, born=date(day.year - 18, day.month, min(day.day, 28)))
    too_young = await a_citizen(session, born=day - timedelta(days=int(18 * 365.2425) - 3))
    await session.execute(
        update(citizen_period).where(citizen_period.c.citizen_id == dead_before)
        .values(valid_to=opened - timedelta(days=1))
    )  # fmt: skip
    audience = {"op": "all", "of": [{"op": "age", "at_least": 18}, ARBAT]}
    poll = await an_open_poll(session, audience=audience)
    assert [await entitled(session, poll, who) for who in (moves_after, dies_after, of_age)] == [True] * 3
    assert [await entitled(session, poll, who) for who in (moved_before, dead_before, too_young)] == [False] * 3
    await cast(session, poll, moves_after)
    for who in (moves_after, dies_after):
        await session.execute(update(citizen_period).where(citizen_period.c.citizen_id == who).values(valid_to=now()))
    arbat = await session.scalar(text("SELECT id FROM territory WHERE code = 'msk-sao-timiryazevsky'"))
    await session.execute(
        insert(citizen_period).values(citizen_id=moves_after, valid_from=now(), district_id=arbat, level=2)
    )
    with pytest.raises(AlreadyVoted):
        await cast(session, poll, moves_after)
    assert await entitled(session, poll, dies_after), "nobody is struck off a poll that has opened"
    await session.execute(update(citizen).where(citizen.c.id == of_age).values(sex="m"))
    assert await entitled(session, poll, of_age)
