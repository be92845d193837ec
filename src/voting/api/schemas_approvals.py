"""What the API takes and gives of requests for a second person, and of staff accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from polls.document import Words
from voting.api.schemas import Shape
from voting.approvals.actions import Action, State
from voting.approvals.requests import Request

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["5f0c" * 16])]


class ApprovalView(Shape):
    """A request for a second person's consent."""

    id: int
    action: Action
    object_kind: Literal["poll", "account", "key"]
    object_ref: str = Field(description="The public id of a poll, the number of an account, the purpose of a key.")
    object_hash: str = Field(description="SHA-256 of action, object as it was, parameters: what a consent is bound to.")
    version: dict[str, JsonValue] = Field(description="The object as it was when this was asked.")
    parameters: dict[str, JsonValue]
    author_id: int = Field(description="The account that asks.")
    asked_at: datetime
    expires_at: datetime
    state: State
    decided_by: int | None = Field(description="The account that answered; null where time or an edit did.")
    decided_at: datetime | None
    note: str = Field(description="Why it was declined; `changed`, `gone` or `author` of a void one.")

    @classmethod
    def of(cls, request: Request) -> ApprovalView:
        """From the request as it is stored; evidence stays inside."""
        return cls(
            id=request.id, action=request.action, object_kind=request.kind,
            object_ref=request.ref, object_hash=request.object_hash.hex(), version=request.version,
            parameters=request.parameters, author_id=request.author_id, asked_at=request.asked_at,
            expires_at=request.expires_at, state=request.state, decided_by=request.decided_by,
            decided_at=request.decided_at, note=request.note,
        )  # fmt: skip


class ApprovalPage(Shape):
    """A page of requests, and whether there are more."""

    approvals: list[ApprovalView]
    more: bool


class Consent(Shape):
    """Agree to exactly what you have read."""

    seen: Hash = Field(description="`object_hash` of the request as you read it.")


class Declining(Shape):
    """Why not; the author reads it."""

    note: Annotated[Words, Field(min_length=3, max_length=1_000, examples=["Опечатка во втором вопросе"])]


class RoleRequest(Shape):
    """A role to give or to take away."""

    account_id: Annotated[int, Field(ge=1, le=2**53)]
    change: Literal["grant", "revoke"]
    role: Literal["official", "reviewer", "analyst", "observer", "operator", "admin"]
    department: Annotated[Words, Field(min_length=1, max_length=200)] | None = None
    territory: Annotated[Words, Field(min_length=1, max_length=100)] | None = Field(
        None, description="The code of a territory; the role reaches all below it."
    )


class KeyRequest(Shape):
    """A key to put another in place of."""

    purpose: Literal["receipt", "board", "registry", "protocol"]
    because: Literal["planned", "lost", "compromised"]
