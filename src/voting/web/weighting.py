"""The weighted estimate on a results page, and the page of census margins it may be weighted to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.response import Redirect

from polls.definition import Text
from polls.errors import FieldError, Invalid, TooFewToPublish
from polls.file_lines import BadRegister
from polls.sessions import ReadSession, Session
from results.errors import DecidesByNumber, MarginsNotFound, NothingToWeightBy, TooFewToWeight
from results.figures import PollFigures
from results.margins import keep_margins, margin_sets, remove_margins
from results.weighted_polls import weighting_of
from voting.identity.guards import admin, any_of
from voting.identity.sessions import Viewer
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.officials import see_other
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
LARGEST_FILE: Final = 1024 * 1024
ROWS_TOLD: Final = 100


async def weighted_part(session: ReadSession, figures: PollFigures, asked: Mapping[str, str]) -> dict[str, Any]:
    """What the results page shows of the weighting: `weighting`, or why there is none (`not_weighted`).

    `?margins=CODE` chooses the target; an unknown one gives the roll, so that old links go on working.
    """
    sets = await margin_sets(session)
    chosen = asked.get("margins") if asked.get("margins") in {one.code for one in sets} else None
    found: dict[str, Any] = {"weighting": None, "not_weighted": "", "margin_sets": sets}
    try:
        found["weighting"] = await weighting_of(session, figures, chosen)
    except NothingToWeightBy as refusal:
        found["not_weighted"] = str(refusal.facts["why"])
        if refusal.facts["why"] != "no_roll":
            found["margin_sets"] = ()
    except (DecidesByNumber, TooFewToWeight, TooFewToPublish, MarginsNotFound) as refusal:
        found |= {"not_weighted": refusal.code, "margin_sets": ()}
    return found


@get("/margins", guards=[any_of("analyst", "official", "admin")], include_in_schema=False)
async def show_margins(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session]
) -> Response[Any]:
    """Every set of margins; for administrators the form to upload or replace one."""
    return await _page(request, viewer, session, EditorForm())


@post("/margins", guards=[admin], include_in_schema=False, status_code=200,
      request_max_body_size=LARGEST_FILE + 64 * 1024)  # fmt: skip
async def submit_margins(
    request: AnyRequest, viewer: NamedDependency[Viewer], session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Keep a set whole, in place of the one with its code, or nothing of it."""
    sent = await request.form()
    form = EditorForm.read(sent.multi_items())
    file = sent.get("file")
    try:
        name = Text.model_validate({language: form.get(f"name.{language}")[:500] for language in ("ru", "en")})
        data = await file.read(LARGEST_FILE + 1) if isinstance(file, UploadFile) else b""
        if not data.strip() or len(data) > LARGEST_FILE:
            raise Invalid([FieldError("file", "no_file", "Choose a file.")])
        async with session.begin_nested():  # a refusal leaves nothing behind, and the sets can still be read
            await keep_margins(
                session, [data], code=form.get("code").strip(), name=name, source=form.get("source"),
                as_of=_day(form.get("as_of")), now=now,
            )  # fmt: skip
    except BadRegister as refusal:
        return await _page(request, viewer, session, form, bad=refusal)
    except Invalid as refusal:
        return await _page(request, viewer, session, form, refusal.errors)
    return see_other("/margins?done=kept")


@post("/margins/remove", guards=[admin], include_in_schema=False)
async def submit_removal(
    request: AnyRequest, session: NamedDependency[Session], now: NamedDependency[datetime]
) -> Redirect:
    """Remove a set."""
    form = EditorForm.read((await request.form()).multi_items())
    await remove_margins(session, form.get("code"), now)
    return see_other("/margins?done=removed")


def _day(typed: str) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(typed.strip())
    return None


async def _page(
    request: AnyRequest, viewer: Viewer, session: ReadSession, form: EditorForm, errors: tuple[FieldError, ...] = (),
    bad: BadRegister | None = None,
) -> Response[Any]:  # fmt: skip
    problem = described(request, Invalid(errors))
    return page(
        request, "margins/margins.html", status=422 if errors or bad else 200, form=form,
        sets=await margin_sets(session), keeps=viewer.has("admin"), done=request.query_params.get("done", "")[:10],
        errors={str(error["path"]).replace("/", "."): str(error["message"]) for error in problem.errors},
        rows=bad.errors[:ROWS_TOLD] if bad else (), row_count=bad.error_count if bad else 0,
    )  # fmt: skip


handlers = [show_margins, submit_margins, submit_removal]
