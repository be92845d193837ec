"""The profile's rows are not looked up in `poll` one by one: that took more time than writing them.

Revision: 0006
Revises: 0005
Created: 2026-11-22

Seven million rankings may be as many rows. Only the count writes them, in the transaction that holds the poll, and no
poll that was counted is ever deleted. Dropping a foreign key locks `poll` for an instant; the lock timeout guards it.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("fk_profile_poll_id_poll", "profile", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key("fk_profile_poll_id_poll", "profile", "poll", ["poll_id"], ["id"])
