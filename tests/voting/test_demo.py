"""The demo city: polls of every kind and in every state, made by the real use cases, told in the past, made once."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, text
from tests.builders import ASigner, a_key

from polls.casting import cast_ballot
from polls.catalogue import Phase, list_polls, my_votes, sealed_poll
from polls.definition import Privacy, Visibility
from polls.eligibility import reasons_against
from polls.entitlement import entitlement
from polls.errors import AlreadyVoted, NotYourHouse, PollClosed
from polls.journal import poll_events
from polls.lifecycle import State
from polls.public_keys import keys_in_use
from polls.tables import count_record, participation, poll, roll, turnout_day
from results.decisions import Status, decisions
from results.evidence import Role
from results.houses import house_sheet
from results.milestones import milestones_of
from results.protocol import protocols_of
from results.protocol_check import KnownKey, check_protocol
from results.work_ratings import work_ratings
from voting.certifying import signed_protocol
from voting.commands.demo import account_lines
from voting.db import Database
from voting.demo import city
from voting.demo.budget_file import budget_file
from voting.demo.city import POLLS, NotADemo, Standing, build_city, definition_of, standing
from voting.demo.clock import set_time, story_clock
from voting.demo.drafts import DRAFTS
from voting.demo.house import BUILDING, FLATS, MEETING, RENOVATION
from voting.demo.residents import RESIDENTS
from voting.demo.script import DemoPoll
from voting.identity.accounts import find_credentials, normal_login
from voting.identity.demo import DEMO_ACCOUNTS, PASSWORD
from voting.identity.passwords import PasswordPool
from voting.jobs import Work
from voting.keys import record_keys
from voting.protocol_jobs import sign_protocols
from voting.settings import Settings
from voting.tables import ROLES, account, account_role

CITIZENS = 400


@pytest.fixture(scope="module")
async def town(databases, tmp_path_factory):
    """A small demo city, made once for the tests that only look at it."""
    name = databases.create()
    url = databases.url(name)
    database = Database.from_url(url)
    settings = Settings(database_url=url, demo=True, data_dir=tmp_path_factory.mktemp("demo"))
    told: list[str] = []
    built = await build_city(database, settings, CITIZENS, datetime.now(UTC), told.append)
    yield database, settings, built, told
    await database.close()
    databases.drop(name)


Town = tuple[Database, Settings, city.Built, list[str]]


async def citizen_of(database: Database, key: str) -> int:
    login = next(one.login for one in DEMO_ACCOUNTS if one.key == key)
    async with database.open_read_session() as reading:
        found = await reading.scalar(select(account.c.citizen_id).where(account.c.email == login))
    assert found is not None
    return found


async def test_there_is_a_poll_in_every_state_and_of_every_kind(town: Town) -> None:
    database, _, built, told = town
    now = datetime.now(UTC)
    async with database.open_read_session() as reading:
        opened = (await list_polls(reading, now, Phase.OPEN, limit=100)).cards
        soon = (await list_polls(reading, now, Phase.SOON, limit=100)).cards
        ended = (await list_polls(reading, now, Phase.ENDED, limit=100)).cards
        states = set(await reading.scalars(select(poll.c.state)))
        sealed = [await sealed_poll(reading, one.slug) for one in POLLS]
    kinds = {kind for card in opened for kind in card.kinds}
    assert kinds == {"single_choice", "multiple_choice", "rating", "ranking", "points", "budget", "text"}
    assert any(set(card.kinds) == kinds for card in opened), "one poll has them all"
    assert len(soon) == 1 and len(ended) > 5
    assert states == {"draft", "scheduled", "counted", "decided", "cancelled"}
    assert {found.definition.privacy for found in sealed} == set(Privacy)
    assert Visibility.LIVE in {found.definition.visibility for found in sealed}
    assert built.polls == len(POLLS) + len(DRAFTS) + 1 and len(told) == len(POLLS) + 2
    for found in sealed:
        definition = found.definition
        for words in (definition.title, definition.summary, definition.description):
            assert words.ru and words.en


async def test_closed_polls_closed_in_the_past_and_people_voted_day_by_day(town: Town) -> None:
    database, _, _, _ = town
    async with database.open_read_session() as reading:
        found = await sealed_poll(reading, "svet-vo-dvorakh")
        days = dict((await reading.execute(select(turnout_day.c.day, turnout_day.c.n)
                                           .where(turnout_day.c.poll_id == found.id))).all())  # fmt: skip
        record = (await reading.execute(select(count_record).where(count_record.c.poll_id == found.id))).one()
        entitled = await reading.scalar(select(func.sum(roll.c.entitled)).where(roll.c.poll_id == found.id))
    assert found.stored_state is State.DECIDED and found.reason == "", "it closed on time, not early"
    assert found.closes_at < datetime.now(UTC) - timedelta(days=50)
    assert found.counted_at is not None and found.counted_at - found.closes_at < timedelta(hours=1)
    assert len(days) > 7 and max(days) <= found.closes_at.date() and min(days) >= found.opens_at.date()
    assert sum(days.values()) == record.ballots == record.participations > CITIZENS * 0.15
    assert entitled is not None and CITIZENS * 0.9 < entitled <= CITIZENS + len(RESIDENTS)


async def test_the_history_of_a_poll_keeps_its_days(town: Town) -> None:
    database, _, _, _ = town
    async with database.open_read_session() as reading:
        for one in POLLS:
            found = await sealed_poll(reading, one.slug)
            events = [(event.kind, event.at) for event in await poll_events(reading, found.id)]
            assert [at for _, at in events] == sorted(at for _, at in events), one.slug
            told = dict(events)
            begun = found.opens_at <= datetime.now(UTC)
            assert told.get("poll_opened") == (found.opens_at if begun else None), one.slug
            counted = found.counted_at is not None
            assert told.get("poll_closed") == (found.closes_at if counted else None), one.slug
            assert not counted or told["poll_counted"] >= found.closes_at


async def test_the_city_has_decided(town: Town) -> None:
    database, _, _, _ = town
    async with database.open_read_session() as reading:
        found = await decisions(reading)
    assert {one.status for one in found} == {Status.IN_PROGRESS, Status.DONE, Status.DECLINED}
    assert all(one.text.ru and one.text.en and one.published_at < datetime.now(UTC) for one in found)
    today = datetime.now(ZoneInfo("Europe/Moscow")).date()
    assert sum(one.overdue_days(today) > 0 for one in found) == 1, "something is overdue"
    assert sum(one.steps_done for one in found) == 5
    done = next(one for one in found if one.status is Status.DONE)
    async with database.open_read_session() as reading:
        rated = await work_ratings(reading, done.id)
        steps = await milestones_of(reading, done.id)
    assert rated is not None and rated.total == 40
    assert [file.role for step in steps for file in step.files] == [Role.BEFORE, Role.AFTER]


async def test_what_was_decided_has_a_protocol_of_two_persons_that_verifies(town: Town) -> None:
    database, settings, _, _ = town
    async with database.open_read_session() as reading:
        decided = list(await reading.scalars(select(poll.c.slug).where(poll.c.state == "decided")))
        before = {slug: await protocols_of(reading, (await sealed_poll(reading, slug)).id) for slug in decided}
    certified = [slug for slug, found in before.items() if found]
    assert certified == decided and len(certified) > 3
    async with database.open_session() as session:
        await record_keys(session, settings, datetime.now(UTC))
    await sign_protocols(Work(database, settings))  # as the worker does
    async with database.open_read_session() as reading:
        key = (await keys_in_use(reading))["protocol"]
        for slug in certified:
            [one] = await protocols_of(reading, (await sealed_poll(reading, slug)).id)
            host = one.document["origin"].partition("/protocol/")[0]
            assert one.document["prepared"] != one.document["certified"]
            known = [KnownKey(f"{host}/protocol", key.public)]
            assert check_protocol(await signed_protocol(reading, one), known).code == 0


async def test_everybody_can_sign_in_and_residents_are_in_the_register(town: Town) -> None:
    database, _, _, _ = town
    pool = PasswordPool(1)
    async with database.open_read_session() as reading:
        for demo in DEMO_ACCOUNTS:
            [known] = await find_credentials(reading, normal_login(demo.login))
        assert await pool.verify(PASSWORD, known.password_hash)
        roles = set(await reading.scalars(select(account_role.c.role)))
        residents = set(await reading.scalars(select(account.c.citizen_id).where(account.c.citizen_id.is_not(None))))
    pool.close()
    assert roles == set(ROLES)
    assert len(residents) == sum("resident" in demo.roles for demo in DEMO_ACCOUNTS)
    assert all(demo.login in "\n".join(account_lines()) for demo in DEMO_ACCOUNTS)


@pytest.mark.parametrize(
    ("key", "codes"),
    [("resident", []), ("teenager", ["too_young"]), ("southerner", ["other_territory"])],
)
async def test_who_may_vote_on_the_square(town: Town, key: str, codes: list[str]) -> None:
    database, _, _, _ = town
    citizen_id = await citizen_of(database, key)
    async with database.open_read_session() as reading:
        found = await sealed_poll(reading, "skver-timiryazevskaya")
        judged = await entitlement(reading, found, citizen_id, datetime.now(UTC))
    assert [reason.code for reason in reasons_against(judged.facts, found.definition)] == codes


async def test_voting_is_real_and_the_real_clock_is_back(town: Town) -> None:
    database, _, _, _ = town
    fresh, voted = await citizen_of(database, "resident"), await citizen_of(database, "neighbour")
    now = datetime.now(UTC)
    async with database.open_session() as session:
        assert not await session.scalar(text("SELECT to_regnamespace('demo_clock')"))
        square = await sealed_poll(session, "skver-timiryazevskaya")
        light = await sealed_poll(session, "svet-vo-dvorakh")
        assert (await cast_ballot(session, square, fresh, {"1": 1}, a_key(), ASigner(), now)).day
        with pytest.raises(AlreadyVoted):
            await cast_ballot(session, square, voted, {"1": 1}, a_key(), ASigner(), now)
        with pytest.raises(PollClosed):
            await cast_ballot(session, light, fresh, {"1": 1}, a_key(), ASigner(), now)
        assert len(await my_votes(session, voted, now)) >= 3
        await session.rollback()


async def test_making_it_again_adds_nothing(town: Town) -> None:
    database, settings, _, _ = town
    async with database.open_read_session() as reading:
        assert await standing(reading) is Standing.BUILT
        before = await reading.scalar(select(func.count()).select_from(participation))
    built = await build_city(database, settings, CITIZENS, datetime.now(UTC), lambda _: None)
    assert (built.polls, built.ballots) == (0, 0)
    async with database.open_read_session() as reading:
        assert await reading.scalar(select(func.count()).select_from(participation)) == before


async def test_an_interrupted_demo_is_gone_on_with(
    fresh_database: Database, fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database_url=fresh_database_url, demo=True, data_dir=tmp_path)
    hold, calls = city.hold_poll, 0

    async def failing(story: city.Story, demo: DemoPoll) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyError("the power failed")
        return await hold(story, demo)

    async with fresh_database.open_read_session() as reading:
        assert await standing(reading) is Standing.EMPTY
    if not os.environ.get("VECHE_FULL_COUNTS"):  # the whole city stands in `town`
        monkeypatch.setattr(city, "POLLS", POLLS[:4])
    with monkeypatch.context() as power:
        power.setattr(city, "hold_poll", failing)
        with pytest.raises(KeyError):
            await build_city(fresh_database, settings, 60, datetime.now(UTC), lambda _: None)
    async with fresh_database.open_read_session() as reading:
        assert await standing(reading) is Standing.BEGUN
    await build_city(fresh_database, settings, 60, datetime.now(UTC), lambda _: None)
    async with fresh_database.open_read_session() as reading:
        assert await standing(reading) is Standing.BUILT


async def test_outside_demo_mode_nothing_is_written(
    fresh_database: Database, fresh_database_url: str, tmp_path: Path
) -> None:
    settings = Settings(database_url=fresh_database_url, demo=False, data_dir=tmp_path)
    with pytest.raises(NotADemo):
        await build_city(fresh_database, settings, 10, datetime.now(UTC), lambda _: None)
    async with fresh_database.open_read_session() as reading:
        assert not await reading.scalar(select(func.count()).select_from(account))


async def test_only_its_own_transaction_hears_the_story_clock(fresh_database: Database) -> None:
    then = datetime(2020, 2, 29, 12, tzinfo=UTC)
    async with story_clock(fresh_database):
        async with fresh_database.open_session() as session:
            await set_time(session, then)
            assert await session.scalar(select(func.clock_timestamp())) == then
            async with fresh_database.open_session() as other:
                assert (await other.execute(select(func.clock_timestamp()))).scalar_one().year > 2020
        async with fresh_database.open_session() as session:
            assert (await session.execute(select(func.clock_timestamp()))).scalar_one().year > 2020


def test_the_story_is_the_same_every_time() -> None:
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert budget_file(50, now) == budget_file(50, now)
    zone = Settings().zone
    for one in (*POLLS, *DRAFTS):
        assert definition_of(one, now, zone) == definition_of(one, now, zone)
    assert len({one.poll_id for one in (*POLLS, *DRAFTS)}) == len(POLLS) + len(DRAFTS)


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2028, 2, 29), date(2027, 12, 31)])
def test_residents_have_their_age_on_any_day(day: date) -> None:
    now = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    for resident in RESIDENTS:
        born = date.fromisoformat(resident.entry(now, Settings().zone).split(",")[1])
        assert day.year - born.year - ((day.month, day.day) < (born.month, born.day)) == resident.age


async def test_a_house_of_owners_has_decided_and_meets(town: Town) -> None:
    database, _, _, _ = town
    neighbour, southerner = await citizen_of(database, "neighbour"), await citizen_of(database, "southerner")
    now = datetime.now(UTC)
    async with database.open_read_session() as reading:
        renovation = await sealed_poll(reading, RENOVATION.slug)
        seen = {"official": False, "signed_in": True}
        sheet = await house_sheet(reading, renovation, BUILDING.code, now, citizen_id=neighbour, **seen)
        with pytest.raises(NotYourHouse):
            await house_sheet(reading, renovation, BUILDING.code, now, citizen_id=southerner, **seen)
        meeting = await sealed_poll(reading, MEETING.slug)
        judged = await entitlement(reading, meeting, southerner, now)
    (item,) = sheet.items
    assert (item.house.units, item.house.no_owners, len(sheet.flats)) == (FLATS, 1, FLATS)
    assert item.house.carried, "the decision of the demo city says so"
    assert item.house.flats["silent"] > 1
    assert meeting.state(now) is State.OPEN
    assert [reason.code for reason in reasons_against(judged.facts, meeting.definition)] == ["not_an_owner"]
