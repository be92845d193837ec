"""The editor of a draft: one form, complete without JavaScript, with a preview beside it.

Every button sends the whole form, so nothing is kept between two presses but what is in the page. Saving makes a
revision on top of the one the page was opened with; if somebody saved in between, both versions are shown and the
official chooses, having seen them.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from polls.authoring import Draft, create_draft, load_draft, save_draft
from polls.definition import Definition
from polls.desk import highest_ids
from polls.errors import EditConflict, FieldError, Invalid, PollNotFound, Sealed
from polls.lifecycle import Move, may
from polls.register import territory_tree
from polls.sessions import ReadSession, Session
from voting.approvals.errors import OutOfScope
from voting.approvals.scopes import require_placing
from voting.identity.guards import official
from voting.identity.sessions import Viewer
from voting.publishing import MAX_BYTES, assets_in, store_picture
from voting.settings import Settings
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.form_filling import form_of
from voting.web.form_operations import mark_ids, operate
from voting.web.forms import definition_of
from voting.web.i18n import language_of
from voting.web.officials import address_of, known, see_other
from voting.web.officials_conflict import merge_theirs, show_conflict
from voting.web.officials_form import Shown, editor_page, preview_of
from voting.web.officials_words import label_of
from voting.web.rendering import page, translate_for
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]
FORM_LIMIT = 8 * 1024 * 1024
"""A long budget poll in two languages, with every letter percent-encoded, is a few megabytes."""
PICTURE_LIMIT = MAX_BYTES + 64 * 1024


@get("/officials/polls/{public_id:str}/edit", guards=[official], include_in_schema=False)
async def show_editor(
    request: AnyRequest, public_id: FromPath[str], session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Response[Any]:
    """The newest revision in the form; a sealed poll is shown where its times and its end are managed."""
    draft = await load_draft(session, known(public_id), now)
    if not may(Move.EDIT, draft.state):
        return see_other(address_of(public_id))
    form = await _form_of_draft(request, session, draft)
    notice = next((word for word in ("saved", "copied", "pictured", "restored") if word in request.query_params), "")
    return await editor_page(request, session, Shown(form, definition_of(form), draft.revision, notice=notice))


@post("/officials/polls/{public_id:str}/edit", guards=[official], include_in_schema=False, status_code=200,
      request_max_body_size=FORM_LIMIT)  # fmt: skip
async def submit(
    request: AnyRequest, public_id: FromPath[str], viewer: NamedDependency[Viewer],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Do what the pressed button says: change the form, show it, or save it and go on."""
    form = EditorForm.read((await request.form()).multi_items())
    form.put("poll_id", known(public_id))
    operation = form.get("op")
    if operation == "merge":
        shown = await merge_theirs(request, session, form, now)
        mark_ids(shown.form, *await highest_ids(session, public_id))
        return await editor_page(request, session, shown)
    if operation.partition(":")[0] not in ("save", "check", "picture"):
        mark_ids(form, *await highest_ids(session, public_id))
        operate(form, operation)
        return await editor_page(
            request, session, Shown(form, definition_of(form), hidden_number(form.get("based_on")), changed=True)
        )
    parsed = definition_of(form)
    shown = Shown(form, parsed, hidden_number(form.get("based_on")), parsed.errors, changed=True, status=422)
    if parsed.valid is not None:
        try:
            await require_placing(session, viewer.grants_of("official"), parsed.valid)
            await _save(session, public_id, parsed.valid, viewer.account_id, shown.based_on, form.get("slug"), now)
            return see_other(address_of(public_id, _next_page(operation)))
        except Invalid as refusal:
            shown.errors, shown.based_on = refusal.errors, max(1, shown.based_on)
        except OutOfScope as refusal:  # the document says it belongs to others: what was typed stays on the page
            shown.errors = (FieldError("department", refusal.code, refusal.detail),)
        except Sealed as refusal:  # scheduled by somebody meanwhile: what was typed stays on the page
            shown.errors = (FieldError("", refusal.code, refusal.detail),)
        except EditConflict:
            await show_conflict(request, session, shown, now)
    return await editor_page(request, session, shown)


@post("/officials/polls/{public_id:str}/preview", guards=[official], include_in_schema=False, status_code=200,
      request_max_body_size=FORM_LIMIT)  # fmt: skip
async def preview(
    request: AnyRequest, public_id: FromPath[str], read_session: NamedDependency[ReadSession]
) -> Response[Any]:
    """The preview alone, for the page that asks while somebody types."""
    form = EditorForm.read((await request.form()).multi_items())
    form.put("poll_id", known(public_id))
    parsed = definition_of(form)
    places = (await territory_tree(read_session, buildings=True)).by_code
    return await asyncio.to_thread(
        page, request, "officials/preview.html", **preview_of(parsed), places=places, address=address_of(public_id)
    )


# ---- the picture of one option, on a page of its own: a file cannot travel in every press of a button


@get("/officials/polls/{public_id:str}/picture/{question:int}/{option:int}", guards=[official],
     include_in_schema=False)  # fmt: skip
async def show_picture(
    request: AnyRequest, public_id: FromPath[str], question: FromPath[int], option: FromPath[int],
    read_session: NamedDependency[ReadSession], now: NamedDependency[datetime],
) -> Response[Any]:  # fmt: skip
    """The option's picture and its words, or the place to choose one."""
    draft, form, at = await _option_of(request, read_session, public_id, question, option, now)
    return _picture_page(request, draft, form, at)


@post("/officials/polls/{public_id:str}/picture/{question:int}/{option:int}", guards=[official],
      include_in_schema=False, status_code=200, request_max_body_size=PICTURE_LIMIT)  # fmt: skip
async def submit_picture(
    request: AnyRequest, public_id: FromPath[str], question: FromPath[int], option: FromPath[int],
    viewer: NamedDependency[Viewer], settings: NamedDependency[Settings], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Store the picture, put it and its words into the draft, and go back to the option."""
    draft, form, at = await _option_of(request, session, public_id, question, option, now)
    sent = await request.form()
    for language in ("ru", "en"):
        form.put(f"{at}.picture.alt.{language}", str(sent.get(f"alt.{language}") or "").replace("\r\n", "\n"))
    file = sent.get("file")
    errors: tuple[FieldError, ...] = ()
    if isinstance(file, UploadFile) and (file.filename or not form.get(f"{at}.picture.sha256")):
        try:
            data = await file.read(MAX_BYTES + 1)
            sha256 = await asyncio.to_thread(store_picture, assets_in(settings.data_dir), data)
            form.put(f"{at}.picture.sha256", sha256)
        except Invalid as refusal:
            errors = refusal.errors
    parsed = definition_of(form)
    errors = errors or parsed.errors
    if errors or parsed.valid is None:
        return _picture_page(request, draft, form, at, errors, status=422)
    await save_draft(session, public_id, parsed.valid, viewer.account_id, draft.revision, now)
    return see_other(address_of(public_id, f"/edit?pictured=1#{at}"))


async def _option_of(
    request: AnyRequest, session: ReadSession, public_id: str, question: int, option: int, now: datetime
) -> tuple[Draft, EditorForm, str]:
    draft = await load_draft(session, known(public_id), now)
    if not may(Move.EDIT, draft.state):
        raise Sealed(state=draft.state)
    asked = draft.definition.question(question)
    if asked is None or asked.option(option) is None:
        raise PollNotFound()
    form = form_of(draft.definition, slug=draft.slug, language=language_of(request))
    return draft, form, f"questions.{question}.options.{option}"


def _picture_page(
    request: AnyRequest, draft: Draft, form: EditorForm, at: str, errors: tuple[FieldError, ...] = (), status: int = 200
) -> Response[Any]:
    problem = described(request, Invalid(errors))
    return page(
        request, "officials/picture.html", status=status, nav="officials", draft=draft, form=form, at=at,
        label=label_of(form, at, translate_for(request)), address=address_of(draft.public_id),
        errors=[str(error["message"]) for error in problem.errors],
    )  # fmt: skip


# ---- parts


async def _save(
    session: Session, public_id: str, definition: Definition, account_id: int, based_on: int, slug: str, now: datetime
) -> None:
    """Save a revision; the first saving makes the draft. The same document saved twice is saved once."""
    try:
        draft = await load_draft(session, public_id, now)
    except PollNotFound:
        draft = await create_draft(session, account_id, definition, now)
        based_on = draft.revision
    if draft.definition == definition and draft.revision != based_on and slug in ("", draft.slug):
        return
    await save_draft(session, public_id, definition, account_id, based_on, now, slug.strip() or None)


async def _form_of_draft(request: AnyRequest, session: ReadSession, draft: Draft) -> EditorForm:
    form = form_of(draft.definition, slug=draft.slug, language=language_of(request))
    mark_ids(form, *await highest_ids(session, draft.public_id))
    return form


def _next_page(operation: str) -> str:
    """Where to go after saving: the check, an option's picture, or back to the editor."""
    name, *numbers = operation.split(":")
    if name == "check":
        return "/check"
    if name == "picture" and len(numbers) == 2 and all(n.isascii() and n.isdigit() for n in numbers):
        return f"/picture/{int(numbers[0])}/{int(numbers[1])}"
    return "/edit?saved=1"


handlers = [show_editor, submit, preview, show_picture, submit_picture]
