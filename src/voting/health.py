"""Addresses for machines: is the process alive, may it get traffic, what robots should leave alone, and the icon."""

import asyncio

from alembic.script import ScriptDirectory
from litestar import Response, get
from litestar.di import NamedDependency
from sqlalchemy import text

from polls.database_failures import sqlstate_of
from voting.db import Database
from voting.identity.guards import public
from voting.migrations import alembic_config

READY_WITHIN = 2.0  # seconds
NO_SUCH_TABLE = "42P01"  # what PostgreSQL says of a database that was never migrated

ROBOTS = """User-agent: *
Disallow: /api/
Disallow: /sign-in
Disallow: /sign-up
Disallow: /account
"""

ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='9' fill='#0e5a6b'/>"
    "<path d='m9 16.500 5 5 9.500-10' fill='none' stroke='white' stroke-width='3' stroke-linecap='round' "
    "stroke-linejoin='round'/></svg>"
)


@get("/health/live", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "live"}


@get("/health/ready", guards=[public], include_in_schema=False)
async def show_ready(database: NamedDependency[Database]) -> Response[dict[str, str]]:
    """Say whether the database answers and has this release's schema: 200, or 503 with the reason."""
    reason = await _unready(database)
    if reason is None:
        return Response({"status": "ready"})
    return Response({"status": "not ready", "reason": reason}, status_code=503, headers={"retry-after": "5"})


@get("/robots.txt", guards=[public], include_in_schema=False, sync_to_thread=False, media_type="text/plain")
def show_robots() -> str:
    """Keep robots off pages that mean nothing to them."""
    return ROBOTS


@get("/favicon.ico", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_icon() -> Response[bytes]:
    """Give the icon browsers ask for unasked."""
    return Response(ICON.encode(), media_type="image/svg+xml", headers={"cache-control": "public, max-age=86400"})


handlers = [show_live, show_ready, show_robots, show_icon]


async def _unready(database: Database) -> str | None:
    try:
        # Neither a busy pool nor a server that is just starting makes whoever asks wait for the answer.
        async with asyncio.timeout(READY_WITHIN), database.open_session_aside() as session:
            applied = set((await session.scalars(text("SELECT version_num FROM alembic_version"))).all())
    except Exception as error:
        return "schema" if sqlstate_of(error) == NO_SUCH_TABLE else "database"
    # A database ahead of us is a release being rolled out: migrations work with the previous release still running.
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    heads = set(ScriptDirectory.from_config(alembic_config()).get_heads())
    return None if heads <= applied or applied - known else "schema"
