"""Hostile texts in every field: of the poll document by its model, of every form and of every body of the API.

Every page is read as a browser reads it: nothing that was typed may come out as anything but a text or the value of an
attribute. tests/browser/test_hostile_texts.py opens the same pages in Chromium.
"""

from __future__ import annotations

import copy
import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from tests.attacks.hostile import (
    FORMULAS,
    MARK,
    Forms,
    Judge,
    TypedForm,
    faults_of,
    marked,
    poison,
    rich_document,
    texts_for,
)
from tests.attacks.world import Caller, Route, World, nothing
from tests.browser.city import _counted, a_picture

from polls.definition import Text
from results.decisions import Status, record_decision

FILE_NAME = f'../{MARK}1z"><img src=x onerror=alert(7)>\r\nSet-Cookie: {MARK}=1.png'
LEFT_ALONE = ("/sign-out", "/account/password", "/officials/polls/{public_id}/delete", "/account/sessions/end")
"""Forms that end what the others need; their fields are in test_sign_in.py and in the pages that show them."""


class Place:
    """The world with a counted poll whose every text is hostile, and all marks given out so far."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.poisoned = poison(rich_document())
        self.formulas = poison(rich_document(), lambda number: [
            text.format(mark=marked(number)) for text in (FORMULAS[number % len(FORMULAS)], *FORMULAS)
        ])  # fmt: skip
        self.number = 5_000
        self.faults: list[str] = []
        self.seen: set[str] = set()
        self.judged = 0

    async def settle(self) -> Place:
        """Count the hostile polls, decide on one hostilely, and open another."""
        city, now = self.world.city, datetime.now(UTC)
        times = {"opens_at": now - timedelta(days=3), "closes_at": now + timedelta(days=9)}
        for slug, made in (("hostile", self.poisoned), ("formulas", self.formulas)):
            await _counted(city, now, slug, 30, {**_plain(made.values), **times})
        city.slugs["hostile-open"] = await city.open_poll(**_plain(self.poisoned.values), **times)
        async with city.database.open_session() as session:
            await record_decision(
                session, "hostile", text=Text(ru=texts_for(1)[0], en=texts_for(2)[0]), owner=texts_for(3)[0],
                status=Status.IN_PROGRESS, author_id=city.official_id, now=now,
                deadline=(now + timedelta(days=1)).date(),
            )  # fmt: skip
        return self

    def judge(self, where: str, reply: httpx.Response) -> str:
        """Judge a reply: a page by its parse, a feed by its parse, everything by its headers."""
        self.judged += 1
        kind = reply.headers.get("content-type", "").split(";")[0]
        if reply.status_code >= 500:
            self.faults.append(f"{where}: {reply.status_code}")
        for name, value in reply.headers.multi_items():
            if (
                "\r" in value
                or "\n" in value
                or (MARK in value and name not in ("location", "link", "content-language"))
            ):
                self.faults.append(f"{where}: the header {name}: {value[:120]}")
        if kind == "text/html":
            judged = Judge(reply.text)
            self.faults += [f"{where}: {fault}" for fault in judged.faults]
            self.seen |= judged.seen
            return reply.text
        if kind.endswith("xml"):
            self.seen.update(re.findall(MARK + r"\d+z", " ".join(ET.fromstring(reply.text).itertext())))
        elif MARK in reply.headers.get("content-disposition", ""):
            self.faults.append(f"{where}: {reply.headers['content-disposition']}")
        return ""

    def next_text(self) -> str:
        self.number += 1
        return texts_for(self.number)[0]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: copy.deepcopy(value) for name, value in values.items() if name not in (
        "schema", "poll_id", "opens_at", "closes_at",
    )}  # fmt: skip


@pytest.fixture(scope="module")
async def place(own_world: World) -> Place:
    return await Place(own_world).settle()


ROLES_READING = ("anonymous", "resident", "official", "reviewer", "admin")


async def pages(place: Place) -> AsyncIterator[tuple[Caller, Route, str]]:
    """Every page of the site, on the hostile polls, by who may read it; the language is English, then Russian."""
    world = place.world
    for route in world.routes():
        if not route.is_page or route.path.startswith(("/static", "/health")) or "docs" in route.path:
            continue
        guard = route.guard()
        who = [name for name in ROLES_READING if guard == "everybody" or name in guard or (
            guard == "signed-in" and name != "anonymous"
        )]  # fmt: skip
        for name in who[:1] + who[2:3] if guard == "everybody" else who[:1]:
            for slug in ("hostile", "hostile-open") if {"slug", "public_id"} & set(route.parts) else ("hostile",):
                poll = await world.city.public_id(slug if slug == "hostile" else world.city.slugs[slug])
                values = {**nothing(route), **world.there, "slug": world.city.slugs[slug], "public_id": poll}
                values |= {"picture": f"{slug}.png", "poll_id": poll}
                yield world.callers[name], route, route.filled(values)


async def read_all(place: Place, *, languages: tuple[str, ...] = ("en",)) -> dict[str, tuple[Caller, str]]:
    """Read and judge every page; gives the HTML of each."""
    found = {}
    for language in languages:
        async for caller, route, address in pages(place):
            if route.path.endswith(".pdf"):
                continue  # made by a process apart, which loads nothing: tests/voting/test_pdf.py
            reply = await caller.ask("GET", address, headers={"accept-language": language})
            found[f"{caller.name} {address}"] = (caller, place.judge(f"{caller.name} {address}", reply))
    return found


async def test_every_text_of_a_poll_is_a_text_on_every_page(place: Place) -> None:
    fields = set(place.poisoned.marks)
    assert len(fields) > 90
    assert {"title.ru", "department", "questions.0.options.0.reference", "sources.0.title.en"} <= fields
    await read_all(place, languages=("en", "ru"))
    assert not place.faults, "\n".join(place.faults[:40])
    never = {name for name, mark in place.poisoned.marks.items() if mark not in place.seen}
    assert not {name for name in never if not re.search(r"names_seen_by|reference|url|time_zone", name)}, sorted(never)
    assert place.judged > 150


def typed_into(form: TypedForm, place: Place) -> list[tuple[str, str]]:
    """The form with every typed field hostile; numbers and days stay as they are, else nothing would be taken."""
    sent = []
    for name, value in form.fields:
        plain = re.fullmatch(r"[0-9.:T/-]{1,20}", value) or name == "csrf_token"
        sent.append((name, place.next_text() if name in form.typed and not plain else value))
    return sent + form.buttons[:1]


async def send(caller: Caller, form: TypedForm, place: Place) -> httpx.Response:
    """Send a form as a page does: files under a hostile name."""
    fields = typed_into(form, place)
    if form.kind == "multipart/form-data":
        # Written out, since a client would mend the name.
        lines = [f'--B\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields]
        quoted = FILE_NAME.replace('"', "%22").replace("\r\n", "%0D%0A")
        for at, name in enumerate(form.files):
            shown = quoted if at == 0 else FILE_NAME.replace("\r\n", " ").replace('"', r"\"")
            head = f'--B\r\nContent-Disposition: form-data; name="{name}"; filename="{shown}"\r\n'
            lines.append(head.encode() + b"Content-Type: image/png\r\n\r\n" + a_picture("red") + b"\r\n")
        return await caller.ask("POST", form.action, content=b"".join(lines) + b"--B--\r\n",
                                headers={"content-type": "multipart/form-data; boundary=B"})  # fmt: skip
    body = str(httpx.QueryParams(tuple(fields)))
    return await caller.ask("POST", form.action, content=body,
                            headers={"content-type": "application/x-www-form-urlencoded"})  # fmt: skip


def shape_of(action: str) -> str:
    return re.sub(r"[0-9a-f]{32}|\b\d+\b|hostile(-open)?", "*", action.split("?")[0])


async def test_every_form_filled_with_hostile_texts(place: Place) -> None:
    """Each form of each page is sent once; what is taken and what is refused alike comes back as text."""
    done: Counter[str] = Counter()
    for where, (caller, html) in (await read_all(place)).items():
        for form in Forms(html).found:
            address = form.action or where.split(" ")[-1]
            shape = shape_of(f"{form.method} {address}")
            if (
                not (form.typed or form.files)
                or done[shape]
                or any(shape.endswith(shape_of(one.replace("{public_id}", "0" * 32))) for one in LEFT_ALONE)
            ):
                continue
            done[shape] += 1
            form.action = address
            if form.method == "post":
                reply = await send(caller, form, place)
            else:
                reply = await caller.ask(
                    "GET", f"{address.split('?')[0]}?{httpx.QueryParams(tuple(typed_into(form, place)))}"
                )
            place.judge(f"{caller.name} sent {shape}", reply)
            if reply.status_code in (302, 303):
                place.judge(f"after {shape}", await caller.ask("GET", reply.headers["location"]))
    await read_all(place)
    assert not place.faults, "\n".join(place.faults[:40])
    assert len(done) > 15, sorted(done)
    kept = {mark for mark in place.seen if int(mark[len(MARK) : -1]) > 5_000}
    assert len(kept) > 15, "hostile texts were kept, or came back in forms that were refused"


def bodies(example: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of the strings in an example of a body."""
    if isinstance(example, dict):
        for name, value in example.items():
            yield from bodies(value, (*path, name))
    elif isinstance(example, list):
        for at, value in enumerate(example[:2]):
            yield from bodies(value, (*path, at))
    elif isinstance(example, str):
        yield path


async def test_every_text_of_the_api_is_a_text_again(place: Place) -> None:
    """Each string of each body of the API in turn: refused or taken, never failed, and only ever given back as JSON."""
    world, sent = place.world, 0
    for route in world.routes():
        example = world.examples.get(str(route))
        if example is None or "session" in route.path or "accounts" in route.path:
            continue
        role = route.guard().split(", ")[0]
        caller = world.callers[{"everybody": "official", "signed-in": "official"}.get(role, role)]
        for where in list(bodies(example)):
            body = copy.deepcopy(example)
            at: Any = body
            for step in where[:-1]:
                at = at[step]
            at[where[-1]] = place.next_text()
            values = await world.values(route) | {"slug": "hostile"}
            reply = await caller.ask(route.method, route.filled(values), json=body)
            sent += 1
            assert reply.status_code < 500, (str(route), where, reply.text)
            if reply.content:
                assert reply.headers["content-type"].split(";")[0] in ("application/json", "application/problem+json")
                assert reply.headers["x-content-type-options"] == "nosniff"
    await read_all(place)
    assert not place.faults, "\n".join(place.faults[:40])
    assert sent > 40


async def test_no_cell_of_a_file_is_a_formula(place: Place) -> None:
    """Every CSV and XLSX of a poll whose every text is a formula: no spreadsheet takes a cell for one."""
    world, cells = place.world, 0
    assert len(place.formulas.marks) > 90
    anonymous = world.callers["anonymous"]
    for route in world.routes():
        if not route.path.endswith((".csv", ".xlsx")) or "slug" not in route.parts or route.method != "GET":
            continue
        for question in ("", "?question=1", "?question=2&by=sex"):
            reply = await anonymous.ask("GET", route.filled({"slug": "formulas"}) + question)
            if reply.status_code != 200:
                assert reply.status_code < 500
                continue
            if route.path.endswith(".xlsx"):
                book = zipfile.ZipFile(io.BytesIO(reply.content))
                sheets = [book.read(name).decode() for name in book.namelist() if "worksheets/" in name]
                assert sheets and not any("<f>" in sheet or "<f " in sheet for sheet in sheets)
                assert not [name for name in book.namelist() if "externalLink" in name or "vba" in name.lower()]
                links = "".join(book.read(name).decode() for name in book.namelist() if name.endswith(".rels"))
                assert MARK not in links
                continue
            for row in csv.reader(io.StringIO(reply.content.decode("utf-8-sig"))):
                for cell in row:
                    cells += 1
                    number = re.fullmatch(r"[+-]?\d+([.,]\d+)?%?", cell)
                    assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\0")), (str(route), cell)
    assert cells > 500


def test_the_judge_can_tell() -> None:
    for html in (
        f"<p>{texts_for(1)[0]}</p>", f'<input value="{texts_for(1)[0]}">', f"<!-- {texts_for(1)[0]} -->",
        "<a href=' javascript:alert(1)'>", "<p style='a:b'>", f"<style>{MARK}</style>", "<script>let a</script>",
        f"<iframe src='/{MARK}'></iframe>", "<img src=x>",
    ):  # fmt: skip
        assert faults_of(html), html
    assert not faults_of('<img src="data:image/png;base64,AA"><p title="&#34;q7z1z onerror=1">q7z &lt;img&gt;</p>')
