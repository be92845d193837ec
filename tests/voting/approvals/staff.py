"""Members of staff for tests of second persons: accounts with roles and scopes, and hands that prove themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from tests.builders import NOW, a_citizen, a_city, a_definition

from polls.authoring import Draft, create_draft
from polls.definition import Definition
from polls.register import territory_tree
from polls.sessions import Session
from voting.approvals.actions import Action
from voting.approvals.gate import parameters_of
from voting.approvals.proofs import Hand
from voting.approvals.requests import Request, ask
from voting.identity.accounts import create_account, grant_role, normal_login
from voting.identity.step_up import Evidence


@dataclass
class Shown:
    """What a hand was asked to prove: purposes with the hashes they were bound to."""

    proofs: list[tuple[str, bytes]] = field(default_factory=list)


def a_hand(account_id: int, shown: Shown | None = None) -> Hand:
    """A hand whose proof always holds, and is remembered: step-up has tests of its own."""

    async def prove(_: Session, purpose: str, hashed: bytes, now: datetime) -> Evidence:
        if shown is not None:
            shown.proofs.append((purpose, hashed))
        return Evidence(account_id, "passkey", b"\x01\x02", hashed, now)

    return Hand(account_id, prove)


async def a_member(session: Session, name: str, *roles: str, **scope: Any) -> int:
    """A staff account with roles, for a department or a territory (by code) where told."""
    made = await create_account(session, login=normal_login(f"{name}@city.test"), password_hash="x", now=NOW)
    territory = scope.pop("territory", None)
    if territory is not None:
        scope["territory_id"] = (await territory_tree(session)).by_code[territory].id
    for role in roles:
        await grant_role(session, made, role, granted_by=None, now=NOW, **scope)
    return made


@dataclass
class Office:
    """A city with an official, a reviewer and a draft that could be sealed."""

    official: int
    reviewer: int
    draft: Draft


async def the_clock(session: Session) -> datetime:
    found: datetime | None = await session.scalar(text("SELECT clock_timestamp()"))
    assert found is not None
    return found


def a_ready_definition(now: datetime, **more: Any) -> Definition:
    """A document the checklist lets through."""
    opens = (now + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    more.setdefault("opens_at", opens)
    more.setdefault("closes_at", opens + timedelta(days=7))
    more.setdefault("department", "Департамент парков")
    return a_definition(**more)


async def an_office(session: Session, now: datetime, **more: Any) -> Office:
    await a_city(session)
    await a_citizen(session)  # a poll nobody may vote in is not ready
    official = await a_member(session, "official", "official")
    reviewer = await a_member(session, "reviewer", "reviewer")
    draft = await create_draft(session, official, a_ready_definition(now, **more), now)
    return Office(official, reviewer, draft)


async def asked_to_publish(session: Session, office: Office, now: datetime) -> Request:
    told = parameters_of(Action.PUBLISH, {"revision": office.draft.revision})
    return await ask(session, a_hand(office.official), Action.PUBLISH, office.draft.public_id, told, now)
