"""The audit log's chain and its counters; a lock for a role that may not change rolls.

Revision: 0018
Revises: 0016
Created: 2026-11-23

New tables and indexes, so the previous release runs on beside it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None

WHY = "the audit log is append-only"
LOCK_ROLLS = """
CREATE FUNCTION veche_lock_rolls() RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp AS $$ LOCK TABLE roll IN SHARE MODE $$
"""


def upgrade() -> None:
    op.create_table(
        "audit_link",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False, comment="from 0, without gaps"),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="audit_event, the engine's journal, or looks at figures"
        ),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="of the entry and of the hash before it"),
        sa.CheckConstraint("source IN ('audit', 'journal', 'look')", name=op.f("ck_audit_link_source")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_audit_link_hash")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_link")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_audit_link_source_source_id")),
        comment="the audit log's chain, made by a job: append-only by trigger",
    )
    op.create_table(
        "audit_counter",
        sa.Column("subject", sa.Text(), nullable=False, comment="an account of the staff, or all others together"),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "hour", name=op.f("pk_audit_counter")),
        comment="sign-ins refused, until the hour is over and one event says how many",
    )
    op.execute(LOCK_ROLLS)
    op.execute("REVOKE ALL ON FUNCTION veche_lock_rolls() FROM PUBLIC")
    op.create_index("ix_registry_event_at", "registry_event", ["at"])
    op.create_index("ix_figure_look_at", "figure_look", ["at"])
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_link"
        f" FOR EACH ROW EXECUTE FUNCTION veche_refuse_change('{WHY}')"
    )
    op.execute(
        "CREATE TRIGGER never_truncated BEFORE TRUNCATE ON audit_link"
        f" FOR EACH STATEMENT EXECUTE FUNCTION veche_refuse_change('{WHY}')"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION veche_lock_rolls()")
    op.drop_index("ix_figure_look_at", table_name="figure_look")
    op.drop_index("ix_registry_event_at", table_name="registry_event")
    op.drop_table("audit_counter")
    op.drop_table("audit_link")
