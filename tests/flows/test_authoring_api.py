"""What officials do to polls through the API: pauses, errata, versions, templates, files, handing over."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.builders import a_definition, a_single_choice, an_open_poll, both
from tests.flows.api_client import V1, Client, Town

from polls.authoring import cancel_poll, create_draft
from polls.catalogue import SealedPoll
from polls.definition import canonical_bytes
from polls.poll_templates import TEMPLATES
from voting.db import Database

WHY = {"reason": "Сбой связи"}


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    return await Town(fresh_database, tmp_path).settle(residents=1)


async def opened(town: Town) -> SealedPoll:
    async with town.database.open_session() as session:
        return await an_open_poll(session)


async def drafted(town: Town, **more: Any) -> dict[str, Any]:
    async with town.database.open_session() as session:
        draft = await create_draft(session, 1, a_definition(**more), datetime.now(UTC))
    reply: dict[str, Any] = (await (await town.client("official")).get(f"/drafts/{draft.public_id}")).json()
    return reply


async def test_a_pause_refuses_votes_with_its_reason_and_going_on_takes_them(town: Town) -> None:
    poll, official = await opened(town), await town.client("official")
    resident = await town.client("resident1@city.test")
    paused = await official.post(f"/drafts/{poll.public_id}/pause", WHY)
    assert (paused.status_code, paused.json()["state"]) == (200, "open")
    assert paused.json()["paused_at"]
    refused = await resident.vote(poll.slug, secrets.token_hex(16), {"1": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "poll_paused")
    assert refused.json()["facts"]["reason"] == WHY["reason"]
    again = await official.post(f"/drafts/{poll.public_id}/pause", WHY)
    assert (again.status_code, again.json()["code"]) == (409, "poll_paused")
    seen = (await town.anonymous().get(f"/polls/{poll.slug}")).json()
    assert seen["pause"]["reason"] == WHY["reason"]
    resumed = (await official.post(f"/drafts/{poll.public_id}/resume")).json()
    assert resumed["paused_at"] is None
    assert (await official.post(f"/drafts/{poll.public_id}/resume")).json()["code"] == "wrong_state"
    assert (await resident.vote(poll.slug, secrets.token_hex(16), {"1": 1})).status_code == 201
    assert (await official.post(f"/drafts/{poll.public_id}/pause", {"reason": ""})).status_code == 422


async def test_an_erratum_is_public_and_names_nobody(town: Town) -> None:
    poll, official = await opened(town), await town.client("official")
    made = await official.post(f"/drafts/{poll.public_id}/errata", both("Читайте «парк».", "Read “park”."))
    assert made.status_code == 201
    seen = (await town.anonymous().get(f"/polls/{poll.slug}")).json()
    assert [one["text"]["en"] for one in seen["errata"]] == ["Read “park”."]
    assert "by" not in json.dumps([event["facts"] for event in seen["events"]])
    for words in ({"ru": ""}, {"en": "No"}, {"ru": "x" * 2_001}, {"ru": "слева \u202e"}):
        assert (await official.post(f"/drafts/{poll.public_id}/errata", words)).status_code == 422
    draft = await drafted(town)
    assert (await official.post(f"/drafts/{draft['poll_id']}/errata", {"ru": "Ошибка"})).status_code == 409


async def test_a_cancelled_poll_says_what_became_of_ballots(town: Town) -> None:
    poll, resident = await opened(town), await town.client("resident1@city.test")
    assert (await resident.vote(poll.slug, secrets.token_hex(16), {"1": 1})).status_code == 201
    async with town.database.open_session() as session:
        await cancel_poll(session, poll.public_id, 1, "ошибка в вопросе", datetime.now(UTC))
    seen = (await resident.get(f"/polls/{poll.slug}")).json()
    assert (seen["cancellation"]["ballots_destroyed"], seen["cancellation"]["reason"]) == (1, "ошибка в вопросе")
    assert seen["you"]["voted_on"], "the participation stays"
    assert (await town.anonymous().get(f"/polls/{(await opened(town)).slug}")).json()["cancellation"] is None


async def test_versions_are_listed_compared_and_restored(town: Town) -> None:
    draft, official = await drafted(town), await town.client("official")
    address = f"/drafts/{draft['poll_id']}"
    document = {**draft["definition"], "title": both("Иначе", "Otherwise")}
    saved = await official.send("PUT", address, {"definition": document, "based_on": 1})
    assert saved.json()["revision"] == 2
    listed = (await official.get(f"{address}/revisions")).json()["revisions"]
    assert [line["number"] for line in listed] == [2, 1]
    first = (await official.get(f"{address}/revisions/1")).json()
    assert first["definition"] == draft["definition"]
    changes = (await official.send("GET", f"{address}/changes?from=1&to=2")).json()["changes"]
    assert [change["path"] for change in changes] == ["title/ru", "title/en"]
    clash = await official.send("PUT", address, {"definition": {**document, "binding": True}, "based_on": 1})
    assert (clash.status_code, clash.json()["code"]) == (409, "edit_conflict")
    facts = clash.json()["facts"]
    assert {"title/ru", "title/en"} == {change["path"] for change in facts["their_changes"]}
    restored = await official.post(f"{address}/restore", {"number": 1, "based_on": 2})
    assert (restored.json()["revision"], restored.json()["definition"]) == (3, draft["definition"])
    for path in ("revisions/9", "revisions/0", f"revisions/{10**30}"):
        missing = await official.get(f"{address}/{path}")
        assert (missing.status_code, missing.json()["code"]) == (404, "revision_not_found")
    assert (await official.get(f"/drafts/{'0' * 32}/revisions")).status_code == 404


async def test_a_draft_is_put_away_taken_out_and_handed_to_an_official_alone(town: Town) -> None:
    draft, official = await drafted(town), await town.client("official")
    address = f"/drafts/{draft['poll_id']}"
    assert (await official.post(f"{address}/archive")).json()["archived_at"]
    lines = (await official.get("/drafts", pile="archived")).json()["drafts"]
    assert [line["poll_id"] for line in lines] == [draft["poll_id"]]
    refused = await official.post(f"{address}/schedule", {"revision": 1})
    assert refused.json()["code"] == "wrong_state"
    assert (await official.post(f"{address}/unarchive")).json()["archived_at"] is None
    async with town.database.open_read_session() as session:
        ids = {
            row.role: row.account_id for row in await session.execute(text("SELECT role, account_id FROM account_role"))
        }
    if ids["official"] != draft["author_id"]:
        given = await official.post(f"{address}/hand-over", {"to": ids["official"]})
        assert given.json()["author_id"] == ids["official"]
    for to in (ids["analyst"], 10**15):
        assert (await official.post(f"{address}/hand-over", {"to": to})).status_code == 422


@pytest.mark.parametrize("code", TEMPLATES)
async def test_a_template_becomes_a_draft(town: Town, code: str) -> None:
    official = await town.client("official")
    assert code in [line["code"] for line in (await official.get("/templates")).json()["templates"]]
    document = (await official.get(f"/templates/{code}", territory="msk-cao")).json()
    made = await official.post("/drafts", {"definition": document})
    assert made.status_code == 201, made.text
    assert made.json()["definition"] == document
    assert (await official.get("/templates/none")).json()["code"] == "template_not_found"


async def test_a_file_goes_out_and_comes_in_as_the_same_bytes(town: Town) -> None:
    official = await town.client("official")
    questions = [
        a_single_choice(1, own_answer=True),
        {**a_single_choice(2), "shown_if": {"question": 1, "options": [0]}},
    ]
    draft = await drafted(town, questions=questions)
    address = f"/drafts/{draft['poll_id']}"
    file = await official.get(f"{address}/file")
    assert file.headers["content-disposition"] == f'attachment; filename="{draft["slug"]}.json"'
    beside = await send_file(official, file.content)
    assert beside.json()["kept_id"] is False, "the poll that is here stays as it is"
    assert beside.json()["draft"]["poll_id"] != draft["poll_id"]
    assert (await official.send("DELETE", address)).status_code == 204
    back = await send_file(official, file.content)
    assert back.json()["kept_id"] is True
    assert (await official.get(f"{address}/file")).content == file.content


async def send_file(official: Client, data: bytes) -> Any:
    headers = {"content-type": "application/json", **official.headers()}
    return await official.http.post(f"{V1}/definitions", content=data, headers=headers)


async def test_files_that_are_no_definitions_are_refused_by_name(town: Town) -> None:
    official = await town.client("official")
    good = json.loads(canonical_bytes(a_definition()))
    surprise = {**good, "questions": [{**good["questions"][0], "surprise": 1}], "extra": True}
    reply = await send_file(official, json.dumps(surprise).encode())
    assert reply.status_code == 422
    assert {error["path"] for error in reply.json()["errors"]} >= {"extra"}
    assert any(error["path"].endswith("surprise") for error in reply.json()["errors"])
    for data in (b"", b"[]", b"{", b"\xff\xfe", b'{"schema": "veche/poll/v2"}', b'{"schema": 1, "schema": 2}',
                 b"{}", b'{"schema": NaN}', json.dumps({**good, "schema": "other"}).encode()):  # fmt: skip
        reply = await send_file(official, data)
        assert (reply.status_code, reply.json()["code"]) == (422, "bad_file"), (data, reply.text)
    assert (await send_file(official, b"[" * 50_000)).status_code in (400, 422)
    assert (await send_file(official, b" " * (4 * 1024 * 1024 + 1))).status_code == 413
    resident = await town.client("resident1@city.test")
    assert (await send_file(resident, canonical_bytes(a_definition()))).status_code == 403
    async with town.database.open_read_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM poll")) == 0


def everything() -> dict[str, Any]:
    """A document in which every field of text, code and address has something."""
    source = {"title": both("Проект"), "url": "https://city.test/project"}
    option = {"id": 1, "text": both("За"), "description": both("Да"), "sources": [source], "reference": "А-1",
              "picture": {"sha256": "0" * 64, "alt": both("Двор")}, "place": {"address": both("Двор")}}  # fmt: skip
    asked = {**a_single_choice(1), "hint": both("Один"), "options": [option, {"id": 2, "text": both("Против")}]}
    rated = {
        "kind": "rating",
        "id": 2,
        "text": both("Оценка"),
        "low_label": both("Плохо"),
        "high_label": both("Хорошо"),
        "scale_max": 2,
        "levels": [both("Нет"), both("Да")],
        "options": [option],
        "rule": {"trim": "1/10"},
    }
    spent = {"kind": "budget", "id": 3, "currency": "RUB", "options": [{**option, "cost": 5}],
             "rule": {"method": "greedy", "budget": 9, "threshold": "1/2"}}  # fmt: skip
    tree = [{"op": "not", "of": {"op": "territory", "codes": ["msk-sao"]}}, {"op": "group", "codes": ["g"]},
            {"op": "any", "of": [{"op": "unit", "codes": ["b"]}, {"op": "invited", "list_code": "l"}]},
            {"op": "registered_before", "moment": "2026-01-01T00:00:00Z"}]  # fmt: skip
    return a_definition(
        questions=[{**asked, "rule": {"method": "units", "law": "ЖК РФ"}}, rated, spent, {"kind": "text", "id": 4}],
        audience={"op": "all", "of": tree}, sources=[source], summary=both("Кратко"), description=both("Долго"),
        department="ДТ", names_seen_by=both("Все"), quorum={"share": "1/2"}, privacy="named",
        styles=[{"id": 1, "title": both("Б"), "territories": ["msk-cao"]}],
        units={"buildings": ["b"], "quorum_of_area": "1/2", "chair": "И", "secretary": "П"},
    ).as_json()  # fmt: skip


def spoiled(value: Any, mark: str, path: str = "") -> Iterator[tuple[str, Any]]:
    """The document again and again, with `mark` in one of its texts or names of fields; and where."""
    if isinstance(value, str):
        yield path, value + mark
        yield path, mark + value
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from (
                (where, [*value[:at], bad, *value[at + 1 :]]) for where, bad in spoiled(item, mark, f"{path}/{at}")
            )
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from ((where, {**value, name: bad}) for where, bad in spoiled(item, mark, f"{path}/{name}"))
        yield path, {**value, f"a{mark}": 1}


@pytest.mark.parametrize("mark", ["\0", "\x1b", "\ud800", "\u202e"], ids=["nul", "escape", "surrogate", "direction"])
async def test_control_characters_anywhere_in_a_document_are_refused_with_the_place(town: Town, mark: str) -> None:
    official = await town.client("official")
    tried = 0
    for path, bad in spoiled(everything(), mark):
        tried += 1
        reply = await send_file(official, json.dumps(bad).encode())
        assert reply.status_code == 422, (path, reply.status_code, reply.text)
        if path == "/schema":
            assert reply.json()["code"] == "bad_file"
            continue
        parts = [part for part in path.split("/") if part]
        told = [error["path"] for error in reply.json()["errors"]]
        if parts[-1:] in (["kind"], ["op"], ["method"]):  # what says of which class the part is
            del parts[-1]
        assert any(set(parts) <= set(one.split("/")) for one in told), (path, told)
    assert tried > 250
    whole = {**everything(), "poll_id": secrets.token_hex(16)}
    assert (await send_file(official, json.dumps(whole).encode())).status_code == 201


async def test_the_schema_is_public_and_holds_for_what_is_given_away(town: Town) -> None:
    schema = (await town.anonymous().get("/definitions/schema")).json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert "schema" in schema["properties"] and "schema_" not in schema["properties"]
    validator = pytest.importorskip("jsonschema_rs").validator_for(schema)
    good = json.loads(canonical_bytes(a_definition()))
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "extra": 1})
    assert not validator.is_valid({**good, "schema": "veche/poll/v2"})
