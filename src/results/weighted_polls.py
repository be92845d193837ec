"""The weighting of a counted poll: the one use case page, API and files read it through."""

from __future__ import annotations

from datetime import datetime

from polls.sessions import ReadSession
from results.weighting import Weighting


async def weighted_of(session: ReadSession, slug_or_id: str, now: datetime, margins: str | None = None) -> Weighting:
    """Weight a counted poll to its roll, or to the census margins of this code.

    Refuses what :func:`results.figures.poll_figures` refuses, `TooFewToPublish`, `DecidesByNumber` (binding polls and
    polls with a quorum, a threshold or owners), `TooFewToWeight`, `NothingToWeightBy` and `MarginsNotFound`.
    """
    raise NotImplementedError
