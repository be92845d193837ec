"""The actions that take two people: their names, what each may be told, who asks and who consents. Pure.

A consent is bound to one hash: SHA-256 of the canonical JSON (RFC 8785) of the action, the object as it was when
consent was asked for, and the parameters. Whatever of these changes, the hash is another and the consent is nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import rfc8785
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from polls.document import OuterCode, ShortLine, Text, Words

LASTS: Final = timedelta(days=7)
"""A request nobody answers ends after so long."""
DOMAIN: Final = "veche/approval/v1"

Reason = Annotated[Words, StringConstraints(strip_whitespace=True, min_length=3, max_length=1_000)]
Department = Annotated[ShortLine, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Action(StrEnum):
    """What takes two people. The words are in the API, the audit log and the database: they never change."""

    PUBLISH = "publish"
    EXTEND = "extend"
    CLOSE_EARLY = "close_early"
    CANCEL = "cancel"
    CORRECT = "correct"
    GRANT_ROLE = "grant_role"
    REVOKE_ROLE = "revoke_role"
    ENABLE_ACCOUNT = "enable_account"
    CHANGE_KEYS = "change_keys"


class State(StrEnum):
    """Where a request stands. Only `waiting` ever changes, and once."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    VOID = "void"
    EXPIRED = "expired"


class Parameters(BaseModel):
    """What an action is told; each action has its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Publish(Parameters):
    """The revision of the draft to seal: the very one its author has checked."""

    revision: int = Field(ge=0, le=2_147_483_647)


class Extend(Parameters):
    """The later closing time, and why: both public."""

    closes_at: AwareDatetime
    reason: Reason

    @field_validator("closes_at")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return value.astimezone(UTC)


class Because(Parameters):
    """Why a poll closes early or is cancelled: public."""

    reason: Reason


class Correct(Parameters):
    """What is wrong in a sealed text and what is right."""

    text: Text


class RoleChange(Parameters):
    """A role with its scope: a department by name, a territory by code; none of them: everywhere."""

    role: Literal["official", "reviewer", "analyst", "observer", "operator", "admin"]
    department: Department | None = None
    territory: OuterCode | None = None


class Enable(Parameters):
    """Nothing: the account comes back with the roles it has, which the version of the object names."""


class KeyChange(Parameters):
    """The public reason of a rotation, as the registry log will say it."""

    because: Literal["planned", "lost", "compromised"]


@dataclass(frozen=True)
class Rule:
    """Of one action: its parameters, what kind of object it is done to, and the roles of both people."""

    parameters: type[Parameters]
    kind: Literal["poll", "account", "key"]
    asks: str
    consents: str


def _of_poll(parameters: type[Parameters]) -> Rule:
    return Rule(parameters, "poll", "official", "reviewer")


RULES: Final[Mapping[Action, Rule]] = {
    Action.PUBLISH: _of_poll(Publish),
    Action.EXTEND: _of_poll(Extend),
    Action.CLOSE_EARLY: _of_poll(Because),
    Action.CANCEL: _of_poll(Because),
    Action.CORRECT: _of_poll(Correct),
    Action.GRANT_ROLE: Rule(RoleChange, "account", "admin", "admin"),
    Action.REVOKE_ROLE: Rule(RoleChange, "account", "admin", "admin"),
    Action.ENABLE_ACCOUNT: Rule(Enable, "account", "admin", "admin"),
    Action.CHANGE_KEYS: Rule(KeyChange, "key", "admin", "admin"),
}


def plain(parameters: Parameters) -> dict[str, Any]:
    """Parameters as they are stored and hashed: plain JSON, moments in UTC."""
    return parameters.model_dump(mode="json")


def object_hash(
    action: Action, kind: str, ref: str, version: Mapping[str, Any], parameters: Mapping[str, Any]
) -> bytes:
    """The 32 bytes a consent and both fresh proofs are bound to."""
    told: dict[str, Any] = {
        "what": DOMAIN, "action": action.value, "object": {"kind": kind, "ref": ref, "version": dict(version)},
        "parameters": dict(parameters),
    }  # fmt: skip
    return hashlib.sha256(rfc8785.dumps(told)).digest()
