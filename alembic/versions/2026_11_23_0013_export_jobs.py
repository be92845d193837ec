"""Files of public data that are made in the background and kept for a while.

Revision: 0013
Revises: 0012
Created: 2026-11-23

A new table only, so the previous release runs on beside it. A downgrade forgets the jobs; files that are left below
`exports/` in the data directory may be deleted.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
LIVE = "state IN ('waiting','running','ready')"


def upgrade() -> None:
    op.create_table(
        "export_job",
        sa.Column("id", sa.Text(), primary_key=True, comment="128 random bits in hex"),
        sa.Column("poll_id", sa.BigInteger(), sa.ForeignKey("poll.id", name="fk_export_job_poll_id_poll"),
                  nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the count the file is made from"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("wanted", postgresql.JSONB(), nullable=False, comment="question, dialect, language"),
        sa.Column("key", sa.Text(), nullable=False,
                  comment="hash of all that decides the bytes: equal requests share a job"),
        sa.Column("askers", postgresql.ARRAY(sa.Text()), nullable=False,
                  comment="keyed hashes of accounts or networks"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False, server_default="", comment="the attempt that holds it"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("rows_done", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("rows_total", sa.BigInteger()),
        sa.Column("file_name", sa.Text(), nullable=False, server_default=""),
        sa.Column("media_type", sa.Text(), nullable=False, server_default=""),
        sa.Column("sha256", sa.Text()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("seen_at", MOMENT, comment="when the worker last said that it is at it"),
        sa.Column("finished_at", MOMENT),
        sa.Column("expires_at", MOMENT),
        sa.CheckConstraint("state IN ('waiting','running','ready','failed','cancelled','expired')",
                           name="ck_export_job_state"),
        sa.CheckConstraint("state <> 'ready' OR (sha256 IS NOT NULL AND size IS NOT NULL)",
                           name="ck_export_job_ready_has_file"),
        comment="files of public data being made, or kept for a while",
    )  # fmt: skip
    op.create_index("ix_export_job_poll_id", "export_job", ["poll_id"])
    op.create_index("uq_export_job_key", "export_job", ["key"], unique=True, postgresql_where=sa.text(LIVE))


def downgrade() -> None:
    op.drop_table("export_job")
