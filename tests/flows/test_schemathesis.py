"""Generated calls of every operation in every role: no failure of ours, and no reply the description does not declare.

Schemathesis draws the calls from the description, right ones and wrong ones; they are sent to the application over ASGI
in a loop of this test's own. Most addresses are made to name what is there, since drawn names never do.
"""

import asyncio
import copy
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.builders import (
    SEALER,
    a_budget,
    a_definition,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_open_poll,
    close_now,
)
from tests.flows.api_client import ROLES, Client, Town
from tests.sites import HTTP

from polls.authoring import create_draft
from polls.counting import count_poll
from voting.api.openapi import describe_api
from voting.db import Database

CASES = 10_000 if os.environ.get("VECHE_FULL_COUNTS") else 500
SEED = 20261122
CALLERS = ("anonymous", "resident", *ROLES)
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
OURS = ("cookie", "x-csrf-token")  # drawn too, since the description names them; the caller's own are sent
QUESTIONS = [a_single_choice(), a_multiple_choice(), a_rating(), a_budget()]
ANSWERS = {"1": 1, "2": [1, 3], "3": {"1": 5, "2": 2}, "4": [1, 2]}


class Stage:
    """A city with polls in several states and a caller of each role, on a loop of its own."""

    def __init__(self, url: str, tmp_path: Path) -> None:
        self.runner = asyncio.Runner()
        self.database = Database.from_url(url)
        self.town = Town(self.database, tmp_path)
        self.names: dict[str, list[str]] = {}
        self.callers: dict[str, Client] = {}

    def __enter__(self) -> "Stage":
        self.runner.run(self._set())
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.database.close())
        self.runner.close()

    def send(self, caller: str, case: schemathesis.Case) -> schemathesis.Response:
        """Send a drawn call as one of the callers."""
        client = self.callers[caller]
        prepared = requests.Request(**_without_session(case.as_transport_kwargs(base_url=HTTP))).prepare()
        assert prepared.url is not None
        assert prepared.method is not None
        headers = {name: value for name, value in prepared.headers.items() if name.lower() not in OURS}
        body: Any = prepared.body
        given: dict[str, Any] = {**headers, **client.headers()}
        sent = client.http.request(prepared.method, prepared.url, content=body, headers=given)
        reply = self.runner.run(_read(sent))
        return schemathesis.Response.from_httpx(reply, verify=True)

    async def _set(self) -> None:
        await self.town.settle()
        logins = [await self.town.add_resident() for _ in range(11)]
        async with self.database.open_session() as session:
            counted = await an_open_poll(session, questions=QUESTIONS)
            live = await an_open_poll(session, visibility="live", privacy="named", may_change=True)
            draft = await create_draft(session, 1, a_definition(), datetime.now(UTC))
        for login in logins:
            client = await self.town.client(login)
            reply = await client.vote(counted.slug, os.urandom(16).hex(), ANSWERS)
            assert reply.status_code == 201, reply.text
        async with self.database.open_session() as session:
            await close_now(session, counted)
        async with self.database.open_session() as session:
            await count_poll(session, counted.public_id, datetime.now(UTC), SEALER)
        sealed = [counted.public_id, live.public_id]
        self.names = {"slug": [counted.slug, live.slug, *sealed], "poll_id": [draft.public_id, *sealed]}
        self.callers = {role: await self.town.client(role) for role in ROLES}
        self.callers |= {"anonymous": self.town.anonymous(), "resident": await self.town.client(logins[0])}


async def _read(sent: Any) -> Any:
    return await sent


def _without_session(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name in {
        "method", "url", "headers", "params", "json", "data", "files", "cookies",
    }}  # fmt: skip


@pytest.mark.timeout(5_400)
def test_no_drawn_call_breaks_the_api(fresh_database_url: str, tmp_path: Path) -> None:
    began = time.monotonic()
    statuses: Counter[int] = Counter()
    failures: list[str] = []
    with Stage(fresh_database_url, tmp_path) as stage:
        described: Any = schemathesis.openapi.from_dict(describe_api(stage.town.app, title="API", version="1"))
        operations = [found.ok() for found in described.get_all_operations()]
        for number, operation in enumerate(operations):
            try:
                drawn_calls(stage, operation, SEED + number, math.ceil(CASES / len(operations)), statuses)()
            except Exception as error:
                failures.append(f"{operation.label}: {error}")
    seconds = time.monotonic() - began
    print(f"{statuses.total()} calls in {seconds:.0f} s: {dict(sorted(statuses.items()))}")  # noqa: T201
    assert not failures, "\n\n".join(failures)
    assert statuses.total() >= CASES * 0.9
    assert {200, 201, 401, 403, 404, 409, 422} <= set(statuses)


def callers_of(operation: Any) -> tuple[str, ...]:
    """Every role; half of the calls come from one that the operation is for."""
    if operation.path.endswith(("/session", "/accounts")):
        return ("anonymous",)  # signing out, or in as somebody else, would end a caller's session
    chosen = {"officials": "official", "voting": "resident"}.get(operation.definition.raw["tags"][0], "anonymous")
    return CALLERS + (chosen,) * len(CALLERS)


def _contents(operation: Any) -> list[dict[str, Any]]:
    return list(operation.definition.raw.get("requestBody", {}).get("content", {}).values())


def drawn_calls(stage: Stage, operation: Any, seed: int, examples: int, statuses: Counter[int]) -> Callable[[], None]:
    """Calls of one operation, right ones and wrong ones, each by a caller drawn with it."""
    callers = callers_of(operation)
    bodies = [part["example"] for part in _contents(operation) if "example" in part]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(data=st.data())
    def drawn(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        for name, known in stage.names.items():
            if name in (case.path_parameters or {}) and data.draw(st.sampled_from([True, True, False])):
                case.path_parameters[name] = data.draw(st.sampled_from(known))
        if bodies and data.draw(st.sampled_from([False, False, True])):
            case.body, case.media_type = copy.deepcopy(bodies[0]), "application/json"
        reply = stage.send(data.draw(st.sampled_from(callers)), case)
        statuses[reply.status_code] += 1
        case.validate_response(reply, checks=CHECKS)

    return drawn
