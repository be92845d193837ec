"""Which cells of a count are hidden is kept with it.

Revision: 0007
Revises: 0006
Created: 2026-11-23
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "publication",
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False, comment="of the count"),
        sa.Column(
            "amendment", sa.BigInteger(), autoincrement=False, nullable=False, comment="last change to the roll, or 0"
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "tables",
            postgresql.JSONB(),
            nullable=False,
            comment="question (0: turnout) -> the dimensions it is broken down by",
        ),
        sa.Column(
            "memory", sa.Text(), nullable=False, comment="every cell of the poll ever shown, and every cell ever hidden"
        ),
        sa.Column("limited", sa.Integer(), nullable=False, comment="hidden cells that totals leave a range under ten"),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_publication_poll_id_poll")),
        sa.PrimaryKeyConstraint("poll_id", "version", "amendment", name=op.f("pk_publication")),
        comment="which cells of a count are hidden: made once, by the count, and held to by what is published later",
    )


def downgrade() -> None:
    op.drop_table("publication")
