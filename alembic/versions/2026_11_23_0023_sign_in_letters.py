"""Links that sign in: a purpose of letters' links.

Revision: 0023
Revises: 0022
Created: 2026-11-23

One more value is allowed, so the previous release runs on beside it; it answers 410 to a link of the new purpose. The
table holds the links of a day at most, so that checking it anew takes an instant.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

PURPOSES = "'verify','reset','email_old','email_new'"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_mail_token_purpose"), "mail_token", type_="check")
    op.create_check_constraint(op.f("ck_mail_token_purpose"), "mail_token", f"purpose IN ({PURPOSES},'sign_in')")


def downgrade() -> None:
    op.execute("DELETE FROM mail_token WHERE purpose = 'sign_in'")
    op.execute("DELETE FROM mail_out WHERE message_key = 'sign_in'")
    op.drop_constraint(op.f("ck_mail_token_purpose"), "mail_token", type_="check")
    op.create_check_constraint(op.f("ck_mail_token_purpose"), "mail_token", f"purpose IN ({PURPOSES})")
