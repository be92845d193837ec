"""What a decision is to whoever shows it: its facts, how late it is, what a list of them can ask for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from polls.definition import Text


class Status(StrEnum):
    """How far the city has come."""

    PLANNED = "planned"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    DECLINED = "declined"


OPEN = (Status.PLANNED, Status.IN_PROGRESS)
"""Work still owed: what can be overdue."""


class Show(StrEnum):
    """Which decisions a list shows."""

    ALL = "all"
    OVERDUE = "overdue"
    PLANNED = "planned"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    DECLINED = "declined"


@dataclass(frozen=True)
class DecisionFilter:
    """What narrows a list. `within`: the code of a territory, its parts included. `owner`: the name as written.
    `words`: of the poll, of the decision or of its owner.
    """

    show: Show = Show.ALL
    topic: str = ""
    within: str = ""
    owner: str = ""
    words: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether anything but the status narrows the list."""
        return bool(self.topic or self.within or self.owner or self.words)


@dataclass(frozen=True)
class Step:
    """A step in one line: what it is, and the day it was done or is planned for."""

    text: Text
    day: date


@dataclass(frozen=True)
class CityDecision:
    """One decision, with the poll it follows from. Days are in city time.

    `deadline` is the one in force, `first_deadline` the one first promised. `done_on` is None for open work, and for
    work finished before days were kept. `latest` is the step done last, `coming` the open one planned earliest.
    """

    id: int
    poll_public_id: str
    poll_slug: str
    poll_title: Text
    topic: str
    text: Text
    owner: str
    deadline: date | None
    status: Status
    published_at: datetime
    changed_at: datetime
    first_deadline: date | None = None
    done_on: date | None = None
    version: int = 1
    territory_code: str | None = None
    territory_name: Text = Text(ru="", en="")  # noqa: RUF009 -- it never changes in place
    steps: int = 0
    """Steps that were not given up."""
    steps_done: int = 0
    latest: Step | None = None
    coming: Step | None = None

    def overdue_days(self, today: date) -> int:
        """Days since the deadline in force, if the work is still owed; else 0."""
        if self.deadline is None or self.status not in OPEN:
            return 0
        return max(0, (today - self.deadline).days)

    @property
    def moved(self) -> bool:
        """Whether the deadline in force is another than first promised."""
        return self.first_deadline is not None and self.deadline != self.first_deadline

    @property
    def late_days(self) -> int:
        """Days that finished work came after the deadline first promised; 0 if in time or not known."""
        if self.status is not Status.DONE or self.done_on is None or self.first_deadline is None:
            return 0
        return max(0, (self.done_on - self.first_deadline).days)

    @property
    def in_time(self) -> bool:
        """Whether finished work was done by the deadline first promised."""
        known = self.status is Status.DONE and self.done_on is not None and self.first_deadline is not None
        return known and self.late_days == 0


def known_day(day: date) -> bool:
    """Whether a promise can be about this day: nearer the ends of the calendar, reckoning with it would leave it."""
    return 2000 <= day.year <= 2200


def read_decision(row: Mapping[str, Any]) -> CityDecision:
    """Out of a row of :func:`results.decision_statements.most_recent`."""
    return CityDecision(
        id=row["id"],
        poll_public_id=row["public_id"],
        poll_slug=row["slug"],
        poll_title=Text(ru=row["title_ru"], en=row["title_en"]),
        topic=row["topic"],
        text=Text(ru=row["text_ru"], en=row["text_en"]),
        owner=row["owner"],
        deadline=row["deadline"],
        status=Status(row["status"]),
        published_at=row["published_at"],
        changed_at=row["changed_at"],
        first_deadline=row["first_deadline"],
        done_on=row["done_on"],
        version=row["version"],
        territory_code=row["territory_code"],
        territory_name=Text(ru=row["territory_ru"] or "", en=row["territory_en"] or ""),
        steps=row["steps"],
        steps_done=row["steps_done"],
        latest=_step(row, "latest"),
        coming=_step(row, "coming"),
    )


def _step(row: Mapping[str, Any], name: str) -> Step | None:
    if row[f"{name}_day"] is None:
        return None
    return Step(Text(ru=row[f"{name}_ru"], en=row[f"{name}_en"]), row[f"{name}_day"])
