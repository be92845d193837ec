"""The whole site under attack: every route, a caller of every role, and an object for every part of an address.

Routes are taken from the application itself, so that what is added later is attacked without anybody naming it here.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from sqlalchemy import insert, select
from tests.attacks.bodies import NEW_STEP
from tests.browser.city import City, a_picture, seed_city
from tests.builders import a_definition
from tests.sites import HTTP, browser, fast_passwords, form_token
from tests.sites import sign_in as sign_in_with
from tests.voting.approvals.staff import a_ready_definition

from polls.register import territory_tree
from voting.api.openapi import describe_api
from voting.app import create_app
from voting.db import Database
from voting.factor_tables import passkey
from voting.identity.accounts import create_account, grant_role, normal_login
from voting.identity.demo import PASSWORD
from voting.identity.guards import access_rules
from voting.settings import Settings
from voting.tables import ROLES, account
from voting.throttling import LIMITS, Limit

SIGN_IN = "sign-in"
"""What a reply comes to: who is asked to sign in, who may not, what is not there, and everything further in."""
NO, ABSENT, IN = "no", "absent", "in"
UNREAD = "unread"
"""The fields are refused: the object was not reached, and who may touch it was not asked."""
PART = re.compile(r"\{(\w+)(?::\w+)?\}")
UNLIMITED = {name: Limit(10**6, timedelta(minutes=1)) for name in LIMITS}
CULTURE = "Департамент культуры"
SCOPES: dict[str, dict[str, Any]] = {
    "official of another department": {"department": CULTURE},
    "official of another territory": {"territory": "msk-sao"},
    "reviewer of another department": {"department": CULTURE},
}
"""Callers whose role is for somewhere else: no object of the city is within their reach."""
CALLERS = ("anonymous", *ROLES, "another official", "another resident", *SCOPES)
"""Who tries: a visitor, one of each role (the official is the author of everything), two who own nothing, and those of
another department or territory."""
LOGINS = {role: f"{role}@demo.example" for role in ROLES} | {
    "another official": "second@city.example", "another resident": "neighbour@demo.example",
} | {name: f"{name.replace(' ', '-')}@city.example" for name in SCOPES}  # fmt: skip
ENDING = ("sign-", "session", "password")
"""Words of addresses that may end the session they are asked in."""


@dataclass(frozen=True, order=True)
class Route:
    """One method of one address."""

    path: str
    method: str
    handler: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {PART.sub(lambda part: '{' + part[1] + '}', self.path)}"

    @property
    def parts(self) -> list[str]:
        """The names of its parameters."""
        return PART.findall(self.path)

    @property
    def is_page(self) -> bool:
        """Whether it is read as a page or a file, and not of the API."""
        return self.method == "GET" and not self.path.startswith("/api/")

    @property
    def may_end(self) -> bool:
        """Whether it may end the session it is asked in."""
        return self.method != "GET" and any(word in self.path for word in ENDING)

    def guard(self) -> str:
        """Who may call it by its guard, as the table says it."""
        roles = None
        for rule in access_rules(self.handler):
            if rule.roles is not None:
                roles = rule.roles if roles is None else roles & rule.roles
        if roles is None:
            return "everybody"
        return ", ".join(role for role in ROLES if role in roles) if roles else "signed-in"

    def filled(self, values: Mapping[str, Any]) -> str:
        """The address with its parameters filled in."""
        return PART.sub(lambda part: str(values[part[1]]), self.path)


def routes_of(app: Litestar) -> list[Route]:
    """Every method of every address the application answers to."""
    found = set()
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:  # type: ignore[union-attr]
            methods = {str(getattr(one, "value", one)) for one in getattr(handler, "http_methods", ())}
            found |= {Route(route.path, method, handler) for method in methods - {"OPTIONS", "HEAD"}}
    return sorted(found)


def nothing(route: Route) -> dict[str, Any]:
    """Parts of an address that are of the right form and name nothing."""
    odd = {"path": "no/such", "file_path": "no/such", "sha256": "0" * 64, "picture": "no-such.png", "code": "no_such"}
    whole = {part for part in route.parts if f"{{{part}:int}}" in route.path}
    return {part: 32_000 if part in whole else odd.get(part, "0" * 32) for part in route.parts}


def examples_of(described: Any) -> dict[str, Any]:
    """The example of a body by "METHOD path", for every operation of the API that has one."""
    found = {}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for part in operation.get("requestBody", {}).get("content", {}).values():
                if "example" in part:
                    found[f"{method.upper()} {path}"] = part["example"]
    return found


def kind_of(reply: httpx.Response) -> str:
    """What a reply comes to."""
    if reply.status_code == 401 or reply.headers.get("location", "").startswith("/sign-in"):
        return SIGN_IN
    return {403: NO, 404: ABSENT, 422: UNREAD}.get(reply.status_code, IN)


def role_of(caller: str) -> str:
    """The role a caller holds, `anonymous` for none."""
    return caller.removeprefix("another ").partition(" of ")[0]


class Caller:
    """One who tries: a browser with a session of its own, or with none."""

    def __init__(self, app: Litestar, name: str, address: str = "203.0.113.7") -> None:
        self.name = name
        self.http: httpx.AsyncClient = browser(app, address=address)
        self.token = ""

    @property
    def role(self) -> str:
        """The role it holds, `anonymous` for none."""
        return role_of(self.name)

    async def sign_in(self, login: str) -> Caller:
        """Sign in, and take the token that unsafe requests of this session carry."""
        reply = await sign_in_with(self.http, login, PASSWORD)
        assert reply.status_code == 303, reply.text[:300]
        return await self.know()

    async def know(self) -> Caller:
        """Take the token of the session, or of the anonymous visitor."""
        session = await self.http.get("/api/v1/session")
        self.token = str(session.json().get("csrf_token") or "") if session.status_code == 200 else ""
        if not self.token:
            self.token = form_token(await self.http.get("/sign-in"))
        return self

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request as one's own page would; an empty form or document where nothing else is given."""
        if method != "GET" and not {"json", "data", "content", "files"} & set(more):
            more |= {"json": {}} if path.startswith("/api/") else {"data": {"op": "none"}}
        headers = {} if method == "GET" else {"x-csrf-token": self.token, "sec-fetch-site": "same-origin"}
        return await self.http.request(method, path, headers=headers | more.pop("headers", {}), **more)


class World:
    """The site, its city, its callers, and what the parts of an address can name."""

    def __init__(self, database: Database, settings: Settings, app: Litestar) -> None:
        self.database, self.settings, self.app = database, settings, app
        self.city: City
        self.callers: dict[str, Caller] = {}
        self.there: dict[str, Any] = {}
        self.examples: dict[str, Any] = {}

    @classmethod
    async def build(cls, database: Database, tmp_path: Path, **settings: Any) -> World:
        """A demo city with polls in every state, behind the whole application."""
        given = Settings(
            database_url="postgresql://given.to.the.app/instead",
            data_dir=tmp_path,
            base_url=HTTP,
            demo=True,
            **settings,
        )
        app = create_app(given, database=database, passwords=fast_passwords(), limits=UNLIMITED)
        world = cls(database, given, app)
        world.city = await seed_city(database, given)
        async with database.open_session() as session:
            world.there["colleague"] = await create_account(
                session, login=normal_login(LOGINS["another official"]), password_hash=world.city.password_hash,
                roles=("official",), now=datetime.now(UTC),
            )  # fmt: skip
            for name, scope in SCOPES.items():
                made = await create_account(
                    session, login=normal_login(LOGINS[name]), password_hash=world.city.password_hash,
                    now=datetime.now(UTC),
                )  # fmt: skip
                place = (await territory_tree(session)).by_code.get(scope.get("territory", ""))
                await grant_role(
                    session, made, role_of(name), granted_by=None, now=datetime.now(UTC),
                    department=scope.get("department"), territory_id=place.id if place else None,
                )  # fmt: skip
            world.there["account"] = await create_account(
                session, login=normal_login("spare@city.example"), password_hash=world.city.password_hash,
                roles=("analyst",), now=datetime.now(UTC),
            )  # fmt: skip
        for name in CALLERS:
            await world.renew(name)
        await world._name_parts()
        return world

    async def _name_parts(self) -> None:
        """Find an object for each parameter, by asking as the official who owns them all."""
        official = self.callers["official"]
        counted = self.city.slugs["counted"]
        self.there["slug"] = counted
        step, *_ = re.findall(r"/decision/steps/(\d+)", (await official.ask("GET", await self.office("decision"))).text)
        page = (await official.ask("GET", f"{await self.office('decision')}/steps/{step}")).text
        file, *_ = re.findall(r"/files/(\d+)/withdraw", page)
        evidence, *_ = re.findall(r"/evidence/([0-9a-f]{64})", page)
        picture = await official.ask("POST", "/api/v1/assets", content=a_picture("teal"),
                                     headers={"content-type": "image/png"})  # fmt: skip
        assert picture.status_code == 201, picture.text
        templates = (await official.ask("GET", "/api/v1/templates")).json()
        voted = await self.city.open_poll()
        for name in ("resident", "another resident"):
            reply = await self.callers[name].ask(
                "POST", f"/api/v1/polls/{voted}/ballots", json={"answers": {"1": 1}},
                headers={"idempotency-key": secrets.token_hex(16)},
            )  # fmt: skip
            assert reply.status_code == 201, reply.text
        self.there |= {
            "slug": counted, "public_id": await self.city.public_id(counted), "poll_id": self.city.draft_id,
            "step": step, "milestone": step, "file": file, "evidence": file, "sha256": evidence, "voted": voted,
            "asset": picture.json()["sha256"], "export_id": await self.an_order(), "version": 1, "number": 1,
            "question": 1, "option": 1, "code": "already_voted", "template": templates["templates"][0]["code"],
            "building": "arbat-1", "picture": f"{counted}.png", "path": "log/checkpoint",
            "file_path": "dist/manifest.json", "approval": await self.an_approval(),
            "passkey_id": await self.a_passkey(), "reference": await self.city.case_of_somebody("not_found"),
            "provider": "city",
        }  # fmt: skip
        self.examples = examples_of(describe_api(self.app, title="API", version="1"))

    async def an_approval(self) -> int:
        """The official's request to publish a draft; gives its number."""
        definition = a_ready_definition(datetime.now(UTC))
        reply = await self.callers["official"].ask(
            "POST", f"/api/v1/drafts/{await self.city.draft(definition)}/schedule", json={"revision": 1},
            headers={"x-step-up": json.dumps({"password": PASSWORD})},
        )  # fmt: skip
        assert reply.status_code == 202, reply.text
        return int(reply.json()["id"])

    async def a_passkey(self) -> int:
        """A passkey of the resident's, as its row stands; gives its id."""
        async with self.database.open_session() as session:
            owner = select(account.c.id).where(account.c.email == LOGINS["resident"]).scalar_subquery()
            made = insert(passkey).values(
                account_id=owner, credential_id=b"id", user_handle=b"handle", public_key=b"key", sign_count=0,
                backup_eligible=False, backed_up=False, transports=[], aaguid="", name="Ключ",
                created_at=datetime.now(UTC),
            )  # fmt: skip
            return int((await session.execute(made.returning(passkey.c.id))).scalar_one())

    async def an_order(self, kind: str = "answers.parquet") -> str:
        """The resident's order of a file; gives its id."""
        path = f"/api/v1/polls/{self.city.slugs['counted']}/exports"
        reply = await self.callers["resident"].ask("POST", path, json={"kind": kind})
        assert reply.status_code == 202, reply.text
        return str(reply.json()["id"])

    async def office(self, tail: str, poll: str = "counted") -> str:
        """An address of the office's pages of a poll."""
        return f"/officials/polls/{await self.city.public_id(self.city.slugs[poll])}/{tail}"

    async def renew(self, name: str) -> Caller:
        """A caller signed in anew, after what may have ended the session."""
        caller = Caller(self.app, name)
        self.callers[name] = await (caller.know() if name == "anonymous" else caller.sign_in(LOGINS[name]))
        return self.callers[name]

    def routes(self) -> Iterator[Route]:
        """Every route: those that only read first, those that may end a session last."""
        yield from sorted(routes_of(self.app), key=lambda one: (one.method != "GET", one.may_end, one))

    async def values(self, route: Route, **chosen: str) -> dict[str, Any]:
        """What the parts of the address name: objects that are there; `chosen` says which, by names of `there`.

        What changes a poll of the office gets a draft of its own, unless it is told to use the counted poll.
        """
        values = dict(self.there)
        if route.method != "GET" and {"public_id", "poll_id"} & set(route.parts):
            values["public_id"] = values["poll_id"] = await self.a_draft()
        if route.method != "GET" and "export_id" in route.parts:
            values["export_id"] = await self.an_order()
        if route.method == "POST" and {"milestone", "file"} & set(route.parts):
            values |= await self.a_file(under=bool({"evidence", "file"} & set(route.parts)))
        return values | {part: self.there[name] for part, name in chosen.items()}

    async def a_file(self, *, under: bool) -> dict[str, Any]:
        """A stored file of the official's, put under the step where wanted: one that was withdrawn is gone for good."""
        official = self.callers["official"]
        stored = await official.ask("POST", "/api/v1/evidence", content=a_picture(f"#{secrets.token_hex(3)}"),
                                    headers={"content-type": "image/png"})  # fmt: skip
        assert stored.status_code == 201, stored.text
        found = {"stored": stored.json()["sha256"]}
        if under:
            body = {"sha256": found["stored"], "role": "after", "name": {"ru": "Двор"}}
            made = await official.ask("POST", f"{self.steps()}/{self.there['milestone']}/evidence", json=body)
            if made.status_code == 422 and "too_many_files" in made.text:
                self.there["step"] = self.there["milestone"] = await self.a_step()
                made = await official.ask("POST", f"{self.steps()}/{self.there['milestone']}/evidence", json=body)
            assert made.status_code == 201, made.text
            found |= {name: self.there[name] for name in ("step", "milestone")}
            found["file"] = found["evidence"] = made.json()["id"]
        return found

    def steps(self) -> str:
        """The address of the decision's steps."""
        return f"/api/v1/decisions/{self.there['slug']}/milestones"

    async def a_step(self) -> int:
        """One more step of the decision; gives its number."""
        made = await self.callers["official"].ask("POST", self.steps(), json=NEW_STEP)
        assert made.status_code == 201, made.text
        return int(made.json()["id"])

    async def a_draft(self) -> str:
        """A new draft of the official's, for what may change or end it."""
        now = datetime.now(UTC)
        return await self.city.draft(a_definition(opens_at=now + timedelta(hours=2), closes_at=now + timedelta(days=9)))


__all__ = [
    "ABSENT", "CALLERS", "IN", "NO", "SCOPES", "SIGN_IN", "UNREAD", "Caller", "Route", "World", "kind_of", "nothing",
    "role_of", "routes_of",
]  # fmt: skip
