"""Files over HTTP: made in the background, sent in parts, shared, taken back, failing with a reason; never half one."""

import asyncio
import gzip
import hashlib
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pandas
import pytest
import uvicorn
from sqlalchemy import insert, select, text, update
from tests.builders import a_city, a_definition, an_open_poll
from tests.flows.api_client import Client, Town
from tests.flows.pages import Resident
from tests.results.counted import a_counted_poll, a_typical_poll, add_ballots, city_strata
from tests.sites import build_site

from polls.catalogue import SealedPoll
from polls.tables import count_record
from voting import api, web
from voting.app import create_app
from voting.db import Database
from voting.export_files import exports_in, path_of
from voting.export_jobs import ExportState
from voting.export_making import make_export, sweep_exports
from voting.jobs import Work, build_jobs
from voting.settings import Settings
from voting.tables import export_job

CITY = {"host": "city.test"}
HOUR = timedelta(hours=1)


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    return await Town(fresh_database, tmp_path).settle(0)


@pytest.fixture
async def poll(town: Town) -> SealedPoll:
    async with town.database.open_session() as session:
        return await a_typical_poll(session)


def settings_of(town: Town, **more: Any) -> Settings:
    given: Settings = town.app.state["settings"]
    return given.model_copy(update={"export_reserve": 0, **more})


async def work(town: Town, **more: Any) -> None:
    """Do what is in the queue, as a worker would."""
    await build_jobs(town.database, settings_of(town, **more)).run_until_idle()


async def ordered(client: Client, slug: str, kind: str, **more: Any) -> dict[str, Any]:
    reply = await client.post(f"/polls/{slug}/exports", {"kind": kind, **more})
    assert reply.status_code == 202, reply.text
    found: dict[str, Any] = reply.json()
    assert reply.headers["location"] == found["status_url"]
    return found


async def stored(town: Town, job_id: str) -> Any:
    async with town.database.open_session() as session:
        return (await session.execute(select(export_job).where(export_job.c.id == job_id))).one()


def kept(town: Town) -> list[Path]:
    """Every file below the store, drafts among them."""
    return [path for path in exports_in(settings_of(town).data_dir).rglob("*") if path.is_file()]


async def a_big_poll(town: Town, n: int) -> SealedPoll:
    async with town.database.open_session() as session:
        await a_city(session)
        strata = await city_strata(session)
        found = await a_counted_poll(session, a_definition(), [(("[1]",), stratum) for stratum in strata * 2])
        await add_ballots(session, found, n)
        return found


# ---- an order from beginning to end


@pytest.mark.parametrize("kind", ["answers.csv", "answers.jsonl", "answers.parquet", "results.parquet"])
async def test_an_ordered_file_is_the_one_that_is_sent_at_once(town: Town, poll: SealedPoll, kind: str) -> None:
    client = town.anonymous()
    found = await ordered(client, poll.slug, kind)
    assert found["state"] == "waiting" and found["file_url"] is None
    early = await client.get(f"/exports/{found['id']}/file")
    assert early.status_code == 409 and early.json()["code"] == "export_not_ready"
    await work(town)
    told = (await client.get(f"/exports/{found['id']}")).json()
    assert told["state"] == "ready" and told["rows_done"] in (told["rows_total"], 0)
    sent = await client.http.get(told["file_url"])
    assert sent.status_code == 200 and sent.headers["content-length"] == str(told["size"])
    assert hashlib.sha256(sent.content).hexdigest() == told["sha256"]
    assert sent.headers["content-disposition"] == f'attachment; filename="{told["file_name"]}"'
    at_once = await client.get(f"/polls/{poll.slug}/{kind}")
    assert at_once.content == sent.content
    assert at_once.headers["content-disposition"] == sent.headers["content-disposition"]
    [sum_file] = [path for path in kept(town) if path.suffix == ".sum"]
    assert sum_file.read_text() == f"{told['sha256']}  {told['file_name']}\n"


async def test_parts_and_conditions_are_those_of_rfc_9110(town: Town, poll: SealedPoll) -> None:
    client = town.anonymous()
    found = await ordered(client, poll.slug, "answers.csv")
    await work(town)
    address = f"/exports/{found['id']}/file"
    whole = await client.get(address)
    tag, data = whole.headers["etag"], whole.content
    assert tag == f'"{hashlib.sha256(data).hexdigest()}"' and whole.headers["accept-ranges"] == "bytes"

    async def asked(**headers: str) -> httpx.Response:
        return await client.get(address, {name.replace("_", "-"): value for name, value in headers.items()})

    for given, first, last in (("0-9", 0, 9), ("100-", 100, len(data) - 1), ("-7", len(data) - 7, len(data) - 1),
                               ("5-99999999", 5, len(data) - 1)):  # fmt: skip
        part = await asked(range=f"bytes={given}")
        assert part.status_code == 206 and part.content == data[first : last + 1], given
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(data)}"
        assert part.headers["etag"] == tag and part.headers["content-length"] == str(last + 1 - first)
    for given in ("bytes=0-1,5-6", "bytes=9-5", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert (await asked(range=given)).status_code == 200, given
    beyond = await asked(range=f"bytes={len(data)}-")
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(data)}"
    assert (await asked(range="bytes=-0")).status_code == 416
    assert (await asked(range="bytes=0-9", if_range=tag)).status_code == 206
    for other in ('"another"', f"W/{tag}", "Sun, 22 Nov 2026 12:00:00 GMT"):
        assert (await asked(range="bytes=0-9", if_range=other)).content == data, "never a part of another version"
    same = await asked(if_none_match=tag)
    assert same.status_code == 304 and not same.content
    head = await client.http.head(f"/api/v1{address}")
    assert head.status_code == 200 and not head.content and head.headers["content-length"] == str(len(data))
    assert "content-encoding" not in (await asked(accept_encoding="gzip")).headers, "bytes are those of the hash"


async def test_equal_orders_share_a_job_and_only_who_ordered_takes_it_back(town: Town, poll: SealedPoll) -> None:
    anna, boris, eve = Client(town.app), Client(town.app, "198.51.100.4"), Client(town.app, "192.0.2.9")
    first = await ordered(anna, poll.slug, "answers.parquet", question=1)
    assert (await ordered(anna, poll.slug, "answers.parquet", question=1, lang="ru"))["id"] == first["id"]
    assert (await ordered(boris, poll.slug, "answers.parquet", question=1))["id"] == first["id"]
    assert (await ordered(boris, poll.slug, "answers.parquet", question=2))["id"] != first["id"]
    address = f"/exports/{first['id']}"
    refused = await eve.send("DELETE", address)
    assert refused.status_code == 403 and refused.json()["code"] == "not_your_order"
    assert (await anna.send("DELETE", address)).status_code == 204
    assert (await anna.get(address)).json()["state"] == "waiting", "somebody else still waits for it"
    assert (await boris.send("DELETE", address)).status_code == 204
    assert (await anna.get(address)).json()["state"] == "cancelled"
    await work(town)
    assert (await anna.get(address)).json()["state"] == "cancelled"
    again = await ordered(anna, poll.slug, "answers.parquet", question=1)
    assert again["id"] != first["id"], "what was taken back is made anew"
    await work(town)
    assert (await anna.send("DELETE", f"/exports/{again['id']}")).json()["code"] == "wrong_state"
    assert (await ordered(eve, poll.slug, "answers.parquet", question=1))["id"] == again["id"], "shared when ready too"


async def test_a_visitor_has_three_under_way_and_a_flood_is_stopped(town: Town, poll: SealedPoll) -> None:
    client = town.anonymous()
    for question in (1, 2, 3):
        await ordered(client, poll.slug, "answers.jsonl", question=question)
    fourth = await client.post(f"/polls/{poll.slug}/exports", {"kind": "answers.jsonl", "question": 4})
    assert fourth.status_code == 429 and int(fourth.headers["retry-after"]) > 0
    other = Client(town.app, "198.51.100.4")
    assert (await other.post(f"/polls/{poll.slug}/exports", {"kind": "answers.csv"})).status_code == 202
    async with town.database.open_session() as session:
        row = (await session.execute(select(export_job).limit(1))).one()._asdict()
        await session.execute(
            insert(export_job), [row | {"id": f"{n:032x}", "key": str(n), "askers": ["x"]} for n in range(30)]
        )
    full = await other.post(f"/polls/{poll.slug}/exports", {"kind": "answers.parquet"})
    assert full.status_code == 503 and full.json()["code"] == "exports_busy" and "retry-after" in full.headers


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 422), ({"kind": "ballots.csv"}, 422), ({"kind": "turnout.csv"}, 422), ({"kind": 5}, 422),
        ({"kind": "answers.csv", "question": 0}, 422), ({"kind": "answers.csv", "question": 99}, 404),
        ({"kind": "answers.csv", "question": "1; DROP"}, 422), ({"kind": "answers.csv", "dialect": "x"}, 422),
        ({"kind": "answers.csv", "lang": "de"}, 422), ({"kind": "answers.csv", "more": 1}, 422),
    ],
)  # fmt: skip
async def test_wrong_orders_leave_nothing(town: Town, poll: SealedPoll, sent: Any, status: int) -> None:
    reply = await town.anonymous().post(f"/polls/{poll.slug}/exports", sent)
    assert reply.status_code == status, reply.text
    async with town.database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM export_job")) == 0
    for name in ("x", "0" * 32, "0" * 32 + "/file", "..%2f..%2fetc/file"):
        assert (await town.anonymous().get(f"/exports/{name}")).status_code == 404, name


# ---- the gate


async def test_nothing_is_ordered_or_had_of_a_poll_that_is_hidden_or_too_small(town: Town) -> None:
    async with town.database.open_session() as session:
        await a_city(session)
        strata = await city_strata(session)
        opened = await an_open_poll(session)
        few = await a_counted_poll(session, a_definition(), [(("[1]",), strata[0])] * 9)
    client = town.anonymous()
    for kind in ("answers.csv", "answers.parquet", "answers.xlsx", "results.xlsx"):
        reply = await client.post(f"/polls/{opened.public_id}/exports", {"kind": kind})
        assert (reply.status_code, reply.json()["code"]) == (403, "results_hidden"), kind
    for name in ("answers.jsonl", "answers.parquet", "results_wide.csv", "results.xlsx", "results.parquet"):
        for method in ("GET", "HEAD"):
            reply = await client.send(method, f"/polls/{opened.public_id}/{name}", headers={"range": "bytes=0-5"})
            assert reply.status_code == 403, name
    reply = await client.post(f"/polls/{few.slug}/exports", {"kind": "answers.parquet"})
    assert (reply.status_code, reply.json()["code"]) == (403, "too_few_to_publish")
    assert (await client.get(f"/polls/{few.slug}/answers.jsonl")).status_code == 403
    assert (await client.get(f"/polls/{few.slug}/results_wide.csv")).status_code == 200
    assert not kept(town)


async def test_a_file_of_a_count_that_was_corrected_or_taken_off_is_not_served(town: Town, poll: SealedPoll) -> None:
    client = town.anonymous()
    done = await ordered(client, poll.slug, "answers.csv")
    await work(town)
    waiting = await ordered(client, poll.slug, "answers.parquet")
    async with town.database.open_session() as session:
        row = (await session.execute(select(count_record).where(count_record.c.poll_id == poll.id))).one()._asdict()
        await session.execute(insert(count_record).values(row | {"version": 2, "reason": "Пересчёт"}))
    gone = await client.get(f"/exports/{done['id']}/file", {"range": "bytes=0-5"})
    assert gone.status_code == 410 and gone.json()["facts"]["again"] == f"/polls/{poll.slug}/downloads"
    await work(town)
    late = (await client.get(f"/exports/{waiting['id']}")).json()
    assert (late["state"], late["why"]) == ("failed", "export_gone") and late["version"] == 1
    again = await ordered(client, poll.slug, "answers.csv")
    assert again["version"] == 2 and again["id"] != done["id"]
    await work(town)
    assert (await client.get(f"/exports/{again['id']}/file")).status_code == 200


async def test_a_file_of_figures_is_of_its_roll_and_records_know_none(town: Town, poll: SealedPoll) -> None:
    """Turnout is of the roll: once that is amended, the workbook made before is a file of the past."""
    client = town.anonymous()
    figures, records = [await ordered(client, poll.slug, kind) for kind in ("results.xlsx", "answers.parquet")]
    await work(town)
    async with town.database.open_session() as session:
        await session.execute(
            text("INSERT INTO roll_amendment (poll_id, stratum, change, reason, at)"
                 " SELECT poll_id, stratum, 5, 'register_corrected', now() FROM roll WHERE poll_id = :p LIMIT 1"),
            {"p": poll.id},
        )  # fmt: skip
    gone = await client.get(f"/exports/{figures['id']}/file")
    assert (gone.status_code, gone.json()["code"]) == (410, "export_gone")
    assert (await client.get(f"/exports/{records['id']}/file")).status_code == 200
    again = await ordered(client, poll.slug, "results.xlsx")
    assert again["id"] != figures["id"] and again["state"] == "waiting"


# ---- what goes wrong


async def test_work_that_was_taken_back_stops_within_seconds_and_leaves_nothing(town: Town) -> None:
    poll = await a_big_poll(town, 400_000)
    client = town.anonymous()
    found = await ordered(client, poll.slug, "answers.xlsx")
    working = asyncio.create_task(work(town))
    await until(lambda: bool(kept(town)))
    await asyncio.sleep(1.2)
    assert (await stored(town, found["id"])).state == "running"
    began = time.monotonic()
    assert (await client.send("DELETE", f"/exports/{found['id']}")).status_code == 204
    await working
    assert time.monotonic() - began < 6
    assert not kept(town), "neither a draft nor a file"
    assert (await client.get(f"/exports/{found['id']}/file")).json()["code"] == "export_not_ready"
    async with town.database.open_session() as session:
        copies = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
        assert await session.scalar(text(copies)) == 0, "the database works at nothing either"


async def test_a_disk_without_room_is_said_and_cleared(town: Town, poll: SealedPoll) -> None:
    client = town.anonymous()
    found = await ordered(client, poll.slug, "answers.csv")
    await work(town, export_reserve=1 << 60)
    told = (await client.get(f"/exports/{found['id']}")).json()
    assert (told["state"], told["why"]) == ("failed", "disk_full") and "no room" in told["detail"]
    assert told["file_url"] is None and not kept(town)
    reply = await client.get(f"/exports/{found['id']}/file")
    assert reply.status_code == 409 and reply.json()["facts"]["why"] == "disk_full"


async def test_an_unexpected_failure_is_tried_again_and_then_said(
    town: Town, poll: SealedPoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = town.anonymous()
    found = await ordered(client, poll.slug, "answers.csv")
    async with town.database.open_session() as session:
        await session.execute(text("ALTER TABLE ballot RENAME TO ballot_away"))
    job = Work(town.database, settings_of(town))
    for _ in range(3):
        with pytest.raises(Exception, match="ballot"):
            await make_export(job, found["id"])
        assert (await stored(town, found["id"])).state == "waiting" and not kept(town)
    await make_export(job, found["id"])
    told = (await client.get(f"/exports/{found['id']}")).json()
    assert (told["state"], told["why"]) == ("failed", "failed") and not kept(town)


async def test_work_whose_worker_was_killed_begins_anew_and_a_stalled_one_gives_way(
    town: Town, poll: SealedPoll
) -> None:
    client = town.anonymous()
    found = await ordered(client, poll.slug, "answers.csv")
    left = exports_in(settings_of(town).data_dir) / "drafts" / f"{found['id']}.dead"
    left.mkdir(parents=True)
    (left / "file").write_bytes(b"poll_hash,question_id")
    held = {"state": "running", "run": "dead", "attempts": 1, "rows_done": 7, "started_at": datetime.now(UTC)}
    async with town.database.open_session() as session:
        await session.execute(update(export_job).values(held | {"seen_at": datetime.now(UTC)}))
        await session.execute(text("DELETE FROM procrastinate_jobs"))
    await make_export(Work(town.database, settings_of(town)), found["id"])
    assert (await stored(town, found["id"])).run == "dead", "whoever holds it was heard of a moment ago"
    async with town.database.open_session() as session:
        await session.execute(update(export_job).values(seen_at=datetime.now(UTC) - HOUR))
    await sweep_exports(Work(town.database, settings_of(town)))
    await work(town)
    row = await stored(town, found["id"])
    assert row.state == ExportState.READY and row.attempts == 2 and not left.exists()
    whole = (await client.get(f"/polls/{poll.slug}/answers.csv")).content
    assert (await client.get(f"/exports/{found['id']}/file")).content == whole


async def test_files_are_kept_for_their_time_and_then_forgotten(town: Town, poll: SealedPoll) -> None:
    client = town.anonymous()
    first = await ordered(client, poll.slug, "answers.csv")
    await work(town)
    file = path_of(exports_in(settings_of(town).data_dir), (await stored(town, first["id"])).sha256)
    async with town.database.open_session() as session:
        await session.execute(update(export_job).values(expires_at=datetime.now(UTC) - HOUR))
    assert (await client.get(f"/exports/{first['id']}/file")).status_code == 410, "also before it is swept"
    second = await ordered(client, poll.slug, "answers.csv")
    assert second["id"] != first["id"]
    await work(town)
    await sweep_exports(Work(town.database, settings_of(town)))
    assert file.exists(), "the second order has the same bytes"
    assert (await client.get(f"/exports/{first['id']}")).json()["state"] == "expired"
    async with town.database.open_session() as session:
        await session.execute(update(export_job).values(expires_at=datetime.now(UTC) - HOUR))
    await sweep_exports(Work(town.database, settings_of(town)))
    assert not kept(town)


async def test_a_file_that_is_not_as_it_was_is_never_sent(town: Town, poll: SealedPoll) -> None:
    client = town.anonymous()
    found = await ordered(client, poll.slug, "answers.csv")
    await work(town)
    path = path_of(exports_in(settings_of(town).data_dir), (await stored(town, found["id"])).sha256)
    path.write_bytes(path.read_bytes()[:-1])
    assert (await client.get(f"/exports/{found['id']}/file")).status_code == 410
    path.unlink()
    assert (await client.get(f"/exports/{found['id']}/file")).status_code == 410


async def until(true: Any) -> None:
    for _ in range(1_800):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it took too long")


# ---- workbooks


async def test_more_answers_than_a_sheet_has_lines_are_refused_with_the_way_on(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll = await a_big_poll(town, 10)
    async with town.database.open_session() as session:
        row = (await session.execute(select(count_record).where(count_record.c.poll_id == poll.id))).one()
        [outcome] = row.outcomes
        await session.execute(
            update(count_record)
            .where(count_record.c.poll_id == poll.id)
            .values(outcomes=[outcome | {"cast": 1_048_576}])
        )
    reply = await town.anonymous().post(f"/polls/{poll.slug}/exports", {"kind": "answers.xlsx"})
    assert reply.status_code == 422 and reply.json()["code"] == "sheet_too_long"
    assert "Parquet" in reply.json()["next_step"] and reply.json()["facts"]["limit"] == 1_048_575


async def test_a_large_workbook_is_ordered_not_waited_for(
    town: Town, poll: SealedPoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = town.anonymous()
    reply = await client.get(f"/polls/{poll.slug}/results.xlsx", lang="en")
    assert reply.status_code == 200
    book = openpyxl.load_workbook(io.BytesIO(reply.content))
    assert book.sheetnames == ["Results", "Charts", "Breakdowns", "Turnout", "By day", "Codebook", "Protocol"]
    monkeypatch.setattr("voting.api.results.AT_ONCE", 10)
    reply = await client.get(f"/polls/{poll.slug}/results.xlsx", lang="en")
    assert reply.status_code == 409 and reply.json()["code"] == "needs_export_job"
    found = await ordered(client, poll.slug, "results.xlsx", lang="en")
    await work(town)
    sent = await client.get(f"/exports/{found['id']}/file")
    assert openpyxl.load_workbook(io.BytesIO(sent.content)).sheetnames == book.sheetnames


# ---- pages


@pytest.fixture
def visitor(town: Town, tmp_path: Path) -> Resident:
    return Resident(build_site(
        town.database, tmp_path, handlers=[*api.routers, *web.handlers], clock=lambda: datetime.now(UTC)  # type: ignore[arg-type]
    ))  # fmt: skip


async def test_a_visitor_orders_a_file_by_a_form_and_takes_it(town: Town, poll: SealedPoll, visitor: Resident) -> None:
    page = await visitor.get(f"/polls/{poll.slug}/downloads")
    assert page.status == 200, page.html[:500]
    for name in ("results.xlsx?lang=en", "results.csv", "results_wide.csv", "results.parquet", "results.json",
                 "turnout.csv", "details.csv", "codebook.json", "answers.parquet?question=1",
                 "answers.jsonl?question=4", "answers.csv?question=2"):  # fmt: skip
        assert f"/api/v1/polls/{poll.slug}/{name}" in page.links, name
    assert "600 lines" in page.words and "CC BY 4.0" in page.words
    for link in [link for link in page.links if link.startswith("/api/v1/polls/")]:
        assert (await visitor.http.get(link)).status_code == 200, link
    form = next(form for form in page.forms if ("kind", "answers.xlsx") in form.fields)
    refused = await visitor.post(form.action, [("kind", "answers.xlsx"), ("question", "1")])
    assert refused.status == 403, "no form of ours"
    sent = await visitor.post(form.action, form.fields)
    assert sent.status == 303
    address = sent.reply.headers["location"]
    page = await visitor.get(address)
    assert page.reply.headers["refresh"] == "2" and "waits for its turn" in page.words
    await work(town)
    page = await visitor.get(address)
    assert "refresh" not in page.reply.headers and "The file is ready" in page.words
    [link] = [link for link in page.links if link.endswith("/file")]
    reply = await visitor.http.get(link)
    assert openpyxl.load_workbook(io.BytesIO(reply.content)).sheetnames[0] == "Answers"
    assert "answers.xlsx" in (await visitor.get(f"/polls/{poll.slug}/downloads")).words
    again = await visitor.post(form.action, form.fields)
    assert again.reply.headers["location"] == address


async def test_an_order_is_taken_back_by_a_form_and_a_failed_one_says_why(
    town: Town, poll: SealedPoll, visitor: Resident
) -> None:
    page = await visitor.get(f"/polls/{poll.slug}/downloads")
    form = next(form for form in page.forms if ("kind", "answers.xlsx") in form.fields)
    address = (await visitor.post(form.action, form.fields)).reply.headers["location"]
    page = await visitor.get(address)
    await visitor.post(page.form("/cancel").action, page.form("/cancel").fields)
    page = await visitor.get(address)
    assert "The order was taken back" in page.words
    form = next(f for f in page.forms if f.action.endswith("/exports"))
    address = (await visitor.post(form.action, form.fields)).reply.headers["location"]
    await work(town, export_reserve=1 << 60)
    page = await visitor.get(address)
    assert "There is no room on the disk" in page.words and page.form("/exports")
    assert (await visitor.get("/exports/" + "0" * 32)).status == 404
    assert (await visitor.post(form.action, [*form.fields[:1], ("kind", "secrets.csv")])).status == 422


async def test_the_page_of_a_poll_that_is_not_counted_has_no_file(town: Town, visitor: Resident) -> None:
    async with town.database.open_session() as session:
        opened = await an_open_poll(session)
    page = await visitor.get(f"/polls/{opened.slug}/downloads")
    assert page.status == 403 and "answers" not in " ".join(page.links)


# ---- on the wire


@asynccontextmanager
async def served(town: Town, tmp_path: Path) -> AsyncIterator[str]:
    """The application behind a real server."""
    app = create_app(
        settings_of(town), database=town.database, route_handlers=api.routers,
        limits=None,
    )  # fmt: skip
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off", server_header=False))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        server.should_exit = True
        with suppress(Exception):
            await task


@pytest.mark.parametrize("kind", ["answers.csv", "answers.jsonl", "answers.parquet"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_stream_that_breaks_off_never_looks_whole(town: Town, tmp_path: Path, kind: str, encoding: str) -> None:
    poll = await a_big_poll(town, 400_000)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
    async with (
        served(town, tmp_path) as base,
        httpx.AsyncClient(timeout=90, headers=CITY | {"accept-encoding": encoding}) as client,
    ):
        got = b""
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012
            async with client.stream("GET", f"{base}/polls/{poll.slug}/{kind}") as reply:
                assert reply.status_code == 200 and reply.headers["transfer-encoding"] == "chunked"
                assert "content-length" not in reply.headers
                killed = False
                async for piece in reply.aiter_raw():
                    if got and not killed:
                        killed = True
                        async with town.database.open_session() as session:
                            assert (await session.execute(text(kill))).all(), "the copying was over too soon"
                    got += piece
        assert got
        if encoding == "gzip" and kind != "answers.parquet":
            with pytest.raises(EOFError):
                gzip.decompress(got)
        if kind == "answers.parquet":
            with pytest.raises(Exception, match=r"[Pp]arquet"):
                pandas.read_parquet(io.BytesIO(got))


async def test_a_head_and_a_part_on_the_wire(town: Town, poll: SealedPoll, tmp_path: Path) -> None:
    found = await ordered(town.anonymous(), poll.slug, "answers.csv")
    await work(town)
    async with served(town, tmp_path) as base, httpx.AsyncClient(timeout=90, headers=CITY) as client:
        address = f"{base}/exports/{found['id']}/file"
        head = await client.head(address)
        assert head.status_code == 200 and int(head.headers["content-length"]) > 100_000
        whole = (await client.get(address)).content
        assert len(whole) == int(head.headers["content-length"])
        parts = [(await client.get(address, headers={"range": f"bytes={at}-{at + 49_999}"})).content
                 for at in range(0, len(whole), 50_000)]  # fmt: skip
        assert b"".join(parts) == whole
        lines = [
            json.loads(line) for line in (await client.get(f"{base}/polls/{poll.slug}/answers.jsonl")).text.splitlines()
        ]
        assert len(lines) == 2_400 and isinstance(lines[0]["answer"], list)
