"""Files of exports on disk: written under a draft's name, put into the store by content when they are whole.

    exports/drafts/<job>.<random>      being written; cleared away when the work ends, however it ends
    exports/ab/<sha256>                whole, renamed there, never changed; beside it <sha256>.sum for `sha256sum -c`

A draft is never served. Exports must not take the last of the disk from the ballots: they stop while some is left.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voting.publishing import SHA256

CHECK_EVERY: Final = 4 * 1024 * 1024
"""Bytes between two looks at how much of the disk is left."""
PIECE: Final = 256 * 1024


class NoRoom(OSError):
    """The disk is full, or what is left of it is not for exports."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, "no room for exports")


@dataclass(frozen=True)
class StoredFile:
    """A whole file in the store."""

    sha256: str
    size: int


def exports_in(data_dir: Path) -> Path:
    """The directory of exports below the service's data directory."""
    return data_dir / "exports"


def path_of(directory: Path, sha256: str) -> Path:
    """Where a file of the store lies."""
    if not SHA256.fullmatch(sha256):
        raise ValueError("no SHA-256")
    return directory / sha256[:2] / sha256


def drafts_in(directory: Path) -> Path:
    """Where files lie that are being written."""
    return directory / "drafts"


class ExportDraft:
    """A file that is being written. Unless `publish` was reached, `drop` leaves nothing of it.

    `folder` is a place of its own for what the writing needs besides. Blocking: call the methods in a thread.
    """

    def __init__(self, directory: Path, job: str, reserve: int) -> None:
        self._directory, self._reserve = directory, reserve
        self.folder = drafts_in(directory) / f"{job}.{secrets.token_hex(4)}"
        self.folder.mkdir(mode=0o700, parents=True)
        self._file = (self.folder / "file").open("xb")
        self._hash = hashlib.sha256()
        self._size = 0
        self._checked = -CHECK_EVERY

    def write(self, data: bytes) -> None:
        """The next bytes. Raises NoRoom, and whatever else the disk says."""
        if self._size - self._checked >= CHECK_EVERY:
            self._checked = self._size
            if shutil.disk_usage(self._directory).free < self._reserve + len(data):
                raise NoRoom
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def publish(self, file_name: str) -> StoredFile:
        """Put the whole file into the store, safe from a power cut, with its sum beside it under its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        stored = StoredFile(self._hash.hexdigest(), self._size)
        target = path_of(self._directory, stored.sha256)
        target.parent.mkdir(mode=0o755, exist_ok=True)
        (self.folder / "sum").write_text(f"{stored.sha256}  {file_name}\n", "utf-8")
        (self.folder / "sum").replace(target.with_suffix(".sum"))
        (self.folder / "file").replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return stored

    def drop(self) -> None:
        """Clear away what is left of it."""
        with suppress(OSError):
            self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def clear_drafts(directory: Path, job: str) -> None:
    """Clear away what work on a job left behind when it was killed."""
    for left in drafts_in(directory).glob(f"{job}.*"):
        shutil.rmtree(left, ignore_errors=True)


def forget_file(directory: Path, sha256: str) -> None:
    """Remove a file from the store. Whoever is reading it reads on to its end."""
    path = path_of(directory, sha256)
    path.unlink(missing_ok=True)
    path.with_suffix(".sum").unlink(missing_ok=True)


def left_behind(directory: Path, known: frozenset[str], working: frozenset[str], older_than: float) -> list[Path]:
    """Files of the store nobody knows of, and drafts nobody works on, untouched for so many seconds."""
    before = time.time() - older_than
    found = [path for path in directory.glob("??/*") if path.name.partition(".")[0] not in known]
    found += [path for path in drafts_in(directory).glob("*") if path.name.partition(".")[0] not in working]
    old = []
    for path in found:
        with suppress(OSError):
            if path.stat().st_mtime < before:
                old.append(path)
    return old


def remove(paths: list[Path]) -> None:
    """Remove files and folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def pieces(path: Path, first: int, length: int) -> Iterator[bytes]:
    """So many bytes of a file. Raises EOFError where it is shorter: the reply then breaks off."""
    with path.open("rb") as file:
        file.seek(first)
        while length:
            piece = file.read(min(PIECE, length))
            if not piece:
                raise EOFError("the file is shorter than it was")
            length -= len(piece)
            yield piece


def is_full(error: BaseException | None) -> bool:
    """Whether a failure comes from a disk without room, ours or the database's, wherever in its causes that stands."""
    for _ in range(8):
        if error is None:
            return False
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if getattr(error, "sqlstate", "") == "53100":
            return True
        error = error.__cause__ or error.__context__ or getattr(error, "orig", None)
    return False
