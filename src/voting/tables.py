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
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from polls.tables import Moment, metadata

ROLES = ("resident", "official", "reviewer", "analyst", "observer", "admin", "operator")
TOKEN_SCOPES = ("results:read", "exports:write")
"""What tokens of the API may be made for. Nothing that speaks for the city is among them: that takes a person."""

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("email", Text, index=True, comment="lower case"),
    Column("phone", Text, unique=True, comment="E.164"),
    Column("password_hash", Text, comment="argon2id"),
    Column("display_name", Text, nullable=False, server_default=""),
    Column("department", Text, nullable=False, server_default=""),
    Column("citizen_id", ForeignKey("citizen.id"), unique=True),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("disabled_at", Moment),
    Column("email_verified_at", Moment, comment="when a letter sent there was answered"),
    Column("language", Text, nullable=False, server_default="ru", comment="of letters"),
    Column("email_lost_at", Moment, comment="when another account confirmed this e-mail, which this one had not"),
    Index("uq_account_email_confirmed", "email", unique=True, postgresql_where=text("email_verified_at IS NOT NULL")),
    CheckConstraint("email IS NOT NULL OR phone IS NOT NULL OR citizen_id IS NOT NULL", name="login"),
)

account_role = Table(
    "account_role",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("role", Text, nullable=False),
    Column("department", Text, comment="none: of every department"),
    Column("territory_id", ForeignKey("territory.id"), comment="with all below it; none: everywhere"),
    Column("granted_by", BigInteger),
    Column("granted_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("role IN ('resident','official','reviewer','analyst','observer','admin','operator')", name="role"),
    CheckConstraint("role IN ('official','reviewer') OR (department IS NULL AND territory_id IS NULL)", name="scope"),
    UniqueConstraint("account_id", "role", "department", "territory_id", postgresql_nulls_not_distinct=True),
)

approval = Table(
    "approval",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False, comment="poll, account or key"),
    Column("object_ref", Text, nullable=False, comment="public id of a poll, number of an account, purpose of a key"),
    Column("object_hash", LargeBinary, nullable=False, comment="SHA-256 of action, object as it was, parameters"),
    Column("version", JSONB, nullable=False, comment="the object as it was when this was asked"),
    Column("parameters", JSONB, nullable=False),
    Column("author_id", BigInteger, nullable=False, comment="account that asks"),
    Column("asked_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("author_evidence", JSONB, nullable=False, comment="how the author proved to be there"),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("decided_by", BigInteger, comment="account; none where time or an edit decided"),
    Column("decided_at", Moment),
    Column("note", Text, nullable=False, server_default="", comment="why it was declined, or what made it void"),
    Column("decider_evidence", JSONB),
    Column("carried_at", Moment, comment="when an approved change of keys was made where the keys are"),
    CheckConstraint("octet_length(object_hash) = 32", name="hash"),
    CheckConstraint("state IN ('waiting','approved','declined','withdrawn','void','expired')", name="state"),
    CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
    CheckConstraint(
        "state NOT IN ('approved','declined') OR (decided_by IS NOT NULL AND decided_by <> author_id)", name="two"
    ),
    Index("uq_approval_waiting", "action", "object_kind", "object_ref", "object_hash", unique=True,
          postgresql_where=text("state = 'waiting'")),
    Index("ix_approval_object", "object_kind", "object_ref"),
    Index("ix_approval_decided_at", "decided_at"),
    comment="what waits for a second person; a trigger lets each be decided once and never changed",
)  # fmt: skip

invitation = Table(
    "invitation",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True, comment="SHA-256; the token is shown once and never stored"),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("made_by", BigInteger, nullable=False),
    Column("expires_at", Moment, nullable=False),
    comment="links by which new members of staff choose their password; the newest of an account, gone once used",
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
    Column("way", Text, nullable=False, server_default="password"),
    CheckConstraint("way IN ('password', 'city')", name="way"),
    Column("assisted_citizen_id", ForeignKey("citizen.id"),
           comment="of an assisted session: the resident it casts for; the account is then the operator's"),
    Column("assisted_centre", Text, comment="of an assisted session: the service centre"),
    CheckConstraint("(assisted_citizen_id IS NULL) = (assisted_centre IS NULL)", name="assisted"),
)  # fmt: skip

operator_desk = Table(
    "operator_desk",
    metadata,
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("centre", Text, nullable=False, comment="the name of the service centre, as receipts and the log show it"),
    CheckConstraint("centre <> ''", name="centre"),
    comment="where an operator of assisted voting works",
)

assisted_invitation = Table(
    "assisted_invitation",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("operator_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("centre", Text, nullable=False),
    Column("citizen_id", ForeignKey("citizen.id"), nullable=False),
    Column("code_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the code on the operator's page"),
    Column("network", Text, nullable=False, comment="keyed hash of the operator's network: the booth is in the same"),
    Column("expires_at", Moment, nullable=False),
    comment="residents at a desk who have not yet consented: deleted when they do, or after minutes",
)

mail_out = Table(
    "mail_out",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("to_address", Text, nullable=False),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), comment="none: looked up when it is sent"),
    Column("message_key", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("language", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    comment="letters on their way: deleted when sent or given up; links are drawn when they are sent",
)

mail_token = Table(
    "mail_token",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True, comment="SHA-256; the token is in the letter alone"),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("address", Text, nullable=False, comment="where it was sent: worth nothing once the account has another"),
    Column("expires_at", Moment, nullable=False),
    CheckConstraint("purpose IN ('verify','reset','email_old','email_new','sign_in')", name="purpose"),
    comment="single use: deleted when used",
)

email_change = Table(
    "email_change",
    metadata,
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("new_email", Text, nullable=False),
    Column("old_confirmed_at", Moment, comment="set at once where the old address was never verified"),
    Column("new_confirmed_at", Moment),
    Column("expires_at", Moment, nullable=False),
    comment="e-mails asked for and not yet confirmed from both sides",
)

demo_letter = Table(
    "demo_letter",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("to_address", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Moment, nullable=False),
    comment="the demo alone: letters shown on a page in the place of a mail server",
)

account_erasure = Table(
    "account_erasure",
    metadata,
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("asked_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False, index=True),
    comment="accounts that will be erased unless their owner thinks better of it",
)

erased_citizen = Table(
    "erased_citizen",
    metadata,
    Column("citizen_id", ForeignKey("citizen.id"), primary_key=True),
    Column("erased_at", Moment, nullable=False),
    comment="whose account is erased while a poll voted in is not counted: keys of logins are kept till then",
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
