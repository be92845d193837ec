"""The page where an administrator gives the city a map of its own, and every fault of a file is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.response import Redirect

from polls.errors import FieldError, Invalid
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from results.city_map import MOST_CREDIT, read_map, remove_map, take_map
from results.map_files import MOST_BYTES, MOST_FAULTS, MOST_VERTICES
from voting.identity.guards import admin
from voting.identity.sessions import Viewer
from voting.web.error_pages import described
from voting.web.officials import see_other
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
FORM_BYTES: Final = 64 * 1024
"""What a form may hold beside its file."""


@get("/officials/map", guards=[admin], include_in_schema=False)
async def show_map(request: AnyRequest, session: NamedDependency[Session]) -> Response[Any]:
    """The map in use, and the form to upload another."""
    return await _page(request, session)


@post("/officials/map", guards=[admin], include_in_schema=False, status_code=200,
      request_max_body_size=MOST_BYTES + FORM_BYTES)  # fmt: skip
async def submit_map(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Take a map in, or put the one in use away."""
    sent = await request.form()
    if sent.get("remove"):
        await remove_map(session)
        return see_other("/officials/map?removed=1")
    file, credit = sent.get("file"), str(sent.get("credit", ""))[:MOST_CREDIT]
    try:
        data = await file.read(MOST_BYTES + 1) if isinstance(file, UploadFile) else b""
        if not data.strip():
            raise Invalid([FieldError("file", "no_file", "Choose a file.")])
        name = file.filename if isinstance(file, UploadFile) else ""
        await take_map(session, data, file_name=name, credit=credit, account_id=viewer.account_id, now=now)
    except Invalid as refusal:
        return await _page(request, session, refusal, credit=credit)
    return see_other("/officials/map?taken=1")


async def _page(
    request: AnyRequest, session: ReadSession, refusal: Invalid | None = None, credit: str = ""
) -> Response[Any]:
    places = await territory_tree(session)
    faults = [str(error["message"]) for error in described(request, refusal).errors] if refusal else []
    city = await read_map(session)
    kinds = city.kinds if city else {}
    drawn = {kind: [code for code in one.shapes if code in places.by_code] for kind, one in kinds.items()}
    missing = {
        kind: [place for place in places.of_kind(kind) if place.code not in codes] for kind, codes in drawn.items()
    }
    return page(
        request, "officials/map.html", status=422 if faults else 200, nav="officials", city=city, faults=faults,
        drawn=drawn, missing=missing, credit=credit, asked=request.query_params, most_faults=MOST_FAULTS,
        most_bytes=MOST_BYTES // 1024 // 1024, most_vertices=MOST_VERTICES,
    )  # fmt: skip


handlers = [show_map, submit_map]
