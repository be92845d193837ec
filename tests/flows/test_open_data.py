"""Open data, cards on other sites, pictures: what everybody may take, the same numbers, and nothing before its time."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from litestar import Litestar
from PIL import Image
from sqlalchemy import text
from tests.builders import a_budget, a_city, a_rating, an_open_poll, an_option, both, close_now, copies_of
from tests.flows.test_secrecy import UNLIMITED
from tests.owners import a_house, an_owners_poll, vote
from tests.polls.test_ballot_box import a_box, a_vote, acknowledged, cast_all, people
from tests.sites import Clock, add_account, browser, fast_passwords, sign_in, site_settings

from polls.catalogue import SealedPoll, sealed_poll
from polls.definition import Text
from results.decisions import Status, record_decision
from results.exports.csv import results_csv
from voting import api, web
from voting.app import create_app
from voting.db import Database
from voting.jobs import Work
from voting.keys import record_keys
from voting.open_data_archive import archive_in, build_archive, folder_of
from voting.registry_jobs import keep_the_registry
from voting.share_pictures import Poster, draw, fonts_in
from voting.tasks import follow_the_clock
from voting.web.rendering import DIST

DCAT = "http://www.w3.org/ns/dcat#"
TITLE = 'Сквер <b> & "парк"'


class City:
    """A site with polls, and a visitor."""

    def __init__(self, database: Database, data_dir: Path, **settings: Any) -> None:
        self.database, self.clock = database, Clock()
        self.settings = site_settings(data_dir, **settings)
        self.app: Litestar = create_app(
            self.settings, database=database, passwords=fast_passwords(), limits=UNLIMITED, clock=self.clock,
            route_handlers=[*api.routers, *web.handlers],
        )  # fmt: skip
        self.http = browser(self.app)
        self.work = Work(database, self.settings)

    async def settle(self) -> City:
        async with self.database.open_session() as session:
            await a_city(session)
            await record_keys(session, self.settings, self.clock.now)
        return self

    async def poll(
        self, votes: int = 12, *, counted: bool = True, answers: tuple[Any, Any] = (1, 2), **more: Any
    ) -> SealedPoll:
        async with self.database.open_session() as session:
            poll = await an_open_poll(session, **{"title": both(TITLE, "Square"), **more})
            citizens = await people(session, votes)
        assert poll.definition.opens_at
        self.clock.now = poll.definition.opens_at + timedelta(hours=1)
        cast = [a_vote(poll, one, answers[0 if number % 3 else 1]) for number, one in enumerate(citizens)]
        assert len(acknowledged(await cast_all(a_box(self.database), cast))) == votes
        if counted:
            await self.count(poll)
        async with self.database.open_read_session() as session:
            return await sealed_poll(session, poll.public_id)

    async def count(self, poll: SealedPoll) -> None:
        async with self.database.open_session() as session:
            closed = await close_now(session, poll)
        await follow_the_clock(self.work)
        await keep_the_registry(self.work)
        assert closed.closes_at
        self.clock.now = closed.closes_at + timedelta(hours=1)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)


@pytest.fixture
async def city(fresh_database: Database, tmp_path: Path) -> City:
    return await City(fresh_database, tmp_path).settle()


# ---- the catalogue and the page


async def test_the_catalogue_names_counted_polls_and_files_that_are_there(city: City) -> None:
    counted, running = await city.poll(), await city.poll(counted=False)
    few = await city.poll(3)
    reply = await city.get("/open-data/catalog.jsonld")
    assert reply.headers["content-type"] == "application/ld+json"
    assert reply.headers["access-control-allow-origin"] == "*"
    found = reply.json()
    assert found["hydra:totalItems"] == 2 and found["hydra:view"]["@id"].endswith("?page=1")
    assert "hydra:next" not in found["hydra:view"]
    by_id = {one["dct:identifier"]: one for one in found["dcat:dataset"]}
    assert by_id.keys() == {counted.public_id, few.public_id} and running.public_id not in reply.text
    one = by_id[counted.public_id]
    assert {"@value": TITLE, "@language": "ru"} in one["dct:title"]
    assert one["dct:temporal"]["dcat:endDate"]["@value"] == counted.closes_at.isoformat()
    assert one["dct:spatial"]["dct:identifier"] == "msk"
    assert one["dcat:theme"][0]["@id"].endswith("/data-theme/GOVE")
    files = {part["dcat:downloadURL"]["@id"]: part for part in one["dcat:distribution"]}
    assert len(files) >= 5
    for address, part in files.items():
        assert part["dct:license"]["@id"].startswith("https://creativecommons.org/")
        taken = await city.get(address)
        assert taken.status_code == 200, address
        assert part["dcat:mediaType"]["@id"].endswith(taken.headers["content-type"].partition(";")[0])
    assert any("answers.csv" in address for address in files)
    assert not any("answers" in part["@id"] for part in by_id[few.public_id]["dcat:distribution"]), "too few"
    again = await city.get("/open-data/catalog.jsonld", **{"if-none-match": reply.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    for wrong in ("?page=2", "?page=99999"):
        assert (await city.get(f"/open-data/catalog.jsonld{wrong}")).status_code == 404
    for odd in ("?page=0", "?page=x", "?page=-1"):
        assert (await city.get(f"/open-data/catalog.jsonld{odd}")).json()["hydra:view"]["@id"].endswith("page=1")


async def test_seven_thousand_polls_are_turned_page_by_page(city: City) -> None:
    poll = await city.poll()
    async with city.database.open_session() as session:
        made = await copies_of(session, poll, 249)
        await session.execute(_records(made, poll.id))
    seen: list[str] = []
    at: str | None = "/open-data/catalog.jsonld"
    while at is not None:
        found = (await city.get(at)).json()
        seen += [one["dct:identifier"] for one in found["dcat:dataset"]]
        following = found["hydra:view"].get("hydra:next")
        at = following["@id"] if following else None
    assert len(seen) == len(set(seen)) == 250 == found["hydra:totalItems"]
    page = await city.get("/open-data?page=10")
    assert page.status_code == 200 and "page=9" in page.text and "page=11" not in page.text
    assert "page=2" in (await city.get("/open-data")).text


def _records(polls: list[int], source: int) -> Any:
    return text(
        "INSERT INTO count_record (poll_id, version, counted_at, ballots, participations, outcomes, reason)"
        " SELECT p, 1, c.counted_at, c.ballots, c.participations, c.outcomes, '' "
        " FROM unnest(CAST(:polls AS bigint[])) p,"
        " count_record c WHERE c.poll_id = :source"
    ).bindparams(polls=polls, source=source)


async def test_the_page_lists_files_and_escapes_titles(city: City) -> None:
    assert (await city.get("/open-data")).status_code == 200, "before the first poll"
    poll = await city.poll()
    page = await city.get("/open-data", **{"accept-language": "ru"})
    assert "Сквер &lt;b&gt;" in page.text and "<b> &" not in page.text
    assert f"/api/v1/polls/{poll.slug}/results.csv" in page.text and "/open-data/changes.atom" in page.text


# ---- the feed


async def test_changes_come_in_order_and_none_is_missed(city: City) -> None:
    assert (await city.get("/open-data/changes.json")).json() == {"changes": [], "next_since": None, "more": False}
    first = await city.poll()
    one = (await city.get("/open-data/changes.json")).json()
    assert [(change["kind"], change["poll"]["id"]) for change in one["changes"]] == [("published", first.public_id)]
    second, running = await city.poll(), await city.poll(counted=False)
    async with city.database.open_session() as session:
        await record_decision(
            session, first.slug, text=Text(ru="Построим"), owner="Парки", status=Status.PLANNED, author_id=1,
            now=city.clock.now,
        )  # fmt: skip
    await keep_the_registry(city.work)
    since = f"/open-data/changes.json?since={one['next_since']}"
    later = (await city.get(since)).json()
    assert [(change["kind"], change["poll"]["id"]) for change in later["changes"]] == [
        ("published", second.public_id), ("decided", first.public_id),
    ]  # fmt: skip
    assert (await city.get(f"/open-data/changes.json?since={later['next_since']}")).json()["changes"] == []
    for wrong in ("x", "-1", "1e3", "9" * 19):
        assert (await city.get(f"/open-data/changes.json?since={wrong}")).status_code == 422
    feed = await city.get("/open-data/changes.atom?lang=en")
    root = ElementTree.fromstring(feed.content)
    atom = {"a": "http://www.w3.org/2005/Atom"}
    titles = [entry.findtext("a:title", "", atom) for entry in root.findall("a:entry", atom)]
    assert titles == ["The city's decision: Square", "Published: Square", "Published: Square"]
    assert feed.headers["content-type"].startswith("application/atom+xml") and running.slug not in feed.text
    assert 'Опубликовано: Сквер &lt;b&gt; &amp; "парк"' in (await city.get("/open-data/changes.atom")).text


# ---- the archive


async def test_the_archive_holds_what_the_api_gives_and_is_made_the_same_twice(city: City, tmp_path: Path) -> None:
    assert (await city.get("/open-data/all.zip")).status_code == 404
    assert await build_archive(city.database, city.settings, now=city.clock.now) is None, "nothing is published"
    poll, few = await city.poll(), await city.poll(3)
    await city.poll(counted=False)
    made = await build_archive(city.database, city.settings, now=city.clock.now)
    assert made is not None and made.polls == 2
    assert await build_archive(city.database, city.settings, now=city.clock.now) is None, "nothing has changed"
    reply = await city.get("/open-data/all.zip")
    assert reply.headers["content-type"] == "application/zip" and int(reply.headers["content-length"]) == made.size
    assert hashlib.sha256(reply.content).hexdigest() == made.sha256
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert {entry["poll"] for entry in manifest["files"]} == {poll.public_id, few.public_id}
        for entry in manifest["files"]:
            assert hashlib.sha256(archive.read(entry["name"])).hexdigest() == entry["sha256"]
        name = next(name for name in archive.namelist() if name.endswith(f"_{poll.slug}/results.csv"))
        assert archive.read(name) == (await city.get(f"/api/v1/polls/{poll.slug}/results.csv")).content
        assert csv.DictReader(io.StringIO(archive.read(name).decode())).fieldnames
    about = (await city.get("/open-data/all.json")).json()
    assert (about["sha256"], about["size"], about["polls"]) == (made.sha256, made.size, 2)
    other = site_settings(tmp_path / "elsewhere")
    anew = await build_archive(city.database, other, now=city.clock.now + timedelta(days=3))
    assert anew is not None and anew.sha256 == made.sha256, "the same polls, the same bytes, at any time"


async def test_a_new_poll_is_added_and_nothing_else_worked_out_again(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    await city.poll()
    before = await build_archive(city.database, city.settings, now=city.clock.now)
    assert before
    second = await city.poll()
    asked: list[str] = []

    async def noting(opened: Any, slug: str, **more: Any) -> Any:
        asked.append(slug)
        return await results_csv(opened, slug, **more)

    monkeypatch.setattr("voting.open_data_archive.results_csv", noting)
    after = await build_archive(city.database, city.settings, now=city.clock.now)
    assert after and after.polls == 2 and asked == [second.public_id]
    assert [path.name for path in folder_of(city.settings).iterdir() if path.suffix == ".zip"] == [after.path.name]
    after.path.write_bytes(after.path.read_bytes()[:-30])
    assert archive_in(city.settings) is None, "half a file is no archive"
    assert (await city.get("/open-data/all.zip")).status_code == 404
    repaired = await build_archive(city.database, city.settings, now=city.clock.now)
    assert repaired and repaired.sha256 == after.sha256


async def test_a_download_goes_on_where_it_was_cut_off(city: City) -> None:
    await city.poll()
    await build_archive(city.database, city.settings, now=city.clock.now)
    whole = await city.get("/open-data/all.zip")
    half = len(whole.content) // 2
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(whole.content[:half]))
    rest = await city.get("/open-data/all.zip", range=f"bytes={half}-", **{"if-range": whole.headers["etag"]})
    assert rest.status_code == 206 and whole.content[:half] + rest.content == whole.content
    assert rest.headers["content-range"] == f"bytes {half}-{len(whole.content) - 1}/{len(whole.content)}"
    changed = await city.get("/open-data/all.zip", range=f"bytes={half}-", **{"if-range": '"old"'})
    assert changed.status_code == 200 and changed.content == whole.content
    beyond = await city.get("/open-data/all.zip", range="bytes=99999999-")
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    assert (await city.get("/open-data/all.zip", **{"if-none-match": whole.headers["etag"]})).status_code == 304
    head = await city.http.head("/open-data/all.zip")
    assert head.content == b"" and head.headers["content-length"] == str(len(whole.content))


# ---- cards and pictures


async def test_a_card_may_stand_in_a_frame_and_knows_nobody(city: City) -> None:
    poll = await city.poll()
    await add_account(city.database, "a@city.test", "analyst")
    signed = browser(city.app)
    await sign_in(signed, "a@city.test")
    for client in (city.http, signed):
        card = await client.get(f"/embed/polls/{poll.slug}?lang=ru", headers={"cookie": "lang=en; sid=x"})
        policy = card.headers["content-security-policy"]
        assert "frame-ancestors *" in policy and "script-src" not in policy and "default-src 'none'" in policy
        assert "x-frame-options" not in card.headers and "set-cookie" not in card.headers
        assert "vary" not in card.headers or "cookie" not in card.headers["vary"].lower()
        assert '<html lang="ru"' in card.text and "<script" not in card.text and "Сквер &lt;b&gt;" in card.text
        assert "a@city.test" not in card.text and card.headers["cache-control"].startswith("public")
    english = await city.get(f"/embed/polls/{poll.slug}?lang=en")
    assert '<html lang="en"' in english.text and "12 votes" in english.text and "66.7" in english.text
    results = await city.get(f"/polls/{poll.slug}/results")
    assert "frame-ancestors 'none'" in results.headers["content-security-policy"]
    assert results.headers["x-frame-options"] == "DENY", "nothing else stands in a frame"
    assert f"&lt;iframe src=&#34;{city.settings.base_url}/embed/polls/{poll.slug}" in results.text or (
        f'&lt;iframe src="{city.settings.base_url}/embed/polls/{poll.slug}' in results.text
    )
    for path in (
        "/embed/polls/nothing",
        "/share/polls/nothing.png",
        f"/share/polls/{poll.slug}.gif",
        "/share/polls/png",
    ):
        missing = await city.get(path)
        assert missing.status_code == 404 and missing.headers["x-frame-options"] == "DENY"


async def test_who_may_frame_a_card_is_a_setting(fresh_database: Database, tmp_path: Path) -> None:
    city = await City(fresh_database, tmp_path, framed_by="https://paper.test https://*.city.test").settle()
    poll = await city.poll(counted=False)
    card = await city.get(f"/embed/polls/{poll.slug}")
    assert card.headers["content-security-policy"].endswith("frame-ancestors https://paper.test https://*.city.test")
    for wrong in ("* ; script-src *", "https://a.test; x", ""):
        with pytest.raises(ValueError, match="framed_by"):
            site_settings(tmp_path, framed_by=wrong)


async def test_before_the_count_a_card_tells_the_turnout_and_when(city: City) -> None:
    poll = await city.poll(counted=False)
    card = await city.get(f"/embed/polls/{poll.slug}?lang=en")
    assert "12 votes" in card.text and "Voting goes on until" in card.text and 'class="bars"' not in card.text
    assert "Option 1" not in card.text


KINDS = [
    (a_rating(1), ({"1": 5, "2": 3}, {"1": 1, "2": 4})),
    (a_budget(1), ([1, 2], [3])),
    ({"kind": "ranking", "id": 1, "text": both("Порядок"), "options": [an_option(i) for i in (1, 2, 3)]},
     ([1, 2, 3], [3, 2, 1])),
]  # fmt: skip


async def test_every_kind_of_question_makes_a_card_and_a_picture(city: City) -> None:
    for question, answers in KINDS:
        poll = await city.poll(questions=[question], answers=answers)
        for language in ("ru", "en"):
            card = await city.get(f"/embed/polls/{poll.slug}?lang={language}")
            assert card.status_code == 200 and 'class="outcome"' in card.text, question["kind"]
            assert (await city.get(f"/share/polls/{poll.slug}.png?lang={language}")).status_code == 200
    async with city.database.open_session() as session:
        owners = await a_house(session)
        house = await an_owners_poll(session)
        await vote(session, house, owners["a"], 1)
    await city.count(house)
    assert (await city.get(f"/embed/polls/{house.slug}")).status_code == 200
    assert (await city.get(f"/share/polls/{house.slug}.png")).status_code == 200


async def test_a_picture_is_drawn_in_both_languages_and_kept(city: City) -> None:
    poll = await city.poll(counted=False)
    open_picture = await city.get(f"/share/polls/{poll.slug}.png")
    await city.count(poll)
    for language in ("ru", "en"):
        reply = await city.get(f"/share/polls/{poll.slug}.png?lang={language}&v=1")
        assert reply.status_code == 200 and reply.headers["content-type"] == "image/png"
        assert reply.headers["cross-origin-resource-policy"] == "cross-origin" and "set-cookie" not in reply.headers
        with Image.open(io.BytesIO(reply.content)) as image:
            assert image.size == (1200, 630)
        assert len(reply.content) < 100_000 and reply.content != open_picture.content
    head = (await city.get(f"/polls/{poll.slug}/results", **{"accept-language": "ru"})).text
    assert f'content="{city.settings.base_url}/share/polls/{poll.slug}.png?lang=ru' in head
    assert 'property="og:title" content="Сквер &lt;b&gt; &amp; &#34;парк&#34;"' in head
    assert "og:image" in (await city.get(f"/polls/{poll.slug}")).text


@pytest.mark.parametrize(
    "title", ["", "А" * 400, "Ё́Щ " * 90, "Парк № 5 «Ясная Поляна» — ₽ 100 %", "中文 🙂 ‮abc", "a\nb"]
)
def test_any_title_makes_a_picture(title: str) -> None:
    with Image.open(io.BytesIO(draw(Poster("Город", title, title), DIST))) as image:
        assert image.size == (1200, 630)


def test_without_the_front_end_there_are_bars_and_no_words(tmp_path: Path) -> None:
    bare = draw(Poster("Город", "Парк", "12"), tmp_path)
    assert fonts_in(tmp_path) == () and bare == draw(Poster("Other", "Words", "1"), tmp_path)
    if fonts_in(DIST):
        assert draw(Poster("Город", "Парк", "12"), DIST) != draw(Poster("Город", "Парки", "12"), DIST)
