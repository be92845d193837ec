"""Two copies of one city that differ in how people voted and in nothing else: same voters and minutes, other choices.

The first is filled, signed into and opened; both are copies of it, database and files, and then each is voted in. What
anybody can be told of the open polls must be the same in both, to the byte, whoever asks and however.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from sqlalchemy import text
from tests.builders import (
    ASigner,
    a_budget,
    a_citizen,
    a_city,
    a_multiple_choice,
    a_rating,
    a_single_choice,
    an_open_poll,
    an_option,
    both,
    close_now,
)
from tests.databases import Databases
from tests.flows.api_client import ROLES, UNLIMITED
from tests.owners import a_house, an_owners_definition
from tests.polls.test_ballot_box import people
from tests.sites import Clock, add_account, browser, fast_passwords, sign_in, site_settings

from polls.casting import BallotBox, Cast
from polls.catalogue import SealedPoll, sealed_poll
from polls.votes import Vote
from voting import api, web
from voting.app import create_app
from voting.board_jobs import publish_boards
from voting.db import Database
from voting.identity.api_tokens import SCOPES, create_api_token
from voting.jobs import Work
from voting.keys import record_keys
from voting.registry_jobs import append_and_publish, keep_the_registry
from voting.tasks import follow_the_clock

VOTERS = 40
DISTRICTS = ("msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky")
VISITOR, VOTER, COLLEAGUE, SCRIPT = "visitor", "voter", "colleague", "script"
SIGNED_IN = (VOTER, COLLEAGUE, *ROLES)
WHO = (VISITOR, SCRIPT, *SIGNED_IN)
"""Everybody who asks. `official` wrote the polls, `colleague` is an official who did not; `voter` chose alike in both;
`script` has a token of the analyst's."""
WORDS = "a playground without cars"
BOX = ("named_ballot", "superseded")
"""Tables that hold ballots of open polls, beside each poll's own intake."""
Answers = dict[str, Any]


@dataclass(frozen=True)
class Ballots:
    """How one resident answers a poll in the one world and in the other."""

    here: Answers
    there: Answers


@dataclass
class City:
    """What the worlds share: the polls, who voted in which and how, cookies of everybody, the moment it stands at."""

    now: datetime
    hidden: list[SealedPoll] = field(default_factory=list)
    live: list[SealedPoll] = field(default_factory=list)
    counted: list[SealedPoll] = field(default_factory=list)
    votes: dict[str, list[tuple[int, bytes, Ballots]]] = field(default_factory=dict)
    cookies: dict[str, httpx.Cookies] = field(default_factory=dict)
    token: str = ""
    house: str = "arbat-1"

    @property
    def open(self) -> list[SealedPoll]:
        """The polls whose choices nobody may learn yet: hidden until closing, or live with too few for a step."""
        return self.hidden + self.live


class World:
    """One of the two: a database and a directory of files of its own, and a process in front of them."""

    def __init__(self, city: City, database: Database, data_dir: Path) -> None:
        self.city, self.database, self.data_dir = city, database, data_dir
        self.settings = site_settings(data_dir)

    def app(self, more: Sequence[Any] = ()) -> Litestar:
        """A process that remembers nothing yet; `more` are further routes, for planted leaks."""
        return create_app(
            self.settings, database=self.database, passwords=fast_passwords(), limits=UNLIMITED,
            clock=Clock(self.city.now), route_handlers=[*api.routers, *web.handlers, *more],
        )  # fmt: skip

    async def work(self) -> None:
        """What the service does by itself, but for counting: boards, the registry log, whatever stands in the queue."""
        work = Work(self.database, self.settings)
        await publish_boards(work)
        await append_and_publish(work)

    async def run(self, statement: str, **values: Any) -> None:
        async with self.database.open_session() as session:
            await session.execute(text(statement), values)

    async def rows(self, table: str) -> list[str]:
        async with self.database.open_read_session() as session:
            found = await session.scalars(text(f'SELECT row_to_json(t)::text FROM "{table}" t'))
            return sorted(found)

    def files(self) -> Mapping[str, bytes]:
        """Every file the service has written, but for its keys."""
        return {
            str(path.relative_to(self.data_dir)): path.read_bytes()
            for path in self.data_dir.rglob("*")
            if path.is_file() and "keys" not in path.relative_to(self.data_dir).parts
        }


@dataclass(frozen=True)
class Originals:
    """Both worlds with nobody in them: databases nobody is connected to, and files. What tests get is copied."""

    city: City
    names: Mapping[str, str]
    files: Path


SIDES = ("here", "there")


async def make_worlds(databases: Databases, files: Path) -> Originals:
    """Build the city, copy it, and vote in both copies."""
    first = databases.create()
    database = Database.from_url(databases.url(first))
    city = await _settle(database, files / "city")
    await database.close()  # a database somebody is connected to cannot be copied
    names = {side: databases.create(first) for side in SIDES}
    for side in SIDES:
        shutil.copytree(files / "city", files / side)
    async with AsyncExitStack() as stack:
        here, there = [await _enter(stack, city, databases.url(names[side]), files / side) for side in SIDES]
        await _vote(here, "here")
        await _vote(there, "there")
        await _same_minutes(here, there)
        for world in (here, there):
            await world.work()
    return Originals(city, names, files)


@asynccontextmanager
async def two_worlds(databases: Databases, made: Originals, tmp_path: Path) -> AsyncIterator[tuple[World, World]]:
    """Copies of the worlds, for a test to do with as it likes."""
    async with AsyncExitStack() as stack:
        worlds = []
        for side in SIDES:
            shutil.copytree(made.files / side, tmp_path / side)
            name = databases.create(made.names[side])
            stack.callback(databases.drop, name)
            worlds.append(await _enter(stack, made.city, databases.url(name), tmp_path / side))
        yield worlds[0], worlds[1]


async def _enter(stack: AsyncExitStack, city: City, url: str, files: Path) -> World:
    database = Database.from_url(url)
    stack.push_async_callback(database.close)
    return World(city, database, files)


async def close_hidden(here: World, there: World) -> None:
    """Let the open polls end in both, a minute before the moment both stand at; nobody counts yet."""
    for world in (here, there):
        await world.run(
            "UPDATE poll SET closes_at = :at WHERE id = ANY (:polls)",
            at=here.city.now - timedelta(minutes=1), polls=[poll.id for poll in here.city.open],
        )  # fmt: skip


async def _settle(database: Database, data_dir: Path) -> City:
    async with database.open_session() as session:
        await a_city(session)
        now = await session.scalar(text("SELECT clock_timestamp()"))
        assert isinstance(now, datetime)
        city = City(now)
        await record_keys(session, site_settings(data_dir), now)
    await add_account(database, "official@city.test", "official")  # the builders' author: the first account
    for role in ROLES:
        if role != "official":
            made = await add_account(database, f"{role}@city.test", role)
            if role == "analyst":
                async with database.open_session() as session:
                    city.token = await create_api_token(session, made, name="notebook", scopes=SCOPES, days=30, now=now)
    await add_account(database, f"{COLLEAGUE}@city.test", "official")
    async with database.open_session() as session:
        voter = await a_citizen(session)
        citizens = [one for place in DISTRICTS for one in await people(session, VOTERS // 2, place)]
        owners = await a_house(session)
    await add_account(database, f"{VOTER}@city.test", "resident", citizen_id=voter)
    await _polls(database, city, voter, citizens, owners)
    await _past(database, data_dir, city)
    app = create_app(
        site_settings(data_dir), database=database, passwords=fast_passwords(), limits=UNLIMITED, clock=Clock(city.now)
    )
    for who in SIGNED_IN:
        async with browser(app) as client:
            assert (await sign_in(client, f"{who}@city.test")).status_code == 303
            city.cookies[who] = client.cookies
    work = Work(database, site_settings(data_dir))
    await follow_the_clock(work)
    await publish_boards(work)
    await keep_the_registry(work)
    return city


async def _polls(
    database: Database, city: City, voter: int, citizens: Sequence[int], owners: Mapping[str, int]
) -> None:
    kinds: list[dict[str, Any]] = [
        a_single_choice(1, 3, own_answer=True), a_multiple_choice(2, required=False), a_rating(3), a_budget(4),
        {"kind": "ranking", "id": 5, "text": both("Порядок", "Order"), "options": [an_option(i) for i in range(1, 4)]},
    ]  # fmt: skip
    async with database.open_session() as session:
        every = await an_open_poll(session, questions=kinds, title=both("Сквер", "Square"),
                                    cross_tabs=[{"rows": 1, "columns": 2}])  # fmt: skip
        named = await an_open_poll(session, privacy="named", may_change=True, title=both("Двор", "Yard"))
        few = await an_open_poll(session, title=both("Переулок", "Lane"))
        live = await an_open_poll(session, visibility="live", title=both("Сад", "Garden"))
        house = await an_open_poll(session, **an_owners_definition())
    city.hidden, city.live = [every, named, few, house], [live]
    for poll, voters in ((every, citizens), (named, citizens), (few, citizens[:3]), (live, citizens)):
        full = poll is every
        ballots = [_mirrored(number, full=full) for number in range(len(voters))]
        own = (voter, b"v" * 16, Ballots(ballots[0].here, ballots[0].here))
        others = zip(voters, ballots, strict=True)
        city.votes[poll.public_id] = [own, *((one, _key(poll, one), cast) for one, cast in others)]
    city.votes[house.public_id] = [
        (one, _key(house, one), Ballots({"1": 1 if letter < "e" else 2}, {"1": 2 if letter < "e" else 1}))
        for letter, one in sorted(owners.items())
    ]


def _key(poll: SealedPoll, citizen: int) -> bytes:
    return poll.id.to_bytes(8, "big") + citizen.to_bytes(8, "big")


def _mirrored(number: int, *, full: bool) -> Ballots:
    """Four in five choose one thing here and the other there; words, blanks and how many is chosen are the same."""
    most = number % 5 != 0
    first, second = (1, 2) if most else (2, 1)
    if not full:
        return Ballots({"1": first}, {"1": second})

    def answers(one: int, two: int) -> Answers:
        given: Answers = {
            "1": one, "2": [one, 3], "3": {"1": 2 + one, "2": 2 + two}, "4": [one], "5": [one, two, 3],
        }  # fmt: skip
        if number % 10 == 3:
            given["1"] = {"own": f"{WORDS} {number}"}
        if number % 7 == 6:
            given["2"] = []
        return given

    return Ballots(answers(first, second), answers(second, first))


async def _past(database: Database, data_dir: Path, city: City) -> None:
    """One poll that was counted long ago, so that lists and figures have something to show."""
    async with database.open_session() as session:
        poll = await an_open_poll(session, title=both("Мост", "Bridge"))
        citizens = await people(session, 12)
    box = BallotBox(database.open_box_session, ASigner)
    for number, one in enumerate(citizens):
        await box.cast(Vote(poll, one, {"1": 1 + number % 2}, _key(poll, one), city.now))
    await box.close()
    async with database.open_session() as session:
        await close_now(session, poll)
    await follow_the_clock(Work(database, site_settings(data_dir)))
    async with database.open_read_session() as session:
        city.counted = [await sealed_poll(session, poll.public_id)]


async def _vote(world: World, side: str) -> None:
    box = BallotBox(world.database.open_box_session, ASigner)
    polls = {poll.public_id: poll for poll in world.city.open}
    for public_id, votes in world.city.votes.items():
        for citizen, key, ballots in votes:
            cast = await box.cast(Vote(polls[public_id], citizen, getattr(ballots, side), key, world.city.now))
            assert isinstance(cast, Cast)
    await box.close()


async def _same_minutes(here: World, there: World) -> None:
    """The second world voted a little later: give its turnout the first one's minutes, and nothing else.

    Rows of words carry numbers drawn at random, under which officials review them.
    """
    for table in ("turnout_minute", "turnout_shard", "text_answer"):
        rows = await here.rows(table)
        await there.run(f"DELETE FROM {table}")
        for row in rows:
            await there.run(f"INSERT INTO {table} SELECT * FROM json_populate_record(NULL::{table}, :row)", row=row)
