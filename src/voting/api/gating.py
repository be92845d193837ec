"""From a request of the API to the gate of what takes two people: done at once, or 202 with what waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from litestar import Request, Response
from litestar.di import NamedDependency

from polls.errors import Refusal
from polls.sessions import Session
from voting.api.operations import Returned
from voting.api.representation import json_reply
from voting.api.schemas_approvals import ApprovalView
from voting.approvals.actions import Action
from voting.approvals.errors import ApprovalWaiting, OutOfScope
from voting.approvals.gate import perform
from voting.approvals.proofs import hand_of
from voting.identity.factor_refusals import StepUpElsewhere, StepUpExpired, StepUpFailed, StepUpNeeded, StepUpUsed
from voting.identity.sessions import Viewer
from voting.identity.step_up import proof_of_header
from voting.settings import Settings

Gate = Callable[[Action, str, Mapping[str, Any]], Awaitable[Response[bytes] | None]]
"""Give it an action, the object and the parameters: the reply of a request that waits now, or None: it was done."""

ASKED: Final = Returned("A second person is asked; nothing is done before they agree", ApprovalView)
GATED: Final[tuple[type[Refusal], ...]] = (
    OutOfScope, ApprovalWaiting, StepUpNeeded, StepUpFailed, StepUpExpired, StepUpUsed, StepUpElsewhere,
)  # fmt: skip


async def provide_gate(
    request: Request[Any, Any, Any],
    viewer: NamedDependency[Viewer],
    settings: NamedDependency[Settings],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Gate:
    """The gate for one request; the proof is in the header `X-Step-Up`."""

    async def asked(action: Action, ref: str, told: Mapping[str, Any]) -> Response[bytes] | None:
        hand = hand_of(request, viewer.account_id, settings, proof_of_header(request))
        made = await perform(session, settings, hand, action, ref, told, now)
        return None if made is None else json_reply(ApprovalView.of(made), status=202)

    return asked
