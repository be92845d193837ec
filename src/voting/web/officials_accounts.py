"""Accounts and roles, for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.errors import AccountExists, FieldError, Invalid, Refusal
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from voting.approvals.actions import Action
from voting.approvals.errors import (
    ApprovalWaiting,
    InvitationWaits,
    LastAdmin,
    NotOnYourself,
    OutOfScope,
    RoleBeforeInvitation,
)
from voting.approvals.proofs import hand_of
from voting.approvals.queue import requests_about
from voting.identity.guards import admin
from voting.identity.sessions import Viewer
from voting.identity.staff import (
    DISABLE,
    PAGE,
    disable_account,
    disabling_hash,
    find_members,
    invite,
    make_staff_account,
    member_of,
)
from voting.identity.step_up import ask, proof_of_form
from voting.settings import Settings
from voting.web.asking import AGAIN, gate_of
from voting.web.error_pages import described
from voting.web.officials import see_other
from voting.web.rendering import page
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]
STAFF_ROLES = ("official", "reviewer", "analyst", "observer", "operator", "admin")


@get("/officials/accounts", guards=[admin], include_in_schema=False)
async def show_accounts(request: AnyRequest, session: NamedDependency[Session]) -> Response[Any]:
    """Staff, or whoever is looked for."""
    return await _list_page(request, session)


@post("/officials/accounts", guards=[admin], include_in_schema=False, status_code=200)
async def make_account(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Make a staff account and send its invitation, or show it once where no letter can be sent."""
    form = await request.form()
    typed = _typed(form, "email", "display_name", "department")
    try:
        made, code = await make_staff_account(
            session, **typed, by=viewer.account_id, by_letter=_by_letter(request), now=now
        )
    except Invalid as refusal:
        return await _list_page(request, session, typed=typed, errors=refusal.errors)
    except AccountExists as refusal:
        errors = (FieldError("email", refusal.code, refusal.detail),)
        return await _list_page(request, session, typed=typed, errors=errors)
    if code is None:
        return see_other(f"/officials/accounts/{made}?done=invited")
    return await _account_page(request, session, viewer, made, now, code=code)


@get("/officials/accounts/{number:int}", guards=[admin], include_in_schema=False)
async def show_account(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """One account: its roles, what waits about it, what can be done."""
    return await _account_page(request, session, viewer, number, now)


@post("/officials/accounts/{number:int}/invite", guards=[admin], include_in_schema=False, status_code=200)
async def invite_again(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """A new code for an account that nobody has entered and that holds no role; the earlier one is good no more."""
    await member_of(session, number)
    try:
        code = await invite(session, number, by=viewer.account_id, by_letter=_by_letter(request), now=now)
    except RoleBeforeInvitation as refusal:
        return await _account_page(request, session, viewer, number, now, refused=refusal)
    if code is None:
        return see_other(f"/officials/accounts/{number}?done=invited")
    return await _account_page(request, session, viewer, number, now, code=code)


@post("/officials/accounts/{number:int}/disable", guards=[admin], include_in_schema=False, status_code=200)
async def disable(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Let nobody in by this account any more, at once: a fresh proof is all it takes."""
    form, settings = await request.form(), request.app.state["settings"]
    try:
        hand = hand_of(request, viewer.account_id, settings, proof_of_form(form))
        ended = await disable_account(session, hand, number, now, fresh=settings.four_eyes)
    except (NotOnYourself, LastAdmin, OutOfScope, *AGAIN) as refusal:
        return await _account_page(request, session, viewer, number, now, refused=refusal)
    request.app.state["desk"].web_sessions.forget(ended)
    return see_other(f"/officials/accounts/{number}?done=disabled")


@post("/officials/accounts/{number:int}/enable", guards=[admin], include_in_schema=False, status_code=200)
async def enable(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Ask for this account to be let in again, with the roles it has: another administrator has to agree."""
    form = await request.form()
    await member_of(session, number)
    try:
        asked = await gate_of(request, session, viewer, now, form)(Action.ENABLE_ACCOUNT, str(number), {})
    except Invalid as refusal:
        return await _account_page(request, session, viewer, number, now, errors=refusal.errors)
    except (NotOnYourself, ApprovalWaiting) as refusal:
        return await _account_page(request, session, viewer, number, now, refused=refusal)
    if asked is not None:
        return asked.reply
    return see_other(f"/officials/accounts/{number}?done=enabled")


@post("/officials/accounts/{number:int}/roles", guards=[admin], include_in_schema=False, status_code=200)
async def change_role(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Ask for a role to be given or taken away: another administrator has to agree."""
    form = await request.form()
    typed = _typed(form, "role", "department", "territory")
    action = Action.REVOKE_ROLE if form.get("change") == "revoke" else Action.GRANT_ROLE
    told = {name: value or None for name, value in typed.items()}
    await member_of(session, number)
    try:
        asked = await gate_of(request, session, viewer, now, form)(action, str(number), told)
    except Invalid as refusal:
        return await _account_page(request, session, viewer, number, now, errors=refusal.errors, typed=typed)
    except (NotOnYourself, LastAdmin, ApprovalWaiting, InvitationWaits) as refusal:
        return await _account_page(request, session, viewer, number, now, refused=refusal)
    if asked is not None:
        return asked.reply
    request.app.state["desk"].web_sessions.forget_account(number)
    return see_other(f"/officials/accounts/{number}?done=role")


# ---- parts


def _by_letter(request: AnyRequest) -> bool:
    """Whether invitations go out by letter. The demo's letters stand on a page for everybody: there they do not."""
    settings: Settings = request.app.state["settings"]
    return settings.smtp_url is not None


def _typed(form: Any, *names: str) -> dict[str, str]:
    return {name: str(form.get(name) or "").replace("\0", "").strip()[:1_000] for name in names}


def _by_field(request: AnyRequest, errors: tuple[FieldError, ...]) -> dict[str, str]:
    return {str(error["path"]): str(error["message"]) for error in described(request, Invalid(errors)).errors}


async def _list_page(
    request: AnyRequest, session: ReadSession, *, typed: dict[str, str] | None = None,
    errors: tuple[FieldError, ...] = (),
) -> Response[Any]:  # fmt: skip
    words = request.query_params.get("q", "").replace("\0", "").strip()[:100]
    number = max(1, min(hidden_number(request.query_params.get("page", ""), 1), 10_000))
    rows, more = await find_members(session, words, offset=(number - 1) * PAGE)
    return page(
        request, "approvals/accounts.html", status=422 if errors else 200, nav="officials", rows=rows, more=more,
        number=number, words=words, places=(await territory_tree(session)).by_id, typed=typed or {},
        errors=_by_field(request, errors),
    )  # fmt: skip


async def _account_page(
    request: AnyRequest, session: Session, viewer: Viewer, number: int, now: datetime, *, code: str = "",
    refused: Refusal | None = None, errors: tuple[FieldError, ...] = (), typed: dict[str, str] | None = None,
) -> Response[Any]:  # fmt: skip
    member = await member_of(session, number)
    settings: Settings = request.app.state["settings"]
    told = described(request, refused) if refused else None
    tree = await territory_tree(session)
    step_up = None
    if settings.four_eyes and member.disabled_at is None and number != viewer.account_id:
        step_up = await ask(
            session, viewer.account_id, purpose=DISABLE, object_hash=disabling_hash(number), settings=settings
        )
    return page(
        request, "approvals/account.html", status=told.status if told else 422 if errors else 200, nav="officials",
        member=member, own=number == viewer.account_id, code=code, refused=told, typed=typed or {},
        errors=_by_field(request, errors), done=request.query_params.get("done", ""), places=tree.by_id,
        territories=[*tree.of_kind("okrug"), *tree.of_kind("district")], roles=STAFF_ROLES,
        four_eyes=settings.four_eyes, step_up=step_up,
        requests=await requests_about(session, "account", str(number), now),
    )  # fmt: skip


handlers = [show_accounts, make_account, show_account, invite_again, disable, enable, change_role]
