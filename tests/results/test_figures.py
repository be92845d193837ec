"""Figures are the same everywhere, come through the gate, and add up to the tally."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import pandas
import pytest
from sqlalchemy import delete, insert, select, text
from tests.builders import NOW, a_city, a_definition, a_sealed_poll, a_single_choice, an_option, both, mark_cancelled
from tests.results.counted import AFTER, a_counted_poll, a_typical_poll, city_strata, four_questions, random_ballots

from polls.board_tables import turnout_shard
from polls.definition import Text
from polls.errors import Invalid, NotCounted, PollNotFound, ResultsHidden, TooFewToPublish, WrongState
from polls.sessions import ReadSession, Session
from polls.tables import live_step, profile, roll_amendment
from polls.tally import tally
from polls.tally.profile import NOT_SHOWN, Profile
from results.aggregation import class_counts
from results.decisions import Status, decision_of, decisions, record_decision
from results.exports.answers import answers_csv
from results.exports.codebook import codebook
from results.exports.csv import results_csv, results_json, results_rows, turnout_csv
from results.exports.dialects import Download, OpenSession
from results.figures import live_figures, poll_figures, running_turnout
from results.reading import read_classes
from results.shapes import By


def opener(session: Session) -> OpenSession:
    """The test's own session, for use cases that open one."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[ReadSession]:
        yield session

    return opened


async def voted(session: Session, poll_id: int, cast: int) -> None:
    """So many have voted in an open poll."""
    await session.execute(delete(turnout_shard).where(turnout_shard.c.poll_id == poll_id))
    await session.execute(insert(turnout_shard).values(poll_id=poll_id, shard=0, n=cast))


async def body(download: Download) -> bytes:
    return b"".join([chunk async for chunk in download.chunks])


async def test_tables_add_up_to_the_tally_with_what_is_hidden_left_over(session: Session) -> None:
    found = await a_typical_poll(session)
    figures = await poll_figures(session, found.slug, AFTER)
    assert {t.dimensions for q in figures.questions for t in q.single} == {
        (By.OKRUG,), (By.DISTRICT,), (By.AGE_BAND,), (By.SEX,),
    }  # fmt: skip
    for question in figures.questions:
        assert question.total.cast == question.outcome.cast == 600
        for table in question.tables:
            for index, column in enumerate(table.columns):
                total = table.total.cells[index].votes
                shown = [row.cells[index].votes for row in table.rows]
                assert total is not None
                known = sum(n for n in shown if n is not None)
                assert known == total if None not in shown else known <= total, (table.dimensions, column)
                assert all(n >= 10 or total == 0 for n in shown if n is not None)


async def test_the_classes_of_sql_are_the_classes_of_python(session: Session) -> None:
    found = await a_typical_poll(session, 200)
    by_sql = set(await read_classes(session, found))
    columns = (profile.c.question_id, profile.c.stratum, profile.c.answer, profile.c.n)
    rows = await session.execute(select(*columns).where(profile.c.poll_id == found.id))
    assert by_sql == set(class_counts((tuple(row) for row in rows), found.definition))


async def test_page_csv_and_json_print_the_same_numbers(session: Session) -> None:
    found = await a_typical_poll(session)
    figures = await poll_figures(session, found.slug, AFTER)
    table = pandas.read_csv(io.BytesIO(await body(await results_csv(opener(session), found.slug, now=AFTER))))
    document = json.loads(await body(await results_json(opener(session), found.slug, now=AFTER)))
    lines = list(results_rows(figures))
    assert len(lines) == len(table) == len(document["results"])
    for line, (_, record), named in zip(lines, table.iterrows(), document["results"], strict=True):
        for value, name in zip(line, table.columns, strict=True):
            if value is None:
                assert pandas.isna(record[name]) and named[name] is None
            elif isinstance(value, str | bool | int):
                assert record[name] == value == named[name]
            else:
                assert record[name] == named[name] == pytest.approx(float(value), abs=5e-7)
    shares = table[table["share"].notna()]
    assert ((shares["votes"] / shares["denominator_n"]) - shares["share"]).abs().max() < 1e-6
    assert document["outcomes"][0] == figures.questions[0].outcome.as_json()


async def test_turnout_is_against_the_roll_and_adds_up(session: Session) -> None:
    found = await a_typical_poll(session)
    figures = await poll_figures(session, found.slug, AFTER)
    assert (figures.turnout.votes, figures.turnout.entitled) == (600, 1800)
    ages = figures.turnout.by(By.AGE_BAND)
    assert ages is not None
    assert [row.group.code for row in ages.rows] == ["age_18_24", "age_25_34", "age_65"]
    assert sum(row.votes or 0 for row in ages.rows) == 600 and sum(row.entitled or 0 for row in ages.rows) == 1800
    assert sum(figures.turnout.days.values()) == 600
    table = pandas.read_csv(io.BytesIO(await body(await turnout_csv(opener(session), found.slug, now=AFTER))))
    assert table[table["dimension"] == "all"][["votes", "entitled"]].to_numpy().tolist() == [[600, 1800]]
    assert table[table["dimension"] == "day"]["votes"].sum() == 600


async def test_a_roll_amendment_counts_though_figures_are_kept(session: Session) -> None:
    found = await a_typical_poll(session, 100)
    before = await poll_figures(session, found.slug, AFTER)
    [stratum, *_] = await city_strata(session)
    await session.execute(
        insert(roll_amendment).values(poll_id=found.id, stratum=stratum, change=5, reason="late", at=AFTER)
    )
    after = await poll_figures(session, found.slug, AFTER)
    assert before.turnout.entitled is not None
    assert after.turnout.entitled == before.turnout.entitled + 5


async def test_an_unknown_roll_is_not_invented(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    definition = four_questions(roll_known=False)
    found = await a_counted_poll(session, definition, random_ballots(200, strata), entitled=None)
    turnout = (await poll_figures(session, found.slug, AFTER)).turnout
    assert turnout.entitled is None and turnout.share is None and turnout.votes == 200
    assert all(row.entitled is None and row.share is None for table in turnout.tables for row in table.rows)


async def test_under_ten_ballots_there_is_turnout_and_outcome_only(session: Session) -> None:
    await a_city(session)
    strata = await city_strata(session)
    found = await a_counted_poll(session, four_questions(), random_ballots(9, strata))
    figures = await poll_figures(session, found.slug, AFTER)
    assert figures.turnout.votes == 9 and figures.turnout.tables == ()
    assert all(question.tables == () and question.outcome.cast == 9 for question in figures.questions)
    table = pandas.read_csv(io.BytesIO(await body(await results_csv(opener(session), found.slug, now=AFTER))))
    assert set(table["dimension"]) == {"all"}
    with pytest.raises(TooFewToPublish):
        await answers_csv(opener(session), found.slug, now=AFTER)


@pytest.mark.parametrize("export", [results_csv, turnout_csv, results_json, answers_csv, codebook])
async def test_every_export_is_refused_before_its_first_byte(session: Session, export: Any) -> None:
    found = await a_sealed_poll(session)
    with pytest.raises(ResultsHidden) as refused:
        await export(opener(session), found.slug, now=NOW)
    assert refused.value.facts["until"] == found.closes_at.isoformat()
    with pytest.raises(NotCounted):
        await export(opener(session), found.slug, now=AFTER)
    await mark_cancelled(session, found.id)
    with pytest.raises(WrongState):
        await export(opener(session), found.slug, now=AFTER)
    with pytest.raises(PollNotFound):
        await export(opener(session), "no-such-poll", now=AFTER)


async def test_a_poll_shown_live_moves_in_steps_and_shows_totals_only(session: Session) -> None:
    found = await a_sealed_poll(session, a_definition(visibility="live"))
    assert await live_figures(session, found.slug, NOW) is None
    question = found.definition.questions[0]
    for cast in (1000, 2100):
        outcome = tally(question, Profile({"[1]": cast - 5, "[2]": 5}))
        await session.execute(
            insert(live_step).values(poll_id=found.id, ballots=cast, at=NOW, outcomes=[outcome.as_json()])
        )
    for cast, seen in ((1009, None), (1010, 1000), (2109, 1000), (2110, 2100)):
        await voted(session, found.id, cast)
        live = await live_figures(session, found.slug, NOW)
        assert (live and live.ballots) == seen, "a step is shown once ten more have voted"
    assert live is not None
    assert (live.outcomes[0].option(1).votes, live.totals[0].cells[0].votes) == (2095, 2095)
    with pytest.raises(ResultsHidden):
        await poll_figures(session, found.slug, NOW)
    hidden = await a_sealed_poll(session)
    with pytest.raises(ResultsHidden):
        await live_figures(session, hidden.slug, NOW)


async def test_a_live_question_of_a_few_ballots_has_no_figures_yet(session: Session) -> None:
    """The step is of the poll: a follow-up that one person was asked would show their answer."""
    follow_up = a_single_choice(2, shown_if={"question": 1, "options": [2]})
    found = await a_sealed_poll(session, a_definition(visibility="live", questions=[a_single_choice(), follow_up]))
    first, second = found.definition.questions
    for asked, shown in ((9, [1]), (10, [1, 2])):
        outcomes = [tally(first, Profile({"[1]": 1000 * asked, "[2]": asked})), tally(second, Profile({"[1]": asked}))]
        values = {"ballots": 1001 * asked, "at": NOW, "outcomes": [outcome.as_json() for outcome in outcomes]}
        await session.execute(insert(live_step).values(poll_id=found.id, **values))
        await voted(session, found.id, 1001 * asked + 10)
        live = await live_figures(session, found.slug, NOW)
        assert live is not None
        assert [outcome.question_id for outcome in live.outcomes] == shown and len(live.totals) == len(shown)
        assert live.too_few == (() if 2 in shown else (2,))


@pytest.mark.parametrize(("asked", "broken_down"), [(9, False), (40, True)])
async def test_a_question_of_a_few_ballots_is_not_broken_down(session: Session, asked: int, broken_down: bool) -> None:
    await a_city(session)
    strata = await city_strata(session)
    ranking = {"kind": "ranking", "id": 2, "text": both("Порядок"), "options": [an_option(1), an_option(2)],
               "rule": {"method": "borda"}, "shown_if": {"question": 1, "options": [2]}}  # fmt: skip
    questions = [a_single_choice(), ranking]
    ballots = [(("[2]", "[[1],[2]]"), strata[0])] * asked + [(("[1]", NOT_SHOWN), stratum) for stratum in strata * 20]
    found = await a_counted_poll(session, a_definition(questions=questions), ballots)
    figures = await poll_figures(session, found.slug, AFTER)
    follow_up = figures.questions[1]
    assert figures.questions[0].tables and follow_up.outcome.cast == asked, "its outcome is public either way"
    assert bool(follow_up.tables) is broken_down and (follow_up.placed is not None) is broken_down
    table = pandas.read_csv(io.BytesIO(await body(await results_csv(opener(session), found.slug, now=AFTER))))
    assert (set(table[table["question_id"] == 2]["dimension"]) == {"all"}) is not broken_down


async def test_the_number_of_votes_is_public_once_the_poll_is_open(session: Session) -> None:
    found = await a_sealed_poll(session)
    for shard, n in ((0, 2), (7, 1)):
        await session.execute(insert(turnout_shard).values(poll_id=found.id, shard=shard, n=n))
    assert (await running_turnout(session, found.slug, NOW)).votes == 3
    with pytest.raises(ResultsHidden):
        await running_turnout(session, found.slug, found.opens_at - timedelta(hours=1))


async def test_counts_that_do_not_add_up_are_not_published(session: Session) -> None:
    found = await a_typical_poll(session, 100)
    await session.execute(
        text("UPDATE profile SET n = n + 1 WHERE ctid = (SELECT min(ctid) FROM profile WHERE poll_id = :p)"),
        {"p": found.id},
    )
    with pytest.raises(ValueError, match="does not add up"):
        await poll_figures(session, found.slug, AFTER)


async def test_a_decision_hangs_on_the_result_and_is_listed(session: Session) -> None:
    found = await a_typical_poll(session, 100)
    words = Text(ru="Сквер заложат весной", en="The square will be laid out in spring")
    with pytest.raises(Invalid) as refused:
        await record_decision(
            session, found.slug, text=Text(), owner=" ", status=Status.PLANNED, author_id=1, now=AFTER
        )
    assert {error.path for error in refused.value.errors} == {"text/ru", "owner"}
    made = await record_decision(
        session, found.slug, text=words, owner="Департамент природы", status=Status.PLANNED, author_id=1,
        now=AFTER, deadline=date(2027, 5, 1),
    )  # fmt: skip
    figures = await poll_figures(session, found.slug, AFTER)
    assert figures.state == "decided" and figures.decision == made
    later = AFTER + timedelta(days=30)
    await record_decision(
        session, found.slug, text=words, owner="Парки", status=Status.DONE, author_id=1, now=later,
        deadline=date(2027, 5, 1),
    )  # fmt: skip
    [listed] = await decisions(session)
    assert (listed.status, listed.owner, listed.published_at, listed.poll_slug) == ("done", "Парки", AFTER, found.slug)
    fresh = await a_sealed_poll(session, a_definition(questions=[a_single_choice()]))
    with pytest.raises(ResultsHidden):
        await record_decision(session, fresh.slug, text=words, owner="Парки", status=Status.DONE, author_id=1, now=NOW)
    assert await decision_of(session, fresh.id) is None
