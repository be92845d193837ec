"""What the API takes and gives of protocols. The signed document itself is described in docs/data-formats.md."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from results.protocol import Certified, Draft, Waiting
from voting.api.schemas import Shape

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SignedProtocol(Shape):
    """The signed file: RFC 8785 JSON. The note covers the SHA-256 of the canonical bytes of `protocol`."""

    key: str = Field(description="The verifier key it was signed with.")
    note: str = Field(description="A C2SP signed note: origin, kind, version, SHA-256 in base64.")
    protocol: dict[str, Any] = Field(description="veche/protocol/v1.")


class ProtocolVersion(Shape):
    """One certified protocol."""

    version: int
    count_version: int = Field(description="The version of the count it tells of.")
    reason: str = Field(description="Of a correction; empty for the first.")
    sha256: Sha256 = Field(description="What the registry log names it by.")
    certified_at: datetime
    signed: bool = Field(description="Whether the worker has signed it: seconds after it was certified.")

    @classmethod
    def of(cls, one: Certified) -> ProtocolVersion:
        """Out of a stored protocol."""
        return cls(
            version=one.version, count_version=one.count_version, reason=one.reason, sha256=one.sha256,
            certified_at=one.certified_at, signed=one.note is not None,
        )  # fmt: skip


class ProtocolVersions(Shape):
    """Every certified protocol of a poll, the newest first; empty before the first."""

    protocols: list[ProtocolVersion]


class WaitingProtocol(Shape):
    """What waits for a second person; `sha256` binds whoever certifies it."""

    version: int
    count_version: int
    reason: str
    sha256: Sha256
    prepared_at: datetime
    document: dict[str, Any]

    @classmethod
    def of(cls, one: Waiting) -> WaitingProtocol:
        """Out of what is stored."""
        return cls(
            version=one.version, count_version=one.count_version, reason=one.reason, sha256=one.sha256,
            prepared_at=one.prepared_at, document=one.document,
        )  # fmt: skip


class ProtocolDraft(Shape):
    """What would be prepared now, and what waits already."""

    version: int = Field(description="The version it would be.")
    sha256: Sha256 = Field(description="Binds whoever prepares it.")
    changed: list[str] | None = Field(description="Sections that differ from the newest certified one; null: none is.")
    facts: dict[str, Any]
    waiting: WaitingProtocol | None

    @classmethod
    def of(cls, draft: Draft, waiting: Waiting | None) -> ProtocolDraft:
        """Out of what was just read."""
        return cls(
            version=draft.version, sha256=draft.sha256, facts=dict(draft.facts),
            changed=None if draft.changed is None else list(draft.changed),
            waiting=None if waiting is None else WaitingProtocol.of(waiting),
        )  # fmt: skip


class PrepareProtocol(Shape):
    """Put the draft of this hash down as what waits."""

    seen: Sha256
    reason: str = Field("", max_length=1_000, description="Public; needed for a correction.")


class CertifyProtocol(Shape):
    """Stand up for what waits under this hash."""

    seen: Sha256


class WithdrawProtocol(Shape):
    """Take back what waits under this hash."""

    seen: Sha256
    note: str = Field(max_length=1_000, description="What is wrong; inside the office.")
