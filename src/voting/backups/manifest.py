"""What a backup says of itself: `manifest.json`, its last file. Without it a directory is no backup."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from voting.backups.programs import BackupFault

NAME: Final = "manifest.json"
FORMAT: Final = 1
LIVES: Final = timedelta(days=7)
"""How long a copy that links votes to people may live (docs/backups.md)."""


@dataclass(frozen=True)
class State:
    """What must be the same before and after: schema, board roots, registry log, audit log."""

    revision: str
    boards: Mapping[str, str]
    registry_size: int
    registry_root: str
    audit_size: int
    audit_head: str
    participations: int


@dataclass(frozen=True)
class Manifest:
    """A backup: when, of what, by what, and each file with its SHA-256."""

    made_at: datetime
    software: str
    server: int
    dumped_by: int
    origin: str
    holds_links: bool
    keys: bool
    state: State
    files: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def destroy_by(self) -> datetime | None:
        """When it has to be gone, if it links votes to people."""
        return self.made_at + LIVES if self.holds_links else None

    def as_bytes(self) -> bytes:
        """The file's bytes."""
        stated = asdict(self)
        stated["made_at"] = self.made_at.isoformat()
        stated["destroy_by"] = self.destroy_by.isoformat() if self.destroy_by else None
        stated["files"] = {name: {"sha256": digest, "size": size} for name, (digest, size) in self.files.items()}
        return json.dumps({"v": FORMAT, **stated}, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def read_manifest(directory: Path) -> Manifest:
    """Read a backup's manifest. Raises BackupFault for what is none."""
    try:
        said: dict[str, Any] = json.loads((directory / NAME).read_bytes())
        if said["v"] != FORMAT:
            raise BackupFault(f"{directory} is a backup of another format ({said['v']}); use the release that made it.")
        return Manifest(
            datetime.fromisoformat(said["made_at"]), said["software"], int(said["server"]), int(said["dumped_by"]),
            said["origin"], bool(said["holds_links"]), bool(said["keys"]), State(**said["state"]),
            {name: (one["sha256"], int(one["size"])) for name, one in said["files"].items()},
        )  # fmt: skip
    except FileNotFoundError:
        raise BackupFault(f"{directory} is no whole backup: it has no {NAME}.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupFault(f"{directory / NAME} cannot be read: {error}") from None


def check_files(directory: Path, manifest: Manifest) -> None:
    """Compare every file with its hash. Raises BackupFault."""
    for name, (digest, size) in manifest.files.items():
        path = directory / name
        if Path(name).name != name or not path.is_file():
            raise BackupFault(f"{path} is missing: the backup is not whole.")
        if path.stat().st_size != size or hash_file(path) != digest:
            raise BackupFault(f"{path} is not the file that was backed up.")


def damage(directory: Path, manifest: Manifest) -> str:
    """What is seen to be wrong with a backup's files without reading them through: the first one missing or of another
    size, or `""`."""
    for name, (_, size) in manifest.files.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes, {size} were written"
    return ""


def hash_file(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
