"""Bodies of the API about what the city decided: decisions, steps, evidence, departments, ratings of the work."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from polls.document import Line, Text
from results.decision_changes import Change, ChangeKind
from results.decisions import CityDecision, Show, Status
from results.departments import DepartmentRecord
from results.evidence import Evidence, Role
from results.milestones import Milestone
from results.work_ratings import WorkRatings
from voting.api.schemas import Shape

NO_TEXT = Text(ru="", en="")


class DecisionIn(Shape):
    """What the city does about a counted poll. Sending again changes it; each change stays in its history."""

    poll: str = Field(max_length=64, description="Slug or id of the poll.", examples=["square-2026"])
    text: Text = Field(description="Russian is needed.", examples=[{"ru": "Посадим липы", "en": "We plant limes"}])
    owner: Line = Field(description="The department that answers for it.", examples=["Департамент природопользования"])
    status: Status = Status.PLANNED
    deadline: date | None = Field(None, description="A day in city time.", examples=["2027-05-31"])
    done_on: date | None = Field(None, description="Of finished work; left out: today.")
    reason: Text = Field(NO_TEXT, description="Needed to move a deadline, to decline, and to take up again.")
    based_on: int | None = Field(None, ge=0, description="The version you began with, 0 for none; another refuses.")


class StepLine(Shape):
    """A step in one line, with the day it was done or is planned for."""

    text: Text
    day: date


class DecisionView(Shape):
    """One decision, with the poll it follows from. Days are in city time."""

    poll_id: str
    poll_slug: str
    poll_title: Text
    topic: str
    territory: str | None = Field(description="Code of the poll's territory.")
    text: Text
    owner: str
    deadline: date | None = Field(description="In force.")
    first_deadline: date | None = Field(description="As first promised.")
    done_on: date | None
    overdue_days: int = Field(description="Days since the deadline in force, while the work is owed.")
    late_days: int = Field(description="Days that finished work came after the deadline first promised.")
    status: Status
    published_at: datetime
    changed_at: datetime
    version: int
    steps: int = Field(description="Steps that were not given up.")
    steps_done: int
    latest_step: StepLine | None = Field(description="The step done last.")
    next_step: StepLine | None = Field(description="The open step planned earliest.")

    @classmethod
    def of(cls, made: CityDecision, today: date) -> DecisionView:
        """From the results' own; `today` in city time."""
        return cls(**_decision(made, today))


def _decision(made: CityDecision, today: date) -> dict[str, Any]:
    latest, coming = (one and StepLine(text=one.text, day=one.day) for one in (made.latest, made.coming))
    return {
        "poll_id": made.poll_public_id, "poll_slug": made.poll_slug, "poll_title": made.poll_title,
        "topic": made.topic, "territory": made.territory_code, "text": made.text, "owner": made.owner,
        "deadline": made.deadline, "first_deadline": made.first_deadline, "done_on": made.done_on,
        "overdue_days": made.overdue_days(today), "late_days": made.late_days, "status": made.status,
        "published_at": made.published_at, "changed_at": made.changed_at, "version": made.version,
        "steps": made.steps, "steps_done": made.steps_done, "latest_step": latest, "next_step": coming,
    }  # fmt: skip


class DecisionList(Shape):
    """A page of decisions, and how many there are in each pile under the same conditions."""

    decisions: list[DecisionView]
    total: int
    counts: dict[Show, int]


class EvidenceView(Shape):
    """A file that shows a step done, at `/evidence/{sha256}`."""

    id: int
    role: Role
    sha256: str
    media_type: str
    size: int
    name: Text = Field(description="A picture's alternative text, or a document's title.")
    at: datetime

    @classmethod
    def of(cls, found: Evidence) -> EvidenceView:
        """From the results' own."""
        return cls(id=found.id, role=found.role, sha256=found.file.sha256, media_type=found.file.media_type,
                   size=found.file.size, name=found.name, at=found.at)  # fmt: skip


class MilestoneView(Shape):
    """One step. `dropped` is the day it was given up."""

    id: int
    text: Text
    planned_on: date
    first_planned_on: date
    done_on: date | None
    dropped: date | None
    outcome: Text = Field(description="What was done, in words.")
    version: int
    files: list[EvidenceView]

    @classmethod
    def of(cls, step: Milestone) -> MilestoneView:
        """From the results' own."""
        return cls(
            id=step.id, text=step.text, planned_on=step.planned_on, first_planned_on=step.first_planned_on,
            done_on=step.done_on, dropped=step.dropped, outcome=step.outcome, version=step.version,
            files=[EvidenceView.of(one) for one in step.files],
        )  # fmt: skip


class ChangeView(Shape):
    """One line of the history."""

    number: int
    kind: ChangeKind
    at: datetime
    reason: Text
    milestone_id: int | None
    body: dict[str, Any] = Field(description="Field: [before, after]; the facts themselves where all is new.")

    @classmethod
    def of(cls, one: Change) -> ChangeView:
        """From the results' own."""
        return cls(number=one.number, kind=one.kind, at=one.at, reason=one.reason, milestone_id=one.milestone_id,
                   body=dict(one.body))  # fmt: skip


class RatingsView(Shape):
    """What residents say of the finished work. Null below ten ratings; new ones are added ten at a time."""

    total: int
    mean: float
    median: float
    counts: dict[int, int] = Field(description="How many gave each number of stars.")

    @classmethod
    def of(cls, found: WorkRatings) -> RatingsView:
        """From the results' own."""
        return cls(total=found.total, mean=round(float(found.mean), 4), median=float(found.median),
                   counts=dict(found.counts))  # fmt: skip


class DecisionDetail(DecisionView):
    """One decision with its steps, its history, the newest line first, and the residents' rating."""

    format: Literal["veche/decision/1"] = "veche/decision/1"
    milestones: list[MilestoneView]
    changes: list[ChangeView]
    ratings: RatingsView | None

    @classmethod
    def whole(
        cls, made: CityDecision, steps: list[MilestoneView], changes: list[ChangeView], ratings: RatingsView | None,
        today: date,
    ) -> DecisionDetail:  # fmt: skip
        """Everything of one decision."""
        return cls(**_decision(made, today), milestones=steps, changes=changes, ratings=ratings)


class MilestoneIn(Shape):
    """A new step."""

    text: Text = Field(description="Russian is needed.", examples=[{"ru": "Закупить лампы", "en": "Buy the lamps"}])
    planned_on: date = Field(examples=["2027-03-31"])


class MilestoneChange(MilestoneIn):
    """A step as it should be: what is left out is taken away. Completing needs evidence: words or a file."""

    done_on: date | None = None
    dropped: bool = Field(False, description="The step is given up.")
    outcome: Text = Field(NO_TEXT, description="What was done, in words.")
    reason: Text = Field(NO_TEXT, description="Needed to move the day, to give it up, and to take it up again.")
    based_on: int | None = Field(None, ge=1, description="The version you began with; a newer one refuses.")


class EvidenceIn(Shape):
    """A stored file to put under a step."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="As given when the file was stored.")
    role: Role
    name: Text = Field(description="A picture's alternative text, or a document's title; Russian is needed.")


class WithdrawIn(Shape):
    """Why a file is taken from the public."""

    reason: Text


class StoredFileView(Shape):
    """A file in the store. Nobody can see it until it stands under a step."""

    sha256: str
    media_type: str
    size: int


class RatingIn(Shape):
    """How good the finished work is."""

    stars: int = Field(ge=1, le=5)


class RatingTaken(Shape):
    """The rating is taken. It cannot be changed: nothing says which one was yours."""

    taken: Literal[True] = True


class DepartmentView(Shape):
    """How one department keeps its word. In time and late are by the deadline first promised."""

    owner: str
    total: int
    open: int
    overdue: int
    done: int
    in_time: int
    late: int
    declined: int
    moved: int

    @classmethod
    def of(cls, found: DepartmentRecord) -> DepartmentView:
        """From the results' own."""
        return cls(**{name: getattr(found, name) for name in cls.model_fields})


class DepartmentList(Shape):
    """Departments, those that owe most first."""

    departments: list[DepartmentView]
