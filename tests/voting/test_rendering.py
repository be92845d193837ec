"""Pages: every template compiles, a page says who may keep it and in which language it is, and nothing is frozen."""

import json
import re
from datetime import UTC, datetime

import pytest
from jinja2 import DictLoader
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.testing import TestClient
from markupsafe import Markup

from voting.identity.sessions import Viewer
from voting.problems import Problem
from voting.settings import Settings
from voting.web import rendering
from voting.web.i18n import speaking
from voting.web.rendering import TEMPLATES, environment, page

VIEWER = Viewer(
    account_id=1,
    citizen_id=7,
    display_name="Анна <b>",
    department="",
    roles=frozenset({"resident", "official"}),
    new_form_token=lambda: "a-token",
    session_expires=datetime(2026, 11, 30, tzinfo=UTC),
)
PROBLEM = Problem(
    "too_many", 429, "Too <many>", "Slow down.", "Wait.", "req-1", {"retry_after": 21, "no_passkey": False}, ()
)


@get("/empty", sync_to_thread=False)
def show_frame(request: Request) -> Response:
    request.scope["state"]["viewer"] = VIEWER if "signed" in request.query_params else None
    return page(request, "base.html", nav="polls")


@get("/kept", sync_to_thread=False)
def show_kept(request: Request) -> Response:
    return page(request, "base.html", cache_control="public, max-age=60", headers={"x-own": "1"}, status=203)


@post("/sent", sync_to_thread=False, status_code=200)
def show_sent(request: Request) -> Response:
    return page(request, "base.html")


@get("/failed/{name:str}", sync_to_thread=False)
def show_failed(request: Request, name: FromPath[str]) -> Response:
    return page(request, f"errors/{name}.html", status=429, problem=PROBLEM)


@pytest.fixture(scope="module")
def client():
    app = Litestar(
        [show_frame, show_kept, show_sent, show_failed],
        state=State({"settings": Settings(site_name_ru="Город", site_name_en="Town", demo=False, database_url="x")}),
        openapi_config=None,
    )
    with TestClient(app) as client:
        yield client


def render(source: str, language: str = "ru", **context) -> str:
    """Render a line of template as a page would."""
    with speaking(language):
        return environment().from_string(source).render(**context)


# ---- templates


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda p: p.relative_to(TEMPLATES).as_posix())
def test_a_template_compiles_and_asks_nothing_the_policy_forbids(path) -> None:
    environment().get_template(path.relative_to(TEMPLATES).as_posix())
    source = path.read_text()
    assert not re.search(r"\sstyle\s*=", source), "inline styles are refused by the policy"
    assert not re.search(r"<style\b|\son[a-z]+\s*=|javascript:", source)
    assert not re.search(r"<script(?![^>]*\bsrc=)", source)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", source), "pages load nothing from elsewhere"


@pytest.mark.parametrize("language", ["ru", "en"])
def test_filters_of_constants_are_not_frozen_in_the_first_readers_language(language) -> None:
    source = '{{ 0.142|pct }} {{ 12480|num }} {{ "на дом"|typo }}'
    template = environment().from_string(source)
    said = {}
    for reader in (language, "ru", "en"):
        with speaking(reader):
            said[reader] = template.render()
    assert said == {"ru": "14,2\u00a0% 12\u00a0480 на\u00a0дом", "en": "14.2% 12,480 на дом"}


def test_a_text_in_the_other_language_says_so_and_stays_escaped() -> None:
    text = {"ru": "Сквер <у дома>", "en": ""}
    assert render("{{ text|local }}", text=text) == "Сквер &lt;у\u00a0дома&gt;"
    assert render("{{ text|local }}", "en", text=text) == '<span lang="ru">Сквер &lt;у дома&gt;</span>'
    assert render("{{ in_language(text) }}", "en", text=text) == "Сквер &lt;у дома&gt;"
    assert render("{{ text|local|typo }}", "en", text=text).startswith("<span")
    assert render("{{ text|local }}", text={"ru": "", "en": ""}) == ""


def test_an_unknown_name_is_an_error_and_markup_is_escaped() -> None:
    with pytest.raises(Exception, match="undefined"):
        render("{{ nobody }}")
    assert render("{{ text }}{{ safe }}", text="<i>", safe=Markup("<i>")) == "&lt;i&gt;<i>"


def test_fields_tie_their_hints_and_errors_to_the_input() -> None:
    html = render(
        '{% import "partials/fields.html" as f with context %}'
        '{{ f.text_field("title", "Title", "a\\"b", hint="Short", error="Write it", required=true, maxlength=80) }}'
        '{{ f.select_field("kind", "Kind", [("1", "One"), ("2", "Two")], 2) }}'
        '{{ f.radios("mode", "Mode", [("a", "A", "why"), ("b", "B")], "b") }}'
    )
    assert 'for="title"' in html and 'id="title"' in html
    assert 'aria-describedby="title-hint title-error" aria-invalid="true"' in html
    assert 'id="title-hint"' in html and 'id="title-error"' in html
    assert 'value="a&#34;b"' in html and 'maxlength="80"' in html
    assert '<option value="2" selected>' in html and '<option value="1">' in html
    assert re.search(r'value="b" checked', html) and not re.search(r'value="a" checked', html)


def test_a_chart_is_a_picture_with_a_title_and_its_figures_in_a_table() -> None:
    from datetime import date

    from results.charts import Cell, day_series, tile_map

    source = (
        '{% import "partials/charts.html" as c with context %}'
        '{{ c.series_figure(series, "Votes", "days", "Day", "Votes") }}|'
        '{{ c.tile_figure(tiles, {"a": "Aaa", "b": "Bbb"}, "Turnout", "map", "Okrug", "Turnout") }}'
    )
    tiles = tile_map([Cell("a", "A", 0, 0, 0.25), Cell("b", "B", 1, 0, None)])
    for days in ([], [(date(2026, 11, 1), 5)], [(date(2026, 11, 1), 5), (date(2026, 11, 3), 0)]):
        series, mapped = render(source, series=day_series(days), tiles=tiles).split("|")
        assert ('role="img"' in series) == bool(days) == ("<table" in series)
        assert series.count("<tr>") == (len(days) + 1 if days else 0)
    assert 'role="img"' in mapped and "мало данных" in mapped
    assert '<th scope="row">Aaa</th><td>25,0\u00a0%</td>' in mapped
    assert '<th scope="row">Bbb</th><td>—</td>' in mapped


# ---- pages


def test_a_page_is_kept_by_nobody_and_says_what_it_depends_on(client) -> None:
    reply = client.get("/empty", headers={"accept-language": "ru"})
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-language"] == "ru"
    assert {name.strip() for name in reply.headers["vary"].split(",")} >= {"Accept-Language", "Cookie", "HX-Request"}
    assert '<html lang="ru"' in reply.text and "Город" in reply.text and "Войти" in reply.text
    kept = client.get("/kept")
    assert (kept.status_code, kept.headers["cache-control"], kept.headers["x-own"]) == (203, "public, max-age=60", "1")


def test_the_language_is_asked_for_remembered_and_switched_on_the_same_page(client) -> None:
    reply = client.get("/empty?topic=парк&lang=en", headers={"accept-language": "ru"})
    assert '<html lang="en"' in reply.text and "Town" in reply.text
    assert reply.cookies["lang"] == "en"
    assert re.search(r'href="/empty\?topic=%D0%BF%D0%B0%D1%80%D0%BA&amp;lang=ru"', reply.text)
    assert '<html lang="en"' in client.get("/empty", headers={"accept-language": "ru"}).text
    client.cookies.clear()


def test_the_answer_to_a_form_offers_no_language_switch(client) -> None:
    assert "lang=en" not in client.post("/sent").text


def test_the_menu_is_of_the_readers_roles_and_signing_out_is_a_form_with_a_token(client) -> None:
    signed = client.get("/empty?signed=true").text
    assert "Кабинет" in signed and "Мои голоса" in signed and "Анна &lt;b&gt;" in signed
    assert re.search(
        r'<form method="post" action="/sign-out"><input type="hidden" name="csrf_token" value="a-token">', signed
    )
    anonymous = client.get("/empty").text
    assert "Кабинет" not in anonymous and "csrf_token" not in anonymous


@pytest.mark.parametrize("name", ["refused", "failed"])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_an_error_page_says_what_to_do_next(client, name, language) -> None:
    reply = client.get(f"/failed/{name}", headers={"accept-language": language})
    assert "Too &lt;many&gt;" in reply.text and "Wait." in reply.text and 'href="/"' in reply.text
    assert "req-1" in reply.text and "Traceback" not in reply.text
    client.cookies.clear()


def test_built_files_are_named_by_the_manifest(tmp_path, monkeypatch) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"app.js": "app-ABCD1234.js"}))
    monkeypatch.setattr(rendering, "DIST", tmp_path)
    assert rendering.asset("app.js") == "/static/dist/app-ABCD1234.js"
    assert rendering.asset("style.css") == "/static/dist/style.css"
    (tmp_path / "manifest.json").unlink()
    assert rendering.asset("app.js") == "/static/dist/app.js"


def test_templates_can_be_rendered_without_an_application() -> None:
    own = environment().overlay(loader=DictLoader({"one": '{{ _("Polls") }} {{ 3|num }}'}))
    assert own.get_template("one").render() == "Опросы 3"
