"""The registry log as files: what everybody may take from /registry/, in the form of C2SP tlog-tiles.

New tiles and bundles of entries first, the checkpoint last, each file whole or not at all: a reader who has the newest
checkpoint finds everything it speaks of. A tile never changes; a partial one goes when it is full. Files that hold more
than the database, or something else, are never written over: that is a fork, and for people to look into.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polls.checkpoint import BadNote, Checkpoint, read_checkpoint, vkey
from polls.public_keys import ListedKey, listed_keys, lock_keys
from polls.registry import RegistryFault, Signed, entries_between, last_signed, newest_checkpoint, signed_at
from polls.sessions import ReadSession, Session
from polls.tlog import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    TileWriter,
    bundle,
    bundle_path,
    bundles_of,
    hash_leaf,
    merkle_root,
    tiles_of,
)
from voting.publishing import write_whole
from voting.settings import Settings

CHECKPOINT = "checkpoint"
KEYS = "keys.json"


def registry_dir(settings: Settings) -> Path:
    """Where the files are: ``registry`` in the data directory."""
    return settings.data_dir / "registry"


async def publish_registry(session: Session, settings: Settings) -> int | None:
    """Bring the files to what the database holds; gives the log's size if the checkpoint was new, None otherwise.

    Raises RegistryFault when the files are not a beginning of the log. Repeating it changes nothing.
    """
    await lock_keys(session)  # one at a time, or the slower would put an older checkpoint over a newer one
    directory = registry_dir(settings)
    newest = await newest_checkpoint(session)
    written = None
    if newest is not None and read_published(directory) != newest.note:
        entries = await entries_between(session, 0, newest.size)
        await asyncio.to_thread(_write_log, directory, entries, newest)
        written = newest.size
    listed = await keys_file(session, settings)
    path = directory / KEYS
    if not path.is_file() or path.read_bytes() != listed:
        write_whole(path, listed)
    return written


def read_published(directory: Path) -> str | None:
    """The checkpoint that is published now."""
    path = directory / CHECKPOINT
    return path.read_text("utf-8", errors="replace") if path.is_file() else None


async def keys_file(session: ReadSession, settings: Settings) -> bytes:
    """``keys.json``: every key, its validity and verifier key; of a retired key of the log the last state it signed.

    Whoever trusts a retired key of the log reads there, under its signature, the entry that names the key after it.
    """
    keys = []
    for key in await listed_keys(session):
        said: dict[str, Any] = {**key.as_json(), "vkey": key_line(settings, key)}
        if key.purpose == "registry" and key.valid_to is not None:
            last = await last_signed(session, key.key_id)
            said["last_checkpoint"] = None if last is None else last.note
        keys.append(said)
    stated = {"v": 1, "origin": settings.log_origin, "keys": keys}
    return json.dumps(stated, ensure_ascii=False, indent=1).encode() + b"\n"


def key_line(settings: Settings, key: ListedKey) -> str:
    """The verifier key of a listed key, to copy: ``HOST/<purpose>+hash+key``."""
    return vkey(f"{settings.log_origin}/{key.purpose}", key.public)


def _write_log(directory: Path, entries: Sequence[bytes], newest: Signed) -> None:
    """Write what is missing of a log; `entries` are all of it."""
    leaves = [hash_leaf(entry) for entry in entries]
    tiles: list[tuple[Tile, bytes]] = []
    writer = TileWriter(lambda tile, data: tiles.append((tile, data)))
    for leaf in leaves:
        writer.add(leaf)
    if writer.finish() != newest.root or len(leaves) != newest.size:
        raise RegistryFault("The registry log's entries are not those that were signed; its files stay as they are.")
    before = _size_before(read_published(directory), leaves, directory)
    for tile, data in tiles:
        _write_once(directory / tile.path, data)
    for number, width in bundles_of(newest.size):
        first = number * TILE_WIDTH
        _write_once(directory / bundle_path(number, width), bundle(entries[first : first + width]))
    write_whole(directory / CHECKPOINT, newest.note.encode())
    for path in _filled(before, newest.size):
        shutil.rmtree(directory / f"{path}.p", ignore_errors=True)


def _write_once(path: Path, data: bytes) -> None:
    """Write a file that never changes; one that is there with other bytes was damaged and is written anew."""
    if not path.is_file() or path.read_bytes() != data:
        write_whole(path, data)


def _size_before(published: str | None, leaves: Sequence[bytes], directory: Path) -> int:
    """How many entries are published; raises RegistryFault unless the log begins with them."""
    if published is None:
        return 0
    state = read_published_state(published)
    if state is None:
        raise RegistryFault(f"{directory / CHECKPOINT} is not a checkpoint. Move it away and look what became of it.")
    if state.size > len(leaves) or merkle_root(leaves[: state.size]) != state.root:
        raise RegistryFault(
            f"{directory} publishes {state.size} entries that the database does not hold so. If the database was "
            "restored from a backup, say so publicly, keep these files, and begin an empty directory in their place."
        )
    return state.size


def read_published_state(published: str) -> Checkpoint | None:
    """The state that a published checkpoint speaks of, whoever signed it; None for what is none."""
    try:
        return read_checkpoint(published.partition("\n\n")[0] + "\n")
    except BadNote:
        return None


def _filled(before: int, size: int) -> Iterator[str]:
    """The paths of tiles and bundles that have become full since `before`: their partial forerunners may go."""
    for tile in tiles_of(size):
        if tile.width == TILE_WIDTH and tile.number >= before >> (TILE_HEIGHT * (tile.level + 1)):
            yield tile.path
            if tile.level == 0:
                yield bundle_path(tile.number)


async def file_faults(session: ReadSession, settings: Settings) -> list[str]:
    """What differs between the published files and the database, a sentence each.

    Files behind the database are no fault as long as they are its beginning: the next job brings them on.
    """
    directory = registry_dir(settings)
    published = read_published(directory)
    if published is None:
        return [] if await newest_checkpoint(session) is None else [f"{directory / CHECKPOINT} is not there"]
    state = read_published_state(published)
    if state is None:
        return [f"{directory / CHECKPOINT} is not a checkpoint"]
    entries = await entries_between(session, 0, state.size)
    leaves = [hash_leaf(entry) for entry in entries]
    if len(leaves) < state.size:
        return [f"{directory} publishes {state.size} entries, the database holds {len(leaves)}"]
    signed = await signed_at(session, state.size)
    faults = [] if merkle_root(leaves) == state.root else [f"{directory / CHECKPOINT} has another root"]
    if signed is None or signed.note != published:
        faults.append(f"{directory / CHECKPOINT} is not what was signed")

    def compare(path: str, data: bytes) -> None:
        file = directory / path
        if not file.is_file():
            faults.append(f"{file} is missing")
        elif file.read_bytes() != data:
            faults.append(f"{file} differs from the database")

    writer = TileWriter(lambda tile, data: compare(tile.path, data))
    for leaf in leaves:
        writer.add(leaf)
    writer.finish()
    for number, width in bundles_of(state.size):
        first = number * TILE_WIDTH
        compare(bundle_path(number, width), bundle(entries[first : first + width]))
    compare(KEYS, await keys_file(session, settings))
    return faults
