"""Decisions over HTTP without JavaScript: the office publishes and completes, residents see, follow and rate."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from icalendar import Calendar
from PIL import Image
from sqlalchemy import insert
from tests.builders import a_citizen
from tests.flows.pages import Form, Page, Resident, a_site
from tests.results.counted import AFTER
from tests.results.decided import DEADLINE, LIMES, WHY, a_decided_poll, a_poll_to_decide, decide
from tests.sites import Clock, add_account

from polls.catalogue import SealedPoll
from polls.definition import Text
from polls.tables import participation
from results.decisions import Status
from results.milestones import StepDraft, add_milestone, change_milestone
from voting.db import Database
from voting.throttling import Limit

DAY = timedelta(days=1)
EVIL = "<script>alert(1)</script> & «ёлка» ]]>"
ATOM = "{http://www.w3.org/2005/Atom}"
UNLIMITED = {name: Limit(10**6, timedelta(minutes=1)) for name in ("writes", "api_reads", "sign_in")}


class Office:
    """A site at the moment after the count, with an official, a resident, and a poll to decide on."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.database, self.clock = database, Clock(AFTER)
        self.app = a_site(database, tmp_path, clock=self.clock, limits=UNLIMITED)

    async def settle(self) -> Office:
        async with self.database.open_session() as session:
            self.poll = await a_poll_to_decide(session)
            self.anna = await a_citizen(session)
        await add_account(self.database, "anna@city.test", "resident", citizen_id=self.anna)
        for login in ("first@city.test", "second@city.test"):
            await add_account(self.database, login, "official")
        return self

    @property
    def at(self) -> str:
        return f"/officials/polls/{self.poll.public_id}/decision"

    def visitor(self) -> Resident:
        self.app.state["pulse"].forget()
        return Resident(self.app)

    async def official(self, login: str = "first@city.test") -> Resident:
        return await self.visitor().sign_in(login)

    async def decided(self, **more: Any) -> SealedPoll:
        async with self.database.open_session() as session:
            await decide(session, self.poll, **more)
        return self.poll


@pytest.fixture
async def office(fresh_database: Database, tmp_path: Path) -> Office:
    return await Office(fresh_database, tmp_path).settle()


def typed(form: Form, op: str = "save", **values: str) -> list[tuple[str, str]]:
    """The form's fields with some typed anew: `text__ru` is the field `text.ru`."""
    names = {name.replace("__", "."): value for name, value in values.items()}
    kept = [(name, value) for name, value in form.fields if name not in names]
    return [*kept, *names.items(), ("op", op)]


async def send(who: Resident, page: Page, action: str, op: str = "save", **values: str) -> Page:
    return await who.post(action, typed(page.form(action), op, **values))


async def upload(who: Resident, page: Page, action: str, data: bytes, **values: str) -> Page:
    names = {name.replace("__", "."): value for name, value in values.items()}
    fields = dict(page.form(action).fields) | names
    fields.pop("file", None)
    return Page(await who.http.post(action, data=fields, files={"file": ("../../evil.php", data, "text/html")}))


def a_photo(colour: str = "green") -> bytes:
    """A JPEG that says where it was taken."""
    out = BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    Image.new("RGB", (64, 48), colour).save(out, "JPEG", exif=exif)
    return out.getvalue()


# ---- the office, then the resident


async def test_the_office_publishes_moves_completes_and_a_resident_rates(office: Office) -> None:
    official = await office.official()
    page = await official.get(office.at)
    assert "Publish the decision" in page.words
    refused = await send(official, page, office.at, text__ru="", owner="", deadline="tomorrow", text__en=EVIL)
    assert refused.status == 422
    assert "tomorrow" in refused.html
    assert "&lt;script&gt;" in refused.html and "<script>alert" not in refused.html
    given = {"text__ru": "Посадим липы", "text__en": "We plant limes", "owner": "Парки", "status": "in_progress",
             "deadline": "2026-12-05"}  # fmt: skip
    shown = await send(official, page, office.at, "preview", **given)
    assert shown.status == 200
    assert "Nothing is saved yet." in shown.words
    assert (await office.visitor().get(f"/decisions/{office.poll.slug}")).status == 404
    done = await send(official, shown, office.at, **given)
    assert done.status == 303, done.words

    page = await official.get(office.at)
    steps = f"{office.at}/steps"
    refused = await send(official, page, steps, step__ru="", step__planned_on="")
    assert refused.status == 422
    assert (
        await send(official, page, steps, step__ru="Закупить", step__en="Buy", step__planned_on="2026-12-01")
    ).status == 303
    page = await official.get(office.at)
    [step] = [link for link in page.links if link.startswith(f"{steps}/")]
    page = await official.get(step)
    moved = await send(official, page, step, planned_on="2026-12-03")
    assert moved.status == 422 and "why the day moves" in moved.words
    assert (
        await send(official, page, step, planned_on="2026-12-03", reason__ru="Задержка", reason__en="A delay")
    ).status == 303

    page = await official.get(step)
    finished = await send(official, page, step, done_on="2026-11-30")
    assert finished.status == 422 and "add a picture or a document" in finished.words
    assert (await upload(official, page, f"{step}/files", a_photo(), role="after", name__ru="Липы стоят")).status == 303
    page = await official.get(step)
    assert (await send(official, page, step, done_on="2026-11-30")).status == 303

    page = await official.get(office.at)
    office.clock.go(days=10)
    official = await office.official()
    page = await official.get(office.at)
    assert (await send(official, page, office.at, status="done", done_on="2026-12-08")).status == 303

    seen = await office.visitor().get(f"/decisions/{office.poll.slug}")
    for words in ("Done", "late by 3 days", "Buy", "first promised by 1 December 2026", "Reason: A delay",
                  "moved from 1 December 2026 to 3 December 2026", "Figures are shown from 10 ratings"):  # fmt: skip
        assert words in seen.words, words
    picture = re.search(r'src="(/evidence/[0-9a-f]{64})" alt="([^"]+)"', seen.html)
    assert picture
    assert picture[2] == "Липы стоят"
    await _see_picture(office, picture[1])
    await _rate(office)


async def _see_picture(office: Office, address: str) -> None:
    reply = await office.visitor().http.get(address)
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert b"secret" not in reply.content
    assert not Image.open(BytesIO(reply.content)).getexif()


async def _rate(office: Office) -> None:
    anna = await office.visitor().sign_in("anna@city.test")
    at = f"/decisions/{office.poll.slug}"
    page = await anna.get(at)
    form = page.form("/rating")
    assert [value for kind, name, value in form.inputs if kind == "radio"] == ["5", "4", "3", "2", "1"]
    for wrong in ("", "0", "6", "five", "4.5"):
        refused = await anna.post(f"{at}/rating", [*form.fields, ("stars", wrong)])
        assert refused.status == 422
        assert "Choose from 1 to 5." in refused.words
    assert (await anna.post(f"{at}/rating", [*form.fields, ("stars", "4")])).status == 303
    thanked = await anna.get(f"{at}?rated=1")
    assert "your rating is taken" in thanked.words
    assert 'name="stars"' not in thanked.html
    again = await anna.post(f"{at}/rating", [*form.fields, ("stars", "1")])
    assert again.status == 409 and "cannot be changed" in again.words
    reply = await office.visitor().http.post(f"{at}/rating", data={"stars": "5"})
    assert reply.status_code in (303, 403)


async def test_two_officials_see_both_versions(office: Office) -> None:
    await office.decided()
    first, second = await office.official(), await office.official("second@city.test")
    mine, theirs = await first.get(office.at), await second.get(office.at)
    assert (await send(second, theirs, office.at, text__ru="Посадим клёны")).status == 303
    clash = await send(first, mine, office.at, text__ru="Посадим дубы")
    assert clash.status == 409
    assert "Посадим клёны" in clash.html and "Посадим дубы" in clash.html
    assert clash.form(office.at).value("text.ru") == ["Посадим дубы"]
    assert (await send(first, clash, office.at)).status == 303, "saving again is knowingly on top of theirs"
    async with office.database.open_session() as session:
        step = await add_milestone(session, office.poll.slug, text=LIMES, planned_on=DEADLINE, author_id=1, now=AFTER)
    at = f"{office.at}/steps/{step.id}"
    mine, theirs = await first.get(at), await second.get(at)
    assert (await send(second, theirs, at, text__ru="Клёны")).status == 303
    clash = await send(first, mine, at, text__ru="Дубы")
    assert clash.status == 409 and "Клёны" in clash.html and "Дубы" in clash.html


async def test_only_officials_and_only_after_the_count(office: Office) -> None:
    anna = await office.visitor().sign_in("anna@city.test")
    assert (await anna.get(office.at)).status == 403
    assert (await office.visitor().get(office.at)).status == 303
    official = await office.official()
    for address in (f"/officials/polls/{'0' * 32}/decision", f"{office.at}/steps/1", f"{office.at}/steps/{2**70}"):
        assert (await official.get(address)).status == 404, address
    token = (await official.get(office.at)).form(office.at).value("csrf_token")[0]
    for address in (f"{office.at}/steps/7", f"{office.at}/steps/7/files/1/withdraw"):
        assert (await official.post(address, [("csrf_token", token), ("why.ru", "x"), ("text.ru", "x"),
                                              ("planned_on", "2027-01-01")])).status == 404  # fmt: skip


# ---- files


def zipped(**parts: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return out.getvalue()


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
TYPES = f'<Types><Override PartName="/word/document.xml" ContentType="{WORD}.main+xml"/></Types>'


def a_docx(**more: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("[Content_Types].xml", TYPES)
        for name, content in more.items():
            packed.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Choose a file."),
        (b"<html><script>alert(1)</script>", "are taken."),
        (b"%PDF-1.7 cut off", "cut off or broken"),
        (b"\x89PNG\r\n\x1a\nnothing", "not a whole PNG"),
        (b"PK\x03\x04nothing", "cut off or broken"),
        (a_docx(**{"word/vbaProject.bin": "x"}), "macros"),
        (zipped(a="b"), "are taken."),
        (b"%PDF-1.7" + b" " * (10 * 1024 * 1024) + b"%%EOF", "10 MB"),
    ],
    ids=["nothing", "html", "cut pdf", "broken png", "broken zip", "macros", "plain zip", "too large"],
)
async def test_files_that_are_not_taken(office: Office, data: bytes, said: str) -> None:
    await office.decided()
    async with office.database.open_session() as session:
        step = await add_milestone(session, office.poll.slug, text=LIMES, planned_on=DEADLINE, author_id=1, now=AFTER)
    official = await office.official()
    at = f"{office.at}/steps/{step.id}"
    page = await official.get(at)
    refused = await upload(official, page, f"{at}/files", data, role="document", name__ru="Акт <приёмки>")
    assert refused.status == 422, refused.words
    assert said in refused.words
    assert refused.form(f"{at}/files").value("name.ru") == ["Акт <приёмки>"]


@pytest.mark.parametrize(
    ("data", "media_type"), [(b"%PDF-1.7\n<script>\n%%EOF\n", "application/pdf"), (a_docx(), WORD)], ids=["pdf", "docx"]
)
async def test_a_document_is_only_saved_and_can_be_withdrawn(office: Office, data: bytes, media_type: str) -> None:
    await office.decided()
    async with office.database.open_session() as session:
        step = await add_milestone(session, office.poll.slug, text=LIMES, planned_on=DEADLINE, author_id=1, now=AFTER)
    official = await office.official()
    at = f"{office.at}/steps/{step.id}"
    page = await official.get(at)
    assert (await upload(official, page, f"{at}/files", data, role="document", name__ru="Акт")).status == 303
    page = await official.get(at)
    [address] = [link for link in page.links if link.startswith("/evidence/")]
    reply = await office.visitor().http.get(address)
    assert reply.content == data
    assert reply.headers["content-type"] == media_type
    assert reply.headers["content-disposition"].startswith("attachment; filename=")
    assert "evil" not in reply.headers["content-disposition"]
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert reply.headers["x-content-type-options"] == "nosniff"
    withdraw = next(form.action for form in page.forms if form.action.endswith("/withdraw"))
    assert (await send(official, page, withdraw, why__ru="")).status == 422
    assert (await send(official, page, withdraw, why__ru="Личные данные")).status == 303
    assert (await office.visitor().http.get(address)).status_code == 404
    assert "A file was withdrawn" in (await office.visitor().get(f"/decisions/{office.poll.slug}")).words
    for odd in ("/evidence/" + "0" * 64, "/evidence/x", "/evidence/..%2f..%2fetc%2fpasswd"):
        assert (await office.visitor().http.get(odd)).status_code == 404


# ---- the public lists


async def test_lists_departments_and_own_votes(office: Office) -> None:
    await office.decided(deadline=(AFTER + DAY).date(), text=Text(ru="Липы", en="Limes"))
    async with office.database.open_session() as session:
        other = await a_decided_poll(session, owner="Транспорт", topic="transport", deadline=None)
        step = await add_milestone(session, other.slug, text=LIMES, planned_on=DEADLINE, author_id=1, now=AFTER)
        said = StepDraft(LIMES, DEADLINE, AFTER.date(), outcome=LIMES)
        await change_milestone(session, other.slug, step.id, said, author_id=1, now=AFTER)
        await session.execute(insert(participation).values(poll_id=other.id, citizen_id=office.anna, day=AFTER.date()))
    office.clock.go(days=13)
    visitor = office.visitor()
    page = await visitor.get("/decisions?show=overdue")
    assert "overdue by 12 days" in page.words
    assert other.slug not in page.html
    russian = (await visitor.http.get("/decisions?show=overdue&lang=ru")).text
    assert "просрочено на 12 дней" in russian
    visitor = office.visitor()
    assert "late" not in (await visitor.get("/decisions?topic=transport")).words.split("Follow")[0].lower().replace(
        "related", ""
    )
    for odd in (
        "show=x",
        "topic=%00",
        "place='--",
        "owner=%00",
        "q=%25%27",
        "page=0",
        "page=x",
        "page=99999",
        "page=-1",
    ):
        assert (await visitor.get(f"/decisions?{odd}")).status == 200, odd
    table = await visitor.get("/departments")
    assert "Транспорт" in table.words and "Парки" in table.words
    anna = await office.visitor().sign_in("anna@city.test")
    mine = await anna.get("/my-votes")
    assert "Done on 30 November: We plant limes" in " ".join(mine.words.split())
    assert f"/decisions/{other.slug}" in mine.links
    assert f"/decisions/{office.poll.slug}" not in mine.links, "only where they took part"
    home = await anna.get("/")
    assert "overdue by 12 days" in home.words
    assert f"/decisions/{other.slug}" in home.links


async def test_a_decision_that_is_not_there(office: Office) -> None:
    visitor = office.visitor()
    for address in (office.poll.slug, "no-such-poll", "A", "%00"):
        assert (await visitor.get(f"/decisions/{address}")).status == 404
        assert (await visitor.get(f"/decisions/{address}/feed.atom")).status == 404


async def test_a_change_shows_to_visitors_who_have_the_page(office: Office) -> None:
    await office.decided()
    visitor = office.visitor()
    at = f"/decisions/{office.poll.slug}"
    first = await visitor.http.get(at)
    assert (await visitor.http.get(at, headers={"if-none-match": first.headers["etag"]})).status_code == 304
    await office.decided(owner="Транспорт")
    office.clock.go(seconds=2)
    changed = await visitor.http.get(at, headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert "Транспорт" in changed.text


# ---- feeds


def entries(reply: httpx.Response) -> Sequence[ET.Element]:
    """The entries of a feed, having held it to RFC 4287."""
    assert reply.headers["content-type"] == "application/atom+xml; charset=utf-8"
    root = ET.fromstring(reply.content)
    assert root.tag == f"{ATOM}feed"
    found = root.findall(f"{ATOM}entry")
    for one in [root, *found]:
        for name in ("id", "title", "updated"):
            assert len(one.findall(f"{ATOM}{name}")) == 1, name
        assert re.fullmatch(r"tag:city\.test,2026:[!-~]+", one.findtext(f"{ATOM}id") or "")
        moment = one.findtext(f"{ATOM}updated") or ""
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
        links = [link.get("rel") for link in one.findall(f"{ATOM}link")]
        assert links.count("alternate") == 1
        assert all((link.get("href") or "").startswith("http://city.test/") for link in one.findall(f"{ATOM}link"))
    assert root.find(f"{ATOM}author/{ATOM}name") is not None
    ids = [one.findtext(f"{ATOM}id") for one in found]
    assert len(set(ids)) == len(ids)
    moments = [one.findtext(f"{ATOM}updated") or "" for one in found]
    assert moments == sorted(moments, reverse=True)
    if moments:
        assert root.findtext(f"{ATOM}updated") == moments[0]
    return found


async def test_feeds_say_what_changed_and_escape_it(office: Office) -> None:
    visitor = office.visitor()
    assert entries(await visitor.http.get("/decisions.atom?lang=en")) == []
    await office.decided(owner=EVIL)
    await office.decided(owner=EVIL, deadline=DEADLINE + DAY, reason=Text(ru=EVIL, en=EVIL), now=AFTER + DAY)
    visitor = office.visitor()
    for address in ("/decisions.atom", f"/decisions/{office.poll.slug}/feed.atom"):
        reply = await visitor.http.get(f"{address}?lang=en")
        newest, first = entries(reply)
        assert newest.findtext(f"{ATOM}summary") == (
            f"The deadline moved from 31 March 2027 to 1 April 2027. Reason: {EVIL}"
        )
        assert first.findtext(f"{ATOM}summary") == "The decision was published. Promised by 31 March 2027."
        assert first.findtext(f"{ATOM}title") == "What will the square be like?"
        again = await visitor.http.get(f"{address}?lang=en", headers={"if-none-match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        russian = await visitor.http.get(f"{address}?lang=ru")
        assert "Срок перенесён с 31 марта 2027 на 1 апреля 2027." in russian.text
        assert entries(russian)[0].findtext(f"{ATOM}id") != newest.findtext(f"{ATOM}id")
        assert russian.headers["etag"] != reply.headers["etag"]
        assert "set-cookie" not in russian.headers


async def test_the_feed_of_polls(office: Office) -> None:
    from polls.journal import record_event

    async with office.database.open_session() as session:
        for n, kind in enumerate(("poll_opened", "poll_closed", "poll_counted")):
            await record_event(session, kind, office.poll.id, AFTER + n * DAY)
    found = entries(await office.visitor().http.get("/polls.atom?lang=en"))
    assert [(one.findtext(f"{ATOM}title") or "").partition(":")[0] for one in found] == [
        "The result is there", "Voting ended", "Voting began",
    ]  # fmt: skip


def events(reply: httpx.Response) -> list[Any]:
    """The events of a calendar, having held it to RFC 5545."""
    assert reply.headers["content-type"] == "text/calendar; charset=utf-8"
    content = reply.content
    assert content.endswith(b"END:VCALENDAR\r\n")
    lines = content.split(b"\r\n")
    assert all(len(line) <= 75 and b"\n" not in line for line in lines), "lines are folded at 75 octets"
    calendar = Calendar.from_ical(content)
    assert calendar["version"] == "2.0" and calendar["prodid"]
    found = calendar.walk("VEVENT")
    assert not calendar.errors and all(not one.errors for one in found)
    for one in found:
        assert all(name in one for name in ("UID", "DTSTAMP", "DTSTART", "SUMMARY"))
        assert one.decoded("DTSTAMP").tzinfo is not None
        assert str(one["UID"]).endswith("@city.test")
    assert len({str(one["UID"]) for one in found}) == len(found)
    return list(found)


async def test_calendars_of_deadlines_and_polls(office: Office) -> None:
    long = Text(ru="Липы; дубы, клёны \\ и " + "ёлки " * 60 + "\nи всё", en="Limes; oaks, maples \\ and\nall")
    await office.decided(text=long)
    async with office.database.open_session() as session:
        step = await add_milestone(
            session, office.poll.slug, text=long, planned_on=DEADLINE - DAY, author_id=1, now=AFTER
        )
        moved = StepDraft(long, DEADLINE - 5 * DAY, reason=WHY)
    visitor = office.visitor()
    reply = await visitor.http.get("/decisions.ics?lang=ru")
    before, whole = events(reply)
    assert whole.decoded("DTSTART") == DEADLINE
    assert str(whole["DESCRIPTION"]) == f"{long.ru}\nПарки"
    assert str(whole["SUMMARY"]).startswith("Срок: ")
    same = await visitor.http.get("/decisions.ics?lang=ru", headers={"if-none-match": reply.headers["etag"]})
    assert same.status_code == 304
    async with office.database.open_session() as session:
        await change_milestone(session, office.poll.slug, step.id, moved, author_id=1, now=AFTER + DAY)
        await decide(session, office.poll, text=long, status=Status.DECLINED, reason=WHY, now=AFTER + DAY)
    after = events(await office.visitor().http.get("/decisions.ics?lang=ru"))[0]
    assert after["UID"] == before["UID"]
    assert after.decoded("DTSTART") == DEADLINE - 5 * DAY
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert str(after["STATUS"]) == "CANCELLED"
    [poll] = events(await office.visitor().http.get("/polls.ics?lang=en"))
    assert poll.decoded("DTSTART") == office.poll.opens_at
    assert poll.decoded("DTEND") == office.poll.closes_at
    assert str(poll["SUMMARY"]) == "What will the square be like?"
    assert poll.decoded("DTSTART").tzinfo == UTC or poll.decoded("DTSTART").utcoffset() == timedelta(0)
    assert isinstance(poll.decoded("DTSTAMP"), datetime)


# ---- the API


async def test_the_api_reads_and_writes_the_same(office: Office) -> None:
    official = await office.official()
    token = (await official.http.get("/api/v1/session")).json()["csrf_token"]
    head = {"x-csrf-token": token}
    http, v1 = official.http, "/api/v1/decisions"
    body: dict[str, Any] = {"poll": office.poll.slug, "text": {"ru": "Липы"}, "owner": "Парки", "status": "in_progress",
                            "deadline": "2026-12-05"}  # fmt: skip
    made = await http.post(v1, json=body, headers=head)
    assert made.status_code == 201, made.text
    moved = await http.post(v1, json={**body, "deadline": "2027-01-05"}, headers=head)
    assert [one["path"] for one in moved.json()["errors"]] == ["reason/ru"]
    stale = await http.post(v1, json={**body, "owner": "Другие", "based_on": 7}, headers=head)
    assert (stale.status_code, stale.json()["code"]) == (409, "edit_conflict")
    at = f"{v1}/{office.poll.slug}"
    step = await http.post(
        f"{at}/milestones", json={"text": {"ru": "Закупить"}, "planned_on": "2026-12-01"}, headers=head
    )
    assert step.status_code == 201
    number = step.json()["id"]
    stored = await http.post("/api/v1/evidence", content=a_photo(), headers={**head, "content-type": "image/jpeg"})
    assert stored.status_code == 201, stored.text
    sha256 = stored.json()["sha256"]
    assert (await http.get(f"/evidence/{sha256}")).status_code == 404, "nobody sees it before it stands under a step"
    put = {"sha256": sha256, "role": "after", "name": {"ru": "Липы"}}
    assert (await http.post(f"{at}/milestones/{number}/evidence", json=put, headers=head)).status_code == 201
    assert (await http.get(f"/evidence/{sha256}")).status_code == 200
    unknown = await http.post(f"{at}/milestones/{number}/evidence", json={**put, "sha256": "0" * 64}, headers=head)
    assert unknown.status_code == 422
    done = {"text": {"ru": "Закупить"}, "planned_on": "2026-12-01", "done_on": "2026-11-30"}
    changed = await http.put(f"{at}/milestones/{number}", json=done, headers=head)
    assert (changed.status_code, changed.json()["done_on"]) == (200, "2026-11-30")
    for odd in (0, 2**63, 2**80):
        assert (await http.put(f"{at}/milestones/{odd}", json=done, headers=head)).status_code == 404

    visitor = office.visitor().http
    whole = await visitor.get(at)
    assert whole.json()["milestones"] == [changed.json()]
    assert [one["kind"] for one in whole.json()["changes"]] == ["step_done", "file_added", "step_added", "recorded"]
    assert whole.json()["ratings"] is None
    assert (await visitor.get(at, headers={"if-none-match": whole.headers["etag"]})).status_code == 304
    listed = (await visitor.get(f"{v1}?show=in_progress&topic=other&owner=Парки&q=липы&limit=1")).json()
    assert (listed["total"], listed["counts"]["all"]) == (1, 1)
    assert listed["decisions"][0]["latest_step"] == {"text": {"ru": "Закупить", "en": ""}, "day": "2026-11-30"}
    assert (await visitor.get(f"{v1}?show=overdue")).json()["decisions"] == []
    assert (await visitor.get(f"{v1}?show=late")).status_code in (400, 422)
    assert (await visitor.get("/api/v1/departments")).json()["departments"][0]["owner"] == "Парки"
    file = whole.json()["milestones"][0]["files"][0]["id"]
    taken = await http.post(f"{at}/milestones/{number}/evidence/{file}/withdrawal", json={"reason": {"ru": "Лицо"}},
                            headers=head)  # fmt: skip
    assert (taken.status_code, taken.json()["files"]) == (200, [])


async def test_residents_rate_over_the_api(office: Office) -> None:
    await office.decided(status=Status.DONE, deadline=None)
    anna = await office.visitor().sign_in("anna@city.test")
    head = {"x-csrf-token": (await anna.http.get("/api/v1/session")).json()["csrf_token"]}
    at = f"/api/v1/decisions/{office.poll.slug}/rating"
    assert (await anna.http.post(at, json={"stars": 9}, headers=head)).status_code == 422
    taken = await anna.http.post(at, json={"stars": 4}, headers=head)
    assert (taken.status_code, taken.json()) == (201, {"taken": True})
    again = await anna.http.post(at, json={"stars": 4}, headers=head)
    assert (again.status_code, again.json()["code"]) == (409, "already_rated")
    assert (await office.visitor().http.post(at, json={"stars": 4})).status_code in (401, 403)
    official = await office.official()
    head = {"x-csrf-token": (await official.http.get("/api/v1/session")).json()["csrf_token"]}
    assert (await official.http.post(at, json={"stars": 4}, headers=head)).status_code == 403
