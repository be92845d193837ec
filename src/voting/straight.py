"""A resident's request in which nothing is odd, as `voting.front` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.exceptions import HTTPException

from voting.identity.sessions import SessionRecord, Viewer


class Straight(NamedTuple):
    """No header comes twice, the host is ours, and the session is a live one of the resident's own."""

    headers: Mapping[bytes, bytes]
    viewer: Viewer
    record: SessionRecord

    def text(self, name: str) -> str | None:
        """A header's value as the framework reads it."""
        value = self.headers.get(name.encode())
        return None if value is None else value.decode("latin-1")


class Route(NamedTuple):
    """An ordinary handler and the template of its address: by them the log and the headers know what a reply is of."""

    handler: Any
    template: str


def route_of(app: Litestar, method: str, path: str, wanted: Any) -> Route | None:
    """The route of an address; None where the site has another handler there, or none."""
    try:
        _, handler, _, _, template = app.asgi_router.handle_routing(path=path, method=method)
    except HTTPException:
        return None
    return Route(handler, template) if getattr(handler, "fn", None) is wanted.fn else None
