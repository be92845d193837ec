"""What the service says of itself when it starts: which process, which release, and a hash of its settings."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Final

import rfc8785

from polls.audit import write_event
from voting.db import opened_database
from voting.keys import software
from voting.settings import Settings

SECRET: Final = {"database_url", "read_database_url"}
"""Settings that hold passwords: no part of the hash, since a short password could be guessed from it."""


def settings_hash(settings: Settings) -> str:
    """SHA-256 over every setting but the secret ones, in hex: tells two starts with different settings apart."""
    secret = {name for name, field in Settings.model_fields.items() if not field.repr} | SECRET
    stated = settings.model_dump(mode="json", exclude=secret)
    return hashlib.sha256(rfc8785.dumps({name: str(value) for name, value in stated.items()})).hexdigest()


def tell_of_start(settings: Settings, process: str) -> None:
    """Write that a process of the service was started. Blocks."""
    asyncio.run(_tell(settings, process))


async def _tell(settings: Settings, process: str) -> None:
    facts = {"process": process, "version": software(), "settings": settings_hash(settings)}
    async with opened_database(settings) as database, database.open_session() as session:
        await write_event(session, "service_started", actor=None, subject="site", facts=facts, now=datetime.now(UTC))
