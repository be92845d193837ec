"""Tables of what proves who somebody is beside the password: passkeys, one-time codes, and proofs asked for anew."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from polls.tables import Moment, metadata

passkey = Table(
    "passkey",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True, comment="as the authenticator named it"),
    Column("user_handle", LargeBinary, nullable=False, comment="random, one for all passkeys of an account"),
    Column("public_key", LargeBinary, nullable=False, comment="COSE"),
    Column("sign_count", BigInteger, nullable=False, comment="0 where the authenticator keeps none"),
    Column("backup_eligible", Boolean, nullable=False, comment="it may be copied between devices"),
    Column("backed_up", Boolean, nullable=False, comment="it was, when last used"),
    Column("transports", ARRAY(Text), nullable=False, comment="how a browser may reach it"),
    Column("aaguid", Text, nullable=False, comment="the model of the authenticator, where it says so"),
    Column("name", Text, nullable=False, comment="its owner's word for it"),
    Column("created_at", Moment, nullable=False),
    Column("last_used_on", Date, comment="the day in UTC; no finer time is kept"),
)

passkey_challenge = Table(
    "passkey_challenge",
    metadata,
    Column("challenge", LargeBinary, primary_key=True, comment="32 random bytes; the row goes when it is answered"),
    Column("kind", Text, nullable=False),
    Column("bound_to", LargeBinary, nullable=False, comment="SHA-256 of the session's token or the visitor's cookie"),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), comment="none: somebody signs in"),
    Column("user_handle", LargeBinary, comment="of the passkey that is being made"),
    Column("expires_at", Moment, nullable=False, index=True),
    CheckConstraint("kind IN ('register','sign_in')", name="kind"),
    CheckConstraint("(kind = 'register') = (account_id IS NOT NULL)", name="account"),
)

step_up_challenge = Table(
    "step_up_challenge",
    metadata,
    Column("challenge", LargeBinary, primary_key=True, comment="SHA-256 of purpose, object and nonce"),
    Column("nonce", LargeBinary, nullable=False),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("session_hash", LargeBinary, nullable=False, comment="SHA-256 of the session's token"),
    Column("purpose", Text, nullable=False),
    Column("object_hash", LargeBinary, nullable=False, comment="SHA-256 of exactly what is agreed to"),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment, comment="set once, in the transaction of what it proved"),
    CheckConstraint("octet_length(object_hash) = 32", name="object_hash"),
)

one_time_code = Table(
    "one_time_code",
    metadata,
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False, comment="ChaCha20-Poly1305: nonce, ciphertext, tag"),
    Column("key_version", Integer, nullable=False, comment="of the key file it is sealed with"),
    Column("created_at", Moment, nullable=False),
    Column("confirmed_at", Moment, comment="none: being set up, not asked for yet"),
    Column("last_step", BigInteger, comment="the last half minute a code was taken for; none before it is taken again"),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True, comment="SHA-256; the code is shown once and never stored"),
    Column("used_at", Moment),
)

pre_session = Table(
    "pre_session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True, comment="SHA-256 of a token in a cookie of its own"),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", Moment, nullable=False, index=True),
    comment="a right password was given and the second step is still to come: opens nothing",
)
