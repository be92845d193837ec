"""Pages of the city's sign-on: there and back, what a resident reads when it did not work, ways into one's account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.errors import AccountExists, Busy, Invalid, NotAllowed, Refusal, TooMany
from voting.form_body import form_pairs
from voting.identity.city_sign_on.arriving import Again, CitySignOn, come_back, set_out
from voting.identity.city_sign_on.errors import (
    AccountClosed,
    CaseStands,
    SignOnAgain,
    SignOnDeclined,
    SignOnLevelTooLow,
    SignOnNotFresh,
    SignOnRefused,
    SignOnUnavailable,
)
from voting.identity.city_sign_on.own_logins import Ways, add_password, remove_password, ways_of
from voting.identity.city_sign_on.trips import COOKIE
from voting.identity.cookies import IdentityCookies
from voting.identity.destinations import safe_destination
from voting.identity.guards import public, signed_in
from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.identity.signing_in import Desk
from voting.security import came_from_here, cookie_name, make_cookie, read_cookie
from voting.web.account import CARRIED, NO_STORE, city_sign_on_of, first_told, render_sign_in_carrying, see_other
from voting.web.error_pages import by_field, described, retry_header
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]

TRIP: Mapping[str, Any] = {"limit": "own", "private": True}
LONGEST_QUERY = 16_384
TOLD = (
    AccountClosed, CaseStands, SignOnDeclined, SignOnLevelTooLow, SignOnNotFresh, SignOnRefused, SignOnUnavailable,
    TooMany, Busy,
)  # fmt: skip


@get("/sign-in/city/{provider:str}", guards=[public], opt=TRIP, include_in_schema=False)
async def leave_for_provider(
    request: AnyRequest, provider: FromPath[str], desk: NamedDependency[Desk], sign_on: NamedDependency[CitySignOn],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Send the browser to the provider. Whoever is signed in goes there only from a page of ours."""
    target = safe_destination(request.query_params.get("next"))
    sign_on.line(provider)
    if viewer_of(request) is not None and came_from_here(request, desk.settings) is not True:
        return see_other(target)
    return await _leave(request, desk, sign_on, provider, target, None, now)


@get("/sign-in/city/{provider:str}/callback", guards=[public], opt=TRIP, include_in_schema=False)
async def return_from_provider(
    request: AnyRequest, provider: FromPath[str], desk: NamedDependency[Desk], sign_on: NamedDependency[CitySignOn],
    identity_cookies: NamedDependency[IdentityCookies], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Sign in whom the provider vouches for; else say what happened and what to do."""
    sign_on.line(provider)
    try:
        arrived = await come_back(desk, sign_on, request, provider, _said(request), _browser(request, desk), now)
        if isinstance(arrived, Again):
            return await _leave(request, desk, sign_on, provider, arrived.target, arrived.max_age, now)
    except TOLD as refusal:
        return _told(request, refusal)
    # The visitor's cookie stays: a form that waits in another tab is bound to it.
    done = arrived.signed_in
    given = identity_cookies.signed_in(done.token, done.device)
    cookies = [one for one in given if one.key != identity_cookies.visitor]
    target = f"/account/ways?next={quote(arrived.target, safe='/')}" if arrived.joined else arrived.target
    return see_other(target if arrived.joined else first_told(target, done), cookies)


@post("/sign-in/city/go-on", guards=[public], opt={"csrf": "visitor", "limit": "own"}, include_in_schema=False,
      status_code=200)  # fmt: skip
async def go_on(request: AnyRequest) -> Response[Any]:
    """Send on a form that waited here while its owner signed in through the provider in another tab."""
    form = await form_pairs(request)
    target = safe_destination(next((value for name, value in form if name == "next"), None))
    carried = [(name.removeprefix(CARRIED), value) for name, value in form if name.startswith(CARRIED)]
    if (viewer := viewer_of(request)) is None:
        return render_sign_in_carrying(request, carried, target)
    return page(request, "account/go_on.html", headers=NO_STORE, target=target, carried=carried,
                csrf_token=viewer.csrf_token)  # fmt: skip


# ---- ways into one's account


@get("/account/ways", guards=[signed_in], include_in_schema=False)
async def show_ways(request: AnyRequest, desk: NamedDependency[Desk], now: NamedDependency[datetime]) -> Response[Any]:
    """Show how one's account may be signed in to."""
    return await _ways_page(request, desk, now)


@post("/account/ways/password", guards=[signed_in], include_in_schema=False, status_code=200)
async def submit_password(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Add a login and a password to an account that has none."""
    form = await request.form()
    try:
        device = await add_password(desk, request, str(form.get("login", "")), str(form.get("password", "")), now=now)
    except (Invalid, AccountExists, SignOnAgain, NotAllowed, TooMany, Busy) as refusal:
        return await _ways_page(request, desk, now, refusal, str(form.get("login", "")))
    return see_other("/account/ways?done=added", [identity_cookies.known_device(device)])


@post("/account/ways/remove", guards=[signed_in], include_in_schema=False, status_code=200)
async def submit_removal(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Throw a login out that is not one's own."""
    try:
        await remove_password(desk, request, now=now)
    except (SignOnAgain, NotAllowed) as refusal:
        return await _ways_page(request, desk, now, refusal)
    return see_other("/account/ways?done=removed")


# ---- parts


async def _leave(
    request: AnyRequest, desk: Desk, sign_on: CitySignOn, provider: str, target: str, max_age: int | None,
    now: datetime,
) -> Response[Any]:  # fmt: skip
    try:
        left = await set_out(
            desk, sign_on, request, provider, target, browser=_browser(request, desk), max_age=max_age, now=now
        )
    except TOLD as refusal:
        return _told(request, refusal)
    headers = {**NO_STORE, "location": left.address}
    cookie = make_cookie(COOKIE, left.browser, secure=desk.settings.secure_cookies)
    cookie.max_age = 600
    return Response(b"", status_code=303, headers=headers, cookies=[cookie])


def _browser(request: AnyRequest, desk: Desk) -> str | None:
    return read_cookie(request.scope, cookie_name(COOKIE, secure=desk.settings.secure_cookies))


def _said(request: AnyRequest) -> Mapping[str, str]:
    """The parameters of the address, each once (RFC 6749 §3.1); nothing of one that says something twice."""
    if len(request.scope["query_string"]) > LONGEST_QUERY:
        return {}
    pairs = list(request.query_params.multi_items())
    return dict(pairs) if len({name for name, _ in pairs}) == len(pairs) else {}


def _told(request: AnyRequest, refusal: Refusal) -> Response[Any]:
    problem = described(request, refusal)
    facts = refusal.facts if isinstance(refusal, CaseStands) else None
    return page(
        request, "account/sign_on.html", status=problem.status, headers={**NO_STORE, **retry_header(refusal)},
        problem=problem, case=facts, csrf_token="",
        here=None,  # the address of this page holds a code: no link repeats it
    )  # fmt: skip


async def _ways_page(
    request: AnyRequest, desk: Desk, now: datetime, refusal: Refusal | None = None, login: str = ""
) -> Response[Any]:
    async with desk.database.open_session() as session:
        ways: Ways = await ways_of(session, request, now)
    problem = None if refusal is None else described(request, refusal)
    titles = {one["name"]: one for one in city_sign_on_of(request)}
    return page(
        request, "account/ways.html", status=200 if problem is None else problem.status,
        headers={**NO_STORE, **retry_header(refusal)}, ways=ways, titles=titles, problem=problem,
        errors=by_field(problem), login=login, done=request.query_params.get("done"),
        target=safe_destination(request.query_params.get("next"), ""),
    )  # fmt: skip


handlers = [leave_for_provider, return_from_provider, go_on, show_ways, submit_password, submit_removal]
