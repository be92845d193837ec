"""GET /keys: the public halves of the keys this deployment signs with, the retired ones too."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from polls.checkpoint import vkey
from polls.public_keys import listed_keys
from polls.sessions import ReadSession
from voting.api.operations import Returned, describes
from voting.api.representation import public_json
from voting.api.schemas import PublicKey, PublicKeys
from voting.identity.guards import public
from voting.keys import RECEIPT, receipt_signer
from voting.settings import Settings


@get(
    "/keys",
    guards=[public],
    summary="Public keys",
    tags=["reference"],
    opt=describes("listKeys", {200: Returned("The keys, in use and retired", PublicKeys)}, conditional=True),
)
async def show_keys(
    request: Request[Any, Any, Any], settings: NamedDependency[Settings], read_session: NamedDependency[ReadSession]
) -> Response[bytes]:
    """What receipts, boards and the registry log are signed with.

    The signed message of a receipt is `veche/receipt/v1`, a line feed, and the receipt's bytes; boards and the registry
    log have signed notes in the C2SP form. Receipts of retired keys stay good.
    """
    signer = receipt_signer(settings)
    found: list[tuple[str, str, bytes, datetime | None, datetime | None]] = [
        (key.key_id, key.purpose, key.public, key.valid_from, key.valid_to) for key in await listed_keys(read_session)
    ]
    if not any((key_id, purpose) == (signer.key_id, RECEIPT) for key_id, purpose, *_ in found):
        found.append((signer.key_id, RECEIPT, signer.public_bytes, None, None))  # not set up yet: it signs all the same
    keys = [
        PublicKey(
            key_id=key_id, use=purpose, algorithm="Ed25519", public_key=base64.b64encode(public_bytes).decode(),
            vkey=vkey(f"{settings.log_origin}/{purpose}", public_bytes), valid_from=valid_from, valid_to=valid_to,
        )
        for key_id, purpose, public_bytes, valid_from, valid_to in found
    ]  # fmt: skip
    return public_json(request, PublicKeys(keys=keys))


handlers = [show_keys]
