"""Pages of letters: a new password, links that confirm an e-mail, and the letters of the demonstration.

A link shows a page with a button and does nothing by itself: programs that read mail follow links before people do.
Asking for a letter is answered alike whether there is such an account or not.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from polls.errors import BadCredentials, Busy, Invalid, NotFound, Refusal, TooMany
from voting.db import ReadSession
from voting.identity.accounts import has_password, normal_email
from voting.identity.city_sign_on.errors import SignOnAgain
from voting.identity.city_sign_on.own_logins import check_owner
from voting.identity.cookies import IdentityCookies
from voting.identity.guards import public, signed_in
from voting.identity.mailbox import (
    ask_to_change,
    ask_to_reset,
    ask_to_verify,
    confirm,
    look_at_link,
    reset_password,
)
from voting.identity.refusals import LinkWrong, MailOff
from voting.identity.sessions import Viewer
from voting.identity.signing_in import Desk
from voting.mail import letters_shown, mail_is_on
from voting.perimeter import network_of
from voting.settings import Settings
from voting.web.account import FORM, NO_STORE, see_other
from voting.web.error_pages import by_field, described, retry_header
from voting.web.guests import count_link, guest_page
from voting.web.i18n import language_of
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
LINK_PAGE = {"private": True}
LINK_FORM = {**FORM, **LINK_PAGE}


@get("/forgot", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_forgot(request: AnyRequest, identity_cookies: NamedDependency[IdentityCookies]) -> Response[Any]:
    """Ask for the e-mail to send a link to."""
    return guest_page(request, identity_cookies, "account/forgot.html", asked=False, login="")


@post("/forgot", guards=[public], opt=FORM, include_in_schema=False, status_code=200)
async def submit_forgot(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Send the letter, if there is such an account; the answer does not say.

    Over the limit of one address nothing more is sent and nothing is said: a link sent within its half hour still
    works, so nobody is kept out by a stranger who asks in their place.
    """
    text = _text(await request.form(), "login")
    try:
        if not mail_is_on(desk.settings):
            raise MailOff
        email = normal_email(text)
        network = network_of(request.scope["state"]["client_address"])
        await desk.throttle.hit(("letters_network", network), now=now)
        [wait] = await desk.throttle.waits(("letters", email), now=now)
        if not wait:
            async with desk.database.open_session() as session:
                await ask_to_reset(session, email, language_of(request), now=now)
    except (Invalid, MailOff, TooMany) as refusal:
        return guest_page(request, identity_cookies, "account/forgot.html", refusal, asked=False, login=text)
    return guest_page(request, identity_cookies, "account/forgot.html", asked=True, login="")


@get("/reset", guards=[public], opt=LINK_PAGE, include_in_schema=False)
async def show_reset(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Ask for the new password, if the link is good."""
    token = request.query_params.get("t", "")
    await _look(request, desk, token, ("reset",), now)
    return guest_page(request, identity_cookies, "account/reset.html", token=token, here=None)


@post("/reset", guards=[public], opt=LINK_FORM, include_in_schema=False, status_code=200)
async def submit_reset(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Set the new password, end every session, and lead to the sign-in page. Signs nobody in."""
    form = await request.form()
    token, password = _text(form, "t"), _text(form, "new_password")
    link = await _look(request, desk, token, ("reset",), now)
    try:
        faults = desk.password_faults(password, logins=(link.address,), field="new_password")
        if faults:
            raise Invalid(faults)
        hashed = await desk.passwords.hash(password)
        async with desk.database.open_session() as session:
            account_id, ended = await reset_password(session, token, hashed, now=now)
    except (Invalid, Busy) as refusal:
        return guest_page(request, identity_cookies, "account/reset.html", refusal, token=token, here=None)
    desk.web_sessions.forget(ended)
    # Whoever reads the mailbox is no stranger: signing in from here is not held up by what strangers try.
    known = identity_cookies.known_device(desk.devices.issue(account_id, hashed))
    return see_other("/sign-in", [known])


@get("/confirm", guards=[public], opt=LINK_PAGE, include_in_schema=False)
async def show_confirm(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Show what the link confirms, with the button that does it."""
    token = request.query_params.get("t", "")
    link = await _look(request, desk, token, ("verify", "email_old", "email_new"), now)
    return guest_page(request, identity_cookies, "account/confirm.html", token=token, purpose=link.purpose, done=None,
                 address=link.address, here=None)  # fmt: skip


@post("/confirm", guards=[public], opt=LINK_FORM, include_in_schema=False, status_code=200)
async def submit_confirm(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Confirm it."""
    token = _text(await request.form(), "t")
    await count_link(request, desk, now)
    async with desk.database.open_session() as session:
        done = await confirm(session, token, now=now)
    return guest_page(request, identity_cookies, "account/confirm.html", token="", purpose="", done=done, address="")


@post("/account/email/verify", guards=[signed_in], include_in_schema=False, status_code=303)
async def submit_verify(
    viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Send the letter that asks to confirm the e-mail once more."""
    if not mail_is_on(desk.settings):
        raise MailOff
    await desk.throttle.hit(("letters", f"account {viewer.account_id}"), now=now)
    async with desk.database.open_session() as session:
        await ask_to_verify(session, viewer.account_id, now=now)
    return see_other("/account?done=letter")


@get("/account/email", guards=[signed_in], include_in_schema=False)
async def show_email(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk]
) -> Response[Any]:
    """The form that changes the e-mail."""
    return await _email_page(request, viewer, desk)


@post("/account/email", guards=[signed_in], include_in_schema=False, status_code=200)
async def submit_email(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Ask both addresses to confirm a new e-mail; the password is asked for once more."""
    form = await request.form()
    text = _text(form, "email")
    try:
        if not mail_is_on(desk.settings):
            raise MailOff
        email = normal_email(text)
        await desk.throttle.hit(("letters", f"account {viewer.account_id}"), now=now)
        await check_owner(desk, request, _text(form, "password"), now=now)
        async with desk.database.open_session() as session:
            await ask_to_change(session, viewer.account_id, email, now=now)
    except (BadCredentials, SignOnAgain, Invalid, MailOff, TooMany, Busy) as refusal:
        return await _email_page(request, viewer, desk, refusal, text)
    return see_other("/account?done=letter")


@get("/demo/letters", guards=[public], include_in_schema=False)
async def show_letters(
    request: AnyRequest, settings: NamedDependency[Settings], session: NamedDependency[ReadSession]
) -> Response[Any]:
    """The letters the demo would have sent. Nowhere else is there such a page."""
    if not settings.demo:
        raise NotFound
    return page(request, "account/letters.html", letters=await letters_shown(session))


# ---- parts


async def _email_page(
    request: AnyRequest, viewer: Viewer, desk: Desk, refusal: Refusal | None = None, email: str = ""
) -> Response[Any]:
    async with desk.database.open_session() as session:
        by_password = await has_password(session, viewer.account_id)
    problem = None if refusal is None else described(request, refusal)
    wrong = isinstance(refusal, BadCredentials)
    return page(
        request, "account/email.html", status=200 if problem is None else 422 if wrong else problem.status,
        headers={**NO_STORE, **retry_header(refusal)}, problem=problem, errors=by_field(problem), email=email,
        wrong=wrong, on=mail_is_on(desk.settings), by_password=by_password,
    )  # fmt: skip


async def _look(request: AnyRequest, desk: Desk, token: str, purposes: tuple[str, ...], now: datetime) -> Any:
    await count_link(request, desk, now)
    async with desk.database.open_session() as session:
        link = await look_at_link(session, token, now=now)
    if link.purpose not in purposes:
        raise LinkWrong
    return link


def _text(form: Any, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


handlers = [
    show_forgot, submit_forgot, show_reset, submit_reset, show_confirm, submit_confirm, submit_verify, show_email,
    submit_email, show_letters,
]  # fmt: skip
