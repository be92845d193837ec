"""Anomalies of a counted poll: the one use case that page, API, files and protocol read.

From the choice-free counters of the count (votes by minute and okrug), the published turnout by okrug, one sum over the
register and the published live steps; never from a ballot. Checks run over the counters as they are published, so that
anybody can run them again: :mod:`results.anomaly_checks`, :mod:`results.anomaly_steps`. What each verdict can and
cannot mean: :mod:`results.anomaly_words`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text

from polls.board_tables import turnout_minute
from polls.catalogue import SealedPoll, sealed_poll
from polls.definition import MultipleChoice, SingleChoice, Visibility
from polls.register import territory_tree
from polls.sessions import ReadSession
from polls.tables import live_step, turnout_young
from polls.tally.outcome import Outcome
from results.anomaly_bursts import burst, with_band
from results.anomaly_checks import night, places, turnout, young
from results.anomaly_counters import Counts, hours_of, steps_of
from results.anomaly_shapes import LEAST, Anomalies, Check, CheckName, Lack, Place, Verdict, cannot_say
from results.anomaly_steps import LiveStep, live_steps
from results.figures import PollFigures, counted_version, poll_figures, see
from results.shapes import By, TurnoutRow
from results.visibility import LEAST_BALLOTS, Need, require

KEPT = 64
"""How many polls' checks a process keeps: a count does not change until a correction is counted."""
RECORDED = 0.98
"""Least part of the votes whose minute has to be known."""

SUMS = select(
    func.date_bin(text("interval '10 minutes'"), turnout_minute.c.minute, text("timestamptz '2000-01-01 00:00+00'")),
    turnout_minute.c.okrug,
    func.sum(turnout_minute.c.n),
).group_by(text("1"), text("2"))


@dataclass(frozen=True)
class _Read:
    """What the checks need of the database."""

    counts: Counts
    places: Mapping[str, Place]
    young_votes: int | None
    young_share: float | None
    live: Mapping[int, Sequence[LiveStep]] | None


async def anomalies_of(session: ReadSession, slug_or_id: str, now: datetime) -> Anomalies:
    """The checks of a counted poll, by slug or 32-digit id.

    Refuses `PollNotFound`, `WrongState` (cancelled), `ResultsHidden` before closing, `NotCounted` before the count,
    `TooFewToPublish` under ten ballots.
    """
    found = await sealed_poll(session, slug_or_id)
    require(see(found, await counted_version(session, found.id), now), Need.BREAKDOWNS)
    figures = await poll_figures(session, slug_or_id, now)
    shown = {row.group.code: (row.votes, row.entitled) for row in _okrugs(figures)}
    key = (session.get_bind().engine.url, found.id, found.public_id, figures.version, figures.counted_at,
           tuple(shown.items()))  # fmt: skip
    async with _making.setdefault(key, asyncio.Lock()):
        if key not in _kept:
            read = await _read(session, found)
            _kept[key] = await asyncio.to_thread(_put_together, figures, read)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _making.pop(key, None)
        _kept.move_to_end(key)
        return _kept[key]


_kept: OrderedDict[Hashable, Anomalies] = OrderedDict()
_making: dict[Hashable, asyncio.Lock] = {}


async def _read(session: ReadSession, found: SealedPoll) -> _Read:
    tree = await territory_tree(session)
    code = {0: ""} | {place.id: place.code for place in tree.of_kind("okrug")}
    counts: dict[tuple[datetime, str], int] = {}
    for at, okrug, n in await session.execute(SUMS.where(turnout_minute.c.poll_id == found.id)):
        key = (at, code.get(okrug, ""))
        counts[key] = counts.get(key, 0) + int(n)
    named = {p.code: Place((p.code,), p.name_ru, p.name_en) for p in tree.of_kind("okrug")}
    sums = (await session.execute(select(turnout_young).where(turnout_young.c.poll_id == found.id))).one_or_none()
    share = sums.young_accounts / sums.accounts if sums is not None and sums.accounts else None
    live = await _live(session, found) if found.definition.visibility is Visibility.LIVE else None
    return _Read(counts, named, sums.votes if sums is not None else None, share, live)


async def _live(session: ReadSession, found: SealedPoll) -> dict[int, list[LiveStep]]:
    """The published steps of the questions whose options got votes; a step that hid a question is not one of it."""
    asked = {q.id for q in found.definition.questions if isinstance(q, SingleChoice | MultipleChoice)}
    steps: dict[int, list[LiveStep]] = {question_id: [] for question_id in sorted(asked)}
    newest = select(live_step).where(live_step.c.poll_id == found.id).order_by(live_step.c.ballots)
    for row in await session.execute(newest):
        for outcome in map(Outcome.from_json, row.outcomes):
            if outcome.question_id in asked and outcome.cast >= LEAST_BALLOTS:
                votes = {option.id: option.votes for option in outcome.options}
                steps[outcome.question_id].append(LiveStep(row.at, outcome.valid, votes))
    return steps


def _okrugs(figures: PollFigures) -> tuple[TurnoutRow, ...]:
    """Published turnout by okrug; nothing where the poll has no such table."""
    table = figures.turnout.by(By.OKRUG)
    return table.rows if table else ()


def _put_together(figures: PollFigures, read: _Read) -> Anomalies:
    zone = ZoneInfo(figures.definition.time_zone)
    votes = figures.turnout.votes
    rows = _okrugs(figures)
    hidden = [row.group.code for row in rows if row.votes is None]
    steps = steps_of(read.counts, zone)
    hours = hours_of(read.counts, read.places, hidden)
    recorded = sum(step.votes for step in steps)
    by_time = [burst(steps), night(steps, zone), places(hours)]
    if recorded < RECORDED * votes:
        by_time = [cannot_say(check.name, Lack.NOT_RECORDED) for check in by_time]
    turnouts = {row.group.code: (row.votes, row.entitled) for row in rows
                if row.votes is not None and row.entitled}  # fmt: skip
    by_roll = turnout(turnouts, votes) if figures.turnout.entitled else cannot_say(CheckName.TURNOUT, Lack.NO_ROLL)
    shown_young = read.young_votes if read.young_votes is None or _enough(read.young_votes, votes) else None
    lived = live_steps(read.live) if read.live is not None else cannot_say(CheckName.STEPS, Lack.NOT_LIVE)
    return Anomalies(
        figures.public_id, figures.slug, figures.version, figures.definition.time_zone, votes, recorded, shown_young,
        (*by_time, by_roll, _young(votes, read, shown_young), lived), with_band(steps), hours,
    )  # fmt: skip


def _enough(some: int, votes: int) -> bool:
    """Whether a part of the votes may be told: neither it nor the rest are under ten."""
    return min(some, votes - some) >= LEAST


def _young(votes: int, read: _Read, shown: int | None) -> Check:
    """The check of young accounts; a number that may not be told leaves no statistic either."""
    check = young(votes, read.young_votes, read.young_share)
    if shown is None and check.verdict is Verdict.USUAL:
        return Check(check.name, check.verdict, None, check.threshold)
    if shown is None and check.verdict is Verdict.UNUSUAL:
        return cannot_say(check.name, Lack.FEW_VOTES)
    return check
