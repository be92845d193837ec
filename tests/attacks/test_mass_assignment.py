"""Fields nobody asked for, in every body of the API and every form: refused, or without any effect."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from sqlalchemy import text
from tests.attacks.world import Caller, World
from tests.sites import form_token

EXTRA: dict[str, Any] = {
    "id": 1, "account_id": 1, "role": "admin", "roles": ["admin"], "is_admin": True, "citizen_id": 1, "author_id": 1,
    "state": "counted", "slug": "mine", "public_id": "0" * 32, "created_at": "2000-01-01T00:00:00Z", "person_key": "x",
    "demo": True, "approved": True, "approved_by": 1, "certified": True, "password_hash": "x",
    "territory_id": 1, "level": 9, "channel": "paper", "__class__": "x", "constructor": {"prototype": {"admin": True}},
}  # fmt: skip
"""Names of columns and of things others have fallen for."""


async def test_every_body_of_the_api_refuses_what_it_does_not_know(world: World) -> None:
    """Each extra field in each body, beside what is asked for and inside of it: 422, and the field is named."""
    wrong, tried = [], 0
    for route in world.routes():
        example = world.examples.get(str(route))
        if not isinstance(example, dict):
            continue
        first = route.guard().split(", ")[0]
        caller = world.callers[{"everybody": "anonymous", "signed-in": "resident"}.get(first, first)]
        address = route.filled(await world.values(route))
        for at, (name, value) in enumerate(EXTRA.items()):
            if name in example:
                continue
            body = copy.deepcopy(example) | {name: value}
            inner = next((part for word, part in body.items() if isinstance(part, dict) and word != "credential"), None)
            if at % 4 == 3 and inner is not None and "answers" not in body:
                del body[name]
                inner[name] = value
            headers = {"idempotency-key": f"{at:032x}"} if "ballots" in route.path else {}
            reply = await caller.ask(route.method, address, json=body, headers=headers)
            tried += 1
            told = [error["path"] for error in reply.json().get("errors", [])] if reply.status_code == 422 else []
            if not any(name in path for path in told):
                wrong.append(f"{route} took {name}: {reply.status_code} {reply.text[:120]}")
    assert not wrong, "\n".join(wrong[:30])
    assert tried > 300


async def test_signing_up_makes_a_resident_whatever_else_is_sent(world: World) -> None:
    """The one form that makes an account: nothing beside its fields goes into the account."""
    caller = await Caller(world.app, "anonymous").know()
    page = await caller.ask("GET", "/sign-up")
    fields = {name: str(value) for name, value in EXTRA.items()}
    reply = await caller.ask("POST", "/sign-up", data={
        **fields, "csrf_token": form_token(page), "national_id": "0000 000000", "birth_date": "1990-02-03",
        "login": "new@city.example", "password": "correct horse battery",
    })  # fmt: skip
    assert reply.status_code in (303, 404, 409, 422)
    async with world.database.open_read_session() as session:
        roles = await session.execute(text(
            "SELECT r.role FROM account_role r JOIN account a ON a.id = r.account_id WHERE a.email = 'new@city.example'"
        ))  # fmt: skip
        assert set(roles.scalars()) <= {"resident"}


@pytest.mark.parametrize("name", ["resident", "analyst"])
async def test_no_form_gives_its_sender_a_role(world: World, name: str) -> None:
    """Every form of the site with every extra field, sent by those who have no such right: roles stay as they are."""

    async def roles() -> list[tuple[int, str]]:
        async with world.database.open_read_session() as session:
            rows = await session.execute(text("SELECT account_id, role FROM account_role ORDER BY 1, 2"))
            return [(row.account_id, row.role) for row in rows]

    before, fields = await roles(), {key: str(value) for key, value in EXTRA.items()}
    for route in world.routes():
        if route.method == "POST" and not route.path.startswith("/api/") and not route.may_end:
            reply = await world.callers[name].ask("POST", route.filled(await world.values(route)), data=fields)
            assert reply.status_code < 500, route
    assert await roles() == before
