"""Rehearsals: every template and every kind played through, nothing real touched, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from tests.builders import (
    NOW,
    a_budget,
    a_city,
    a_definition,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_option,
    both,
)
from tests.sites import site_settings

from polls.authoring import create_draft
from polls.ballot import encode_ballot
from polls.definition import Definition
from polls.eligibility import reasons_against
from polls.poll_templates import TEMPLATES, definition_from
from polls.register import GroupRow, TerritoryRow, load_buildings, load_groups, territory_tree
from voting.commands import rehearse as command
from voting.commands.rehearse import Steps, rehearse
from voting.db import Database, database_url_for
from voting.rehearsal.answers import random_answers
from voting.rehearsal.electorate import make_up
from voting.rehearsal.play import Plan, rehearse_poll
from voting.rehearsal.report import lines
from voting.rehearsal.throwaway import PREFIX

VOTERS = 60 if os.environ.get("VECHE_FULL_COUNTS") else 24
HARD = an_option(90, "Затрудняюсь ответить", kind="neutral")
HOUSE = TerritoryRow("arbat-1", "building", "msk-cao-arbat", "Арбат, 1", "Arbat, 1")


def asked(kind: str, number: int, n: int = 4, **more: Any) -> dict[str, Any]:
    options = [*(an_option(i) for i in range(1, n + 1)), HARD]
    return {"kind": kind, "id": number, "text": both("Вопрос", "Question"), "options": options, **more}


EVERY_KIND = [
    a_single_choice(1, own_answer=True, required=False),
    a_multiple_choice(2, own_answer=True),
    a_rating(3),
    a_budget(4, exclusive_groups=[[1, 2]], exclusive_on_ballot=True, ballot_limit=6_000_000_00),
    asked("ranking", 5, equal_ranks=True, rule={"method": "stv_scottish", "winners": 2}),
    asked("points", 6, total=7, most_per_option=3, spend_all=True),
    asked("text", 7, 0, required=False, shown_if={"question": 1, "options": [0, 2]}),
    asked("rating", 8, 2, styles=[1], shown_if={"question": 3, "at_least": 4}),
]


async def real_city(database: Database, definition: Definition) -> str:
    async with database.open_session() as session:
        await a_city(session)
        await load_buildings(session, [HOUSE])
        await load_groups(session, [GroupRow("students", "Студенты", "Students")])
        return (await create_draft(session, 1, definition, datetime.now(UTC))).slug


async def played(real: Database, ours: Database, definition: Definition, **plan: Any) -> Any:
    slug = await real_city(real, definition)
    async with real.open_read_session() as reading:
        report, running = await rehearse_poll(reading, ours, slug, Plan(**{"voters": VOTERS, "at_once": 4, **plan}))
    assert "\n".join(lines(report, running))
    json.dumps(report.as_json())
    return report


@pytest.fixture
def other_database_url(databases: Any) -> Any:
    name = databases.create()
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture
async def other_database(other_database_url: str) -> Any:
    database = Database.from_url(other_database_url, pool_size=8)
    yield database
    await database.close()


@pytest.mark.parametrize("code", TEMPLATES)
async def test_every_template_is_played_through(fresh_database: Database, other_database: Database, code: str) -> None:
    place = HOUSE.code if TEMPLATES[code].of_owners else "msk-cao"
    raw = definition_from(code, "ab" * 16, place)
    opens = datetime.now(UTC) + timedelta(days=3)
    definition = raw.model_copy(update={"opens_at": opens, "closes_at": opens + timedelta(days=9)})
    report = await played(fresh_database, other_database, definition)
    assert report.problems == []
    assert (report.cast, report.load.ballots) == (VOTERS, VOTERS)
    assert report.entitled == VOTERS * 100 // 60
    assert {file.name for file in report.files if file.size} >= {"results.csv", "turnout.csv", "results.json"}
    assert all(trial.tried and trial.held == trial.tried for trial in report.trials if "outside" not in trial.what)


async def test_every_kind_with_styles_and_follow_ups(fresh_database: Database, other_database: Database) -> None:
    definition = a_definition(
        questions=EVERY_KIND, styles=[{"id": 1, "territories": ["msk-sao"]}], quorum={"share": "1/2"},
        audience={"op": "all", "of": [{"op": "age", "at_least": 16, "at_most": 40}, {"op": "verified", "level": 3},
                                      {"op": "not", "of": {"op": "group", "codes": ["students"]}}]},
    )  # fmt: skip
    report = await played(fresh_database, other_database, definition, voters=2 * VOTERS)
    assert report.problems == []
    assert report.quorum_met is True
    assert set(report.styles) == {0, 1}
    assert sum(report.styles.values()) == 2 * VOTERS
    async with fresh_database.open_read_session() as session:
        for table in ("citizen", "participation", "sealed_definition", "count_record"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, "the real database is only read"


async def test_a_quorum_not_met_and_a_named_vote(fresh_database: Database, other_database: Database) -> None:
    definition = a_definition(privacy="named", may_change=True, names_seen_by=both("комиссия"), quorum={"share": "1/2"},
                              audience={"op": "all", "of": [{"op": "invited", "list_code": "guests"}]})  # fmt: skip
    report = await played(fresh_database, other_database, definition, turnout=20)
    assert report.problems == []
    assert report.quorum_met is False


async def test_an_audience_nobody_can_be_in_is_told(fresh_database: Database, other_database: Database) -> None:
    nowhere = a_definition(audience={"op": "territory", "codes": ["atlantis"]})
    report = await played(fresh_database, other_database, nowhere, voters=5)
    assert report.cast == 0
    assert "nobody made up may vote" in report.problems[0]


@given(seed=st.integers(0, 10**6), style=st.sampled_from([0, 1]))
def test_ballots_at_random_are_valid(seed: int, style: int) -> None:
    definition = a_definition(questions=EVERY_KIND, styles=[{"id": 1, "territories": ["msk-sao"]}])
    encode_ballot(definition, random_answers(definition, style, random.Random(seed)), style)


async def test_people_made_up_are_judged_by_the_rule_itself(fresh_database: Database) -> None:
    await real_city(fresh_database, a_definition())
    async with fresh_database.open_read_session() as session:
        tree = await territory_tree(session, buildings=True)
    definition = a_definition(audience={"op": "all", "of": [{"op": "age", "at_least": 90}]})
    found = make_up(definition, tree, ["students"], 30, random.Random(1))
    assert len(found.entitled) == 30
    assert found.outsiders
    assert not any(reasons_against(person.facts, definition) for person in found.entitled)
    assert all(reasons_against(person.facts, definition) for person in found.outsiders)
    again = make_up(definition, tree, ["students"], 30, random.Random(1))
    assert again == found, "the same seed makes up the same people"


def test_the_command_leaves_no_database_behind(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    async def prepare() -> str:
        database = Database.from_url(fresh_database_url)
        try:
            return await real_city(database, a_definition(opens_at=NOW, closes_at=NOW + timedelta(days=9)))
        finally:
            await database.close()

    slug = asyncio.run(prepare())
    settings = site_settings(tmp_path).model_copy(update={"database_url": fresh_database_url})
    monkeypatch.setattr("voting.commands.rehearse.Settings.from_env", lambda: settings)
    ran = CliRunner().invoke(rehearse, [slug, "--voters", "20", "--at-once", "4", "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)  # what is being done is told elsewhere
    steps = ran.stderr.splitlines()
    assert "making a database" in steps[0] and any("20 of 20 ballots cast" in step for step in steps)
    assert (told["poll"], told["cast"], told["problems"]) == (slug, 20, [])
    spoken = CliRunner().invoke(rehearse, [slug, "--voters", "12", "--at-once", "4"])
    assert "Turnout: 12 of 20" in spoken.output
    with psycopg.connect(database_url_for(fresh_database_url, "postgresql")) as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}\\_%"]
        ).fetchone()
    assert left == (0,)


async def test_a_long_step_is_told_again_and_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "STILL_EVERY", 0.2)
    steps = Steps()
    steps.tell("closing and counting")
    reminding = asyncio.create_task(steps.remind())
    await asyncio.sleep(1.5)
    reminding.cancel()
    told = capsys.readouterr().err.splitlines()
    assert len(told) >= 3 and all("closing and counting" in line for line in told)
