"""Retries and replaced votes when the world has moved on: the first receipt of the ballot that is kept, no other."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import text, update
from tests.builders import NOW, SEALER, a_key, a_single_choice, an_option, close_now
from tests.polls.test_ballot_box import a_box, a_town, a_vote, outcome_of
from tests.polls.test_styles import STYLES

from polls.authoring import cancel_poll
from polls.board import leaf_hashes
from polls.board_manifest import publish_manifest
from polls.box_batch import write_votes
from polls.casting import Cast
from polls.counting import count_poll
from polls.errors import AlreadyVoted, NotEligible, PollClosed, RetryDiffers, Superseded
from polls.register import territory_tree
from polls.tables import citizen
from polls.votes import Taken
from voting.db import Database

NAMED = {"privacy": "named", "may_change": True, "names_seen_by": {"ru": "правление", "en": "the board"}}


async def superseded_live(database, poll):
    """How many ballots that stand have a leaf that is declared replaced."""
    async with database.open_session() as session:
        rows = (await session.execute(text("SELECT ballot_id, answers, style FROM named_ballot"))).all()
        replaced = {bytes(leaf) for leaf in await session.scalars(text("SELECT leaf_hash FROM superseded"))}
    return sum(
        bool(replaced & set(leaf_hashes(poll.poll_hash, row.ballot_id, poll.question_ids, row.answers, row.style)))
        for row in rows
    )


async def test_a_change_that_comes_two_ways_at_once_replaces_once(fresh_database: Database):
    poll, [one] = await a_town(fresh_database, 1, **NAMED)
    assert isinstance(await outcome_of(a_box(fresh_database), a_vote(poll, one, 1)), Cast)
    vote = a_vote(poll, one, 2, a_key())

    async def other():
        async with fresh_database.open_session() as session:
            return await write_votes(session, [vote])

    async with fresh_database.open_session() as session:
        [first] = await write_votes(session, [vote])
        waiting = asyncio.create_task(other())
        await asyncio.sleep(0.3)
        assert not waiting.done()  # it waits for the row
    [second] = await waiting
    assert isinstance(first, Taken) and isinstance(second, Taken)
    assert (first.changed, second.changed, second.repeated) == (True, False, True)
    assert await superseded_live(fresh_database, poll) == 0


async def test_two_processes_take_the_same_changes_at_once(fresh_database: Database):
    poll, residents = await a_town(fresh_database, 30, **NAMED)
    elsewhere = Database.from_url(fresh_database.engine.url.render_as_string(hide_password=False))
    here, there = a_box(fresh_database), a_box(elsewhere)
    await asyncio.gather(*(here.cast(a_vote(poll, one, 1)) for one in residents))
    for one in residents:
        vote = a_vote(poll, one, 2)
        both = await asyncio.gather(here.cast(vote), there.cast(vote))
        assert both[0].receipt == both[1].receipt
    assert await superseded_live(fresh_database, poll) == 0
    await elsewhere.close()


async def test_nobody_casts_the_ballot_that_somebody_replaced(fresh_database: Database):
    """A key shared by two: the ballot would stand on the board as published and as replaced."""
    poll, [one, other] = await a_town(fresh_database, 2, **NAMED)
    box, shared = a_box(fresh_database), a_key()
    await box.cast(a_vote(poll, one, 1, shared))
    await box.cast(a_vote(poll, one, 2))
    assert isinstance(await outcome_of(box, a_vote(poll, other, 1, shared)), Superseded)
    assert isinstance(await outcome_of(box, a_vote(poll, one, 1, shared)), Superseded)
    assert isinstance(await outcome_of(box, a_vote(poll, other, 1)), Cast)
    assert await superseded_live(fresh_database, poll) == 0
    async with fresh_database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM participation")) == 2


async def test_a_replaced_ballot_written_while_its_replacement_commits_is_refused(fresh_database: Database):
    poll, [one, other] = await a_town(fresh_database, 2, **NAMED)
    shared = a_key()
    await a_box(fresh_database).cast(a_vote(poll, one, 1, shared))

    @asynccontextmanager
    async def begun():
        async with fresh_database.open_box_session() as session:
            yield session

    box = a_box(fresh_database, open_session=begun)
    async with fresh_database.open_session() as session:
        [changed] = await write_votes(session, [a_vote(poll, one, 2)])
        waiting = asyncio.create_task(outcome_of(box, a_vote(poll, other, 1, shared)))
        await asyncio.sleep(0.3)  # it waits for the ballot id that is about to be free
    assert isinstance(changed, Taken)
    assert isinstance(await waiting, Superseded)
    assert await superseded_live(fresh_database, poll) == 0


async def a_styled_town(database):
    question = {**a_single_choice(1, 2), "options": [an_option(1), an_option(2, styles=[1]), an_option(3, styles=[2])]}
    poll, [one] = await a_town(database, 1, styles=STYLES, questions=[question], late_registration=True)
    async with database.open_session() as session:
        since = {"since": NOW - timedelta(minutes=30)}
        await session.execute(text("UPDATE citizen SET registered_at = :since"), since)
        await session.execute(text("UPDATE citizen_period SET valid_from = :since"), since)
    return poll, one


async def move(database, code):
    """Everybody has moved a minute ago."""
    async with database.open_session() as session:
        since = NOW - timedelta(minutes=1)
        place = (await territory_tree(session)).by_code[code].id
        await session.execute(text("UPDATE citizen_period SET valid_to = :since"), {"since": since})
        await session.execute(
            text(
                "INSERT INTO citizen_period (citizen_id, valid_from, district_id, level, groups)"
                " SELECT id, :since, :place, 2, '{}' FROM citizen"
            ),
            {"since": since, "place": place},
        )


async def test_a_resident_of_another_district_by_now_gets_the_first_receipt(fresh_database: Database):
    poll, one = await a_styled_town(fresh_database)
    box, vote = a_box(fresh_database), a_vote(poll, one, 1)
    first = await box.cast(vote)
    await move(fresh_database, "msk-cao-basmanny")
    again = await box.cast(vote)
    assert again.repeated and again.receipt == first.receipt
    async with fresh_database.open_session() as session:
        closed = await close_now(session, poll)
        await count_poll(session, closed.public_id, NOW, SEALER)
        await publish_manifest(session, closed.public_id, SEALER, NOW)
    counted = await box.cast(vote)
    assert counted.repeated and counted.receipt == first.receipt


async def test_whoever_may_not_vote_any_more_hears_that_their_vote_stands(fresh_database: Database):
    poll, [one, other] = await a_town(fresh_database, 2)
    box, vote = a_box(fresh_database), a_vote(poll, one, 2)
    first = await box.cast(vote)
    async with fresh_database.open_session() as session:
        await session.execute(update(citizen).values(birth_date=text("DATE '2015-01-01'")))
    assert (await box.cast(vote)).receipt == first.receipt
    assert isinstance(await outcome_of(box, a_vote(poll, one, 1, vote.key)), RetryDiffers)
    assert isinstance(await outcome_of(box, a_vote(poll, one, 2)), AlreadyVoted)
    assert isinstance(await outcome_of(box, a_vote(poll, other, 2)), NotEligible)


async def test_a_vote_in_a_cancelled_poll_does_not_stand(fresh_database: Database):
    poll, [one] = await a_town(fresh_database, 1)
    box, vote = a_box(fresh_database), a_vote(poll, one, 2)
    await box.cast(vote)
    async with fresh_database.open_session() as session:
        await cancel_poll(session, poll.public_id, 1, "Не тот вопрос.", NOW)
    refusal = await outcome_of(box, vote)
    assert isinstance(refusal, PollClosed) and refusal.facts["state"] == "cancelled"
