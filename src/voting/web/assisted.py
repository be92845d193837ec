"""Assisted voting: the operator's desk, the booth, and the page after the vote. See `voting.identity.assisted`.

The booth is a device of its own, or another browser than the operator's. After the vote its session is over, its cookie
and its cached pages are gone, and the page says nothing of the answers: the receipt is of acceptance, never of content.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from polls.casting import Cast
from polls.catalogue import Narrowing, Phase, SealedPoll, list_polls, sealed_poll
from polls.errors import Invalid, NotInRegister, TooMany
from voting.db import Session
from voting.identity.assisted import begin, desk_of, invite, look_at_code
from voting.identity.cookies import IdentityCookies
from voting.identity.guards import operator, public
from voting.identity.recognition import web_session_of
from voting.identity.refusals import BadCode
from voting.identity.sessions import Viewer, end_web_session
from voting.identity.signing_in import Desk
from voting.perimeter import network_of
from voting.web.account import CLEAR, FORM, NO_STORE, birth_date_of, see_other, with_cookies
from voting.web.error_pages import by_field, described, retry_header
from voting.web.guests import count_link, guest_page
from voting.web.receipts import receipt_code, receipt_qr
from voting.web.rendering import page
from voting.web.standing import standing_of

AnyRequest = Request[Any, Any, Any]
BOOTH_PAGE = {"private": True}
BOOTH_FORM = {**FORM, **BOOTH_PAGE}
MOST_LISTED = 100


# ---- the operator's desk


@get("/operator", guards=[operator], opt={"private": True}, include_in_schema=False)
async def show_desk(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session]
) -> Response[Any]:
    """The form that brings a resident to the desk."""
    centre = await desk_of(session, viewer.account_id)
    return page(request, "assisted/desk.html", centre=centre, code=None, problem=None, errors={}, nav="account")


@post("/operator", guards=[operator], opt={"private": True, "limit": "own"}, include_in_schema=False, status_code=200)
async def submit_desk(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Find the register entry and show the code for the booth. What was typed is never shown again."""
    form = await request.form()
    centre, code, refusal = "", None, None
    try:
        await desk.throttle.hit(("assist", f"account {viewer.account_id}"), now=now)
        async with desk.database.open_session() as session:
            centre = await desk_of(session, viewer.account_id)
            code = await invite(
                session, viewer.account_id, national_id=_text(form, "national_id")[:100],
                birth_date=_birth_date(form), document_seen=_text(form, "document_seen") == "1",
                network=_network(request, desk), secrets_of_identity=desk.identity_secrets, now=now,
            )  # fmt: skip
    except (Invalid, NotInRegister, TooMany) as error:
        refusal = error
    problem = None if refusal is None else described(request, refusal)
    return page(
        request, "assisted/desk.html", status=200 if problem is None else problem.status,
        headers={**NO_STORE, **retry_header(refusal)}, centre=centre, code=code, problem=problem,
        errors=by_field(problem), nav="account",
    )  # fmt: skip


# ---- the booth


@get("/assisted", guards=[public], opt=BOOTH_PAGE, include_in_schema=False)
async def show_booth(
    request: AnyRequest, visitor: NamedDependency[Viewer | None], session: NamedDependency[Session],
    identity_cookies: NamedDependency[IdentityCookies], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Ask for the operator's code; in an assisted session list the polls in which the resident can vote."""
    if visitor is None or visitor.assisted_centre is None:
        return guest_page(request, identity_cookies, "assisted/code.html")
    narrowing = Narrowing(citizen_id=visitor.citizen_id)
    listed = await list_polls(session, now, Phase.OPEN, narrowing, limit=MOST_LISTED)
    open_to = []
    for card in listed.cards:
        standing = await standing_of(session, await sealed_poll(session, card.slug), visitor, now)
        if standing.can_cast:
            open_to.append(card)
    return page(request, "assisted/polls.html", cards=open_to, centre=visitor.assisted_centre,
                ends_at=visitor.session_expires, headers=NO_STORE)  # fmt: skip


@post("/assisted/code", guards=[public], opt=BOOTH_FORM, include_in_schema=False, status_code=200)
async def submit_code(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Show what the resident is asked to consent to."""
    code = _text(await request.form(), "code")[:40]
    try:
        await count_link(request, desk, now)
        async with desk.database.open_session() as session:
            found = await look_at_code(session, code, network=_network(request, desk), now=now)
    except (BadCode, TooMany) as refusal:
        return guest_page(request, identity_cookies, "assisted/code.html", refusal)
    return guest_page(request, identity_cookies, "assisted/consent.html", code=code, centre=found.centre)


@post("/assisted/begin", guards=[public], opt=BOOTH_FORM, include_in_schema=False, status_code=200)
async def submit_begin(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Open the session of a resident who consents, in the place of any this browser had."""
    form = await request.form()
    code, before = _text(form, "code")[:40], web_session_of(request)
    network = _network(request, desk)
    try:
        await count_link(request, desk, now)
        async with desk.database.open_session() as session:
            centre = (await look_at_code(session, code, network=network, now=now)).centre
            token = await begin(
                session, code, consented=_text(form, "consent") == "1", network=network,
                user_agent=request.headers.get("user-agent", ""), now=now,
            )  # fmt: skip
            if before is not None:
                await end_web_session(session, before.account_id, before.token_hash)
    except Invalid as refusal:
        return guest_page(request, identity_cookies, "assisted/consent.html", refusal, code=code, centre=centre)
    except (BadCode, TooMany) as refusal:
        return guest_page(request, identity_cookies, "assisted/code.html", refusal)
    if before is not None:
        desk.web_sessions.forget([before.token_hash])
    return see_other("/assisted", identity_cookies.signed_in(token))


@post("/assisted/finish", guards=[public], opt={"limit": "own"}, include_in_schema=False, status_code=303)
async def submit_finish(request: AnyRequest) -> Response[Any]:
    """Leave the booth without a vote."""
    return see_other("/assisted", await _end(request), CLEAR)


async def leave_booth(request: AnyRequest, poll: SealedPoll, done: Cast) -> Response[Any]:
    """After the vote: the session ends, and a neutral page offers the receipt of acceptance for print."""
    cookies = await _end(request)
    state = request.scope["state"]
    state["viewer"] = state["web_session"] = None
    shown = page(
        request, "assisted/done.html", headers=CLEAR, poll=poll, definition=poll.definition, day=done.day,
        code=receipt_code(done.receipt), qr=receipt_qr(done.receipt), here=None,
    )  # fmt: skip
    return with_cookies(shown, cookies)


# ---- parts


async def _end(request: AnyRequest) -> list[Any]:
    """End an assisted session, and no other; gives the cookies that go."""
    record = web_session_of(request)
    if record is None or record.assisted_centre is None:
        return []
    desk: Desk = request.app.state["desk"]
    cookies: IdentityCookies = request.app.state["cookies"]
    async with desk.database.open_session() as session:
        await end_web_session(session, record.account_id, record.token_hash)
    desk.web_sessions.forget([record.token_hash])
    return cookies.signed_out()


def _network(request: AnyRequest, desk: Desk) -> str:
    """A keyed hash of the network: the booth's has to be the operator's."""
    return desk.throttle.tag("desk", network_of(request.scope["state"]["client_address"]))


def _birth_date(form: Any) -> date:
    return birth_date_of(_text(form, "birth_date"))


def _text(form: Any, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


handlers = [show_desk, submit_desk, show_booth, submit_code, submit_begin, submit_finish]
