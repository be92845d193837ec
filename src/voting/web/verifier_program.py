"""The verifier as a file to download: whoever doubts the count reads it and runs it on a machine of their own."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from litestar import Response, get

from voting.identity.guards import public

HEADERS = {
    "cache-control": "public, no-cache",
    "content-disposition": 'attachment; filename="veche_verify.py"',
    "x-content-type-options": "nosniff",
    "access-control-allow-origin": "*",
}


@get("/verify/veche_verify.py", guards=[public], include_in_schema=False, sync_to_thread=False)
def show_verifier() -> Response[bytes]:
    """The one file, byte for byte the one that `veche verify` runs here."""
    return Response(_program(), media_type="text/x-python; charset=utf-8", headers=HEADERS)


@cache
def _program() -> bytes:
    found = importlib.util.find_spec("veche_verify")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).read_bytes()


handlers = [show_verifier]
