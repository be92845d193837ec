"""Letters in tests of pages: the queue worked on as the demo does, and the links read out of what it shows."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from tests.sites import HTTP

from voting.db import Database
from voting.jobs import build_jobs
from voting.settings import Settings
from voting.tables import demo_letter

MAIL = {"smtp_url": "smtp://127.0.0.1:1"}
"""A site with mail; its letters never leave, since the queue is worked on here."""


async def letters(database: Database, tmp_path: Path) -> list[Any]:
    """Send what waits; the letters that came since the last time, oldest first."""
    settings = Settings(data_dir=tmp_path, base_url=HTTP, demo=True, database_url="postgresql://given/instead")
    await build_jobs(database, settings).run_until_idle()
    async with database.open_session() as session:
        found = list((await session.execute(select(demo_letter).order_by(demo_letter.c.id))).all())
        await session.execute(delete(demo_letter))
    return found


def link_in(letter: Any) -> str:
    """The path of the link, with its token."""
    found = re.search(rf"^{re.escape(HTTP)}(/\S+)$", letter.body, re.M)
    assert found, letter.body
    return found[1]
