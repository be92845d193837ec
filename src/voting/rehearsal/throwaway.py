"""A database of the rehearsal's own, beside the real one, dropped afterwards whatever happens.

The real database is only read: the definition, the territories and the groups. Nothing about a person is copied.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import insert, select
from sqlalchemy.engine import make_url

from polls.sessions import ReadSession, Session
from polls.tables import citizen_group, territory
from voting import migrations
from voting.db import Database, database_url, database_url_for
from voting.settings import Settings

PREFIX = "veche_rehearsal"
RANK = {"city": 0, "okrug": 1, "district": 2, "building": 3}
AT_ONCE = 1_000
Admin = psycopg.AsyncConnection[Any]


@asynccontextmanager
async def throwaway_database(settings: Settings, connections: int) -> AsyncIterator[Database]:
    """A migrated, empty database on the server of `settings`, whose role must be allowed to create databases."""
    server = database_url_for(database_url(settings), "postgresql")
    name = f"{PREFIX}_{secrets.token_hex(4)}"
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    admin = await psycopg.AsyncConnection.connect(server, autocommit=True)
    try:
        await _sweep(admin)
        await admin.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", [name])
        await admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            await asyncio.to_thread(migrations.upgrade, url)
            database = Database.from_url(url, pool_size=connections, pool_overflow=5, pool_timeout=60)
            try:
                yield database
            finally:
                await database.close()
        finally:
            await _drop(admin, name)
    finally:
        await admin.close()


async def _drop(admin: Admin, name: str) -> None:
    await admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


async def _sweep(admin: Admin) -> None:
    """Drop what rehearsals left behind that were killed: nobody holds the lock of such a database's name."""
    found = await admin.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}\\_%"])
    for row in await found.fetchall():
        held = await admin.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [row[0]])
        free = await held.fetchone()
        if free is not None and free[0]:
            await _drop(admin, row[0])
            await admin.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [row[0]])


async def copy_places(real: ReadSession, ours: Session) -> None:
    """Territories, buildings among them, and groups, with their numbers."""
    places = [dict(row._mapping) for row in await real.execute(select(territory))]
    places.sort(key=lambda row: RANK[row["kind"]])
    for start in range(0, len(places), AT_ONCE):
        await ours.execute(insert(territory), places[start : start + AT_ONCE])
    groups = [dict(row._mapping) for row in await real.execute(select(citizen_group))]
    if groups:
        await ours.execute(insert(citizen_group), groups)
