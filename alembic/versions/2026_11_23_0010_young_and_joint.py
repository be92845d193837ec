"""Two sums that only a count can make: votes of accounts younger than the poll, and answers to two questions together.

Revision: 0010
Revises: 0006
Created: 2026-11-23

New tables only, so the previous release runs on beside it. Polls counted before have neither: they say that it is not
known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0006"
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
    op.create_table(
        "joint_count",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("first_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("second_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Text(), nullable=False, comment="a class of answers: empty for all who were asked"),
        sa.Column("second", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_joint_count_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "first_id", "second_id", "first", "second", name=op.f("pk_joint_count")),
        comment="answers to two questions together, of the pairs the poll sealed: classes counted, never a ballot",
    )


def downgrade() -> None:
    op.drop_table("joint_count")
    op.drop_table("turnout_young")
