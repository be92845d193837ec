"""Each role of the database tries everything: every table and verb out of the metadata, DDL, the service's own work."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from tests.builders import a_city, an_open_poll, close_now
from tests.databases import Databases
from tests.flows.api_client import Town
from tests.sites import site_settings

import polls.audit_tables  # noqa: F401  -- in the metadata
from polls.authoring import cancel_poll
from polls.tables import metadata
from voting import tasks  # noqa: F401  -- declares the jobs
from voting.database_roles import APPEND_ONLY, AS_OWNER, FUNCTIONS, REPORTS, RIGHTS, VERBS, MissingRole, apply_rights
from voting.db import Database
from voting.excessive_rights import excessive_rights as excessive
from voting.jobs import Work, build_jobs, registry
from voting.keys import record_keys

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Roles:
    """One database, seen by its owner, by the service and by reports."""

    owner: Database
    web: Database
    reports: Database
    web_role: str


@pytest.fixture(scope="module")
async def roles(databases: Databases) -> AsyncIterator[Roles]:
    name = databases.create()
    url = databases.url(name)
    owner = Database.from_url(url)
    tag, password = secrets.token_hex(4), secrets.token_hex(8)
    made = [f"veche_web_{tag}", f"veche_reports_{tag}"]
    async with owner.open_session() as session:
        if not await session.scalar(
            text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
        ):
            pytest.skip("the role of the tests may not make roles")
        for role in made:
            await session.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'"))
        await apply_rights(session, made[0], made[1], NOW)
    web, reports = (
        Database.from_url(make_url(url).set(username=role, password=password).render_as_string(hide_password=False))
        for role in made
    )
    yield Roles(owner, web, reports, made[0])
    await web.close()
    await reports.close()
    async with owner.open_session() as session:
        for role in made:
            await session.execute(text(f"DROP OWNED BY {role}"))
            await session.execute(text(f"DROP ROLE {role}"))
    await owner.close()
    databases.drop(name)


async def allowed(database: Database, statement: str) -> bool:
    """Whether the role's rights let a statement through; what else may be wrong with it is another matter."""
    async with database.engine.connect() as connection:
        outer = await connection.begin()
        try:
            await connection.execute(text(statement))
        except DBAPIError as error:
            return error.orig is None or getattr(error.orig, "sqlstate", "") != "42501"
        finally:
            await outer.rollback()
    return True


def attempts(table: str) -> dict[str, str]:
    """A statement for each verb; none of them changes a row."""
    column = next(iter(metadata.tables[table].columns)).name
    return {
        "S": f"SELECT * FROM {table} LIMIT 0",
        "I": f"INSERT INTO {table} SELECT * FROM {table} WHERE false"
        if not any(one.identity is not None for one in metadata.tables[table].columns)
        else f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {table} WHERE false",
        "U": f'UPDATE {table} SET "{column}" = "{column}" WHERE false',
        "D": f"DELETE FROM {table} WHERE false",
        "T": f"TRUNCATE {table} CASCADE",
        "drop": f"DROP TABLE {table} CASCADE",
        "alter": f"ALTER TABLE {table} DISABLE TRIGGER USER",
        "trigger": f"CREATE TRIGGER x BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION veche_refuse_change()",
        "grant": f"ALTER TABLE {table} OWNER TO CURRENT_USER",
    }


def test_every_table_is_on_the_list() -> None:
    ours = {name for name in RIGHTS if not name.startswith("procrastinate_")} - {"alembic_version"}
    assert ours == set(metadata.tables), "name it in voting.database_roles.RIGHTS"
    assert set(REPORTS) <= set(metadata.tables)
    assert all(set(letters) <= set(VERBS) for letters in RIGHTS.values())


async def test_tables_guarded_by_triggers_are_append_only_by_grant_too(roles: Roles) -> None:
    async with roles.owner.open_read_session() as session:
        guarded = await session.scalars(
            text("SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
                 " WHERE t.tgname = 'append_only' AND NOT c.relispartition")
        )  # fmt: skip
        assert set(guarded) <= set(APPEND_ONLY)


@pytest.mark.parametrize("table", sorted(metadata.tables))
async def test_the_service_may_do_with_a_table_what_is_listed_and_nothing_else(roles: Roles, table: str) -> None:
    found = {verb: await allowed(roles.web, statement) for verb, statement in attempts(table).items()}
    if table in APPEND_ONLY or "I" not in RIGHTS[table]:
        assert not found["U"] and not found["D"]
    assert "".join(verb for verb in found if found[verb]) == "".join(v for v in "SIUD" if v in RIGHTS[table])


@pytest.mark.parametrize("table", sorted(metadata.tables))
async def test_reports_read_what_is_published_and_nothing_else(roles: Roles, table: str) -> None:
    found = {verb for verb, statement in attempts(table).items() if await allowed(roles.reports, statement)}
    assert found == ({"S"} if table in REPORTS else set())


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)", "CREATE SCHEMA mine",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION veche_refuse_change() OWNER TO CURRENT_USER", "SET session_replication_role = replica",
        "DROP FUNCTION veche_refuse_change() CASCADE", "CREATE ROLE another", "COPY poll TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "CREATE OR REPLACE FUNCTION veche_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ],
)  # fmt: skip
async def test_nobody_but_the_owner_changes_the_schema(roles: Roles, statement: str) -> None:
    assert not await allowed(roles.web, statement) and not await allowed(roles.reports, statement)


async def test_functions_of_the_owner_are_the_services_alone(roles: Roles) -> None:
    for function in FUNCTIONS:
        asked = f"SELECT has_function_privilege('{function}', 'EXECUTE')"
        async with roles.web.open_read_session() as session:
            assert await session.scalar(text(asked))
        async with roles.reports.open_read_session() as session:
            assert not await session.scalar(text(asked))


# What may be granted by mistake or by a thief, and what is said of it; then whether `veche migrate` takes it back.
BEYOND = {
    "GRANT DELETE, TRUNCATE ON ballot TO {role}": (["DELETE ballot", "TRUNCATE ballot"], True),
    "GRANT DELETE, UPDATE ON ballot_00 TO {role}": (["DELETE ballot_00", "UPDATE ballot_00"], True),
    "GRANT SELECT ON ballot_00 TO {role}": (["SELECT ballot_00"], True),
    "GRANT UPDATE (actor, facts) ON audit_event TO {role}": (["UPDATE (actor, facts) of audit_event"], True),
    "GRANT TRIGGER ON poll TO {role}": (["TRIGGER poll"], True),
    "GRANT SELECT ON poll TO {role} WITH GRANT OPTION": (["SELECT WITH GRANT OPTION poll"], True),
    "GRANT UPDATE ON SEQUENCE audit_event_id_seq TO {role}": (["UPDATE audit_event_id_seq"], True),
    "GRANT CREATE ON SCHEMA public TO {role}": (["CREATE in schema public"], True),
    "GRANT EXECUTE ON FUNCTION veche_end_tokens() TO {role}": (["EXECUTE veche_end_tokens()"], True),
    "CREATE FUNCTION anything() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": (
        ["EXECUTE anything()"], False),
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT DELETE ON TABLES TO {role}": (
        ["of tables to come: DELETE"], True),
    "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {role}": (["EXECUTE pg_read_file(text)"], False),
    "ALTER ROLE {role} REPLICATION": (["REPLICATION"], False),
    "ALTER ROLE {role} BYPASSRLS": (["BYPASSRLS"], False),
    "ALTER ROLE {role} CREATEROLE": (["CREATE ROLE"], False),
    "ALTER ROLE {role} CREATEDB": (["CREATE DATABASE"], False),
    "ALTER ROLE {role} SUPERUSER": (["superuser"], False),
    "GRANT SET ON PARAMETER session_replication_role TO {role}": (["setting of session_replication_role"], False),
    "GRANT pg_execute_server_program TO {role}": (["member of pg_execute_server_program"], False),
    "ALTER TABLE live_step OWNER TO {role}": (["owner of live_step"], False),
    "ALTER FUNCTION veche_refuse_change() OWNER TO {role}": (["owner of veche_refuse_change()"], False),
    "GRANT CREATE ON DATABASE {database} TO {role}": (["CREATE in this database"], False),
    "CREATE SCHEMA other; CREATE TABLE other.poll (); GRANT USAGE ON SCHEMA other TO {role};"
    " GRANT SELECT ON other.poll TO {role}": (["SELECT poll"], False),
    "CREATE FOREIGN DATA WRAPPER far; GRANT USAGE ON FOREIGN DATA WRAPPER far TO {role}": (["USAGE of far"], False),
}  # fmt: skip


@pytest.mark.parametrize("granted", BEYOND)
async def test_rights_beyond_the_list_are_found_and_taken_back(roles: Roles, granted: str) -> None:
    told, taken_back = BEYOND[granted]
    async with roles.web.open_read_session() as session:
        assert await excessive(session) == []
    async with roles.owner.open_session() as session:
        if not await session.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
            pytest.skip("only a superuser grants all of these")
        database = await session.scalar(text("SELECT quote_ident(current_database())"))
        for statement in granted.format(role=roles.web_role, database=database).split(";"):
            await session.execute(text(statement))
        await session.execute(text(f"SET LOCAL SESSION AUTHORIZATION {roles.web_role}"))
        found = await excessive(session)
        assert set(told) <= set(found)
        assert len(found) == len(told) or "OWNER" in granted  # an owner may do everything with what is its own
        await session.execute(text("SET LOCAL SESSION AUTHORIZATION DEFAULT"))
        if taken_back:
            await apply_rights(session, roles.web_role, None, NOW)
            await session.execute(text(f"SET LOCAL SESSION AUTHORIZATION {roles.web_role}"))
            assert await excessive(session) == []
        await session.rollback()


async def test_the_owner_may_do_more_than_the_service_needs(roles: Roles) -> None:
    async with roles.owner.open_read_session() as session:
        assert await excessive(session)


async def test_functions_of_the_owner_are_closed_again_after_a_restore(roles: Roles) -> None:
    """A backup holds no privileges, and what is made without them everybody may call."""
    async with roles.owner.open_session() as session:
        for function in (*FUNCTIONS, *AS_OWNER):
            await session.execute(text(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC"))
    async with roles.web.open_read_session() as session:
        assert await excessive(session) == [f"EXECUTE {function}" for function in sorted(AS_OWNER)]
    async with roles.owner.open_session() as session:
        await apply_rights(session, None, None, NOW)
    async with roles.web.open_read_session() as session:
        assert await excessive(session) == []
    async with roles.reports.open_read_session() as session:
        for function in (*FUNCTIONS, *AS_OWNER):
            assert not await session.scalar(text(f"SELECT has_function_privilege('{function}', 'EXECUTE')"))


async def test_a_role_that_is_not_there_is_told(roles: Roles) -> None:
    async with roles.owner.open_session() as session:
        with pytest.raises(MissingRole, match="CREATE ROLE nobody_here"):
            await apply_rights(session, "nobody_here", None, NOW)


async def test_a_poll_from_draft_to_published_count_as_the_services_role(roles: Roles, tmp_path: Path) -> None:
    """Drafted, changed, sealed, voted in over HTTP, counted, published, chained, exported: never as the owner."""
    async with roles.owner.open_session() as session:
        await a_city(session)
    settings = site_settings(tmp_path)
    async with roles.web.open_session() as session:
        await record_keys(session, settings, datetime.now(UTC))
        poll = await an_open_poll(session)
        other = await an_open_poll(session)
        await cancel_poll(session, other.public_id, 1, "It was a trial of the machine.", datetime.now(UTC))
    town = Town(roles.web, tmp_path)
    for _ in range(12):
        client = await town.client(await town.add_resident())
        voted = await client.vote(poll.slug, secrets.token_hex(16), {"1": 1})
        assert voted.status_code == 201, voted.text
    async with roles.owner.open_session() as session:
        await close_now(session, poll)
    work = Work(roles.web, settings)
    for _ in range(2):
        for job in registry.jobs.values():
            if job.cron:
                await job.body(work)
    await build_jobs(roles.web, settings).run_until_idle()
    async with roles.owner.open_read_session() as session:
        assert await session.scalar(text("SELECT ballots FROM count_record")) == 12
        assert await session.scalar(text("SELECT count(*) FROM ballot")) == 12
        assert await session.scalar(text("SELECT count(*) FROM audit_link")) > 5
        left = await session.scalars(text(r"SELECT relname FROM pg_class WHERE relname ~ '^intake_\d+$'"))
        assert left.all() == []
    assert (tmp_path / "board" / poll.public_id).exists() and (tmp_path / "registry" / "checkpoint").exists()
    for name in ("results.csv", "answers.csv?question=1"):
        assert (await client.http.get(f"/api/v1/polls/{poll.slug}/{name}")).status_code == 200
