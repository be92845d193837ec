"""Who may call a handler. Every handler names one of these, or the application does not start.

    @get("/drafts", guards=[official])        any one role: any_of("official", "admin")
    @get("/polls", guards=[public])           anybody, signed in or not

A guard only asks for a role. Whether the viewer may touch this very poll is the use case's question.
"""

from collections.abc import Iterable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from polls.errors import NotAllowed, SignInNeeded
from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.tables import ROLES


class Access:
    """A guard: everybody (`roles` None), everybody signed in (empty), or the holders of any one of the roles."""

    def __init__(self, name: str, roles: Iterable[str] | None) -> None:
        self.name = name
        self.roles = None if roles is None else frozenset(roles)

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """Refuse with SignInNeeded or NotAllowed."""
        self.check(viewer_of(connection))

    def check(self, viewer: Viewer | None) -> None:
        """Refuse a viewer, or let them in."""
        if self.roles is None:
            return
        if viewer is None:
            raise SignInNeeded
        if self.roles and not (self.roles & viewer.roles):
            raise NotAllowed(roles=sorted(self.roles))
        if self.roles == {"resident"} and viewer.citizen_id is None:
            raise NotAllowed(roles=["resident"])

    def __repr__(self) -> str:
        return f"<guard {self.name}>"


def any_of(*roles: str) -> Access:
    """Let in whoever holds at least one of the roles."""
    if not roles or not set(roles) <= set(ROLES):
        raise ValueError(f"unknown roles: {roles}")
    return Access(" or ".join(roles), roles)


public = Access("public", None)
signed_in = Access("signed_in", ())
resident = any_of("resident")
official = any_of("official")
reviewer = any_of("reviewer")
analyst = any_of("analyst")
observer = any_of("observer")
admin = any_of("admin")


def access_rules(handler: BaseRouteHandler) -> list[Access]:
    """Give every access rule of a handler, `public` for one marked ``opt={"public": True}``; empty if it has none."""
    rules = [guard for guard in handler.resolve_guards() if isinstance(guard, Access)]
    return [public, *rules] if handler.opt.get("public") is True else rules


def is_public(handler: BaseRouteHandler) -> bool:
    """Tell whether the handler serves anonymous visitors: all its rules let everybody in, and it has one."""
    rules = access_rules(handler)
    return bool(rules) and all(rule.roles is None for rule in rules)
