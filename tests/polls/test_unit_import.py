"""Loading flats, owners and invited lists: what a file does, what is refused, and that the rolls keep their past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import a_city

from polls.definition import Text
from polls.errors import BadFile, Invalid, ListExists, RegisterAhead
from polls.invited import lists, upload_list
from polls.one_person import merge_entries
from polls.register import (
    facts_as_of,
    find_citizen,
    identity_key,
    load_buildings,
    read_buildings,
    territory_tree,
)
from polls.register_import import BadRegister, import_register
from polls.sessions import Session
from polls.unit_import import UnitReport, import_units

SECRETS = {1: bytes(range(32))}
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
PEOPLE = "national_id,birth_date,sex,district,level,groups,registered_at,building\n" + "".join(
    f"77-{n},1980-05-01,f,msk-cao-arbat,2,,2020-01-01,{house}\n"
    for n, house in enumerate(("arbat-1", "arbat-1", '"Арбат, 3"', ""), 1)
)
FLATS = """building;number;kind;area;national_id;share
arbat-1;1;flat;54,3;77-1;1/2
arbat-1;1;квартира;54.30;77-2;0,5
arbat-1;2;flat;30;77-2;
Арбат, 3;1;нежилое;100.5;;
"""


@pytest.fixture
async def city(session: Session) -> Session:
    await a_city(session)
    rows = read_buildings(
        ["code,district,name_ru,name_en\n", 'arbat-1,msk-cao-arbat,"Арбат, 1",\n',
         'arbat-3,msk-cao-arbat,"Арбат, 3","Arbat, 3"\n']
    )  # fmt: skip
    assert await load_buildings(session, rows) == 2
    await import_register(session, [PEOPLE.encode()], secrets=SECRETS, now=NOW)
    return session


async def load(session: Session, content: str | bytes, **options: Any) -> UnitReport:
    data = content.encode() if isinstance(content, str) else content
    return await import_units(session, [data], **{"secrets": SECRETS, "now": NOW, **options})


async def errors_of(session: Session, content: str | bytes, **options: Any) -> list[tuple[int, str, str]]:
    with pytest.raises(BadRegister) as refusal:
        await load(session, content, **options)
    return [(error.line, error.field, error.code) for error in refusal.value.errors]


async def owners(session: Session, at: datetime) -> list[tuple[str, str, int, int, str]]:
    """Building, number, area, owner by number and share, as of a moment."""
    rows = await session.execute(
        text(
            "SELECT t.code, u.number, u.area, rank() OVER (ORDER BY o.citizen_id) AS owner,"
            " o.share_numerator || '/' || o.share_denominator AS share"
            " FROM unit u JOIN territory t ON t.id = u.building_id LEFT JOIN unit_owner o ON o.unit_id = u.id"
            " AND o.valid_from <= :at AND (o.valid_to IS NULL OR o.valid_to > :at)"
            " WHERE u.valid_from <= :at AND (u.valid_to IS NULL OR u.valid_to > :at) ORDER BY 1, 2, 5"
        ),
        {"at": at},
    )
    return [(row.code, row.number, row.area, 0 if row.share is None else 1, row.share or "") for row in rows]


async def citizen(session: Session, national_id: str) -> int:
    found = await find_citizen(session, "national_id", [(1, identity_key(SECRETS[1], "national_id", national_id))])
    assert found is not None
    return found


# ---- buildings and flats


async def test_a_citizen_lives_in_a_building_and_owns_in_others(city: Session) -> None:
    await load(city, FLATS)
    second = await facts_as_of(city, await citizen(city, "77-2"), NOW)
    assert {"arbat-1", "msk-cao-arbat", "msk-cao", "msk"} == second.territories == second.owns_in
    assert second.district_code == "msk-cao-arbat"
    third = await facts_as_of(city, await citizen(city, "77-3"), NOW)
    assert ("arbat-3" in third.territories, third.owns_in) == (True, frozenset())
    assert (await facts_as_of(city, second.citizen_id, NOW - timedelta(seconds=1))).owns_in == frozenset()
    assert "arbat-1" not in (await territory_tree(city)).by_code
    assert (await territory_tree(city, buildings=True)).path("arbat-1") == second.territories


async def test_a_file_of_flats(city: Session) -> None:
    report = await load(city, FLATS)
    assert report == UnitReport(rows=4, units=3, added=3, changed=0, unchanged=0, ended=0, shares_begun=3,
                                shares_ended=0, unknown_owners=0, without_owners=1, odd_shares=0)  # fmt: skip
    assert await owners(city, NOW) == [
        ("arbat-1", "1", 54_30, 1, "1/2"), ("arbat-1", "1", 54_30, 1, "1/2"), ("arbat-1", "2", 30_00, 1, "1/1"),
        ("arbat-3", "1", 100_50, 0, ""),
    ]  # fmt: skip


async def test_loading_again_changes_nothing(city: Session) -> None:
    await load(city, FLATS)
    before = await owners(city, NOW)
    again = await load(city, FLATS, now=LATER, whole=True)
    assert (again.unchanged, again.shares_begun, again.shares_ended, again.ended) == (3, 0, 0, 0)
    assert await owners(city, LATER) == before


async def test_a_sale_ends_one_ownership_and_begins_another_and_the_past_stays(city: Session) -> None:
    await load(city, FLATS)
    before = await owners(city, NOW)
    sold = FLATS.replace("flat;30;77-2;", "flat;30;77-3;2/3").replace("77-2;0,5", "77-2;1/2")
    report = await load(city, sold, now=LATER)
    assert (report.unchanged, report.shares_begun, report.shares_ended, report.odd_shares) == (3, 1, 1, 1)
    assert await owners(city, LATER - timedelta(seconds=1)) == before
    third = await facts_as_of(city, await citizen(city, "77-3"), LATER)
    assert "arbat-1" in third.owns_in
    assert (await facts_as_of(city, third.citizen_id, NOW)).owns_in == frozenset()


async def test_another_area_makes_the_flat_anew_and_the_past_keeps_the_old_one(city: Session) -> None:
    await load(city, FLATS)
    report = await load(city, FLATS.replace(";30;", ";31,05;"), now=LATER)
    assert (report.changed, report.shares_begun, report.shares_ended) == (1, 1, 1)
    areas = [[area for _, number, area, _, _ in await owners(city, at) if number == "2"] for at in (NOW, LATER)]
    assert areas == [[30_00], [31_05]]


async def test_a_second_import_at_the_same_moment_changes_in_place(city: Session) -> None:
    await load(city, FLATS)
    report = await load(city, FLATS.replace(";30;", ";31;").replace("54,3;77-1;1/2", "54,3;77-3;1/2"))
    assert (report.changed, report.shares_begun, report.shares_ended) == (1, 1, 1)
    assert len(await owners(city, NOW)) == 4


async def test_a_whole_file_ends_flats_it_leaves_out_in_its_buildings_alone(city: Session) -> None:
    await load(city, FLATS)
    fewer = "".join(line for line in FLATS.splitlines(keepends=True) if not line.startswith(("arbat-1;2", "Арбат")))
    assert (await load(city, fewer, now=LATER)).ended == 0
    assert (await load(city, fewer, now=LATER, whole=True)).ended == 1
    assert [row[:2] for row in await owners(city, LATER)] == [("arbat-1", "1"), ("arbat-1", "1"), ("arbat-3", "1")]


async def test_since_begins_new_flats_but_never_before_the_opening_of_a_poll_under_way(city: Session) -> None:
    content = "building;number;area;national_id;since\narbat-1;9;40;77-1;2021-05-01\n"
    await load(city, content)
    assert [row[1] for row in await owners(city, datetime(2021, 5, 2, tzinfo=UTC))] == ["9"]
    assert await owners(city, datetime(2021, 4, 1, tzinfo=UTC)) == []


async def test_every_bad_row_is_reported_with_its_line(city: Session) -> None:
    content = (
        "building;number;area;national_id;subject;share;since\n"
        "arbat-1;1;40;77-1;;1/2;\n"
        "nowhere;2;40;77-1;;;\n"
        "arbat-1;;-4;77-1;;3/2;\n"
        "arbat-1;3;0;77-1;s;1;2999-01-01\n"
        "arbat-1;4;40;99-9;;;\n"
        "arbat-1;1;41;77-2;;1/2;\n"
        "arbat-1;1;40;77 1;;1/2;\n"
        "arbat-1;5;40\n"
        "arbat-1;6;40;!!;;0/1;\n"
    )
    assert await errors_of(city, content) == [
        (3, "building", "unknown_building"), (4, "number", "empty"), (4, "area", "bad_area"),
        (4, "share", "bad_share"), (5, "area", "bad_area"), (5, "since", "in_future"),
        (5, "national_id", "two_identifiers"), (6, "national_id", "unknown_person"), (7, "area", "flat_differs"),
        (8, "national_id", "repeated"), (9, "", "ragged"), (10, "share", "bad_share"),
        (10, "national_id", "bad_identifier"),
    ]  # fmt: skip
    assert await owners(city, NOW) == []
    assert await errors_of(city, "building;number;area\narbat-1;1;40\n") == [(1, "national_id", "column_missing")]


async def test_people_the_register_does_not_know_may_be_left_out(city: Session) -> None:
    report = await load(city, FLATS.replace("77-1", "99-9"), skip_unknown=True)
    assert (report.unknown_owners, report.odd_shares, report.without_owners) == (1, 1, 1)


async def test_an_import_older_than_the_register_is_refused(city: Session) -> None:
    await load(city, FLATS, now=LATER)
    with pytest.raises(RegisterAhead):
        await load(city, FLATS, now=NOW)


async def test_older_secrets_still_find_owners(city: Session) -> None:
    report = await load(city, FLATS, secrets={1: SECRETS[1], 2: b"x" * 32})
    assert (report.unknown_owners, report.shares_begun) == (0, 3)


# ---- the register with buildings


async def test_a_building_lies_in_the_district_and_stays_where_a_file_has_no_buildings(city: Session) -> None:
    first = await citizen(city, "77-1")
    without = "national_id,birth_date,sex,district,level,groups\n77-1,1980-05-01,f,{},2,\n"
    report = await import_register(
        city, [without.format("msk-cao-arbat").encode()], secrets=SECRETS, now=LATER, zone="UTC"
    )
    assert report.unchanged == 1
    await import_register(city, [without.format("msk-cao-basmanny").encode()], secrets=SECRETS, now=LATER)
    assert "arbat-1" not in (await facts_as_of(city, first, LATER)).territories
    wrong = PEOPLE.replace("msk-cao-arbat,2,,2020-01-01,arbat-1", "msk-cao-basmanny,2,,2020-01-01,arbat-1")
    with pytest.raises(BadRegister) as refusal:
        await import_register(city, [wrong.encode()], secrets=SECRETS, now=LATER)
    assert [(error.line, error.code) for error in refusal.value.errors] == [
        (2, "building_elsewhere"),
        (3, "building_elsewhere"),
    ]


async def test_bad_buildings_are_refused(city: Session) -> None:
    for line, reason in (("a,nowhere,А,A\n", "unknown district"), ("msk,msk-cao-arbat,А,A\n", "code of a city")):
        with pytest.raises(BadFile) as refusal:
            await load_buildings(city, read_buildings(["code,district,name_ru,name_en\n", line]))
        assert reason in refusal.value.facts["reason"]
    for line in ("Дом,msk-cao-arbat,А,A\n", "a,msk-cao-arbat,,A\n", "a,,А,A\n"):
        with pytest.raises(BadFile):
            read_buildings(["code,district,name_ru,name_en\n", line])


# ---- invited lists


async def test_a_list_is_kept_and_never_changes(city: Session) -> None:
    title = Text(ru="Совет дома", en="House council")
    made = await upload_list(
        city, ["национальный".encode()[:0], b"national_id\n77-1\n77 3\n"], code="council", title=title,
        secrets=SECRETS, account_id=7, now=NOW,
    )  # fmt: skip
    assert (made.size, await lists(city)) == (2, (made,))
    assert (await facts_as_of(city, await citizen(city, "77-3"), NOW)).lists == {"council"}
    assert (await facts_as_of(city, await citizen(city, "77-2"), NOW)).lists == frozenset()
    with pytest.raises(ListExists):
        await upload_list(city, [b"national_id\n77-2\n"], code="council", title=title, secrets=SECRETS,
                          account_id=7, now=NOW)  # fmt: skip
    with pytest.raises(Exception, match="never changes"):
        await city.execute(text("DELETE FROM invited"))


async def test_a_joined_entry_is_invited_as_the_one_that_was_kept(city: Session) -> None:
    keep, drop = await citizen(city, "77-1"), await citizen(city, "77-2")
    await merge_entries(city, keep, drop, by=9, now=NOW)
    await upload_list(city, [b"national_id\n77-2\n"], code="council", title=Text(ru="Совет"), secrets=SECRETS,
                      account_id=7, now=NOW)  # fmt: skip
    assert (await city.scalars(text("SELECT citizen_id FROM invited"))).all() == [keep]


async def test_flats_follow_the_entry_that_is_kept(city: Session) -> None:
    """Now and in files that go on naming the other; two shares of one flat are one."""
    await load(city, FLATS)
    keep, drop = await citizen(city, "77-1"), await citizen(city, "77-2")
    await merge_entries(city, keep, drop, by=9, now=LATER)

    async def owned(who: int, at: datetime) -> list[tuple[str, int, int]]:
        rows = await city.execute(
            text(
                "SELECT u.number, o.share_numerator, o.share_denominator FROM unit_owner o"
                " JOIN unit u ON u.id = o.unit_id WHERE o.citizen_id = :who AND o.valid_from <= :at"
                " AND (o.valid_to IS NULL OR o.valid_to > :at) ORDER BY 1"
            ),
            {"who": who, "at": at},
        )
        return [tuple(row) for row in rows]

    assert (await owned(keep, NOW), await owned(drop, NOW)) == ([("1", 1, 2)], [("1", 1, 2), ("2", 1, 1)])
    for at in (LATER, LATER + timedelta(days=1)):
        assert (await owned(keep, at), await owned(drop, at)) == ([("1", 1, 1), ("2", 1, 1)], [])
        once = FLATS.replace("arbat-1;1;квартира;54.30;77-2;0,5\n", "").replace("77-1;1/2", "77-2;")
        assert (await load(city, once, now=LATER + timedelta(days=1))).shares_begun == 0
    assert await errors_of(city, FLATS, now=LATER) == [(3, "national_id", "repeated")]


async def test_bad_rows_of_a_list_are_reported_and_nothing_is_kept(city: Session) -> None:
    title = Text(ru="Совет")
    with pytest.raises(BadRegister) as refusal:
        await upload_list(city, [b"national_id\n77-1\n99-9\n77 1\n!!\n  \n"], code="c", title=title, secrets=SECRETS,
                          account_id=7, now=NOW)  # fmt: skip
    assert [(error.line, error.code) for error in refusal.value.errors] == [
        (3, "unknown_person"), (4, "repeated"), (5, "bad_identifier"), (6, "empty"),
    ]  # fmt: skip
    for code, name in (("Совет", title), ("c", Text())):
        with pytest.raises(Invalid):
            await upload_list(city, [b"national_id\n77-1\n"], code=code, title=name, secrets=SECRETS, account_id=7,
                              now=NOW)  # fmt: skip
    assert await lists(city) == ()
