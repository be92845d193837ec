"""Pages out of templates: one environment, one way to answer with a page.

Filters that depend on the language take the template's context, because Jinja folds filters of constants when it
compiles a template and would freeze the first visitor's language in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from litestar import Request, Response
from litestar.enums import MediaType
from markupsafe import Markup, escape

from polls.questions import Place
from voting.identity.recognition import viewer_of
from voting.security import make_cookie
from voting.settings import Settings
from voting.web import i18n

PACKAGE = Path(__file__).parents[1]
TEMPLATES = PACKAGE / "templates"
DIST = PACKAGE / "static" / "dist"
AnyRequest = Request[Any, Any, Any]
VARY = "Accept-Language, Cookie, HX-Request"


def translate_for(request: AnyRequest) -> Callable[[str], str]:
    """A translator into the language of a request."""
    return i18n.gettext_for(i18n.language_of(request))


def page(
    request: AnyRequest,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    cache_control: str = "no-store",
    **context: Any,
) -> Response[bytes]:
    """Render a template for a request's reader and language.

    Every page gets `viewer` (or None), `lang`, `site_name`, `path`, `csrf_token` (of the viewer's session, unless the
    caller passes one), `demo`, `zone`. Pages are not stored by anybody unless the caller says otherwise.
    """
    language = i18n.language_of(request)
    viewer = viewer_of(request)
    shared = shared_context(request, viewer, viewer.csrf_token if viewer else "")
    with i18n.speaking(language):
        text = environment().get_template(template).render({**shared, **context})
    return reply(request, text.encode(), language, status=status, headers=headers, cache_control=cache_control)


def shared_context(request: AnyRequest, viewer: Any, csrf_token: str) -> dict[str, Any]:
    """What every template gets."""
    settings: Settings = request.app.state["settings"]
    return {
        "viewer": viewer,
        "site_name": settings.site_name_en if i18n.language_of(request) == "en" else settings.site_name_ru,
        "csrf_token": csrf_token,
        "demo": settings.demo,
        "zone": settings.zone,
        "base_url": settings.base_url,
        "path": request.url.path,
        "here": _here(request),
        "nav": None,
    }


def reply(
    request: AnyRequest, body: bytes, language: str, *, status: int = 200, headers: Mapping[str, str] | None = None,
    cache_control: str = "no-store",
) -> Response[bytes]:  # fmt: skip
    """A rendered page as a reply, with the cookie that keeps a language the address asked for."""
    cookies = []
    if request.query_params.get("lang") in i18n.LANGUAGES:
        settings: Settings = request.app.state["settings"]
        cookies.append(make_cookie(i18n.COOKIE, language, secure=settings.secure_cookies))
        cookies[0].max_age = 31_536_000
    return Response(
        body,
        status_code=status,
        media_type=MediaType.HTML,
        headers={"vary": VARY, "content-language": language, "cache-control": cache_control, **(headers or {})},
        cookies=cookies,
    )


def _here(request: AnyRequest) -> str | None:
    """Path and query without `lang`, of what a GET can repeat: a switch on a ballot's page would lose its answers."""
    if request.method not in ("GET", "HEAD"):
        return None
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    return request.url.path + ("?" + urlencode(pairs) if pairs else "")


@cache
def environment() -> Environment:
    """The one template environment of the process."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]
        i18n.gettext, i18n.ngettext, newstyle=True, pgettext=i18n.pgettext, npgettext=i18n.npgettext
    )
    made.filters.update(_filters())
    made.globals.update(
        asset=asset,
        lang=i18n.current.get,
        in_language=in_language,
        switch_to=_switch_to,
        csrf_field=_csrf_field,
        map_address=map_address,
    )
    return made


def _filters() -> dict[str, Callable[..., Any]]:
    plain: dict[str, Callable[..., Any]] = {
        "num": i18n.num, "pct": i18n.pct, "money": i18n.money, "money_short": i18n.money_short, "day": i18n.day,
        "when": i18n.when, "iso_day": i18n.iso_day, "ago": i18n.ago, "typo": _typo, "local": local,
    }  # fmt: skip
    return {name: _in_context(function) for name, function in plain.items()}


def _typo(text: Any) -> str:
    """What is marked as safe stays so: a title in its own language is a piece of HTML."""
    done = i18n.typo(str(text))
    return Markup(done) if isinstance(text, Markup) else done  # noqa: S704 -- spaces for spaces


def _in_context(function: Callable[..., Any]) -> Callable[..., Any]:
    @pass_context
    def filtered(_context: Any, *arguments: Any, **options: Any) -> Any:
        return function(*arguments, **options)

    return filtered


def in_language(text: Any, language: str | None = None) -> str:
    """A bilingual text (object or mapping with `ru` and `en`) in the reader's language, or in the other one."""
    language = language or i18n.current.get()
    ru, en = (text.get("ru"), text.get("en")) if isinstance(text, Mapping) else (text.ru, text.en)
    return str((en or ru) if language == "en" else (ru or en)) or ""


def local(text: Any) -> Markup:
    """A bilingual text for a page; marked with its own language where it falls back to the other one."""
    language = i18n.current.get()
    ru, en = (text.get("ru"), text.get("en")) if isinstance(text, Mapping) else (text.ru, text.en)
    own, other = (en, ru) if language == "en" else (ru, en)
    if own or not other:
        return escape(i18n.typo(own or ""))
    return Markup('<span lang="{}">{}</span>').format("ru" if language == "en" else "en", other)


def map_address(place: Place) -> str:
    """Where a link leads that shows a place on a map: an ordinary link, from which nothing is loaded."""
    latitude, longitude = (f"{(part or 0) / 1_000_000:.6f}" for part in (place.latitude, place.longitude))
    return f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=17/{latitude}/{longitude}"


def _manifest() -> dict[str, str]:
    """Names of built files by their plain names, read anew after each build."""
    path = DIST / "manifest.json"
    try:
        return _read_manifest(path, path.stat().st_mtime_ns)
    except FileNotFoundError:  # the front end has not been built
        return {}


@lru_cache(maxsize=1)
def _read_manifest(path: Path, _changed: int) -> dict[str, str]:
    found: dict[str, str] = json.loads(path.read_text())
    return found


def asset(name: str) -> str:
    """The address of a built file, with its hash: `asset("app.js")`."""
    return f"/static/dist/{_manifest().get(name, name)}"


@pass_context
def _switch_to(context: Any, language: str) -> str | None:
    """The address of this page in another language; none for the answer to a form, which no address gives again."""
    if context["here"] is None:
        return None
    here = str(context["here"])
    return f"{here}{'&' if '?' in here else '?'}lang={language}"


@pass_context
def _csrf_field(context: Any) -> Markup:
    """The hidden field every form carries."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(context["csrf_token"])
