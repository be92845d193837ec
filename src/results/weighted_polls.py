"""The weighting of a counted poll: the one use case page, API and files read it through.

What was counted does not change until a correction is counted, so a weighting is kept in memory by the version of the
count, the numbers of the roll or the set of margins, as figures are.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime

from sqlalchemy import func, select

from polls.definition import Ranking
from polls.errors import TooFewToPublish
from polls.register import territory_tree
from polls.sessions import ReadSession
from polls.tables import profile
from polls.territories import TerritoryTree
from results.errors import DecidesByNumber, NothingToWeightBy, TooFewToWeight
from results.figures import PollFigures, QuestionFigures, poll_figures
from results.margins import margins_named
from results.representation import census_target, register_target
from results.visibility import Need, require
from results.weighting import LEAST_BALLOTS, REGISTER, Target, Weighting, decides

KEPT = 128
"""How many weightings a process keeps."""
_kept: OrderedDict[Hashable, Weighting] = OrderedDict()


async def weighted_of(session: ReadSession, slug_or_id: str, now: datetime, margins: str | None = None) -> Weighting:
    """Weight a counted poll to its roll, or to the census margins of this code.

    Refuses what :func:`results.figures.poll_figures` refuses, `TooFewToPublish`, `DecidesByNumber` (binding polls and
    polls with a quorum, a threshold or owners), `TooFewToWeight`, `NothingToWeightBy` and `MarginsNotFound`.
    """
    return await weighting_of(session, await poll_figures(session, slug_or_id, now), margins)


async def weighting_of(session: ReadSession, figures: PollFigures, margins: str | None = None) -> Weighting:
    """The same for figures already at hand, which came through the gate."""
    require(figures.seen, Need.BREAKDOWNS)
    if why := decides(figures.definition):
        raise DecidesByNumber(why=why)
    if figures.ballots < LEAST_BALLOTS:
        raise TooFewToWeight(least=LEAST_BALLOTS)
    base = _shown_to_all(figures)
    places = await territory_tree(session)
    target, mark = await _target(session, figures, margins, places)
    numbers = tuple((by, tuple(sorted(groups.items()))) for by, groups in target.numbers.items())
    key = (session.get_bind().engine.url, figures.public_id, figures.version, figures.counted_at, target.code, mark,
           numbers)  # fmt: skip
    if key not in _kept:
        _kept[key] = await _weigh(session, figures, base, target, places)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]


async def weighting_if_any(session: ReadSession, figures: PollFigures) -> Weighting | None:
    """The weighting of a poll to its roll, or None where it has none: for documents that hold it beside the count."""
    try:
        return await weighting_of(session, figures)
    except (TooFewToPublish, DecidesByNumber, TooFewToWeight, NothingToWeightBy):
        return None


def _shown_to_all(figures: PollFigures) -> QuestionFigures:
    """A question every ballot was shown; of such the one with the fewest patterns of answers. Refuses otherwise."""
    if not any(question.tables for question in figures.questions):
        raise NothingToWeightBy(why="no_groups")
    whole = [found for found in figures.questions if found.outcome.cast == figures.ballots and found.tables]
    if not whole:
        raise NothingToWeightBy(why="styles")
    return min(whole, key=lambda found: (isinstance(found.question, Ranking), len(found.total.cells)))


async def _target(
    session: ReadSession, figures: PollFigures, margins: str | None, places: TerritoryTree
) -> tuple[Target, datetime | None]:
    if margins is None or margins == REGISTER:
        target = register_target(figures.turnout)
        if target is None:
            raise NothingToWeightBy(why="no_roll")
        return target, None
    found, uploaded_at = await margins_named(session, margins)
    return census_target(found, figures.turnout, places), uploaded_at


async def _weigh(
    session: ReadSession, figures: PollFigures, base: QuestionFigures, target: Target, places: TerritoryTree
) -> Weighting:
    from results.weighted_shares import Sample, weigh  # with numpy, which a process that weighs nothing does without

    question = base.question.id
    rows = await session.execute(
        select(profile.c.stratum, func.sum(profile.c.n))
        .where(profile.c.poll_id == figures.poll_id, profile.c.question_id == question)
        .group_by(profile.c.stratum)
    )
    sample = Sample(question, {stratum: int(n) for stratum, n in rows})
    found = await asyncio.to_thread(weigh, figures, sample, target, places)
    if found is None:
        raise NothingToWeightBy(why="no_groups")
    return found
