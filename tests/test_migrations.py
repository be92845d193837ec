"""Migrations: one line of history, there and back, equal to the models, all or nothing, safe to run twice at once."""

import asyncio
import hashlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from procrastinate.schema import SchemaManager
from psycopg.types.json import Jsonb
from sqlalchemy import text
from tests.builders import (
    NOW,
    SEALER,
    ASigner,
    a_citizen,
    a_city,
    a_definition,
    a_key,
    an_open_poll,
    both,
    close_now,
)

from polls.cards import card_of
from polls.casting import cast_ballot
from polls.catalogue import cast_counts
from polls.counting import count_poll
from voting import migrations
from voting.db import Database, database_url_for
from voting.settings import Settings

SCHEMA = """
    SELECT c.relkind::text, c.relname, coalesce(a.attname, ''), coalesce(format_type(a.atttypid, a.atttypmod), ''),
           coalesce(a.attnotnull, false), coalesce(pg_get_constraintdef(k.oid), '')
    FROM pg_class c
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND a.attnum = 1
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'function', proname, pg_get_functiondef(oid), '', false, '' FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid), '', false, '' FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'type', typname, '', '', false, '' FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
    ORDER BY 1, 2, 3, 4, 5, 6
"""


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database_url_for(url, "postgresql")) as connection:
        return connection.execute(query.encode()).fetchall()


def tables(url: str) -> set[object]:
    found = rows(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in found} - {"alembic_version"}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history whose second revision fails half-way."""
    (tmp_path / "alembic" / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        (tmp_path / "alembic" / name).write_text((migrations.PROJECT / "alembic" / name).read_text())
    (tmp_path / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/alembic"\n')
    for number, after in ((1, None), (2, "t1")):
        (tmp_path / "alembic" / "versions" / f"t{number}.py").write_text(
            f"from alembic import op\nrevision = 't{number}'\ndown_revision = {after!r}\n"
            f"def upgrade():\n    op.execute('CREATE TABLE t{number} (id int)')\n"
            f"    op.execute('SELECT {number} / {2 - number}')\n"
            f"def downgrade():\n    op.execute('DROP TABLE t{number}')\n"
        )
    monkeypatch.setattr(migrations, "PROJECT", tmp_path)


def test_history_has_one_head_and_files_are_named_by_date() -> None:
    scripts = ScriptDirectory.from_config(migrations.alembic_config())
    assert len(scripts.get_heads()) == 1
    for script in scripts.walk_revisions():
        name = Path(script.path).name
        assert name[:4].isdigit() and f"_{script.revision}_" in name
        assert script.doc


def test_up_from_nothing_and_down_and_up_again(empty_database_url: str) -> None:
    url = empty_database_url
    assert migrations.current(url) is None
    assert migrations.pending(url)[0] == "0001"
    migrations.upgrade(Settings(database_url=url))
    once = rows(url, SCHEMA)
    assert migrations.pending(url) == []
    assert migrations.current(url) == ScriptDirectory.from_config(migrations.alembic_config()).get_current_head()
    migrations.upgrade(url)  # nothing to do
    migrations.downgrade(url, "base")
    assert tables(url) == set()
    assert [row for row in rows(url, SCHEMA) if row[0] in ("function", "type", "trigger")] == []
    migrations.upgrade(url)
    assert rows(url, SCHEMA) == once


def test_every_revision_can_be_undone_and_redone(empty_database_url: str) -> None:
    for revision in migrations.pending(empty_database_url):
        migrations.upgrade(empty_database_url, revision)
        after = rows(empty_database_url, SCHEMA)
        migrations.downgrade(empty_database_url, "-1")
        migrations.upgrade(empty_database_url, revision)
        assert rows(empty_database_url, SCHEMA) == after, revision


def test_the_migrated_schema_equals_the_models(fresh_database_url: str) -> None:
    # A poll's intake and a partition are not in the models, and must not be taken for left-overs.
    with psycopg.connect(database_url_for(fresh_database_url, "postgresql")) as connection:
        connection.execute("CREATE TABLE intake_7 (ballot_id bytea PRIMARY KEY)")
    config = migrations.alembic_config(fresh_database_url)
    command.check(config)  # raises if autogenerate would write anything


def test_the_comparison_would_notice_a_difference(fresh_database_url: str) -> None:
    with psycopg.connect(database_url_for(fresh_database_url, "postgresql")) as connection:
        connection.execute("ALTER TABLE refusal ADD COLUMN extra integer")
    with pytest.raises(CommandError, match="extra"):
        command.check(migrations.alembic_config(fresh_database_url))


@pytest.mark.usefixtures("broken")
def test_a_failing_revision_leaves_nothing_half_applied(empty_database_url: str) -> None:
    with pytest.raises(Exception, match="division by zero"):
        migrations.upgrade(empty_database_url)
    assert tables(empty_database_url) == {"t1"}
    assert migrations.current(empty_database_url) == "t1"
    assert migrations.pending(empty_database_url) == ["t2"]


def test_two_processes_migrating_at_once_both_succeed(empty_database_url: str) -> None:
    script = "import sys; from voting import migrations; migrations.upgrade(sys.argv[1])"
    command_line = [sys.executable, "-c", script, empty_database_url]
    source = str(migrations.PROJECT / "src")
    running = [
        subprocess.Popen(command_line, env={"PYTHONPATH": source}, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert migrations.pending(empty_database_url) == []


def test_a_second_migration_waits_for_the_first_longer_than_any_lock_timeout(empty_database_url: str) -> None:
    with psycopg.connect(database_url_for(empty_database_url, "postgresql")) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('alembic'))")
        with ThreadPoolExecutor(1) as threads:
            second = threads.submit(migrations.upgrade, empty_database_url)
            time.sleep(4.5)
            assert not second.done()
            connection.execute("SELECT pg_advisory_unlock(hashtext('alembic'))")
            second.result(timeout=60)
    assert migrations.pending(empty_database_url) == []


def test_a_migration_gives_up_rather_than_queue_all_traffic_behind_it(fresh_database_url: str) -> None:
    with psycopg.connect(database_url_for(fresh_database_url, "postgresql")) as connection:
        connection.execute("SELECT * FROM refusal")  # a transaction left open
        began = time.monotonic()
        with pytest.raises(Exception, match="lock timeout"):
            migrations.downgrade(fresh_database_url, "base")
        assert time.monotonic() - began < 30
    assert "0002" not in migrations.pending(fresh_database_url)


def test_polls_already_there_get_their_cards_and_the_words_they_are_found_by(fresh_database_url: str) -> None:
    migrations.downgrade(fresh_database_url, "0003")
    definition = a_definition(title=both("Каким будет сквер?"), summary=both("Выбираем деревья."))
    with psycopg.connect(database_url_for(fresh_database_url, "postgresql")) as connection:
        made = connection.execute(
            "INSERT INTO poll (public_id, slug, title_ru, title_en, author_id)"
            " VALUES (%s, 'p1', %s, %s, 1) RETURNING id",
            (definition.poll_id, definition.title.ru, definition.title.en),
        ).fetchone()
        assert made is not None
        connection.execute(
            "INSERT INTO poll_revision (poll_id, number, definition, author_id, saved_at) VALUES (%s, 1, %s, 1, now())",
            (made[0], Jsonb(definition.as_json())),
        )
    migrations.upgrade(fresh_database_url)
    [(card, found)] = rows(
        fresh_database_url,
        "SELECT card, search @@ plainto_tsquery('russian', 'сквера деревья построить') FROM poll",
    )
    assert card == card_of(definition)
    assert found


def test_of_accounts_that_name_one_e_mail_its_owner_keeps_it_on_the_way_back(fresh_database_url: str) -> None:
    with psycopg.connect(database_url_for(fresh_database_url, "postgresql")) as connection:
        connection.execute(
            "INSERT INTO account (email, phone, email_verified_at, email_lost_at) VALUES"
            " ('a', '1', NULL, now()), ('a', '2', now(), NULL), ('b', '3', NULL, NULL), ('b', '4', NULL, NULL)"
        )
    migrations.downgrade(fresh_database_url, "0023")
    kept = rows(fresh_database_url, "SELECT phone, email FROM account ORDER BY phone")
    assert kept == [("1", None), ("2", "a"), ("3", "b"), ("4", None)]
    migrations.upgrade(fresh_database_url)


def test_places_already_there_get_their_way_up(fresh_database_url: str) -> None:
    migrations.downgrade(fresh_database_url, "0025")
    with psycopg.connect(database_url_for(fresh_database_url, "postgresql")) as connection:
        connection.execute(
            "INSERT INTO territory (id, code, kind, parent_id, name_ru, name_en) OVERRIDING SYSTEM VALUE VALUES"
            " (71, 'low', 'district', NULL, '', ''), (72, 'mid', 'okrug', NULL, '', ''),"
            " (73, 'top', 'city', NULL, '', ''), (74, 'alone', 'district', NULL, '', '')"
        )
        connection.execute("UPDATE territory SET parent_id = id + 1 WHERE id < 73")
    migrations.upgrade(fresh_database_url)
    assert rows(fresh_database_url, "SELECT id, path, okrug_id FROM territory WHERE id > 70 ORDER BY id") == [
        (71, ["low", "mid", "top"], 72), (72, ["mid", "top"], 72), (73, ["top"], None), (74, ["alone"], None),
    ]  # fmt: skip


async def test_polls_already_running_get_their_turnout_so_far(fresh_database: Database) -> None:
    url = fresh_database.engine.url.render_as_string(hide_password=False)
    async with fresh_database.open_session() as session:
        await a_city(session)
        running, other, over = [await an_open_poll(session) for _ in range(3)]
        people = [await a_citizen(session) for _ in range(5)]
        for poll, votes in ((running, 3), (other, 1), (over, 2)):
            for one in people[:votes]:
                await cast_ballot(session, poll, one, {"1": 1}, a_key(), ASigner(), NOW)
        await count_poll(session, (await close_now(session, over)).public_id, NOW, SEALER)
    await asyncio.to_thread(migrations.downgrade, url, "0004")
    await asyncio.to_thread(migrations.upgrade, url)
    async with fresh_database.open_session() as session:
        assert await cast_counts(session, [running.id, other.id, over.id]) == {running.id: 3, other.id: 1, over.id: 2}
        filled = await session.execute(text("SELECT poll_id, shard, n FROM turnout_shard ORDER BY poll_id"))
        assert [tuple(row) for row in filled] == [(running.id, 0, 3), (other.id, 0, 1)]
        await cast_ballot(session, running, people[4], {"1": 2}, a_key(), ASigner(), NOW)
        assert await cast_counts(session, [running.id]) == {running.id: 4}
        counted = await count_poll(session, (await close_now(session, running)).public_id, NOW, SEALER)
        assert counted is not None and counted.ballots == 4
        settled = await session.execute(
            text("SELECT shard, n FROM turnout_shard WHERE poll_id = :p"), {"p": running.id}
        )
        assert [tuple(row) for row in settled] == [(-1, 4)]


def test_the_queue_library_has_not_changed_its_schema() -> None:
    # If it has: give 0001 the text it had, and write a revision with the library's own migration scripts.
    digest = hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest()
    assert digest == "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"


def test_the_folder_of_migrations_does_not_shadow_the_library() -> None:
    assert not (migrations.PROJECT / "alembic" / "__init__.py").exists()
    assert not (migrations.PROJECT / "alembic.ini").exists()
    done = subprocess.run(
        [sys.executable, "-c", "import alembic.command; print(alembic.__version__)"],
        cwd=migrations.PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip()
