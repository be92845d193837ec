"""The section of the results page on anomalies: what the template needs besides the checks themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from polls.catalogue import SealedPoll
from polls.sessions import ReadSession
from results import anomaly_words
from results.anomalies import anomalies_of
from results.anomaly_chart import hour_chart
from results.visibility import Decision
from voting.web.i18n import current


async def shown_anomalies(session: ReadSession, poll: SealedPoll, seen: Decision, now: datetime) -> dict[str, Any]:
    """The checks, their words and the chart; `anomalies` is None where too few ballots allow none."""
    if not seen.breakdowns:
        return {"anomalies": None}
    found = await anomalies_of(session, poll.slug, now)
    return {
        "anomalies": found, "anomaly_words": anomaly_words, "hour_chart": hour_chart(found),
        "span_words": span_words(ZoneInfo(found.time_zone)),
    }  # fmt: skip


def span_words(zone: ZoneInfo) -> Callable[[datetime, datetime], str]:
    """Words of a stretch of time in city time: «24 нояб., 14:00–15:00»."""

    def words(begins: datetime, ends: datetime) -> str:
        first, last = begins.astimezone(zone), ends.astimezone(zone)
        begun = str(format_datetime(first, "d MMM, HH:mm", locale=current.get()))
        same = first.date() == last.date()
        return f"{begun}–{format_datetime(last, 'HH:mm' if same else 'd MMM, HH:mm', locale=current.get())}"

    return words
