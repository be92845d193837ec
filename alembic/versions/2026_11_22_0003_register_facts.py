"""The register in sum: citizens with the same facts as one row, so that an audience is counted without a scan.

Revision: 0003
Revises: 0002
Created: 2026-11-22

New tables only, so the previous release runs on beside it. They start empty, and so do those of a register already
loaded: until a job has summed it up, audiences are counted from the register itself. Any change of the register
removes the row of `register_summary` in its own transaction; the cells of a summary with no row are never read.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FORGET = """
CREATE FUNCTION veche_forget_summary() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM register_summary;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "register_summary",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "through",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the last beginning or end of a period: the sum holds for this moment and all later ones",
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_summary")),
        comment="one row while register_cell is the sum of the register as it is; removed by any change of it",
    )
    op.create_table(
        "register_cell",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("summary_id", sa.BigInteger(), nullable=False),
        sa.Column("register_code", sa.Text(), nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("groups", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("births", postgresql.ARRAY(sa.Date()), nullable=False, comment="every known birth date, rising"),
        sa.Column("unknown", sa.Integer(), nullable=False, comment="citizens whose birth date is not known"),
        sa.Column(
            "registered",
            postgresql.ARRAY(sa.DateTime(timezone=True)),
            nullable=False,
            comment="every moment of registration, rising",
        ),
        sa.Column(
            "births_registered",
            postgresql.ARRAY(sa.Date()),
            nullable=False,
            comment="the birth date of each of these, null where it is not known",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_cell")),
        comment="citizens alike in district, sex, level and groups, by the periods that last",
    )
    # Searched many times in one query: never compressed, so that no search unpacks it.
    for column in ("births", "registered", "births_registered"):
        op.execute(f"ALTER TABLE register_cell ALTER COLUMN {column} SET STORAGE EXTERNAL")
    op.execute(FORGET)
    for table in ("citizen", "citizen_period"):
        op.execute(
            f"CREATE TRIGGER forget_summary AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION veche_forget_summary()"
        )


def downgrade() -> None:
    op.execute("DROP FUNCTION veche_forget_summary() CASCADE")
    op.drop_table("register_cell")
    op.drop_table("register_summary")
