"""What the web framework works out anew for every application, worked out once: tests make thousands of applications
out of the same handlers. What an application does stays as it is, and nothing here keeps an application alive.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from litestar import Litestar
from litestar._asgi.asgi_router import ASGIRouter
from litestar._signature.model import SignatureModel
from litestar.router import Router
from litestar.routes import BaseRoute
from litestar.utils.signature import ParsedSignature


def remember() -> None:
    """Work out what follows from the handlers alone once a process, and what is of all routes once an application
    instead of once a route. Together they are most of the time an application takes.
    """
    _read_signatures_once()
    _make_models_once()
    _list_routes_once()
    _build_the_tree_once()


def _read_signatures_once() -> None:
    of_functions: WeakKeyDictionary[Any, ParsedSignature] = WeakKeyDictionary()
    of_code: dict[Any, ParsedSignature] = {}
    read = ParsedSignature.from_fn

    def place(fn: Any) -> tuple[Any, Any]:
        """Where it is kept, and under what. What is made for each application (dependencies, OPTIONS) differs in what
        it encloses alone, and encloses all of the application: it is known by its code."""
        if getattr(fn, "__closure__", None) and not fn.__defaults__ and not fn.__kwdefaults__:
            return of_code, (fn.__code__, *((name, repr(kind)) for name, kind in fn.__annotations__.items()))
        return of_functions, fn

    def remembered(fn: Any, signature_namespace: dict[str, Any]) -> ParsedSignature:
        known, key = place(fn)
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
