"""A poll on other sites: a card to put into a frame, and a picture for what is passed on in messages.

Both are the same for everybody. They read no cookie and set none, know nobody (`recognition` leaves them out), run no
script, and take their language from the address. The card's page has a frame policy of its own, the only one of the
site's that may stand in a frame.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.errors import NotFound
from polls.lifecycle import State
from results.result_card import ResultCard, result_card
from voting.db import Database
from voting.identity.guards import public
from voting.remembering import BRIEFLY, Shelf
from voting.settings import Settings
from voting.share_pictures import Bar, Poster, draw
from voting.web import i18n
from voting.web.published_files import OPEN
from voting.web.rendering import DIST, environment, in_language
from voting.web.standing import poll_at

AnyRequest = Request[Any, Any, Any]
POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors {}"
)
AN_HOUR = 3600.0
KEPT = "public, max-age=60"


@get("/embed/polls/{slug:str}", guards=[public], opt={"framed": True}, include_in_schema=False)
async def show_card(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
) -> Response[bytes]:  # fmt: skip
    """The card: the title, how many have voted, when the result comes, and then the result."""
    language, shelf = _language(request), request.app.state["shelf"]
    card = await _card(shelf, database, slug, now)

    async def make() -> bytes:
        with i18n.speaking(language):
            template = environment().get_template("embed.html")
            return template.render(
                card=card, poll=card.poll, definition=card.poll.definition, state=card.state.value, now=now,
                zone=settings.zone, base_url=settings.base_url, site_name=_site_name(settings, language),
                viewer=None, csrf_token="", demo=settings.demo, path=request.url.path, here=None, nav=None,
            ).encode()  # fmt: skip

    body = await shelf.get(("embed", slug, language, card.seen, card.version, card.votes), make, size=len)
    headers = {
        **OPEN, "content-security-policy": POLICY.format(settings.framed_by), "content-language": language,
        "referrer-policy": "no-referrer",
    }  # fmt: skip
    return _tagged(request, body, "text/html; charset=utf-8", headers)


@get("/share/polls/{picture:str}", guards=[public], opt={"uncompressed": True}, include_in_schema=False)
async def show_picture(
    request: AnyRequest, picture: FromPath[str], database: NamedDependency[Database],
    now: NamedDependency[datetime], settings: NamedDependency[Settings],
) -> Response[bytes]:  # fmt: skip
    """The picture, `{slug}.png`. It tells of no turnout before the count: it is kept elsewhere, and would be old."""
    slug, dot, kind = picture.rpartition(".")
    if not dot or kind != "png":
        raise NotFound
    language, shelf = _language(request), request.app.state["shelf"]
    card = await _card(shelf, database, slug, now)

    async def make() -> bytes:
        with i18n.speaking(language):
            poster = poster_of(card, settings, language)
        async with request.app.state["drawing"]:
            return await asyncio.to_thread(draw, poster, DIST)

    key = ("share", slug, language, card.state, card.version, card.poll.closes_at)
    body = await shelf.get(key, make, age=AN_HOUR, size=len)
    return _tagged(request, body, "image/png", dict(OPEN))


def poster_of(card: ResultCard, settings: Settings, language: str) -> Poster:
    """What a picture says. In the language that is spoken now."""
    definition, state = card.poll.definition, card.state
    if state is State.SCHEDULED:
        line = i18n.gettext("Voting opens on %(moment)s.") % {"moment": _when(card.poll.opens_at, settings)}
    elif state is State.OPEN:
        line = i18n.gettext("Voting goes on until %(moment)s.") % {"moment": _when(card.poll.closes_at, settings)}
    elif state is State.CLOSED:
        line = i18n.gettext("The ballots are being counted.")
    elif state is State.CANCELLED:
        line = i18n.gettext("The poll was cancelled.")
    else:
        votes = card.votes or 0
        line = i18n.ngettext("%(n)s vote", "%(n)s votes", votes) % {"n": i18n.num(votes)}
        if card.turnout is not None:
            line += " · " + i18n.gettext("turnout %(share)s") % {"share": i18n.pct(card.turnout)}
    bars = [Bar(in_language(bar.label), i18n.pct(bar.share), float(bar.share), bar.won) for bar in card.bars]
    return Poster(_site_name(settings, language), in_language(definition.title), line, bars)


async def _card(shelf: Shelf, database: Database, slug: str, now: datetime) -> ResultCard:
    async def read() -> ResultCard:
        async with database.open_read_session() as session:
            return await result_card(session, await poll_at(session, slug), now)

    return await shelf.get(("card", slug), read, age=BRIEFLY)


def _when(moment: datetime, settings: Settings) -> str:
    return i18n.when(moment, settings.zone)


def _language(request: AnyRequest) -> str:
    """The language the address asks for: Russian unless it is English."""
    return "en" if request.query_params.get("lang") == "en" else "ru"


def _site_name(settings: Settings, language: str) -> str:
    return settings.site_name_en if language == "en" else settings.site_name_ru


def _tagged(request: AnyRequest, body: bytes, media_type: str, headers: dict[str, str]) -> Response[bytes]:
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**headers, "etag": tag, "cache-control": KEPT}
    given = request.headers.get("if-none-match", "")
    if tag.removeprefix("W/") in {part.strip().removeprefix("W/") for part in given.split(",")}:
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    return Response(body, headers=headers, media_type=media_type)


handlers = [show_card, show_picture]
