"""The register: territories, groups, identities, and facts as of a moment."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text, update

from polls.errors import BadFile, NotFound
from polls.register import (
    Territory,
    TerritoryRow,
    TerritoryTree,
    citizen_facts_many,
    facts_as_of,
    find_citizen,
    group_ids,
    identity_key,
    load_groups,
    load_territories,
    normal_identifier,
    read_groups,
    read_territories,
    territory_tree,
)
from polls.sessions import Session
from polls.tables import citizen, citizen_period, identity, territory

SECRET = bytes(range(32))
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
TREE = [
    TerritoryRow("t-north-oak", "district", "t-north", "Дубки", "Dubki"),
    TerritoryRow("t", "city", "", "Город", "City"),
    TerritoryRow("t-north", "okrug", "t", "Северный", "Northern", "СО", "NO", 1, 0, 1000),
    TerritoryRow("t-north-elm", "district", "t-north", "Вязы", "Vyazy"),
    TerritoryRow("t-south", "okrug", "t", "Южный", "Southern"),
]
GROUPS = ["code,name_ru,name_en", "students,Студенты,Students", "veterans,Ветераны,Veterans"]


async def load(session: Session) -> TerritoryTree:
    await load_territories(session, TREE)
    await load_groups(session, read_groups(GROUPS))
    return await territory_tree(session)


# ---- identity keys


@pytest.mark.parametrize(
    "written", ["77-00 000001", "7700000001", " 77 0000 0001 ", "77—0000\u00a00001", "77\u201100000001"]
)
def test_a_national_id_has_one_key_however_it_is_written(written: str) -> None:
    assert identity_key(SECRET, "national_id", written) == identity_key(SECRET, "national_id", "7700000001")


def test_keys_differ_by_secret_kind_and_identifier() -> None:
    keys = {
        identity_key(SECRET, "national_id", "79001112233"),
        identity_key(SECRET, "phone", "79001112233"),
        identity_key(SECRET, "subject", "79001112233"),
        identity_key(bytes(32), "national_id", "79001112233"),
        identity_key(SECRET, "national_id", "79001112234"),
    }
    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}


def test_national_ids_ignore_case_and_subjects_do_not() -> None:
    assert normal_identifier("national_id", "ab-12") == "AB12"
    assert normal_identifier("phone", "+7 (900) 111-22-33") == "79001112233"
    assert normal_identifier("subject", " aB-12 ") == "aB-12"


@pytest.mark.parametrize("identifier", ["", " - ", "1" * 65, "12;34", "12\x0034", "‮12"])
def test_a_bad_national_id_is_refused_without_repeating_it(identifier: str) -> None:
    if identifier == "‮12":  # invisible direction marks fall away
        assert normal_identifier("national_id", identifier) == "12"
        return
    with pytest.raises(ValueError) as refusal:
        identity_key(SECRET, "national_id", identifier)
    assert not identifier.strip(" -") or identifier not in str(refusal.value)


def test_short_secrets_and_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError):
        identity_key(b"short", "national_id", "1")
    with pytest.raises(ValueError):
        identity_key(SECRET, "passport", "1")


@given(st.text(max_size=80))
def test_normalising_twice_changes_nothing(identifier: str) -> None:
    try:
        normal = normal_identifier("national_id", identifier)
    except ValueError:
        return
    assert normal_identifier("national_id", normal) == normal


# ---- territories


async def test_territories_load_in_any_order_and_again(session: Session) -> None:
    tree = await load(session)
    north = tree.by_code["t-north"]
    assert tree.path("t-north-oak") == {"t-north-oak", "t-north", "t"}
    assert tree.parent(tree.by_code["t-north-oak"].id) == north.id
    assert tree.parent(tree.by_code["t"].id) is None
    assert {child.code for child in tree.children(north.id)} == {"t-north-oak", "t-north-elm"}
    assert [top.code for top in tree.children(None)] == ["t"]
    assert tree.descendants(["t-north"]) == {north.id, *(child.id for child in tree.children(north.id))}
    assert len(tree.descendants(["t"])) == 5
    assert tree.descendants(["nowhere"]) == frozenset()
    assert (north.name("ru"), north.name("en"), north.short("ru"), north.tile_column) == (
        "Северный",
        "Northern",
        "СО",
        1,
    )
    assert tree.by_code["t-south"].short("en") == "Southern"
    assert {district.code for district in tree.of_kind("district")} == {"t-north-oak", "t-north-elm"}

    await load_territories(session, [TerritoryRow("t-north-elm", "district", "t-south", "Вязы новые", "Vyazy")])
    again = await territory_tree(session)
    assert again.by_code["t-north-elm"].id == tree.by_code["t-north-elm"].id
    assert again.path("t-north-elm") == {"t-north-elm", "t-south", "t"}
    assert len(again.by_id) == 5


@pytest.mark.parametrize(
    "rows",
    [
        [TerritoryRow("a", "city", "", "А", "A"), TerritoryRow("a", "city", "", "Б", "B")],
        [TerritoryRow("a", "okrug", "nowhere", "А", "A")],
        [TerritoryRow("a", "okrug", "b", "А", "A"), TerritoryRow("b", "okrug", "a", "Б", "B")],
    ],
)
async def test_bad_trees_are_refused(session: Session, rows: list[TerritoryRow]) -> None:
    with pytest.raises(BadFile):
        await load_territories(session, rows)


async def test_nothing_to_load_is_nothing(session: Session) -> None:
    assert await load_territories(session, []) == 0
    assert await load_groups(session, []) == 0


@pytest.mark.parametrize(
    ("lines", "line", "field"),
    [
        (["code,kind,parent,name_ru", "a,city,,А"], 1, "name_en"),
        (["code,kind,parent,name_ru,name_en", "a,village,,А,A"], 2, "kind"),
        (["code,kind,parent,name_ru,name_en", ",city,,А,A"], 2, "code"),
        (["code,kind,parent,name_ru,name_en", "a,city,,А"], 2, ""),
        (["code,kind,parent,name_ru,name_en", "a,city,,А,A,more"], 2, ""),
        (["code,kind,parent,name_ru,name_en,population", "a,city,,А,A,many"], 2, "population"),
    ],
)
def test_a_bad_territory_file_is_refused_with_its_line(lines: list[str], line: int, field: str) -> None:
    with pytest.raises(BadFile) as refusal:
        read_territories(lines)
    assert (refusal.value.facts["line"], refusal.value.facts["field"]) == (line, field)


def test_a_tree_with_a_missing_parent_is_refused() -> None:
    with pytest.raises(ValueError):
        TerritoryTree.of([Territory(1, "a", "okrug", 7, "А", "A")])


# ---- citizens


async def add_citizen(session: Session, district_id: int, groups: list[int]) -> int:
    added = await session.execute(
        insert(citizen)
        .values(register_code="city", birth_date=date(1980, 5, 1), sex="f", registered_at=START)
        .returning(citizen.c.id)
    )
    number = added.scalar_one()
    later = START + timedelta(days=10)
    await session.execute(
        insert(citizen_period).values(
            citizen_id=number, valid_from=START, valid_to=later, district_id=district_id, level=1, groups=[]
        )
    )
    await session.execute(
        insert(citizen_period).values(
            citizen_id=number,
            valid_from=later,
            valid_to=later + timedelta(days=10),
            district_id=district_id,
            level=3,
            groups=groups,
        )
    )
    return int(number)


async def test_facts_are_those_of_the_period_that_held(session: Session) -> None:
    tree = await load(session)
    groups = await group_ids(session)
    oak = tree.by_code["t-north-oak"].id
    number = await add_citizen(session, oak, [groups["veterans"], groups["students"]])

    before = await facts_as_of(session, number, START - timedelta(microseconds=1))
    first = await facts_as_of(session, number, START)
    last_of_first = await facts_as_of(session, number, START + timedelta(days=10, microseconds=-1))
    second = await facts_as_of(session, number, START + timedelta(days=10))
    after = await facts_as_of(session, number, START + timedelta(days=20))

    assert (before.present, before.territories, before.groups, before.level) == (False, frozenset(), frozenset(), 0)
    assert before.registered_at == START
    assert (first.present, first.level, first.groups) == (True, 1, frozenset())
    assert last_of_first == first
    assert (second.level, second.groups) == (3, {"veterans", "students"})
    assert second.territories == {"t-north-oak", "t-north", "t"}
    assert (second.district_id, second.district_code, second.sex) == (oak, "t-north-oak", "f")
    assert (after.present, after.district_id, after.district_code) == (False, None, None)


async def test_many_facts_leave_out_the_unknown(session: Session) -> None:
    tree = await load(session)
    number = await add_citizen(session, tree.by_code["t-north-elm"].id, [])
    assert set(await citizen_facts_many(session, [number, -1], START)) == {number}
    assert await citizen_facts_many(session, [], START) == {}
    with pytest.raises(NotFound):
        await facts_as_of(session, -1, START)


async def test_a_district_loaded_a_moment_ago_has_its_path(session: Session) -> None:
    await load(session)
    await load_territories(session, [TerritoryRow("t-new", "district", "t-south", "Новый", "New")])
    new = (await session.execute(select(territory.c.id).where(territory.c.code == "t-new"))).scalar_one()
    number = await add_citizen(session, new, [])
    assert (await facts_as_of(session, number, START)).territories == {"t-new", "t-south", "t"}


async def check_paths(session: Session) -> None:
    """What the database keeps of each territory's way up is what the tree says."""
    tree = await territory_tree(session, buildings=True)
    for row in await session.execute(select(territory)):
        way, at = [], tree.by_id.get(row.id)
        while at is not None:
            way.append(at)
            at = None if at.parent_id is None else tree.by_id[at.parent_id]
        assert row.path == [node.code for node in way]
        assert row.okrug_id == next((node.id for node in way if node.kind == "okrug"), None)


async def test_the_database_keeps_each_way_up_whatever_moves(session: Session) -> None:
    tree = await load(session)
    await check_paths(session)
    elm = tree.by_code["t-north-elm"].id
    house = TerritoryRow("t-house", "building", "t-north-elm", "Улица, 1", "Street, 1")
    await load_territories(session, [house])
    await check_paths(session)
    upper = [TerritoryRow("t-land", "city", "", "Край", "Land"), TerritoryRow("t", "city", "t-land", "Город", "City")]
    await load_territories(session, upper)  # a longer way, for all below
    await check_paths(session)
    await load_territories(session, [TerritoryRow("t-north-elm", "district", "t-south", "Вязы", "Vyazy")])
    await check_paths(session)
    await session.execute(update(territory).where(territory.c.id == elm).values(code="t-elm"))
    await session.execute(update(territory).where(territory.c.code == "t-south").values(kind="district"))
    await check_paths(session)
    kept = (await session.execute(select(territory.c.path).where(territory.c.code == "t-house"))).scalar_one()
    assert kept == ["t-house", "t-elm", "t-south", "t", "t-land"]


async def test_parents_in_a_circle_end_nothing(session: Session) -> None:
    tree = await load(session)
    low = tree.by_code["t-north-oak"].id
    await session.execute(update(territory).where(territory.c.code == "t").values(parent_id=low))
    await session.execute(update(territory).where(territory.c.id == low).values(parent_id=low))
    rows = await session.scalars(select(territory.c.path).where(territory.c.code.in_(["t", "t-north-oak"])))
    assert all(len(path) == len(set(path)) for path in rows)


async def test_citizens_are_found_by_any_valid_key_of_the_kind(session: Session) -> None:
    tree = await load(session)
    number = await add_citizen(session, tree.by_code["t-north-oak"].id, [])
    key = identity_key(SECRET, "national_id", "77-1")
    await session.execute(insert(identity).values(kind="national_id", key_version=1, key=key, citizen_id=number))
    other = identity_key(bytes(32), "national_id", "77-1")
    assert await find_citizen(session, "national_id", [(2, other), (1, key)]) == number
    assert await find_citizen(session, "national_id", [(2, key)]) is None
    assert await find_citizen(session, "phone", [(1, key)]) is None
    assert await find_citizen(session, "national_id", []) is None
    assert (await session.execute(text("SELECT count(*) FROM identity WHERE key = :key"), {"key": key})).scalar() == 1
