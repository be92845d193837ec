"""How a reply is written: bytes, entity tag, and who may keep it.

One rule decides about caches. A reply that is the same for everybody may be kept by anybody, but only while nobody is
signed in: with a session it is `private`, whatever it holds, so that no shared cache ever stores a reply made for a
cookie. Replies about one person are `no-store`.

Tags are weak, from a hash of the content: replies are compressed on the way, which a strong tag would have to show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response
from pydantic import BaseModel

from voting.identity.recognition import viewer_of

AnyRequest = Request[Any, Any, Any]

JSON = "application/json"
VARY = "Cookie"
SHORT = 15
LONG = 3600


def json_reply(model: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """A reply about one person, or to a request that changed something: never kept."""
    return Response(
        model.model_dump_json(by_alias=True).encode(),
        status_code=status,
        media_type=JSON,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def public_json(request: AnyRequest, model: BaseModel, *, max_age: int = SHORT) -> Response[bytes]:
    """A reply that is the same for everybody, with a tag; 304 without a body for whoever has it already."""
    return public_bytes(request, model.model_dump_json(by_alias=True).encode(), max_age=max_age)


def public_bytes(
    request: AnyRequest, body: bytes, *, tag: str | None = None, media_type: str = JSON, max_age: int = SHORT
) -> Response[bytes]:
    """Like `public_json` for bytes that exist already; `tag` overrides the weak tag of the content."""
    headers = public_headers(request, tag or weak_tag(body), max_age=max_age)
    if is_current(request, headers["etag"]):
        return not_modified(headers)
    return Response(body, media_type=media_type, headers=headers)


def public_headers(request: AnyRequest, tag: str, *, max_age: int = SHORT) -> dict[str, str]:
    """Give the headers of a reply that is the same for everybody."""
    kept = f"public, max-age={max_age}" if viewer_of(request) is None else "private, no-cache"
    return {"etag": tag, "cache-control": kept, "vary": VARY}


def not_modified(headers: Mapping[str, str]) -> Response[bytes]:
    """Build the 304: the headers without a body."""
    return Response(b"", status_code=304, headers=dict(headers))


def weak_tag(*parts: bytes | str) -> str:
    """Give the tag of some content."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return f'W/"{digest.hexdigest()[:32]}"'


def is_current(request: AnyRequest, tag: str) -> bool:
    """Tell whether `If-None-Match` names this tag; compared weakly, as RFC 9110 §13.1.2 has it for reads."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    opaque = tag.removeprefix("W/")
    return given.strip() == "*" or any(part.strip().removeprefix("W/") == opaque for part in given.split(","))
