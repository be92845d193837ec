"""E-mails are unique among confirmed ones alone: an address nobody has confirmed keeps nobody from it.

Revision: 0024
Revises: 0023
Created: 2026-11-23

The previous release runs on beside it: it still finds one confirmed account for an address, and cannot sign in an
account whose address two accounts name, which it never allowed and only this release makes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

ONE_EACH = """
UPDATE account SET email = NULL WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (
            PARTITION BY email ORDER BY email_verified_at IS NULL, email_lost_at IS NOT NULL, id
        ) AS place FROM account WHERE email IS NOT NULL
    ) AS named WHERE place > 1
)
"""


def upgrade() -> None:
    op.add_column(
        "account",
        sa.Column(
            "email_lost_at", sa.DateTime(timezone=True),
            comment="when another account confirmed this e-mail, which this one had not",
        ),
    )  # fmt: skip
    op.create_index(op.f("ix_account_email"), "account", ["email"])
    op.create_index(
        "uq_account_email_confirmed", "account", ["email"], unique=True,
        postgresql_where=sa.text("email_verified_at IS NOT NULL"),
    )  # fmt: skip
    op.drop_constraint(op.f("uq_account_email"), "account", type_="unique")


def downgrade() -> None:
    op.execute(ONE_EACH)
    op.create_unique_constraint(op.f("uq_account_email"), "account", ["email"])
    op.drop_index("uq_account_email_confirmed", "account")
    op.drop_index(op.f("ix_account_email"), "account")
    op.drop_column("account", "email_lost_at")
