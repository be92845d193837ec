"""Definitions as files, both ways, with their JSON Schema; and templates to begin from."""

import asyncio
import json
import secrets
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from polls.definition import SCHEMA, Definition
from polls.definition_exchange import export_definition, import_definition
from polls.definition_file import LARGEST, definition_schema, read_file
from polls.errors import BadFile, PollNotFound, TemplateNotFound
from polls.poll_templates import TEMPLATES, definition_from
from polls.sessions import ReadSession, Session
from voting.api.addresses import poll_id as known_id
from voting.api.drafts import EXAMPLE
from voting.api.operations import JSON, Returned, describes
from voting.api.representation import LONG, json_reply, public_bytes
from voting.api.schemas_authoring import ImportedView, TemplateLine, TemplateList
from voting.approvals.scopes import require_placing
from voting.identity.guards import official, public
from voting.identity.sessions import Viewer
from voting.problems import BodyTooLarge

AnyRequest = Request[Any, Any, Any]
EXAMPLE_FILE = {"schema": SCHEMA, "poll_id": "5f0c9a1b2c3d4e5f60718293a4b5c6d7", **EXAMPLE}


@get(
    "/definitions/schema",
    guards=[public],
    summary="The schema of definition files",
    tags=["reference"],
    opt=describes("getDefinitionSchema", {200: Returned("JSON Schema, draft 2020-12", dict[str, Any])},
                  conditional=True),
)  # fmt: skip
async def show_schema(request: AnyRequest) -> Response[bytes]:
    """What a definition file may hold. Ids that refer to each other are checked beside it, when a file is read."""
    return public_bytes(request, json.dumps(definition_schema(), ensure_ascii=False).encode(), max_age=LONG)


@post(
    "/definitions",
    guards=[official],
    status_code=201,
    request_max_body_size=LARGEST,
    summary="Begin a draft from a file",
    tags=["officials"],
    opt=describes("importDefinition", {201: Returned("The draft", ImportedView)}, refuses=[BadFile, BodyTooLarge],
                  body_files=[JSON], body_example=EXAMPLE_FILE, private=True),
)  # fmt: skip
async def bring(
    request: AnyRequest,
    viewer: NamedDependency[Viewer],
    session: NamedDependency[Session],
    now: NamedDependency[datetime],
) -> Response[bytes]:
    """Send the file itself. It never writes over a poll: where its id is taken, the draft gets a new one."""
    definition = await asyncio.to_thread(read_file, await request.body())  # megabytes of JSON hold the loop up
    await require_placing(session, viewer.grants_of("official"), definition)
    made = await import_definition(session, definition, secrets.token_hex(16), viewer.account_id, now)
    return json_reply(ImportedView.of(made), status=201)


@get(
    "/drafts/{poll_id:str}/file",
    guards=[official],
    summary="A definition as a file",
    tags=["officials"],
    opt=describes("exportDefinition", {200: Returned("Canonical JSON (RFC 8785)", Definition)},
                  refuses=[PollNotFound], private=True),
)  # fmt: skip
async def give(poll_id: FromPath[str], session: NamedDependency[ReadSession]) -> Response[bytes]:
    """The newest revision, or the sealed bytes. Imported and exported again it is the same bytes."""
    found = await export_definition(session, known_id(poll_id))
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{found.slug}.json"'}
    return Response(found.data, media_type=JSON, headers=headers)


@get(
    "/templates",
    guards=[official],
    summary="Templates",
    tags=["officials"],
    opt=describes("listTemplates", {200: Returned("Every template", TemplateList)}, private=True),
)
async def list_templates() -> Response[bytes]:
    """Whole definitions to begin a draft from."""
    return json_reply(TemplateList(templates=[TemplateLine.of(template) for template in TEMPLATES.values()]))


@get(
    "/templates/{code:str}",
    guards=[official],
    summary="One template",
    tags=["officials"],
    opt=describes("getTemplate", {200: Returned("The definition, under a new id", Definition)},
                  refuses=[TemplateNotFound], private=True),
)  # fmt: skip
async def show_template(
    code: FromPath[str],
    territory: Annotated[
        str, QueryParameter(pattern=r"^[a-z0-9-]{0,64}$", description="Whose poll it will be; of owners, a building.")
    ] = "",
) -> Response[bytes]:
    """A definition to change and to send to `POST /drafts`; its audience is that of the territory."""
    return json_reply(definition_from(code, secrets.token_hex(16), territory))


handlers = [show_schema, bring, give, list_templates, show_template]
