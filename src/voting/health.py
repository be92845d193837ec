"""Addresses for machines: is the process alive, may it get traffic, and what robots should leave alone."""

from alembic.script import ScriptDirectory
from litestar import Response, get
from litestar.di import NamedDependency
from sqlalchemy import text

from voting.db import Database
from voting.identity.guards import public
from voting.migrations import alembic_config

ROBOTS = """User-agent: *
Disallow: /api/
Disallow: /sign-in
Disallow: /sign-up
Disallow: /account
"""


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


async def _unready(database: Database) -> str | None:
    try:
        async with database.open_session() as session:
            applied = set((await session.scalars(text("SELECT version_num FROM alembic_version"))).all())
    except Exception as error:
        return "schema" if "alembic_version" in str(error) else "database"
    # A database ahead of us is a release being rolled out: migrations work with the previous release still running.
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    heads = set(ScriptDirectory.from_config(alembic_config()).get_heads())
    return None if heads <= applied or applied - known else "schema"
