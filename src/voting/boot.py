"""What must hold of every route before the service answers anybody. A route that breaks a rule stops the start."""

import inspect
from collections.abc import Iterator
from typing import Any, get_args

from litestar import Litestar
from litestar.handlers import BaseRouteHandler
from pydantic import BaseModel

from voting.identity.guards import access_rules
from voting.problems import KINDS, all_refusals


class UnsafeRoutes(Exception):
    """Some routes break the rules; the text names each."""


def check_routes(app: Litestar) -> None:
    """Refuse to start with a route without a guard, with a cached reply, or with a body that takes unknown fields.

    A reply kept by the framework's cache would hand one visitor's Set-Cookie to the next, so no route may ask for it.
    """
    faults = [f"{path}: {fault}" for path, handler in _handlers(app) for fault in _faults(handler)]
    faults += [f"refusal {code!r} has no status" for code in all_refusals() if code not in KINDS]
    if faults:
        raise UnsafeRoutes("\n".join(sorted(set(faults))))


def _handlers(app: Litestar) -> Iterator[tuple[str, BaseRouteHandler]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:  # type: ignore[union-attr]
            if getattr(handler, "http_methods", None) == {"OPTIONS"}:
                continue  # made by the framework; says which methods there are and nothing else
            yield f"{route.path} ({handler})", handler


def _faults(handler: BaseRouteHandler) -> Iterator[str]:
    if not access_rules(handler):
        yield "names no guard and is not marked public"
    if getattr(handler, "cache", False):
        yield "asks for the framework's response cache"
    field = getattr(handler, "parsed_data_field", None)
    body = handler.opt.get("json_body") if field is None else field.annotation
    if body is not None:
        for model in sorted(_models(body, set()), key=str):
            if model.model_config.get("extra") != "forbid":
                yield f"takes unknown fields in {model.__name__}"


def _models(annotation: Any, seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """Give every pydantic model within an annotation."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        if annotation not in seen:
            seen.add(annotation)
            for field in annotation.model_fields.values():
                _models(field.annotation, seen)
        return seen
    for part in get_args(annotation):
        _models(part, seen)
    return seen
