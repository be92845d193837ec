"""A sealed poll at the desk: how it runs, and what remains possible.

After sealing no rule changes. What is left (a later closing time, a pause, a correction beside the text, closing early,
cancelling) is public with its reason. What the city decides once it is counted has a page of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from polls.audience import roll_total
from polls.authoring import Draft, checked_reason, load_draft
from polls.catalogue import SealedPoll, cast_counts, sealed_poll
from polls.definition import Definition, Text, Tie
from polls.errata import errata_of
from polls.errors import FieldError, Invalid, PollPaused
from polls.journal import poll_events
from polls.lifecycle import COUNTED, Move, State, may
from polls.own_answers import Status as Waiting
from polls.own_answers import statuses
from polls.pausing import pause_poll, pauses_of, resume_poll, whole_seconds
from polls.questions import takes_words
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from results.decisions import decision_of
from voting.approvals.actions import Action
from voting.board_jobs import standing_of_board
from voting.identity.guards import official
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.problems import as_refusal
from voting.web.asking import Asked, gate_of, waiting_about
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.i18n import language_of
from voting.web.officials import address_of, known, see_other
from voting.web.rendering import page
from voting.web.typed import Mistyped, read_local, zone_of

AnyRequest = Request[Any, Any, Any]


@get("/officials/polls/{public_id:str}", guards=[official], include_in_schema=False)
async def show_sealed(
    request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[Any]:
    """The poll as it runs: state, times, turnout, history, and what can still be done."""
    draft = await load_draft(session, known(public_id), now)
    if may(Move.EDIT, draft.state):
        return see_other(address_of(public_id, "/edit"))
    return await _sealed_page(request, session, draft, now)


@post("/officials/polls/{public_id:str}/extend", guards=[official], include_in_schema=False, status_code=200)
async def extend(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Move the closing time later."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> Asked | None:
        draft = await load_draft(session, known(public_id), now)
        told = {"closes_at": _closing(form, draft.definition), "reason": checked_reason(form.get("reason"))}
        return await gate_of(request, session, viewer, now, form)(Action.EXTEND, public_id, told)

    return await _amend(request, session, public_id, form, "extend", act, now)


@post("/officials/polls/{public_id:str}/close-early", guards=[official], include_in_schema=False, status_code=200)
async def close(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Close an open poll now."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> Asked | None:
        told = {"reason": checked_reason(form.get("reason"))}
        return await gate_of(request, session, viewer, now, form)(Action.CLOSE_EARLY, known(public_id), told)

    return await _amend(request, session, public_id, form, "close", act, now)


@post("/officials/polls/{public_id:str}/pause", guards=[official], include_in_schema=False, status_code=200)
async def pause(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Interrupt an open poll."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        await pause_poll(session, known(public_id), viewer.account_id, form.get("reason"), now)

    return await _amend(request, session, public_id, form, "pause", act, now)


@post("/officials/polls/{public_id:str}/resume", guards=[official], include_in_schema=False, status_code=200)
async def resume(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Go on with a paused poll; its closing moves by the outage."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> None:
        await resume_poll(session, known(public_id), viewer.account_id, now)

    return await _amend(request, session, public_id, form, "resume", act, now)


@post("/officials/polls/{public_id:str}/erratum", guards=[official], include_in_schema=False, status_code=200)
async def correct(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Say on the poll's page what is wrong in a sealed text."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> Asked | None:
        text = as_text({"ru": form.get("text.ru").strip(), "en": form.get("text.en").strip()}, "text")
        return await gate_of(request, session, viewer, now, form)(Action.CORRECT, known(public_id), {"text": text})

    return await _amend(request, session, public_id, form, "erratum", act, now)


@post("/officials/polls/{public_id:str}/cancel", guards=[official], include_in_schema=False, status_code=200)
async def cancel(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Cancel a poll: nothing will be counted."""
    form = EditorForm.read((await request.form()).multi_items())

    async def act() -> Asked | None:
        told = {"reason": checked_reason(form.get("reason"))}
        return await gate_of(request, session, viewer, now, form)(Action.CANCEL, known(public_id), told)

    return await _amend(request, session, public_id, form, "cancel", act, now)


async def _amend(
    request: AnyRequest, session: Session, public_id: str, form: EditorForm, move: str,
    act: Callable[[], Awaitable[Asked | None]], now: datetime,
) -> Response[Any] | Redirect:  # fmt: skip
    """Do it or ask for it, or show the page again with what is wrong and with everything typed."""
    try:
        asked = await act()
    except PollPaused as refusal:
        errors: tuple[FieldError, ...] = (FieldError("reason", refusal.code, refusal.detail),)
    except Invalid as refusal:
        errors = refusal.errors
    else:
        return see_other(address_of(public_id, f"?done={move}")) if asked is None else asked.reply
    draft = await load_draft(session, known(public_id), now)
    return await _sealed_page(request, session, draft, now, form=form, move=move, errors=errors)


def as_text(words: dict[str, str], path: str) -> Text:
    """A text in both languages. Refuses `Invalid` for signs no text may hold."""
    try:
        return Text.model_validate(words)
    except ValidationError as error:
        refusal = as_refusal(error)
        assert isinstance(refusal, Invalid)
        found = [FieldError(f"{path}/{one.path}", one.code, one.message, one.facts) for one in refusal.errors]
        raise Invalid(found) from error


def _closing(form: EditorForm, definition: Definition) -> datetime:
    try:
        return read_local(form.get("closes_at"), zone_of(definition.time_zone), form.get("closes_at.fold"))
    except Mistyped as wrong:
        raise Invalid([FieldError("closes_at", wrong.code, wrong.message)]) from wrong


async def _sealed_page(
    request: AnyRequest, session: Session, draft: Draft, now: datetime, *, form: EditorForm | None = None,
    move: str = "", errors: tuple[FieldError, ...] = (),
) -> Response[Any]:  # fmt: skip
    """The page of a sealed or cancelled poll. Turnout only: officials see results when everybody does."""
    poll: SealedPoll | None = await sealed_poll(session, draft.public_id) if draft.poll_hash else None
    events = await poll_events(session, draft.poll_id)
    problem = described(request, Invalid(errors))
    accounts = [by for event in events if isinstance(by := event["body"].get("by"), int)]
    return page(
        request, "officials/poll.html", status=422 if errors else 200, nav="officials", draft=draft, poll=poll,
        definition=draft.definition, state=draft.state.value, events=events,
        names=await names_of(session, [*accounts, draft.author_id]),
        votes=(await cast_counts(session, [draft.poll_id])).get(draft.poll_id, 0),
        roll=await roll_total(session, draft.poll_id), places=(await territory_tree(session, buildings=True)).by_code,
        decision=await decision_of(session, draft.poll_id), counted=State(draft.state) in COUNTED,
        moves=_moves(draft, poll),
        errata=await errata_of(session, draft.poll_id), pauses=await pauses_of(session, draft.poll_id),
        resumed_closing=_if_resumed(poll, now), words_waiting=await words_waiting(session, poll),
        board=await standing_of_board(session, request.app.state["settings"].data_dir, draft.public_id),
        lots=poll is not None and any(one.rule.tie is not Tie.JOINT for one in poll.definition.questions),
        form=form or EditorForm(), move=move, **await waiting_about(request, session, draft.public_id, now),
        done=request.query_params.get("done", ""),
        errors={str(error["path"]).replace("/", "."): str(error["message"]) for error in problem.errors},
        address=address_of(draft.public_id), now=now, language=language_of(request),
    )  # fmt: skip


def _moves(draft: Draft, poll: SealedPoll | None) -> set[str]:
    """What can be done now: a paused poll goes on, one that runs is paused."""
    paused = poll is not None and poll.paused_at is not None
    found = {move.value for move in Move if may(move, draft.state)}
    return found - {Move.PAUSE.value if paused else Move.RESUME.value}


def _if_resumed(poll: SealedPoll | None, now: datetime) -> datetime | None:
    """When a paused poll would close if it went on now: the outage comes on top."""
    if poll is None or poll.paused_at is None:
        return None
    return poll.closes_at + whole_seconds(max(now - poll.paused_at, timedelta(0)))


async def words_waiting(session: ReadSession, poll: SealedPoll | None) -> int | None:
    """How many texts wait for a moderator; None for a poll that takes no words."""
    if poll is None or not any(takes_words(question) for question in poll.definition.questions):
        return None
    return sum(found[Waiting.PENDING] for found in (await statuses(session, poll.id)).values())


handlers = [show_sealed, extend, close, pause, resume, correct, cancel]
