"""The register in sum: citizens alike in district, sex, level and groups as one row, with their birth dates in order.

Counting an audience entry by entry reads the whole register. From some ten thousand cells it takes a fraction of a
second and no strength from casting, and it is exact: how many of a cell are at least so old is one search in its birth
dates. What a cell does not hold (buildings, owned flats, lists) is looked up for the few it concerns, who are taken out
of their cells and counted one by one.

A sum is of the periods that last, and holds for any moment from the last beginning or end of a period on. Triggers
forget it with any change of the register, in the same transaction, so that whoever sees its row sees the register it
was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Select,
    SmallInteger,
    Text,
    bindparam,
    exists,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from polls.sessions import ReadSession, Session
from polls.tables import Moment, citizen, citizen_period, register_summary

LAST_DAY = date.max
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
SUM_MEMORY = "64MB"
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True)
class Facts:
    """What an audience is judged by, as columns: of one citizen a row, or of `n` alike.

    Where citizens are counted in sum, `birth_date` is the last day and `registered_at` the first moment of a span in
    which no rule asked about draws a line; `citizen_id` and `building_id` are null, and what is asked of them must not
    hold for null.
    """

    citizen_id: ColumnElement[int | None]
    district_id: ColumnElement[int]
    building_id: ColumnElement[int | None]
    birth_date: ColumnElement[date | None]
    sex: ColumnElement[str | None]
    level: ColumnElement[int]
    groups: ColumnElement[Sequence[int]]
    registered_at: ColumnElement[datetime]
    n: ColumnElement[int]
    origin: FromClause
    where: tuple[ColumnElement[bool], ...]

    def select(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """A query of these facts."""
        return select(*columns).select_from(self.origin).where(*self.where)


def entries(register_code: str, moment: datetime) -> Facts:
    """The citizens of a register one by one, with the period that holds at a moment."""
    period = citizen_period.c
    return Facts(
        citizen.c.id, period.district_id, period.building_id, citizen.c.birth_date, citizen.c.sex, period.level,
        period.groups, citizen.c.registered_at, literal(1),
        citizen.join(citizen_period, period.citizen_id == citizen.c.id),
        (
            citizen.c.register_code == register_code,
            period.valid_from <= moment,
            or_(period.valid_to.is_(None), period.valid_to > moment),
        ),
    )  # fmt: skip


async def sum_holding_at(session: ReadSession, moment: datetime) -> int | None:
    """The sum that is the register as it is and stood at this moment, if there is one."""
    found: int | None = await session.scalar(
        select(register_summary.c.id).where(register_summary.c.through <= moment).limit(1)
    )
    return found


_CELLS = text(
    """
    WITH late AS (
        SELECT cell.district_id, cell.sex, cell.level, cell.groups, spell.since, those.births, those.unknown
          FROM register_cell cell
         CROSS JOIN unnest(:since, :before_since, :before_next) AS spell (since, before_since, before_next)
         CROSS JOIN LATERAL (
               SELECT coalesce(array_agg(born ORDER BY born) FILTER (WHERE born IS NOT NULL), '{}') AS births,
                      CAST(count(*) FILTER (WHERE born IS NULL) AS integer) AS unknown
                 FROM unnest(births_registered[width_bucket(before_since, registered) + 1
                                               : width_bucket(before_next, registered)]) AS born) those
         WHERE cell.summary_id = :summary AND cell.register_code = :register
    )
    SELECT pile.district_id, span.upto AS birth_date, pile.sex, pile.level, pile.groups, pile.registered_at,
           pile.sign * span.n AS n
      FROM (SELECT district_id, sex, level, groups, timestamptz '-infinity' AS registered_at, 1 AS sign,
                   births || '{}' AS births, unknown
              FROM register_cell WHERE summary_id = :summary AND register_code = :register
             UNION ALL
            SELECT late.district_id, late.sex, late.level, late.groups, counted.registered_at, counted.sign,
                   late.births, late.unknown
              FROM late
             CROSS JOIN LATERAL (VALUES (late.since, 1), (timestamptz '-infinity', -1)) counted (registered_at, sign)
           ) pile
     CROSS JOIN LATERAL (
           SELECT upto, width_bucket(upto, births)
                  - CASE WHEN above IS NULL THEN 0 ELSE width_bucket(above, births) END AS n
             FROM unnest(:above, :upto) AS line (above, upto)
           UNION ALL SELECT NULL, pile.unknown) span
     WHERE span.n > 0
    """
)
"""Cells cut at the lines: `width_bucket` in a rising array gives how many of it are not above a day. Who registered at
or after a moment asked about is at the end of `registered`: taken out of the cell and put in as registered then."""


def in_sum(
    register_code: str, moment: datetime, summary: int, lines: Iterable[date], since: Iterable[datetime] = (),
    apart: Sequence[ColumnElement[bool]] = (),
) -> Facts:  # fmt: skip
    """The citizens of a register at a moment for which the sum `summary` holds; nobody, if it has been forgotten since.

    `lines` are the days an age is compared with: facts tell those born by such a day from those born later. `since`
    are the moments a registration is compared with, in the same way. `apart` are conditions on `entries`: whom any of
    them concerns is taken out of the sum and stands in a row of his own.
    """
    upto, spells = sorted({*lines, LAST_DAY}), sorted(set(since))
    before = [at - timedelta(microseconds=1) for at in spells]
    cells = (
        _CELLS.bindparams(
            bindparam("summary", summary),
            bindparam("register", register_code),
            bindparam("above", [None, *upto[:-1]], type_=ARRAY(Date)),
            bindparam("upto", upto, type_=ARRAY(Date)),
            bindparam("since", spells, type_=ARRAY(Moment)),
            bindparam("before_since", before, type_=ARRAY(Moment)),
            bindparam("before_next", [*before[1:], LAST_MOMENT][: len(before)], type_=ARRAY(Moment)),
        )
        .columns(district_id=Integer, birth_date=Date, sex=Text, level=SmallInteger, groups=ARRAY(SmallInteger),
                 registered_at=Moment, n=Integer)
        .subquery("cells")
    )  # fmt: skip
    names = ("district_id", "birth_date", "sex", "level", "groups", "registered_at")
    # What the sum takes everybody for: of no id and no building.
    unknown: list[ColumnElement[Any]] = [
        literal_column("NULL::bigint").label("citizen_id"),
        literal_column("NULL::integer").label("building_id"),
    ]
    parts = [select(*unknown, *(cells.c[name] for name in names), cells.c.n)]
    if apart:
        one = entries(register_code, moment)
        known: list[ColumnElement[Any]] = [one.citizen_id.label("citizen_id"), one.building_id]
        people = one.select(*known, *(getattr(one, name) for name in names)).where(or_(*apart)).cte("apart")
        facts = [people.c[name] for name in names]
        own = [people.c.citizen_id, people.c.building_id]
        parts += [select(*own, *facts, literal_column("1")), select(*unknown, *facts, literal_column("-1"))]
    who = union_all(*parts).subquery("who")
    held = exists(select(register_summary.c.id).where(register_summary.c.id == summary))
    return Facts(
        who.c.citizen_id, who.c.district_id, who.c.building_id, who.c.birth_date, who.c.sex, who.c.level,
        who.c.groups, who.c.registered_at, who.c.n, who, (held,),
    )  # fmt: skip


_SUM_UP = text(
    """
    INSERT INTO register_cell (summary_id, register_code, district_id, sex, level, groups,
                               births, unknown, registered, births_registered)
    SELECT :summary, register_code, district_id, sex, level, groups,
           ARRAY(SELECT born FROM unnest(births) AS born WHERE born IS NOT NULL ORDER BY born),
           unknown,
           ARRAY(SELECT at FROM unnest(registered) AS at ORDER BY at),
           ARRAY(SELECT born FROM unnest(registered, births) AS one (at, born) ORDER BY at)
      FROM (SELECT c.register_code, p.district_id, c.sex, p.level, p.groups,
                   array_agg(c.birth_date) AS births, array_agg(c.registered_at) AS registered,
                   count(*) FILTER (WHERE c.birth_date IS NULL) AS unknown
              FROM citizen c JOIN citizen_period p ON p.citizen_id = c.id
             WHERE p.valid_to IS NULL
             GROUP BY c.register_code, p.district_id, c.sex, p.level, p.groups) cell
    """
)


async def sum_up_register(session: Session, now: datetime) -> bool:
    """Make the sum anew if the register has changed since; tells whether it did.

    Nobody changes the register meanwhile; casting does not. While somebody is changing it nothing is done: whoever
    calls this tries again later.
    """
    if await session.scalar(select(register_summary.c.id).limit(1)) is not None:
        return False
    try:
        async with session.begin_nested():
            await session.execute(text("LOCK TABLE citizen, citizen_period IN SHARE MODE NOWAIT"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        return False
    through = await session.scalar(text("SELECT max(greatest(valid_from, valid_to)) FROM citizen_period"))
    if through is None:
        return False  # nobody to sum up
    await session.execute(text("DELETE FROM register_cell"))
    await session.execute(text("SET LOCAL statement_timeout = 0"))  # it takes as long as it takes
    await session.execute(text("SELECT set_config('work_mem', :memory, true)"), {"memory": SUM_MEMORY})
    summary = await session.scalar(
        insert(register_summary).values(through=through, made_at=now).returning(register_summary.c.id)
    )
    await session.execute(_SUM_UP, {"summary": summary})
    await session.execute(text("ANALYZE register_cell"))
    return True
