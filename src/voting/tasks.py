"""The jobs of the poll engine: take rolls, count what has closed, take the steps of live polls.

Opening and closing need no job; these only follow. Every body may run twice: counting refuses a second count under the
poll's lock, a roll is taken once, a live step is taken by one at a time.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from polls.catalogue import Phase, list_polls, sealed_poll
from polls.counting import count_poll, due_polls, take_due_rolls, take_live_step
from voting.identity.sessions import sweep_web_sessions
from voting.jobs import Work, registry
from voting.throttling import sweep_throttle

logger = structlog.get_logger(__name__)

EVERY_FIVE_SECONDS = "* * * * * */5"


@registry.periodic("follow_the_clock", cron=EVERY_FIVE_SECONDS)
async def follow_the_clock(work: Work) -> None:
    """Do what the clock has made due: rolls of opened polls, counts of closed ones, live steps."""
    async with work.database.open_session() as session:
        await take_due_rolls(session)
    async with work.database.open_read_session() as reading:
        due = await due_polls(reading)
    for public_id in due:
        try:
            async with work.database.open_session() as session:
                counted = await count_poll(session, public_id, datetime.now(UTC))
        except Exception:
            # One poll that cannot be counted must not keep the others waiting; it is tried again at the next tick.
            logger.exception("count_failed", poll=public_id)
            continue
        if counted is not None:
            logger.info("poll_counted", poll=public_id, ballots=counted.ballots)
    await _take_live_steps(work)


async def _take_live_steps(work: Work) -> None:
    now = datetime.now(UTC)
    async with work.database.open_read_session() as reading:
        cards = (await list_polls(reading, now, Phase.OPEN, limit=500)).cards
    for card in cards:
        if card.live:
            async with work.database.open_session() as session:
                await take_live_step(session, await sealed_poll(session, card.public_id), now)


@registry.periodic("sweep", cron="17 * * * *")
async def sweep(work: Work) -> None:
    """Delete what has run out: sessions ended by time, counters no window reaches back to."""
    now = datetime.now(UTC)
    async with work.database.open_session() as session:
        await sweep_web_sessions(session, idle=work.settings.session_idle, now=now)
        await sweep_throttle(session, now=now)
