"""A whole site for tests: the application on a real database, with browsers that keep cookies and follow nothing."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from litestar import Litestar
from sqlalchemy import insert

from polls.identity import identity_key
from polls.tables import citizen, identity
from voting.app import create_app
from voting.db import Database
from voting.identity.accounts import create_account, normal_login
from voting.identity.passwords import PasswordPool
from voting.settings import Settings

HTTP = "http://city.test"
HTTPS = "https://city.test"
PASSWORD = "correct horse battery"
NATIONAL_ID = "4510 123456"
BORN = date(1990, 2, 3)


class Clock:
    """A clock that stands until it is told to go on."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go(self, **span: float) -> None:
        self.now += timedelta(**span)


def fast_passwords(**options: Any) -> PasswordPool:
    """Hash as cheaply as argon2 allows."""
    return PasswordPool(2, memory_kib=8, time_cost=1, **options)


def site_settings(tmp_path: Path, *, base_url: str = HTTP, **settings: Any) -> Settings:
    host = urlsplit(base_url).hostname or ""
    return Settings(
        database_url="postgresql://given.to.the.app/instead",
        data_dir=tmp_path,
        base_url=base_url,
        demo=False,
        **{"four_eyes": not host.endswith((".test", "127.0.0.1", "localhost")), **settings},
    )


def build_site(
    database: Database,
    tmp_path: Path,
    *,
    base_url: str = HTTP,
    clock: Clock | None = None,
    handlers: Sequence[Any] = (),
    passwords: PasswordPool | None = None,
    limits: Any = None,
    **settings: Any,
) -> Litestar:
    """The application with the pages of identity and the handlers given, nothing else."""
    return create_app(
        site_settings(tmp_path, base_url=base_url, **settings),
        database=database,
        clock=clock or Clock(),
        passwords=passwords or fast_passwords(),
        route_handlers=handlers,
        limits=limits,
    )


def browser(app: Litestar, *, base_url: str = HTTP, address: str = "203.0.113.7", **headers: str) -> httpx.AsyncClient:
    """A client with a cookie jar of its own."""
    transport = httpx.ASGITransport(app=app, client=(address, 40_000))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=base_url, headers={"accept-language": "en", **headers})


def form_token(reply: httpx.Response) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', reply.text)
    assert found, reply.text[:2000]
    return found[1]


async def sign_in(client: httpx.AsyncClient, login: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
    token = form_token(await client.get("/sign-in"))
    return await client.post("/sign-in", data={"csrf_token": token, "login": login, "password": password, **fields})


async def add_account(
    database: Database, login: str, *roles: str, password: str = PASSWORD, citizen_id: int | None = None
) -> int:
    async with database.open_session() as session:
        return await create_account(
            session,
            login=normal_login(login),
            password_hash=await fast_passwords().hash(password),
            roles=roles,
            citizen_id=citizen_id,
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )


async def add_citizen(
    database: Database, tmp_path: Path, national_id: str = NATIONAL_ID, born: date | None = BORN
) -> int:
    """A register entry with its identity key, under the secret of sites with this directory."""
    secret = site_settings(tmp_path).secret_versions("identity")[1]
    async with database.open_session() as session:
        citizen_id = await session.scalar(
            insert(citizen)
            .values(birth_date=born, sex="f", registered_at=datetime(2020, 1, 1, tzinfo=UTC))
            .returning(citizen.c.id)
        )
        await session.execute(
            insert(identity).values(
                kind="national_id", key_version=1, key=identity_key(secret, "national_id", national_id),
                citizen_id=citizen_id,
            )
        )  # fmt: skip
    assert citizen_id is not None
    return citizen_id
