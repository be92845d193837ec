"""What the register says of citizens, many at their moments in one statement, beside the same put together by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, or_, select, update
from tests.builders import NOW, a_citizen, a_city, a_definition, a_sealed_poll

from polls.catalogue import SealedPoll, participation_day
from polls.eligibility import CitizenFacts
from polls.entitlement import Entitlement, entitlement, entitlements
from polls.errors import NotFound
from polls.journal import events_mark, record_event
from polls.own_facts import Asked, Own, own_facts
from polls.register import (
    citizen_facts_many,
    facts_as_of,
    facts_at,
    group_ids,
    load_groups,
    read_groups,
    territory_tree,
)
from polls.sessions import Session
from polls.straight_sql import Straight
from polls.tables import citizen, citizen_period, participation, territory
from polls.territories import TerritoryTree
from polls.unit_tables import invited, invited_list, unit, unit_owner

DISTRICTS = ["msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky"]
START = NOW - timedelta(days=1_000)
UNKNOWN = 10**12


async def a_register(session: Session, rng: random.Random) -> list[int]:
    """Residents who came, moved, left and were corrected; owners, past ones too; lists; houses in two districts."""
    await a_city(session)
    await load_groups(session, read_groups(["code,name_ru,name_en", "students,а,a", "veterans,б,b"]))
    groups = list((await group_ids(session)).values())
    tree = await territory_tree(session)
    ids = []
    for n in range(24):
        since = START + timedelta(days=rng.randrange(0, 900))
        ids.append(
            await a_citizen(session, district=rng.choice(DISTRICTS), since=since, level=rng.randrange(4),
                            groups=rng.sample(groups, rng.randrange(3)), sex=rng.choice(["f", "m", None]),
                            born=rng.choice([None, date(1990, 2, 28)]),
                            register_code="city" if n else "other")
        )  # fmt: skip
        if n % 3 == 0:  # has moved, or gone away
            moved = since + timedelta(days=rng.randrange(1, 90))
            await session.execute(update(citizen_period).where(citizen_period.c.citizen_id == ids[-1])
                                  .values(valid_to=moved))  # fmt: skip
            if n % 2:
                await session.execute(insert(citizen_period).values(
                    citizen_id=ids[-1], valid_from=moved + timedelta(days=rng.choice([0, 30])), level=1,
                    district_id=tree.by_code[rng.choice(DISTRICTS)].id, groups=[]))  # fmt: skip
    for n, district in enumerate(DISTRICTS[:2]):
        at = tree.by_code[district].id
        building = await session.scalar(
            insert(territory).values(code=f"b-{n}", kind="building", parent_id=at, name_ru="дом", name_en="house")
            .returning(territory.c.id)
        )  # fmt: skip
        even = citizen_period.c.citizen_id % 2 == 0
        lives = update(citizen_period).where(citizen_period.c.district_id == at, even)
        await session.execute(lives.values(building_id=building))
        for number in ("1", "2"):
            flat = await session.scalar(
                insert(unit)
                .values(building_id=building, number=number, area=100, valid_from=START)
                .returning(unit.c.id)
            )
            for owner in rng.sample(ids, 6):
                began = START + timedelta(days=rng.randrange(0, 500))
                await session.execute(insert(unit_owner).values(
                    unit_id=flat, citizen_id=owner, valid_from=began, share_numerator=1, share_denominator=6,
                    valid_to=rng.choice([None, began + timedelta(days=100)])))  # fmt: skip
        listed = await session.scalar(
            insert(invited_list).values(code=f"l-{n}", title_ru="с", size=9, uploaded_by=1, uploaded_at=NOW)
            .returning(invited_list.c.id)
        )  # fmt: skip
        await session.execute(insert(invited), [{"list_id": listed, "citizen_id": one} for one in rng.sample(ids, 9)])
    await correct(session, ids[0])
    return ids


async def correct(session: Session, citizen_id: int) -> None:
    """As a correction of the register leaves it: the period that held was wrong, and another holds in its place."""
    tree = await territory_tree(session)
    await session.execute(delete(citizen_period).where(citizen_period.c.citizen_id == citizen_id))
    right = {"valid_from": START, "level": 3, "district_id": tree.by_code[DISTRICTS[2]].id, "groups": []}
    await session.execute(insert(citizen_period).values(citizen_id=citizen_id, **right))


async def by_hand(session: Session, citizen_id: int, moment: datetime) -> CitizenFacts | None:
    """The same out of the tables one after another, up the tree in Python."""
    entry = (await session.execute(select(citizen).where(citizen.c.id == citizen_id))).one_or_none()
    if entry is None:
        return None
    tree = await territory_tree(session, buildings=True)
    codes = {number: code for code, number in (await group_ids(session)).items()}
    held = (await session.execute(
        select(citizen_period).where(citizen_period.c.citizen_id == citizen_id, citizen_period.c.valid_from <= moment,
                                     or_(citizen_period.c.valid_to.is_(None), citizen_period.c.valid_to > moment))
    )).one_or_none()  # fmt: skip
    houses = await session.scalars(
        select(unit.c.building_id).join(unit_owner, unit_owner.c.unit_id == unit.c.id)
        .where(unit_owner.c.citizen_id == citizen_id, unit_owner.c.valid_from <= moment,
               or_(unit_owner.c.valid_to.is_(None), unit_owner.c.valid_to > moment))
    )  # fmt: skip
    lists = await session.scalars(
        select(invited_list.c.code).join(invited, invited.c.list_id == invited_list.c.id)
        .where(invited.c.citizen_id == citizen_id)
    )  # fmt: skip
    home = [] if held is None else [n for n in (held.district_id, held.building_id) if n is not None]
    district = None if held is None else tree.by_id[held.district_id]
    return CitizenFacts(
        citizen_id=citizen_id,
        register_code=entry.register_code,
        birth_date=entry.birth_date,
        sex=entry.sex,
        registered_at=entry.registered_at,
        present=held is not None,
        district_id=None if held is None else held.district_id,
        district_code=None if district is None else district.code,
        territories=above(tree, home),
        groups=frozenset() if held is None else frozenset(codes[n] for n in held.groups),
        level=0 if held is None else held.level,
        owns_in=above(tree, list(houses)),
        lists=frozenset(lists),
        okrug_id=None if district is None else district.parent_id,
    )


def above(tree: TerritoryTree, ids: Sequence[int]) -> frozenset[str]:
    return frozenset[str]().union(*(tree.path(tree.by_id[number].code) for number in ids))


async def test_many_at_their_moments_are_what_the_tables_say(session: Session) -> None:
    rng = random.Random(11)
    ids = await a_register(session, rng)
    moments = [START, START + timedelta(days=300), START + timedelta(days=450), NOW, NOW - timedelta(days=90)]
    asked = [(rng.choice([*ids, UNKNOWN]), rng.choice(moments)) for _ in range(120)]
    asked += asked[:10]
    found = await facts_at(session, [one for one, _ in asked], [moment for _, moment in asked])
    assert found == [await by_hand(session, *one) for one in asked]
    known = [facts for facts in found if facts is not None]
    for what in ("present", "owns_in", "lists", "groups", "district_code"):  # none of this was tried on one side only
        assert len({bool(getattr(facts, what)) for facts in known}) == 2, what
    assert any("b-0" in facts.territories for facts in known)
    assert await facts_at(session, [], []) == []
    at = await citizen_facts_many(session, [*ids, ids[0], UNKNOWN], NOW)
    assert at == {one: await by_hand(session, one, NOW) for one in ids}


async def decides(session: Session, poll: SealedPoll, citizen_id: int, now: datetime) -> Entitlement | None:
    """The rule in words: as of the opening; whoever is absent then and was registered later, where that is admitted,
    as of now.
    """
    opens = poll.definition.opens_at
    assert opens is not None
    then, today = await by_hand(session, citizen_id, opens), await by_hand(session, citizen_id, now)
    if then is None or today is None:
        return None
    late = poll.definition.late_registration and not then.present and today.present and today.registered_at > opens
    return Entitlement(today, late=True) if late else Entitlement(then, late=False)


async def several_polls(session: Session, ids: Sequence[int]) -> list[SealedPoll]:
    """Of three openings, with and without late registration; two residents are registered after some of them."""
    opened = [NOW - timedelta(days=700), NOW - timedelta(days=300), NOW - timedelta(hours=1)]
    polls = [
        await a_sealed_poll(session, a_definition(opens_at=opens, late_registration=late))
        for opens in opened
        for late in (False, True)
    ]
    for citizen_id, since in zip(ids[-2:], (NOW - timedelta(days=250), NOW - timedelta(minutes=5)), strict=True):
        await session.execute(update(citizen).where(citizen.c.id == citizen_id).values(registered_at=since))
        await session.execute(update(citizen_period).where(citizen_period.c.citizen_id == citizen_id)
                              .values(valid_from=since, valid_to=None))  # fmt: skip
    return polls


async def test_what_decides_for_many_in_many_polls(session: Session) -> None:
    rng = random.Random(12)
    ids = await a_register(session, rng)
    polls = await several_polls(session, ids)
    asked = [(poll, one, NOW) for poll in polls for one in [*ids, UNKNOWN]]
    asked += [(polls[-1], ids[-1], NOW - timedelta(minutes=10)), asked[3]]
    rng.shuffle(asked)
    found = await entitlements(session, asked)
    assert found == [await decides(session, *one) for one in asked]
    assert {each.late for each in found if each is not None} == {True, False}
    # Judged by the moment of asking: registered five minutes ago is not yet there ten minutes ago.
    earlier = await entitlement(session, polls[-1], ids[-1], NOW - timedelta(minutes=10))
    assert (earlier.late, earlier.facts.present) == (False, False)
    assert (await entitlement(session, polls[-1], ids[-1], NOW)).late
    for ask in (entitlement(session, polls[0], UNKNOWN, NOW), facts_as_of(session, UNKNOWN, NOW)):
        with pytest.raises(NotFound):
            await ask


async def own_by_hand(session: Session, one: Asked) -> Own | None:
    """The same by a query for each thing."""
    if one.poll is None:
        facts = await by_hand(session, one.citizen_id, one.now)
    else:
        judged = await decides(session, one.poll, one.citizen_id, one.now)
        facts = None if judged is None else judged.facts
    days = {poll: await participation_day(session, poll, one.citizen_id) for poll in one.polls}
    return None if facts is None else Own({poll: day for poll, day in days.items() if day is not None}, facts)


async def statements(session: Session, asked: Sequence[Asked]) -> tuple[tuple[int, int], list[Own | None], int]:
    """What is found, and in how many statements."""
    connection = await session.connection()
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    sent: list[object] = []
    await own_facts(Straight(driver), asked)  # a connection's first time the driver asks what the types are
    with driver.query_logger(sent.append):
        mark, found = await own_facts(Straight(driver), asked)
        await asyncio.sleep(0)  # the logger is told then
    return mark, found, len(sent)


async def test_readers_learn_in_one_statement_what_many_would_tell(session: Session) -> None:
    rng = random.Random(13)
    ids = await a_register(session, rng)
    polls = await several_polls(session, ids)
    voted = [
        {"poll_id": poll.id, "citizen_id": one, "day": date(2026, 11, 1 + at)}
        for at, poll in enumerate(polls)
        for one in rng.sample(ids, 12)
    ]
    await session.execute(insert(participation), [*voted, {**voted[0], "citizen_id": UNKNOWN}])
    everything = tuple(poll.id for poll in polls)
    home = [Asked(one, everything, NOW) for one in [*ids, *ids[:3], UNKNOWN]]
    strict = [Asked.about(poll, one, NOW) for poll in polls[::2] for one in [*ids, ids[5], UNKNOWN]]
    mixed = [*home, *strict, Asked(ids[4], everything[:2], NOW - timedelta(days=300)), Asked(ids[4], (), NOW)]
    rng.shuffle(mixed)
    for asked in (home, [home[0]], strict, mixed):
        mark, found, sent = await statements(session, asked)
        assert (mark, sent) == (await events_mark(session), 1)
        assert found == [await own_by_hand(session, one) for one in asked]
    assert {len(own.days) for own in found if own is not None} >= {0, 1, 2, 3}

    # Who was absent at the opening of a poll that admits late registration is asked about again.
    late = [Asked.about(poll, one, NOW) for poll in polls for one in [*ids, UNKNOWN]]
    rng.shuffle(late)
    _, found, sent = await statements(session, [*late, *home])
    assert found == [await own_by_hand(session, one) for one in [*late, *home]]
    assert sent == 3


async def test_readers_none_of_whom_is_known_hear_of_events_too(session: Session) -> None:
    await record_event(session, "audit_sealed", None, NOW)
    mark = await events_mark(session)
    assert mark[0] > 0
    assert await own_facts(session, [Asked(UNKNOWN, (1,), NOW), Asked(-1, (), NOW)]) == (mark, [None, None])
