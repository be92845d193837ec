"""While a poll is open, nothing the site gives out tells one ballot from another (BALLOTS 15).

Everything a visitor or an official can ask for, and every file the service writes, is taken down before and after: one
ballot's choice turned into another, one vote more, the thousandth. Choices show in steps of a thousand ballots alone;
a single vote moves the turnout, and it stands in the places named here and in no others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text
from tests.builders import NOW, a_city, a_multiple_choice, a_single_choice, an_open_poll
from tests.flows.test_secrecy import UNLIMITED
from tests.polls.test_ballot_box import a_box, a_vote, acknowledged, cast_all, people
from tests.sites import PASSWORD, Clock, add_account, browser, fast_passwords, sign_in, site_settings

from polls.catalogue import SealedPoll
from polls.counting import LIVE_STEP
from polls.live_apart import SETTLED
from voting.app import create_app
from voting.board_jobs import publish_boards
from voting.db import Database
from voting.jobs import Work
from voting.keys import record_keys
from voting.registry_jobs import keep_the_registry
from voting.tasks import follow_the_clock

EACH_TIME_NEW = {
    "/polls/{slug}/vote", "/polls/{slug}/sample", "/officials/polls/new", "/sign-in", "/sign-up", "/api/v1/session",
    "/api/v1/openapi.json", "/forgot", "/assisted", "/invitation", "/account/data.json", "/account/data.zip",
}  # fmt: skip
"""Addresses whose replies hold something drawn for each, or for each process; nothing of a poll is in them."""
TURNOUT = {
    "/", "/polls/{slug}", "/polls/{slug}/results", "/results", "/officials", "/officials/polls/{public_id}",
    "/api/v1/polls", "/api/v1/polls/{slug}", "/api/v1/polls/{slug}/turnout", "/api/v1/polls/{slug}/turnout.csv",
    "/embed/polls/{slug}",
}  # fmt: skip
"""Addresses where the turnout of an open poll may stand."""
NEVER_SAME = re.compile(rb'urn:veche:request:[0-9a-f]{16}|[0-9a-f]{16}(?=</span>)|name="csrf_token" value="[^"]*"')
"""The number of a request, and a form's token."""
Reply = tuple[int, tuple[tuple[str, str], ...], bytes]


class Witness:
    """Whoever takes down all that can be seen of a poll."""

    def __init__(self, database: Database, data_dir: Path, poll: SealedPoll, clock: Clock) -> None:
        self.database, self.data_dir, self.poll, self.clock = database, data_dir, poll, clock
        self.settings = site_settings(data_dir)
        self.session: httpx.Cookies | None = None

    def app(self) -> Litestar:
        """A process that remembers nothing yet."""
        return create_app(
            self.settings, database=self.database, passwords=fast_passwords(), limits=UNLIMITED, clock=self.clock
        )

    def addresses(self, app: Litestar) -> list[tuple[str, str]]:
        """The pattern and the address of everything that is read, of this poll or of none."""
        known = {
            "slug": self.poll.slug, "public_id": self.poll.public_id, "poll_id": self.poll.public_id, "number": "1",
            "picture": f"{self.poll.slug}.png", "code": "already_voted",
        }  # fmt: skip
        found = []
        for route in app.routes:
            wanted = re.findall(r"{([a-z_0-9]+)}", route.path_format)
            if "GET" in getattr(route, "methods", ()) and set(wanted) <= known.keys():
                found.append((route.path_format, route.path_format.format_map(known)))
        board = f"/board/{self.poll.public_id}/"
        files = [board + name for name in ("manifest.json", "q1/checkpoint", "q1/tile/0/000")]
        return [*found, *((path, path) for path in (*files, "/registry/checkpoint", "/registry/tile/entries/000"))]

    async def work(self) -> None:
        """What the service does by itself."""
        work = Work(self.database, self.settings)
        await follow_the_clock(work)
        await publish_boards(work)
        await keep_the_registry(work)

    async def everything(self) -> dict[tuple[str, str], Reply]:
        """(who, pattern) → status, headers and body; the service's files under the name of nobody."""
        await self.work()
        app = self.app()
        seen: dict[tuple[str, str], Reply] = {}
        plain = {"accept-language": "en", "accept-encoding": "identity"}
        visitor, official = browser(app, **plain), browser(app, **plain)
        if self.session is None:
            assert (await sign_in(official, "boss@city.test", PASSWORD)).status_code == 303
            self.session = official.cookies
        official.cookies = self.session
        for who, client in (("visitor", visitor), ("official", official)):
            for pattern, address in self.addresses(app):
                if pattern not in EACH_TIME_NEW:
                    reply = await client.get(address)
                    kept = sorted((name, value) for name, value in reply.headers.items() if name != "x-request-id")
                    seen[who, pattern] = reply.status_code, tuple(kept), NEVER_SAME.sub(b"", reply.content)
            await client.aclose()
        for path in self.data_dir.rglob("*"):
            if path.is_file():
                seen["", str(path.relative_to(self.data_dir))] = 0, (), path.read_bytes()
        return seen

    async def run(self, statement: str) -> None:
        async with self.database.open_session() as session:
            await session.execute(text(statement))

    async def turn_one(self, answers: Sequence[str]) -> None:
        """One ballot that is there becomes one with another choice."""
        given = "{" + ",".join(f'"{one}"' for one in answers) + "}"
        intake = f"intake_{self.poll.id}"
        await self.run(
            f"UPDATE {intake} SET answers = '{given}' WHERE ballot_id ="
            f" (SELECT ballot_id FROM {intake} ORDER BY 1 LIMIT 1)"
        )

    async def vote(self, citizens: Sequence[int], answer: int) -> None:
        votes = [a_vote(self.poll, one, answer) for one in citizens]
        assert len(acknowledged(await cast_all(a_box(self.database), votes))) == len(votes)


def changed(before: dict[tuple[str, str], Reply], after: dict[tuple[str, str], Reply]) -> set[str]:
    """The patterns of what is not the same, to the byte and with every header."""
    assert before.keys() == after.keys()
    return {pattern for who, pattern in before if before[who, pattern] != after[who, pattern]}


@pytest.mark.parametrize("visibility", ["live", "after_close"])
async def test_no_page_header_or_file_tells_of_a_single_ballot(
    fresh_database: Database, tmp_path: Path, visibility: str
) -> None:
    async with fresh_database.open_session() as session:
        await a_city(session)
        await record_keys(session, site_settings(tmp_path), NOW)
        questions: list[dict[str, Any]] = [a_single_choice(1, 3), a_multiple_choice(2, required=False)]
        poll = await an_open_poll(session, questions=questions, visibility=visibility)
        citizens = await people(session, 2 * LIVE_STEP + 20)
        now = await session.scalar(text("SELECT clock_timestamp()"))
    await add_account(fresh_database, "boss@city.test", "official")
    witness = Witness(fresh_database, tmp_path, poll, Clock(now))

    await witness.vote(citizens[:30], 1)
    await witness.work()  # what the opening itself brings, in the registry for one
    first = await witness.everything()
    assert first["visitor", "/polls/{slug}/results"][0] in (200, 403) and len(first) > 80
    assert changed(first, await witness.everything()) == set(), "what is taken down is the same twice"
    await witness.turn_one(["[3]", "[1,2]"])
    assert changed(first, await witness.everything()) == set()

    await witness.vote(citizens[30:31], 2)
    one_more = await witness.everything()
    assert changed(first, one_more) <= TURNOUT
    assert any(b"31" in one_more["visitor", pattern][2] for pattern in changed(first, one_more)), "the turnout moved"
    await witness.vote(citizens[31 : LIVE_STEP - 1], 1)
    below = await witness.everything()
    assert changed(first, below) <= TURNOUT

    await witness.vote(citizens[LIVE_STEP - 1 : LIVE_STEP], 2)
    taken = await witness.everything()
    assert changed(below, taken) <= TURNOUT and not {"/api/v1/polls/{slug}/results"} & changed(below, taken)
    await witness.vote(citizens[LIVE_STEP : LIVE_STEP + SETTLED], 2)
    step = await witness.everything()
    live = visibility == "live"
    results = {"/api/v1/polls/{slug}/results"}
    assert (results <= changed(below, step)) is live, "a thousand ballots are a step, seen when ten more have come"
    await witness.turn_one(["[2]", "[]"])
    assert changed(step, await witness.everything()) == set()
    await witness.vote(citizens[LIVE_STEP + SETTLED : LIVE_STEP + SETTLED + 1], 3)
    after = await witness.everything()
    assert changed(step, after) <= TURNOUT and not results & changed(step, after)
    await witness.vote(citizens[LIVE_STEP + SETTLED + 1 : 2 * LIVE_STEP - 1], 3)
    assert not results & changed(step, await witness.everything()), "999 more are none"
    await witness.vote(citizens[2 * LIVE_STEP - 1 : 2 * LIVE_STEP], 2)
    await witness.work()
    await witness.vote(citizens[2 * LIVE_STEP : 2 * LIVE_STEP + SETTLED], 3)
    assert (results <= changed(step, await witness.everything())) is live
