"""One archive of every published poll, made ahead of whoever asks: a ZIP below `open-data` in the data directory.

    README.txt, manifest.json                       what it is; every file with its SHA-256 and version
    2026-11-22_square-2026/results.csv …            of each poll the results, the same as JSON, and the codebook

The same polls make the same bytes. It is written beside its place, poll after poll, and renamed when it is whole, so
what is served is whole or is not there; and since a ZIP ends with its list of files, a copy that was cut off opens
nowhere. What has not changed since the archive before is taken over from it: only what is new is worked out.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from polls.errors import Refusal
from results.exports.codebook import LICENCE, codebook
from results.exports.columns import FORMAT_VERSION
from results.exports.csv import results_csv, results_json
from results.exports.dialects import Download
from results.open_data import PublishedPoll, newest_change, published_polls
from voting.db import Database
from voting.jobs import Work, registry
from voting.publishing import write_whole
from voting.settings import Settings

logger = structlog.get_logger(__name__)

ABOUT = "all.json"
FORMAT = 1
"""Of the archive's own arrangement; another one takes nothing over."""
AT_ONCE = 200
COPY = 256 * 1024


@dataclass(frozen=True)
class Archive:
    """The archive that is there: its size, SHA-256, how many polls are in it, the change it was made at."""

    path: Path
    size: int
    sha256: str
    polls: int
    newest: int
    made_at: datetime


def folder_of(settings: Settings) -> Path:
    """Where it is: ``open-data`` in the data directory."""
    return settings.data_dir / "open-data"


def archive_in(settings: Settings) -> Archive | None:
    """The archive, if one is there and whole."""
    folder = folder_of(settings)
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        path = folder / about["file"]
        if path.stat().st_size != about["size"]:
            return None
        return Archive(path, about["size"], about["sha256"], about["polls"], about["newest"],
                       datetime.fromisoformat(about["made_at"]))  # fmt: skip
    except (OSError, ValueError, KeyError):
        return None


@registry.periodic("publish_open_data", cron="*/10 * * * *")
async def publish_open_data(work: Work) -> None:
    """Make the archive anew if anything published has changed since it was made."""
    made = await build_archive(work.database, work.settings, now=datetime.now(UTC))
    if made is not None:
        logger.info("open_data_published", polls=made.polls, bytes=made.size)


async def build_archive(database: Database, settings: Settings, *, now: datetime) -> Archive | None:
    """Write the archive and put it in its place; None if the one that is there is still right."""
    before = await asyncio.to_thread(archive_in, settings)
    async with database.open_read_session() as session:
        newest = await newest_change(session)
    if newest < 0 or (before is not None and before.newest == newest):
        return None
    folder = folder_of(settings)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    draft = folder / f".{secrets.token_hex(4)}.draft"
    try:
        polls = await _write(database, draft, before, now)
        return await asyncio.to_thread(_settle, folder, draft, polls, newest, now)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


async def _write(database: Database, draft: Path, before: Archive | None, now: datetime) -> int:
    """Write every published poll into the draft; gives how many."""
    listed: list[dict[str, Any]] = []
    number = 0
    with _Taken(before) as old, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        offset = 0
        while True:
            async with database.open_read_session() as session:
                polls = await published_polls(session, offset=offset, limit=AT_ONCE)
            for poll in polls:
                try:
                    listed += await _write_poll(database, archive, old, poll, now)
                    number += 1
                except Refusal as refusal:  # the gate has the last word
                    logger.warning("open_data_left_out", poll=poll.public_id, why=refusal.code)
            offset += len(polls)
            if len(polls) < AT_ONCE:
                break
        manifest = {"format": FORMAT, "licence": LICENCE, "files": listed}
        await asyncio.to_thread(_add, archive, "README.txt", README.encode())
        await asyncio.to_thread(_add, archive, "manifest.json", json.dumps(manifest, indent=1).encode())
    return number


async def _write_poll(
    database: Database, archive: zipfile.ZipFile, old: _Taken, poll: PublishedPoll, now: datetime
) -> list[dict[str, Any]]:
    """The files of one poll, out of the archive before or made now."""
    version = f"{FORMAT}/{FORMAT_VERSION}/{poll.version}/{poll.modified_at.isoformat()}"
    known = await asyncio.to_thread(old.files_of, poll.public_id, version)
    if known is not None:
        for name, data in known.items():
            await asyncio.to_thread(_add, archive, name, data)
        return [_entry(poll, version, name, data) for name, data in known.items()]
    opened = database.open_read_session
    made = [
        ("results.csv", await results_csv(opened, poll.public_id, now=now)),
        ("results.json", await results_json(opened, poll.public_id, now=now)),
        ("codebook.json", await codebook(opened, poll.public_id, now=now)),
    ]
    entries = []
    for name, download in made:
        data = await _whole(download)
        path = f"{download.file_name[:10]}_{poll.slug}/{name}"
        await asyncio.to_thread(_add, archive, path, data)
        entries.append(_entry(poll, version, path, data))
    return entries


async def _whole(download: Download) -> bytes:
    """The bytes of one small file; the largest is that of one poll."""
    chunks: AsyncIterator[bytes] = download.chunks
    return b"".join([bytes(chunk) async for chunk in chunks])


def _entry(poll: PublishedPoll, version: str, name: str, data: bytes) -> dict[str, Any]:
    return {
        "name": name, "poll": poll.public_id, "version": version, "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a file without the time it was added at: the same content makes the same archive."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    archive.writestr(info, data)


class _Taken:
    """The archive before, to take over from it what has not changed."""

    def __init__(self, before: Archive | None) -> None:
        self._before = before
        self._zip: zipfile.ZipFile | None = None
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    def __enter__(self) -> _Taken:
        if self._before is not None:
            with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
                self._zip = zipfile.ZipFile(self._before.path)
                for entry in json.loads(self._zip.read("manifest.json"))["files"]:
                    files = self._known.setdefault((entry["poll"], entry["version"]), {})
                    files[entry["name"]] = entry["sha256"]
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def files_of(self, public_id: str, version: str) -> dict[str, bytes] | None:
        """The files of a poll as they were, each as its SHA-256 says; None if any is not."""
        names = self._known.get((public_id, version))
        if names is None or self._zip is None:
            return None
        try:
            found = {name: self._zip.read(name) for name in names}
        except (OSError, KeyError, zipfile.BadZipFile):
            return None
        right = all(hashlib.sha256(data).hexdigest() == names[name] for name, data in found.items())
        return found if right else None


def _settle(folder: Path, draft: Path, polls: int, newest: int, now: datetime) -> Archive:
    """Put a whole draft in its place under its SHA-256, say so, and remove the one before."""
    digest = hashlib.sha256()
    with draft.open("rb") as file:
        while piece := file.read(COPY):
            digest.update(piece)
        os.fsync(file.fileno())
    sha256, size = digest.hexdigest(), draft.stat().st_size
    path = folder / f"{sha256[:32]}.zip"
    draft.replace(path)
    about = {
        "file": path.name, "size": size, "sha256": sha256, "polls": polls, "newest": newest,
        "made_at": now.isoformat(),
    }  # fmt: skip
    write_whole(folder / ABOUT, json.dumps(about).encode())
    for other in folder.glob("*.zip"):
        if other != path:
            other.unlink(missing_ok=True)  # whoever is reading it keeps it until the end
    return Archive(path, size, sha256, polls, newest, now)


README = f"""Results of all published polls.
Результаты всех опубликованных голосований.

Each folder is a poll: the day it closed and its address. results.csv has the figures in lines, results.json the same
with every step of the count, codebook.json says what each column means. manifest.json has the SHA-256 of every file.
В каждой папке одно голосование: день закрытия и адрес. В results.csv цифры построчно, в results.json они же со всеми
шагами подсчёта, codebook.json объясняет столбцы. В manifest.json — SHA-256 каждого файла.

Licence: {LICENCE}
"""
