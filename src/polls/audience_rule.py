"""The audience rule tree as data: who may vote. Pure.

Its meaning is in :mod:`polls.eligibility`, which gives reasons, and in :mod:`polls.audience_condition`, as SQL.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from polls.document import Document, ListCode, Moment, OuterCode


class AllOf(Document):
    """Every part holds; with no parts, everybody in the register."""

    op: Literal["all"] = "all"
    of: Annotated[tuple[Audience, ...], Field(max_length=50)] = ()


class AnyOf(Document):
    """At least one part holds; with no parts, nobody."""

    op: Literal["any"] = "any"
    of: Annotated[tuple[Audience, ...], Field(max_length=50)] = ()


class Not(Document):
    """The part does not hold."""

    op: Literal["not"] = "not"
    of: Audience


class Age(Document):
    """Full years on the day of `opens_at` in city time, between the bounds (inclusive)."""

    op: Literal["age"] = "age"
    at_least: Annotated[int, Field(ge=0, le=130)] | None = None
    at_most: Annotated[int, Field(ge=0, le=130)] | None = None


class InTerritory(Document):
    """Registered in one of these territories or in a part of one (codes of `territory.code`)."""

    op: Literal["territory"] = "territory"
    codes: Annotated[tuple[OuterCode, ...], Field(min_length=1, max_length=500)]


class InGroup(Document):
    """A member of one of these groups (codes)."""

    op: Literal["group"] = "group"
    codes: Annotated[tuple[OuterCode, ...], Field(min_length=1, max_length=100)]


class Verified(Document):
    """Verified to at least this level: 1 contact confirmed, 2 account with the city, 3 in person with a document."""

    op: Literal["verified"] = "verified"
    level: Annotated[int, Field(ge=1, le=3)]


class RegisteredBefore(Document):
    """In the register before this moment."""

    op: Literal["registered_before"] = "registered_before"
    moment: Moment


class OwnsUnit(Document):
    """Owner, or part owner, of a flat in one of these buildings, or in a building of one of these territories."""

    op: Literal["unit"] = "unit"
    codes: Annotated[tuple[OuterCode, ...], Field(min_length=1, max_length=1_000)]


class Invited(Document):
    """On this list of invited residents. A list never changes once uploaded (code of `invited_list.code`)."""

    op: Literal["invited"] = "invited"
    list_code: ListCode


AnyAudience = AllOf | AnyOf | Not | Age | InTerritory | InGroup | Verified | RegisteredBefore | OwnsUnit | Invited
Audience = Annotated[AnyAudience, Field(discriminator="op")]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()


def codes_of(rule: AnyAudience) -> frozenset[str]:
    """The codes of every territory and building that a rule names."""
    match rule:
        case AllOf() | AnyOf():
            return frozenset[str]().union(*(codes_of(part) for part in rule.of))
        case Not():
            return codes_of(rule.of)
        case InTerritory() | OwnsUnit():
            return frozenset(rule.codes)
        case _:
            return frozenset()
