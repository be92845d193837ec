"""Every figure of a poll in one value: what the page, the API, CSV and JSON print, so that they never differ.

`poll_figures` asks the gate first, then reads the count record, the profile summed by class, turnout and roll: a
handful of queries, however many ballots there are. What was counted does not change until a correction is counted, so
protected tables are kept in memory by poll and count version; a correction has a new version.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text

from polls.audience import roll_total
from polls.catalogue import SealedPoll, cast_counts, sealed_poll
from polls.counting import entitled_of
from polls.definition import AnyQuestion, Definition, Ranking
from polls.errors import ResultsHidden
from polls.lifecycle import State
from polls.live_apart import SETTLED
from polls.sessions import ReadSession
from polls.tables import live_step, turnout_day
from polls.tally.outcome import Outcome
from results.aggregation import total_row
from results.decisions import CityDecision, decision_of
from results.protection import Counted, Publication, shown, shown_crossed
from results.publication import publication_at
from results.reading import CountedVersion as CountedVersion
from results.reading import counted_version as counted_version
from results.reading import newest_amendment, read_roll
from results.reading import see as see
from results.shapes import By, CrossTab, Row, Table, Turnout, is_by
from results.visibility import LEAST_BALLOTS, Decision, Need, enough, require

KEPT = 64
"""How many polls' figures a process keeps."""

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
    `cross_tabs`: the pairs of questions the poll sealed, as far as both were on enough ballots.
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
    cross_tabs: tuple[CrossTab, ...] = ()

    def question(self, question_id: int) -> QuestionFigures | None:
        """The figures of one question, or None."""
        return next((q for q in self.questions if q.question.id == question_id), None)


@dataclass(frozen=True)
class LiveFigures:
    """Totals as of `ballots` ballots, taken at `at`, and never a breakdown: the last live step of a poll shown live, or
    a count whose tables are not there yet.

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


async def poll_figures(session: ReadSession, slug_or_id: str, now: datetime) -> PollFigures:
    """All figures of a counted poll, by slug or 32-digit id.

    Refuses `PollNotFound`, `WrongState` (cancelled), `ResultsHidden` before closing, `NotCounted` before the count,
    `TablesPending` while the tables of a large count are being protected.
    """
    found = await sealed_poll(session, slug_or_id)
    counted = await counted_version(session, found.id)
    seen = see(found, counted, now)
    require(seen, Need.OUTCOME)
    assert counted is not None
    questions, votes, crossed = await _kept_figures(session, found, counted, seen)
    return PollFigures(
        found.id, found.public_id, found.slug, seen.state, found.poll_hash, found.definition, found.closes_at,
        counted.counted_at, counted.version, counted.reason, counted.ballots, questions, votes,
        await decision_of(session, found.id), seen, crossed,
    )  # fmt: skip


async def live_figures(session: ReadSession, slug_or_id: str, now: datetime) -> LiveFigures | None:
    """The last live step with ten more votes since, or None before the first. Refuses `ResultsHidden` for other polls.

    Once the poll is counted there is nothing live to show: None.
    """
    found = await sealed_poll(session, slug_or_id)
    seen = see(found, None, now)
    if seen.outcome:
        return None
    if not seen.live:
        require(seen, Need.LIVE)
    cast = (await cast_counts(session, [found.id])).get(found.id, 0)
    newest = (
        select(live_step)
        .where(live_step.c.poll_id == found.id, live_step.c.ballots <= cast - SETTLED)
        .order_by(live_step.c.ballots.desc())
        .limit(1)
    )
    row = (await session.execute(newest)).one_or_none()
    if row is None:
        return None
    return _totals(found, row.ballots, row.at, [Outcome.from_json(outcome) for outcome in row.outcomes])


async def counted_totals(session: ReadSession, slug_or_id: str, now: datetime) -> LiveFigures:
    """The exact totals of a counted poll alone: they wait for no table. Refuses as :func:`poll_figures` does."""
    found = await sealed_poll(session, slug_or_id)
    counted = await counted_version(session, found.id)
    require(see(found, counted, now), Need.OUTCOME)
    assert counted is not None
    return _totals(found, counted.ballots, counted.counted_at, counted.outcomes)


def _totals(found: SealedPoll, ballots: int, at: datetime, taken: Sequence[Outcome]) -> LiveFigures:
    outcomes = tuple(outcome for outcome in taken if outcome.cast >= LEAST_BALLOTS)
    too_few = tuple(outcome.question_id for outcome in taken if outcome.cast < LEAST_BALLOTS)
    totals = tuple(
        total_row(question, outcome)
        for outcome in outcomes
        if (question := found.definition.question(outcome.question_id)) is not None
    )
    return LiveFigures(ballots, at, outcomes, totals, too_few)


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


# ---- reading and putting together

_Figures = tuple[tuple[QuestionFigures, ...], Turnout, tuple[CrossTab, ...]]
_kept: OrderedDict[Hashable, _Figures] = OrderedDict()
_making: dict[Hashable, asyncio.Lock] = {}


async def _kept_figures(session: ReadSession, found: SealedPoll, counted: CountedVersion, seen: Decision) -> _Figures:
    """The protected figures, computed once per count version however many readers come at the same time."""
    amended = await newest_amendment(session, found.id)
    key = (session.get_bind().engine.url, found.id, found.public_id, counted.version, counted.counted_at, amended)
    async with _making.setdefault(key, asyncio.Lock()):
        if key not in _kept:
            _kept[key] = await _read_figures(session, found, counted, seen, amended)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _making.pop(key, None)
        _kept.move_to_end(key)
        return _kept[key]


async def _read_figures(
    session: ReadSession, found: SealedPoll, counted: CountedVersion, seen: Decision, amended: int
) -> _Figures:
    made_of: Counted | None = None
    published: Publication | None = None
    placed: dict[int, dict[int, dict[int, int]]] = {}
    if seen.breakdowns:
        made_of, published = await publication_at(session, found, counted, amended)
        for question in found.definition.questions:
            if isinstance(question, Ranking):
                placed[question.id] = await places_of_ranking(session, found.id, question.id)
    shown_to = {question.id: await entitled_of(session, found, question) for question in found.definition.questions}
    days = select(turnout_day.c.day, turnout_day.c.n).where(turnout_day.c.poll_id == found.id)
    by_day = {row.day: row.n for row in await session.execute(days)}
    entitled = await read_roll(session, found)
    # Tables of a whole city take a noticeable part of a second: other requests go on meanwhile.
    tables, of_turnout = await asyncio.to_thread(shown, made_of, published) if made_of and published else ([], [])
    crossed = shown_crossed(made_of, published) if made_of and published else []
    questions = []
    for outcome in counted.outcomes:
        asked = found.definition.question(outcome.question_id)
        assert asked is not None
        many = enough(found.definition, outcome.cast)
        own = tuple(table for table in tables if many and table.question_id == asked.id)
        questions.append(QuestionFigures(asked, outcome, total_row(asked, outcome), own, shown_to.get(asked.id),
                                         placed.get(asked.id) if many else None))  # fmt: skip
    roll = sum(entitled.values()) if entitled is not None else None
    few = {one.question.id for one in questions if not enough(found.definition, one.outcome.cast)}
    votes = Turnout(counted.participations, roll, dict(sorted(by_day.items())), tuple(of_turnout))
    return tuple(questions), votes, tuple(one for one in crossed if not few & {one.rows_question, one.question_id})


async def places_of_ranking(session: ReadSession, poll_id: int, question_id: int) -> dict[int, dict[int, int]]:
    """Option → place (from 1) → ballots that put it there, alone or beside others; over the whole poll."""
    found: dict[int, dict[int, int]] = {}
    for row in await session.execute(PLACED, {"poll": poll_id, "question": question_id}):
        found.setdefault(row.option_id, {})[row.place] = row.n
    return found
