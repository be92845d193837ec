"""What the API takes and gives of polls in the making."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, JsonValue

from polls.audience import DryRun
from polls.authoring import Check, Draft
from polls.definition import Definition, Text, Words
from polls.desk import DeskPoll
from polls.lifecycle import State
from polls.strata import SEXES, age_label
from polls.territories import TerritoryTree
from voting.api.documents import NewDefinition, NewDocument, SavedDocument, Time
from voting.api.schemas import Shape

Slug = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$", examples=["square-2026"])]
Revision = Annotated[int, Field(ge=1, le=2_147_483_647, examples=[3])]
Reason = Annotated[Words, Field(min_length=3, max_length=1_000, examples=["Отключение электричества в районе"])]


class NewDraft(Shape):
    """A draft may start empty."""

    definition: NewDocument = Field(default_factory=NewDefinition)
    slug: Slug | None = Field(None, description="The short name in addresses; by default the id's first digits.")


class SavedDraft(Shape):
    """The whole document, and the revision it was made from."""

    definition: SavedDocument
    based_on: Revision = Field(description="`revision` of the draft as you read it.")
    slug: Slug | None = Field(None, description="A new short name, or null to keep it.")


class Seal(Shape):
    """Schedule exactly what you have seen."""

    revision: Revision = Field(description="The revision you have checked.")


class Extension(Shape):
    """A later closing time, with a public reason."""

    closes_at: Time
    reason: Reason


class PublicReason(Shape):
    """Why; everybody reads it."""

    reason: Reason


class DraftView(Shape):
    """A poll as its officials see it: the newest revision, or the sealed document once scheduled."""

    poll_id: str
    slug: str
    state: State
    author_id: int = Field(description="The account that began it.")
    revision: int
    definition: Definition
    saved_at: datetime
    saved_by: int = Field(description="The account that saved this revision.")
    hash: str | None = Field(description="SHA-256 of the sealed document; null before.")
    reason: str
    paused_at: datetime | None = Field(description="While a pause lasts.")
    archived_at: datetime | None = Field(description="Since when a draft is put away.")

    @classmethod
    def of(cls, draft: Draft) -> DraftView:
        """From the engine's."""
        return cls(
            poll_id=draft.public_id, slug=draft.slug, state=draft.state, author_id=draft.author_id,
            revision=draft.revision, definition=draft.definition, saved_at=draft.saved_at, saved_by=draft.saved_by,
            hash=draft.poll_hash.hex() if draft.poll_hash else None, reason=draft.reason,
            paused_at=draft.paused_at, archived_at=draft.archived_at,
        )  # fmt: skip


class DraftLine(Shape):
    """One line of the officials' list. Drafts have no times here: they are in the document."""

    poll_id: str
    slug: str
    state: State
    title: Text
    department: str
    author_id: int
    opens_at: datetime | None
    closes_at: datetime | None = Field(description="The closing time in force.")
    updated_at: datetime
    paused_at: datetime | None = Field(description="While a pause lasts.")
    archived_at: datetime | None = Field(description="Since when a draft is put away.")

    @classmethod
    def of(cls, line: DeskPoll) -> DraftLine:
        """From the desk's."""
        return cls(
            poll_id=line.public_id, slug=line.slug, state=line.state,
            title=Text(ru=line.title_ru, en=line.title_en), department=line.department, author_id=line.author_id,
            opens_at=line.opens_at, closes_at=line.closes_at, updated_at=line.updated_at,
            paused_at=line.paused_at, archived_at=line.archived_at,
        )  # fmt: skip


class DraftPage(Shape):
    """A page of the officials' list, and whether there are more."""

    drafts: list[DraftLine]
    more: bool


class StoredPicture(Shape):
    """Where a picture lies: put `sha256` into the document."""

    sha256: str = Field(description="Of the bytes as stored: encoded anew, without what cameras add.")


class FindingView(Shape):
    """One thing the checklist found. `path` points at the field, by ids: ``questions/2/options/3/text``."""

    code: str = Field(examples=["translation_missing"])
    path: str = Field(examples=["questions/1/text"])
    blocking: bool
    facts: dict[str, JsonValue]


class RefusedByView(Shape):
    """One part of the rule and how many residents it turns away."""

    code: str
    rule: dict[str, JsonValue]
    citizens: int


class SmallStrataView(Shape):
    """Groups of district, age and sex that would be merged whoever votes: too few in them may."""

    strata: int
    residents: int = Field(description="Who may vote, in all of them together.")


class DryRunView(Shape):
    """Who could vote if the poll opened as drafted."""

    registered: int
    entitled: int
    by_district: dict[str, int] = Field(description="Territory code → residents; `unknown` where none is recorded.")
    by_age: dict[str, int] = Field(description="Age band → residents.")
    by_sex: dict[str, int] = Field(description="f, m, unknown → residents.")
    refused_by: list[RefusedByView] = Field(description="The five biggest reasons, the biggest first.")
    small_strata: SmallStrataView

    @classmethod
    def of(cls, run: DryRun, bands: tuple[int, ...], places: TerritoryTree) -> DryRunView:
        """From the engine's, with codes in place of numbers."""
        sexes = {number: name for name, number in SEXES.items()}
        codes = {id_: place.code for id_, place in places.by_id.items()}
        return cls(
            registered=run.registered, entitled=run.entitled,
            by_district={codes.get(id_, "unknown"): n for id_, n in run.by_district.items()},
            by_age={age_label(index, bands) or "unknown": n for index, n in run.by_age.items()},
            by_sex={sexes.get(sex, "unknown"): n for sex, n in run.by_sex.items()},
            refused_by=[
                RefusedByView(code=part.code, rule=part.rule, citizens=part.citizens) for part in run.refused_by
            ],
            small_strata=SmallStrataView(**run.small_strata._asdict()),
        )  # fmt: skip


class CheckView(Shape):
    """The checklist with its dry run (null while the opening time is missing)."""

    revision: int
    ready: bool = Field(description="Nothing blocks scheduling.")
    findings: list[FindingView] = Field(description="Blocking ones first.")
    dry_run: DryRunView | None
    by_style: dict[str, int] = Field(
        description="Entitled by ballot style, 0 being everybody whom no style names; empty for a poll of one style."
    )

    @classmethod
    def of(cls, draft: Draft, check: Check, places: TerritoryTree) -> CheckView:
        """From the engine's."""
        run = check.dry_run
        return cls(
            revision=draft.revision, ready=check.ready,
            findings=[FindingView.model_validate(finding.as_json()) for finding in check.findings],
            dry_run=DryRunView.of(run, draft.definition.age_bands, places) if run else None,
            by_style={str(style): n for style, n in check.by_style.items()},
        )  # fmt: skip
