"""Signing in with a passkey or by a letter's link, and the page that asks for the one-time code after a password."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from polls.errors import Busy, TooMany
from voting.form_body import form_pairs
from voting.identity.ceremonies import read_credential
from voting.identity.cookies import IdentityCookies
from voting.identity.destinations import safe_destination
from voting.identity.factor_refusals import (
    CodeRefused,
    PasskeyRefused,
    PasskeysUnavailable,
    PasskeySuspect,
    SecondStepEnded,
    SecondStepNeeded,
)
from voting.identity.guards import public
from voting.identity.mailbox import look_at_link
from voting.identity.new_devices import PURPOSE, finish_by_letter
from voting.identity.refusals import LinkWrong
from voting.identity.second_step import finish_sign_in, sign_in_with_passkey
from voting.identity.signing_in import Desk
from voting.security import read_cookie
from voting.web import account
from voting.web.guests import count_link, guest_page

AnyRequest = Request[Any, Any, Any]


@post("/sign-in/code", guards=[public], opt=account.FORM, include_in_schema=False, status_code=200)
async def submit_code(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Take the code and sign in; whatever form was carried goes on with it."""
    form = await request.form()
    target, carried = safe_destination(account.text_of(form, "next")), await carried_in(request)
    ticket = read_cookie(request.scope, identity_cookies.ticket)
    try:
        done = await finish_sign_in(desk, request, ticket, account.text_of(form, "code"), now=now)
    except (CodeRefused, TooMany, Busy) as refusal:
        return account.code_page(request, identity_cookies, target=target, carried=carried, refusal=refusal)
    except SecondStepEnded as refusal:
        shown = account.sign_in_page(request, identity_cookies, target=target, carried=carried, refusal=refusal)
        return account.with_cookies(shown, identity_cookies.no_longer_waiting())
    shown = account.signed_in_reply(request, identity_cookies, target, carried, done)
    return account.with_cookies(shown, identity_cookies.no_longer_waiting())


@post("/sign-in/passkey", guards=[public], opt=account.FORM, include_in_schema=False, status_code=200)
async def submit_passkey(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Sign in with what the browser's passkey answered."""
    form = await request.form()
    target, carried = safe_destination(account.text_of(form, "next")), await carried_in(request)
    bound_to, _ = identity_cookies.binding(request)
    try:
        credential = read_credential(account.text_of(form, "credential"))
        done = await sign_in_with_passkey(desk, request, credential, bound_to, now=now)
    except (PasskeyRefused, PasskeySuspect, PasskeysUnavailable, TooMany) as refusal:
        return account.sign_in_page(request, identity_cookies, target=target, carried=carried, refusal=refusal)
    return account.signed_in_reply(request, identity_cookies, target, carried, done)


@get("/sign-in/letter", guards=[public], opt={"private": True}, include_in_schema=False)
async def show_letter_sign_in(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Show whose link it is, with the button that signs in; looking uses nothing up."""
    token = request.query_params.get("t", "")
    await count_link(request, desk, now)
    async with desk.database.open_session() as session:
        link = await look_at_link(session, token, now=now)
    if link.purpose != PURPOSE:
        raise LinkWrong
    return guest_page(request, identity_cookies, "account/letter_sign_in.html", token=token, address=link.address,
                      here=None)  # fmt: skip


@post(
    "/sign-in/letter", guards=[public], opt={**account.FORM, "private": True}, include_in_schema=False, status_code=200
)
async def submit_letter_sign_in(
    request: AnyRequest, desk: NamedDependency[Desk], identity_cookies: NamedDependency[IdentityCookies],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Sign in on this browser, which is known from now on; an account that asks for codes is asked for one.

    Leads to the page this browser had asked for; in another browser, to the home page.
    """
    await count_link(request, desk, now)
    token = account.text_of(await request.form(), "t")
    target = identity_cookies.target_of(request)
    try:
        done = await finish_by_letter(desk, request, token, now=now)
    except SecondStepNeeded as needed:
        shown = account.code_page(request, identity_cookies, target=target, ticket=needed.ticket)
    else:
        shown = account.signed_in_reply(request, identity_cookies, target, (), done)
    return account.with_cookies(shown, identity_cookies.gone_there())


async def carried_in(request: AnyRequest) -> list[tuple[str, str]]:
    """The fields of a form that is kept through signing in."""
    pairs = await form_pairs(request)
    return [(name.removeprefix(account.CARRIED), value) for name, value in pairs if name.startswith(account.CARRIED)]


handlers = [submit_code, submit_passkey, show_letter_sign_in, submit_letter_sign_in]
