"""From the count to the certified, signed protocol over HTTP: pages without JavaScript, the API, files, looks, PDFs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdf
import pytest
from litestar import Litestar
from sqlalchemy import text
from tests.builders import ASigner, a_citizen, a_city, a_key, a_single_choice, an_open_poll, both, close_now
from tests.flows.api_client import UNLIMITED, Client
from tests.flows.pages import Page, Resident, a_site
from tests.sites import add_account, site_settings

from polls.board_manifest import publish_manifest
from polls.casting import cast_ballot
from polls.catalogue import SealedPoll, sealed_poll
from polls.checkpoint import vkey
from polls.counting import count_poll
from polls.public_keys import keys_in_use
from results.protocol_check import KnownKey, check_protocol
from voting import protocol_jobs
from voting.db import Database
from voting.identity.accounts import revoke_role
from voting.identity.scope import Grant
from voting.jobs import Work, build_jobs
from voting.keys import board_sealer, record_keys

EVIL = '<script>alert(1)</script> {{ 7*7 }} <img src="file:///etc/passwd"> url(http://127.0.0.1:1/x)'


@pytest.fixture
async def database(fresh_database: Database, tmp_path: Path) -> Database:
    async with fresh_database.open_session() as session:
        await a_city(session)
        await record_keys(session, site_settings(tmp_path), datetime.now(UTC))
    for login, roles in (
        ("irina", ("official",)), ("oleg", ("reviewer",)), ("both", ("official", "reviewer")),
        ("observer", ("observer",)), ("admin", ("admin",)), ("resident", ("resident",)), ("analyst", ("analyst",)),
    ):  # fmt: skip
        await add_account(fresh_database, f"{login}@city.test", *roles)
    return fresh_database


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Litestar:
    return a_site(database, tmp_path, limits=UNLIMITED)


Counted = Callable[..., Any]


@pytest.fixture
def counted(database: Database, tmp_path: Path) -> Counted:
    """Count a poll of so many answers, with its board's manifest."""

    async def make(answers: tuple[int, ...] = (1,) * 12 + (2,) * 5, **more: Any) -> SealedPoll:
        sealer = board_sealer(site_settings(tmp_path))
        async with database.open_session() as session:
            poll = await an_open_poll(session, **more)
            for answer in answers:
                citizen = await a_citizen(session)
                await cast_ballot(session, poll, citizen, {"1": answer}, a_key(), ASigner(), poll.opens_at)
            await close_now(session, poll)
        async with database.open_session() as session:
            await count_poll(session, poll.public_id, datetime.now(UTC), sealer)
        async with database.open_session() as session:
            await publish_manifest(session, poll.public_id, sealer, datetime.now(UTC))
            return await sealed_poll(session, poll.public_id)

    return make


@pytest.fixture
async def irina(site: Litestar) -> Resident:
    return await Resident(site).sign_in("irina@city.test")


@pytest.fixture
async def oleg(site: Litestar) -> Resident:
    return await Resident(site).sign_in("oleg@city.test")


def desk(poll: SealedPoll, tail: str = "") -> str:
    return f"/officials/polls/{poll.public_id}/protocol{tail}"


async def press(who: Resident, page: Page, action: str, **typed: str) -> Page:
    """Send a form of a page as a browser does; gives the page it leads to."""
    form = page.form(action)
    fields = [(name, value) for name, value in form.fields if name not in typed] + list(typed.items())
    reply = await who.post(form.action, fields)
    return await who.get(reply.reply.headers["location"]) if reply.status == 303 else reply


async def sign(database: Database, tmp_path: Path) -> None:
    await protocol_jobs.sign_protocols(Work(database, site_settings(tmp_path)))


async def make_certified(irina: Resident, oleg: Resident, poll: SealedPoll) -> Page:
    page = await press(irina, await irina.get(desk(poll)), "/prepare")
    assert "It waits for a second person" in page.words
    return await press(oleg, await oleg.get(desk(poll)), "/certify", agreed="1")


async def test_two_people_certify_a_result_and_everybody_reads_it(
    irina: Resident, oleg: Resident, counted: Counted, database: Database, tmp_path: Path, site: Litestar
) -> None:
    poll = await counted()
    visitor = Resident(site)
    assert "no protocol" in (await visitor.get(f"/polls/{poll.slug}/results")).words
    assert (await visitor.get(f"/polls/{poll.slug}/protocol")).status == 404
    assert "Waits" not in (await oleg.get("/officials/protocols")).words

    page = await press(irina, await irina.get(desk(poll)), "/prepare")
    assert "Only a reviewer certifies" in page.words  # who prepared is no reviewer at all
    listed = await oleg.get("/officials/protocols")
    assert "Waits for a second person" in listed.words
    page = await oleg.get(desk(poll))
    assert "Что построить?" in page.words or "What to build?" in page.words
    refused = await press(oleg, page, "/certify")
    assert refused.status == 422
    page = await press(oleg, page, "/certify", agreed="1")
    assert "Certified. The worker signs it" in page.words

    public = await visitor.get(f"/polls/{poll.slug}/protocol")
    assert "The signature is on its way" in public.words
    assert (await visitor.get(f"/polls/{poll.slug}/protocol.json")).status == 409
    await build_jobs(database, site_settings(tmp_path)).run_until_idle()  # what certifying asked for
    public = await visitor.get(f"/polls/{poll.slug}/protocol")
    assert "Signed with the protocol key" in public.words
    assert "nobody yet" not in public.words
    file = await visitor.get(f"/polls/{poll.slug}/protocol.json")
    assert file.reply.headers["content-disposition"].endswith(f'{poll.slug}_protocol-1.json"')
    async with database.open_read_session() as session:
        key = (await keys_in_use(session))["protocol"]
    host = json.loads(file.reply.content)["protocol"]["origin"].partition("/protocol/")[0]
    assert json.loads(file.reply.content)["key"] == vkey(f"{host}/protocol", key.public)
    verdict = check_protocol(file.reply.content, [KnownKey(f"{host}/protocol", key.public)])
    assert (verdict.code, verdict.wrong) == (0, [])
    of_api = await Client(site).get(f"/polls/{poll.slug}/protocol")
    assert of_api.content == file.reply.content
    assert "Read the protocol" in (await visitor.get(f"/polls/{poll.slug}/results")).words
    assert "Result certified" in (await irina.get(f"/officials/polls/{poll.public_id}")).words
    assert "certified by a second person" in (await visitor.get(f"/polls/{poll.slug}")).words


async def test_who_may_not_certify(irina: Resident, oleg: Resident, counted: Counted, database: Database,
                                   site: Litestar) -> None:  # fmt: skip
    poll = await counted()
    two_roles = await Resident(site).sign_in("both@city.test")
    page = await press(two_roles, await two_roles.get(desk(poll)), "/prepare")
    assert "You prepared it" in page.words
    assert not [form for form in page.forms if form.action.endswith("/certify")]
    seen = page.form("/withdraw").value("seen")[0]
    token = page.form("/withdraw").value("csrf_token")[0]
    own = await two_roles.post(desk(poll, "/certify"), [("seen", seen), ("agreed", "1"), ("csrf_token", token)])
    assert own.status == 403
    assert "neither drafted the poll nor prepared" in own.words
    token = (await irina.get(desk(poll))).form("/withdraw").value("csrf_token")[0]
    assert (
        await irina.post(desk(poll, "/certify"), [("seen", seen), ("agreed", "1"), ("csrf_token", token)])
    ).status == 403
    for who in ("observer", "admin"):
        watcher = await Resident(site).sign_in(f"{who}@city.test")
        page = await watcher.get(desk(poll))
        assert page.status == 200
        assert {form.action for form in page.forms} <= {"/sign-out"}
    for who in ("resident", "analyst"):
        assert (await (await Resident(site).sign_in(f"{who}@city.test")).get(desk(poll))).status == 403
    assert (await Resident(site).get(desk(poll))).reply.headers["location"].startswith("/sign-in")
    # A role taken away while the page was open: the session still remembers it, the certificate does not.
    page = await oleg.get(desk(poll))
    async with database.open_session() as session:
        account_id = await session.scalar(text("SELECT id FROM account WHERE email = 'oleg@city.test'"))
        await revoke_role(session, account_id or 0, Grant("reviewer"), now=datetime.now(UTC))
    lost = await press(oleg, page, "/certify", agreed="1")
    assert lost.status == 403
    async with database.open_read_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM protocol WHERE certified_at IS NOT NULL")) == 0


async def test_a_stale_page_and_a_second_press_change_nothing(
    irina: Resident, oleg: Resident, counted: Counted, database: Database
) -> None:
    poll = await counted()
    at_first = await irina.get(desk(poll))
    await press(irina, at_first, "/prepare")
    old = await oleg.get(desk(poll))
    await press(irina, await irina.get(desk(poll)), "/withdraw", note="Опечатка")
    await press(irina, await irina.get(desk(poll)), "/prepare")
    stale = await press(oleg, old, "/certify", agreed="1")
    assert stale.status == 409
    assert "does not wait" in stale.words
    good = await oleg.get(desk(poll))
    assert "Certified." in (await press(oleg, good, "/certify", agreed="1")).words
    again = await press(oleg, good, "/certify", agreed="1")
    assert again.status == 409
    assert (await press(irina, at_first, "/prepare")).status == 422  # a correction needs its reason
    async with database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM protocol WHERE certified_at IS NOT NULL")) == 1
        await session.execute(
            text("INSERT INTO count_record SELECT poll_id, 2, counted_at, ballots, participations, outcomes, 'again'"
                 " FROM count_record")
        )  # fmt: skip
    page = await irina.get(desk(poll))
    assert "not published yet" in page.words  # the board of the new count is missing, and the page says so


async def test_a_new_count_makes_what_waits_void_and_says_what_changed(
    irina: Resident, oleg: Resident, counted: Counted, database: Database, tmp_path: Path
) -> None:
    poll = await counted()
    await press(irina, await irina.get(desk(poll)), "/prepare")
    page = await oleg.get(desk(poll))
    async with database.open_session() as session:
        await session.execute(
            text("INSERT INTO count_record SELECT poll_id, 2, counted_at, ballots, participations, outcomes, 'again'"
                 " FROM count_record")
        )  # fmt: skip
    async with database.open_session() as session:
        await publish_manifest(session, poll.public_id, board_sealer(site_settings(tmp_path)), datetime.now(UTC))
    refused = await press(oleg, page, "/certify", agreed="1")
    assert refused.status == 409
    assert "What changed: the open log of ballots, the count" in refused.words
    assert "It is no longer what holds" in refused.words
    assert not [form for form in refused.forms if form.action.endswith("/certify")]
    page = await press(irina, await irina.get(desk(poll)), "/prepare")
    assert "Certified." in (await press(oleg, await oleg.get(desk(poll)), "/certify", agreed="1")).words


async def test_looks_are_logged_until_the_certificate_and_shown(
    irina: Resident, oleg: Resident, counted: Counted, database: Database, tmp_path: Path, site: Litestar
) -> None:
    poll = await counted()
    await irina.get(f"/polls/{poll.slug}/results")
    await irina.get(f"/polls/{poll.slug}/results")  # from a remembered frame: logged all the same
    client = await Client(site).sign_in("irina@city.test")
    for path in ("results", "results.csv", "answers.csv", "codebook.json"):
        assert (await client.get(f"/polls/{poll.slug}/{path}")).status_code == 200
    for who in ("resident", "analyst", "observer"):  # not the office: nothing of theirs is kept
        await (await Resident(site).sign_in(f"{who}@city.test")).get(f"/polls/{poll.slug}/results")
    await Resident(site).get(f"/polls/{poll.slug}/results")
    async with database.open_read_session() as session:
        looked = [
            tuple(row) for row in await session.execute(text("SELECT what, count(*) FROM figure_look GROUP BY 1"))
        ]
    assert dict(looked) == {"results": 2, "api results": 1, "api getResultsCsv": 1, "api getAnswersCsv": 1,
                            "api getCodebook": 1}  # fmt: skip
    observer = await Resident(site).sign_in("observer@city.test")
    assert "6 looks" in (await observer.get(desk(poll))).words
    await make_certified(irina, oleg, poll)
    before = len(looked)
    await irina.get(f"/polls/{poll.slug}/results")
    async with database.open_read_session() as session:
        after = await session.scalar(text("SELECT count(*) FROM figure_look WHERE what = 'results'"))
    assert (before, after) == (5, 2)


async def test_a_correction_stands_beside_the_first_version(
    irina: Resident, oleg: Resident, counted: Counted, database: Database, tmp_path: Path, site: Litestar
) -> None:
    poll = await counted()
    await make_certified(irina, oleg, poll)
    page = await press(irina, await irina.get(desk(poll)), "/prepare", reason="Не та подпись под картой")
    assert "It waits for a second person" in page.words
    page = await press(oleg, await oleg.get(desk(poll)), "/certify", agreed="1")
    await sign(database, tmp_path)
    visitor = Resident(site)
    newest, first = [await visitor.get(f"/polls/{poll.slug}/protocol{tail}") for tail in ("", "/1")]
    assert "Correction: Не та подпись под картой" in newest.words
    assert "A newer protocol stands" in first.words
    one = (await visitor.get(f"/polls/{poll.slug}/protocol/1/protocol.json")).reply.json()["protocol"]
    two = (await visitor.get(f"/polls/{poll.slug}/protocol.json")).reply.json()["protocol"]
    assert (one["version"], two["version"], two["previous"] is not None) == (1, 2, True)
    for tail in ("/3", "/0", "/99999999999999999999", "/x"):
        assert (await visitor.get(f"/polls/{poll.slug}/protocol{tail}")).status == 404


async def test_the_api_prepares_and_certifies_by_the_same_rules(
    counted: Counted, site: Litestar, database: Database, tmp_path: Path
) -> None:
    poll = await counted()
    irina, oleg, visitor = (await Client(site).sign_in("irina@city.test"), await Client(site).sign_in("oleg@city.test"),
                            Client(site))  # fmt: skip
    at = f"/polls/{poll.slug}/protocol"
    assert (await visitor.get(f"{at}/draft")).status_code == 401
    draft = (await irina.get(f"{at}/draft")).json()
    assert (draft["version"], draft["changed"], draft["waiting"]) == (1, None, None)
    wrong = await irina.post(at, {"seen": "0" * 64})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "protocol_changed")
    assert (await oleg.post(at, {"seen": draft["sha256"]})).status_code == 403
    made = await irina.post(at, {"seen": draft["sha256"]})
    assert made.status_code == 201
    assert (await irina.post(f"{at}/certificate", {"seen": made.json()["sha256"]})).status_code == 403
    certified = await oleg.post(f"{at}/certificate", {"seen": made.json()["sha256"]})
    assert (certified.status_code, certified.json()["signed"]) == (201, False)
    replay = await oleg.post(f"{at}/certificate", {"seen": made.json()["sha256"]})
    assert (replay.status_code, replay.json()["code"]) == (409, "protocol_not_waiting")
    assert (await visitor.get(at)).json()["code"] == "protocol_unsigned"
    await sign(database, tmp_path)
    [listed] = (await visitor.get(f"/polls/{poll.slug}/protocols")).json()["protocols"]
    assert listed["signed"]
    assert (await visitor.get(at, version="2")).json()["code"] == "protocol_not_found"
    assert (await visitor.get(at)).json()["protocol"]["version"] == 1


async def test_nothing_of_a_running_poll_leaks_through_protocol_or_report(
    irina: Resident, oleg: Resident, database: Database, site: Litestar
) -> None:
    async with database.open_session() as session:
        poll = await an_open_poll(session)
    for path in ("protocol", "protocol.json", "protocol.pdf", "results.pdf", "protocol/1", "protocol/1/protocol.json"):
        page = await Resident(site).get(f"/polls/{poll.slug}/{path}")
        assert page.status in (403, 404), path
        assert (await irina.get(f"/polls/{poll.slug}/{path}")).status == page.status
    page = await oleg.get(desk(poll))
    assert "The count comes first" in page.words
    assert (await oleg.get("/officials/polls/" + "0" * 32 + "/protocol")).status == 404


# ---- papers


def words_of(pdf: bytes) -> str:
    return " ".join(" ".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


async def test_papers_say_what_the_pages_say_are_tagged_and_kept(
    irina: Resident, oleg: Resident, counted: Counted, database: Database, tmp_path: Path, site: Litestar
) -> None:
    question = a_single_choice() | {"text": both(EVIL)}
    poll = await counted(questions=[question], title=both("Сквер на Арбате", "A square"))
    visitor = Resident(site, **{"accept-language": "ru"})
    report = await visitor.http.get(f"/polls/{poll.slug}/results.pdf")
    assert (report.status_code, report.headers["content-type"]) == (200, "application/pdf")
    assert report.headers["content-disposition"].endswith(f'{poll.slug}_results.pdf"')
    read = pypdf.PdfReader(io.BytesIO(report.content))
    root: Any = read.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "ru"
    assert b"pdfuaid" in root["/Metadata"].get_object().get_data()
    told = words_of(report.content)
    for expected in ("Сквер на Арбате", "никто не утвердил", "70,6", "alert(1)", "{{ 7*7 }}"):
        assert expected in told, expected
    assert "root:" not in told
    kept = list((tmp_path / "pdf").rglob("*.pdf"))
    assert [path.read_bytes() for path in kept] == [report.content]
    unchanged = await visitor.http.get(
        f"/polls/{poll.slug}/results.pdf", headers={"if-none-match": report.headers["etag"]}
    )
    assert unchanged.status_code == 304
    assert len(list((tmp_path / "pdf").rglob("*.pdf"))) == 1  # the same page is made once
    assert not list((tmp_path / "pdf").rglob(".*"))

    await make_certified(irina, oleg, poll)
    assert (await visitor.http.get(f"/polls/{poll.slug}/protocol.pdf")).status_code == 409
    await sign(database, tmp_path)
    paper = await visitor.http.get(f"/polls/{poll.slug}/protocol.pdf")
    assert paper.status_code == 200
    told = words_of(paper.content)
    sha256 = (await Client(site).get(f"/polls/{poll.slug}/protocols")).json()["protocols"][0]["sha256"]
    for expected in ("Протокол результата", "Утвердил", sha256[:20], "Шаги подсчёта"):
        assert expected in told, expected
    after = await visitor.http.get(f"/polls/{poll.slug}/results.pdf")
    assert after.content != report.content  # it says now that the result is certified
    english = await Resident(site).http.get(f"/polls/{poll.slug}/protocol.pdf")
    assert "Certified by" in words_of(english.content)


async def test_without_its_library_the_pdf_is_refused_in_words(
    counted: Counted, site: Litestar, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    poll = await counted((1, 2, 1))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "weasyprint.py").write_text("raise OSError('cannot load library libpango')")
    monkeypatch.setenv("PYTHONPATH", f"{broken}:{Path(__file__).parents[2] / 'src'}")
    page = await Resident(site).get(f"/polls/{poll.slug}/results.pdf")
    assert page.status == 503
    assert "Print the page itself" in page.words
    assert page.reply.headers["retry-after"]
    assert not list((tmp_path / "pdf").rglob("*"))


async def test_nothing_is_signed_with_a_key_that_is_not_listed(
    irina: Resident, oleg: Resident, counted: Counted, database: Database, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    poll = await counted()
    await make_certified(irina, oleg, poll)
    [path] = (tmp_path / "keys").glob("protocol-*.pem")
    kept = path.read_bytes()
    path.unlink()
    await sign(database, tmp_path)
    assert "protocol_not_signed" in "".join(capfd.readouterr())
    async with database.open_read_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM protocol WHERE note IS NOT NULL")) == 0
    path.write_bytes(kept)
    path.chmod(0o600)
    await sign(database, tmp_path)
    async with database.open_read_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM protocol WHERE note IS NOT NULL")) == 1
