"""Two officials at one draft: who saved what meanwhile, the differences field by field, and putting both together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request

from polls.authoring import Draft, load_draft
from polls.errors import RevisionNotFound
from polls.revisions import load_revision
from polls.sessions import ReadSession
from voting.identity.names import names_of
from voting.web.editor_form import EditorForm
from voting.web.form_filling import form_of
from voting.web.form_merging import MergeRow, merge, merge_rows
from voting.web.forms import definition_of
from voting.web.i18n import language_of
from voting.web.officials_form import Shown
from voting.web.officials_words import label_of
from voting.web.rendering import translate_for
from voting.web.typed import hidden_number

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True)
class Row:
    """One difference for the page: what it is called, and the three texts."""

    label: str
    row: MergeRow


@dataclass(frozen=True)
class Conflict:
    """What the page tells of the other's saving. `base` and `theirs` are numbers of revisions."""

    base: int
    theirs: int
    by: str
    at: datetime
    rows: tuple[Row, ...]


async def show_conflict(request: AnyRequest, session: ReadSession, shown: Shown, now: datetime) -> None:
    """Put both versions side by side. From here on, saving is on top of theirs, knowingly."""
    theirs = await load_draft(session, shown.form.get("poll_id"), now)
    began, other = await _two_forms(request, session, shown.form, shown.based_on, theirs)
    translate = translate_for(request)
    mine = _complete(request, shown)
    rows = tuple(
        Row(label_of(mine if row.mine else other, row.key, translate) or row.key, row)
        for row in merge_rows(began, mine, other)
    )
    names = await names_of(session, [theirs.saved_by])
    base = shown.based_on
    shown.form = mine
    shown.based_on, shown.status = theirs.revision, 409
    shown.conflict = Conflict(base, theirs.revision, names.get(theirs.saved_by, ""), theirs.saved_at, rows)


async def merge_theirs(request: AnyRequest, session: ReadSession, form: EditorForm, now: datetime) -> Shown:
    """The form with the other's version of the rows ticked; nothing is saved until somebody has looked at it."""
    draft = await load_draft(session, form.get("poll_id"), now)
    number = hidden_number(form.get("merge_theirs"))
    try:
        theirs = (await load_revision(session, draft.public_id, number)).definition
    except RevisionNotFound:
        theirs, number = draft.definition, draft.revision
    other = form_of(theirs, slug=draft.slug, language=language_of(request))
    taken = [name[len("take.") :] for name in form.values if name.startswith("take.") and form.get(name) == "theirs"]
    mine = EditorForm(
        {name: values for name, values in form.values.items() if not name.startswith(("take.", "merge_"))}
    )
    merged = merge(mine, other, taken)
    return Shown(merged, definition_of(merged), number, notice="merged", changed=True)


async def _two_forms(
    request: AnyRequest, session: ReadSession, form: EditorForm, base: int, theirs: Draft
) -> tuple[EditorForm, EditorForm]:
    """The version both began from, and the other's; where the first cannot be found, everything is a clash."""
    language = language_of(request)
    other = form_of(theirs.definition, slug=theirs.slug, language=language)
    try:
        began = form_of((await load_revision(session, theirs.public_id, base)).definition, language=language)
        began.put("slug", theirs.slug)
    except RevisionNotFound:
        began = EditorForm()
    return began, other


def _complete(request: AnyRequest, shown: Shown) -> EditorForm:
    """One's own form written anew from what it says, so that it differs from theirs only where the meaning does."""
    assert shown.parsed.definition is not None
    mine = form_of(shown.parsed.definition, slug=shown.form.get("slug"), language=language_of(request))
    for name in shown.form.values:
        if name.endswith(("next_question", "next_option", "next_style")):
            mine.put(name, shown.form.get(name))
    return mine
