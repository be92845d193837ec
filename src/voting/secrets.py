"""The identity secrets of the deployment; the keys that sign are in `voting.keys`.

They are files of the keys directory, made on first use, readable by the service's user alone, never in the database:
whoever holds the tables without them cannot search identities. Back the directory up: without its identity secret no
register entry can be found, and an import would take every citizen for a new one.
"""

from __future__ import annotations

from voting.keys import BadKey, Ed25519Signer, receipt_signer
from voting.settings import Settings

__all__ = ["IDENTITY", "BadKey", "Ed25519Signer", "identity_secrets", "receipt_signer"]

IDENTITY = "identity"


def identity_secrets(settings: Settings) -> dict[int, bytes]:
    """The versioned secrets of identity keys, version → 32 bytes; the highest version is the current one.

    The first, ``identity-1``, is made on first use. Rotation is adding the next file.
    """
    return settings.secret_versions(IDENTITY)
