"""Reads: in which polls citizens took part, for many citizens at once. Never a choice: none is kept with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select

from polls.catalogue import Phase, _phase
from polls.sessions import ReadSession
from polls.straight_sql import Source, fetch
from polls.tables import poll, territory

_OWN_DAYS = """
    SELECT c.id AS citizen_id, v.poll_id, v.day
      FROM unnest($1::bigint[]) AS c (id)
     CROSS JOIN LATERAL (SELECT p.poll_id, p.day FROM participation p
                          WHERE p.citizen_id = c.id AND p.poll_id = ANY ($2::bigint[]) OFFSET 0) v
"""
"""Citizen by citizen (OFFSET 0 keeps the planner to it): each is in one partition, looked up by the whole key."""


async def participation_days(
    source: Source, citizen_ids: Sequence[int], poll_ids: Sequence[int]
) -> dict[int, dict[int, date]]:
    """The days these citizens voted in these polls: citizen → poll → day. Who voted in none has no entry."""
    found: dict[int, dict[int, date]] = {}
    for row in await fetch(source, _OWN_DAYS, list(citizen_ids), list(poll_ids)):
        found.setdefault(row["citizen_id"], {})[row["poll_id"]] = row["day"]
    return found


async def polls_listed(session: ReadSession, now: datetime, phase: Phase) -> dict[int, str | None]:
    """Every poll of a phase with the code of its territory."""
    rows = await session.execute(
        select(poll.c.id, territory.c.code)
        .select_from(poll.outerjoin(territory, territory.c.id == poll.c.territory_id))
        .where(_phase(phase, now))
    )
    return {row.id: row.code for row in rows}
