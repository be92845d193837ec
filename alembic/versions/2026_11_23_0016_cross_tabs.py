"""Two questions counted together.

Revision: 0016
Revises: 0015
Created: 2026-11-23

A new table only, which the count of a poll with sealed cross-tabs writes: the previous release runs on beside it, since
no poll it knows has any. Its rows are not looked up in `poll` one by one, as the profile's are not (0006).
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cross_tab",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rows_question", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("columns_question", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("stratum", sa.Integer(), autoincrement=False, nullable=False, comment="coarsened"),
        sa.Column("row_key", sa.Text(), nullable=False, comment="an answer to the one question"),
        sa.Column("column_key", sa.Text(), nullable=False, comment="an answer to the other"),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "poll_id", "rows_question", "columns_question", "stratum", "row_key", "column_key",
            name=op.f("pk_cross_tab"),
        ),
        comment="ballots by answers to two questions that the poll sealed as counted together; "
        "leaves as a protected table",
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("cross_tab")
