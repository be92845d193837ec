"""/drafts/{id}/revisions and what hangs on them; who looks after a draft, and where it lies."""

from datetime import datetime
from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from polls.authoring import load_draft, revisions
from polls.custody import archive_draft, hand_over, restore_draft
from polls.errors import EditConflict, FieldError, Invalid, PollNotFound, RevisionNotFound, Sealed, WrongState
from polls.revisions import compare_revisions, load_revision, restore_revision
from polls.sessions import ReadSession, Session
from voting.api.addresses import poll_id as known_id
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply
from voting.api.schemas_authoring import (
    ChangeList,
    ChangeView,
    HandingOver,
    Restoring,
    RevisionLine,
    RevisionList,
    RevisionView,
)
from voting.api.schemas_drafts import DraftView
from voting.approvals.errors import OutOfScope
from voting.approvals.scopes import officials_reaching, require_placing
from voting.identity.guards import official
from voting.identity.sessions import Viewer

DRAFT = Returned("The draft", DraftView)
HIGHEST = 2_147_483_647


@get(
    "/drafts/{poll_id:str}/revisions",
    guards=[official],
    summary="Versions of a draft",
    tags=["officials"],
    opt=describes("listRevisions", {200: Returned("The newest first", RevisionList)}, refuses=[PollNotFound],
                  private=True),
)  # fmt: skip
async def list_revisions(poll_id: FromPath[str], session: NamedDependency[ReadSession]) -> Response[bytes]:
    """Every saved version: its number, time and author."""
    found = await revisions(session, known_id(poll_id))
    if not found:
        raise PollNotFound
    lines = [RevisionLine(number=number, saved_at=at, saved_by=by) for number, at, by in found]
    return json_reply(RevisionList(revisions=lines))


@get(
    "/drafts/{poll_id:str}/revisions/{number:int}",
    guards=[official],
    summary="One version",
    tags=["officials"],
    opt=describes("getRevision", {200: Returned("The version", RevisionView)},
                  refuses=[PollNotFound, RevisionNotFound], private=True),
)  # fmt: skip
async def show_revision(
    poll_id: FromPath[str], number: FromPath[int], session: NamedDependency[ReadSession]
) -> Response[bytes]:
    """One saved version with its document."""
    return json_reply(RevisionView.of(await load_revision(session, known_id(poll_id), _within(number))))


@get(
    "/drafts/{poll_id:str}/changes",
    guards=[official],
    summary="Compare two versions",
    tags=["officials"],
    opt=describes("compareRevisions", {200: Returned("What changed", ChangeList)},
                  refuses=[PollNotFound, RevisionNotFound], private=True),
)  # fmt: skip
async def show_changes(
    poll_id: FromPath[str],
    session: NamedDependency[ReadSession],
    old: Annotated[int, QueryParameter(name="from", ge=1, le=HIGHEST, description="The version before.")],
    new: Annotated[int, QueryParameter(name="to", ge=1, le=HIGHEST, description="The version after.")],
) -> Response[bytes]:
    """Every difference once, by path: added, removed, moved and changed questions, options and fields."""
    found = await compare_revisions(session, known_id(poll_id), old, new)
    return json_reply(ChangeList(changes=[ChangeView.of(change) for change in found]))


@post(
    "/drafts/{poll_id:str}/restore",
    guards=[official],
    status_code=200,
    summary="Restore a version",
    tags=["officials"],
    opt=describes("restoreRevision", {200: DRAFT},
                  refuses=[PollNotFound, OutOfScope, RevisionNotFound, EditConflict, Sealed],
                  body_example={"number": 2, "based_on": 5}, private=True),
)  # fmt: skip
async def restore(
    poll_id: FromPath[str],
    data: JSONBody[Restoring],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Save an earlier version once more as the newest; nothing is lost."""
    earlier = await load_revision(session, known_id(poll_id), _within(data.number))
    await require_placing(session, viewer.grants_of("official"), earlier.definition)
    draft = await restore_revision(session, known_id(poll_id), data.number, viewer.account_id, data.based_on, now)
    return json_reply(DraftView.of(draft))


@post(
    "/drafts/{poll_id:str}/archive",
    guards=[official],
    status_code=200,
    summary="Put a draft away",
    tags=["officials"],
    opt=describes("archiveDraft", {200: DRAFT}, refuses=[PollNotFound, WrongState], private=True),
)
async def archive(
    poll_id: FromPath[str],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Put a draft on a pile of its own; it keeps everything and cannot be scheduled from there."""
    return json_reply(DraftView.of(await archive_draft(session, known_id(poll_id), viewer.account_id, now)))


@post(
    "/drafts/{poll_id:str}/unarchive",
    guards=[official],
    status_code=200,
    summary="Take a draft out again",
    tags=["officials"],
    opt=describes("unarchiveDraft", {200: DRAFT}, refuses=[PollNotFound, WrongState], private=True),
)
async def unarchive(
    poll_id: FromPath[str],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Take a draft from the pile of those put away."""
    return json_reply(DraftView.of(await restore_draft(session, known_id(poll_id), viewer.account_id, now)))


@post(
    "/drafts/{poll_id:str}/hand-over",
    guards=[official],
    status_code=200,
    summary="Hand over",
    tags=["officials"],
    opt=describes("handOver", {200: DRAFT}, refuses=[PollNotFound], body_example={"to": 7}, private=True),
)
async def hand(
    poll_id: FromPath[str],
    data: JSONBody[HandingOver],
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Make another official the one who looks after the poll, in any state."""
    draft = await load_draft(session, known_id(poll_id), now)
    if data.to not in await officials_reaching(session, draft.poll_id):
        raise Invalid([FieldError("to", "no_such_official", "Choose an official whose role reaches this poll.")])
    return json_reply(DraftView.of(await hand_over(session, poll_id, data.to, viewer.account_id, now)))


def _within(number: int) -> int:
    """A number the database can hold; any other is of no revision."""
    if not 1 <= number <= HIGHEST:
        raise RevisionNotFound(number=str(number)[:20])
    return number


handlers = [list_revisions, show_revision, show_changes, restore, archive, unarchive, hand]
