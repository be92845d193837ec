"""Page views over HTTP, beside a bare Litestar handler that returns the same bytes.

    python bench/pages.py [--residents 5000] [--seconds 3] [--times 5] [--connections 64] [--quick]

One process each, loaded by wrk by turns: the home page and a poll's page, each request signed in as another resident;
the public results page, whole and as 304 by its entity tag. The bare handler has no session, no headers of ours and no
log. Prints the bars P4: 1,500, 1,500, 3,000 and 5,000 requests a second, each at least half of the bare handler's rate.
Replies are not compressed: wrk asks for none.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import rig, summary  # noqa: E402

from polls.casting import cast_ballot  # noqa: E402
from polls.catalogue import sealed_poll  # noqa: E402
from polls.counting import count_poll  # noqa: E402
from voting.db import Database, database_url_for  # noqa: E402


@dataclass(frozen=True)
class View:
    """A page under load; `bar` in requests a second. `signed_in`: each request by the next resident."""

    name: str
    path: str
    bar: int
    signed_in: bool
    tagged: bool = False


async def fill(url: str, residents: int) -> tuple[str, str]:
    """A city with 12 open polls, in which every tenth resident has voted, and a counted one; their addresses."""
    from tests.builders import SEALER, ASigner

    database = Database.from_url(database_url_for(url, "postgresql+asyncpg"))
    await rig.fill_city(database, residents)
    slugs = await rig.open_polls(database, 13)
    now = datetime.now(UTC)
    signer = ASigner()
    async with database.open_session() as session:
        for turn, slug in enumerate(slugs):
            poll = await sealed_poll(session, slug)
            for citizen in range(1 + turn, min(residents, 400), 10 if turn else 1):
                await cast_ballot(session, poll, citizen, {"1": 1 + citizen % 4}, citizen.to_bytes(16), signer, now)
    async with database.open_session() as session:
        await session.execute(
            text("UPDATE poll SET closes_at = clock_timestamp() WHERE slug = :slug"), {"slug": slugs[0]}
        )
    async with database.open_session() as session:
        await count_poll(session, (await sealed_poll(session, slugs[0])).public_id, datetime.now(UTC), SEALER)
    await database.close()
    return slugs[0], slugs[1]


def fetch(service: rig.Service, path: str, session: str = "") -> tuple[bytes, str]:
    """A page's bytes and its entity tag."""
    headers = {"Accept-Language": "ru"} | ({"Cookie": f"sid={session}"} if session else {})
    with urllib.request.urlopen(urllib.request.Request(service.url + path, headers=headers)) as reply:
        return reply.read(), reply.headers.get("etag", "")


def measure(given: argparse.Namespace, server: str, stack: ExitStack) -> bool:
    url = stack.enter_context(rig.scratch_database(server, "pages"))
    data = stack.enter_context(rig.keys_of(database_url_for(url, "postgresql")))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    counted, running = asyncio.run(fill(url, given.residents))
    people = folder / "people"
    rig.write_people(people, rig.settings_for(url, data), given.residents)
    ours = stack.enter_context(rig.veche(url, data))
    views = [
        View("home page, signed in", "/", 1500, True),
        View("poll page, signed in", f"/polls/{running}", 1500, True),
        View("results page, public", f"/polls/{counted}/results", 3000, False),
        View("results page, public, 304", f"/polls/{counted}/results", 5000, False, tagged=True),
    ]
    good = True
    print(
        f"P4: requests a second, {given.connections} connections, median of {given.times} x {given.seconds} s, by turns"
    )
    for view in views:
        body, tag = fetch(ours, view.path, rig.token_of(1) if view.signed_in else "")
        (folder / "body").write_bytes(b"" if view.tagged else body)
        with rig.veche(url, data, variant=f"bare {folder / 'body'}") as bare:
            good &= compare(given, view, ours, bare, people, tag, len(body))
    return good


def load(view: View, service: rig.Service, given: argparse.Namespace, words: Sequence[str]) -> rig.Load:
    """One run. Ends the benchmark if any answer is not the page: a rate of refusals says nothing."""
    found = rig.wrk(service, given.seconds, given.connections, "read.lua", *words)
    if found.errors or not found.ok:
        raise SystemExit(
            f"{view.name}: {found.ok} pages, {found.wrong} other answers (one was {found.odd}), {found.broken} broken "
            f"connections of {found.requests} requests to {service.url}{view.path}"
        )
    return found


def compare(
    given: argparse.Namespace, view: View, ours: rig.Service, bare: rig.Service, people: Path, tag: str, size: int
) -> bool:
    """One page and the bare handler by turns."""
    words = [str(people) if view.signed_in else "-", "0", view.path, tag if view.tagged else '"-"']
    mine, theirs = [], []
    for turn in range(given.times + 1):
        pair = [load(view, service, given, words) for service in (ours, bare)]
        if turn:  # the first is not counted
            mine.append(pair[0])
            theirs.append(pair[1])
    rate, base = (rig.median([load.rate for load in found]) for found in (mine, theirs))
    print(rig.row(f"{view.name} ({size / 1000:.0f} kB)", mine, base))
    print(rig.row("  bare handler, the same bytes", theirs))
    print(f"  {'':44} bars: {view.bar:,}/s, and half of the bare handler: {rate / base:.0%}", flush=True)
    summary.record("P4", view.name, rate, view.bar, "/s", least=True)
    summary.record("P4", f"{view.name}, of a bare handler", 100 * rate / base, 50, "%", least=True)
    return rate >= view.bar and rate >= base / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--residents", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="one run of 1 s after a first one")
    given = parser.parse_args()
    if given.quick:
        given.residents, given.seconds, given.times = 2_000, 1, 1
    with rig.durable_server() as server, ExitStack() as stack:
        good = measure(given, server, stack)
    print("P4: every bar met" if good else "P4: A BAR IS MISSED")


if __name__ == "__main__":
    main()
