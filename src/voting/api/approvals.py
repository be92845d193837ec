"""/approvals: what waits for a second person: the list, one request, the answer to it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from polls.errors import EditConflict, Invalid, NotReady, PollNotFound, WrongState
from polls.sessions import Session
from voting.api.gating import GATED, Gate
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply
from voting.api.schemas_approvals import ApprovalPage, ApprovalView, Consent, Declining, KeyRequest, RoleRequest
from voting.approvals.actions import Action, State
from voting.approvals.errors import (
    ApprovalNotFound,
    ApprovalOver,
    ApprovalOwn,
    ApprovalStale,
    ApprovalUnseen,
    InvitationWaits,
    LastAdmin,
    NotOnYourself,
    OutOfScope,
)
from voting.approvals.proofs import hand_of
from voting.approvals.queue import Reader, request_seen_by, requests_for
from voting.approvals.requests import agree, decline, withdraw
from voting.identity.guards import admin, any_of
from voting.identity.sessions import Viewer
from voting.identity.step_up import proof_of_header
from voting.replies import problem_reply
from voting.settings import Settings

UNDONE = (PollNotFound, NotReady, EditConflict, WrongState, LastAdmin, Invalid)
"""What may have come up since it was asked for: the action itself refuses then."""
ONE = Returned("The request", ApprovalView)
readers = any_of("official", "reviewer", "admin")
answerers = any_of("reviewer", "admin")
askers = any_of("official", "admin")


def reader_of(viewer: Viewer) -> Reader:
    """Who looks at the queue."""
    return Reader(viewer.account_id, viewer.grants)


@get(
    "/approvals",
    guards=[readers],
    summary="What waits for a second person",
    tags=["officials"],
    opt=describes("listApprovals", {200: Returned("Requests", ApprovalPage)}, private=True),
)
async def list_approvals(
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
    pile: Annotated[
        Literal["waiting", "own", "past"],
        QueryParameter(description="Those that wait for you, your own that wait, or what was decided."),
    ] = "waiting",
    offset: Annotated[int, QueryParameter(ge=0, le=1_000_000, description="How many to pass over.")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many.")] = 20,
) -> Response[bytes]:
    """Requests your roles reach, and your own."""
    found, more = await requests_for(session, reader_of(viewer), now, pile=pile, offset=offset, limit=limit)
    return json_reply(ApprovalPage(approvals=[ApprovalView.of(one) for one in found], more=more))


@get(
    "/approvals/{approval:int}",
    guards=[readers],
    summary="One request",
    tags=["officials"],
    opt=describes("getApproval", {200: ONE}, refuses=[ApprovalNotFound], private=True),
)
async def show_approval(
    approval: FromPath[int],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """What is asked, of which object, and where it stands."""
    return json_reply(ApprovalView.of(await request_seen_by(session, reader_of(viewer), approval, now)))


@post(
    "/approvals/{approval:int}/consent",
    guards=[answerers],
    status_code=200,
    summary="Agree",
    tags=["officials"],
    opt=describes("agree", {200: ONE},
                  refuses=[ApprovalNotFound, ApprovalOver, ApprovalStale, ApprovalUnseen, ApprovalOwn, *GATED, *UNDONE],
                  body_example={"seen": "5f0c" * 16}, private=True),
)  # fmt: skip
async def give_consent(
    request: Request[Any, Any, Any],
    approval: FromPath[int],
    data: JSONBody[Consent],
    viewer: NamedDependency[Viewer],
    settings: NamedDependency[Settings],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Agree to the very object whose hash is `seen`: the action is carried out in the same transaction."""
    decided = await request_seen_by(session, reader_of(viewer), approval, now)
    if decided.state is State.WAITING:
        hand = hand_of(request, viewer.account_id, settings, proof_of_header(request))
        decided = await agree(session, hand, approval, bytes.fromhex(data.seen), now)
    elif decided.decided_by is not None:
        raise ApprovalOver(state=decided.state.value)
    if decided.state is not State.APPROVED:  # told as a refusal, and written down all the same
        stale = decided.state is State.VOID
        refusal = ApprovalStale(approval=approval) if stale else ApprovalOver(state=decided.state.value)
        return problem_reply(request, refusal)
    return json_reply(ApprovalView.of(decided))


@post(
    "/approvals/{approval:int}/refusal",
    guards=[answerers],
    status_code=200,
    summary="Decline",
    tags=["officials"],
    opt=describes("decline", {200: ONE}, refuses=[ApprovalNotFound, ApprovalOver, ApprovalOwn, OutOfScope],
                  body_example={"note": "Опечатка во втором вопросе"}, private=True),
)  # fmt: skip
async def give_refusal(
    approval: FromPath[int],
    data: JSONBody[Declining],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Say no, with a reason its author reads."""
    await request_seen_by(session, reader_of(viewer), approval, now)
    return json_reply(ApprovalView.of(await decline(session, viewer.account_id, approval, data.note, now)))


@post(
    "/approvals/{approval:int}/withdrawal",
    guards=[askers],
    status_code=200,
    summary="Take your request back",
    tags=["officials"],
    opt=describes("withdrawApproval", {200: ONE}, refuses=[ApprovalNotFound, ApprovalOver, OutOfScope], private=True),
)
async def take_back(
    approval: FromPath[int],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Take back what waits and is your own."""
    await request_seen_by(session, reader_of(viewer), approval, now)
    return json_reply(ApprovalView.of(await withdraw(session, viewer.account_id, approval, now)))


@post(
    "/approvals/roles",
    guards=[admin],
    status_code=202,
    summary="Ask for a role to be given or taken away",
    tags=["officials"],
    opt=describes("requestRole", {202: ONE, 204: Returned("Done at once: four eyes are off")},
                  refuses=[ApprovalNotFound, InvitationWaits, NotOnYourself, LastAdmin, Invalid, *GATED],
                  body_example={"account_id": 7, "change": "grant", "role": "official", "department": None,
                                "territory": "msk-cao"}, private=True),
)  # fmt: skip
async def request_role(data: JSONBody[RoleRequest], gate: NamedDependency[Gate]) -> Response[bytes]:
    """Another administrator has to agree."""
    action = Action.GRANT_ROLE if data.change == "grant" else Action.REVOKE_ROLE
    told = {"role": data.role, "department": data.department, "territory": data.territory}
    return await gate(action, str(data.account_id), told) or Response(b"", status_code=204)


@post(
    "/approvals/keys",
    guards=[admin],
    status_code=202,
    summary="Ask for a change of keys",
    tags=["officials"],
    opt=describes("requestKeyChange", {202: ONE, 204: Returned("Four eyes are off: nothing to ask")},
                  refuses=[Invalid, *GATED],
                  body_example={"purpose": "receipt", "because": "planned"}, private=True),
)  # fmt: skip
async def request_keys(data: JSONBody[KeyRequest], gate: NamedDependency[Gate]) -> Response[bytes]:
    """Once another administrator agrees, `veche keys rotate` takes the request's number where the keys are."""
    return await gate(Action.CHANGE_KEYS, data.purpose, {"because": data.because}) or Response(b"", status_code=204)


handlers = [list_approvals, show_approval, give_consent, give_refusal, take_back, request_role, request_keys]
