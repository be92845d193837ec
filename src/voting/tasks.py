"""The jobs of the poll engine: take rolls, count what has closed, take the steps of live polls, sum up the register.

Opening and closing need no job; these only follow. Every body may run twice: counting refuses a second count under the
poll's lock, a roll is taken once, a live step is taken by one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog

from polls.catalogue import sealed_poll
from polls.counting import (
    count_poll,
    due_polls,
    live_polls,
    polls_without_roll,
    publish_live_step,
    read_live_counts,
    take_roll_of,
)
from polls.register_sum import sum_up_register
from polls.sessions import Session
from results.errors import TablesPending
from results.evidence import KEPT_WITHDRAWN, withdrawn_before
from results.publication import due_publication, due_publications, publish_figures, store
from voting import (
    board_jobs,  # noqa: F401  -- declares its job
    erasure,  # noqa: F401  -- declares its job
    export_making,  # noqa: F401  -- declares its jobs
    open_data_archive,  # noqa: F401  -- declares its job
    protocol_jobs,  # noqa: F401  -- declares its job
    registry_jobs,  # noqa: F401  -- declares its job
)
from voting.auditing import sealing  # noqa: F401  -- declares its job
from voting.evidence_files import evidence_in, forget_evidence
from voting.identity.assisted import sweep_invitations
from voting.identity.city_sign_on.cases import sweep_cases
from voting.identity.city_sign_on.trips import sweep_trips
from voting.identity.mailbox import sweep_email_changes
from voting.identity.passkeys import sweep_challenges
from voting.identity.second_step import sweep_tickets
from voting.identity.sessions import sweep_web_sessions
from voting.jobs import Work, defer, registry
from voting.keys import board_sealer
from voting.mail import sweep_letters
from voting.pdf import forget_old_pdfs
from voting.publication_child import work_out_apart
from voting.throttling import sweep_throttle

logger = structlog.get_logger(__name__)

PUBLISH = "publish_figures"
EVERY_FIVE_SECONDS = "* * * * * */5"
EVERY_FIVE_MINUTES = "*/5 * * * *"

PUT_DOWN_AGAIN = timedelta(hours=1)
"""A file that somebody has just stored again may not stand under its step yet."""
REWRITTEN = ("text_answer", "named_ballot", "turnout_minute", "turnout_shard")
"""Tables whose rows are written anew at the count or by a changed vote. What was there before lies in the table, with
the transaction that wrote it, until it is vacuumed; the database by itself waits for a fifth of the table to change."""


@registry.periodic("follow_the_clock", cron=EVERY_FIVE_SECONDS)
async def follow_the_clock(work: Work) -> None:
    """Do what the clock has made due: rolls of opened polls, counts of closed ones, live steps.

    Each poll stands alone: one that fails is logged, tried again at the next tick, and keeps no other waiting. A tick
    during a long count does nothing: waiting for the same poll, ticks would fill the worker, and no other job would go.
    """
    async with work.database.alone("follow the clock") as mine:
        if mine:
            await _follow(work)


async def _follow(work: Work) -> None:
    async with work.database.open_read_session() as reading:
        without_roll, due = await polls_without_roll(reading), await due_polls(reading)
    for public_id in without_roll:
        async with apart("roll_failed", public_id), work.database.open_session() as session:
            await take_roll_of(session, public_id)
    for public_id in due:
        async with apart("count_failed", public_id), work.database.open_session() as session:
            counted = await count_poll(session, public_id, datetime.now(UTC), board_sealer(work.settings))
            if counted is not None:
                logger.info("poll_counted", poll=public_id, ballots=counted.ballots)
                # Seen together with the count; what goes wrong here never keeps a poll uncounted.
                async with apart("publication_failed", public_id), session.begin_nested():
                    await _publish(session, public_id)
    await _publish_due(work)
    await _take_live_steps(work)


@asynccontextmanager
async def apart(event: str, public_id: str) -> AsyncIterator[None]:
    """Log what goes wrong with one poll, and go on with the next."""
    try:
        yield
    except Exception:
        logger.exception(event, poll=public_id)


async def _publish_due(work: Work) -> None:
    """What was counted elsewhere, corrected, or has a changed roll: the next publication."""
    async with work.database.open_read_session() as reading:
        due = await due_publications(reading)
    for public_id in due:
        async with apart("publication_failed", public_id), work.database.open_session() as session:
            await _publish(session, public_id)


async def _publish(session: Session, public_id: str) -> None:
    """Store the next publication, or have a job do it: no count waits for the tables of a city."""
    try:
        await publish_figures(session, public_id, datetime.now(UTC), at_once=True)
    except TablesPending:
        lock = f"publication:{public_id}"
        await defer(session, PUBLISH, {"public_id": public_id}, lock=lock, queueing_lock=lock)


@registry.job(PUBLISH)
async def publish_city(work: Work, public_id: str) -> None:
    """Work out a large publication in a process of its own, with no transaction open, and store it."""
    async with work.database.open_session() as session:  # the primary: what was published last is never missed
        due = await due_publication(session, public_id, datetime.now(UTC))
    if due is None:
        return
    made = await work_out_apart(due)
    async with work.database.open_session() as session:
        if await store(session, due, made, datetime.now(UTC)):
            logger.info("tables_published", poll=public_id, version=due.version)


async def _take_live_steps(work: Work) -> None:
    now = datetime.now(UTC)
    async with work.database.open_read_session() as reading:
        running = await live_polls(reading, now)
    for public_id in running:
        async with apart("live_step_failed", public_id):
            await _take_live_step(work, public_id, now)


async def _take_live_step(work: Work, public_id: str, now: datetime) -> None:
    """Read under the poll's lock in a transaction of its own; tally and publish with nobody waiting."""
    async with work.database.open_session() as session:
        found = await sealed_poll(session, public_id)
        counts = await read_live_counts(session, found, now)
    if counts is not None:
        async with work.database.open_session() as session:
            await publish_live_step(session, found, counts, now)


@registry.periodic("sum_up_register", cron=EVERY_FIVE_MINUTES)
async def sum_up_the_register(work: Work) -> None:
    """Make the sum that audiences are counted from, if the register has changed since the last one."""
    async with work.database.open_session() as session:
        if await sum_up_register(session, datetime.now(UTC)):
            logger.info("register_summed_up")


@registry.periodic("sweep", cron="17 * * * *")
async def sweep(work: Work) -> None:
    """Delete what has run out: sessions ended by time, counters no window reaches back to, PDFs nobody has asked for
    in a month, letters and links past their time, files of evidence withdrawn a month ago, old versions of rows."""
    now = datetime.now(UTC)
    async with work.database.open_session() as session:
        await sweep_web_sessions(session, idle=work.settings.session_idle, now=now)
        await sweep_throttle(session, now=now)
        withdrawn = await withdrawn_before(session, now - KEPT_WITHDRAWN)
        await sweep_challenges(session, now=now)
        await sweep_tickets(session, now=now)
        await sweep_trips(session, now)
        await sweep_cases(session, now)
        await sweep_letters(session, now=now)
        await sweep_email_changes(session, now=now)
        await sweep_invitations(session, now=now)
    await asyncio.to_thread(forget_old_pdfs, work.settings.data_dir, now)
    await asyncio.to_thread(forget_evidence, evidence_in(work.settings.data_dir), withdrawn, now - PUT_DOWN_AGAIN)
    await work.database.vacuum(*REWRITTEN)
