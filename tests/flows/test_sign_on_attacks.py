"""A hostile provider, a hostile network, a hostile visitor: whatever comes back wrong signs nobody in.

Every case ends with nobody signed in, no account, no session, an answer below 500 and a log without a secret.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import delete, func, select
from tests.city_sign_on import SECRET, keep_secret
from tests.databases import Databases
from tests.hostile_provider import (
    KEY,
    OTHER_KEY,
    HostileProvider,
    hmac_with_the_public_key,
    without_signature,
)
from tests.sites import HTTP, HTTPS, Clock, add_citizen, browser, build_site, site_settings

from polls.tables import identity
from voting.db import Database
from voting.identity.city_sign_on import fetching
from voting.identity.city_sign_on.tables import sign_on_case, sign_on_link, sign_on_trip
from voting.settings import Settings
from voting.tables import account, account_role, throttle, web_session

CODE = "a-code-nobody-should-read"
NOW = int(time.time())


@pytest.fixture
async def provider() -> AsyncIterator[HostileProvider]:
    async with HostileProvider() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
async def register(databases: Databases, home: Path) -> AsyncIterator[Database]:
    """A database with one entry in its register, for all these tests."""
    name = databases.create()
    database = Database.from_url(databases.url(name))
    await add_citizen(database, home)
    yield database
    await database.close()
    databases.drop(name)


@pytest.fixture
async def town(register: Database) -> AsyncIterator[Database]:
    """The same, with nobody signed in."""
    yield register
    async with register.open_session() as session:
        for table in (web_session, account_role, account, sign_on_trip, sign_on_link, sign_on_case, throttle):
            await session.execute(delete(table))
        await session.execute(delete(identity).where(identity.c.kind == "subject"))


@pytest.fixture
async def site(town: Database, home: Path, provider: HostileProvider) -> Litestar:
    return made_site(town, home, provider)


def made_site(database: Database, tmp_path: Path, *providers: HostileProvider, **more) -> Litestar:
    listed = []
    for name, one in zip(("city", "other"), providers, strict=False):
        keep_secret(tmp_path, name)
        listed.append(one.settings(name, **more))
    return build_site(database, tmp_path, clock=Clock(datetime.now(UTC)), city_sign_on=tuple(listed))


async def leave(client: httpx.AsyncClient, provider: HostileProvider, name: str = "city", target: str = "/") -> str:
    here = {"sec-fetch-site": "same-origin"}
    reply = await client.get(f"/sign-in/city/{name}", params={"next": target}, headers=here)
    assert reply.status_code == 303, reply.text
    return provider.note(reply.headers["location"])


async def come(client: httpx.AsyncClient, state: str, name: str = "city", **said: str) -> httpx.Response:
    return await client.get(f"/sign-in/city/{name}/callback", params={"code": CODE, "state": state, **said})


async def nobody(database: Database) -> bool:
    async with database.open_read_session() as session:
        return not await session.scalar(select(func.count()).select_from(web_session)) and not await session.scalar(
            select(func.count()).select_from(account)
        )


async def test_the_truth_is_believed(town, site, provider):
    """The same round trip with nothing wrong: so the cases below fail for what is wrong with them."""
    async with browser(site) as client:
        reply = await come(client, await leave(client, provider, target="/account"))
        assert (reply.status_code, reply.headers["location"]) == (303, "/account"), reply.text
    assert not await nobody(town)
    [redeemed] = provider.redeemed
    assert redeemed["redirect_uri"] == f"{HTTP}/sign-in/city/city/callback" and len(redeemed["code_verifier"]) == 43


LIES: dict[str, Callable[[HostileProvider], object]] = {
    "issuer": lambda p: p.claims.update(iss="https://evil.example"),
    "issuer with a slash": lambda p: p.claims.update(iss=p.issuer + "/"),
    "audience": lambda p: p.claims.update(aud="another"),
    "no audience": lambda p: p.left_out.add("aud"),
    "audience of two without azp": lambda p: p.claims.update(aud=["veche", "another"]),
    "azp": lambda p: p.claims.update(azp="another"),
    "azp among two": lambda p: p.claims.update(aud=["veche", "another"], azp="another"),
    "nonce": lambda p: p.claims.update(nonce="another"),
    "no nonce": lambda p: p.left_out.add("nonce"),
    "nonce of another kind": lambda p: p.claims.update(nonce=7),
    "expired": lambda p: p.claims.update(exp=NOW - 120),
    "no expiry": lambda p: p.left_out.add("exp"),
    "expiry of another kind": lambda p: p.claims.update(exp="never"),
    "expiry true": lambda p: p.claims.update(exp=True),
    "expiry infinite": lambda p: p.claims.update(exp=float("inf")),
    "not yet": lambda p: p.claims.update(nbf=NOW + 3600),
    "made tomorrow": lambda p: p.claims.update(iat=NOW + 3600),
    "made long ago": lambda p: p.claims.update(iat=NOW - 3600),
    "no time of making": lambda p: p.left_out.add("iat"),
    "no subject": lambda p: p.left_out.add("sub"),
    "empty subject": lambda p: p.claims.update(sub=""),
    "subject of another kind": lambda p: p.claims.update(sub=12),
    "subject with spaces": lambda p: p.claims.update(sub=" anna "),
    "subject too long": lambda p: p.claims.update(sub="a" * 256),
    "subject beyond ascii": lambda p: p.claims.update(sub="анна"),
    "level too low": lambda p: p.claims.update(acr="low"),
    "no level": lambda p: p.left_out.add("acr"),
    "level of another kind": lambda p: p.claims.update(acr={"high": 2}),
    "number of another kind": lambda p: p.claims.update(national_id=["4510 123456"]),
    "number without end": lambda p: p.claims.update(national_id="4" * 5000),
    "at_hash": lambda p: p.claims.update(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "alg none": lambda p: (p.header.update(alg="none"), setattr(p, "signed", without_signature)),
    "alg NONE": lambda p: (p.header.update(alg="NONE"), setattr(p, "signed", without_signature)),
    "HS256 with the public key": lambda p: setattr(p, "signed", hmac_with_the_public_key),
    "another algorithm": lambda p: p.header.update(alg="RS384"),
    "another key": lambda p: setattr(p, "key", OTHER_KEY),
    "unknown key": lambda p: p.header.update(kid="k2"),
    "key id of another kind": lambda p: setattr(
        p, "signed", lambda claims, header: without_signature(claims, {**header, "kid": ["k1"]}) + "AA"
    ),
    "a key of its own": lambda p: (
        p.header.update(jwk=OTHER_KEY.as_dict(private=False)), setattr(p, "key", OTHER_KEY)
    ),
    "critical extension": lambda p: setattr(
        p, "signed", lambda claims, header: without_signature(claims, {**header, "crit": ["x"], "x": 1}) + "AA"
    ),
    "signature cut": lambda p: setattr(p, "signed", lambda claims, header: p._signed(claims, header)[:-9]),
    "claims changed": lambda p: setattr(p, "signed", lambda claims, header: ".".join((
        (first := p._signed(claims, header).split("."))[0],
        without_signature({**claims, "sub": "eve"}, {}).split(".")[1], first[2]))),
    "no token at all": lambda p: setattr(p, "signed", lambda *_: None),
    "a token of dots": lambda p: setattr(p, "signed", lambda *_: ".."),
    "a token that is huge": lambda p: p.claims.update(much="x" * 100_000),
    "keys to encrypt alone": lambda p: setattr(p, "jwks", {"keys": [{**KEY.as_dict(private=False), "use": "enc"}]}),
    "a shared key": lambda p: setattr(p, "jwks", {"keys": [{"kty": "oct", "k": "AAAA", "kid": "k1"}]}),
    "keys of nonsense": lambda p: setattr(p, "jwks", {"keys": [7, {"kty": "RSA", "kid": "k1"}, {"kty": 1}]}),
    "too many keys": lambda p: setattr(p, "jwks", {"keys": [KEY.as_dict(private=False)] * 51}),
    "no keys": lambda p: setattr(p, "jwks", []),
    "a redirect": lambda p: p.answers.update({"/token": lambda: (302, {"location": p.issuer + "/jwks"}, b"")}),
    "a redirect of its keys": lambda p: p.answers.update(
        {"/jwks": lambda: (307, {"location": "http://169.254.169.254/latest/meta-data/"}, b"")}
    ),
    "a failure": lambda p: p.answers.update({"/token": lambda: (500, {}, b"oops")}),
    "html": lambda p: p.answers.update({"/token": lambda: (200, {}, b"<html>")}),
    "a list": lambda p: p.answers.update({"/token": lambda: (200, {}, b"[1]")}),
    "json without end": lambda p: p.answers.update({"/token": lambda: (200, {}, b"[" * 100_000)}),
    "a huge answer": lambda p: p.answers.update({"/token": lambda: (200, {}, b'{"a":"' + b"x" * 3_000_000 + b'"}')}),
    "a small answer that unpacks": lambda p: p.answers.update(
        {"/token": lambda: (200, {"content-encoding": "gzip"}, gzip.compress(b'{"a":"' + b"x" * 5_000_000 + b'"}'))}
    ),
    "code refused": lambda p: p.answers.update({"/token": lambda: (400, {}, b'{"error":"invalid_grant"}')}),
    "client refused": lambda p: p.answers.update({"/token": lambda: (401, {}, b'{"error":"invalid_client"}')}),
    "no answer": lambda p: p.answers.update({"/token": lambda: (200, {"content-length": "99999"}, b"{")}),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_signs_nobody_in(town, site, provider, lie, capfd):
    async with browser(site) as client:
        state = await leave(client, provider)
        LIES[lie](provider)
        reply = await come(client, state)
        assert 400 <= reply.status_code < 500, reply.text[:500]
        assert "sid" not in client.cookies
        replayed = await come(client, state)  # whatever was wrong, the trip is over
        assert replayed.status_code == 400
    assert await nobody(town)
    log = capfd.readouterr().err
    assert "sign_on_refused" in log
    number = ("4510 123456", "4510123456")
    for secret in (CODE, SECRET, state, provider.nonce, *number, "anna", *provider.redeemed[0:1]):
        given = secret["code_verifier"] if isinstance(secret, dict) else secret
        assert given not in log and given not in reply.text


WRONG_RETURNS = {
    "no state": {"state": ""},
    "another state": {"state": "A" * 43},
    "a state of nonsense": {"state": "\x00'--" + "я" * 40},
    "no code": {"code": ""},
    "a code without end": {"code": "x" * 6000},
    "an address without end": {"code": "x" * 20_000},
    "another issuer": {"iss": "https://evil.example"},
}


@pytest.mark.parametrize("wrong", WRONG_RETURNS)
async def test_a_wrong_return_signs_nobody_in(town, site, provider, wrong):
    async with browser(site) as client:
        state = await leave(client, provider)
        said = {"state": state, "code": CODE, **WRONG_RETURNS[wrong]}
        reply = await client.get("/sign-in/city/city/callback", params=said)
    assert reply.status_code == 400
    assert await nobody(town)
    assert not provider.redeemed, "the code was not even tried"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [("access_denied", 403, "cancelled or not allowed"), ("login_required", 403, "cancelled"),
     ("unmet_authentication_requirements", 403, "not confirmed well enough"),
     ("temporarily_unavailable", 424, "does not answer"), ("invalid_scope", 400, "could not be checked"),
     ("<script>alert(1)</script>", 400, "could not be checked")],
)  # fmt: skip
async def test_an_error_of_the_provider_has_a_page_of_ours(town, site, provider, error, status, words):
    async with browser(site) as client:
        state = await leave(client, provider)
        told = {"state": state, "error": error, "error_description": "<b>call 8-800</b>"}
        reply = await client.get("/sign-in/city/city/callback", params=told)
    assert reply.status_code == status and words in reply.text
    assert "8-800" not in reply.text and "<script>alert" not in reply.text and 'href="/sign-in"' in reply.text
    assert await nobody(town)


async def test_parameters_said_twice_are_not_believed(town, site, provider):
    async with browser(site) as client:
        state = await leave(client, provider)
        reply = await client.get(f"/sign-in/city/city/callback?code={CODE}&code=x&state={state}")
    assert reply.status_code == 400 and await nobody(town)


async def test_a_state_is_of_use_once(town, site, provider):
    async with browser(site) as client:
        state = await leave(client, provider)
        assert (await come(client, state)).status_code == 303
        again = await come(client, state)
    assert again.status_code == 400
    assert len(provider.redeemed) == 1, "a replayed code is not sent to the provider"


async def test_a_state_is_of_use_in_its_browser_alone(town, site, provider):
    async with browser(site) as victim, browser(site) as thief:
        state = await leave(victim, provider)
        assert (await come(thief, state)).status_code == 400, "a browser without a trip"
        await leave(thief, provider)
        assert (await come(thief, state)).status_code == 400, "a browser with one of its own"
        provider.note(f"?nonce={provider.nonce}&state={state}")
        assert await nobody(town)
        assert not provider.redeemed


async def test_a_trip_lasts_ten_minutes(town, home, provider):
    keep_secret(home)
    clock = Clock(datetime.now(UTC))
    site = build_site(town, home, clock=clock, city_sign_on=(provider.settings(),))
    async with browser(site) as client:
        state = await leave(client, provider)
        clock.go(minutes=10, seconds=1)
        assert (await come(client, state)).status_code == 400
    assert await nobody(town)


async def test_mix_up_of_two_providers(town, home, provider):
    """A code of the honest one must never be sent to the hostile one, and the other way round."""
    async with HostileProvider() as hostile:
        hostile.metadata["authorization_response_iss_parameter_supported"] = True
        site = made_site(town, home, provider, hostile)
        async with browser(site) as client:
            state = await leave(client, provider)
            assert (await come(client, state, "other")).status_code == 400, "the state is another provider's"
            state = await leave(client, hostile, "other")
            assert (await come(client, state, "other", iss=provider.issuer)).status_code == 400
            state = await leave(client, hostile, "other")
            assert (await come(client, state, "other")).status_code == 400, "it promises to name itself, and does not"
            assert not provider.redeemed and not hostile.redeemed
            state = await leave(client, hostile, "other")
            hostile.claims["iss"] = provider.issuer
            hostile.nonce, hostile.claims["nonce"] = provider.nonce, hostile.nonce
            assert (await come(client, state, "other", iss=hostile.issuer)).status_code == 400, "a token of another's"
    assert await nobody(town)


async def test_claims_of_somebody_else_at_userinfo(town, home, provider):
    site = made_site(town, home, provider, userinfo=True)
    async with browser(site) as client:
        provider.told = {"sub": "eve", "national_id": "4510 123456"}
        assert (await come(client, await leave(client, provider))).status_code == 400
        provider.told = {"national_id": "4510 123456"}
        assert (await come(client, await leave(client, provider))).status_code == 400
        assert await nobody(town)
        provider.told = {"sub": "anna", "national_id": "4510 123456", "acr": "low", "iss": "x"}
        assert (await come(client, await leave(client, provider))).status_code == 303


async def test_a_slow_provider_holds_nothing_up(town, site, provider, monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS", 0.3)
    async with browser(site) as client:
        state = await leave(client, provider)
        provider.slow = 3.0
        began = time.monotonic()
        reply = await come(client, state)
        assert reply.status_code == 424 and "does not answer" in reply.text
        assert time.monotonic() - began < 2.5
    assert await nobody(town)


SOMEWHERE_ELSE = [
    "http://169.254.169.254/keys",
    "https://evil.example/keys",
    "file:///etc/passwd",
    "//evil.example/k",
    7,
]


@pytest.mark.parametrize("address", SOMEWHERE_ELSE)
@pytest.mark.parametrize("endpoint", ["jwks_uri", "token_endpoint", "authorization_endpoint", "userinfo_endpoint"])
async def test_endpoints_elsewhere_are_not_visited(site, provider, endpoint, address):
    provider.metadata[endpoint] = address
    async with browser(site) as client:
        reply = await client.get("/sign-in/city/city")
    assert reply.status_code == 424 and "location" not in reply.headers
    assert provider.asked == ["/.well-known/openid-configuration"]


async def test_metadata_of_another_issuer_are_not_believed(site, provider):
    provider.metadata["issuer"] = "https://evil.example"
    async with browser(site) as client:
        assert (await client.get("/sign-in/city/city")).status_code == 424


async def test_unknown_keys_do_not_make_us_ask_again_and_again(site, provider):
    async with browser(site) as client:
        provider.header["kid"] = "k2"
        for _ in range(5):
            assert (await come(client, await leave(client, provider))).status_code == 400
    assert provider.asked.count("/jwks") == 1
    assert provider.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)",
               "/sign-out", "/static/x"]
)  # fmt: skip
async def test_the_return_leads_nowhere_else(site, provider, target):
    async with browser(site) as client:
        reply = await come(client, await leave(client, provider, target=target))
    assert (reply.status_code, reply.headers["location"]) == (303, "/")


async def test_the_cookie_of_a_trip_over_https(town, home, provider):
    keep_secret(home)
    settings = provider.settings() | {"issuer": "https://id.city.test", "hosts": ("keys.city.test",)}
    site = build_site(town, home, base_url=HTTPS, city_sign_on=(settings,))
    directory = site.state["sign_on"].line("city").directory
    from voting.identity.city_sign_on.discovery import Metadata

    place = "https://id.city.test"
    directory._metadata = (directory._clock(), Metadata(f"{place}/auth", f"{place}/token", f"{place}/k", None, True))
    async with browser(site, base_url=HTTPS) as client:
        reply = await client.get("/sign-in/city/city")
    cookie = next(value for value in reply.headers.get_list("set-cookie") if value.startswith("__Host-sign-on="))
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts >= {"secure", "httponly", "path=/", "samesite=lax", "max-age=600"}
    location = reply.headers["location"]
    assert (
        quote(f"{HTTPS}/sign-in/city/city/callback", safe="") in location and "code_challenge_method=S256" in location
    )
    assert reply.headers["referrer-policy"] == "no-referrer" and reply.headers["cache-control"] == "no-store"


async def test_an_unknown_provider_is_not_found(site):
    async with browser(site) as client:
        assert (await client.get("/sign-in/city/nobody")).status_code == 404
        assert (await client.get("/sign-in/city/nobody/callback")).status_code == 404


GOOD = {"name": "city", "title_ru": "Вход", "title_en": "ID", "issuer": "https://id.example", "client_id": "veche",
        "levels": {"high": 2}}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"issuer": "http://id.example.com"}, {"issuer": "https://u@id.example"}, {"issuer": "https://id.example/?a=1"},
     {"issuer": "ftp://id.example"}, {"algorithms": ["none"]}, {"algorithms": ["HS256"]}, {"algorithms": []},
     {"name": "City/.."}, {"secret_file": "../../etc/passwd"}, {"levels": {}}, {"levels": {"high": 9}},
     {"scope": "person"}, {"kind": "nobody-knows"}, {"sceret_file": "x"}],
)  # fmt: skip
def test_unsafe_settings_are_refused(wrong, tmp_path):
    fine = {"database_url": "postgresql://x/y", "demo": False, "base_url": "https://vote.example.com"}
    Settings(city_sign_on=(GOOD,), **fine)
    with pytest.raises(ValueError):
        Settings(city_sign_on=({**GOOD, **wrong},), **fine)
    with pytest.raises(ValueError):
        Settings(city_sign_on=(GOOD, GOOD), **fine)


def test_the_setting_is_read_as_json(tmp_path):
    text = '[{"name":"city","title_ru":"Вход","title_en":"ID","issuer":"https://id.example","client_id":"v","levels":{"high":2}}]'
    found = Settings.from_env({"VECHE_CITY_SIGN_ON": text})
    assert found.city_sign_on[0].secret_name == "sign-on-city"
    for broken in ("{", '"x"', "[1]", "nonsense"):
        with pytest.raises(ValueError):
            Settings.from_env({"VECHE_CITY_SIGN_ON": broken})
    assert site_settings(tmp_path).city_sign_on == ()
