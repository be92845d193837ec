"""The audience rule tree as SQL: how many citizens may vote, by stratum; the dry run; the roll.

One of two interpreters of the tree; :mod:`polls.eligibility` is the other and gives reasons. Facts are as of
`opens_at`, so the roll is a pure function of the register and can be taken late with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, assert_never

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from polls.definition import (
    Age,
    AllOf,
    AnyAudience,
    AnyOf,
    Definition,
    Dimension,
    InGroup,
    InTerritory,
    Not,
    RegisteredBefore,
    Verified,
)
from polls.eligibility import opening_day
from polls.sessions import ReadSession, Session
from polls.strata import AGE_BELOW, AGE_UNKNOWN, SEX_UNKNOWN, SEXES, Stratum
from polls.tables import citizen, citizen_group, citizen_period, participation, roll, roll_amendment, territory

REASON_CODES = {
    "age": "age",
    "territory": "other_territory",
    "group": "not_in_group",
    "verified": "not_verified",
    "registered_before": "registered_late",
    "not": "excluded",
    "any": "none_of",
    "all": "none_of",
}


@dataclass(frozen=True)
class RefusedBy:
    """One part of the rule and how many residents of the register it turns away."""

    code: str
    rule: dict[str, Any]
    citizens: int


@dataclass(frozen=True)
class DryRun:
    """Who could vote if the poll opened as drafted. Counts of citizens.

    `by_stratum` keys are full strata of the declared dimensions; `refused_by` holds the biggest reasons first and a
    resident may be counted under several.
    """

    registered: int
    entitled: int
    by_district: dict[int, int]
    by_age: dict[int, int]
    by_sex: dict[int, int]
    by_stratum: dict[Stratum, int]
    refused_by: tuple[RefusedBy, ...]


@dataclass(frozen=True)
class _Names:
    """Ids of the codes a rule names: territories with everything below them, and groups."""

    territories: dict[str, frozenset[int]]
    groups: dict[str, int]


async def dry_run(session: ReadSession, definition: Definition) -> DryRun:
    """Count who may vote, by district, age band and sex, and the biggest reasons for refusal. One pass."""
    names = await _resolve(session, definition.audience)
    parts = _conjuncts(definition.audience)
    on = opening_day(definition)
    may = condition(definition.audience, on, names)
    everything = _stratum_columns(definition, on, tuple(Dimension))
    refusals = [func.count().filter(not_(condition(part, on, names))).label(f"r{i}") for i, part in enumerate(parts)]
    query = _present(definition, *everything, func.count(), func.count().filter(may), *refusals).group_by(*everything)
    registered = entitled = 0
    by_district: dict[int, int] = {}
    by_age: dict[int, int] = {}
    by_sex: dict[int, int] = {}
    by_stratum: dict[Stratum, int] = {}
    refused = [0] * len(parts)
    for district, age, sex, n_all, n_may, *n_refused in await session.execute(query):
        registered += n_all
        entitled += n_may
        refused = [a + b for a, b in zip(refused, n_refused, strict=True)]
        if not n_may:
            continue
        by_district[district] = by_district.get(district, 0) + n_may
        by_age[age] = by_age.get(age, 0) + n_may
        by_sex[sex] = by_sex.get(sex, 0) + n_may
        stratum = _declared(definition, district, age, sex)
        by_stratum[stratum] = by_stratum.get(stratum, 0) + n_may
    reasons = sorted(
        (
            RefusedBy(REASON_CODES[part.op], part.model_dump(mode="json"), n)
            for part, n in zip(parts, refused, strict=True)
            if n
        ),
        key=lambda reason: -reason.citizens,
    )
    return DryRun(registered, entitled, by_district, by_age, by_sex, by_stratum, tuple(reasons[:5]))


async def take_roll(session: Session, poll_id: int, definition: Definition) -> int:
    """Write the roll of a sealed poll, entitled per stratum as of `opens_at`; returns the total.

    Taken once: a second call leaves the first roll and returns its total.
    """
    taken = await roll_total(session, poll_id)
    if taken is not None:
        return taken
    names = await _resolve(session, definition.audience)
    on = opening_day(definition)
    columns = _stratum_columns(definition, on, definition.strata)
    code = (columns[0] * 1000 + columns[1] * 10 + columns[2]).label("stratum")
    counted = (
        _present(definition, literal(poll_id), code, func.count())
        .where(condition(definition.audience, on, names))
        .group_by(code)
    )
    await session.execute(insert(roll).from_select(["poll_id", "stratum", "entitled"], counted))
    return await roll_total(session, poll_id) or 0


async def stratum_of_participants(session: ReadSession, poll_id: int, definition: Definition) -> dict[Stratum, int]:
    """Who took part, by stratum of the roll: the facts as of `opens_at`, or the first later ones of late registrations.

    Reads participations and the register, never a ballot.
    """
    on = opening_day(definition)
    columns = _stratum_columns(definition, on, definition.strata)
    period = citizen_period
    holding = (
        select(participation.c.citizen_id, func.min(later.c.valid_from).label("valid_from"))
        .select_from(participation.join(later, later.c.citizen_id == participation.c.citizen_id))
        .where(
            participation.c.poll_id == poll_id,
            or_(later.c.valid_to.is_(None), later.c.valid_to > definition.opens_at),
        )
        .group_by(participation.c.citizen_id)
        .subquery()
    )
    rows = await session.execute(
        select(*columns, func.count())
        .select_from(
            holding.join(
                period, and_(period.c.citizen_id == holding.c.citizen_id, period.c.valid_from == holding.c.valid_from)
            ).join(citizen, citizen.c.id == period.c.citizen_id)
        )
        .group_by(*columns)
    )
    counts: dict[Stratum, int] = {}
    for district, age, sex, n in rows:
        stratum = Stratum(district, age, sex)
        counts[stratum] = counts.get(stratum, 0) + n
    return counts


later = citizen_period.alias("later")


async def roll_total(session: ReadSession, poll_id: int) -> int | None:
    """The roll with its logged amendments; None when it has not been taken yet."""
    taken = await session.scalar(select(func.sum(roll.c.entitled)).where(roll.c.poll_id == poll_id))
    if taken is None:
        return None
    changes = await session.scalar(
        select(func.coalesce(func.sum(roll_amendment.c.change), 0)).where(roll_amendment.c.poll_id == poll_id)
    )
    return int(taken) + int(changes or 0)


def condition(rule: AnyAudience, on: date, names: _Names) -> ColumnElement[bool]:
    """The rule as a condition over `citizen` joined with its `citizen_period`; never null."""
    match rule:
        case AllOf():
            return and_(true(), *(condition(part, on, names) for part in rule.of))
        case AnyOf():
            return or_(false(), *(condition(part, on, names) for part in rule.of))
        case Not():
            return not_(condition(rule.of, on, names))
        case Age():
            return _age(rule, on)
        case InTerritory():
            ids = sorted(frozenset[int]().union(*(names.territories.get(code, frozenset()) for code in rule.codes)))
            return citizen_period.c.district_id == func.any(cast(ids, ARRAY(Integer)))
        case InGroup():
            groups = sorted(names.groups[code] for code in rule.codes if code in names.groups)
            return citizen_period.c.groups.bool_op("&&")(cast(groups, citizen_period.c.groups.type))
        case Verified():
            return citizen_period.c.level >= rule.level
        case RegisteredBefore():
            return citizen.c.registered_at < rule.moment
        case _ as unreachable:
            assert_never(unreachable)


def _age(rule: Age, on: date) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if rule.at_least is not None:
        parts.append(citizen.c.birth_date <= born_by(on, rule.at_least))
    if rule.at_most is not None:
        parts.append(citizen.c.birth_date > born_by(on, rule.at_most + 1))
    return func.coalesce(and_(true(), *parts), false())


def born_by(on: date, years: int) -> date:
    """The last birth date of somebody who is at least `years` old on a day (29 February comes of age on 1 March)."""
    year = on.year - years
    if year < 1:
        return date.min
    return date(year, 2, 28) if (on.month, on.day) == (2, 29) and not _leap(year) else date(year, on.month, on.day)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _present(definition: Definition, *columns: ColumnElement[Any]) -> Select[Any]:
    """Citizens of the poll's register with the period that holds at `opens_at`."""
    moment = definition.opens_at
    assert moment is not None
    return (
        select(*columns)
        .select_from(citizen.join(citizen_period, citizen_period.c.citizen_id == citizen.c.id))
        .where(
            citizen.c.register_code == definition.register_code,
            citizen_period.c.valid_from <= moment,
            or_(citizen_period.c.valid_to.is_(None), citizen_period.c.valid_to > moment),
        )
    )


def _stratum_columns(
    definition: Definition, on: date, dimensions: Sequence[Dimension]
) -> tuple[ColumnElement[int], ColumnElement[int], ColumnElement[int]]:
    """District id, age index and sex code as :mod:`polls.strata` numbers them; 0 where a dimension is not asked for."""
    zero: ColumnElement[int] = literal(0)
    district = citizen_period.c.district_id if Dimension.DISTRICT in dimensions else zero
    age: ColumnElement[int] = zero
    if Dimension.AGE_BAND in dimensions:
        reached = sum(
            (cast(citizen.c.birth_date <= born_by(on, bound), Integer) for bound in definition.age_bands), start=zero
        )
        age = case(
            (citizen.c.birth_date.is_(None), AGE_UNKNOWN),
            (reached == 0, AGE_BELOW),
            else_=reached,
        )
    sex: ColumnElement[int] = zero
    if Dimension.SEX in dimensions:
        sex = case(*((citizen.c.sex == word, code) for word, code in SEXES.items()), else_=SEX_UNKNOWN)
    return district, age, sex


def _declared(definition: Definition, district: int, age: int, sex: int) -> Stratum:
    return Stratum(
        district if Dimension.DISTRICT in definition.strata else 0,
        age if Dimension.AGE_BAND in definition.strata else 0,
        sex if Dimension.SEX in definition.strata else 0,
    )


def _conjuncts(rule: AnyAudience) -> tuple[AnyAudience, ...]:
    """The parts that must all hold: each is one reason for refusal."""
    if isinstance(rule, AllOf):
        return tuple(part for inner in rule.of for part in _conjuncts(inner))
    return (rule,)


async def _resolve(session: ReadSession, rule: AnyAudience) -> _Names:
    territories, groups = set[str](), set[str]()
    _collect(rule, territories, groups)
    below: dict[str, frozenset[int]] = {}
    if territories:
        tree = (
            select(territory.c.code.label("root"), territory.c.id)
            .where(territory.c.code.in_(territories))
            .cte("tree", recursive=True)
        )
        child = territory.alias()
        tree = tree.union_all(select(tree.c.root, child.c.id).where(child.c.parent_id == tree.c.id))
        for root, found in await session.execute(select(tree.c.root, tree.c.id)):
            below[root] = below.get(root, frozenset()) | {found}
    ids: dict[str, int] = {}
    if groups:
        rows = await session.execute(
            select(citizen_group.c.code, citizen_group.c.id).where(citizen_group.c.code.in_(groups))
        )
        ids = {row.code: row.id for row in rows}
    return _Names(below, ids)


def _collect(rule: AnyAudience, territories: set[str], groups: set[str]) -> None:
    match rule:
        case AllOf() | AnyOf():
            for part in rule.of:
                _collect(part, territories, groups)
        case Not():
            _collect(rule.of, territories, groups)
        case InTerritory():
            territories.update(rule.codes)
        case InGroup():
            groups.update(rule.codes)
        case _:
            pass
