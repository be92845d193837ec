"""The ballot box at scale and the board: turnout counters in parts, trees, manifests, the registry log, public keys.

Revision: 0005
Revises: 0004
Created: 2026-11-22

New tables and functions only, so the previous release runs on beside it. `veche_settle_turnout` writes the counters by
minute anew when their poll is counted: rows that grew batch by batch would tell which ballots came with them.
`veche_shuffle_texts` now forgets who judged a text before the count and when: what is judged as soon as it comes was
written by whoever voted last. A downgrade leaves it so. `veche_drop_intake` refuses an intake that is not copied,
unless its poll is cancelled; the previous release, which drops before it cancels, can cancel no poll meanwhile.

Polls that are running get their turnout so far in one part; by minute and okrug it is not known, and stays out. What
the previous release takes after this is counted when the poll is: until then its turnout is shown too low by that.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION veche_settle_turnout(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    WITH gone AS (DELETE FROM turnout_minute t WHERE t.poll_id = poll AND t.shard >= 0 RETURNING minute, okrug, n)
    INSERT INTO turnout_minute (poll_id, minute, okrug, shard, n)
        SELECT poll, minute, okrug, -1, sum(n) FROM gone GROUP BY minute, okrug ORDER BY minute, okrug;
    WITH gone AS (DELETE FROM turnout_shard t WHERE t.poll_id = poll AND t.shard >= 0 RETURNING n)
    INSERT INTO turnout_shard (poll_id, shard, n) SELECT poll, -1, sum(n) FROM gone HAVING count(*) > 0;
END $$;

CREATE OR REPLACE FUNCTION veche_shuffle_texts(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    -- One statement: what a moderator decides meanwhile is waited for, and its outcome is what is written anew.
    WITH gone AS (
        DELETE FROM text_answer WHERE poll_id = poll RETURNING question_id, text, status, merged_into, note)
    INSERT INTO text_answer (poll_id, id, question_id, text, status, merged_into, note)
        SELECT poll, gen_random_uuid(), question_id, text, status, merged_into, note FROM gone ORDER BY random();
END $$;

CREATE OR REPLACE FUNCTION veche_drop_intake(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    stored bigint;
    copied bigint;
BEGIN
    -- The caller proves the copy equal; this holds for any caller, whatever it has proven.
    IF NOT EXISTS (SELECT FROM poll AS p WHERE p.id = $1 AND p.state = 'cancelled') THEN
        EXECUTE format('SELECT count(*) FROM %I', 'intake_' || $1) INTO stored;
        SELECT count(*) INTO copied FROM ballot AS b WHERE b.poll_id = $1;
        IF stored <> copied THEN
            RAISE EXCEPTION 'the intake of poll % holds % ballots, % are copied', $1, stored, copied
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    EXECUTE format('DROP TABLE %I', 'intake_' || $1);
END $$;

REVOKE ALL ON FUNCTION veche_create_intake(bigint), veche_drop_intake(bigint), veche_shuffle_texts(bigint),
    veche_settle_turnout(bigint) FROM PUBLIC;
"""

FORMER = """
CREATE OR REPLACE FUNCTION veche_drop_intake(poll bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('DROP TABLE %I', 'intake_' || poll);
END $$;
"""

# The parts are 0 to 63; -1 would be one that a count has settled.
TURNOUT_SO_FAR = """
INSERT INTO turnout_shard (poll_id, shard, n)
    SELECT p.poll_id, 0, count(*) FROM participation p
     WHERE NOT EXISTS (SELECT FROM count_record c WHERE c.poll_id = p.poll_id)
     GROUP BY p.poll_id ORDER BY p.poll_id
"""

# table → why its rows never change once written
APPEND_ONLY = {
    "board_tree": "a signed tree is final",
    "board_manifest": "a manifest is corrected by a newer one",
    "registry_leaf": "the registry log is append-only",
    "registry_checkpoint": "a signed checkpoint is final",
}


def run_script(script: str) -> None:
    """Many statements at once, through the driver's own cursor."""
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(script)


def upgrade() -> None:
    op.create_table(
        "turnout_shard",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "shard", name=op.f("pk_turnout_shard")),
        comment="participations so far, in so many parts that no row is fought over",
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "turnout_minute",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "okrug", sa.Integer(), autoincrement=False, nullable=False, comment="territory id, 0 where there is none"
        ),
        sa.Column(
            "shard", sa.SmallInteger(), autoincrement=False, nullable=False, comment="-1 once settled at counting"
        ),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "minute", "okrug", "shard", name=op.f("pk_turnout_minute")),
        comment="participations by minute and okrug: never a choice, never a person",
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "board_tree",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("question_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False, comment="published records"),
        sa.Column(
            "root", sa.LargeBinary(), nullable=False, comment="RFC 6962 root over the leaf hashes in rising order"
        ),
        sa.Column(
            "checkpoint", sa.Text(), nullable=False, comment="the signed note, signed before the intake was dropped"
        ),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.CheckConstraint("octet_length(root) = 32", name=op.f("ck_board_tree_root")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_board_tree_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "question_id", name=op.f("pk_board_tree")),
        comment="one tree a question of a counted poll",
    )
    op.create_table(
        "board_manifest",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False, comment="that of the count"),
        sa.Column("bytes", sa.LargeBinary(), nullable=False, comment="RFC 8785 JSON"),
        sa.Column("note", sa.Text(), nullable=False, comment="signed note over the SHA-256 of the bytes"),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_board_manifest_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "version", name=op.f("pk_board_manifest")),
        comment="what stands beside the trees on the board",
    )
    op.create_table(
        "registry_leaf",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False, comment="from 0, without gaps"),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False, comment="RFC 8785 JSON, as published"),
        sa.ForeignKeyConstraint(
            ["event_id"], ["registry_event.id"], name=op.f("fk_registry_leaf_event_id_registry_event")
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_registry_leaf")),
        sa.UniqueConstraint("event_id", name=op.f("uq_registry_leaf_event_id")),
        comment="the registry log: public events in their order",
    )
    op.create_table(
        "registry_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(root) = 32", name=op.f("ck_registry_checkpoint_root")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_registry_checkpoint")),
        comment="every signed state of the registry log",
    )
    op.create_table(
        "public_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False, comment="Ed25519, 32 bytes"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True, comment="null while in use"),
        sa.CheckConstraint(
            "purpose IN ('receipt', 'board', 'registry', 'protocol')", name=op.f("ck_public_key_purpose")
        ),
        sa.CheckConstraint("octet_length(public) = 32", name=op.f("ck_public_key_public")),
        sa.PrimaryKeyConstraint("key_id", "purpose", name=op.f("pk_public_key")),
        comment="public halves of the keys that sign; private ones are files",
    )
    run_script(FUNCTIONS)
    op.execute(TURNOUT_SO_FAR)
    for table, why in APPEND_ONLY.items():
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION veche_refuse_change('{why}')"
        )
        op.execute(
            f"CREATE TRIGGER never_truncated BEFORE TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION veche_refuse_change('{why}')"
        )


def downgrade() -> None:
    run_script(FORMER + "DROP FUNCTION veche_settle_turnout(bigint)")
    for table in (
        "public_key", "registry_checkpoint", "registry_leaf", "board_manifest", "board_tree", "turnout_minute",
        "turnout_shard",
    ):  # fmt: skip
        op.drop_table(table)
