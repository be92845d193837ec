"""The office's page of a counted result: prepare its protocol, read what will be signed, certify, correct."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.catalogue import SealedPoll, sealed_poll
from polls.errors import FieldError, Invalid, Refusal, TieStillOpen
from polls.lifecycle import COUNTED
from polls.sessions import ReadSession, Session
from results.errors import BoardNotPublished, NotSecondPerson, ProtocolChanged, ProtocolNotWaiting
from results.looks import looks_of
from results.protocol import (
    Draft,
    Waiting,
    draft_protocol,
    part_taken,
    protocols_of,
    waiting_protocol,
    withdrawn_protocols,
)
from results.protocol_desk import protocol_desk
from results.protocol_document import changed_sections
from voting.approvals.proofs import hand_of
from voting.approvals.scopes import polls_within
from voting.certifying import CERTIFY, certify, certify_hash, prepare, withdraw
from voting.identity.guards import any_of
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.identity.step_up import ask, proof_of_form
from voting.problems import Problem
from voting.settings import Settings
from voting.web.asking import AGAIN
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.officials import address_of, known, see_other
from voting.web.protocol_view import protocol_context
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
watchers = any_of("official", "reviewer", "observer", "admin")
SHOWN_AGAIN = (ProtocolChanged, ProtocolNotWaiting, NotSecondPerson, TieStillOpen, BoardNotPublished, *AGAIN)


@get("/officials/protocols", guards=[watchers], include_in_schema=False)
async def show_protocols(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session]
) -> Response[Any]:
    """Which results wait for whom, of those a role reaches. Read from the primary: what was just done must show."""
    within = polls_within(viewer.grants_of("official", "reviewer", "observer", "admin"), viewer.account_id)
    rows, total = await protocol_desk(session, within=within)
    return page(request, "officials/protocols.html", nav="officials", rows=rows, total=total)


@get("/officials/polls/{public_id:str}/protocol", guards=[watchers], include_in_schema=False,
     opt={"figures": "protocol"})  # fmt: skip
async def show_protocol_desk(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """How far the result has come, and what will be signed."""
    return await _page(request, session, await sealed_poll(session, known(public_id)), viewer, now)


@post("/officials/polls/{public_id:str}/protocol/prepare", guards=[any_of("official")], include_in_schema=False,
      status_code=200)  # fmt: skip
async def submit_draft(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Put the draft down as what waits for a second person."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        await prepare(session, known(public_id), viewer.account_id, form.get("seen"), form.get("reason"), now)

    return await _act(request, session, public_id, viewer, now, form, act, "prepared")


@post("/officials/polls/{public_id:str}/protocol/certify", guards=[any_of("reviewer")], include_in_schema=False,
      status_code=200)  # fmt: skip
async def submit_certificate(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Stand up for what waits, as its second person."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        if form.get("agreed") != "1":
            raise Invalid([FieldError("agreed", "needed", "Say that you have read the protocol and stand for it.")])
        settings: Settings = request.app.state["settings"]
        hand = hand_of(request, viewer.account_id, settings, proof_of_form(form))
        await certify(session, known(public_id), hand, form.get("seen"), now, fresh=settings.four_eyes)

    return await _act(request, session, public_id, viewer, now, form, act, "certified")


@post("/officials/polls/{public_id:str}/protocol/withdraw", guards=[any_of("official", "reviewer")],
      include_in_schema=False, status_code=200)  # fmt: skip
async def submit_withdrawal(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Take back, or send back, what waits."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        await withdraw(session, known(public_id), viewer.account_id, form.get("seen"), form.get("note"), now)

    return await _act(request, session, public_id, viewer, now, form, act, "withdrawn")


# ---- parts


async def _act(
    request: AnyRequest, session: Session, public_id: str, viewer: Viewer, now: datetime, form: EditorForm,
    act: Callable[[], Awaitable[None]], done: str,
) -> Response[Any] | Redirect:  # fmt: skip
    """Do it, or show the page as it is now with what stood in the way."""
    errors: tuple[FieldError, ...] = ()
    refused: Refusal | None = None
    try:
        await act()
    except Invalid as refusal:
        errors = refusal.errors
    except SHOWN_AGAIN as refusal:
        refused = refusal
    else:
        return see_other(address_of(public_id, f"/protocol?done={done}"))
    poll = await sealed_poll(session, known(public_id))
    return await _page(request, session, poll, viewer, now, form=form, errors=errors, refused=refused)


async def _page(
    request: AnyRequest, session: ReadSession, poll: SealedPoll, viewer: Viewer, now: datetime, *,
    form: EditorForm | None = None, errors: tuple[FieldError, ...] = (), refused: Refusal | None = None,
) -> Response[Any]:  # fmt: skip
    counted = poll.stored_state in COUNTED
    context = await _standing(request, session, poll, viewer, now) if counted else {"blocked": None}
    told = described(request, refused) if refused else None
    problem = described(request, Invalid(errors))
    return page(
        request, "officials/protocol.html", status=told.status if told else 422 if errors else 200, nav="officials",
        poll=poll, state=poll.state(now).value, counted=counted, address=address_of(poll.public_id, "/protocol"),
        is_official=viewer.has("official"), is_reviewer=viewer.has("reviewer"), form=form or EditorForm(),
        refused=told, done=request.query_params.get("done", ""),
        errors={str(error["path"]): str(error["message"]) for error in problem.errors}, **context,
    )  # fmt: skip


async def _standing(
    request: AnyRequest, session: ReadSession, poll: SealedPoll, viewer: Viewer, now: datetime
) -> dict[str, Any]:
    """What waits, what was certified, what would be prepared, and what stands in the way."""
    waiting, certified = await waiting_protocol(session, poll.id), await protocols_of(session, poll.id)
    draft: Draft | None = None
    blocked: Problem | None = None
    try:
        draft = await draft_protocol(session, poll.public_id, now)
    except (TieStillOpen, BoardNotPublished) as refusal:
        blocked = described(request, refusal)
    stale = changed_sections(waiting.document, draft.facts) if waiting and draft else ()
    said = waiting.document if waiting else draft.facts if draft else None
    part = await part_taken(session, poll.id, waiting, viewer.account_id) if waiting else None
    total, looks = await looks_of(session, poll.id)
    withdrawn = await withdrawn_protocols(session, poll.id)
    people = [look.account_id for look in looks] + [one.by for one in withdrawn]
    people += [one.certified_by for one in certified] + ([waiting.prepared_by] if waiting else [])
    return {
        **(await protocol_context(session, said) if said else {}),
        "waiting": waiting, "certified": certified, "draft": draft, "stale": stale, "part": part,
        "may_certify": viewer.has("reviewer") and part is None,
        "step_up": await _step_up(request, session, waiting, viewer), "looks": looks, "look_total": total,
        "withdrawn": withdrawn, "names": await names_of(session, people), "blocked": blocked,
    }  # fmt: skip


async def _step_up(request: AnyRequest, session: ReadSession, waiting: Waiting | None, viewer: Viewer) -> Any:
    """What the reviewer must prove with, bound to what waits; None with four eyes off."""
    settings: Settings = request.app.state["settings"]
    if waiting is None or not settings.four_eyes or not viewer.has("reviewer"):
        return None
    hashed = certify_hash(waiting.sha256)
    return await ask(session, viewer.account_id, purpose=CERTIFY, object_hash=hashed, settings=settings)


handlers = [show_protocols, show_protocol_desk, submit_draft, submit_certificate, submit_withdrawal]
