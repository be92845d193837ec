"""What the city decided after polls: the public lists, recording decisions, and the residents' rating of the work."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from polls.errors import EditConflict, NotCounted, PollNotFound, ResultsHidden, WrongState
from polls.sessions import ReadSession, Session
from results.decision_changes import changes_of
from results.decisions import DecisionFilter, Show, decision_on, decisions
from results.departments import count_decisions, departments
from results.errors import AlreadyRated, NotYourWork, WorkNotDone
from results.milestones import milestones_of
from results.work_ratings import rate_work, work_ratings
from voting.api.addresses import PLAIN_WORDS, poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply, public_json
from voting.api.schemas_decisions import (
    ChangeView,
    DecisionDetail,
    DecisionIn,
    DecisionList,
    DecisionView,
    DepartmentList,
    DepartmentView,
    MilestoneView,
    RatingIn,
    RatingsView,
    RatingTaken,
)
from voting.approvals.errors import OutOfScope
from voting.deciding import record_decision
from voting.identity.guards import official, public, resident
from voting.identity.sessions import Viewer
from voting.settings import Settings

AnyRequest = Request[Any, Any, Any]


@get(
    "/decisions",
    guards=[public],
    summary="Decisions of the city",
    tags=["results"],
    opt=describes("listDecisions", {200: Returned("A page of them", DecisionList)}, conditional=True),
)
async def show_decisions(
    request: AnyRequest,
    read_session: NamedDependency[ReadSession],
    now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
    show: Annotated[Show, QueryParameter(description="Which pile.")] = Show.ALL,
    topic: Annotated[str, QueryParameter(max_length=64, pattern=PLAIN_WORDS, description="Of the poll.")] = "",
    territory: Annotated[
        str, QueryParameter(max_length=64, pattern=PLAIN_WORDS, description="Code; its parts are included.")
    ] = "",
    owner: Annotated[
        str, QueryParameter(max_length=300, pattern=PLAIN_WORDS, description="The department as written.")
    ] = "",
    q: Annotated[
        str, QueryParameter(max_length=100, pattern=PLAIN_WORDS, description="Words of the decision or its poll.")
    ] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many.")] = 20,
    offset: Annotated[int, QueryParameter(ge=0, le=100_000, description="How many to pass over.")] = 0,
) -> Response[bytes]:
    """«Что уже решили»: what was decided, who answers for it, by when, how far it has come and how late it is.

    Those that changed last come first; overdue ones by what has waited longest.
    """
    wanted, today = DecisionFilter(show, topic, territory, owner, q), now.astimezone(settings.zone).date()
    found = await decisions(read_session, limit, offset, wanted, today)
    counts = await count_decisions(read_session, wanted, today)
    shown = [DecisionView.of(made, today) for made in found]
    return public_json(request, DecisionList(decisions=shown, total=counts[show], counts=dict(counts)))


@get(
    "/decisions/{slug:str}",
    guards=[public],
    summary="One decision",
    tags=["results"],
    opt=describes(
        "getDecision", {200: Returned("With its steps and history", DecisionDetail)}, refuses=[PollNotFound],
        conditional=True,
    ),
)  # fmt: skip
async def show_decision(
    request: AnyRequest,
    slug: FromPath[str],
    read_session: NamedDependency[ReadSession],
    now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
) -> Response[bytes]:
    """One decision with its steps, what shows them done, its whole history and the residents' rating of the work."""
    made = await decision_on(read_session, poll_name(slug))
    steps = [MilestoneView.of(step) for step in await milestones_of(read_session, made.id)]
    changes = [ChangeView.of(one) for one in await changes_of(read_session, made.id)]
    rated = await work_ratings(read_session, made.id)
    today = now.astimezone(settings.zone).date()
    whole = DecisionDetail.whole(made, steps, changes, None if rated is None else RatingsView.of(rated), today)
    return public_json(request, whole)


@get(
    "/departments",
    guards=[public],
    summary="How departments keep their word",
    tags=["results"],
    opt=describes("listDepartments", {200: Returned("Those that owe most first", DepartmentList)}, conditional=True),
)
async def show_departments(
    request: AnyRequest,
    read_session: NamedDependency[ReadSession],
    now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
) -> Response[bytes]:
    """For every department: how many decisions it answers for, how many are overdue, done in time and done late."""
    found = await departments(read_session, now.astimezone(settings.zone).date())
    return public_json(request, DepartmentList(departments=[DepartmentView.of(one) for one in found]))


@post(
    "/decisions",
    guards=[official],
    status_code=201,
    summary="Record a decision",
    tags=["officials"],
    opt=describes(
        "recordDecision", {201: Returned("As recorded", DecisionView)},
        refuses=[PollNotFound, OutOfScope, ResultsHidden, NotCounted, WrongState, EditConflict],
        body_example={"poll": "square-2026", "text": {"ru": "Посадим липы", "en": "We plant limes"},
                      "owner": "Департамент природопользования", "status": "planned", "deadline": "2027-05-31"},
    ),
)  # fmt: skip
async def add_decision(
    data: JSONBody[DecisionIn],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
    settings: NamedDependency[Settings],
) -> Response[bytes]:
    """Record, or change, what the city does about a counted poll; the poll becomes `decided`.

    Moving a deadline, declining, and taking up again need a reason; what was promised before stays in the history.
    """
    made = await record_decision(
        session, poll_name(data.poll), text=data.text, owner=data.owner, status=data.status,
        author_id=viewer.account_id, now=now, deadline=data.deadline, reason=data.reason, done_on=data.done_on,
        based_on=data.based_on,
    )  # fmt: skip
    return json_reply(DecisionView.of(made, now.astimezone(settings.zone).date()), status=201)


@post(
    "/decisions/{slug:str}/rating",
    guards=[resident],
    status_code=201,
    summary="Rate the finished work",
    tags=["voting"],
    opt=describes(
        "rateWork", {201: Returned("Taken", RatingTaken)},
        refuses=[PollNotFound, WorkNotDone, AlreadyRated, NotYourWork], body_example={"stars": 4}, private=True,
    ),
)  # fmt: skip
async def add_rating(
    slug: FromPath[str],
    data: JSONBody[RatingIn],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """From 1 to 5, once, by whoever took part in the poll or lives in its territory. It cannot be changed."""
    assert viewer.citizen_id is not None
    await rate_work(session, poll_name(slug), viewer.citizen_id, data.stars, now)
    return json_reply(RatingTaken(), status=201)


handlers = [show_decisions, show_decision, show_departments, add_decision, add_rating]
