"""A client of the API for tests: an account of each role, and requests that carry the session's token."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from tests.builders import a_citizen, a_city
from tests.sites import HTTP, PASSWORD, add_account, fast_passwords, site_settings

from voting import api
from voting.app import create_app
from voting.db import Database
from voting.throttling import Limit

V1 = "/api/v1"
ROLES = ("official", "reviewer", "analyst", "observer", "admin")
UNLIMITED = {name: Limit(10**6, timedelta(minutes=1)) for name in ("api_reads", "writes", "exports", "sign_in")}


def api_site(database: Database, tmp_path: Path, **more: Any) -> Litestar:
    """The application with the API alone, on the real clock: the database keeps its own."""
    return create_app(
        site_settings(tmp_path), database=database, passwords=fast_passwords(), route_handlers=api.routers, **more
    )


class Client:
    """One caller."""

    def __init__(self, app: Litestar, address: str = "203.0.113.7") -> None:
        transport = httpx.ASGITransport(app=app, client=(address, 40_000), raise_app_exceptions=False)  # type: ignore[arg-type]
        self.http = httpx.AsyncClient(transport=transport, base_url=HTTP, headers={"accept-language": "en"})
        self.token = ""

    async def sign_in(self, login: str) -> "Client":
        reply = await self.post("/session", {"login": login, "password": PASSWORD})
        assert reply.status_code == 201, reply.text
        self.token = (await self.get("/session")).json()["csrf_token"]
        return self

    async def get(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        return await self.http.get(V1 + path, params=params, headers=headers)

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return await self.http.request(method, V1 + path, json=body, headers=self.headers() | (headers or {}))

    async def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.send("POST", path, body, headers)

    async def vote(self, slug: str, key: str, answers: Any) -> httpx.Response:
        return await self.post(f"/polls/{slug}/ballots", {"answers": answers}, {"Idempotency-Key": key})

    def headers(self) -> dict[str, str]:
        return {"x-csrf-token": self.token} if self.token else {}


class Town:
    """A city with an account of every role and as many residents as asked for, signing in as `who@city.test`."""

    def __init__(self, database: Database, tmp_path: Path, **more: Any) -> None:
        self.database = database
        self.app = api_site(database, tmp_path, limits=UNLIMITED, **more)
        self.residents = 0

    async def settle(self, residents: int = 0) -> "Town":
        async with self.database.open_session() as session:
            await a_city(session)
        for role in ROLES:
            await add_account(self.database, f"{role}@city.test", role)
        for _ in range(residents):
            await self.add_resident()
        return self

    async def add_resident(self, **facts: Any) -> str:
        async with self.database.open_session() as session:
            citizen_id = await a_citizen(session, **facts)
        self.residents += 1
        login = f"resident{self.residents}@city.test"
        await add_account(self.database, login, "resident", citizen_id=citizen_id)
        return login

    def anonymous(self) -> Client:
        return Client(self.app)

    async def client(self, who: str) -> Client:
        return await self.anonymous().sign_in(who if "@" in who else f"{who}@city.test")


__all__ = ["ROLES", "UNLIMITED", "V1", "Client", "Town", "api_site"]
