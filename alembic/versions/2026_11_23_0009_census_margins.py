"""Census margins: named sets of numbers of residents that participants may be weighted to.

Revision: 0009
Revises: 0008
Created: 2026-11-23

New tables only, so the previous release runs on beside it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "margin_set",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name_ru", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="public: where the numbers come from"),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_margin_set")),
        comment="named sets of census margins; a set is replaced whole",
    )
    op.create_table(
        "census_margin",
        sa.Column("set_code", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False, comment="code of a territory, 18-24 or 65+, f or m"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("dimension IN ('okrug', 'district', 'age', 'sex')", name=op.f("ck_census_margin_dimension")),
        sa.CheckConstraint("number >= 0", name=op.f("ck_census_margin_number")),
        sa.ForeignKeyConstraint(
            ["set_code"], ["margin_set.code"], name=op.f("fk_census_margin_set_code_margin_set"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("set_code", "dimension", "value", name=op.f("pk_census_margin")),
        comment="residents by group, to weight participants to",
    )


def downgrade() -> None:
    op.drop_table("census_margin")
    op.drop_table("margin_set")
