"""What the city decided after polls: the public list, and recording one."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from polls.errors import NotCounted, PollNotFound, ResultsHidden, WrongState
from polls.sessions import ReadSession, Session
from results.decisions import decisions, record_decision
from voting.api.addresses import poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply, public_json
from voting.api.schemas_results import DecisionIn, DecisionList, DecisionView
from voting.identity.guards import official, public
from voting.identity.sessions import Viewer


@get(
    "/decisions",
    guards=[public],
    summary="Decisions of the city",
    tags=["results"],
    opt=describes("listDecisions", {200: Returned("The newest first", DecisionList)}, conditional=True),
)
async def show_decisions(
    request: Request[Any, Any, Any],
    read_session: NamedDependency[ReadSession],
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many.")] = 20,
    offset: Annotated[int, QueryParameter(ge=0, le=100_000, description="How many to pass over.")] = 0,
) -> Response[bytes]:
    """«Что уже решили»: what was decided, who answers for it, by when, and how far it has come."""
    found = await decisions(read_session, limit, offset)
    return public_json(request, DecisionList(decisions=[DecisionView.of(made) for made in found]))


@post(
    "/decisions",
    guards=[official],
    status_code=201,
    summary="Record a decision",
    tags=["officials"],
    opt=describes(
        "recordDecision", {201: Returned("As recorded", DecisionView)},
        refuses=[PollNotFound, ResultsHidden, NotCounted, WrongState],
        body_example={"poll": "square-2026", "text": {"ru": "Посадим липы", "en": "We plant limes"},
                      "owner": "Департамент природопользования", "status": "planned", "deadline": "2027-05-31"},
    ),
)  # fmt: skip
async def add_decision(
    data: JSONBody[DecisionIn],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Record, or correct, what the city does about a counted poll; the poll becomes `decided`."""
    made = await record_decision(
        session, poll_name(data.poll), text=data.text, owner=data.owner, status=data.status,
        author_id=viewer.account_id, now=now, deadline=data.deadline,
    )  # fmt: skip
    return json_reply(DecisionView.of(made), status=201)


handlers = [show_decisions, add_decision]
