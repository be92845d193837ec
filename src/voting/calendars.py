"""Calendars (RFC 5545) out of plain events, by the library `icalendar`, which folds lines and escapes texts.

An event keeps its UID for good, so that a calendar that subscribes moves it instead of adding another. Deadlines are
whole days; openings and closings are moments in UTC, which every calendar shows in its reader's own zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

MEDIA_TYPE = "text/calendar"
"""The framework says the encoding of texts by itself."""


@dataclass(frozen=True)
class CalendarEvent:
    """One event. `begins` is a day or a moment; a day needs no end. `sequence` rises when the event is moved."""

    uid: str
    title: str
    begins: date | datetime
    changed_at: datetime
    link: str
    ends: datetime | None = None
    text: str = ""
    sequence: int = 0
    cancelled: bool = False


def write_calendar(name: str, events: Sequence[CalendarEvent]) -> bytes:
    """The bytes of a calendar; the same events give the same bytes, since nothing in it is of the moment it is made."""
    from icalendar import Calendar, Event  # heavy, and few processes ever write one

    calendar = Calendar()
    calendar.add("prodid", "-//Veche//City decisions//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    for one in events:
        event = Event()
        event.add("uid", one.uid)
        event.add("dtstamp", one.changed_at.astimezone(UTC))
        event.add("last-modified", one.changed_at.astimezone(UTC))
        event.add("sequence", one.sequence)
        event.add("summary", one.title)
        if isinstance(one.begins, datetime):
            event.add("dtstart", one.begins.astimezone(UTC))
            event.add("dtend", (one.ends or one.begins).astimezone(UTC))
        else:
            event.add("dtstart", one.begins)
            event.add("dtend", one.begins + timedelta(days=1))
            event.add("transp", "TRANSPARENT")
        event.add("status", "CANCELLED" if one.cancelled else "CONFIRMED")
        event.add("url", one.link)
        if one.text:
            event.add("description", one.text)
        calendar.add_component(event)
    return bytes(calendar.to_ical())
