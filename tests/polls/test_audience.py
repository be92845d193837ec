"""The two interpreters of the audience tree agree; the dry run; the roll (BALLOTS 2)."""

from __future__ import annotations

import os
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, text
from tests.builders import NOW, a_citizen, a_city, a_definition, a_sealed_poll

from polls.audience import dry_run, entitled_by_stratum, roll_total, take_roll
from polls.audience_condition import born_by, condition, resolve
from polls.definition import Definition
from polls.eligibility import age_on, reasons_against
from polls.register import citizen_facts_many
from polls.register_sum import entries, sum_up_register
from polls.sessions import Session
from polls.tables import citizen, citizen_group

# The full run is 10,000 rules × citizens; make test takes a twentieth.
RULES = 10_000 if os.environ.get("VECHE_FULL_COUNTS") else 500
DISTRICTS = ["msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky"]


def a_rule(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kinds = ["age", "territory", "group", "verified", "registered_before"]
    op = rng.choice(kinds + (["all", "any", "not"] * 2 if depth < 3 else []))
    if op in ("all", "any"):
        return {"op": op, "of": [a_rule(rng, depth + 1) for _ in range(rng.randrange(4))]}
    if op == "not":
        return {"op": "not", "of": a_rule(rng, depth + 1)}
    if op == "age":
        return {"op": "age", "at_least": rng.choice([None, 14, 18, 35, 65]), "at_most": rng.choice([None, 17, 40, 90])}
    if op == "territory":
        codes = ["msk", "msk-cao", "msk-sao", "nowhere", *DISTRICTS]
        return {"op": "territory", "codes": rng.sample(codes, rng.randrange(1, 3))}
    if op == "group":
        return {"op": "group", "codes": rng.sample(["students", "veterans", "unknown"], rng.randrange(1, 3))}
    if op == "verified":
        return {"op": "verified", "level": rng.randrange(1, 4)}
    return {"op": "registered_before", "moment": f"20{rng.randrange(20, 27)}-06-01T00:00:00Z"}


async def citizens(session: Session, rng: random.Random, number: int = 20) -> list[int]:
    await a_city(session)
    groups = [
        (await session.scalar(insert(citizen_group).values(code=code, name_ru=code, name_en=code).returning(
            citizen_group.c.id)))
        for code in ("students", "veterans")
    ]  # fmt: skip
    made = []
    for _ in range(number):
        made.append(
            await a_citizen(
                session,
                district=rng.choice(DISTRICTS),
                born=rng.choice([None, date(rng.randrange(1930, 2020), rng.randrange(1, 13), rng.randrange(1, 29)),
                                 date(2008, 2, 29), date(2008, 11, 22), date(2008, 11, 23)]),
                sex=rng.choice(["f", "m", None]),
                level=rng.randrange(0, 4),
                groups=rng.sample([g for g in groups if g], rng.randrange(0, 3)),
                since=datetime(rng.randrange(2019, 2028), 1, 1, tzinfo=UTC),
            )
        )  # fmt: skip
    return made


async def test_the_pure_and_the_sql_interpreter_agree(session: Session) -> None:
    rng = random.Random(2026)
    ids = await citizens(session, rng)
    base = a_definition()
    assert base.opens_at is not None
    facts = await citizen_facts_many(session, ids, base.opens_at)
    wrong = []
    for _ in range(RULES // len(ids) + 1):
        definition = Definition.model_validate({**base.as_json(), "audience": a_rule(rng)})
        assert definition.opens_at is not None
        terms, people = await resolve(session, definition), entries(definition.register_code, definition.opens_at)
        query = people.select(citizen.c.id).where(condition(definition.audience, terms, people))
        by_sql = set((await session.scalars(query)).all())
        for found in ids:
            pure = not reasons_against(facts[found], definition)
            if pure != (found in by_sql):
                wrong.append((definition.audience, facts[found]))
    assert not wrong


@given(st.dates(date(1905, 1, 1), date(2026, 1, 1)), st.dates(date(2026, 1, 1), date(2040, 1, 1)), st.integers(0, 120))
def test_born_by_is_the_same_line_as_age_on(birth: date, on: date, years: int) -> None:
    assert (birth <= born_by(on, years)) == (age_on(birth, on) >= years)


async def test_the_dry_run_counts_by_district_age_and_reason(session: Session) -> None:
    await a_city(session)
    for _ in range(3):
        await a_citizen(session, district="msk-cao-arbat", born=date(1980, 1, 1))
    await a_citizen(session, district="msk-cao-arbat", born=date(2015, 1, 1))
    for _ in range(2):
        await a_citizen(session, district="msk-sao-timiryazevsky", born=date(1990, 1, 1))
    await a_citizen(session, register_code="elsewhere")
    definition = a_definition(
        audience={"op": "all", "of": [{"op": "age", "at_least": 18}, {"op": "territory", "codes": ["msk-cao"]}]}
    )
    run = await dry_run(session, definition)
    assert (run.registered, run.entitled) == (6, 3)
    assert list(run.by_district.values()) == [3]
    assert [(reason.code, reason.citizens) for reason in run.refused_by] == [("other_territory", 2), ("age", 1)]


async def test_the_roll_stands_as_of_opening_however_late_it_is_taken(session: Session) -> None:
    await a_city(session)
    poll = await a_sealed_poll(session, a_definition())
    stays, moves = await a_citizen(session), await a_citizen(session)
    await a_citizen(session, since=NOW + timedelta(days=1))  # registered after opening: not on the roll
    await session.execute(
        text("UPDATE citizen_period SET valid_to = :at WHERE citizen_id = :id"),
        {"at": NOW + timedelta(days=2), "id": moves},
    )
    assert await roll_total(session, poll.id) is None
    assert await take_roll(session, poll.id, poll.definition) == 2
    await a_citizen(session)
    assert await take_roll(session, poll.id, poll.definition) == 2, "a roll is taken once"
    with pytest.raises(Exception, match="frozen"):
        await session.execute(text("UPDATE roll SET entitled = 3"))
    assert stays
