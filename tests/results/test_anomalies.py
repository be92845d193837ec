"""The use case of anomalies: from the stored counters, behind the gate, once per count, without a number under ten."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update
from tests.builders import (
    NOW,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_definition,
    a_key,
    a_single_choice,
    an_open_poll,
    close_now,
)
from tests.results.counted import AFTER, a_counted_poll, city_strata
from tests.results.test_figures import body, opener

from polls.board_tables import turnout_minute
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from polls.errors import NotCounted, PollNotFound, ResultsHidden, TooFewToPublish
from polls.register import territory_tree
from polls.sessions import Session
from polls.tables import citizen, live_step, poll, turnout_young
from polls.tally import tally
from polls.tally.profile import Profile
from results.anomalies import anomalies_of
from results.anomaly_chart import hour_chart
from results.anomaly_shapes import CheckName, Lack, Verdict
from results.exports.hours import hours_csv

OPENED = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


async def a_poll_with_minutes(session: Session, votes: int = 400, more: int = 0) -> SealedPoll:
    """A counted poll whose votes came evenly over three days in two okrugs, and `more` within ten minutes of one."""
    await a_city(session)
    strata = await city_strata(session, ages=(2,), sexes=(1,))
    ballots = [(("[1]",), strata[place % len(strata)]) for place in range(votes + more)]
    found = await a_counted_poll(session, a_definition(questions=[a_single_choice()]), ballots)
    tree = await territory_tree(session)
    okrugs = [tree.by_code[code].id for code in ("msk-cao", "msk-sao")]
    rows = []
    for place in range(votes):
        at = OPENED + timedelta(minutes=place * 3 * 24 * 60 // votes)
        rows.append({"poll_id": found.id, "minute": at, "okrug": okrugs[place % 2], "shard": place, "n": 1})
    if more:
        rows.append({"poll_id": found.id, "minute": OPENED + timedelta(hours=30), "okrug": okrugs[0], "shard": -1,
                     "n": more})  # fmt: skip
    await session.execute(insert(turnout_minute), rows)
    return found


async def test_counters_are_what_was_recorded_and_small_ones_are_merged(session: Session) -> None:
    found = await a_poll_with_minutes(session)
    made = await anomalies_of(session, found.slug, AFTER)
    assert made.recorded == made.votes == made.hours.total == sum(step.votes for step in made.steps) == 400
    assert min(step.votes for step in made.steps) >= 10
    assert min(n for row in made.hours.rows for n in row.votes) >= 10
    assert {code for place in made.hours.places for code in place.codes} == {"msk-cao", "msk-sao"}
    assert [check.name for check in made.checks] == list(CheckName)
    assert made.check(CheckName.STEPS).lack is Lack.NOT_LIVE
    assert made.check(CheckName.YOUNG).lack is Lack.NOT_RECORDED  # counted before it was
    chart = hour_chart(made)
    assert chart is not None and len(chart.points) <= 170


async def test_the_file_holds_every_vote_once_in_each_of_two_tables(session: Session) -> None:
    found = await a_poll_with_minutes(session)
    lines = list(
        csv.DictReader(io.StringIO((await body(await hours_csv(opener(session), found.slug, now=AFTER))).decode()))
    )
    sums: dict[str, int] = {}
    for line in lines:
        sums[line["table"]] = sums.get(line["table"], 0) + int(line["votes"])
        assert int(line["votes"]) >= 10
        assert datetime.fromisoformat(line["begins"]) < datetime.fromisoformat(line["ends"])
    assert sums == {"city": 400, "okrugs": 400}


async def test_nothing_before_the_count_nor_under_ten_ballots(session: Session) -> None:
    await a_city(session)
    with pytest.raises(PollNotFound):
        await anomalies_of(session, "nowhere", AFTER)
    running = await an_open_poll(session)
    with pytest.raises(ResultsHidden):
        await anomalies_of(session, running.slug, NOW)
    closed = await close_now(session, running)
    with pytest.raises(NotCounted):
        await anomalies_of(session, closed.slug, AFTER)
    strata = await city_strata(session)
    few = await a_counted_poll(session, a_definition(questions=[a_single_choice()]), [(("[1]",), strata[0])] * 9)
    with pytest.raises(TooFewToPublish):
        await anomalies_of(session, few.slug, AFTER)


async def test_votes_without_a_recorded_minute_give_no_verdict(session: Session) -> None:
    found = await a_poll_with_minutes(session)
    await session.execute(
        text("DELETE FROM turnout_minute WHERE poll_id = :p AND minute < :m"),
        {"p": found.id, "m": OPENED + timedelta(hours=12)},
    )
    made = await anomalies_of(session, found.slug, AFTER)
    assert made.recorded < 400
    for name in (CheckName.BURST, CheckName.NIGHT, CheckName.PLACES):
        assert made.check(name).lack is Lack.NOT_RECORDED


async def test_a_count_stores_one_number_of_young_accounts(session: Session) -> None:
    """Whoever entered the register after the poll was published, counted from participations, never from ballots."""
    await a_city(session)
    found = await an_open_poll(session, late_registration=True)
    sealed_at = await session.scalar(select(poll.c.sealed_at).where(poll.c.id == found.id))
    assert sealed_at is not None
    voters = [await a_citizen(session) for _ in range(30)]
    await session.execute(
        update(citizen).where(citizen.c.id.in_(voters[:12])).values(registered_at=sealed_at + timedelta(seconds=1))
    )
    for who in voters:
        await cast_ballot(session, found, who, {"1": 1}, a_key(), ASigner(), NOW)
    closed = await close_now(session, found)
    await count_poll(session, closed.public_id, NOW, SEALER)
    row = (await session.execute(select(turnout_young).where(turnout_young.c.poll_id == found.id))).one()
    assert (row.votes, row.accounts, row.young_accounts) == (12, 30, 12)


@pytest.mark.parametrize(("young", "shown"), [(9, None), (10, 10), (390, 390), (391, None)])
async def test_a_number_under_ten_is_not_told_by_its_statistic_either(
    session: Session, young: int, shown: int | None
) -> None:
    found = await a_poll_with_minutes(session)
    await session.execute(
        insert(turnout_young).values(poll_id=found.id, since=NOW, votes=young, accounts=10_000, young_accounts=10)
    )
    made = await anomalies_of(session, found.slug, AFTER)
    check = made.check(CheckName.YOUNG)
    assert made.young == shown
    assert (check.statistic is None) == (shown is None)
    assert young < 10 or young > 390 or check.verdict in (Verdict.USUAL, Verdict.UNUSUAL)


async def test_live_steps_are_read_as_published(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    definition = a_definition(questions=[a_single_choice()], visibility="live")
    found = await a_counted_poll(session, definition, [(("[1]",), strata[0])] * 20)
    question = definition.questions[0]
    for n in range(1, 15):
        for_one = 600 * n + (1_500 if n >= 9 else 0)
        outcome = tally(question, Profile({"[1]": for_one, "[2]": 400 * n}, None))
        await session.execute(
            insert(live_step).values(poll_id=found.id, ballots=1_500 * n, at=OPENED + timedelta(hours=n),
                                     outcomes=[outcome.as_json()])
        )  # fmt: skip
    check = (await anomalies_of(session, found.slug, AFTER)).check(CheckName.STEPS)
    assert check.verdict is Verdict.UNUSUAL
    assert {finding.question_id for finding in check.findings} == {1}


async def test_a_month_of_seven_million_votes_is_checked_in_seconds(session: Session) -> None:
    """40,320 minutes in twelve okrugs are half a million counters: summed in SQL, read as a few thousand."""
    found = await a_poll_with_minutes(session, 60)
    await session.execute(
        text(
            "INSERT INTO turnout_minute (poll_id, minute, okrug, shard, n)"
            " SELECT :poll, CAST(:begin AS timestamptz) + make_interval(mins => m), o, -2, 1 + (m * 7 + o * 13) % 28"
            " FROM generate_series(0, 40319) m, generate_series(1, 12) o"
        ),
        {"poll": found.id, "begin": OPENED},
    )
    begun = time.process_time()
    made = await anomalies_of(session, found.slug, AFTER)
    assert time.process_time() - begun < 8
    assert made.recorded > 7_000_000
    again = time.process_time()
    assert await anomalies_of(session, found.slug, AFTER) is made
    assert time.process_time() - again < 0.5
