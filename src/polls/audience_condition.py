"""The audience rule tree as a condition in SQL.

One of two interpreters of the tree; :mod:`polls.eligibility` is the other and gives reasons. A new part of the tree
gets a case in `condition`, and one in `apart` if cells of :mod:`polls.register_sum` do not hold what it asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, assert_never

from sqlalchemy import ColumnElement, Integer, Select, Table, and_, cast, false, func, not_, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from polls.definition import (
    Age,
    AllOf,
    AnyAudience,
    AnyOf,
    Definition,
    InGroup,
    InTerritory,
    Invited,
    Not,
    OwnsUnit,
    RegisteredBefore,
    Verified,
)
from polls.eligibility import opening_day
from polls.register_sum import Facts
from polls.sessions import ReadSession
from polls.tables import citizen, citizen_group, citizen_period, territory
from polls.unit_tables import invited, invited_list, unit, unit_owner


@dataclass(frozen=True)
class Terms:
    """What the words of a rule stand for in this register, on this day.

    `territories` are the ids of a code and of all that lies below it, save buildings: there are too many, and a
    citizen's building lies in the citizen's district. `buildings` are codes that name a building.
    """

    opens_at: datetime
    on: date
    territories: dict[str, frozenset[int]] = field(default_factory=dict)
    buildings: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    lists: dict[str, int] = field(default_factory=dict)

    def places(self, codes: tuple[str, ...]) -> list[int]:
        """The ids of territories named or lying in a named one, save buildings."""
        return sorted(frozenset[int]().union(*(self.territories.get(code, frozenset()) for code in codes)))

    def houses(self, codes: tuple[str, ...]) -> list[int]:
        """The ids of buildings named."""
        return sorted(self.buildings[code] for code in codes if code in self.buildings)


def condition(rule: AnyAudience, terms: Terms, facts: Facts) -> ColumnElement[bool]:
    """The rule over the columns of `facts`; never null."""
    match rule:
        case AllOf():
            return and_(true(), *(condition(part, terms, facts) for part in rule.of))
        case AnyOf():
            return or_(false(), *(condition(part, terms, facts) for part in rule.of))
        case Not():
            return not_(condition(rule.of, terms, facts))
        case Age():
            return _aged(rule, terms, facts)
        case InTerritory():
            return _living_in(rule, terms, facts)
        case InGroup():
            groups = sorted(terms.groups[code] for code in rule.codes if code in terms.groups)
            return facts.groups.bool_op("&&")(cast(groups, facts.groups.type))
        case Verified():
            return facts.level >= rule.level
        case RegisteredBefore():
            return facts.registered_at < rule.moment
        case OwnsUnit():
            return _among(facts, _owners(rule, terms))
        case Invited():
            return _among(facts, _on_list(rule, terms))
        case _ as unreachable:
            assert_never(unreachable)


def lines(rule: AnyAudience, terms: Terms) -> Iterator[date]:
    """The birth dates at which the rule draws a line: who was born by such a day is told from who was born later."""
    for part in _leaves(rule):
        if isinstance(part, Age):
            yield from (line for line, _ in _bounds(part, terms))


def moments(rule: AnyAudience) -> Iterator[datetime]:
    """The moments the rule compares registrations with."""
    for part in _leaves(rule):
        if isinstance(part, RegisteredBefore):
            yield part.moment


def apart(rule: AnyAudience, terms: Terms) -> list[ColumnElement[bool]]:
    """Conditions on entries of the register: for whom a part of the rule may hold that no sum can tell.

    For everybody else, such a part does not hold.
    """
    found: list[ColumnElement[bool]] = []
    for part in _leaves(rule):
        match part:
            case OwnsUnit():
                found.append(citizen.c.id.in_(_owners(part, terms)))
            case Invited():
                found.append(citizen.c.id.in_(_on_list(part, terms)))
            case InTerritory() if houses := terms.houses(part.codes):
                found.append(citizen_period.c.building_id == _any(houses))
            case _:
                pass
    return found


def _leaves(rule: AnyAudience) -> Iterator[AnyAudience]:
    match rule:
        case AllOf() | AnyOf():
            for part in rule.of:
                yield from _leaves(part)
        case Not():
            yield from _leaves(rule.of)
        case _:
            yield rule


def _aged(rule: Age, terms: Terms, facts: Facts) -> ColumnElement[bool]:
    parts = [facts.birth_date <= line if least else facts.birth_date > line for line, least in _bounds(rule, terms)]
    return func.coalesce(and_(true(), *parts), false())


def _bounds(rule: Age, terms: Terms) -> Iterator[tuple[date, bool]]:
    """The line of a bound, and whether the bound is the lower one: born by that day, rather than later."""
    if rule.at_least is not None:
        yield born_by(terms.on, rule.at_least), True
    if rule.at_most is not None:
        yield born_by(terms.on, rule.at_most + 1), False


def born_by(on: date, years: int) -> date:
    """The last birth date of somebody who is at least `years` old on a day (29 February comes of age on 1 March)."""
    year = on.year - years
    if year < 1:
        return date.min
    return date(year, 2, 28) if (on.month, on.day) == (2, 29) and not _leap(year) else date(year, on.month, on.day)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _living_in(rule: InTerritory, terms: Terms, facts: Facts) -> ColumnElement[bool]:
    district = facts.district_id == _any(terms.places(rule.codes))
    if houses := terms.houses(rule.codes):
        return or_(district, func.coalesce(facts.building_id == _any(houses), false()))
    return district


def _any(ids: list[int]) -> ColumnElement[Any]:
    return func.any(cast(ids, ARRAY(Integer)))


def _among(facts: Facts, citizens: Select[tuple[int]]) -> ColumnElement[bool]:
    """Never null, though citizens counted in sum have no id."""
    return func.coalesce(facts.citizen_id.in_(citizens), false())


def _owners(rule: OwnsUnit, terms: Terms) -> Select[tuple[int]]:
    return (
        select(unit_owner.c.citizen_id)
        .join(unit, unit.c.id == unit_owner.c.unit_id)
        .join(territory, territory.c.id == unit.c.building_id)
        .where(
            or_(
                territory.c.id == _any(terms.houses(rule.codes)),
                territory.c.parent_id == _any(terms.places(rule.codes)),
            ),
            unit_owner.c.valid_from <= terms.opens_at,
            or_(unit_owner.c.valid_to.is_(None), unit_owner.c.valid_to > terms.opens_at),
        )
    )


def _on_list(rule: Invited, terms: Terms) -> Select[tuple[int]]:
    return select(invited.c.citizen_id).where(invited.c.list_id == terms.lists.get(rule.list_code, 0))


async def resolve(session: ReadSession, definition: Definition) -> Terms:
    """Look up the words of a definition's audience; unknown ones stand for nobody. Needs the opening time."""
    assert definition.opens_at is not None
    territories, groups, lists = set[str](), set[str](), set[str]()
    for part in _leaves(definition.audience):
        match part:
            case InTerritory() | OwnsUnit():
                territories.update(part.codes)
            case InGroup():
                groups.update(part.codes)
            case Invited():
                lists.add(part.list_code)
            case _:
                pass
    below, buildings = await _places(session, territories) if territories else ({}, {})
    return Terms(
        definition.opens_at,
        opening_day(definition),
        below,
        buildings,
        await _ids(session, citizen_group, groups) if groups else {},
        await _ids(session, invited_list, lists) if lists else {},
    )


async def _places(session: ReadSession, codes: set[str]) -> tuple[dict[str, frozenset[int]], dict[str, int]]:
    tree = (
        select(territory.c.code.label("root"), territory.c.id, territory.c.kind)
        .where(territory.c.code.in_(codes))
        .cte("tree", recursive=True)
    )
    child = territory.alias()
    tree = tree.union_all(
        select(tree.c.root, child.c.id, child.c.kind).where(child.c.parent_id == tree.c.id, child.c.kind != "building")
    )
    below: dict[str, set[int]] = {}
    buildings: dict[str, int] = {}
    for root, found, kind in await session.execute(select(tree.c.root, tree.c.id, tree.c.kind)):
        if kind == "building":
            buildings[root] = found
        else:
            below.setdefault(root, set()).add(found)
    return {root: frozenset(found) for root, found in below.items()}, buildings


async def _ids(session: ReadSession, table: Table, codes: set[str]) -> dict[str, int]:
    rows = await session.execute(select(table.c.code, table.c.id).where(table.c.code.in_(codes)))
    return {row.code: row.id for row in rows}
