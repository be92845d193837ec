"""What the API takes and gives of interruptions, errata, revisions, templates and definition files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, JsonValue

from polls.comparison import Change, ChangeKind
from polls.definition import Definition, Text, Words
from polls.definition_exchange import Imported
from polls.poll_templates import Template
from polls.revisions import Revision
from voting.api.schemas import Shape
from voting.api.schemas_drafts import DraftView
from voting.api.schemas_drafts import Revision as RevisionNumber

ErratumWords = Annotated[Words, Field(max_length=2_000)]


class ErratumText(Shape):
    """What is wrong in a sealed text and what is right, in Russian at least."""

    ru: Annotated[ErratumWords, Field(min_length=3, examples=["Вместо «сквер» читайте «парк»."])]
    en: ErratumWords = ""


class RevisionLine(Shape):
    """One saved version of a draft."""

    number: int
    saved_at: datetime
    saved_by: int = Field(description="The account that saved it.")


class RevisionList(Shape):
    """Every version, the newest first."""

    revisions: list[RevisionLine]


class RevisionView(RevisionLine):
    """One version with its document."""

    definition: Definition

    @classmethod
    def of(cls, revision: Revision) -> RevisionView:
        """From the engine's."""
        return cls(
            number=revision.number, saved_at=revision.saved_at, saved_by=revision.saved_by,
            definition=revision.definition,
        )  # fmt: skip


class ChangeView(Shape):
    """One difference. Of a move, `before` and `after` are places counted from 1."""

    path: str = Field(description="By ids, not by places.", examples=["questions/2/options/3/text/ru"])
    kind: ChangeKind
    before: JsonValue
    after: JsonValue

    @classmethod
    def of(cls, change: Change) -> ChangeView:
        """From the engine's."""
        return cls.model_validate(change.as_json())


class ChangeList(Shape):
    """What changed from one version to another."""

    changes: list[ChangeView]


class Restoring(Shape):
    """Which version to save once more, and which one is the newest as you read it."""

    number: RevisionNumber
    based_on: RevisionNumber


class HandingOver(Shape):
    """The official who will look after the poll."""

    to: Annotated[int, Field(ge=1, le=2**63 - 1, description="The account.", examples=[7])]


class TemplateLine(Shape):
    """A template to begin a draft from."""

    code: str = Field(examples=["city_poll"])
    title: Text
    purpose: Text
    of_owners: bool = Field(description="The territory it asks for is a building, and its flats decide.")

    @classmethod
    def of(cls, template: Template) -> TemplateLine:
        """From the engine's."""
        return cls(code=template.code, title=template.title, purpose=template.purpose, of_owners=template.of_owners)


class TemplateList(Shape):
    """Every template."""

    templates: list[TemplateLine]


class ImportedView(Shape):
    """The draft a file became."""

    draft: DraftView
    kept_id: bool = Field(description="False where the file's id was taken and a new one was drawn.")

    @classmethod
    def of(cls, imported: Imported) -> ImportedView:
        """From the engine's."""
        return cls(draft=DraftView.of(imported.draft), kept_id=imported.kept_id)
