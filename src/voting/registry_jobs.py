"""The job that keeps the registry log: what the clock did is written down, events become entries, entries files."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from polls.registry import AT_ONCE, LOOK_BACK, RegistryFault, append_entries
from polls.turning_points import due_turning_points, record_turning_points
from voting.jobs import Work, registry
from voting.keys import REGISTRY, BadKey, signer
from voting.registry_files import publish_registry

logger = structlog.get_logger(__name__)


@registry.periodic("keep_the_registry", cron="* * * * * */5")
async def keep_the_registry(work: Work) -> None:
    """Bring the log and its files to what has happened. Each step stands on what was committed before it.

    A log that may not be signed, or a key that is not there, is logged at every tick until somebody sees to it; polls
    go on meanwhile, and nothing is lost: the events wait in their table.
    """
    await record_due_turning_points(work)
    try:
        await append_and_publish(work)
    except (RegistryFault, BadKey) as fault:
        logger.error("registry_failed", why=str(fault))


async def record_due_turning_points(work: Work) -> None:
    """Write down which polls have opened and closed; each apart, so that one keeps no other waiting."""
    async with work.database.open_read_session() as reading:
        due = await due_turning_points(reading)
    for poll in due:
        try:
            async with work.database.open_session() as session:
                await record_turning_points(session, poll.poll_id, datetime.now(UTC))
        except Exception:
            logger.exception("turning_point_failed", poll=poll.public_id)


async def append_and_publish(work: Work) -> None:
    """Append what is missing, then write the files. Raises RegistryFault and BadKey."""
    now = datetime.now(UTC)
    look_back = None if now.second < 5 else LOOK_BACK  # once a minute every event is looked at
    appended = AT_ONCE
    while appended == AT_ONCE:
        async with work.database.open_session() as session:
            key = signer(work.settings, REGISTRY)
            appended = await append_entries(session, work.settings.log_origin, key, now, look_back=look_back)
        if appended:
            logger.info("registry_appended", entries=appended)
    async with work.database.open_session() as session:
        await publish_registry(session, work.settings)
