"""The demo's past: what the database calls now, while the demo's polls are held.

Polls are judged by the database's clock, and rightly so: nobody can vote in a poll that has closed. A demo needs polls
that closed last month all the same. So within the demo's own transactions the function the engine asks,
`clock_timestamp()`, is found in a schema made for this, which answers with a moment of the demo's story; everything
else takes its real way. The schema exists only while the demo is being made, and only its maker looks into it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import text

from polls.sessions import Session
from voting.db import Database

SCHEMA = "demo_clock"
MAKE = f"""
    CREATE OR REPLACE FUNCTION {SCHEMA}.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT current_setting('{SCHEMA}.now')::timestamptz $$
"""


@asynccontextmanager
async def story_clock(database: Database) -> AsyncIterator[None]:
    """Let transactions tell their own time (`set_time`) for the length of the block."""
    async with database.open_session() as session:
        await session.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        await session.execute(text(MAKE))
    try:
        yield
    finally:
        async with database.open_session() as session:
            await session.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))


async def set_time(session: Session, moment: datetime) -> None:
    """From here to the end of the transaction, or to the next call, it is `moment` for this session's queries."""
    await session.execute(
        text(
            f"SELECT set_config('search_path', '{SCHEMA}, pg_catalog, public', true),"
            f" set_config('{SCHEMA}.now', :moment, true)"
        ),
        {"moment": moment.isoformat()},
    )
