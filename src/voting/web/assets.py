"""Published files by their SHA-256: an address never gets other bytes, so a browser may keep them for good."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from voting.identity.guards import public
from voting.publishing import assets_in, open_asset
from voting.settings import Settings

FOR_GOOD = "public, max-age=31536000, immutable"


@get("/assets/{sha256:str}", guards=[public], include_in_schema=False, sync_to_thread=True)
def show_asset(sha256: FromPath[str], settings: NamedDependency[Settings]) -> Response[bytes]:
    """The bytes and exactly the media type they were stored with."""
    asset = open_asset(assets_in(settings.data_dir), sha256)
    return Response(
        asset.content,
        media_type=asset.media_type,
        headers={"cache-control": FOR_GOOD, "x-content-type-options": "nosniff", "content-disposition": "inline"},
    )


handlers = [show_asset]
