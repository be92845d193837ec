"""Who may call a handler. Every handler names one of these, or the application does not start.

    @get("/drafts", guards=[official])        any one role: any_of("official", "admin")
    @get("/polls", guards=[public])           anybody, signed in or not

A guard asks for a role, and at the address of a poll whether the role reaches it (`voting.approvals.scopes`). What is
decided for good asks the database once more, and holds the answer.
"""

from collections.abc import Iterable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from polls.errors import NotAllowed, SignInNeeded
from voting.approvals.scopes import require_poll
from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.tables import ROLES

SCOPED = frozenset({"official", "reviewer"})
"""Roles that may be for one department or territory."""
POLL_KEYS = ("public_id", "poll_id", "slug")
"""Path parameters that name a poll: every address of one poll has one of these."""


class Access:
    """A guard: everybody (`roles` None), everybody signed in (empty), or the holders of any one of the roles."""

    def __init__(self, name: str, roles: Iterable[str] | None, *, everywhere: bool = False) -> None:
        self.name = name
        self.everywhere = everywhere
        self.roles = None if roles is None else frozenset(roles)

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """Refuse with SignInNeeded or NotAllowed; at a poll's address also where the role does not reach the poll."""
        viewer = viewer_of(connection)
        self.check(viewer)
        if self.roles and viewer is not None and not self.roles.isdisjoint(SCOPED):
            await self._check_scope(connection, viewer)

    async def _check_scope(self, connection: ASGIConnection[Any, Any, Any, Any], viewer: Viewer) -> None:
        """Refuse PollNotFound or OutOfScope at the address of a poll outside of every role that let the viewer in.

        Roles without a scope, which most are, ask the database nothing.
        """
        grants = viewer.grants_of(*self.roles or ())
        name = next((connection.path_params[key] for key in POLL_KEYS if key in connection.path_params), None)
        if name is None or any(grant.everywhere for grant in grants):
            return
        async with connection.app.state["database"].open_session() as session:
            await require_poll(session, grants, viewer.account_id, str(name))

    def check(self, viewer: Viewer | None) -> None:
        """Refuse a viewer, or let them in."""
        if self.roles is None:
            return
        if viewer is None:
            raise SignInNeeded
        if self.roles and not (self.roles & viewer.roles):
            raise NotAllowed(roles=sorted(self.roles))
        if self.everywhere and not any(grant.everywhere for grant in viewer.grants_of(*self.roles)):
            raise NotAllowed(roles=sorted(self.roles))
        if self.roles == {"resident"} and viewer.citizen_id is None:
            raise NotAllowed(roles=["resident"])

    def __repr__(self) -> str:
        return f"<guard {self.name}>"


def any_of(*roles: str, everywhere: bool = False) -> Access:
    """Let in whoever holds at least one of the roles; `everywhere`: only one without a department or a territory."""
    if not roles or not set(roles) <= set(ROLES):
        raise ValueError(f"unknown roles: {roles}")
    return Access(" or ".join(roles), roles, everywhere=everywhere)


public = Access("public", None)
signed_in = Access("signed_in", ())
resident = any_of("resident")
official = any_of("official")
reviewer = any_of("reviewer")
analyst = any_of("analyst")
observer = any_of("observer")
admin = any_of("admin")
operator = any_of("operator")


def access_rules(handler: BaseRouteHandler) -> list[Access]:
    """Give every access rule of a handler, `public` for one marked ``opt={"public": True}``; empty if it has none."""
    rules = [guard for guard in handler.resolve_guards() if isinstance(guard, Access)]
    return [public, *rules] if handler.opt.get("public") is True else rules


def is_public(handler: BaseRouteHandler) -> bool:
    """Tell whether the handler serves anonymous visitors: all its rules let everybody in, and it has one."""
    rules = access_rules(handler)
    return bool(rules) and all(rule.roles is None for rule in rules)
