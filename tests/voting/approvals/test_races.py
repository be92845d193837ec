"""Two transactions at once on a real database: whoever comes second finds what the first one did."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, text
from tests.voting.approvals.staff import Office, a_hand, a_member, an_office, asked_to_publish

from polls.authoring import load_draft, save_draft
from polls.document import Text
from polls.errors import Refusal, Sealed
from polls.lifecycle import State as PollState
from polls.sessions import Session
from polls.tables import registry_event
from voting.approvals.actions import Action, State
from voting.approvals.errors import ApprovalOver
from voting.approvals.gate import parameters_of
from voting.approvals.requests import Request, agree, ask, withdraw
from voting.db import Database
from voting.identity.accounts import count_admins, revoke_role
from voting.identity.scope import Grant
from voting.identity.staff import disable_account

Act = Callable[[Session], Awaitable[object]]


async def settle(database: Database) -> tuple[Office, Request, datetime]:
    now = datetime.now(UTC)
    async with database.open_session() as session:
        office = await an_office(session, now)
        request = await asked_to_publish(session, office, now)
    return office, request, now


async def one(database: Database, act: Act) -> object:
    """What an act gives, or its refusal; each in a transaction of its own."""
    try:
        async with database.open_session() as session:
            return await act(session)
    except Refusal as refusal:
        return refusal


async def both(database: Database, first: Act, second: Act) -> tuple[object, object]:
    """The first does its work and holds it open until the second waits for it; then both end."""
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def held() -> object:
        async with database.open_session() as session:
            done = await first(session)
            reached.set()
            await go_on.wait()
            return done

    async def after() -> object:
        await reached.wait()
        return await one(database, second)

    ahead, behind = asyncio.create_task(held()), asyncio.create_task(after())
    await reached.wait()
    for _ in range(200):
        async with database.open_session() as session:
            waiting = await session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        if waiting or behind.done():
            break
        await asyncio.sleep(0.01)
    assert waiting, "the second did not wait for the first"
    go_on.set()
    return await ahead, await behind


async def sealed_times(database: Database) -> int:
    async with database.open_session() as session:
        found = select(func.count()).where(registry_event.c.kind == "poll_sealed")
        return await session.scalar(found) or 0


async def test_two_who_agree_at_once_do_it_once(fresh_database: Database) -> None:
    office, request, now = await settle(fresh_database)
    async with fresh_database.open_session() as session:
        other = await a_member(session, "other", "reviewer")

    def by(account_id: int) -> Act:
        return lambda session: agree(session, a_hand(account_id), request.id, request.object_hash, now)

    first, second = await both(fresh_database, by(office.reviewer), by(other))
    assert isinstance(first, Request) and first.state is State.APPROVED
    assert isinstance(second, ApprovalOver)
    assert await sealed_times(fresh_database) == 1


async def test_an_edit_on_its_way_voids_it(fresh_database: Database) -> None:
    office, request, now = await settle(fresh_database)
    changed = office.draft.definition.model_copy(update={"summary": Text(ru="Иначе", en="Otherwise")})
    _, agreed = await both(
        fresh_database,
        lambda session: save_draft(session, office.draft.public_id, changed, office.official, 1, now),
        lambda session: agree(session, a_hand(office.reviewer), request.id, request.object_hash, now),
    )
    assert isinstance(agreed, Request) and agreed.state is State.VOID
    assert await sealed_times(fresh_database) == 0


async def test_an_edit_that_comes_late_is_refused(fresh_database: Database) -> None:
    office, request, now = await settle(fresh_database)
    changed = office.draft.definition.model_copy(update={"summary": Text(ru="Иначе", en="Otherwise")})
    agreed, edited = await both(
        fresh_database,
        lambda session: agree(session, a_hand(office.reviewer), request.id, request.object_hash, now),
        lambda session: save_draft(session, office.draft.public_id, changed, office.official, 1, now),
    )
    assert isinstance(agreed, Request) and isinstance(edited, Sealed)
    async with fresh_database.open_session() as session:
        draft = await load_draft(session, office.draft.public_id, now)
    assert (draft.state, draft.definition) == (PollState.SCHEDULED, office.draft.definition)


@pytest.mark.parametrize("agrees_first", [True, False])
async def test_agreeing_and_taking_back(fresh_database: Database, agrees_first: bool) -> None:
    office, request, now = await settle(fresh_database)

    def yes(session: Session) -> Awaitable[Request]:
        return agree(session, a_hand(office.reviewer), request.id, request.object_hash, now)

    def back(session: Session) -> Awaitable[Request]:
        return withdraw(session, office.official, request.id, now)

    first, second = await both(fresh_database, *((yes, back) if agrees_first else (back, yes)))
    assert isinstance(first, Request) and isinstance(second, ApprovalOver)
    assert await sealed_times(fresh_database) == int(agrees_first)


@pytest.mark.parametrize("whose", ["reviewer", "official"])
async def test_a_role_taken_away_on_the_way_agrees_to_nothing(fresh_database: Database, whose: str) -> None:
    office, request, now = await settle(fresh_database)
    _, agreed = await both(
        fresh_database,
        lambda session: revoke_role(session, getattr(office, whose), Grant(whose), now=now),
        lambda session: agree(session, a_hand(office.reviewer), request.id, request.object_hash, now),
    )
    refused = isinstance(agreed, Refusal) and agreed.code == "out_of_scope"
    assert refused if whose == "reviewer" else isinstance(agreed, Request) and agreed.state is State.VOID
    assert await sealed_times(fresh_database) == 0


async def test_a_role_is_held_until_the_consent_is_written(fresh_database: Database) -> None:
    """Taken away a moment later, it had been there: the order is the database's."""
    office, request, now = await settle(fresh_database)
    agreed, _ = await both(
        fresh_database,
        lambda session: agree(session, a_hand(office.reviewer), request.id, request.object_hash, now),
        lambda session: revoke_role(session, office.reviewer, Grant("reviewer"), now=now),
    )
    assert isinstance(agreed, Request) and agreed.state is State.APPROVED


async def test_two_administrators_cannot_disable_each_other(fresh_database: Database) -> None:
    now = datetime.now(UTC)
    async with fresh_database.open_session() as session:
        first, second = await a_member(session, "first", "admin"), await a_member(session, "second", "admin")
    _, late = await both(
        fresh_database,
        lambda session: disable_account(session, a_hand(first), second, now),
        lambda session: disable_account(session, a_hand(second), first, now),
    )
    assert isinstance(late, Refusal) and late.code == "last_admin"
    async with fresh_database.open_session() as session:
        assert await count_admins(session) == 1


async def test_the_same_asked_twice_at_once_waits_once(fresh_database: Database) -> None:
    office, request, now = await settle(fresh_database)
    async with fresh_database.open_session() as session:
        await withdraw(session, office.official, request.id, now)
    told = parameters_of(Action.PUBLISH, {"revision": 1})

    def asking(session: Session) -> Awaitable[Request]:
        return ask(session, a_hand(office.official), Action.PUBLISH, office.draft.public_id, told, now)

    first, second = await both(fresh_database, asking, asking)
    assert isinstance(first, Request)
    assert isinstance(second, Refusal) and second.code == "approval_waiting"
