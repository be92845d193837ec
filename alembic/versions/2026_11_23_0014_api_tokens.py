"""Tokens of the API, and what ends them with their account.

Revision: 0014
Revises: 0013
Created: 2026-11-23

A new table and two triggers, so the previous release runs on beside it. The triggers revoke an account's tokens when it
is disabled or loses its last role that may have any: however that comes about, a role given back later must not bring
an old token back with it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION veche_end_tokens() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    holder bigint;
BEGIN
    IF TG_TABLE_NAME = 'account' THEN
        holder := NEW.id;
    ELSE
        holder := OLD.account_id;
        IF EXISTS (SELECT FROM account_role r
                    WHERE r.account_id = holder AND r.role IN ('analyst', 'official', 'admin')) THEN
            RETURN NULL;
        END IF;
    END IF;
    UPDATE api_token SET revoked_at = greatest(clock_timestamp(), created_at)
     WHERE account_id = holder AND revoked_at IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER end_tokens AFTER UPDATE OF disabled_at ON account FOR EACH ROW
    WHEN (NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION veche_end_tokens();
CREATE TRIGGER end_tokens AFTER DELETE OR UPDATE ON account_role FOR EACH ROW EXECUTE FUNCTION veche_end_tokens();
"""


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "api_token",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="its owner's word for it"),
        sa.Column("prefix", sa.Text(), nullable=False, comment="its first characters, to tell it apart in a list"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256; the token is never stored"),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("last_used_on", sa.Date(), comment="the day in UTC; no finer time is kept"),
        sa.Column(
            "revoked_at", moment, comment="also set when the account is disabled or loses its last role for tokens"
        ),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_api_token_hash")),
        sa.CheckConstraint(
            "expires_at > created_at AND expires_at <= created_at + interval '366 days'",
            name=op.f("ck_api_token_expiry"),
        ),
        sa.CheckConstraint(
            "cardinality(scopes) > 0 AND scopes <@ ARRAY['results:read','exports:write']",
            name=op.f("ck_api_token_scopes"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_token_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_index(op.f("ix_api_token_account_id"), "api_token", ["account_id"])
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute("DROP TRIGGER end_tokens ON account_role")
    op.execute("DROP TRIGGER end_tokens ON account")
    op.execute("DROP FUNCTION veche_end_tokens()")
    op.drop_table("api_token")
