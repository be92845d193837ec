"""Tables of the running service: accounts, sessions, throttles, refusals, exports. No ballot, no choice."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from polls.tables import Moment, metadata

ROLES = ("resident", "official", "reviewer", "analyst", "observer", "admin")
TOKEN_SCOPES = ("results:read", "exports:write")
"""What tokens of the API may be made for. Nothing that speaks for the city is among them: that takes a person."""

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("email", Text, unique=True, comment="lower case"),
    Column("phone", Text, unique=True, comment="E.164"),
    Column("password_hash", Text, comment="argon2id"),
    Column("display_name", Text, nullable=False, server_default=""),
    Column("department", Text, nullable=False, server_default=""),
    Column("citizen_id", ForeignKey("citizen.id"), unique=True),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("disabled_at", Moment),
    CheckConstraint("email IS NOT NULL OR phone IS NOT NULL", name="login"),
)

account_role = Table(
    "account_role",
    metadata,
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("granted_by", BigInteger),
    Column("granted_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("role IN ('resident','official','reviewer','analyst','observer','admin')", name="role"),
)

web_session = Table(
    "web_session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True, comment="SHA-256 of the token; the token is never stored"),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False, comment="coarse: written at most once a minute"),
    Column("expires_at", Moment, nullable=False, comment="absolute"),
    Column("user_agent", Text, nullable=False, server_default=""),
)

api_token = Table(
    "api_token",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False, comment="its owner's word for it"),
    Column("prefix", Text, nullable=False, comment="its first characters, to tell it apart in a list"),
    Column("token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256; the token is never stored"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("last_used_on", Date, comment="the day in UTC; no finer time is kept"),
    Column("revoked_at", Moment, comment="also set when the account is disabled or loses its last role for tokens"),
    CheckConstraint("octet_length(token_hash) = 32", name="hash"),
    CheckConstraint("expires_at > created_at AND expires_at <= created_at + interval '366 days'", name="expiry"),
    CheckConstraint("cardinality(scopes) > 0 AND scopes <@ ARRAY['results:read','exports:write']", name="scopes"),
)

throttle = Table(
    "throttle",
    metadata,
    Column("key", Text, primary_key=True, comment="route class and a keyed hash of account or network"),
    Column("window_start", Moment, primary_key=True),
    Column("n", Integer, nullable=False),
    Index("ix_throttle_window_start", "window_start"),
    comment="counters that hold across processes",
)

refusal = Table(
    "refusal",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, server_default=""),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    comment="refusals worth keeping, written in a transaction of their own",
)

export_job = Table(
    "export_job",
    metadata,
    Column("id", Text, primary_key=True, comment="128 random bits in hex"),
    Column("poll_id", ForeignKey("poll.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False, comment="of the count the file is made from"),
    Column("kind", Text, nullable=False),
    Column("wanted", JSONB, nullable=False, comment="question, dialect, language"),
    Column("key", Text, nullable=False, comment="hash of all that decides the bytes: equal requests share a job"),
    Column("askers", ARRAY(Text), nullable=False, comment="keyed hashes of accounts or networks"),
    Column("state", Text, nullable=False),
    Column("run", Text, nullable=False, server_default="", comment="the attempt that holds it"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("rows_done", BigInteger, nullable=False, server_default="0"),
    Column("rows_total", BigInteger),
    Column("file_name", Text, nullable=False, server_default=""),
    Column("media_type", Text, nullable=False, server_default=""),
    Column("sha256", Text),
    Column("size", BigInteger),
    Column("error", Text),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("seen_at", Moment, comment="when the worker last said that it is at it"),
    Column("finished_at", Moment),
    Column("expires_at", Moment),
    CheckConstraint("state IN ('waiting','running','ready','failed','cancelled','expired')", name="state"),
    CheckConstraint("state <> 'ready' OR (sha256 IS NOT NULL AND size IS NOT NULL)", name="ready_has_file"),
    Index("uq_export_job_key", "key", unique=True, postgresql_where=text("state IN ('waiting','running','ready')")),
    comment="files of public data being made, or kept for a while",
)
