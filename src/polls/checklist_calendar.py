"""The checklist's clock and calendar: times that are missing, past, at night, on a day off, too near or too far. Pure.

Days off are Saturdays, Sundays and the holidays with fixed dates of article 112 of the Labour Code of Russia; days the
government moves each year are not known here. Days and hours are those of the poll's own time zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from polls.checklist_finding import Finding
from polls.definition import Definition

LEAST_NOTICE = timedelta(minutes=1)
SHORTEST, LONGEST = timedelta(hours=24), timedelta(days=90)
MORNING, NIGHT = 7, 23
HOLIDAYS = frozenset(
    {*((1, day) for day in range(1, 9)), (2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)}
)  # (month, day)
SATURDAY = 5


def check_times(definition: Definition, now: datetime) -> Iterator[Finding]:
    """What is wrong, or odd, with the opening and closing times as seen from `now`."""
    opens, closes = definition.opens_at, definition.closes_at
    if opens is None:
        yield Finding("opening_missing", "opens_at", True)
    if closes is None:
        yield Finding("closing_missing", "closes_at", True)
        return
    if closes <= now + LEAST_NOTICE:
        yield Finding("closing_past", "closes_at", True)
    if opens is not None:
        yield from _length(opens, closes, now)
    at = closes.astimezone(ZoneInfo(definition.time_zone))
    if at.hour < MORNING or at.hour >= NIGHT:
        yield Finding("closing_at_night", "closes_at", False, {"hour": at.hour})
    if (at.month, at.day) in HOLIDAYS:
        yield Finding("closing_on_holiday", "closes_at", False, {"day": at.date().isoformat()})
    elif at.weekday() >= SATURDAY:
        yield Finding("closing_on_weekend", "closes_at", False, {"day": at.date().isoformat()})


def _length(opens: datetime, closes: datetime, now: datetime) -> Iterator[Finding]:
    if closes <= opens:
        yield Finding("closing_before_opening", "closes_at", True)
    elif closes - opens < SHORTEST:
        hours = (closes - opens) // timedelta(hours=1)
        yield Finding("too_short", "closes_at", False, {"hours": hours, "at_least": SHORTEST // timedelta(hours=1)})
    elif closes - opens > LONGEST:
        yield Finding("too_long", "closes_at", False, {"days": (closes - opens).days, "at_most": LONGEST.days})
    if opens < now - timedelta(minutes=5):
        yield Finding("opening_past", "opens_at", True)
