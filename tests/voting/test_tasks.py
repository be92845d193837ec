"""What the clock makes due is done for every poll, whatever is wrong with another."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import ASigner, a_citizen, a_city, a_key, an_open_poll, close_now, copies_of
from tests.flows.pages import a_site
from tests.results.counted import AFTER, a_typical_poll
from tests.sites import browser, site_settings

import results.figures
import results.publication
from polls.casting import cast_ballot
from polls.counting import take_roll_of
from polls.sessions import Session
from results.figures import poll_figures
from voting import tasks
from voting.db import Database
from voting.jobs import Work, build_jobs


async def states(database: Database) -> dict[int, str]:
    async with database.open_read_session() as session:
        return {row.id: row.state for row in await session.execute(text("SELECT id, state FROM poll"))}


async def test_one_broken_poll_keeps_no_other_waiting(
    fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        broken, good, opened = [await an_open_poll(session) for _ in range(3)]
        citizen = await a_citizen(session)
        for poll in (broken, good):
            await cast_ballot(session, poll, citizen, {"1": 1}, a_key(), ASigner(), poll.opens_at)
            await close_now(session, poll)
        # A ballot no question knows: the tally of this poll stops, whenever it is tried.
        await session.execute(text(f"UPDATE intake_{broken.id} SET answers = ARRAY['[77]']"))
        await session.execute(text("UPDATE poll SET closes_at = closes_at - interval '1 s' WHERE id = :p"),
                              {"p": broken.id})  # fmt: skip
    take = take_roll_of

    async def take_but_one(session: Session, public_id: str) -> Any:
        if public_id == broken.public_id:
            raise RuntimeError("a roll that cannot be taken")
        return await take(session, public_id)

    monkeypatch.setattr(tasks, "take_roll_of", take_but_one)
    work = Work(fresh_database, site_settings(tmp_path))
    for _ in range(2):
        await tasks.follow_the_clock(work)
    found = await states(fresh_database)
    assert (found[broken.id], found[good.id], found[opened.id]) == ("scheduled", "counted", "scheduled")
    async with fresh_database.open_read_session() as reading:
        rolls = set(await reading.scalars(text("SELECT poll_id FROM roll")))
    assert {good.id, opened.id} <= rolls
    written = "".join(capfd.readouterr())
    assert "count_failed" in written
    assert "roll_failed" in written


async def test_live_polls_take_their_steps_however_many_polls_are_open(
    fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that shows so many at most would leave out the one that closes last."""
    async with fresh_database.open_session() as session:
        await a_city(session)
        usual = await an_open_poll(session)
        await copies_of(session, usual, 600)
        live = await an_open_poll(session, visibility="live", closes_at=usual.closes_at + timedelta(days=30))
    stepped: list[str] = []

    async def step(_: Work, public_id: str, __: datetime) -> None:
        stepped.append(public_id)

    monkeypatch.setattr(tasks, "_take_live_step", step)
    await tasks._take_live_steps(Work(fresh_database, site_settings(tmp_path)))
    assert stepped == [live.public_id]


async def test_a_citys_tables_are_a_job_of_their_own_and_the_page_says_so(
    fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Totals at once, no file that lacks its tables, no reader that waits; afterwards the same as of a small poll."""
    async with fresh_database.open_session() as session:
        found = await a_typical_poll(session, 600)
        small = await poll_figures(session, found.slug, AFTER)
    monkeypatch.setattr(results.figures, "_kept", OrderedDict())
    monkeypatch.setattr(results.publication, "LARGE", 0)
    settings = site_settings(tmp_path)
    app = a_site(fresh_database, tmp_path)
    address = f"/polls/{found.slug}"
    async with browser(app, **{"accept-language": "en"}) as client:
        for _ in range(2):
            page = await client.get(f"{address}/results")
            assert page.status_code == 200 and "The votes are counted" in page.text and "600" in page.text
        for path in (f"/api/v1{address}/results", f"/api/v1{address}/results.csv", f"/api/v1{address}/results.xlsx"):
            refused = await client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (409, "tables_pending"), path
        assert (await client.get(f"{address}/explore")).status_code == 409
        work = Work(fresh_database, settings)
        for _ in range(2):
            await tasks.follow_the_clock(work)
        async with fresh_database.open_read_session() as reading:
            queued = list(await reading.scalars(text("SELECT task_name FROM procrastinate_jobs")))
        assert queued.count(tasks.PUBLISH) == 1, "one job, however often the clock ticks"
        await build_jobs(fresh_database, settings).run_until_idle()
        await asyncio.sleep(1.1)  # the page is remembered for a second
        page = await client.get(f"{address}/results")
        assert page.status_code == 200 and "The votes are counted" not in page.text
    async with fresh_database.open_read_session() as reading:
        again = await poll_figures(reading, found.slug, AFTER)
    assert again.questions == small.questions and again.turnout == small.turnout


async def test_a_tick_during_a_long_count_leaves_the_worker_free(
    fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end, counts = asyncio.Event(), asyncio.Event(), 0

    async def long(*_: object) -> list[str]:
        nonlocal counts
        counts += 1
        begun.set()
        await end.wait()
        return []

    monkeypatch.setattr(tasks, "due_polls", long)
    work = Work(fresh_database, site_settings(tmp_path))
    first = asyncio.ensure_future(tasks.follow_the_clock(work))
    await begun.wait()
    for _ in range(3):
        await asyncio.wait_for(tasks.follow_the_clock(work), 10)
    end.set()
    await first
    await tasks.follow_the_clock(work)
    assert counts == 2, "one during the count, and the next after it"


async def test_sweeping_deletes_what_has_run_out(fresh_database: Database, tmp_path: Path) -> None:
    async with fresh_database.open_session() as session:
        await session.execute(
            text("INSERT INTO throttle VALUES ('old', now() - interval '9 days', 1), ('new', now(), 1)")
        )
    await tasks.sweep(Work(fresh_database, site_settings(tmp_path)))
    async with fresh_database.open_read_session() as session:
        assert list(await session.scalars(text("SELECT key FROM throttle"))) == ["new"]


async def test_sweeping_leaves_no_words_as_they_were_before_the_count(fresh_database: Database, tmp_path: Path) -> None:
    """Rows written anew at the count leave the old ones behind, with the transaction of the vote, until a vacuum."""

    async def write(n: int) -> set[int]:
        """The places new rows get: those of old ones, once these are gone."""
        async with fresh_database.open_session() as session:
            rows = await session.scalars(
                text("INSERT INTO text_answer (poll_id, question_id, text)"
                     " SELECT :p, 1, 'x' FROM generate_series(1, :n)"
                     " RETURNING split_part(trim(both '()' from ctid::text), ',', 2)::int"), {"p": poll.id, "n": n}
            )  # fmt: skip
            return set(rows)

    async with fresh_database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
    written = await write(5)
    async with fresh_database.open_session() as session:
        await session.execute(text("SELECT veche_shuffle_texts(:p)"), {"p": poll.id})
    assert written.isdisjoint(await write(1)), "the old rows are in their places still"
    await tasks.sweep(Work(fresh_database, site_settings(tmp_path)))
    assert await write(5) == written


async def test_a_register_that_has_changed_is_summed_up(fresh_database: Database, tmp_path: Path) -> None:
    work = Work(fresh_database, site_settings(tmp_path))
    made = []
    for citizens in (0, 1, 0, 2):
        async with fresh_database.open_session() as session:
            await a_city(session)
            for _ in range(citizens):
                await a_citizen(session)
        await tasks.sum_up_the_register(work)
        async with fresh_database.open_read_session() as session:
            cells = await session.scalar(text("SELECT sum(cardinality(births)) FROM register_cell"))
            made.append((await session.scalar(text("SELECT max(id) FROM register_summary")), cells))
    assert made == [(None, None), (1, 1), (1, 1), (2, 3)]
