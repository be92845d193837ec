"""What `veche migrate` and the demo do once the schema is there; what `serve` and `worker` ask before they start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from polls.registry import record_protocol_version
from voting.db import opened_database
from voting.keys import check_keys, record_keys, software
from voting.settings import Settings


def set_up_keys(settings: Settings) -> None:
    """Make and list the keys that are missing, and say in the registry log what its files look like. Blocks."""
    asyncio.run(_set_up(settings))


def require_keys(settings: Settings, needed: Iterable[str]) -> None:
    """Raise BadKey unless this machine holds the keys needed, as they are listed. Blocks."""
    asyncio.run(_require(settings, needed))


async def _set_up(settings: Settings) -> None:
    now = datetime.now(UTC)
    async with opened_database(settings) as database, database.open_session() as session:
        await record_keys(session, settings, now)
        await record_protocol_version(session, settings.log_origin, software(), now)


async def _require(settings: Settings, needed: Iterable[str]) -> None:
    async with opened_database(settings) as database, database.open_session() as session:
        await check_keys(session, settings, needed)
