"""hours.csv: votes by time, as the checks for anomalies read them; anybody can run the checks again from this file.

One line a number: `table` is ``city`` (ten minutes, or as many more as it takes for ten votes) or ``okrugs`` (whole
hours by okrug, merged until every number is ten). Every vote is in each of the two tables once. `okrugs` holds the
codes of a column's okrugs, separated by a space; it is empty for the city and for residents of none.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from results.anomalies import anomalies_of
from results.anomaly_shapes import Anomalies
from results.exports.columns import HOURS
from results.exports.dialects import Dialect, Download, OpenSession, Value, csv_chunks, file_name, streamed
from results.exports.headers import Language, header_of
from results.figures import poll_figures


async def hours_csv(
    open_session: OpenSession,
    slug_or_id: str,
    *,
    now: datetime,
    dialect: Dialect = Dialect.PLAIN,
    language: Language | None = None,
) -> Download:
    """Votes by time as CSV. Refuses what :func:`results.anomalies.anomalies_of` refuses, before the first byte."""
    async with open_session() as session:
        found = await anomalies_of(session, slug_or_id, now)
        closes_at = (await poll_figures(session, slug_or_id, now)).closes_at
    name = file_name(closes_at, found.time_zone, found.slug, "hours", "csv")
    return Download(name, "text/csv", streamed(csv_chunks(header_of(HOURS, language), hours_rows(found), dialect)))


def hours_rows(found: Anomalies) -> Iterator[tuple[Value, ...]]:
    """The lines of hours.csv, one value a column of `HOURS`; moments are ISO 8601 in city time with the offset."""
    zone = ZoneInfo(found.time_zone)
    poll = (found.public_id, found.slug)

    def moments(begins: datetime, ends: datetime) -> tuple[str, str]:
        return begins.astimezone(zone).isoformat(), ends.astimezone(zone).isoformat()

    for step in found.steps:
        yield (*poll, "city", *moments(step.begins, step.ends), "", "Весь город", "Whole city", step.votes)
    for row in found.hours.rows:
        for place, votes in zip(found.hours.places, row.votes, strict=True):
            yield (*poll, "okrugs", *moments(row.begins, row.ends), " ".join(place.codes), place.ru, place.en, votes)
