"""From a form of the office to the gate: the action is asked for, or its author is asked to prove who they are.

The first sending of a form carries no proof. What is wrong with the form is told first; then a page says what will be
asked, of whom, and takes the proof, bound to the very object. With four eyes off there is neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from litestar import Request, Response

from polls.sessions import Session
from voting.approvals import gate, requests
from voting.approvals.actions import Action
from voting.approvals.proofs import hand_of
from voting.approvals.queue import requests_about
from voting.identity.factor_refusals import StepUpExpired, StepUpFailed, StepUpNeeded, StepUpUsed
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.identity.step_up import ask, proof_of_form
from voting.settings import Settings
from voting.web.error_pages import described
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
PROOF_FIELDS = frozenset({"proof", "step_up_password", "step_up_code", "csrf_token"})
AGAIN = (StepUpNeeded, StepUpFailed, StepUpExpired, StepUpUsed)
"""Refusals after which the page asks for the proof once more."""


class Form(Protocol):
    """What was sent, by name."""

    def get(self, name: str) -> Any:
        """One field."""


@dataclass(frozen=True)
class Asked:
    """The reply to whoever has asked, or must prove themselves first: a page, or where to go."""

    reply: Response[Any]


def gate_of(
    request: AnyRequest, session: Session, viewer: Viewer, now: datetime, form: Form
) -> Callable[[Action, str, Mapping[str, Any]], Awaitable[Asked | None]]:
    """The gate for one request: give it an action, the object and the parameters; None means that it was done."""
    settings: Settings = request.app.state["settings"]

    async def asked(action: Action, ref: str, told: Mapping[str, Any]) -> Asked | None:
        try:
            hand = hand_of(request, viewer.account_id, settings, proof_of_form(form))
            made = await gate.perform(session, settings, hand, action, ref, told, now)
        except AGAIN as refusal:
            return Asked(await _prove_page(request, session, viewer, action, ref, told, refusal))
        if made is None:
            return None
        return Asked(Response(b"", status_code=303, headers={"location": f"/officials/approvals/{made.id}?done=asked"}))

    return asked


async def _prove_page(
    request: AnyRequest, session: Session, viewer: Viewer, action: Action, ref: str, told: Mapping[str, Any],
    refusal: StepUpNeeded | StepUpFailed | StepUpExpired | StepUpUsed,
) -> Response[Any]:  # fmt: skip
    """What is about to be asked, with every field of the form carried along, and the proof."""
    settings: Settings = request.app.state["settings"]
    parameters = gate.parameters_of(action, told)
    hashed = await requests.hash_now(session, action, ref, parameters)
    assert hashed is not None, "what was judged a moment ago is there"
    step_up = await ask(
        session, viewer.account_id, purpose=f"ask_{action.value}", object_hash=hashed, settings=settings
    )
    sent = [
        (name, value) for name, value in (await request.form()).multi_items()
        if isinstance(value, str) and name not in PROOF_FIELDS
    ]  # fmt: skip
    failed = None if isinstance(refusal, StepUpNeeded) else described(request, refusal)
    return page(
        request, "approvals/prove.html", status=failed.status if failed else 200, nav="officials",
        action=action.value, parameters=parameters.model_dump(mode="json"), sent=sent, step_up=step_up, failed=failed,
        names=await names_of(session, []),
    )  # fmt: skip


async def waiting_about(request: AnyRequest, session: Session, public_id: str, now: datetime) -> dict[str, Any]:
    """For a poll's page: whether four eyes are on, and the requests about it, settled, the newest first."""
    settings: Settings = request.app.state["settings"]
    return {
        "four_eyes": settings.four_eyes,
        "requests": await requests_about(session, "poll", public_id, now) if settings.four_eyes else [],
    }
