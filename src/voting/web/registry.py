"""The registry log: its page, with the keys, and its files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.errors import NotFound
from polls.public_keys import ListedKey, listed_keys
from polls.registry import latest_entries, newest_checkpoint
from polls.sessions import ReadSession
from voting.identity.guards import public
from voting.registry_files import key_line, registry_dir
from voting.settings import Settings
from voting.web.published_files import published_file
from voting.web.rendering import page

AnyRequest = Request[Any, Any, Any]
A_PAGE = 20
LARGEST_POSITION = (1 << 63) - 1


@dataclass(frozen=True)
class ShownKey:
    """A key as the page lists it: the row, the SHA-256 of its 32 bytes in hex, and the line to copy."""

    key: ListedKey
    fingerprint: str
    vkey: str


@get("/registry", guards=[public], include_in_schema=False)
async def show_registry(
    request: AnyRequest, read_session: NamedDependency[ReadSession], settings: NamedDependency[Settings]
) -> Response[Any]:
    """What the log is, its latest entries in words, the signed state and the keys (`?before=POSITION` pages)."""
    before = _position(request.query_params.get("before"))
    found = await latest_entries(read_session, before, A_PAGE + 1)
    keys = [
        ShownKey(key, hashlib.sha256(key.public).hexdigest(), key_line(settings, key))
        for key in await listed_keys(read_session)
    ]
    return page(
        request, "registry.html", nav="help", entries=found[:A_PAGE], before=before,
        older=found[A_PAGE - 1].position if len(found) > A_PAGE else None,
        state=await newest_checkpoint(read_session), keys=keys,
    )  # fmt: skip


@get(
    "/registry/{path:path}",
    guards=[public],
    include_in_schema=False,
    sync_to_thread=True,
    opt={"uncompressed": True},
)
def show_registry_file(
    request: AnyRequest, path: FromPath[str], settings: NamedDependency[Settings]
) -> Response[bytes]:
    """A file of the log: its checkpoint, a tile, a bundle of entries, the keys."""
    return published_file(request, registry_dir(settings), path)


def _position(asked: str | None) -> int | None:
    """The position a page begins before. Refuses `NotFound` for what is none."""
    if asked is None:
        return None
    if not (asked.isascii() and asked.isdigit() and int(asked[:20]) <= LARGEST_POSITION):
        raise NotFound()
    return int(asked)


handlers = [show_registry, show_registry_file]
