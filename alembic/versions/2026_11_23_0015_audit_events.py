"""The audit log's table.

Revision: 0015
Revises: 0014
Created: 2026-11-23

A new table, so the previous release runs on beside it. It takes inserts only.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

WHY = "the audit log is append-only"


def upgrade() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.BigInteger(), comment="account; none for the service and the command line"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it was done to"),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
        comment="who did what: append-only by trigger",
    )
    op.create_index(op.f("ix_audit_event_at"), "audit_event", ["at"])
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_event"
        f" FOR EACH ROW EXECUTE FUNCTION veche_refuse_change('{WHY}')"
    )
    op.execute(
        "CREATE TRIGGER never_truncated BEFORE TRUNCATE ON audit_event"
        f" FOR EACH STATEMENT EXECUTE FUNCTION veche_refuse_change('{WHY}')"
    )


def downgrade() -> None:
    op.drop_table("audit_event")
