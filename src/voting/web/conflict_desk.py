"""The conflict desk: cases of people whom the city's sign-on and the register do not agree on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.errors import EntriesDiffer, Invalid, Refusal
from polls.identity import identity_key
from voting.identity.city_sign_on.cases import (
    WAITING,
    confirm,
    dismiss,
    entries_of,
    list_cases,
    mark,
    one_case,
    propose,
)
from voting.identity.city_sign_on.entries import Key
from voting.identity.city_sign_on.errors import CaseChanged, OwnCase, TooSoon
from voting.identity.guards import any_of
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.identity.signing_in import Desk
from voting.web.account import NO_STORE, see_other
from voting.web.error_pages import by_field, described, retry_header
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
desk_staff = any_of("reviewer", "admin", everywhere=True)
"""Who a person is, is the whole city's matter: a reviewer of one department or territory has no part in it."""
PRIVATE: dict[str, Any] = {"private": True}


@get("/officials/people", guards=[desk_staff], opt=PRIVATE, include_in_schema=False)
async def show_cases(request: AnyRequest, desk: NamedDependency[Desk]) -> Response[Any]:
    """Which people wait, and who was decided on lately. Read from the primary: what was just done must show."""
    async with desk.database.open_session() as session:
        waiting, total = await list_cases(session, waiting=True)
        decided, _ = await list_cases(session, waiting=False)
    return page(request, "officials/people.html", nav="officials", waiting=waiting, total=total, decided=decided)


@get("/officials/people/{reference:str}", guards=[desk_staff], opt=PRIVATE, include_in_schema=False)
async def show_case(
    request: AnyRequest, reference: FromPath[str], viewer: NamedDependency[Viewer], desk: NamedDependency[Desk]
) -> Response[Any]:
    """One case: the entries it is about, what was proposed, and what may be done."""
    return await _page(request, desk, reference, viewer)


@post("/officials/people/{reference:str}/propose", guards=[desk_staff], opt=PRIVATE, include_in_schema=False,
      status_code=200)  # fmt: skip
async def submit_proposal(
    request: AnyRequest, reference: FromPath[str], viewer: NamedDependency[Viewer], desk: NamedDependency[Desk],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Put down who the person is, for a second person to confirm."""
    form = await request.form()
    chosen, _, joined = str(form.get("entry", "")).partition("+")
    ended: list[int] = []

    async def act(session: Any) -> None:
        ended.extend(
            await propose(
                session, reference, entry_id=_id(chosen), other_id=_id(joined),
                number=_keys(desk, str(form.get("number", ""))), reason=str(form.get("reason", "")),
                viewer_id=viewer.account_id, viewer_citizen=viewer.citizen_id, now=now,
            )
        )  # fmt: skip

    reply = await _act(request, desk, reference, viewer, act, "proposed", {"reason": str(form.get("reason", ""))})
    for account_id in ended:
        desk.web_sessions.forget_account(account_id)
    return reply


@post("/officials/people/{reference:str}/confirm", guards=[desk_staff], opt=PRIVATE, include_in_schema=False,
      status_code=200)  # fmt: skip
async def submit_confirmation(
    request: AnyRequest, reference: FromPath[str], viewer: NamedDependency[Viewer], desk: NamedDependency[Desk],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Do what a colleague proposed."""
    form = await request.form()

    async def act(session: Any) -> None:
        await confirm(
            session, reference, seen=str(form.get("seen", "")), answer=str(form.get("answer", "")),
            viewer_id=viewer.account_id, viewer_citizen=viewer.citizen_id, now=now,
        )  # fmt: skip

    return await _act(request, desk, reference, viewer, act, "decided", {})


@post("/officials/people/{reference:str}/dismiss", guards=[desk_staff], opt=PRIVATE, include_in_schema=False,
      status_code=200)  # fmt: skip
async def submit_dismissal(
    request: AnyRequest, reference: FromPath[str], viewer: NamedDependency[Viewer], desk: NamedDependency[Desk],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """Turn the person away with an answer."""
    form = await request.form()

    async def act(session: Any) -> None:
        await dismiss(
            session, reference, answer=str(form.get("answer", "")), viewer_id=viewer.account_id,
            viewer_citizen=viewer.citizen_id, now=now,
        )  # fmt: skip

    return await _act(request, desk, reference, viewer, act, "dismissed", {"answer": str(form.get("answer", ""))})


# ---- parts


async def _act(
    request: AnyRequest, desk: Desk, reference: str, viewer: Viewer, act: Callable[[Any], Awaitable[None]], done: str,
    filled: dict[str, str],
) -> Response[Any]:  # fmt: skip
    """Do it, or show the case as it is now with what stood in the way."""
    try:
        async with desk.database.open_session() as session:
            await act(session)
    except (Invalid, CaseChanged, OwnCase, TooSoon, EntriesDiffer) as refusal:
        return await _page(request, desk, reference, viewer, refusal, filled)
    return see_other(f"/officials/people/{reference}?done={done}")


async def _page(
    request: AnyRequest, desk: Desk, reference: str, viewer: Viewer, refusal: Refusal | None = None,
    filled: dict[str, str] | None = None,
) -> Response[Any]:  # fmt: skip
    async with desk.database.open_session() as session:
        case = await one_case(session, reference)
        entries = await entries_of(session, case)
        staff = [one for one in (case.proposed_by, case.decided_by) if one is not None]
        names = await names_of(session, staff)
    problem = None if refusal is None else described(request, refusal)
    own = viewer.citizen_id is not None and viewer.citizen_id in entries
    return page(
        request, "officials/person.html", status=200 if problem is None else problem.status,
        headers={**NO_STORE, **retry_header(refusal)}, nav="officials", case=case, entries=entries, names=names,
        waiting=case.state in WAITING, own=own, may_confirm=not own and case.proposed_by != viewer.account_id,
        mark=mark(case), problem=problem, errors=by_field(problem), filled=filled or {},
        done=request.query_params.get("done"),
    )  # fmt: skip


def _keys(desk: Desk, number: str) -> Sequence[Key]:
    """The keys of a number typed at the desk; it is kept nowhere."""
    if not number.strip():
        return ()
    try:
        return [(one, identity_key(key, "national_id", number)) for one, key in desk.identity_secrets.items()]
    except ValueError:
        return [(0, b"")]  # no number of any register: nobody is found by it


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


handlers = [show_cases, show_case, submit_proposal, submit_confirmation, submit_dismissal]
