"""The explorer over HTTP: every view an address, nothing in silence, nothing before its time; the map of the city."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from tests.builders import a_city, a_definition, an_open_poll, both, close_now
from tests.flows.pages import Page, a_site
from tests.results.counted import a_counted_poll, a_typical_poll, city_strata
from tests.results.drawn_city import a_map
from tests.results.every_rule import CASES
from tests.results.explored import a_city_poll
from tests.results.test_maps import BOW_TIE, a_file
from tests.sites import add_account, browser, form_token, sign_in

from results.exploration import Chart, Show, answer_code
from results.figures import poll_figures
from voting.db import Database
from voting.throttling import Limit

UNLIMITED = {name: Limit(10**6, timedelta(minutes=1)) for name in ("writes", "exports", "sign_in")}
PLACES = ("msk-cao-arbat", "msk-cao-basmanny", "msk-sao-timiryazevsky")


class Town:
    """A site with one counted poll of three districts."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.database = database
        self.app = a_site(database, tmp_path, limits=UNLIMITED)
        self.slug = ""

    async def look(self, query: str = "", *, language: str = "en", slug: str = "", status: int = 200) -> Page:
        async with browser(self.app, **{"accept-language": language}) as client:
            found = Page(await client.get(f"/polls/{slug or self.slug}/explore{'?' if query else ''}{query}"))
        assert found.status == status, (query, found.html[:1500])
        return found

    async def file(self, query: str, status: int = 200) -> httpx.Response:
        async with browser(self.app) as client:
            reply = await client.get(f"/polls/{self.slug}/explore.csv?{query}")
        assert reply.status_code == status, reply.text
        return reply


@pytest.fixture
async def town(fresh_database: Database, tmp_path: Path) -> Town:
    made = Town(fresh_database, tmp_path)
    async with fresh_database.open_session() as session:
        await a_city(session)
        made.slug = (await a_city_poll(session, 3_000)).slug
    return made


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


async def test_every_view_is_a_page_with_a_chart_and_its_table(town: Town) -> None:
    """Whatever is combined: a page, in both languages, with a table; a chart wherever a figure is."""
    bys = ["", "district", "sex"]
    for question, show, by, cross in product("13", [show.value for show in Show], bys, ["", "sex"]):
        page = await town.look(urlencode({"question": question, "show": show, "by": by, "and": cross}))
        assert "<table" in page.html
        assert "<svg" in page.html.partition("explorer-form")[2].partition("<table")[0]
    for chart, (query, language) in product(
        Chart, [("", "ru"), ("by=okrug", "en"), ("by=district", "ru"), ("by=okrug&and=sex", "en"), ("question=3", "ru")]
    ):
        page = await town.look(f"{query}&chart={chart.value}", language=language)
        assert "<table" in page.html


async def test_the_form_asks_for_what_is_shown_and_needs_no_script(town: Town) -> None:
    page = await town.look("by=okrug&and=sex&answer=2")
    form = page.form("/explore")
    assert form.method == "get"
    chosen = {name: value for name, value in form.fields if value}
    assert chosen == {"question": "1", "show": "shares", "by": "okrug", "and": "sex", "answer": "2"}
    again = await town.look(urlencode(form.fields))
    assert again.html.partition("h-shown")[2] == page.html.partition("h-shown")[2]
    narrowed = await town.look("by=okrug&sex=f&place=msk-cao")
    chosen = {name: value for name, value in narrowed.form("/explore").fields if value}
    assert (chosen["sex"], chosen["place"], chosen["by"]) == ("f", "msk-cao", "okrug")


async def test_what_cannot_be_followed_is_said_in_both_languages(town: Town) -> None:
    page = await town.look("by=income&chart=pie&sauce=hot")
    assert "Not everything asked for could be shown" in page.words
    assert "The address holds “sauce”, which means nothing here." in page.words
    assert "First breakdown “income”: there is no such choice." in page.words
    page = await town.look("by=okrug&and=sex&age=age_25_34", language="ru")
    assert "нет опубликованной таблицы со всеми этими разрезами сразу" in page.words
    hostile = await town.look(
        urlencode({"by": "<script>alert(1)</script>", "place": "\0\u202e'; DROP", "x" * 500: "y"})
    )
    assert "<script>alert" not in hostile.html
    assert "\0" not in hostile.html


async def test_a_hidden_figure_says_so_and_why(town: Town) -> None:
    async with town.database.open_read_session() as session:
        figures = await poll_figures(session, town.slug, datetime.now(UTC))
    table = next(table for table in figures.questions[0].tables if table.suppressed)
    place = next(n for n in range(len(table.columns)) if any(row.cells[n].suppressed for row in table.rows))
    names = dict(zip(("by", "and"), (by.value for by in table.dimensions), strict=False))
    query = urlencode(
        {**names, "answer": answer_code(table.columns[place]), "chart": "bars" if len(names) == 1 else ""}
    )
    page = await town.look(query)
    assert "hidden" in page.words
    assert "Hidden are cells with fewer than 10 votes" in page.words
    rows = list(csv.DictReader(io.StringIO((await town.file(query)).text)))
    assert any(row["suppressed"] == "true" for row in rows)
    assert all((row["votes"], row["share"]) == ("", "") for row in rows if row["suppressed"] == "true")


async def test_page_file_and_api_show_the_same_numbers(town: Town) -> None:
    """The figures of the explorer are those of the results, digit by digit."""
    async with town.database.open_read_session() as session:
        figures = await poll_figures(session, town.slug, datetime.now(UTC))
    table = next(t for t in figures.questions[0].tables if [d.value for d in t.dimensions] == ["okrug"])
    page = await town.look("by=okrug&chart=stacked")
    rows = list(csv.DictReader(io.StringIO((await town.file("by=okrug&chart=stacked")).text)))
    async with browser(town.app) as client:
        api = (await client.get(f"/api/v1/polls/{town.slug}/results")).json()["results"]
    for row in table.rows:
        shown = words(re.search(rf'<th scope="row">{row.group.en}</th>(.*?)</tr>', page.html)[1])  # type: ignore[index]
        for column, cell in zip(table.columns, row.cells, strict=True):
            [line] = [r for r in rows if r["okrug_code"] == row.group.code and r["option_en"] == column.en]
            [sent] = [r for r in api if (r["dimension"], r["group_code"], r["option_en"], r["question_id"])
                      == ("okrug", row.group.code, column.en, 1)]  # fmt: skip
            assert line["votes"] == ("" if sent["votes"] is None else str(sent["votes"]))
            assert line["votes"] == ("" if cell.votes is None else str(cell.votes))
            if cell.votes is not None:
                assert f"{float(cell.share or 0):.1%} · {cell.votes:,}" in shown


async def test_the_file_of_a_view_is_the_view(town: Town) -> None:
    reply = await town.file("show=turnout&by=okrug")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["class"] for row in rows] == ["voted"] * 2
    assert reply.headers["content-disposition"].endswith(f'_{town.slug}_view.csv"')
    excel = await town.file("show=turnout&by=okrug&dialect=excel")
    assert excel.content.startswith(b"\xef\xbb\xbf")
    page = await town.look("by=sex&chart=multiples")
    link = next(link for link in page.links if "explore.csv" in link)
    assert (await town.file(unescape(link).partition("?")[2])).status_code == 200


async def test_a_file_refuses_what_a_page_would_only_say(town: Town) -> None:
    for query in ("by=income", "sauce=hot", "by=sex&chart=map", "dialect=excell", "by=sex&by=okrug"):
        reply = await town.file(query, 422)
        assert "content-disposition" not in reply.headers
        assert "There is no published table that this asks for." in reply.text, query


async def test_nothing_is_shown_before_the_count(fresh_database: Database, tmp_path: Path) -> None:
    """Open, closed, or not there: no page, no file, no HEAD tells a figure or that there is one."""
    town = Town(fresh_database, tmp_path)
    async with fresh_database.open_session() as session:
        await a_city(session)
        running = await an_open_poll(session)
        closed = await close_now(session, await an_open_poll(session))
        few = (await a_typical_poll(session, 6)).slug
    async with browser(town.app) as client:
        for slug, status, path in product(
            [running.slug, closed.slug, "nothing-here", "x" * 500], [None], ["explore", "explore.csv", "explore?by=sex"]
        ):
            reply = await client.get(f"/polls/{slug}/{path}")
            head = await client.head(f"/polls/{slug}/{path}")
            assert reply.status_code == head.status_code == {running.slug: 403, closed.slug: 409}.get(slug, 404), status
            assert "explorer-form" not in reply.text
            assert not head.content
    page = await town.look("by=district", slug=few)
    assert "Fewer than 10 ballots were cast" in page.words
    assert "nothing of this poll is broken down" in page.words


async def test_every_kind_of_question_has_its_views(fresh_database: Database, tmp_path: Path) -> None:
    """Ratings, rankings with their flow, points, texts and budgets, by every chart, to no error."""
    town = Town(fresh_database, tmp_path)
    questions, answers = [], []
    kinds = {content["kind"]: name for name, (content, _) in reversed(CASES.items())}
    cases = {name: CASES[name] for name in [*kinds.values(), "instant run-off"]}
    for number, (name, (content, counts)) in enumerate(cases.items(), start=1):
        questions.append({**content, "id": number, "text": both(f"Вопрос: {name}", name)})
        each = [answer for answer, n in counts.items() for _ in range(n)]
        answers.append([*each, *["[]"] * (150 - len(each))])
    async with fresh_database.open_session() as session:
        await a_city(session)
        strata = await city_strata(session)
        ballots = [(tuple(column[n] for column in answers), strata[n % len(strata)]) for n in range(150)]
        town.slug = (await a_counted_poll(session, a_definition(questions=questions, strata=["sex"]), ballots)).slug
    for number, show, by in product(range(1, len(questions) + 1), Show, ["", "sex"]):
        page = await town.look(f"question={number}&show={show.value}&by={by}")
        for chart in re.findall(
            r'<option value="(\w+)"', page.html.partition('name="chart"')[2].partition("</select>")[0]
        ):
            await town.look(f"question={number}&show={show.value}&by={by}&chart={chart}", language="ru")
    flow = await town.look(f"question={list(cases).index('instant run-off') + 1}&chart=flow")
    assert 'class="chart sk"' in flow.html
    assert "Votes round by round" in flow.html


# ---- the city's map


async def upload(client: httpx.AsyncClient, data: bytes, **fields: str) -> httpx.Response:
    form = await client.get("/officials/map")
    sent = {"csrf_token": form_token(form), **fields}
    return await client.post("/officials/map", data=sent, files={"file": ("city.geojson", data)})


async def test_an_administrator_gives_the_city_a_map(town: Town) -> None:
    await add_account(town.database, "admin@city.example", "admin")
    assert "tiles-map" in (await town.look("by=okrug&chart=map")).html
    async with browser(town.app, **{"accept-language": "ru"}) as client:
        assert (await sign_in(client, "admin@city.example")).status_code == 303
        assert "/officials/map" in (await client.get("/downloads")).text
        refused = await upload(client, a_file(BOW_TIE, code="msk-cao-arbat"))
        assert refused.status_code == 422
        assert "«msk-cao-arbat»: граница пересекает сама себя" in unescape(refused.text)
        assert "tiles-map" in (await town.look("by=okrug&chart=map")).html
        empty = await upload(client, b"")
        assert (empty.status_code, "Выберите файл" in empty.text) == (422, True)

        taken = await upload(client, a_map(PLACES), credit="© Somebody & <b>others</b>")
        assert taken.status_code == 303
        shown = await client.get(taken.headers["location"])
        assert "city.geojson" in shown.text

        page = await town.look("by=district&chart=map")
        assert page.html.count("<path") > 3
        assert "tiles-map" not in page.html
        assert "Borders: © Somebody & <b>others</b>" in page.words
        # Okrugs came out of the districts.
        assert 'class="chart geo"' in (await town.look("by=okrug&chart=map&show=turnout")).html

        again = await upload(client, a_map(PLACES[:2]), credit="")
        assert again.status_code == 303
        missing = await town.look("by=district&chart=map")
        assert "In the table but not on the map: " in missing.words

        gone = await client.post("/officials/map", data={"csrf_token": form_token(shown), "remove": "1"})
        assert gone.status_code == 303
    assert "tiles-map" in (await town.look("by=district&chart=map")).html


async def test_only_administrators_may_touch_the_map(town: Town) -> None:
    await add_account(town.database, "official@city.example", "official")
    async with browser(town.app) as client:
        assert (await client.get("/officials/map")).status_code in (303, 401)
        assert (await client.post("/officials/map", data={"remove": "1"})).status_code in (303, 401, 403)
        await sign_in(client, "official@city.example")
        assert (await client.get("/officials/map")).status_code == 403
        assert "/officials/map" not in (await client.get("/officials")).text + (await client.get("/downloads")).text
