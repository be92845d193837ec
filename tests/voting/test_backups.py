"""The drill: a city with a counted poll and a running one is backed up, put back elsewhere, and is the same."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text
from tests.builders import a_city, an_open_poll, close_now
from tests.flows.api_client import Town
from tests.sites import site_settings

import veche_verify
from polls.authoring import close_early
from polls.board_check import differences
from polls.catalogue import SealedPoll, sealed_poll
from polls.public_keys import lock_keys
from polls.registry_check import check_registry
from polls.tables import audit_event, participation
from voting import tasks  # noqa: F401  -- declares the jobs
from voting.auditing.checking import check_database
from voting.auditing.sealing import seal_entries
from voting.backups import making
from voting.backups.making import make_backup
from voting.backups.manifest import NAME, check_files, read_manifest
from voting.backups.programs import BackupFault, find_program
from voting.backups.restoring import restore_backup
from voting.cli import cli
from voting.db import Database
from voting.jobs import Work, registry
from voting.keys import BOARD, REGISTRY, check_keys, record_keys, signer
from voting.registry_files import file_faults
from voting.setting_up import settle_origin
from voting.settings import Settings

PASSPHRASE = "seven quiet horses"


@dataclass
class City:
    """A city that works, with its database's address."""

    settings: Settings
    database: Database
    url: str
    counted: SealedPoll
    running: SealedPoll


async def work_on(city: City, settings: Settings, database: Database) -> None:
    work = Work(database, settings)
    for _ in range(2):
        for job in registry.jobs.values():
            if job.cron:
                await job.body(work)
    async with database.open_session() as session:
        await seal_entries(session, datetime.now(UTC))
    await registry.jobs["keep_the_registry"].body(work)


@pytest.fixture
async def city(fresh_database: Database, fresh_database_url: str, tmp_path: Path) -> City:
    settings = site_settings(tmp_path / "data")
    async with fresh_database.open_session() as session:
        await a_city(session)
        await record_keys(session, settings, datetime.now(UTC))
        await settle_origin(session, settings, datetime.now(UTC))
        counted = await an_open_poll(session)
        running = await an_open_poll(session)
    town = Town(fresh_database, tmp_path / "data")
    for number in range(12):
        client = await town.client(await town.add_resident())
        for poll in (counted, running) if number < 3 else (counted,):
            assert (await client.vote(poll.slug, secrets.token_hex(16), {"1": 1 + number % 2})).status_code == 201
    made = City(settings, fresh_database, fresh_database_url, counted, running)
    await work_on(made, settings, fresh_database)
    async with fresh_database.open_session() as session:
        await close_early(session, counted.public_id, 1, "Everybody has voted.", datetime.now(UTC))
    await work_on(made, settings, fresh_database)
    return made


def tree(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


async def test_a_restored_city_is_the_same_city(city: City, empty_database_url: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    made = make_backup(city.settings, city.url, tmp_path / "backup", PASSPHRASE, now)
    assert made.holds_links and made.destroy_by == now + timedelta(days=7) and made.state.boards
    there = site_settings(tmp_path / "elsewhere")
    put = await asyncio.to_thread(restore_backup, there, empty_database_url, tmp_path / "backup", PASSPHRASE, now)
    assert put == made
    for name in ("board", "registry", "keys"):
        assert tree(there.data_dir / name) == tree(city.settings.data_dir / name), name
    database = Database.from_url(empty_database_url)
    try:
        async with database.open_session() as session:
            await check_keys(session, there, (BOARD, REGISTRY))
            await lock_keys(session)
            assert (await check_registry(session)).faults == ()
            assert await file_faults(session, there) == []
            assert await differences(session, await sealed_poll(session, city.counted.slug)) == []
            checked = await check_database(session, datetime.now(UTC))
            assert (checked.code, checked.faults, checked.unchecked) == (0, [], [])
            assert await session.scalar(text("SELECT count(*) FROM web_session")) == 0, (
                "nobody is signed in by a backup"
            )
            found = await session.scalars(
                select(participation.c.poll_id).where(participation.c.poll_id == city.running.id)
            )
            assert len(found.all()) == 3
        # It goes on: three more vote in the running poll, it is counted, and the logs are whole.
        town = Town(database, there.data_dir)
        town.residents = 50  # the names before are taken
        client = await town.client(await town.add_resident())
        assert (await client.vote(city.running.slug, secrets.token_hex(16), {"1": 1})).status_code == 201
        async with database.open_session() as session:
            await close_now(session, city.running)
        await work_on(city, there, database)
        async with database.open_session() as session:
            assert await session.scalar(text("SELECT count(*) FROM count_record")) == 2
            checked = await check_database(session, datetime.now(UTC))
            assert (checked.code, checked.faults) == (0, [])
            kinds = (await session.scalars(select(audit_event.c.kind))).all()
            assert "restored" in kinds
    finally:
        await database.close()
    key = signer(there, BOARD)
    board = next((there.data_dir / "board").glob(f"{city.counted.public_id}*"))
    line = json.loads((there.data_dir / "registry" / "keys.json").read_bytes())["keys"]
    vkey = next(one["vkey"] for one in line if one["key_id"] == key.key_id)
    arguments = ["--lang=en", "--key", vkey, "--registry", str(there.data_dir / "registry"), str(board)]
    assert veche_verify.run(arguments) == 0


async def test_what_was_interrupted_is_no_backup(
    city: City, tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("_finish", "hash_file", "run_program"):
        with monkeypatch.context() as broken:
            broken.setattr(making, step, torn)
            with pytest.raises(KeyboardInterrupt):
                make_backup(city.settings, city.url, tmp_path / "torn", None, datetime.now(UTC))
        assert not (tmp_path / "torn").exists()
        with pytest.raises(BackupFault, match="no whole backup"):
            read_manifest(tmp_path / "torn.partial")
    made = make_backup(city.settings, city.url, tmp_path / "torn", None, datetime.now(UTC))
    check_files(tmp_path / "torn", made)
    assert not made.keys and not (tmp_path / "torn.partial").exists()
    with pytest.raises(BackupFault, match="there already"):
        make_backup(city.settings, city.url, tmp_path / "torn", None, datetime.now(UTC))
    with pytest.raises(BackupFault, match="holds no keys"):
        await asyncio.to_thread(
            restore_backup,
            site_settings(tmp_path / "x"),
            empty_database_url,
            tmp_path / "torn",
            PASSPHRASE,
            datetime.now(UTC),
        )


async def test_nothing_is_mixed_and_nothing_damaged_is_put_back(
    city: City, empty_database_url: str, tmp_path: Path
) -> None:
    now, there = datetime.now(UTC), site_settings(tmp_path / "elsewhere")
    backup = tmp_path / "backup"
    make_backup(city.settings, city.url, backup, PASSPHRASE, now)
    with pytest.raises(BackupFault, match="not empty"):
        await asyncio.to_thread(restore_backup, city.settings, empty_database_url, backup, None, now)
    with pytest.raises(BackupFault, match="database is not empty"):
        await asyncio.to_thread(restore_backup, there, city.url, backup, None, now)
    with pytest.raises(BackupFault, match="passphrase"):
        await asyncio.to_thread(restore_backup, there, empty_database_url, backup, "another passphrase", now)
    for name in ("database.dump", "registry.tar", "keys.enc"):
        whole = (backup / name).read_bytes()
        (backup / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(BackupFault, match="not the file"):
            await asyncio.to_thread(restore_backup, there, empty_database_url, backup, PASSPHRASE, now)
        (backup / name).unlink()
        with pytest.raises(BackupFault, match="missing"):
            await asyncio.to_thread(restore_backup, there, empty_database_url, backup, PASSPHRASE, now)
        (backup / name).write_bytes(whole)
    manifest = json.loads((backup / NAME).read_bytes())
    spoilt: object
    for spoilt in ({**manifest, "v": 99}, {**manifest, "files": 5}, []):
        (backup / NAME).write_text(json.dumps(spoilt))
        with pytest.raises(BackupFault):
            await asyncio.to_thread(restore_backup, there, empty_database_url, backup, PASSPHRASE, now)
    database = Database.from_url(empty_database_url)
    async with database.open_read_session() as session:
        tables = await session.scalar(text("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"))
        assert tables == 0, "nothing was written"
    await database.close()


async def test_files_of_a_backup_are_its_owners_alone_and_the_keys_are_not_readable_in_it(
    city: City, tmp_path: Path
) -> None:
    make_backup(city.settings, city.url, tmp_path / "backup", PASSPHRASE, datetime.now(UTC))
    secret = next(city.settings.keys_dir.glob("board-*.pem")).read_bytes().splitlines()[1]
    for path in (tmp_path / "backup").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert secret not in path.read_bytes()
    with pytest.raises(BackupFault, match="fewer than"):
        make_backup(city.settings, city.url, tmp_path / "weak", "short", datetime.now(UTC))


def test_a_program_older_than_the_server_is_not_used() -> None:
    assert find_program("pg_dump", 18).major >= 18
    with pytest.raises(BackupFault, match="newer"):
        find_program("pg_dump", 99)


def test_the_command_asks_what_to_do_with_the_keys(tmp_path: Path) -> None:
    for arguments in (["backup", str(tmp_path / "b")], ["backup", str(tmp_path / "b"), "--without-keys", "--nothing"]):
        result = CliRunner().invoke(cli, arguments, env={**os.environ, "VECHE_DATA_DIR": str(tmp_path)})
        assert result.exit_code == 2


def test_a_copy_without_uncounted_votes_may_be_kept() -> None:
    from tests.voting.test_doctor import a_manifest

    assert replace(a_manifest(), holds_links=False).destroy_by is None
