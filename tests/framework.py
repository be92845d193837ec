"""What the web framework works out anew for every application, worked out once: tests make thousands of applications
out of the same handlers. What an application does stays as it is, and nothing here keeps an application alive.
"""

import os
from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from litestar import Litestar
from litestar._asgi.asgi_router import ASGIRouter
from litestar._asgi.routing_trie import mapping
from litestar._kwargs import KwargsModel
from litestar._signature.model import SignatureModel
from litestar.handlers import HTTPRouteHandler
from litestar.router import Router
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.types.empty import Empty
from litestar.types.internal_types import PathParameterDefinition, RouteHandlerType
from litestar.utils.signature import ParsedSignature
from litestar.utils.sync import ensure_async_callable


def remember() -> None:
    """Work out what follows from the handlers alone once a process, and what is of all routes once an application
    instead of once a route. Together they are most of the time an application takes.

    Most of what is left is about routes that no test asks for. In full (`VECHE_FULL_COUNTS=1`) it is done as the
    framework does it; otherwise a route is prepared, and held against the framework's rules, in the first application
    that has it, and in each later one when it is asked for.
    """
    _read_signatures_once()
    _make_models_once()
    _list_routes_once()
    _build_the_tree_once()
    if not os.environ.get("VECHE_FULL_COUNTS"):
        _copy_handlers_without_their_types()
        _prepare_routes_when_asked_for()
        _stack_layers_when_asked_for()


def _read_signatures_once() -> None:
    of_functions: WeakKeyDictionary[Any, ParsedSignature] = WeakKeyDictionary()
    of_code: dict[Any, ParsedSignature] = {}
    read = ParsedSignature.from_fn

    def remembered(fn: Any, signature_namespace: dict[str, Any]) -> ParsedSignature:
        key = _known_by(fn)
        known: Any = of_functions if key is fn else of_code
        found = known.get(key)
        if found is None:
            found = known[key] = read(fn, signature_namespace)
        return found

    ParsedSignature.from_fn = remembered  # type: ignore[method-assign]


def _make_models_once() -> None:
    known: dict[Any, tuple[ParsedSignature, type[SignatureModel]]] = {}
    make = SignatureModel.create

    def remembered(
        dependency_name_set: set[str], fn: Any, parsed_signature: ParsedSignature, type_decoders: Sequence[Any],
        data_dto: Any = None,
    ) -> type[SignatureModel]:  # fmt: skip
        decoders = tuple(_what_it_calls(one) for pair in type_decoders for one in pair)
        key = (
            id(parsed_signature),
            getattr(fn, "__qualname__", ""),
            frozenset(dependency_name_set),
            decoders,
            data_dto,
        )
        if key not in known:  # the signature is kept with it: its id stays its own
            known[key] = parsed_signature, make(dependency_name_set, fn, parsed_signature, type_decoders, data_dto)
        return known[key][1]

    SignatureModel.create = remembered  # type: ignore[method-assign]


_listed: dict[int, tuple[Router, list[BaseRoute], dict[str, Any]]] = {}
"""The routes of routers to which more are being added; empty when an application is made."""


def _list_routes_once() -> None:
    """The framework lists all routes again for each route it adds."""
    whole = Router.__dict__["route_handler_method_map"].fget

    def listed(self: Router) -> dict[str, Any]:
        _, before, found = _listed.get(id(self), (self, [], {}))
        if len(before) > len(self.routes) or any(map(_another, before, self.routes)):
            found = whole(self)
        elif len(before) < len(self.routes):
            for path, handlers in whole(_Routes(self.routes[len(before) :])).items():  # type: ignore[arg-type]
                found.setdefault(path, {}).update(handlers)
        _listed[id(self)] = self, list(self.routes), found
        return found

    Router.route_handler_method_map = property(listed)  # type: ignore[assignment,method-assign]


def _known_by(fn: Any) -> Any:
    """What is made for each application (dependencies, OPTIONS) differs in what it encloses alone, and encloses all of
    the application: it is known by its code. Any other function stands for itself."""
    if getattr(fn, "__closure__", None) and not fn.__defaults__ and not fn.__kwdefaults__:
        return fn.__code__, *((name, repr(kind)) for name, kind in fn.__annotations__.items())
    return fn


def _what_it_calls(function: Any) -> Any:
    """The same for two `partial`s of one function with the same arguments, which each application makes anew."""
    if isinstance(function, partial):
        return function.func, function.args, tuple(function.keywords.items())
    return function


def _another(one: object, other: object) -> bool:
    return one is not other


class _Routes:
    """As much of a router as it takes to list routes."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self.routes = routes


def _build_the_tree_once() -> None:
    """The framework checks the whole tree of paths again for each route it adds."""
    begin, build = Litestar.__init__, ASGIRouter.construct_routing_trie

    def begin_and_build(self: Litestar, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        _listed.clear()
        build(self.asgi_router)

    def build_later(self: ASGIRouter) -> None:
        if hasattr(self.app, "asgi_handler"):  # set at the end of `__init__`
            build(self)

    Litestar.__init__ = begin_and_build  # type: ignore[method-assign]
    ASGIRouter.construct_routing_trie = build_later  # type: ignore[method-assign]


def _copy_handlers_without_their_types() -> None:
    """The framework copies a router with everything its handlers consist of, down to the types of their parameters,
    which nobody changes. What an application writes into, it has of its own here too."""
    slots = [name for kind in HTTPRouteHandler.__mro__ for name in getattr(kind, "__slots__", ())]

    def copied(self: HTTPRouteHandler, known: dict[int, Any]) -> HTTPRouteHandler:
        known[id(self)] = made = copy(self)
        made.owner = deepcopy(self.owner, known)
        for name in slots:
            held = getattr(made, name, None)
            if isinstance(held, dict | list | set):
                setattr(made, name, held.copy())
        return made

    HTTPRouteHandler.__deepcopy__ = copied  # type: ignore[attr-defined]


class _LaterModel(KwargsModel):
    """How the parameters of a handler are found in a request, worked out when the first one comes."""

    __slots__ = ("_work_out",)

    def __init__(self, work_out: Callable[[], KwargsModel]) -> None:
        self._work_out = work_out

    def __getattr__(self, name: str) -> Any:  # while the slots are empty
        if name not in KwargsModel.__slots__:
            raise AttributeError(name)
        found = self._work_out()
        for slot in KwargsModel.__slots__:
            setattr(self, slot, getattr(found, slot))
        return getattr(self, name)


def _prepare_routes_when_asked_for() -> None:
    register, work_out = HTTPRouteHandler.on_registration, HTTPRouteHandler.create_kwargs_model
    registered: dict[Any, tuple[Any, bool]] = {}

    def register_once(self: HTTPRouteHandler, app: Litestar) -> None:
        key = _known_by(self.fn), frozenset(self.paths), frozenset(self.http_methods)
        if key not in registered:
            register(self, app)
            registered[key] = self.media_type, self.has_sync_callable
            return
        self.media_type, self.has_sync_callable = registered[key]
        if self.sync_to_thread:
            self._fn = ensure_async_callable(self.fn)
        self.resolve_opts()

    def work_out_later(self: HTTPRouteHandler, path_parameters: dict[str, PathParameterDefinition]) -> KwargsModel:
        def prepared() -> KwargsModel:
            register(self, self.app)
            return work_out(self, path_parameters)

        if self._resolved_dependencies is Empty:
            return _LaterModel(prepared)
        return work_out(self, path_parameters)

    HTTPRouteHandler.on_registration = register_once  # type: ignore[method-assign]
    HTTPRouteHandler.create_kwargs_model = work_out_later  # type: ignore[assignment,method-assign]


class _LaterStack:
    """The layers around a route, put together when the first request comes to it."""

    __slots__ = ("_put_together", "_stack")

    def __init__(self, put_together: Callable[[], ASGIApp]) -> None:
        self._put_together = put_together
        self._stack: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._stack is None:
            self._stack = self._put_together()
        await self._stack(scope, receive, send)


def _stack_layers_when_asked_for() -> None:
    put_together = mapping.build_route_middleware_stack

    def later(app: Litestar, route: HTTPRoute | WebSocketRoute | ASGIRoute, route_handler: RouteHandlerType) -> ASGIApp:
        return _LaterStack(partial(put_together, app, route, route_handler))

    mapping.build_route_middleware_stack = later
