"""The layer that logs who in the office looks at figures nobody has certified yet.

A route that shows figures of a counted poll names them in ``opt={"figures": "results"}``, and its address has the poll
as ``slug`` or ``public_id``. The look is written in a transaction of its own before the handler runs: no figures
without the log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from results.looks import record_look
from voting.db import Database
from voting.identity.sessions import Viewer

OFFICES: Final = frozenset({"official", "reviewer", "admin"})
"""Whose looks are logged: whoever has a hand in polls and their results."""


class LookMiddleware(ASGIMiddleware):
    """Stands before the handler, once the route and the viewer are known."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Log the look of an office-holder, then pass the request on."""
        what = scope["route_handler"].opt.get("figures")
        viewer: Viewer | None = scope["state"].get("viewer")
        if what is not None and viewer is not None and viewer.roles & OFFICES:
            slug = scope["path_params"].get("slug", scope["path_params"].get("public_id"))
            if isinstance(slug, str) and "\0" not in slug:
                async with self._database.open_session_aside() as session:
                    await record_look(session, slug, viewer.account_id, what, self._clock())
        await next_app(scope, receive, send)
