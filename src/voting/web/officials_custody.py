"""Who looks after a draft or a poll, and where it lies: putting away, taking out again, handing over, deleting."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.authoring import Draft, delete_draft, load_draft
from polls.custody import archive_draft, hand_over, restore_draft
from polls.errors import FieldError, Invalid, WrongState
from polls.lifecycle import Move, State, may
from polls.sessions import ReadSession, Session
from voting.approvals.scopes import officials_reaching
from voting.identity.guards import official
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.web.error_pages import described
from voting.web.officials import address_of, known, see_other
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]


@get("/officials/polls/{public_id:str}/custody", guards=[official], include_in_schema=False)
async def show_custody(
    request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[Any]:
    """Put a draft away, or hand a poll over to another official."""
    return await _page(request, session, await load_draft(session, known(public_id), now))


@post("/officials/polls/{public_id:str}/hand-over", guards=[official], include_in_schema=False, status_code=200)
async def hand(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Make another official the one who answers for the poll."""
    typed = str((await request.form()).get("to") or "")
    draft = await load_draft(session, known(public_id), now)
    try:
        if not (
            typed.isascii() and typed.isdigit() and int(typed[:18]) in await officials_reaching(session, draft.poll_id)
        ):
            raise Invalid([FieldError("to", "no_such_official", "Choose an official whose role reaches this poll.")])
        await hand_over(session, public_id, int(typed), viewer.account_id, now)
    except Invalid as refusal:
        return await _page(request, session, draft, refusal.errors)
    return see_other(address_of(public_id, "/custody?done=handed"))


@post("/officials/polls/{public_id:str}/archive", guards=[official], include_in_schema=False)
async def archive(
    public_id: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Redirect:  # fmt: skip
    """Put a draft away: it keeps everything and lies on a pile of its own."""
    await archive_draft(session, known(public_id), viewer.account_id, now)
    return see_other("/officials?show=archived")


@post("/officials/polls/{public_id:str}/unarchive", guards=[official], include_in_schema=False)
async def unarchive(
    public_id: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Redirect:  # fmt: skip
    """Take a draft out again."""
    await restore_draft(session, known(public_id), viewer.account_id, now)
    return see_other(address_of(public_id, "/edit"))


@get("/officials/polls/{public_id:str}/delete", guards=[official], include_in_schema=False)
async def ask_to_delete(
    request: AnyRequest, public_id: FromPath[str], read_session: NamedDependency[ReadSession],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Ask before a draft is gone for good."""
    draft = await load_draft(read_session, known(public_id), now)
    if not may(Move.DELETE, draft.state):
        raise WrongState(state=State(draft.state), move=Move.DELETE)
    return page(request, "officials/delete.html", nav="officials", draft=draft)


@post("/officials/polls/{public_id:str}/delete", guards=[official], include_in_schema=False)
async def delete(
    public_id: FromPath[str], viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Redirect:  # fmt: skip
    """Delete a draft with its revisions."""
    await delete_draft(session, known(public_id), viewer.account_id, now)
    return see_other("/officials?deleted=1")


async def _page(
    request: AnyRequest, session: ReadSession, draft: Draft, errors: tuple[FieldError, ...] = ()
) -> Response[Any]:
    problem = described(request, Invalid(errors))
    names = await names_of(session, [draft.author_id])
    reaching = await officials_reaching(session, draft.poll_id)
    others = {number: name for number, name in reaching.items() if number != draft.author_id}
    return page(
        request, "officials/custody.html", status=422 if errors else 200, nav="officials", draft=draft,
        author=names.get(draft.author_id, ""), others=others, address=address_of(draft.public_id),
        errors=[str(error["message"]) for error in problem.errors], done=request.query_params.get("done", ""),
        may_archive=may(Move.ARCHIVE, draft.state), may_edit=may(Move.EDIT, draft.state),
    )  # fmt: skip


handlers = [show_custody, hand, archive, unarchive, ask_to_delete, delete]
