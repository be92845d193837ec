"""Hidden until closing: an attack through everything the service answers and writes. Nothing may leak.

Two worlds differ in how people voted alone (`two_worlds`). Every route of the application is asked for by everybody in
every way (`leak_attacker`); the replies must be the same, and so must the files and the tables. That the attacker can
see is shown as well: by leaks planted in each of these ways, and by the count, after which the worlds do differ.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy import text
from tests.databases import Databases
from tests.flows.leak_attacker import Attacker
from tests.flows.two_worlds import BOX, Originals, World, close_hidden, make_worlds, two_worlds

from polls.sessions import ReadSession
from voting.identity.guards import public
from voting.identity.recognition import viewer_of
from voting.jobs import Work
from voting.tasks import follow_the_clock
from voting.web.i18n import language_of

EVERYTHING = os.environ.get("VECHE_LEAKS") == "all"
"""Every way to ask for every route, `make soak`; otherwise some of them, the same at every run."""
FEW = not EVERYTHING and not os.environ.get("VECHE_FULL_COUNTS")
"""Still every route, but each of fewer polls, by fewer people and in fewer ways."""
ENOUGH = 3 if FEW else 1
"""How many times fewer replies there must be at the least."""


async def differing_tables(here: World, there: World) -> set[str]:
    """Tables that do not hold the same in both worlds, but for those of the ballots themselves."""
    async with here.database.open_read_session() as session:
        names = await session.scalars(
            text(
                "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            )
        )
        listed = [str(name) for name in names if name not in BOX and not str(name).startswith("intake_")]
    return {name for name in listed if await here.rows(name) != await there.rows(name)}


@pytest.fixture(scope="module")
async def originals(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Originals:
    return await make_worlds(databases, tmp_path_factory.mktemp("worlds"))


@pytest.fixture
async def worlds(databases: Databases, originals: Originals, tmp_path: Path) -> AsyncIterator[tuple[World, World]]:
    async with two_worlds(databases, originals, tmp_path) as copied:
        yield copied


@pytest.mark.timeout(7200 if EVERYTHING else 900)
async def test_nothing_tells_how_people_vote_before_the_count(worlds: tuple[World, World]) -> None:
    here, there = worlds
    assert await differing_tables(here, there) == set()
    async with Attacker(here, there, everything=EVERYTHING, few=FEW) as attacker:
        found = await attacker.walk(here.city.open)
        assert not found.leaks, found.leaks
        assert found.statuses[200] > 300 / ENOUGH and found.statuses[403] > 100 / ENOUGH, found.statuses
    await close_hidden(here, there)
    async with Attacker(here, there, everything=EVERYTHING, few=FEW) as attacker:
        found = await attacker.walk(here.city.open if EVERYTHING else here.city.open[:1])
        assert not found.leaks, found.leaks
        assert found.statuses[409] > 20 / ENOUGH, found.statuses
        found = await attacker.send_nothing(here.city.open[:1])
        assert not found.leaks, found.leaks
    assert here.files() == there.files()
    for world in worlds:
        await follow_the_clock(Work(world.database, world.settings))
    assert await here.rows("cross_tab") != await there.rows("cross_tab")  # two questions together, empty until now
    async with Attacker(here, there, few=FEW) as attacker:
        for only in ("/polls/{slug}/results", "/api/v1/polls/{slug}/results"):
            await attacker.walk(here.city.hidden[:1], only)
        counted = attacker.found.patterns_leaking()
    assert {"/polls/{slug}/results", "/api/v1/polls/{slug}/results", "/api/v1/polls/{slug}/results.csv"} <= counted


# ---- leaks planted, to show that the attacker sees


async def _ones(session: ReadSession, slug: str) -> int:
    """How many ballots of an open poll chose the first option: what nobody may learn."""
    poll = await session.scalar(text("SELECT id FROM poll WHERE slug = :slug OR public_id = :slug"), {"slug": slug})
    found = await session.scalar(text(f"SELECT count(*) FROM intake_{poll} WHERE answers[1] = '[1]'"))
    return int(found or 0)


def planted() -> list[Any]:
    """A leak in each of the ways a reply may tell something."""

    def leaking(name: str, tell: Any) -> Any:
        @get(f"/leak/{name}/{{slug:str}}", guards=[public], include_in_schema=False, name=name)
        async def leak(
            request: Request[Any, Any, Any], slug: FromPath[str], read_session: NamedDependency[ReadSession],
            question: FromQuery[str] = "",
        ) -> Response[Any]:  # fmt: skip
            told = tell(request, await _ones(read_session, slug), question)
            return told if isinstance(told, Response) else Response(f"{told}".encode(), media_type="text/plain")

        return leak

    def whose(request: Request[Any, Any, Any]) -> frozenset[str]:
        viewer = viewer_of(request)
        return viewer.roles if viewer else frozenset()

    def header(name: str, value: str) -> Response[Any]:
        return Response(b"same", media_type="text/plain", headers={name: value})

    def since(request: Request[Any, Any, Any]) -> bool:
        return "if-modified-since" in request.headers

    ways: dict[str, Any] = {
        "body": lambda _, n, __: n,
        "size": lambda _, n, __: Response(b"x" * n, media_type="application/octet-stream"),
        "etag": lambda _, n, __: header("etag", f'"{n}"'),
        "header": lambda _, n, __: header("x-fresh", str(n > 20)),
        "date": lambda _, n, __: header("last-modified", f"Sun, 22 Nov 2026 00:00:{n:02} GMT"),
        "status": lambda _, n, __: Response(b"", status_code=404 if n > 20 else 403),
        "condition": lambda r, n, __: Response(b"", status_code=304 if since(r) and n > 20 else 200),
        "range": lambda r, n, __: n if "range" in r.headers else "",
        "russian": lambda r, n, __: n if language_of(r) == "ru" else "",
        "observer": lambda r, n, __: n if "observer" in whose(r) else "",
        "question": lambda _, n, question: n if question == "2" else "",
        "late": lambda r, n, __: n if r.headers.get("accept") == "text/csv" else "",
    }  # fmt: skip
    return [leaking(name, tell) for name, tell in ways.items()]


@pytest.mark.timeout(900)
async def test_the_attacker_finds_every_leak_that_is_planted(worlds: tuple[World, World]) -> None:
    here, there = worlds
    more = planted()
    async with Attacker(here, there, everything=True, more=more) as attacker:
        found = await attacker.walk(here.city.live, only="/leak/")
    assert found.patterns_leaking() == {path.replace(":str", "") for leak in more for path in leak.paths}


async def test_an_address_nobody_knows_how_to_ask_for_stops_the_attack(worlds: tuple[World, World]) -> None:
    @get("/polls/{slug:str}/secret/{unheard_of:str}", guards=[public], include_in_schema=False, sync_to_thread=False)
    def secret(slug: FromPath[str], unheard_of: FromPath[str]) -> Response[Any]:
        return Response(b"")

    async with Attacker(*worlds, more=[secret]) as attacker:
        with pytest.raises(AssertionError, match="unheard_of"):
            await attacker.walk(worlds[0].city.open)
