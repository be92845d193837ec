"""Passkeys, one-time codes, proofs asked for anew, and sign-ins that wait for their second step.

Revision: 0019
Revises: 0018
Created: 2026-11-23

New tables alone, so the previous release runs on beside them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _passkeys()
    _step_up()
    _codes()


def _of_account(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_account_id_account")
    return sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=name, ondelete="CASCADE")


def _passkeys() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False, comment="as the authenticator named it"),
        sa.Column(
            "user_handle", sa.LargeBinary(), nullable=False, comment="random, one for all passkeys of an account"
        ),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="COSE"),
        sa.Column("sign_count", sa.BigInteger(), nullable=False, comment="0 where the authenticator keeps none"),
        sa.Column("backup_eligible", sa.Boolean(), nullable=False, comment="it may be copied between devices"),
        sa.Column("backed_up", sa.Boolean(), nullable=False, comment="it was, when last used"),
        sa.Column("transports", postgresql.ARRAY(sa.Text()), nullable=False, comment="how a browser may reach it"),
        sa.Column("aaguid", sa.Text(), nullable=False, comment="the model of the authenticator, where it says so"),
        sa.Column("name", sa.Text(), nullable=False, comment="its owner's word for it"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_on", sa.Date(), comment="the day in UTC; no finer time is kept"),
        _of_account("passkey"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    op.create_index(op.f("ix_passkey_account_id"), "passkey", ["account_id"])
    op.create_table(
        "passkey_challenge",
        sa.Column(
            "challenge", sa.LargeBinary(), nullable=False, comment="32 random bytes; the row goes when it is answered"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "bound_to", sa.LargeBinary(), nullable=False,
            comment="SHA-256 of the session's token or the visitor's cookie",
        ),
        sa.Column("account_id", sa.BigInteger(), comment="none: somebody signs in"),
        sa.Column("user_handle", sa.LargeBinary(), comment="of the passkey that is being made"),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('register','sign_in')", name=op.f("ck_passkey_challenge_kind")),
        sa.CheckConstraint(
            "(kind = 'register') = (account_id IS NOT NULL)", name=op.f("ck_passkey_challenge_account")
        ),
        _of_account("passkey_challenge"),
        sa.PrimaryKeyConstraint("challenge", name=op.f("pk_passkey_challenge")),
    )  # fmt: skip
    op.create_index(op.f("ix_passkey_challenge_expires_at"), "passkey_challenge", ["expires_at"])


def _step_up() -> None:
    op.create_table(
        "step_up_challenge",
        sa.Column("challenge", sa.LargeBinary(), nullable=False, comment="SHA-256 of purpose, object and nonce"),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("session_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the session's token"),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("object_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of exactly what is agreed to"),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, comment="set once, in the transaction of what it proved"),
        sa.CheckConstraint("octet_length(object_hash) = 32", name=op.f("ck_step_up_challenge_object_hash")),
        _of_account("step_up_challenge"),
        sa.PrimaryKeyConstraint("challenge", name=op.f("pk_step_up_challenge")),
    )
    op.create_index(op.f("ix_step_up_challenge_expires_at"), "step_up_challenge", ["expires_at"])


def _codes() -> None:
    op.create_table(
        "one_time_code",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "sealed_secret", sa.LargeBinary(), nullable=False, comment="ChaCha20-Poly1305: nonce, ciphertext, tag"
        ),
        sa.Column("key_version", sa.Integer(), nullable=False, comment="of the key file it is sealed with"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, comment="none: being set up, not asked for yet"),
        sa.Column(
            "last_step", sa.BigInteger(),
            comment="the last half minute a code was taken for; none before it is taken again",
        ),
        _of_account("one_time_code"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_one_time_code")),
    )  # fmt: skip
    op.create_table(
        "recovery_code",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "code_hash", sa.LargeBinary(), nullable=False,
            comment="SHA-256; the code is shown once and never stored",
        ),
        sa.Column("used_at", MOMENT),
        _of_account("recovery_code"),
        sa.PrimaryKeyConstraint("account_id", "code_hash", name=op.f("pk_recovery_code")),
    )  # fmt: skip
    op.create_table(
        "pre_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of a token in a cookie of its own"),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        _of_account("pre_session"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_pre_session")),
        comment="a right password was given and the second step is still to come: opens nothing",
    )
    op.create_index(op.f("ix_pre_session_account_id"), "pre_session", ["account_id"])
    op.create_index(op.f("ix_pre_session_expires_at"), "pre_session", ["expires_at"])


def downgrade() -> None:
    for table in (
        "pre_session", "recovery_code", "one_time_code", "step_up_challenge", "passkey_challenge", "passkey",
    ):  # fmt: skip
        op.drop_table(table)
