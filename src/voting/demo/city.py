"""Makes the demo city: the register, the accounts, every poll with its ballots, the counts and the decisions.

Each poll is one transaction, so a demo that was interrupted is gone on with: what is there stays, what is missing is
made. Refuses to do anything outside demo mode.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from polls.audience import take_roll
from polls.authoring import cancel_poll, create_draft, schedule_poll
from polls.board import KEY_BYTES, Signer
from polls.board_manifest import publish_manifest
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import BoardSealer
from polls.counting import count_poll, take_live_step
from polls.definition import Definition
from polls.eligibility import CitizenFacts
from polls.errors import NotAllowed
from polls.pabulib import parse
from polls.pabulib_import import import_budget
from polls.register import citizen_facts_many
from polls.sessions import ReadSession, Session
from polls.tables import poll as poll_table
from polls.turning_points import record_turning_points
from results.protocol import draft_protocol
from results.publication import publish_figures
from voting.approvals.proofs import Hand
from voting.certifying import certify, prepare
from voting.db import Database
from voting.demo.budget_file import DISTRICT as BUDGET_DISTRICT
from voting.demo.budget_file import TITLE as BUDGET_TITLE
from voting.demo.budget_file import budget_file
from voting.demo.clock import set_time, story_clock
from voting.demo.closed_polls import CLOSED_POLLS
from voting.demo.counting_polls import COUNTING_POLLS
from voting.demo.drafts import DRAFTS
from voting.demo.house import HOUSE_POLLS, settle_house
from voting.demo.margins import settle_margins
from voting.demo.okrug_polls import OKRUG_POLLS
from voting.demo.open_polls import OPEN_POLLS
from voting.demo.promises import keep_promise
from voting.demo.residents import open_accounts, settle_residents
from voting.demo.script import DemoPoll
from voting.demo.voters import answers_of, city_voters, turnout
from voting.demo_register import load_demo_register
from voting.identity.step_up import Evidence
from voting.keys import board_sealer
from voting.secrets import identity_secrets, receipt_signer
from voting.settings import Settings

OPENS_AT, CLOSES_AT = time(10), time(20)  # city time
CERTIFIED_AFTER = timedelta(days=2)
BUDGET_AGO = timedelta(days=15)
BUDGET_SHARE = 0.07  # ballots of the imported budget, per citizen of the demo
AT_ONCE = 2  # polls held at the same time: one computes while the other's queries run
POLLS = (*CLOSED_POLLS, *COUNTING_POLLS, *OKRUG_POLLS, *OPEN_POLLS, *HOUSE_POLLS)

Progress = Callable[[str], None]


class NotADemo(NotAllowed):
    """The service does not run in demo mode, so made-up residents have no business in its database."""

    detail: ClassVar[str] = "The demo city is made in demo mode only, and VECHE_DEMO is off."
    next_step: ClassVar[str] = "Leave VECHE_DATABASE_URL unset, or set VECHE_DEMO=1 for a database without real data."


class Standing(StrEnum):
    """What the database holds of the demo."""

    EMPTY = "empty"
    BEGUN = "begun"
    BUILT = "built"
    OTHER = "other"


@dataclass
class Built:
    """What was made: polls, and the ballots in them."""

    polls: int = 0
    ballots: int = 0


@dataclass(frozen=True)
class Story:
    """What every poll of the demo needs: the place and moment of the story, and its people."""

    database: Database
    now: datetime
    zone: ZoneInfo
    signer: Signer
    sealer: BoardSealer
    official_id: int
    reviewer_id: int
    voters: Sequence[CitizenFacts]
    data_dir: Path
    residents: dict[str, CitizenFacts] = field(default_factory=dict)


async def standing(session: ReadSession) -> Standing:
    """Whether the demo is there already, or has been begun, or something else is."""
    known = set(await session.scalars(select(poll_table.c.public_id)))
    ours = {poll.poll_id for poll in (*POLLS, *DRAFTS)}
    if ours <= known:
        return Standing.BUILT
    if ours & known:
        return Standing.BEGUN
    return Standing.OTHER if known else Standing.EMPTY


async def build_city(database: Database, settings: Settings, citizens: int, now: datetime, tell: Progress) -> Built:
    """Make what is missing of the demo city. `tell` hears one line about each step. Refuses `NotADemo`."""
    if not settings.demo:
        raise NotADemo
    story = await _people(database, settings, citizens, now)
    tell(f"{len(story.voters):,} residents in the register, and the demo accounts")
    async with database.open_read_session() as reading:
        known = set(await reading.scalars(select(poll_table.c.public_id)))
        budget_known = await _budget_known(reading)
    built = Built()
    room = asyncio.Semaphore(AT_ONCE)

    async def hold(poll: DemoPoll) -> None:
        async with room:
            ballots = await hold_poll(story, poll)
        built.polls += 1
        built.ballots += ballots
        tell(f"{poll.slug}: {ballots:,} ballots")

    async def hold_budget() -> None:
        async with room:
            ballots = await _import_budget(story, max(30, round(citizens * BUDGET_SHARE)))
        built.polls += 1
        built.ballots += ballots
        tell(f"a participatory budget from an open data file: {ballots:,} ballots")

    async with story_clock(database):
        work = [hold(poll) for poll in POLLS if poll.poll_id not in known]
        await _together([*work, *([] if budget_known else [hold_budget()])])
    async with database.open_session() as session:
        for draft in DRAFTS:  # last: a demo with its drafts is complete
            if draft.poll_id not in known:
                definition = definition_of(draft, now, story.zone)
                await create_draft(session, story.official_id, definition, now, slug=draft.slug)
                built.polls += 1
    return built


async def _together(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do it all at once; the first failure stops the rest before it is raised on, as itself and not in a group."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _people(database: Database, settings: Settings, citizens: int, now: datetime) -> Story:
    keys = identity_secrets(settings)
    async with database.open_session() as session:
        await load_demo_register(session, citizens, secrets=keys, now=now)
        residents = await settle_residents(session, settings, now)
        await settle_house(session, secrets=keys, now=now, zone=settings.time_zone)
        await settle_margins(session, now)
        official_id, reviewer_id = await open_accounts(session, settings, residents, now)
    async with database.open_read_session() as reading:
        voters = await city_voters(reading, citizens, keys, now)
        facts = await citizen_facts_many(reading, list(residents.values()), now)
    signer = cast(Signer, receipt_signer(settings))
    known = {key: facts[citizen_id] for key, citizen_id in residents.items()}
    return Story(
        database,
        now,
        settings.zone,
        signer,
        board_sealer(settings),
        official_id,
        reviewer_id,
        voters,
        settings.data_dir,
        known,
    )


def definition_of(poll: DemoPoll, now: datetime, zone: ZoneInfo) -> Definition:
    """The document of a demo poll: its days counted from `now`, its hours those of an office."""

    def at(days: timedelta, hour: time) -> datetime:
        return datetime.combine((now + days).astimezone(zone).date(), hour, zone)

    return Definition.model_validate(
        {
            **poll.content,
            "poll_id": poll.poll_id,
            "time_zone": zone.key,
            "opens_at": at(poll.opens, OPENS_AT),
            "closes_at": at(poll.closes, CLOSES_AT),
        }
    )


async def hold_poll(story: Story, poll: DemoPoll) -> int:
    """Seal one poll in the past, let the residents vote day by day, and end it if its time is over: one transaction.

    Gives the number of ballots. The checklist an official faces is passed like any other poll's.
    """
    definition = definition_of(poll, story.now, story.zone)
    opens, closes = definition.opens_at, definition.closes_at
    assert opens is not None
    assert closes is not None
    sealed_at = min(opens, story.now) - timedelta(days=3)
    async with story.database.open_session() as session:
        await set_time(session, sealed_at)
        draft = await create_draft(session, story.official_id, definition, sealed_at, slug=poll.slug)
        await schedule_poll(session, poll.poll_id, story.official_id, draft.revision, sealed_at)
        sealed = await sealed_poll(session, poll.poll_id)
        if opens > story.now:
            return 0
        until = story.now - timedelta(days=1) if poll.cancelled else story.now
        ballots = await _vote(session, story, poll, sealed, until)
        if poll.cancelled:
            await set_time(session, until)
            await cancel_poll(session, poll.poll_id, story.official_id, poll.cancelled, until)
        elif closes < story.now:
            await set_time(session, closes)
            await record_turning_points(session, sealed.id, closes)
            await _end(session, story, poll, closes)
    return ballots


async def _vote(session: Session, story: Story, poll: DemoPoll, sealed: SealedPoll, until: datetime) -> int:
    """Cast everybody's ballot through the ordinary use case, day by day, and write down the opening on its day."""
    ballots = 0
    await set_time(session, sealed.opens_at)
    await record_turning_points(session, sealed.id, sealed.opens_at)
    await take_roll(session, sealed.id, sealed.definition)
    for moment, going in turnout(story.voters, poll, sealed.definition, until):
        await set_time(session, moment)
        if not ballots:
            going += [
                (facts, answers_of(facts, poll, sealed.definition, random.Random(poll.slug)))  # noqa: S311
                for facts in (story.residents[key] for key in poll.keen)
            ]
        for facts, answers in going:
            key = secrets.token_bytes(KEY_BYTES)
            await cast_ballot(session, sealed, facts.citizen_id, answers, key, story.signer, moment)
        ballots += len(going)
        await take_live_step(session, sealed, moment)
    return ballots


async def _end(session: Session, story: Story, poll: DemoPoll, closes: datetime) -> None:
    """Count a poll that is over, and publish what the city decided. What was decided has a protocol of two persons; of
    the others one is still to be prepared.
    """
    counted_at = closes + timedelta(minutes=2)
    await set_time(session, counted_at)
    await count_poll(session, poll.poll_id, counted_at, story.sealer)
    if poll.decision is not None and poll.decision.after > CERTIFIED_AFTER:
        await _certify(session, story, poll, closes + CERTIFIED_AFTER)
    if poll.decision is not None:
        people = [facts.citizen_id for facts in story.voters]
        await keep_promise(session, story.data_dir, poll.slug, poll.decision, closes, story.official_id, people)


async def _certify(session: Session, story: Story, poll: DemoPoll, at: datetime) -> None:
    """The office prepares the protocol and a second person certifies it; the worker signs it as soon as it works."""
    await set_time(session, at)
    await publish_manifest(session, poll.poll_id, story.sealer, at)
    await publish_figures(session, poll.poll_id, at)
    draft = await draft_protocol(session, poll.poll_id, at)
    waiting = await prepare(session, poll.poll_id, story.official_id, draft.sha256, "", at)
    later = at + timedelta(hours=3)
    await set_time(session, later)
    hand = Hand(story.reviewer_id, _no_proof)
    await certify(session, poll.poll_id, hand, waiting.sha256, later, fresh=False)


async def _no_proof(*_: object) -> Evidence:
    """Nobody was there: what the demo tells of its past was agreed by no hand."""
    raise AssertionError("a proof is asked of people alone")


async def _budget_known(session: ReadSession) -> bool:
    found = await session.scalar(select(func.count()).where(poll_table.c.title_ru.startswith(BUDGET_TITLE)))
    return bool(found)


async def _import_budget(story: Story, ballots: int) -> int:
    """Write a Pabulib file and take it in the way any such file is."""
    content = budget_file(ballots, story.now).encode()
    moment = story.now - BUDGET_AGO
    async with story.database.open_session() as session:
        await set_time(session, moment)
        imported = await import_budget(
            session, parse(content), content, signer=story.signer, sealer=story.sealer,
            official_id=story.official_id, now=moment,
            territory_code=BUDGET_DISTRICT, zone=story.zone.key,
        )  # fmt: skip
    return imported.cast
