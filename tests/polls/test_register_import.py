"""Loading register files: what a file does, what is refused, and that nothing of an identifier is ever kept."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from tests.builders import ASigner, a_definition, a_key, a_sealed_poll

from polls import roll_corrections
from polls.audience import roll_total, take_roll
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll
from polls.errors import BadFile, NotEligible, RegisterAhead
from polls.journal import poll_events
from polls.one_person import merge_entries
from polls.poll_lock import lock_key
from polls.register import (
    GroupRow,
    TerritoryRow,
    facts_as_of,
    find_citizen,
    group_ids,
    identity_key,
    load_groups,
    load_territories,
    territory_tree,
)
from polls.register_import import BadRegister, ImportReport, import_register
from polls.sessions import ReadSession, Session
from polls.tables import citizen, citizen_period, identity, registry_event, roll_amendment
from voting.db import Database

SECRETS = {1: bytes(range(32))}
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
HEADER = "national_id,birth_date,sex,district,level,groups\n"
GOOD = HEADER + "77-1,1980-05-01,f,t-oak,1,\n77-2,02.06.1990,М,Вязы,2,students|veterans\n"


TOWN = [
    TerritoryRow("t", "city", "", "Город", "City"),
    TerritoryRow("t-oak", "district", "t", "Дубки", "Oaks"),
    TerritoryRow("t-elm", "district", "t", "Вязы", "Elms"),
    TerritoryRow("t-twin-1", "district", "t", "Двойное", "Twin one"),
    TerritoryRow("t-twin-2", "district", "t", "Двойное", "Twin two"),
]


@pytest.fixture
async def city(session: Session) -> Session:
    await load_territories(session, TOWN)
    await load_groups(session, [GroupRow("students", "Студенты", "Students"), GroupRow("veterans", "В", "V")])
    return session


async def load(session: Session, content: str | bytes, **options: Any) -> ImportReport:
    data = content.encode() if isinstance(content, str) else content
    return await import_register(session, [data], **{"secrets": SECRETS, "now": NOW, **options})


async def errors_of(session: Session, content: str | bytes, **options: Any) -> list[tuple[int, str, str]]:
    with pytest.raises(BadRegister) as refusal:
        await load(session, content, **options)
    assert refusal.value.error_count == len(refusal.value.errors)
    return [(error.line, error.field, error.code) for error in refusal.value.errors]


async def number_of(session: Session, national_id: str) -> int:
    key = identity_key(SECRETS[1], "national_id", national_id)
    found = await find_citizen(session, "national_id", [(1, key)])
    assert found is not None
    return found


async def stored(session: Session) -> tuple[int, int, int]:
    counts = [
        (await session.execute(text(f"SELECT count(*) FROM {table.name}"))).scalar_one()
        for table in (citizen, citizen_period, identity)
    ]
    return counts[0], counts[1], counts[2]


# ---- what a file does


async def test_new_entries_get_a_key_and_a_first_period(city: Session) -> None:
    report = await load(city, GOOD)
    assert report == ImportReport(2, 2, 0, 0, 0, 0, 0, 0)
    second = await facts_as_of(city, await number_of(city, "77 2"), NOW)
    assert (second.birth_date, second.sex, second.district_code, second.level) == (date(1990, 6, 2), "m", "t-elm", 2)
    assert second.groups == {"students", "veterans"}
    assert second.registered_at == NOW
    assert not (await facts_as_of(city, second.citizen_id, NOW - timedelta(seconds=1))).present


async def test_an_entry_joined_to_another_comes_back_by_no_file(city: Session) -> None:
    """The desk has found that both lines are one person; the city's own file says so only later."""
    await load(city, GOOD)
    keep, drop = await number_of(city, "77-1"), await number_of(city, "77-2")
    await merge_entries(city, keep, drop, by=9, now=NOW + timedelta(hours=1))
    later = NOW + timedelta(days=1)
    for snapshot in (False, True):
        report = await load(city, GOOD, now=later, snapshot=snapshot)
        assert report == ImportReport(2, 0, 0, 0, 2, 0, 0, 0)
    assert (await facts_as_of(city, keep, later)).present
    assert not (await facts_as_of(city, drop, later)).present


async def test_registered_at_begins_the_first_period(city: Session) -> None:
    content = "national_id;birth_date;sex;district;level;groups;registered_at\n1;1980-01-01;f;t-oak;1;;2020-02-03\n"
    await load(city, content)
    facts = await facts_as_of(city, await number_of(city, "1"), datetime(2020, 2, 3, tzinfo=UTC))
    assert facts.present
    assert facts.registered_at == datetime(2020, 2, 2, 21, tzinfo=UTC)  # midnight in Moscow


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffСНИЛС;Дата рождения;Пол;Район;Уровень;Группы\r\n1;01.02.1980;ж;Дубки;1;Студенты\r\n\r\n",
        'National_ID,Birth date,Gender,Territory,Verification,Groups\r\n1,1980-02-01,"female","Oaks",1,"students"\r\n',
    ],
)
async def test_headers_may_be_russian_or_english(city: Session, content: str) -> None:
    assert (await load(city, content)).added == 1
    assert (await facts_as_of(city, await number_of(city, "1"), NOW)).groups == {"students"}


async def test_changes_close_a_period_and_open_another(city: Session) -> None:
    await load(city, GOOD)
    later = NOW + timedelta(days=1)
    report = await load(
        city, HEADER + "77-1,1980-05-01,f,Вязы,1,\n77-2,02.06.1990,М,Вязы,2,veterans|students\n", now=later
    )
    assert (report.changed, report.unchanged, report.ended) == (1, 1, 0)
    number = await number_of(city, "77-1")
    assert (await facts_as_of(city, number, later - timedelta(seconds=1))).district_code == "t-oak"
    assert (await facts_as_of(city, number, later)).district_code == "t-elm"


async def test_a_snapshot_ends_absent_entries_and_a_return_opens_a_new_period(city: Session) -> None:
    await load(city, GOOD)
    day = timedelta(days=1)
    only_second = HEADER + "77-2,1990-06-02,m,t-elm,2,students|veterans\n"
    assert (await load(city, only_second, now=NOW + day)).ended == 0
    assert (await load(city, only_second, now=NOW + day, snapshot=True)).ended == 1
    number = await number_of(city, "77-1")
    assert not (await facts_as_of(city, number, NOW + 2 * day)).present
    assert (await load(city, only_second, now=NOW + 2 * day, snapshot=True)).ended == 0
    report = await load(city, GOOD, now=NOW + 3 * day)
    assert (report.added, report.returned, report.unchanged) == (0, 1, 1)
    assert (await facts_as_of(city, number, NOW + 3 * day)).present
    assert not (await facts_as_of(city, number, NOW + 2 * day)).present


async def test_a_snapshot_leaves_other_registers_alone(city: Session) -> None:
    await load(city, GOOD)
    report = await load(city, HEADER + "5,1980-01-01,f,t-oak,1,\n", register_code="guests", snapshot=True)
    assert (report.added, report.ended) == (1, 0)
    assert await errors_of(city, HEADER + "5,1980-01-01,f,t-oak,1,\n") == [(2, "national_id", "other_register")]


async def test_corrections_are_logged_as_counts_alone(city: Session) -> None:
    await load(city, GOOD)
    report = await load(city, GOOD.replace("1980-05-01,f", "1981-05-01,m"), now=NOW + timedelta(days=1))
    assert (report.changed, report.birth_dates_corrected, report.sexes_corrected, report.unchanged) == (1, 1, 1, 1)
    facts = await facts_as_of(city, await number_of(city, "77-1"), NOW)
    assert (facts.birth_date, facts.sex) == (date(1981, 5, 1), "m")
    assert (await stored(city))[1] == 2
    event = (await city.execute(select(registry_event).order_by(registry_event.c.id.desc()).limit(1))).one()
    assert event.kind == "register_imported"
    assert event.body["birth_dates_corrected"] == 1
    assert "1981" not in str(event.body)


async def test_a_new_secret_finds_old_entries_and_gives_them_a_new_key(city: Session) -> None:
    await load(city, GOOD)
    both = {1: SECRETS[1], 2: bytes(32)}
    assert (await load(city, GOOD, secrets=both, now=NOW + timedelta(days=1))).unchanged == 2
    assert (await load(city, GOOD, secrets={2: bytes(32)}, now=NOW + timedelta(days=2))).unchanged == 2
    assert await stored(city) == (2, 2, 4)


async def test_a_dry_run_counts_the_same_and_leaves_nothing(city: Session) -> None:
    before = await stored(city)
    report = await load(city, GOOD, dry_run=True)
    assert await stored(city) == before
    assert (await city.execute(text("SELECT count(*) FROM registry_event"))).scalar_one() == 0
    assert (await city.execute(text("SELECT to_regclass('pg_temp.register_file')"))).scalar_one() is None
    assert await load(city, GOOD) == report


async def test_an_import_older_than_the_register_is_refused(city: Session) -> None:
    await load(city, GOOD)
    with pytest.raises(RegisterAhead):
        await load(city, GOOD, now=NOW - timedelta(seconds=1))


async def test_pieces_of_any_size_and_asynchronous_sources_give_the_same(city: Session) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 7):
            yield data[start : start + 7]

    data = "\ufeff".encode() + GOOD.encode().rstrip(b"\n")
    told: list[int] = []
    report = await import_register(city, slowly(), secrets=SECRETS, now=NOW, dry_run=True, progress=told.append)
    assert report.added == 2
    assert told[-1] == 2
    by_bytes = (data[i : i + 1] for i in range(len(data)))
    assert await import_register(city, by_bytes, secrets=SECRETS, now=NOW) == report


# ---- rolls already taken


OPENED = datetime(2026, 2, 1, 9, tzinfo=UTC)
WITH_DAY = HEADER.strip() + ",registered_at\n"
FIRST = HEADER + "1,1980-05-01,f,t-oak,1,\n"


async def a_taken_roll(session: Session, **more: Any) -> SealedPoll:
    """A poll for adults whose roll is taken, open by the database's own clock since the import's NOW less a month."""
    audience = {"op": "age", "at_least": 18}
    clock = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    found = await a_sealed_poll(
        session,
        a_definition(
            territory="t",
            audience=audience,
            opens_at=OPENED,
            closes_at=clock + timedelta(days=1),
            strata=["sex"],
            **more,
        ),
    )
    await take_roll(session, found.id, found.definition)
    return found


async def amendments(session: Session) -> list[tuple[int, int, str, datetime]]:
    columns = roll_amendment.c
    rows = await session.execute(
        select(columns.stratum, columns.change, columns.reason, columns.at).order_by(columns.id)
    )
    return [(row.stratum, row.change, row.reason, row.at) for row in rows]


async def vote(session: Session, found: SealedPoll, national_id: str, now: datetime = NOW) -> None:
    citizen_id = await number_of(session, national_id)
    await cast_ballot(session, found, citizen_id, {"1": 1}, a_key(), ASigner(), now)


@pytest.mark.parametrize("late_registration", [False, True])
async def test_an_import_adds_nobody_behind_an_opening(city: Session, late_registration: bool) -> None:
    await load(city, FIRST, now=OPENED - timedelta(days=1))
    found = await a_taken_roll(city, late_registration=late_registration)
    await load(city, WITH_DAY + "2,1980-01-01,f,t-oak,1,,2020-02-03\n3,1980-01-01,m,t-oak,1,,2026-02-01 12:00\n")
    for newcomer in ("2", "3"):
        with pytest.raises(NotEligible) as refused:
            await vote(city, found, newcomer)
        assert refused.value.reasons[0].code == "not_in_register"
    assert await roll_total(city, found.id) == 1
    assert await amendments(city) == []
    facts = await facts_as_of(city, await number_of(city, "2"), NOW)
    assert facts.present
    assert facts.registered_at == datetime(2020, 2, 2, 21, tzinfo=UTC)
    await vote(city, found, "1")


async def test_registered_after_the_opening_is_registered_late(city: Session) -> None:
    await load(city, FIRST, now=OPENED - timedelta(days=1))
    strict, open_to_late = await a_taken_roll(city), await a_taken_roll(city, late_registration=True)
    await load(city, WITH_DAY + "2,1980-01-01,f,t-oak,1,,2026-02-10\n")
    assert (await facts_as_of(city, await number_of(city, "2"), OPENED + timedelta(days=10))).present
    with pytest.raises(NotEligible) as refused:
        await vote(city, strict, "2")
    assert refused.value.reasons[0].code == "registered_late"
    await vote(city, open_to_late, "2")
    assert [(change, reason) for _, change, reason, _ in await amendments(city)] == [(1, "late_registration")]


async def test_a_corrected_birth_date_or_sex_amends_the_roll(city: Session) -> None:
    people = FIRST + "2,2010-01-01,f,t-oak,1,\n"
    await load(city, people, now=OPENED - timedelta(days=1))
    found = await a_taken_roll(city)
    corrected = people.replace("2010", "2000").replace("1980-05-01,f", "1980-05-01,m")
    await load(city, corrected, dry_run=True)
    assert await amendments(city) == []
    await load(city, corrected)
    assert await amendments(city) == [(2, 1, "register_correction", NOW)]  # a woman comes as a woman becomes a man
    await vote(city, found, "2")
    event = (await poll_events(city, found.id))[-1]
    assert (event["kind"], event["body"]) == (
        "roll_amended",
        {"reason": "register_correction", "added": 1, "removed": 0},
    )
    await load(city, corrected, now=NOW + timedelta(days=1))
    assert len(await amendments(city)) == 1
    await load(city, people, now=NOW + timedelta(days=2))
    # The second has voted and stays; the first is a woman again.
    assert [row[:2] for row in await amendments(city)] == [(2, 1), (1, 1), (2, -1)]
    assert await roll_total(city, found.id) == 2


async def can_be_voted_in(session: Session, found: SealedPoll) -> bool:
    """Whether a vote would get the poll's lock now."""
    query = text("SELECT pg_try_advisory_xact_lock_shared(:key)")
    return bool((await session.execute(query, {"key": lock_key(found.id)})).scalar_one())


async def test_a_correction_stops_voting_for_a_moment_and_in_polls_of_its_register_alone(
    fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the register is counted votes go on; one that comes in between stays in the roll all the same."""
    people = FIRST + "2,1980-01-01,f,t-oak,1,\n3,1980-01-01,f,t-oak,1,\n"
    async with fresh_database.open_session() as session:
        await load_territories(session, TOWN)
        await load(session, people, now=OPENED - timedelta(days=1))
        guest = HEADER + "9,1980-05-01,f,t-oak,1,\n"
        await load(session, guest, now=OPENED - timedelta(days=1), register_code="guests")
        found, other = await a_taken_roll(session), await a_taken_roll(session, register_code="guests")
        assert await roll_total(session, found.id) == 3 and await roll_total(session, other.id) == 1
    seen: list[tuple[bool, bool]] = []
    count = roll_corrections._entitled

    async def counting(session: ReadSession, sealed: SealedPoll, **more: Any) -> Any:
        done = await count(session, sealed, **more)
        async with fresh_database.open_session() as beside:
            seen.append((await can_be_voted_in(beside, found), await can_be_voted_in(beside, other)))
            if len(seen) == 1:
                await vote(beside, found, "2")
        return done

    monkeypatch.setattr(roll_corrections, "_entitled", counting)
    async with fresh_database.open_session() as session:
        await load(session, people.replace("2,1980", "2,2015").replace("3,1980", "3,2015"))
        async with fresh_database.open_session() as beside:
            assert not await can_be_voted_in(beside, found), "nobody is judged by the facts as they were"
            assert await can_be_voted_in(beside, other)
    assert seen[0] == (True, True) and all(rest == (False, True) for rest in seen[1:])
    async with fresh_database.open_session() as session:
        assert [row[:2] for row in await amendments(session)] == [(1, -1)], "the third is too young; the second voted"
        assert await roll_total(session, found.id) == 2
        assert await roll_total(session, other.id) == 1


async def test_a_late_registration_corrected_is_counted_once(city: Session) -> None:
    await load(city, FIRST, now=OPENED - timedelta(days=1))
    found = await a_taken_roll(city, late_registration=True)
    late = WITH_DAY + "2,1980-01-01,f,t-oak,1,,2026-02-10\n"
    await load(city, late)
    await vote(city, found, "2")
    await load(city, late.replace(",f,", ",m,"), now=NOW + timedelta(days=1))
    assert [row[:3] for row in await amendments(city)] == [
        (1, 1, "late_registration"),
        (1, -1, "register_correction"),
        (2, 1, "register_correction"),
    ]
    assert await roll_total(city, found.id) == 2


async def test_a_roll_taken_while_an_import_runs_is_amended(city: Session) -> None:
    await load(city, FIRST, now=OPENED - timedelta(days=1))
    found = await a_taken_roll(city)
    await load(city, HEADER + "2,1980-01-01,m,t-oak,1,\n", now=OPENED - timedelta(seconds=1))
    assert [row[:2] for row in await amendments(city)] == [(2, 1)]
    await vote(city, found, "2")


# ---- what is refused


@pytest.mark.parametrize(
    ("row", "name", "code"),
    [
        (",1980-01-01,f,t-oak,1,", "national_id", "bad_identifier"),
        ("1;2,1980-01-01,f,t-oak,1,", "national_id", "bad_identifier"),
        ("1" * 65 + ",1980-01-01,f,t-oak,1,", "national_id", "bad_identifier"),
        ("1,,f,t-oak,1,", "birth_date", "empty"),
        ("1,1980-02-30,f,t-oak,1,", "birth_date", "no_such_day"),
        ("1,80-02-03,f,t-oak,1,", "birth_date", "bad_date"),
        ("1,２０００-02-03,f,t-oak,1,", "birth_date", "bad_date"),
        ("1,2026-03-02,f,t-oak,1,", "birth_date", "in_future"),
        ("1,1895-02-28,f,t-oak,1,", "birth_date", "too_old"),
        ("1,1980-01-01,x,t-oak,1,", "sex", "unknown_sex"),
        ("1,1980-01-01,,t-oak,1,", "sex", "unknown_sex"),
        ("1,1980-01-01,f,,1,", "district", "empty"),
        ("1,1980-01-01,f,Дубкии,1,", "district", "unknown_district"),
        ("1,1980-01-01,f,t,1,", "district", "unknown_district"),
        ("1,1980-01-01,f,Двойное,1,", "district", "ambiguous_district"),
        ("1,1980-01-01,f,t-oak,4,", "level", "bad_level"),
        ("1,1980-01-01,f,t-oak,,", "level", "bad_level"),
        ("1,1980-01-01,f,t-oak,1,pirates", "groups", "unknown_group"),
        ("1,1980-01-01,f,t-oak,1,students||veterans", "groups", "unknown_group"),
        ("1,1980-01-01,f," + "о" * 300 + ",1,", "district", "too_long"),
        ("1,1980-01-01,f,t-oak,1", "", "ragged"),
        ("1,1980-01-01,f,t-oak,1,,", "", "ragged"),
        ("1,1980-01-01,f,t\0oak,1,", "", "control_character"),
        ("1,1980-01-01,f,t\roak,1,", "", "control_character"),
        ('1,1980-01-01,f,"t-oak,1,', "", "bad_quotes"),
        ('1,1980-01-01,f,"t"oak,1,', "", "bad_quotes"),
        ("1,1980-01-01,f," + "x" * 10_000_000 + ",1,", "", "line_too_long"),
    ],
)
async def test_bad_rows_are_named_and_nothing_is_taken(city: Session, row: str, name: str, code: str) -> None:
    assert await errors_of(city, f"{GOOD}{row}\n8,1980-01-01,f,t-oak,1,\n") == [(4, name, code)]
    assert await stored(city) == (0, 0, 0)


@pytest.mark.parametrize(
    ("value", "code"),
    [("2026-03-02", "in_future"), ("1890-01-01", "too_early"), ("yesterday!!", "bad_time"), ("yesterday", "bad_date")],
)
async def test_bad_times_of_registration_are_named(city: Session, value: str, code: str) -> None:
    content = f"{HEADER.strip()},registered_at\n1,1980-01-01,f,t-oak,1,,{value}\n"
    assert await errors_of(city, content) == [(2, "registered_at", code)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [(1, "", "empty_file")]),
        ("\ufeff".encode(), [(1, "", "empty_file")]),
        (HEADER.encode(), [(1, "", "no_rows")]),
        ("national_id,birth_date,sex,district,level\n", [(1, "groups", "column_missing")]),
        (HEADER.replace("groups", "groups,пол"), [(1, "sex", "column_repeats")]),
        (HEADER.replace("groups", "groups,surname"), [(1, "column 7", "unknown_column")]),
        (GOOD.replace("national_id", "Пол, и номер").encode("cp1251"), [(1, "", "not_utf8")]),
        (GOOD.encode("utf-16"), [(1, "", "not_utf8")]),
        (GOOD.encode("cp1251"), [(3, "", "not_utf8")]),
        (b"x" * 200_000, [(1, "", "line_too_long")]),
        ('"' + HEADER, [(1, "", "bad_quotes")]),
    ],
)
async def test_bad_files_are_named(city: Session, content: bytes | str, expected: list[tuple[int, str, str]]) -> None:
    assert await errors_of(city, content) == expected
    assert await errors_of(city, content, dry_run=True, snapshot=True) == expected


async def test_a_line_break_inside_quotes_is_an_error_of_its_line(city: Session) -> None:
    found = await errors_of(city, GOOD + '8,1980-01-01,f,"t-\noak",1,\n')
    assert found[0] == (4, "", "bad_quotes")


async def test_every_bad_field_of_every_row_is_reported_and_only_so_many_kept(city: Session) -> None:
    assert await errors_of(city, HEADER + ",1,2,3,4,5\n") == [
        (2, "birth_date", "bad_date"),
        (2, "sex", "unknown_sex"),
        (2, "district", "unknown_district"),
        (2, "level", "bad_level"),
        (2, "groups", "unknown_group"),
        (2, "national_id", "bad_identifier"),
    ]
    with pytest.raises(BadRegister) as refusal:
        await load(city, HEADER + "".join(f"{n},1980-01-01,f,nowhere,1,\n" for n in range(1500)))
    assert refusal.value.error_count == refusal.value.facts["error_count"] == 1500
    assert len(refusal.value.errors) == 1000
    assert isinstance(refusal.value, BadFile)


async def test_a_repeated_person_is_named_with_both_lines_even_in_a_bad_row(city: Session) -> None:
    content = GOOD + "77 1,1980-05-01,f,nowhere,1,\n7-72,1980-05-01,f,t-oak,1,\n"
    with pytest.raises(BadRegister) as refusal:
        await load(city, content)
    found = [(error.line, error.field, error.reason) for error in refusal.value.errors]
    assert found == [
        (4, "district", "unknown district «nowhere»"),
        (4, "national_id", "the same person as in line 2"),
        (5, "national_id", "the same person as in line 3"),
    ]


async def test_many_repetitions_are_all_counted(city: Session) -> None:
    with pytest.raises(BadRegister) as refusal:
        await load(city, HEADER + "1,1980-01-01,f,t-oak,1,\n" * 1200)
    assert refusal.value.error_count == 1199


async def test_two_ids_of_one_citizen_are_a_repetition(city: Session) -> None:
    await load(city, GOOD)
    key = identity_key(SECRETS[1], "national_id", "77-3")
    await city.execute(
        identity.insert().values(kind="national_id", key_version=1, key=key, citizen_id=await number_of(city, "77-1"))
    )
    assert await errors_of(city, GOOD + "77-3,1980-05-01,f,t-oak,1,\n") == [(4, "national_id", "repeated")]


async def test_after_a_refusal_the_session_still_works(city: Session) -> None:
    await errors_of(city, "")
    await errors_of(city, GOOD + "bad\n")
    assert (await load(city, GOOD)).added == 2


async def test_a_source_that_breaks_off_leaves_nothing(city: Session) -> None:
    def broken() -> Iterator[bytes]:
        yield GOOD.encode()
        yield b"9,1980-01-01,f,t-oak,1,\n" * 20_000
        raise OSError("the disk has gone")

    with pytest.raises(OSError, match="the disk"):
        await import_register(city, broken(), secrets=SECRETS, now=NOW)
    assert await stored(city) == (0, 0, 0)
    assert (await load(city, GOOD)).added == 2


async def test_two_imports_at_once_take_each_person_once(fresh_database: Database) -> None:
    async with fresh_database.open_session() as session:
        await load_territories(session, [TerritoryRow("t-oak", "district", "", "Дубки", "Oaks")])
    content = HEADER + "".join(f"{n},1980-01-01,f,t-oak,1,\n" for n in range(3000))

    async def one() -> ImportReport:
        async with fresh_database.open_session() as session:
            return await load(session, content, snapshot=True)

    reports = await asyncio.gather(one(), one(), one())
    assert sorted((report.added, report.unchanged, report.ended) for report in reports) == [
        (0, 3000, 0),
        (0, 3000, 0),
        (3000, 0, 0),
    ]


# ---- nothing of an identifier is kept


SECRET_ID = "77-86753090017"


async def test_no_identifier_reaches_a_table_a_log_or_an_error(
    city: Session, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    spelled = {SECRET_ID, SECRET_ID.replace("-", "")}
    said = []
    for bad in (
        f"{SECRET_ID},1980-01-01,f,t-oak,1\n",
        f"f,1980-01-01,{SECRET_ID},t-oak,1,\n",
        f"1,1980-01-01,f,{SECRET_ID},1,{SECRET_ID}\n",
        f"{SECRET_ID}!,{SECRET_ID},f,t-oak,{SECRET_ID},\n",
        f'"{SECRET_ID},1980-01-01,f,t-oak,1,\n',
        f"{SECRET_ID},1980-01-01,f,t-oak,1,\n{SECRET_ID},1980-01-01,f,t-oak,1,\n",
    ):
        for content in (HEADER + bad, bad):
            with pytest.raises(BadRegister) as refusal:
                await load(city, content)
            said += [repr(refusal.value), str(refusal.value), str(refusal.value.facts), str(refusal.value.errors)]
    await load(city, f"{HEADER}{SECRET_ID},1980-01-01,f,t-oak,1,\n")
    tables = (await city.execute(text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"))).scalars()
    for table in [name for name in tables if not name.startswith(("pg_", "sql_"))]:
        said += (await city.execute(text(f'SELECT t::text FROM "{table}" t'))).scalars()
    said += [record.getMessage() for record in caplog.records]
    said += [*capsys.readouterr()]
    assert not [words for words in said for form in spelled if words and form in words]


# ---- any sequence of imports, against a plain model


@dataclass
class Person:
    """A citizen of the model: personal facts, and periods as [from, to, facts]."""

    born: str
    sex: str
    periods: list[list[Any]] = field(default_factory=list)

    @property
    def current(self) -> list[Any] | None:
        return self.periods[-1] if self.periods and self.periods[-1][1] is None else None


Row = tuple[str, str, tuple[str, int, str]]  # birth date, sex, (district, level, groups)


def apply_to_model(people: dict[str, Person], rows: dict[str, Row], now: datetime, snapshot: bool) -> ImportReport:
    added = returned = changed = unchanged = ended = births = sexes = 0
    for name, (born, sex, facts) in rows.items():
        if name not in people:
            people[name] = Person(born, sex, [[now, None, facts]])
            added += 1
            continue
        person = people[name]
        corrected = (person.born, person.sex) != (born, sex)
        births += person.born != born
        sexes += person.sex != sex
        person.born, person.sex = born, sex
        current = person.current
        if current is None:
            person.periods.append([now, None, facts])
            returned += 1
        elif current[2] != facts:
            changed += 1
            if current[0] == now:
                current[2] = facts
            else:
                current[1] = now
                person.periods.append([now, None, facts])
        elif corrected:
            changed += 1
        else:
            unchanged += 1
    for name, person in people.items():
        if snapshot and name not in rows and (current := person.current) is not None:
            ended += 1
            current[1] = now
            if current[0] == now:
                person.periods.pop()
    return ImportReport(len(rows), added, returned, changed, unchanged, ended, births, sexes)


async def read_people(session: Session, names: Iterable[str]) -> dict[str, Person]:
    codes = {t.id: t.code for t in (await territory_tree(session)).by_id.values()}
    groups = {number: code for code, number in (await group_ids(session)).items()}
    people = {}
    for name in names:
        row = (await session.execute(select(citizen).where(citizen.c.id == await number_of(session, name)))).one()
        periods = await session.execute(
            select(citizen_period).where(citizen_period.c.citizen_id == row.id).order_by(citizen_period.c.valid_from)
        )
        people[name] = Person(
            str(row.birth_date),
            row.sex,
            [
                [
                    p.valid_from,
                    p.valid_to,
                    (codes[p.district_id], p.level, "|".join(sorted(groups[g] for g in p.groups))),
                ]
                for p in periods
            ],
        )
    return people


facts_strategy = st.tuples(
    st.sampled_from(["t-oak", "t-elm"]), st.sampled_from([1, 2]), st.sampled_from(["", "students", "students|veterans"])
)
row_strategy = st.tuples(st.sampled_from(["1980-05-01", "1990-06-02"]), st.sampled_from(["f", "m"]), facts_strategy)
step_strategy = st.tuples(
    st.dictionaries(st.sampled_from(["A1", "B2", "C3", "D4"]), row_strategy, min_size=1),
    st.booleans(),
    st.sampled_from([0, 1, 1, 1]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(step_strategy, min_size=1, max_size=6))
async def test_any_sequence_of_imports_equals_the_model(
    city: Session, steps: list[tuple[dict[str, Row], bool, int]]
) -> None:
    attempt = await city.begin_nested()
    people: dict[str, Person] = {}
    now = NOW
    for rows, snapshot, days in steps:
        now += timedelta(days=days)
        lines = [f"{n},{born},{sex},{d},{level},{groups}\n" for n, (born, sex, (d, level, groups)) in rows.items()]
        content = HEADER + "".join(lines)
        expected = apply_to_model(people, rows, now, snapshot)
        assert await load(city, content, now=now, snapshot=snapshot, dry_run=True) == expected
        assert await load(city, content, now=now, snapshot=snapshot) == expected
        assert await read_people(city, people) == people
    for person in people.values():
        ends = [period[1] for period in person.periods]
        assert all(end <= period[0] for end, period in zip(ends, person.periods[1:], strict=False))
    await attempt.rollback()
