"""GET /keys: the public halves of the keys this deployment signs with."""

import base64
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from voting.api.operations import Returned, describes
from voting.api.representation import public_json
from voting.api.schemas import PublicKey, PublicKeys
from voting.identity.guards import public
from voting.secrets import receipt_signer
from voting.settings import Settings


@get(
    "/keys",
    guards=[public],
    sync_to_thread=True,
    summary="Public keys",
    tags=["reference"],
    opt=describes("listKeys", {200: Returned("The keys in use", PublicKeys)}, conditional=True),
)
def show_keys(request: Request[Any, Any, Any], settings: NamedDependency[Settings]) -> Response[bytes]:
    """What receipts are signed with. The signed message is `veche/receipt/v1`, a line feed, and the receipt's bytes."""
    signer = receipt_signer(settings)
    key = PublicKey(
        key_id=signer.key_id, use="receipt", algorithm="Ed25519",
        public_key=base64.b64encode(signer.public_bytes).decode(),
    )  # fmt: skip
    return public_json(request, PublicKeys(keys=[key]))


handlers = [show_keys]
