"""Every figure of a poll in one value: what the page, the API, CSV and JSON print, so that they never differ.

`poll_figures` asks the gate first, then reads the count record, the profile summed by class, turnout and roll: a
handful of queries, however many ballots there are. What was counted does not change until a correction is counted, so
protected tables are kept in memory by poll and count version; a correction has a new version.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, text

from polls.audience import roll_total
from polls.catalogue import SealedPoll, cast_counts, sealed_poll
from polls.counting import entitled_of
from polls.definition import AnyQuestion, Definition, Ranking
from polls.errors import ResultsHidden
from polls.lifecycle import State
from polls.register import territory_tree
from polls.sessions import ReadSession
from polls.tables import (
    count_record,
    live_step,
    roll,
    roll_amendment,
    turnout_day,
    turnout_stratum,
)
from polls.tally.outcome import Outcome
from polls.territories import TerritoryTree
from results.aggregation import ClassCount, breakdowns, total_row, turnout
from results.decisions import CityDecision, decision_of
from results.shapes import By, Row, Table, Turnout, is_by
from results.visibility import LEAST_BALLOTS, Decision, Need, enough, may_see, require

KEPT = 64
"""How many polls' figures a process keeps."""

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

PLACED = text(
    "SELECT option::int AS option_id, place::int AS place, sum(n)::bigint AS n FROM profile,"
    " json_array_elements(answer::json) WITH ORDINALITY AS tiers(tier, place), json_array_elements_text(tier) AS option"
    " WHERE poll_id = :poll AND question_id = :question AND answer LIKE '[[%' GROUP BY 1, 2 ORDER BY 1, 2"
)
"""How many ballots put each option at each place of a ranking, over the whole poll."""


@dataclass(frozen=True)
class QuestionFigures:
    """One question: its outcome by the tally, the whole poll's row, and the protected tables (none when too few).

    `entitled` are the residents who could be asked it, by the roll and the ballot styles (None: not known);
    `outcome.cast` are the ballots it was shown on. `placed` is of rankings: option → place → ballots, over the whole
    poll.
    """

    question: AnyQuestion
    outcome: Outcome
    total: Row
    tables: tuple[Table, ...]
    entitled: int | None = None
    placed: Mapping[int, Mapping[int, int]] | None = None

    def by(self, first: By, second: By | None = None) -> Table | None:
        """The table by a dimension, or by two at once; None where there is none."""
        return next((table for table in self.tables if is_by(table.dimensions, first, second)), None)

    @property
    def single(self) -> tuple[Table, ...]:
        """The tables by one dimension: what the results page shows."""
        return tuple(table for table in self.tables if len(table.dimensions) == 1)


@dataclass(frozen=True)
class PollFigures:
    """A counted poll. `version` rises with every correction, whose public `reason` it carries.

    `seen` is what the gate allowed: with `seen.breakdowns` false (under ten ballots) there are no tables anywhere.
    """

    poll_id: int
    public_id: str
    slug: str
    state: State
    poll_hash: bytes
    definition: Definition
    closes_at: datetime
    counted_at: datetime
    version: int
    reason: str
    ballots: int
    questions: tuple[QuestionFigures, ...]
    turnout: Turnout
    decision: CityDecision | None
    seen: Decision

    def question(self, question_id: int) -> QuestionFigures | None:
        """The figures of one question, or None."""
        return next((q for q in self.questions if q.question.id == question_id), None)


@dataclass(frozen=True)
class LiveFigures:
    """The last live step of a poll shown live: totals as of `ballots` ballots, taken at `at`; never a breakdown.

    `too_few` are ids of questions shown on under ten ballots so far: nothing of them is in `outcomes` and `totals`.
    """

    ballots: int
    at: datetime
    outcomes: tuple[Outcome, ...]
    totals: tuple[Row, ...]
    too_few: tuple[int, ...] = ()


@dataclass(frozen=True)
class RunningTurnout:
    """How many have voted so far, of how many entitled (None: the roll is not known or not taken yet)."""

    votes: int
    entitled: int | None


@dataclass(frozen=True)
class CountedVersion:
    """The newest count of a poll."""

    version: int
    counted_at: datetime
    ballots: int
    participations: int
    outcomes: tuple[Outcome, ...]
    reason: str


async def poll_figures(session: ReadSession, slug_or_id: str, now: datetime) -> PollFigures:
    """All figures of a counted poll, by slug or 32-digit id.

    Refuses `PollNotFound`, `WrongState` (cancelled), `ResultsHidden` before closing, `NotCounted` before the count.
    """
    found = await sealed_poll(session, slug_or_id)
    counted = await counted_version(session, found.id)
    seen = see(found, counted, now)
    require(seen, Need.OUTCOME)
    assert counted is not None
    questions, votes = await _kept_figures(session, found, counted, seen)
    return PollFigures(
        found.id, found.public_id, found.slug, seen.state, found.poll_hash, found.definition, found.closes_at,
        counted.counted_at, counted.version, counted.reason, counted.ballots, questions, votes,
        await decision_of(session, found.id), seen,
    )  # fmt: skip


def see(found: SealedPoll, counted: CountedVersion | None, now: datetime) -> Decision:
    """Ask the gate about a poll as it is stored."""
    ballots = None if counted is None else counted.ballots
    return may_see(found.definition, found.state(now), now, ballots=ballots, closes_at=found.closes_at)


async def live_figures(session: ReadSession, slug_or_id: str, now: datetime) -> LiveFigures | None:
    """The last live step, or None before the first; refuses `ResultsHidden` for polls not shown live.

    Once the poll is counted there is nothing live to show: None.
    """
    found = await sealed_poll(session, slug_or_id)
    seen = see(found, None, now)
    if seen.outcome:
        return None
    if not seen.live:
        require(seen, Need.LIVE)
    newest = select(live_step).where(live_step.c.poll_id == found.id).order_by(live_step.c.ballots.desc()).limit(1)
    row = (await session.execute(newest)).one_or_none()
    if row is None:
        return None
    taken = [Outcome.from_json(outcome) for outcome in row.outcomes]
    outcomes = tuple(outcome for outcome in taken if outcome.cast >= LEAST_BALLOTS)
    too_few = tuple(outcome.question_id for outcome in taken if outcome.cast < LEAST_BALLOTS)
    totals = tuple(
        total_row(question, outcome)
        for outcome in outcomes
        if (question := found.definition.question(outcome.question_id)) is not None
    )
    return LiveFigures(row.ballots, row.at, outcomes, totals, too_few)


async def running_turnout(session: ReadSession, slug_or_id: str, now: datetime) -> RunningTurnout:
    """Votes so far as one number, from the opening on. Refuses `ResultsHidden` earlier."""
    found = await sealed_poll(session, slug_or_id)
    seen = see(found, None, now)
    if not seen.turnout:
        require(seen, Need.TURNOUT)
        raise ResultsHidden(until=None)
    votes = (await cast_counts(session, [found.id])).get(found.id, 0)
    entitled = await roll_total(session, found.id) if found.definition.roll_known else None
    return RunningTurnout(votes, entitled)


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


# ---- reading and putting together

_Figures = tuple[tuple[QuestionFigures, ...], Turnout]
_kept: OrderedDict[Hashable, _Figures] = OrderedDict()
_making: dict[Hashable, asyncio.Lock] = {}


async def _kept_figures(session: ReadSession, found: SealedPoll, counted: CountedVersion, seen: Decision) -> _Figures:
    """The protected figures, computed once per count version however many readers come at the same time."""
    amended = await session.scalar(select(func.max(roll_amendment.c.id)).where(roll_amendment.c.poll_id == found.id))
    key = (session.get_bind().engine.url, found.id, found.public_id, counted.version, counted.counted_at, amended)
    async with _making.setdefault(key, asyncio.Lock()):
        if key not in _kept:
            _kept[key] = await _read_figures(session, found, counted, seen)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _making.pop(key, None)
        _kept.move_to_end(key)
        return _kept[key]


async def _read_figures(session: ReadSession, found: SealedPoll, counted: CountedVersion, seen: Decision) -> _Figures:
    counts: list[ClassCount] = []
    places = TerritoryTree.of(())
    if seen.breakdowns:
        places = await territory_tree(session)
        counts = await read_classes(session, found)
    entitled = await _roll(session, found)
    placed: dict[int, dict[int, dict[int, int]]] = {}
    if seen.breakdowns:
        for question in found.definition.questions:
            if isinstance(question, Ranking):
                placed[question.id] = await places_of_ranking(session, found.id, question.id)
    shown_to = {question.id: await entitled_of(session, found, question) for question in found.definition.questions}
    votes_by, days = await _turnout(session, found.id)
    # Tables of a whole city take a noticeable part of a second: other requests go on meanwhile.
    return await asyncio.to_thread(
        _put_together, found.definition, counted, seen, counts, places, entitled, shown_to, placed, votes_by, days
    )


async def read_classes(session: ReadSession, found: SealedPoll) -> list[ClassCount]:
    """The class counts of a counted poll; see :mod:`results.aggregation` for the keys."""
    rankings = [question.id for question in found.definition.questions if isinstance(question, Ranking)]
    return [ClassCount(*row) for row in await session.execute(CLASSES, {"poll": found.id, "rankings": rankings})]


async def places_of_ranking(session: ReadSession, poll_id: int, question_id: int) -> dict[int, dict[int, int]]:
    """Option → place (from 1) → ballots that put it there, alone or beside others; over the whole poll."""
    found: dict[int, dict[int, int]] = {}
    for row in await session.execute(PLACED, {"poll": poll_id, "question": question_id}):
        found.setdefault(row.option_id, {})[row.place] = row.n
    return found


def _put_together(
    definition: Definition,
    counted: CountedVersion,
    seen: Decision,
    counts: list[ClassCount],
    places: TerritoryTree,
    entitled: dict[int, int] | None,
    shown_to: dict[int, int | None],
    placed: dict[int, dict[int, dict[int, int]]],
    votes_by: dict[int, int],
    days: dict[date, int],
) -> _Figures:
    tables = breakdowns(definition, counted.outcomes, counts, places) if seen.breakdowns else []
    questions = []
    for outcome in counted.outcomes:
        question = definition.question(outcome.question_id)
        assert question is not None
        many = enough(definition, outcome.cast)
        own = tuple(table for table in tables if many and table.question_id == question.id)
        total = total_row(question, outcome)
        questions.append(QuestionFigures(question, outcome, total, own, shown_to.get(question.id),
                                         placed.get(question.id) if many else None))  # fmt: skip
    votes = turnout(definition, counted.participations, votes_by, entitled, days, places, broken_down=seen.breakdowns)
    return tuple(questions), votes


async def _roll(session: ReadSession, found: SealedPoll) -> dict[int, int] | None:
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


async def _turnout(session: ReadSession, poll_id: int) -> tuple[dict[int, int], dict[date, int]]:
    by_stratum = await session.execute(
        select(turnout_stratum.c.stratum, turnout_stratum.c.n).where(turnout_stratum.c.poll_id == poll_id)
    )
    by_day = await session.execute(select(turnout_day.c.day, turnout_day.c.n).where(turnout_day.c.poll_id == poll_id))
    return {row.stratum: row.n for row in by_stratum}, {row.day: row.n for row in by_day}
