"""The two interpreters of the audience tree agree; the dry run; the roll (BALLOTS 2)."""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, text, update
from tests.builders import NOW, a_citizen, a_city, a_definition, a_sealed_poll

from polls.audience import dry_run, entitled_by_stratum, roll_total, take_roll
from polls.audience_condition import born_by, condition, resolve
from polls.counting import polls_without_roll
from polls.definition import Definition
from polls.eligibility import age_on, opening_day, reasons_against
from polls.errors import DryRunTooLong
from polls.register import citizen_facts_many, territory_tree
from polls.register_sum import entries, sum_holding_at, sum_up_register
from polls.sessions import Session
from polls.strata import stratum_of
from polls.tables import citizen, citizen_group, citizen_period, territory
from polls.unit_tables import invited, invited_list, unit, unit_owner
from voting.db import Database

# The full run is 10,000 rules × citizens; make test takes a twentieth.
RULES = 10_000 if os.environ.get("VECHE_FULL_COUNTS") else 500
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
DISTRICTS = ["msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky"]


def a_rule(rng: random.Random, depth: int = 0, *, more: bool = False) -> dict[str, Any]:
    """A rule of any shape; `more` with the parts that concern single citizens."""
    kinds = [
        "age",
        "territory",
        "group",
        "verified",
        "registered_before",
        *(["unit", "invited", "house"] if more else []),
    ]
    op = rng.choice(kinds + (["all", "any", "not"] * 2 if depth < 3 else []))
    if op in ("all", "any"):
        return {"op": op, "of": [a_rule(rng, depth + 1, more=more) for _ in range(rng.randrange(4))]}
    if op == "not":
        return {"op": "not", "of": a_rule(rng, depth + 1, more=more)}
    if op == "age":
        return {"op": "age", "at_least": rng.choice([None, 14, 18, 35, 65]), "at_most": rng.choice([None, 17, 40, 90])}
    if op == "territory":
        codes = ["msk", "msk-cao", "msk-sao", "nowhere", *DISTRICTS]
        return {"op": "territory", "codes": rng.sample(codes, rng.randrange(1, 3))}
    if op == "group":
        return {"op": "group", "codes": rng.sample(["students", "veterans", "unknown"], rng.randrange(1, 3))}
    if op == "verified":
        return {"op": "verified", "level": rng.randrange(1, 4)}
    if op == "unit":
        return {"op": "unit", "codes": rng.sample(["b-0", "b-1", "msk", "msk-cao", "msk-sao", "nowhere"], 1)}
    if op == "invited":
        return {"op": "invited", "list_code": rng.choice(["l-0", "l-1", "nowhere"])}
    if op == "house":
        return {"op": "territory", "codes": rng.sample(["b-0", "b-1", *DISTRICTS], 2)}
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


async def owners_and_lists(session: Session, rng: random.Random, ids: list[int]) -> None:
    """Flats in two buildings of two districts, with a past owner; two lists. Some citizens live in the buildings."""
    tree = (await territory_tree(session)).by_code
    for number, district in enumerate(DISTRICTS[:2]):
        building = await session.scalar(
            insert(territory)
            .values(code=f"b-{number}", kind="building", parent_id=tree[district].id, name_ru="дом", name_en="house")
            .returning(territory.c.id)
        )
        flat = await session.scalar(
            insert(unit).values(building_id=building, number="1", area=100, valid_from=SINCE).returning(unit.c.id)
        )
        for at, owner in enumerate(rng.sample(ids, 6)):
            await session.execute(insert(unit_owner).values(
                unit_id=flat, citizen_id=owner, valid_from=SINCE, share_numerator=1,
                share_denominator=6, valid_to=datetime(2021, 1, 1, tzinfo=UTC) if not at else None))  # fmt: skip
        await session.execute(
            update(citizen_period)
            .where(citizen_period.c.citizen_id.in_(ids), citizen_period.c.district_id == tree[district].id,
                   citizen_period.c.citizen_id % 2 == 0)
            .values(building_id=building)
        )  # fmt: skip
        listed = await session.scalar(
            insert(invited_list)
            .values(code=f"l-{number}", title_ru="список", size=5, uploaded_by=1, uploaded_at=NOW)
            .returning(invited_list.c.id)
        )
        await session.execute(insert(invited), [{"list_id": listed, "citizen_id": n} for n in rng.sample(ids, 5)])


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


async def test_counted_in_sum_entry_by_entry_and_by_the_pure_rule_is_the_same(session: Session) -> None:
    rng = random.Random(7)
    ids = await citizens(session, rng, 120)
    await owners_and_lists(session, rng, ids)
    # Some have moved: what has ended is in no cell.
    await session.execute(
        update(citizen_period)
        .where(
            citizen_period.c.citizen_id.in_(ids[:20]), citizen_period.c.valid_from < datetime(2024, 1, 1, tzinfo=UTC)
        )
        .values(valid_to=datetime(2024, 1, 1, tzinfo=UTC))
    )
    base = a_definition(strata=["district", "age_band", "sex"], opens_at=datetime(2028, 2, 29, 9, tzinfo=UTC),
                        closes_at=datetime(2028, 3, 29, 9, tzinfo=UTC))  # fmt: skip
    assert base.opens_at is not None
    facts = await citizen_facts_many(session, ids, base.opens_at)
    asked = [
        Definition.model_validate({**base.as_json(), "audience": a_rule(rng, more=True)})
        for _ in range(RULES // 20 + 1)
    ]
    assert await sum_holding_at(session, base.opens_at) is None
    one_by_one = [(await entitled_by_stratum(session, each), await dry_run(session, each)) for each in asked]
    assert await sum_up_register(session, NOW)
    assert await sum_holding_at(session, base.opens_at) is not None
    for definition, (by_stratum, run) in zip(asked, one_by_one, strict=True):
        assert await entitled_by_stratum(session, definition) == by_stratum, definition.audience
        assert await dry_run(session, definition) == run, definition.audience
        assert run.by_stratum == by_stratum
        entitled = [found for found in facts.values() if not reasons_against(found, definition)]
        on = opening_day(definition)
        assert by_stratum == Counter(stratum_of(f, on, base.strata, base.age_bands) for f in entitled)
        assert run.registered == sum(found.present for found in facts.values())


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO citizen (registered_at) VALUES (now())",
        "UPDATE citizen SET sex = 'm' WHERE id = :id",
        "UPDATE citizen_period SET level = 3 WHERE citizen_id = :id",
        "DELETE FROM citizen_period WHERE citizen_id = :id",
        "TRUNCATE citizen_period",
    ],
)
async def test_any_change_of_the_register_forgets_its_sum(session: Session, change: str) -> None:
    await a_city(session)
    one, _ = await a_citizen(session), await a_citizen(session)
    assert await sum_up_register(session, NOW)
    assert not await sum_up_register(session, NOW), "made once"
    assert await sum_holding_at(session, NOW) is not None
    await session.execute(text(change), {"id": one} if ":id" in change else {})
    assert await sum_holding_at(session, NOW) is None
    assert await sum_up_register(session, NOW) == ("TRUNCATE" not in change)


async def test_a_sum_holds_for_no_moment_before_the_last_change(session: Session) -> None:
    await a_city(session)
    before, at = NOW - timedelta(days=2), NOW - timedelta(days=1)
    await a_citizen(session)
    await a_citizen(session, since=at)
    moved = await a_citizen(session)
    await session.execute(update(citizen_period).where(citizen_period.c.citizen_id == moved).values(valid_to=at))
    assert await sum_up_register(session, NOW)
    assert await sum_holding_at(session, at) is not None
    assert await sum_holding_at(session, before) is None
    assert (await dry_run(session, a_definition(opens_at=at))).registered == 2
    assert (await dry_run(session, a_definition(opens_at=before))).registered == 2


async def test_the_register_is_not_summed_up_while_somebody_changes_it(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        await a_citizen(session)
    async with fresh_database.open_session() as writing, fresh_database.open_session() as summing:
        await a_citizen(writing)
        assert not await sum_up_register(summing, NOW)
        assert await summing.scalar(text("SELECT 1")) == 1, "the transaction goes on"
    async with fresh_database.open_session() as session:
        assert await sum_up_register(session, NOW)
    async with fresh_database.open_session() as writing, fresh_database.open_read_session() as reading:
        await a_citizen(writing)
        assert (await dry_run(reading, a_definition())).registered == 2, "not committed yet: the sum holds"
        assert await sum_holding_at(reading, NOW) is not None


async def test_a_dry_run_that_takes_too_long_is_refused_and_the_limit_is_taken_back(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        await a_citizen(session)
    async with fresh_database.open_session() as holding:
        await holding.execute(text("LOCK TABLE citizen IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DryRunTooLong) as refused:
            async with fresh_database.open_read_session() as reading:
                await dry_run(reading, a_definition(), seconds=0.2)
    assert refused.value.facts == {"seconds": 0.2}
    async with fresh_database.open_read_session() as reading:
        await reading.execute(text("SET LOCAL statement_timeout = '7s'"))
        await dry_run(reading, a_definition())
        assert await reading.scalar(text("SHOW statement_timeout")) == "7s"


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
    assert run.small_strata == (1, 3), "three women of one district and age: fewer than ten"
    assert [(reason.code, reason.citizens) for reason in run.refused_by] == [("other_territory", 2), ("age", 1)]


async def test_a_roll_of_nobody_is_taken_too(session: Session) -> None:
    await a_city(session)
    await a_citizen(session, born=date(2020, 1, 1))
    poll = await a_sealed_poll(session, a_definition())
    assert await roll_total(session, poll.id) is None
    assert await take_roll(session, poll.id, poll.definition) == 0
    assert await roll_total(session, poll.id) == 0, "known, and nobody is on it"
    assert await take_roll(session, poll.id, poll.definition) == 0
    assert poll.public_id not in await polls_without_roll(session)


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
