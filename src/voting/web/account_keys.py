"""Ways to sign in, in one's account: passkeys and one-time codes, each change confirmed anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import segno
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from markupsafe import Markup

from polls.errors import Invalid, NotFound, Refusal, TooMany
from voting.db import Database
from voting.identity import own_keys
from voting.identity.ceremonies import has_passkeys, read_credential, relying_party
from voting.identity.factor_refusals import (
    CodeRefused,
    CodesAlreadyOn,
    LastPasskey,
    PasskeyExists,
    PasskeyRefused,
    TooManyPasskeys,
)
from voting.identity.guards import signed_in
from voting.identity.passkeys import is_staff, list_passkeys, read_name, rename_passkey
from voting.identity.sessions import Viewer
from voting.identity.signing_in import Desk
from voting.identity.step_up import PROOF_REFUSALS, proof_of_form
from voting.identity.totp import SetUp, codes_state
from voting.web.account import see_other, text_of
from voting.web.error_pages import by_field, described, retry_header
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
PRIVATE: dict[str, Any] = {"private": True}
HERE = "/account/keys"


@get(HERE, guards=[signed_in], opt=PRIVATE, include_in_schema=False)
async def show_keys(request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk]) -> Response[Any]:
    """One's passkeys and whether codes are asked for, with the forms that change them."""
    return await _page(request, viewer, desk)


@post(f"{HERE}/add", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def add(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Keep the passkey the browser has made."""
    form = await request.form()
    try:
        name = read_name(text_of(form, "name"))
        await own_keys.add_passkey(desk, request, read_credential(text_of(form, "credential")), name, now=now)
    except (Invalid, PasskeyRefused, PasskeyExists, TooManyPasskeys) as refusal:
        return await _page(request, viewer, desk, refusal, name=text_of(form, "name")[:100])
    return see_other(f"{HERE}?done=added")


@post(f"{HERE}/rename", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def rename(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk],
    database: NamedDependency[Database],
) -> Response[Any]:  # fmt: skip
    """Give a passkey another name."""
    form = await request.form()
    try:
        async with database.open_session() as session:
            await rename_passkey(session, viewer.account_id, _number(text_of(form, "id")), text_of(form, "name"))
    except Invalid as refusal:
        return await _page(request, viewer, desk, refusal)
    return see_other(f"{HERE}?done=renamed")


@post(f"{HERE}/remove", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def remove(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Remove a passkey; every other session ends."""
    form = await request.form()
    try:
        await own_keys.remove_passkey(desk, request, _number(text_of(form, "id")), proof_of_form(form), now=now)
    except (*PROOF_REFUSALS, LastPasskey) as refusal:
        return await _page(request, viewer, desk, refusal)
    return see_other(f"{HERE}?done=removed")


# ---- one-time codes


@post("/account/codes/begin", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def begin_codes(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Draw a secret and show it: as a picture to be scanned and as text."""
    try:
        made = await own_keys.begin_codes(desk, request, proof_of_form(await request.form()), now=now)
    except (*PROOF_REFUSALS, CodesAlreadyOn) as refusal:
        return await _page(request, viewer, desk, refusal)
    return _set_up_page(request, made)


@post("/account/codes/confirm", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def confirm_codes(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Turn codes on with the first of them, and show the recovery codes, this once."""
    try:
        codes = await own_keys.confirm_codes(desk, request, text_of(await request.form(), "code"), now=now)
    except (CodeRefused, TooMany) as refusal:
        made = await own_keys.pending_codes(desk, request, now=now)
        return see_other(HERE) if made is None else _set_up_page(request, made, refusal)
    return _recovery_page(request, codes, turned_on=True)


@post("/account/codes/recovery", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def renew_recovery(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Ten new recovery codes in the place of the old."""
    try:
        proof = proof_of_form(await request.form())
        codes = await own_keys.renew_recovery_codes(desk, request, proof, now=now)
    except (*PROOF_REFUSALS, CodeRefused) as refusal:
        return await _page(request, viewer, desk, refusal)
    return _recovery_page(request, codes)


@post("/account/codes/off", guards=[signed_in], opt=PRIVATE, include_in_schema=False, status_code=200)
async def turn_off(
    request: AnyRequest, viewer: NamedDependency[Viewer], desk: NamedDependency[Desk], now: NamedDependency[datetime]
) -> Response[Any]:
    """Ask for no codes any more."""
    try:
        await own_keys.turn_codes_off(desk, request, proof_of_form(await request.form()), now=now)
    except PROOF_REFUSALS as refusal:
        return await _page(request, viewer, desk, refusal)
    return see_other(f"{HERE}?done=codes_off")


# ---- pages


async def _page(
    request: AnyRequest, viewer: Viewer, desk: Desk, refusal: Refusal | None = None, *, name: str = ""
) -> Response[Any]:
    account_id, settings = viewer.account_id, desk.settings
    async with desk.database.open_session() as session:  # the primary: what has just been made must be in the list
        listed = await list_passkeys(session, account_id)
        codes = await codes_state(session, account_id)
        asked = {
            purpose: await own_keys.ask_for(session, desk, account_id, purpose)
            for purpose in ("passkey_add", *(("codes_off", "recovery_codes") if codes.on else ("codes_on",)))
        }
        removing = {
            one.id: await own_keys.ask_for(session, desk, account_id, "passkey_remove", one.id) for one in listed
        }
    problem = None if refusal is None else described(request, refusal)
    staff = is_staff(viewer.roles)
    needed = staff and settings.staff_step_up == "passkey"
    return page(
        request, "account/keys.html", status=200 if problem is None else problem.status,
        headers=retry_header(refusal), passkeys=listed, codes=codes, asked=asked, removing=removing, problem=problem,
        errors=by_field(problem), name=name, done=request.query_params.get("done"), staff=staff, needed=needed,
        keeps_last=needed and len(listed) == 1, available=has_passkeys(settings), elsewhere=_elsewhere(request, desk),
    )  # fmt: skip


def _elsewhere(request: AnyRequest, desk: Desk) -> str | None:
    """Where passkeys work, if it is not the address this page was asked for under."""
    if not has_passkeys(desk.settings):
        return None
    party = relying_party(desk.settings)
    host = request.headers.get("host", "").lower()
    return None if party.origin.endswith(f"//{host}") else f"{party.origin}{HERE}"


def _set_up_page(request: AnyRequest, made: SetUp, refusal: Refusal | None = None) -> Response[Any]:
    problem = None if refusal is None else described(request, refusal)
    return page(
        request, "account/codes.html", status=200 if problem is None else problem.status,
        headers=retry_header(refusal), secret=made.secret, picture=_picture(made.address), problem=problem, codes=None,
    )  # fmt: skip


def _recovery_page(request: AnyRequest, codes: list[str], *, turned_on: bool = False) -> Response[Any]:
    return page(request, "account/codes.html", codes=codes, turned_on=turned_on)


def _picture(address: str) -> Markup:
    """A QR code as SVG within the page, dark on light whatever the theme is. The address is ours, and escaped."""
    drawn = segno.make(address, error="m", micro=False)
    text = drawn.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None)
    return Markup(text)  # noqa: S704 -- made of squares by the library; nothing of a reader's is in it


def _number(text: str) -> int:
    """A passkey's id out of a form. Raises NotFound."""
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise NotFound
    return int(text)


handlers = [show_keys, add, rename, remove, begin_codes, confirm_codes, renew_recovery, turn_off]
