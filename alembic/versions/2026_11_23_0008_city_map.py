"""The city may draw its charts on a map of its own.

Revision: 0008
Revises: 0007
Created: 2026-11-23
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "city_map",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False, comment="always 1: a city has one map"),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False, comment="whose data it is, as their licence asks to be said"),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column(
            "drawn",
            postgresql.JSONB(),
            nullable=False,
            comment="paths by kind of territory, as results.maps makes them",
        ),
        sa.Column("vertices", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uploaded_by", sa.BigInteger(), comment="the account; none where the command line did it"),
        sa.CheckConstraint("id = 1", name=op.f("ck_city_map_one")),
        sa.PrimaryKeyConstraint("id", name="pk_city_map"),
    )


def downgrade() -> None:
    op.drop_table("city_map")
