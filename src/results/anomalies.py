"""Anomalies of a counted poll: choice-free counters, checks over them, and the one use case that page, API, files and
protocol read.
"""

from __future__ import annotations

from datetime import datetime

from polls.sessions import ReadSession
from results.anomaly_shapes import Anomalies


async def anomalies_of(session: ReadSession, slug_or_id: str, now: datetime) -> Anomalies:
    """The checks of a counted poll, by slug or 32-digit id.

    Refuses `PollNotFound`, `WrongState` (cancelled), `ResultsHidden` before closing, `NotCounted` before the count,
    `TooFewToPublish` under ten ballots.
    """
    raise NotImplementedError
