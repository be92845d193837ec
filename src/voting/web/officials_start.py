"""How a draft begins: from a template, from nothing, as a copy, or from a file; and the file to take."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath
from pydantic import ValidationError

from polls.authoring import load_draft
from polls.definition import Definition
from polls.desk import desk_polls
from polls.errors import FieldError, Invalid
from polls.poll_templates import TEMPLATES, definition_from
from polls.register import buildings_named, territory_tree
from polls.sessions import ReadSession
from polls.territories import Territory, TerritoryTree
from voting.approvals.scopes import polls_within
from voting.identity.guards import official
from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.problems import as_refusal
from voting.settings import Settings
from voting.web.error_pages import described
from voting.web.form_filling import form_of
from voting.web.form_operations import operate
from voting.web.forms import definition_of
from voting.web.i18n import language_of
from voting.web.officials import known
from voting.web.officials_form import Shown, editor_page, houses_found
from voting.web.officials_words import FIELDS
from voting.web.rendering import page, translate_for

AnyRequest = Request[Any, Any, Any]
LONGEST_FILE: Final = 4 * 1024 * 1024
MOST_TOLD: Final = 50
"""The most mistakes of a file that its page lists."""


@dataclass(frozen=True)
class FileMistake:
    """One mistake of a file: where in it (``questions → 2 → text → ru``), what the field is called, what is wrong."""

    place: str
    label: str
    words: str


@get("/officials/polls/start", guards=[official], include_in_schema=False)
async def show_start(
    request: AnyRequest, read_session: NamedDependency[ReadSession], now: NamedDependency[datetime]
) -> Response[Any]:
    """The gallery: templates, an empty poll, a copy, a file."""
    return await _start_page(request, read_session, now)


@get("/officials/polls/new", guards=[official], include_in_schema=False)
async def show_new(
    request: AnyRequest, viewer: NamedDependency[Viewer], settings: NamedDependency[Settings],
    read_session: NamedDependency[ReadSession],
) -> Response[Any]:  # fmt: skip
    """A form that is empty, or filled from a template. Nothing is stored before the first saving."""
    tree = await territory_tree(read_session)
    city = tree.of_kind("city")
    asked = request.query_params
    poll_id, code = secrets.token_hex(16), asked.get("template", "")
    if code:
        chosen = asked.get("territory", "").replace("\0", "")[:100]
        place = tree.by_code.get(chosen) or (await buildings_named(read_session, [chosen])).get(chosen)
        definition = _fitted(code, poll_id, place, city[0] if city else None)
        definition = definition.model_copy(
            update={"time_zone": settings.time_zone, "department": definition.department or viewer.department}
        )
    else:
        definition = Definition(
            poll_id=poll_id, time_zone=settings.time_zone, department=viewer.department,
            territory=city[0].code if city else "",
        )  # fmt: skip
    form = form_of(definition, language=language_of(request))
    if not code:
        operate(form, "add_question:single_choice")
    notice = "template" if code else ""
    return await editor_page(request, read_session, Shown(form, definition_of(form), 0, notice=notice))


def _fitted(code: str, poll_id: str, place: Territory | None, city: Territory | None) -> Definition:
    """A template for a place. One of owners takes only a building; the others the whole city where none is chosen."""
    template = TEMPLATES.get(code)
    of_owners = template is not None and template.of_owners
    if of_owners and (place is None or place.kind != "building"):
        return definition_from(code, poll_id, "")
    chosen = place or (city if code in ("city_poll", "venue_rating", "ranking") else None)
    return definition_from(code, poll_id, chosen.code if chosen else "")


@post("/officials/polls/start", guards=[official], include_in_schema=False, status_code=200,
      request_max_body_size=LONGEST_FILE + 64 * 1024)  # fmt: skip
async def import_file(
    request: AnyRequest, read_session: NamedDependency[ReadSession], now: NamedDependency[datetime]
) -> Response[Any]:
    """Open the definition of a file in the editor; nothing is stored before saving. Mistakes are told by field."""
    sent = await request.form()
    file = sent.get("file")
    data = await file.read(LONGEST_FILE + 1) if isinstance(file, UploadFile) else b""
    translate = translate_for(request)
    try:
        definition = await asyncio.to_thread(read_file, data)  # megabytes of JSON would hold everybody up
    except Invalid as refusal:
        problem = described(request, refusal)
        mistakes = [
            FileMistake(str(error["path"]).replace("/", " → "), _field_name(str(error["path"]), translate),
                        str(error["message"]))
            for error in problem.errors
        ]  # fmt: skip
        return await _start_page(request, read_session, now, mistakes=mistakes)
    form = form_of(definition, language=language_of(request))
    parsed = definition_of(form)
    shown = Shown(form, parsed, 0, parsed.errors, notice="imported", changed=True, status=200)
    return await editor_page(request, read_session, shown)


def read_file(data: bytes) -> Definition:
    """A definition out of a file, under a new id: two polls are two documents. Refuses `Invalid` with every mistake."""
    if not data.strip():
        raise Invalid([FieldError("", "no_file", "Choose a file.")])
    if len(data) > LONGEST_FILE:
        raise Invalid([FieldError("", "file_too_large", "The file is too large: at most 4 MB.")])
    try:
        values = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once_each)
    except RecursionError as error:
        raise Invalid([FieldError("", "not_json", "The file is no JSON.")]) from error
    except json.JSONDecodeError as error:
        raise Invalid(
            [
                FieldError(
                    f"{error.lineno}:{error.colno}", "not_json", "The file is no JSON from this line and column on."
                )
            ]
        ) from error
    except ValueError as error:  # bytes that are no UTF-8, a number with a million digits
        raise Invalid([FieldError("", "not_json", "The file is no JSON.")]) from error
    if not isinstance(values, dict):
        raise Invalid([FieldError("", "not_json", "The file holds no poll: an object was expected.")])
    try:
        return Definition.model_validate({**values, "poll_id": secrets.token_hex(16)})
    except ValidationError as error:
        refusal = as_refusal(error)
        assert isinstance(refusal, Invalid)
        raise refusal from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names do not repeat: of two values one would be lost in silence."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid([FieldError("", "name_repeats", "A name stands twice in one object of the file.")])
    return found


@get("/officials/polls/{public_id:str}/definition.json", guards=[official], include_in_schema=False)
async def send_file(
    public_id: FromPath[str], session: NamedDependency[ReadSession], now: NamedDependency[datetime]
) -> Response[bytes]:
    """The newest revision, or the sealed document, as a file that can be imported again."""
    draft = await load_draft(session, known(public_id), now)
    text = json.dumps(draft.definition.as_json(), ensure_ascii=False, indent=2) + "\n"
    headers = {"content-disposition": f'attachment; filename="{draft.slug}.json"', "cache-control": "no-store"}
    return Response(text.encode(), media_type="application/json", headers=headers)


# ---- parts


async def _start_page(
    request: AnyRequest, session: ReadSession, now: datetime, *, mistakes: list[FileMistake] | None = None
) -> Response[Any]:
    words = request.query_params.get("q", "").replace("\0", "").strip()[:100]
    house = request.query_params.get("house", "").replace("\0", "").strip()[:100]
    viewer = viewer_of(request)
    within = polls_within(viewer.grants_of("official"), viewer.account_id) if viewer else None
    rows, more = await desk_polls(session, now, words=words, within=within, limit=10) if words else ([], False)
    tree = await territory_tree(session, buildings=True)
    return page(
        request, "officials/start.html", status=422 if mistakes else 200, nav="officials",
        templates=list(TEMPLATES.values()), places=list(_places(tree)), houses=houses_found(tree, house), house=house,
        words=words, rows=rows, more=more, mistakes=(mistakes or [])[:MOST_TOLD], mistaken=len(mistakes or []),
    )  # fmt: skip


def _places(tree: TerritoryTree) -> Iterator[tuple[Territory, int]]:
    """Territories above buildings with their depth, as they stand in the tree."""
    waiting = [(top, 0) for top in reversed(tree.children(None))]
    while waiting:
        place, depth = waiting.pop()
        if place.kind == "building":
            continue
        yield place, depth
        waiting.extend((below, depth + 1) for below in reversed(tree.children(place.id)))


def _field_name(path: str, translate: Any) -> str:
    names: Mapping[str, str] = FIELDS
    return next((translate(names[part]) for part in reversed(path.split("/")) if part in names), "")


handlers = [show_start, show_new, import_file, send_file]
