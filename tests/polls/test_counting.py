"""Counting: copy in leaf order, small strata merged, the copy proven, the intake gone (BALLOTS 13, 15, 17)."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import (
    NOW,
    SEALER,
    ASigner,
    a_budget,
    a_citizen,
    a_city,
    a_key,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_open_poll,
    close_now,
)

from polls import counting
from polls.board import leaf_hashes
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import CopyDiffers, Counted, count_poll, due_polls, take_live_step
from polls.errors import WrongState
from polls.journal import poll_events
from polls.published import leaf_sql
from polls.sessions import Session
from polls.strata import LEAST, Stratum, coarsen
from polls.tally.profile import NOT_SHOWN
from voting.db import Database

SIGNER = ASigner()
DISTRICTS = ("msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky")


async def a_voted_poll(session: Session, votes: list[dict[str, Any]], **more: Any) -> tuple[SealedPoll, Counter[Any]]:
    """A closed poll with these votes cast by residents of three districts, both sexes and several ages."""
    await a_city(session)
    poll = await an_open_poll(session, **more)
    where: Counter[Any] = Counter()
    for number, answers in enumerate(votes):
        district = DISTRICTS[0] if number % 10 < 8 else DISTRICTS[1 + number % 2]
        born = date(1950 + 7 * (number % 8), 1, 1)
        citizen = await a_citizen(session, district=district, sex="fm"[number % 2], born=born)
        await cast_ballot(session, poll, citizen, answers, a_key(), SIGNER, NOW)
        where[district] += 1
    return await close_now(session, poll), where


async def count(session: Session, poll: SealedPoll) -> Counted:
    counted = await count_poll(session, poll.public_id, NOW, SEALER)
    assert counted is not None
    return counted


async def test_every_vote_is_counted_once_and_the_intake_is_gone(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [{"1": 1 + n % 3} for n in range(60)] + [{"1": 90}] * 4)
    assert await due_polls(session) == [poll.public_id]
    counted = await count(session, poll)
    assert (counted.ballots, counted.participations) == (64, 64)
    [outcome] = counted.outcomes
    assert {option.id: option.votes for option in outcome.options} == {1: 20, 2: 20, 3: 20}
    assert outcome.neutral == {90: 4}
    assert await session.scalar(text(f"SELECT to_regclass('intake_{poll.id}')")) is None
    assert await due_polls(session) == []
    assert await count_poll(session, poll.public_id, NOW, SEALER) is None
    assert [event["kind"] for event in await poll_events(session, poll.id)] == [
        "poll_sealed", "poll_opened", "poll_closed", "poll_counted",
    ]  # fmt: skip


async def test_ballots_lie_in_leaf_order_and_sql_makes_the_leaves_python_makes(fresh_database: Database) -> None:
    """In a database of its own: rows of other tests that are gone leave room, and what fills it lies out of order."""
    async with fresh_database.open_session() as session:
        poll, _ = await a_voted_poll(session, [{"1": 1 + n % 3} for n in range(40)])
        await count(session, poll)
        rows = (
            await session.execute(
                text(
                    f"SELECT ballot_id, answers, style, {leaf_sql(poll, 1, 'ballot')} AS leaf FROM ballot"
                    " WHERE poll_id = :poll ORDER BY ctid"
                ),
                {"poll": poll.id},
            )
        ).all()
        leaves = [leaf_hashes(poll.poll_hash, row.ballot_id, (1,), row.answers, row.style)[0] for row in rows]
        assert leaves == [bytes(row.leaf) for row in rows] == sorted(leaves)


async def test_every_stratum_left_holds_at_least_ten_ballots(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [{"1": 1 + n % 3} for n in range(75)])
    await count(session, poll)
    rows = await session.execute(
        text("SELECT stratum, count(*) AS n FROM ballot WHERE poll_id = :p GROUP BY 1"), {"p": poll.id}
    )
    sizes = {Stratum.of(row.stratum): row.n for row in rows}
    assert min(sizes.values()) >= LEAST
    assert len(sizes) > 1, "large groups keep their detail"
    profile = await session.execute(
        text("SELECT stratum, sum(n) AS n FROM profile WHERE poll_id = :p GROUP BY 1"), {"p": poll.id}
    )
    assert {Stratum.of(row.stratum): row.n for row in profile} == sizes


async def test_all_kinds_come_out_as_cast(session: Session) -> None:
    questions = [a_single_choice(1, required=False), a_multiple_choice(2), a_rating(3, required=False), a_budget(4)]
    votes: list[dict[str, Any]] = [{"1": 1, "2": [2, 1], "3": {"1": 5, "2": 3}, "4": [1, 4]}] * 12
    votes += [{"2": [3], "3": {"1": 1}, "4": [2]}] * 8
    poll, _ = await a_voted_poll(session, votes, questions=questions)
    single, multiple, rating, budget = (await count(session, poll)).outcomes
    assert (single.valid, single.blank) == (12, 8)
    assert {option.id: option.votes for option in multiple.options} == {1: 12, 2: 12, 3: 8, 4: 0}
    first = next(option for option in rating.options if option.id == 1)
    assert first.mean == Fraction(12 * 5 + 8 * 1, 20)
    assert {option.id for option in budget.options if option.funded} == {1, 4}


async def test_turnout_counts_people_by_the_strata_of_the_roll(session: Session) -> None:
    poll, where = await a_voted_poll(session, [{"1": 1}] * 30)
    await count(session, poll)
    rows = await session.execute(
        text(
            "SELECT t.code, sum(n) AS n FROM turnout_stratum s JOIN territory t ON t.id = s.stratum / 1000"
            " WHERE poll_id = :p GROUP BY 1"
        ),
        {"p": poll.id},
    )
    assert {row.code: row.n for row in rows} == dict(where)
    roll = await session.scalar(text("SELECT sum(entitled) FROM roll WHERE poll_id = :p"), {"p": poll.id})
    assert roll == 30
    assert await session.scalar(text("SELECT sum(n) FROM turnout_day WHERE poll_id = :p"), {"p": poll.id}) == 30


async def test_a_poll_that_is_open_is_not_counted(session: Session) -> None:
    await a_city(session)
    poll = await an_open_poll(session)
    with pytest.raises(WrongState):
        await count_poll(session, poll.public_id, NOW, SEALER)


async def test_a_copy_that_differs_stops_the_count(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    poll, _ = await a_voted_poll(session, [{"1": 1}] * 12)
    monkeypatch.setattr(counting, "leaf_sql", lambda *_: "1 LIMIT 11")  # a copy that loses a ballot
    with pytest.raises(CopyDiffers):
        await count_poll(session, poll.public_id, NOW, SEALER)


async def test_an_empty_poll_is_counted_too(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [])
    counted = await count(session, poll)
    assert counted.ballots == 0
    assert counted.outcomes[0].winners == ()


async def test_a_named_poll_is_counted_from_its_named_ballots(session: Session) -> None:
    poll, _ = await a_voted_poll(session, [{"1": 1 + n % 2} for n in range(20)], privacy="named",
                                 names_seen_by={"ru": "правление", "en": "the board"})  # fmt: skip
    counted = await count(session, poll)
    assert {option.id: option.votes for option in counted.outcomes[0].options} == {1: 10, 2: 10, 3: 0}
    assert await session.scalar(text("SELECT count(*) FROM named_ballot WHERE poll_id = :p"), {"p": poll.id}) == 20


@pytest.mark.parametrize("privacy", ["separated", "named"])
async def test_the_profile_is_the_ballots_by_merged_stratum_and_holds_no_place_not_shown(
    session: Session, privacy: str
) -> None:
    follow_up = a_single_choice(2, shown_if={"question": 1, "options": [1]})
    votes = [{"1": 1, "2": 1 + n % 2} if n % 3 else {"1": 2} for n in range(90)]
    named = {"privacy": "named", "names_seen_by": {"ru": "правление", "en": "the board"}} if privacy == "named" else {}
    poll, _ = await a_voted_poll(session, votes, questions=[a_single_choice(1), follow_up], **named)
    await count(session, poll)
    table = "named_ballot" if named else "ballot"
    rows = await session.execute(text(f"SELECT answers, stratum FROM {table} WHERE poll_id = :p"), {"p": poll.id})
    ballots = [(row.answers, Stratum.of(row.stratum)) for row in rows]
    strata = Counter(stratum for _, stratum in ballots)
    merged = coarsen(strata, (await counting._parents(session)).get)
    wanted = Counter(
        (question, merged[stratum].code, answers[question - 1])
        for answers, stratum in ballots
        for question in (1, 2)
        if answers[question - 1] != NOT_SHOWN
    )
    rows = await session.execute(
        text("SELECT question_id, stratum, answer, n FROM profile WHERE poll_id = :p"), {"p": poll.id}
    )
    found = {(row.question_id, row.stratum, row.answer): row.n for row in rows}
    assert found == wanted
    assert sum(n for (question, *_), n in found.items() if question == 2) == 60
    assert not named or len(merged) > len(set(merged.values())), "some were merged in the profile"


async def test_live_figures_come_in_steps_of_a_thousand(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_city(session)
    poll = await an_open_poll(session, visibility="live")
    now = (poll.definition.opens_at or NOW) + timedelta(minutes=30)
    insert = f"INSERT INTO intake_{poll.id} SELECT decode(lpad(to_hex(i), 32, '0'), 'hex'), ARRAY['[1]'], 0, 0"
    await session.execute(text(f"{insert} FROM generate_series(1, 999) i"))
    assert not await take_live_step(session, poll, now)
    await session.execute(text(f"{insert} FROM generate_series(1000, 1000) i"))
    assert await take_live_step(session, poll, now)
    await session.execute(text(f"{insert} FROM generate_series(1001, 1999) i"))
    assert not await take_live_step(session, poll, now)
    assert list(await session.scalars(text("SELECT ballots FROM live_step"))) == [1000]
