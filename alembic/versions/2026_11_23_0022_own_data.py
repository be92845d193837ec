"""Letters, links of single use, assisted sessions, erasure; a role for operators.

Revision: 0022
Revises: 0021
Created: 2026-11-23

New tables, and columns that are null or have a default, so the previous release runs on beside it. It takes an assisted
session for the operator's own: give nobody the role `operator` while a process of that release runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ROLES = "'resident','official','reviewer','analyst','observer','admin'"


def upgrade() -> None:
    op.add_column("account", sa.Column("email_verified_at", MOMENT, comment="when a letter sent there was answered"))
    op.add_column(
        "account", sa.Column("language", sa.Text(), nullable=False, server_default="ru", comment="of letters")
    )
    op.drop_constraint(op.f("ck_account_role_role"), "account_role", type_="check")
    op.create_check_constraint(op.f("ck_account_role_role"), "account_role", f"role IN ({ROLES},'operator')")
    _sessions()
    _desks()
    _letters()
    _erasure()
    op.create_table(
        "turnout_channel",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "channel", name=op.f("pk_turnout_channel")),
        comment="participations by channel, fixed at counting: one number a poll, never beside a ballot",
    )


def _sessions() -> None:
    op.add_column(
        "web_session",
        sa.Column(
            "assisted_citizen_id", sa.BigInteger(),
            comment="of an assisted session: the resident it casts for; the account is then the operator's",
        ),
    )  # fmt: skip
    op.add_column(
        "web_session", sa.Column("assisted_centre", sa.Text(), comment="of an assisted session: the service centre")
    )
    op.create_foreign_key(
        op.f("fk_web_session_assisted_citizen_id_citizen"), "web_session", "citizen", ["assisted_citizen_id"], ["id"]
    )
    op.create_check_constraint(
        op.f("ck_web_session_assisted"), "web_session", "(assisted_citizen_id IS NULL) = (assisted_centre IS NULL)"
    )


def _desks() -> None:
    op.create_table(
        "operator_desk",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "centre", sa.Text(), nullable=False,
            comment="the name of the service centre, as receipts and the log show it",
        ),
        sa.CheckConstraint("centre <> ''", name=op.f("ck_operator_desk_centre")),
        _account("operator_desk"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_operator_desk")),
        comment="where an operator of assisted voting works",
    )  # fmt: skip
    op.create_table(
        "assisted_invitation",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("centre", sa.Text(), nullable=False),
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "code_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the code on the operator's page"
        ),
        sa.Column(
            "network", sa.Text(), nullable=False,
            comment="keyed hash of the operator's network: the booth is in the same",
        ),
        sa.Column("expires_at", MOMENT, nullable=False),
        _account("assisted_invitation", "operator_id"),
        sa.ForeignKeyConstraint(
            ["citizen_id"], ["citizen.id"], name=op.f("fk_assisted_invitation_citizen_id_citizen")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assisted_invitation")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_assisted_invitation_code_hash")),
        comment="residents at a desk who have not yet consented: deleted when they do, or after minutes",
    )  # fmt: skip
    op.create_index(op.f("ix_assisted_invitation_operator_id"), "assisted_invitation", ["operator_id"])


def _letters() -> None:
    op.create_table(
        "mail_out",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("to_address", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), comment="none: looked up when it is sent"),
        sa.Column("message_key", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _account("mail_out"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_out")),
        comment="letters on their way: deleted when sent or given up; links are drawn when they are sent",
    )
    op.create_table(
        "mail_token",
        sa.Column(
            "token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256; the token is in the letter alone"
        ),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column(
            "address", sa.Text(), nullable=False,
            comment="where it was sent: worth nothing once the account has another",
        ),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "purpose IN ('verify','reset','email_old','email_new')", name=op.f("ck_mail_token_purpose")
        ),
        _account("mail_token"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_mail_token")),
        comment="single use: deleted when used",
    )  # fmt: skip
    op.create_index(op.f("ix_mail_token_account_id"), "mail_token", ["account_id"])
    op.create_table(
        "email_change",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("new_email", sa.Text(), nullable=False),
        sa.Column("old_confirmed_at", MOMENT, comment="set at once where the old address was never verified"),
        sa.Column("new_confirmed_at", MOMENT),
        sa.Column("expires_at", MOMENT, nullable=False),
        _account("email_change"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_email_change")),
        comment="e-mails asked for and not yet confirmed from both sides",
    )
    op.create_table(
        "demo_letter",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("to_address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demo_letter")),
        comment="the demo alone: letters shown on a page in the place of a mail server",
    )


def _erasure() -> None:
    op.create_table(
        "account_erasure",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        _account("account_erasure"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_erasure")),
        comment="accounts that will be erased unless their owner thinks better of it",
    )
    op.create_index(op.f("ix_account_erasure_due_at"), "account_erasure", ["due_at"])
    op.create_table(
        "erased_citizen",
        sa.Column("citizen_id", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_erased_citizen_citizen_id_citizen")),
        sa.PrimaryKeyConstraint("citizen_id", name=op.f("pk_erased_citizen")),
        comment="whose account is erased while a poll voted in is not counted: keys of logins are kept till then",
    )


def _account(table: str, column: str = "account_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["account.id"], name=op.f(f"fk_{table}_{column}_account"), ondelete="CASCADE"
    )


def downgrade() -> None:
    for table in ("turnout_channel", "erased_citizen", "account_erasure", "demo_letter", "email_change", "mail_token",
                  "mail_out", "assisted_invitation", "operator_desk"):  # fmt: skip
        op.drop_table(table)
    op.execute("DELETE FROM web_session WHERE assisted_centre IS NOT NULL")
    op.drop_column("web_session", "assisted_centre")
    op.drop_column("web_session", "assisted_citizen_id")
    op.execute("DELETE FROM account_role WHERE role = 'operator'")
    op.drop_constraint(op.f("ck_account_role_role"), "account_role", type_="check")
    op.create_check_constraint(op.f("ck_account_role_role"), "account_role", f"role IN ({ROLES})")
    op.drop_column("account", "language")
    op.drop_column("account", "email_verified_at")
