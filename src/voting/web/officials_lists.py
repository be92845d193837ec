"""Lists of invited residents: those there are, and uploading one, with every bad row told by its line."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.response import Redirect

from polls.definition import Text
from polls.errors import FieldError, Invalid, ListExists
from polls.file_lines import BadRegister
from polls.invited import lists, upload_list
from polls.sessions import ReadSession, Session
from voting.identity.guards import official
from voting.identity.sessions import Viewer
from voting.secrets import identity_secrets
from voting.settings import Settings
from voting.web.editor_form import EditorForm
from voting.web.error_pages import described
from voting.web.officials import see_other
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
LARGEST_FILE: Final = 32 * 1024 * 1024
"""About a million rows of national ids."""
ROWS_TOLD: Final = 100


@get("/officials/lists", guards=[official], include_in_schema=False)
async def show_lists(request: AnyRequest, session: NamedDependency[Session]) -> Response[Any]:
    """Every list, the newest first, and the form to upload another."""
    return await _page(request, session, EditorForm())


@post("/officials/lists", guards=[official], include_in_schema=False, status_code=200,
      request_max_body_size=LARGEST_FILE + 64 * 1024)  # fmt: skip
async def submit_list(
    request: AnyRequest, viewer: NamedDependency[Viewer], settings: NamedDependency[Settings],
    session: NamedDependency[Session], now: NamedDependency[datetime],
) -> Response[Any] | Redirect:  # fmt: skip
    """Take a list whole, or nothing of it."""
    sent = await request.form()
    form = EditorForm.read(sent.multi_items())
    file = sent.get("file")
    try:
        title = Text.model_validate({name: form.get(f"title.{name}")[:500] for name in ("ru", "en")})
        data = await file.read(LARGEST_FILE + 1) if isinstance(file, UploadFile) else b""
        if not data.strip():
            raise Invalid([FieldError("file", "no_file", "Choose a file.")])
        async with session.begin_nested():  # a refusal leaves nothing behind, and the lists can still be read
            made = await upload_list(
                session, [data], code=form.get("code").strip(), title=title, secrets=identity_secrets(settings),
                account_id=viewer.account_id, now=now,
            )  # fmt: skip
    except BadRegister as refusal:
        return await _page(request, session, form, bad=refusal)
    except ListExists as refusal:
        return await _page(request, session, form, (FieldError("code", refusal.code, refusal.detail),))
    except Invalid as refusal:
        return await _page(request, session, form, refusal.errors)
    return see_other(f"/officials/lists?uploaded={made.code}")


async def _page(
    request: AnyRequest, session: ReadSession, form: EditorForm, errors: tuple[FieldError, ...] = (),
    bad: BadRegister | None = None,
) -> Response[Any]:  # fmt: skip
    problem = described(request, Invalid(errors))
    return page(
        request, "officials/lists.html", status=422 if errors or bad else 200, nav="officials", form=form,
        lists=await lists(session), uploaded=request.query_params.get("uploaded", "")[:64],
        errors={str(error["path"]).replace("/", "."): str(error["message"]) for error in problem.errors},
        rows=bad.errors[:ROWS_TOLD] if bad else (), row_count=bad.error_count if bad else 0,
    )  # fmt: skip


handlers = [show_lists, submit_list]
