"""What takes two people, roles with a department and a territory, invitations of staff.

Revision: 0020
Revises: 0019
Created: 2026-11-23

Roles there are keep everything: no department and no territory mean every one. The previous release runs on beside it:
it reads roles by account and name, and grants with ON CONFLICT DO NOTHING. The trigger lets a request be decided once;
what was asked never changes, and nothing is deleted.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

KEEP = """
CREATE FUNCTION veche_keep_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision text[] := '{state,decided_by,decided_at,note,decider_evidence}';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state = 'waiting' AND NEW.state <> 'waiting' AND NEW.carried_at IS NULL
           AND to_jsonb(NEW) - decision = to_jsonb(OLD) - decision THEN
            RETURN NEW;
        END IF;
        IF OLD.state = 'approved' AND OLD.action = 'change_keys' AND OLD.carried_at IS NULL
           AND NEW.carried_at IS NOT NULL AND to_jsonb(NEW) - 'carried_at' = to_jsonb(OLD) - 'carried_at' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a request is decided once and kept' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER decided_once BEFORE UPDATE OR DELETE ON approval FOR EACH ROW EXECUTE FUNCTION veche_keep_approval();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON approval FOR EACH STATEMENT EXECUTE FUNCTION veche_keep_approval();
"""


def upgrade() -> None:
    _scopes()
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "approval",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False, comment="poll, account or key"),
        sa.Column(
            "object_ref", sa.Text(), nullable=False,
            comment="public id of a poll, number of an account, purpose of a key",
        ),
        sa.Column(
            "object_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of action, object as it was, parameters"
        ),
        sa.Column("version", postgresql.JSONB(), nullable=False, comment="the object as it was when this was asked"),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False, comment="account that asks"),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column(
            "author_evidence", postgresql.JSONB(), nullable=False, comment="how the author proved to be there"
        ),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("decided_by", sa.BigInteger(), comment="account; none where time or an edit decided"),
        sa.Column("decided_at", moment),
        sa.Column(
            "note", sa.Text(), server_default="", nullable=False, comment="why it was declined, or what made it void"
        ),
        sa.Column("decider_evidence", postgresql.JSONB()),
        sa.Column("carried_at", moment, comment="when an approved change of keys was made where the keys are"),
        sa.CheckConstraint("octet_length(object_hash) = 32", name=op.f("ck_approval_hash")),
        sa.CheckConstraint(
            "state IN ('waiting','approved','declined','withdrawn','void','expired')", name=op.f("ck_approval_state")
        ),
        sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_approval_decided")),
        sa.CheckConstraint(
            "state NOT IN ('approved','declined') OR (decided_by IS NOT NULL AND decided_by <> author_id)",
            name=op.f("ck_approval_two"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
        comment="what waits for a second person; a trigger lets each be decided once and never changed",
    )  # fmt: skip
    op.create_index(
        "uq_approval_waiting", "approval", ["action", "object_kind", "object_ref", "object_hash"], unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )  # fmt: skip
    op.create_index("ix_approval_object", "approval", ["object_kind", "object_ref"])
    op.create_index("ix_approval_decided_at", "approval", ["decided_at"])
    op.execute(KEEP)
    op.create_table(
        "invitation",
        sa.Column(
            "token_hash", sa.LargeBinary(), nullable=False,
            comment="SHA-256; the token is shown once and never stored",
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_invitation_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_invitation")),
        sa.UniqueConstraint("account_id", name=op.f("uq_invitation_account_id")),
        comment="links by which new members of staff choose their password; the newest of an account, gone once used",
    )  # fmt: skip


def _scopes() -> None:
    op.drop_constraint("pk_account_role", "account_role", type_="primary")
    op.add_column("account_role", sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False))
    op.create_primary_key("pk_account_role", "account_role", ["id"])
    op.add_column("account_role", sa.Column("department", sa.Text(), comment="none: of every department"))
    op.add_column(
        "account_role", sa.Column("territory_id", sa.Integer(), comment="with all below it; none: everywhere")
    )
    op.create_foreign_key(
        op.f("fk_account_role_territory_id_territory"), "account_role", "territory", ["territory_id"], ["id"]
    )
    op.create_check_constraint(
        op.f("ck_account_role_scope"), "account_role",
        "role IN ('official','reviewer') OR (department IS NULL AND territory_id IS NULL)",
    )  # fmt: skip
    op.create_unique_constraint(
        op.f("uq_account_role_account_id_role_department_territory_id"), "account_role",
        ["account_id", "role", "department", "territory_id"], postgresql_nulls_not_distinct=True,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("invitation")
    op.drop_table("approval")
    op.execute("DROP FUNCTION veche_keep_approval()")
    # A role bound to a department must not become one for the whole city.
    op.execute("DELETE FROM account_role WHERE department IS NOT NULL OR territory_id IS NOT NULL")
    op.drop_constraint(op.f("uq_account_role_account_id_role_department_territory_id"), "account_role")
    op.drop_constraint(op.f("ck_account_role_scope"), "account_role")
    op.drop_constraint(op.f("fk_account_role_territory_id_territory"), "account_role")
    op.drop_column("account_role", "territory_id")
    op.drop_column("account_role", "department")
    op.drop_constraint("pk_account_role", "account_role", type_="primary")
    op.drop_column("account_role", "id")
    op.create_primary_key("pk_account_role", "account_role", ["account_id", "role"])
