"""The files of boards: /board/<poll>/…"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.board_trees import Tree, signed_trees
from polls.sessions import ReadSession
from voting.board_files import boards_in
from voting.identity.guards import public
from voting.settings import Settings
from voting.web.published_files import published_file

AnyRequest = Request[Any, Any, Any]


@get("/board/{path:path}", guards=[public], include_in_schema=False, sync_to_thread=True, opt={"uncompressed": True})
def show_board_file(request: AnyRequest, path: FromPath[str], settings: NamedDependency[Settings]) -> Response[bytes]:
    """A file of a board: its manifest, a checkpoint, a tile of hashes, a bundle of entries."""
    reply = published_file(request, boards_in(settings.data_dir), path)
    if "/tile/" in path and "/entries/" not in path:
        return reply  # hashes do not compress
    reply.headers["vary"] = "accept-encoding"
    if reply.content and "accept-encoding" in request.headers:  # it says gzip or is not there: `voting.edge`
        reply.content = gzip.compress(reply.content, compresslevel=5, mtime=0)  # records are alike: a quarter is left
        reply.headers["content-encoding"] = "gzip"
        reply.headers["etag"] = f"W/{reply.headers['etag']}"  # the same content in other bytes
    return reply


@dataclass(frozen=True)
class ShownBoard:
    """The board as a results page names it: its address, whether its files are there, the signed trees."""

    folder: str
    published: bool
    trees: Sequence[Tree]


async def shown_board(session: ReadSession, settings: Settings, poll_id: int, public_id: str) -> ShownBoard:
    """The board of a counted poll. Its files come some time after the count: seconds, of a large poll minutes."""
    published = await asyncio.to_thread((boards_in(settings.data_dir) / public_id).is_dir)
    return ShownBoard(f"/board/{public_id}/", published, list((await signed_trees(session, poll_id)).values()))


handlers = [show_board_file]
