"""Steps of decisions and the files that show them done, for officials' own systems."""

import asyncio
from datetime import datetime
from typing import Any

from litestar import Request, Response, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from polls.errors import EditConflict, NotFound, PollNotFound, WrongState
from polls.sessions import Session
from results.decisions import decision_on
from results.milestones import StepDraft, milestones_of
from voting.api.addresses import poll_name
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply
from voting.api.schemas_decisions import (
    EvidenceIn,
    EvidenceView,
    MilestoneChange,
    MilestoneIn,
    MilestoneView,
    StoredFileView,
    WithdrawIn,
)
from voting.deciding import add_evidence, add_milestone, change_milestone, withdraw_evidence
from voting.evidence_files import MAX_FILE, SUFFIXES, evidence_in, store_evidence, stored_evidence
from voting.identity.guards import official
from voting.identity.sessions import Viewer
from voting.problems import BodyTooLarge
from voting.settings import Settings

KINDS = tuple(SUFFIXES)


@post(
    "/decisions/{slug:str}/milestones",
    guards=[official],
    status_code=201,
    summary="Add a step",
    tags=["officials"],
    opt=describes(
        "addMilestone", {201: Returned("At the end", MilestoneView)}, refuses=[PollNotFound, WrongState],
        body_example={"text": {"ru": "Закупить лампы", "en": "Buy the lamps"}, "planned_on": "2027-03-31"},
    ),
)  # fmt: skip
async def add_step(
    slug: FromPath[str],
    data: JSONBody[MilestoneIn],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Add a step at the end. Refused once the work is done or declined."""
    made = await add_milestone(
        session, poll_name(slug), text=data.text, planned_on=data.planned_on, author_id=viewer.account_id, now=now
    )
    return json_reply(MilestoneView.of(made), status=201)


@put(
    "/decisions/{slug:str}/milestones/{milestone:int}",
    guards=[official],
    summary="Change a step",
    tags=["officials"],
    opt=describes(
        "changeMilestone", {200: Returned("As it is now", MilestoneView)},
        refuses=[PollNotFound, NotFound, WrongState, EditConflict],
        body_example={"text": {"ru": "Закупить лампы", "en": "Buy the lamps"}, "planned_on": "2027-03-31",
                      "done_on": "2027-03-20", "outcome": {"ru": "Закуплено 5 000 ламп", "en": "5,000 lamps bought"}},
    ),
)  # fmt: skip
async def change_step(
    slug: FromPath[str],
    milestone: FromPath[int],
    data: JSONBody[MilestoneChange],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Correct, move, complete, reopen or give up a step, as the body says."""
    draft = StepDraft(data.text, data.planned_on, data.done_on, data.dropped, data.outcome, data.reason)
    made = await change_milestone(
        session, poll_name(slug), milestone, draft, author_id=viewer.account_id, now=now, based_on=data.based_on
    )
    return json_reply(MilestoneView.of(made))


@post(
    "/evidence",
    guards=[official],
    status_code=201,
    request_max_body_size=MAX_FILE,
    summary="Store a file of evidence",
    tags=["officials"],
    opt=describes("storeEvidence", {201: Returned("Stored", StoredFileView)}, refuses=[BodyTooLarge],
                  body_files=KINDS, private=True),
)  # fmt: skip
async def add_file(request: Request[Any, Any, Any], settings: NamedDependency[Settings]) -> Response[bytes]:
    """Send the file itself as the body: a picture up to 5 MB, or a PDF or office file without macros up to 10 MB.

    What it is follows from its content. A picture is encoded anew, without places or names; a document stays as it is.
    """
    data = await request.body()
    found = await asyncio.to_thread(store_evidence, evidence_in(settings.data_dir), data)
    return json_reply(StoredFileView(sha256=found.sha256, media_type=found.media_type, size=found.size), status=201)


@post(
    "/decisions/{slug:str}/milestones/{milestone:int}/evidence",
    guards=[official],
    status_code=201,
    summary="Show a step done",
    tags=["officials"],
    opt=describes(
        "addEvidence", {201: Returned("Public now", EvidenceView)}, refuses=[PollNotFound, NotFound, WrongState],
        body_example={"sha256": "0" * 64, "role": "after", "name": {"ru": "Двор с новыми лампами", "en": "The yard"}},
    ),
)  # fmt: skip
async def show_done(
    slug: FromPath[str],
    milestone: FromPath[int],
    data: JSONBody[EvidenceIn],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    settings: NamedDependency[Settings],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Put a stored file under a step, with its alternative text or title: from now on everybody may see it."""
    file = await asyncio.to_thread(stored_evidence, evidence_in(settings.data_dir), data.sha256)
    made = await add_evidence(
        session, poll_name(slug), milestone, file=file, role=data.role, name=data.name, author_id=viewer.account_id,
        now=now,
    )  # fmt: skip
    return json_reply(EvidenceView.of(made), status=201)


@post(
    "/decisions/{slug:str}/milestones/{milestone:int}/evidence/{evidence:int}/withdrawal",
    guards=[official],
    summary="Withdraw a file",
    tags=["officials"],
    status_code=200,
    opt=describes(
        "withdrawEvidence", {200: Returned("The step without it", MilestoneView)}, refuses=[PollNotFound, NotFound],
        body_example={"reason": {"ru": "На снимке видно лицо прохожего", "en": "It shows a passer-by's face"}},
    ),
)  # fmt: skip
async def withdraw(
    slug: FromPath[str],
    milestone: FromPath[int],
    evidence: FromPath[int],
    data: JSONBody[WithdrawIn],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Take a file from the public for good; that it was there and why it went stays in the history."""
    name = poll_name(slug)
    await withdraw_evidence(
        session, name, milestone, evidence, reason=data.reason, author_id=viewer.account_id, now=now
    )
    made = await decision_on(session, name)
    step = next(one for one in await milestones_of(session, made.id) if one.id == milestone)
    return json_reply(MilestoneView.of(step))


handlers = [add_step, change_step, add_file, show_done, withdraw]
