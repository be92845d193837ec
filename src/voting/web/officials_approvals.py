"""«Waits for your consent»: the list, one request with all there is to read, and the answer to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.authoring import check_draft
from polls.catalogue import cast_counts
from polls.comparison import compare
from polls.definition import Definition
from polls.desk import register_groups
from polls.errors import EditConflict, FieldError, Invalid, NotReady, Refusal, RevisionNotFound, WrongState
from polls.register import territory_tree
from polls.revisions import load_revision
from polls.sessions import ReadSession, Session
from voting.approvals import requests
from voting.approvals.actions import Action, State
from voting.approvals.errors import ApprovalOver, ApprovalOwn, ApprovalStale, ApprovalUnseen, LastAdmin, OutOfScope
from voting.approvals.proofs import hand_of
from voting.approvals.queue import (
    Reader,
    counts_for,
    earlier_revision,
    may_answer,
    poll_number,
    request_seen_by,
    requests_for,
    titles_of,
)
from voting.approvals.requests import agree, decline, withdraw
from voting.identity.guards import admin, any_of
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.identity.step_up import ask, proof_of_form
from voting.key_files import PURPOSES
from voting.settings import Settings
from voting.web.asking import AGAIN, gate_of
from voting.web.error_pages import described
from voting.web.form_filling import form_of
from voting.web.forms import definition_of
from voting.web.i18n import language_of
from voting.web.officials import see_other
from voting.web.officials_form import preview_of
from voting.web.officials_revisions import diff_rows
from voting.web.officials_words import finding_line
from voting.web.rendering import page, translate_for
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]
PILES = ("waiting", "own", "past")
PAGE = 20
readers = any_of("official", "reviewer", "admin")
SHOWN_AGAIN = (
    ApprovalOver, ApprovalStale, ApprovalUnseen, ApprovalOwn, OutOfScope, NotReady, WrongState, EditConflict, LastAdmin,
    *AGAIN,
)  # fmt: skip


def reader_of(viewer: Viewer) -> Reader:
    """Who looks at the queue."""
    return Reader(viewer.account_id, viewer.grants)


@get("/officials/approvals", guards=[readers], include_in_schema=False)
async def show_queue(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """What waits for this reader, their own requests, or what was answered."""
    asked = request.query_params.get("show", "")
    pile = asked if asked in PILES else "waiting"
    number = max(1, min(hidden_number(request.query_params.get("page", ""), 1), 10_000))
    reader = reader_of(viewer)
    rows, more = await requests_for(session, reader, now, pile=pile, offset=(number - 1) * PAGE)
    people = [row.author_id for row in rows] + [row.decided_by for row in rows if row.decided_by]
    return page(
        request, "approvals/list.html", nav="officials", pile=pile, rows=rows, more=more, number=number,
        counts=await counts_for(session, reader), names=await names_of(session, people),
        titles=await titles_of(session, rows, language_of(request)), purposes=PURPOSES,
    )  # fmt: skip


@get("/officials/approvals/{number:int}", guards=[readers], include_in_schema=False)
async def show_request(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """One request with what there is to read before an answer."""
    return await _page(request, session, viewer, number, now)


@post("/officials/approvals/{number:int}/agree", guards=[any_of("reviewer", "admin")], include_in_schema=False,
      status_code=200)  # fmt: skip
async def submit_consent(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], settings: NamedDependency[Settings],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Agree to the very object the page showed; the action is carried out with it."""
    form = await request.form()
    await request_seen_by(session, reader_of(viewer), number, now)
    refused: Refusal
    try:
        hand = hand_of(request, viewer.account_id, settings, proof_of_form(form))
        seen = _hash(str(form.get("seen") or ""))
        async with session.begin_nested():  # a refusal leaves nothing behind, and the page can still be read
            decided = await agree(session, hand, number, seen, now)
    except SHOWN_AGAIN as refusal:
        refused = refusal
    else:
        if decided.state is State.APPROVED:
            request.app.state["desk"].web_sessions.forget_account(_number(decided))
            return see_other(f"/officials/approvals/{number}?done=agreed")
        stale = decided.state is State.VOID
        refused = ApprovalStale(approval=number) if stale else ApprovalOver(state=decided.state.value)
    return await _page(request, session, viewer, number, now, refused=refused)


@post("/officials/approvals/{number:int}/decline", guards=[any_of("reviewer", "admin")], include_in_schema=False,
      status_code=200)  # fmt: skip
async def submit_refusal(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Say no, with a reason."""
    note = str((await request.form()).get("note") or "").replace("\r\n", "\n").replace("\0", "")
    await request_seen_by(session, reader_of(viewer), number, now)
    try:
        await decline(session, viewer.account_id, number, note, now)
    except Invalid as refusal:
        return await _page(request, session, viewer, number, now, errors=refusal.errors, note=note)
    except (ApprovalOver, ApprovalOwn, OutOfScope) as refusal:
        return await _page(request, session, viewer, number, now, refused=refusal)
    return see_other(f"/officials/approvals/{number}?done=declined")


@post("/officials/approvals/{number:int}/withdraw", guards=[readers], include_in_schema=False, status_code=200)
async def submit_withdrawal(
    request: AnyRequest, number: FromPath[int], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Take one's own request back."""
    await request_seen_by(session, reader_of(viewer), number, now)
    try:
        await withdraw(session, viewer.account_id, number, now)
    except (ApprovalOver, OutOfScope) as refusal:
        return await _page(request, session, viewer, number, now, refused=refusal)
    return see_other(f"/officials/approvals/{number}?done=withdrawn")


@post("/officials/approvals/keys", guards=[admin], include_in_schema=False, status_code=200)
async def ask_for_keys(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """An administrator asks for a change of keys; the change itself is made where the keys are."""
    form = await request.form()
    told = {"because": str(form.get("because") or "")}
    asked = await gate_of(request, session, viewer, now, form)(
        Action.CHANGE_KEYS, str(form.get("purpose") or "").replace("\0", "")[:40], told
    )
    return see_other("/officials/approvals") if asked is None else asked.reply


# ---- parts


def _hash(typed: str) -> bytes:
    try:
        return bytes.fromhex(typed)
    except ValueError:
        return b""


def _number(request: requests.Request) -> int:
    return int(request.ref) if request.kind == "account" else 0


async def _page(
    request: AnyRequest, session: Session, viewer: Viewer, number: int, now: datetime, *,
    refused: Refusal | None = None, errors: tuple[FieldError, ...] = (), note: str = "",
) -> Response[Any]:  # fmt: skip
    reader = reader_of(viewer)
    one = await request_seen_by(session, reader, number, now)
    told = described(request, refused) if refused else None
    problem = described(request, Invalid(errors))
    answerable = may_answer(reader, one)
    settings: Settings = request.app.state["settings"]
    step_up = None
    if answerable:
        step_up = await ask(
            session, viewer.account_id, purpose=f"agree_{one.action.value}", object_hash=one.object_hash,
            settings=settings,
        )  # fmt: skip
    tree = await territory_tree(session, buildings=True)
    return page(
        request, "approvals/request.html", status=told.status if told else 422 if errors else 200, nav="officials",
        one=one, title=(await titles_of(session, [one], language_of(request)))[one.id], may_answer=answerable,
        step_up=step_up, refused=told, note=note, done=request.query_params.get("done", ""),
        errors={str(error["path"]): str(error["message"]) for error in problem.errors},
        names=await names_of(session, [one.author_id, *([one.decided_by] if one.decided_by else [])]),
        places=tree.by_code, places_by_id=tree.by_id, **await _context(request, session, one, now),
    )  # fmt: skip


async def _context(request: AnyRequest, session: ReadSession, one: requests.Request, now: datetime) -> dict[str, Any]:
    """What there is to read of this action."""
    if one.action is Action.PUBLISH:
        return await _poll_to_seal(request, session, one, now)
    if one.action is Action.EXTEND:
        return {
            "closes_before": datetime.fromisoformat(one.version["closes_at"]),
            "closes_after": datetime.fromisoformat(one.parameters["closes_at"]),
        }
    if one.kind == "poll":
        number = await poll_number(session, one.ref)
        return {"votes": (await cast_counts(session, [number])).get(number, 0) if number else 0}
    return {}


async def _poll_to_seal(
    request: AnyRequest, session: ReadSession, one: requests.Request, now: datetime
) -> dict[str, Any]:
    """The revision asked about, against the last one that was put before somebody, or against nothing."""
    try:
        wanted = (await load_revision(session, one.ref, one.parameters["revision"])).definition
    except RevisionNotFound:  # the draft was deleted since
        return {"definition": None}
    base = await earlier_revision(session, one)
    before = Definition(poll_id=one.ref) if base is None else (await load_revision(session, one.ref, base)).definition
    translate, language = translate_for(request), language_of(request)
    form = form_of(wanted, language=language)
    check = await check_draft(session, wanted, now) if one.state is State.WAITING else None
    return {
        "base": base, "rows": diff_rows(compare(before, wanted), before, wanted, translate, language),
        "lines": [finding_line(found, form, translate) for found in check.findings] if check else None,
        "entitled": check.dry_run.entitled if check and check.dry_run else None,
        "groups": {group.code: group for group in await register_groups(session)},
        **preview_of(definition_of(form)), "definition": wanted,
    }  # fmt: skip


handlers = [show_queue, show_request, submit_consent, submit_refusal, submit_withdrawal, ask_for_keys]
