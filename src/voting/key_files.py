"""The private keys that sign, as files: one a purpose, ``<purpose>-<key id>.pem`` in the keys directory.

Every file belongs to the service's user alone. Retired keys stand in ``retired``, out of the way and out of use; a key
that is made but not yet in use, since a rotation was interrupted, ends in ``.next``. Which key is in use is told by the
database (`voting.keys`); here are files, and what is wrong with them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

RECEIPT: Final = "receipt"
BOARD: Final = "board"
REGISTRY: Final = "registry"
PROTOCOL: Final = "protocol"
PURPOSES: Final = (RECEIPT, BOARD, REGISTRY, PROTOCOL)
"""What keys are for: receipts, boards, the registry log, and protocols of results."""

LOCK: Final = ".keys.lock"
RETIRED: Final = "retired"
NEXT: Final = ".next"


class BadKey(Exception):
    """A key that cannot be used, with a sentence for the operator that ends in what to do."""


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
        return self.public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id_of(public: bytes) -> str:
    """The short name of a key: the first 8 hex digits of the SHA-256 of its 32 raw public bytes."""
    return hashlib.sha256(public).hexdigest()[:8]


def key_paths(directory: Path, purpose: str) -> list[Path]:
    """The files of a purpose's keys in use: one, if all is well."""
    return sorted(directory.glob(f"{purpose}-*.pem"))


def holds_any(directory: Path) -> bool:
    """Whether any key that signs is there: an empty directory is a deployment not set up yet."""
    return any(key_paths(directory, purpose) for purpose in PURPOSES)


def read_key(directory: Path, purpose: str) -> Ed25519Signer | None:
    """The key of a purpose, or None when the directory has none.

    Raises BadKey when there are several, when others than the owner may read or write it, when it cannot be read, and
    when its name is not that of its key: a mixed-up key would sign what nobody can check.
    """
    found = key_paths(directory, purpose)
    if not found:
        return None
    if len(found) > 1:
        raise BadKey(
            f"{directory} holds {len(found)} {purpose} keys. Leave the one in use (`veche keys list` names it) and "
            f"move the others to {directory / RETIRED}."
        )
    return _read(found[0], f"{purpose}-", ".pem")


def make_keys(directory: Path, purposes: tuple[str, ...] = PURPOSES, *, unless_any: bool = False) -> None:
    """Make the keys that are missing. Two processes starting at once agree on one each, by a lock.

    `unless_any`: only in a directory that holds no such key at all.
    """
    with locked(directory):
        if unless_any and holds_any(directory):
            return
        for purpose in purposes:
            if not key_paths(directory, purpose):
                _write_new(directory, purpose, "")


def make_next(directory: Path, purpose: str) -> Ed25519Signer:
    """Make the key that shall follow the one in use; it waits beside it. Call within `locked`."""
    drop_next(directory, purpose)
    return _write_new(directory, purpose, NEXT)


def drop_next(directory: Path, purpose: str) -> None:
    """Remove keys that never came into use."""
    for path in directory.glob(f"{purpose}-*.pem{NEXT}"):
        path.unlink()


def put_in_use(directory: Path, purpose: str, key_id: str) -> bool:
    """Retire the key file in use and let the waiting key of this id follow. Call within `locked`; may be repeated.

    Gives False when no such key waits. The old file moves first: between the two steps there is no key, never two.
    """
    waiting = directory / f"{purpose}-{key_id}.pem{NEXT}"
    if not waiting.exists():
        return False
    _read(waiting, f"{purpose}-", f".pem{NEXT}")
    retired = directory / RETIRED
    retired.mkdir(mode=0o700, exist_ok=True)
    for path in key_paths(directory, purpose):
        path.rename(retired / path.name)
    _sync(retired)
    waiting.rename(waiting.with_suffix(""))
    _sync(directory)
    return True


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the keys directory against other processes that would change it; makes it if it is not there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path, before: str, after: str) -> Ed25519Signer:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise BadKey(f"{path} is open to other users (mode {mode:04o}). Run: chmod 600 {path}")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except PermissionError:
        raise BadKey(f"{path} is not readable by this user. Give it to the user the service runs as.") from None
    except (OSError, ValueError, TypeError) as error:
        raise BadKey(
            f"{path} is not a readable key ({type(error).__name__}). Restore it from the backup of the keys directory."
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path} is not an Ed25519 key. Restore it from the backup of the keys directory.")
    signer = Ed25519Signer(key_id_of(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)), key)
    if path.name != f"{before}{signer.key_id}{after}":
        raise BadKey(
            f"{path} holds the key {signer.key_id}, which its name does not say. Restore the right file from the "
            "backup of the keys directory."
        )
    return signer


def _write_new(directory: Path, purpose: str, ending: str) -> Ed25519Signer:
    """Make a key and its file; a power cut leaves the whole of it or nothing."""
    key = Ed25519PrivateKey.generate()
    signer = Ed25519Signer(key_id_of(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)), key)
    draft = directory / f".{purpose}.{os.getpid()}.draft"
    draft.unlink(missing_ok=True)
    opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(directory / f"{purpose}-{signer.key_id}.pem{ending}")
    _sync(directory)
    return signer


def _sync(directory: Path) -> None:
    """Make renames within a directory last over a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
