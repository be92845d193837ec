"""What a role of the database may do beyond the list of `voting.database_roles`: looked up where PostgreSQL keeps it.

Attributes of the role and roles it is in; what it owns; schemas, the database, parameters, foreign servers; tables,
their partitions and columns, sequences; functions that run as somebody else or that PostgreSQL gives to nobody; what it
will get on tables not made yet. Rights given to everybody count as the role's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import text

from polls.sessions import ReadSession
from voting.database_roles import FUNCTIONS, MAINTAIN_SINCE, RIGHTS, VACUUMED, VERBS

ATTRIBUTES: Mapping[str, str] = {
    "rolsuper": "superuser",
    "rolcreatedb": "CREATE DATABASE",
    "rolcreaterole": "CREATE ROLE",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
}
INTAKE_LETTERS: Final = "SI"

_OURS = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
"""Schemas that are not PostgreSQL's own; the role's temporary tables are its own."""

_FOUND: Mapping[str, str] = {
    # Being in a role is having its rights, at once or after SET ROLE: pg_execute_server_program is a role.
    "member of": "SELECT rolname FROM pg_roles WHERE rolname <> current_user"
    " AND pg_has_role(current_user, oid, 'MEMBER')",
    "owner of": "SELECT what FROM ("
    f" SELECT c.relname, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {_OURS}"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    f" UNION ALL SELECT p.proname || '()', p.proowner FROM pg_proc p"
    f" JOIN pg_namespace n ON n.oid = p.pronamespace AND {_OURS}"
    f" UNION ALL SELECT 'schema ' || n.nspname, n.nspowner FROM pg_namespace n WHERE {_OURS}"
    " UNION ALL SELECT 'this database', datdba FROM pg_database WHERE datname = current_database()"
    ") AS o(what, owner) WHERE pg_has_role(current_user, owner, 'USAGE')",
    "CREATE in": f"SELECT 'schema ' || n.nspname FROM pg_namespace n WHERE {_OURS}"
    " AND has_schema_privilege(n.oid, 'CREATE')"
    " UNION ALL SELECT 'this database' WHERE has_database_privilege(current_database(), 'CREATE')",
    # session_replication_role, for one, turns triggers off.
    "setting of": "SELECT parname FROM pg_parameter_acl WHERE has_parameter_privilege(parname, 'SET')"
    " OR has_parameter_privilege(parname, 'ALTER SYSTEM')",
    "USAGE of": "SELECT 'server ' || srvname FROM pg_foreign_server WHERE has_server_privilege(oid, 'USAGE')"
    " UNION ALL SELECT fdwname FROM pg_foreign_data_wrapper WHERE has_foreign_data_wrapper_privilege(oid, 'USAGE')",
    # What runs as its owner; what PostgreSQL gives to nobody, such as pg_read_file.
    "EXECUTE": "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE has_function_privilege(p.oid, 'EXECUTE')"
    f" AND (p.prosecdef AND {_OURS} AND p.oid <> ALL"
    " (SELECT to_regprocedure(f) FROM unnest(CAST(:functions AS text[])) f WHERE to_regprocedure(f) IS NOT NULL)"
    " OR EXISTS (SELECT FROM pg_init_privs i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid"
    " AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) a WHERE a.grantee = 0)))",
    "of tables to come:": "SELECT DISTINCT a.privilege_type FROM pg_default_acl d, aclexplode(d.defaclacl) a"
    " WHERE d.defaclobjtype = 'r' AND a.privilege_type NOT IN ('SELECT', 'INSERT')"
    " AND d.defaclrole <> a.grantee AND (a.grantee = 0 OR pg_has_role(current_user, a.grantee, 'USAGE'))",
}  # fmt: skip
"""What is found → the query that finds it, one name a row."""

_TABLES = f"""
    SELECT c.relname, v.verb, n.nspname = 'public' AND NOT c.relispartition AS listed
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {_OURS}
     CROSS JOIN unnest(CAST(:verbs AS text[])) AS v(verb)
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_table_privilege(c.oid, v.verb)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
     ORDER BY 1, 2
"""
_COLUMNS = f"""
    SELECT c.relname, v.verb, n.nspname = 'public' AND NOT c.relispartition AS listed,
           string_agg(a.attname, ', ' ORDER BY a.attnum) AS names
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {_OURS}
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
     CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS v(verb)
     WHERE has_column_privilege(c.oid, a.attnum, v.verb) AND NOT has_table_privilege(c.oid, v.verb)
     GROUP BY 1, 2, 3 ORDER BY 1, 2
"""
_SEQUENCES = f"""
    SELECT c.relname, v.verb FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {_OURS}
     CROSS JOIN unnest(ARRAY['SELECT', 'UPDATE']) AS v(verb)
     WHERE c.relkind = 'S' AND has_sequence_privilege(c.oid, v.verb) ORDER BY 1, 2
"""


async def excessive_rights(session: ReadSession) -> list[str]:
    """What the role this session signed in as may do beyond the list: `DELETE ballot`, `superuser`, `owner of poll`."""
    columns = ", ".join(ATTRIBUTES)
    role = (await session.execute(text(f"SELECT {columns} FROM pg_roles WHERE rolname = current_user"))).one()
    excess = [what for column, what in ATTRIBUTES.items() if getattr(role, column)]
    if role.rolsuper:
        return excess
    for what, query in _FOUND.items():
        given = {"functions": list(FUNCTIONS)} if ":functions" in query else {}
        excess += [f"{what} {name}" for name in sorted(await session.scalars(text(query), given))]
    version = int(await session.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    verbs = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]
    verbs += ["MAINTAIN"] if version >= MAINTAIN_SINCE else []
    verbs += [f"{verb} WITH GRANT OPTION" for verb in verbs]
    excess += _beyond(await session.execute(text(_TABLES), {"verbs": verbs}))
    excess += _beyond(await session.execute(text(_COLUMNS)))
    excess += [f"{verb} {name}" for name, verb in await session.execute(text(_SEQUENCES))]
    return excess


def _beyond(rows: Any) -> Iterator[str]:
    """Rights on tables, or on columns of them, that the list does not give. A partition and a table elsewhere: none."""
    for row in rows:
        letters = INTAKE_LETTERS if row.relname.startswith("intake_") else RIGHTS.get(row.relname, "")
        allowed = {VERBS[letter] for letter in letters} | ({"MAINTAIN"} if row.relname in VACUUMED else set())
        if not row.listed or row.verb not in allowed:
            columns = f"({row.names}) of " if "names" in row._fields else ""
            yield f"{row.verb} {columns}{row.relname}"
