"""Pictures of poll documents: upload one, get one. They are named by content, so what is there never changes."""

import asyncio
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from polls.errors import NotFound
from voting.api.operations import Returned, describes
from voting.api.representation import json_reply
from voting.api.schemas_drafts import StoredPicture
from voting.identity.guards import official, public
from voting.problems import BodyTooLarge
from voting.publishing import MAX_BYTES, MEDIA_TYPES, assets_in, open_asset, store_picture
from voting.settings import Settings

AnyRequest = Request[Any, Any, Any]
FOREVER = "public, max-age=31536000, immutable"
PICTURES = tuple(sorted(set(MEDIA_TYPES.values())))


@post(
    "/assets",
    guards=[official],
    status_code=201,
    request_max_body_size=MAX_BYTES,
    summary="Store a picture",
    tags=["officials"],
    opt=describes("storePicture", {201: Returned("Stored", StoredPicture)}, refuses=[BodyTooLarge],
                  body_files=PICTURES, private=True),
)  # fmt: skip
async def add_picture(request: AnyRequest, settings: NamedDependency[Settings]) -> Response[bytes]:
    """Send the file itself as the body: PNG, JPEG or WebP, at most 5 MB and 40 megapixels.

    It is encoded anew, without places, names of cameras or anything else beside the pixels.
    """
    data = await request.body()
    sha256 = await asyncio.to_thread(store_picture, assets_in(settings.data_dir), data)
    return json_reply(StoredPicture(sha256=sha256), status=201)


@get(
    "/assets/{sha256:str}",
    guards=[public],
    summary="One picture",
    tags=["reference"],
    opt=describes("getPicture", {200: Returned("The picture", media_type="image/*")}, refuses=[NotFound]),
)
async def send_picture(sha256: FromPath[str], settings: NamedDependency[Settings]) -> Response[bytes]:
    """A picture by its SHA-256. It never changes, and is the same for everybody, signed in or not."""
    found = await asyncio.to_thread(open_asset, assets_in(settings.data_dir), sha256)
    return Response(found.content, media_type=found.media_type, headers={"cache-control": FOREVER})


handlers = [add_picture, send_picture]
