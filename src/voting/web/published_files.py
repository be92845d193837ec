"""Files of the board and the registry log, as they lie in the data directory: for programs on any site, and for caches.

A tile or a bundle of entries never changes, so it may be kept for good; everything else is asked for again each time,
by its entity tag. Any page may read these files (CORS): a check that only our own pages could run would prove little.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response

from polls.errors import NotFound

FOR_GOOD: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "public, no-cache"
OPEN: Final = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
}
PART: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")
"""A part of a path: no dot at its beginning, so neither drafts of files nor the directory above."""

DEEPEST: Final = 12
TEXTS: Final = {".json": "application/json", ".note": "text/plain"}


def published_file(request: Request[Any, Any, Any], directory: Path, path: str) -> Response[bytes]:
    """The file at a path below a directory, or 304. Refuses `NotFound`, also for what is no path of such a file.

    Reads from disk: call it in a thread. Give its route ``opt={"uncompressed": True}``: hashes do not compress.
    """
    parts = path.strip("/").split("/")
    if len(parts) > DEEPEST or not all(PART.fullmatch(part) for part in parts):
        raise NotFound()
    try:
        content = directory.joinpath(*parts).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise NotFound() from None
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    lasting = "tile" in parts
    headers = {**OPEN, "cache-control": FOR_GOOD if lasting else ASK_AGAIN, "etag": tag}
    if tag in {known.strip().removeprefix("W/") for known in request.headers.get("if-none-match", "").split(",")}:
        return Response(b"", status_code=304, headers=headers, media_type=_media_type(parts[-1], lasting))
    return Response(content, headers=headers, media_type=_media_type(parts[-1], lasting))


def _media_type(name: str, lasting: bool) -> str:
    if lasting:
        return "application/octet-stream"
    return TEXTS.get(Path(name).suffix, TEXTS[".note"])
