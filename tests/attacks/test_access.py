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

from tests.attacks.world import ABSENT, CALLERS, IN, NO, SIGN_IN, Route, World, kind_of, nothing, routes_of
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
        role = caller.removeprefix("another ")
        return "everybody" in self.who or role in self.who or ("signed-in" in self.who and role != "anonymous")

    def expected(self, caller: str, *, there: bool) -> str:
        """What a caller comes to."""
        if not self.lets_in(caller):
            return SIGN_IN if caller == "anonymous" else NO
        if not there:
            return self.absent
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
        chosen = {"anonymous", *(name for name in line.there if name != "*")}
        for side in (True, False):
            names = [name for name in CALLERS if line.lets_in(name) is side]
            chosen |= set(draw.sample(names, min(len(names), 1)))
    return sorted(chosen, key=lambda name: (name in ("resident", "official"), CALLERS.index(name)))


async def test_every_cell_is_as_declared(own_world: World) -> None:
    world, table, wrong, cells = own_world, read_table(), [], 0
    for route in world.routes():
        if (line := table.get(str(route))) is None:
            continue  # told by the test above
        for name in tried(route, line):
            address = route.filled(await world.values(route, **line.objects))
            if route.may_end:
                await world.renew(name)
            reply = await world.callers[name].ask(route.method, address)
            cells += 1
            if reply.status_code >= 500 or kind_of(reply) != line.expected(name, there=True):
                wrong.append(f"{route}: {name} got {reply.status_code}, not {line.expected(name, there=True)!r}")
    assert not wrong, "\n".join(wrong)
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
        inside = next(name for name in CALLERS[::-1] if line.lets_in(name))
        for name in CALLERS if FULL else {"anonymous", "official", inside, "another resident"}:
            more = {} if body is None or route.method == "GET" else {"json": body}
            if "ballots" in route.path:
                more |= {"headers": {"idempotency-key": "0123456789abcdef" * 2}}
            reply = await world.callers[name].ask(route.method, route.filled(nothing(route)), **more)
            expected = line.expected(name, there=False)
            if reply.status_code >= 500 or kind_of(reply) != expected:
                wrong.append(f"{route}: {name} got {reply.status_code}, not {expected!r}")
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
