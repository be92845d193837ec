"""Pages rendered once for many readers, with holes where each reader's own words go.

A frame is a page of one address, language and kind of reader (which roles, a resident or not, and whatever else the
page says it depends on). The reader's name, the token of forms and the page's own marks are left open and filled in for
each reply, so that a frame holds nothing of anybody. Frames are remembered as `voting.remembering` says, for those who
are signed in; of visitors `voting.remembered_replies` keeps the whole reply, and no frame. A frame that is there can
also be found without the framework (`voting.fast_pages`); whoever finds none goes the ordinary way, where it is made.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from markupsafe import Markup, escape

from voting.identity.recognition import viewer_of
from voting.identity.sessions import Viewer
from voting.remembering import BRIEFLY, Shelf, remember_for
from voting.web import i18n
from voting.web.rendering import environment, reply, shared_context

AnyRequest = Request[Any, Any, Any]
MARK = re.compile("\0([a-z0-9:_]+)\0")
LONGEST_QUERY = 300
Context = Mapping[str, Any]


def hole(name: str) -> Markup:
    """A place to be filled in later. No text of anybody's can hold the mark: PostgreSQL stores no zero character."""
    return Markup(f"\0{name}\0")  # noqa: S704 -- the name is ours


@dataclass(frozen=True, slots=True)
class Frame:
    """Text and the names of holes, by turns."""

    parts: tuple[bytes, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Frame:
        """A rendered page cut at its holes."""
        found = MARK.split(text)
        return cls(tuple(part.encode() for part in found[::2]), tuple(found[1::2]))

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """The page of one reader. Raises KeyError for a hole nobody fills."""
        pieces = [b""] * (len(self.parts) + len(self.names))
        pieces[::2], pieces[1::2] = self.parts, [values[name] for name in self.names]
        return b"".join(pieces)


Found = tuple[Frame, dict[str, bytes]] | None
"""A frame that is remembered and what this reader's holes are filled with, but for `with_own`; or nothing."""


@dataclass(frozen=True, slots=True)
class _Anybody:
    """The reader of a frame: everything of a viewer that decides what is shown, and holes for the rest."""

    citizen_id: int | None
    roles: frozenset[str]
    display_name: Markup
    department: str = ""


async def framed(
    request: AnyRequest, template: str, key: Hashable, make: Callable[[], Awaitable[Context]], *, age: float = BRIEFLY,
    fill: dict[str, bytes] | None = None,
) -> Response[Any]:  # fmt: skip
    """A page for its reader out of a remembered frame. `make` gives the context of a frame that is not remembered.

    `key` is what the page depends on beside its address, its language and the kind of its reader. `fill` are the
    page's own holes; they may be made when the frame asks for them (`__missing__`).
    """
    language = i18n.language_of(request)
    viewer = viewer_of(request)
    query = request.scope["query_string"]
    shelf: Shelf = request.app.state["shelf"]

    async def render() -> Frame:
        context = await make()
        anybody = viewer and _Anybody(1 if viewer.citizen_id is not None else None, viewer.roles, hole("name"))
        shared = shared_context(request, anybody, hole("csrf") if viewer else "")
        with i18n.speaking(language):
            return Frame.of(environment().get_template(template).render({**shared, **context}))

    values = fill if fill is not None else {}
    if viewer is None:
        remember_for(request, age)
        return reply(request, (await render()).fill(values), language)
    if len(query) > LONGEST_QUERY or b"%00" in query or b"lang=" in query:
        frame = await render()
    else:
        place = _place(template, request.scope["path"], query, language, viewer, key)
        frame = await shelf.get(place, render, age=age, size=len)
    return reply(request, frame.fill(with_own(values, viewer, language)), language)


async def find_frame(
    shelf: Shelf, template: str, path: str, language: str, viewer: Viewer, key: Hashable
) -> Frame | None:
    """The frame that `framed` keeps for this reader of an address without a query, if it is there and good."""
    found: Frame | None = await shelf.find_or_await(_place(template, path, b"", language, viewer, key))
    return found


def _place(template: str, path: str, query: bytes, language: str, viewer: Viewer, key: Hashable) -> Hashable:
    return ("frame", template, path, query, language, viewer.roles, viewer.citizen_id is not None, key)


def with_own(values: dict[str, bytes], viewer: Viewer, language: str) -> dict[str, bytes]:
    """Add the reader's name as the header shows it, and the token of this reply."""
    name = viewer.display_name or i18n.gettext_for(language)("Account")
    values["name"] = str(escape(name)).encode()
    values["csrf"] = viewer.csrf_token.encode()
    return values
