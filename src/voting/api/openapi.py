"""The OpenAPI 3.1 description, read from the handlers that run. Pure but for the handlers it is given.

Paths, parameters, bodies and roles come from the handlers themselves, replies and refusals from the
:class:`~voting.api.operations.Operation` they carry, and schemas from the models by pydantic, which knows every
constraint it enforces. So the description cannot promise what the code does not do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from litestar import Litestar
from litestar.handlers import BaseRouteHandler
from litestar.params import BodyKwarg, ParameterKwarg, PathParameter, QueryParameter
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from polls.errors import BadCsrf, Invalid, NotAllowed, Refusal, SignInNeeded, TooMany, Unavailable
from voting.api.operations import BODY_EXAMPLES, JSON, OWN_REFUSALS, Operation, Returned
from voting.api.schemas import ProblemReply
from voting.identity.api_tokens import BadToken, TokenExpired, TokenRevoked, TokenScope, TokenWithCookie
from voting.identity.guards import access_rules, is_public
from voting.identity.token_access import scope_of
from voting.problems import (
    KINDS,
    MEDIA_TYPE,
    BodyTooLarge,
    Conflict,
    Failed,
    Malformed,
    MediaTypeNotSupported,
)

PREFIX = "/api/v1"
REFERENCE = "#/components/schemas/{model}"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
INFO = """Everything the pages do, over HTTP and JSON.

**Signing in.** `POST /api/v1/session` sets a cookie; `GET /api/v1/session` gives the token that requests which change
something carry in the header `X-CSRF-Token`.

**Tokens.** Analysts, officials and administrators make tokens in their account. `Authorization: Bearer veche_…` stands
for the session, without cookies and without `X-CSRF-Token`; `results:read` opens all that may be read without an
account, other scopes what names them. No token votes. Replies to a token carry `RateLimit-Limit`,
`RateLimit-Remaining`, `RateLimit-Reset` and `RateLimit-Policy`.

**Voting.** `POST /api/v1/polls/{slug}/ballots` with an `Idempotency-Key` of your own: at least 128 random bits.
Repeat a request that got no reply with the same key: you get the same receipt, and never a second vote.

**Errors** are problems (RFC 9457) with a stable `code`; `GET /api/v1/problems` lists them all.

**Limits.** Each account, or each network of visitors without one, may make 1,200 reads and 240 writes a minute and
fetch 30 files in ten minutes, counted over all processes; each token 6,000 reads a minute and 300 files. Over a limit
the reply is 429 with `Retry-After` seconds. Voting is limited by the one vote per resident alone, and by 60 attempts a
minute for each account in each process.

**Stability.** Under `/api/v1` paths, fields and codes keep their meaning; new ones may come. Read replies leniently.
"""
TAGS = {
    "session": "Sign in, sign up, sign out.",
    "polls": "The polls, their sealed documents and their turnout.",
    "voting": "Casting a ballot, and whether one has voted.",
    "results": "Figures and files of counted polls; decisions of the city and how it keeps them.",
    "officials": "Drafting, sealing, extending, closing and cancelling polls.",
    "reference": "Territories and problem codes.",
}


def describe_api(app: Litestar, *, title: str, version: str, server: str = "/") -> dict[str, Any]:
    """Build the document for every handler under /api/v1."""
    schemas = _Schemas()
    found = list(_handlers(app))
    for handler, _, _ in found:
        schemas.gather(handler)
    schemas.settle()
    paths: dict[str, dict[str, Any]] = {}
    for handler, path, method in found:
        paths.setdefault(path, {})[method.lower()] = _operation(handler, method, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": INFO,
                 "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": _session_cookie(app),
                            "description": "Set by `POST /api/v1/session`."},
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "veche_ and 49 letters and digits",
                          "description": "Made in the account, under “Tokens of the API”."},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token",
                         "description": "`csrf_token` of `GET /api/v1/session`; for requests that change something."},
            },
        },
    }  # fmt: skip


def _session_cookie(app: Litestar) -> str:
    settings = app.state["settings"]
    return "__Host-sid" if settings.secure_cookies else "sid"


def _handlers(app: Litestar) -> Iterator[tuple[BaseRouteHandler, str, str]]:
    for route in app.routes:
        if not route.path.startswith(PREFIX):
            continue
        for handler in getattr(route, "route_handlers", ()):
            if handler.include_in_schema is False:
                continue
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                yield handler, route.path_format, method


def operation_of(handler: BaseRouteHandler) -> Operation:
    """What a handler says of itself; without words of its own, what its name and its annotations say."""
    known = handler.opt.get("operation")
    if isinstance(known, Operation):
        return known
    name = handler.fn.__name__
    returned = handler.parsed_return_field.annotation
    model = next(iter(get_args(returned)), None)
    head, *rest = name.split("_")
    status = handler.status_code  # type: ignore[attr-defined]
    reply = Returned("Done", None if model is type(None) else model)
    return Operation(
        head + "".join(part.title() for part in rest), {status: reply}, tuple(OWN_REFUSALS.get(name, ())),
        body_example=BODY_EXAMPLES.get(name),
    )  # fmt: skip


class _Schemas:
    """The schemas of all models together, so that each is described once."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, JsonSchemaMode], TypeAdapter[Any]] = {}
        self._made: Mapping[tuple[str, JsonSchemaMode], Any] = {}
        self.components: dict[str, Any] = {}
        self._want(ProblemReply, "serialization")

    def gather(self, handler: BaseRouteHandler) -> None:
        for reply in operation_of(handler).returns.values():
            if reply.model is not None:
                self._want(reply.model, "serialization")
        if (body := _body_of(handler)) is not None:
            self._want(body, "validation")

    def settle(self) -> None:
        inputs = [(name, mode, adapter.core_schema) for (name, mode), adapter in self._wanted.items()]
        made, definitions = GenerateJsonSchema(ref_template=REFERENCE).generate_definitions(inputs)
        self._made = made
        self.components = dict(sorted(definitions.items()))

    def of(self, model: Any, mode: JsonSchemaMode) -> Any:
        return self._made[repr(model), mode]

    def _want(self, model: Any, mode: JsonSchemaMode) -> None:
        self._wanted.setdefault((repr(model), mode), TypeAdapter(model))


def _operation(handler: BaseRouteHandler, method: str, schemas: _Schemas) -> dict[str, Any]:
    said = operation_of(handler)
    described: dict[str, Any] = {
        "operationId": said.id,
        "summary": handler.summary or said.id,  # type: ignore[attr-defined]
        "description": _paragraphs(handler.fn.__doc__ or ""),
        "tags": sorted({tag for layer in handler.ownership_layers for tag in getattr(layer, "tags", None) or ()}),
        "responses": _responses(handler, method, said, schemas),
    }
    if parameters := [*_parameters(handler), *_headers(said)]:
        described["parameters"] = parameters
    if (body := _body_of(handler)) is not None:
        content: dict[str, Any] = {"schema": schemas.of(body, "validation")}
        if said.body_example is not None:
            content["example"] = said.body_example
        described["requestBody"] = {"required": True, "content": {JSON: content}}
    elif said.body_files:
        example = {} if said.body_example is None else {"example": said.body_example}
        described["requestBody"] = {"required": True, "content": dict.fromkeys(said.body_files, example)}
    described["security"] = _security(handler, method)
    if rules := sorted({role for rule in access_rules(handler) for role in rule.roles or ()}):
        described["description"] += f"\n\nFor the roles: {', '.join(rules)}."
    return described


def _body_of(handler: BaseRouteHandler) -> Any:
    """The model of a handler's body, or None."""
    field = handler.parsed_data_field
    return handler.opt.get("json_body") if field is None else field.annotation


def _paragraphs(docstring: str) -> str:
    """A docstring as Markdown: lines of a paragraph joined."""
    parts = [" ".join(part.split()) for part in docstring.strip().split("\n\n")]
    return "\n\n".join(parts)


def _security(handler: BaseRouteHandler, method: str) -> list[dict[str, list[str]]]:
    scope = scope_of(handler, method)
    return _sessions(handler, method) + ([] if scope is None else [{"token": [scope]}])


def _sessions(handler: BaseRouteHandler, method: str) -> list[dict[str, list[str]]]:
    if is_public(handler):
        # Signed in or not; what changes something in a session carries its token all the same.
        return [{}, {"session": []}] if method in SAFE else [{}, {"session": [], "csrf": []}]
    return [{"session": []}] if method in SAFE else [{"session": [], "csrf": []}]


def _parameters(handler: BaseRouteHandler) -> Iterator[dict[str, Any]]:
    for name, field in handler.parsed_fn_signature.parameters.items():
        kwarg = field.kwarg_definition
        if isinstance(kwarg, BodyKwarg) or not isinstance(kwarg, ParameterKwarg):
            continue
        path = isinstance(kwarg, PathParameter)
        if not path and not isinstance(kwarg, QueryParameter):
            continue
        described: dict[str, Any] = {
            "name": getattr(kwarg, "name", None) or name, "in": "path" if path else "query",
            "required": path or not field.has_default,
            "schema": _parameter_schema(field.annotation, kwarg, path),
        }  # fmt: skip
        if field.has_default and field.default is not None:
            described["schema"]["default"] = getattr(field.default, "value", field.default)
        if path:
            described |= PATHS[name]
        elif kwarg.description:
            described["description"] = kwarg.description
        yield described


PATHS: Mapping[str, Mapping[str, Any]] = {
    "slug": {"description": "The poll's slug or its 32-digit id.", "example": "square-2026"},
    "sha256": {"description": "The SHA-256 the picture is stored under, 64 hex digits.", "example": "0" * 64},
    "poll_id": {"description": "The poll's 32-digit id.", "example": "5f0c9a1b2c3d4e5f60718293a4b5c6d7"},
    "export_id": {"description": "The id of an order, 32 hex digits.", "example": "0" * 32},
    "passkey_id": {"description": "The number of a passkey, as the list gives it.", "example": 7},
    "number": {"description": "The number of a version, from 1.", "example": 2},
    "code": {"description": "The template's code.", "example": "city_poll"},
    "approval": {"description": "The number of a request for a second person.", "example": 12},
    "milestone": {"description": "The number of a step, as its decision gives it.", "example": 12},
    "evidence": {"description": "The number of a file under a step.", "example": 34},
}


def _parameter_schema(annotation: Any, kwarg: ParameterKwarg, path: bool) -> dict[str, Any]:
    optional = type(None) in get_args(annotation)
    if optional:  # a query parameter left out is None; there is no way to send one
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    schema = TypeAdapter(annotation).json_schema()
    for ours, theirs in (("ge", "minimum"), ("le", "maximum"), ("max_length", "maxLength"), ("pattern", "pattern")):
        if (value := getattr(kwarg, ours, None)) is not None:
            schema[theirs] = value
    if path:
        schema["minLength"] = 1
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _headers(said: Operation) -> Iterator[dict[str, Any]]:
    for header in said.headers:
        yield {
            "name": header.name, "in": "header", "required": header.required, "description": header.description,
            "schema": {"type": "string", "pattern": header.pattern}, "example": header.example,
        }  # fmt: skip
    if said.conditional:
        yield {
            "name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"},
            "description": "The ETag you have; 304 if it is still the one.",
        }  # fmt: skip


def _responses(handler: BaseRouteHandler, method: str, said: Operation, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, reply in said.returns.items():
        described: dict[str, Any] = {"description": reply.description}
        if reply.model is not None:
            described["content"] = {reply.media_type: {"schema": schemas.of(reply.model, "serialization")}}
        elif reply.media_type != JSON:
            described["content"] = {reply.media_type: {"schema": {"type": "string"}}}
        headers = {
            **reply.headers,
            **({"ETag": "For If-None-Match; none on a resident's own"} if said.conditional else {}),
        }
        if headers:
            described["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
            }
        responses[str(status)] = described
    if said.conditional:
        responses["304"] = {"description": "What you have is still right"}
    problem = schemas.of(ProblemReply, "serialization")
    for status, refusals in sorted(_by_status(_refusals(handler, method, said)).items()):
        responses[str(status)] = _problem(status, refusals, problem)
    return responses


def _refusals(handler: BaseRouteHandler, method: str, said: Operation) -> list[type[Refusal]]:
    """Its own refusals, and those of the layers before it."""
    found = [*said.refuses, TooMany, Unavailable, Failed, Malformed]
    found += [BadToken, TokenExpired, TokenRevoked, TokenScope, TokenWithCookie]
    if not is_public(handler):
        found.append(SignInNeeded)
        found += [NotAllowed for rule in access_rules(handler) if rule.roles]
    takes_input = any(
        isinstance(field.kwarg_definition, QueryParameter) for field in handler.parsed_fn_signature.parameters.values()
    )
    if method not in SAFE:
        found += [BadCsrf, Conflict, BodyTooLarge]
    if _body_of(handler) is not None:
        found += [MediaTypeNotSupported, Invalid]
    elif takes_input or said.body_files:
        found.append(Invalid)
    return found


def _by_status(refusals: Iterable[type[Refusal]]) -> dict[int, list[type[Refusal]]]:
    grouped: dict[int, list[type[Refusal]]] = {}
    for refusal in dict.fromkeys(refusals):
        grouped.setdefault(KINDS[refusal.code].status, []).append(refusal)
    return grouped


def _problem(status: int, refusals: list[type[Refusal]], schema: Any) -> dict[str, Any]:
    examples = {
        refusal.code: {
            "value": {
                "type": f"/problems/{refusal.code}", "title": KINDS[refusal.code].title, "status": status,
                "detail": refusal.detail, "instance": "urn:veche:request:0193", "code": refusal.code,
                "next_step": refusal.next_step,
            }
        }
        for refusal in refusals
    }  # fmt: skip
    described: dict[str, Any] = {
        "description": "; ".join(f"`{refusal.code}`: {refusal.detail}" for refusal in refusals),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }
    if status in (429, 503):
        described["headers"] = {
            "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}
        }
    if status == 401:
        described["headers"] = {"WWW-Authenticate": {"description": "Where to sign in", "schema": {"type": "string"}}}
    return described
