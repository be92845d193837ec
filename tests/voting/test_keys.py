"""Keys by their purposes: made at set-up, listed, compared with what is listed, rotated, and a rotation interrupted."""

from __future__ import annotations

import json
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text
from tests.sites import site_settings

from polls.checkpoint import open_checkpoint, read_vkey
from polls.public_keys import keys_in_use, listed_keys
from polls.registry import append_entries, entries_between, newest_checkpoint
from polls.registry_check import check_registry
from polls.tables import registry_event
from voting.commands.keys import rotate_purpose
from voting.db import Database
from voting.key_files import PURPOSES, key_paths, locked, make_keys, make_next
from voting.keys import (
    WEB_NEEDS,
    WORK_NEEDS,
    BadKey,
    board_sealer,
    check_keys,
    finish_rotation,
    receipt_signer,
    record_keys,
    record_new_key,
    retire_old_key,
    signer,
    software,
)
from voting.registry_files import key_line
from voting.settings import Settings

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, fresh_database_url: str) -> Settings:
    """A deployment with a database of its own, for commands that open it themselves."""
    plain = fresh_database_url.replace("postgresql+asyncpg", "postgresql")
    return Settings(database_url=plain, data_dir=tmp_path, base_url="https://city.test", demo=False)


async def set_up(database: Database, settings: Settings) -> None:
    async with database.open_session() as session:
        await record_keys(session, settings, NOW)


async def kinds(database: Database) -> list[str]:
    async with database.open_read_session() as session:
        return list(await session.scalars(select(registry_event.c.kind).order_by(registry_event.c.id)))


def test_an_empty_directory_gets_all_four_and_a_chosen_one_no_more(tmp_path: Path) -> None:
    settings = site_settings(tmp_path)
    assert signer(settings, "receipt").key_id == receipt_signer(settings).key_id
    assert [len(key_paths(settings.keys_dir, purpose)) for purpose in PURPOSES] == [1, 1, 1, 1]
    files = [path for path in settings.keys_dir.iterdir() if path.suffix == ".pem"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert len({signer(settings, purpose).public_bytes for purpose in PURPOSES}) == 4
    for purpose in PURPOSES[1:]:
        key_paths(settings.keys_dir, purpose)[0].unlink()
    with pytest.raises(BadKey, match="holds no board key"):
        board_sealer(settings)
    assert receipt_signer(settings)


def test_many_processes_at_once_make_one_key_each(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: make_keys(tmp_path / "keys"), range(24)))
    assert [len(key_paths(tmp_path / "keys", purpose)) for purpose in PURPOSES] == [1, 1, 1, 1]


def test_the_sealer_names_the_log_the_key_and_the_release(tmp_path: Path) -> None:
    settings = site_settings(tmp_path)
    sealer = board_sealer(settings)
    assert (sealer.host, sealer.software) == ("city.test", software())
    assert sealer.signer.key_id == signer(settings, "board").key_id


async def test_set_up_lists_what_it_made_and_repeats_harmlessly(fresh_database: Database, tmp_path: Path) -> None:
    settings = site_settings(tmp_path)
    for _ in range(3):
        await set_up(fresh_database, settings)
    assert await kinds(fresh_database) == ["key_added"] * 4
    async with fresh_database.open_read_session() as session:
        listed = await listed_keys(session)
        assert {key.purpose: key.public for key in listed} == {
            purpose: signer(settings, purpose).public_bytes for purpose in PURPOSES
        }
        await check_keys(session, settings, WORK_NEEDS)
    for key in listed:
        assert read_vkey(key_line(settings, key)) == (f"city.test/{key.purpose}", key.public)


async def test_a_web_machine_holds_the_receipt_key_alone(fresh_database: Database, tmp_path: Path) -> None:
    office, web = site_settings(tmp_path / "office"), site_settings(tmp_path / "web")
    await set_up(fresh_database, office)
    web.keys_dir.mkdir(parents=True)
    async with fresh_database.open_read_session() as session:
        with pytest.raises(BadKey, match="holds no receipt key; the key in use is"):
            await check_keys(session, web, WEB_NEEDS)
    shutil.copy2(key_paths(office.keys_dir, "receipt")[0], web.keys_dir)
    async with fresh_database.open_read_session() as session:
        await check_keys(session, web, WEB_NEEDS)
        with pytest.raises(BadKey, match="holds no board key"):
            await check_keys(session, web, WORK_NEEDS)
    await set_up(fresh_database, web)  # `veche migrate` there makes nothing that another machine holds
    assert [len(key_paths(web.keys_dir, purpose)) for purpose in PURPOSES] == [1, 0, 0, 0]


async def test_nothing_starts_on_an_empty_list(fresh_database: Database, tmp_path: Path) -> None:
    async with fresh_database.open_read_session() as session:
        with pytest.raises(BadKey, match="veche migrate"):
            await check_keys(session, site_settings(tmp_path), WEB_NEEDS)


async def test_another_deployments_key_is_refused(fresh_database: Database, tmp_path: Path) -> None:
    ours, theirs = site_settings(tmp_path / "ours"), site_settings(tmp_path / "theirs")
    await set_up(fresh_database, ours)
    make_keys(theirs.keys_dir)
    for start in (check_keys, None):
        async with fresh_database.open_session() as session:
            with pytest.raises(BadKey, match="never listed; the key in use is"):
                await (record_keys(session, theirs, NOW) if start is None else start(session, theirs, ()))
    assert await kinds(fresh_database) == ["key_added"] * 4


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_rotation(settings: Settings, fresh_database: Database, purpose: str) -> None:
    await set_up(fresh_database, settings)
    old = signer(settings, purpose)
    done = await rotate_purpose(settings, purpose, "planned")
    assert done.old == old.key_id != done.new.key_id
    assert signer(settings, purpose).key_id == done.new.key_id
    assert (settings.keys_dir / "retired" / f"{purpose}-{old.key_id}.pem").is_file()
    assert [path.name for path in settings.keys_dir.glob(f"{purpose}-*")] == [f"{purpose}-{done.new.key_id}.pem"]
    async with fresh_database.open_read_session() as session:
        before, after = await listed_keys(session, purpose)
        assert before.key_id == old.key_id and before.valid_to == after.valid_from and after.valid_to is None
        await check_keys(session, settings, PURPOSES)
        assert len(await keys_in_use(session)) == 4
    assert (await kinds(fresh_database))[-2:] == ["key_added", "key_retired"]
    # The old file put back, from a backup of before, is told apart from a stranger's.
    key_paths(settings.keys_dir, purpose)[0].unlink()
    shutil.copy2(settings.keys_dir / "retired" / f"{purpose}-{old.key_id}.pem", settings.keys_dir)
    async with fresh_database.open_read_session() as session:
        with pytest.raises(BadKey, match="a retired one; the key in use is"):
            await check_keys(session, settings, ())


async def test_a_rotation_interrupted_after_its_commit_is_finished_by_the_next_start(
    fresh_database: Database, tmp_path: Path
) -> None:
    settings = site_settings(tmp_path)
    await set_up(fresh_database, settings)
    async with fresh_database.open_session() as session:
        rotation, _ = await record_new_key(session, settings, "receipt", "planned", NOW)
        await retire_old_key(session, rotation, "planned", NOW)
    assert receipt_signer(settings).key_id == rotation.old
    async with fresh_database.open_read_session() as session:
        await check_keys(session, settings, WEB_NEEDS)
    assert receipt_signer(settings).key_id == rotation.new.key_id
    finish_rotation(settings, rotation)
    assert receipt_signer(settings).key_id == rotation.new.key_id


async def test_a_rotation_interrupted_before_its_commit_leaves_the_old_key(
    fresh_database: Database, tmp_path: Path
) -> None:
    settings = site_settings(tmp_path)
    await set_up(fresh_database, settings)
    old = receipt_signer(settings).key_id
    with locked(settings.keys_dir):
        stray = make_next(settings.keys_dir, "receipt")
    async with fresh_database.open_session() as session:
        await record_keys(session, settings, NOW)
        assert receipt_signer(settings).key_id == old
        rotation, _ = await record_new_key(session, settings, "receipt", "planned", NOW)
        await retire_old_key(session, rotation, "planned", NOW)
    finish_rotation(settings, rotation)
    assert receipt_signer(settings).key_id == rotation.new.key_id != stray.key_id
    assert not list(settings.keys_dir.glob("*.next"))


async def test_a_lost_key_is_replaced_only_when_it_is_said_to_be_lost(
    settings: Settings, fresh_database: Database
) -> None:
    await set_up(fresh_database, settings)
    key_paths(settings.keys_dir, "board")[0].unlink()
    with pytest.raises(BadKey, match="--because lost"):
        await rotate_purpose(settings, "board", "planned")
    with pytest.raises(BadKey, match="--because lost"):
        async with fresh_database.open_read_session() as session:
            await check_keys(session, settings, WORK_NEEDS)
    done = await rotate_purpose(settings, "board", "lost")
    assert board_sealer(settings).signer.key_id == done.new.key_id
    async with fresh_database.open_read_session() as session:
        reason = await session.scalar(
            select(registry_event.c.body["reason"].astext).where(registry_event.c.kind == "key_retired")
        )
    assert reason == "lost"


async def test_the_logs_old_key_signs_the_entry_that_names_the_new_one(
    settings: Settings, fresh_database: Database
) -> None:
    """Whoever trusts the old key alone is led to the new one, and neither key signs the other's part."""
    await set_up(fresh_database, settings)
    old = signer(settings, "registry")
    async with fresh_database.open_session() as session:
        assert await append_entries(session, settings.log_origin, old, NOW) == 4
    new = (await rotate_purpose(settings, "registry", "planned")).new
    async with fresh_database.open_session() as session:
        log = [json.loads(entry) for entry in await entries_between(session, 0, 100)]
        assert [entry["kind"] for entry in log] == ["key_added"] * 5 + ["key_retired"]
        notes = (await session.execute(text("SELECT size, key_id, note FROM registry_checkpoint ORDER BY size"))).all()
        assert [(row.size, row.key_id) for row in notes] == [(4, old.key_id), (5, old.key_id), (6, new.key_id)]
        assert open_checkpoint(notes[1].note, "city.test/registry", old.public_bytes).size == 5
        assert log[4]["body"]["key_id"] == new.key_id
        assert (await newest_checkpoint(session)).key_id == new.key_id  # type: ignore[union-attr]
        assert not (await check_registry(session)).faults


async def test_a_compromised_key_of_the_log_signs_nothing_more(settings: Settings, fresh_database: Database) -> None:
    await set_up(fresh_database, settings)
    new = (await rotate_purpose(settings, "registry", "compromised")).new
    async with fresh_database.open_read_session() as session:
        signed = set(await session.scalars(text("SELECT key_id FROM registry_checkpoint")))
    assert signed == {new.key_id}
