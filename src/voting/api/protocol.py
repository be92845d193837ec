"""/polls/{slug}/protocol: signed protocols for everybody; drafting, preparing and certifying them for the office."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from polls.catalogue import sealed_poll
from polls.errors import NotCounted, PollNotFound, ResultsHidden, TieStillOpen, WrongState
from polls.sessions import ReadSession, Session
from results.errors import (
    BoardNotPublished,
    NotSecondPerson,
    ProtocolChanged,
    ProtocolNotFound,
    ProtocolNotWaiting,
    ProtocolUnsigned,
    TablesPending,
)
from results.protocol import certified_protocol, draft_protocol, protocols_of, waiting_protocol
from voting.api.addresses import poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply, public_bytes, public_json
from voting.api.schemas_protocol import (
    CertifyProtocol,
    PrepareProtocol,
    ProtocolDraft,
    ProtocolVersion,
    ProtocolVersions,
    SignedProtocol,
    WaitingProtocol,
    WithdrawProtocol,
)
from voting.approvals.errors import OutOfScope
from voting.approvals.proofs import hand_of
from voting.certifying import certify, prepare, signed_protocol, withdraw
from voting.identity.factor_refusals import StepUpNeeded
from voting.identity.guards import any_of, official, public, reviewer
from voting.identity.sessions import Viewer
from voting.identity.step_up import proof_of_header
from voting.settings import Settings

AnyRequest = Request[Any, Any, Any]
NOT_READY = (PollNotFound, ResultsHidden, NotCounted, WrongState, TieStillOpen, BoardNotPublished, TablesPending)
EXAMPLE = "5f0c" * 16


@get(
    "/polls/{slug:str}/protocol",
    guards=[public],
    summary="The signed protocol",
    tags=["results"],
    opt=describes("getProtocol", {200: Returned("The signed file", SignedProtocol)},
                  refuses=[PollNotFound, ProtocolNotFound, ProtocolUnsigned], conditional=True),
)  # fmt: skip
async def show_protocol(
    request: AnyRequest,
    slug: FromPath[str],
    read_session: NamedDependency[ReadSession],
    version: Annotated[int | None, QueryParameter(ge=1, le=32_767, description="Another than the newest.")] = None,
) -> Response[bytes]:
    """The newest certified protocol of a poll, or one of its versions, byte for byte as `veche protocol verify` takes
    it."""
    found = await sealed_poll(read_session, poll_name(slug))
    data = await signed_protocol(read_session, await certified_protocol(read_session, found, version))
    return public_bytes(request, data)


@get(
    "/polls/{slug:str}/protocols",
    guards=[public],
    summary="Versions of the protocol",
    tags=["results"],
    opt=describes("listProtocols", {200: Returned("The newest first", ProtocolVersions)}, refuses=[PollNotFound],
                  conditional=True),
)  # fmt: skip
async def list_protocols(
    request: AnyRequest, slug: FromPath[str], read_session: NamedDependency[ReadSession]
) -> Response[bytes]:
    """Every certified protocol of a poll."""
    found = await sealed_poll(read_session, poll_name(slug))
    known = [ProtocolVersion.of(one) for one in await protocols_of(read_session, found.id)]
    return public_json(request, ProtocolVersions(protocols=known))


@get(
    "/polls/{slug:str}/protocol/draft",
    guards=[any_of("official", "reviewer", "observer", "admin")],
    summary="What would be signed",
    tags=["officials"],
    opt=describes("getProtocolDraft", {200: Returned("The facts, and what waits", ProtocolDraft)}, refuses=NOT_READY,
                  private=True, figures="api protocol"),
)  # fmt: skip
async def show_draft(
    slug: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[bytes]:
    """The protocol as it would be prepared now, with the hash that preparing is bound to; and what waits already."""
    found = await sealed_poll(session, poll_name(slug))
    draft = await draft_protocol(session, found.public_id, now)
    return json_reply(ProtocolDraft.of(draft, await waiting_protocol(session, found.id)))


@post(
    "/polls/{slug:str}/protocol",
    guards=[official],
    status_code=201,
    summary="Prepare the protocol",
    tags=["officials"],
    opt=describes("prepareProtocol", {201: Returned("What waits for a second person", WaitingProtocol)},
                  refuses=[*NOT_READY, ProtocolChanged], body_example={"seen": EXAMPLE, "reason": ""}, private=True),
)  # fmt: skip
async def submit_draft(
    slug: FromPath[str],
    data: JSONBody[PrepareProtocol],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Put the draft down as what waits for a second person; what waited before is taken back. A correction needs a
    public reason."""
    made = await prepare(session, poll_name(slug), viewer.account_id, data.seen, data.reason, now)
    return json_reply(WaitingProtocol.of(made), status=201)


@post(
    "/polls/{slug:str}/protocol/certificate",
    guards=[reviewer],
    status_code=201,
    summary="Certify the protocol",
    tags=["officials"],
    opt=describes("certifyProtocol", {201: Returned("As certified", ProtocolVersion)},
                  refuses=[*NOT_READY, ProtocolChanged, ProtocolNotWaiting, NotSecondPerson, OutOfScope, StepUpNeeded],
                  body_example={"seen": EXAMPLE}, private=True),
)  # fmt: skip
async def submit_certificate(
    request: AnyRequest,
    slug: FromPath[str],
    data: JSONBody[CertifyProtocol],
    viewer: NamedDependency[Viewer],
    settings: NamedDependency[Settings],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Stand up, as its second person, for the very object whose hash is `seen`. The worker signs it within seconds."""
    hand = hand_of(request, viewer.account_id, settings, proof_of_header(request))
    made = await certify(session, poll_name(slug), hand, data.seen, now, fresh=settings.four_eyes)
    return json_reply(ProtocolVersion.of(made), status=201)


@post(
    "/polls/{slug:str}/protocol/withdrawal",
    guards=[any_of("official", "reviewer")],
    status_code=204,
    summary="Take back what waits",
    tags=["officials"],
    opt=describes("withdrawProtocol", {204: Returned("Taken back")}, refuses=[PollNotFound, ProtocolNotWaiting],
                  body_example={"seen": EXAMPLE, "note": "Не тот адрес"}, private=True),
)  # fmt: skip
async def submit_withdrawal(
    slug: FromPath[str],
    data: JSONBody[WithdrawProtocol],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> None:
    """Take back, or send back, what waits; the note stays inside the office."""
    await withdraw(session, poll_name(slug), viewer.account_id, data.seen, data.note, now)


handlers = [show_protocol, list_protocols, show_draft, submit_draft, submit_certificate, submit_withdrawal]
