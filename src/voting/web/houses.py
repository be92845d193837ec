"""A house of a poll of owners: the sheet flat by flat, and the minutes of the meeting, as a page and as a document.

Both are for officials and for owners of the house; everybody sees the totals on the results page.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.audit import write_event
from polls.errors import NotFound, PollNotFound
from polls.register import CODE
from polls.sessions import ReadSession
from results.houses import HouseSheet, house_sheet
from voting.approvals.errors import OutOfScope
from voting.approvals.scopes import require_poll
from voting.db import Database
from voting.identity.guards import public
from voting.identity.sessions import Viewer
from voting.web.rendering import page
from voting.web.standing import poll_at

AnyRequest = Request[Any, Any, Any]


@get("/polls/{slug:str}/houses/{building:str}", guards=[public], include_in_schema=False)
async def show_sheet(
    request: AnyRequest, slug: FromPath[str], building: FromPath[str], database: NamedDependency[Database],
    visitor: NamedDependency[Viewer | None], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Every flat of a house: number, area, answer, weight."""
    sheet = await _sheet(database, slug, building, visitor, now)
    return page(request, "houses/sheet.html", nav="results", **_shown(sheet))


@get("/polls/{slug:str}/houses/{building:str}/minutes", guards=[public], include_in_schema=False)
async def show_minutes(
    request: AnyRequest, slug: FromPath[str], building: FromPath[str], database: NamedDependency[Database],
    visitor: NamedDependency[Viewer | None], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The minutes to read and to print."""
    sheet = await _sheet(database, slug, building, visitor, now)
    return page(request, "houses/minutes.html", nav="results", **_shown(sheet))


@get("/polls/{slug:str}/houses/{building:str}/minutes.html", guards=[public], include_in_schema=False)
async def send_minutes(
    request: AnyRequest, slug: FromPath[str], building: FromPath[str], database: NamedDependency[Database],
    visitor: NamedDependency[Viewer | None], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The minutes as a document of its own, which word processors open."""
    sheet = await _sheet(database, slug, building, visitor, now)
    name = f"minutes-{sheet.poll.slug}-{building}-{sheet.counted_at:%Y-%m-%d}.html"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return page(request, "houses/document.html", headers=headers, **_shown(sheet))


async def _sheet(database: Database, slug: str, building: str, visitor: Viewer | None, now: datetime) -> HouseSheet:
    if not CODE.fullmatch(building):
        raise NotFound()
    async with database.open_read_session() as session:
        poll = await poll_at(session, slug)
        official = visitor is not None and await _reaches(session, visitor, poll.public_id)
        sheet = await house_sheet(
            session, poll, building, now,
            citizen_id=visitor.citizen_id if visitor else None,
            official=official,
            signed_in=visitor is not None,
        )  # fmt: skip
    if visitor is not None and official:
        async with database.open_session_aside() as session:  # no names without the log
            await write_event(
                session, "personal_data_exported", actor=visitor.account_id, subject=f"poll:{poll.public_id}",
                facts={"what": f"house {building}"}, now=now,
            )  # fmt: skip
    return sheet


async def _reaches(session: ReadSession, visitor: Viewer, public_id: str) -> bool:
    """Whether somebody is an official of this very poll: another department's sees no house flat by flat."""
    grants = visitor.grants_of("official")
    try:
        await require_poll(session, grants, visitor.account_id, public_id)
    except (OutOfScope, PollNotFound):
        return False
    return bool(grants)


def _shown(sheet: HouseSheet) -> Mapping[str, Any]:
    return {"sheet": sheet, "poll": sheet.poll, "definition": sheet.poll.definition, "exact": Fraction}


handlers = [show_sheet, show_minutes, send_minutes]
