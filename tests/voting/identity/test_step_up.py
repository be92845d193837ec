"""A proof serves once, for one purpose and one object, to one account in one session, for five minutes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.types import Scope
from sqlalchemy import select
from tests.authenticator import SoftwareKey, decode
from tests.sites import HTTP, PASSWORD, Clock, add_account, build_site

from polls.errors import Invalid, SignInNeeded, TooMany
from polls.sessions import ReadSession, Session
from polls.tables import audit_event
from voting.db import Database
from voting.identity import ceremonies, passkeys, step_up
from voting.identity.factor_refusals import (
    PasskeySuspect,
    StepUpElsewhere,
    StepUpExpired,
    StepUpFailed,
    StepUpNeeded,
    StepUpUsed,
)
from voting.identity.sessions import SessionRecord, new_token, open_web_session, token_hash
from voting.identity.step_up import Evidence, Proof
from voting.settings import Settings

OBJECT = hashlib.sha256(b"the poll as it is").digest()
ANOTHER = hashlib.sha256(b"the poll as it was").digest()


@dataclass
class Office:
    """An application, somebody who works there, and the session they came in."""

    app: Any
    database: Database
    settings: Settings
    clock: Clock
    account: int
    scope: Scope
    key: SoftwareKey

    async def scope_of(self, account: int, roles: frozenset[str] = frozenset({"official"})) -> Scope:
        token, now = new_token(), self.clock()
        async with self.database.open_session() as session:
            await open_web_session(session, account, token=token, user_agent="", lifetime=timedelta(hours=8), now=now)
        record = SessionRecord(token_hash(token), account, None, "", "", roles, now, now + timedelta(hours=8))
        state = {"web_session": record, "client_address": "203.0.113.7"}
        scope: Any = {"type": "http", "litestar_app": self.app, "state": state}
        return scope

    async def register(self, key: SoftwareKey | None = None, account: int | None = None) -> SoftwareKey:
        key, account = key or self.key, account or self.account
        party = ceremonies.relying_party(self.settings)
        async with self.database.open_session() as session:
            options = await passkeys.begin_registration(
                session, account, bound_to=b"session", party=party, now=self.clock()
            )
            await passkeys.finish_registration(
                session, account, bound_to=b"session", party=party, credential=key.create(options), name="Key",
                now=self.clock(),
            )  # fmt: skip
        return key

    async def options(self, purpose: str = "publish", hashed: bytes = OBJECT, scope: Scope | None = None) -> Any:
        async with self.database.open_session() as session:
            return await step_up.draw_challenge(
                session, scope or self.scope, self.account, purpose=purpose, object_hash=hashed,
                settings=self.settings, now=self.clock(),
            )  # fmt: skip

    async def prove(
        self, proof: Proof | None, *, purpose: str = "publish", hashed: bytes = OBJECT, account: int | None = None,
        scope: Scope | None = None,
    ) -> Evidence:  # fmt: skip
        async with self.database.open_session() as session:
            return await step_up.require_fresh(
                session, scope or self.scope, account or self.account, purpose=purpose, object_hash=hashed,
                proof=proof, settings=self.settings, now=self.clock(),
            )  # fmt: skip

    async def logged(self, kind: str) -> list[dict[str, Any]]:
        async with self.database.open_read_session() as session:
            rows = await session.scalars(select(audit_event.c.facts).where(audit_event.c.kind == kind))
        return list(rows.all())


async def open_office(database: Database, tmp_path: Path, **settings: Any) -> Office:
    clock = Clock()
    app = build_site(database, tmp_path, clock=clock, **settings)
    account = await add_account(database, "official@city.test", "official")
    nowhere: Any = {}
    office = Office(app, database, app.state["settings"], clock, account, nowhere, SoftwareKey(HTTP))
    office.scope = await office.scope_of(account)
    return office


@pytest.fixture
async def office(fresh_database: Database, tmp_path: Path) -> Office:
    return await open_office(fresh_database, tmp_path)


def test_the_challenge_is_made_of_what_is_agreed_to() -> None:
    nonce = bytes(32)
    made = step_up.challenge_of("publish", OBJECT, nonce)
    assert made == hashlib.sha256(b"veche/step-up/v1" + b"publish" + OBJECT + nonce).digest()
    others = {step_up.challenge_of(*parts) for parts in (
        ("extend", OBJECT, nonce), ("publish", ANOTHER, nonce), ("publish", OBJECT, b"\1" * 32)
    )}  # fmt: skip
    assert len(others | {made}) == 4


async def test_a_passkey_proves_once_for_this_very_object(office: Office) -> None:
    await office.register()
    options = await office.options()
    assert options["userVerification"] == "required"
    assert [decode(one["id"]) for one in options["allowCredentials"]] == [office.key.id]
    proof = Proof(credential=office.key.get(options))
    evidence = await office.prove(proof)
    assert evidence == Evidence(office.account, "passkey", office.key.id, OBJECT, office.clock())
    with pytest.raises(StepUpUsed):
        await office.prove(proof)
    given = await office.logged("step_up_given")
    assert given[0] | {"passkey": 0} == {
        "purpose": "publish", "object": OBJECT.hex(), "method": "passkey", "passkey": 0
    }  # fmt: skip
    assert [facts["code"] for facts in await office.logged("step_up_refused")] == ["step_up_used"]


async def test_what_is_rolled_back_has_not_used_the_proof(office: Office) -> None:
    await office.register()
    proof = Proof(credential=office.key.get(await office.options()))
    async with office.database.sessions() as inner:  # closed without a commit, as where what follows is refused
        await step_up.require_fresh(
            Session(ReadSession(inner)), office.scope, office.account, purpose="publish", object_hash=OBJECT,
            proof=proof, settings=office.settings, now=office.clock(),
        )  # fmt: skip
    assert (await office.prove(proof)).method == "passkey"


async def test_a_proof_for_something_else_is_refused(office: Office) -> None:
    await office.register()
    other_scope = await office.scope_of(office.account)
    stranger = await add_account(office.database, "stranger@city.test", "official")
    strangers_key = await office.register(SoftwareKey(HTTP), stranger)
    proof = Proof(credential=office.key.get(await office.options()))
    cases: list[tuple[str, dict[str, Any]]] = [
        ("object", {"hashed": ANOTHER}),
        ("purpose", {"purpose": "certify"}),
        ("session", {"scope": other_scope}),
        ("account", {"account": stranger, "scope": await office.scope_of(stranger)}),
    ]
    for what, given in cases:
        with pytest.raises(StepUpElsewhere) as refused:
            await office.prove(proof, **given)
        assert refused.value.facts == {"what": what}
    with pytest.raises(StepUpFailed, match="step_up_failed"):  # another's passkey over our challenge
        await office.prove(Proof(credential=strangers_key.get(await office.options())))
    assert (await office.prove(proof)).method == "passkey"  # and the proof still serves for what it was given for
    assert [facts.get("what") for facts in await office.logged("step_up_refused")][:4] == [
        "object", "purpose", "session", "account"
    ]  # fmt: skip


async def test_five_minutes_and_no_longer(office: Office) -> None:
    await office.register()
    early = Proof(credential=office.key.get(await office.options()))
    late = Proof(credential=office.key.get(await office.options()))
    office.clock.go(minutes=4, seconds=59)
    assert (await office.prove(late)).at == office.clock()
    office.clock.go(seconds=1)
    with pytest.raises(StepUpExpired):
        await office.prove(early)


async def test_signatures_that_do_not_hold(office: Office) -> None:
    await office.register()
    options = await office.options()
    elsewhere = SoftwareKey("https://city.example")
    elsewhere.private, elsewhere.id, elsewhere.rp_id = office.key.private, office.key.id, office.key.rp_id
    unverified = SoftwareKey(HTTP, verifies=False)
    unverified.private, unverified.id, unverified.rp_id = office.key.private, office.key.id, office.key.rp_id
    tampered = office.key.get(options)
    tampered["response"]["signature"] = tampered["response"]["signature"][:-4] + "AAAA"
    for credential in (
        elsewhere.get(options), unverified.get(options), tampered, office.key.get(options, rp_id="city.example"),
        SoftwareKey(HTTP).get(options, rp_id="city.test"),
    ):  # fmt: skip
        with pytest.raises(StepUpFailed) as refused:
            await office.prove(Proof(credential=credential))
        assert refused.value.facts == {"reason": "passkey"}


@pytest.mark.parametrize(
    "credential",
    [{}, {"response": None}, {"rawId": 5, "response": {"clientDataJSON": "é"}}, {"response": {"clientDataJSON": "e30"}},
     {"response": {"clientDataJSON": "W10"}}, {"response": {"clientDataJSON": "x"}}],
)  # fmt: skip
async def test_bytes_that_are_no_answer(office: Office, credential: dict[str, Any]) -> None:
    await office.register()
    with pytest.raises(StepUpFailed) as refused:
        await office.prove(Proof(credential=credential))
    assert refused.value.facts == {"reason": "malformed"}


async def test_a_counter_that_goes_back_is_refused_and_logged(office: Office) -> None:
    await office.register()
    await office.prove(Proof(credential=office.key.get(await office.options())))
    office.key.count = 0
    with pytest.raises(PasskeySuspect):
        await office.prove(Proof(credential=office.key.get(await office.options())))
    assert len(await office.logged("passkey_suspect")) == 1


async def test_a_device_without_a_counter_is_fine(office: Office) -> None:
    await office.register(SoftwareKey(HTTP, count=None, synced=True))
    key = await office.register(SoftwareKey(HTTP, count=None))
    for _ in range(2):
        assert (await office.prove(Proof(credential=key.get(await office.options())))).credential_id == key.id


async def test_staff_without_a_passkey_are_told_to_register_one(office: Office) -> None:
    with pytest.raises(StepUpNeeded) as refused:
        await office.prove(Proof(password=PASSWORD))
    assert refused.value.facts == {
        "purpose": "publish", "object": OBJECT.hex(), "how": "passkey", "ways": [], "code": False, "no_passkey": True
    }  # fmt: skip
    first = await office.prove(Proof(password=PASSWORD), purpose="passkey_add")  # else there could be no first one
    assert first.method == "password"
    await office.register()
    with pytest.raises(StepUpNeeded) as refused:  # but no second one by a password alone
        await office.prove(Proof(password=PASSWORD), purpose="passkey_add")
    assert refused.value.facts["ways"] == ["passkey"]


async def test_where_passwords_will_do(fresh_database: Database, tmp_path: Path) -> None:
    office = await open_office(fresh_database, tmp_path, staff_step_up="password")
    with pytest.raises(StepUpNeeded) as refused:
        await office.prove(None)
    assert refused.value.facts["how"] == "password"
    evidence = await office.prove(Proof(password=PASSWORD))
    assert (evidence.method, evidence.credential_id, evidence.object_hash) == ("password", None, OBJECT)
    with pytest.raises(StepUpFailed) as failed:
        await office.prove(Proof(password="not it"))
    assert failed.value.facts == {"reason": "password"}
    await office.register()
    with pytest.raises(StepUpNeeded) as refused:  # who has a passkey uses it
        await office.prove(Proof(password=PASSWORD))
    assert refused.value.facts["ways"] == ["passkey"]


async def test_passwords_are_counted_as_sign_ins_are(fresh_database: Database, tmp_path: Path) -> None:
    office = await open_office(fresh_database, tmp_path, staff_step_up="password")
    for _ in range(10):
        with pytest.raises(StepUpFailed):
            await office.prove(Proof(password="not it"))
    with pytest.raises(TooMany):
        await office.prove(Proof(password=PASSWORD))


async def test_residents_own_accounts_take_either(office: Office) -> None:
    resident = await add_account(office.database, "resident@city.test", "resident")
    scope = await office.scope_of(resident, frozenset({"resident"}))
    await office.register(SoftwareKey(HTTP), resident)
    evidence = await office.prove(Proof(password=PASSWORD), purpose="passkey_remove", account=resident, scope=scope)
    assert evidence.method == "password"


async def test_a_token_of_the_api_proves_nothing(office: Office) -> None:
    scope: Any = {**office.scope, "state": {"client_address": "203.0.113.7"}}
    with pytest.raises(SignInNeeded):
        await office.prove(Proof(password=PASSWORD), scope=scope)


@pytest.mark.parametrize("purpose", ["", "Publish", "publish poll", "p" * 41, "публикация"])
async def test_purposes_are_short_words(office: Office, purpose: str) -> None:
    with pytest.raises(Invalid):
        await office.options(purpose)


@pytest.mark.parametrize(
    "given", ["", "[]", "{", '{"password": 5}', '{"credential": "x"}', '{"more": 1}', "[" * 40_000, "{}"]
)
def test_headers_that_are_no_proof(given: str) -> None:
    request: Any = type("Asked", (), {"headers": {"x-step-up": given}})()
    with pytest.raises(StepUpFailed):
        step_up.proof_of_header(request)


def test_only_hosts_that_are_not_public_take_passwords_from_staff(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"database_url": "postgresql://x/y", "data_dir": tmp_path, "demo": False}
    assert Settings(**plain, base_url="https://vote.city.ru").staff_step_up == "passkey"
    with pytest.raises(ValueError, match="VECHE_STAFF_STEP_UP"):
        Settings(**plain, base_url="https://vote.city.ru", staff_step_up="password")
    assert Settings(**plain, base_url="http://city.test", staff_step_up="password").staff_step_up == "password"
    assert Settings(**{**plain, "demo": True}).staff_step_up == "password"


@pytest.mark.parametrize(
    ("base_url", "party"),
    [("https://vote.city.ru", ("vote.city.ru", "https://vote.city.ru")),
     ("http://127.0.0.1:8000", ("localhost", "http://localhost:8000")),
     ("https://Vote.City.ru:8443", ("vote.city.ru", "https://vote.city.ru:8443"))],
)  # fmt: skip
def test_the_site_s_name_for_passkeys(tmp_path: Path, base_url: str, party: tuple[str, str]) -> None:
    settings = Settings(database_url="postgresql://x/y", data_dir=tmp_path, demo=True, base_url=base_url)
    found = ceremonies.relying_party(settings)
    assert (found.id, found.origin) == party


def test_a_bare_number_has_no_passkeys(tmp_path: Path) -> None:
    settings = Settings(database_url="postgresql://x/y", data_dir=tmp_path, demo=True, base_url="http://10.0.0.5")
    assert not ceremonies.has_passkeys(settings)
