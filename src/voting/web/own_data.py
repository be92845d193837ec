"""«My data»: what is kept about the reader, as files; and the erasure of the account."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from polls.audit import write_event
from polls.errors import BadCredentials, Busy, TooMany
from voting.erasure import ask_erasure, cancel_erasure, erasure_due
from voting.identity.accounts import has_password
from voting.identity.city_sign_on.errors import SignOnAgain
from voting.identity.city_sign_on.own_logins import check_owner
from voting.identity.guards import signed_in
from voting.identity.refusals import StaffAccount
from voting.identity.sessions import Viewer
from voting.identity.signing_in import Desk
from voting.own_data import as_json, as_zip, collect
from voting.web.account import NO_STORE, see_other
from voting.web.error_pages import described, retry_header
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
PRIVATE = {"private": True, "limit": "own", "uncompressed": True}


@get("/account/data", guards=[signed_in], opt={"private": True}, include_in_schema=False)
async def show_data(request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk]) -> Response[Any]:
    """What can be taken away, and what erasing does."""
    return await _data_page(request, viewer, desk)


@get("/account/data.json", guards=[signed_in], opt=PRIVATE, include_in_schema=False)
async def send_json(
    viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[bytes]:
    """All of it as one JSON file."""
    data = await _collected(viewer, desk, "json", now)
    return _file(as_json(data), "application/json", "my-data.json")


@get("/account/data.zip", guards=[signed_in], opt=PRIVATE, include_in_schema=False)
async def send_zip(
    viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[bytes]:
    """The same as an archive, a file a section."""
    data = await _collected(viewer, desk, "zip", now)
    return _file(await asyncio.to_thread(as_zip, data), "application/zip", "my-data.zip")


@post("/account/erase", guards=[signed_in], opt={"private": True}, include_in_schema=False, status_code=200)
async def submit_erase(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Ask for the account to be erased; the password is asked for once more."""
    value = (await request.form()).get("password")
    try:
        await check_owner(desk, request, value if isinstance(value, str) else "", now=now)
        async with desk.database.open_session() as session:
            await ask_erasure(session, viewer.account_id, desk.settings, now=now)
    except (BadCredentials, SignOnAgain, StaffAccount, TooMany, Busy) as refusal:
        return await _data_page(request, viewer, desk, refusal)
    return see_other("/account/data?done=asked")


@post("/account/erase/cancel", guards=[signed_in], include_in_schema=False, status_code=303)
async def submit_cancel(
    viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Think better of it."""
    async with desk.database.open_session() as session:
        await cancel_erasure(session, viewer.account_id, now=now)
    return see_other("/account/data?done=cancelled")


async def _collected(viewer: Viewer, desk: Desk, form: str, now: datetime) -> dict[str, Any]:
    await desk.throttle.hit(("own_data", f"account {viewer.account_id}"), now=now)
    async with desk.database.open_session() as session:
        await write_event(session, "own_data_given", actor=viewer.account_id, subject=f"account:{viewer.account_id}",
                          facts={"form": form}, now=now)  # fmt: skip
        return await collect(session, viewer.account_id, now=now)


def _file(body: bytes, media_type: str, name: str) -> Response[bytes]:
    headers = {**NO_STORE, "content-disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=media_type, headers=headers)


async def _data_page(request: AnyRequest, viewer: Viewer, desk: Desk, refusal: Any = None) -> Response[Any]:
    async with desk.database.open_session() as session:
        due = await erasure_due(session, viewer.account_id)
        by_password = await has_password(session, viewer.account_id)
    problem = None if refusal is None else described(request, refusal)
    wrong = isinstance(refusal, BadCredentials)
    return page(
        request, "account/data.html", status=200 if problem is None else 422 if wrong else problem.status,
        headers={**NO_STORE, **retry_header(refusal)}, due=due, problem=problem, wrong=wrong,
        by_password=by_password,
        wait=desk.settings.erasure_wait.days, done=request.query_params.get("done"),
    )  # fmt: skip


handlers = [show_data, send_json, send_zip, submit_erase, submit_cancel]
