"""What the tables of a counted poll are made of, as it is stored: count record, classes, participations, roll."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text

from polls.catalogue import SealedPoll
from polls.cross_tables import cross_tab
from polls.definition import Ranking
from polls.register import territory_tree
from polls.sessions import ReadSession
from polls.tables import count_record, roll, roll_amendment, turnout_stratum
from polls.tally.outcome import Outcome
from results.aggregation import ClassCount
from results.crossing import CrossCount
from results.protection import Counted
from results.visibility import Decision, may_see

CLASSES = text(
    "SELECT question_id, stratum, '' AS key, sum(n)::bigint AS n FROM profile WHERE poll_id = :poll GROUP BY 1, 2"
    " UNION ALL SELECT question_id, stratum, '[]', sum(n)::bigint FROM profile"
    " WHERE poll_id = :poll AND answer = '[]' GROUP BY 1, 2"
    " UNION ALL SELECT question_id, stratum, part, sum(n)::bigint FROM profile,"
    " json_array_elements_text(answer::json) AS part"
    " WHERE poll_id = :poll AND (question_id <> ALL (:rankings) OR answer NOT LIKE '[[%') GROUP BY 1, 2, 3"
    " UNION ALL SELECT question_id, stratum, '^' || part, sum(n)::bigint FROM profile,"
    " json_array_elements_text(answer::json -> 0) AS part"
    " WHERE poll_id = :poll AND question_id = ANY (:rankings) AND answer LIKE '[[%' GROUP BY 1, 2, 3"
)
"""The profile by class of answer: a few thousand rows even where nearly every ballot is a pattern of its own. Of a
ranking, whose patterns are most of all, only the options in first place (`rankings`: ids of such questions)."""


@dataclass(frozen=True)
class CountedVersion:
    """The newest count of a poll."""

    version: int
    counted_at: datetime
    ballots: int
    participations: int
    outcomes: tuple[Outcome, ...]
    reason: str


def see(found: SealedPoll, counted: CountedVersion | None, now: datetime) -> Decision:
    """Ask the gate about a poll as it is stored."""
    ballots = None if counted is None else counted.ballots
    return may_see(found.definition, found.state(now), now, ballots=ballots, closes_at=found.closes_at)


async def counted_version(session: ReadSession, poll_id: int) -> CountedVersion | None:
    """The newest count record, or None before the count."""
    newest = (
        select(count_record).where(count_record.c.poll_id == poll_id).order_by(count_record.c.version.desc()).limit(1)
    )
    row = (await session.execute(newest)).one_or_none()
    if row is None:
        return None
    return CountedVersion(
        row.version, row.counted_at, row.ballots, row.participations,
        tuple(Outcome.from_json(outcome) for outcome in row.outcomes), row.reason,
    )  # fmt: skip


async def read_classes(session: ReadSession, found: SealedPoll) -> list[ClassCount]:
    """The class counts of a counted poll; see :mod:`results.aggregation` for the keys."""
    rankings = [question.id for question in found.definition.questions if isinstance(question, Ranking)]
    return [ClassCount(*row) for row in await session.execute(CLASSES, {"poll": found.id, "rankings": rankings})]


async def read_counted(session: ReadSession, found: SealedPoll, counted: CountedVersion) -> Counted:
    """Everything tables are made of. Only for counts whose breakdowns the gate allows."""
    return Counted(
        found.definition,
        counted.outcomes,
        tuple(await read_classes(session, found)),
        await votes_by_stratum(session, found.id),
        await read_roll(session, found),
        await territory_tree(session),
        tuple(await read_crossed(session, found)),
    )


async def read_crossed(session: ReadSession, found: SealedPoll) -> list[CrossCount]:
    """Ballots by the answers to two questions, of the pairs the poll sealed; no query for a poll without any."""
    if not found.definition.cross_tabs:
        return []
    rows = await session.execute(select(cross_tab).where(cross_tab.c.poll_id == found.id))
    return [
        CrossCount(row.rows_question, row.columns_question, row.stratum, row.row_key, row.column_key, row.n)
        for row in rows
    ]


async def newest_amendment(session: ReadSession, poll_id: int) -> int:
    """The id of the last change to the roll; 0 where there is none."""
    newest = select(func.max(roll_amendment.c.id)).where(roll_amendment.c.poll_id == poll_id)
    return await session.scalar(newest) or 0


async def votes_by_stratum(session: ReadSession, poll_id: int) -> dict[int, int]:
    """Participations by stratum of the roll."""
    columns = select(turnout_stratum.c.stratum, turnout_stratum.c.n)
    return {row.stratum: row.n for row in await session.execute(columns.where(turnout_stratum.c.poll_id == poll_id))}


async def read_roll(session: ReadSession, found: SealedPoll) -> dict[int, int] | None:
    """Entitled by stratum with the logged amendments; None when nobody recorded it."""
    if not found.definition.roll_known:
        return None
    rows = list(await session.execute(select(roll.c.stratum, roll.c.entitled).where(roll.c.poll_id == found.id)))
    if not rows:
        return None
    entitled = {row.stratum: row.entitled for row in rows if row.entitled}  # a roll of nobody has a row of nought
    changes = select(roll_amendment.c.stratum, roll_amendment.c.change).where(roll_amendment.c.poll_id == found.id)
    for row in await session.execute(changes):
        entitled[row.stratum] = entitled.get(row.stratum, 0) + row.change
    return entitled
