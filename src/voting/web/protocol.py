"""The protocol of a result for everybody: a page, signed JSON, PDF; and the PDF report of the results."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.catalogue import SealedPoll
from polls.sessions import ReadSession
from results.exports.dialects import file_name
from results.protocol import Certified, certified_protocol, protocols_of, require_signed
from voting.certifying import signed_protocol
from voting.db import Database
from voting.identity.guards import public
from voting.pdf import kept_pdf
from voting.settings import Settings
from voting.web.frames import framed
from voting.web.protocol_view import paper, protocol_context, report_context
from voting.web.standing import poll_at

AnyRequest = Request[Any, Any, Any]
PDF: Final = "application/pdf"
PAPER: Final = {"limit": "exports", "uncompressed": True}


@get("/polls/{slug:str}/protocol", guards=[public], include_in_schema=False)
async def show_protocol(request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database]) -> Response[Any]:
    """The newest certified protocol."""
    return await _page(request, database, slug, None)


@get("/polls/{slug:str}/protocol/{version:int}", guards=[public], include_in_schema=False)
async def show_version(
    request: AnyRequest, slug: FromPath[str], version: FromPath[int], database: NamedDependency[Database]
) -> Response[Any]:
    """One version, which stays readable when a newer one stands."""
    return await _page(request, database, slug, version)


@get("/polls/{slug:str}/protocol.json", guards=[public], include_in_schema=False)
async def send_json(request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database]) -> Response[Any]:
    """The signed file of the newest protocol."""
    return await _json(request, database, slug, None)


@get("/polls/{slug:str}/protocol/{version:int}/protocol.json", guards=[public], include_in_schema=False)
async def send_version_json(
    request: AnyRequest, slug: FromPath[str], version: FromPath[int], database: NamedDependency[Database]
) -> Response[Any]:
    """The signed file of one version."""
    return await _json(request, database, slug, version)


@get("/polls/{slug:str}/protocol.pdf", guards=[public], include_in_schema=False, opt=PAPER)
async def send_pdf(request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database]) -> Response[Any]:
    """The newest protocol on paper."""
    return await _pdf(request, database, slug, None)


@get("/polls/{slug:str}/protocol/{version:int}/protocol.pdf", guards=[public], include_in_schema=False, opt=PAPER)
async def send_version_pdf(
    request: AnyRequest, slug: FromPath[str], version: FromPath[int], database: NamedDependency[Database]
) -> Response[Any]:
    """One version on paper."""
    return await _pdf(request, database, slug, version)


@get("/polls/{slug:str}/results.pdf", guards=[public], include_in_schema=False,
     opt={"limit": "exports", "uncompressed": True, "figures": "results.pdf"})  # fmt: skip
async def send_report(
    request: AnyRequest, slug: FromPath[str], database: NamedDependency[Database], settings: NamedDependency[Settings],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The report of the results: the figures of the results page, on paper."""
    async with database.open_read_session() as session:
        poll = await poll_at(session, slug)
        context = await report_context(session, poll, now)
    made = await kept_pdf(settings.data_dir, paper(request, "protocol/report.html", context))
    return _file(request, made, PDF, _name(poll, "results", "pdf"))


# ---- parts


async def _found(session: ReadSession, slug: str, version: int | None) -> tuple[SealedPoll, Certified]:
    poll = await poll_at(session, slug)
    return poll, await certified_protocol(session, poll, version)


async def _json(request: AnyRequest, database: Database, slug: str, version: int | None) -> Response[Any]:
    async with database.open_read_session() as session:
        poll, shown = await _found(session, slug, version)
        data = await signed_protocol(session, shown)
    return _file(request, data, "application/json", _name(poll, f"protocol-{shown.version}", "json"))


async def _pdf(request: AnyRequest, database: Database, slug: str, version: int | None) -> Response[Any]:
    settings: Settings = request.app.state["settings"]
    async with database.open_read_session() as session:
        poll, shown = await _found(session, slug, version)
        require_signed(shown)
        context = {**await protocol_context(session, shown.document), "poll": poll, "shown": shown}
    made = await kept_pdf(settings.data_dir, paper(request, "protocol/paper.html", context))
    return _file(request, made, PDF, _name(poll, f"protocol-{shown.version}", "pdf"))


async def _page(request: AnyRequest, database: Database, slug: str, version: int | None) -> Response[Any]:
    async with database.open_read_session() as session:
        poll, shown = await _found(session, slug, version)
        versions = await protocols_of(session, poll.id)

    async def make() -> dict[str, Any]:
        async with database.open_read_session() as reading:
            context = await protocol_context(reading, shown.document)
        return {**context, "nav": "results", "poll": poll, "shown": shown, "versions": versions, "newest": versions[0]}

    return await framed(request, "protocol/page.html", (shown.id, shown.note, versions[0].id), make)


def _name(poll: SealedPoll, what: str, extension: str) -> str:
    return file_name(poll.closes_at, poll.definition.time_zone, poll.slug, what, extension)


def _file(request: AnyRequest, data: bytes, media_type: str, name: str) -> Response[Any]:
    """A whole file under its name, or 304 for whoever has it."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache", "content-disposition": f'attachment; filename="{name}"'}
    known = request.headers.get("if-none-match", "")
    if tag in {one.strip().removeprefix("W/") for one in known.split(",")}:
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    return Response(data, headers=headers, media_type=media_type)


handlers = [
    show_protocol, show_version, send_json, send_version_json, send_pdf, send_version_pdf, send_report,
]  # fmt: skip
