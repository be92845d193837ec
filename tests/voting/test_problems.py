"""Whatever is raised is answered with a problem or a page in the reader's language, and nothing internal leaks."""

import ast
import importlib
import json
import pkgutil
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from tests.sites import browser, build_site

import polls
import voting.problems
from polls.database_failures import is_passing, sqlstate_of
from polls.errors import Busy, FieldError, Invalid, NotFound, Refusal, Sealed, TooMany
from voting.db import Session
from voting.identity.guards import public
from voting.problems import (
    COUNTED_MESSAGES,
    FIELD_MESSAGES,
    KINDS,
    all_refusals,
    as_refusal,
    describe,
)

SOURCE = Path(voting.problems.__file__).parents[1]


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: float = Field(ge=0, le=1)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=3)
    number: int
    parts: list[Inner] = []


@post("/api/v1/things", guards=[public], status_code=201)
async def make_thing(data: JSONBody[Body]) -> dict[str, str]:
    return {"made": data.title}


@get("/api/v1/things", guards=[public])
async def list_things(limit: FromQuery[int] = 10) -> dict[str, int]:
    return {"limit": limit}


RAISED = {
    "sealed": Sealed(state="scheduled"),
    "busy": Busy(retry_after=7),
    "too_many": TooMany(retry_after=30.4),
    "integrity": IntegrityError("INSERT INTO ballot VALUES ('secret')", {}, Exception("Key (x)=(secret) exists")),
    "operational": OperationalError("SELECT 'secret'", {}, Exception("secret host")),
    "teapot": HTTPException(status_code=418, detail="secret"),
    "value": ValueError("secret"),
    "counted": Invalid([FieldError("answers/1", "too_many", "Choose at most 3.", {"at_most": 3})]),
}


@get("/api/v1/raise/{name:str}", guards=[public])
async def raise_by_api(name: FromPath[str]) -> None:
    raise RAISED[name]


@get("/raise/{name:str}", guards=[public])
async def raise_on_a_page(name: FromPath[str]) -> None:
    raise RAISED[name]


@post("/api/v1/twice", guards=[public])
async def insert_twice(session: NamedDependency[Session]) -> None:
    for _ in range(2):
        await session.execute(text("INSERT INTO citizen_group (code, name_ru, name_en) VALUES ('twin', '', '')"))


@get("/api/v1/state/{code:str}", guards=[public])
async def fail_in_the_database(code: FromPath[str], session: NamedDependency[Session]) -> None:
    await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{code}'; END $$"))


@get("/api/v1/stream", guards=[public])
async def stream(rows: FromQuery[int] = 3) -> Stream:
    if rows > 100:  # checked before the stream begins: afterwards nothing could be said
        raise Invalid([FieldError("rows", "too_many", "Choose at most {at_most}.", {"at_most": 100})])

    async def lines():
        for row in range(rows):
            yield f"{row}\n"

    return Stream(lines(), media_type="text/csv")


HANDLERS = [make_thing, list_things, raise_by_api, raise_on_a_page, insert_twice, fail_in_the_database, stream]


@pytest.fixture
async def client(fresh_database, tmp_path):
    async with browser(build_site(fresh_database, tmp_path, handlers=HANDLERS)) as client:
        yield client


def is_problem(reply, status: int, code: str) -> dict:
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert reply.status_code == body["status"] == status == KINDS[code].status
    assert body["code"] == code
    assert body["type"] == f"/problems/{code}"
    assert body["instance"].endswith(reply.headers["x-request-id"])
    assert body["title"] and body["detail"] and body["next_step"] is not None
    assert "secret" not in reply.text
    return body


async def test_fields_are_named_with_codes_and_words(client):
    reply = await client.post(
        "/api/v1/things", json={"title": "x", "parts": [{"share": 0.5}, {"share": 2}], "extra": 1}
    )
    errors = is_problem(reply, 422, "invalid")["errors"]
    assert {(error["path"], error["code"]) for error in errors} == {
        ("title", "string_too_short"), ("number", "missing"), ("parts/1/share", "less_than_equal"),
        ("extra", "extra_forbidden"),
    }  # fmt: skip
    assert next(e for e in errors if e["path"] == "title")["message"] == "At least 3 characters are needed."


async def test_words_are_in_the_readers_language(client):
    reply = await client.post("/api/v1/things", json={"title": "x"}, headers={"accept-language": "ru-RU,ru;q=0.9"})
    body = is_problem(reply, 422, "invalid")
    assert body["title"] == "Некоторые поля заполнены неверно"
    assert {error["message"] for error in body["errors"]} == {"Нужно знаков: не меньше 3.", "Заполните это поле."}


AS_JSON = {"content-type": "application/json"}
AS_TEXT = {"content-type": "text/plain"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("POST", "/api/v1/things", {"content": b'{"title": ', "headers": AS_JSON}, 400, "malformed"),
        ("POST", "/api/v1/things", {"content": b"\xff\xfe", "headers": AS_JSON}, 400, "malformed"),
        ("POST", "/api/v1/things", {"content": b"", "headers": AS_JSON}, 422, "invalid"),
        ("POST", "/api/v1/things", {"content": b"[]", "headers": AS_JSON}, 422, "invalid"),
        ("POST", "/api/v1/things", {"content": b"a=b", "headers": AS_TEXT}, 415, "media_type_not_supported"),
        ("POST", "/api/v1/things", {"json": {"title": "x" * 1_100_000, "number": 1}}, 413, "body_too_large"),
        ("GET", "/api/v1/things?limit=secret", {}, 422, "invalid"),
        ("DELETE", "/api/v1/things", {}, 405, "method_not_allowed"),
        ("GET", "/api/v1/nothing", {}, 404, "not_found"),
        ("GET", "/api/v1/raise/sealed", {}, 409, "sealed"),
        ("GET", "/api/v1/raise/integrity", {}, 409, "conflict"),
        ("GET", "/api/v1/raise/operational", {}, 503, "unavailable"),
        ("GET", "/api/v1/raise/teapot", {}, 400, "refused"),
        ("GET", "/api/v1/raise/value", {}, 500, "internal"),
        ("POST", "/api/v1/twice", {}, 409, "conflict"),
    ],
)  # fmt: skip
async def test_everything_is_a_problem(client, method, path, options, status, code):
    is_problem(await client.request(method, path, **options), status, code)


async def test_what_passes_by_itself_says_when(client):
    assert (await client.get("/api/v1/raise/busy")).headers["retry-after"] == "7"
    assert (await client.get("/api/v1/raise/too_many")).headers["retry-after"] == "30"


PASSING = ["40P01", "40001", "57014", "55P03", "57P01", "57P02", "57P03", "53100", "53200", "53300", "08006"]


@pytest.mark.parametrize("state", PASSING)
async def test_what_passes_in_the_database_is_told_by_its_sqlstate(client, state):
    reply = await client.get(f"/api/v1/state/{state}")
    is_problem(reply, 503, "unavailable")
    assert int(reply.headers["retry-after"]) >= 1


@pytest.mark.parametrize("state", ["42P01", "22012", "P0001", "XX000"])
async def test_what_does_not_pass_in_the_database_is_our_mistake(client, state):
    is_problem(await client.get(f"/api/v1/state/{state}"), 500, "internal")


async def test_the_sqlstate_is_read_through_psycopg_and_from_a_bare_driver():
    from asyncpg import CannotConnectNowError
    from psycopg.errors import DeadlockDetected

    assert sqlstate_of(DBAPIError("SELECT", {}, DeadlockDetected())) == "40P01"
    assert sqlstate_of(CannotConnectNowError()) == "57P03"
    assert is_passing(CannotConnectNowError())
    assert sqlstate_of(ValueError()) is None and not is_passing(ValueError())


async def test_a_wrong_method_names_the_right_ones(client):
    reply = await client.delete("/api/v1/things")
    assert {"GET", "HEAD", "POST"} <= set(reply.headers["allow"].split(", "))


async def test_a_body_too_large_is_refused_without_its_length_announced(client):
    async def pieces():
        for _ in range(40):
            yield b" " * 65_536

    reply = await client.post("/api/v1/things", content=pieces(), headers={"content-type": "application/json"})
    is_problem(reply, 413, "body_too_large")


@pytest.mark.parametrize(("name", "status"), [("sealed", 409), ("too_many", 429), ("value", 500), ("integrity", 409)])
async def test_browsers_get_pages(client, name, status):
    reply = await client.get(f"/raise/{name}", headers={"accept-language": "ru"})
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html")
    assert "<html" in reply.text and 'lang="ru"' in reply.text, "the site's own page, not the bare one"
    assert "secret" not in reply.text


async def test_an_error_page_that_fails_is_still_an_answer(client, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("secret")

    monkeypatch.setattr("voting.web.error_pages.page", broken)
    reply = await client.get("/raise/sealed")
    assert reply.status_code == 409 and "secret" not in reply.text and "sealed" in reply.text


async def test_a_stream_is_refused_before_it_begins_and_names_its_charset_once(client):
    is_problem(await client.get("/api/v1/stream?rows=1000"), 422, "invalid")
    reply = await client.get("/api/v1/stream")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.text == "0\n1\n2\n"


async def test_each_code_has_a_page_in_both_languages(client):
    for code in KINDS:
        reply = await client.get(f"/problems/{code}")
        assert reply.status_code == 200
        assert 'lang="ru"' in reply.text and 'lang="en"' in reply.text
    assert (await client.get("/problems/nonsense")).status_code == 404
    everything = (await client.get("/problems")).text
    assert all(f'href="/problems/{code}"' in everything for code in KINDS)


async def test_numbers_in_answers_are_worded_in_both_languages(client):
    reply = await client.get("/api/v1/raise/counted", headers={"accept-language": "ru"})
    assert reply.json()["errors"][0]["message"] == "Выберите не больше 3."


def every_refusal() -> dict[str, type[Refusal]]:
    for package in (polls, voting):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return all_refusals()


def test_every_code_has_a_status_and_every_status_a_refusal():
    assert set(every_refusal()) == set(KINDS)


def test_every_word_is_translated():
    known = set()
    for path in (SOURCE / "voting/locale/ru").glob("*.po"):
        with path.open("rb") as file:
            known |= {message.id for message in read_po(file, locale="ru") if message.string}
    words = {kind.title for kind in KINDS.values()} | set(FIELD_MESSAGES.values()) | set(COUNTED_MESSAGES.values())
    for refusal in every_refusal().values():
        words |= {refusal.detail, refusal.next_step} - {""}
    words.add(voting.problems.ANY_FIELD)
    assert words <= known, words - known


def test_every_word_of_identity_is_translated():
    catalogues = {}
    for path in (SOURCE / "voting/locale/ru").glob("*.po"):
        with path.open("rb") as file:
            catalogues |= {message.id: path.name for message in read_po(file, locale="ru") if message.string}
    words = set()
    for path in [*(SOURCE / "voting/identity").glob("*.py"), SOURCE / "voting/web/account.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "FieldError":
                words.add(node.args[2].value)
    import re

    for path in [*(SOURCE / "voting/templates/account").glob("*"), *(SOURCE / "voting/templates/problems").glob("*")]:
        words |= set(re.findall(r'_\("([^"]+)"\)', path.read_text()))
    assert words <= set(catalogues), words - set(catalogues)


def test_an_unknown_code_is_our_mistake():
    class Forgotten(NotFound):
        code = "forgotten"

    try:
        assert describe(as_refusal(Forgotten()), str, request_id="x").status == 500
    finally:
        Forgotten.code = "not_found"


def test_facts_are_plain_json():
    from datetime import UTC, datetime

    problem = describe(Sealed(at=datetime(2026, 1, 1, tzinfo=UTC), names={"a"}), str, request_id="x")
    from litestar.serialization import encode_json

    assert json.loads(encode_json(problem.as_json(), serializer=str))["facts"]["at"].startswith("2026-01-01")
