"""The register of citizens: territories, groups, and what the register says of a citizen at a moment.

The register knows no names, no credentials and no raw identifiers. Residence, groups and verification level are kept
as periods, so that a poll's roll is a pure function of the register and of the moment the poll opened. Loading a
register file is in :mod:`polls.register_import`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Integer, Text, bindparam, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert

from polls.eligibility import CitizenFacts
from polls.errors import BadFile, NotFound
from polls.identity import identity_key, normal_identifier
from polls.person_tables import merged_entry
from polls.sessions import ReadSession, Session
from polls.straight_sql import Row, Source, fetch
from polls.tables import citizen_group, identity, territory
from polls.territories import KINDS, Territory, TerritoryTree

__all__ = [
    "FACTS",
    "GroupRow",
    "Territory",
    "TerritoryRow",
    "TerritoryTree",
    "buildings_named",
    "citizen_facts_many",
    "facts_as_of",
    "facts_at",
    "facts_of",
    "find_citizen",
    "group_ids",
    "identity_key",
    "load_buildings",
    "load_groups",
    "load_territories",
    "normal_identifier",
    "places_named",
    "read_buildings",
    "read_groups",
    "read_territories",
    "territory_tree",
]


CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LOADED_AT_ONCE = 2_000
"""Territories in one statement: the database takes 32,767 values at most."""


@dataclass(frozen=True)
class TerritoryRow:
    """One territory to load; `parent` is the code of the territory above, empty at the top."""

    code: str
    kind: str
    parent: str
    name_ru: str
    name_en: str
    short_ru: str = ""
    short_en: str = ""
    tile_column: int | None = None
    tile_row: int | None = None
    population: int | None = None
    population_source: str = ""


@dataclass(frozen=True)
class GroupRow:
    """One group of citizens to load."""

    code: str
    name_ru: str
    name_en: str


# ---- territories and groups


def read_territories(lines: Iterable[str]) -> list[TerritoryRow]:
    """Territories out of CSV with the columns of `TerritoryRow`. Raises BadFile naming line, field and reason."""
    rows = []
    for line, given in _read_table(lines, ("code", "kind", "parent", "name_ru", "name_en")):
        if given["kind"] not in KINDS:
            raise BadFile(line=line, field="kind", reason="unknown kind")
        row = TerritoryRow(
            code=given["code"],
            kind=given["kind"],
            parent=given["parent"],
            name_ru=given["name_ru"],
            name_en=given["name_en"],
            short_ru=given.get("short_ru", ""),
            short_en=given.get("short_en", ""),
            tile_column=_number(line, "tile_column", given),
            tile_row=_number(line, "tile_row", given),
            population=_number(line, "population", given),
            population_source=given.get("population_source", ""),
        )
        rows.append(row)
    return rows


def read_buildings(lines: Iterable[str]) -> list[TerritoryRow]:
    """Buildings out of CSV with the columns code, district (its code), name_ru (the address), name_en (may be empty).

    Raises BadFile naming line, field and reason.
    """
    rows = []
    for line, given in _read_table(lines, ("code", "district", "name_ru")):
        if not CODE.fullmatch(given["code"]):
            raise BadFile(line=line, field="code", reason="letters a-z, digits, - and _ only, at most 64")
        if not given["name_ru"] or not given["district"]:
            raise BadFile(line=line, field="name_ru" if given["district"] else "district", reason="empty")
        name_en = given.get("name_en") or given["name_ru"]
        rows.append(TerritoryRow(given["code"], "building", given["district"], given["name_ru"], name_en))
    return rows


async def load_buildings(session: Session, rows: Sequence[TerritoryRow]) -> int:
    """Insert or update buildings; give their number. Refuses BadFile for a code of something else, a parent that is
    no district, and what `load_territories` refuses.
    """
    kinds = {row.code: row.kind for row in await session.execute(select(territory.c.code, territory.c.kind))}
    for row in rows:
        if kinds.get(row.code, "building") != "building":
            raise BadFile(line=0, field="code", reason=f"«{row.code}» is the code of a {kinds[row.code]}")
        if kinds.get(row.parent) != "district":
            raise BadFile(line=0, field="district", reason=f"unknown district «{row.parent}»")
    return await load_territories(session, rows)


def read_groups(lines: Iterable[str]) -> list[GroupRow]:
    """Groups out of CSV with the columns code, name_ru, name_en. Raises BadFile naming line, field and reason."""
    columns = ("code", "name_ru", "name_en")
    return [GroupRow(*(given[name] for name in columns)) for _, given in _read_table(lines, columns)]


def _read_table(lines: Iterable[str], required: Sequence[str]) -> Iterable[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(lines, restkey="", restval=None, strict=True)
    for name in required:
        if name not in (reader.fieldnames or ()):
            raise BadFile(line=1, field=name, reason="the column is missing")
    for given in reader:
        if None in given.values() or "" in given:
            raise BadFile(line=reader.line_num, field="", reason="the row has more or fewer fields than the header")
        if not given["code"]:
            raise BadFile(line=reader.line_num, field="code", reason="empty")
        yield reader.line_num, given


def _number(line: int, name: str, given: Mapping[str, str]) -> int | None:
    value = given.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit()):
        raise BadFile(line=line, field=name, reason="not a whole number")
    return int(value)


async def load_territories(session: Session, rows: Iterable[TerritoryRow]) -> int:
    """Insert or update territories by code, in any order; give the number of rows. Nothing is ever deleted.

    Raises BadFile when a code repeats, a parent is neither among the rows nor stored, or the parents form a circle.
    """
    rows = list(rows)
    by_code = {row.code: row for row in rows}
    if len(by_code) != len(rows):
        raise BadFile(line=0, field="code", reason="a code repeats")
    if not rows:
        return 0
    fields = [name for name in TerritoryRow.__dataclass_fields__ if name != "parent"]
    for start in range(0, len(rows), LOADED_AT_ONCE):
        part = rows[start : start + LOADED_AT_ONCE]
        statement = insert(territory).values([{name: getattr(row, name) for name in fields} for row in part])
        changed = {name: statement.excluded[name] for name in fields if name != "code"}
        await session.execute(statement.on_conflict_do_update(index_elements=["code"], set_=changed))
    ids = {row.code: row.id for row in await session.execute(select(territory.c.code, territory.c.id))}
    for row in rows:
        if row.parent and row.parent not in ids:
            raise BadFile(line=0, field="parent", reason=f"unknown territory «{row.parent}»")
    parents = {"codes": [row.code for row in rows], "parents": [ids.get(row.parent) for row in rows]}
    await session.execute(_SET_PARENTS, parents)
    try:
        await territory_tree(session, buildings=True)
    except ValueError as error:
        raise BadFile(line=0, field="parent", reason=str(error)) from None
    return len(rows)


_SET_PARENTS = text(
    "UPDATE territory t SET parent_id = given.parent FROM unnest(:codes, :parents) AS given (code, parent)"
    " WHERE t.code = given.code AND t.parent_id IS DISTINCT FROM given.parent"
).bindparams(bindparam("codes", type_=ARRAY(Text)), bindparam("parents", type_=ARRAY(Integer)))


async def load_groups(session: Session, rows: Iterable[GroupRow]) -> int:
    """Insert or update groups by code; give the number of rows. Nothing is ever deleted."""
    values = [{"code": row.code, "name_ru": row.name_ru, "name_en": row.name_en} for row in rows]
    if not values:
        return 0
    statement = insert(citizen_group).values(values)
    changed = {name: statement.excluded[name] for name in ("name_ru", "name_en")}
    await session.execute(statement.on_conflict_do_update(index_elements=["code"], set_=changed))
    return len(values)


async def territory_tree(session: ReadSession, *, buildings: bool = False) -> TerritoryTree:
    """The tree, in the order of the codes' loading. A value: keep it, and read it again after a load.

    A city has a few hundred territories and tens of thousands of `buildings`, so those come only when asked for.
    """
    columns = [territory.c[name] for name in Territory.__dataclass_fields__]
    query = select(*columns).order_by(territory.c.id)
    rows = await session.execute(query if buildings else query.where(territory.c.kind != "building"))
    return TerritoryTree.of(Territory(*row) for row in rows)


async def buildings_named(session: ReadSession, codes: Iterable[str]) -> dict[str, Territory]:
    """These buildings by code; unknown codes are left out."""
    columns = [territory.c[name] for name in Territory.__dataclass_fields__]
    query = select(*columns).where(territory.c.kind == "building", territory.c.code.in_(set(codes)))
    return {row.code: Territory(*row) for row in await session.execute(query)}


async def group_ids(session: ReadSession) -> dict[str, int]:
    """Group codes with their ids, as stored in `citizen_period.groups`."""
    rows = await session.execute(select(citizen_group.c.code, citizen_group.c.id).order_by(citizen_group.c.id))
    return {row.code: row.id for row in rows}


async def places_named(session: ReadSession, kind: str) -> dict[str, int | None]:
    """The territories of a kind by code and by each name; None where several have the name."""
    found: dict[str, int | None] = {}
    rows = await session.execute(
        select(territory.c.id, territory.c.code, territory.c.name_ru, territory.c.name_en).where(
            territory.c.kind == kind
        )
    )
    listed = rows.all()
    for row in listed:
        for name in {row.name_ru, row.name_en}:
            found[name] = None if name in found else row.id
    return found | {row.code: row.id for row in listed}  # a code is never somebody else's name


# ---- citizens


async def find_citizen(session: ReadSession, kind: str, keys: Sequence[tuple[int, bytes]]) -> int | None:
    """The citizen with one of these identity keys, or None.

    `keys` are (key version, 32 bytes): the same identifier under every secret still valid. Keys of the newest version
    stand before older ones. Where the register held the person twice, this is the entry that was kept.
    """
    if not keys:
        return None
    found = await session.execute(
        select(func.coalesce(merged_entry.c.into_id, identity.c.citizen_id))
        .select_from(identity.outerjoin(merged_entry, merged_entry.c.citizen_id == identity.c.citizen_id))
        .where(identity.c.kind == kind, tuple_(identity.c.key_version, identity.c.key).in_(keys))
        .order_by(identity.c.key_version.desc())
        .limit(1)
    )
    citizen_id: int | None = found.scalar_one_or_none()
    return citizen_id


async def facts_as_of(session: ReadSession, citizen_id: int, moment: datetime) -> CitizenFacts:
    """The register entry as it stood at `moment` (aware), in one query. Raises NotFound for an unknown citizen."""
    facts = await citizen_facts_many(session, [citizen_id], moment)
    if citizen_id not in facts:
        raise NotFound(citizen=citizen_id)
    return facts[citizen_id]


FACTS = """
    SELECT asked.place, c.id, c.register_code, c.birth_date, c.sex, c.registered_at, p.district_id, p.level,
           t.path AS codes, t.okrug_id AS okrug, (SELECT code FROM territory WHERE id = p.building_id) AS building,
           (SELECT array_agg(above.code)
              FROM unit_owner o JOIN unit u ON u.id = o.unit_id JOIN territory b ON b.id = u.building_id
             CROSS JOIN LATERAL unnest(b.path) AS above (code)
             WHERE o.citizen_id = c.id
                   AND o.valid_from <= asked.moment AND (o.valid_to IS NULL OR o.valid_to > asked.moment)) AS owns_in,
           (SELECT array_agg(l.code) FROM invited i JOIN invited_list l ON l.id = i.list_id
             WHERE i.citizen_id = c.id) AS lists,
           CASE WHEN p.groups <> '{}' THEN
                ARRAY(SELECT cg.code FROM citizen_group cg WHERE cg.id = ANY (p.groups)) END AS groups
      FROM unnest((SELECT $1::bigint[]), (SELECT $2::timestamptz[])) WITH ORDINALITY AS asked (id, moment, place)
      JOIN citizen c ON c.id = asked.id
      LEFT JOIN citizen_period p ON p.citizen_id = c.id
           AND p.valid_from <= asked.moment AND (p.valid_to IS NULL OR p.valid_to > asked.moment)
      LEFT JOIN LATERAL (SELECT * FROM territory WHERE id = p.district_id OFFSET 0) t ON true
"""
"""Facts of citizens ($1) as of moments ($2), pair by pair: `place` counts them from 1; unknown citizens have no row.

The path of the district, lowest first, and of owned buildings come with them: no tree to keep, so none can be stale.
OFFSET 0 keeps the planner to looking a district up by its key, where it would read all the buildings of a city.
``(SELECT $1)`` hides from it how many are asked for: otherwise it plans each batch anew for its number, which takes
longer than answering it.
"""


async def facts_at(
    source: Source, citizen_ids: Sequence[int], moments: Sequence[datetime]
) -> list[CitizenFacts | None]:
    """The entry of each citizen as it stood at the moment beside it, in the order asked; None for an unknown one."""
    found: list[CitizenFacts | None] = [None] * len(citizen_ids)
    for row in await fetch(source, FACTS, citizen_ids, moments):
        found[row["place"] - 1] = facts_of(row)
    return found


async def citizen_facts_many(source: Source, citizen_ids: Sequence[int], moment: datetime) -> dict[int, CitizenFacts]:
    """The entries of several citizens as they stood at `moment`, by id; unknown ids are left out."""
    found = await facts_at(source, citizen_ids, [moment] * len(citizen_ids))
    return {facts.citizen_id: facts for facts in found if facts is not None}


def facts_of(row: Row) -> CitizenFacts:
    """What a row of `FACTS` says."""
    district_id, path = row["district_id"], row["codes"]
    present = district_id is not None
    return CitizenFacts(
        row["id"],
        row["register_code"],
        row["birth_date"],
        row["sex"],
        row["registered_at"],
        present,
        district_id,
        path[0] if present else None,
        _territories(tuple(path) if present else (), row["building"]),
        frozenset(row["groups"] or ()),
        row["level"] if present else 0,
        frozenset(row["owns_in"] or ()),
        frozenset(row["lists"] or ()),
        row["okrug"],
    )


@lru_cache(maxsize=10_000)
def _territories(path: tuple[str, ...], building: str | None) -> frozenset[str]:
    """The same set for all of a place: many residents are kept in memory at once."""
    return frozenset(path) if building is None else frozenset([*path, building])
