"""The officials' pages over HTTP, without JavaScript, on a real database: from an empty form to a closed poll."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from sqlalchemy import text
from tests.builders import CITY, NOW, SEALER, a_budget, a_citizen, a_definition, a_single_choice, both
from tests.sites import Clock, add_account, browser, build_site, form_token, sign_in

from polls.authoring import create_draft, load_draft
from polls.counting import count_poll
from polls.definition import Definition, canonical_bytes
from polls.register import load_territories
from voting import web
from voting.db import Database
from voting.throttling import Limit
from voting.web import verifying

EVIL = "<script>alert(1)</script>'; DROP TABLE poll; -- \" {{ 7*7 }} ${7*7}"
MOSCOW = timedelta(hours=3)
UNLIMITED = {name: Limit(10**6, timedelta(minutes=1)) for name in ("writes", "exports", "sign_in")}


class Official:
    """Somebody at the desk with a browser that runs no script."""

    def __init__(self, client: httpx.AsyncClient, login: str) -> None:
        self.client, self.login = client, login

    async def enter(self) -> Official:
        assert (await sign_in(self.client, self.login)).status_code == 303
        return self

    async def get(self, path: str, status: int = 200) -> httpx.Response:
        reply = await self.client.get(path)
        assert reply.status_code == status, reply.text[:3000]
        return reply

    async def press(
        self, page: httpx.Response, operation: str, status: int | tuple[int, ...] = 200, **typed: str | list[str]
    ) -> httpx.Response:
        """Type into the editor's form as it stands in the page and press one of its buttons."""
        fields = form_fields(page.text)
        for name, value in typed.items():
            fields[name.replace("__", ".")] = value if isinstance(value, list) else [value]
        fields["op"] = [operation]
        action = re.search(r'<form id="editor"[^>]* action="([^"]+)"', page.text)
        assert action
        reply = await self.client.post(action[1], data=fields)
        assert reply.status_code in ((status,) if isinstance(status, int) else status), reply.text[:3000]
        return reply

    async def send(self, page: httpx.Response, action: str, **fields: str) -> httpx.Response:
        """Send another form of a page."""
        assert f'action="{action}"' in page.text
        return await self.client.post(action, data={"csrf_token": form_token(page), **fields})

    async def follow(self, reply: httpx.Response) -> httpx.Response:
        assert reply.status_code == 303, reply.text[:3000]
        return await self.get(reply.headers["location"])


def form_fields(page: str) -> dict[str, list[str]]:
    """What a browser would send of the editor's form: no script, nothing unticked."""
    reader = FormReader()
    start = page.index('<form id="editor"')
    reader.feed(page[start : page.index("</form>", start)])
    return reader.fields


class FormReader(HTMLParser):
    """Collects the fields of a form."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.area = self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "textarea":
            self.area = name
            self.fields.setdefault(name, []).append("")
        elif tag == "select":
            self.select = name
        elif tag == "option" and "selected" in given:
            self.fields.setdefault(self.select, []).append(value)
        elif tag == "input" and name and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.fields.setdefault(name, []).append(value)

    def handle_data(self, data: str) -> None:
        if self.area:
            self.fields[self.area][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = ""


def local(moment: datetime) -> str:
    """A moment as typed in city time."""
    return (moment + MOSCOW).strftime("%Y-%m-%dT%H:%M")


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
async def database(fresh_database: Database) -> Database:
    async with fresh_database.open_session() as session:
        await load_territories(session, CITY)
        for born in (1950, 1990, 2001, 2015):
            await a_citizen(session, born=datetime(born, 3, 4).date())
    for login, role in (("first@city.test", "official"), ("second@city.test", "official"),
                        ("analyst@city.test", "analyst"), ("admin@city.test", "admin")):  # fmt: skip
        await add_account(fresh_database, login, role)
    return fresh_database


@pytest.fixture
async def site(database: Database, tmp_path: Path, clock: Clock) -> object:
    return build_site(database, tmp_path, clock=clock, handlers=web.handlers, limits=UNLIMITED)


@pytest.fixture
async def official(site: object) -> AsyncIterator[Official]:
    async with browser(site) as client:  # type: ignore[arg-type]
        yield await Official(client, "first@city.test").enter()


async def stored(database: Database, public_id: str) -> Definition:
    async with database.open_session() as session:
        return (await load_draft(session, public_id, datetime.now(UTC))).definition


async def a_draft(database: Database, **more: object) -> str:
    """A draft ready to be scheduled, and open as soon as it is."""
    now = datetime.now(UTC).replace(microsecond=0, second=0)
    times = {"opens_at": now - timedelta(minutes=1), "closes_at": now + timedelta(days=8)}
    definition = a_definition(**{**times, **more})
    async with database.open_session() as session:
        return (await create_draft(session, 1, definition, NOW)).public_id


# ---- the whole way


async def test_from_an_empty_form_to_a_closed_poll(official: Official, database: Database, clock: Clock) -> None:
    page = await official.get("/officials/polls/new")
    public_id = form_fields(page.text)["poll_id"][0]
    at = f"/officials/polls/{public_id}"
    page = await official.press(page, "add_option:1", title__ru="Каким будет сквер?", title__en="What square?")
    page = await official.press(page, "add_neutral:1:hard_to_say")
    page = await official.press(
        page, "option_up:1:3", questions__1__text__ru="Что построить?", questions__1__text__en="What to build?",
        questions__1__options__1__text__ru="Фонтан", questions__1__options__2__text__ru="Качели",
        questions__1__options__3__text__ru="Скамейки", audience__age_from="18",
    )  # fmt: skip
    assert "Скамейки" in page.text
    assert (await official.get("/officials")).text.count("Каким будет сквер?") == 0  # nothing is stored before saving
    page = await official.follow(await official.press(page, "save", 303, slug="square"))
    document = await stored(database, public_id)
    assert [option.text.ru for option in document.questions[0].options] == [
        "Фонтан", "Скамейки", "Качели", "Затрудняюсь ответить",
    ]  # fmt: skip
    assert [option.id for option in document.questions[0].options] == [1, 3, 2, 4]

    check = await official.follow(await official.press(page, "check", 303))
    assert "Say when the poll opens." in check.text
    assert f'{at}/edit#opens_at"' in check.text
    assert "Seal and schedule" not in check.text

    opens = clock() - timedelta(minutes=2)  # the checklist lets a few minutes pass
    page = await official.get(f"{at}/edit")
    check = await official.follow(
        await official.press(page, "check", 303, opens_at=local(opens), closes_at=local(opens + timedelta(days=3)))
    )
    assert "Nothing stands in the way" in check.text
    assert re.search(r"<strong[^>]*>3</strong> of 4 residents", check.text)
    revision = re.search(r'name="revision" value="(\d+)"', check.text)
    assert revision
    refused = await official.send(check, f"{at}/schedule", revision=revision[1])
    assert refused.status_code == 422
    sealed = await official.follow(await official.send(check, f"{at}/schedule", revision=revision[1], understood="1"))
    digest = hashlib.sha256(canonical_bytes(await stored(database, public_id))).hexdigest()
    assert digest in sealed.text
    assert "No second official has reviewed them." in sealed.text
    assert (await official.client.get(f"{at}/edit")).headers["location"] == at

    later = opens + timedelta(days=5)
    refused = await official.send(sealed, f"{at}/extend", closes_at=local(clock()), reason="Раньше")
    assert refused.status_code == 422
    assert "is not later than the old one" in refused.text
    assert "Раньше" in refused.text  # what was typed stays
    refused = await official.send(sealed, f"{at}/extend", closes_at="когда-нибудь", reason="Почему")
    assert refused.status_code == 422
    page = await official.follow(
        await official.send(sealed, f"{at}/extend", closes_at=local(later), reason="Просят жители")
    )
    assert "Просят жители" in page.text
    assert "Closes, in force" in page.text

    page = await official.get(at)
    refused = await official.send(page, f"{at}/close-early", reason=" ")
    assert refused.status_code == 422
    page = await official.follow(await official.send(page, f"{at}/close-early", reason="Авария на площадке"))
    assert "The poll was closed early." in page.text
    assert "Авария на площадке" in page.text


async def test_a_decision_is_recorded_once_counted(official: Official, database: Database, clock: Clock) -> None:
    public_id = await a_draft(database)
    at = f"/officials/polls/{public_id}"
    check = await official.get(f"{at}/check")
    page = await official.follow(await official.send(check, f"{at}/schedule", revision="1", understood="1"))
    assert f'href="{at}/decision"' not in page.text
    await official.get(f"{at}/decision", 409)
    await official.send(page, f"{at}/close-early", reason="Достаточно")
    async with database.open_session() as session:
        await count_poll(session, public_id, datetime.now(UTC), SEALER)
    clock.go(minutes=1)
    assert f'href="{at}/decision"' in (await official.get(at)).text
    page = await official.get(f"{at}/decision")
    refused = await official.send(page, f"{at}/decision", **{"text.ru": "", "owner": "", "deadline": "завтра"})
    assert refused.status_code == 422
    assert "завтра" in refused.text
    page = await official.follow(
        await official.send(
            page, f"{at}/decision",
            **{"text.ru": f"Построим. {EVIL}", "text.en": "We build it.", "owner": "Парки", "deadline": "2027-05-01",
               "status": "in_progress"},
        )
    )  # fmt: skip
    assert html.escape(EVIL, quote=False).split("'")[0] in page.text
    assert "Under way" in page.text


async def test_a_poll_can_be_cancelled_and_copied(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    at = f"/officials/polls/{public_id}"
    check = await official.get(f"{at}/check")
    page = await official.follow(await official.send(check, f"{at}/schedule", revision="1", understood="1"))
    page = await official.follow(await official.send(page, f"{at}/cancel", reason="Передумали"))
    assert "The poll was cancelled." in page.text
    copied = await official.follow(await official.send(page, f"{at}/copy"))
    fields = form_fields(copied.text)
    assert fields["opens_at"] == [""]
    assert fields["title.ru"] == ["Каким будет сквер? (копия)"]
    new = fields["poll_id"][0]
    asked = await official.get(f"/officials/polls/{new}/delete")
    gone = await official.follow(await official.send(asked, f"/officials/polls/{new}/delete"))
    assert "The draft is deleted." in gone.text
    await official.get(f"/officials/polls/{new}/edit", 404)
    await official.get(f"{at}/delete", 409)


# ---- two officials


async def test_two_officials_lose_nothing_to_each_other(official: Official, database: Database, site: object) -> None:
    public_id = await a_draft(database)
    at = f"/officials/polls/{public_id}/edit"
    async with browser(site) as client:  # type: ignore[arg-type]
        second = await Official(client, "second@city.test").enter()
        mine, theirs = await official.get(at), await second.get(at)
        await second.press(theirs, "save", 303, title__ru="Версия второго")
        conflict = await official.press(mine, "save", 409, title__ru="Версия первого", summary__ru="Коротко")
    assert "Версия второго" in conflict.text
    assert "Версия первого" in conflict.text
    assert (await stored(database, public_id)).title.ru == "Версия второго"
    await official.press(conflict, "save", 303)  # knowingly, having seen both
    document = await stored(database, public_id)
    assert (document.title.ru, document.summary.ru) == ("Версия первого", "Коротко")


async def test_the_same_form_sent_twice_is_saved_once(official: Official, database: Database) -> None:
    page = await official.get("/officials/polls/new")
    public_id = form_fields(page.text)["poll_id"][0]
    for _ in range(2):
        await official.press(page, "save", 303, title__ru="Один раз")
    async with database.open_session() as session:
        assert await session.scalar(text("SELECT count(*) FROM poll_revision")) == 1
    assert (await stored(database, public_id)).title.ru == "Один раз"


async def test_a_form_of_a_poll_sealed_meanwhile_keeps_what_was_typed(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    page = await official.get(f"/officials/polls/{public_id}/edit")
    check = await official.get(f"/officials/polls/{public_id}/check")
    await official.send(check, f"/officials/polls/{public_id}/schedule", revision="1", understood="1")
    refused = await official.press(page, "save", 422, title__ru="Поздно")
    assert "sealed" in refused.text
    assert "Поздно" in refused.text


# ---- what may not be done


async def test_other_roles_do_not_get_in(site: object, database: Database) -> None:
    public_id = await a_draft(database)
    paths = ["/officials", "/officials/polls/new", *(f"/officials/polls/{public_id}{tail}" for tail in
             ("", "/edit", "/check", "/delete", "/picture/1/1"))]  # fmt: skip
    for login in ("analyst@city.test", "admin@city.test"):
        async with browser(site) as client:  # type: ignore[arg-type]
            other = await Official(client, login).enter()
            for path in paths:  # an administrator's office is another one, without polls
                found = await other.get(path, 200 if (path, login) == ("/officials", "admin@city.test") else 403)
                assert "New poll" not in found.text
            token = form_token(await other.get("/account")) if login.startswith("analyst") else ""
            for tail in (
                "edit",
                "preview",
                "copy",
                "delete",
                "schedule",
                "extend",
                "close-early",
                "cancel",
                "decision",
            ):
                reply = await client.post(f"/officials/polls/{public_id}/{tail}", data={"csrf_token": token})
                assert reply.status_code == 403, tail
    async with browser(site) as client:  # type: ignore[arg-type]
        for path in paths:
            reply = await client.get(path)
            assert reply.status_code == 303
            assert reply.headers["location"].startswith("/sign-in")


async def test_addresses_of_no_poll(official: Official) -> None:
    for public_id in ("0" * 32, "x", "%00", "..%2f..", "'; DROP TABLE poll; --"):
        for tail in ("", "/edit", "/check", "/delete"):
            await official.get(f"/officials/polls/{public_id}{tail}", 404)


async def test_markup_and_sql_are_kept_and_escaped(official: Official, database: Database) -> None:
    public_id = await a_draft(database, questions=[a_single_choice(1), a_budget(2)])
    at = f"/officials/polls/{public_id}"
    page = await official.get(f"{at}/edit")
    fields = {
        name.replace(".", "__"): EVIL for name in form_fields(page.text)
        if name.endswith((".ru", ".en", ".reference")) or name == "department"
    }  # fmt: skip
    fields |= {"names_seen_by__ru": EVIL, "questions__1__options__2__text__ru": EVIL + "2",
               "questions__1__options__3__text__ru": EVIL + "3"}  # fmt: skip
    await official.press(page, "save", 303, **fields)
    document = await stored(database, public_id)
    assert document.title.ru == document.questions[0].text.en == document.department == EVIL
    for path in ("/officials", f"{at}/edit", f"{at}/check", f"{at}/delete", f"{at}/picture/1/1"):
        shown = (await official.get(path)).text
        assert "<script>alert" not in shown, path
        assert "49" not in re.sub(r'value="[^"]*"', "", shown).split("DROP TABLE")[0][-10:], path
    assert form_fields((await official.get(f"{at}/edit")).text)["title.ru"] == [EVIL]


async def test_every_mistake_is_named_and_nothing_typed_is_lost(official: Official, database: Database) -> None:
    public_id = await a_draft(database, questions=[a_budget(1)])
    page = await official.get(f"/officials/polls/{public_id}/edit")
    typed = {
        "questions__1__rule__budget": "1,200", "questions__1__options__1__cost": "дорого", "opens_at": "вчера",
        "audience__age_from": "двадцать", "slug": "Не адрес!", "quorum__share": "120%",
        "questions__1__text__ru": "Новый вопрос",
    }  # fmt: skip
    refused = await official.press(page, "save", 422, **typed)
    for name in (
        "questions.1.rule.budget",
        "questions.1.options.1.cost",
        "opens_at",
        "audience.age_from",
        "quorum.share",
    ):
        assert f'href="#{name}"' in refused.text, name
        assert f'id="{name}-error"' in refused.text, name
    fields = form_fields(refused.text)
    assert {name: fields[name.replace("__", ".")][0] for name in typed} == typed
    fixed = {"questions__1__rule__budget": "1,5 млн", "questions__1__options__1__cost": "10", "opens_at": "",
             "audience__age_from": "20", "quorum__share": "20%"}  # fmt: skip
    refused = await official.press(refused, "save", 422, **fixed)
    assert "Use small Latin letters" in refused.text
    await official.press(refused, "save", 303, slug="new-address")
    document = await stored(database, public_id)
    assert document.questions[0].rule.budget == 1_500_000_00  # type: ignore[union-attr]


async def test_limits_are_refused_in_words(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    page = await official.get(f"/officials/polls/{public_id}/edit")
    many = {f"questions__1__options__{n}__text__ru": f"Вариант {n}" for n in range(1, 1001)}
    refused = await official.press(page, "save", 422, **many)
    assert "At most 300 items are allowed." in refused.text
    assert "Вариант 1000" in refused.text
    questions = {f"questions__{n}__kind": "rating" for n in range(1, 60)}
    refused = await official.press(page, "save", 422, **questions)
    assert "At most 50 items are allowed." in refused.text
    huge = await official.client.post(
        f"/officials/polls/{public_id}/edit",
        data={"csrf_token": form_token(page), "description.ru": "я" * 3_000_000},
    )
    assert huge.status_code == 413


async def test_a_revision_not_seen_is_not_sealed(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    check = await official.get(f"/officials/polls/{public_id}/check")
    page = await official.get(f"/officials/polls/{public_id}/edit")
    await official.press(page, "save", 303, title__ru="Другое название")
    reply = await official.send(check, f"/officials/polls/{public_id}/schedule", revision="1", understood="1")
    assert reply.status_code == 409
    for revision in ("", "²", "9" * 30):
        reply = await official.send(check, f"/officials/polls/{public_id}/schedule", revision=revision, understood="1")
        assert reply.status_code == 409


# ---- pictures, preview, lists


async def test_a_picture_of_an_option(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    at = f"/officials/polls/{public_id}"
    page = await official.follow(await official.press(await official.get(f"{at}/edit"), "picture:1:2", 303))
    token = form_token(page)
    out = BytesIO()
    Image.new("RGB", (30, 20), "red").save(out, "JPEG", comment=b"secret")
    bad = await official.client.post(
        f"{at}/picture/1/2", data={"csrf_token": token}, files={"file": ("x.svg", b"<svg/>", "image/svg+xml")}
    )
    assert bad.status_code == 422
    assert "is not a whole PNG, JPEG or WebP picture" in bad.text
    sent = await official.client.post(
        f"{at}/picture/1/2", data={"csrf_token": token, "alt.ru": "Красный прямоугольник"},
        files={"file": ("../../x.jpg", out.getvalue(), "image/jpeg")},
    )  # fmt: skip
    assert sent.status_code == 303, sent.text[:2000]
    picture = (await stored(database, public_id)).questions[0].options[1].picture
    assert picture is not None
    assert picture.alt.ru == "Красный прямоугольник"
    asset = await official.get(f"/assets/{picture.sha256}")
    assert asset.headers["content-type"] == "image/jpeg"
    assert asset.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in asset.headers["cache-control"]
    assert hashlib.sha256(asset.content).hexdigest() == picture.sha256
    assert b"secret" not in asset.content
    await official.get("/assets/" + "a" * 64, 404)
    await official.get("/assets/..%2f..%2fsecret", 404)
    await official.get(f"{at}/picture/9/9", 404)


async def test_the_preview_alone(official: Official, database: Database) -> None:
    public_id = await a_draft(database)
    page = await official.get(f"/officials/polls/{public_id}/edit")
    fields = form_fields(page.text) | {"questions.1.options.1.text.ru": ["Очень новый вариант"], "closes_at": ["?"],
                                       "questions.1.options.1.text.en": [""]}  # fmt: skip
    reply = await official.client.post(f"/officials/polls/{public_id}/preview", data=fields)
    assert reply.status_code == 200
    assert reply.text.lstrip().startswith("<aside")
    assert "Очень новый вариант" in reply.text
    assert (await stored(database, public_id)).questions[0].options[0].text.ru == "Вариант 1"


async def test_the_list_by_state_words_and_author(official: Official, database: Database, site: object) -> None:
    empty = await official.get("/officials")
    assert "No polls yet" in empty.text
    for n in range(25):
        await a_draft(database, title=both(f"Опрос {n:02}", f"Poll {n:02}"))
    page = await official.get("/officials")
    assert page.text.count('<li class="tile">') == 20
    assert (await official.get("/officials?page=2")).text.count('<li class="tile">') == 5
    assert (await official.get("/officials?q=Poll+07")).text.count('<li class="tile">') == 1
    assert "Nothing found" in (await official.get("/officials?show=open")).text
    for query in ("page=-1", "page=²", "page=9999999999999", "show=<b>", "q=%00%25_'", "mine=1&page=3"):
        await official.get(f"/officials?{query}")


async def test_a_rule_beyond_the_fields_is_kept(official: Official, database: Database) -> None:
    rule = {"op": "any", "of": [{"op": "not", "of": {"op": "age", "at_least": 18, "at_most": None}}]}
    public_id = await a_draft(database, audience=rule)
    page = await official.get(f"/officials/polls/{public_id}/edit")
    await official.press(page, "save", 303, title__ru="Иначе")
    assert (await stored(database, public_id)).audience.model_dump(mode="json") == rule


async def test_ids_removed_and_saved_are_not_given_again(official: Official, database: Database) -> None:
    public_id = await a_draft(database, questions=[a_single_choice(1)])
    page = await official.get(f"/officials/polls/{public_id}/edit")
    page = await official.press(page, "remove_option:1:90")
    page = await official.follow(await official.press(page, "save", 303))
    page = await official.press(page, "add_option:1")
    assert 'name="questions.1.options.91.text.ru"' in page.text


# ---- ended polls, page by page


async def test_counts_to_check_are_shown_page_by_page(
    site: object, database: Database, official: Official, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "SHOWN", 1)
    made = []
    for _ in range(2):  # the newest has not been counted: its page lists nothing, and says that there are more
        public_id = await a_draft(database, poll_id=uuid4().hex, title=both("Сквер", "A square"))
        check = await official.get(f"/officials/polls/{public_id}/check")
        await official.send(check, f"/officials/polls/{public_id}/schedule", revision="1", understood="1")
        page = await official.get(f"/officials/polls/{public_id}")
        await official.send(page, f"/officials/polls/{public_id}/close-early", reason="Достаточно")
        clock.go(seconds=30)
        made.append(public_id)
    async with database.open_session() as session:
        await count_poll(session, made[0], datetime.now(UTC), SEALER)
    async with browser(site) as client:  # type: ignore[arg-type]
        page = await client.get("/verify?q=square")
        assert "A square" not in page.text and "No results yet" not in page.text
        older = re.search(r'href="(/verify\?[^"]*after=[^"]+)"', page.text)
        assert older is not None, page.text
        page = await client.get(html.unescape(older[1]))
        assert f'href="/polls/p{made[0][:11]}/verify"' in page.text
        assert 'href="/verify">To the beginning' in page.text and "Show more" not in page.text


# ---- downloads


async def test_downloads_for_the_analyst(site: object, database: Database, official: Official, clock: Clock) -> None:
    async with browser(site) as client:  # type: ignore[arg-type]
        analyst = await Official(client, "analyst@city.test").enter()
        assert "No results yet" in (await analyst.get("/downloads")).text
        public_id = await a_draft(database, title=both(EVIL, EVIL))
        check = await official.get(f"/officials/polls/{public_id}/check")
        await official.send(check, f"/officials/polls/{public_id}/schedule", revision="1", understood="1")
        page = await official.get(f"/officials/polls/{public_id}")
        await official.send(page, f"/officials/polls/{public_id}/close-early", reason="Достаточно")
        clock.go(seconds=30)
        assert "The ballots are being counted" in (await analyst.get("/downloads")).text
        async with database.open_session() as session:
            await count_poll(session, public_id, datetime.now(UTC), SEALER)
        page = await analyst.get("/downloads")
        assert f"/api/v1/polls/p{public_id[:11]}/results.csv" in page.text
        assert "results.csv?dialect=excel" in page.text
        assert "<script>alert" not in page.text
        assert "answers.csv" not in page.text  # fewer than ten voted
        assert "No ended poll has these words" in (await analyst.get("/downloads?q=nothing&after=junk")).text
