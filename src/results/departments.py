"""How departments keep their word, and what a list of decisions offers to narrow it by.

In time and late are judged by the deadline first promised: moving it needs a reason, and does not mend the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select

from polls.sessions import ReadSession
from polls.tables import poll, territory
from results.decision_shapes import DecisionFilter, Show
from results.decision_statements import department_columns, narrowing, plain, showing
from results.tables import decision

MOST_DEPARTMENTS = 500


@dataclass(frozen=True)
class DepartmentRecord:
    """The decisions one department answers for, counted. `in_time` and `late` leave out what had no deadline."""

    owner: str
    total: int
    open: int
    overdue: int
    done: int
    in_time: int
    late: int
    declined: int
    moved: int


@dataclass(frozen=True)
class Offered:
    """What the filters offer: topics, territories and departments that have decisions, with how many."""

    topics: Mapping[str, int]
    territories: Mapping[str, int]
    owners: Mapping[str, int]


async def count_decisions(session: ReadSession, wanted: DecisionFilter, today: date) -> Mapping[Show, int]:
    """How many decisions each pile holds under the filter's other conditions."""
    columns = [func.count().filter(showing(show, today)).label(show.value) for show in Show]
    row = (await session.execute(select(*columns).select_from(plain()).where(*narrowing(wanted)))).one()
    return {show: row._mapping[show.value] for show in Show}


async def departments(session: ReadSession, today: date, owner: str | None = None) -> Sequence[DepartmentRecord]:
    """Every department's record, those that owe most first; or the record of one."""
    query = select(decision.c.owner, *department_columns(today)).group_by(decision.c.owner)
    if owner is not None:
        query = query.where(decision.c.owner == owner)
    found = [DepartmentRecord(**row) for row in (await session.execute(query)).mappings()]
    return sorted(found, key=lambda one: (-one.overdue, -one.total, one.owner))[:MOST_DEPARTMENTS]


async def offered_filters(session: ReadSession) -> Offered:
    """What a list of decisions can be narrowed by."""
    number = func.count().label("n")
    topics = await session.execute(select(poll.c.topic, number).select_from(plain()).group_by(poll.c.topic))
    places = await session.execute(
        select(territory.c.code, number)
        .select_from(plain())
        .where(territory.c.code.is_not(None))
        .group_by(territory.c.code)
    )
    owners = await session.execute(
        select(decision.c.owner, number).group_by(decision.c.owner).order_by(decision.c.owner).limit(MOST_DEPARTMENTS)
    )
    return Offered(*({row[0]: row[1] for row in rows} for rows in (topics, places, owners)))
