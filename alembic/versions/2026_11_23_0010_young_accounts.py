"""Votes of accounts younger than the poll: one number, which only a count can make.

Revision: 0010
Revises: 0009
Created: 2026-11-23

A new table only, so the previous release runs on beside it. Polls counted before have no row: their page says it is
not known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turnout_young",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, comment="when the poll became public"),
        sa.Column("votes", sa.Integer(), nullable=False, comment="participations of accounts registered since"),
        sa.Column("accounts", sa.Integer(), nullable=False, comment="accounts of the register"),
        sa.Column("young_accounts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_turnout_young_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", name=op.f("pk_turnout_young")),
        comment="how many took part with an account younger than the poll, fixed at counting: one number, never who",
    )


def downgrade() -> None:
    op.drop_table("turnout_young")
