"""What `veche migrate` and the demo do once the schema is there; what `serve`, `worker` and commands ask first.

The name under which boards and the registry log are signed is decided here, once: the log's own words
(`protocol_version`) keep it. Another port or another address of the site changes nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from polls.registry import is_anything_signed, record_protocol_version, stated_origin
from polls.sessions import ReadSession, Session
from voting.db import opened_database
from voting.keys import check_keys, record_keys, software
from voting.settings import Settings


class AnotherOrigin(Exception):
    """VECHE_LOG_ORIGIN names another log than the one this database holds. The words are for an operator."""


def set_up_keys(settings: Settings) -> Settings:
    """Make and list the keys that are missing, and say in the registry log what its files look like. Blocks.

    Gives the settings with the log's stored origin. Raises BadKey and AnotherOrigin.
    """
    return asyncio.run(_set_up(settings))


def require_keys(settings: Settings, needed: Iterable[str]) -> Settings:
    """Raise BadKey unless this machine holds the keys needed, as they are listed. Blocks.

    Gives the settings with the log's stored origin. Raises AnotherOrigin.
    """
    return asyncio.run(_require(settings, needed))


async def settle_origin(session: Session, settings: Settings, now: datetime) -> Settings:
    """Set up: state the origin in the log, unless it is stated; gives the settings with the stored one.

    While nothing is signed it may still change: a first `veche migrate` may lack the address that the site will have.
    """
    if await is_anything_signed(session):
        settings = await with_stored_origin(session, settings)
    await record_protocol_version(session, settings.log_origin, software(), now)
    return settings


async def with_stored_origin(session: ReadSession, settings: Settings) -> Settings:
    """The settings with the origin that the log began with, whatever the site's address is now.

    Raises AnotherOrigin when VECHE_LOG_ORIGIN is set to something else: programs would take it for another log.
    """
    stored = await stated_origin(session)
    if stored is None or stored == settings.log_origin:
        return settings
    if "log_origin" in settings.model_fields_set:
        raise AnotherOrigin(
            f"VECHE_LOG_ORIGIN is {settings.log_origin}, but the boards and the registry log of this database are "
            f"signed as {stored}, and a log keeps its name. Unset VECHE_LOG_ORIGIN, or set it to {stored}."
        )
    return settings.model_copy(update={"log_origin": stored})


async def _set_up(settings: Settings) -> Settings:
    now = datetime.now(UTC)
    async with opened_database(settings) as database, database.open_session() as session:
        await record_keys(session, settings, now)
        return await settle_origin(session, settings, now)


async def _require(settings: Settings, needed: Iterable[str]) -> Settings:
    async with opened_database(settings) as database, database.open_session() as session:
        await check_keys(session, settings, needed)
        return await with_stored_origin(session, settings)
