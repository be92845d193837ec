"""/drafts/{id}/pause, /resume and /errata: what may be done to a poll that runs, beside its closing time."""

from datetime import datetime

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from polls.authoring import load_draft
from polls.definition import Text
from polls.errata import errata_of
from polls.errors import PollNotFound, PollPaused, WrongState
from polls.pausing import pause_poll, resume_poll
from polls.sessions import Session
from voting.api.addresses import poll_id as known_id
from voting.api.gating import ASKED, GATED, Gate
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply
from voting.api.schemas import Correction
from voting.api.schemas_authoring import ErratumText
from voting.api.schemas_drafts import DraftView, PublicReason
from voting.approvals.actions import Action
from voting.identity.guards import official
from voting.identity.sessions import Viewer

DRAFT = Returned("The poll", DraftView)


@post(
    "/drafts/{poll_id:str}/pause",
    guards=[official],
    status_code=200,
    summary="Pause",
    tags=["officials"],
    opt=describes("pausePoll", {200: DRAFT}, refuses=[PollNotFound, PollPaused, WrongState],
                  body_example={"reason": "Сбой связи в районе"}, private=True),
)  # fmt: skip
async def pause(
    poll_id: FromPath[str],
    data: JSONBody[PublicReason],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Interrupt an open poll: nothing is cast and it does not close until it goes on. The reason is public."""
    await pause_poll(session, known_id(poll_id), viewer.account_id, data.reason, now)
    return json_reply(DraftView.of(await load_draft(session, poll_id, now)))


@post(
    "/drafts/{poll_id:str}/resume",
    guards=[official],
    status_code=200,
    summary="Go on",
    tags=["officials"],
    opt=describes("resumePoll", {200: DRAFT}, refuses=[PollNotFound, WrongState], private=True),
)
async def resume(
    poll_id: FromPath[str],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Go on with a paused poll; its closing time moves by the outage, in whole seconds."""
    await resume_poll(session, known_id(poll_id), viewer.account_id, now)
    return json_reply(DraftView.of(await load_draft(session, poll_id, now)))


@post(
    "/drafts/{poll_id:str}/errata",
    guards=[official],
    status_code=201,
    summary="Put up an erratum",
    tags=["officials"],
    opt=describes("addErratum", {201: Returned("The banner", Correction), 202: ASKED},
                  refuses=[PollNotFound, WrongState, *GATED],
                  body_example={"ru": "Вместо «сквер» читайте «парк».", "en": "For “square” read “park”."},
                  private=True),
)  # fmt: skip
async def correct(
    poll_id: FromPath[str],
    data: JSONBody[ErratumText],
    gate: NamedDependency[Gate],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Ask a second person to say what is wrong in a sealed text. The text stays; the banner above it is never taken
    back."""
    asked = await gate(Action.CORRECT, known_id(poll_id), {"text": Text(ru=data.ru, en=data.en)})
    if asked is not None:
        return asked
    draft = await load_draft(session, poll_id, now)
    made = (await errata_of(session, draft.poll_id))[-1]
    return json_reply(Correction(text=made.text, at=made.at), status=201)


handlers = [pause, resume, correct]
