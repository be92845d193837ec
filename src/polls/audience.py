"""Who may vote, counted: the dry run of a draft, the roll of a poll, turnout by stratum.

Facts are as of `opens_at`, so every figure is a pure function of the register and can be taken late with the same
result. Citizens are counted in sum where a sum of the register holds (:mod:`polls.register_sum`), and entry by entry
otherwise; the result is the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from polls.audience_condition import Terms, apart, born_by, condition, lines, moments, resolve
from polls.definition import AllOf, AnyAudience, Definition, Dimension
from polls.eligibility import opening_day
from polls.errors import DryRunTooLong
from polls.person_tables import OTHER_ENTRY
from polls.register_sum import Facts, entries, in_sum, sum_holding_at
from polls.sessions import ReadSession, Session
from polls.strata import AGE_BELOW, AGE_UNKNOWN, LEAST, SEX_UNKNOWN, SEXES, Stratum
from polls.tables import citizen, citizen_period, participation, roll, roll_amendment

DRY_RUN_SECONDS = 15
COUNTING_MEMORY = "64MB"  # for joining those who are counted one by one; little of it is used in sum
QUERY_CANCELLED = "57014"
REASON_CODES = {
    "age": "age",
    "territory": "other_territory",
    "group": "not_in_group",
    "verified": "not_verified",
    "registered_before": "registered_late",
    "unit": "not_an_owner",
    "invited": "not_invited",
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


class SmallStrata(NamedTuple):
    """Strata in which fewer than `strata.LEAST` residents may vote, and how many may in all of them together.

    Such a stratum is merged at counting however many of its residents vote.
    """

    strata: int
    residents: int


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
    small_strata: SmallStrata


async def dry_run(session: ReadSession, definition: Definition, seconds: float = DRY_RUN_SECONDS) -> DryRun:
    """Count who may vote, by district, age band, sex and stratum, and the five biggest reasons for refusal.

    Refuses `DryRunTooLong` rather than take more than `seconds` of the database that takes the votes.
    """
    parts = _conjuncts(definition.audience)
    terms = await resolve(session, definition)

    def query(facts: Facts) -> Select[Any]:
        columns = stratum_columns(definition, terms.on, tuple(Dimension), facts)
        n, may = func.sum(facts.n), condition(definition.audience, terms, facts)
        refused = [n.filter(not_(condition(part, terms, facts))) for part in parts]
        return facts.select(*columns, n, n.filter(may), *refused).group_by(*columns)

    async with within(session, seconds):
        rows = await _counted(session, definition, terms, query)
    return _dry_run_of(definition, parts, rows)


def _dry_run_of(definition: Definition, parts: Sequence[AnyAudience], rows: Sequence[Any]) -> DryRun:
    """Add up rows of (district, age, sex, all, entitled, refused by each part)."""
    registered = entitled = 0
    by_district: dict[int, int] = {}
    by_age: dict[int, int] = {}
    by_sex: dict[int, int] = {}
    by_stratum: dict[Stratum, int] = {}
    refused = [0] * len(parts)
    ordered = sorted(rows, key=lambda row: [(part is None, part) for part in row[:3]])  # the database gives them anyhow
    for district, age, sex, n_all, n_may, *n_refused in ordered:
        registered += n_all
        refused = [a + (b or 0) for a, b in zip(refused, n_refused, strict=True)]
        if not n_may:
            continue
        entitled += n_may
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
    small = [n for n in by_stratum.values() if n < LEAST]
    return DryRun(
        registered, entitled, by_district, by_age, by_sex, by_stratum, tuple(reasons[:5]),
        SmallStrata(len(small), sum(small)),
    )  # fmt: skip


NOWHERE: Final = Stratum(0, 0, 0)
"""The stratum of nobody's row, in a roll that has no other."""


async def take_roll(session: Session, poll_id: int, definition: Definition) -> int:
    """Write the roll of a sealed poll, entitled per stratum as of `opens_at`; returns the total.

    Taken once: a second call leaves the first roll and returns its total. A roll of nobody is a roll too: one row of
    nought says that it was taken.
    """
    taken = await roll_total(session, poll_id)
    if taken is not None:
        return taken
    # Before the register is read: an import that amends rolls either sees this one, or is seen by it.
    await session.execute(text("LOCK TABLE roll IN ROW EXCLUSIVE MODE"))
    counted = await entitled_by_stratum(session, definition)
    rows = [{"poll_id": poll_id, "stratum": stratum.code, "entitled": n} for stratum, n in counted.items()]
    await session.execute(insert(roll), rows or [{"poll_id": poll_id, "stratum": NOWHERE.code, "entitled": 0}])
    return await roll_total(session, poll_id) or 0


async def entitled_by_stratum(session: ReadSession, definition: Definition) -> dict[Stratum, int]:
    """Who may vote, by the declared strata; none of them is zero."""
    terms = await resolve(session, definition)

    def query(facts: Facts) -> Select[Any]:
        columns = stratum_columns(definition, terms.on, definition.strata, facts)
        may = condition(definition.audience, terms, facts)
        n = func.sum(facts.n)
        return facts.select(*columns, n).where(may).group_by(*columns).having(n > 0)

    rows = await _counted(session, definition, terms, query)
    return {Stratum(district, age, sex): n for district, age, sex, n in rows}


async def _counted(
    session: ReadSession, definition: Definition, terms: Terms, query: Callable[[Facts], Select[Any]]
) -> Sequence[Any]:
    """Ask a sum of the register if one holds at the opening, and the register itself otherwise."""
    async with _set(session, "work_mem", COUNTING_MEMORY):
        summary = await sum_holding_at(session, terms.opens_at)
        if summary is not None:
            days = [*(born_by(terms.on, bound) for bound in definition.age_bands), *lines(definition.audience, terms)]
            since, alone = moments(definition.audience), apart(definition.audience, terms)
            facts = in_sum(definition.register_code, terms.opens_at, summary, days, since, alone)
            rows = list(await session.execute(query(facts)))
            # None: nobody there, or the register has changed between the two questions and the sum is forgotten.
            if rows or await sum_holding_at(session, terms.opens_at) == summary:
                return rows
        return list(await session.execute(query(entries(definition.register_code, terms.opens_at))))


@asynccontextmanager
async def within(session: ReadSession, seconds: float) -> AsyncIterator[None]:
    """Let no statement take longer. Refuses `DryRunTooLong`."""
    allowed = await session.scalar(text("SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'")) or 0
    limit = min(int(seconds * 1000), allowed or int(seconds * 1000))
    try:
        async with _set(session, "statement_timeout", str(limit)):
            yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != QUERY_CANCELLED:
            raise
        raise DryRunTooLong(seconds=limit / 1000) from error


@asynccontextmanager
async def _set(session: ReadSession, name: str, value: str) -> AsyncIterator[None]:
    """A setting of the database for some statements of a transaction; afterwards it is what it was."""
    before = await session.scalar(text("SELECT current_setting(:name)"), {"name": name})
    change = text("SELECT set_config(:name, :value, true)")
    await session.execute(change, {"name": name, "value": value})
    yield
    await session.execute(change, {"name": name, "value": before})


async def stratum_of_participants(session: ReadSession, poll_id: int, definition: Definition) -> dict[Stratum, int]:
    """Who took part, by stratum of the roll: the facts as of `opens_at`, or the first later ones of late registrations.

    Reads participations and the register, never a ballot.
    """
    assert definition.opens_at is not None
    facts = entries(definition.register_code, definition.opens_at)
    columns = stratum_columns(definition, opening_day(definition), definition.strata, facts)
    period = citizen_period
    holding = (
        select(participation.c.citizen_id, func.min(later.c.valid_from).label("valid_from"))
        .select_from(participation.join(later, later.c.citizen_id == participation.c.citizen_id))
        .where(
            participation.c.poll_id == poll_id,
            participation.c.channel != OTHER_ENTRY,
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


def stratum_columns(
    definition: Definition, on: date, dimensions: Sequence[Dimension], facts: Facts
) -> tuple[ColumnElement[int], ColumnElement[int], ColumnElement[int]]:
    """District id, age index and sex code as :mod:`polls.strata` numbers them; 0 where a dimension is not asked for."""
    zero: ColumnElement[int] = literal(0)
    district = facts.district_id if Dimension.DISTRICT in dimensions else zero
    age: ColumnElement[int] = zero
    if Dimension.AGE_BAND in dimensions:
        reached = sum(
            (cast(facts.birth_date <= born_by(on, bound), Integer) for bound in definition.age_bands), start=zero
        )
        age = case(
            (facts.birth_date.is_(None), AGE_UNKNOWN),
            (reached == 0, AGE_BELOW),
            else_=reached,
        )
    sex: ColumnElement[int] = zero
    if Dimension.SEX in dimensions:
        sex = case(*((facts.sex == word, code) for word, code in SEXES.items()), else_=SEX_UNKNOWN)
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
