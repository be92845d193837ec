"""Open data: every published poll with its files, the catalogue for machines, the whole in one archive, the changes.

Only counted polls are listed, and only what everybody may have. The replies are the same for all readers and may be
read by pages of any site.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.response import Stream

from polls.definition import Text
from polls.errors import FieldError, Invalid, NotFound
from polls.sessions import ReadSession
from results.dcat import FORMATS, Format, Site, catalogue, file_address, poll_files
from results.exports.codebook import LICENCE
from results.open_data import (
    CERTIFIED,
    CORRECTED,
    DECIDED,
    PUBLISHED,
    Change,
    changes,
    newest_changes,
    number_published,
    published_polls,
)
from voting.atom import Entry, Feed, write_atom
from voting.identity.guards import public
from voting.open_data_archive import Archive, archive_in
from voting.ranges import Part, Unsatisfiable, part_asked
from voting.settings import Settings
from voting.web.published_files import OPEN
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
SHOWN, A_PAGE, AT_ONCE = 25, 100, 500
LAST_PAGE = 100_000
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
KEPT = {"cache-control": "public, max-age=60"}
PIECE = 256 * 1024


@get("/open-data", guards=[public], include_in_schema=False)
async def show_open_data(
    request: AnyRequest, read_session: NamedDependency[ReadSession], settings: NamedDependency[Settings]
) -> Response[Any]:
    """The page: the archive, the catalogue, the feed, and the polls with their files, newest first."""
    number = _page_number(request)
    polls = await published_polls(read_session, offset=(number - 1) * SHOWN, limit=SHOWN + 1, newest_first=True)
    formats = offered(request.app)
    rows = [(poll, [(one, file_address(poll, one)) for one in poll_files(poll, formats)]) for poll in polls[:SHOWN]]
    return page(
        request, "open_data.html", nav="open_data", rows=rows, number=number, more=len(polls) > SHOWN,
        total=await number_published(read_session), archive=await asyncio.to_thread(archive_in, settings),
        licence=LICENCE,
    )  # fmt: skip


@get("/open-data/catalog.jsonld", guards=[public], include_in_schema=False)
async def show_catalogue(
    request: AnyRequest, read_session: NamedDependency[ReadSession], settings: NamedDependency[Settings]
) -> Response[Any]:
    """The catalogue as DCAT-AP, a hundred polls a page."""
    number = _page_number(request)
    total = await number_published(read_session)
    pages = max(1, -(-total // A_PAGE))
    if number > pages:
        raise NotFound
    polls = await published_polls(read_session, offset=(number - 1) * A_PAGE, limit=A_PAGE)
    last = await newest_changes(read_session, limit=1)
    described = catalogue(
        _site(settings), polls, offered(request.app), page=number, pages=pages, total=total,
        modified=last[0].at if last else None,
    )  # fmt: skip
    body = json.dumps(described, ensure_ascii=False, indent=1).encode()
    return _same_for_all(request, body, "application/ld+json")


@get("/open-data/changes.json", guards=[public], include_in_schema=False)
async def show_changes(
    request: AnyRequest, read_session: NamedDependency[ReadSession], settings: NamedDependency[Settings]
) -> Response[Any]:
    """What changed after a cursor, oldest first. Ask again with `next_since`; nothing is missed or comes twice."""
    given = request.query_params.get("since", "")
    if given and not NUMBER.fullmatch(given):
        raise Invalid([FieldError("since", "int_parsing", "A whole number is needed here.")])
    since = int(given) if given else -1
    found = await changes(read_session, since=since, limit=AT_ONCE + 1)
    listed = found[:AT_ONCE]
    body = {
        "changes": [
            {
                "position": one.position, "kind": one.kind, "at": one.at.isoformat(),
                "poll": {"id": one.poll_public_id, "slug": one.poll_slug,
                         "title": {"ru": one.poll_title.ru, "en": one.poll_title.en}},
                "results": f"{settings.base_url}/api/v1/polls/{one.poll_slug}/results",
            }
            for one in listed
        ],
        "next_since": listed[-1].position if listed else max(since, 0) if given else None,
        "more": len(found) > AT_ONCE,
    }  # fmt: skip
    return _same_for_all(request, json.dumps(body, ensure_ascii=False).encode(), "application/json")


@get("/open-data/changes.atom", guards=[public], include_in_schema=False)
async def show_feed(
    request: AnyRequest, read_session: NamedDependency[ReadSession], settings: NamedDependency[Settings]
) -> Response[Any]:
    """The newest changes as an Atom feed, in Russian as the city's sites are, or with `?lang=en`."""
    language = "en" if request.query_params.get("lang") == "en" else "ru"
    found = await newest_changes(read_session)
    return _same_for_all(request, feed(_site(settings), found, language), "application/atom+xml")


@get("/open-data/all.json", guards=[public], include_in_schema=False)
async def show_about(request: AnyRequest, settings: NamedDependency[Settings]) -> Response[Any]:
    """What the archive is: its size, SHA-256, how many polls are in it and up to which change."""
    archive = await asyncio.to_thread(archive_in, settings)
    if archive is None:
        raise NotFound
    body = {
        "download": f"{settings.base_url}/open-data/all.zip", "size": archive.size, "sha256": archive.sha256,
        "polls": archive.polls, "since": archive.newest, "made_at": archive.made_at.isoformat(), "licence": LICENCE,
    }  # fmt: skip
    return _same_for_all(request, json.dumps(body).encode(), "application/json")


@get("/open-data/all.zip", guards=[public], include_in_schema=False, opt={"uncompressed": True, "limit": "exports"})
async def send_archive(request: AnyRequest, settings: NamedDependency[Settings]) -> Response[Any]:
    """The archive, whole or a part of it: a download that was cut off goes on by `Range`."""
    archive = await asyncio.to_thread(archive_in, settings)
    if archive is None:
        raise NotFound
    tag = f'"{archive.sha256[:32]}"'
    headers = {**OPEN, "etag": tag, "cache-control": "public, no-cache", "accept-ranges": "bytes"}
    if _knows(request, tag):
        return Response(b"", status_code=304, headers=headers)
    try:
        part = part_asked(request.headers.get("range"), request.headers.get("if-range"), tag, archive.size)
    except Unsatisfiable:
        return Response(b"", status_code=416, headers={**headers, "content-range": f"bytes */{archive.size}"})
    headers["content-disposition"] = f'attachment; filename="{archive.made_at:%Y-%m-%d}_open-data.zip"'
    status, part = (206, part) if part is not None else (200, Part(0, archive.size - 1))
    if status == 206:
        headers["content-range"] = f"bytes {part.first}-{part.last}/{archive.size}"
    headers["content-length"] = str(part.length)
    return Stream(_pieces(archive, part), status_code=status, media_type="application/zip", headers=headers)


async def _pieces(archive: Archive, part: Part) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(Path.open, archive.path, "rb")
    try:
        await asyncio.to_thread(file.seek, part.first)
        left = part.length
        while left > 0:
            piece = await asyncio.to_thread(file.read, min(PIECE, left))
            if not piece:
                raise OSError("the archive is shorter than it was")
            left -= len(piece)
            yield piece
    finally:
        file.close()


def offered(app: Litestar) -> list[Format]:
    """The formats the service has an address for."""

    def served(one: Format) -> bool:
        try:
            app.asgi_router.handle_routing(path=f"/api/v1/polls/any/{one.name}", method="GET")
        except HTTPException:
            return False
        return True

    return [one for one in FORMATS if served(one)]


def feed(site: Site, found: Sequence[Change], language: str) -> bytes:
    """Changes as Atom, newest first."""
    here = site.address("/open-data/changes.atom")
    title = {"ru": "изменения открытых данных", "en": "changes of open data"}[language]
    entries = [
        Entry(
            f"{here}#{one.position}",
            f"{WORDS[one.kind].in_language(language)}: {one.poll_title.in_language(language)}",
            site.address(f"/polls/{one.poll_slug}/results"), one.at, category=one.kind,
        )
        for one in found
    ]  # fmt: skip
    author = site.name.in_language(language)
    return write_atom(
        Feed(
            here,
            f"{author}: {title}",
            here,
            site.address("/open-data"),
            author,
            language,
            entries,
            site.licence,
            ordered=True,
        )
    )


WORDS = {
    PUBLISHED: Text(ru="Опубликовано", en="Published"),
    CORRECTED: Text(ru="Исправлено", en="Corrected"),
    CERTIFIED: Text(ru="Протокол утверждён", en="The protocol was certified"),
    DECIDED: Text(ru="Решение города", en="The city's decision"),
}


def _site(settings: Settings) -> Site:
    return Site(settings.base_url, Text(ru=settings.site_name_ru, en=settings.site_name_en), LICENCE)


def _page_number(request: AnyRequest) -> int:
    given = request.query_params.get("page", "1")
    return min(max(int(given), 1), LAST_PAGE) if NUMBER.fullmatch(given) else 1


def _knows(request: AnyRequest, tag: str) -> bool:
    given = request.headers.get("if-none-match", "")
    return tag in {part.strip().removeprefix("W/") for part in given.split(",")}


def _same_for_all(request: AnyRequest, body: bytes, media_type: str) -> Response[bytes]:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**OPEN, **KEPT, "etag": f"W/{tag}"}
    if _knows(request, tag):
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    return Response(body, headers=headers, media_type=media_type)


handlers = [show_open_data, show_catalogue, show_changes, show_feed, show_about, send_archive]
