"""One publication a count: stored once, read by everybody, held to after a correction or a change of the roll."""

from __future__ import annotations

import asyncio
import io
import json
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import pandas
import pytest
from sqlalchemy import insert, select, text, update
from tests.builders import a_city
from tests.results.counted import AFTER, a_counted_poll, a_typical_poll, city_strata, four_questions, random_ballots
from tests.results.test_crossing import Pair
from tests.results.test_figures import body, opener

import results.figures
import results.publication
from polls.catalogue import SealedPoll
from polls.sessions import ReadSession, Session
from polls.tables import count_record, profile, roll_amendment
from polls.tally import tally
from polls.tally.profile import Profile
from results.disclosure_memory import Published
from results.exports.csv import results_csv, results_document, results_json, turnout_csv
from results.figures import PollFigures, poll_figures
from results.publication import Due, due_publications, publish_figures
from results.shapes import By
from results.tables import publication
from voting.api.schemas_results import Results
from voting.db import Database


class Forgetful(OrderedDict[Any, Any]):
    """Keeps nothing for the next look."""

    def __contains__(self, key: object) -> bool:
        return False


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look is that of a process that has just started."""
    monkeypatch.setattr(results.figures, "_kept", Forgetful())


def hidden_of(figures: PollFigures) -> set[tuple[Any, ...]]:
    found: set[tuple[Any, ...]] = {
        (question.question.id, table.dimensions, row.group.code, column.kind, column.option_id)
        for question in figures.questions
        for table in question.tables
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.suppressed
    }
    return found | {
        ("turnout", table.dimensions, row.group.code)
        for table in figures.turnout.tables
        for row in table.rows
        if row.suppressed
    }


async def memory_of(session: ReadSession, found: SealedPoll) -> Published:
    row = (
        await session.execute(
            select(publication.c.memory)
            .where(publication.c.poll_id == found.id)
            .order_by(publication.c.version.desc(), publication.c.amendment.desc())
            .limit(1)
        )
    ).one()
    return Published.from_json(row.memory)


async def test_it_is_stored_once_and_what_is_stored_is_what_is_shown(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await a_typical_poll(session)
    fresh = await poll_figures(session, found.slug, AFTER)
    assert found.public_id in await due_publications(session)
    assert await publish_figures(session, found.public_id, AFTER)
    assert not await publish_figures(session, found.public_id, AFTER), "the first to store one wins"
    assert found.public_id not in await due_publications(session)

    def never(*_: object) -> None:
        raise AssertionError("a stored publication is read, never made anew")

    monkeypatch.setattr(results.publication, "publish", never)
    again = await poll_figures(session, found.slug, AFTER)
    assert again.questions == fresh.questions and again.turnout == fresh.turnout
    assert hidden_of(again)
    # What is stored decides, not what a solver would say today.
    memory = await memory_of(session, found)
    [extra, *_] = sorted(cell for cell in memory.shown if cell[0].startswith("sex:") and cell[1] == "3/cast")
    more = Published(memory.count, {c: n for c, n in memory.shown.items() if c != extra}, memory.hidden | {extra})
    await session.execute(update(publication).values(memory=more.to_json()))
    asked = (await poll_figures(session, found.slug, AFTER)).questions[2].by(By.SEX)
    assert asked is not None and None in [row.cast for row in asked.rows]


async def test_pairs_are_in_page_api_csv_and_json_alike(session: Session) -> None:
    found = await a_typical_poll(session, 6_000)
    figures = await poll_figures(session, found.slug, AFTER)
    pair = figures.questions[0].by(By.AGE_BAND, By.DISTRICT)
    assert pair is not None and pair.dimensions == (By.DISTRICT, By.AGE_BAND)
    assert pair is figures.questions[0].by(By.DISTRICT, By.AGE_BAND)
    assert figures.turnout.by(By.DISTRICT, By.SEX) is not None
    first = pair.rows[0].group
    assert first.code == "+".join(part.code for part in first.parts) and len(first.parts) == 2
    table = pandas.read_csv(io.BytesIO(await body(await results_csv(opener(session), found.slug, now=AFTER))))
    lines = table[(table["dimension"] == "district+age_band") & (table["question_id"] == 1)]
    by_code = {
        (row.group.code, column.option_id, column.kind.value): cell.votes
        for row in pair.rows
        for column, cell in zip(pair.columns, row.cells, strict=True)
    }
    assert len(lines) == len(by_code)
    for _, line in lines.iterrows():
        votes = by_code[line["group_code"], line["option_id"], line["class"]]
        assert (votes is None) == pandas.isna(line["votes"]) == line["suppressed"]
        assert votes is None or votes == line["votes"]
    document = json.loads(await body(await results_json(opener(session), found.slug, now=AFTER)))
    assert len(document["results"]) == len(table)
    assert Results.model_validate(results_document(figures)).results
    seen = pandas.read_csv(io.BytesIO(await body(await turnout_csv(opener(session), found.slug, now=AFTER))))
    whole = seen[seen["dimension"] == "district+sex"]
    assert whole["votes"].sum() == 6_000 and whole["entitled"].sum() == 1_800


async def test_a_table_of_two_dimensions_with_too_many_small_figures_is_left_out(session: Session) -> None:
    found = await a_typical_poll(session, 150)
    figures = await poll_figures(session, found.slug, AFTER)
    assert figures.questions[0].by(By.DISTRICT) is not None
    assert figures.questions[0].by(By.DISTRICT, By.AGE_BAND) is None
    assert all(row.cells for question in figures.questions for table in question.tables for row in table.rows)


async def corrected(session: Session, found: SealedPoll, by: int) -> None:
    """A second count: one stratum has some more ballots with the first option of the first question."""
    question = found.definition.questions[0]
    place = (
        select(profile.c.stratum)
        .where(profile.c.poll_id == found.id, profile.c.question_id == 1, profile.c.answer == "[1]")
        .order_by(profile.c.n.desc(), profile.c.stratum)
        .limit(1)
    )
    stratum = await session.scalar(place)
    for other in found.definition.questions:
        chosen = "[1]" if other.id == 1 else await session.scalar(
            select(profile.c.answer)
            .where(profile.c.poll_id == found.id, profile.c.question_id == other.id, profile.c.stratum == stratum)
            .limit(1)
        )  # fmt: skip
        await session.execute(
            update(profile)
            .where(profile.c.poll_id == found.id, profile.c.question_id == other.id)
            .where(profile.c.stratum == stratum, profile.c.answer == chosen)
            .values(n=profile.c.n + by)
        )
    await session.execute(
        text("UPDATE turnout_stratum SET n = n + :by WHERE poll_id = :p AND stratum = :s"),
        {"by": by, "p": found.id, "s": stratum},
    )
    before = (await session.execute(select(count_record).where(count_record.c.poll_id == found.id))).one()
    outcomes = []
    for question in found.definition.questions:
        rows = await session.execute(
            text("SELECT answer, sum(n) FROM profile WHERE poll_id = :p AND question_id = :q GROUP BY 1"),
            {"p": found.id, "q": question.id},
        )
        outcomes.append(tally(question, Profile({answer: int(n) for answer, n in rows}, 1800)).as_json())
    await session.execute(
        insert(count_record).values(
            poll_id=found.id, version=2, counted_at=AFTER, ballots=before.ballots + by,
            participations=before.participations + by, outcomes=outcomes, reason="three ballots more",
        )
    )  # fmt: skip


@pytest.mark.parametrize("by", [3, 40])
async def test_a_correction_is_held_to_what_was_shown_and_hidden_before(session: Session, by: int) -> None:
    found = await a_typical_poll(session, 2_000)
    await publish_figures(session, found.public_id, AFTER)
    before, memory = await poll_figures(session, found.slug, AFTER), await memory_of(session, found)
    await corrected(session, found, by)
    assert found.public_id in await due_publications(session)
    reader = await poll_figures(session, found.slug, AFTER)
    assert await publish_figures(session, found.public_id, AFTER)
    after = await poll_figures(session, found.slug, AFTER)
    assert after.version == 2 and reader.questions == after.questions, "a reader before the job sees the same"
    assert hidden_of(before) <= hidden_of(after), "hidden once, hidden for good"
    later = await memory_of(session, found)
    assert later.count == 2 and memory.hidden <= later.hidden
    for cell, n in memory.shown.items():
        if cell[0] and cell not in later.hidden:
            assert n == later.shown[cell] or abs(n - later.shown[cell]) >= 10, f"{cell} moved by a few"
    if by == 3:
        assert hidden_of(before) < hidden_of(after)


async def test_a_changed_roll_makes_the_next_publication_and_hides_nothing_shown(session: Session) -> None:
    found = await a_typical_poll(session, 2_000)
    await publish_figures(session, found.public_id, AFTER)
    before = await poll_figures(session, found.slug, AFTER)
    [stratum, *_] = await city_strata(session)
    await session.execute(
        insert(roll_amendment).values(poll_id=found.id, stratum=stratum, change=7, reason="late_registration", at=AFTER)
    )
    assert found.public_id in await due_publications(session)
    assert await publish_figures(session, found.public_id, AFTER)
    after = await poll_figures(session, found.slug, AFTER)
    assert (after.turnout.entitled or 0) - (before.turnout.entitled or 0) == 7
    assert hidden_of(after) == hidden_of(before)


async def test_a_correction_whose_groups_are_gone_publishes_no_tables(session: Session) -> None:
    found = await a_typical_poll(session, 600)
    await publish_figures(session, found.public_id, AFTER)
    gone = Published(1, {}, frozenset({("district:nowhere", "1/1")}))
    await session.execute(update(publication).values(memory=gone.to_json()))
    await corrected(session, found, 3)
    figures = await poll_figures(session, found.slug, AFTER)
    assert all(question.tables == () for question in figures.questions) and figures.turnout.tables == ()
    assert figures.questions[0].outcome.cast == 603


async def test_two_processes_at_once_store_one_and_show_the_same(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        found = await a_typical_poll(session)

    async def store() -> bool:
        async with fresh_database.open_session() as session:
            return await publish_figures(session, found.public_id, AFTER)

    async def look() -> PollFigures:
        async with fresh_database.open_read_session() as session:
            return await poll_figures(session, found.slug, AFTER)

    seen, one, other = await asyncio.gather(look(), store(), store())
    assert sorted([one, other]) == [False, True]
    async with fresh_database.open_read_session() as reading:
        assert len(list(await reading.execute(select(publication)))) == 1
    again = await look()
    assert again.questions == seen.questions and again.turnout == seen.turnout


async def test_a_poll_of_few_ballots_has_an_empty_publication(session: Session) -> None:
    await a_city(session)
    found = await a_counted_poll(session, four_questions(), random_ballots(9, await city_strata(session)))
    assert await publish_figures(session, found.public_id, AFTER)
    memory = await memory_of(session, found)
    assert not memory.shown and not memory.hidden and found.public_id not in await due_publications(session)


def test_a_cross_tab_of_a_few_districts_is_left_to_the_job() -> None:
    """It can take a minute, and the count holds its transaction meanwhile."""
    counted = Pair(("several", "scale"), 24).counted()
    assert Due(1, 1, 0, counted, None).large
    assert not Due(1, 1, 0, replace(counted, crossed=()), None).large
