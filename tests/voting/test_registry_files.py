"""The registry log's files: whole after every step, readable by anybody, and never written over with a fork."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.builders import a_city, an_open_poll, close_now
from tests.sites import site_settings

from polls.checkpoint import open_checkpoint
from polls.journal import record_event
from polls.registry import RegistryFault, entries_between, newest_checkpoint
from polls.tlog import (
    Tile,
    bundle_path,
    bundles_of,
    check_inclusion,
    hash_leaf,
    inclusion_proof,
    nodes_from_tiles,
    read_bundle,
)
from voting.db import Database
from voting.jobs import Work
from voting.keys import record_keys, signer
from voting.publishing import write_whole
from voting.registry_files import file_faults, publish_registry, registry_dir
from voting.registry_jobs import append_and_publish, keep_the_registry
from voting.settings import Settings

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
async def work(fresh_database: Database, tmp_path: Path) -> Work:
    settings = site_settings(tmp_path)
    async with fresh_database.open_session() as session:
        await record_keys(session, settings, NOW)
    return Work(fresh_database, settings)


async def happen(work: Work, times: int) -> None:
    async with work.database.open_session() as session:
        for number in range(times):
            await record_event(session, "poll_extended", None, NOW, reason=str(number))


def read_all(settings: Settings) -> list[bytes]:
    """What a stranger reads: the checkpoint, every entry below it, and a proof of each out of the tiles."""
    directory = registry_dir(settings)
    key = signer(settings, "registry").public_bytes
    state = open_checkpoint((directory / "checkpoint").read_text(), "city.test/registry", key)
    entries = [
        entry
        for number, width in bundles_of(state.size)
        for entry in read_bundle((directory / bundle_path(number, width)).read_bytes())
    ]
    assert len(entries) == state.size
    node = nodes_from_tiles(state.size, lambda tile: (directory / tile.path).read_bytes())
    for index, entry in enumerate(entries):
        proof = inclusion_proof(index, state.size, node)
        assert check_inclusion(hash_leaf(entry), index, state.size, proof, state.root)
    return entries


async def faults(work: Work) -> list[str]:
    async with work.database.open_read_session() as session:
        return await file_faults(session, work.settings)


async def test_a_growing_log_is_readable_at_every_size(work: Work) -> None:
    for times in (0, 1, 250, 2, 3, 300):  # across the widths of tiles: 4, 5, 255, 257, 260, 560 entries
        await happen(work, times)
        await keep_the_registry(work)
        entries = read_all(work.settings)
        assert [json.loads(entry)["position"] for entry in entries] == list(range(len(entries)))
        assert not await faults(work)
    assert len(entries) == 560
    directory = registry_dir(work.settings)
    full = [Tile(0, 0).path, Tile(0, 1).path, bundle_path(0), bundle_path(1)]
    assert all((directory / path).is_file() and not (directory / f"{path}.p").exists() for path in full)
    assert {stat.S_IMODE(path.stat().st_mode) & 0o444 for path in directory.rglob("*") if path.is_file()} == {0o444}


async def test_the_key_list_leads_from_a_retired_key_on(work: Work) -> None:
    await keep_the_registry(work)
    listed = json.loads((registry_dir(work.settings) / "keys.json").read_bytes())
    assert listed["origin"] == "city.test"
    assert {key["purpose"] for key in listed["keys"]} == {"receipt", "board", "registry", "protocol"}
    assert all(set(key) == {"key_id", "purpose", "public", "valid_from", "valid_to", "vkey"} for key in listed["keys"])


async def test_what_was_appended_and_not_written_is_written_next(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the database and the files."""
    await keep_the_registry(work)
    await happen(work, 3)

    async def crash(*_: object) -> None:
        raise ConnectionResetError("killed")

    with monkeypatch.context() as broken:
        broken.setattr("voting.registry_jobs.publish_registry", crash)
        with pytest.raises(ConnectionResetError):
            await append_and_publish(work)
    assert len(read_all(work.settings)) == 4  # the files are whole, and behind
    assert not await faults(work)
    await keep_the_registry(work)
    assert len(read_all(work.settings)) == 7


async def test_files_interrupted_before_their_checkpoint_are_whole(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    await keep_the_registry(work)
    await happen(work, 300)
    from voting import registry_files

    left = [3]

    def write_a_few(path: Path, content: bytes) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(28, "No space left on device")
        write_whole(path, content)

    with monkeypatch.context() as full:
        full.setattr(registry_files, "write_whole", write_a_few)
        with pytest.raises(OSError, match="No space"):
            await append_and_publish(work)
    assert len(read_all(work.settings)) == 4
    await keep_the_registry(work)
    assert len(read_all(work.settings)) == 304


async def test_a_fork_is_not_published(work: Work, capfd: pytest.CaptureFixture[str]) -> None:
    """The database was restored from before the last entries, and went on differently."""
    await happen(work, 5)
    await keep_the_registry(work)
    published = (registry_dir(work.settings) / "checkpoint").read_bytes()
    async with work.database.open_session() as session:
        for table in ("registry_leaf", "registry_checkpoint"):
            await session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            await session.execute(text(f"DELETE FROM {table}"))
        await session.execute(text("ALTER TABLE registry_event DISABLE TRIGGER USER"))
        await session.execute(text("DELETE FROM registry_event WHERE body->>'reason' = '2'"))
    await happen(work, 7)
    await keep_the_registry(work)
    assert "registry_failed" in "".join(capfd.readouterr())
    assert (registry_dir(work.settings) / "checkpoint").read_bytes() == published
    async with work.database.open_session() as session:
        with pytest.raises(RegistryFault, match="does not hold so"):
            await publish_registry(session, work.settings)
    assert await faults(work)


async def test_a_damaged_file_is_found(work: Work) -> None:
    await happen(work, 300)
    await keep_the_registry(work)
    directory = registry_dir(work.settings)
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            kept = path.read_bytes()
            path.write_bytes(kept[:20] + bytes([kept[20] ^ 1]) + kept[21:])
            assert await faults(work), path
            path.unlink()
            assert await faults(work), path
            path.write_bytes(kept)
    assert not await faults(work)


async def test_the_job_follows_polls_without_being_told(work: Work) -> None:
    async with work.database.open_session() as session:
        await a_city(session)
        poll = await an_open_poll(session)
        await close_now(session, poll)
    for _ in range(2):
        await keep_the_registry(work)
    async with work.database.open_read_session() as session:
        log = [json.loads(entry) for entry in await entries_between(session, 4, 100)]
        state = await newest_checkpoint(session)
    assert [entry["kind"] for entry in log] == ["poll_sealed", "poll_opened", "poll_closed"]
    assert state is not None and state.size == 7 and len(read_all(work.settings)) == 7


async def test_without_its_key_the_log_waits(fresh_database: Database, tmp_path: Path) -> None:
    work = Work(fresh_database, site_settings(tmp_path))
    await happen(work, 1)
    await keep_the_registry(work)  # the key is made, but nobody has set this deployment up
    async with fresh_database.open_session() as session:
        assert await newest_checkpoint(session) is None
        await record_keys(session, work.settings, NOW)
    await keep_the_registry(work)
    assert len(read_all(work.settings)) == 5
