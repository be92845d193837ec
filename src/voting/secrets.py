"""The keys of the deployment beyond passwords: identity secrets and the receipt key.

They are files of the keys directory, made on first use, readable by the service's user alone, never in the database:
whoever holds the tables without them can neither search identities nor sign receipts. Back the directory up: without
its identity secret no register entry can be found, and an import would take every citizen for a new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from voting.settings import Settings

IDENTITY = "identity"
RECEIPT = "receipt"


class BadKey(Exception):
    """A key file that cannot be used, with a sentence for the operator."""


@dataclass(frozen=True)
class Ed25519Signer:
    """A private key that signs; satisfies :class:`polls.board.Signer`."""

    key_id: str
    _key: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"Ed25519Signer({self.key_id})"

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature."""
        return self._key.sign(message)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key that verifies."""
        return self._key.public_key()

    @property
    def public_bytes(self) -> bytes:
        """The public key's 32 raw bytes, as listed in the registry log."""
        return _raw(self.public_key)


def identity_secrets(settings: Settings) -> dict[int, bytes]:
    """The versioned secrets of identity keys, version → 32 bytes; the highest version is the current one.

    The first, ``identity-1``, is made on first use. Rotation is adding the next file.
    """
    return settings.secret_versions(IDENTITY)


def receipt_signer(settings: Settings) -> Ed25519Signer:
    """The key that signs receipts, from ``receipt-<key id>.pem`` (PKCS #8), made on first use.

    Raises BadKey when there are several (the retired ones belong elsewhere), when the file cannot be read, or when
    its name is not that of its key: a mixed-up key would sign receipts nobody can check.
    """
    found = sorted(settings.keys_dir.glob(f"{RECEIPT}-*.pem"))
    if not found:
        _write_first(settings.keys_dir)
        found = sorted(settings.keys_dir.glob(f"{RECEIPT}-*.pem"))
    if len(found) != 1:
        raise BadKey(f"{settings.keys_dir} holds {len(found)} receipt keys; leave the one in use")
    return _read(found[0])


def _read(path: Path) -> Ed25519Signer:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise BadKey(f"{path} is not a readable key: {type(error).__name__}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path} is not an Ed25519 key")
    signer = Ed25519Signer(_key_id(key.public_key()), key)
    if path.name != f"{RECEIPT}-{signer.key_id}.pem":
        raise BadKey(f"{path} holds the key {signer.key_id}")
    return signer


def _write_first(directory: Path) -> None:
    """Make the first receipt key. Two processes starting at once agree on one, by a lock."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = directory / f".{RECEIPT}.lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if any(directory.glob(f"{RECEIPT}-*.pem")):
            return
        key = Ed25519PrivateKey.generate()
        draft = directory / f".{RECEIPT}.{os.getpid()}.draft"
        draft.unlink(missing_ok=True)
        opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(directory / f"{RECEIPT}-{_key_id(key.public_key())}.pem")
    finally:
        os.close(descriptor)


def _key_id(key: Ed25519PublicKey) -> str:
    """The first 8 hex digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(_raw(key)).hexdigest()[:8]


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
