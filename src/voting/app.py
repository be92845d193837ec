"""Puts the service together: settings, database and the routes of `voting.api` and `voting.web` become an application.

The order of the layers, from outside: what goes past the framework (`voting.front`); request number and log line, host
and client address, who is asking, the router; then for a route that was found: forged requests, limits, its guard, its
parameters, its handler.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.connection import Request
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from polls.casting import BallotBox
from polls.errors import SignInNeeded
from polls.known_polls import KnownPolls
from voting import health
from voting.api import session
from voting.boot import check_routes
from voting.db import Database, database_dependencies
from voting.edge import EdgeMiddleware
from voting.form_body import OrderedRequest
from voting.front import Front, Refusing, Site
from voting.identity import totp
from voting.identity.breached import BreachedList
from voting.identity.city_sign_on.arriving import CitySignOn
from voting.identity.cookies import IdentityCookies
from voting.identity.devices import KnownDevices
from voting.identity.guards import is_public, public
from voting.identity.passwords import PasswordPool
from voting.identity.recognition import RecognitionMiddleware, WebSessions, viewer_of
from voting.identity.sessions import Viewer
from voting.identity.sign_in_limits import SignInLimits
from voting.identity.signing_in import Desk
from voting.identity.token_access import TokenMiddleware
from voting.looks import LookMiddleware
from voting.perimeter import SecurityHeaders
from voting.remembered_replies import RememberedReplies
from voting.remembering import Pulse, Shelf
from voting.replies import make_answer
from voting.secrets import identity_secrets, receipt_signer
from voting.security import ForgeryMiddleware, FormTokens
from voting.settings import Settings
from voting.sign_in_door import SignInDoor
from voting.telemetry import TelemetryMiddleware, configure_logging
from voting.throttling import CASTING, Bucket, Limit, Throttle, ThrottleMiddleware
from voting.web import account, city_sign_on, error_pages, i18n, rendering
from voting.web.readers import Readers

STATIC = Path(__file__).parent / "static"
Clock = Callable[[], datetime]
Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def utc_now() -> datetime:
    """Give the present moment, aware."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    clock: Clock = utc_now,
    limits: Mapping[str, Limit] | None = None,
    passwords: PasswordPool | None = None,
    box: BallotBox | None = None,
    route_handlers: Sequence[ControllerRouterHandler] | None = None,
    lifespan: Sequence[Lifespan] = (),
) -> Litestar:
    """Build the application. Raises `voting.boot.UnsafeRoutes` if a route breaks a rule.

    A `database` given is left open at shutdown; one made here is closed. `route_handlers` replaces all pages and the
    API, for tests; `limits` overrides limits by class; `lifespan` are further contexts to hold while serving. A `box`
    given stands for the application's own ballot box, for benchmarks; it is closed at shutdown like that one.
    """
    configure_logging()
    i18n.load_catalogues()
    parts = _gather(settings, database or Database.from_settings(settings), clock, limits, passwords, box)
    pulse = Pulse(parts.desk.database, clock)
    shelf = Shelf(pulse, clock)
    casting = Bucket(CASTING)
    api, web = import_module("voting.api"), import_module("voting.web")
    listed = [*api.routers, *web.handlers] if route_handlers is None else route_handlers
    answer = make_answer(rendering.translate_for, error_pages.error_page, account.render_sign_in_carrying)
    headers = SecurityHeaders(settings)
    app = Site(
        route_handlers=[*_own_routes(), *listed],
        dependencies=_dependencies(parts, clock),
        middleware=[
            TokenMiddleware(parts.desk.database, clock, parts.cookies.session),
            ForgeryMiddleware(settings, parts.tokens, parts.cookies, is_public=is_public),
            ThrottleMiddleware(parts.desk.throttle, clock, casting),
            LookMiddleware(parts.desk.database, clock),
        ],
        exception_handlers={Exception: answer},
        before_send=[headers],
        compression_config=CompressionConfig(backend="gzip", minimum_size=1000, gzip_compress_level=5,
                                             exclude_opt_key="uncompressed"),
        request_max_body_size=settings.body_limit,
        request_class=OrderedRequest,
        logging_config=None,  # exceptions are logged by voting.replies, which knows the expected ones
        openapi_config=None,  # voting.api describes itself
        state=_state(settings, parts, clock, pulse, shelf),
        lifespan=[_holding(parts, close_database=database is None), *lifespan],
        debug=False,
        pdb_on_exception=False,
    )  # fmt: skip
    check_routes(app)
    remembered, sessions = RememberedReplies(shelf, pulse), parts.desk.web_sessions
    recognition = RecognitionMiddleware(sessions, parts.tokens, parts.cookies.session)
    door = SignInDoor(parts.desk.passwords, error_pages.page_for_all, i18n.language_of)
    edge = EdgeMiddleware(settings, answer)
    for layer in (remembered, recognition, door, Refusing(), edge, TelemetryMiddleware()):
        app.asgi_handler = layer(app.asgi_handler)
    app.front = Front(
        app, settings, sessions, parts.tokens, casting, cookie=parts.cookies.session, security_headers=headers
    )
    return app


@dataclass(frozen=True)
class Parts:
    """What the layers and the handlers share."""

    desk: Desk
    tokens: FormTokens
    cookies: IdentityCookies
    box: BallotBox
    known_polls: KnownPolls
    sign_on: CitySignOn


def _state(settings: Settings, parts: Parts, clock: Clock, pulse: Pulse, shelf: Shelf) -> State:
    """What handlers and layers find in the application's state."""
    return State({
        "settings": settings, "database": parts.desk.database, "cookies": parts.cookies, "pulse": pulse,
        "desk": parts.desk, "shelf": shelf, "readers": Readers(parts.desk.database, pulse),
        "drawing": asyncio.Semaphore(1),  # one picture at a time
        "translate_for": rendering.translate_for, "clock": clock, "box": parts.box,
        "known_polls": parts.known_polls, "web_sessions": parts.desk.web_sessions, "sign_on": parts.sign_on,
    })  # fmt: skip


def _gather(
    settings: Settings,
    database: Database,
    clock: Clock,
    limits: Mapping[str, Limit] | None,
    passwords: PasswordPool | None,
    box: BallotBox | None,
) -> Parts:
    tokens = FormTokens(settings.secret("forms"))
    throttle = Throttle(database, settings.secret("throttle"), limits)
    desk = Desk(
        settings=settings,
        database=database,
        passwords=passwords or PasswordPool(settings.argon2_threads, apart=True),
        web_sessions=WebSessions(database, idle=settings.session_idle, clock=clock),
        throttle=throttle,
        identity_secrets=identity_secrets(settings),
        seal_keys=settings.secret_versions(totp.KEYS),
        devices=KnownDevices(settings.secret("devices")),
        limits=SignInLimits(throttle, database),
        breached=BreachedList(settings.breached_passwords),
    )
    box = box or BallotBox(
        database.open_box_session, cache(partial(receipt_signer, settings)), waiting=settings.votes_waiting
    )
    return Parts(desk, tokens, IdentityCookies(secure=settings.secure_cookies, tokens=tokens), box,
                 KnownPolls(database.open_session), CitySignOn(settings))  # fmt: skip


def _holding(parts: Parts, *, close_database: bool) -> Lifespan:
    @asynccontextmanager
    async def hold(_: Litestar) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await parts.box.close()
            parts.desk.passwords.close()
            if close_database:
                await parts.desk.database.close()

    return hold


def _dependencies(parts: Parts, clock: Clock) -> dict[str, Provide]:
    return {
        **database_dependencies(parts.desk.database),
        **_values(
            settings=parts.desk.settings,
            clock=clock,
            desk=parts.desk,
            identity_cookies=parts.cookies,
            throttle=parts.desk.throttle,
            box=parts.box,
            known_polls=parts.known_polls,
            sign_on=parts.sign_on,
        ),
        "now": Provide(clock, sync_to_thread=False),
        "viewer": Provide(_provide_viewer, sync_to_thread=False),
        "visitor": Provide(_provide_visitor, sync_to_thread=False),
    }


def _own_routes() -> list[ControllerRouterHandler]:
    """What every application has: health, static files, identity, and the explanations of refusals."""
    identity: list[ControllerRouterHandler] = [session.router, *account.handlers, *city_sign_on.handlers]
    return [*health.handlers, *_static_files(), *identity, *error_pages.handlers]


def _static_files() -> list[ControllerRouterHandler]:
    if not STATIC.is_dir():  # the front end has not been built
        return []
    return [
        create_static_files_router(
            "/static", [STATIC], guards=[public], opt={"static": True}, cache_control=CacheControlHeader(max_age=3600)
        )
    ]


def _values(**values: Any) -> dict[str, Provide]:
    """Make a dependency of each value, by its name."""

    def providing(value: Any) -> Provide:
        def provide() -> Any:
            return value

        return Provide(provide, sync_to_thread=False)

    return {name: providing(value) for name, value in values.items()}


def _provide_viewer(request: Request[Any, Any, Any]) -> Viewer:
    """Give who is signed in; handlers for visitors take `visitor`, which may be None."""
    viewer = viewer_of(request)
    if viewer is None:
        raise SignInNeeded
    return viewer


def _provide_visitor(request: Request[Any, Any, Any]) -> Viewer | None:
    """Give who is signed in, or None."""
    return viewer_of(request)
