"""Who acts, and how they prove at this moment that it is them: the one place that knows how a proof is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request

from polls.sessions import Session
from voting.identity.step_up import Evidence, Proof, require_fresh
from voting.settings import Settings

Prove = Callable[[Session, str, bytes, datetime], Awaitable[Evidence]]
"""Given a purpose and the hash of the very object, gives the evidence; refuses `StepUpNeeded`."""


@dataclass(frozen=True)
class Hand:
    """An account that acts, with its way to prove itself."""

    account_id: int
    prove: Prove


def hand_of(request: Request[Any, Any, Any], account_id: int, settings: Settings, proof: Proof | None) -> Hand:
    """The hand of whoever sent a request, with the proof that came along, if one did."""

    async def prove(session: Session, purpose: str, hashed: bytes, now: datetime) -> Evidence:
        return await require_fresh(
            session, request, account_id, purpose=purpose, object_hash=hashed, proof=proof, settings=settings, now=now
        )

    return Hand(account_id, prove)


def kept(evidence: Evidence) -> dict[str, Any]:
    """Of a proof, what a request keeps for good: how, with which passkey, for which bytes, when."""
    return {
        "account": evidence.account_id,
        "method": evidence.method,
        "passkey": evidence.credential_id.hex() if evidence.credential_id is not None else None,
        "object_hash": evidence.object_hash.hex(),
        "at": evidence.at.isoformat(),
    }
