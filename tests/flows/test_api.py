"""The API over HTTP: the main job by the API alone, and what it says to everything that is not right."""

import asyncio
import base64
import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text
from tests.builders import SEALER, ASigner, a_definition, an_open_poll, both, close_now
from tests.flows.api_client import V1, Client, Town, api_site

from polls.board import signed_message
from polls.board_manifest import publish_manifest
from polls.catalogue import SealedPoll
from polls.counting import count_poll
from polls.definition import Text, canonical_bytes
from polls.public_keys import add_key
from results.decisions import Status, record_decision
from results.protocol import certify_protocol, draft_protocol, prepare_protocol, sign_protocol
from results.protocol_document import Person
from voting.api.openapi import describe_api
from voting.api.schemas import Accepted
from voting.db import Database
from voting.secrets import receipt_signer
from voting.throttling import Limit

EVIL = ["'; DROP TABLE poll; --", "<script>alert(1)</script>", "{{7*7}}", "${7*7}", "%00", "../../etc/passwd", "\u202e"]


def a_key() -> str:
    return secrets.token_hex(16)


def soon(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).replace(microsecond=0).isoformat()


def a_document(**more):
    document = a_definition(opens_at=None, closes_at=None).as_json() | {
        "opens_at": soon(), "closes_at": soon(days=7),
    }  # fmt: skip
    del document["poll_id"]
    return document | more


@pytest.fixture
async def town(fresh_database, tmp_path) -> Town:
    return await Town(fresh_database, tmp_path).settle()


@pytest.fixture(scope="module")
async def shared_town(databases, tmp_path_factory):
    """One city for tests that leave nothing behind the next could see."""
    name = databases.create()
    database = Database.from_url(databases.url(name))
    yield await Town(database, tmp_path_factory.mktemp("shared")).settle()
    await database.close()
    databases.drop(name)


async def open_poll(town: Town, **more):
    async with town.database.open_session() as session:
        return await an_open_poll(session, **more)


async def count(town: Town, poll) -> None:
    async with town.database.open_session() as session:
        await close_now(session, poll)
    async with town.database.open_session() as session:
        await count_poll(session, poll.public_id, datetime.now(UTC), SEALER)


def problem(reply: httpx.Response, status: int, code: str) -> dict:
    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    assert body["status"] == status
    assert body["type"] == f"/problems/{code}"
    assert body["title"]
    assert body["instance"].startswith("urn:veche:request:")
    return body


# ---- the whole main job


async def test_a_poll_from_draft_to_result_by_the_api_alone(town, tmp_path):
    official = await town.client("official")
    drafted = await official.post("/drafts", {"definition": a_document(title=both("Сквер")), "slug": "square-2026"})
    assert drafted.status_code == 201, drafted.text
    draft = drafted.json()
    where = f"/drafts/{draft['poll_id']}"
    assert (draft["revision"], draft["state"], draft["slug"]) == (1, "draft", "square-2026")

    document = draft["definition"] | {"title": both("Каким будет сквер?", "What will the square be like?")}
    saved = await official.send("PUT", where, {"definition": document, "based_on": 1})
    assert saved.json()["revision"] == 2
    clash = problem(await official.send("PUT", where, {"definition": document, "based_on": 1}), 409, "edit_conflict")
    assert (clash["facts"]["yours"], clash["facts"]["theirs"]) == (1, 2)

    nobody = (await official.get(f"{where}/check")).json()
    assert not nobody["ready"]
    assert nobody["findings"][0]["code"] == "audience_empty"
    refused = problem(await official.post(f"{where}/schedule", {"revision": 2}), 409, "not_ready")
    assert refused["facts"]["findings"][0]["code"] == "audience_empty"

    logins = [await town.add_resident() for _ in range(12)]
    checked = (await official.get(f"{where}/check")).json()
    assert (checked["ready"], checked["dry_run"]["entitled"]) == (True, 12)
    assert checked["dry_run"]["by_district"] == {"msk-cao-arbat": 12}
    problem(await official.post(f"{where}/schedule", {"revision": 1}), 409, "edit_conflict")
    sealed = await official.post(f"{where}/schedule", {"revision": 2})
    assert (sealed.status_code, sealed.json()["state"]) == (200, "open")
    problem(await official.send("PUT", where, {"definition": document, "based_on": 2}), 409, "sealed")
    problem(await official.send("DELETE", where), 409, "wrong_state")
    problem(await official.post(f"{where}/schedule", {"revision": 2}), 409, "wrong_state")

    visitor = town.anonymous()
    assert [p["slug"] for p in (await visitor.get("/polls")).json()["polls"]] == ["square-2026"]
    first = await town.client(logins[0])
    shown = (await first.get("/polls/square-2026")).json()
    ballot = {"style": 0, "questions": [{"id": 1, "options": [1, 2, 3, 90]}]}
    assert shown["you"] == {"eligible": True, "reasons": [], "voted_on": None, "may_vote": True, "ballot": ballot}

    key = a_key()
    problem(await first.get("/polls/square-2026/participation"), 404, "not_found")
    taken = await first.vote("square-2026", key, {"1": 2})
    assert taken.status_code == 201, taken.text
    assert taken.headers["cache-control"] == "no-store"
    receipt = taken.json()
    signer = receipt_signer(town.app.state["settings"])
    body = json.dumps(receipt["receipt"]["receipt"], separators=(",", ":"), sort_keys=True).encode()
    signer.public_key.verify(base64.b64decode(receipt["receipt"]["signature"]), signed_message(body))
    again = await first.vote("square-2026", key, {"1": 2})
    assert (again.status_code, again.json()) == (200, receipt | {"repeated": True})
    problem(await first.vote("square-2026", key, {"1": 1}), 422, "retry_differs")
    second = problem(await first.vote("square-2026", a_key(), {"1": 1}), 409, "already_voted")
    assert second["facts"]["day"] == receipt["day"]
    assert (await first.get("/polls/square-2026/participation")).json() == {"day": receipt["day"]}
    assert (await first.get("/polls/square-2026")).json()["you"]["may_vote"] is False
    for login in logins[1:]:
        other = await town.client(login)
        used = problem(await other.vote("square-2026", key, {"1": 2}), 409, "key_used")
        assert "facts" not in used, "whose it is, nobody is told"
        assert (await other.vote("square-2026", a_key(), {"1": 1})).status_code == 201

    hidden = problem(await visitor.get("/polls/square-2026/results"), 403, "results_hidden")
    assert hidden["facts"]["until"].startswith(shown["in_force"]["closes_at"][:16])
    assert (await visitor.get("/polls/square-2026/turnout")).json() == {"votes": 12, "entitled": None}
    closed = await official.post(f"{where}/close-early", {"reason": "Всё ясно"})
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    late = await town.client(await town.add_resident())
    problem(await late.vote("square-2026", a_key(), {"1": 1}), 409, "poll_closed")
    problem(await visitor.get("/polls/square-2026/results"), 409, "not_counted")
    async with town.database.open_session() as session:
        await count_poll(session, draft["poll_id"], datetime.now(UTC), SEALER)

    results = (await visitor.get("/polls/square-2026/results")).json()
    assert results["ballots"] == 12
    assert results["outcomes"][0]["winners"] == [1]
    assert {o["id"]: o["votes"] for o in results["outcomes"][0]["options"]} == {1: 11, 2: 1, 3: 0}
    csv = await visitor.get("/polls/square-2026/results.csv")
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert csv.headers["content-disposition"].endswith('_square-2026_results.csv"')
    assert csv.text.startswith("poll_id,")
    excel = await visitor.get("/polls/square-2026/results.csv", dialect="excel")
    assert excel.content.startswith("\ufeffpoll_id;".encode())
    answers = (await visitor.get("/polls/square-2026/answers.csv", question=1)).text
    assert sorted(line.split(",")[3] for line in answers.splitlines()[1:]) == ["[1]"] * 11 + ["[2]"]
    problem(await visitor.get("/polls/square-2026/answers.csv", question=7), 404, "not_found")
    assert (await visitor.get("/polls/square-2026/codebook.json")).json()["dc:identifier"] == draft["poll_id"]
    assert (await visitor.get("/polls/square-2026/turnout.csv")).status_code == 200
    events = [event["kind"] for event in (await visitor.get("/polls/square-2026")).json()["events"]]
    assert events == ["poll_sealed", "poll_closed_early", "poll_opened", "poll_closed", "poll_counted"]

    decided = await official.post(
        "/decisions", {"poll": "square-2026", "text": both("Построим"), "owner": "Префектура", "status": "planned"}
    )
    assert decided.status_code == 201
    assert (await visitor.get("/decisions")).json()["decisions"] == [decided.json()]
    assert (await visitor.get("/polls/square-2026")).json()["state"] == "decided"


async def test_a_sealed_poll_can_be_extended_cancelled_and_copied_and_a_draft_deleted(town):
    poll = await open_poll(town)
    official = await town.client("official")
    where = f"/drafts/{poll.public_id}"
    later = soon(days=20)
    assert (await official.post(f"{where}/extend", {"closes_at": later, "reason": "Просят"})).status_code == 200
    earlier = await official.post(f"{where}/extend", {"closes_at": soon(days=2), "reason": "Просят"})
    assert problem(earlier, 422, "invalid")["errors"][0]["path"] == "closes_at"
    seen = (await official.get(f"/polls/{poll.slug}")).json()
    assert datetime.fromisoformat(seen["in_force"]["closes_at"]) == datetime.fromisoformat(later)
    assert seen["planned"]["closes_at"] != seen["in_force"]["closes_at"]
    assert (await official.post(f"{where}/cancel", {"reason": "Ошибка в вопросе"})).json()["state"] == "cancelled"
    problem(await official.get(f"/polls/{poll.slug}/results"), 409, "wrong_state")
    copied = await official.post(f"{where}/copy")
    assert copied.status_code == 201
    assert copied.json()["definition"]["opens_at"] is None
    drafts = (await official.get("/drafts", pile="drafts")).json()["drafts"]
    assert [line["poll_id"] for line in drafts] == [copied.json()["poll_id"]]
    deleted = await official.send("DELETE", f"/drafts/{copied.json()['poll_id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    problem(await official.get(f"/drafts/{copied.json()['poll_id']}"), 404, "poll_not_found")


# ---- one vote


@pytest.mark.parametrize(("state", "times", "status"), [("40P01", 2, 201), ("40P01", 3, 503), ("57014", 1, 503)])
async def test_a_vote_the_database_fails_is_repeated_or_may_be_sent_again(town, state, times, status):
    poll = await open_poll(town)
    resident = await town.client(await town.add_resident())
    async with town.database.open_session() as session:
        await session.execute(text("CREATE SEQUENCE failures"))  # it outlives what is rolled back
        await session.execute(
            text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF nextval('failures') <= {times} THEN"
                f" RAISE EXCEPTION 'for the test' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$"
            )
        )
        await session.execute(
            text(f"CREATE TRIGGER fail BEFORE INSERT ON intake_{poll.id} FOR EACH ROW EXECUTE FUNCTION fail()")
        )
    key = a_key()
    reply = await resident.vote(poll.slug, key, {"1": 2})
    assert reply.status_code == status
    if status == 503:
        problem(reply, 503, "unavailable")
        assert int(reply.headers["retry-after"]) >= 1
        assert (await resident.vote(poll.slug, key, {"1": 2})).status_code == 201
    assert (await resident.vote(poll.slug, key, {"1": 2})).status_code == 200


async def test_of_fifty_votes_at_once_one_is_taken(town):
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    replies = await asyncio.gather(*(one.vote(poll.slug, a_key(), {"1": 1}) for _ in range(50)))
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 49
    assert {reply.json()["code"] for reply in replies if reply.status_code == 409} == {"already_voted"}


async def test_of_fifty_retries_at_once_all_get_the_same_receipt(town):
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    key = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    replies = await asyncio.gather(*(one.vote(poll.slug, key, {"1": 1}) for _ in range(50)))
    assert sorted(reply.status_code for reply in replies) == [200] * 49 + [201]
    assert len({json.dumps(reply.json()["receipt"]) for reply in replies}) == 1


async def test_the_key_of_a_ballot_is_never_logged(capsys, fresh_database, tmp_path):
    town = await Town(fresh_database, tmp_path).settle()  # made here, so that its log is written where capsys looks
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    key = a_key()
    for answers in ({"1": 77}, {"1": 2}, {"1": 2}, {"1": 1}):
        await one.vote(poll.slug, key, answers)
    await one.post(f"/polls/{poll.slug}/ballots", {"answers": {}}, {"Idempotency-Key": key + "!"})
    logged = "".join(capsys.readouterr())
    assert "/ballots" in logged
    assert key not in logged


async def test_before_the_opening_nothing_is_taken_and_nothing_shown(town):
    poll = await open_poll(town, opens_at=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    one = await town.client(await town.add_resident())
    refused = problem(await one.vote(poll.slug, a_key(), {"1": 1}), 409, "poll_not_open")
    assert datetime.fromisoformat(refused["facts"]["opens_at"]) == poll.opens_at
    assert [found["slug"] for found in (await one.get("/polls", phase="soon")).json()["polls"]] == [poll.slug]
    for path in ("results", "turnout", "answers.csv"):
        problem(await one.get(f"/polls/{poll.slug}/{path}"), 403, "results_hidden")


async def test_who_may_not_vote_learns_why(shared_town):
    town = shared_town
    poll = await open_poll(town)
    young = await town.client(await town.add_resident(born=datetime(2012, 1, 1).date()))
    refused = problem(await young.vote(poll.slug, a_key(), {"1": 1}), 403, "not_eligible")
    assert refused["facts"]["reasons"][0]["code"] == "too_young"
    shown = (await young.get(f"/polls/{poll.slug}")).json()["you"]
    assert (shown["eligible"], shown["reasons"][0]["code"]) == (False, "too_young")


@pytest.mark.parametrize("key", ["", "short", "\u00e4" * 30, "0" * 21, "!" * 40, "A" * 200, "a b" * 12])
async def test_a_vote_needs_a_key_of_enough_bits(shared_town, key):
    town = shared_town
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    headers = {b"Idempotency-Key": key.encode()} if key else {}
    refused = problem(await one.post(f"/polls/{poll.slug}/ballots", {"answers": {"1": 1}}, headers), 422, "invalid")
    assert refused["errors"][0]["path"] == "Idempotency-Key"
    if key:
        assert key not in json.dumps(refused, ensure_ascii=False)


@pytest.mark.parametrize(
    ("answers", "code"),
    [({}, "required"), ({"1": 77}, "unknown_option"), ({"1": [1, 2]}, "too_many"),
     ({"1": 1, "8": 1}, "unknown_question"),
     ({"1": True}, "malformed"), ({"1": {"a": []}}, "malformed"), ({"1": "x"}, "malformed"), ({"1": 10**300}, None)],
)  # fmt: skip
async def test_answers_that_do_not_fit_are_named(shared_town, answers, code):
    town = shared_town
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    refused = problem(await one.vote(poll.slug, a_key(), answers), 422, "invalid_answer")
    assert refused["errors"][0]["path"].startswith("answers/")
    if code is not None:
        assert refused["errors"][0]["code"] == code
    problem(await one.get(f"/polls/{poll.slug}/participation"), 404, "not_found")


# ---- who may ask


def routes(app):
    described = describe_api(app, title="", version="")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path.removeprefix(V1), operation


async def test_anonymous_and_other_roles_are_refused_before_anything_else(shared_town, tmp_path):
    town = shared_town
    poll = await open_poll(town)
    visitor = town.anonymous()
    analyst = await town.client("analyst")
    guarded = 0
    for method, path, operation in routes(town.app):
        address = path.format(slug=poll.slug, poll_id=poll.public_id, sha256="0" * 64, number=1, code="city_poll",
                              milestone=1, evidence=1, export_id="0" * 32, passkey_id=1, approval=1)  # fmt: skip
        if {} in operation["security"]:
            continue
        problem(await visitor.send(method, address, {}), 401, "sign_in_needed")
        if path.startswith(("/account/", "/step-up")):  # anybody's own
            continue
        guarded += 1
        problem(await analyst.send(method, address, {}), 403, "not_allowed")
    assert guarded == 46


async def test_what_changes_something_needs_the_token(shared_town):
    town = shared_town
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    one.token, token = "", one.token
    problem(await one.vote(poll.slug, a_key(), {"1": 1}), 403, "bad_csrf")
    one.token = token[:-4] + "AAAA"
    problem(await one.vote(poll.slug, a_key(), {"1": 1}), 403, "bad_csrf")
    one.token = token
    elsewhere = {"Idempotency-Key": a_key(), "Origin": "https://elsewhere.test"}
    problem(await one.post(f"/polls/{poll.slug}/ballots", {"answers": {"1": 1}}, elsewhere), 403, "bad_csrf")
    assert (await one.vote(poll.slug, a_key(), {"1": 1})).status_code == 201


# ---- what is sent


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"", 422, "invalid"), (b"{", 400, "malformed"), (b"\xff", 400, "malformed"), (b"[" * 100_000, 400, "malformed"),
     (b'{"a":' * 50_000, 400, "malformed"), (b"null", 422, "invalid"), (b'{"answers": {}, "extra": 1}', 422, "invalid"),
     (b'{"answers": {"1": "\\ud800"}}', 400, "malformed"), (b'{"answers": NaN}', 400, "malformed")],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_a_problem_and_no_failure(shared_town, body, status, code):
    town = shared_town
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    headers = one.headers() | {"content-type": "application/json", "Idempotency-Key": a_key()}
    problem(await one.http.post(f"{V1}/polls/{poll.slug}/ballots", content=body, headers=headers), status, code)


async def test_unknown_fields_and_other_kinds_of_body_are_refused(shared_town):
    town = shared_town
    official = await town.client("official")
    refused = problem(await official.post("/drafts", {"definiton": {}}), 422, "invalid")
    assert refused["errors"] == [{"path": "definiton", "code": "extra_forbidden", "message": "There is no such field."}]
    nested = problem(await official.post("/drafts", {"definition": {"questions": [], "oops": 1}}), 422, "invalid")
    assert nested["errors"][0]["path"] == "definition/oops"
    form = await official.http.post(V1 + "/drafts", data={"a": "b"}, headers=official.headers())
    problem(form, 415, "media_type_not_supported")
    problem(await official.send("PATCH", "/drafts", {}), 405, "method_not_allowed")


async def test_ten_megabytes_are_too_large(shared_town):
    town = shared_town
    official = await town.client("official")
    headers = official.headers() | {"content-type": "application/json"}
    huge = b'{"slug": "' + b"a" * 10_000_000 + b'"}'
    problem(await official.http.post(V1 + "/drafts", content=huge, headers=headers), 413, "body_too_large")
    picture = await official.http.post(V1 + "/assets", content=huge, headers=official.headers())
    problem(picture, 413, "body_too_large")


@pytest.mark.parametrize("name", ["no-such-poll", "%00", "%27%3B--", "..%2f", "a" * 300, "%D1%8F", "A", "-"])
async def test_wrong_ids_are_not_found(shared_town, name):
    town = shared_town
    visitor, official = town.anonymous(), await town.client("official")
    for path in ("", "/definition", "/results", "/results.csv", "/turnout", "/codebook.json"):
        reply = await visitor.get(f"/polls/{name}{path}")
        assert (reply.status_code, reply.json()["code"]) in ((404, "poll_not_found"), (404, "not_found")), reply.text
    for path in ("", "/check"):
        assert (await official.get(f"/drafts/{name}{path}")).status_code == 404
    assert (await visitor.get(f"/assets/{name}")).status_code == 404


@pytest.mark.parametrize("evil", EVIL)
async def test_hostile_text_is_text_in_every_field(shared_town, evil):
    town = shared_town
    official, visitor = await town.client("official"), town.anonymous()
    document = a_document(title=both(evil), department=evil, territory=evil, summary=both(evil))
    document["questions"][0]["options"][0]["text"] = both(evil)
    document["audience"] = {"op": "any", "of": [{"op": "territory", "codes": [evil]}, {"op": "group", "codes": [evil]}]}
    made = await official.post("/drafts", {"definition": document})
    if evil == "\u202e":
        problem(made, 422, "invalid")
        return
    assert made.status_code == 201, made.text
    assert made.json()["definition"]["title"] == both(evil)
    assert made.headers["content-type"] == "application/json"
    assert (await official.get(f"/drafts/{made.json()['poll_id']}/check")).status_code == 200
    assert (await official.get("/drafts", q=evil)).json()["drafts"][0]["poll_id"] == made.json()["poll_id"]
    assert (await visitor.get("/polls", q=evil)).json() == {"polls": [], "next_cursor": None}
    for params in ({"topic": evil}, {"cursor": evil}, {"phase": evil}, {"limit": evil}):
        problem(await visitor.get("/polls", **params), 422, "invalid")


@pytest.mark.parametrize(
    "change",
    [{"time_zone": "Mars/Olympus"}, {"time_zone": "../../etc/passwd"}, {"time_zone": "\x00"}, {"territory": "\x00"},
     {"opens_at": "0001-01-01T00:00:00+14:00"}, {"closes_at": "9999-12-31T23:59:59-12:00"},
     {"opens_at": "2027-01-01T00:00:00"}, {"age_bands": list(range(100))}, {"poll_id": "x"},
     {"audience": {"op": "registered_before", "moment": "0001-01-01T00:00:00+14:00"}},
     {"audience": {"op": "all", "of": [{"op": "any", "of": [{"op": "all"}] * 50}] * 50}}],
)  # fmt: skip
async def test_documents_made_to_break_something_are_refused(shared_town, change):
    town = shared_town
    official = await town.client("official")
    problem(await official.post("/drafts", {"definition": a_document(**change)}), 422, "invalid")


async def test_an_id_and_a_slug_are_taken_once(town):
    official = await town.client("official")
    made = (await official.post("/drafts", {"slug": "one"})).json()
    again = problem(await official.post("/drafts", {"definition": {"poll_id": made["poll_id"]}}), 422, "invalid")
    assert again["errors"][0]["code"] == "taken"
    taken = problem(await official.post("/drafts", {"slug": "one"}), 422, "invalid")
    assert taken["errors"][0]["path"] == "slug"
    assert len((await official.get("/drafts")).json()["drafts"]) == 1


# ---- what is answered


async def test_the_definition_is_the_sealed_bytes(shared_town):
    town = shared_town
    poll = await open_poll(town)
    reply = await town.anonymous().get(f"/polls/{poll.slug}/definition")
    assert hashlib.sha256(reply.content).digest() == poll.poll_hash
    assert reply.content == canonical_bytes(poll.definition)
    assert reply.headers["etag"] == f'"{poll.poll_hash.hex()}"'
    assert "content-encoding" not in reply.headers


async def certify(town: Town, poll: SealedPoll) -> None:
    """A signed protocol of a counted poll."""
    now, signer = datetime.now(UTC), ASigner()
    async with town.database.open_session() as session:
        await publish_manifest(session, poll.public_id, SEALER, now)
        await add_key(session, "protocol", signer.key_id, signer.public_bytes, now)
        draft = await draft_protocol(session, poll.slug, now)
        one, other = Person(901, "Ирина", "", "official"), Person(902, "Олег", "", "reviewer")
        waiting = await prepare_protocol(session, poll.slug, one, draft.sha256, "", now)
        made = await certify_protocol(session, poll.slug, other, waiting.sha256, now)
        await sign_protocol(session, made.id, signer, now)


async def test_public_reads_have_tags_and_are_public_only_while_nobody_is_signed_in(town):
    poll = await open_poll(town)
    for _ in range(11):
        one = await town.client(await town.add_resident())
        assert (await one.vote(poll.slug, a_key(), {"1": 1})).status_code == 201
    await count(town, poll)
    await certify(town, poll)
    async with town.database.open_session() as session:
        planned: dict[str, Any] = {"text": Text(ru="Сделаем."), "owner": "Parks", "status": Status.PLANNED}
        await record_decision(session, poll.slug, **planned, author_id=1, now=datetime.now(UTC))
    visitor, analyst = town.anonymous(), await town.client("analyst")
    tagged = 0
    for _, path, operation in routes(town.app):
        if "304" not in operation["responses"] or operation["operationId"] == "getWeighting":
            continue  # an estimate needs a hundred ballots: see test_weighting
        if "{export_id}" in path:
            continue  # a file that was ordered: see test_exports
        tagged += 1
        address = path.format(slug=poll.slug)
        reply = await visitor.get(address)
        assert reply.status_code == 200, reply.text
        assert reply.headers["cache-control"].startswith("public, max-age=")
        assert "Cookie" in reply.headers["vary"]
        assert "set-cookie" not in reply.headers
        tag = reply.headers["etag"]
        for given in (tag, f'"other", {tag}', "*", tag.removeprefix("W/")):
            same = await visitor.get(address, headers={"if-none-match": given})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert (await visitor.get(address, headers={"if-none-match": '"other"'})).status_code == 200
        head = await visitor.send("HEAD", address)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
        own = await one.get(address)
        assert own.headers["cache-control"] in ("private, no-cache", "no-store"), address
        private = await analyst.get(address)
        assert private.headers["cache-control"] == "private, no-cache"
    assert tagged == 28
    for address in ("/polls", f"/polls/{poll.slug}"):
        own = await one.get(address)
        assert (own.headers["cache-control"], "etag" in own.headers) == ("no-store", False)


async def test_cursors_walk_through_every_poll_once(town):
    made = [(await open_poll(town)).public_id for _ in range(5)]
    visitor = town.anonymous()
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(10):
        page = (await visitor.get("/polls", limit=2, **cursor)).json()
        seen += [poll["poll_id"] for poll in page["polls"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == made
    for limit in (0, 101, -1, "x"):
        problem(await visitor.get("/polls", limit=limit), 422, "invalid")


async def test_lists_can_be_narrowed_to_ones_own(town):
    here, there = await open_poll(town), await open_poll(town, territory="msk-sao")
    one = await town.client(await town.add_resident())
    mine = (await one.get("/polls", scope="mine")).json()["polls"]
    assert [poll["poll_id"] for poll in mine] == [here.public_id]
    assert (await one.vote(here.slug, a_key(), {"1": 1})).status_code == 201
    new = (await one.get("/polls", scope="new")).json()["polls"]
    assert [poll["poll_id"] for poll in new] == [there.public_id]
    listed = (await one.get("/polls")).json()["polls"]
    assert [bool(poll["voted_on"]) for poll in listed] == [True, False]
    problem(await town.anonymous().get("/polls", scope="mine"), 401, "sign_in_needed")
    problem(await (await town.client("analyst")).get("/polls", scope="mine"), 403, "not_allowed")


async def test_a_few_ballots_publish_turnout_and_outcome_only(shared_town):
    town = shared_town
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    await one.vote(poll.slug, a_key(), {"1": 1})
    await count(town, poll)
    results = (await one.get(f"/polls/{poll.slug}/results")).json()
    assert results["too_few_to_break_down"] is True
    problem(await one.get(f"/polls/{poll.slug}/answers.csv"), 403, "too_few_to_publish")


async def test_a_live_poll_answers_its_last_step(shared_town):
    town = shared_town
    poll = await open_poll(town, visibility="live")
    live = (await town.anonymous().get(f"/polls/{poll.slug}/results")).json()
    assert live == {
        "format": "veche/results-live/1", "poll_id": poll.public_id, "ballots": None, "at": None, "outcomes": [],
        "too_few": [],
    }  # fmt: skip


async def test_the_tree_and_the_codes_are_listed(shared_town):
    town = shared_town
    visitor = town.anonymous()
    places = (await visitor.get("/territories")).json()["territories"]
    assert [place["code"] for place in places[:2]] == ["msk", "msk-cao"]
    assert next(place for place in places if place["code"] == "msk-cao-arbat")["parent"] == "msk-cao"
    problems = {kind["code"]: kind for kind in (await visitor.get("/problems")).json()["problems"]}
    assert problems["already_voted"]["status"] == 409
    assert all(kind["detail"] for kind in problems.values())


async def test_pictures_are_stored_by_content(shared_town):
    town = shared_town
    from tests.voting.test_publishing import a_picture

    official = await town.client("official")
    stored = await official.http.post(V1 + "/assets", content=a_picture(), headers=official.headers())
    assert stored.status_code == 201, stored.text
    got = await town.anonymous().get(f"/assets/{stored.json()['sha256']}")
    assert hashlib.sha256(got.content).hexdigest() == stored.json()["sha256"]
    assert (got.headers["content-type"], got.headers["x-content-type-options"]) == ("image/png", "nosniff")
    assert "immutable" in got.headers["cache-control"]
    bad = await official.http.post(V1 + "/assets", content=b"<svg onload=alert(1)>", headers=official.headers())
    assert problem(bad, 422, "invalid")["errors"][0]["path"] == "picture"


async def test_downloads_leave_no_connection_behind(town):
    poll = await open_poll(town)
    for _ in range(10):
        one = await town.client(await town.add_resident())
        await one.vote(poll.slug, a_key(), {"1": 1})
    await count(town, poll)
    for _ in range(3):
        for file in ("results.csv", "answers.csv", "turnout.csv", "codebook.json"):
            assert (await one.get(f"/polls/{poll.slug}/{file}")).status_code == 200
    assert town.database.engine.pool.checkedout() == 0


# ---- limits


async def test_limits_hold_across_processes_and_say_when_to_come_back(fresh_database, tmp_path):
    limits = {"api_reads": Limit(6, timedelta(minutes=1), lease=2), "exports": Limit(2, timedelta(minutes=1))}
    processes = [Client(api_site(fresh_database, tmp_path, limits=limits)) for _ in range(2)]
    statuses = [(await processes[i % 2].get("/problems")).status_code for i in range(12)]
    assert statuses.count(200) <= 6
    over = [reply for client in processes if (reply := await client.get("/problems")).status_code == 429]
    assert len(over) == 2
    assert problem(over[0], 429, "too_many")
    assert 1 <= int(over[0].headers["retry-after"]) <= 120
    files = [(await processes[i % 2].get("/polls/none/results.csv")).status_code for i in range(3)]
    assert files == [404, 404, 429]


# ---- the description


async def test_the_description_is_whole_and_says_what_runs(shared_town):
    town = shared_town
    described = (await town.anonymous().get("/openapi.json")).json()
    assert described["openapi"] == "3.1.0"
    operations = [(path, method, op) for path, ways in described["paths"].items() for method, op in ways.items()]
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids)) == 93
    for path, method, operation in operations:
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"], where
        assert {"429", "503"} <= set(operation["responses"]), where
        if "requestBody" in operation:
            (content, *_) = operation["requestBody"]["content"].items()
            assert content[0] != "application/json" or "example" in content[1], where
    assert json.dumps(described).count("http://") == 0


async def test_the_examples_of_bodies_are_valid(shared_town):
    town = shared_town
    from pydantic import TypeAdapter

    from voting.api.openapi import operation_of

    for route in town.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if route.path.startswith(V1) and handler.parsed_data_field is not None:
                TypeAdapter(handler.parsed_data_field.annotation).validate_python(operation_of(handler).body_example)


async def test_the_page_of_the_description_asks_nobody_else(shared_town):
    town = shared_town
    visitor = town.anonymous()
    page = await visitor.http.get("/api/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "http" not in policy
    assert "http" not in page.text.replace("/swagger", "")
    assert "<script>" not in page.text
    script = await visitor.http.get("/api/docs/theme.js")
    assert script.headers["content-type"].startswith("text/javascript")


async def test_a_receipt_is_checked_with_the_published_key(fresh_database: Database, tmp_path: Path) -> None:
    """Anybody can: the key, the message's prefix and the receipt's own bytes are all that is needed."""
    town = await Town(fresh_database, tmp_path).settle(residents=1)
    poll = await open_poll(town)
    resident = await town.client("resident1@city.test")
    taken = (await resident.vote(poll.slug, a_key(), {"1": 2})).json()
    [key] = (await town.anonymous().get("/keys")).json()["keys"]
    found = taken["receipt"] if "signature" in taken["receipt"] else taken
    assert key["key_id"] == found["key_id"]
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key["public_key"]))
    public.verify(base64.b64decode(found["signature"]), b"veche/receipt/v1\n" + rfc8785.dumps(found["receipt"]))


async def test_a_full_box_is_a_503_that_says_when_to_come_again(shared_town):
    town = shared_town
    poll = await open_poll(town)
    one = await town.client(await town.add_resident())
    key, box = a_key(), town.app.state["box"]
    room, box.waiting = box.waiting, 0
    try:
        reply = await one.vote(poll.slug, key, {"1": 1})
    finally:
        box.waiting = room
    problem(reply, 503, "busy")
    assert 1 <= int(reply.headers["retry-after"]) <= 30
    taken = await one.vote(poll.slug, key, {"1": 1})
    assert taken.status_code == 201
    shown = taken.json()
    assert (shown["repeated"], shown["changed"], len(shown["code"])) == (False, False, 26)
    assert Accepted.model_validate_json(taken.content).model_dump(mode="json") == shown
