"""Directories as one file each, and the keys under a passphrase."""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from voting.backups.programs import BackupFault

MAGIC: Final = b"veche/keys/v1\n"
SALT, NONCE = 16, 12
SHORTEST: Final = 12


def pack(directory: Path, into: Path) -> None:
    """Every file of a directory, but for those being built (a dot in front)."""
    with into.open("xb") as raw, tarfile.open(fileobj=raw, mode="w") as archive:
        if directory.is_dir():
            _add(archive, directory)
        raw.flush()
        os.fsync(raw.fileno())


def _add(archive: tarfile.TarFile, directory: Path) -> None:
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            archive.add(path, arcname=inside.as_posix(), recursive=False)


def unpack(archive: Path, into: Path) -> None:
    """Put a directory's files back; names that lead out of it are refused."""
    into.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tarfile.open(archive, mode="r:") as opened:
        opened.extractall(into, filter="data")


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(passphrase.encode())


def pack_keys(directory: Path, into: Path, passphrase: str) -> None:
    """The keys directory, encrypted. Raises BackupFault for a passphrase that is too short."""
    if len(passphrase) < SHORTEST:
        raise BackupFault(f"the passphrase of the keys has fewer than {SHORTEST} characters.")
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        _add(archive, directory)
    salt, nonce = secrets.token_bytes(SALT), secrets.token_bytes(NONCE)
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, plain.getvalue(), MAGIC)
    into.write_bytes(MAGIC + salt + nonce + sealed)


def unpack_keys(file: Path, into: Path, passphrase: str) -> None:
    """Put the keys back, readable by this user alone. Raises BackupFault for another passphrase or a changed file."""
    data = file.read_bytes()
    if not data.startswith(MAGIC):
        raise BackupFault(f"{file} holds no encrypted keys.")
    body = data[len(MAGIC) :]
    salt, nonce, sealed = body[:SALT], body[SALT : SALT + NONCE], body[SALT + NONCE :]
    try:
        plain = AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, MAGIC)
    except InvalidTag:
        raise BackupFault(
            "the passphrase is not the one the keys were encrypted with, or the file was changed."
        ) from None
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        archive.extractall(into, filter="data")
    for path in into.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
