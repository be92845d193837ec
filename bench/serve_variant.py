"""A service to compare with, on VECHE_PORT: our own with one thing left out, or a bare handler.

    python bench/serve_variant.py rolled-back     every transaction of the ballot box is rolled back: no commit
    python bench/serve_variant.py no-database     the ballot box judges and signs, and asks the database nothing
    python bench/serve_variant.py bare FILE       Litestar alone: GET and POST handlers that return the bytes of a file

For benchmarks only; the first two say «taken» of votes that nobody has.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Response, get, post

from polls.casting import BallotBox
from polls.eligibility import CitizenFacts
from polls.entitlement import Entitlement
from polls.straight_sql import straight_transaction
from polls.votes import Taken, Vote, judge
from voting.app import create_app
from voting.db import Database
from voting.secrets import receipt_signer
from voting.serving import Server, server_options, settle_memory
from voting.settings import Settings

FACTS = CitizenFacts(
    citizen_id=0, register_code="city", birth_date=datetime(1980, 1, 1, tzinfo=UTC).date(), sex="f",
    registered_at=datetime(2020, 1, 1, tzinfo=UTC), present=True, district_id=2, district_code="msk-cao-arbat",
    territories=frozenset({"msk", "msk-cao", "msk-cao-arbat"}), groups=frozenset(), level=2,
)  # fmt: skip


def rolled_back(settings: Settings, database: Database) -> BallotBox:
    open_session = partial(straight_transaction, database.box, end="ROLLBACK")
    return BallotBox(open_session, cache(partial(receipt_signer, settings)), waiting=settings.votes_waiting)


def no_database(settings: Settings, _: Database) -> BallotBox:
    @asynccontextmanager
    async def open_session() -> AsyncIterator[Any]:
        yield None

    async def write(_: Any, votes: Sequence[Vote]) -> list[Any]:
        today = datetime.now(UTC).date()
        await asyncio.sleep(0)
        return [Taken(judge(vote, Entitlement(FACTS, late=False)), today) for vote in votes]

    signer = cache(partial(receipt_signer, settings))
    return BallotBox(open_session, signer, waiting=settings.votes_waiting, write=write)


def bare(body: bytes) -> Litestar:
    @get("/{rest:path}", sync_to_thread=False)
    def page() -> Response[bytes]:
        return Response(body, media_type="text/html")

    @get("/", sync_to_thread=False)
    def home() -> Response[bytes]:
        return Response(body, media_type="text/html")

    @post("/{rest:path}", sync_to_thread=False)
    def taken() -> Response[bytes]:
        return Response(body, media_type="application/json")

    return Litestar([page, home, taken], openapi_config=None, logging_config=None)


def main() -> None:
    settings = Settings.from_env()
    kind = sys.argv[1]
    if kind == "bare":
        app = bare(Path(sys.argv[2]).read_bytes())
    else:
        database = Database.from_settings(settings)
        box = {"rolled-back": rolled_back, "no-database": no_database}[kind](settings, database)
        app = create_app(settings, database=database, box=box)
    settle_memory()
    config = uvicorn.Config(app, **server_options(settings))
    if kind == "bare":
        uvicorn.Server(config).run()
    else:
        with socket.create_server((settings.host, settings.port)) as listening:
            Server(config, lambda: None).run([listening])


if __name__ == "__main__":
    main()
