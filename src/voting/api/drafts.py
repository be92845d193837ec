"""/drafts: what officials do to a poll, from an empty draft to sealing, and the little that is possible afterwards."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from polls.authoring import (
    check_draft,
    checked_reason,
    copy_poll,
    create_draft,
    delete_draft,
    load_draft,
    save_draft,
)
from polls.desk import Pile, desk_polls
from polls.errors import EditConflict, FieldError, Invalid, NotReady, PollNotFound, Sealed, WrongState
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from voting.api.addresses import PLAIN_WORDS
from voting.api.addresses import poll_id as known_id
from voting.api.gating import ASKED, GATED, Gate
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply
from voting.api.schemas_drafts import (
    CheckView,
    DraftLine,
    DraftPage,
    DraftView,
    Extension,
    NewDraft,
    PublicReason,
    SavedDraft,
    Seal,
)
from voting.approvals.actions import Action
from voting.approvals.scopes import polls_within, require_placing
from voting.identity.guards import official
from voting.identity.sessions import Viewer

DRAFT = Returned("The draft", DraftView)
WHY = {"reason": "Отключение электричества в районе"}
EXAMPLE: dict[str, Any] = {
    "title": {"ru": "Каким будет сквер?", "en": "What will the square be like?"},
    "territory": "msk",
    "questions": [
        {
            "kind": "single_choice", "id": 1, "text": {"ru": "Что построить?", "en": "What to build?"},
            "options": [
                {"id": 1, "text": {"ru": "Фонтан", "en": "A fountain"}},
                {"id": 2, "text": {"ru": "Сцену", "en": "A stage"}},
                {"id": 9, "text": {"ru": "Затрудняюсь ответить", "en": "Hard to say"}, "kind": "neutral"},
            ],
        }
    ],
    "audience": {"op": "age", "at_least": 18},
    "opens_at": "2027-03-01T07:00:00Z", "closes_at": "2027-03-15T18:00:00Z",
}  # fmt: skip


@get(
    "/drafts",
    guards=[official],
    summary="Polls of the officials",
    tags=["officials"],
    opt=describes("listDrafts", {200: Returned("Polls in any state, the last changed first", DraftPage)}, private=True),
)
async def list_drafts(
    viewer: NamedDependency[Viewer],
    session: NamedDependency[ReadSession],
    now: NamedDependency[datetime],
    pile: Annotated[Pile, QueryParameter(description="Which of them.")] = Pile.ALL,
    mine: Annotated[bool, QueryParameter(description="Only those you began.")] = False,
    q: Annotated[
        str, QueryParameter(pattern=PLAIN_WORDS, max_length=200, description="Words of the title or department.")
    ] = "",
    offset: Annotated[int, QueryParameter(ge=0, le=1_000_000, description="How many to pass over.")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many.")] = 20,
) -> Response[bytes]:
    """Drafts and sealed polls alike."""
    author, within = viewer.account_id if mine else None, polls_within(viewer.grants_of("official"), viewer.account_id)
    found, more = await desk_polls(
        session, now, pile, author_id=author, words=q.strip(), within=within, offset=offset, limit=limit
    )
    return json_reply(DraftPage(drafts=[DraftLine.of(line) for line in found], more=more))


@post(
    "/drafts",
    guards=[official],
    status_code=201,
    summary="Begin a draft",
    tags=["officials"],
    opt=describes(
        "createDraft", {201: DRAFT}, body_example={"definition": EXAMPLE, "slug": "square-2027"}, private=True
    ),
)
async def begin_draft(
    data: JSONBody[NewDraft],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """A new draft: everything may be missing until it is scheduled."""
    document = data.definition.document()
    await require_placing(session, viewer.grants_of("official"), document)
    if await _exists(session, document.poll_id, now):
        raise Invalid([FieldError("definition/poll_id", "taken", "There is a poll with this id already.")])
    draft = await create_draft(session, viewer.account_id, document, now)
    if data.slug is not None:
        draft = await save_draft(session, draft.public_id, document, viewer.account_id, draft.revision, now, data.slug)
    return json_reply(DraftView.of(draft), status=201)


@get(
    "/drafts/{poll_id:str}",
    guards=[official],
    summary="One draft",
    tags=["officials"],
    opt=describes("getDraft", {200: DRAFT}, refuses=[PollNotFound], private=True),
)
async def show_draft(
    poll_id: FromPath[str], session: NamedDependency[ReadSession], now: NamedDependency[datetime]
) -> Response[bytes]:
    """The newest revision, or the sealed document."""
    return json_reply(DraftView.of(await load_draft(session, known_id(poll_id), now)))


@put(
    "/drafts/{poll_id:str}",
    guards=[official],
    summary="Save a draft",
    tags=["officials"],
    opt=describes(
        "saveDraft", {200: DRAFT}, refuses=[PollNotFound, EditConflict, Sealed],
        body_example={
            "definition": {**EXAMPLE, "poll_id": "5f0c9a1b2c3d4e5f60718293a4b5c6d7"}, "based_on": 3, "slug": None,
        },
        private=True,
    ),
)  # fmt: skip
async def keep_draft(
    poll_id: FromPath[str],
    data: JSONBody[SavedDraft],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Save a new revision made from `based_on`; 409 `edit_conflict` when somebody has saved a newer one."""
    await require_placing(session, viewer.grants_of("official"), data.definition)
    saved = await save_draft(
        session, known_id(poll_id), data.definition, viewer.account_id, data.based_on, now, data.slug
    )
    return json_reply(DraftView.of(saved))


@get(
    "/drafts/{poll_id:str}/check",
    guards=[official],
    summary="Check a draft",
    tags=["officials"],
    opt=describes("checkDraft", {200: Returned("Findings and dry run", CheckView)}, refuses=[PollNotFound],
                  limit="writes", private=True),
)  # fmt: skip
async def check(
    poll_id: FromPath[str], session: NamedDependency[ReadSession], now: NamedDependency[datetime]
) -> Response[bytes]:
    """What keeps it from being scheduled, what to look at, and how many residents could vote."""
    draft = await load_draft(session, known_id(poll_id), now)
    found = await check_draft(session, draft.definition, now)
    return json_reply(CheckView.of(draft, found, await territory_tree(session)))


@post(
    "/drafts/{poll_id:str}/schedule",
    guards=[official],
    status_code=200,
    summary="Seal and schedule",
    tags=["officials"],
    opt=describes("scheduleDraft", {200: Returned("Sealed", DraftView), 202: ASKED},
                  refuses=[PollNotFound, NotReady, EditConflict, WrongState, *GATED], body_example={"revision": 3},
                  private=True),
)  # fmt: skip
async def schedule(
    poll_id: FromPath[str],
    data: JSONBody[Seal],
    gate: NamedDependency[Gate],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Ask a second person to seal the revision you have checked: its bytes and hash are published, and no rule changes
    any more."""
    asked = await gate(Action.PUBLISH, known_id(poll_id), {"revision": data.revision})
    return asked or json_reply(DraftView.of(await load_draft(session, poll_id, now)))


@post(
    "/drafts/{poll_id:str}/extend",
    guards=[official],
    status_code=200,
    summary="Extend",
    tags=["officials"],
    opt=describes("extendPoll", {200: DRAFT, 202: ASKED}, refuses=[PollNotFound, WrongState, *GATED],
                  body_example={"closes_at": "2027-03-22T18:00:00Z", **WHY}, private=True),
)  # fmt: skip
async def extend(
    poll_id: FromPath[str],
    data: JSONBody[Extension],
    gate: NamedDependency[Gate],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Ask a second person to move the closing time later, with a public reason."""
    told = {"closes_at": data.closes_at, "reason": checked_reason(data.reason)}
    asked = await gate(Action.EXTEND, known_id(poll_id), told)
    return asked or json_reply(DraftView.of(await load_draft(session, poll_id, now)))


@post(
    "/drafts/{poll_id:str}/close-early",
    guards=[official],
    status_code=200,
    summary="Close early",
    tags=["officials"],
    opt=describes(
        "closeEarly",
        {200: DRAFT, 202: ASKED},
        refuses=[PollNotFound, WrongState, *GATED],
        body_example=WHY,
        private=True,
    ),
)
async def close(
    poll_id: FromPath[str],
    data: JSONBody[PublicReason],
    gate: NamedDependency[Gate],
    session: NamedDependency[Session],
    clock: NamedDependency[Callable[[], datetime]],
) -> Response[bytes]:
    """Ask a second person to close an open poll, with a public reason; ballots taken so far count."""
    asked = await gate(Action.CLOSE_EARLY, known_id(poll_id), {"reason": checked_reason(data.reason)})
    # The moment of closing is the database's, later than the one this request came at.
    return asked or json_reply(DraftView.of(await load_draft(session, poll_id, clock())))


@post(
    "/drafts/{poll_id:str}/cancel",
    guards=[official],
    status_code=200,
    summary="Cancel",
    tags=["officials"],
    opt=describes(
        "cancelPoll",
        {200: DRAFT, 202: ASKED},
        refuses=[PollNotFound, WrongState, *GATED],
        body_example=WHY,
        private=True,
    ),
)
async def cancel(
    poll_id: FromPath[str],
    data: JSONBody[PublicReason],
    gate: NamedDependency[Gate],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Ask a second person to cancel: nothing will be counted, and the page stays and says why."""
    asked = await gate(Action.CANCEL, known_id(poll_id), {"reason": checked_reason(data.reason)})
    return asked or json_reply(DraftView.of(await load_draft(session, poll_id, now)))


@post(
    "/drafts/{poll_id:str}/copy",
    guards=[official],
    status_code=201,
    summary="Copy to a new draft",
    tags=["officials"],
    opt=describes("copyPoll", {201: Returned("The new draft", DraftView)}, refuses=[PollNotFound], private=True),
)
async def copy(
    poll_id: FromPath[str],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """A new draft with everything of a poll but its id and its times."""
    made = await copy_poll(session, known_id(poll_id), secrets.token_hex(16), viewer.account_id, now)
    return json_reply(DraftView.of(made), status=201)


@delete(
    "/drafts/{poll_id:str}",
    guards=[official],
    status_code=204,
    summary="Delete a draft",
    tags=["officials"],
    opt=describes("deleteDraft", {204: Returned("Deleted")}, refuses=[PollNotFound, WrongState], private=True),
)
async def remove_draft(
    poll_id: FromPath[str],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> None:
    """Delete a draft that was never sealed; 409 `wrong_state` afterwards."""
    await delete_draft(session, known_id(poll_id), viewer.account_id, now)


async def _exists(session: ReadSession, public_id: str, now: datetime) -> bool:
    try:
        await load_draft(session, public_id, now)
    except PollNotFound:
        return False
    return True


handlers = [
    list_drafts, begin_draft, show_draft, keep_draft, check, schedule, extend, close, cancel, copy, remove_draft,
]  # fmt: skip
