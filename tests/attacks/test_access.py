"""Every route by every role on objects of one's own, of others and of nobody, against one table: `access.txt`.

The routes are the application's own. One that the table does not name fails here, with the line to add; so does a line
of the table that no route answers to, and every cell that comes out otherwise.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.attacks.bodies import OF_BODIES, body_of
from tests.attacks.world import (
    ABSENT,
    CALLERS,
    IN,
    NO,
    SCOPES,
    SIGN_IN,
    UNREAD,
    Route,
    World,
    kind_of,
    nothing,
    role_of,
    routes_of,
)
from tests.sites import fast_passwords, site_settings

from voting.app import create_app
from voting.db import Database

FULL = bool(os.environ.get("VECHE_FULL_COUNTS"))
TABLE = Path(__file__).with_name("access.txt")


@dataclass(frozen=True)
class Line:
    """What the table says of a route."""

    who: frozenset[str]
    """Roles that come in; `everybody`, `signed-in`."""
    objects: Mapping[str, str]
    """Which object each part of the address names, where it is not the usual one."""
    there: Mapping[str, str]
    """Who comes to something else with an object that is there, and to what; `*`: all who come in."""
    absent: str
    """What those who come in find where the object is not there."""

    def lets_in(self, caller: str) -> bool:
        """Whether a caller comes in by the role."""
        role = role_of(caller)
        return "everybody" in self.who or role in self.who or ("signed-in" in self.who and role != "anonymous")

    def expected(self, caller: str, *, there: bool, poll: str = "") -> str:
        """What a caller comes to; `poll`: whether the address names a draft or a sealed poll of the office."""
        if not self.lets_in(caller):
            return SIGN_IN if caller == "anonymous" else NO
        if not there:
            return NO if caller in SCOPES and self.there.get("elsewhere") == NO else self.absent
        if caller in SCOPES and not self.who & {"everybody", "signed-in"}:
            if poll:
                return ABSENT if poll == "draft" else NO  # nobody out of its reach learns that a draft is there
            if "elsewhere" in self.there:
                return self.there["elsewhere"]
        return self.there.get(caller, self.there.get("*", IN))


def read_table() -> dict[str, Line]:
    """The table, by "METHOD path"."""
    found = {}
    for text in TABLE.read_text().splitlines():
        if not text.strip() or text.startswith("#"):
            continue
        route, who, absent, objects, there = [part.strip() for part in (text + "||||").split("|")[:5]]
        assert route not in found, f"twice in the table: {route}"
        found[route] = Line(frozenset(_list(who)), dict(_pairs(objects)), dict(_pairs(there)), absent)
    return found


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(name.strip(), value.strip()) for name, value in (part.split("=") for part in _list(text))]


UNREACHED = {
    "POST /officials/people/{reference}/propose": "names an entry of the register that fits this very case",
    "POST /officials/people/{reference}/dismiss": "gives one of the answers this very case can have",
    "POST /polls/{slug}/cast": "takes what a page of the ballot holds; the API's ballots reach the same poll here",
}
"""Writes whose body does not come to the object here, and why."""
MOST_UNREACHED = 3


def poll_named(route: Route, line: Line) -> str:
    """Whether the address names a draft of the office, a sealed poll, or none; as `World.values` fills it in."""
    if "poll_id" in route.parts or ("public_id" in route.parts and route.method != "GET" and not line.objects):
        return "draft"
    return "sealed" if {"public_id", "slug"} & set(route.parts) else ""


def proposed(route: Route) -> str:
    """A line for a route the table lacks, as its guard has it: to be read before it is added."""
    return f"{route} | {route.guard()} | {ABSENT if route.parts else ''}"


def test_the_table_names_every_route_and_no_other(tmp_path: Path) -> None:
    database = Database.from_url("postgresql://nobody.asks.it/nothing")
    app = create_app(site_settings(tmp_path), database=database, passwords=fast_passwords())
    routes, table = {str(route): route for route in routes_of(app)}, read_table()
    missing = [proposed(route) for name, route in routes.items() if name not in table]
    assert not missing, "add to tests/attacks/access.txt, once each is as it should be:\n" + "\n".join(missing)
    assert set(table) <= set(routes), f"no such routes: {sorted(set(table) - set(routes))}"
    guards = {name: route.guard() for name, route in routes.items()}
    other = [f"{name}: {guard}" for name, guard in guards.items() if set(_list(guard)) != table[name].who]
    assert not other, "guards that let in others than the table says:\n" + "\n".join(other)


def tried(route: Route, line: Line) -> list[str]:
    """Who tries a route: all in the full form; else a visitor, whoever the table tells apart, and of both sides one.

    Those who own the objects come last, since they may change them. Which guard a route has is compared for all above.
    """
    chosen = set(CALLERS)
    if not FULL:
        draw = random.Random(str(route))
        chosen = {"anonymous", *(name for name in line.there if name in CALLERS)}
        for side in (True, False):
            names = [name for name in CALLERS if line.lets_in(name) is side and name not in SCOPES]
            chosen |= set(draw.sample(names, min(len(names), 1)))
        away = [name for name in SCOPES if role_of(name) in line.who]
        chosen |= set(draw.sample(away, min(len(away), 1)))
    return sorted(chosen, key=lambda name: (name in ("resident", "official"), CALLERS.index(name)))


async def test_every_cell_is_as_declared(own_world: World) -> None:
    world, table, wrong, cells = own_world, read_table(), [], 0
    for route in world.routes():
        if (line := table.get(str(route))) is None:
            continue  # told by the test above
        for name in tried(route, line):
            values = await world.values(route, **line.objects)
            if route.may_end:
                await world.renew(name)
            sent = body_of(str(route), values, world.examples)
            reply = await world.callers[name].ask(route.method, route.filled(values), **sent)
            expected, came = line.expected(name, there=True, poll=poll_named(route, line)), kind_of(reply)
            if route.method == "GET" or not (route.parts or str(route) in OF_BODIES):
                came = IN if came == UNREAD else came  # there is no object to reach
            elif expected == IN and str(route) in UNREACHED:
                expected = UNREAD
            cells += 1
            if reply.status_code >= 500 or came != expected:
                wrong.append(f"{route}: {name} got {reply.status_code}, not {expected!r}: {reply.text[:300]}")
    assert not wrong, "\n".join(wrong)
    assert len(UNREACHED) <= MOST_UNREACHED
    assert cells >= (2_500 if FULL else 600)


async def test_what_is_not_there_is_not_there_for_anybody(own_world: World) -> None:
    world, table, wrong = own_world, read_table(), []
    for name in CALLERS:
        await world.renew(name)  # the test before has signed them out
    for route in world.routes():
        line = table.get(str(route))
        if line is None or not route.parts:
            continue
        body = world.examples.get(str(route))
        if str(route) == "PUT /api/v1/drafts/{poll_id}":  # out of reach by the place the body names, whatever is there
            body = body_of(str(route), nothing(route), world.examples)["json"]
        inside = next(name for name in CALLERS[::-1] if line.lets_in(name))
        for name in CALLERS if FULL else {"anonymous", "official", inside, "another resident"}:
            more = {} if body is None or route.method == "GET" else {"json": body}
            if "ballots" in route.path:
                more |= {"headers": {"idempotency-key": "0123456789abcdef" * 2}}
            reply = await world.callers[name].ask(route.method, route.filled(nothing(route)), **more)
            expected, came = line.expected(name, there=False), kind_of(reply)
            if reply.status_code >= 500 or (IN if came == UNREAD else came) != expected:
                wrong.append(f"{route}: {name} got {reply.status_code}, not {expected!r}: {reply.text[:300]}")
    assert not wrong, "\n".join(wrong)


async def test_a_draft_is_nowhere_outside_the_office(own_world: World) -> None:
    """By its address or its id, a draft answers as what was never made does: to whoever asks for polls in public."""
    world, table, wrong = own_world, read_table(), []
    draft = await world.a_draft()
    for route in world.routes():
        line = table.get(str(route))
        if line is None or "slug" not in route.parts or route.method != "GET" or "everybody" not in line.who:
            continue
        for name in ("anonymous", "official"):
            values = dict(world.there) | nothing(route)
            never = await world.callers[name].ask("GET", route.filled(values))
            reply = await world.callers[name].ask("GET", route.filled(values | {"slug": draft}))
            if (reply.status_code, reply.headers.get("location", "").replace(draft, "0" * 32)) != (
                never.status_code, never.headers.get("location", "")
            ):  # fmt: skip
                wrong.append(f"{route}: a draft answers {reply.status_code} to {name}, nothing {never.status_code}")
    assert not wrong, "\n".join(wrong)
