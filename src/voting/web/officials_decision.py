"""The office's pages of a decision: what the city does, its steps, and the files that show them done.

Saving is on top of the version the page was opened with; if somebody saved in between, both versions are shown with
everything typed, and the official saves again knowingly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.catalogue import SealedPoll, sealed_poll
from polls.document import Text
from polls.errors import EditConflict, FieldError, Invalid, NotFound, WrongState
from polls.lifecycle import COUNTED
from polls.sessions import ReadSession, Session
from results.decision_changes import changes_of
from results.decisions import CityDecision, Status, decision_of, last_author, preview_decision
from results.evidence import Evidence, Role
from results.milestones import Milestone, StepDraft, milestones_of
from voting.deciding import (
    add_evidence,
    add_milestone,
    change_milestone,
    order_milestone,
    record_decision,
    withdraw_evidence,
)
from voting.evidence_files import MAX_FILE, SUFFIXES, evidence_in, store_evidence
from voting.identity.guards import official
from voting.identity.names import names_of
from voting.identity.sessions import Viewer
from voting.settings import Settings
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.officials import address_of, known, see_other
from voting.web.officials_running import as_text
from voting.web.rendering import page
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]
FILE_LIMIT = MAX_FILE + 64 * 1024
Answer = Response[Any] | Redirect


@dataclass
class Shown:
    """What a page shows of a form that was sent: what was typed, what is wrong, which form it was."""

    form: EditorForm = field(default_factory=EditorForm)
    errors: Sequence[FieldError] = ()
    move: str = ""
    status: int = 200
    preview: CityDecision | None = None
    conflict: bool = False


@get("/officials/polls/{public_id:str}/decision", guards=[official], include_in_schema=False)
async def show(
    request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[Any]:
    """The decision as it stands, or the form for the first one; nothing before the count."""
    return await _page(request, session, await _counted_poll(session, public_id, now), Shown(), now)


@post("/officials/polls/{public_id:str}/decision", guards=[official], include_in_schema=False, status_code=200)
async def decide(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Answer:  # fmt: skip
    """Publish the decision or a change of it; or show what its page would be."""
    form = EditorForm.read((await request.form()).multi_items())
    poll = await _counted_poll(session, public_id, now)
    shown = Shown(form, move="decision", status=422)
    try:
        wanted = _decision_typed(form)
        if form.get("op") == "preview":
            shown.preview, shown.status = await preview_decision(session, poll.public_id, **wanted, now=now), 200
            return await _page(request, session, poll, shown, now)
        await record_decision(session, poll.public_id, **wanted, author_id=viewer.account_id, now=now,
                              based_on=hidden_number(form.get("based_on"), 0))  # fmt: skip
        return see_other(address_of(public_id, "/decision?done=decision"))
    except EditConflict:
        shown.conflict, shown.status = True, 409
    except Invalid as refusal:
        shown.errors = refusal.errors
    return await _page(request, session, poll, shown, now)


@post("/officials/polls/{public_id:str}/decision/steps", guards=[official], include_in_schema=False, status_code=200)
async def add_step(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Answer:  # fmt: skip
    """Add a step at the end."""
    form = EditorForm.read((await request.form()).multi_items())
    poll = await _counted_poll(session, public_id, now)
    try:
        text, planned_on = _text(form, "step", "text"), _day(form, "step.planned_on", "planned_on")
        if planned_on is None:
            raise Invalid([FieldError("planned_on", "required", "Say by when.")])
        await add_milestone(session, poll.public_id, text=text, planned_on=planned_on, author_id=viewer.account_id,
                            now=now)  # fmt: skip
        return see_other(address_of(public_id, "/decision?done=step#steps"))
    except Invalid as refusal:
        names = {"text/ru": "step/ru", "text/en": "step/en", "planned_on": "step/planned_on"}
        errors = [FieldError(names.get(e.path, e.path), e.code, e.message, e.facts) for e in refusal.errors]
        return await _page(request, session, poll, Shown(form, errors, "step", 422), now)


@get("/officials/polls/{public_id:str}/decision/steps/{step:int}", guards=[official], include_in_schema=False)
async def show_step(
    request: AnyRequest, public_id: FromPath[str], step: FromPath[int], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """One step with its files."""
    return await _step_page(request, session, await _counted_poll(session, public_id, now), step, Shown())


@post("/officials/polls/{public_id:str}/decision/steps/{step:int}", guards=[official], include_in_schema=False,
      status_code=200)  # fmt: skip
async def change_step(
    request: AnyRequest, public_id: FromPath[str], step: FromPath[int], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Answer:  # fmt: skip
    """Correct, move, complete, reopen or give up a step, or move it in the list."""
    form = EditorForm.read((await request.form()).multi_items())
    poll = await _counted_poll(session, public_id, now)
    op = form.get("op")
    if op in ("up", "down"):
        author = viewer.account_id
        await order_milestone(session, poll.public_id, step, up=op == "up", author_id=author, now=now)
        return see_other(address_of(public_id, "/decision#steps"))
    shown = Shown(form, move="step", status=422)
    try:
        draft = _step_typed(form)
        await change_milestone(session, poll.public_id, step, draft, author_id=viewer.account_id, now=now,
                               based_on=hidden_number(form.get("based_on")) or None)  # fmt: skip
        return see_other(address_of(public_id, f"/decision/steps/{step}?done=step"))
    except EditConflict:
        shown.conflict, shown.status = True, 409
    except Invalid as refusal:
        shown.errors = refusal.errors
    return await _step_page(request, session, poll, step, shown)


@post("/officials/polls/{public_id:str}/decision/steps/{step:int}/files", guards=[official], include_in_schema=False,
      status_code=200, request_max_body_size=FILE_LIMIT)  # fmt: skip
async def add_file(
    request: AnyRequest, public_id: FromPath[str], step: FromPath[int], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], settings: NamedDependency[Settings], now: NamedDependency[datetime],
) -> Answer:  # fmt: skip
    """Store a file and put it under the step, with words for those who cannot see it."""
    sent = await request.form()
    form = EditorForm.read([(name, value) for name, value in sent.multi_items() if isinstance(value, str)])
    poll = await _counted_poll(session, public_id, now)
    file, role = sent.get("file"), form.get("role")
    try:
        name = _text(form, "name", "name")
        data = await file.read(MAX_FILE + 1) if isinstance(file, UploadFile) else b""
        stored = await asyncio.to_thread(store_evidence, evidence_in(settings.data_dir), data)
        kind = Role(role) if role in tuple(Role) else (Role.PICTURE if stored.is_picture else Role.DOCUMENT)
        await add_evidence(session, poll.public_id, step, file=stored, role=kind, name=name,
                           author_id=viewer.account_id, now=now)  # fmt: skip
        return see_other(address_of(public_id, f"/decision/steps/{step}?done=file#files"))
    except Invalid as refusal:
        return await _step_page(request, session, poll, step, Shown(form, refusal.errors, "file", 422))


@post("/officials/polls/{public_id:str}/decision/steps/{step:int}/files/{file:int}/withdraw", guards=[official],
      include_in_schema=False, status_code=200)  # fmt: skip
async def withdraw_file(
    request: AnyRequest, public_id: FromPath[str], step: FromPath[int], file: FromPath[int],
    viewer: NamedDependency[Viewer], session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Answer:  # fmt: skip
    """Take a file from the public; why is public."""
    form = EditorForm.read((await request.form()).multi_items())
    poll = await _counted_poll(session, public_id, now)
    try:
        reason = _text(form, "why", "reason")
        await withdraw_evidence(session, poll.public_id, step, file, reason=reason, author_id=viewer.account_id,
                                now=now)  # fmt: skip
        return see_other(address_of(public_id, f"/decision/steps/{step}?done=withdrawn#files"))
    except Invalid as refusal:
        errors = [FieldError(f"why-{file}", e.code, e.message, e.facts) for e in refusal.errors]
        return await _step_page(request, session, poll, step, Shown(form, errors, f"why-{file}", 422))


# ---- what was typed


def _decision_typed(form: EditorForm) -> dict[str, Any]:
    """The arguments of a decision. Refuses `Invalid`, with every field that cannot be read."""
    errors: list[FieldError] = []
    read: dict[str, Any] = {}
    for name in ("text", "reason"):
        read[name] = _collect(errors, _text, form, name, name)
    for name in ("deadline", "done_on"):
        read[name] = _collect(errors, _day, form, name, name)
    if errors:
        raise Invalid(errors)
    status = form.get("status")
    return {**read, "owner": form.get("owner"), "status": Status(status) if status in tuple(Status) else Status.PLANNED}


def _step_typed(form: EditorForm) -> StepDraft:
    errors: list[FieldError] = []
    text = _collect(errors, _text, form, "text", "text")
    outcome, reason = (_collect(errors, _text, form, name, name) for name in ("outcome", "reason"))
    planned_on = _collect(errors, _day, form, "planned_on", "planned_on")
    done_on = _collect(errors, _day, form, "done_on", "done_on")
    if planned_on is None and not any(error.path == "planned_on" for error in errors):
        errors.append(FieldError("planned_on", "required", "Say by when."))
    if errors or text is None or planned_on is None or outcome is None or reason is None:
        raise Invalid(errors)
    return StepDraft(text, planned_on, done_on, form.get("dropped") == "1", outcome, reason)


def _collect(errors: list[FieldError], read: Any, form: EditorForm, name: str, path: str) -> Any:
    try:
        return read(form, name, path)
    except Invalid as refusal:
        errors.extend(refusal.errors)
        return None


def _text(form: EditorForm, name: str, path: str) -> Text:
    return as_text({"ru": form.get(f"{name}.ru").strip(), "en": form.get(f"{name}.en").strip()}, path)


def _day(form: EditorForm, name: str, path: str) -> date | None:
    typed = form.get(name).strip()
    try:
        found = date.fromisoformat(typed) if typed else None
    except ValueError as error:
        raise Invalid([FieldError(path, "date", "Type a date such as 2026-12-31.")]) from error
    if found is not None and not 2000 <= found.year <= 2200:
        raise Invalid([FieldError(path, "date", "Type a date such as 2026-12-31.")])
    return found


# ---- pages


async def _counted_poll(session: ReadSession, public_id: str, now: datetime) -> SealedPoll:
    """The poll, if a decision can follow. Refuses `PollNotFound` for drafts and `WrongState` before the count."""
    poll = await sealed_poll(session, known(public_id))
    if (state := poll.state(now)) not in COUNTED:
        raise WrongState(state=state.value, move="decision")
    return poll


async def _page(
    request: AnyRequest, session: ReadSession, poll: SealedPoll, shown: Shown, now: datetime
) -> Response[Any]:
    found = await decision_of(session, poll.id)
    steps = await milestones_of(session, found.id) if found else []
    changes = await changes_of(session, found.id) if found else []
    settings: Settings = request.app.state["settings"]
    return page(
        request, "officials/decision.html", status=shown.status, nav="officials", poll=poll,
        definition=poll.definition, decision=found, steps=steps, changes=changes, shown=shown, form=shown.form,
        statuses=[status.value for status in Status], errors=_messages(request, shown), **_told(shown),
        today=now.astimezone(settings.zone).date(), done=request.query_params.get("done", ""),
        saved_by=await _last_author(session, poll.id), address=address_of(poll.public_id),
    )  # fmt: skip


async def _step_page(
    request: AnyRequest, session: ReadSession, poll: SealedPoll, number: int, shown: Shown
) -> Response[Any]:
    found = await decision_of(session, poll.id)
    steps = {one.id: one for one in await milestones_of(session, found.id)} if found else {}
    step: Milestone | None = steps.get(number)
    if found is None or step is None:
        raise NotFound()
    files: Sequence[Evidence] = step.files
    return page(
        request, "officials/step.html", status=shown.status, nav="officials", poll=poll, decision=found, step=step,
        files=files, shown=shown, form=shown.form, errors=_messages(request, shown), **_told(shown),
        suffixes={kind: suffix[1:].upper() for kind, suffix in SUFFIXES.items()},
        done=request.query_params.get("done", ""), address=address_of(poll.public_id), roles=[r.value for r in Role],
    )  # fmt: skip


def _told(shown: Shown) -> dict[str, Any]:
    return {"move": shown.move, "conflict": shown.conflict, "preview": shown.preview}


def _messages(request: AnyRequest, shown: Shown) -> dict[str, str]:
    """Messages by field, as the form names its fields."""
    problem = described(request, Invalid(shown.errors))
    return {str(error["path"]).replace("/", "."): str(error["message"]) for error in problem.errors}


async def _last_author(session: ReadSession, poll_id: int) -> str:
    author = await last_author(session, poll_id)
    return (await names_of(session, [author])).get(author, "") if author is not None else ""


handlers = [show, decide, add_step, show_step, change_step, add_file, withdraw_file]
