"""Protocols of results, prepared by one and certified by another; the log of looks before that.

Revision: 0011
Revises: 0010
Created: 2026-11-23

Two new tables; nothing that is there changes, and nothing is locked.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A row goes one way: it waits, then it is either withdrawn or certified, and what is certified is signed once. What
# was prepared never changes, and neither does what was certified.
FUNCTIONS = r"""
CREATE FUNCTION veche_guard_protocol() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% on protocol is refused: protocols are corrected by newer ones', TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.signed_at IS NOT NULL OR OLD.withdrawn_at IS NOT NULL
        OR (NEW.id, NEW.poll_id, NEW.version, NEW.count_version, NEW.reason, NEW.prepared, NEW.prepared_by,
            NEW.prepared_at) IS DISTINCT FROM (OLD.id, OLD.poll_id, OLD.version, OLD.count_version, OLD.reason,
            OLD.prepared, OLD.prepared_by, OLD.prepared_at)
        OR (OLD.certified_at IS NOT NULL AND (NEW.bytes, NEW.certified_by, NEW.certified_at, NEW.withdrawn_at)
            IS DISTINCT FROM (OLD.bytes, OLD.certified_by, OLD.certified_at, OLD.withdrawn_at))
    THEN
        RAISE EXCEPTION 'protocol %: what was prepared, certified or signed never changes', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON protocol FOR EACH ROW EXECUTE FUNCTION veche_guard_protocol();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON protocol
    FOR EACH STATEMENT EXECUTE FUNCTION veche_refuse_change('protocols are corrected by newer ones');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON figure_look
    FOR EACH ROW EXECUTE FUNCTION veche_refuse_change('looks are logged, never changed');
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON figure_look
    FOR EACH STATEMENT EXECUTE FUNCTION veche_refuse_change('looks are logged, never changed');
"""


def run_script(script: str) -> None:
    """Many statements at once, through the driver's own cursor."""
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(script)


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "protocol",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the protocol, from 1"),
        sa.Column("count_version", sa.Integer(), nullable=False, comment="the count it tells of"),
        sa.Column("reason", sa.Text(), nullable=False, server_default="", comment="public; of a correction"),
        sa.Column(
            "prepared", sa.LargeBinary(), nullable=False,
            comment="RFC 8785 JSON as it waits, nobody having certified it",
        ),
        sa.Column("prepared_by", sa.BigInteger(), nullable=False),
        sa.Column("prepared_at", moment, nullable=False),
        sa.Column("withdrawn_by", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at", moment, nullable=True),
        sa.Column("withdrawn_note", sa.Text(), nullable=True, comment="inside the office"),
        sa.Column("bytes", sa.LargeBinary(), nullable=True, comment="RFC 8785 JSON as certified"),
        sa.Column("certified_by", sa.BigInteger(), nullable=True),
        sa.Column("certified_at", moment, nullable=True),
        sa.Column("note", sa.Text(), nullable=True, comment="signed note over the SHA-256 of the bytes"),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("signed_at", moment, nullable=True),
        sa.CheckConstraint("certified_by <> prepared_by", name=op.f("ck_protocol_second_person")),
        sa.CheckConstraint(
            "num_nulls(bytes, certified_by, certified_at) IN (0, 3) AND num_nulls(note, key_id, signed_at) IN (0, 3)"
            " AND num_nulls(withdrawn_by, withdrawn_at, withdrawn_note) IN (0, 3)",
            name=op.f("ck_protocol_whole"),
        ),
        sa.CheckConstraint("note IS NULL OR bytes IS NOT NULL", name=op.f("ck_protocol_signed_once_certified")),
        sa.CheckConstraint("bytes IS NULL OR withdrawn_at IS NULL", name=op.f("ck_protocol_not_both")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_protocol_poll_id_poll")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_protocol")),
        comment="protocols of results: prepared by one, certified by another, signed by the worker",
    )  # fmt: skip
    op.create_index("ix_protocol_poll_id", "protocol", ["poll_id"])
    op.create_index(
        "uq_protocol_certified", "protocol", ["poll_id", "version"], unique=True,
        postgresql_where=sa.text("certified_at IS NOT NULL"),
    )  # fmt: skip
    op.create_index(
        "uq_protocol_waiting", "protocol", ["poll_id"], unique=True,
        postgresql_where=sa.text("certified_at IS NULL AND withdrawn_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "figure_look",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column(
            "what", sa.Text(), nullable=False, comment="which figures: results, a file, the draft of the protocol"
        ),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_figure_look_poll_id_poll")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_figure_look")),
        comment="who in the office looked at the figures of a counted poll before they were certified",
    )
    op.create_index("ix_figure_look_poll_id", "figure_look", ["poll_id", "id"])
    run_script(FUNCTIONS)


def downgrade() -> None:
    op.drop_table("figure_look")
    op.drop_table("protocol")
    op.execute("DROP FUNCTION veche_guard_protocol()")
